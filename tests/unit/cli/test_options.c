#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "cli/options.h"

enum {
    MAX_WORDS = 16
};

/* The words of a command line, written with spaces between them. */
static bool parse(Arena *arena, const char *line, CommandLine *ret, Error *err)
{
    const char *words[MAX_WORDS];
    int count = 0;

    for (const char *at = line; *at;) {
        size_t len = strcspn(at, " ");
        assert_true(count < MAX_WORDS);
        words[count++] = arena_strndup(arena, at, len);
        at += len;
        at += strspn(at, " ");
    }
    return options_parse(arena, count, words, ret, err);
}

static void value_follows_as_a_word_or_behind_a_sign(void **state)
{
    (void)state;
    static const char *const lines[] = {"config --jobs 4", "config --jobs=4",
                                        "config --quiet --jobs 4", "--quiet config --jobs=4",
                                        "config --jobs 4 --"};

    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        auto_arena Arena *arena = arena_new();
        CommandLine line;
        Error err = ERROR_INIT;

        assert_true(parse(arena, lines[i], &line, &err));
        assert_string_equal(line.command->name, "config");
        assert_int_equal(line.given_count, 1);
        assert_string_equal(line.given[0].text, "4");
        assert_string_equal(line.given[0].origin, "--jobs");
        assert_ptr_equal(line.given[0].setting, setting_find("jobs"));
    }
}

static void value_may_be_empty_or_hold_anything_behind_the_sign(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        const char *text;
    } cases[] = {
        {"config --dir=",         ""      },
        {"config --dir=--json",   "--json"},
        {"config --map-role=a=b", "a=b"   },
        {"config --jobs -1",      "-1"    }
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        auto_arena Arena *arena = arena_new();
        CommandLine line;
        Error err = ERROR_INIT;

        assert_true(parse(arena, cases[i].line, &line, &err));
        assert_string_equal(line.given[0].text, cases[i].text);
        assert_false(line.common.json);
    }
}

static void flags_can_be_taken_back(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        const char *text;
        const char *origin;
    } cases[] = {
        {"config --no-verify",           "no",  "--no-verify"          },
        {"config --verify",              "yes", "--verify"             },
        {"config --relax-durability",    "yes", "--relax-durability"   },
        {"config --no-relax-durability", "no",  "--no-relax-durability"}
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        auto_arena Arena *arena = arena_new();
        CommandLine line;
        Error err = ERROR_INIT;

        assert_true(parse(arena, cases[i].line, &line, &err));
        assert_string_equal(line.given[0].text, cases[i].text);
        assert_string_equal(line.given[0].origin, cases[i].origin);
    }
}

static void common_options_stand_before_or_behind_the_command(void **state)
{
    (void)state;
    static const char *const lines[] = {"--json -q --config f version", "version --json -q",
                                        "--json version -q", "-q version --json"};

    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        auto_arena Arena *arena = arena_new();
        CommandLine line;
        Error err = ERROR_INIT;

        assert_true(parse(arena, lines[i], &line, &err));
        assert_string_equal(line.command->name, "version");
        assert_true(line.common.json);
        assert_true(line.common.quiet);
        assert_false(line.common.verbose);
        assert_false(line.common.help);
    }
}

static void words_behind_two_dashes_are_arguments(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    CommandLine line;
    Error err = ERROR_INIT;

    assert_true(parse(arena, "help -- --json -", &line, &err));
    assert_false(line.common.json);
    assert_int_equal(line.arg_count, 2);
    assert_string_equal(line.args[0], "--json");
    assert_string_equal(line.args[1], "-");
}

static void nothing_is_no_command(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    CommandLine line;
    Error err = ERROR_INIT;

    assert_true(parse(arena, "", &line, &err));
    assert_null(line.command);
    assert_true(parse(arena, "--help", &line, &err));
    assert_null(line.command);
    assert_true(line.common.help);
}

