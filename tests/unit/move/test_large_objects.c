#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "move/large_objects.h"

static ArchiveEntry entries[] = {
    {.id = 1, .desc = "BLOB METADATA", .tag = "100..102", .defn = "100\n101\n102\n"    },
    {.id = 2, .desc = "BLOB METADATA", .tag = "200",      .defn = "200\n"              },
    {.id = 3, .desc = "TABLE",         .tag = "t",        .defn = "CREATE TABLE t();\n"},
};

static const Archive archive = {.entries = entries, .count = COUNT_OF(entries)};

static const char *expand(Arena *arena, const char *tag, const int *deps, int dep_count,
                          const char *sql)
{
    ArchiveEntry entry = {.desc = "ACL", .tag = tag, .deps = deps, .dep_count = dep_count};

    return large_objects_expand(arena, &archive, &entry, sql);
}

static void privileges_of_several_are_written_out_for_each(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();

    assert_string_equal(expand(arena, "LARGE OBJECTS 100..102", (const int[]){3, 1}, 2,
                               "REVOKE ALL ON LARGE OBJECT 100 FROM a;\n"
                               "GRANT SELECT ON LARGE OBJECT 100 TO \"b 100\";\n"),
                        "REVOKE ALL ON LARGE OBJECT 100 FROM a;\n"
                        "GRANT SELECT ON LARGE OBJECT 100 TO \"b 100\";\n"
                        "REVOKE ALL ON LARGE OBJECT 101 FROM a;\n"
                        "GRANT SELECT ON LARGE OBJECT 101 TO \"b 100\";\n"
                        "REVOKE ALL ON LARGE OBJECT 102 FROM a;\n"
                        "GRANT SELECT ON LARGE OBJECT 102 TO \"b 100\";\n");
}

static void what_is_of_one_or_of_something_else_stays(void **state)
{
    (void)state;
    static const char sql[] = "GRANT SELECT ON LARGE OBJECT 200 TO a;\n";
    auto_arena Arena *arena = arena_new();

    assert_ptr_equal(expand(arena, "LARGE OBJECT 200", (const int[]){2}, 1, sql), sql);
    assert_ptr_equal(expand(arena, "TABLE t", (const int[]){3}, 1, sql), sql);
    /* Of archives in which each has an entry of its own. */
    assert_ptr_equal(expand(arena, "LARGE OBJECTS 100..102", (const int[]){3, 77}, 2, sql), sql);
    assert_ptr_equal(expand(arena, "LARGE OBJECTS 100..102", NULL, 0, sql), sql);
}

static void a_real_archives_privileges_are_of_all_of_them(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    Archive real = {0};
    Error err = ERROR_INIT;
    int found = 0;

    assert_true(archive_read(arena, TEST_DATA "/archives/large17.dump", &real, &err));
    for (int i = 0; i < real.count; i++) {
        const ArchiveEntry *entry = &real.entries[i];
        if (strcmp(entry->desc, "ACL") != 0)
            continue;
        found++;
        assert_string_equal(large_objects_expand(arena, &real, entry, entry->defn),
                            "GRANT SELECT ON LARGE OBJECT 100 TO \"shop \"\"reader\"\"\";\n"
                            "GRANT SELECT ON LARGE OBJECT 101 TO \"shop \"\"reader\"\"\";\n");
    }
    assert_int_equal(found, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(privileges_of_several_are_written_out_for_each),
        cmocka_unit_test(what_is_of_one_or_of_something_else_stays),
        cmocka_unit_test(a_real_archives_privileges_are_of_all_of_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
