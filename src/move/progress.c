#include <stdio.h>

#include "move/apply.h"
#include "pg/pg.h"

bool progress_create(PGconn *conn, Error *err)
{
    return pg_exec(conn, sql_apply_create_progress, err);
}

bool progress_begin(PGconn *conn, int feed, Lsn start, Error *err)
{
    char number[16];
    const char *params[] = {number};
    auto_result PGresult *res = NULL;

    (void)snprintf(number, sizeof number, "%d", feed);
    return pg_query(conn, sql_apply_forget_progress, COUNT_OF(params), params, &res, err) &&
           progress_set(conn, feed, NULL, NULL, start, err);
}

bool progress_set(PGconn *conn, int feed, const char *schema, const char *name, Lsn lsn, Error *err)
{
    char number[16];
    char text[LSN_TEXT_SIZE];
    const char *params[] = {number, name ? schema : "", name ? name : "", lsn_text(lsn, text)};
    auto_result PGresult *res = NULL;

    (void)snprintf(number, sizeof number, "%d", feed);
    return pg_query(conn, sql_apply_set_progress, 4, params, &res, err);
}
