/* The applier's life without a server: its threads, its patience, and who waits for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "core/clock.h"
#include "move/apply_private.h"
#include "move/apply_workers.h"

/* ---- a side that is lost again and again, or has nothing to say, and threads: --wrap ---- */

static int threads_left = -1; /* before none can be had; -1: there are enough */
static atomic_bool loses;     /* its connection cannot be made */
static atomic_bool ends;      /* a run ends at once, as one that was asked to */
static atomic_int ran_s;      /* how long each run takes, by the clock */
static atomic_int late_s;     /* what they took so far */
static atomic_int opened;
static int sessions;

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
                          void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
                          void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
                          void *arg)
{
    if (threads_left == 0)
        return EAGAIN;
    threads_left -= threads_left > 0;
    return __real_pthread_create(thread, attr, run, arg);
}

double __real_clock_seconds(void);
double __wrap_clock_seconds(void);
double __wrap_clock_seconds(void)
{
    return __real_clock_seconds() + atomic_load(&late_s);
}

bool __wrap_feed_open(Applier *applier, Feed *ret, Error *err);
bool __wrap_feed_open(Applier *applier, Feed *ret, Error *err)
{
    atomic_fetch_add(&opened, 1);
    atomic_fetch_add(&late_s, atomic_load(&ran_s));
    if (atomic_load(&loses))
        return error_set(err, ERR_CONNECT, "connection lost");
    ret->applier = applier;
    return true;
}

void __wrap_feed_close(Feed *feed);
void __wrap_feed_close(Feed *feed)
{
    (void)feed;
}

bool __wrap_ordered_run(Feed *feed, Error *err);
bool __wrap_ordered_run(Feed *feed, Error *err)
{
    while (!atomic_load(&ends) && !atomic_load(&feed->applier->stop))
        (void)poll(NULL, 0, 1);
    return atomic_load(&ends) || error_set(err, ERR_CANCELLED, "stopped");
}

void __wrap_spool_wake(Spool *spool);
void __wrap_spool_wake(Spool *spool)
{
    (void)spool;
}

bool __wrap_net_session_open(NetSession *session, const Feed *feed, const char *role, Error *err);
bool __wrap_net_session_open(NetSession *session, const Feed *feed, const char *role, Error *err)
{
    (void)session;
    (void)feed;
    (void)role;
    (void)err;
    sessions++;
    return true;
}

void __wrap_net_session_close(NetSession *session);
void __wrap_net_session_close(NetSession *session)
{
    (void)session;
    sessions--;
}

/* ---- what they all need ---- */

static int clear(void **state)
{
    (void)state;
    threads_left = -1;
    atomic_store(&loses, false);
    atomic_store(&ends, false);
    atomic_store(&ran_s, 0);
    atomic_store(&late_s, 0);
    atomic_store(&opened, 0);
    return 0;
}

static Applier *start(void)
{
    const ApplyRequest request = {.mode = APPLY_ORDERED, .jobs = 1};
    Applier *applier = NULL;
    Error err = ERROR_INIT;

    assert_true(applier_start(&request, &applier, &err));
    return applier;
}

/* ---- the tests ---- */

static void without_a_thread_it_does_not_start(void **state)
{
    (void)state;
    const ApplyRequest request = {.mode = APPLY_ORDERED, .jobs = 1};
    const Feed feed = {0};
    Applier *applier = NULL;
    Workers *workers = NULL;
    Error err = ERROR_INIT;

    threads_left = 0;
    assert_false(applier_start(&request, &applier, &err));
    assert_string_equal(err.message, "no thread could be started");
    assert_null(applier);

    /* Those that were there before end again. */
    threads_left = 2;
    err = ERROR_INIT;
    assert_false(workers_start(&feed, 4, &workers, &err));
    assert_string_equal(err.message, "no thread could be started");
    assert_null(workers);
    assert_int_equal(sessions, 0);
}

/* Else one second without a network would cost three of them an hour later. */
static void a_side_that_was_there_for_long_is_tried_again_at_once(void **state)
{
    (void)state;
    enum {
        RUNS = 10 /* more than half a minute, each waiting for longer than the one before */
    };

    atomic_store(&loses, true);
    atomic_store(&ran_s, 11);
    double started = __real_clock_seconds();
    Applier *applier = start();
    while (atomic_load(&opened) < RUNS && __real_clock_seconds() - started < 15)
        (void)poll(NULL, 0, 10);
    applier_stop(applier);
    assert_true(atomic_load(&opened) >= RUNS);
}

static void who_waits_for_a_halt_is_told_that_it_did_not_come(void **state)
{
    (void)state;
    Applier *applier = start();
    Lsn lsn = 7;
    Error err = ERROR_INIT;

    assert_false(applier_pause(applier, clock_seconds() + 0.05, &lsn, &err));
    assert_int_equal(err.code, ERR_WRONG_STATE);
    assert_string_equal(err.message, "not in time: the applier did not come to a halt");
    assert_int_equal(lsn, 7);
    assert_false(applier_wants_pause(applier)); /* it goes on as if nobody had asked */
    applier_stop(applier);
}

static void who_waits_for_one_that_has_ended_is_told_so(void **state)
{
    (void)state;
    Lsn lsn = 7;
    Error err = ERROR_INIT;

    atomic_store(&ends, true);
    Applier *applier = start();
    assert_false(applier_pause(applier, clock_seconds() + 10, &lsn, &err));
    assert_int_equal(err.code, ERR_WRONG_STATE);
    assert_string_equal(err.message, "the applier has stopped");
    applier_stop(applier);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(without_a_thread_it_does_not_start, clear),
        cmocka_unit_test_setup(a_side_that_was_there_for_long_is_tried_again_at_once, clear),
        cmocka_unit_test_setup(who_waits_for_a_halt_is_told_that_it_did_not_come, clear),
        cmocka_unit_test_setup(who_waits_for_one_that_has_ended_is_told_so, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
