#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "core/text.h"
#include "move/verify.h"

/* One column, the same on both sides. */
static VerifyColumn column_of(Arena *arena, const char *name, const char *base, bool nullable)
{
    TableColumn *facts = arena_alloc(arena, sizeof *facts);

    *facts = (TableColumn){.name = name, .quoted = name, .type = base, .base = base};
    VerifyColumn column = {
        .of = {facts, facts},
        .sql = arena_printf(arena, "t.%s", name),
        .nullable = nullable,
    };
    verify_column_cast(&column);
    return column;
}

static int times(const char *text, const char *part)
{
    int count = 0;

    for (const char *p = strstr(text, part); p; p = strstr(p + 1, part))
        count++;
    return count;
}

static void names_are_filled_in_and_casts_are_left_alone(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    const SqlPart parts[] = {
        {"a",     "1::int"},
        {"a_b",   "x:y"   },
        {"empty", ""      },
        {NULL,    NULL    }
    };

    assert_string_equal(verify_fill(arena, "SELECT :a::text, :a_b[:a] :empty:: '12:30'", parts),
                        "SELECT 1::int::text, x:y[1::int] :: '12:30'");
    assert_string_equal(verify_fill(arena, "", parts), "");
}

static void types_that_differ_are_compared_by_their_text(void **state)
{
    (void)state;
    TableColumn narrow = {.type = "integer", .base = "int4"};
    TableColumn wide = {.type = "bigint", .base = "int8"};
    TableColumn limited = {.type = "character varying(3)", .base = "varchar"};
    TableColumn unlimited = {.type = "character varying(4)", .base = "varchar"};
    static const struct {
        int left;
        int right;
        const char *cast;
    } cases[] = {
        {0, 0, "int4"   },
        {0, 1, ""       },
        {2, 3, ""       },
        {3, 3, "varchar"},
    };
    const TableColumn *columns[] = {&narrow, &wide, &limited, &unlimited};

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        VerifyColumn column = {
            .of = {columns[cases[i].left], columns[cases[i].right]}
        };
        verify_column_cast(&column);
        assert_string_equal(column.cast, cases[i].cast);
    }
}

static void every_column_and_every_null_is_hashed_once(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    VerifyColumn columns[] = {
        column_of(arena, "a", "int4", false),     column_of(arena, "b", "text", true),
        column_of(arena, "c", "timestamp", true), column_of(arena, "d", "", true),
        column_of(arena, "e", "int8", false),     column_of(arena, "f", "float8", true),
    };
    VerifyTable table = {.columns = columns, .column_count = (int)COUNT_OF(columns)};
    const char *sql = verify_hash_sql(arena, &table, 7);

    assert_int_equal(times(sql, "'7'::pg_catalog.int8"), 1);
    assert_int_equal(times(sql, "hashint4extended(t.a"), 1);
    assert_int_equal(times(sql, "hashtextextended(COALESCE(t.b"), 1);
    assert_int_equal(times(sql, "timestamp_send(t.c"), 1);
    assert_int_equal(times(sql, "hashtextextended(pg_catalog.concat(t.d"), 1);
    assert_int_equal(times(sql, "hashfloat8extended(COALESCE(t.f"), 1);
    /* The halves of a bigint. */
    assert_int_equal(times(sql, "t.e"), 2);
    /* An array tells its NULLs itself; a column without NULL needs no bit. */
    assert_int_equal(times(sql, "IS NULL THEN"), 3);
    assert_int_equal(times(sql, "'-0'"), 1);
}

static void last_function_is_never_the_array_s(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    VerifyColumn columns[] = {column_of(arena, "a", "timestamp", false),
                              column_of(arena, "b", "date", false)};

    for (int count = 0; count <= 2; count++) {
        VerifyTable table = {.columns = columns, .column_count = count};
        const char *sql = verify_hash_sql(arena, &table, 1);
        assert_ptr_equal(strstr(sql, "pg_catalog.hashint4extended(0, "), sql);
        assert_int_equal(times(sql, "hash_array_extended"), count > 0);
    }
}

static void chains_do_not_get_longer_than_a_segment(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    VerifyColumn *columns = arena_array(arena, 1600, sizeof *columns);

    for (int i = 0; i < 1600; i++)
        columns[i] = column_of(arena, arena_printf(arena, "c%d", i), "int4", true);
    VerifyTable table = {.columns = columns, .column_count = 1600};
    const char *sql = verify_hash_sql(arena, &table, 1);
    int depth = 0;
    int deepest = 0;
    for (const char *p = sql; *p; p++) {
        depth += (*p == '(') - (*p == ')');
        deepest = depth > deepest ? depth : deepest;
    }
    assert_int_equal(depth, 0);
    assert_true(deepest < 40);
    assert_int_equal(times(sql, " # "), 106);
    /* Equal columns in other segments do not cancel out: each has a seed of its own. */
    assert_int_equal(times(sql, "'1'::pg_catalog.int8"), 1);
}

static void text_is_hashed_as_utf_8_where_encodings_differ(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    VerifyColumn columns[] = {column_of(arena, "a", "text", true), column_of(arena, "b", "", true),
                              column_of(arena, "c", "enum", false)};
    VerifyTable table = {.columns = columns, .column_count = 3, .recode = true};
    const char *sql = verify_hash_sql(arena, &table, 1);

    assert_int_equal(times(sql, "textsend("), 3);
    assert_int_equal(times(sql, "hashtextextended"), 0);
    assert_string_equal(verify_range_type(&table, &columns[0]), "");
    table.recode = false;
    assert_string_equal(verify_range_type(&table, &columns[0]), "name");
}

