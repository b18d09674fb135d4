/*
 * Connecting, and being interrupted: every call fails once, threads cannot be started, and requests
 * to stop come at the worst moments.
 */
#include "libpq_stand_in.h"

#include <pthread.h>
#include <sys/stat.h>

#include "../folder.h"
#include "core/cancel.h"
#include "core/clock.h"
#include "core/log.h"

enum {
    WITHIN_MS = 10000
};

/* ---- what the system does ---- */

static bool no_threads;
static bool no_memory;
static int threads;                      /* started */
static _Thread_local int shutdowns_left; /* until the one that fails; 0: none does */

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*body)(void *), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*body)(void *), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*body)(void *), void *arg)
{
    if (no_threads)
        return EAGAIN;
    threads++;
    return __real_pthread_create(thread, attributes, body, arg);
}

int __real_shutdown(int fd, int how);
int __wrap_shutdown(int fd, int how);
int __wrap_shutdown(int fd, int how)
{
    if (shutdowns_left > 0 && --shutdowns_left == 0) {
        errno = ENOTCONN;
        return -1;
    }
    return __real_shutdown(fd, how);
}

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size)
{
    return no_memory ? NULL : __real_calloc(count, size);
}

/* Whether the server sees that we are gone, within so long. */
static bool is_cut(const PGconn *conn, int within_ms)
{
    struct pollfd wait = {.fd = far_end(conn), .events = POLLIN};
    char byte;

    return __real_poll(&wait, 1, within_ms) == 1 && read(far_end(conn), &byte, 1) == 0;
}

/* ---- connecting ---- */

static const Answer session[] = {SESSION, {0}};

static void connect_once(Try *try)
{
    PGconn *conn = UNTOUCHED;

    try->ok = pg_connect(&try->url, "copy 2", &conn, &try->err);
    if (try->ok) {
        assert_string_equal(server.application, "homeport copy 2");
        pg_close(conn);
    } else {
        assert_ptr_equal(conn, UNTOUCHED);
    }
}

static void connect_patiently(Try *try)
{
    PGconn *conn = UNTOUCHED;

    try->ok = pg_connect_retry(&try->url, "keeper", 60, &conn, &try->err);
    if (try->ok)
        pg_close(conn);
    else
        assert_ptr_equal(conn, UNTOUCHED);
}

static void a_connection_is_made_and_set_up_or_there_is_none(void **state)
{
    (void)state;
    check_each(&(Scenario){.connects = true, .answers = session, .act = connect_once, .calls = 2});
}

static void what_passes_is_tried_again_and_leaves_no_error(void **state)
{
    (void)state;
    check_each(&(Scenario){
        .connects = true,
        .answers = session,
        .act = connect_patiently,
        .calls = 2,
 /* Of no memory it is only the session that may go better with another connection. */
        .endured = {[WAY_LOST] = 2, [WAY_MEMORY] = 1, [WAY_REFUSED] = 0, [WAY_LEAVING] = 2},
    });
}

typedef struct Refused {
    const char *said; /* by libpq */
    const char *message;
    const char *hint; /* how it begins */
    bool passing;
} Refused;

static const Refused refused[] = {
    {"FATAL:  password authentication failed for user \"app\"\n",
     "FATAL:  password authentication failed for user \"app\"",                                                                                           "Check user and password",            false},
    {"connection to server at \"a\" (192.0.2.1), port 1 failed: Connection refused\n"
     "connection to server at \"b\" (192.0.2.2), port 2 failed: FATAL:  database \"x\" does not "
     "exist\n",                                                                      "connection to server at \"b\" (192.0.2.2), port 2 failed: FATAL:  database \"x\" does not "
     "exist",                                                                                                                         "Create it first",                    false},
    {"connection to server failed: Connection refused\n"
     "\tIs the server running on that host and accepting TCP/IP connections?\n",     "connection to server failed: Connection refused",              "Nothing listens there",              true },
    {"FATAL:  the database system is not yet accepting connections\n"
     "DETAIL:  Consistent recovery state has not been yet reached.\nHINT:  Wait.\n", "FATAL:  the database system is not yet accepting connections",
     "The server is starting or stopping, or recovers from a crash: try again",                                                                                                                 true },
    {"FATAL:  the database system is starting up\n",                                      "FATAL:  the database system is starting up",
     "The server is starting or stopping",                                                                                                                                                      true },
    {"FATAL:  the database system is shutting down\n",
     "FATAL:  the database system is shutting down",                                                                                                      "The server is starting or stopping", true },
    {"FATAL:  the database system is in recovery mode\n",
     "FATAL:  the database system is in recovery mode",                                                                                                   "The server is starting or stopping", true },
    {"something else\n",                                                                  "something else",
     "The address was postgresql://app:***@db.example/shop?sslpassword=***.",                                                                                                                   false},
    {"FATAL:  sorry, too many clients already\n",                                         "FATAL:  sorry, too many clients already",
     "Lower --jobs",                                                                                                                                                                            true },
    {"timeout expired\n",                                                                 "timeout expired",                                              "The host did not answer in time",    true },
    {"",                                                                                  "",                                                             "The address was ",                   false},
};

