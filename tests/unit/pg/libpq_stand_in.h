/*
 * A stand-in for libpq: connections to nobody, which answer as a test's script says, and of which
 * any one call can be made to fail, in each of the ways in which libpq's calls do. The linker puts
 * these functions in the place of libpq's (tests/unit/meson.build); results are libpq's own.
 *
 * check_each() fails every call of a scenario in turn, in every way.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pg/pg.h"

/* ---- the script ---- */

typedef enum Way {
    WAY_LOST,    /* the connection breaks, and stays so */
    WAY_MEMORY,  /* libpq finds no memory; the connection is as before */
    WAY_REFUSED, /* the server refuses the statement; what is none is lost */
    WAY_LEAVING, /* the server shuts down, and says so; the connection is lost */
    WAYS
} Way;

/* What the server says to the next statement, which must begin like that. */
typedef struct Answer {
    const char *statement; /* NULL: nothing more is asked */
    ExecStatusType status;
    int columns;
    int rows;
    const char *cells[8];
    const char *state; /* of a failed one: SQLSTATE; NULL: the connection broke */
    const char *message;
} Answer;

/* What PQgetCopyData() gives next, of the length that it returns: 0 is nothing yet, -1 the end.
 * Without data: nothing from there on. */
typedef struct Piece {
    int len;
    const char *data;
} Piece;

/* What a PGconn * points to here. */
typedef struct StandIn {
    int ends[2]; /* PQsocket(), and the server's */
    bool lost;
    const char *said; /* PQerrorMessage() */
    PQnoticeReceiver notice;
} StandIn;

static struct {
    const Answer *answers;
    const Piece *pieces;
    const char *connect_error; /* a connection is not made, and this is why; NULL: it is */
    void (*on_connect)(void);  /* what happens meanwhile */
    Way way;
    int version;
    int unsent;    /* what PQflush() says */
    int queued;    /* what PQputCopyData() says: 0 where there is no room */
    int connects;  /* tried */
    int connected; /* there now; likewise the others */
    int results;
    int buffers;
    char timeout[16]; /* connect_timeout and application_name of the last one */
    char application[64];
    ErrorCode fits; /* what the call that failed has to become */
    const char *fits_text;
    struct {
        const PGresult *res;
        const char *state;
        const char *message;
    } refused;
} server = {.version = 160000, .queued = 1};

static atomic_int sockets_asked;
static _Thread_local int calls_left; /* until the one that fails; 0: none does */

static inline bool fails(void)
{
    return calls_left > 0 && --calls_left == 0;
}

static inline void fits(ErrorCode code, const char *text)
{
    server.fits = code;
    server.fits_text = text;
}

static inline const StandIn *stand_in_of(const PGconn *conn)
{
    return (const StandIn *)(const void *)conn;
}

static inline StandIn *stand_in(PGconn *conn)
{
    return (StandIn *)(void *)conn;
}

/* The server's end of it. */
static inline int far_end(const PGconn *conn)
{
    return stand_in_of(conn)->ends[1];
}

static inline void lose(PGconn *conn)
{
    stand_in(conn)->lost = true;
    stand_in(conn)->said = "server closed the connection unexpectedly\n"
                           "\tThis probably means the server terminated abnormally\n";
    fits(ERR_CONNECT,
         "connection lost (db.example:5432): server closed the connection unexpectedly");
}

/* Of a call that is no statement: a server has no say in it. */
static inline void fail_call(PGconn *conn)
{
    if (server.way != WAY_MEMORY) {
        lose(conn);
        return;
    }
    stand_in(conn)->said = "out of memory\n";
    fits(ERR_CONNECT, "connection lost (db.example:5432): out of memory");
}

static inline PGresult *new_result(ExecStatusType status)
{
    server.results++;
    return PQmakeEmptyPGresult(NULL, status);
}

static inline PGresult *refusal(const char *state, const char *message)
{
    PGresult *res = new_result(PGRES_FATAL_ERROR);

    server.refused.res = res;
    server.refused.state = state;
    server.refused.message = message;
    return res;
}

static inline PGresult *fail_statement(PGconn *conn)
{
    static const char denied[] = "permission denied for it";
    static const char leaving[] = "terminating connection due to administrator command";

    switch (server.way) {
    case WAY_REFUSED:
        server.answers++; /* this is it */
        fits(ERR_SQL, denied);
        return refusal("42501", denied);
    case WAY_LEAVING:
        lose(conn);
        fits(ERR_CONNECT, leaving);
        return refusal("57P01", leaving);
    default:
        fail_call(conn);
        return stand_in(conn)->lost ? new_result(PGRES_FATAL_ERROR) : NULL;
    }
}