static void labels_of_an_enum_are_numbers_where_both_sides_have_the_same(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    TableColumn here = {
        .name = "e", .type = "mood", .base = "enum", .enum_arms = "WHEN 'a' THEN 1"};
    TableColumn there = here;
    VerifyColumn column = {
        .of = {&here, &there},
          .sql = "t.e", .nullable = true
    };
    VerifyTable table = {.columns = &column, .column_count = 1, .recode = true};

    verify_column_cast(&column);
    assert_int_equal(
        times(verify_hash_sql(arena, &table, 1), "CASE t.e WHEN 'a' THEN 1 ELSE 0 END"), 1);
    there.enum_arms = "WHEN 'b' THEN 1";
    assert_int_equal(times(verify_hash_sql(arena, &table, 1), "textsend(t.e"), 1);
    table.recode = false;
    assert_int_equal(times(verify_hash_sql(arena, &table, 1), "hashtextextended(COALESCE(t.e"), 1);
    there.enum_arms = NULL;
    assert_int_equal(times(verify_hash_sql(arena, &table, 1), "hashtextextended(COALESCE(t.e"), 1);
}

static void keys_are_matched_by_type_and_text(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    VerifyColumn columns[] = {column_of(arena, "a", "int4", false),
                              column_of(arena, "b", "inet", false)};
    static const int key[] = {0, 1};
    static const char *const values[] = {"1", "it's"};
    VerifyTable table = {.columns = columns, .column_count = 2, .key = key, .key_count = 2};

    assert_string_equal(verify_key_match_sql(arena, &table, values),
                        "t.a::pg_catalog.\"int4\" = '1'::pg_catalog.\"int4\" AND "
                        "pg_catalog.concat(t.a) COLLATE \"C\" = '1' AND "
                        "pg_catalog.concat(t.b) COLLATE \"C\" = 'it''s'");
}

static void buckets_are_asked_for_by_number_and_by_range(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    VerifyColumn columns[] = {column_of(arena, "a", "int4", false)};
    static const int key[] = {0};
    VerifyTable table = {
        .columns = columns,
        .column_count = 1,
        .key = key,
        .key_count = 1,
        .kind = BUCKET_KEY,
        .bounds = "{10,20,30}",
        .bucket_count = 4,
    };
    static const struct {
        int buckets[2];
        int count;
        bool lower;
        bool upper;
    } cases[] = {
        {{0, 0}, 1, false, true },
        {{3, 0}, 1, true,  false},
        {{1, 2}, 2, true,  true },
        {{0, 3}, 2, false, false},
    };

    verify_bucket_sql(arena, &table);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *sql = verify_buckets_match_sql(arena, &table, cases[i].buckets, cases[i].count);
        assert_int_equal(times(sql, " >= ($1"), cases[i].lower);
        assert_int_equal(times(sql, " < ($1"), cases[i].upper);
        assert_int_equal(times(sql, " = ANY ("), 1);
    }
    static const int middle[] = {1, 2};
    assert_non_null(strstr(verify_buckets_match_sql(arena, &table, middle, 2),
                           ">= ($1::pg_catalog.int4[])[1]"));
    assert_non_null(
        strstr(verify_buckets_match_sql(arena, &table, middle, 2), "< ($1::pg_catalog.int4[])[3]"));
}

static void values_are_shown_short_and_on_one_line(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    static const struct {
        const char *value;
        size_t max;
        const char *shown;
    } cases[] = {
        {"plain",           10, "plain"              },
        {"a\nb\tc\x01\x7F", 10, "a\\nb\\tc\\x01\\x7f"},
        {"éééé",        4,  "éééé"           },
        {"ééééé",      4,  "éééé..."        },
        {"",                4,  ""                   },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_string_equal(verify_shown(arena, cases[i].value, cases[i].max), cases[i].shown);
}

static void names_are_quoted_only_where_they_must_be(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();

    assert_string_equal(verify_name(arena, "public", "orders_2"), "public.orders_2");
    assert_string_equal(verify_name(arena, "My schema", "a\"b"), "\"My schema\".\"a\"\"b\"");
    assert_string_equal(verify_name(arena, "public", "1st"), "public.\"1st\"");
    assert_string_equal(verify_name(arena, "public", ""), "public.\"\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_filled_in_and_casts_are_left_alone),
        cmocka_unit_test(types_that_differ_are_compared_by_their_text),
        cmocka_unit_test(every_column_and_every_null_is_hashed_once),
        cmocka_unit_test(last_function_is_never_the_array_s),
        cmocka_unit_test(chains_do_not_get_longer_than_a_segment),
        cmocka_unit_test(text_is_hashed_as_utf_8_where_encodings_differ),
        cmocka_unit_test(labels_of_an_enum_are_numbers_where_both_sides_have_the_same),
        cmocka_unit_test(keys_are_matched_by_type_and_text),
        cmocka_unit_test(buckets_are_asked_for_by_number_and_by_range),
        cmocka_unit_test(values_are_shown_short_and_on_one_line),
        cmocka_unit_test(names_are_quoted_only_where_they_must_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
