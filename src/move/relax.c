#include "move/relax.h"

#include <inttypes.h>

static bool change(PGconn *target, const char *name, const char *value, Error *err)
{
    auto_arena Arena *scratch = arena_new();
    auto_result PGresult *res = NULL;

    if (pg_query(target, sql_target_note_setting, 1, &name, &res, err) &&
        pg_execf(target, err, "ALTER SYSTEM SET %s = %s", pg_ident(scratch, name),
                 pg_literal(scratch, value)))
        return true;
    return error_hint(err, "--relax-durability changes settings of the target: connect as a "
                           "superuser, or do without it.");
}

static bool reload(PGconn *target, Error *err)
{
    return pg_exec(target, "SELECT pg_catalog.pg_reload_conf()", err);
}

bool relax_begin(PGconn *target, int64_t bytes, Error *err)
{
    auto_result PGresult *res = NULL;
    char text[32];

    (void)snprintf(text, sizeof text, "%" PRId64, bytes);
    const char *params[] = {text};
    if (!pg_query(target, sql_target_wal_room, 1, params, &res, err))
        return error_add_context(err, "relax the target");
    (void)snprintf(text, sizeof text, "%" PRId64 "MB", pg_cell_i64(res, 0, 0));
    return (change(target, "max_wal_size", text, err) &&
            change(target, "checkpoint_timeout", "1h", err) && reload(target, err)) ||
           error_add_context(err, "relax the target");
}

static bool put_back(PGconn *target, const char *name, const char *previous, Error *err)
{
    auto_arena Arena *scratch = arena_new();
    auto_result PGresult *res = NULL;
    bool ok = previous ? pg_execf(target, err, "ALTER SYSTEM SET %s = %s", pg_ident(scratch, name),
                                  pg_literal(scratch, previous))
                       : pg_execf(target, err, "ALTER SYSTEM RESET %s", pg_ident(scratch, name));

    return ok && pg_query(target, sql_target_forget_setting, 1, &name, &res, err);
}

bool relax_end(PGconn *target, Error *err)
{
    auto_result PGresult *res = NULL;

    if (!pg_query(target, sql_target_noted_settings, 0, NULL, &res, err))
        return error_add_context(err, "read the target's relaxed settings");
    for (int i = 0; i < PQntuples(res); i++)
        if (!put_back(target, pg_cell(res, i, 0), pg_cell(res, i, 1), err))
            return error_add_context(err, "put %s of the target back", pg_cell(res, i, 0));
    return PQntuples(res) == 0 || reload(target, err);
}
