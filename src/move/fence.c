/*
 * Arming takes a table's lock, which waits for the writers that are in flight and keeps new ones
 * waiting behind it. So it is asked for only for some milliseconds at a time, for all tables that
 * are still open in one round trip, and again after a pause; who has been idle in a transaction for
 * long is ended when it proves to be in the way. Each table is a transaction of its own: nothing is
 * held while another table is waited for, so nothing deadlocks. Only the last commit waits for the
 * disk.
 */
#include "move/fence.h"

#include <assert.h>
#include <openssl/sha.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "core/cancel.h"
#include "core/clock.h"
#include "core/text.h"
#include "move/batch.h"
#include "move/owner.h"
#include "move/verify.h"
#include "pg/pg.h"

enum {
    FIRST_LOCK_MS = 20,
    LONGEST_LOCK_MS = 200,
    PATIENT_LOCK_MS = 1300, /* longer than deadlock_timeout, upon which an autovacuum gives way */
    PASSES_BEFORE_LOOKING = 3,
    PREPARE_S = 60,
    LIFT_S = 60,
    REMOVE_S = 60,
    LEFT_S = 5, /* for sessions of ours that are ended */
    LEFT_LOOK_MS = 10,
    PROVE_MS = 500, /* for transactions that pass by, as those of failing attempts to write */
    PROVE_LOCK_MS = 500,
    PROBES = 2,
    LAST_POLL_MS = 16,
    MAX_NAMED = 600
};

static const char idle_too_long[] = "500 milliseconds";
static const char deadlock_detected[] = "40P01";
static const char undefined_table[] = "42P01";
static const char undefined_object[] = "42704";

/* Column order of sql/fence/tables.sql and triggers.sql. */
enum {
    COL_SCHEMA,
    COL_NAME,
    COL_STATE,
    COL_WHOLE
};

typedef struct FencedTable {
    const char *schema;
    const char *name;
    const char *quoted;
    char state; /* pg_trigger.tgenabled, or 'n': no trigger, 'm': no table */
    bool whole;
} FencedTable;

typedef enum FenceStep {
    STEP_PREPARE, /* a trigger, disabled, where there is none */
    STEP_ARM,
    STEP_DROP,
} FenceStep;

typedef struct FenceWork {
    PGconn *conn;
    Arena *arena;
    FenceStep step;
    double deadline_s;
    FencedTable *tables; /* those that are not done */
    int count;
    bool patient; /* an autovacuum is in the way */
} FenceWork;

/* ---- tables ---- */

static FencedTable *tables_of(Arena *arena, const PGresult *res, int *ret_count)
{
    int count = PQntuples(res);
    FencedTable *tables = arena_array(arena, (size_t)count + 1, sizeof *tables);

    for (int i = 0; i < count; i++) {
        const char *schema = arena_strdup(arena, pg_cell(res, i, COL_SCHEMA));
        const char *name = arena_strdup(arena, pg_cell(res, i, COL_NAME));
        tables[i] = (FencedTable){.schema = schema,
                                  .name = name,
                                  .quoted = pg_qualified(arena, schema, name),
                                  .state = pg_cell(res, i, COL_STATE)[0],
                                  .whole = pg_cell_bool(res, i, COL_WHOLE)};
    }
    *ret_count = count;
    return tables;
}

static bool tables_read(PGconn *conn, Arena *arena, const Fence *fence, FencedTable **ret,
                        int *ret_count, Error *err)
{
    auto_result PGresult *res = NULL;
    const char *params[] = {pg_text_array(arena, fence->tables.schemas, fence->tables.count),
                            pg_text_array(arena, fence->tables.names, fence->tables.count)};

    if (!pg_query(conn, sql_fence_tables, COUNT_OF(params), params, &res, err))
        return error_add_context(err, "read the tables to be fenced");
    *ret = tables_of(arena, res, ret_count);
    for (int i = 0; i < *ret_count; i++)
        if ((*ret)[i].state == 'm')
            return error_set(err, ERR_WRONG_STATE, "table %s is not there any more",
                             (*ret)[i].quoted);
    return true;
}

