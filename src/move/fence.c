#include "move/fence.h"

#include "pg/pg.h"

bool fence_pass(PGconn *conn, const char *token, Error *err)
{
    auto_result PGresult *res = NULL;
    const char *params[] = {token};

    return pg_query(conn, "SELECT pg_catalog.set_config('homeport.token', $1, false)", 1, params,
                    &res, err);
}
