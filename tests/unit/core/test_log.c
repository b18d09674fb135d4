#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <string.h>

#include "core/log.h"
#include "tests/unit/folder.h"

static int log_pairs(void *context)
{
    const LogPair *pair = context;

    log_set_level(LOG_INFO);
    log_event(LOG_INFO, "it happened", pair, 1);
    return 0;
}

/* The line without its time. */
static const char *logged(Arena *arena, int (*run)(void *), void *context)
{
    char *errors = NULL;

    assert_int_equal(in_child(arena, run, context, &errors), 0);
    const char *space = strchr(errors, ' ');
    assert_non_null(space);
    assert_int_equal(space - errors, strlen("2026-11-22T09:30:00.123Z"));
    return space + 1;
}

static void values_are_quoted_where_their_end_would_not_be_seen(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        const char *text;
    } cases[] = {
        {"plain",                    "plain"                   },
        {"public.orders,x;y:/[]{}'", "public.orders,x;y:/[]{}'"},
        {"a\\b",                     "a\\b"                    },
        {"caf\xC3\xA9",              "caf\xC3\xA9"             },
        {"",                         "\"\""                    },
        {"two words",                "\"two words\""           },
        {"a=b",                      "\"a=b\""                 },
        {"say \"no\" \\ ",           "\"say \\\"no\\\" \\\\ \""},
        {"\"",                       "\"\\\"\""                },
        {"line\nbreak",              "\"line\\nbreak\""        },
        {"tab\treturn\r",            "\"tab\\x09return\\x0D\"" },
        {"\x1b[31mred\x7f",          "\"\\x1B[31mred\\x7F\""   }, /* nothing that a terminal obeys */
        {NULL,                       "(none)"                  },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        auto_arena Arena *arena = arena_new();
        LogPair pair = kv_str("key", cases[i].value);

        assert_string_equal(logged(arena, log_pairs, &pair),
                            arena_printf(arena, "info \"it happened\" key=%s\n", cases[i].text));
    }
}

static void numbers_are_written_out(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    LogPair pair = kv_i64("bytes", INT64_MIN);

    assert_string_equal(logged(arena, log_pairs, &pair),
                        "info \"it happened\" bytes=-9223372036854775808\n");
}

static int log_levels(void *context)
{
    if (log_level() != LOG_WARNING) /* unless told otherwise */
        return 1;
    log_debug("debug", kv_i64("n", 1));
    log_info("info", kv_i64("n", 2));
    log_warn("warning", kv_i64("n", 3), kv_str("s", "x"));
    log_event(LOG_ERROR, "error", NULL, 0);
    log_set_level(*(LogLevel *)context);
    log_debug("more", kv_i64("n", 4));
    return 0;
}

static int count_lines(const char *text)
{
    int lines = 0;

    for (; (text = strchr(text, '\n')) != NULL; text++)
        lines++;
    return lines;
}

static void what_is_below_the_level_is_not_written(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    LogLevel level = LOG_INFO;

    const char *text = logged(arena, log_levels, &level);
    assert_int_equal(strncmp(text, "warning warning n=3 s=x\n", 24), 0);
    assert_non_null(strstr(text, " error error\n"));
    assert_int_equal(count_lines(text), 2);

    level = LOG_DEBUG;
    text = logged(arena, log_levels, &level);
    assert_non_null(strstr(text, " debug more n=4\n"));
    assert_int_equal(count_lines(text), 3);
}

static int log_long_value(void *context)
{
    static char value[20000];

    (void)context;
    memset(value, 'x', sizeof value - 1);
    value[0] = ' ';
    log_set_level(LOG_INFO);
    log_info("long", kv_str("value", value + 10000), kv_str("other", value));
    return 0;
}

static void an_overlong_line_is_cut_and_still_a_line(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    const char *text = logged(arena, log_long_value, NULL);

    assert_int_equal(strncmp(text, "info long value=", 16), 0);
    assert_true(strlen(text) < 8200);
    assert_true(count_lines(text) <= 1);
}

static void *log_lines(void *context)
{
    for (int i = 0; i < 20; i++)
        log_info("from a thread", kv_str("name", context), kv_i64("i", i));
    return NULL;
}

static int log_from_threads(void *context)
{
    pthread_t threads[3];
    static char names[][8] = {"aaaaaa", "bbbbbb", "cccccc"};

    (void)context;
    log_set_level(LOG_INFO);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        if (pthread_create(&threads[i], NULL, log_lines, names[i]) != 0)
            return 1;
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        (void)pthread_join(threads[i], NULL);
    return 0;
}

static void lines_of_several_threads_do_not_mix(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    char *errors = NULL;
    int lines = 0;

    assert_int_equal(in_child(arena, log_from_threads, NULL, &errors), 0);
    for (char *line = errors, *end; (end = strchr(line, '\n')) != NULL; line = end + 1, lines++) {
        char name[8] = "";
        int number = -1;
        int used = 0;

        *end = '\0';
        assert_int_equal(
            sscanf(line, "%*s info \"from a thread\" name=%6[abc] i=%d%n", name, &number, &used),
            2);
        assert_int_equal(line[used], '\0');
        assert_in_range(number, 0, 19);
        assert_true(strspn(name, (char[]){name[0], '\0'}) == 6);
    }
    assert_int_equal(lines, 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_quoted_where_their_end_would_not_be_seen),
        cmocka_unit_test(numbers_are_written_out),
        cmocka_unit_test(what_is_below_the_level_is_not_written),
        cmocka_unit_test(an_overlong_line_is_cut_and_still_a_line),
        cmocka_unit_test(lines_of_several_threads_do_not_mix),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
