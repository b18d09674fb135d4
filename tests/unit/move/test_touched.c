#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "core/arena.h"
#include "move/touched.h"

static const char *const columns[] = {"id", "part"};

static void add(Touched *touched, const char *id, const char *part)
{
    const char *values[] = {id, part};
    TouchedKey key = {.values = values, .count = 2};

    touched_add(touched, "public", "orders", columns, &key);
}

static void the_same_key_twice_is_one_key(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    Touched *touched = touched_new();
    TouchedTable *tables = NULL;
    int count = 0;
    int whole = 0;

    add(touched, "1", "a");
    add(touched, "1", "a");
    add(touched, "1", "");
    add(touched, "", "1");
    assert_int_equal(touched_count(touched, &whole), 3);
    touched_take(touched, arena, &tables, &count);
    assert_int_equal(count, 1);
    assert_false(tables[0].whole);
    assert_string_equal(tables[0].schema, "public");
    assert_string_equal(tables[0].columns[1], "part");
    assert_int_equal(tables[0].key_count, 3);
    assert_string_equal(tables[0].keys[0].values[0], "1");
    assert_string_equal(tables[0].keys[0].values[1], "a");
    assert_int_equal(touched_count(touched, &whole), 0);
    touched_put_back(touched, tables, count);
    add(touched, "1", "a");
    assert_int_equal(touched_count(touched, &whole), 3);
    assert_int_equal(whole, 0);
    touched_free(touched);
}

static void what_is_declared_is_whole_until_it_is_taken(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    Touched *touched = touched_new();
    TouchedTable *tables = NULL;
    int count = 0;
    int whole = 0;

    touched_declare(touched, "public", "orders");
    add(touched, "1", "a");
    assert_int_equal(touched_count(touched, &whole), 0);
    assert_int_equal(whole, 1);
    touched_take(touched, arena, &tables, &count);
    assert_true(count == 1 && tables[0].whole && tables[0].key_count == 0);
    add(touched, "1", "a");
    assert_int_equal(touched_count(touched, &whole), 1);
    touched_put_back(touched, tables, count);
    assert_int_equal(touched_count(touched, &whole), 0);
    assert_int_equal(whole, 1);
    touched_free(touched);
}

static void too_many_keys_are_the_whole_table(void **state)
{
    (void)state;
    Touched *touched = touched_new();
    char id[16];
    int whole = 0;

    for (int i = 0; i < 200000; i++) {
        (void)snprintf(id, sizeof id, "%d", i);
        add(touched, id, "x");
    }
    assert_int_equal(touched_count(touched, &whole), 0);
    assert_int_equal(whole, 1);
    touched_free(touched);
}

static void another_key_than_before_is_the_whole_table(void **state)
{
    (void)state;
    Touched *touched = touched_new();
    const char *values[] = {"1"};
    TouchedKey key = {.values = values, .count = 1};
    int whole = 0;

    add(touched, "1", "a");
    touched_add(touched, "public", "orders", columns, &key);
    assert_int_equal(touched_count(touched, &whole), 0);
    assert_int_equal(whole, 1);
    touched_free(touched);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_key_twice_is_one_key),
        cmocka_unit_test(what_is_declared_is_whole_until_it_is_taken),
        cmocka_unit_test(too_many_keys_are_the_whole_table),
        cmocka_unit_test(another_key_than_before_is_the_whole_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
