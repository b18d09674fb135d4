/* Comparisons while writers are at work, where they come to nothing before a row is read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/random.h>

#include "core/clock.h"
#include "core/text.h"
#include "move/verify.h"
#include "move/verify_again.h"
#include "move/verify_counts.h"
#include "move/verify_live.h"

/* ---- servers that have two tables, "there" and "where", and no thread nor random number to give:
 * --wrap ---- */

enum {
    MEGABYTE = 1000000
};

static bool no_threads;
static bool no_random_numbers;
static int64_t bytes_there;

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
                          void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
                          void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
                          void *arg)
{
    return no_threads ? EAGAIN : __real_pthread_create(thread, attr, run, arg);
}

ssize_t __real_getrandom(void *buf, size_t len, unsigned flags);
ssize_t __wrap_getrandom(void *buf, size_t len, unsigned flags);
ssize_t __wrap_getrandom(void *buf, size_t len, unsigned flags)
{
    errno = ENOSYS;
    return no_random_numbers ? -1 : __real_getrandom(buf, len, flags);
}

bool __wrap_verify_open(VerifyRun *run, Error *err);
bool __wrap_verify_open(VerifyRun *run, Error *err)
{
    (void)err;
    for (int side = 0; side < VERIFY_SIDES; side++) {
        Table *tables = arena_array(run->arena, 2, sizeof *tables);
        tables[0] = (Table){.schema = "public", .name = "there"};
        tables[1] = (Table){.schema = "public", .name = "where"};
        for (int i = 0; i < 2; i++)
            tables[i].bytes = side == VERIFY_TARGET ? bytes_there : 0;
        run->sides[side].tables = tables;
        run->sides[side].table_count = 2;
    }
    return true;
}

bool __wrap_verify_pair(VerifyRun *run, Error *err);
bool __wrap_verify_pair(VerifyRun *run, Error *err)
{
    static const TableColumn id = {.name = "id"};
    VerifyColumn *column = arena_alloc(run->arena, sizeof *column);

    (void)err;
    *column = (VerifyColumn){
        .of = {&id, &id}
    };
    run->tables = arena_array(run->arena, 2, sizeof *run->tables);
    run->table_count = 2;
    for (int i = 0; i < 2; i++) {
        run->tables[i] = (VerifyTable){.name = i == 0 ? "public.there" : "public.where",
                                       .columns = column,
                                       .column_count = 1,
                                       .key_count = 1};
        for (int side = 0; side < VERIFY_SIDES; side++)
            run->tables[i].of[side] = &run->sides[side].tables[i];
    }
    return true;
}

/* ---- what they all need ---- */

static const Config config = {.source = "postgresql://localhost/a",
                              .target = "postgresql://localhost/b"};

/* Must fail, and what was touched must be touched still. */
static void fail_fenced(const Config *of, Touched *touched, double deadline_s, Error *err)
{
    auto_arena Arena *arena = arena_new();
    const VerifyLive live = {.config = of, .touched = touched};
    VerifyLiveReport report = {0};
    int whole = 0;
    int still = 0;
    int64_t keys = touched ? touched_count(touched, &whole) : 0;

    *err = ERROR_INIT;
    assert_false(verify_live_fenced(arena, &live, deadline_s, &report, err));
    assert_int_equal(touched ? touched_count(touched, &still) : 0, keys);
    assert_int_equal(still, whole);
}

static void touch(Touched *touched, const char *name, const char *column)
{
    const char *value = "1";

    touched_add(touched, "public", name, &column, &(TouchedKey){.values = &value, .count = 1});
}

/* ---- the tests ---- */

static void what_cannot_be_begun_is_said(void **state)
{
    (void)state;
    Error err = ERROR_INIT;
    VerifyRun run = {0};
    const Config odd = {.source = "postgresql://localhost/a", .target = "nothing of the kind"};

    fail_fenced(&odd, NULL, clock_seconds() + 10, &err);
    assert_int_equal(err.code, ERR_USAGE);
    assert_non_null(strstr(err.message, "target"));

    no_random_numbers = true;
    err = ERROR_INIT;
    assert_false(verify_draw_seeds(&run, &err));
    no_random_numbers = false;
    assert_string_equal(err.message, "draw random numbers: Function not implemented");
    assert_int_equal(run.seeds[0], 0);
}

