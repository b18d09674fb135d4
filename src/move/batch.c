#include "move/batch.h"

#include "pg/pg.h"

enum {
    /* Few enough that neither side's answers fill a buffer while the other still sends. */
    CHUNK = 64
};

static bool send_statement(PGconn *conn, const char *sql)
{
    return !sql || PQsendQueryParams(conn, sql, 0, NULL, NULL, NULL, NULL, 0) == 1;
}

static bool batch_send(PGconn *conn, const BatchItem *items, int count)
{
    for (int i = 0; i < count; i++)
        if (!send_statement(conn, items[i].sql) || !send_statement(conn, items[i].then) ||
            PQpipelineSync(conn) != 1)
            return false;
    return true;
}

/* The results of one item, up to its sync. */
static bool item_receive(PGconn *conn, BatchItem *item)
{
    for (int ended = 0; ended < 2;) {
        auto_result PGresult *res = PQgetResult(conn);
        ExecStatusType status = res ? PQresultStatus(res) : PGRES_EMPTY_QUERY;

        if (!res && PQstatus(conn) == CONNECTION_BAD)
            return false;
        if (status == PGRES_PIPELINE_SYNC)
            return true;
        ended = res ? 0 : ended + 1; /* a statement's results end with one NULL */
        if (status == PGRES_FATAL_ERROR && item->error.code == ERR_NONE)
            (void)pg_fail_result(conn, res, &item->error);
    }
    return false;
}

static bool batch_receive(PGconn *conn, BatchItem *items, int count)
{
    for (int i = 0; i < count; i++)
        if (!item_receive(conn, &items[i]))
            return false;
    return true;
}

bool batch_run(PGconn *conn, BatchItem *items, int count, Error *err)
{
    for (int i = 0; i < count; i++)
        items[i].error = ERROR_INIT;
    if (PQenterPipelineMode(conn) != 1)
        /* not run: it fails for who has not read the last result, and we have */
        return pg_fail_conn(conn, err);
    for (int done = 0; done < count; done += CHUNK) {
        int chunk = count - done < CHUNK ? count - done : CHUNK;
        if (!batch_send(conn, items + done, chunk) || !batch_receive(conn, items + done, chunk))
            return pg_fail_conn(conn, err);
    }
    return PQexitPipelineMode(conn) == 1 || pg_fail_conn(conn, err);
}
