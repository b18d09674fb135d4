/* Rows from one connection to the other: which side failed is said, whatever fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "move/stream.h"

enum {
    ROW_BYTES = 1 << 20,
    ROWS = 20 /* more than are sent before the target is looked at */
};

/* ---- a source and a target, each a COPY: --wrap ---- */

typedef struct Side {
    int rows;       /* that the source has */
    int lost_at;    /* the connection breaks where it comes to this row; 0: never */
    bool complains; /* there is something to be read */
    bool end_lost;  /* what ends the COPY does not arrive */
    bool refused;   /* the COPY's result */
    bool silent;    /* it has none */
    int results;
    int given_up;
    const char *said; /* how many rows it had */
    int ends[2];
} Side;

static const Side *answered; /* last */

static Side *side_of(const PGconn *conn)
{
    return (Side *)(uintptr_t)conn;
}

PGresult *__wrap_PQexec(PGconn *conn, const char *sql);
PGresult *__wrap_PQexec(PGconn *conn, const char *sql)
{
    (void)conn;
    return PQmakeEmptyPGresult(NULL, strcmp(sql, "out") == 0 ? PGRES_COPY_OUT : PGRES_COPY_IN);
}

int __wrap_PQgetCopyData(PGconn *conn, char **buffer, int async);
int __wrap_PQgetCopyData(PGconn *conn, char **buffer, int async)
{
    Side *side = side_of(conn);

    assert_int_equal(async, 0);
    if (side->lost_at > 0 && --side->lost_at == 0)
        return -2;
    if (side->rows == 0)
        return -1;
    side->rows--;
    *buffer = calloc(1, ROW_BYTES);
    assert_non_null(*buffer);
    return ROW_BYTES;
}

void __wrap_PQfreemem(void *buffer);
void __wrap_PQfreemem(void *buffer)
{
    free(buffer);
}

int __wrap_PQputCopyData(PGconn *conn, const char *data, int len);
int __wrap_PQputCopyData(PGconn *conn, const char *data, int len)
{
    Side *side = side_of(conn);

    (void)data;
    (void)len;
    return side->lost_at > 0 && --side->lost_at == 0 ? -1 : 1;
}

int __wrap_PQputCopyEnd(PGconn *conn, const char *error);
int __wrap_PQputCopyEnd(PGconn *conn, const char *error)
{
    Side *side = side_of(conn);

    side->given_up += error != NULL;
    return side->end_lost ? -1 : 1;
}

PGresult *__wrap_PQgetResult(PGconn *conn);
PGresult *__wrap_PQgetResult(PGconn *conn)
{
    Side *side = side_of(conn);

    answered = side;
    if (side->silent || side->results++ > 0)
        return NULL;
    return PQmakeEmptyPGresult(NULL, side->refused ? PGRES_FATAL_ERROR : PGRES_COMMAND_OK);
}

char *__wrap_PQcmdTuples(PGresult *res);
char *__wrap_PQcmdTuples(PGresult *res)
{
    (void)res;
    return (char *)(uintptr_t)answered->said;
}

ConnStatusType __wrap_PQstatus(const PGconn *conn);
ConnStatusType __wrap_PQstatus(const PGconn *conn)
{
    (void)conn;
    return CONNECTION_OK;
}

int __wrap_PQsocket(const PGconn *conn);
int __wrap_PQsocket(const PGconn *conn)
{
    return side_of(conn)->ends[0];
}

bool __wrap_pg_fail_conn(const PGconn *conn, Error *err);
bool __wrap_pg_fail_conn(const PGconn *conn, Error *err)
{
    (void)conn;
    return error_set(err, ERR_CONNECT, "connection lost");
}

bool __wrap_pg_fail_result(const PGconn *conn, const PGresult *res, Error *err);
bool __wrap_pg_fail_result(const PGconn *conn, const PGresult *res, Error *err)
{
    (void)conn;
    assert_int_equal(PQresultStatus(res), PGRES_FATAL_ERROR);
    return error_set(err, ERR_SQL, "value too long");
}

