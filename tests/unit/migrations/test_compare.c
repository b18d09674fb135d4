/* Rows against migrations: the states, for every combination of folder and table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "migrations/internal.h"

#define T1 INT64_C(1000)
#define T2 INT64_C(2000)
#define T3 INT64_C(3000)

/* Three migrations; in dated folders their times are whole seconds, as here. */
static Migration journal_list[] = {
    {.tag = "0000_a", .file = "0000_a.sql", .name = "19700101000001_a", .when_ms = T1, .hash = "A"},
    {.tag = "0001_b", .file = "0001_b.sql", .name = "19700101000002_b", .when_ms = T2, .hash = "B"},
    {.tag = "0002_c", .file = "0002_c.sql", .name = "19700101000003_c", .when_ms = T3, .hash = "C"},
};
static Migration dated_list[] = {
    {.tag = "19700101000001_a",
     .file = "a",
     .name = "19700101000001_a",
     .when_ms = T1,
     .hash = "A"},
    {.tag = "19700101000002_b",
     .file = "b",
     .name = "19700101000002_b",
     .when_ms = T2,
     .hash = "B"},
    {.tag = "19700101000003_c",
     .file = "c",
     .name = "19700101000003_c",
     .when_ms = T3,
     .hash = "C"},
};
static const MigrationsFolder journal = {
    .layout = MIGRATIONS_JOURNAL, .list = journal_list, .count = 3};
static const MigrationsFolder dated = {
    .layout = MIGRATIONS_FOLDERS, .list = dated_list, .count = 3};

enum {
    ROWS_MAX = 4
};

typedef struct Row {
    const char *hash; /* NULL: no more rows */
    int64_t created_at;
    const char *name;
} Row;

#define NULL_TIME INT64_MIN

typedef struct Case {
    const char *what;
    bool table; /* exists */
    bool named;
    Row rows[ROWS_MAX];
    const char *states; /* one letter a migration: Applied Pending Skipped Edited Repeated */
    int unknown;
    int problems;
} Case;

static MigrationsStatus compare(Arena *arena, const MigrationsFolder *folder, const Case *c)
{
    MigrationsStatus status = {.table_exists = c->table, .named = c->named};

    status.rows = arena_array(arena, ROWS_MAX, sizeof *status.rows);
    for (int i = 0; i < ROWS_MAX && c->rows[i].hash; i++)
        status.rows[status.row_count++] = (MigrationRow){
            .id = arena_printf(arena, "%d", i + 1),
            .hash = c->rows[i].hash,
            .created_at = c->rows[i].created_at == NULL_TIME ? NULL : "set",
            .created_ms = c->rows[i].created_at == NULL_TIME ? 0 : c->rows[i].created_at,
            .name = c->rows[i].name,
            .migration = -1,
        };
    compare_states(arena, folder, &status);
    return status;
}

static void check(const MigrationsFolder *folder, const Case *cases, size_t count)
{
    static const char letters[] = {
        [MIGRATION_APPLIED] = 'A', [MIGRATION_PENDING] = 'P',  [MIGRATION_SKIPPED] = 'S',
        [MIGRATION_EDITED] = 'E',  [MIGRATION_REPEATED] = 'R',
    };

    for (size_t i = 0; i < count; i++) {
        auto_arena Arena *arena = arena_new();
        MigrationsStatus status = compare(arena, folder, &cases[i]);
        char got[4] = {0};

        for (int m = 0; m < 3; m++)
            got[m] = letters[status.states[m]];
        if (strcmp(got, cases[i].states) != 0 ||
            status.counts[MIGRATION_UNKNOWN] != cases[i].unknown ||
            status.problem_count != cases[i].problems)
            print_message("case: %s\n", cases[i].what);
        assert_string_equal(got, cases[i].states);
        assert_int_equal(status.counts[MIGRATION_UNKNOWN], cases[i].unknown);
        assert_int_equal(status.problem_count, cases[i].problems);
    }
}

