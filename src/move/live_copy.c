/*
 * From nothing to following: publication, slot, snapshot (rule 1), the copy
 * under it, and the positions from which the applier goes on (rule 6).
 */
#include <string.h>
#include <unistd.h>

#include "core/cancel.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/text.h"
#include "move/finish.h"
#include "move/live.h"

enum {
    MAX_STATEMENT = 8 << 20,
    LOCK_TIMEOUT_MS = 2000,
    LOCK_TRIES = 100,
    LOCK_PAUSE_MS = 300,
    FENCE_S = 60,
    FINISH_TRIES = 5,
    FIRST_SLOT_WAIT_S = 3, /* for each transaction that the source has open */
    MOST_SLOT_WAIT_S = 3600,
};

const char *live_slot_name(const Live *live, int number)
{
    return arena_printf(live->arena, "%s_%d", live->publication, number);
}

/* ---- the publication ---- */

static void name_tables(Arena *arena, const Table *tables, int count, const char *params[2])
{
    const char **schemas = arena_array(arena, (size_t)count, sizeof *schemas);
    const char **names = arena_array(arena, (size_t)count, sizeof *names);

    for (int i = 0; i < count; i++) {
        schemas[i] = tables[i].schema;
        names[i] = tables[i].name;
    }
    params[0] = pg_text_array(arena, schemas, count);
    params[1] = pg_text_array(arena, names, count);
}

/* What has no stream is left out: `check` has said so (rule 21). */
static bool is_published(const Table *table)
{
    return !table->unlogged;
}

static const char *publication_sql(Arena *arena, const Live *live, bool there, const Table *tables,
                                   int count)
{
    Text sql = text_init(arena, MAX_STATEMENT);
    const char *name = pg_ident(arena, live->publication);
    int listed = 0;

    text_addf(&sql, there ? "ALTER PUBLICATION %s SET TABLE " : "CREATE PUBLICATION %s FOR TABLE ",
              name);
    for (int i = 0; i < count; i++)
        if (is_published(&tables[i]))
            text_addf(&sql, "%sONLY %s", listed++ ? ", " : "", tables[i].qualified);
    if (listed > 0)
        return text_str(&sql);
    /* A database without tables: nothing to stream but markers. */
    return there ? "SELECT" : arena_printf(arena, "CREATE PUBLICATION %s", name);
}

static bool has_table(const PGresult *res, const Table *table)
{
    for (int i = 0; i < PQntuples(res); i++)
        if (strcmp(PQgetvalue(res, i, 0), table->schema) == 0 &&
            strcmp(PQgetvalue(res, i, 1), table->name) == 0)
            return true;
    return false;
}

static bool is_complete(const PGresult *res, const Table *tables, int count)
{
    int published = 0;

    for (int i = 0; i < count; i++) {
        if (is_published(&tables[i]) && !has_table(res, &tables[i]))
            return false;
        published += is_published(&tables[i]);
    }
    return published == PQntuples(res);
}

static bool is_row(const PGresult *res, int row, const Table *table)
{
    return strcmp(PQgetvalue(res, row, 1), table->schema) == 0 &&
           strcmp(PQgetvalue(res, row, 2), table->name) == 0;
}

/* Rule 2: in the transaction that publishes, after the locks that it takes. */
static bool check_identities(PGconn *conn, const Table *tables, int count, Error *err)
{
    auto_arena Arena *scratch = arena_new();
    auto_result PGresult *res = NULL;
    const char *params[2];

    name_tables(scratch, tables, count, params);
    if (!pg_query(conn, sql_live_no_identity, COUNT_OF(params), params, &res, err))
        return false;
    for (int i = 0; i < PQntuples(res); i++) {
        for (int k = 0; k < count; k++)
            if (is_published(&tables[k]) && is_row(res, i, &tables[k])) {
                (void)error_set(err, ERR_WRONG_STATE,
                                "%s has no replica identity: publishing it would make UPDATE and "
                                "DELETE fail in the app",
                                PQgetvalue(res, i, 0));
                return error_hint(err,
                                  "ALTER TABLE %s REPLICA IDENTITY FULL, or add a primary key.",
                                  PQgetvalue(res, i, 0));
            }
    }
    return true;
}

