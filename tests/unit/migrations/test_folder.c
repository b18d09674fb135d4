/* Folders of both layouts: which files, in which order, cut where, with which hash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/file.h"
#include "migrations/internal.h"

static char folder[64];

static int folder_make(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/homeport-migrations-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int folder_remove(void **state)
{
    (void)state;
    Error err = ERROR_INIT;
    return file_remove_tree(folder, &err) ? 0 : -1;
}

static void write_bytes(Arena *arena, const char *name, const char *data, size_t len)
{
    char *path = arena_printf(arena, "%s/%s", folder, name);
    char *parent = arena_strdup(arena, path);
    Error err = ERROR_INIT;

    *strrchr(parent, '/') = '\0';
    assert_true(file_make_dir(parent, 0700, &err));
    assert_true(file_replace(path, data, len, &err));
}

static void write_text(Arena *arena, const char *name, const char *text)
{
    write_bytes(arena, name, text, strlen(text));
}

static void hashes_are_those_of_drizzle_kit(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        const char *hash;
    } cases[] = {
        {"CREATE TABLE a(i int);",
         "81c1542921ff5b4ffee472fea0c2c1d517205e5d28a665b8199435b6f959d9cf"                                                                                    },
        {"CREATE TABLE b(i int);",
         "4fb72bc46a08e53155b9c9be0a04000c527b9cf207a5caf27f72570672810887"                                                                                    },
        {"CREATE TABLE a(i int);\n--> statement-breakpoint\nCREATE TABLE a2(i int);\n",
         "54dd1ee7f0b28e4ab46731c80c77b36434c8035401b2135b80e88c97d4f06ce9"                                                                                    },
        {"CREATE TABLE a(i int);\r\n--> statement-breakpoint\r\nCREATE TABLE b(i int);\r\n",
         "f59d429d66c912770f3d1f2b5aa00bb5446c33d5d9203cf1396f5e6694b41dfb"                                                                                    },
        {"",                                                                                 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"CREATE TABLE a(i int); -- caf\xE9\n",
         "fe1b0f97beb611010c87c28574686701b2045777ee5b7759e4a29d9475a07926"                                                                                    },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        auto_arena Arena *arena = arena_new();
        MigrationsFolder loaded;
        Error err = ERROR_INIT;

        write_text(arena, "meta/_journal.json", "{\"entries\":[{\"tag\":\"0000_x\",\"when\":1}]}");
        write_text(arena, "0000_x.sql", cases[i].bytes);
        assert_true(migrations_load(arena, folder, &loaded, &err));
        assert_string_equal(loaded.list[0].hash, cases[i].hash);
    }
}

static void text_is_split_at_every_marker_and_never_trimmed(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int count;
        const char *pieces[4];
        int lines[4];
    } cases[] = {
        {"",                                              1, {""},                                 {1}      },
        {"A;",                                            1, {"A;"},                               {1}      },
        {"A;\n" BREAKPOINT "\nB;\n",                      2, {"A;\n", "\nB;\n"},                   {1, 2}   },
        {"A;" BREAKPOINT BREAKPOINT,                      3, {"A;", "", ""},                       {1, 1, 1}},
        {"SELECT '" BREAKPOINT "';",                      2, {"SELECT '", "';"},                   {1, 1}   },
        {"A;\n-->statement-breakpoint\nB;",               1, {"A;\n-->statement-breakpoint\nB;"},  {1}      },
        {"A;\n--> STATEMENT-BREAKPOINT\nB;",              1, {"A;\n--> STATEMENT-BREAKPOINT\nB;"}, {1}      },
        {"A;\r\n" BREAKPOINT "\r\nB;\n\n" BREAKPOINT "C",
         3,                                                  {"A;\r\n", "\r\nB;\n\n", "C"},
         {1, 2, 5}                                                                                          },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        auto_arena Arena *arena = arena_new();
        Migration migration = {.text = cases[i].text, .text_len = strlen(cases[i].text)};

        migration_split(arena, &migration);
        assert_int_equal(migration.piece_count, cases[i].count);
        for (int p = 0; p < cases[i].count; p++) {
            assert_string_equal(migration.pieces[p].sql, cases[i].pieces[p]);
            assert_int_equal(migration.pieces[p].line, cases[i].lines[p]);
        }
    }
}

static void times_of_names_are_those_of_date_utc(void **state)
{
    (void)state;
    /* Computed with Node.js: Date.UTC(y, m - 1, d, h, i, s). */
    static const struct {
        const char *name;
        bool ok;
        int64_t ms;
    } cases[] = {
        {"20240101000000_a",    true,  INT64_C(1704067200000)},
        {"20240102000000_b",    true,  INT64_C(1704153600000)},
        {"20261122133643_init", true,  INT64_C(1795354603000)},
        {"20240101000000",      true,  INT64_C(1704067200000)},
        {"20241301000000_x",    true,  INT64_C(1735689600000)}, /* month 13: January after */
        {"20240100000000_x",    true,  INT64_C(1703980800000)}, /* day 0: the day before */
        {"20240230256199_x",    true,  INT64_C(1709344959000)}, /* all of it too large */
        {"00500101000000_x",    true,  INT64_C(-631152000000)}, /* years of two digits */
        {"2024010100000_x",     false, 0                     },
        {"init",                false, 0                     },
        {"",                    false, 0                     },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int64_t ms = 0;
        assert_int_equal(name_time(cases[i].name, &ms), cases[i].ok);
        assert_int_equal(ms, cases[i].ms);
    }
}

