#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/text.h"

static void a_text_that_was_not_begun_is_empty(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    Text text = text_init(arena, 10);

    assert_string_equal(text_str(&text), "");
    text_clear(&text);
    text_add(&text, "");
    assert_string_equal(text_str(&text), "");
    assert_false(text.overflowed);
}

static void text_grows_up_to_its_limit(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    Text text = text_init(arena, 1000);

    for (int i = 0; i < 250; i++)
        text_addf(&text, "%03d,", i);
    assert_false(text.overflowed);
    assert_int_equal(text.len, 1000);
    assert_int_equal(strlen(text_str(&text)), 1000);
    assert_memory_equal(text_str(&text), "000,001,", 8);
    assert_string_equal(text_str(&text) + 992, "248,249,");
}

static void add_as_text(Text *text, const char *what)
{
    text_add(text, what);
}

static void add_as_bytes(Text *text, const char *what)
{
    text_add_n(text, what, strlen(what));
}

static void add_as_chars(Text *text, const char *what)
{
    for (; *what; what++)
        text_add_char(text, *what);
}

static void add_formatted(Text *text, const char *what)
{
    text_addf(text, "%s", what);
}

static void passing_the_limit_keeps_the_text_and_sets_the_flag(void **state)
{
    (void)state;
    static void (*const ways[])(Text *, const char *) = {add_as_text, add_as_bytes, add_formatted};

    for (size_t i = 0; i < COUNT_OF(ways); i++) {
        auto_arena Arena *arena = arena_new();
        Text text = text_init(arena, 8);

        ways[i](&text, "12345678"); /* exactly */
        assert_false(text.overflowed);
        ways[i](&text, "9");
        assert_true(text.overflowed);
        assert_string_equal(text_str(&text), "12345678");

        /* From then on nothing is added, or a hole would be in the middle. */
        text_clear(&text);
        assert_false(text.overflowed);
        ways[i](&text, "1234");
        ways[i](&text, "56789");
        ways[i](&text, "x");
        assert_true(text.overflowed);
        assert_string_equal(text_str(&text), "1234");
    }
}

static void characters_are_kept_up_to_the_limit(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    Text text = text_init(arena, 3);

    add_as_chars(&text, "abcdef");
    assert_true(text.overflowed);
    assert_string_equal(text_str(&text), "abc");
}

static void bytes_may_be_zero(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    Text text = text_init(arena, 10);

    text_add_n(&text, "a\0b", 3);
    text_add(&text, "c");
    assert_int_equal(text.len, 4);
    assert_memory_equal(text_str(&text), "a\0bc", 5);
}

