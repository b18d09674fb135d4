/* What the text of a migration is warned about, and what is left in peace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "migrations/internal.h"

enum {
    FINE = -1
};

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

static void each_reason_is_found_where_it_is(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int reason;
        const char *where;
    } cases[] = {
        {"",                                                                 FINE,                       NULL                                                      },
        {"CREATE TABLE a (i int);\n" BREAKPOINT "\nCREATE TABLE b (i int);", FINE,                       NULL                                                      },

        {"\xEF\xBB\xBF"
         "SELECT 1;",                                               REASON_BOM,                 "0.sql line 1"                                            },
        {"SELECT 'caf\xE9';",                                                REASON_INVALID_UTF8,        "0.sql line 1"                                            },

        {"SELECT 1;\nSELECT 'a\n" BREAKPOINT "\nb';",                        REASON_MARKER_IN_QUOTES,    "0.sql line 3"                                            },
        {"SELECT \"" BREAKPOINT "\";",                                       REASON_MARKER_IN_QUOTES,    "0.sql line 1"                                            },
        {"DO $$ BEGIN\n" BREAKPOINT "\nEND $$;",                             REASON_MARKER_IN_QUOTES,    "0.sql line 2"                                            },
        {"DO $x$ $$ " BREAKPOINT " $$ $x$;",                                 REASON_MARKER_IN_QUOTES,    "0.sql line 1"                                            },
        {"/* /* */ " BREAKPOINT " */ SELECT 1;",                             REASON_MARKER_IN_QUOTES,    "0.sql line 1"                                            },
        {"-- see " BREAKPOINT "\nSELECT 1;",                                 REASON_MARKER_IN_QUOTES,    "0.sql line 1"                                            },
        {"SELECT E'\\'" BREAKPOINT "';",                                     REASON_MARKER_IN_QUOTES,    "0.sql line 1"                                            },
        {"SELECT E'\\\\'" BREAKPOINT "",                                     FINE,                       NULL                                                      },
        {"SELECT '\\'" BREAKPOINT "SELECT ''",                               FINE,                       NULL                                                      },
        {"SELECT 'it''s'" BREAKPOINT "SELECT 1",                             FINE,                       NULL                                                      },
        {"SELECT a$b$c, $1;" BREAKPOINT "SELECT $1",                         FINE,                       NULL                                                      },
        {"SELECT 1; -- don't\n" BREAKPOINT "\nSELECT 2; /* it's */",         FINE,                       NULL                                                      },

        {"CREATE INDEX CONCURRENTLY i ON t (a);",                            REASON_NO_TRANSACTION,      "0.sql line 1"                                            },
        {"create unique index concurrently i on t (a)",                      REASON_NO_TRANSACTION,      "0.sql line 1"                                            },
        {"SELECT 1;\n\n-- now\nDROP INDEX CONCURRENTLY i;",                  REASON_NO_TRANSACTION,      "0.sql line 4"                                            },
        {"REINDEX TABLE CONCURRENTLY t;",                                    REASON_NO_TRANSACTION,      "0.sql line 1"                                            },
        {"ALTER TABLE t DETACH PARTITION p CONCURRENTLY;",                   REASON_NO_TRANSACTION,      "0.sql line 1"                                            },
        {"REFRESH MATERIALIZED VIEW CONCURRENTLY v;",                        FINE,                       NULL                                                      },
        {"SELECT 'CREATE INDEX CONCURRENTLY'; -- CONCURRENTLY",              FINE,                       NULL                                                      },
        {"CREATE TABLE \"concurrently\" (i int);",                           FINE,                       NULL                                                      },
        {"VACUUM;",                                                          REASON_NO_TRANSACTION,      "0.sql line 1"                                            },
        {"VACUUM (ANALYZE) t",                                               REASON_NO_TRANSACTION,      "0.sql line 1"                                            },
        {"ALTER SYSTEM SET work_mem = '1GB';",                               REASON_NO_TRANSACTION,      "0.sql line 1"                                            },
        {"CREATE DATABASE d;",                                               REASON_NO_TRANSACTION,      "0.sql line 1"                                            },
        {"CLUSTER;",                                                         REASON_NO_TRANSACTION,      "0.sql line 1"                                            },
        {"CLUSTER \"t\";",                                                   FINE,                       NULL                                                      },
        {"COMMIT PREPARED 'x';",                                             REASON_NO_TRANSACTION,      "0.sql line 1"                                            },

        {"SELECT 1;\nCOMMIT;",                                               REASON_TRANSACTION_CONTROL, "0.sql line 2"                                            },
        {"begin;",                                                           REASON_TRANSACTION_CONTROL, "0.sql line 1"                                            },
        {"START TRANSACTION READ ONLY;",                                     REASON_TRANSACTION_CONTROL, "0.sql line 1"                                            },
        {"ROLLBACK",                                                         REASON_TRANSACTION_CONTROL, "0.sql line 1"                                            },
        {"END;",                                                             REASON_TRANSACTION_CONTROL, "0.sql line 1"                                            },
        {"SAVEPOINT a; ROLLBACK TO SAVEPOINT a; RELEASE a;",                 FINE,                       NULL                                                      },
        {"DO $$ BEGIN COMMIT; END $$;",                                      FINE,                       NULL                                                      },
        {"CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT CASE WHEN "
         "true "
         "THEN 1 END; END;\nSELECT 1;",                                                                   FINE,                                                                  NULL                                                     },
        {"CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; END;\nCOMMIT;",
         REASON_TRANSACTION_CONTROL,          "0.sql line 2"                                                                                                                                },
        {"CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2);",                                                                  FINE,                                   NULL},
        {"CREATE TABLE t (\"begin\" int, \"end\" int);",                                                                  FINE,                                               NULL                                                                                                                                            },

        {"ALTER TYPE mood ADD VALUE 'ok';\nINSERT INTO t VALUES ('ok');",                                                                  REASON_ENUM_VALUE_USED,
         "0.sql line 2"},
        {"ALTER TYPE \"public\".\"mood\" ADD VALUE IF NOT EXISTS 'ok' BEFORE 'bad';" BREAKPOINT
         "ALTER TABLE t ALTER c SET DEFAULT 'ok';",                                                                  REASON_ENUM_VALUE_USED,                                           "0.sql line 1"                                                                                                                                                         },
        {"ALTER TYPE mood ADD VALUE 'ok'; ALTER TYPE mood ADD VALUE 'fine' AFTER 'ok';",                                                                  FINE,
         NULL},
        {"ALTER TYPE mood ADD VALUE 'ok'; INSERT INTO t VALUES ('bad');",                                                                  FINE,                              NULL                                                                                                                                                                        },
        {"INSERT INTO t VALUES ('ok'); ALTER TYPE mood ADD VALUE 'ok';",                                                                  FINE,                               NULL},
        {"ALTER TYPE mood RENAME VALUE 'a' TO 'b'; SELECT 'b';",                                                                  FINE,                                       NULL                                                                                                                                                                                },

 /* never ends; PostgreSQL says so */
        {"SELECT 'x",                                                                  FINE,                                                                                  NULL},
        {"SELECT $$x",                                                                  FINE,                                                                                 NULL                                                                                                                                                                               },
        {"/* x",                                                                  FINE,                                                                                       NULL},
        {"SELECT E'\\",                                                                  FINE,                                                                                NULL                                                                                                                                                                        },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        auto_arena Arena *arena = arena_new();
        ProblemList problems = scan(arena, &cases[i].text, 1);

        if (problems.count != (cases[i].reason != FINE))
            print_message("case: %s\n", cases[i].text);
        assert_int_equal(problems.count, cases[i].reason != FINE);
        if (cases[i].reason != FINE) {
            assert_int_equal(problems.list[0].reason, cases[i].reason);
            assert_string_equal(problems.list[0].where, cases[i].where);
        }
    }
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
        cmocka_unit_test(each_reason_is_found_where_it_is),
        cmocka_unit_test(an_enum_value_is_followed_across_the_files_of_a_run),
        cmocka_unit_test(every_problem_of_a_file_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
