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

bool keeper_open(Arena *arena, const PgUrl *source, Keeper *ret, Error *err)
{
    auto_conn PGconn *conn = NULL;
    char *snapshot = NULL;

    if (!pg_connect_retry(source, "keeper", RECONNECT_S, &conn, err))
        return error_add_context(err, "connect to the source");
    if (!pg_exec(conn, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", err) ||
        !pg_query_text(conn, arena, "SELECT pg_catalog.pg_export_snapshot()", &snapshot, err))
        return error_add_context(err, "export a snapshot of the source");
    *ret = (Keeper){.conn = conn, .snapshot = snapshot};
    conn = NULL;
    return true;
}

void keeper_close(Keeper *keeper)
{
    pg_close(keeper->conn);
    keeper->conn = NULL;
}

static const char *lock_statement(Arena *arena, const Table *tables, int count)
{
    Text sql = text_init(arena, MAX_STATEMENT);

    text_add(&sql, "LOCK TABLE ");
    for (int i = 0; i < count; i++)
        text_addf(&sql, "%sONLY %s", i ? ", " : "",
                  pg_qualified(arena, tables[i].schema, tables[i].name));
    text_add(&sql, " IN ACCESS SHARE MODE");
    return text_str(&sql);
}

/* A lock that is waited for makes everybody behind it wait too, so the wait is
 * short and tried again: a migration on the source ends sooner than the app
 * notices us. */
static bool lock_batch(Keeper *keeper, const char *sql, double deadline, Error *err)
{
    for (;;) {
        if (!pg_exec(keeper->conn, "SAVEPOINT lock_tables", err) ||
            !pg_execf(keeper->conn, err, "SET LOCAL lock_timeout = %d", (int)LOCK_TIMEOUT_MS))
            return snapshot_lost(err, "lock the source's tables");
        if (pg_exec(keeper->conn, sql, err))
            return pg_exec(keeper->conn, "RELEASE lock_tables; SET LOCAL lock_timeout = 0", err) ||
                   snapshot_lost(err, "lock the source's tables");
        if (strcmp(err->sqlstate, "55P03") != 0 || clock_seconds() > deadline)
            return snapshot_lost(err, "lock the source's tables");
        log_debug("a table is locked by somebody else, trying again",
                  kv_str("reason", err->message));

        Error ignored = ERROR_INIT;
        if (!pg_exec(keeper->conn, "ROLLBACK TO lock_tables", &ignored) ||
            !cancel_sleep_ms(LOCK_PAUSE_MS, err))
            return snapshot_lost(err, "lock the source's tables");
    }
}

static bool check_storage(Keeper *keeper, const Table *tables, int count, Error *err)
{
    auto_arena Arena *scratch = arena_new();
    auto_result PGresult *res = NULL;
    Text oids = text_init(scratch, MAX_STATEMENT);

    text_add_char(&oids, '{');
    for (int i = 0; i < count; i++)
        text_addf(&oids, "%s%u", i ? "," : "", tables[i].oid);
    text_add_char(&oids, '}');
    const char *params[] = {text_str(&oids)};
    if (!pg_query(keeper->conn, sql_move_filenode, 1, params, &res, err))
        return snapshot_lost(err, "compare the storage of the source's tables");
    if (PQntuples(res) > 0)
        return error_set(err, ERR_SNAPSHOT,
                         "%d table%s of the source %s truncated, rewritten or renamed just now",
                         PQntuples(res), PQntuples(res) == 1 ? "" : "s",
                         PQntuples(res) == 1 ? "was" : "were");
    return true;
}

bool keeper_lock(Keeper *keeper, const Table *tables, int count, Error *err)
{
    double deadline = clock_seconds() + LOCK_PATIENCE_S;

    for (int at = 0; at < count; at += LOCK_BATCH) {
        auto_arena Arena *scratch = arena_new();
        int batch = count - at < LOCK_BATCH ? count - at : LOCK_BATCH;

        if (!lock_batch(keeper, lock_statement(scratch, tables + at, batch), deadline, err)) {
            /* 42P01, 3F000: dropped or renamed between the snapshot and the lock. */
            if (strcmp(err->sqlstate, "42P01") == 0 || strcmp(err->sqlstate, "3F000") == 0)
                err->code = ERR_SNAPSHOT;
            return false;
        }
    }
    return check_storage(keeper, tables, count, err);
}

bool keeper_ping(Keeper *keeper, Error *err)
{
    return pg_exec(keeper->conn, "SELECT 1", err) || snapshot_lost(err, "keep the snapshot");
}

bool keeper_join(const Keeper *keeper, const PgUrl *source, const char *role, PGconn **ret,
                 Error *err)
{
    auto_conn PGconn *conn = NULL;

    if (!pg_connect_retry(source, role, RECONNECT_S, &conn, err) ||
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