static inline PGresult *result_of(const Answer *answer)
{
    PGresAttDesc columns[8] = {0};
    char name[] = "c";

    if (answer->state)
        return refusal(answer->state, answer->message);
    PGresult *res = new_result(answer->status);
    for (int i = 0; i < answer->columns; i++)
        columns[i].name = name;
    assert_int_equal(PQsetResultAttrs(res, answer->columns, columns), 1);
    for (int i = 0; i < answer->columns * answer->rows; i++) {
        const char *cell = answer->cells[i];
        assert_int_equal(PQsetvalue(res, i / answer->columns, i % answer->columns,
                                    (char *)(uintptr_t)cell, cell ? (int)strlen(cell) : -1),
                         1);
    }
    return res;
}

static inline PGresult *answer_to(PGconn *conn, const char *statement)
{
    if (stand_in(conn)->lost)
        return NULL;
    if (fails())
        return fail_statement(conn);
    const Answer *answer = server.answers;
    if (!answer || !answer->statement ||
        strncmp(statement, answer->statement, strlen(answer->statement)) != 0)
        fail_msg("not in the script: %s", statement);
    server.answers++;
    return result_of(answer);
}

/* ---- libpq ---- */

static inline const char *value_given(const char *const *keywords, const char *const *values,
                                      const char *keyword)
{
    const char *last = "";

    for (; *keywords; keywords++, values++)
        if (strcmp(*keywords, keyword) == 0)
            last = *values;
    return last;
}

static inline PGconn *new_connection(const char *error)
{
    StandIn *conn = calloc(1, sizeof *conn);

    assert_non_null(conn);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, conn->ends), 0);
    conn->lost = error != NULL;
    conn->said = error ? error : "";
    server.connected++;
    return (PGconn *)(void *)conn;
}

static inline PGconn *fail_connecting(void)
{
    static const char *const errors[WAYS] = {
        [WAY_LOST] = "connection to server at \"db.example\" (192.0.2.1), port 5432 failed: "
                     "Connection refused\n\tIs the server running on that host?\n",
        [WAY_REFUSED] = "FATAL:  password authentication failed for user \"app\"\n",
        [WAY_LEAVING] = "FATAL:  the database system is shutting down\n",
    };
    static const char *const texts[WAYS] = {
        [WAY_LOST] = "Connection refused",
        [WAY_MEMORY] = "out of memory",
        [WAY_REFUSED] = "password authentication failed",
        [WAY_LEAVING] = "shutting down",
    };

    fits(ERR_CONNECT, texts[server.way]);
    return errors[server.way] ? new_connection(errors[server.way]) : NULL;
}

PGconn *__wrap_PQconnectdbParams(const char *const *keywords, const char *const *values,
                                 int expand);
PGconn *__wrap_PQconnectdbParams(const char *const *keywords, const char *const *values, int expand)
{
    assert_int_equal(expand, 0);
    server.connects++;
    (void)snprintf(server.timeout, sizeof server.timeout, "%s",
                   value_given(keywords, values, "connect_timeout"));
    (void)snprintf(server.application, sizeof server.application, "%s",
                   value_given(keywords, values, "application_name"));
    PGconn *conn = fails() ? fail_connecting() : new_connection(server.connect_error);
    if (server.on_connect)
        server.on_connect();
    return conn;
}

void __wrap_PQfinish(PGconn *conn);
void __wrap_PQfinish(PGconn *conn)
{
    (void)close(stand_in(conn)->ends[0]);
    (void)close(stand_in(conn)->ends[1]);
    free(conn);
    server.connected--;
}

ConnStatusType __wrap_PQstatus(const PGconn *conn);
ConnStatusType __wrap_PQstatus(const PGconn *conn)
{
    return stand_in_of(conn)->lost ? CONNECTION_BAD : CONNECTION_OK;
}

char *__wrap_PQerrorMessage(const PGconn *conn);
char *__wrap_PQerrorMessage(const PGconn *conn)
{
    return (char *)(uintptr_t)stand_in_of(conn)->said;
}

char *__wrap_PQhost(const PGconn *conn);
char *__wrap_PQhost(const PGconn *conn)
{
    (void)conn;
    return (char *)(uintptr_t) "db.example";
}

char *__wrap_PQport(const PGconn *conn);
char *__wrap_PQport(const PGconn *conn)
{
    (void)conn;
    return (char *)(uintptr_t) "5432";
}

int __wrap_PQserverVersion(const PGconn *conn);
int __wrap_PQserverVersion(const PGconn *conn)
{
    return stand_in_of(conn)->lost ? 0 : server.version;
}

