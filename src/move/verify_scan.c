#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/cancel.h"
#include "core/clock.h"
#include "core/log.h"
#include "move/verify.h"

enum {
    BLOCKS_A_PART = 16384,
    MAX_WORKERS = 64,
    TICK_MS = 200,
};

/* Column order of sql/verify/sums.sql. */
enum {
    SUM_BUCKET,
    SUM_ROWS,
    SUM_FIRST,
};

typedef struct ScanTask {
    VerifyTable *table;
    int64_t first_block; /* -1: the whole table */
    int64_t end_block;   /* -1: to its end */
    int64_t bytes;       /* for progress */
} ScanTask;

typedef struct Scan {
    VerifyRun *run;
    ScanTask *tasks[VERIFY_SIDES];
    int counts[VERIFY_SIDES];
    atomic_int next[VERIFY_SIDES];
    atomic_bool stop;
    pthread_mutex_t lock; /* of what follows, and of all buckets */
    pthread_cond_t ended;
    int running;
    int64_t rows;
    int64_t bytes;
    int64_t bytes_total;
    bool failed;
    Error error;
    double started;
} Scan;

typedef struct Worker {
    Scan *scan;
    VerifySide side;
    pthread_t thread;
} Worker;

/* Numeric text modulo 2^64: exact sums are compared by less than they hold, but the hashes have no
 * more bits than that. */
static uint64_t sum_parse(const char *text)
{
    bool negative = text[0] == '-';
    uint64_t value = 0;

    for (const char *p = text + negative; *p; p++)
        value = value * 10 + (uint64_t)(*p - '0');
    return negative ? 0 - value : value;
}

static const char *part_sql(Arena *arena, const ScanTask *task)
{
    if (task->first_block < 0)
        return "true";
    /* not run: tables above 128 MB, which tests without counts read to the end */
    if (task->end_block < 0)
        return arena_printf(arena, "t.ctid >= '(%lld,0)'::pg_catalog.tid",
                            (long long)task->first_block);
    return arena_printf(
        arena, "t.ctid >= '(%lld,0)'::pg_catalog.tid AND t.ctid < '(%lld,0)'::pg_catalog.tid",
        (long long)task->first_block, (long long)task->end_block);
}

static bool query_sums(PGconn *conn, const ScanTask *task, VerifySide side, PGresult **ret,
                       Error *err)
{
    auto_arena Arena *scratch = arena_new();
    const VerifyTable *table = task->table;
    const SqlPart parts[] = {
        {"bucket", table->bucket    },
        {"mask",   table->bucket    },
        {"hash1",  table->hashes[0] },
        {"hash2",  table->hashes[1] },
        {"rows",   table->rows[side]},
        {"part",   part_sql(scratch,  task)},
        {NULL,        NULL                     },
    };
    const char *sql = verify_fill(
        scratch, table->kind == BUCKET_ROW ? sql_verify_bag_sums : sql_verify_sums, parts);

    return pg_query(conn, sql, table->bounds ? 1 : 0, &table->bounds, ret, err);
}

static void add_sums(Scan *scan, const ScanTask *task, VerifySide side, const PGresult *res)
{
    (void)pthread_mutex_lock(&scan->lock);
    for (int row = 0; row < PQntuples(res); row++) {
        int64_t number = pg_cell_i64(res, row, SUM_BUCKET);

        assert(number >= 0 && number < task->table->bucket_count);
        Bucket *bucket = &task->table->buckets[side][number];
        int64_t rows = pg_cell_i64(res, row, SUM_ROWS);
        bucket->rows += rows;
        scan->rows += side == VERIFY_SOURCE ? rows : 0;
        for (int i = 0; i < VERIFY_HASHES; i++) {
            const char *sum = pg_cell(res, row, SUM_FIRST + i);
            bucket->sums[i] += sum ? sum_parse(sum) : 0;
        }
    }
    scan->bytes += task->bytes;
    (void)pthread_mutex_unlock(&scan->lock);
}

static bool run_task(Scan *scan, PGconn *conn, const ScanTask *task, VerifySide side, Error *err)
{
    auto_result PGresult *res = NULL;

    if (!verify_statement_begin(scan->run, conn, err))
        return false;
    if (!query_sums(conn, task, side, &res, err)) {
        if (strcmp(err->sqlstate, "42P01") == 0)
            (void)error_hint(err, "It was dropped or renamed meanwhile: run verify again.");
        return error_add_context(err, "compare %s on the %s", task->table->name,
                                 scan->run->sides[side].name);
    }
    add_sums(scan, task, side, res);
    return verify_statement_end(scan->run, conn, err);
}

static bool work(Scan *scan, VerifySide side, Error *err)
{
    auto_conn PGconn *conn = NULL;

    while (!atomic_load(&scan->stop)) {
        int at = atomic_fetch_add(&scan->next[side], 1);

        if (at >= scan->counts[side])
            return true;
        if (!conn && !verify_join(scan->run, side, "verify", &conn, err))
            return false;
        if (!run_task(scan, conn, &scan->tasks[side][at], side, err))
            return false;
    }
    return true;
}

