/*
 * Each call of libpq that the applier makes for a transaction fails once, with the connection lost
 * and with nothing but the call lost: what was not committed whole is committed not at all, and a
 * connection that is given back is as before.
 *
 * The server is a stand-in: it has what was sent, does it when its reply is read, and keeps the
 * rules of a pipeline.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "move/apply_rows.h"
#include "pg/pg.h"

enum {
    ROWS = 300, /* so many that replies are asked for, read while sending, and waited for */
    LONGEST = 4096,
    SYNC = -1
};

typedef enum Way {
    WAY_CONNECTION, /* lost, for what comes after as well */
    WAY_CALL,       /* as where there is no memory for it */
    WAY_STATEMENT,  /* the server refuses the statement whose reply is read */
    WAYS
} Way;

static struct {
    int calls_left; /* until the one that fails; 0: none */
    Way way;
    bool lost;
    bool pipelining;
    bool arrived; /* a reply can be read; else it has to be waited for */
    int full;     /* of every so many flushes one finds no room; 0: none */
    int flushes;
    const char *queue[LONGEST]; /* what was sent and has no reply yet; NULL: a sync */
    int first;
    int last;
    bool between; /* the reply was read, the end of its statement not */
    bool aborted; /* until the next sync */
    bool open;    /* a transaction */
    int changed;  /* in it */
    int committed;
} server;

static atomic_bool stop;
static int null_fd;

static bool fails(void)
{
    if (server.lost)
        return true;
    if (server.calls_left == 0 || --server.calls_left > 0)
        return false;
    server.lost = server.way == WAY_CONNECTION;
    return server.way != WAY_STATEMENT; /* the next reply is the refusal */
}

static bool is_refused(void)
{
    return server.calls_left == 0 && server.way == WAY_STATEMENT;
}

/* ---- libpq ---- */

static int send_one(const char *what)
{
    assert_true(server.pipelining);
    if (fails())
        return 0;
    assert_true(server.last < LONGEST);
    server.queue[server.last++] = what;
    return 1;
}

int __wrap_PQsendQueryParams(PGconn *conn, const char *sql, int count, const Oid *types,
                             const char *const *values, const int *lengths, const int *formats,
                             int format);
int __wrap_PQsendQueryParams(PGconn *conn, const char *sql, int count, const Oid *types,
                             const char *const *values, const int *lengths, const int *formats,
                             int format)
{
    (void)conn;
    (void)types;
    (void)values;
    (void)lengths;
    (void)formats;
    assert_int_equal(count + format, 0);
    return send_one(sql);
}

int __wrap_PQsendPrepare(PGconn *conn, const char *name, const char *sql, int count,
                         const Oid *types);
int __wrap_PQsendPrepare(PGconn *conn, const char *name, const char *sql, int count,
                         const Oid *types)
{
    (void)conn;
    (void)name;
    (void)sql;
    (void)types;
    assert_int_equal(count, 0);
    return send_one("PREPARE");
}

int __wrap_PQsendQueryPrepared(PGconn *conn, const char *name, int count, const char *const *values,
                               const int *lengths, const int *formats, int format);
int __wrap_PQsendQueryPrepared(PGconn *conn, const char *name, int count, const char *const *values,
                               const int *lengths, const int *formats, int format)
{
    (void)conn;
    (void)lengths;
    (void)formats;
    assert_int_equal(format, 0);
    assert_true(count > 0 && values[0]);
    return send_one(strcmp(name, "homeport_progress") == 0 ? "PROGRESS" : "CHANGE");
}

int __wrap_PQpipelineSync(PGconn *conn);
int __wrap_PQpipelineSync(PGconn *conn)
{
    (void)conn;
    return send_one(NULL);
}

int __wrap_PQsendFlushRequest(PGconn *conn);
int __wrap_PQsendFlushRequest(PGconn *conn)
{
    (void)conn;
    return !fails();
}

int __wrap_PQflush(PGconn *conn);
int __wrap_PQflush(PGconn *conn)
{
    (void)conn;
    if (fails())
        return -1;
    return server.full && ++server.flushes % server.full == 0;
}

int __wrap_PQisBusy(PGconn *conn);
int __wrap_PQisBusy(PGconn *conn)
{
    (void)conn;
    return !server.arrived && !server.lost;
}

int __wrap_PQconsumeInput(PGconn *conn);
int __wrap_PQconsumeInput(PGconn *conn)
{
    (void)conn;
    if (fails())
        return 0;
    server.arrived = true;
    return 1;
}

int __wrap_PQsocket(const PGconn *conn);
int __wrap_PQsocket(const PGconn *conn)
{
    (void)conn;
    return fails() ? -1 : null_fd;
}

ConnStatusType __wrap_PQstatus(const PGconn *conn);
ConnStatusType __wrap_PQstatus(const PGconn *conn)
{
    (void)conn;
    return server.lost ? CONNECTION_BAD : CONNECTION_OK;
}

