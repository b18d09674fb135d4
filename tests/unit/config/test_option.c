#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "config/option.h"

typedef struct Fields {
    bool flag;
    int number;
    uint64_t size;
    int choice;
    const char *text;
    const OptionPair *pairs;
    int pair_count;
} Fields;

static const char *const choices[] = {"dump", "drizzle", "existing", NULL};

static const Option flag = {.name = "flag", .type = OPTION_FLAG, .offset = offsetof(Fields, flag)};
static const Option number = {
    .name = "number", .type = OPTION_INT, .offset = offsetof(Fields, number), .min = -2, .max = 64};
static const Option size = {.name = "size",
                            .type = OPTION_SIZE,
                            .offset = offsetof(Fields, size),
                            .min = 1,
                            .max = 2000000000};
static const Option choice = {.name = "choice",
                              .type = OPTION_CHOICE,
                              .offset = offsetof(Fields, choice),
                              .choices = choices};
static const Option text = {
    .name = "text", .type = OPTION_TEXT, .offset = offsetof(Fields, text), .max = 8};
static const Option url = {.name = "url", .type = OPTION_URL, .offset = offsetof(Fields, text)};
static const Option pairs = {.name = "pairs",
                             .type = OPTION_PAIRS,
                             .offset = offsetof(Fields, pairs),
                             .count_offset = offsetof(Fields, pair_count),
                             .argument = "OLD=NEW"};

static void flags_are_words_for_yes_and_no(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok;
        bool value;
    } cases[] = {
        {"yes",   true,  true },
        {"no",    true,  false},
        {"True",  true,  true },
        {"FALSE", true,  false},
        {"on",    true,  true },
        {"off",   true,  false},
        {"1",     true,  true },
        {"0",     true,  false},
        {"",      false, false},
        {"2",     false, false},
        {"yes ",  false, false},
        {"y",     false, false},
        {"ja",    false, false},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        auto_arena Arena *arena = arena_new();
        Fields fields = {.flag = !cases[i].value};
        Error err = ERROR_INIT;

        assert_int_equal(option_set(arena, &flag, "--flag", cases[i].text, &fields, &err),
                         cases[i].ok);
        assert_int_equal(fields.flag, cases[i].ok ? cases[i].value : !cases[i].value);
        assert_int_equal(err.code, cases[i].ok ? ERR_NONE : ERR_USAGE);
        assert_int_equal(*err.hint != '\0', !cases[i].ok);
    }
}

static void numbers_keep_their_limits(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok;
        int value;
    } cases[] = {
        {"-2",                   true,  -2},
        {"0",                    true,  0 },
        {"64",                   true,  64},
        {"064",                  true,  64},
        {"-3",                   false, 0 },
        {"65",                   false, 0 },
        {"",                     false, 0 },
        {"2x",                   false, 0 },
        {" 2",                   false, 0 },
        {"+2",                   false, 0 },
        {"0x2",                  false, 0 },
        {"1.5",                  false, 0 },
        {"-",                    false, 0 },
        {"\t2",                  false, 0 },
        {"2 ",                   false, 0 },
        {"99999999999999999999", false, 0 },
        {"4294967297",           false, 0 },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        auto_arena Arena *arena = arena_new();
        Fields fields = {.number = 7};
        Error err = ERROR_INIT;

        assert_int_equal(option_set(arena, &number, "--number", cases[i].text, &fields, &err),
                         cases[i].ok);
        assert_int_equal(fields.number, cases[i].ok ? cases[i].value : 7);
        assert_int_equal(err.code, cases[i].ok ? ERR_NONE : ERR_USAGE);
        assert_int_equal(*err.hint != '\0', !cases[i].ok);
    }
}

