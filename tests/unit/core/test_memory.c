#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "tests/unit/folder.h"

static bool
    exhausted; /* for one call: what writes the counts of lines at the end needs memory too */

static bool take(void)
{
    bool was = exhausted;

    exhausted = false;
    return was;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_reallocarray(void *ptr, size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_reallocarray(void *ptr, size_t count, size_t size);

void *__wrap_malloc(size_t size)
{
    return take() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return take() ? NULL : __real_calloc(count, size);
}

void *__wrap_reallocarray(void *ptr, size_t count, size_t size)
{
    return take() ? NULL : __real_reallocarray(ptr, count, size);
}

static void nothing_can_be_had_and_freed(void **state)
{
    (void)state;
    void *all[] = {memory_new(0), memory_zeroed(0, 8), memory_zeroed(8, 0),
                   memory_resized(NULL, 0, 8)};

    for (size_t i = 0; i < COUNT_OF(all); i++) {
        assert_non_null(all[i]);
        free(all[i]);
    }
}

static void what_is_had_is_zeroed_kept_and_copied(void **state)
{
    (void)state;
    int *items = memory_zeroed(100, sizeof *items);

    for (int i = 0; i < 100; i++)
        assert_int_equal(items[i], 0);
    items[99] = 7;
    items = memory_resized(items, 100000, sizeof *items);
    assert_int_equal(items[99], 7);
    free(items);
    char *copy = memory_copy("homeport");
    assert_string_equal(copy, "homeport");
    free(copy);
}

static int exhaust(void *context)
{
    exhausted = true;
    switch (*(const int *)context) {
    case 0:
        return memory_new(12) == NULL;
    case 1:
        return memory_zeroed(3, 4) == NULL;
    case 2:
        return memory_resized(NULL, 3, 4) == NULL;
    default:
        return memory_copy("homeport 12") == NULL;
    }
}

static void without_memory_the_program_ends_and_says_so(void **state)
{
    (void)state;

    for (int i = 0; i < 4; i++) {
        auto_arena Arena *arena = arena_new();
        char *errors = NULL;

        assert_int_equal(in_child(arena, exhaust, &i, &errors), 128 + SIGABRT);
        assert_non_null(strstr(errors, "homeport: out of memory (12 bytes)"));
    }
}

static int go_without(void *context)
{
    must(true, "memory");
    must(*(const bool *)context, "random bytes");
    return 5;
}

static void what_must_work_ends_the_program_where_it_has_not(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    bool worked = true;
    char *errors = NULL;

    assert_int_equal(in_child(arena, go_without, &worked, &errors), 5);
    worked = false;
    assert_int_equal(in_child(arena, go_without, &worked, &errors), 128 + SIGABRT);
    assert_non_null(strstr(errors, "homeport: the system gives no random bytes"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_can_be_had_and_freed),
        cmocka_unit_test(what_is_had_is_zeroed_kept_and_copied),
        cmocka_unit_test(without_memory_the_program_ends_and_says_so),
        cmocka_unit_test(what_must_work_ends_the_program_where_it_has_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
