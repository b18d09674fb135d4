#include "move/work.h"
#include "move/fence.h"
#include "move/lane.h"

#include <inttypes.h>
#include <malloc.h>
#include <math.h>
#include <string.h>

#include "core/cancel.h"
#include "core/clock.h"
#include "core/log.h"
#include "move/marks.h"
#include "move/reckon.h"
#include "move/schema.h"
#include "move/stream.h"

enum {
    RECONNECT_S = 60,
    FIRST_CONNECT_S = 0, /* one try */
    TRIES = 5,
    PING_EVERY_S = 30,
    SMALLEST_MEMORY = 16 << 20,
    MERGE_BUFFER = 264 << 10,
    PARALLEL_SHARE = 32 << 20,
    LARGEST_KEPT = 1 << 20,
};

typedef struct Worker {
    const WorkRequest *request;
    const atomic_bool *stop;
    Lane *lane;
    bool in_lane;
    int number;
    PGconn *source;
    PGconn *target;
    bool connected; /* what fails after that is worth another try */
} Worker;

/* ---- connections ---- */

/* Nobody relies on this database yet. One synchronous commit at the end makes all of it durable,
 * since WAL is flushed in order. Should the target crash before, commits are lost that were taken
 * for done: a connection made after that must not go on. */
static bool setup_target(PGconn *target, Error *err)
{
    return pg_exec(target, "SET synchronous_commit = off", err) && marks_check_crash(target, err);
}

bool work_silence_triggers(PGconn *target, Error *err)
{
    if (pg_exec(target, "SET session_replication_role = replica", err))
        return true;
    return error_hint(err,
                      "With `schema: existing` the target's triggers must be silenced: connect "
                      "as a superuser, or GRANT SET ON PARAMETER session_replication_role.");
}

static bool worker_connect(Worker *worker, int patience_s, Error *err)
{
    const WorkRequest *request = worker->request;
    char role[32];

    (void)snprintf(role, sizeof role, "copy %d", worker->number);
    if (!worker->source &&
        !keeper_join(request->keeper, request->source, role, patience_s, &worker->source, err))
        return false;
    if (worker->target)
        return true;
    if (!pg_connect_retry(request->target, role, patience_s, &worker->target, err))
        return error_add_context(err, "connect to the target");
    return setup_target(worker->target, err) &&
           (!request->token || fence_pass(worker->target, request->token, err)) &&
           (request->archive || work_silence_triggers(worker->target, err));
}

static void worker_disconnect(Worker *worker)
{
    pg_close(worker->source);
    pg_close(worker->target);
    worker->source = NULL;
    worker->target = NULL;
    lane_leave(worker->lane, &worker->in_lane);
}

static void worker_leave_lane(Worker *worker)
{
    /* not run: rows of so many MB are in the tests that measure memory, without counts */
    if (worker->in_lane) {
        pg_close(worker->source);
        worker->source = NULL;
        lane_leave(worker->lane, &worker->in_lane);
    }
}

/* ---- tasks ---- */

static bool mark_copied(Worker *worker, const Task *task, int64_t rows, Error *err)
{
    FinishedPart part = {
        .schema = task->table->schema,
        .table = task->table->name,
        .part = task->part,
        .parts = task->parts,
        .rows = rows,
        .position = worker->request->position,
    };

    return marks_part(worker->target, &part, err);
}

/* A part in work, as it is counted. */
typedef struct PartWatch {
    WorkProgress *progress;
    PartSent sent;
    int64_t rows; /* counted so far */
    int64_t weight;
    int64_t bytes;
} PartWatch;

static void count_part(PartWatch *part, int64_t rows, int64_t weight, int64_t bytes)
{
    (void)atomic_fetch_add(&part->progress->running_rows, rows - part->rows);
    (void)atomic_fetch_add(&part->progress->reckoned_weight, weight - part->weight);
    (void)atomic_fetch_add(&part->progress->reckoned_bytes, bytes - part->bytes);
    part->rows = rows;
    part->weight = weight;
    part->bytes = bytes;
}

static void on_passed(void *context, int64_t rows, int64_t bytes)
{
    PartWatch *part = context;
    bool known = part->sent.rows_expected > 0;

    part->sent.rows = rows;
    part->sent.bytes = bytes;
    count_part(part, rows, known ? (int64_t)reckon_part(&part->sent) : 0, known ? bytes : 0);
}

