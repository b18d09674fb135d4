/* No password of a statement that failed is shown, and nothing else is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "migrations/internal.h"

static void what_follows_password_is_masked(void **state)
{
    (void)state;
    static const struct {
        const char *sql;
        const char *masked;
    } cases[] = {
        {"CREATE ROLE bob PASSWORD 'S3cr3t' BOGUS",               "CREATE ROLE bob PASSWORD *** BOGUS"      },
        {"alter user bob with encrypted password'S3cr3t'",
         "alter user bob with encrypted password***"                                                        },
        {"ALTER ROLE a PassWord\n  -- x\n /* y */ 'S3''cr3t'; b",
         "ALTER ROLE a PassWord\n  -- x\n /* y */ ***; b"                                                   },
        {"PASSWORD E'S3\\'cr3t' x",                               "PASSWORD *** x"                          },
        {"PASSWORD e'S3\\\\' x",                                  "PASSWORD *** x"                          },
        {"PASSWORD N'S3cr3t' x",                                  "PASSWORD *** x"                          },
        {"PASSWORD U&'S3cr3t' x",                                 "PASSWORD *** x"                          },
        {"PASSWORD $$S3'cr3t$$ x",                                "PASSWORD *** x"                          },
        {"PASSWORD $a$S3$$cr3t$a$ x",                             "PASSWORD *** x"                          },
        {"PASSWORD $a$S3cr3t",                                    "PASSWORD ***"                            },
        {"PASSWORD 'S3cr3t",                                      "PASSWORD ***"                            },
        {"PASSWORD \"S3cr3t\" x",                                 "PASSWORD *** x"                          },
        {"PASSWORD '' x",                                         "PASSWORD *** x"                          },
        {"PASSWORD 'S3cr3t''' x",                                 "PASSWORD *** x"                          },
        {"EXECUTE 'ALTER ROLE b PASSWORD ''S3cr3t'' X'",          "EXECUTE 'ALTER ROLE b PASSWORD *** X'"   },
        {"PASSWORD 'a' PASSWORD 'S3cr3t'",                        "PASSWORD *** PASSWORD ***"               },
        {"SELECT 1; CREATE GROUP b PASSWORD S3cr3t; x",           "SELECT 1; CREATE GROUP b PASSWORD ***; x"},
        {"ALTER ROLE b PASSWORD /* S3cr3t",
         "ALTER ROLE b PASSWORD /* S3cr3t"                                                                  }, /* a comment of one's own */
        {"CONNECTION 'host=a password=S3cr3t user=b'",            "CONNECTION 'host=a password=*** user=b'" },
        {"OPTIONS (user 'b', password 'S3cr3t')",                 "OPTIONS (user 'b', password ***)"        },
        {"OPTIONS (\"password\" 'x')",                            "OPTIONS (\"password\" 'x')"              },
        {"ALTER ROLE b PASSWORD NULL",                            "ALTER ROLE b PASSWORD NULL"              },
        {"ALTER ROLE b PASSWORD nullS3cr3t",                      "ALTER ROLE b PASSWORD ***"               },
        {"CREATE TABLE u (password text, b int)",                 "CREATE TABLE u (password text, b int)"   },
        {"CREATE VIEW u AS SELECT password $1",                   "CREATE VIEW u AS SELECT password $1"     },
        {"ALTER TABLE u ADD password_hash text",                  "ALTER TABLE u ADD password_hash text"    },
        {"SELECT 'password', mypassword 'x'",                     "SELECT 'password', mypassword 'x'"       },
        {"SELECT password",                                       "SELECT password"                         },
        {"",                                                      ""                                        },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        auto_arena Arena *arena = arena_new();
        const char *at = cases[i].sql;
        bool at_secret = true;

        assert_string_equal(mask_passwords(arena, cases[i].sql, &at, &at_secret), cases[i].masked);
        assert_false(at_secret);
    }
}

static void a_place_stays_where_it_was(void **state)
{
    (void)state;
    static const char sql[] = "CREATE ROLE bob PASSWORD 'S3cr3t' BOGUS";
    static const struct {
        const char *at; /* what begins there */
        const char *after;
        bool secret;
    } cases[] = {
        {"bob",   "bob PASSWORD *** BOGUS", false},
        {"'S3",   "*** BOGUS",              true },
        {"cr3t",  "*** BOGUS",              true },
        {"BOGUS", "BOGUS",                  false},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        auto_arena Arena *arena = arena_new();
        const char *at = strstr(sql, cases[i].at);
        bool at_secret = !cases[i].secret;

        (void)mask_passwords(arena, sql, &at, &at_secret);
        assert_string_equal(at, cases[i].after);
        assert_int_equal(at_secret, cases[i].secret);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_follows_password_is_masked),
        cmocka_unit_test(a_place_stays_where_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
