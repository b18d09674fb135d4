/* meta/_journal.json: what drizzle-kit 0.x takes is taken, what it trips over is refused clearly.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "migrations/internal.h"

static bool parse(Arena *arena, const char *text, JournalEntry **ret, int *ret_count, Error *err)
{
    return journal_parse(arena, text, strlen(text), ret, ret_count, err);
}

static void entries_keep_their_order(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    JournalEntry *entries = NULL;
    int count = 0;
    Error err = ERROR_INIT;

    assert_true(parse(
        arena,
        "{\"version\":\"7\",\"dialect\":\"postgresql\",\"entries\":["
        "{\"idx\":1,\"version\":\"7\",\"when\":3000,\"tag\":\"0001_b\",\"breakpoints\":true},"
        "{\"idx\":0,\"version\":\"7\",\"when\":2000,\"tag\":\"0000_a\",\"breakpoints\":false}]}",
        &entries, &count, &err));
    assert_int_equal(count, 2);
    assert_string_equal(entries[0].tag, "0001_b");
    assert_int_equal(entries[0].when_ms, 3000);
    assert_string_equal(entries[1].tag, "0000_a");
    assert_int_equal(entries[1].when_ms, 2000);
}

static void version_and_dialect_are_not_looked_at(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    JournalEntry *entries = NULL;
    int count = 0;
    Error err = ERROR_INIT;

    assert_true(parse(arena, "{\"version\":\"5\",\"dialect\":\"mysql\",\"entries\":[]}", &entries,
                      &count, &err));
    assert_int_equal(count, 0);
}

static void when_is_a_whole_number_of_javascript(void **state)
{
    (void)state;
    static const struct {
        const char *when;
        bool ok;
        int64_t ms;
    } cases[] = {
        {"1795354603538",            true,  INT64_C(1795354603538)   },
        {"0",                        true,  0                        },
        {"-5",                       true,  -5                       },
        {"1000.0",                   true,  1000                     },
        {"1e3",                      true,  1000                     },
        {"\"1000\"",                 true,  1000                     },
        {"\"-1000\"",                true,  -1000                    },
        {"9007199254740991",         true,  INT64_C(9007199254740991)},
        {"9007199254740993",         false, 0                        },
        {"99999999999999999999",     false, 0                        },
        {"1000.5",                   false, 0                        },
        {"1e300",                    false, 0                        },
        {"null",                     false, 0                        },
        {"true",                     false, 0                        },
        {"[1]",                      false, 0                        },
        {"\"\"",                     false, 0                        },
        {"\"-\"",                    false, 0                        },
        {"\"1e3\"",                  false, 0                        },
        {"\"1000 \"",                false, 0                        },
        {"\"2026-01-01\"",           false, 0                        },
        {"\"99999999999999999999\"", false, 0                        },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        auto_arena Arena *arena = arena_new();
        JournalEntry *entries = NULL;
        int count = -1;
        Error err = ERROR_INIT;
        char *text =
            arena_printf(arena, "{\"entries\":[{\"tag\":\"a\",\"when\":%s}]}", cases[i].when);

        assert_int_equal(parse(arena, text, &entries, &count, &err), cases[i].ok);
        if (cases[i].ok) {
            assert_int_equal(entries[0].when_ms, cases[i].ms);
        } else {
            assert_int_equal(err.code, ERR_FORMAT);
            assert_int_equal(count, -1);
            assert_null(entries);
        }
    }
}

static void what_is_wrong_is_named_with_a_hint(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *message;
        const char *hint;
    } cases[] = {
        {"",                                                     "no valid JSON",                                               "empty"    },
        {"{\"entries\":[{\"tag\":\"a\",\"wh",                    "no valid JSON",                                               "cut off"  },
        {"{\"entries\":[",                                       "no valid JSON",                                               "cut off"  },
        {"{\"entries\":[\n<<<<<<< HEAD\n",                       "no valid JSON: line 2",                                       "git merge"},
        {"{entries:[]}",                                         "no valid JSON",                                               "git"      },
        {"{\"entries\":[]} x",                                   "no valid JSON",                                               "git"      },
        {"\xEF\xBB\xBF{\"entries\":[]}",                         "no valid JSON",                                               "git"      },
        {"{\"entries\":[],\"entries\":[]}",                      "no valid JSON",                                               "git"      },
        {"{}",                                                   "no \"entries\"",                                              "git"      },
        {"[]",                                                   "no \"entries\"",                                              "git"      },
        {"7",                                                    "no valid JSON",                                               "git"      },
        {"{\"entries\":{}}",                                     "no \"entries\"",                                              "git"      },
        {"{\"entries\":[7]}",                                    "entry 0 of the journal: is no object",                        "generate" },
        {"{\"entries\":[{\"when\":1}]}",                         "entry 0 of the journal: has no \"tag\"",                      "generate" },
        {"{\"entries\":[{\"tag\":\"\",\"when\":1}]}",            "has no \"tag\"",                                              "generate" },
        {"{\"entries\":[{\"tag\":5,\"when\":1}]}",               "has no \"tag\"",                                              "generate" },
        {"{\"entries\":[{\"tag\":\"../../etc/x\",\"when\":1}]}", "no file name",                                                "generate" },
        {"{\"entries\":[{\"tag\":\"a\"}]}",                      "(a): has no \"when\"",                                        "generate" },
        {"{\"entries\":[{\"tag\":\"a\",\"when\":1.5}]}",         "(a): its \"when\" is no whole",
         "generate"                                                                                                                        },
        {"{\"entries\":[{\"tag\":\"a\",\"when\":1},{\"tag\":\"b\",\"when\":2},{\"tag\":\"a\","
         "\"when\":3}]}",                               "entry 2 of the journal (a): its tag is in the journal twice", "generate" },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        auto_arena Arena *arena = arena_new();
        JournalEntry *entries = NULL;
        int count = -1;
        Error err = ERROR_INIT;

        assert_false(parse(arena, cases[i].text, &entries, &count, &err));
        assert_int_equal(err.code, ERR_FORMAT);
        assert_non_null(strstr(err.message, cases[i].message));
        assert_non_null(strstr(err.hint, cases[i].hint));
        assert_int_equal(count, -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_keep_their_order),
        cmocka_unit_test(version_and_dialect_are_not_looked_at),
        cmocka_unit_test(when_is_a_whole_number_of_javascript),
        cmocka_unit_test(what_is_wrong_is_named_with_a_hint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
