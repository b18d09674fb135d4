#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "move/apply_sql.h"

enum {
    ID,
    SERIAL,
    NOTE,
    COLUMNS
};

static Binding binding_of(BoundColumn *columns, int *key, const char **key_names)
{
    columns[ID] = (BoundColumn){.name = "id",
                                .quoted = "\"id\"",
                                .type = "integer",
                                .key = true,
                                .equals = "OPERATOR(pg_catalog.=)"};
    columns[SERIAL] = (BoundColumn){.name = "serial", .quoted = "\"serial\"", .type = "bigint"};
    columns[NOTE] = (BoundColumn){.name = "note", .quoted = "\"note\"", .type = "text"};
    key[0] = ID;
    key_names[0] = "id";
    return (Binding){.id = 7,
                     .schema = "public",
                     .name = "t",
                     .from = "ONLY \"public\".\"t\"",
                     .into = "\"public\".\"t\"",
                     .way = APPLY_BY_KEY,
                     .columns = columns,
                     .column_count = COLUMNS,
                     .key = key,
                     .key_count = 1,
                     .key_names = key_names};
}

static void check(const RowStatement *statement, const char *sql, const char *params)
{
    char found[64] = {0};

    assert_string_equal(statement->sql, sql);
    for (int i = 0; i < statement->param_count; i++) {
        found[2 * i] = statement->params[i].old ? 'o' : 'n';
        found[2 * i + 1] = (char)('0' + statement->params[i].column);
    }
    assert_string_equal(found, params);
}

static void statements_by_key_use_the_indexs_operator(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    BoundColumn columns[COLUMNS];
    int key[1];
    const char *names[1];
    Binding binding = binding_of(columns, key, names);
    const bool known[] = {true, true, false};

    RowStatement made = row_statement(arena, &binding, ROW_INSERT, NULL);
    check(&made,
          "INSERT INTO \"public\".\"t\" (\"id\", \"serial\", \"note\") OVERRIDING SYSTEM VALUE "
          "VALUES ($1::integer, $2::bigint, $3::text)",
          "n0n1n2");
    made = row_statement(arena, &binding, ROW_UPDATE, known);
    check(&made,
          "UPDATE ONLY \"public\".\"t\" AS t SET \"serial\" = $1::bigint WHERE t.\"id\" "
          "OPERATOR(pg_catalog.=) $2::integer",
          "n1n0");
    made = row_statement(arena, &binding, ROW_MOVE, known);
    check(
        &made,
        "UPDATE ONLY \"public\".\"t\" AS t SET \"id\" = $1::integer, \"serial\" = $2::bigint WHERE "
        "t.\"id\" OPERATOR(pg_catalog.=) $3::integer",
        "n0n1o0");
    made = row_statement(arena, &binding, ROW_DELETE, NULL);
    check(
        &made,
        "DELETE FROM ONLY \"public\".\"t\" AS t WHERE t.\"id\" OPERATOR(pg_catalog.=) $1::integer",
        "o0");
}

static void rule_17_rows_without_a_key_are_compared_by_text_and_only_one_is_taken(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    BoundColumn columns[COLUMNS];
    int key[COLUMNS] = {ID, SERIAL, NOTE};
    const char *names[COLUMNS];
    Binding binding = binding_of(columns, key, names);

    columns[ID].equals = NULL;
    key[1] = SERIAL;
    binding.key_count = 2;
    binding.way = APPLY_BY_ROW;
    binding.whole_old = true;
    RowStatement made = row_statement(arena, &binding, ROW_DELETE, NULL);
    check(&made,
          "DELETE FROM ONLY \"public\".\"t\" AS t WHERE t.ctid = (SELECT t.ctid FROM ONLY "
          "\"public\".\"t\" AS t WHERE (t.\"id\")::text COLLATE pg_catalog.\"C\" IS NOT DISTINCT "
          "FROM "
          "($1::integer)::text COLLATE pg_catalog.\"C\" AND (t.\"serial\")::text COLLATE "
          "pg_catalog.\"C\" IS NOT DISTINCT FROM ($2::bigint)::text COLLATE pg_catalog.\"C\" LIMIT "
          "1)",
          "o0o1");
}

