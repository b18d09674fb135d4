/*
 * A table brought up to date without restarting the rest (rule 6): copied again
 * under the snapshot of a temporary slot, whose position becomes the table's
 * progress in the commit of its rows. The applier holds still meanwhile, and then
 * passes over what the copy has already.
 *
 * The session that writes shares the feed's lock with the applier's, and what
 * is not known to have been committed makes the applier begin anew: it waits for
 * that session's end (rule 13).
 */
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "move/live.h"
#include "move/live_again.h"

enum {
    PAUSE_S = 60,
    ALONE_S = 60,
    ALONE_LOOK_MS = 100,
    SNAPSHOT_TRIES = 5,
};

static bool find_tables(Live *live, Resync *resync, const char *name, Error *err)
{
    const char *params[] = {name};
    PGconn *conn = NULL;

    return live_connect(live, live_from(live), &conn, err) &&
           pg_query(conn, sql_live_find_table, COUNT_OF(params), params, &resync->names, err);
}

static bool is_named(const PGresult *names, const Table *table)
{
    for (int i = 0; i < PQntuples(names); i++)
        if (strcmp(PQgetvalue(names, i, 0), table->schema) == 0 &&
            strcmp(PQgetvalue(names, i, 1), table->name) == 0)
            return true;
    return false;
}

/* Rows of partitions by hash over an enum lie in any of them on the other side: all or none. */
static bool is_wanted(const PGresult *names, const Table *tables, int count, const Table *table)
{
    if (is_named(names, table))
        return true;
    for (int i = 0; i < count && table->root; i++)
        if (tables[i].root && strcmp(tables[i].root, table->root) == 0 &&
            is_named(names, &tables[i]))
            return true;
    return false;
}

/* Of these, into resync->tables, in the order of their names there. */
static bool choose_tables(Resync *resync, const Table *tables, int count, const char *name,
                          Error *err)
{
    const PGresult *names = resync->names;
    bool followed = true;

    resync->tables = arena_array(resync->arena, (size_t)count + 1, sizeof *resync->tables);
    resync->count = 0;
    for (int i = 0; i < PQntuples(names); i++) {
        const Table *table =
            tables_find(tables, count, PQgetvalue(names, i, 0), PQgetvalue(names, i, 1));

        if (table)
            resync->tables[resync->count++] = *table;
    }
    for (int i = 0; i < count; i++)
        if (!is_named(names, &tables[i]) && is_wanted(names, tables, count, &tables[i]))
            resync->tables[resync->count++] = tables[i];
    for (int i = 0; i < resync->count; i++)
        followed = followed && !resync->tables[i].unlogged;
    if (followed && resync->count > 0)
        return true;
    (void)error_set(err, ERR_USAGE, "\"%s\" is no table whose changes are followed", name);
    return error_hint(err, "Name it as the source has it, with its schema: public.orders.");
}

/* ---- the applier ---- */

static bool is_at_work(const Live *live)
{
    ApplyStatus status;

    applier_status(live->feed.applier, &status);
    return status.running && status.connected;
}

/* One that is not at work, which may be what the table is copied again for, begins anew; also where
 * it meets that only now. */
static bool hold_applier(Resync *resync, Error *err)
{
    Live *live = resync->live;
    Lsn at = 0;

    if (!live->feed.applier)
        return true;
    if (is_at_work(live)) {
        resync->held = applier_pause(live->feed.applier, clock_seconds() + PAUSE_S, &at, err);
        if (resync->held)
            return true;
        /* not run: by chance, where it ends at this moment, or a window takes longer than that */
        if (is_at_work(live))
            return false;
        *err = ERROR_INIT; /* not run: likewise */
    }
    applier_stop(live->feed.applier);
    live->feed.applier = NULL;
    return true;
}

/* What an applier's session that is gone has sent may still be committed: the rows would be there
 * twice. One that holds still has waited for that when it began. */
static bool wait_alone(Resync *resync, Error *err)
{
    Live *live = resync->live;
    double deadline = clock_seconds() + ALONE_S;
    bool alone = false;

    while (progress_share_first(resync->to, live->feed.number, &alone, err) && !alone) {
        /* not run: it takes a whole minute; what ends in time is in two tests of rule 13 */
        if (clock_seconds() > deadline) {
            (void)error_set(err, ERR_WRONG_STATE,
                            "an earlier session of ours on that side has not ended: what it "
                            "commits may still come");
            return error_hint(err, "In its pg_stat_activity it is a \"homeport apply\". One that "
                                   "waits for SyncRep goes on when a synchronous standby is there "
                                   "again.");
        }
        if (!live_serve(live, ALONE_LOOK_MS, err))
            return false;
    }
    return alone;
}

/* What foreign keys do to other tables when rows go there, the stream knows nothing of. */
static bool add_referring(Resync *resync, Error *err)
{
    auto_arena Arena *scratch = arena_new();
    int count = PQntuples(resync->names);
    const char **schemas = arena_array(scratch, (size_t)count, sizeof *schemas);
    const char **names = arena_array(scratch, (size_t)count, sizeof *names);
    PGresult *found = NULL;

    for (int i = 0; i < count; i++) {
        schemas[i] = PQgetvalue(resync->names, i, 0);
        names[i] = PQgetvalue(resync->names, i, 1);
    }
    const char *params[] = {pg_text_array(scratch, schemas, count),
                            pg_text_array(scratch, names, count)};
    if (resync->replica)
        return true;
    if (!pg_query(resync->to, sql_live_referring, COUNT_OF(params), params, &found, err))
        return error_add_context(err, "look for tables that refer to it");
    PQclear(resync->names);
    resync->names = found;
    return true;
}