static void sizes_take_units_of_1000_and_of_1024(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok;
        uint64_t value;
    } cases[] = {
        {"4096",                   true,  4096      },
        {"1B",                     true,  1         },
        {"200MB",                  true,  200000000 },
        {"200 MB",                 true,  200000000 },
        {"200mb",                  true,  200000000 },
        {"1GiB",                   true,  1073741824},
        {"1KiB",                   true,  1024      },
        {"1kB",                    true,  1000      },
        {"1.5GB",                  true,  1500000000},
        {"0.125kB",                true,  125       },
        {"2GB",                    true,  2000000000},
        {"0",                      false, 0         },
        {"2.001GB",                false, 0         },
        {"3GB",                    false, 0         },
        {"1.0001GB",               false, 0         },
        {"1.GB",                   false, 0         },
        {".5GB",                   false, 0         },
        {"1.2.3GB",                false, 0         },
        {"-1",                     false, 0         },
        {"",                       false, 0         },
        {"MB",                     false, 0         },
        {"1MBx",                   false, 0         },
        {"1  MB",                  false, 0         },
        {"200M",                   false, 0         },
        {"18446744073709551616",   false, 0         },
        {"18446744073709551615TB", false, 0         },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        auto_arena Arena *arena = arena_new();
        Fields fields = {.size = 7};
        Error err = ERROR_INIT;

        assert_int_equal(option_set(arena, &size, "--size", cases[i].text, &fields, &err),
                         cases[i].ok);
        assert_int_equal(fields.size, cases[i].ok ? cases[i].value : 7);
        assert_int_equal(err.code, cases[i].ok ? ERR_NONE : ERR_USAGE);
        assert_int_equal(*err.hint != '\0', !cases[i].ok);
    }
}

static void choice_misspelt_names_the_nearest(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    Fields fields = {.choice = 1};
    Error err = ERROR_INIT;

    assert_true(option_set(arena, &choice, "--choice", "existing", &fields, &err));
    assert_int_equal(fields.choice, 2);
    assert_false(option_set(arena, &choice, "--choice", "drizle", &fields, &err));
    assert_int_equal(fields.choice, 2);
    assert_string_equal(err.message, "--choice: \"drizle\" is not a choice");
    assert_string_equal(err.hint, "Did you mean \"drizzle\"? It can be dump, drizzle or existing.");
    assert_false(option_set(arena, &choice, "--choice", "Dump", &fields, &err));
    assert_false(option_set(arena, &choice, "--choice", "else", &fields, &err));
    assert_string_equal(err.hint, "It can be dump, drizzle or existing.");
}

static void texts_are_neither_empty_nor_long_nor_broken_over_lines(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok;
    } cases[] = {
        {"12345678",  true },
        {"\xc3\xa9",  true },
        {"123456789", false},
        {"",          false},
        {"a\nb",      false},
        {"a\x7f",     false},
        {"\x1b[31m",  false}
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        auto_arena Arena *arena = arena_new();
        Fields fields = {.text = "before"};
        Error err = ERROR_INIT;

        assert_int_equal(option_set(arena, &text, "--text", cases[i].text, &fields, &err),
                         cases[i].ok);
        assert_string_equal(fields.text, cases[i].ok ? cases[i].text : "before");
        assert_int_equal(err.code, cases[i].ok ? ERR_NONE : ERR_USAGE);
    }
}

static void pairs_add_up_and_are_taken_whole_or_not_at_all(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    Fields fields = {0};
    Error err = ERROR_INIT;

    assert_true(option_set(arena, &pairs, "--pairs", "a=b", &fields, &err));
    assert_true(option_set(arena, &pairs, "--pairs", "c=d,e=f=g", &fields, &err));
    assert_int_equal(fields.pair_count, 3);
    assert_string_equal(fields.pairs[2].from, "e");
    assert_string_equal(fields.pairs[2].to, "f=g");
    assert_string_equal(option_format(arena, &pairs, &fields), "a=b,c=d,e=f=g");

    static const char *const bad[] = {"h=i,j", "h=i,=k", "h=i,j=", "h=i,a=x", "h=i,",
                                      ",",     "",       "=",      "h=i,h=j"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_false(option_set(arena, &pairs, "--pairs", bad[i], &fields, &err));
        assert_int_equal(err.code, ERR_USAGE);
        assert_string_not_equal(err.hint, "");
        assert_int_equal(fields.pair_count, 3);
    }
}