int __wrap_PQsetnonblocking(PGconn *conn, int nonblocking);
int __wrap_PQsetnonblocking(PGconn *conn, int nonblocking)
{
    (void)conn;
    (void)nonblocking;
    return fails() ? -1 : 0;
}

PGpipelineStatus __wrap_PQpipelineStatus(const PGconn *conn);
PGpipelineStatus __wrap_PQpipelineStatus(const PGconn *conn)
{
    (void)conn;
    return server.pipelining ? PQ_PIPELINE_ON : PQ_PIPELINE_OFF;
}

int __wrap_PQenterPipelineMode(PGconn *conn);
int __wrap_PQenterPipelineMode(PGconn *conn)
{
    (void)conn;
    if (fails())
        return 0;
    server.pipelining = true;
    return 1;
}

/* Refused while there are replies that nobody has read. */
int __wrap_PQexitPipelineMode(PGconn *conn);
int __wrap_PQexitPipelineMode(PGconn *conn)
{
    (void)conn;
    if (fails() || server.first < server.last || server.between)
        return 0;
    server.pipelining = false;
    return 1;
}

static void end_transaction(bool commits)
{
    assert_true(server.open);
    server.committed += commits ? server.changed : 0;
    server.changed = 0;
    server.open = false;
}

static ExecStatusType run_one(const char *statement)
{
    if (!statement) {
        server.aborted = false;
        return PGRES_PIPELINE_SYNC;
    }
    if (server.aborted)
        return PGRES_PIPELINE_ABORTED;
    if (is_refused()) {
        server.calls_left = SYNC;
        server.aborted = true;
        return PGRES_FATAL_ERROR;
    }
    if (strncmp(statement, "BEGIN", 5) == 0)
        server.open = true;
    else if (strcmp(statement, "COMMIT") == 0)
        end_transaction(true);
    else if (strcmp(statement, "CHANGE") == 0)
        server.changed++;
    return PGRES_COMMAND_OK;
}

PGresult *__wrap_PQgetResult(PGconn *conn);
PGresult *__wrap_PQgetResult(PGconn *conn)
{
    (void)conn;
    if (server.between) {
        server.between = false;
        return NULL;
    }
    assert_true(server.first < server.last);
    const char *statement = server.queue[server.first++];
    server.between = statement != NULL;
    server.arrived = server.arrived && server.first % 50 != 0; /* replies come in packets */
    /* It has done it, and its reply is lost. */
    ExecStatusType status = server.lost ? PGRES_FATAL_ERROR : run_one(statement);
    return PQmakeEmptyPGresult(NULL, fails() ? PGRES_FATAL_ERROR : status);
}

char *__wrap_PQcmdTuples(PGresult *res);
char *__wrap_PQcmdTuples(PGresult *res)
{
    (void)res;
    return (char *)(uintptr_t) "1";
}

char *__wrap_PQcmdStatus(PGresult *res);
char *__wrap_PQcmdStatus(PGresult *res)
{
    (void)res;
    return (char *)(uintptr_t) "COMMIT";
}

char *__wrap_PQresultErrorField(const PGresult *res, int code);
char *__wrap_PQresultErrorField(const PGresult *res, int code)
{
    (void)res;
    return code == PG_DIAG_SQLSTATE ? (char *)(uintptr_t) "23505" : NULL;
}

bool __wrap_pg_fail_conn(PGconn *conn, Error *err);
bool __wrap_pg_fail_conn(PGconn *conn, Error *err)
{
    (void)conn;
    return error_set(err, ERR_CONNECT, "connection lost");
}

bool __wrap_pg_fail_result(PGconn *conn, const PGresult *res, Error *err);
bool __wrap_pg_fail_result(PGconn *conn, const PGresult *res, Error *err)
{
    (void)conn;
    (void)res;
    return error_set(err, server.way == WAY_STATEMENT ? ERR_SQL : ERR_CONNECT, "failed");
}

bool __wrap_pg_exec(PGconn *conn, const char *sql, Error *err);
bool __wrap_pg_exec(PGconn *conn, const char *sql, Error *err)
{
    (void)conn;
    assert_false(server.pipelining);
    if (fails())
        return error_set(err, ERR_CONNECT, "connection lost");
    if (strcmp(sql, "ROLLBACK") == 0 && server.open)
        end_transaction(false);
    return true;
}

/* ---- what is applied ---- */

static BoundColumn columns[] = {
    {.name = "id",
     .quoted = "\"id\"",
     .type = "integer",
     .key = true,
     .equals = "OPERATOR(pg_catalog.=)"},
    {.name = "note", .quoted = "\"note\"", .type = "text"},
};
static int key[] = {0};
static const char *key_names[] = {"id"};
static const Binding table = {.id = 7,
                              .schema = "public",
                              .name = "t",
                              .from = "ONLY \"public\".\"t\"",
                              .into = "\"public\".\"t\"",
                              .way = APPLY_BY_KEY,
                              .columns = columns,
                              .column_count = 2,
                              .key = key,
                              .key_count = 1,
                              .key_names = key_names};

