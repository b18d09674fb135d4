#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/progress.h"

static const MoveProgress copying = {
    .step = "copy",
    .bytes = 3 << 20,
    .rows = 1234567,
    .tables = 2,
    .tables_total = 5,
    .indexes = 1,
    .indexes_total = 7,
    .fraction = 0.5,
    .rate = 1 << 20,
    .seconds_left = 75,
};

static void a_line_has_bytes_rate_time_left_rows_tables_and_indexes(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();

    assert_string_equal(progress_line(arena, &copying, false),
                        "copy: 50 %  3.1 MB  1.0 MB/s  1 min 15 s left  1,234,567 rows  tables "
                        "2/5  indexes 1/7");
}

static void the_last_second_is_not_counted_down(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    MoveProgress progress = {.step = "copy", .fraction = 0.992, .rows = 1, .seconds_left = 0.4};

    assert_string_equal(progress_line(arena, &progress, false),
                        "copy: 99 %  0 B  under 1 s left  1 row");
    /* All is copied: what is left is of another step. */
    progress.fraction = 1;
    progress.seconds_left = 0;
    assert_string_equal(progress_line(arena, &progress, false), "copy: 100 %  0 B  1 row");
}

static void what_is_not_known_is_left_out(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    MoveProgress progress = {.step = "verify", .rows = 1, .seconds_left = -1};

    assert_string_equal(progress_line(arena, &progress, false), "verify: 0 %  0 B  1 row");
}

static void a_bar_is_as_long_as_the_share_that_is_done(void **state)
{
    (void)state;
    static const struct {
        double fraction;
        const char *bar;
    } cases[] = {
        {0,       "············   0 %  "            },
        {1. / 96, "▏···········   1 %  "           },
        {0.5,     "██████······  50 %  "      },
        {0.99,    "███████████▉  99 %  "},
        {1,       "████████████ 100 %  "},
    };
    auto_arena Arena *arena = arena_new();

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        MoveProgress progress = copying;
        progress.fraction = cases[i].fraction;
        const char *line = progress_line(arena, &progress, true);
        assert_memory_equal(line, "  ", 2);
        assert_memory_equal(line + 2, cases[i].bar, strlen(cases[i].bar));
    }
}

static void a_large_move_fits_a_hundred_columns(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    MoveProgress progress = {
        .step = "copy",
        .bytes = 123LL << 30,
        .rows = 123456789,
        .tables = 12,
        .tables_total = 99,
        .indexes = 34,
        .indexes_total = 321,
        .fraction = 0.5,
        .rate = 86 << 20,
        .seconds_left = 45 * 60 + 12,
    };
    const char *line = progress_line(arena, &progress, true);
    int columns = 0;

    for (const char *at = line; *at; at++)
        columns += ((unsigned char)*at & 0xC0) != 0x80;
    assert_non_null(strstr(line, "  45 min left  123,456,789 rows  tables 12/99  indexes 34/321"));
    if (columns > 100)
        fail_msg("%d columns: %s", columns, line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_bytes_rate_time_left_rows_tables_and_indexes),
        cmocka_unit_test(the_last_second_is_not_counted_down),
        cmocka_unit_test(what_is_not_known_is_left_out),
        cmocka_unit_test(a_bar_is_as_long_as_the_share_that_is_done),
        cmocka_unit_test(a_large_move_fits_a_hundred_columns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