static bool triggers_read(PGconn *conn, Arena *arena, FencedTable **ret, int *ret_count, Error *err)
{
    auto_result PGresult *res = NULL;

    if (!pg_query(conn, sql_fence_triggers, 0, NULL, &res, err))
        return error_add_context(err, "read the triggers of the fence");
    *ret = tables_of(arena, res, ret_count);
    return true;
}

static bool is_done(const FencedTable *table, FenceStep step)
{
    switch (step) {
    case STEP_PREPARE:
        return table->state != 'n';
    case STEP_ARM:
        return table->state == 'A' && table->whole;
    case STEP_DROP:
        break;
    }
    return table->state == 'n';
}

static BatchItem item_of(Arena *arena, const FencedTable *table, FenceStep step)
{
    const char *make = arena_printf(
        arena,
        "CREATE OR REPLACE TRIGGER homeport_fence BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON "
        "%s FOR EACH STATEMENT EXECUTE FUNCTION homeport.fence()",
        table->quoted);
    const char *set = arena_printf(arena, "ALTER TABLE ONLY %s %s TRIGGER homeport_fence",
                                   table->quoted, step == STEP_ARM ? "ENABLE ALWAYS" : "DISABLE");

    if (step == STEP_DROP)
        return (BatchItem){.sql = arena_printf(arena, "DROP TRIGGER IF EXISTS homeport_fence ON %s",
                                               table->quoted)};
    if (step == STEP_ARM && table->whole)
        return (BatchItem){.sql = set};
    return (BatchItem){.sql = make, .then = set};
}

/* ---- locks ---- */

static bool session_set(PGconn *conn, int lock_ms, const char *synchronous_commit, Error *err)
{
    auto_result PGresult *res = NULL;
    char timeout[16];
    const char *params[] = {timeout, synchronous_commit};

    (void)snprintf(timeout, sizeof timeout, "%d", lock_ms);
    return pg_query(conn, sql_fence_session, COUNT_OF(params), params, &res, err);
}

/* As it was, so that what comes after on this connection knows nothing of it. */
static void session_reset(PGconn *conn)
{
    Error ignored = ERROR_INIT;

    (void)!pg_exec(conn, "RESET synchronous_commit; SET lock_timeout = 0", &ignored);
    (void)!pg_exec(conn, "RESET deadlock_timeout", &ignored); /* only superusers may, or need to */
}

static bool is_lock_error(const Error *error)
{
    return strcmp(error->sqlstate, PG_LOCK_NOT_AVAILABLE) == 0 ||
           strcmp(error->sqlstate, deadlock_detected) == 0;
}

/* Who is in the way of the tables that are left; *ret: for people. */
static bool holders_look(FenceWork *work, bool may_end, const char **ret, Error *err)
{
    auto_result PGresult *res = NULL;
    Text text = text_init(work->arena, MAX_NAMED);
    const char **schemas = arena_array(work->arena, (size_t)work->count, sizeof *schemas);
    const char **names = arena_array(work->arena, (size_t)work->count, sizeof *names);

    for (int i = 0; i < work->count; i++) {
        schemas[i] = work->tables[i].schema;
        names[i] = work->tables[i].name;
    }
    const char *params[] = {pg_text_array(work->arena, schemas, work->count),
                            pg_text_array(work->arena, names, work->count),
                            may_end ? idle_too_long : NULL, work->step == STEP_DROP ? "t" : "f"};
    if (!pg_query(work->conn, sql_fence_holders, COUNT_OF(params), params, &res, err))
        return error_add_context(err, "see who holds the tables");
    work->patient = false;
    for (int i = 0; i < PQntuples(res); i++) {
        work->patient = work->patient || pg_cell_bool(res, i, 3);
        text_addf(&text, "%s%s by %s", i ? "; " : "",
                  pg_qualified(work->arena, pg_cell(res, i, 0), pg_cell(res, i, 1)),
                  pg_cell(res, i, 2) ? pg_cell(res, i, 2) : "a transaction");
    }
    *ret = text_str(&text);
    return true;
}

static bool fail_in_time(FenceWork *work, Error *err)
{
    static const char *const what[] = {"prepared", "armed", "removed"};
    const char *who = "";

    if (!holders_look(work, false, &who, err))
        return false;
    (void)error_set(err, ERR_WRONG_STATE, "the fence could not be %s in time: %s is held%s%s",
                    what[work->step], work->tables[0].quoted, *who ? ": " : "", who);
    return error_hint(err, "Let that transaction end, or end it, and try again.");
}

