#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/file.h"
#include "move/programs.h"

static void version_line_gives_the_major(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        int major;
    } cases[] = {
        {"pg_dump (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)\n", 15},
        {"pg_restore (PostgreSQL) 18beta1\n",                     18},
        {"pg_dump (PostgreSQL) 19devel",                          19},
        {"pg_dump (PostgreSQL) 9.6.24",                           9 },
        {"pg_dump (PostgreSQL) ",                                 0 },
        {"pg_dump (PostgreSQL) -3",                               0 },
        {"pg_dump (PostgreSQL) 99999999999999999999",             0 },
        {"bash: pg_dump: command not found",                      0 },
        {"",                                                      0 },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(programs_parse_major(cases[i].line), cases[i].major);
}

static void target_major_is_preferred_where_it_can_read_the_source(void **state)
{
    (void)state;
    static const struct {
        int majors[4];
        int count;
        int source;
        int target;
        int chosen; /* index; -1: none */
    } cases[] = {
        {{14, 15, 16, 17}, 4, 15, 16, 2 }, /* the target's */
        {{17, 16, 15, 14}, 4, 15, 16, 1 }, /* in any order */
        {{14, 15, 17},     3, 15, 16, 1 }, /* else the oldest that can read the source */
        {{14, 18, 17},     3, 15, 16, 2 },
        {{14, 15},         2, 15, 14, 1 }, /* a target older than the source is not followed */
        {{13, 14},         2, 15, 15, -1}, /* never older than the source */
        {{15},             1, 15, 0,  0 }, /* the target is not known */
        {{0},              0, 15, 15, -1},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(
            programs_choose(cases[i].majors, cases[i].count, cases[i].source, cases[i].target),
            cases[i].chosen);
}

/* A program that answers --version like PostgreSQL's. */
static void make_program(const char *folder, const char *name, const char *version)
{
    char path[512];

    assert_true(snprintf(path, sizeof path, "%s/%s", folder, name) < (int)sizeof path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fprintf(file, "#!/bin/sh\necho \"%s (PostgreSQL) %s\"\n", name, version) > 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, 0755), 0);
}

static int make_folder(void **state)
{
    char template[] = "/tmp/homeport-test-XXXXXX";

    *state = mkdtemp(template) ? strdup(template) : NULL;
    return *state ? 0 : -1;
}

static int remove_folder(void **state)
{
    Error err = ERROR_INIT;
    bool removed = file_remove_tree(*state, &err);

    free(*state);
    return removed ? 0 : -1;
}

static void given_folder_is_the_only_one_looked_in(void **state)
{
    auto_arena Arena *arena = arena_new();
    const char *folder = *state;
    Programs programs = {0};
    Error err = ERROR_INIT;

    make_program(folder, "pg_dump", "97.1");
    make_program(folder, "pg_restore", "97.1");
    assert_true(programs_find(arena, &(Config){.pg_bin = folder}, 150020, 160000, &programs, &err));
    assert_int_equal(programs.major, 97);
    assert_string_equal(programs.pg_dump, arena_printf(arena, "%s/pg_dump", folder));
    assert_string_equal(programs.pg_restore, arena_printf(arena, "%s/pg_restore", folder));
}

static void too_old_programs_are_named_and_nothing_is_returned(void **state)
{
    auto_arena Arena *arena = arena_new();
    const char *folder = *state;
    Programs programs = {.major = -7};
    Error err = ERROR_INIT;

    make_program(folder, "pg_dump", "14.9");
    make_program(folder, "pg_restore", "14.9");
    assert_false(
        programs_find(arena, &(Config){.pg_bin = folder}, 150020, 150020, &programs, &err));
    assert_int_equal(programs.major, -7);
    assert_int_equal(err.code, ERR_PROGRAM);
    assert_non_null(strstr(err.message, arena_printf(arena, "14 in %s", folder)));
    assert_non_null(strstr(err.hint, "--pg-bin"));
    assert_non_null(strstr(err.hint, "PostgreSQL 15"));
}

static void pair_of_two_versions_is_not_used(void **state)
{
    auto_arena Arena *arena = arena_new();
    const char *folder = *state;
    Programs programs = {0};
    Error err = ERROR_INIT;

    make_program(folder, "pg_dump", "97.1");
    make_program(folder, "pg_restore", "96.2");
    assert_false(programs_find(arena, &(Config){.pg_bin = folder}, 150020, 0, &programs, &err));
    assert_non_null(strstr(err.message, "without its pg_restore"));
}

static void path_is_looked_in_last(void **state)
{
    auto_arena Arena *arena = arena_new();
    const char *folder = *state;
    char *before = strdup(getenv("PATH"));
    Programs programs = {0};
    Error err = ERROR_INIT;

    make_program(folder, "pg_dump", "97.1");
    make_program(folder, "pg_restore", "97.1");
    assert_int_equal(setenv("PATH", arena_printf(arena, "%s:%s", folder, before), 1), 0);
    /* A server of version 97 is one that no package of this machine can read. */
    bool found = programs_find(arena, &(Config){0}, 970001, 0, &programs, &err);
    assert_int_equal(setenv("PATH", before, 1), 0);
    free(before);
    assert_true(found);
    assert_int_equal(programs.major, 97);
}

static void none_at_all_says_what_to_install(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    Programs programs = {0};
    Error err = ERROR_INIT;

    assert_false(programs_find(arena, &(Config){0}, 980001, 0, &programs, &err));
    assert_non_null(strstr(err.hint, "postgresql-client-98"));

    /* Nor in PATH, where nothing is. */
    char *before = strdup(getenv("PATH"));
    err = ERROR_INIT;
    assert_int_equal(setenv("PATH", "/nonexistent", 1), 0);
    bool found = programs_find(arena, &(Config){0}, 980001, 0, &programs, &err);
    assert_int_equal(setenv("PATH", before, 1), 0);
    free(before);
    assert_false(found);
    assert_non_null(strstr(err.hint, "postgresql-client-98"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_line_gives_the_major),
        cmocka_unit_test(target_major_is_preferred_where_it_can_read_the_source),
        cmocka_unit_test_setup_teardown(given_folder_is_the_only_one_looked_in, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(too_old_programs_are_named_and_nothing_is_returned,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(pair_of_two_versions_is_not_used, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(path_is_looked_in_last, make_folder, remove_folder),
        cmocka_unit_test(none_at_all_says_what_to_install),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
