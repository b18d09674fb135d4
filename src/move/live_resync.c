/*
 * One table brought up to date without restarting the rest (rule 6): copied
 * again under the snapshot of a temporary slot, whose position becomes the
 * table's progress in the commit of its rows. The applier holds still meanwhile,
 * and then passes over what the copy has already.
 */
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "move/live.h"
#include "move/stream.h"
#include "move/work.h"

enum {
    PAUSE_S = 60
};

typedef struct Resync {
    Live *live;
    const Table *table;
    PGconn *replication; /* keeps the snapshot */
    PGconn *from;
    PGconn *to;
    SlotPoint point;
    int64_t rows;
} Resync;

static bool find_table(Live *live, const char *name, const Table *tables, int count,
                       const Table **ret, Error *err)
{
    auto_result PGresult *res = NULL;
    const char *params[] = {name};
    PGconn *conn = NULL;

    if (!live_connect(live, live_from(live), &conn, err) ||
        !pg_query(conn, sql_live_find_table, COUNT_OF(params), params, &res, err))
        return false;
    *ret = PQntuples(res) == 1
               ? tables_find(tables, count, PQgetvalue(res, 0, 0), PQgetvalue(res, 0, 1))
               : NULL;
    if (*ret && !(*ret)->unlogged)
        return true;
    (void)error_set(err, ERR_USAGE, "\"%s\" is no table whose changes are followed", name);
    (void)error_hint(err, "Name it as the source has it, with its schema: public.orders.");
    return false;
}

static bool open_snapshot(Resync *resync, Error *err)
{
    Live *live = resync->live;
    auto_arena Arena *scratch = arena_new();
    const PgUrl *from = live_url(live, live_from(live));

    return replication_connect(from, "resync", &resync->replication, err) &&
           replication_create_slot(
               resync->replication, live->arena,
               arena_printf(scratch, "%s_again_%d", live->publication, (int)getpid()), true,
               &resync->point, err) &&
           pg_connect(from, "resync", &resync->from, err) &&
           pg_exec(resync->from, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", err) &&
           pg_execf(resync->from, err, "SET TRANSACTION SNAPSHOT %s",
                    pg_literal(scratch, resync->point.snapshot));
}

/* The rows that are there go with the commit that brings the new ones. */
static bool replace_rows(Resync *resync, Error *err)
{
    Live *live = resync->live;
    const Table *table = resync->table;
    auto_arena Arena *scratch = arena_new();
    const char *columns = table_column_list(scratch, table);
    const char *list = *columns ? arena_printf(scratch, " (%s)", columns) : "";
    StreamEnd out = {resync->from,
                     arena_printf(scratch, "COPY %s%s TO STDOUT", table->qualified, list)};
    atomic_int_fast64_t bytes = 0;
    atomic_bool stop = false;
    auto_identity_rows IdentityRows *identities =
        identity_rows_new(live->job.identities, live->feed.direction == DIRECTION_BACK, table);
    StreamWatch watch = {.bytes = &bytes, .stop = &stop, .identities = identities};

    if (!pg_connect(live_url(live, live_to(live)), "resync", &resync->to, err) ||
        !fence_pass(resync->to, live->token, err) || !work_silence_triggers(resync->to, err))
        return false;
    StreamEnd in = {resync->to,
                    arena_printf(scratch, "COPY %s%s FROM STDIN", table->qualified, list)};
    return pg_exec(resync->to, "BEGIN READ WRITE", err) &&
           pg_execf(resync->to, err, "DELETE FROM ONLY %s", table->qualified) &&
           stream_rows(&out, &in, &watch, &resync->rows, err) &&
           progress_set(resync->to, live->feed.number, table->schema, table->name,
                        resync->point.lsn, err) &&
           pg_exec(resync->to, "COMMIT", err);
}

/* A stopped applier, which may be what the table is copied again for, begins anew. */
static bool hold_applier(Live *live, bool *ret_held, Error *err)
{
    ApplyStatus status;
    Lsn at = 0;

    *ret_held = false;
    if (!live->feed.applier)
        return true;
    applier_status(live->feed.applier, &status);
    if (!status.running) {
        applier_stop(live->feed.applier);
        live->feed.applier = NULL;
        return true;
    }
    *ret_held = applier_pause(live->feed.applier, clock_seconds() + PAUSE_S, &at, err);
    return *ret_held;
}

static bool resync_table(Resync *resync, Error *err)
{
    Live *live = resync->live;
    bool held = false;

    /* It asks the applier, and what it finds of a table that is copied again says nothing. */
    live_check_drop(live);
    bool ok = live_hold_fence(live, live_to(live), err) && hold_applier(live, &held, err) &&
              open_snapshot(resync, err) && replace_rows(resync, err);
    if (held) {
        applier_reload(live->feed.applier);
        applier_resume(live->feed.applier);
    }
    touched_add_whole(live->touched, resync->table->schema, resync->table->name);
    live->differences = 0;
    live->verified = false;
    live->checking = true;
    return ok && (live->feed.applier || live_apply(live, err));
}

bool live_resync(Live *live, const char *name, int64_t *ret_rows, Error *err)
{
    auto_arena Arena *scratch = arena_new();
    Resync resync = {.live = live};
    PGconn *conn = NULL;
    Table *tables = NULL;
    int count = 0;

    bool ok = live_connect(live, live_from(live), &conn, err) &&
              tables_list(conn, scratch, &tables, &count, err) &&
              identities_mark(live->job.identities, conn, tables, count, err) &&
              find_table(live, name, tables, count, &resync.table, err) &&
              live_publish(live, conn, tables, count, err) && resync_table(&resync, err);
    pg_close(resync.from);
    pg_close(resync.to);
    pg_close(resync.replication);
    *ret_rows = resync.rows;
    if (ok)
        log_info("table copied again", kv_str("table", name), kv_i64("rows", resync.rows));
    return ok || error_add_context(err, "copy %s again", name);
}
