#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "move/identity_private.h"
#include "tests/unit/folder.h"

static Identities *map_of(const char *text, Error *err)
{
    Identities *identities = identities_new();

    identities->name = "map.csv";
    if (identity_map_read(identities, text, strlen(text), err))
        return identities;
    identities_free(identities);
    return NULL;
}

static IdentityText id(const char *text)
{
    return (IdentityText){text, (int)strlen(text)};
}

/* What becomes of it: its text, "?" where the map lacks it, "!" where another has it. */
static const char *found(const Identities *identities, bool back, const char *text)
{
    IdentityText mapped = {NULL, 0};

    switch (identity_find(identities, back, id(text), &mapped)) {
    case IDENTITY_MAPPED:
        return mapped.data;
    case IDENTITY_UNKNOWN:
        return "?";
    case IDENTITY_TAKEN:
        return "!";
    }
    return NULL;
}

static void every_form_of_csv_is_read(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "old,new\na,b\n",           "old,new\r\na,b\r\n",      "\xef\xbb\xbfold,new\na,b",
        "\"old\",\"new\"\n\"a\",b", "old,new,mail\na,b,x@y\n", "old,new\n\n\na,b\n\n",
        "old,new,n\na,b,\"1,2\"\n",
    };

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        Error err = ERROR_INIT;
        Identities *map = map_of(texts[i], &err);

        assert_non_null(map);
        assert_int_equal(identities_count(map), 1);
        assert_string_equal(found(map, false, "a"), "b");
        assert_string_equal(found(map, true, "b"), "a");
        identities_free(map);
    }
}

static void what_is_no_bijection_is_refused_with_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *message;
    } cases[] = {
        {"",                      "map.csv:1: the first line is not \"old,new\""       },
        {"new,old\na,b\n",        "map.csv:1: the first line is not \"old,new\""       },
        {"old\na\n",              "map.csv:1: the first line is not \"old,new\""       },
        {"old,new\na,b\na,c\n",   "map.csv:3: the old id \"a\" is on line 2 already"   },
        {"old,new\na,b\n\nc,b\n", "map.csv:4: the new id \"b\" is on line 2 already"   },
        {"old,new\na,b\na,b\n",   "map.csv:3: the old id \"a\" is on line 2 already"   },
        {"old,new\na\n",          "map.csv:2: not as many fields as the first line has"},
        {"old,new\na,b,c\n",      "map.csv:2: not as many fields as the first line has"},
        {"old,new\n,b\n",         "map.csv:2: an id is empty"                          },
        {"old,new\na,\"\"\n",     "map.csv:2: an id is empty"                          },
        {"old,new\na,b \n",       "map.csv:2: a blank at an id's end"                  },
        {"old,new\na\tb,c\n",     "map.csv:2: a control character in an id"            },
        {"old,new\na\"b,c\n",     "map.csv:2: a quote inside of a field"               },
        {"old,new\n\"a,b\nc,d\n", "map.csv:2: a quote is not closed on its line"       },
        {"old,new\n\"a\"b,c\n",   "map.csv:2: text behind a closing quote"             },
        {"old,new\na,b\rc,d\n",   "map.csv:2: a carriage return inside of a line"      },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        Error err = ERROR_INIT;

        assert_null(map_of(cases[i].text, &err));
        assert_int_equal(err.code, ERR_USAGE);
        assert_string_equal(err.message, cases[i].message);
    }
}

static void an_id_of_a_thousand_bytes_is_read_and_no_longer_one(void **state)
{
    (void)state;
    char text[1100];
    Error err = ERROR_INIT;

    (void)snprintf(text, sizeof text, "old,new\n%01000d,b\n", 1);
    Identities *map = map_of(text, &err);
    assert_non_null(map);
    identities_free(map);
    (void)snprintf(text, sizeof text, "old,new\n%01001d,b\n", 1);
    assert_null(map_of(text, &err));
    assert_string_equal(err.message, "map.csv:2: an id of more than 1000 bytes");
}

static void the_way_back_ends_where_it_began(void **state)
{
    (void)state;
    static const char *const ids[] = {"a", "b", "c", "d", "e", "x", "same", "other"};
    Error err = ERROR_INIT;
    /* A chain a > b > c, a pair, one that stays. */
    Identities *map = map_of("old,new\na,b\nb,c\nd,e\nsame,same\n", &err);

    assert_non_null(map);
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        const char *there = found(map, false, ids[i]);

        if (*there != '?' && *there != '!')
            assert_string_equal(found(map, true, there), ids[i]);
        else /* one that would be taken for another is refused one way, used the other */
            assert_int_equal(*there == '!', *found(map, true, ids[i]) != '?');
    }
    assert_string_equal(found(map, false, "c"), "!");
    assert_string_equal(found(map, true, "a"), "!");
    assert_string_equal(found(map, false, "other"), "?");

    int chains = 0;
    assert_string_equal(identities_chain(map, &chains), "b");
    assert_int_equal(chains, 1);
    identities_free(map);
}

