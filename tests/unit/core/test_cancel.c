/* Each case in a process of its own: a request to stop is never taken back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "core/cancel.h"
#include "core/clock.h"
#include "tests/unit/folder.h"

static bool is_readable(int fd)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};

    return poll(&wait, 1, 0) == 1;
}

static int without_a_request(void *context)
{
    Error err = ERROR_INIT;

    (void)context;
    for (int i = 0; i < 2; i++) { /* before it is installed, and after */
        double started = clock_seconds();
        if (cancel_requested() || cancel_signal() != 0 || !cancel_check(&err))
            return 1;
        if (!cancel_sleep_ms(30, &err) || clock_seconds() - started < 0.029)
            return 2;
        if (err.code != ERR_NONE)
            return 3;
        cancel_install();
    }
    return is_readable(cancel_fd()) ? 4 : 0;
}

static int with_a_request(void *context)
{
    int number = *(const int *)context;
    Error err = ERROR_INIT;
    double started = clock_seconds();

    cancel_install();
    cancel_install(); /* twice is once */
    (void)raise(number);
    if (!cancel_requested() || cancel_signal() != number || !is_readable(cancel_fd()))
        return 1;
    if (cancel_check(&err) || err.code != ERR_CANCELLED)
        return 2;
    (void)fprintf(stderr, "%s", err.message);
    err = ERROR_INIT;
    if (cancel_sleep_ms(60000, &err) || err.code != ERR_CANCELLED)
        return 3;
    return clock_seconds() - started < 30 && is_readable(cancel_fd()) ? 0 : 4;
}

static int asked_twice(void *context)
{
    cancel_install();
    (void)raise(SIGTERM);
    (void)raise(*(const int *)context);
    return 0;
}

static void *send_soon(void *context)
{
    (void)poll(NULL, 0, 50);
    (void)kill(getpid(), *(int *)context);
    return NULL;
}

static int asked_while_asleep(void *context)
{
    pthread_t thread;
    Error err = ERROR_INIT;
    double started = clock_seconds();

    cancel_install();
    if (pthread_create(&thread, NULL, send_soon, context) != 0)
        return 1;
    bool slept = cancel_sleep_ms(60000, &err);
    (void)pthread_join(thread, NULL);
    return slept || clock_seconds() - started > 30;
}

static int printing_to_nobody(void *context)
{
    int ends[2];

    (void)context;
    cancel_install();
    if (pipe(ends) < 0 || close(ends[0]) < 0)
        return 1;
    return write(ends[1], "x", 1) == -1 && errno == EPIPE ? 0 : 2;
}

static void nothing_is_cancelled_that_nobody_asked_for(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();

    assert_int_equal(in_child(arena, without_a_request, NULL, NULL), 0);
}

static const struct {
    int number;
    const char *message;
} signals[] = {
    {SIGINT,  "stopped by Ctrl-C" },
    {SIGTERM, "stopped by SIGTERM"},
    {SIGHUP,  "stopped by SIGHUP" },
};

static void a_signal_is_a_request_that_stays(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(signals); i++) {
        auto_arena Arena *arena = arena_new();
        int number = signals[i].number;
        char *errors = NULL;

        assert_int_equal(in_child(arena, with_a_request, &number, &errors), 0);
        assert_string_equal(errors, signals[i].message);
    }
}

static void a_second_signal_ends_the_process(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(signals); i++) {
        auto_arena Arena *arena = arena_new();
        int number = signals[i].number;

        assert_int_equal(in_child(arena, asked_twice, &number, NULL), 128 + number);
    }
}

static void a_signal_ends_a_sleep(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    int number = SIGTERM;

    assert_int_equal(in_child(arena, asked_while_asleep, &number, NULL), 0);
}

static void a_closed_pipe_is_an_error_and_no_signal(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();

    assert_int_equal(in_child(arena, printing_to_nobody, NULL, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_cancelled_that_nobody_asked_for),
        cmocka_unit_test(a_signal_is_a_request_that_stays),
        cmocka_unit_test(a_second_signal_ends_the_process),
        cmocka_unit_test(a_signal_ends_a_sleep),
        cmocka_unit_test(a_closed_pipe_is_an_error_and_no_signal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
