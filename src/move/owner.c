#include "move/owner.h"

#include <string.h>

#include "pg/pg.h"

static bool owner_read(PGconn *conn, Arena *arena, const char **ret, Error *err)
{
    auto_result PGresult *res = NULL;

    if (!pg_query(conn, sql_owner_read, 0, NULL, &res, err))
        return error_add_context(err, "ask whose homeport's schema is");
    const char *id = PQntuples(res) > 0 ? pg_cell(res, 0, 0) : NULL;
    *ret = id ? arena_strdup(arena, id) : NULL;
    return true;
}

static bool fail_other(const char *id, Error *err)
{
    (void)error_set(err, ERR_WRONG_STATE,
                    "homeport's schema in this database belongs to another move (id %s)", id);
    return error_hint(err, "`homeport finish` or `homeport abort` with the --dir of that move ends "
                           "it. Where its work folder is lost, `homeport check --live` has the SQL "
                           "that takes away what it left.");
}

bool owner_claim(PGconn *conn, const char *move_id, Error *err)
{
    auto_arena Arena *scratch = arena_new();
    const char *owner = NULL;

    if (!pg_exec(conn, sql_owner_make, err) || !owner_read(conn, scratch, &owner, err))
        return false;
    if (owner)
        return strcmp(owner, move_id) == 0 || fail_other(owner, err);
    const char *comment =
        arena_printf(scratch, "homeport: state of move %s; gone when it is over", move_id);
    return pg_execf(conn, err, "COMMENT ON SCHEMA homeport IS %s", pg_literal(scratch, comment));
}

bool owner_other(PGconn *conn, Arena *arena, const char *move_id, const char **ret, Error *err)
{
    if (!owner_read(conn, arena, ret, err))
        return false;
    if (*ret && strcmp(*ret, move_id) == 0)
        *ret = NULL;
    return true;
}

bool owner_check(PGconn *conn, const char *move_id, Error *err)
{
    auto_arena Arena *scratch = arena_new();
    const char *other = NULL;

    return owner_other(conn, scratch, move_id, &other, err) && (!other || fail_other(other, err));
}