static PartWatch watch_part(WorkProgress *progress, const Task *task)
{
    const Table *table = task->table;

    return (PartWatch){
        .progress = progress,
        .sent = {.weight = (double)task->weight,
                 .rows_expected = (double)table->rows_estimate / task->parts,
                 .toasted = table->bytes - table->row_bytes > table->row_bytes},
    };
}

static bool copy_rows(Worker *worker, PGconn *source, const Task *task, int64_t *ret_rows,
                      Error *err)
{
    WorkProgress *progress = worker->request->progress;
    auto_identity_rows IdentityRows *identities =
        identity_rows_new(worker->request->identities, false, task->table);
    PartWatch part = watch_part(progress, task);
    StreamWatch watch = {.bytes = &progress->bytes,
                         .stop = worker->stop,
                         .identities = identities,
                         .passed = on_passed,
                         .context = &part};
    PGconn *target = worker->target;

    if (!lane_enter(worker->lane, source, task->large_rows, worker->stop, &worker->in_lane, err) ||
        !pg_exec(target, "BEGIN", err))
        return false;
    /* The lock that FREEZE wants anyway; without rows to lose nobody waits for it. */
    if (task->freeze && !pg_execf(target, err, "TRUNCATE ONLY %s", task->table->qualified))
        return false;
    if (task->delete_sql && !pg_exec(target, task->delete_sql, err))
        return false;
    bool ok = stream_rows(&(StreamEnd){source, task->copy_out}, &(StreamEnd){target, task->copy_in},
                          &watch, ret_rows, err) &&
              mark_copied(worker, task, *ret_rows, err) && pg_exec(target, "COMMIT", err);
    count_part(&part, 0, 0, 0);
    (void)atomic_fetch_add(ok ? &progress->copied_bytes : &progress->lost_bytes, watch.sent);
    return ok;
}

static bool copy_by_somebody(Worker *worker, const Task *task, int64_t *ret_rows, Error *err)
{
    Keeper *keeper = worker->request->keeper;
    bool locked = false;

    if (!keeper_try_table(worker->source, task->table, &locked, err))
        return false;
    if (locked)
        return copy_rows(worker, worker->source, task, ret_rows, err);

    log_warn("a statement on the source waits for this move to end, and others behind it",
             kv_str("table", task->table->qualified));
    bool ok = copy_rows(worker, keeper_borrow(keeper), task, ret_rows, err);
    keeper_return(keeper);
    if (!ok && err->code != ERR_CANCELLED)
        err->code = ERR_SNAPSHOT;
    return ok;
}

static bool run_copy(Worker *worker, const Task *task, Error *err)
{
    WorkProgress *progress = worker->request->progress;
    int64_t before = atomic_load(&progress->bytes);
    int64_t rows = -1;

    /* A commit whose answer got lost: the mark tells. */
    if (!marks_part_rows(worker->target, task->table->schema, task->table->name, task->part, &rows,
                         err))
        return false;
    if (rows < 0 && !copy_by_somebody(worker, task, &rows, err)) {
        schema_hint_unqualified(err);
        return error_add_context(err, "copy %s", task->table->qualified);
    }
    worker_leave_lane(worker);
    log_debug("part copied", kv_str("table", task->table->qualified), kv_i64("part", task->part),
              kv_i64("rows", rows), kv_i64("bytes", atomic_load(&progress->bytes) - before));
    (void)atomic_fetch_add(&progress->rows, rows);
    (void)atomic_fetch_add(&progress->copied_weight, task->weight);
    if (atomic_fetch_sub(task->parts_left, 1) == 1)
        (void)atomic_fetch_add(&progress->tables_done, 1);
    (void)atomic_fetch_add(&progress->parts_done, 1);
    return true;
}

/*
 * The least memory that sorts a table of this size in one merge pass. A merge
 * of n runs needs n buffers of MERGE_BUFFER (PostgreSQL's tuplesort.c); runs of
 * m bytes make n = size / m, hence m = sqrt(size * MERGE_BUFFER). More is not
 * better but worse: quicksort over more than the processor's cache costs up to
 * twice the time of the same rows in small runs (docs/benchmarks.md).
 */