/* How long a lock is asked for in this pass: short, and no longer in all than there is time. */
static int lock_ms_for(const FenceWork *work, int pass)
{
    int shift = pass < 4 ? pass : 4;
    int wanted = FIRST_LOCK_MS << shift;
    double left_ms = (work->deadline_s - clock_seconds()) * 1000 / work->count;

    if (wanted > LONGEST_LOCK_MS)
        wanted = LONGEST_LOCK_MS;
    if (work->patient)
        wanted = PATIENT_LOCK_MS;
    if (wanted > left_ms)
        wanted = (int)left_ms;
    return wanted > 1 ? wanted : 1;
}

/* One try for each table that is left. */
static bool work_pass(FenceWork *work, int pass, Error *err)
{
    int left = 0;
    BatchItem *items = arena_array(work->arena, (size_t)work->count, sizeof *items);

    if (!session_set(work->conn, lock_ms_for(work, pass), "off", err))
        return false;
    for (int i = 0; i < work->count; i++)
        items[i] = item_of(work->arena, &work->tables[i], work->step);
    if (!batch_run(work->conn, items, work->count, err))
        return false;
    for (int i = 0; i < work->count; i++) {
        const Error *error = &items[i].error;
        if (error->code == ERR_NONE)
            continue;
        bool gone = strcmp(error->sqlstate, undefined_table) == 0 && work->step == STEP_DROP;
        if (!gone && !is_lock_error(error)) {
            *err = *error;
            return error_add_context(err, "fence %s", work->tables[i].quoted);
        }
        if (!gone)
            work->tables[left++] = work->tables[i];
    }
    work->count = left;
    return true;
}

static bool work_run(FenceWork *work, Error *err)
{
    const char *who = NULL;
    int left = 0;

    for (int i = 0; i < work->count; i++)
        if (!is_done(&work->tables[i], work->step))
            work->tables[left++] = work->tables[i];
    work->count = left;
    for (int pass = 0; work->count > 0; pass++) {
        int lock_ms = lock_ms_for(work, pass);
        if (!work_pass(work, pass, err))
            return false;
        if (work->count == 0)
            break;
        if (clock_seconds() >= work->deadline_s)
            return fail_in_time(work, err);
        if (work->step == STEP_DROP && cancel_pending())
            return cancel_error(err);
        if (pass >= PASSES_BEFORE_LOOKING && !holders_look(work, work->step == STEP_ARM, &who, err))
            return false;
        /* Who waited behind us goes on first. */
        if (!cancel_sleep_ms(lock_ms / 4 + 1, err))
            return false;
    }
    return true;
}

/* ---- prepare ---- */

static const char *digest_literal(Arena *arena, const char *token)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    char *hex = arena_alloc(arena, 2 * sizeof digest + 1);

    (void)SHA256((const unsigned char *)token, strlen(token), digest);
    for (size_t i = 0; i < sizeof digest; i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    return pg_literal(arena, hex);
}

static bool check_rights(PGconn *conn, Error *err)
{
    auto_result PGresult *res = NULL;

    if (!pg_query(conn, sql_fence_rights, 0, NULL, &res, err))
        return false;
    if (PQntuples(res) == 0)
        return true;
    (void)error_set(err, ERR_WRONG_STATE,
                    "the role may not see other sessions, or not end them: "
                    "it is no member of %s",
                    pg_cell(res, 0, 0));
    return error_hint(err, "Run: GRANT pg_monitor, pg_signal_backend TO the role of this move.");
}

static bool prepare(PGconn *conn, Arena *arena, const Fence *fence, Error *err)
{
    const SqlPart parts[] = {
        {"digest", digest_literal(arena, fence->token)},
        {NULL,        NULL                        }
    };
    FenceWork work = {.conn = conn,
                      .arena = arena,
                      .step = STEP_PREPARE,
                      .deadline_s = clock_seconds() + PREPARE_S};

    return check_rights(conn, err) && pg_exec(conn, "BEGIN READ WRITE", err) &&
           owner_claim(conn, fence->move_id, err) && pg_exec(conn, sql_fence_prepare, err) &&
           pg_exec(conn, verify_fill(arena, sql_fence_function, parts), err) &&
           pg_exec(conn, "COMMIT", err) &&
           tables_read(conn, arena, fence, &work.tables, &work.count, err) && work_run(&work, err);
}