static void what_libpq_says_is_told_in_a_line_with_a_way_on(void **state)
{
    auto_arena Arena *arena = arena_new();
    PgUrl url = parse_address(arena);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        PGconn *conn = UNTOUCHED;
        Error err = ERROR_INIT;

        server.connect_error = refused[i].said;
        server.connects = 0;
        assert_false(pg_connect_retry(&url, "move", 1, &conn, &err));
        server.connect_error = NULL;
        assert_ptr_equal(conn, UNTOUCHED);
        assert_int_equal(err.code, ERR_CONNECT);
        assert_string_equal(err.message, refused[i].message);
        if (strncmp(err.hint, refused[i].hint, strlen(refused[i].hint)) != 0)
            fail_msg("%s: %s", err.message, err.hint);
        assert_null(strstr(err.hint, secret));
        assert_int_equal(server.connects > 1, refused[i].passing);
        assert_int_equal(server.connected, 0);
    }
}

/* What is logged when the server says so. */
static void check_remark(PGconn *conn, const PGresult *res, const char *logged)
{
    char text[256] = "";
    int ends[2];
    int terminal = dup(STDERR_FILENO);

    assert_int_equal(pipe(ends), 0);
    assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    stand_in(conn)->notice(NULL, res);
    assert_int_equal(dup2(terminal, STDERR_FILENO), STDERR_FILENO);
    assert_true(read(ends[0], text, sizeof text - 1) > 0);
    assert_non_null(strstr(text, logged));
    (void)close(terminal);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static void what_a_server_remarks_is_logged_whatever_is_missing(void **state)
{
    auto_conn PGconn *conn = connect_to("test");
    auto_result PGresult *res = refusal("01000", "skipping it");
    LogLevel before = log_level();

    (void)state;
    log_set_level(LOG_DEBUG);
    check_remark(conn, res, "server notice\" message=\"skipping it\"");
    check_remark(conn, NULL, "server notice\" message=(none)");
    log_set_level(before);
}

static void lose_memory(void)
{
    no_memory = true;
}

static void ask_to_stop(void)
{
    (void)raise(SIGTERM);
}

static int connect_without_memory(void *context)
{
    PGconn *conn = NULL;
    Error err = ERROR_INIT;
    const PgUrl *url = context;

    server.answers = session;
    server.on_connect = lose_memory;
    return pg_connect(url, "test", &conn, &err);
}

static void without_memory_it_ends(void **state)
{
    auto_arena Arena *arena = arena_new();
    PgUrl url = parse_address(arena);

    (void)state;
    assert_int_equal(in_child(arena, connect_without_memory, &url, NULL), 128 + SIGABRT);
}

/* ---- being interrupted ---- */

static void one_that_cannot_be_broken_does_not_save_the_others(void **state)
{
    PGconn *conns[3];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(conns); i++)
        conns[i] = connect_to("test");
    lose(conns[1]); /* has no socket any more */
    shutdowns_left = 1;
    pg_interrupt_all();
    assert_int_equal(shutdowns_left, 0);
    assert_int_equal(is_cut(conns[0], 0) + is_cut(conns[2], 0), 1);
    assert_false(is_cut(conns[1], 0));
    pg_interrupt_all();
    assert_true(is_cut(conns[0], 0) && is_cut(conns[2], 0));
    /* In another order than they were made. */
    pg_close(conns[1]);
    pg_close(conns[0]);
    pg_close(conns[2]);
    pg_close(NULL);
    assert_int_equal(server.connected, 0);
}