static bool insert(Rows *rows, int count, Error *err)
{
    static const char note[] =
        "as long as notes are of which some hundred fill what is sent at once, 32 KiB, "
        "with the rest of their statements, which is not counted here, and some of "
        "which have to be read back while there is no room";
    const PgValue row[] = {
        {.kind = PG_VALUE_TEXT, .len = 1,               .data = "1" },
        {.kind = PG_VALUE_TEXT, .len = sizeof note - 1, .data = note},
    };

    for (int i = 0; i < count; i++)
        if (!rows_change(rows, &table, &(RowChange){.op = 'I', .now = row}, false, err))
            return false;
    return true;
}

static bool transaction(Rows *rows, Error *err)
{
    return rows_begin(rows, err) && insert(rows, ROWS, err) &&
           rows_statement(rows, "TRUNCATE other", &table, err) &&
           rows_progress(rows, 1, "public", "t", 77, err) && rows_commit(rows, err) &&
           rows_finish(rows, err) && rows_leave(rows, err);
}

static Rows *start(Way way, int call, int full)
{
    static PGconn *conn = (PGconn *)(void *)&server; /* never looked into */

    memset(&server, 0, sizeof server);
    server.way = way;
    server.calls_left = call;
    server.full = full;
    atomic_store(&stop, false);
    return rows_new(conn, &stop);
}

/* Given back: the next transaction goes through it as if nothing had been. */
static void check_usable(Rows *rows)
{
    Error err = ERROR_INIT;
    int before = server.committed;

    assert_false(server.open);
    assert_false(server.pipelining);
    server.calls_left = 0;
    server.way = WAY_CALL;
    server.first = server.last = 0;
    if (!transaction(rows, &err))
        fail_msg("%s", err.message);
    assert_int_equal(server.committed, before + ROWS);
}

/* True where the call that should have failed was never made. */
static bool fail_one(Way way, int call, int full)
{
    Rows *rows = start(way, call, full);
    Error err = ERROR_INIT;
    bool ok = transaction(rows, &err);
    bool unmade = server.calls_left > 0 || (way == WAY_STATEMENT && server.calls_left == 0);

    assert_int_equal(ok, unmade);
    assert_int_equal(err.code != ERR_NONE, !ok);
    /* Its reply may be lost, and then it is whole. */
    assert_true(server.committed == 0 || server.committed == ROWS);
    if (ok) {
        assert_int_equal(server.committed, ROWS);
        assert_int_equal(rows_committed(rows), 1);
    } else if (rows_abort(rows)) {
        assert_false(server.lost);
        check_usable(rows);
    } else {
        /* Of no more use; what was begun ends with it. */
        assert_true(server.lost || way == WAY_CALL);
    }
    rows_free(rows);
    return unmade;
}

static int fail_each(Way way, int full)
{
    int call = 1;

    while (!fail_one(way, call, full))
        call++;
    return call - 1;
}

static void any_call_that_fails_commits_the_whole_or_nothing(void **state)
{
    (void)state;
    for (Way way = 0; way < WAYS; way++) {
        assert_true(fail_each(way, 0) > ROWS);
        assert_true(fail_each(way, 3) > ROWS);
    }
}

/* A rollback whose own call fails gives no connection back that has anything open. */
static void any_call_of_a_rollback_that_fails_gives_back_nothing_that_is_open(void **state)
{
    int given = 0;

    (void)state;
    for (Way way = 0; way < WAYS; way++) {
        bool made = true;
        for (int call = 1; made; call++) {
            Rows *rows = start(way, 0, 3);
            Error err = ERROR_INIT;
            /* Many are in flight, so that a reply is waited for while it ends. */
            assert_true(rows_begin(rows, &err) && insert(rows, 100, &err));
            server.calls_left = call;
            if (rows_abort(rows)) {
                given++;
                made = server.calls_left == (way == WAY_STATEMENT ? SYNC : 0);
                check_usable(rows);
            }
            assert_true(server.committed == 0 || server.committed == ROWS);
            rows_free(rows);
        }
    }
    assert_true(given > WAYS);
}

static void a_wait_ends_when_it_is_to_stop(void **state)
{
    Rows *rows = start(WAY_CALL, 0, 0);
    Error err = ERROR_INIT;

    (void)state;
    assert_true(rows_begin(rows, &err));
    atomic_store(&stop, true);
    assert_false(rows_settle(rows, &err));
    assert_int_equal(err.code, ERR_CANCELLED);
    assert_false(rows_abort(rows));
    rows_free(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_call_that_fails_commits_the_whole_or_nothing),
        cmocka_unit_test(any_call_of_a_rollback_that_fails_gives_back_nothing_that_is_open),
        cmocka_unit_test(a_wait_ends_when_it_is_to_stop),
    };

    null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null_fd < 0)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)close(null_fd);
    return failed;
}