/* No transaction of the caller's would end with ours. A connection that was lost since its last use
 * is none of the caller's errors: the next statement says it. */
static bool is_free(const PGconn *conn)
{
    PGTransactionStatusType status = PQtransactionStatus(conn);

    return status == PQTRANS_IDLE || status == PQTRANS_UNKNOWN;
}

/* Leaves no transaction and none of our settings behind, however it ended. */
static bool end_work(PGconn *conn, bool done, const char *what, Error *err)
{
    Error ignored = ERROR_INIT;

    if (PQtransactionStatus(conn) != PQTRANS_IDLE)
        (void)!pg_exec(conn, "ROLLBACK", &ignored);
    session_reset(conn);
    return done || error_add_context(err, "%s", what);
}

bool fence_prepare(PGconn *conn, const Fence *fence, Error *err)
{
    auto_arena Arena *arena = arena_new();

    assert(is_free(conn));
    return end_work(conn, prepare(conn, arena, fence, err), "prepare the fence", err);
}

/* ---- arm ---- */

/* In one transaction, whose commit makes all that was armed before it durable. */
static bool make_read_only(PGconn *conn, Error *err)
{
    return session_set(conn, LONGEST_LOCK_MS, "on", err) &&
           pg_exec(conn, "BEGIN READ WRITE", err) && pg_exec(conn, sql_fence_read_only, err) &&
           pg_exec(conn, "COMMIT", err);
}

typedef struct Sessions {
    int ending;
    int tolerated;
    const char *offender; /* one that neither can be ended nor be tolerated */
    bool forbidden;       /* we lack the right */
} Sessions;

static bool sessions_end(PGconn *conn, Arena *arena, const char *since, Sessions *ret, Error *err)
{
    auto_result PGresult *res = NULL;

    if (!pg_query(conn, sql_fence_end_sessions, 1, &since, &res, err))
        return error_add_context(err, "end other sessions");
    *ret = (Sessions){0};
    for (int i = 0; i < PQntuples(res); i++) {
        if (pg_cell(res, i, 2)) {
            ret->ending++;
        } else if (pg_cell_bool(res, i, 3) && !pg_cell_bool(res, i, 4)) {
            ret->tolerated++;
            continue;
        } else {
            ret->forbidden = !pg_cell_bool(res, i, 3);
        }
        ret->offender = arena_strdup(arena, pg_cell(res, i, 1));
    }
    return true;
}

/* Until a pass finds none. */
static bool end_other_sessions(PGconn *conn, Arena *arena, double deadline_s, FenceReport *report,
                               Error *err)
{
    char *since = NULL;
    int wait_ms = 1;

    if (!pg_query_text(conn, arena, sql_fence_moment, &since, err))
        return false;
    for (;;) {
        Sessions now = {0};
        if (!sessions_end(conn, arena, since, &now, err))
            return false;
        if (now.ending > report->sessions_ended)
            report->sessions_ended = now.ending; /* nobody new comes into this list */
        report->sessions_tolerated = now.tolerated;
        if (!now.offender)
            return true;
        if (now.forbidden) {
            (void)error_set(err, ERR_WRONG_STATE, "%s may not be ended", now.offender);
            return error_hint(err, "Run: GRANT pg_signal_backend TO the role of this move.");
        }
        if (clock_seconds() >= deadline_s)
            return error_set(err, ERR_WRONG_STATE, "%s could not be ended in time", now.offender);
        if (!cancel_sleep_ms(wait_ms, err))
            return false;
        wait_ms = wait_ms < LAST_POLL_MS ? wait_ms * 2 : wait_ms;
    }
}

static bool arm(PGconn *conn, Arena *arena, const Fence *fence, FenceWork *work,
                FenceReport *report, Error *err)
{
    if (!owner_check(conn, fence->move_id, err) ||
        !tables_read(conn, arena, fence, &work->tables, &work->count, err))
        return false;
    report->tables = work->count;
    report->first_armed_s = clock_seconds();
    return work_run(work, err) && make_read_only(conn, err) &&
           end_other_sessions(conn, arena, work->deadline_s, report, err);
}

