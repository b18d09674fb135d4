/* Parts with large rows go one after another: who waits, until when, and what ends the waiting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "core/cancel.h"
#include "move/lane.h"
#include "tests/unit/folder.h"

/* ---- a server that knows whether there is a large row: --wrap ---- */

typedef struct Server {
    bool fails;
    bool has_large_row;
} Server;

bool __wrap_pg_query(PGconn *conn, const char *sql, int count, const char *const *params,
                     PGresult **ret, Error *err);
bool __wrap_pg_query(PGconn *conn, const char *sql, int count, const char *const *params,
                     PGresult **ret, Error *err)
{
    const Server *server = (const Server *)conn;
    char name[] = "found";
    char value[] = "t";
    PGresAttDesc column = {.name = name};

    assert_string_equal(sql, "question");
    assert_int_equal(count, 0);
    assert_null(params);
    if (server->fails)
        return error_set(err, ERR_CONNECT, "connection lost");
    *ret = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    assert_int_equal(PQsetResultAttrs(*ret, 1, &column), 1);
    if (server->has_large_row)
        assert_int_equal(PQsetvalue(*ret, 0, 0, value, 1), 1);
    return true;
}

static bool enter(Lane *lane, Server *server, const atomic_bool *stop, bool *ret_inside, Error *err)
{
    return lane_enter(lane, (PGconn *)server, "question", stop, ret_inside, err);
}

/* ---- another part, in a thread of its own ---- */

typedef struct Other {
    pthread_t thread;
    Lane *lane;
    atomic_bool stop;
    atomic_bool entered;
    bool ok;
    Error err;
} Other;

static void *other_main(void *arg)
{
    Other *other = arg;
    Server server = {.has_large_row = true};
    bool inside = false;

    other->ok = enter(other->lane, &server, &other->stop, &inside, &other->err);
    atomic_store(&other->entered, inside);
    lane_leave(other->lane, &inside);
    return NULL;
}

static void other_start(Other *other, Lane *lane)
{
    *other = (Other){.lane = lane};
    assert_int_equal(pthread_create(&other->thread, NULL, other_main, other), 0);
    /* Long enough for one that did not wait. */
    (void)poll(NULL, 0, 50);
    assert_false(atomic_load(&other->entered));
}

static void what_has_no_large_row_waits_for_nobody(void **state)
{
    (void)state;
    Lane lane = {true};
    Server server = {0};
    atomic_bool stop = false;
    bool inside = true;
    Error err = ERROR_INIT;

    assert_true(lane_enter(&lane, NULL, NULL, &stop, &inside, &err));
    assert_false(inside);
    inside = true;
    assert_true(enter(&lane, &server, &stop, &inside, &err));
    assert_false(inside);
    lane_leave(&lane, &inside);
    assert_true(atomic_load(&lane.taken));
}

static void a_question_that_fails_is_said(void **state)
{
    (void)state;
    Lane lane = {false};
    Server server = {.fails = true};
    atomic_bool stop = false;
    bool inside = true;
    Error err = ERROR_INIT;

    assert_false(enter(&lane, &server, &stop, &inside, &err));
    assert_false(inside);
    assert_int_equal(err.code, ERR_CONNECT);
    assert_string_equal(err.message, "look for large rows: connection lost");
    assert_false(atomic_load(&lane.taken));
}

static void a_part_with_a_large_row_waits_until_the_one_before_has_left(void **state)
{
    (void)state;
    Lane lane = {false};
    Server server = {.has_large_row = true};
    atomic_bool stop = false;
    bool inside = false;
    Error err = ERROR_INIT;
    Other other;

    assert_true(enter(&lane, &server, &stop, &inside, &err));
    assert_true(inside);
    other_start(&other, &lane);
    lane_leave(&lane, &inside);
    assert_false(inside);
    assert_int_equal(pthread_join(other.thread, NULL), 0);
    assert_true(other.ok && atomic_load(&other.entered));
    assert_false(atomic_load(&lane.taken));
    lane_leave(&lane, &inside); /* of who is not inside: nothing */
}

static void who_waits_ends_when_another_part_failed(void **state)
{
    (void)state;
    Lane lane = {true};
    Other other;

    other_start(&other, &lane);
    atomic_store(&other.stop, true);
    assert_int_equal(pthread_join(other.thread, NULL), 0);
    assert_false(other.ok || atomic_load(&other.entered));
    assert_int_equal(other.err.code, ERR_CANCELLED);
    assert_string_equal(other.err.message, "stopped because another part failed");
    assert_true(atomic_load(&lane.taken));
}

static int wait_and_be_told(void *context)
{
    Lane lane = {true};
    Server server = {.has_large_row = true};
    atomic_bool stop = false;
    bool inside = false;
    Error err = ERROR_INIT;

    (void)context;
    cancel_install();
    (void)raise(SIGTERM);
    bool ok = enter(&lane, &server, &stop, &inside, &err);
    return !ok && !inside && err.code == ERR_CANCELLED ? 7 : 1;
}

static void who_waits_ends_when_it_is_told_to(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();

    assert_int_equal(in_child(arena, wait_and_be_told, NULL, NULL), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_has_no_large_row_waits_for_nobody),
        cmocka_unit_test(a_question_that_fails_is_said),
        cmocka_unit_test(a_part_with_a_large_row_waits_until_the_one_before_has_left),
        cmocka_unit_test(who_waits_ends_when_another_part_failed),
        cmocka_unit_test(who_waits_ends_when_it_is_told_to),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
