#include <stdio.h>

#include "move/apply.h"
#include "pg/pg.h"

bool progress_create(PGconn *conn, Error *err)
{
    return pg_exec(conn, sql_apply_create_progress, err);
}

bool progress_query(PGconn *conn, const char *sql, int feed, PGresult **ret, Error *err)
{
    char number[16];
    const char *params[] = {number};

    (void)snprintf(number, sizeof number, "%d", feed);
    return pg_query(conn, sql, COUNT_OF(params), params, ret, err);
}

bool progress_begin(PGconn *conn, int feed, Lsn start, Error *err)
{
    auto_result PGresult *res = NULL;

    return progress_query(conn, sql_apply_forget_progress, feed, &res, err) &&
           progress_set(conn, feed, NULL, NULL, start, err);
}

bool progress_share(PGconn *conn, int feed, Error *err)
{
    auto_result PGresult *res = NULL;

    return progress_query(conn, sql_apply_share, feed, &res, err);
}

/* At no moment between has an earlier run's the lock again. */
bool progress_share_first(PGconn *conn, int feed, bool *ret, Error *err)
{
    auto_result PGresult *taken = NULL;
    auto_result PGresult *res = NULL;

    if (!progress_query(conn, sql_apply_try_alone, feed, &taken, err))
        return false;
    *ret = false;
    if (!pg_cell_bool(taken, 0, 0))
        return true;
    *ret = progress_share(conn, feed, err) &&
           progress_query(conn, sql_apply_end_alone, feed, &res, err);
    return *ret;
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
