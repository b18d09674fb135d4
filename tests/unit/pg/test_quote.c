#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "pg/pg.h"

static void names_and_values_are_quoted_whatever_is_in_them(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        const char *ident;
        const char *literal;
    } cases[] = {
        {"orders",               "\"orders\"",               "'orders'"              },
        {"",                     "\"\"",                     "''"                    },
        {"Select",               "\"Select\"",               "'Select'"              },
        {"a\"b",                 "\"a\"\"b\"",               "'a\"b'"                },
        {"it's",                 "\"it's\"",                 "'it''s'"               },
        {"\"\"",                 "\"\"\"\"\"\"",             "'\"\"'"                },
        {"'';--",                "\"'';--\"",                "''''';--'"             },
        {"back\\slash",          "\"back\\slash\"",          "'back\\slash'"         },
        {"line\nbreak $1 %s",    "\"line\nbreak $1 %s\"",    "'line\nbreak $1 %s'"   },
        {"\xC3\xA9\xE2\x82\xAC", "\"\xC3\xA9\xE2\x82\xAC\"", "'\xC3\xA9\xE2\x82\xAC'"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        auto_arena Arena *arena = arena_new();
        assert_string_equal(pg_ident(arena, cases[i].value), cases[i].ident);
        assert_string_equal(pg_literal(arena, cases[i].value), cases[i].literal);
    }
}

static void no_value_is_null(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();

    assert_string_equal(pg_literal(arena, NULL), "NULL");
    assert_string_equal(pg_literal(arena, "NULL"), "'NULL'");
}

static void a_qualified_name_is_two_names(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();

    assert_string_equal(pg_qualified(arena, "my.schema", "a\"b"), "\"my.schema\".\"a\"\"b\"");
}

static void arrays_are_text_that_the_server_reads_back(void **state)
{
    (void)state;
    static const struct {
        const char *items[4];
        int count;
        const char *text;
    } cases[] = {
        {{NULL},                          0, "{}"                                         },
        {{"a"},                           1, "{\"a\"}"                                    },
        {{"a", "b c", ""},                3, "{\"a\",\"b c\",\"\"}"                       },
        {{"x\"y", "back\\slash", "\\\""}, 3, "{\"x\\\"y\",\"back\\\\slash\",\"\\\\\\\"\"}"},
        {{"{a,b}", "NULL", "it's"},       3, "{\"{a,b}\",\"NULL\",\"it's\"}"              },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        auto_arena Arena *arena = arena_new();
        assert_string_equal(pg_text_array(arena, cases[i].items, cases[i].count), cases[i].text);
    }
}

/* A result as from a server, made by libpq without one. */
static PGresult *one_row(const char *const *cells, int count)
{
    PGresult *res = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    PGresAttDesc columns[16] = {0};
    char name[] = "c";

    for (int i = 0; i < count; i++)
        columns[i].name = name;
    assert_int_equal(PQsetResultAttrs(res, count, columns), 1);
    for (int i = 0; i < count; i++)
        assert_int_equal(PQsetvalue(res, 0, i, (char *)(uintptr_t)cells[i],
                                    cells[i] ? (int)strlen(cells[i]) : -1),
                         1);
    return res;
}

static void cells_are_null_or_what_the_server_sent(void **state)
{
    (void)state;
    static const char *const cells[] = {NULL, "", "t", "f", "true", "42", "-9223372036854775808"};
    auto_result PGresult *res = one_row(cells, COUNT_OF(cells));

    assert_null(pg_cell(res, 0, 0));
    assert_int_equal(pg_cell_i64(res, 0, 0), 0);
    assert_false(pg_cell_bool(res, 0, 0));
    assert_string_equal(pg_cell(res, 0, 1), "");
    assert_false(pg_cell_bool(res, 0, 1));
    assert_true(pg_cell_bool(res, 0, 2));
    assert_false(pg_cell_bool(res, 0, 3));
    assert_true(pg_cell_bool(res, 0, 4));
    assert_int_equal(pg_cell_i64(res, 0, 5), 42);
    assert_true(pg_cell_i64(res, 0, 6) == INT64_MIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_values_are_quoted_whatever_is_in_them),
        cmocka_unit_test(no_value_is_null),
        cmocka_unit_test(a_qualified_name_is_two_names),
        cmocka_unit_test(arrays_are_text_that_the_server_reads_back),
        cmocka_unit_test(cells_are_null_or_what_the_server_sent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
