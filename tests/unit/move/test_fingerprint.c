/* What differs between two fingerprints, and that they survive being written down. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "move/fingerprint.h"

static Fingerprint before = {
    .lines = (FingerprintLine[]){{"column a.b", "1"}, {"index \"x\ny\\n\"", "2"}, {"table a", "3"}},
    .count = 3,
};

static void changes_are_named_by_kind_and_object(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    Fingerprint now = {
        .lines = (FingerprintLine[]){{"column a.b", "1"}, {"policy p", "9"}, {"table a", "4"}},
        .count = 3,
    };
    FingerprintChange *changes = NULL;
    int count = 0;

    fingerprint_compare(arena, &before, &now, &changes, &count);
    assert_int_equal(count, 3);
    assert_int_equal(changes[0].kind, '-');
    assert_string_equal(changes[0].object, "index \"x\ny\\n\"");
    assert_int_equal(changes[1].kind, '+');
    assert_string_equal(changes[1].object, "policy p");
    assert_int_equal(changes[2].kind, '~');
    assert_string_equal(changes[2].object, "table a");
    fingerprint_compare(arena, &before, &before, &changes, &count);
    assert_int_equal(count, 0);
}

static void text_is_read_back_with_any_name(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    Fingerprint again;
    Error err = ERROR_INIT;

    assert_true(fingerprint_parse(arena, fingerprint_text(arena, &before), &again, &err));
    assert_int_equal(again.count, before.count);
    for (int i = 0; i < again.count; i++) {
        assert_string_equal(again.lines[i].object, before.lines[i].object);
        assert_string_equal(again.lines[i].hash, before.lines[i].hash);
    }
}

static void damaged_text_is_refused_with_its_line(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    Fingerprint print;
    Error err = ERROR_INIT;

    assert_false(fingerprint_parse(arena, "1 a\nnoblank\n", &print, &err));
    assert_int_equal(err.code, ERR_FORMAT);
    assert_non_null(strstr(err.message, "line 2"));
    assert_false(fingerprint_parse(arena, "1 cut off", &print, &err));
    assert_true(fingerprint_parse(arena, "", &print, &err));
    assert_int_equal(print.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_are_named_by_kind_and_object),
        cmocka_unit_test(text_is_read_back_with_any_name),
        cmocka_unit_test(damaged_text_is_refused_with_its_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