bool fence_arm(PGconn *conn, const Fence *fence, double deadline_s, FenceReport *ret, Error *err)
{
    auto_arena Arena *arena = arena_new();
    FenceReport report = {0};
    FenceWork work = {.conn = conn, .arena = arena, .step = STEP_ARM, .deadline_s = deadline_s};

    assert(is_free(conn));
    bool armed = arm(conn, arena, fence, &work, &report, err);
    if (!end_work(conn, armed, "arm the fence", err))
        return false;
    *ret = report;
    return true;
}

/* ---- prove ---- */

/* Statements that change nothing, and that the fence refuses before that would be known. */
static const char *probe_sql(Arena *arena, const FencedTable *table, int probe)
{
    return probe == 0 ? arena_printf(arena, "DELETE FROM ONLY %s WHERE false", table->quoted)
                      : arena_printf(arena, "INSERT INTO %s SELECT WHERE false", table->quoted);
}

/* A rule or a trigger of the owner's may come first: then the other verb has to do. */
static bool probe_tables(PGconn *conn, Arena *arena, const FencedTable *tables, int count,
                         Error *err)
{
    BatchItem *items = arena_array(arena, (size_t)count + 1, sizeof *items);
    int *of = arena_array(arena, (size_t)count + 1, sizeof *of);
    int left = count; /* of[0..left): not refused yet */

    for (int i = 0; i < count; i++)
        of[i] = i;
    for (int probe = 0; probe < PROBES && left > 0; probe++) {
        int kept = 0;
        for (int i = 0; i < left; i++)
            items[i] = (BatchItem){.sql = probe_sql(arena, &tables[of[i]], probe)};
        if (!batch_run(conn, items, left, err))
            return false;
        for (int i = 0; i < left; i++)
            if (strcmp(items[i].error.sqlstate, FENCE_SQLSTATE) != 0) {
                items[kept] = items[i];
                of[kept++] = of[i];
            }
        left = kept;
    }
    if (left == 0)
        return true;
    const char *why = items[0].error.code == ERR_NONE ? "it was accepted" : items[0].error.message;
    return error_set(err, ERR_WRONG_STATE, "a write to %s was not refused by the fence: %s",
                     tables[of[0]].quoted, why);
}

/* As somebody who has no token, in transactions that may write. */
static bool probe_as_stranger(PGconn *conn, Arena *arena, const FencedTable *tables, int count,
                              Error *err)
{
    char *token = NULL;
    Error after = ERROR_INIT;

    if (!pg_query_text(conn, arena, "SELECT pg_catalog.current_setting('homeport.token', true)",
                       &token, err) ||
        !session_set(conn, PROVE_LOCK_MS, "off", err) ||
        !pg_exec(conn,
                 "SET homeport.token = ''; SET row_security = on;"
                 " SET default_transaction_read_only = off",
                 err))
        return false;
    bool refused = probe_tables(conn, arena, tables, count, err);
    if (!pg_exec(conn, "SET row_security = off", &after) ||
        !fence_pass(conn, token ? token : "", &after)) {
        *err = refused ? after : *err;
        return false;
    }
    return refused;
}

/* *ret_passing: it may be gone in a moment. */
static bool writers_look(PGconn *conn, bool *ret_passing, Error *err)
{
    auto_result PGresult *res = NULL;

    *ret_passing = false;
    if (!pg_query(conn, sql_fence_writers, 0, NULL, &res, err))
        return error_add_context(err, "look for who still writes");
    if (PQntuples(res) == 0)
        return true;
    *ret_passing = true;
    for (int i = 0; i < PQntuples(res); i++)
        *ret_passing = *ret_passing && pg_cell_bool(res, i, 1);
    int shown = 0; /* what stays before what passes */
    while (!*ret_passing && pg_cell_bool(res, shown, 1))
        shown++; /* not run: of both kinds at once, within moments */
    return error_set(err, ERR_WRONG_STATE, "the fence does not hold: %s", pg_cell(res, shown, 0));
}