static void *worker_main(void *arg)
{
    Worker *worker = arg;
    Scan *scan = worker->scan;
    Error err = ERROR_INIT;

    bool ok = work(scan, worker->side, &err);
    (void)pthread_mutex_lock(&scan->lock);
    if (!ok && !scan->failed) {
        scan->failed = true;
        scan->error = err;
        atomic_store(&scan->stop, true);
    }
    scan->running--;
    (void)pthread_cond_signal(&scan->ended);
    (void)pthread_mutex_unlock(&scan->lock);
    return NULL;
}

/* Under the lock. */
static MoveProgress scan_progress(const Scan *scan)
{
    double seconds = clock_seconds() - scan->started;
    double rate = seconds > 0.5 ? (double)scan->bytes / seconds : 0;

    return (MoveProgress){
        .step = "verify",
        .bytes = scan->bytes,
        .rows = scan->rows,
        .fraction = scan->bytes_total > 0 ? (double)scan->bytes / (double)scan->bytes_total : 0,
        .rate = rate,
        .seconds_left = rate > 0 ? (double)(scan->bytes_total - scan->bytes) / rate : -1,
    };
}

static void wait_for_workers(Scan *scan)
{
    const MoveWatch *watch = scan->run->options->watch;

    (void)pthread_mutex_lock(&scan->lock);
    while (scan->running > 0) {
        struct timespec until = clock_after_ms(TICK_MS);

        (void)pthread_cond_timedwait(&scan->ended, &scan->lock, &until);
        MoveProgress progress = scan_progress(scan);
        (void)pthread_mutex_unlock(&scan->lock);
        if (watch && watch->progress)
            watch->progress(watch->context, &progress);
        if (cancel_requested())
            atomic_store(&scan->stop, true);
        (void)pthread_mutex_lock(&scan->lock);
    }
    (void)pthread_mutex_unlock(&scan->lock);
}

static void plan_tasks(Scan *scan, VerifySide side)
{
    VerifyRun *run = scan->run;
    int count = 0;

    for (int i = 0; i < run->table_count; i++)
        count += 1 + (int)(run->tables[i].of[side]->blocks / BLOCKS_A_PART);
    ScanTask *tasks = arena_array(run->arena, (size_t)count, sizeof *tasks);
    count = 0;
    for (int i = 0; i < run->table_count; i++) {
        VerifyTable *table = &run->tables[i];
        const Table *of = table->of[side];
        int64_t parts = of->heap && !of->condition ? 1 + of->blocks / BLOCKS_A_PART : 1;

        for (int64_t part = 0; part < parts; part++)
            tasks[count++] = (ScanTask){
                .table = table,
                .first_block = parts == 1 ? -1 : part * BLOCKS_A_PART,
                .end_block = part == parts - 1 ? -1 : (part + 1) * BLOCKS_A_PART,
                .bytes = of->bytes / parts,
            };
        scan->bytes_total += of->bytes / parts * parts;
    }
    scan->tasks[side] = tasks;
    scan->counts[side] = count;
}

static bool start_workers(Scan *scan, Worker *workers, int *count, Error *err)
{
    for (int i = 0; i < scan->run->jobs * VERIFY_SIDES && *count < MAX_WORKERS; i++) {
        VerifySide side = i % VERIFY_SIDES == 0 ? VERIFY_SOURCE : VERIFY_TARGET;

        if (i / VERIFY_SIDES >= scan->counts[side])
            continue;
        workers[*count] = (Worker){.scan = scan, .side = side};
        (void)pthread_mutex_lock(&scan->lock);
        scan->running++;
        (void)pthread_mutex_unlock(&scan->lock);
        int failed = pthread_create(&workers[*count].thread, NULL, worker_main, &workers[*count]);
        if (failed) {
            (void)pthread_mutex_lock(&scan->lock);
            scan->running--;
            (void)pthread_mutex_unlock(&scan->lock);
            atomic_store(&scan->stop, true);
            return error_set(err, ERR_IO, "start a thread: %s", strerror(failed));
        }
        (*count)++;
    }
    return true;
}

bool verify_scan(VerifyRun *run, Error *err)
{
    Worker workers[MAX_WORKERS];
    Scan scan = {.run = run, .started = clock_seconds()};
    int count = 0;

    (void)pthread_mutex_init(&scan.lock, NULL);
    clock_cond_init(&scan.ended);
    for (int side = 0; side < VERIFY_SIDES; side++)
        plan_tasks(&scan, (VerifySide)side);
    bool ok = start_workers(&scan, workers, &count, err);
    wait_for_workers(&scan);
    for (int i = 0; i < count; i++)
        (void)pthread_join(workers[i].thread, NULL);
    (void)pthread_cond_destroy(&scan.ended);
    (void)pthread_mutex_destroy(&scan.lock);
    if (!ok || !cancel_check(err))
        return false;
    if (scan.failed) {
        *err = scan.error;
        return false;
    }
    run->report->rows = scan.rows;
    log_debug("tables scanned", kv_i64("tables", run->table_count), kv_i64("rows", scan.rows),
              kv_i64("ms", (int64_t)((clock_seconds() - scan.started) * 1000)));
    return true;
}
