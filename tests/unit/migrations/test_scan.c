/* What the text of a migration is warned about, and what is left in peace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "migrations/internal.h"

static ProblemList scan(Arena *arena, const char *const *texts, int count)
{
    AddedLabels labels = {0};
    ProblemList problems = {0};

    for (int i = 0; i < count; i++) {
        size_t len = 0;
        bool invalid = false;
        const char *text = utf8_repair(arena, texts[i], strlen(texts[i]), &len, &invalid);
        Migration migration = {.file = arena_printf(arena, "%d.sql", i),
                               .text = text,
                               .text_len = len,
                               .invalid_utf8 = invalid};
        scan_migration(arena, &migration, &labels, &problems);
    }
    return problems;
}

/* Pairs of what is to be found ("reason line", or nothing) and a text. */
static void check(const char *const (*cases)[2], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        auto_arena Arena *arena = arena_new();
        ProblemList problems = scan(arena, &cases[i][1], 1);
        const char *found = "";

        if (problems.count > 0)
            found = arena_printf(arena, "%s %s", migrations_reason_name(problems.list[0].reason),
                                 problems.list[0].where + strlen("0.sql line "));
        if (strcmp(found, cases[i][0]) != 0)
            print_message("# %s\n", cases[i][1]);
        assert_string_equal(found, cases[i][0]);
        assert_int_equal(problems.count, *found != '\0');
    }
}

static void quotes_are_known_from_markers(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"",                   ""                                                                },
        {"",                   "CREATE TABLE a (i int);\n" BREAKPOINT "\nCREATE TABLE b (i int);"},
        {"marker-in-quotes 3", "SELECT 1;\nSELECT 'a\n" BREAKPOINT "\nb';"                       },
        {"marker-in-quotes 1", "SELECT \"" BREAKPOINT "\";"                                      },
        {"marker-in-quotes 2", "DO $$ BEGIN\n" BREAKPOINT "\nEND $$;"                            },
        {"marker-in-quotes 1", "DO $x$ $$ " BREAKPOINT " $$ $x$;"                                },
        {"marker-in-quotes 1", "/* /* */ " BREAKPOINT " */ SELECT 1;"                            },
        {"marker-in-quotes 1", "-- see " BREAKPOINT "\nSELECT 1;"                                },
        {"marker-in-quotes 1", "SELECT E'\\'" BREAKPOINT "';"                                    },
        {"",                   "SELECT E'\\\\'" BREAKPOINT "SELECT 1"                            },
        {"",                   "SELECT '\\'" BREAKPOINT "SELECT ''"                              },
        {"",                   "SELECT 'it''s'" BREAKPOINT "SELECT 1"                            },
        {"",                   "SELECT a$b$c, $1;" BREAKPOINT "SELECT $1"                        },
        {"",                   "SELECT 1; -- don't\n" BREAKPOINT "\nSELECT 2; /* it's */"        },
        {"",                   "SELECT 'x"                                                       },
        {"",                   "SELECT $$x"                                                      },
        {"",                   "/* x"                                                            },
        {"",                   "SELECT E'\\"                                                     },
    };

    check(cases, COUNT_OF(cases));
}

static void what_refuses_a_transaction_is_found(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"no-transaction 1", "CREATE INDEX CONCURRENTLY i ON t (a);"              },
        {"no-transaction 1", "create unique index concurrently i on t (a)"        },
        {"no-transaction 4", "SELECT 1;\n\n-- now\nDROP INDEX CONCURRENTLY i;"    },
        {"no-transaction 1", "REINDEX TABLE CONCURRENTLY t;"                      },
        {"no-transaction 1", "ALTER TABLE t DETACH PARTITION p CONCURRENTLY;"     },
        {"",                 "REFRESH MATERIALIZED VIEW CONCURRENTLY v;"          },
        {"",                 "SELECT 'CREATE INDEX CONCURRENTLY'; -- CONCURRENTLY"},
        {"",                 "CREATE TABLE \"concurrently\" (i int);"             },
        {"no-transaction 1", "VACUUM;"                                            },
        {"no-transaction 1", "VACUUM (ANALYZE) t"                                 },
        {"no-transaction 1", "ALTER SYSTEM SET work_mem = '1GB';"                 },
        {"no-transaction 1", "CREATE DATABASE d;"                                 },
        {"no-transaction 1", "CLUSTER;"                                           },
        {"",                 "CLUSTER \"t\";"                                     },
        {"no-transaction 1", "COMMIT PREPARED 'x';"                               },
    };

    check(cases, COUNT_OF(cases));
}