static void names_sort_as_locale_compare_does(void **state)
{
    (void)state;
    static const char *const sorted[] = {
        "20240101000000_",    "20240101000000__b", "20240101000000_-b", "20240101000000_1",
        "20240101000000_10",  "20240101000000_9",  "20240101000000_a",  "20240101000000_a_b",
        "20240101000000_a-b", "20240101000000_a1", "20240101000000_aa", "20240101000000_ab",
        "20240101000000_aB",  "20240101000000_AB", "20240101000000_b",  "20240101000000_B",
        "20240101000000_ba",  "20240101000001_a",
    };

    for (size_t i = 0; i < COUNT_OF(sorted); i++)
        for (size_t j = 0; j < COUNT_OF(sorted); j++) {
            int order = name_compare(sorted[i], sorted[j]);
            assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
        }
}

static void entries_get_the_name_that_up_gives_them(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();

    assert_string_equal(name_after_up(arena, "0000_init", INT64_C(1795354603538)),
                        "20261122133643_init");
    assert_string_equal(name_after_up(arena, "0001_wide_shape", INT64_C(1795338269058)),
                        "20261122090429_wide_shape");
    assert_string_equal(name_after_up(arena, "init", 1000), "19700101000001_");
    assert_null(name_after_up(arena, "0000_init", 0));
    assert_null(name_after_up(arena, "0000_init", INT64_C(9000000000000000)));
}

static void folders_of_1_0_are_sorted_and_others_left_out(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    MigrationsFolder loaded;
    Error err = ERROR_INIT;

    write_text(arena, "20240102000000_b/migration.sql", "CREATE TABLE b(i int);");
    write_text(arena, "20240101000000_B/migration.sql", "SELECT 2;");
    write_text(arena, "20240101000000_a/migration.sql", "CREATE TABLE a(i int);");
    write_text(arena, "20240103000000_empty/snapshot.json", "{}");
    write_text(arena, "notes/README.md", "no migration");
    assert_true(migrations_load(arena, folder, &loaded, &err));
    assert_int_equal(loaded.layout, MIGRATIONS_FOLDERS);
    assert_int_equal(loaded.count, 3);
    assert_string_equal(loaded.list[0].tag, "20240101000000_a");
    assert_string_equal(loaded.list[1].tag, "20240101000000_B");
    assert_string_equal(loaded.list[2].tag, "20240102000000_b");
    assert_string_equal(loaded.list[0].name, "20240101000000_a");
    assert_int_equal(loaded.list[2].when_ms, INT64_C(1704153600000));
}

static void links_are_followed(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    MigrationsFolder loaded;
    Error err = ERROR_INIT;

    write_text(arena, "elsewhere/real.sql", "SELECT 1;");
    write_text(arena, "meta/_journal.json", "{\"entries\":[{\"tag\":\"0000_x\",\"when\":1}]}");
    assert_int_equal(symlink("elsewhere/real.sql", arena_printf(arena, "%s/0000_x.sql", folder)),
                     0);
    assert_true(migrations_load(arena, folder, &loaded, &err));
    assert_string_equal(loaded.list[0].text, "SELECT 1;");
}