static void without_a_thread_nothing_is_compared(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    const VerifyOptions options = {0};
    VerifyReport report = {0};
    VerifyRun run = {.arena = arena, .options = &options, .report = &report, .config = &config};
    Error err = ERROR_INIT;
    int counted = -1;

    no_threads = true;
    fail_fenced(&config, NULL, clock_seconds() + 10, &err);
    assert_string_equal(err.message, "start a thread: Resource temporarily unavailable");
    err = ERROR_INIT;
    assert_false(verify_counts(&run, clock_seconds() + 10, &counted, &err));
    no_threads = false;
    assert_string_equal(err.message, "start a thread: Resource temporarily unavailable");
    assert_int_equal(counted, -1);

    assert_true(verify_open(&run, &err) && verify_pair(&run, &err));
    run.jobs = 1;
    err = ERROR_INIT;
    no_threads = true;
    assert_false(verify_scan(&run, &err));
    no_threads = false;
    assert_string_equal(err.message, "start a thread: Resource temporarily unavailable");
}

static void a_touched_table_that_is_gone_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *column; /* NULL: touched as a whole */
        const char *message;
    } cases[] = {
        {"gone",  "id",
         "public.gone has been written to, but is not there on both sides with its key" },
        {"there", "old",
         "public.there has been written to, but is not there on both sides with its key"},
        {"gone",  NULL,
         "public.gone has been written to, but is not there on both sides with its key" },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        Touched *touched = touched_new();
        Error err = ERROR_INIT;

        /* One that is whole, so that all is opened by what stands in here. */
        touched_add_whole(touched, "public", cases[i].column ? "other" : cases[i].name);
        if (cases[i].column)
            touch(touched, cases[i].name, cases[i].column);
        fail_fenced(&config, touched, clock_seconds() + 10, &err);
        assert_int_equal(err.code, ERR_WRONG_STATE);
        assert_string_equal(err.message, cases[i].message);
        touched_free(touched);
    }
}

static void whole_tables_too_large_for_the_pause_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *names[2];
        const char *message;
    } cases[] = {
        {{"there", NULL},
         "so much is written to public.there that it could only be compared inside the pause, and "
         "is too large for that (900 MB)"            },
        {{"there", "where"},
         "so much is written to public.there and 1 more that it could only be compared inside the "
         "pause, and is too large for that (1800 MB)"},
    };

    bytes_there = (int64_t)900 * MEGABYTE;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        Touched *touched = touched_new();
        Error err = ERROR_INIT;

        for (int n = 0; n < 2 && cases[i].names[n]; n++)
            touched_add_whole(touched, "public", cases[i].names[n]);
        fail_fenced(&config, touched, clock_seconds() + 10, &err);
        assert_int_equal(err.code, ERR_WRONG_STATE);
        assert_string_equal(err.message, cases[i].message);
        assert_string_equal(err.hint, "Try when less is written there, or give more time with "
                                      "--max-pause.");
        touched_free(touched);
    }
    bytes_there = 0;

    /* Small ones are left for the pause: there the time may be over. */
    Touched *touched = touched_new();
    Error err = ERROR_INIT;
    touched_add_whole(touched, "public", "there");
    touched_add_whole(touched, "public", "where");
    fail_fenced(&config, touched, clock_seconds() - 1, &err);
    assert_int_equal(err.code, ERR_WRONG_STATE);
    assert_string_equal(err.message,
                        "no time is left to compare public.there and 1 more inside the pause");
    touched_free(touched);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_be_begun_is_said),
        cmocka_unit_test(without_a_thread_nothing_is_compared),
        cmocka_unit_test(a_touched_table_that_is_gone_is_refused),
        cmocka_unit_test(whole_tables_too_large_for_the_pause_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
