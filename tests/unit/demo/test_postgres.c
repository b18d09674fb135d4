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
#include "demo/demo.h"

typedef struct Fixture {
    Arena *arena;
    char folder[64];
} Fixture;

static int make_fixture(void **state)
{
    static Fixture fixture;

    fixture.arena = arena_new();
    (void)snprintf(fixture.folder, sizeof fixture.folder, "/tmp/homeport-unit-XXXXXX");
    if (!mkdtemp(fixture.folder))
        return -1;
    *state = &fixture;
    return 0;
}

static int remove_fixture(void **state)
{
    Fixture *fixture = *state;
    Error err;

    arena_free(fixture->arena);
    return file_remove_tree(fixture->folder, &err) ? 0 : -1;
}

static void write_program(const Fixture *fixture, const char *package, const char *name,
                          const char *says)
{
    const char *bin = arena_printf(fixture->arena, "%s/%s/bin", fixture->folder, package);
    const char *path = arena_printf(fixture->arena, "%s/%s", bin, name);
    const char *text = arena_printf(fixture->arena, "#!/bin/sh\necho '%s'\n", says);
    Error err;

    assert_true(file_make_dir(bin, 0755, &err));
    assert_true(file_replace(path, text, strlen(text), &err));
    assert_int_equal(chmod(path, 0755), 0);
}

static void write_package(const Fixture *fixture, const char *package, const char *says)
{
    write_program(fixture, package, "initdb", "");
    write_program(fixture, package, "postgres", says);
}

static void newest_package_is_chosen_by_number(void **state)
{
    Fixture *fixture = *state;
    DemoPostgres found;
    Error err = ERROR_INIT;

    write_package(fixture, "9.6", "postgres (PostgreSQL) 9.6.24");
    write_package(fixture, "15", "postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)");
    write_package(fixture, "8", "postgres (PostgreSQL) 8.4");
    write_package(fixture, "oldest", "postgres (PostgreSQL) 99.1");
    write_package(fixture, "16x", "postgres (PostgreSQL) 99.2");
    write_program(fixture, "99", "psql", "a client alone is no server");
    write_program(fixture, "98", "postgres", "nor is a server that cannot be made");

    assert_true(demo_find_postgres(fixture->arena, NULL, fixture->folder, &found, &err));
    assert_string_equal(found.version, "15.20");
    assert_string_equal(found.bin, arena_printf(fixture->arena, "%s/15/bin", fixture->folder));
}

static void version_may_be_a_beta(void **state)
{
    static const struct {
        const char *says;
        const char *version;
    } cases[] = {
        {"postgres (PostgreSQL) 18beta1",         "18beta1"},
        {"postgres (PostgreSQL) 19devel",         "19devel"},
        {"postgres (PostgreSQL) 17.2, by others", "17.2"   },
        {"postgres (EnterpriseDB) 15.4.0",        "15.4.0" },
    };
    Fixture *fixture = *state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        DemoPostgres found;
        Error err = ERROR_INIT;

        write_package(fixture, "15", cases[i].says);
        assert_true(demo_find_postgres(fixture->arena, NULL, fixture->folder, &found, &err));
        assert_string_equal(found.version, cases[i].version);
    }
}

static void folder_may_be_the_one_above_the_programs(void **state)
{
    Fixture *fixture = *state;
    const char *above = arena_printf(fixture->arena, "%s/mine", fixture->folder);
    const char *bin = arena_printf(fixture->arena, "%s/bin", above);
    const char *given[] = {above, bin};

    write_package(fixture, "mine", "postgres (PostgreSQL) 16.1");
    for (size_t i = 0; i < COUNT_OF(given); i++) {
        DemoPostgres found;
        Error err = ERROR_INIT;

        assert_true(demo_find_postgres(fixture->arena, given[i], "/nonexistent", &found, &err));
        assert_string_equal(found.bin, bin);
    }
}

static void dump_counts_only_with_both_programs(void **state)
{
    Fixture *fixture = *state;
    static const struct {
        const char *program;
        bool has_dump;
    } steps[] = {
        {"psql",       false},
        {"pg_dump",    false},
        {"pg_restore", true },
    };

    write_package(fixture, "15", "postgres (PostgreSQL) 15.20");
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        DemoPostgres found;
        Error err = ERROR_INIT;

        write_program(fixture, "15", steps[i].program, "");
        assert_true(demo_find_postgres(fixture->arena, NULL, fixture->folder, &found, &err));
        assert_int_equal(found.has_dump, steps[i].has_dump);
    }
}

static void what_is_missing_is_named(void **state)
{
    Fixture *fixture = *state;
    DemoPostgres found = {.bin = "untouched"};
    Error err = ERROR_INIT;

    assert_false(demo_find_postgres(fixture->arena, NULL, fixture->folder, &found, &err));
    assert_int_equal(err.code, ERR_PROGRAM);
    assert_non_null(strstr(err.message, fixture->folder));
    assert_non_null(strstr(err.hint, "--postgres"));
    assert_false(demo_find_postgres(fixture->arena, "/nonexistent", fixture->folder, &found, &err));
    assert_non_null(strstr(err.message, "\"/nonexistent\""));
    write_package(fixture, "15", "no number");
    assert_false(demo_find_postgres(fixture->arena, NULL, fixture->folder, &found, &err));
    assert_int_equal(err.code, ERR_FORMAT);
    assert_string_equal(found.bin, "untouched");
}

int main(void)
{
#define WITH_FOLDER(name) cmocka_unit_test_setup_teardown(name, make_fixture, remove_fixture)
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(newest_package_is_chosen_by_number),
        WITH_FOLDER(version_may_be_a_beta),
        WITH_FOLDER(folder_may_be_the_one_above_the_programs),
        WITH_FOLDER(dump_counts_only_with_both_programs),
        WITH_FOLDER(what_is_missing_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
