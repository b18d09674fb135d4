#include "store/store.h"

#include <assert.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/clock.h"
#include "core/memory.h"
#include "sql.gen.h"

enum {
    SCHEMA_VERSION = 1,
    BUSY_TIMEOUT_MS = 5000,
    BUSY_PAUSE_MS = 5
};

struct Store {
    sqlite3 *db;
};

static bool fail(Store *store, Error *err, const char *what)
{
    return error_set(err, ERR_IO, "state: %s: %s", what, sqlite3_errmsg(store->db));
}

void store_close(Store *store)
{
    if (!store)
        return;
    (void)sqlite3_close(store->db);
    free(store);
}

void store_cleanup(Store **store)
{
    store_close(*store);
}

static void finalize_statement(sqlite3_stmt **statement)
{
    (void)sqlite3_finalize(*statement);
}
#define auto_statement CLEANUP(finalize_statement)

static bool prepare(Store *store, const char *sql, StoreValues values, sqlite3_stmt **ret,
                    Error *err)
{
    auto_statement sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);

    for (int i = 0; i < values.count && rc == SQLITE_OK; i++) {
        if (values.list[i].is_null)
            rc = sqlite3_bind_null(statement, i + 1);
        else if (values.list[i].text)
            rc = sqlite3_bind_text(statement, i + 1, values.list[i].text, -1, SQLITE_TRANSIENT);
        else
            rc = sqlite3_bind_int64(statement, i + 1, values.list[i].number);
    }
    if (rc != SQLITE_OK)
        return fail(store, err, "prepare");
    *ret = statement;
    statement = NULL;
    return true;
}

bool store_run(Store *store, const char *sql, StoreValues values, Error *err)
{
    auto_statement sqlite3_stmt *statement = NULL;

    if (!prepare(store, sql, values, &statement, err))
        return false;
    int rc = sqlite3_step(statement);
    if (rc != SQLITE_DONE && rc != SQLITE_ROW)
        return fail(store, err, "write");
    return true;
}

bool store_query(Store *store, Arena *arena, const char *sql, StoreValues values, StoreRows *ret,
                 Error *err)
{
    auto_statement sqlite3_stmt *statement = NULL;
    StoreRows rows = {0};
    int cap = 0;
    int rc = SQLITE_ERROR;

    if (!prepare(store, sql, values, &statement, err))
        return false;
    rows.columns = sqlite3_column_count(statement);
    rows.cells = arena_array(arena, 0, sizeof *rows.cells);
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        if (rows.rows == cap) {
            cap = cap ? cap * 2 : 8;
            const char **larger =
                arena_array(arena, (size_t)cap * (size_t)rows.columns, sizeof *larger);
            for (int i = 0; i < rows.rows * rows.columns; i++)
                larger[i] = rows.cells[i];
            rows.cells = larger;
        }
        for (int i = 0; i < rows.columns; i++) {
            const char *text = (const char *)sqlite3_column_text(statement, i);
            rows.cells[rows.rows * rows.columns + i] = text ? arena_strdup(arena, text) : NULL;
        }
        rows.rows++;
    }
    if (rc != SQLITE_DONE)
        return fail(store, err, "read");
    *ret = rows;
    return true;
}

const char *store_cell(const StoreRows *rows, int row, int column)
{
    assert(rows->cells && row < rows->rows && column < rows->columns);
    return rows->cells[row * rows->columns + column];
}

int64_t store_cell_i64(const StoreRows *rows, int row, int column)
{
    const char *cell = store_cell(rows, row, column);

    return cell ? strtoll(cell, NULL, 10) : 0;
}

/* To change the mode, SQLite makes more of a lock that it holds already, and there it does not wait
 * for another process that does the same: it would be a deadlock. So the waiting is ours. */
static bool set_journal_mode(Store *store, Arena *arena, Error *err)
{
    const double deadline = clock_seconds() + BUSY_TIMEOUT_MS / 1000.0;
    StoreRows mode;

    while (!store_query(store, arena, "PRAGMA journal_mode = WAL", STORE_NO_VALUES, &mode, err)) {
        if (sqlite3_errcode(store->db) != SQLITE_BUSY || clock_seconds() > deadline)
            return false;
        (void)sqlite3_sleep(BUSY_PAUSE_MS);
        *err = ERROR_INIT;
    }
    return true;
}

static bool prepare_file(Store *store, Error *err)
{
    auto_arena Arena *arena = arena_new();
    StoreRows version = {0};

    (void)sqlite3_busy_timeout(store->db, BUSY_TIMEOUT_MS);
    if (!set_journal_mode(store, arena, err) ||
        !store_run(store, "PRAGMA synchronous = FULL", STORE_NO_VALUES, err) ||
        !store_query(store, arena, "PRAGMA user_version", STORE_NO_VALUES, &version, err))
        return false;
    int64_t found = store_cell_i64(&version, 0, 0);
    if (found > SCHEMA_VERSION) {
        (void)error_set(err, ERR_WRONG_STATE,
                        "the state was written by a later version of homeport");
        return error_hint(err, "Use that version, or another --dir.");
    }
    if (found == SCHEMA_VERSION)
        return true;
    return store_run(store, sql_store_schema, STORE_NO_VALUES, err) &&
           store_run(store, sql_store_schema_feed, STORE_NO_VALUES, err) &&
           store_run(store, sql_store_schema_fact, STORE_NO_VALUES, err) &&
           store_run(store, "PRAGMA user_version = 1", STORE_NO_VALUES, err);
}

bool store_open(const char *path, Store **ret, Error *err)
{
    Store *store = memory_zeroed(1, sizeof *store);
    mode_t before = umask(0077);
    int rc = sqlite3_open_v2(path, &store->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);

    (void)umask(before);
    if (rc != SQLITE_OK || !prepare_file(store, err)) {
        if (rc != SQLITE_OK)
            (void)error_set(err, ERR_IO, "open the state \"%s\": %s", path, sqlite3_errstr(rc));
        else
            (void)error_add_context(err, "open \"%s\"", path);
        store_close(store);
        return false;
    }
    *ret = store;
    return true;
}