static int64_t sort_memory(const WorkRequest *request, const Table *table)
{
    double size = table ? (double)table->bytes : 0;
    int64_t memory = (int64_t)sqrt(size * MERGE_BUFFER);

    if (memory > request->memory_bytes)
        memory = request->memory_bytes; /* not run: at least 64 MB, for a table of 16 GB */
    return memory > SMALLEST_MEMORY ? memory : SMALLEST_MEMORY;
}

/* Parallel workers of the server pay only where our own would be idle; each must have
 * PARALLEL_SHARE, or the server starts none. */
static bool set_build_memory(Worker *worker, const Task *task, int ready, Error *err)
{
    const WorkRequest *request = worker->request;
    int64_t memory = sort_memory(request, task->table);
    int parallel = ready + 1 >= request->jobs ? 0 : request->jobs - 1;

    if (parallel > 0 && memory < (int64_t)PARALLEL_SHARE * (parallel + 1))
        memory = (int64_t)PARALLEL_SHARE * (parallel + 1);
    return pg_execf(
        worker->target, err,
        "SET max_parallel_maintenance_workers = %d; SET maintenance_work_mem = '%" PRId64 "kB'",
        parallel, memory / 1024);
}

/* The archive's entry is marked once all of it is there: a key's index alone is not. */
static bool build(Worker *worker, const Task *task, Error *err)
{
    const Config *config = worker->request->config;
    bool marked = task->kind != TASK_INDEX || !task->sql;

    if (!pg_exec(worker->target, "BEGIN", err))
        return false;
    if (*task->entry->tablespace &&
        !schema_set_tablespace(worker->target, task->entry->tablespace, err))
        return schema_fail_entry(task->entry, err);
    if (task->sql) {
        if (!pg_exec(worker->target, task->sql, err))
            return schema_fail_entry(task->entry, err);
    } else if (!schema_run_entry(worker->target, config, worker->request->archive, task->entry,
                                 err)) {
        return false;
    }
    return (!marked || marks_entry(worker->target, task->entry->id, err)) &&
           pg_exec(worker->target, "COMMIT", err);
}

/* After a connection broke, what an earlier try did must be known before it is tried again. */
static bool is_built(Worker *worker, const Task *task, bool *ret, Error *err)
{
    auto_arena Arena *scratch = arena_new();
    auto_result PGresult *res = NULL;
    int *done = NULL;
    int count = 0;

    if (!marks_entries(worker->target, scratch, &done, &count, err))
        return false;
    *ret = marks_has_entry(done, count, task->entry->id);
    if (*ret || task->kind != TASK_INDEX || !task->sql)
        return true;
    /* The index of a key: there under the key's name, or not. */
    const char *params[] = {task->table->schema, task->index_name};
    if (!pg_query(worker->target, sql_target_index_exists, COUNT_OF(params), params, &res, err))
        return false;
    *ret = PQntuples(res) > 0;
    return true;
}

static bool run_build(Worker *worker, const Task *task, int ready, bool again, Error *err)
{
    WorkProgress *progress = worker->request->progress;
    bool index = task->kind == TASK_INDEX;
    atomic_int *running = index ? &progress->indexes_running : &progress->constraints_running;
    bool built = false;

    if ((again || worker->request->resumed) && !is_built(worker, task, &built, err))
        return false;
    (void)atomic_fetch_add(running, 1);
    bool ok = built || (set_build_memory(worker, task, ready, err) && build(worker, task, err));
    (void)atomic_fetch_sub(running, 1);
    if (ok)
        (void)atomic_fetch_add(index ? &progress->indexes_done : &progress->constraints_done, 1);
    return ok;
}

/* Commits that did not wait for the disk (rule 9) cannot be marked as visible before their WAL is
 * there: VACUUM would pass over the rows, and each foreign key look at them one by one (rule 8). A
 * transaction that has written nothing does not wait either. */
static bool flush_wal(Worker *worker, Error *err)
{
    return pg_exec(worker->target,
                   "BEGIN READ WRITE; SET LOCAL synchronous_commit = local;"
                   " SELECT pg_catalog.pg_logical_emit_message(true, 'homeport', ''); COMMIT",
                   err);
}