static void bytes_are_said_in_powers_of_1000(void **state)
{
    (void)state;
    static const struct {
        uint64_t bytes;
        const char *text;
    } cases[] = {
        {0,                "0 B"     },
        {1,                "1 B"     },
        {999,              "999 B"   },
        {1000,             "1 kB"    },
        {1499,             "1 kB"    },
        {1500,             "2 kB"    },
        {312000,           "312 kB"  },
        {999499,           "999 kB"  },
        {999500,           "1.0 MB"  }, /* not 1000 kB */
        {1500000,          "1.5 MB"  },
        {99949999,         "99.9 MB" },
        {99950000,         "100 MB"  }, /* not 100.0 MB */
        {999499999,        "999 MB"  },
        {999500000,        "1.0 GB"  },
        {1500000000,       "1.5 GB"  },
        {2000000000000,    "2.0 TB"  },
        {3000000000000000, "3.0 PB"  },
        {UINT64_MAX,       "18447 PB"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        auto_arena Arena *arena = arena_new();
        assert_string_equal(text_bytes(arena, cases[i].bytes), cases[i].text);
    }
}

static void durations_are_said_in_two_units_at_most(void **state)
{
    (void)state;
    static const struct {
        double seconds;
        const char *text;
    } cases[] = {
        {0,       "0 ms"        },
        {0.0004,  "0 ms"        },
        {0.085,   "85 ms"       },
        {0.9994,  "999 ms"      },
        {0.9996,  "1.0 s"       }, /* not 1000 ms */
        {4.1,     "4.1 s"       },
        {59.94,   "59.9 s"      },
        {59.96,   "1 min 00 s"  }, /* not 60.0 s */
        {192,     "3 min 12 s"  },
        {3599.4,  "59 min 59 s" },
        {3599.6,  "1 h 00 min"  }, /* not 60 min */
        {3720,    "1 h 02 min"  },
        {7199,    "1 h 59 min"  },
        {86400,   "24 h 00 min" },
        {1000000, "277 h 46 min"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        auto_arena Arena *arena = arena_new();
        assert_string_equal(text_duration(arena, cases[i].seconds), cases[i].text);
    }
}

static void counts_have_a_comma_at_each_thousand(void **state)
{
    (void)state;
    static const struct {
        int64_t count;
        const char *text;
    } cases[] = {
        {0,         "0"                         },
        {7,         "7"                         },
        {999,       "999"                       },
        {1000,      "1,000"                     },
        {99999,     "99,999"                    },
        {100000,    "100,000"                   },
        {1234567,   "1,234,567"                 },
        {-1,        "-1"                        },
        {-999,      "-999"                      },
        {-1000,     "-1,000"                    },
        {-123456,   "-123,456"                  },
        {INT64_MAX, "9,223,372,036,854,775,807" },
        {INT64_MIN, "-9,223,372,036,854,775,808"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        auto_arena Arena *arena = arena_new();
        assert_string_equal(text_count(arena, cases[i].count), cases[i].text);
    }
}

static void distance_is_the_number_of_edits_either_way(void **state)
{
    (void)state;
    static const struct {
        const char *a;
        const char *b;
        size_t edits;
    } cases[] = {
        {"",        "",        0},
        {"",        "abc",     3},
        {"same",    "same",    0},
        {"sorce",   "source",  1}, /* one missing */
        {"target",  "tarrget", 1}, /* one too many */
        {"jobs",    "jibs",    1}, /* another one */
        {"shcema",  "schema",  2}, /* two swapped */
        {"kitten",  "sitting", 3},
        {"a",       "b",       1},
        {"flaw",    "lawn",    2},
        {"verify",  "",        6},
        {"caf\xC3", "cafe",    1},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(text_distance(cases[i].a, cases[i].b), cases[i].edits);
        assert_int_equal(text_distance(cases[i].b, cases[i].a), cases[i].edits);
    }
}

static void distance_of_long_texts_is_of_their_beginnings(void **state)
{
    (void)state;
    char a[501];
    char b[501];

    memset(a, 'a', 500);
    memset(b, 'b', 500);
    a[500] = b[500] = '\0';
    assert_int_equal(text_distance(a, b), 64);
    assert_int_equal(text_distance(a, a), 0);
    assert_int_equal(text_distance(a, ""), 64);
}

static void what_is_not_utf8_can_be_read(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    static const char good[] = "caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80";

    assert_ptr_equal(text_readable(arena, good), good);
    assert_string_equal(text_readable(arena, "\x81\xE9 caf\xC3\xA9 \xC3"),
                        "\\x81\\xe9 caf\xC3\xA9 \\xc3");
    assert_string_equal(text_readable(arena, "\xFF\xFF\xFF"), "\\xff\\xff\\xff");
    assert_string_equal(text_readable(arena, ""), "");
    assert_null(text_readable(arena, NULL));
}

static void one_word_of_a_shell_is_what_it_was_made_of(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    static const struct {
        const char *text;
        const char *word;
    } cases[] = {
        {"public.t",      "public.t"       },
        {"/srv/a-b_c",    "/srv/a-b_c"     },
        {"",              "''"             },
        {"two words",     "'two words'"    },
        {"\"Odd\" $HOME", "'\"Odd\" $HOME'"},
        {"it's",          "'it'\\''s'"     },
        {"''",            "''\\'''\\'''"   },
        {"caf\xC3\xA9",   "'caf\xC3\xA9'"  },
        {"a;b",           "'a;b'"          },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_string_equal(text_shell_word(arena, cases[i].text), cases[i].word);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_that_was_not_begun_is_empty),
        cmocka_unit_test(text_grows_up_to_its_limit),
        cmocka_unit_test(passing_the_limit_keeps_the_text_and_sets_the_flag),
        cmocka_unit_test(characters_are_kept_up_to_the_limit),
        cmocka_unit_test(bytes_may_be_zero),
        cmocka_unit_test(bytes_are_said_in_powers_of_1000),
        cmocka_unit_test(durations_are_said_in_two_units_at_most),
        cmocka_unit_test(counts_have_a_comma_at_each_thousand),
        cmocka_unit_test(distance_is_the_number_of_edits_either_way),
        cmocka_unit_test(what_is_not_utf8_can_be_read),
        cmocka_unit_test(one_word_of_a_shell_is_what_it_was_made_of),
        cmocka_unit_test(distance_of_long_texts_is_of_their_beginnings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
