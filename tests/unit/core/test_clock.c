#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <time.h>

#include "core/clock.h"

static void times_are_written_in_utc_with_milliseconds(void **state)
{
    (void)state;
    static const struct {
        int64_t unix_ms;
        const char *text;
    } cases[] = {
        {0,               "1970-01-01T00:00:00.000Z"},
        {1,               "1970-01-01T00:00:00.001Z"},
        {999,             "1970-01-01T00:00:00.999Z"},
        {951782400000,    "2000-02-29T00:00:00.000Z"},
        {1795339800123,   "2026-11-22T09:30:00.123Z"},
        {4102444799999,   "2099-12-31T23:59:59.999Z"},
        {253402300799999, "9999-12-31T23:59:59.999Z"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        auto_arena Arena *arena = arena_new();
        assert_string_equal(clock_iso(arena, cases[i].unix_ms), cases[i].text);
    }
}

static void the_monotonic_clock_never_goes_back(void **state)
{
    (void)state;
    double last = clock_seconds();

    for (int i = 0; i < 10000; i++) {
        double now = clock_seconds();
        assert_true(now >= last);
        last = now;
    }
}

static void the_wall_clock_is_in_milliseconds(void **state)
{
    (void)state;
    int64_t before = (int64_t)time(NULL) * 1000;
    int64_t now = clock_unix_ms();

    /* time() may be behind by the tick of the coarse clock that it reads. */
    assert_true(now >= before && now < before + 5000);
}

static void a_condition_is_waited_for_by_the_monotonic_clock(void **state)
{
    (void)state;
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t cond;
    double before = clock_seconds();

    clock_cond_init(&cond);
    (void)pthread_mutex_lock(&lock);
    struct timespec until = clock_after_ms(30);
    while (pthread_cond_timedwait(&cond, &lock, &until) == 0)
        continue;
    (void)pthread_mutex_unlock(&lock);
    double waited = clock_seconds() - before;
    (void)pthread_cond_destroy(&cond);
    assert_true(waited >= 0.029 && waited < 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_written_in_utc_with_milliseconds),
        cmocka_unit_test(the_monotonic_clock_never_goes_back),
        cmocka_unit_test(the_wall_clock_is_in_milliseconds),
        cmocka_unit_test(a_condition_is_waited_for_by_the_monotonic_clock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