static void a_deadline_needs_a_thread(void **state)
{
    Error err = ERROR_INIT;

    (void)state;
    no_threads = true;
    assert_false(pg_deadline_begin(clock_seconds(), &err));
    no_threads = false;
    assert_int_equal(err.code, ERR_IO);
    assert_string_equal(err.message, "a thread could not be started");
    /* There is none then: nothing is hurried, and nothing is to be ended. */
    pg_close(connect_to("test"));
    assert_string_equal(server.timeout, "15");
    pg_deadline_end();

    assert_true(pg_deadline_begin(clock_seconds() + 60, &err));
    pg_deadline_end();
}

static void no_host_may_take_longer_than_the_deadline(void **state)
{
    static const struct {
        double seconds;
        const char *timeout;
    } cases[] = {
        {0.5,  "2" }, /* libpq takes no less */
        {6.9,  "6" },
        {3600, "15"},
    };
    Error err = ERROR_INIT;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_true(pg_deadline_begin(clock_seconds() + cases[i].seconds, &err));
        pg_close(connect_to("test"));
        pg_deadline_end();
        assert_string_equal(server.timeout, cases[i].timeout);
    }
}

static void at_the_deadline_every_connection_is_lost_and_those_made_after_it(void **state)
{
    auto_conn PGconn *before = connect_to("test");
    Error err = ERROR_INIT;

    (void)state;
    assert_true(pg_deadline_begin(clock_seconds() + 0.02, &err));
    assert_true(is_cut(before, WITHIN_MS));
    auto_conn PGconn *after = connect_to("test");
    assert_true(is_cut(after, WITHIN_MS));
    pg_deadline_end();
    pg_deadline_end();

    auto_conn PGconn *later = connect_to("test");
    assert_true(pg_deadline_begin(clock_seconds() + 3600, &err));
    pg_deadline_end();
    assert_false(is_cut(later, 0));
}

static void past_the_deadline_nothing_is_tried_again(void **state)
{
    auto_arena Arena *arena = arena_new();
    PgUrl url = parse_address(arena);
    PGconn *conn = UNTOUCHED;
    Error err = ERROR_INIT;
    double began = clock_seconds();

    (void)state;
    server.connects = 0;
    server.connect_error = "Connection refused\n";
    assert_true(pg_deadline_begin(began + 0.3, &err));
    assert_false(pg_connect_retry(&url, "test", 60, &conn, &err));
    pg_deadline_end();
    server.connect_error = NULL;
    assert_true(clock_seconds() - began < WITHIN_MS / 1000.0);
    assert_int_equal(err.code, ERR_CONNECT);
    assert_string_equal(err.message, "Connection refused");
    assert_true(server.connects > 1);
    assert_ptr_equal(conn, UNTOUCHED);
}

/* ---- a request to stop; in this order ---- */

static void without_a_watcher_there_is_no_connection(void **state)
{
    auto_arena Arena *arena = arena_new();
    PgUrl url = parse_address(arena);
    PGconn *conn = UNTOUCHED;
    Error err = ERROR_INIT;

    (void)state;
    cancel_install();
    server.connects = 0;
    no_threads = true;
    assert_false(pg_connect(&url, "test", &conn, &err));
    no_threads = false;
    assert_int_equal(err.code, ERR_IO);
    assert_string_equal(err.message, "a thread could not be started");
    assert_ptr_equal(conn, UNTOUCHED);
    assert_int_equal(server.connects, 0);

    threads = 0;
    pg_close(connect_to("test"));
    pg_close(connect_to("test"));
    assert_int_equal(threads, 1);
}

static long thread_count(void)
{
    struct stat info = {0};

    assert_int_equal(stat("/proc/self/task", &info), 0);
    return (long)info.st_nlink; /* and two */
}

static void a_request_that_is_held_back_breaks_nothing_until_it_is_let_go(void **state)
{
    auto_conn PGconn *conn = connect_to("test");
    double deadline = clock_seconds() + WITHIN_MS / 1000.0;
    long with_watcher = thread_count();

    (void)state;
    cancel_hold(true);
    (void)raise(SIGTERM);
    while (atomic_load(&held_waits) < 2 && clock_seconds() < deadline)
        (void)__real_poll(NULL, 0, 1);
    assert_true(atomic_load(&held_waits) >= 2);
    assert_false(is_cut(conn, 0));
    pg_close(connect_to("test"));
    cancel_hold(false);
    assert_true(is_cut(conn, WITHIN_MS));
    while (thread_count() == with_watcher && clock_seconds() < deadline)
        (void)__real_poll(NULL, 0, 1);
    assert_int_equal(thread_count(), with_watcher - 1); /* nothing is left to watch for */
}

