#include "move/database.h"

#include <string.h>

#include "sql.gen.h"

bool database_id_read(PGconn *conn, Arena *arena, DatabaseId *ret, Error *err)
{
    auto_result PGresult *res = NULL;
    char *cluster = NULL;

    if (!pg_query(conn, sql_move_database_identity, 0, NULL, &res, err))
        return false; /* not run: the connection was made a moment before */
    if (!pg_query_text(conn, arena, sql_move_system_identifier, &cluster, err)) {
        if (err->code != ERR_SQL)
            return false; /* not run: as above */
        *err = ERROR_INIT;
    }
    *ret = (DatabaseId){
        .cluster = cluster,
        .oid = arena_strdup(arena, pg_cell(res, 0, 0)),
        .started = arena_strdup(arena, pg_cell(res, 0, 1)),
    };
    return true;
}

bool database_id_same(const DatabaseId *a, const DatabaseId *b)
{
    /* A physical copy has its original's identity, but was not started in the same microsecond. */
    return a->cluster && b->cluster && strcmp(a->cluster, b->cluster) == 0 &&
           strcmp(a->started, b->started) == 0 && strcmp(a->oid, b->oid) == 0;
}

const char *database_id_text(Arena *arena, const DatabaseId *id)
{
    return arena_printf(arena, "%s/%s", id->cluster ? id->cluster : "", id->oid);
}
