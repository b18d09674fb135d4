#include "move/verify_counts.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/text.h"

enum {
    BUDGET_MS = 100,     /* at most, whatever the deadline: writers wait */
    SHARE = 4,           /* and at most this part of what is left */
    TABLES_A_QUERY = 40, /* a round trip for each would be most of it */
    BYTES_A_QUERY = 8 << 20,
    MAX_SQL = 1 << 20,
};

#define TIMED_OUT "57014"

typedef struct Counting {
    const VerifyRun *run;
    VerifySide side;
    const VerifyTable *const *order;
    double until_s;
    int64_t *counts; /* by order */
    int done;
    bool ok;
    Error error;
} Counting;

static int64_t larger_bytes(const VerifyTable *table)
{
    int64_t here = table->of[VERIFY_SOURCE]->bytes;
    int64_t there = table->of[VERIFY_TARGET]->bytes;

    return here > there ? here : there;
}

static int by_size(const void *a, const void *b)
{
    int64_t left = larger_bytes(*(const VerifyTable *const *)a);
    int64_t right = larger_bytes(*(const VerifyTable *const *)b);

    return (left > right) - (left < right);
}

/* How many of the next tables one statement counts. */
static int batch_of(const Counting *counting)
{
    int left = counting->run->table_count - counting->done;
    int64_t bytes = 0;
    int count = 0;

    while (count < left && count < TABLES_A_QUERY &&
           (bytes += larger_bytes(counting->order[counting->done + count])) <= BYTES_A_QUERY)
        count++;
    return count > 0 ? count : left > 0 ? 1 : 0;
}

static const char *count_sql(Arena *arena, const Counting *counting, int count)
{
    Text sql = text_init(arena, MAX_SQL);

    text_add(&sql, "SELECT ");
    for (int i = 0; i < count; i++)
        text_addf(&sql, "%s(SELECT pg_catalog.count(*) FROM %s)", i ? ", " : "",
                  counting->order[counting->done + i]->rows[counting->side]);
    return text_str(&sql);
}

/* False at the end of the tables, of the time, or on failure. */
static bool count_some(Counting *counting, PGconn *conn)
{
    auto_arena Arena *scratch = arena_new();
    auto_result PGresult *res = NULL;
    int count = batch_of(counting);
    int left_ms = (int)((counting->until_s - clock_seconds()) * 1000);

    if (count == 0 || left_ms < 1)
        return false;
    if (!pg_execf(conn, &counting->error, "SET statement_timeout = %d", left_ms) ||
        !pg_query(conn, count_sql(scratch, counting, count), 0, NULL, &res, &counting->error)) {
        counting->ok = strcmp(counting->error.sqlstate, TIMED_OUT) == 0;
        return false;
    }
    for (int i = 0; i < count; i++)
        counting->counts[counting->done++] = pg_cell_i64(res, 0, i);
    return true;
}

static void *counting_main(void *arg)
{
    Counting *counting = arg;
    PGconn *conn = counting->run->sides[counting->side].conn;

    counting->ok = true;
    while (count_some(counting, conn))
        ;
    return NULL;
}

static void report(VerifyRun *run, const Counting *sides, int *ret)
{
    int done = sides[VERIFY_SOURCE].done < sides[VERIFY_TARGET].done ? sides[VERIFY_SOURCE].done
                                                                     : sides[VERIFY_TARGET].done;

    for (int i = 0; i < done; i++) {
        int64_t here = sides[VERIFY_SOURCE].counts[i];
        int64_t there = sides[VERIFY_TARGET].counts[i];

        if (here != there)
            verify_add(run, DIFFERENCE_COUNT, sides[VERIFY_SOURCE].order[i]->name, NULL,
                       arena_printf(run->arena, "%s rows on the source, %s on the target",
                                    text_count(run->arena, here), text_count(run->arena, there)));
    }
    *ret = done;
}

bool verify_counts(VerifyRun *run, double deadline_s, int *ret, Error *err)
{
    auto_arena Arena *scratch = arena_new();
    size_t tables = (size_t)run->table_count;
    const VerifyTable **order = arena_array(scratch, tables, sizeof *order);
    double now = clock_seconds();
    double budget = (deadline_s - now) / SHARE;
    Counting sides[VERIFY_SIDES];
    pthread_t thread;

    if (budget > BUDGET_MS / 1000.0)
        budget = BUDGET_MS / 1000.0;
    for (int i = 0; i < run->table_count; i++)
        order[i] = &run->tables[i];
    qsort(order, tables, sizeof *order, by_size);
    for (int side = 0; side < VERIFY_SIDES; side++)
        sides[side] = (Counting){
            .run = run,
            .side = (VerifySide)side,
            .order = order,
            .until_s = now + budget,
            .counts = arena_array(scratch, tables, sizeof(int64_t)),
        };
    int failed = pthread_create(&thread, NULL, counting_main, &sides[VERIFY_SOURCE]);
    if (failed)
        return error_set(err, ERR_IO, "start a thread: %s", strerror(failed));
    (void)counting_main(&sides[VERIFY_TARGET]);
    (void)pthread_join(thread, NULL);
    for (int side = 0; side < VERIFY_SIDES; side++)
        if (!sides[side].ok) {
            *err = sides[side].error;
            return error_add_context(err, "count rows on the %s", run->sides[side].name);
        }
    report(run, sides, ret);
    return true;
}