static bool prove_no_writers(PGconn *conn, Error *err)
{
    double deadline_s = clock_seconds() + PROVE_MS / 1000.0;
    bool passing = false;

    while (!writers_look(conn, &passing, err)) {
        Error stop = ERROR_INIT;
        if (!passing || clock_seconds() >= deadline_s)
            return false;
        /* not run: the request to stop would have to come in this millisecond */
        if (!cancel_sleep_ms(1, &stop)) {
            *err = stop;
            return false;
        }
    }
    return true;
}

static bool holds(PGconn *conn, Arena *arena, const Fence *fence, Error *err)
{
    FencedTable *tables = NULL;
    int count = 0;

    if (!tables_read(conn, arena, fence, &tables, &count, err))
        return false;
    for (int i = 0; i < count; i++)
        if (!is_done(&tables[i], STEP_ARM))
            return error_set(err, ERR_WRONG_STATE, "the trigger on %s is not armed",
                             tables[i].quoted);
    return probe_as_stranger(conn, arena, tables, count, err);
}

bool fence_holds(PGconn *conn, const Fence *fence, Error *err)
{
    auto_arena Arena *arena = arena_new();

    assert(is_free(conn));
    return end_work(conn, holds(conn, arena, fence, err), "see whether the fence holds", err);
}

bool fence_prove(PGconn *conn, const Fence *fence, Error *err)
{
    auto_arena Arena *arena = arena_new();

    assert(is_free(conn));
    return end_work(conn, holds(conn, arena, fence, err) && prove_no_writers(conn, err),
                    "prove the fence", err);
}

/* ---- lift, remove ---- */

const char *fence_role(Arena *arena, const char *move_id)
{
    return arena_printf(arena, "mover %s", move_id);
}

/* A server notices only by and by that nobody is there any more: a table that is still waited for
 * would be armed behind our back. Asked again until none is left. */
static bool end_left(PGconn *conn, const char *move_id, Error *err)
{
    auto_arena Arena *scratch = arena_new();
    const char *params[] = {arena_printf(scratch, "homeport %s", fence_role(scratch, move_id))};
    double deadline_s = clock_seconds() + LEFT_S;

    for (;;) {
        auto_result PGresult *res = NULL;

        if (!pg_query(conn, sql_fence_end_left, COUNT_OF(params), params, &res, err))
            return error_add_context(err, "end what an earlier session has left");
        if (pg_cell_i64(res, 0, 0) == 0)
            return true;
        if (clock_seconds() >= deadline_s)
            /* not run: only a server that hangs keeps one */
            return error_set(err, ERR_WRONG_STATE, "a session \"%s\" does not end", params[0]);
        (void)poll(NULL, 0, LEFT_LOOK_MS);
    }
}

/* All or nothing: a side that is half open would be the worst. */
static bool lift_once(PGconn *conn, int lock_ms, Error *err)
{
    Error ignored = ERROR_INIT;

    if (session_set(conn, lock_ms, "on", err) && pg_exec(conn, "BEGIN READ WRITE", err) &&
        pg_exec(conn, sql_fence_lift, err) && pg_exec(conn, "COMMIT", err))
        return true;
    if (PQtransactionStatus(conn) != PQTRANS_IDLE)
        (void)!pg_exec(conn, "ROLLBACK", &ignored);
    return false;
}

static bool lift(PGconn *conn, double deadline_s, Error *err)
{
    for (int lock_ms = LONGEST_LOCK_MS; !lift_once(conn, lock_ms, err); lock_ms = PATIENT_LOCK_MS) {
        Error stop = ERROR_INIT;
        bool again = is_lock_error(err) || strcmp(err->sqlstate, undefined_table) == 0 ||
                     strcmp(err->sqlstate, undefined_object) == 0;
        if (!again || clock_seconds() >= deadline_s)
            return false;
        /* not run: the request to stop would have to come in this millisecond */
        if (!cancel_sleep_ms(1, &stop)) {
            *err = stop;
            return false;
        }
    }
    return true;
}

/* Who connected while the default was read-only keeps it for the life of the session: an app's pool
 * would go on refusing writes for as long as it keeps that connection. Ended, it makes a new one.
 */
