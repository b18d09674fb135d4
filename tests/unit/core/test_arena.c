#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdalign.h>
#include <string.h>

#include "tests/unit/folder.h"

#if defined(__SANITIZE_ADDRESS__)
#define UNDER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNDER_ASAN 1
#endif
#endif
#ifndef UNDER_ASAN
#define UNDER_ASAN 0
#endif
#if UNDER_ASAN
#include <sanitizer/asan_interface.h>
#endif

static bool holds_only(const unsigned char *bytes, unsigned char value, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (bytes[i] != value)
            return false;
    return true;
}

static void allocations_are_zeroed_aligned_and_apart(void **state)
{
    (void)state;
    enum {
        COUNT = 700
    };
    auto_arena Arena *arena = arena_new();
    unsigned char *parts[COUNT];

    /* All sizes around the ones of chunks, and some that are larger than one. */
    for (size_t i = 0; i < COUNT; i++) {
        size_t size = i % 7 == 6 ? 4000 + i * 3 : i;
        parts[i] = arena_alloc(arena, size);
        assert_int_equal((uintptr_t)parts[i] % alignof(max_align_t), 0);
        assert_true(holds_only(parts[i], 0, size));
        memset(parts[i], (int)(i % 255 + 1), size);
    }
    for (size_t i = 0; i < COUNT; i++)
        assert_true(
            holds_only(parts[i], (unsigned char)(i % 255 + 1), i % 7 == 6 ? 4000 + i * 3 : i));
}

static void nothing_is_written_behind_an_allocation_unseen(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    char *first = arena_alloc(arena, 20);
    char *large = arena_alloc(arena, 100000);
    char *second = arena_alloc(arena, 20);

#if UNDER_ASAN
    assert_true(__asan_address_is_poisoned(first + 20));
    assert_true(__asan_address_is_poisoned(large + 100000));
    assert_true(__asan_address_is_poisoned(second + 20));
#else
    /* A large one has a chunk of its own and leaves the current one in use. */
    assert_ptr_equal(second, first + 32);
    assert_true(large + 100000 <= first || large >= second + 20);
#endif
}

static void reset_gives_all_back_and_the_arena_can_be_used_again(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();

    for (int round = 0; round < 50; round++) {
        arena_reset(arena);
        for (int i = 0; i < 20; i++) {
            unsigned char *part = arena_alloc(arena, 1000);
            assert_true(holds_only(part, 0, 1000)); /* also where it was used before */
            memset(part, 'x', 1000);
        }
    }
    arena_reset(arena);
    arena_reset(arena);
}

static void free_accepts_nothing(void **state)
{
    (void)state;
    Arena *none = NULL;

    arena_free(NULL);
    arena_cleanup(&none);
}

static void copies_are_whole_and_terminated(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    static char long_text[70000];

    memset(long_text, 'y', sizeof long_text - 1);
    assert_string_equal(arena_strdup(arena, ""), "");
    assert_string_equal(arena_strdup(arena, long_text), long_text);
    assert_string_equal(arena_strndup(arena, "homeport", 4), "home");
    assert_memory_equal(arena_strndup(arena, "a\0b", 3), "a\0b", 4);
    assert_string_equal(arena_printf(arena, "%s-%d", "x", 7), "x-7");
    assert_string_equal(arena_printf(arena, "%s", long_text), long_text);
}

typedef struct Request {
    size_t count;
    size_t size;
} Request;

static int allocate(void *context)
{
    const Request *request = context;
    Arena *arena = arena_new();
    const char *part = request->count ? arena_array(arena, request->count, request->size)
                                      : arena_alloc(arena, request->size);

    return part[0]; /* not reached */
}

static void sizes_that_cannot_be_had_abort(void **state)
{
    (void)state;
    static const Request requests[] = {
        {0,                SIZE_MAX        },
        {0,                SIZE_MAX / 2 + 1},
        {SIZE_MAX,         2               },
        {SIZE_MAX / 3 + 1, 3               },
        {SIZE_MAX,         SIZE_MAX        },
    };

    for (size_t i = 0; i < COUNT_OF(requests); i++) {
        auto_arena Arena *arena = arena_new();
        Request request = requests[i];
        char *errors = NULL;

        assert_int_equal(in_child(arena, allocate, &request, &errors), 128 + SIGABRT);
        assert_non_null(strstr(errors, "out of memory"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocations_are_zeroed_aligned_and_apart),
        cmocka_unit_test(nothing_is_written_behind_an_allocation_unseen),
        cmocka_unit_test(reset_gives_all_back_and_the_arena_can_be_used_again),
        cmocka_unit_test(free_accepts_nothing),
        cmocka_unit_test(copies_are_whole_and_terminated),
        cmocka_unit_test(sizes_that_cannot_be_had_abort),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
