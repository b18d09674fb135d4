#include "move/keeper.h"

#include <string.h>

#include "core/cancel.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/text.h"

enum {
    LOCK_TIMEOUT_MS = 2000, /* how long our waiting may hold up others behind us */
    LOCK_PAUSE_MS = 500,
    LOCK_PATIENCE_S = 300,
    TABLE_TIMEOUT_MS = 1000,
    LOCK_BATCH = 500,
    MAX_STATEMENT = 8 << 20,
    RECONNECT_S = 60,
};

static bool snapshot_lost(Error *err, const char *what)
{
    if (err->code != ERR_CONNECT)
        return error_add_context(err, "%s", what);

    Error reason = *err;
    (void)error_set(err, ERR_SNAPSHOT, "%s: %s", what, reason.message);
    return error_hint(err, "%s", "The snapshot went with its connection: the rows start again.");
}

bool keeper_open(Arena *arena, const PgUrl *source, const char *given, Keeper *ret, Error *err)
{
    auto_conn PGconn *conn = NULL;
    char *snapshot = NULL;

    if (!pg_connect_retry(source, "keeper", RECONNECT_S, &conn, err))
        return error_add_context(err, "connect to the source");
    if (!pg_exec(conn, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", err) ||
        (given && !pg_execf(conn, err, "SET TRANSACTION SNAPSHOT %s", pg_literal(arena, given))) ||
        !pg_query_text(conn, arena, "SELECT pg_catalog.pg_export_snapshot()", &snapshot, err))
        return error_add_context(err, "export a snapshot of the source");
    *ret = (Keeper){.conn = conn,
                    .snapshot = snapshot,
                    .patience_s = LOCK_PATIENCE_S,
                    .in_use = PTHREAD_MUTEX_INITIALIZER};
    conn = NULL;
    return true;
}

void keeper_close(Keeper *keeper)
{
    pg_close(keeper->conn);
    keeper->conn = NULL;
}

typedef struct Step {
    bool (*run)(Keeper *keeper, void *context, Error *err);
    void *context;
} Step;

/* A lock that is waited for makes everybody behind it wait too, so the wait is
 * short and tried again: a migration on the source ends sooner than the app
 * notices us. */
static bool run_patiently(Keeper *keeper, const Step *step, double deadline, Error *err)
{
    for (;;) {
        if (!pg_exec(keeper->conn, "SAVEPOINT patience", err) ||
            !pg_execf(keeper->conn, err, "SET LOCAL lock_timeout = %d", (int)LOCK_TIMEOUT_MS))
            return false;
        if (step->run(keeper, step->context, err))
            return pg_exec(keeper->conn, "RELEASE patience; SET LOCAL lock_timeout = 0", err);
        if (strcmp(err->sqlstate, PG_LOCK_NOT_AVAILABLE) != 0)
            return false;
        /* not run: it takes a whole minute; the tries before it are run */
        if (clock_seconds() > deadline)
            return error_hint(err,
                              "Somebody has locked a table for more than %d s: pg_locks tells who.",
                              keeper->patience_s);
        log_debug("a table is locked by somebody else, trying again",
                  kv_str("reason", err->message));
        if (!pg_exec(keeper->conn, "ROLLBACK TO patience", err) ||
            !cancel_sleep_ms(LOCK_PAUSE_MS, err))
            return false;
    }
}

typedef struct ListContext {
    Arena *arena;
    Table *tables;
    int count;
} ListContext;

static bool list_step(Keeper *keeper, void *context, Error *err)
{
    ListContext *list = context;

    return tables_list(keeper->conn, list->arena, &list->tables, &list->count, err);
}

bool keeper_list(Keeper *keeper, Arena *arena, Table **ret, int *ret_count, Error *err)
{
    ListContext list = {.arena = arena};
    Step step = {.run = list_step, .context = &list};

    if (!run_patiently(keeper, &step, clock_seconds() + keeper->patience_s, err))
        return snapshot_lost(err, "list the source's tables");
    *ret = list.tables;
    *ret_count = list.count;
    return true;
}

static char *lock_statement(Arena *arena, const Table *tables, int count)
{
    Text sql = text_init(arena, MAX_STATEMENT);

    text_add(&sql, "LOCK TABLE ");
    for (int i = 0; i < count; i++)
        text_addf(&sql, "%sONLY %s", i ? ", " : "", tables[i].qualified);
    text_add(&sql, " IN ACCESS SHARE MODE");
    return arena_strdup(arena, text_str(&sql));
}

static bool lock_step(Keeper *keeper, void *context, Error *err)
{
    const char *sql = context;

    return pg_exec(keeper->conn, sql, err);
}

static const char *oid_list(Arena *arena, const Table *tables, int count)
{
    Text oids = text_init(arena, MAX_STATEMENT);

    text_add_char(&oids, '{');
    for (int i = 0; i < count; i++)
        text_addf(&oids, "%s%u", i ? "," : "", tables[i].oid);
    text_add_char(&oids, '}');
    return text_str(&oids);
}

/* The server's message has the name alone, without its schema. */
static void hint_unreadable(Keeper *keeper, const Table *tables, int count, Error *err)
{
    auto_arena Arena *scratch = arena_new();
    auto_result PGresult *res = NULL;
    Error ignored = ERROR_INIT;
    const char *params[] = {oid_list(scratch, tables, count)};

    if (!pg_exec(keeper->conn, "ROLLBACK TO patience", &ignored) ||
        !pg_query(keeper->conn, sql_move_unreadable, 1, params, &res, &ignored) ||
        PQntuples(res) == 0)
        return; /* not run: the right was given meanwhile, or the connection broke */
    (void)error_hint(err, "Run there: %s `homeport check` lists all that the source lacks.",
                     pg_cell(res, 0, 0));
}

static bool check_storage(Keeper *keeper, const Table *tables, int count, Error *err)
{
    auto_arena Arena *scratch = arena_new();
    auto_result PGresult *res = NULL;
    const char *params[] = {oid_list(scratch, tables, count)};

    if (!pg_query(keeper->conn, sql_move_filenode, 1, params, &res, err))
        return snapshot_lost(err, "compare the storage of the source's tables");
    if (PQntuples(res) > 0)
        return error_set(
            err, ERR_SNAPSHOT, "%d table%s of the source %s truncated or altered just now",
            PQntuples(res), PQntuples(res) == 1 ? "" : "s", PQntuples(res) == 1 ? "was" : "were");
    return true;
}

bool keeper_lock(Keeper *keeper, const Table *tables, int count, Error *err)
{
    double deadline = clock_seconds() + keeper->patience_s;

    for (int at = 0; at < count; at += LOCK_BATCH) {
        auto_arena Arena *scratch = arena_new();
        int batch = count - at < LOCK_BATCH ? count - at : LOCK_BATCH;
        Step step = {.run = lock_step, .context = lock_statement(scratch, tables + at, batch)};

        if (!run_patiently(keeper, &step, deadline, err)) {
            /* 42P01, 3F000: dropped or renamed between the snapshot and the lock. */
            if (strcmp(err->sqlstate, "42P01") == 0 || strcmp(err->sqlstate, "3F000") == 0)
                err->code = ERR_SNAPSHOT;
            if (strcmp(err->sqlstate, "42501") == 0)
                hint_unreadable(keeper, tables + at, batch, err);
            return snapshot_lost(err, "lock the source's tables");
        }
    }
    return check_storage(keeper, tables, count, err);
}

bool keeper_ping(Keeper *keeper, Error *err)
{
    if (pthread_mutex_trylock(&keeper->in_use) != 0)
        return true;
    bool ok = pg_exec(keeper->conn, "SELECT 1", err);
    (void)pthread_mutex_unlock(&keeper->in_use);
    return ok || snapshot_lost(err, "keep the snapshot");
}

bool keeper_try_table(PGconn *joined, const Table *table, bool *ret_locked, Error *err)
{
    *ret_locked = pg_execf(joined, err,
                           "SAVEPOINT attempt; SET LOCAL lock_timeout = %d;"
                           " LOCK TABLE ONLY %s IN ACCESS SHARE MODE;"
                           " RELEASE attempt; SET LOCAL lock_timeout = 0",
                           (int)TABLE_TIMEOUT_MS, table->qualified);
    if (*ret_locked)
        return true;
    return strcmp(err->sqlstate, PG_LOCK_NOT_AVAILABLE) == 0 &&
           pg_exec(joined, "ROLLBACK TO attempt; RELEASE attempt", err);
}

PGconn *keeper_borrow(Keeper *keeper)
{
    (void)pthread_mutex_lock(&keeper->in_use);
    return keeper->conn;
}

void keeper_return(Keeper *keeper)
{
    (void)pthread_mutex_unlock(&keeper->in_use);
}

bool keeper_join(const Keeper *keeper, const PgUrl *source, const char *role, int patience_s,
                 PGconn **ret, Error *err)
{
    auto_conn PGconn *conn = NULL;

    if (!pg_connect_retry(source, role, patience_s, &conn, err) ||
        !pg_exec(conn, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", err))
        return error_add_context(err, "connect to the source");
    if (!pg_execf(conn, err, "SET TRANSACTION SNAPSHOT '%s'", keeper->snapshot)) {
        /* The server no longer has it: its keeper's transaction is over. */
        if (err->code == ERR_SQL)
            err->code = ERR_SNAPSHOT;
        return error_add_context(err, "read under the snapshot");
    }
    *ret = conn;
    conn = NULL;
    return true;
}