int __wrap_PQsocket(const PGconn *conn);
int __wrap_PQsocket(const PGconn *conn)
{
    atomic_fetch_add(&sockets_asked, 1);
    return stand_in_of(conn)->lost ? -1 : stand_in_of(conn)->ends[0];
}

PQnoticeReceiver __wrap_PQsetNoticeReceiver(PGconn *conn, PQnoticeReceiver receiver, void *arg);
PQnoticeReceiver __wrap_PQsetNoticeReceiver(PGconn *conn, PQnoticeReceiver receiver, void *arg)
{
    (void)arg;
    stand_in(conn)->notice = receiver;
    return NULL;
}

PGresult *__wrap_PQexec(PGconn *conn, const char *statement);
PGresult *__wrap_PQexec(PGconn *conn, const char *statement)
{
    return answer_to(conn, statement);
}

PGresult *__wrap_PQexecParams(PGconn *conn, const char *statement, int count, const Oid *types,
                              const char *const *values, const int *lengths, const int *formats,
                              int format);
PGresult *__wrap_PQexecParams(PGconn *conn, const char *statement, int count, const Oid *types,
                              const char *const *values, const int *lengths, const int *formats,
                              int format)
{
    (void)count;
    (void)types;
    (void)values;
    (void)lengths;
    (void)formats;
    assert_int_equal(format, 0);
    return answer_to(conn, statement);
}

PGresult *__wrap_PQgetResult(PGconn *conn);
PGresult *__wrap_PQgetResult(PGconn *conn)
{
    return answer_to(conn, "the end of the stream");
}

void __real_PQclear(PGresult *res);
void __wrap_PQclear(PGresult *res);
void __wrap_PQclear(PGresult *res)
{
    server.results -= res != NULL;
    if (res == server.refused.res)
        server.refused.res = NULL;
    __real_PQclear(res);
}

char *__wrap_PQresultErrorField(const PGresult *res, int code);
char *__wrap_PQresultErrorField(const PGresult *res, int code)
{
    const char *field = NULL;

    if (res && res == server.refused.res)
        field = code == PG_DIAG_SQLSTATE          ? server.refused.state
                : code == PG_DIAG_MESSAGE_PRIMARY ? server.refused.message
                                                  : NULL;
    return (char *)(uintptr_t)field;
}

int __wrap_PQgetCopyData(PGconn *conn, char **buffer, int async);
int __wrap_PQgetCopyData(PGconn *conn, char **buffer, int async)
{
    const Piece *piece = server.pieces;

    assert_int_equal(async, 1);
    *buffer = NULL;
    if (stand_in(conn)->lost)
        return -2;
    if (fails()) {
        fail_call(conn);
        return -2;
    }
    if (!piece->data)
        return 0;
    server.pieces++;
    if (piece->len > 0) {
        *buffer = malloc((size_t)piece->len);
        assert_non_null(*buffer);
        memcpy(*buffer, piece->data, (size_t)piece->len);
        server.buffers++;
    }
    return piece->len;
}

void __real_PQfreemem(void *buffer);
void __wrap_PQfreemem(void *buffer);
void __wrap_PQfreemem(void *buffer)
{
    server.buffers -= buffer != NULL;
    __real_PQfreemem(buffer);
}

static inline bool works(PGconn *conn)
{
    if (stand_in(conn)->lost)
        return false;
    if (!fails())
        return true;
    fail_call(conn);
    return false;
}

int __wrap_PQconsumeInput(PGconn *conn);
int __wrap_PQconsumeInput(PGconn *conn)
{
    return works(conn);
}

int __wrap_PQflush(PGconn *conn);
int __wrap_PQflush(PGconn *conn)
{
    return works(conn) ? server.unsent : -1;
}

int __wrap_PQputCopyData(PGconn *conn, const char *data, int len);
int __wrap_PQputCopyData(PGconn *conn, const char *data, int len)
{
    assert_int_equal(data[0], 'r');
    assert_int_equal(len, 34);
    return works(conn) ? server.queued : -1;
}

int __wrap_PQsetnonblocking(PGconn *conn, int nonblocking);
int __wrap_PQsetnonblocking(PGconn *conn, int nonblocking)
{
    assert_int_equal(nonblocking, 1);
    return works(conn) ? 0 : -1;
}

/* ---- waiting ---- */

static _Thread_local int poll_errno = ENOMEM; /* of one that fails */
static _Thread_local bool stop_in_wait;       /* a signal comes while this thread waits */
static atomic_int held_waits;                 /* while a request to stop is held back */

int __real_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    if (fails()) {
        fits(ERR_IO, "wait for the server: ");
        errno = poll_errno;
        return -1;
    }
    if (stop_in_wait) {
        stop_in_wait = false;
        (void)raise(SIGTERM);
    }
    if (count == 0)
        atomic_fetch_add(&held_waits, 1);
    /* What nobody can end is not waited for in full. */
    bool alone = count == 1 && fds[0].fd < 0;
    return __real_poll(fds, count, alone ? 1 : timeout_ms);
}