static bool run_analyze(Worker *worker, const Task *task, Error *err)
{
    if (task->vacuum && !flush_wal(worker, err))
        return false;
    return pg_execf(worker->target, err, "%s %s", task->vacuum ? "VACUUM (ANALYZE)" : "ANALYZE",
                    task->table->qualified) ||
           error_add_context(err, "analyze %s", task->table->qualified);
}

static bool run_once(Worker *worker, const Task *task, int ready, bool again, Error *err)
{
    worker->connected = worker_connect(worker, RECONNECT_S, err);
    if (!worker->connected)
        return false;
    switch (task->kind) {
    case TASK_COPY:
        return run_copy(worker, task, err);
    case TASK_ANALYZE:
        return run_analyze(worker, task, err);
    case TASK_INDEX:
    case TASK_CONSTRAINT:
    case TASK_ENTRY:
    case TASK_FOREIGN_KEY:
        return run_build(worker, task, ready, again, err);
    }
    /* not run: every kind is above */
    return error_set(err, ERR_WRONG_STATE, "task of unknown kind %d", (int)task->kind);
}

/* A server that takes fewer connections than we have workers is no reason to wait, nor to fail. */
static bool get_ready(void *context, Error *err)
{
    Worker *worker = context;

    if (worker_connect(worker, FIRST_CONNECT_S, err))
        return true;
    worker_disconnect(worker);
    return false;
}

static bool run_task(void *context, void *payload, int ready, Error *err)
{
    Worker *worker = context;
    const Task *task = payload;

    if (!task) /* a milestone */
        return true;
    for (int tries = 1;; tries++) {
        if (run_once(worker, task, ready, tries > 1, err)) {
            (void)atomic_fetch_add(&worker->request->progress->weight, task->weight);
            return true;
        }
        /* Whatever state they are in: the next task begins on new ones. */
        worker_disconnect(worker);
        if (err->code != ERR_CONNECT || !worker->connected || tries == TRIES ||
            atomic_load(worker->stop))
            return false;
        log_warn("connection lost, doing it again under the same snapshot",
                 kv_str("task", task->table ? task->table->qualified : task->entry->tag),
                 kv_str("reason", err->message), kv_i64("try", tries));
    }
}

/* ---- all of it ---- */

typedef struct Ticker {
    const WorkRequest *request;
    const atomic_bool *stop;
    double last_ping;
    bool interrupted;
} Ticker;

static bool on_tick(void *context, Error *err)
{
    Ticker *ticker = context;

    /* One failed, or we are to stop: the others may sit in an index build of an hour. */
    if ((cancel_requested() || atomic_load(ticker->stop)) && !ticker->interrupted) {
        ticker->interrupted = true;
        pg_interrupt_all();
    }
    if (ticker->interrupted)
        return cancel_check(err);
    /* not run: after half a minute, longer than the copy of a test takes */
    if (clock_seconds() - ticker->last_ping > PING_EVERY_S) {
        ticker->last_ping = clock_seconds();
        if (!keeper_ping(ticker->request->keeper, err))
            return false;
    }
    return ticker->request->tick(ticker->request->tick_context, err);
}

bool work_run(Arena *arena, const WorkRequest *request, Error *err)
{
    Worker *workers = arena_array(arena, (size_t)request->jobs, sizeof *workers);
    void **pointers = arena_array(arena, (size_t)request->jobs, sizeof *pointers);
    atomic_bool stop = false;
    Lane lane = {.taken = false};
    Ticker ticker = {.request = request, .stop = &stop, .last_ping = clock_seconds()};

    /* What large rows took goes back to the system: glibc would keep up to twice the largest block
     * that was ever freed, for each thread. */
    (void)mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT);
    for (int i = 0; i < request->jobs; i++) {
        workers[i] = (Worker){.request = request, .stop = &stop, .lane = &lane, .number = i + 1};
        pointers[i] = &workers[i];
    }
    PoolGraph graph = request->plan->graph;
    PoolWork work = {
        .threads = request->jobs,
        .run = run_task,
        .ready = get_ready,
        .workers = pointers,
        .stop = &stop,
        .tick = on_tick,
        .tick_context = &ticker,
    };
    bool ok = pool_run(&graph, &work, err);
    for (int i = 0; i < request->jobs; i++)
        worker_disconnect(&workers[i]);
    return ok;
}