static void the_map_closes_to_a_permutation(void **state)
{
    (void)state;
    static const char *const ids[] = {"a", "b", "c", "d", "e", "p", "q", "unknown"};
    static const char *const homes[] = {"b", "c", "a", "e", "d", "q", "p", "unknown"};
    Error err = ERROR_INIT;
    Identities *map = map_of("old,new\na,b\nb,c\nd,e\np,q\nq,p\n", &err);

    assert_non_null(map);
    for (size_t i = 0; i < COUNT_OF(ids); i++)
        assert_string_equal(identity_home_of(map, ids[i]), homes[i]);
    identities_free(map);
}

static void an_unmapped_id_follows_the_rule_of_its_direction(void **state)
{
    (void)state;
    Error err = ERROR_INIT;
    IdentityText passed;
    Identities *map = map_of("old,new\na,b\n", &err);

    assert_non_null(map);
    map->rules[true] = UNMAPPED_KEEP;
    assert_false(identity_pass(map, false, id("x"), &passed, &err));
    assert_string_equal(err.message, "the id \"x\" is not in the map map.csv");
    assert_int_equal(err.code, ERR_WRONG_STATE);
    assert_true(identity_pass(map, true, id("x"), &passed, &err));
    assert_true(identity_pass(map, true, id("x"), &passed, &err));
    assert_int_equal(passed.len, 1);
    assert_int_equal(identities_kept(map, true), 1);
    assert_int_equal(identities_kept(map, false), 0);
    assert_false(identity_pass(map, true, id("a"), &passed, &err)); /* keep or not */
    assert_int_equal(identities_kept(map, true), 1);
    identities_free(map);
}

static void types_take_ids_as_postgresql_writes_them(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        const char *id;
        bool fits;
    } cases[] = {
        {"text", "anything at all",                      true },
        {"uuid", "0123abcd-0000-4000-8000-00000000000f", true },
        {"uuid", "0123ABCD-0000-4000-8000-00000000000f", false},
        {"uuid", "0123abcd0000400080000000000000000f",   false},
        {"int8", "9223372036854775807",                  true },
        {"int8", "9223372036854775808",                  false},
        {"int4", "-2147483648",                          true },
        {"int4", "2147483648",                           false},
        {"int2", "32767",                                true },
        {"int2", "32768",                                false},
        {"int8", "007",                                  false},
        {"int8", "+7",                                   false},
        {"int8", "7x",                                   false},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        auto_arena Arena *arena = arena_new();
        Error err = ERROR_INIT;
        Identities *map =
            map_of(arena_printf(arena, "old,new\n%s,%s\n", cases[i].id, cases[i].id), &err);

        assert_non_null(map);
        assert_int_equal(identities_misfit(arena, map, cases[i].type) == NULL, cases[i].fits);
        identities_free(map);
    }
    assert_false(identity_type_is_known("jsonb"));
    assert_false(identity_type_is_known("bpchar"));
}

static void columns_are_read_as_sql_writes_them(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *columns; /* NULL: refused */
    } cases[] = {
        {"public.users.id",                               "public|users|id;"                 },
        {" Public.Users.ID ,\n app.\"Order\".\"userId\"", "public|users|id;app|Order|userId;"},
        {"\"a.b\".\"c,d\".\"e\"\"f\",",                   "a.b|c,d|e\"f;"                    },
        {"users.id",                                      NULL                               },
        {"a.b.c.d",                                       NULL                               },
        {"a.b.c d.e.f",                                   NULL                               },
        {"a..c",                                          NULL                               },
        {"a.b.\"c",                                       NULL                               },
        {"a.b.c, a.b.C",                                  NULL                               },
        {"",                                              NULL                               },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        Error err = ERROR_INIT;
        Identities *map = identities_new();
        const IdentityColumn *columns = NULL;
        Text out = text_init(map->arena, 1000);

        bool ok = identity_columns_read(map, cases[i].text, &err);
        assert_int_equal(ok, cases[i].columns != NULL);
        assert_int_equal(err.code, ok ? ERR_NONE : ERR_USAGE);
        for (int c = 0; ok && c < identities_columns(map, &columns); c++)
            text_addf(&out, "%s|%s|%s;", columns[c].schema, columns[c].table, columns[c].column);
        if (ok)
            assert_string_equal(text_str(&out), cases[i].columns);
        identities_free(map);
    }
}