static void expect_refusal(Arena *arena, const char *message, const char *hint)
{
    MigrationsFolder loaded = {.count = -1};
    Error err = ERROR_INIT;

    assert_false(migrations_load(arena, folder, &loaded, &err));
    assert_non_null(strstr(err.message, message));
    assert_non_null(strstr(err.hint, hint));
    assert_int_equal(loaded.count, -1);
}

static void both_layouts_at_once_are_refused(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();

    write_text(arena, "meta/_journal.json", "{\"entries\":[]}");
    write_text(arena, "20240101000000_a/migration.sql", "SELECT 1;");
    expect_refusal(arena, "both formats", "drizzle-kit up");
}

static void an_empty_folder_is_refused(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();

    expect_refusal(arena, "holds no migrations", "drizzle-kit generate");
}

static void a_missing_folder_is_refused(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    MigrationsFolder loaded;
    Error err = ERROR_INIT;

    assert_false(migrations_load(arena, "/nonexistent/drizzle", &loaded, &err));
    assert_non_null(strstr(err.message, "No such file"));
    assert_non_null(strstr(err.hint, "homeport.yaml"));
}

static void a_missing_file_is_named(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();

    write_text(arena, "meta/_journal.json", "{\"entries\":[{\"tag\":\"0000_x\",\"when\":1}]}");
    expect_refusal(arena, "0000_x.sql", "git");
}

static void a_nul_byte_is_refused(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();

    write_text(arena, "meta/_journal.json", "{\"entries\":[{\"tag\":\"0000_x\",\"when\":1}]}");
    write_bytes(arena, "0000_x.sql", "SELECT\0 1", 9);
    expect_refusal(arena, "NUL byte", "UTF-8");
}

static void a_huge_file_is_refused(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    char *path = arena_printf(arena, "%s/0000_x.sql", folder);

    write_text(arena, "meta/_journal.json", "{\"entries\":[{\"tag\":\"0000_x\",\"when\":1}]}");
    write_text(arena, "0000_x.sql", "x");
    assert_int_equal(truncate(path, (off_t)MIGRATION_MAX_BYTES + 1), 0);
    expect_refusal(arena, "larger than", "");
}

static void names_without_a_time_are_refused(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();

    write_text(arena, "init/migration.sql", "SELECT 1;");
    expect_refusal(arena, "does not begin with a time", "YYYYMMDDhhmmss");
}

static void an_order_that_depends_on_the_language_is_refused(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();

    write_text(arena, "20240101000000_\xC3\xA4/migration.sql", "SELECT 1;");
    write_text(arena, "20240102000000_b/migration.sql", "SELECT 1;");
    MigrationsFolder loaded;
    Error err = ERROR_INIT;
    assert_true(migrations_load(arena, folder, &loaded, &err)); /* other seconds: no doubt */

    write_text(arena, "20240101000000_b/migration.sql", "SELECT 1;");
    expect_refusal(arena, "order depends on the language", "Rename");
}

int main(void)
{
#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(hashes_are_those_of_drizzle_kit),
        cmocka_unit_test(text_is_split_at_every_marker_and_never_trimmed),
        cmocka_unit_test(times_of_names_are_those_of_date_utc),
        cmocka_unit_test(names_sort_as_locale_compare_does),
        cmocka_unit_test(entries_get_the_name_that_up_gives_them),
        WITH_FOLDER(folders_of_1_0_are_sorted_and_others_left_out),
        WITH_FOLDER(links_are_followed),
        WITH_FOLDER(both_layouts_at_once_are_refused),
        WITH_FOLDER(an_empty_folder_is_refused),
        cmocka_unit_test(a_missing_folder_is_refused),
        WITH_FOLDER(a_missing_file_is_named),
        WITH_FOLDER(a_nul_byte_is_refused),
        WITH_FOLDER(a_huge_file_is_refused),
        WITH_FOLDER(names_without_a_time_are_refused),
        WITH_FOLDER(an_order_that_depends_on_the_language_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