static bool join_feed(Resync *resync, Error *err)
{
    Live *live = resync->live;

    return pg_connect(live_url(live, live_to(live)), "resync", &resync->to, err) &&
           fence_pass(resync->to, live->token, err) &&
           (resync->held ? progress_share(resync->to, live->feed.number, err)
                         : wait_alone(resync, err)) &&
           again_silence(resync, err) && add_referring(resync, err);
}

/* Where it is not known what was committed, its position has to be read when that is. */
static void release_applier(Resync *resync, bool ok)
{
    Live *live = resync->live;
    Error failed = ERROR_INIT;

    pg_close(resync->to);
    resync->to = NULL;
    if (resync->held && (ok || !resync->wrote)) {
        applier_reload(live->feed.applier);
        applier_resume(live->feed.applier);
        return;
    }
    if (resync->held) {
        applier_stop(live->feed.applier);
        live->feed.applier = NULL;
    }
    if (!live_apply(live, &failed))
        log_error("the applier could not be started", kv_str("reason", failed.message));
}

/* ---- the snapshot ---- */

/* Rule 3: what the snapshot shows of the tables is what is there, and stays. */
static bool open_snapshot(Resync *resync, const char *name, int number, Error *err)
{
    Live *live = resync->live;
    LiveSideName from = live_from(live);
    /* A former one may take its moment to go. */
    const char *slot =
        arena_printf(resync->arena, "%s_again_%d_%d", live->publication, (int)getpid(), number);
    SlotPoint point;
    Table *tables = NULL;
    int count = 0;

    if (!replication_connect(live_url(live, from), "resync", &resync->replication, err) ||
        !live_create_slot(live, from, resync->replication,
                          &(SlotRequest){.name = slot, .temporary = true}, &point, err) ||
        !keeper_open(resync->arena, live_url(live, from), point.snapshot, &resync->keeper, err))
        return false;
    resync->keeper.patience_s = PAUSE_S;
    resync->position = point.lsn;
    return keeper_list(&resync->keeper, resync->arena, &tables, &count, err) &&
           identities_mark(live->job.identities, resync->keeper.conn, tables, count, err) &&
           choose_tables(resync, tables, count, name, err) &&
           keeper_lock(&resync->keeper, resync->tables, resync->count, err);
}

static void close_snapshot(Resync *resync)
{
    keeper_close(&resync->keeper);
    pg_close(resync->replication);
    resync->replication = NULL;
}

static bool open_some_snapshot(Resync *resync, const char *name, Error *err)
{
    for (int tries = 1; !open_snapshot(resync, name, tries, err); tries++) {
        close_snapshot(resync);
        if (err->code != ERR_SNAPSHOT || tries == SNAPSHOT_TRIES)
            return false;
        log_warn("a new snapshot is needed", kv_str("reason", err->message));
        *err = ERROR_INIT;
    }
    return true;
}

/* ---- all of it ---- */

static bool resync_held(Resync *resync, const char *name, Error *err)
{
    Live *live = resync->live;

    /* It asks the applier, and what it finds of a table that is copied again says nothing. */
    live_check_drop(live);
    if (!live_hold_fence(live, live_to(live), err) || !hold_applier(resync, err))
        return false;
    bool ok = join_feed(resync, err) && open_some_snapshot(resync, name, err) &&
              again_replace(resync, err);
    release_applier(resync, ok);
    for (int i = 0; i < resync->count; i++)
        touched_add_whole(live->touched, resync->tables[i].schema, resync->tables[i].name);
    live->differences = 0;
    live_check_void(live);
    return ok;
}

/* What a table needs that came later, too. */
static bool publish(Resync *resync, const char *name, Error *err)
{
    Live *live = resync->live;
    PGconn *conn = NULL;
    Table *tables = NULL;
    int count = 0;

    return find_tables(live, resync, name, err) &&
           live_connect(live, live_from(live), &conn, err) &&
           tables_list(conn, resync->arena, &tables, &count, err) &&
           choose_tables(resync, tables, count, name, err) &&
           live_publish(live, conn, tables, count, err);
}

bool live_resync(Live *live, const char *name, ResyncReport *ret, Error *err)
{
    auto_arena Arena *arena = arena_new();
    Resync resync = {.live = live, .arena = arena};

    if (live->conclude_at > 0 || phase_is_switch(live->job.state.move.place.phase)) {
        (void)error_set(err, ERR_WRONG_STATE, "a switch has not come to its end");
        return error_hint(err, "`homeport status` says when it has: try then.");
    }
    bool ok = publish(&resync, name, err) && resync_held(&resync, name, err);
    close_snapshot(&resync);
    PQclear(resync.names);
    *ret = (ResyncReport){.rows = resync.rows, .tables = resync.count};
    if (ok)
        log_info("table copied again", kv_str("table", name), kv_i64("tables", resync.count),
                 kv_i64("rows", resync.rows));
    return ok || error_add_context(err, "copy %s again", name);
}