static void a_journal_is_judged_by_time_as_0_x_does(void **state)
{
    (void)state;
    static const Case cases[] = {
        {"no table",                       false, false, {{0}},                                      "PPP", 0, 0},
        {"empty table",                    true,  false, {{0}},                                      "PPP", 0, 0},
        {"all",                            true,  false, {{"A", T1, 0}, {"B", T2, 0}, {"C", T3, 0}}, "AAA", 0, 0},
        {"two",                            true,  false, {{"A", T1, 0}, {"B", T2, 0}},               "AAP", 0, 0},
        {"late one: older than the last",  true,  false, {{"A", T1, 0}, {"C", T3, 0}},               "ASA", 0, 1},
        {"one row at the end only",        true,  false, {{"x", T3, 0}},                             "SSE", 0, 3},
        {"edited",                         true,  false, {{"A", T1, 0}, {"x", T2, 0}},               "AEP", 0, 1},
        {"not in the folder, older",       true,  false, {{"A", T1, 0}, {"x", T1 + 1, 0}},           "APP", 1, 1},
        {"not in the folder, newer",
         true,                                    false,
         {{"A", T1, 0}, {"B", T2, 0}, {"C", T3, 0}, {"x", 9000, 0}},
         "AAA",                                                                                             1,
         1                                                                                                      },
        {"a row without a time",           true,  false, {{"A", T1, 0}, {"B", NULL_TIME, 0}},        "RRP", 0, 3},
        {"recorded under an earlier time",
         true,                                    false,
         {{"A", T1, 0}, {"B", T1 + 1, 0}},
         "ARP",                                                                                             0,
         1                                                                                                      },
        {"recorded under a later time",    true,  false, {{"A", T1, 0}, {"B", T2 + 1, 0}},           "AAP", 0, 0},
        {"run twice",                      true,  false, {{"A", T1, 0}, {"A", T1, 0}, {"B", T2, 0}}, "AAP", 0, 0},
        {"rows in another order",
         true,                                    false,
         {{"C", T3, 0}, {"A", T1, 0}, {"B", T2, 0}},
         "AAA",                                                                                             0,
         0                                                                                                      },
    };

    check(&journal, cases, COUNT_OF(cases));
}

static void a_journal_over_a_table_of_1_0_goes_by_name(void **state)
{
    (void)state;
    static const Case cases[] = {
        {"named by up",
         true, true,
         {{"A", T1, "19700101000001_a"}, {"B", T2, "19700101000002_b"}},
         "AAP", 0,
         0},
        {"written by 0.x without a name",
         true, true,
         {{"A", T1, "19700101000001_a"}, {"B", T2, NULL}},
         "AAP", 0,
         0},
        {"a name of nobody is nobody's",
         true, true,
         {{"A", T1, "19700101000001_a"}, {"B", T2, "19700101000002_other"}},
         "ASP", 1,
         2},
    };

    check(&journal, cases, COUNT_OF(cases));
}

static void folders_are_judged_by_name_as_1_0_does(void **state)
{
    (void)state;
    static const Case cases[] = {
        {"no table",                         false, false, {{0}},                                  "PPP", 0, 0},
        {"all",
         true,                                      true,
         {{"A", T1, "19700101000001_a"},
          {"B", T2, "19700101000002_b"},
          {"C", T3, "19700101000003_c"}},
         "AAA",                                                                                           0,
         0                                                                                                    },
        {"late one: is applied",
         true,                                      true,
         {{"A", T1, "19700101000001_a"}, {"C", T3, "19700101000003_c"}},
         "APA",                                                                                           0,
         0                                                                                                    },
        {"edited",                           true,  true,  {{"x", T1, "19700101000001_a"}},        "EPP", 0, 1},
        {"renamed",                          true,  true,  {{"A", T1, "19700101000001_old"}},      "PPP", 1, 1},
        {"written by 0.x without a name",
         true,                                      true,
         {{"A", T1, "19700101000001_a"}, {"B", T2 + 345, NULL}},
         "ARP",                                                                                           0,
         1                                                                                                    },
        {"without a name, edited",           true,  true,  {{"x", T1 + 345, NULL}},                "RPP", 0, 1},
        {"without a name or anything known", true,  true,  {{"x", 77, NULL}},                      "PPP", 1, 1},
        {"times do not matter",              true,  true,  {{"A", NULL_TIME, "19700101000001_a"}}, "APP", 0, 0},
    };

    check(&dated, cases, COUNT_OF(cases));
}

static void folders_over_a_table_of_0_x_go_by_the_upgrade(void **state)
{
    (void)state;
    static const Case cases[] = {
        {"empty",                            true, false, {{0}},                           "PPP", 0, 0},
        {"times cut to the second",
         true,                                     false,
         {{"A", T1 + 538, 0}, {"B", T2 + 999, 0}},
         "AAP",                                                                                   0,
         0                                                                                            },
        {"edited: the time decides",         true, false, {{"x", T1 + 1, 0}},              "EPP", 0, 1},
        {"no such time: the hash decides",   true, false, {{"B", 77000, 0}},               "PAP", 0, 0},
        {"no time at all: the hash decides", true, false, {{"B", NULL_TIME, 0}},           "PAP", 0, 0},
        {"neither",                          true, false, {{"x", 77000, 0}, {"A", T1, 0}}, "APP", 1, 1},
    };

    check(&dated, cases, COUNT_OF(cases));
}