static bool end_read_only_sessions(PGconn *conn, Error *err)
{
    auto_result PGresult *res = NULL;
    auto_result PGresult *moment = NULL;

    if (!pg_query(conn, sql_fence_moment, 0, NULL, &moment, err))
        return false;
    const char *params[] = {pg_cell(moment, 0, 0)};
    return pg_query(conn, sql_fence_end_sessions, COUNT_OF(params), params, &res, err);
}

/* The settings stay noted until the sessions are ended: who has to try again finds by them that the
 * fence was armed, when it is lifted already. */
static bool lift_and_end(PGconn *conn, Error *err)
{
    bool armed = false;

    return fence_is_armed(conn, &armed, err) && lift(conn, clock_seconds() + LIFT_S, err) &&
           (!armed ||
            (end_read_only_sessions(conn, err) && pg_exec(conn, "BEGIN READ WRITE", err) &&
             pg_exec(conn, sql_fence_forget_settings, err) && pg_exec(conn, "COMMIT", err)));
}

bool fence_lift(PGconn *conn, const Fence *fence, Error *err)
{
    /* Of the tables, what the catalogue has counts, not what was meant to be there. */
    assert(is_free(conn));
    return end_work(conn,
                    owner_check(conn, fence->move_id, err) && end_left(conn, fence->move_id, err) &&
                        lift_and_end(conn, err),
                    "lift the fence", err);
}

static bool remove_all(PGconn *conn, Arena *arena, double deadline_s, Error *err)
{
    auto_result PGresult *res = NULL;
    FenceWork work = {.conn = conn, .arena = arena, .step = STEP_DROP, .deadline_s = deadline_s};

    if (!lift(conn, deadline_s, err) ||
        !triggers_read(conn, arena, &work.tables, &work.count, err) || !work_run(&work, err) ||
        !session_set(conn, PATIENT_LOCK_MS, "on", err) || !pg_exec(conn, "BEGIN READ WRITE", err) ||
        !pg_exec(conn, sql_fence_drop_function, err) ||
        !pg_exec(conn, sql_fence_drop_settings, err) ||
        !pg_query(conn, sql_fence_schema_is_empty, 0, NULL, &res, err))
        return false;
    /* What else is in it belongs to other parts of the move. */
    return (!pg_cell_bool(res, 0, 0) || pg_exec(conn, "DROP SCHEMA homeport", err)) &&
           pg_exec(conn, "COMMIT", err);
}

bool fence_remove(PGconn *conn, const Fence *fence, double patience_s, Error *err)
{
    auto_arena Arena *arena = arena_new();
    double deadline_s = clock_seconds() + (patience_s > 0 ? patience_s : REMOVE_S);

    assert(is_free(conn));
    return end_work(
        conn, owner_check(conn, fence->move_id, err) && remove_all(conn, arena, deadline_s, err),
        "remove the fence", err);
}

bool fence_is_armed(PGconn *conn, bool *ret, Error *err)
{
    auto_result PGresult *armed = NULL;
    auto_result PGresult *noted = NULL;

    if (!pg_query(conn, sql_fence_armed, 0, NULL, &armed, err))
        return error_add_context(err, "see whether the fence is armed");
    bool found = pg_cell_bool(armed, 0, 0);
    if (!found && pg_cell_bool(armed, 0, 1)) {
        if (!pg_query(conn, sql_fence_noted, 0, NULL, &noted, err))
            return error_add_context(err, "see whether the fence is armed");
        found = pg_cell_bool(noted, 0, 0);
    }
    *ret = found;
    return true;
}

bool fence_pass(PGconn *conn, const char *token, Error *err)
{
    return pg_set_secret(conn, "homeport.token", token, err);
}

const char *fence_lift_sql(Arena *arena, const Fence *fence)
{
    /* A session of the fenced database begins read-only: the unfence itself would fail. */
    return arena_printf(arena,
                        "-- in psql, as the owner, on %s\n"
                        "-- sessions that began while it was fenced stay read-only: the app has to "
                        "connect anew\n"
                        "BEGIN READ WRITE;\nSET LOCAL search_path = pg_catalog;\n%s;\n%s;\n"
                        "COMMIT;\n",
                        fence->url->redacted, sql_fence_lift, sql_fence_forget_settings);
}