static void rule_19_what_update_cannot_set_is_deleted_and_inserted(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    BoundColumn columns[COLUMNS];
    int key[1];
    const char *names[1];
    Binding binding = binding_of(columns, key, names);
    RowChange moved = {.op = 'U', .key_changed = true};
    RowChange stays = {.op = 'U'};
    const bool known[] = {true, true, false};

    assert_int_equal(row_verb(&binding, &moved, false), ROW_MOVE);
    assert_int_equal(row_verb(&binding, &moved, true), ROW_CASCADED);
    columns[ID].always = true;
    binding.key_always = true;
    assert_int_equal(row_verb(&binding, &moved, false), ROW_REPLACE);
    assert_int_equal(row_verb(&binding, &stays, false), ROW_UPDATE);
    RowStatement made = row_statement(arena, &binding, ROW_REPLACE, known);
    check(&made,
          "WITH gone AS (DELETE FROM ONLY \"public\".\"t\" AS t WHERE t.\"id\" "
          "OPERATOR(pg_catalog.=) $1::integer RETURNING t.*) INSERT INTO \"public\".\"t\" (\"id\", "
          "\"serial\", \"note\") OVERRIDING SYSTEM VALUE SELECT $2::integer, $3::bigint, "
          "gone.\"note\" FROM gone",
          "o0n0n1");
    binding.replace = true;
    assert_int_equal(row_verb(&binding, &stays, false), ROW_REPLACE);
}

/* A table may have none, or none but what the side generates. */
static void a_row_without_columns_has_its_defaults(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    BoundColumn columns[COLUMNS];
    int key[1];
    const char *names[1];
    Binding binding = binding_of(columns, key, names);

    binding.column_count = 0;
    binding.way = APPLY_APPEND;
    RowStatement made = row_statement(arena, &binding, ROW_INSERT, NULL);
    check(&made, "INSERT INTO \"public\".\"t\" DEFAULT VALUES", "");
}

static void rule_18_an_update_that_sets_nothing_still_finds_its_row(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    BoundColumn columns[COLUMNS];
    int key[1];
    const char *names[1];
    Binding binding = binding_of(columns, key, names);
    const bool known[] = {true, false, false};

    RowStatement made = row_statement(arena, &binding, ROW_UPDATE, known);
    check(&made,
          "UPDATE ONLY \"public\".\"t\" AS t SET \"id\" = t.\"id\" WHERE t.\"id\" "
          "OPERATOR(pg_catalog.=) $1::integer",
          "n0");
    columns[ID].always = true;
    made = row_statement(arena, &binding, ROW_UPDATE, known);
    check(&made,
          "UPDATE ONLY \"public\".\"t\" AS t SET \"serial\" = t.\"serial\" WHERE t.\"id\" "
          "OPERATOR(pg_catalog.=) $1::integer",
          "n0");
    /* Where all of it is GENERATED ALWAYS there is no such statement. */
    columns[SERIAL].always = columns[NOTE].always = true;
    made = row_statement(arena, &binding, ROW_UPDATE, known);
    assert_null(made.sql);
    assert_int_equal(made.param_count, 0);
}

static void a_key_in_a_message_is_cut_and_a_row_without_one_is_not_shown(void **state)
{
    (void)state;
    BoundColumn columns[COLUMNS];
    int key[1];
    const char *names[1];
    Binding binding = binding_of(columns, key, names);
    char long_value[500];
    char buf[60];
    PgValue row[COLUMNS] = {
        {.kind = PG_VALUE_TEXT, .data = "42xyz", .len = 2}
    };

    key_text(&binding, row, buf, sizeof buf);
    assert_string_equal(buf, "(id)=(42)");
    memset(long_value, 'x', sizeof long_value);
    row[0] = (PgValue){.kind = PG_VALUE_TEXT, .data = long_value, .len = sizeof long_value};
    key_text(&binding, row, buf, sizeof buf);
    assert_true(strlen(buf) < sizeof buf);
    binding.way = APPLY_BY_ROW;
    binding.whole_old = true;
    key_text(&binding, row, buf, sizeof buf);
    assert_null(strstr(buf, "xxx"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statements_by_key_use_the_indexs_operator),
        cmocka_unit_test(rule_17_rows_without_a_key_are_compared_by_text_and_only_one_is_taken),
        cmocka_unit_test(rule_19_what_update_cannot_set_is_deleted_and_inserted),
        cmocka_unit_test(a_row_without_columns_has_its_defaults),
        cmocka_unit_test(rule_18_an_update_that_sets_nothing_still_finds_its_row),
        cmocka_unit_test(a_key_in_a_message_is_cut_and_a_row_without_one_is_not_shown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
