#include "move/relax.h"

#include <inttypes.h>
#include <string.h>

#include "core/log.h"
#include "core/text.h"

enum {
    MAX_SQL = 4096
};

/* Column order of sql/store/read_relaxed.sql. */
enum {
    COL_NAME,
    COL_PREVIOUS
};

static bool is_noted(Store *store, Arena *arena, const char *name, bool *ret, Error *err)
{
    StoreRows rows;

    if (!store_query(store, arena, sql_store_read_relaxed, STORE_NO_VALUES, &rows, err))
        return false;
    *ret = false;
    for (int i = 0; i < rows.rows; i++)
        *ret |= strcmp(store_cell(&rows, i, COL_NAME), name) == 0;
    return true;
}

static bool note(PGconn *target, Store *store, const char *name, Error *err)
{
    auto_result PGresult *res = NULL;

    if (!pg_query(target, sql_target_own_setting, 1, &name, &res, err))
        return false;
    const char *previous = PQntuples(res) > 0 ? pg_cell(res, 0, 0) : NULL;
    return store_run(store, sql_store_note_relaxed,
                     STORE_VALUES(STORE_TEXT(name), STORE_TEXT(previous)), err);
}

static bool change(PGconn *target, Store *store, const char *name, const char *value, Error *err)
{
    auto_arena Arena *scratch = arena_new();
    Error ignored = ERROR_INIT;
    bool before = false;

    if (!is_noted(store, scratch, name, &before, err))
        return false;
    bool noted = before || note(target, store, name, err);
    if (noted && pg_execf(target, err, "ALTER SYSTEM SET %s = %s", pg_ident(scratch, name),
                          pg_literal(scratch, value)))
        return true;
    /* Refused: there is nothing that could be put back, nor may it be tried. */
    if (err->code == ERR_SQL && noted && !before &&
        !store_run(store, sql_store_forget_relaxed, STORE_VALUES(STORE_TEXT(name)), &ignored))
        log_warn("a setting stays noted", kv_str("reason", ignored.message));
    return error_hint(err, "--relax-durability changes settings of the target: connect as a "
                           "superuser, or do without it.");
}

static bool reload(PGconn *target, Error *err)
{
    return pg_exec(target, "SELECT pg_catalog.pg_reload_conf()", err);
}

bool relax_begin(PGconn *target, Store *store, int64_t bytes, Error *err)
{
    auto_result PGresult *res = NULL;
    char text[32];

    (void)snprintf(text, sizeof text, "%" PRId64, bytes);
    const char *params[] = {text};
    if (!pg_query(target, sql_target_wal_room, 1, params, &res, err))
        return error_add_context(err, "relax the target");
    (void)snprintf(text, sizeof text, "%" PRId64 "MB", pg_cell_i64(res, 0, 0));
    return (change(target, store, "max_wal_size", text, err) &&
            change(target, store, "checkpoint_timeout", "1h", err) && reload(target, err)) ||
           error_add_context(err, "relax the target");
}

static const char *put_back_sql(Arena *arena, const StoreRows *rows, int row)
{
    const char *name = pg_ident(arena, store_cell(rows, row, COL_NAME));
    const char *previous = store_cell(rows, row, COL_PREVIOUS);

    return previous
               ? arena_printf(arena, "ALTER SYSTEM SET %s = %s", name, pg_literal(arena, previous))
               : arena_printf(arena, "ALTER SYSTEM RESET %s", name);
}

bool relax_end(PGconn *target, Store *store, Error *err)
{
    auto_arena Arena *scratch = arena_new();
    StoreRows rows;

    if (!store_query(store, scratch, sql_store_read_relaxed, STORE_NO_VALUES, &rows, err))
        return false;
    for (int i = 0; i < rows.rows; i++)
        if (!pg_exec(target, put_back_sql(scratch, &rows, i), err))
            return error_add_context(err, "put %s of the target back",
                                     store_cell(&rows, i, COL_NAME));
    return rows.rows == 0 ||
           (reload(target, err) &&
            store_run(store, sql_store_forget_relaxed, STORE_VALUES(STORE_TEXT(NULL)), err));
}

bool relax_sql(Arena *arena, Store *store, const char **ret, Error *err)
{
    Text sql = text_init(arena, MAX_SQL);
    StoreRows rows;

    if (!store_query(store, arena, sql_store_read_relaxed, STORE_NO_VALUES, &rows, err))
        return false;
    for (int i = 0; i < rows.rows; i++)
        text_addf(&sql, "%s;\n", put_back_sql(arena, &rows, i));
    text_add(&sql, "SELECT pg_reload_conf();\n");
    *ret = rows.rows > 0 ? text_str(&sql) : NULL;
    return true;
}