static void mistakes_are_named_with_what_was_meant(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        const char *message;
        const char *hint;
    } cases[] = {
        {"verson",                "there is no command \"verson\"",                 "\"version\""        },
        {"frobnicate",            "there is no command \"frobnicate\"",             "homeport help lists"},
        {"migrations aply",       "there is no command \"aply\"",                   "\"apply\""          },
        {"migrations --source x", "homeport migrations has no option \"--source\"",
         "after the subcommand"                                                                          },
        {"config --jbos 3",       "homeport config has no option \"--jbos\"",       "--jobs?"            },
        {"config --jbos=3",       "homeport config has no option \"--jbos\"",       "--jobs?"            },
        {"config --no-verfy",     "homeport config has no option \"--no-verfy\"",   "--verify?"          },
        {"config --no-jobs",      "homeport config has no option \"--no-jobs\"",    "--help"             },
        {"config --verify=no",    "--verify takes no value",                        "--no-verify"        },
        {"config --json=yes",     "--json takes no value",                          "--no-json"          },
        {"config --jobs",         "--jobs needs a value",                           "--jobs N"           },
        {"config --jobs --json",  "--jobs needs a value",                           "--jobs N"           },
        {"config --jobs -- 3",    "--jobs needs a value",                           "--jobs N"           },
        {"config here",           "homeport config does not take \"here\"",         "--help"             },
        {"config -x",             "unknown option \"-x\"",                          "--help"             },
        {"config --",             NULL,                                             NULL                 },
        {"config ---",            "homeport config has no option \"---\"",          "--help"             },
        {"config --=3",           "homeport config has no option \"--\"",           "--help"             },
        {"--jobs 3 config",       "unknown option \"--jobs\" before the command",   "after the command"  },
        {"--jsn config",          "unknown option \"--jsn\" before the command",    "--json?"            },
        {"version --jobs 3",      "homeport version has no option \"--jobs\"",      "--help"             },
        {"version --config x",    "homeport version has no option \"--config\"",    "--help"             },
        {"help a b c",            "homeport help does not take \"c\"",              "--help"             },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        auto_arena Arena *arena = arena_new();
        CommandLine line = {.given_count = 77};
        Error err = ERROR_INIT;

        assert_int_equal(parse(arena, cases[i].line, &line, &err), cases[i].message == NULL);
        if (!cases[i].message)
            continue;
        assert_int_equal(err.code, ERR_USAGE);
        if (!strstr(err.message, cases[i].message))
            fail_msg("%s gave: %s", cases[i].line, err.message);
        if (!strstr(err.hint, cases[i].hint))
            fail_msg("%s gave the hint: %s", cases[i].line, err.hint);
        assert_int_equal(line.given_count, 77); /* untouched */
    }
}

static void passwords_are_neither_in_errors_nor_left_in_argv(void **state)
{
    (void)state;
    static const char *const words[] = {
        "postgresql://app:s3cret@db/x",         "--source=postgresql://app:s3cret@db/x",
        "--sorce=postgresql://app:s3cret@db/x", "host=db password=s3cret",
        "--target=host=db password=s3cret",     "app:s3cret@db",
    };

    for (size_t i = 0; i < COUNT_OF(words); i++) {
        auto_arena Arena *arena = arena_new();
        CommandLine line;
        Error err = ERROR_INIT;
        char *argv[] = {arena_strdup(arena, "homeport"), arena_strdup(arena, "version"),
                        arena_strdup(arena, words[i])};

        const char **copies = arguments_take(arena, 3, argv);
        assert_string_equal(copies[2], words[i]);
        assert_string_equal(argv[1], "version");
        assert_int_equal(strlen(argv[2]), strlen(words[i])); /* the memory is the process's */
        assert_null(strstr(argv[2], "s3cret"));
        assert_false(options_parse(arena, 2, copies + 1, &line, &err));
        assert_null(strstr(err.message, "s3cret"));
        assert_null(strstr(err.hint, "s3cret"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(value_follows_as_a_word_or_behind_a_sign),
        cmocka_unit_test(value_may_be_empty_or_hold_anything_behind_the_sign),
        cmocka_unit_test(flags_can_be_taken_back),
        cmocka_unit_test(common_options_stand_before_or_behind_the_command),
        cmocka_unit_test(words_behind_two_dashes_are_arguments),
        cmocka_unit_test(nothing_is_no_command),
        cmocka_unit_test(mistakes_are_named_with_what_was_meant),
        cmocka_unit_test(passwords_are_neither_in_errors_nor_left_in_argv),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