static bool publish_once(PGconn *conn, const char *sql, const Table *tables, int count, Error *err)
{
    Error ignored = ERROR_INIT;

    if (pg_exec(conn, "BEGIN READ WRITE", err) &&
        pg_execf(conn, err, "SET LOCAL lock_timeout = %d", (int)LOCK_TIMEOUT_MS) &&
        pg_exec(conn, sql, err) && check_identities(conn, tables, count, err) &&
        pg_exec(conn, "COMMIT", err))
        return true;
    (void)!pg_exec(conn, "ROLLBACK", &ignored);
    return false;
}

bool live_publish(Live *live, PGconn *conn, const Table *tables, int count, Error *err)
{
    auto_arena Arena *scratch = arena_new();
    auto_result PGresult *res = NULL;
    const char *params[] = {live->publication};
    int64_t there = 0;

    if (!pg_query(conn, sql_live_publication_tables, COUNT_OF(params), params, &res, err) ||
        !pg_query_i64(
            conn,
            arena_printf(scratch,
                         "SELECT count(*) FROM pg_catalog.pg_publication WHERE pubname = %s",
                         pg_literal(scratch, live->publication)),
            &there, err))
        return error_add_context(err, "look for the publication");
    /* One may be there that this move has not made: home's comes with the schema. */
    if (there > 0 && is_complete(res, tables, count))
        return check_identities(conn, tables, count, err);
    const char *sql = publication_sql(scratch, live, there > 0, tables, count);
    for (int tries = 1; !publish_once(conn, sql, tables, count, err); tries++) {
        if (strcmp(err->sqlstate, PG_LOCK_NOT_AVAILABLE) != 0 || tries == LOCK_TRIES)
            return error_add_context(err, "publish the tables");
        /* not run: by chance, where somebody holds a table at this moment */
        if (!cancel_sleep_ms(LOCK_PAUSE_MS, err))
            return false;
    }
    return true;
}

/* ---- slot and snapshot ---- */

/* Nobody waits for us yet: it may wait as long as transactions are open (decision 0007), and says
 * from time to time for which. A new try has to wait for those as well that began meanwhile, so
 * each has longer than the last one. */
static bool create_patiently(Live *live, PGconn *replication, const SlotRequest *request,
                             SlotPoint *ret, Error *err)
{
    for (int wait_s = FIRST_SLOT_WAIT_S;;
         wait_s = wait_s < MOST_SLOT_WAIT_S ? 2 * wait_s : wait_s) {
        Error ignored = ERROR_INIT;
        PGconn *source = NULL;

        if (pg_execf(replication, err, "SET lock_timeout = '%ds'", wait_s) &&
            replication_create_slot(replication, live->arena, request->name, request->temporary,
                                    ret, err))
            return true;
        if (strcmp(err->sqlstate, PG_LOCK_NOT_AVAILABLE) != 0)
            return false;
        const char *who = live_connect(live, LIVE_SOURCE, &source, &ignored)
                              ? live_slot_waits_for(source, live->arena)
                              : NULL;
        log_warn("the slot waits until transactions end that are open", kv_str("which", who));
        *err = ERROR_INIT;
    }
}

/* The feed's slot is made once; later attempts, and tables that start again, take the snapshot of
 * a temporary one beside it (rule 6). */
static bool make_slot(Live *live, PGconn *replication, SlotPoint *ret, Error *err)
{
    LiveFeed *feed = &live->feed;
    PGconn *source = NULL;
    SlotRequest request = {
        .name = arena_printf(live->arena, "%s_copy_%d", live->publication, (int)getpid()),
        .temporary = true,
    };

    if (feed->start)
        return create_patiently(live, replication, &request, ret, err);
    *feed =
        (LiveFeed){.number = 1, .direction = DIRECTION_FORWARD, .slot = live_slot_name(live, 1)};
    /* One of a run that was killed between making it and noting where it stands. */
    request = (SlotRequest){.name = feed->slot};
    if (!live_save_feed(live, feed, err) || !live_connect(live, LIVE_SOURCE, &source, err) ||
        !replication_drop_slot(source, feed->slot, LIVE_RECONNECT_S, err) ||
        !create_patiently(live, replication, &request, ret, err))
        return false;
    feed->start = ret->lsn;
    live->fresh_slot = true;
    return live_save_feed(live, feed, err) && live_set_number(live, "feed", feed->number, err);
}