/* ---- the tests ---- */

typedef struct Case {
    Side source;
    Side target;
    bool stop;
    ErrorCode code;
    const char *message;
    int given_up; /* the target is told so */
} Case;

static void try(const Case *it)
{
    Side source = it->source;
    Side target = it->target;
    atomic_int_fast64_t bytes = 0;
    atomic_bool stop = it->stop;
    StreamWatch watch = {.bytes = &bytes, .stop = &stop};
    const StreamEnd from = {.conn = (PGconn *)(void *)&source, .copy = "out"};
    const StreamEnd to = {.conn = (PGconn *)(void *)&target, .copy = "in"};
    Error err = ERROR_INIT;
    int64_t rows = -1;

    assert_int_equal(pipe(target.ends), 0);
    if (target.complains)
        assert_int_equal(write(target.ends[1], "!", 1), 1);
    assert_int_equal(stream_rows(&from, &to, &watch, &rows, &err), !it->message);
    assert_int_equal(err.code, it->code);
    assert_string_equal(err.message, it->message ? it->message : "");
    assert_int_equal(rows, it->message ? -1 : ROWS);
    assert_int_equal(target.given_up, it->given_up);
    assert_int_equal(close(target.ends[0]), 0);
    assert_int_equal(close(target.ends[1]), 0);
}

#define WELL .rows = ROWS, .said = "20"

static void every_row_is_sent_and_counted_on_both_sides(void **state)
{
    (void)state;
    try(&(Case){.source = {WELL}, .target = {WELL}});
    try(&(Case){.source = {WELL},
                .target = {.said = "19"},
                .code = ERR_FORMAT,
                .message = "the source sent 20 rows and the target took 19"});
}

/* Before all of them are sent. */
static void a_target_that_refuses_a_row_is_asked_why(void **state)
{
    (void)state;
    static const char why[] = "target: value too long";
    static const char none[] = "target: COPY was given up without a reason";

    try(&(Case){
        {WELL            },
        { WELL, .complains = true, .refused = true},
        false, ERR_SQL, why, 1
    });
    try(&(Case){
        {WELL              },
        { WELL, .complains = true},
        false, ERR_CONNECT, none, 1
    });
    try(&(Case){
        {WELL            },
        { WELL, .lost_at = 3, .refused = true},
        false, ERR_SQL, why, 1
    });
    try(&(Case){
        {WELL            },
        { WELL, .end_lost = true, .refused = true},
        false, ERR_SQL, why, 1
    });
}

static void a_side_that_is_lost_is_named(void **state)
{
    (void)state;
    static const char source[] = "source: connection lost";
    static const char target[] = "target: connection lost";

    try(&(Case){
        {WELL, .lost_at = 3},
        {WELL   },
        false, ERR_CONNECT, source, 0
    });
    try(&(Case){
        {WELL, .silent = true},
        {WELL   },
        false, ERR_CONNECT, source, 0
    });
    try(&(Case){
        {WELL           },
        { WELL, .silent = true},
        false, ERR_CONNECT, target, 0
    });
    try(&(Case){
        {WELL           },
        { WELL, .lost_at = 1, .silent = true},
        false, ERR_CONNECT, target, 1
    });
}

static void where_another_part_failed_it_is_given_up_soon(void **state)
{
    (void)state;
    static const char stopped[] = "stopped because another part failed";

    try(&(Case){{WELL}, {WELL}, true, ERR_CANCELLED, stopped, 0});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_sent_and_counted_on_both_sides),
        cmocka_unit_test(a_target_that_refuses_a_row_is_asked_why),
        cmocka_unit_test(a_side_that_is_lost_is_named),
        cmocka_unit_test(where_another_part_failed_it_is_given_up_soon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