static void a_row_of_copy_is_mapped_field_by_field(void **state)
{
    (void)state;
    static TableColumn columns[] = {
        {.name = "a",         .identifier = true},
        {.name = "g",         .generated = true },
        {.name = "n"        },
        {.name = "b", .identifier = true                  },
    };
    static const Table table = {
        .schema = "public", .name = "t", .columns = columns, .column_count = COUNT_OF(columns)};
    static const struct {
        const char *row;
        const char *mapped; /* NULL: refused */
    } cases[] = {
        {"x\t1\tx\n",           "y\t1\ty\n"     },
        {"\\N\tx\tx\n",         "\\N\tx\ty\n"   },
        {"q\\\\\t\\t\t\\\\N\n", "c\t\\t\t\\\\\n"},
        {"x\tx\tunknown\n",     NULL            },
        {"x\tx\ty\n",           NULL            },
        {"x\tx\tx\tx\n",        NULL            },
    };
    Error err = ERROR_INIT;
    Identities *map = map_of("old,new\nx,y\nq\\,c\n\\N,\\\n", &err);
    assert_non_null(map);
    IdentityRows *rows = identity_rows_new(map, false, &table);
    assert_non_null(rows);

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *row = cases[i].row;
        size_t len = strlen(row);

        err = ERROR_INIT;
        bool ok = identity_rows_map(rows, &row, &len, &err);
        assert_int_equal(ok, cases[i].mapped != NULL);
        if (ok) {
            assert_int_equal(len, strlen(cases[i].mapped));
            assert_memory_equal(row, cases[i].mapped, len);
        }
    }
    identity_rows_free(rows);
    columns[0].identifier = columns[3].identifier = false;
    assert_null(identity_rows_new(map, false, &table));
    identities_free(map);
}

static void a_move_goes_on_with_what_it_began_with(void **state)
{
    auto_arena Arena *arena = arena_new();
    Store *store = NULL;
    Error err = ERROR_INIT;
    Identities *map = map_of("old,new\na,b\n", &err);
    assert_non_null(map);
    assert_true(store_open(arena_printf(arena, "%s/state", (const char *)*state), &store, &err));

    /* Begun without one. */
    assert_true(identities_pin(NULL, store, false, &err));
    assert_true(identities_pin(NULL, store, true, &err));
    assert_false(identities_pin(map, store, true, &err));
    assert_int_equal(err.code, ERR_WRONG_STATE);
    assert_string_equal(err.message, "this move began with no map of identities");
    assert_string_equal(err.hint, "Rows are there already: put it back as it was.");

    /* Before it has begun it may still be another, or none. */
    err = ERROR_INIT;
    assert_true(identities_pin(map, store, false, &err));
    assert_false(identities_pin(NULL, store, true, &err));
    assert_string_equal(err.message,
                        "this move began with a map of identities, which is not set now");
    err = ERROR_INIT;
    assert_true(identities_pin(NULL, store, false, &err));
    assert_true(identities_pin(NULL, store, true, &err));
    store_close(store);
    identities_free(map);
}

/* Those rows of an extension's table that are its user's. */
static void rows_under_a_condition_are_read_through_the_map(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    TableColumn column = {
        .number = 1, .name = "id", .quoted = "\"id\"", .base = "text", .identifier = true};
    Table table = {.qualified = "\"public\".\"t\"", .columns = &column, .column_count = 1};
    const char *sql = identities_rows_sql(arena, &table);

    assert_non_null(strstr(sql, "(SELECT b.ctid, "));
    assert_non_null(strstr(sql, " FROM ONLY \"public\".\"t\" AS b LEFT JOIN "));
    table.condition = "WHERE id > 'm'";
    sql = identities_rows_sql(arena, &table);
    assert_non_null(strstr(sql, "(SELECT NULL, "));
    assert_non_null(
        strstr(sql, " FROM (SELECT * FROM ONLY \"public\".\"t\" WHERE id > 'm') AS b LEFT JOIN "));
    column.identifier = false;
    assert_null(identities_rows_sql(arena, &table));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_of_csv_is_read),
        cmocka_unit_test(what_is_no_bijection_is_refused_with_its_line),
        cmocka_unit_test(an_id_of_a_thousand_bytes_is_read_and_no_longer_one),
        cmocka_unit_test(the_way_back_ends_where_it_began),
        cmocka_unit_test(the_map_closes_to_a_permutation),
        cmocka_unit_test(an_unmapped_id_follows_the_rule_of_its_direction),
        cmocka_unit_test(types_take_ids_as_postgresql_writes_them),
        cmocka_unit_test(columns_are_read_as_sql_writes_them),
        cmocka_unit_test(a_row_of_copy_is_mapped_field_by_field),
        cmocka_unit_test_setup_teardown(a_move_goes_on_with_what_it_began_with, folder_make,
                                        folder_remove),
        cmocka_unit_test(rows_under_a_condition_are_read_through_the_map),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