static void after_it_nobody_connects_any_more(void **state)
{
    auto_arena Arena *arena = arena_new();
    PgUrl url = parse_address(arena);
    PGconn *conn = UNTOUCHED;
    Error err = ERROR_INIT;

    (void)state;
    server.connects = 0;
    assert_false(pg_connect(&url, "test", &conn, &err));
    assert_int_equal(err.code, ERR_CANCELLED);
    assert_false(pg_connect_retry(&url, "test", 5, &conn, &err));
    assert_int_equal(err.code, ERR_CANCELLED);
    assert_ptr_equal(conn, UNTOUCHED);
    assert_int_equal(server.connects, 0);
}

/* Whatever the server or libpq may call it. */
static void what_fails_after_it_was_stopped(void **state)
{
    auto_arena Arena *arena = arena_new();
    PgUrl url = parse_address(arena);
    PGconn *conn = NULL;
    Error err = ERROR_INIT;

    (void)state;
    cancel_hold(true);
    server.answers = session;
    assert_true(pg_connect(&url, "test", &conn, &err));
    cancel_hold(false);
    for (Way way = 0; way < WAYS; way++) {
        stand_in(conn)->lost = false;
        server.way = way;
        server.answers = (const Answer[]){
            {.statement = "SELECT", .status = PGRES_TUPLES_OK},
            {0                    }
        };
        calls_left = 1;
        assert_false(pg_exec(conn, "SELECT 1", &err));
        assert_int_equal(err.code, ERR_CANCELLED);
        assert_string_equal(err.sqlstate, "");
    }
    pg_close(conn);
    assert_int_equal(server.connected + server.results, 0);
}

static void check_stopped(const PgUrl *url, const char *connect_error)
{
    PGconn *conn = UNTOUCHED;
    Error err = ERROR_INIT;

    cancel_forked(); /* forgets the request */
    server.answers = session;
    server.connect_error = connect_error;
    assert_false(pg_connect_retry(url, "test", 5, &conn, &err));
    server.connect_error = NULL;
    assert_int_equal(err.code, ERR_CANCELLED);
    assert_string_equal(err.message, "stopped by SIGTERM");
    assert_ptr_equal(conn, UNTOUCHED);
    assert_int_equal(server.connected, 0);
}

static void one_that_comes_in_between_is_the_reason(void **state)
{
    auto_arena Arena *arena = arena_new();
    PgUrl url = parse_address(arena);

    (void)state;
    server.on_connect = ask_to_stop;
    check_stopped(&url, NULL);
    check_stopped(&url, "FATAL:  password authentication failed\n");
    server.on_connect = NULL;
    stop_in_wait = true;
    check_stopped(&url, "Connection refused\n");
    assert_false(stop_in_wait);
    cancel_forked();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_is_made_and_set_up_or_there_is_none),
        cmocka_unit_test(what_passes_is_tried_again_and_leaves_no_error),
        cmocka_unit_test(what_libpq_says_is_told_in_a_line_with_a_way_on),
        cmocka_unit_test(what_a_server_remarks_is_logged_whatever_is_missing),
        cmocka_unit_test(without_memory_it_ends),
        cmocka_unit_test(one_that_cannot_be_broken_does_not_save_the_others),
        cmocka_unit_test(a_deadline_needs_a_thread),
        cmocka_unit_test(no_host_may_take_longer_than_the_deadline),
        cmocka_unit_test(at_the_deadline_every_connection_is_lost_and_those_made_after_it),
        cmocka_unit_test(past_the_deadline_nothing_is_tried_again),
        cmocka_unit_test(without_a_watcher_there_is_no_connection),
        cmocka_unit_test(a_request_that_is_held_back_breaks_nothing_until_it_is_let_go),
        cmocka_unit_test(after_it_nobody_connects_any_more),
        cmocka_unit_test(what_fails_after_it_was_stopped),
        cmocka_unit_test(one_that_comes_in_between_is_the_reason),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