static void values_are_formatted_as_they_are_read(void **state)
{
    (void)state;
    static const struct {
        const Option *option;
        const char *text;
        const char *formatted;
    } cases[] = {
        {&flag,   "on",      "yes"   },
        {&number, "-2",      "-2"    },
        {&size,   "1536",    "1536"  },
        {&size,   "1000000", "1MB"   },
        {&size,   "1048576", "1MiB"  },
        {&size,   "1.5GB",   "1500MB"},
        {&choice, "dump",    "dump"  },
        {&text,   "a b",     "a b"   },
        {&pairs,  "a=b",     "a=b"   },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        auto_arena Arena *arena = arena_new();
        Fields fields = {0};
        Fields again = {0};
        Error err = ERROR_INIT;
        const Option *option = cases[i].option;

        assert_true(option_set(arena, option, "x", cases[i].text, &fields, &err));
        const char *formatted = option_format(arena, option, &fields);
        assert_string_equal(formatted, cases[i].formatted);
        assert_true(option_set(arena, option, "x", formatted, &again, &err));
        assert_string_equal(option_format(arena, option, &again), formatted);
    }
}

static void errors_never_show_what_may_be_a_password(void **state)
{
    (void)state;
    static const char *const secrets[] = {
        "postgresql://app:s3cret@db/x",
        "host=db password=s3cret",
        "app:s3cret@db",
        "host=db PASSWORD = s3cret",
    };
    auto_arena Arena *arena = arena_new();

    for (size_t i = 0; i < COUNT_OF(secrets); i++) {
        const Option *options[] = {&flag, &number, &size, &choice, &text};
        for (size_t j = 0; j < COUNT_OF(options); j++) {
            Fields fields = {0};
            Error err = ERROR_INIT;
            assert_false(option_set(arena, options[j], "--x", secrets[i], &fields, &err));
            assert_null(strstr(err.message, "s3cret"));
            assert_null(strstr(err.hint, "s3cret"));
        }
        Fields fields = {0};
        Error err = ERROR_INIT;
        const char *broken = arena_printf(arena, "%s\n", secrets[i]);
        assert_false(option_set(arena, &url, "--url", broken, &fields, &err));
        assert_null(strstr(err.message, "s3cret"));
    }
}

static void quoted_text_is_short_and_harmless_on_a_terminal(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    char text_of_100[101];

    memset(text_of_100, 'x', 100);
    text_of_100[100] = '\0';
    assert_string_equal(text_quoted(arena, "a\x1b[1m\n"), "\"a?[1m?\"");
    assert_int_equal(strlen(text_quoted(arena, text_of_100)), 60 + 2 + 3);

    /* Not cut in the middle of a character. */
    memcpy(text_of_100 + 59, "\xc3\xa9", 2);
    assert_int_equal(strlen(text_quoted(arena, text_of_100)), 59 + 2 + 3);
}

static void nearest_name_is_near_or_none(void **state)
{
    (void)state;
    static const char *const names[] = {"json", "jobs",       "dir",       "source",
                                        "help", "migrations", "map-roles", "split-bytes"};
    static const struct {
        const char *text;
        const char *nearest;
    } cases[] = {
        {"job",                     "jobs"       },
        {"jbos",                    "jobs"       },
        {"jsno",                    "json"       },
        {"sorce",                   "source"     },
        {"source_url",              "source"     },
        {"migration",               "migrations" },
        {"map-role",                "map-roles"  },
        {"splitbytes",              "split-bytes"},
        {"d",                       NULL         },
        {"password",                NULL         },
        {"",                        NULL         },
        {"something-else-entirely", NULL         },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *nearest = name_nearest(cases[i].text, names, COUNT_OF(names));
        if (cases[i].nearest) {
            assert_non_null(nearest);
            assert_string_equal(nearest, cases[i].nearest);
        } else {
            assert_null(nearest);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flags_are_words_for_yes_and_no),
        cmocka_unit_test(numbers_keep_their_limits),
        cmocka_unit_test(sizes_take_units_of_1000_and_of_1024),
        cmocka_unit_test(choice_misspelt_names_the_nearest),
        cmocka_unit_test(texts_are_neither_empty_nor_long_nor_broken_over_lines),
        cmocka_unit_test(pairs_add_up_and_are_taken_whole_or_not_at_all),
        cmocka_unit_test(values_are_formatted_as_they_are_read),
        cmocka_unit_test(errors_never_show_what_may_be_a_password),
        cmocka_unit_test(quoted_text_is_short_and_harmless_on_a_terminal),
        cmocka_unit_test(nearest_name_is_near_or_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