static void in_one_second_the_hash_decides_the_upgrade(void **state)
{
    (void)state;
    static Migration list[] = {
        {.tag = "19700101000001_a",
         .file = "a",
         .name = "19700101000001_a",
         .when_ms = T1,
         .hash = "A"},
        {.tag = "19700101000001_b",
         .file = "b",
         .name = "19700101000001_b",
         .when_ms = T1,
         .hash = "B"},
        {.tag = "19700101000003_c",
         .file = "c",
         .name = "19700101000003_c",
         .when_ms = T3,
         .hash = "C"},
    };
    static const MigrationsFolder folder = {.layout = MIGRATIONS_FOLDERS, .list = list, .count = 3};
    static const Case cases[] = {
        {"both",         true, false, {{"B", T1 + 2, 0}, {"A", T1 + 1, 0}}, "AAP", 0, 0},
        {"one",          true, false, {{"B", T1 + 2, 0}},                   "PAP", 0, 0},
        {"neither hash", true, false, {{"x", T1 + 2, 0}},                   "PPP", 1, 1},
    };

    check(&folder, cases, COUNT_OF(cases));
}

static void equal_hashes_go_to_their_own_times(void **state)
{
    (void)state;
    /* Two untouched files of `generate --custom` have the same text. */
    static Migration list[] = {
        {.tag = "0000_a", .file = "a", .when_ms = T1, .hash = "same"},
        {.tag = "0001_b", .file = "b", .when_ms = T2, .hash = "same"},
        {.tag = "0002_c", .file = "c", .when_ms = T3, .hash = "same"},
    };
    static const MigrationsFolder folder = {.layout = MIGRATIONS_JOURNAL, .list = list, .count = 3};
    static const Case cases[] = {
        {"two of three",                   true, false, {{"same", T2, 0}, {"same", T1, 0}}, "AAP", 0, 0},
        {"the last is missing one before",
         true,                                   false,
         {{"same", T1, 0}, {"same", T3, 0}},
         "ASA",                                                                                    0,
         1                                                                                             },
    };

    check(&folder, cases, COUNT_OF(cases));
}

static void what_an_apply_runs_ends_at_until_and_takes_skipped_ones_on_demand(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    static const Case late = {"late", true, false, {{"B", T2, 0}}, "SAP", 0, 1};
    MigrationsStatus status = compare(arena, &journal, &late);
    MigrationsOptions options = {.until = "0001_b"};
    Error err = ERROR_INIT;
    int count = 0;
    int last = -1;

    const Migration **list = compare_to_run(arena, &journal, &status, false, 2, &count);
    assert_int_equal(count, 1);
    assert_string_equal(list[0]->tag, "0002_c");
    list = compare_to_run(arena, &journal, &status, true, 2, &count);
    assert_int_equal(count, 2);
    assert_string_equal(list[0]->tag, "0000_a");
    assert_true(compare_until(&journal, &options, &last, &err));
    assert_int_equal(last, 1);
    compare_to_run(arena, &journal, &status, false, last, &count);
    assert_int_equal(count, 0);
    options.until = "0001_x";
    assert_false(compare_until(&journal, &options, &last, &err));
    assert_int_equal(err.code, ERR_USAGE);
}

static void reasons_are_read_by_name(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    unsigned bits = 7;
    Error err = ERROR_INIT;

    for (int i = 0; i < REASON_COUNT; i++) {
        assert_true(migrations_reasons_parse(arena, migrations_reason_name((MigrationsReason)i),
                                             &bits, &err));
        assert_int_equal(bits, 1u << i);
    }
    assert_true(migrations_reasons_parse(arena, "edited,unknown", &bits, &err));
    assert_int_equal(bits, (1u << REASON_EDITED) | (1u << REASON_UNKNOWN));
    assert_false(migrations_reasons_parse(arena, "edited,everything", &bits, &err));
    assert_int_equal(err.code, ERR_USAGE);
    assert_non_null(strstr(err.message, "everything"));
    assert_non_null(strstr(err.hint, "enum-value-used"));
    assert_int_equal(bits, (1u << REASON_EDITED) | (1u << REASON_UNKNOWN));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_journal_is_judged_by_time_as_0_x_does),
        cmocka_unit_test(a_journal_over_a_table_of_1_0_goes_by_name),
        cmocka_unit_test(folders_are_judged_by_name_as_1_0_does),
        cmocka_unit_test(folders_over_a_table_of_0_x_go_by_the_upgrade),
        cmocka_unit_test(in_one_second_the_hash_decides_the_upgrade),
        cmocka_unit_test(equal_hashes_go_to_their_own_times),
        cmocka_unit_test(what_an_apply_runs_ends_at_until_and_takes_skipped_ones_on_demand),
        cmocka_unit_test(reasons_are_read_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