static bool open_keeper(void *context, Job *job, Attempt *attempt, Error *err)
{
    Live *live = context;
    auto_conn PGconn *replication = NULL;
    PGconn *source = NULL;
    Table *tables = NULL;
    SlotPoint point = {0};
    Fingerprint print;
    int count = 0;

    live->fresh_slot = false;
    if (!live_connect(live, LIVE_SOURCE, &source, err) ||
        !tables_list(source, job->arena, &tables, &count, err) ||
        !live_publish(live, source, tables, count, err))
        return error_add_context(err, "begin the stream");
    if (!replication_connect(&job->source_url, "slot", &replication, err) ||
        !live_check_system(live, LIVE_SOURCE, replication, live->feed.start != 0, err) ||
        !make_slot(live, replication, &point, err) ||
        !keeper_open(job->arena, &job->source_url, point.snapshot, &attempt->keeper, err))
        return error_add_context(err, "begin the stream");
    attempt->position = point.lsn;
    /* What is moved is the schema of this snapshot. */
    if (!fingerprint_take(attempt->keeper.conn, job->arena, &print, err) ||
        !live_set_fact(live, "fingerprint source", fingerprint_text(job->arena, &print), err))
        return error_add_context(err, "note the source's schema");
    attempt->fresh = live->fresh_slot;
    return live_receive(live, err) && live_copy_look(live, err);
}

/* ---- home is fenced as soon as it is there (rule 25) ---- */

static bool schema_made(void *context, Job *job, Attempt *attempt, Error *err)
{
    Live *live = context;
    FenceReport report;
    PGconn *home = NULL;
    Fence fence;

    (void)job;
    (void)attempt;
    return (live_connect(live, LIVE_HOME, &home, err) && live_fence(live, LIVE_HOME, &fence, err) &&
            fence_prepare(home, &fence, err) &&
            fence_arm(home, &fence, clock_seconds() + FENCE_S, &report, err)) ||
           error_add_context(err, "fence the target");
}

/* ---- where the copy ends and the stream goes on ---- */

/* A table's progress is the position of the snapshot that it was copied under. */
static bool write_positions(Live *live, Error *err)
{
    auto_result PGresult *res = NULL;
    PGconn *target = live->job.target;

    if (!progress_create(target, err) || !pg_exec(target, "BEGIN READ WRITE", err) ||
        !pg_exec(target, "SET LOCAL synchronous_commit = on", err) ||
        !pg_query(target, sql_target_finished_tables, 0, NULL, &res, err) ||
        !progress_begin(target, live->feed.number, live->feed.start, err))
        return false;
    for (int i = 0; i < PQntuples(res); i++) {
        Lsn position = 0;
        if (!lsn_parse(PQgetvalue(res, i, 2), &position))
            return error_set(err, ERR_FORMAT, "no position: \"%s\"", PQgetvalue(res, i, 2));
        if (!progress_set(target, live->feed.number, PQgetvalue(res, i, 0), PQgetvalue(res, i, 1),
                          position, err))
            return false;
    }
    return pg_exec(target, "COMMIT", err);
}

static bool note_home_schema(Live *live, Error *err)
{
    Fingerprint print;

    return fingerprint_take(live->job.target, live->arena, &print, err) &&
           live_set_fact(live, "fingerprint home", fingerprint_text(live->arena, &print), err);
}

static bool complete_once(Job *job, Attempt *attempt, Error *err)
{
    Live *live = job->live->context;

    return job_finish(job, attempt, err) && write_positions(live, err) &&
           note_home_schema(live, err) && state_event(&job->state, EVENT_COPIED, err);
}

static bool complete(Job *job, Attempt *attempt, Error *err)
{
    for (int tries = 1; !complete_once(job, attempt, err); tries++) {
        if (err->code != ERR_CONNECT || tries == FINISH_TRIES)
            return false;
        log_warn("connection lost, doing it again under the same snapshot",
                 kv_str("reason", err->message), kv_i64("try", tries));
        if (!keeper_ping(&attempt->keeper, err) || !job_reconnect_target(job, err))
            return false;
    }
    return true;
}

static bool look(void *context, Error *err)
{
    return live_copy_look(context, err);
}

bool live_copy(Live *live, Error *err)
{
    live->hooks = (JobLive){
        .context = live,
        .token = live->token,
        .open_keeper = open_keeper,
        .schema_made = schema_made,
        .look = look,
    };
    live->job.live = &live->hooks;
    live->job.complete = complete;
    /* How the stream did in an earlier run. */
    return live_set_fact(live, "stream", "", err) && state_count_run(&live->job.state, err) &&
           job_run_attempts(&live->job, err);
}