static void what_ends_the_transaction_is_found(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"transaction-control 2", "SELECT 1;\nCOMMIT;"                                      },
        {"transaction-control 1", "begin;"                                                  },
        {"transaction-control 1", "START TRANSACTION READ ONLY;"                            },
        {"transaction-control 1", "ROLLBACK"                                                },
        {"transaction-control 1", "END;"                                                    },
        {"",                      "SAVEPOINT a; ROLLBACK TO SAVEPOINT a; RELEASE a;"        },
        {"",                      "DO $$ BEGIN COMMIT; END $$;"                             },
        {"",                      "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT CASE WHEN "
             "a THEN 1 END; END;\nSELECT 1;"                                    },
        {"transaction-control 2",
         "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; END;\nCOMMIT;"},
        {"",                      "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2);"},
        {"",                      "CREATE TABLE t (\"begin\" int, \"end\" int);"            },
    };

    check(cases, COUNT_OF(cases));
}

static void the_use_of_a_new_enum_value_is_found(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"enum-value-used 2", "ALTER TYPE mood ADD VALUE 'ok';\nINSERT INTO t VALUES ('ok');"               },
        {"enum-value-used 1",
         "ALTER TYPE \"public\".\"mood\" ADD VALUE IF NOT EXISTS 'ok' BEFORE 'bad';" BREAKPOINT
         "ALTER TABLE t ALTER c SET DEFAULT 'ok';"                                                          },
        {"",                  "ALTER TYPE mood ADD VALUE 'ok'; ALTER TYPE mood ADD VALUE 'fine' AFTER 'ok';"},
        {"",                  "ALTER TYPE mood ADD VALUE 'ok'; INSERT INTO t VALUES ('bad');"               },
        {"",                  "INSERT INTO t VALUES ('ok'); ALTER TYPE mood ADD VALUE 'ok';"                },
        {"",                  "ALTER TYPE mood RENAME VALUE 'a' TO 'b'; SELECT 'b';"                        },
    };

    check(cases, COUNT_OF(cases));
}

static void bytes_that_become_other_text_are_found(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"bom 1",          "\xEF\xBB\xBF"
                  "SELECT 1;"    },
        {"invalid-utf8 1", "SELECT 'caf\xE9';"    },
        {"",               "SELECT 'caf\xC3\xA9';"},
    };

    check(cases, COUNT_OF(cases));
}

static void an_enum_value_is_followed_across_the_files_of_a_run(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    static const char *const texts[] = {"ALTER TYPE mood ADD VALUE 'ok';",
                                        "SELECT 1;\nUPDATE t SET m = 'ok';"};
    ProblemList problems = scan(arena, texts, 2);

    assert_int_equal(problems.count, 1);
    assert_int_equal(problems.list[0].reason, REASON_ENUM_VALUE_USED);
    assert_string_equal(problems.list[0].where, "1.sql line 2");
}

static void every_problem_of_a_file_is_reported(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    static const char *const text =
        "\xEF\xBB\xBF"
        "COMMIT; VACUUM;\nCREATE INDEX CONCURRENTLY i ON t (a);\nBEGIN;\nSELECT '" BREAKPOINT
        "';\nVACUUM; VACUUM; VACUUM; VACUUM; VACUUM;";
    ProblemList problems = scan(arena, &text, 1);

    assert_int_equal(problems.count, 11);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quotes_are_known_from_markers),
        cmocka_unit_test(what_refuses_a_transaction_is_found),
        cmocka_unit_test(what_ends_the_transaction_is_found),
        cmocka_unit_test(the_use_of_a_new_enum_value_is_found),
        cmocka_unit_test(bytes_that_become_other_text_are_found),
        cmocka_unit_test(an_enum_value_is_followed_across_the_files_of_a_run),
        cmocka_unit_test(every_problem_of_a_file_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