/* The same, where _FORTIFY_SOURCE is on. */
int __wrap___poll_chk(struct pollfd *fds, nfds_t count, int timeout_ms, size_t size);
int __wrap___poll_chk(struct pollfd *fds, nfds_t count, int timeout_ms, size_t size)
{
    assert_true(count * sizeof *fds <= size);
    return __wrap_poll(fds, count, timeout_ms);
}

/* ---- failing each ---- */

static const char secret[] = "S3cr3t";
static const char address[] = "postgresql://app:S3cr3t@db.example/shop?sslpassword=S3cr3t";

#define SESSION                                                                                    \
    {                                                                                              \
        .statement = sql_pg_session, .status = PGRES_TUPLES_OK                                     \
    }
/* Stays what it is where a function fails. */
#define UNTOUCHED ((void *)(uintptr_t)secret)

static inline PgUrl parse_address(Arena *arena)
{
    PgUrl url;
    Error err = ERROR_INIT;

    assert_true(url_parse(arena, address, "source", &url, &err));
    return url;
}

static inline PGconn *connect_to(const char *role)
{
    auto_arena Arena *arena = arena_new();
    PgUrl url = parse_address(arena);
    PGconn *conn = NULL;
    Error err = ERROR_INIT;

    server.answers = (const Answer[]){SESSION, {0}};
    if (!pg_connect(&url, role, &conn, &err))
        fail_msg("%s", err.message);
    return conn;
}

typedef struct Try {
    Arena *arena;
    PgUrl url;
    PGconn *conn; /* NULL where the scenario connects by itself */
    Error err;
    bool ok;
} Try;

typedef struct Scenario {
    bool connects;
    const Answer *answers;
    const Piece *pieces;
    void (*act)(Try *);
    int calls;         /* what it takes to succeed */
    int endured[WAYS]; /* how many of them may fail without it failing */
} Scenario;

/* With what is there no more it is an error, and with what is still there it works. */
static inline void check_next_statement(PGconn *conn)
{
    Error err = ERROR_INIT;
    bool lost = stand_in(conn)->lost;

    server.answers = (const Answer[]){
        {.statement = "SELECT", .status = PGRES_TUPLES_OK},
        {0                    }
    };
    assert_int_equal(pg_exec(conn, "SELECT 1", &err), !lost);
    assert_int_equal(err.code, lost ? ERR_CONNECT : ERR_NONE);
}

static inline void check_error(const Error *err, bool ok)
{
    assert_int_equal(err->code != ERR_NONE, !ok);
    assert_null(strstr(err->message, secret));
    assert_null(strstr(err->hint, secret));
    if (ok)
        return;
    assert_int_equal(err->code, server.fits);
    if (!strstr(err->message, server.fits_text))
        fail_msg("\"%s\" is not in: %s", server.fits_text, err->message);
}

/* One round; true where the call that should have failed was never made. */
static inline bool fail_one(const Scenario *scenario, int call, bool *ret_ok)
{
    auto_arena Arena *arena = arena_new();
    Try try = {.arena = arena, .url = parse_address(arena), .err = ERROR_INIT};

    if (!scenario->connects)
        try.conn = connect_to("test");
    int connected = server.connected;
    server.answers = scenario->answers;
    server.pieces = scenario->pieces;
    fits(ERR_NONE, "");
    calls_left = call;
    scenario->act(&try);
    bool untouched = calls_left > 0;
    calls_left = 0;

    check_error(&try.err, try.ok);
    assert_int_equal(server.results, 0);
    assert_int_equal(server.buffers, 0);
    assert_int_equal(server.connected, connected);
    if (try.conn)
        check_next_statement(try.conn);
    pg_close(try.conn);
    /* The register knows none that is gone. */
    int asked = atomic_load(&sockets_asked);
    pg_interrupt_all();
    assert_int_equal(atomic_load(&sockets_asked), asked);
    *ret_ok = try.ok;
    return untouched;
}

static inline void check_each(const Scenario *scenario)
{
    for (Way way = 0; way < WAYS; way++) {
        int call = 1;
        int endured = 0;
        bool ok = false;

        server.way = way;
        while (!fail_one(scenario, call, &ok)) {
            endured += ok;
            call++;
            assert_true(call < 100);
        }
        assert_true(ok);
        assert_int_equal(call - 1, scenario->calls);
        if (endured != scenario->endured[way])
            fail_msg("way %d: %d failures were endured", (int)way, endured);
    }
}
