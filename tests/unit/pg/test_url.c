#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <libpq-fe.h>
#include <string.h>

#include "pg/url.h"

static PgUrl parse(Arena *arena, const char *text)
{
    PgUrl url = {0};
    Error err = ERROR_INIT;

    if (!url_parse(arena, text, "source", &url, &err))
        fail_msg("%s: %s", text, err.message);
    return url;
}

static const char *value_of(const PgUrl *url, const char *keyword)
{
    for (size_t i = 0; url->keywords[i]; i++)
        if (strcmp(url->keywords[i], keyword) == 0)
            return url->values[i];
    return "";
}

typedef struct Parsed {
    const char *text;
    const char *redacted;
    const char *host;
    const char *port;
    const char *user;
    const char *password;
    const char *database;
} Parsed;

static void check_parsed(const Parsed *expected)
{
    auto_arena Arena *arena = arena_new();
    PgUrl url = parse(arena, expected->text);

    assert_string_equal(url.host, expected->host);
    assert_string_equal(url.port, expected->port);
    assert_string_equal(url.user, expected->user);
    assert_string_equal(value_of(&url, "password"), expected->password);
    assert_string_equal(url.database, expected->database);
    assert_string_equal(url.redacted, expected->redacted);
    /* What is shown can be given again. */
    assert_string_equal(parse(arena, url.redacted).redacted, expected->redacted);
}

static void urls_and_keywords_give_the_same_parts(void **state)
{
    (void)state;
    static const Parsed cases[] = {
        {"postgresql://app:pw@db.example:5433/shop",                   "postgresql://app:***@db.example:5433/shop",
         "db.example",                                                                                                            "5433", "app", "pw", "shop"},
        {"host=db.example port=5433 user=app password=pw dbname=shop",
         "postgresql://app:***@db.example:5433/shop",                                                               "db.example", "5433", "app", "pw", "shop"},
        {"postgres://app@db.example/shop",                             "postgresql://app@db.example/shop",          "db.example", "",
         "app",                                                                                                                                  "",   "shop"},
        {"host='db' password='a b\\'c\\\\' user=app",                  "postgresql://app:***@db/",                  "db",         "",     "app",
         "a b'c\\",                                                                                                                                    ""    },
        {"postgresql://",                                              "postgresql:///",                            "",           "",     "",    "",   ""    },
        {"postgresql:///shop",                                         "postgresql:///shop",                        "",           "",     "",    "",   "shop"},
        {"postgresql://:5433",                                         "postgresql://:5433/",                       "",           "5433", "",    "",   ""    },
        {"postgresql://:pw@db",                                        "postgresql://:***@db/",                     "db",         "",     "",    "pw", ""    },
        {"host='' password='' dbname=shop",                            "postgresql:///shop",                        "",           "",     "",    "",   "shop"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++)
        check_parsed(&cases[i]);
}

static void hosts_may_be_addresses_several_or_sockets(void **state)
{
    (void)state;
    static const Parsed cases[] = {
        {"postgresql://app:pw@[2001:db8::1]:5433/x",      "postgresql://app:***@[2001:db8::1]:5433/x",
         "2001:db8::1",                                                                                                            "5433",     "app", "pw", "x"},
        {"host=::1 dbname=x",                             "postgresql://[::1]/x",                           "::1",                 "",         "",    "",   "x"},
        {"host=fe80::1%eth0 dbname=x",                    "postgresql:///x?host=fe80%3A%3A1%25eth0",        "fe80::1%eth0",
         "",                                                                                                                                   "",    "",   "x"},
        {"postgresql://app:pw@a.example:1,b.example:2/x",
         "postgresql://app:***@/x?host=a.example,b.example&port=1,2",                                       "a.example,b.example", "1,2",
         "app",                                                                                                                                       "pw", "x"},
        {"postgresql://a,b/x",                            "postgresql:///x?host=a,b",                       "a,b",                 "",         "",    "",   "x"},
        {"host=a,b,c port=1,,65535",                      "postgresql:///?host=a,b,c&port=1,,65535",        "a,b,c",               "1,,65535",
         "",                                                                                                                                          "",   "" },
        {"postgresql:///x?host=/run/postgresql",          "postgresql:///x?host=/run/postgresql",
         "/run/postgresql",                                                                                                        "",         "",    "",   "x"},
        {"postgresql://app:pw@%2Frun%2Fpg:5433/x",        "postgresql://app:***@/x?host=/run/pg&port=5433",
         "/run/pg",                                                                                                                "5433",     "app", "pw", "x"},
        {"host='/tmp/a b&c=d'",                           "postgresql:///?host=/tmp/a%20b%26c%3Dd",         "/tmp/a b&c=d",        "",         "",
         "",                                                                                                                                                "" },
        {"host=@abstract",                                "postgresql:///?host=%40abstract",                "@abstract",           "",         "",    "",   "" },
        {"hostaddr=10.0.0.1 user=app",                    "postgresql://app@/?hostaddr=10.0.0.1",           "10.0.0.1",            "",
         "app",                                                                                                                                       "",   "" },
        {"host=db hostaddr=10.0.0.1",                     "postgresql://db/?hostaddr=10.0.0.1",             "db",                  "",         "",    "",   "" },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++)
        check_parsed(&cases[i]);
}

static void any_character_can_be_encoded(void **state)
{
    (void)state;
    static const Parsed cases[] = {
        {"postgresql://us%40er:p%40%3A%2F%25%3F%23w@db/na%2Fme%20%C3%A9",
         "postgresql://us%40er:***@db/na/me%20%C3%A9",                                                       "db", "", "us@er", "p@:/%?#w",
         "na/me \xC3\xA9"                                                                                                                                          },
        {"postgresql://app:%E2%82%AC%F0%9F%98%80@db/x",                   "postgresql://app:***@db/x",       "db", "",
         "app",                                                                                                                 "\xE2\x82\xAC\xF0\x9F\x98\x80", "x"},
        {"postgresql://app:\xE2\x82\xAC@db/x",                            "postgresql://app:***@db/x",       "db", "", "app",
         "\xE2\x82\xAC",                                                                                                                                        "x"},
        {"postgresql://a%2Fb%2Cc:pw@db/x",                                "postgresql://a%2Fb%2Cc:***@db/x", "db", "", "a/b,c",
         "pw",                                                                                                                                                  "x"},
        {"postgresql://app:p?w#[]!&=@db/x",                               "postgresql://app:***@db/x",       "db", "", "app",
         "p?w#[]!&=",                                                                                                                                           "x"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++)
        check_parsed(&cases[i]);
}

static void parameters_are_shown_but_for_the_passwords(void **state)
{
    (void)state;
    static const Parsed cases[] = {
        {"postgresql://app@db/x?password=pw&sslmode=require",
         "postgresql://app:***@db/x?sslmode=require",                                                        "db", "", "app",     "pw", "x"},
        {"postgresql://app:pw@db/x?sslkey=k&sslpassword=secret",
         "postgresql://app:***@db/x?sslkey=k&sslpassword=***",                                               "db", "", "app",     "pw", "x"},
        {"postgresql://db/x?user=me@corp&connect_timeout=3",
         "postgresql://me%40corp@db/x?connect_timeout=3",                                                    "db", "", "me@corp", "",   "x"},
        {"postgresql://db/x?options=-c%20a%3Db&application_name=a%26b",
         "postgresql://db/x?options=-c%20a%3Db&application_name=a%26b",                                      "db", "", "",        "",   "x"},
        {"postgresql://db/x?ssl=true",                                  "postgresql://db/x?sslmode=require", "db", "", "",        "",   "x"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++)
        check_parsed(&cases[i]);
}

/* What ends in the wrong place because nobody encoded it must not show there. */
static const char secret[] = "S3cr3t";

typedef struct Refused {
    const char *text;
    const char *message; /* a part of it */
} Refused;

static const Refused unreadable[] = {
    {"mydb",                                          "could not be read"                             },
    {"S3cr3t",                                        "could not be read"                             },
    {"host=db S3cr3t",                                "could not be read"                             },
    {"host=db password=a S3cr3t=b",                   "could not be read"                             },
    {"host=db password='S3cr3t",                      "could not be read"                             },
    {"host=db pasword=S3cr3t",                        "could not be read"                             },
    {"http://app:S3cr3t@db/x",                        "could not be read"                             },
    {"postgresql:/app:S3cr3t@db/x",                   "could not be read"                             },
    {"postgresql://app:S3cr3t@[::1/x",                "could not be read"                             },
    {"postgresql://app:S3cr3t@[::1]x/y",              "could not be read"                             },
    {"postgresql://app:S3cr3t%@db/x",                 "percent-encoding that is not one"              },
    {"postgresql://app:S3cr3t%4@db/x",                "percent-encoding that is not one"              },
    {"postgresql://app:S3cr3t%zz@db/x",               "percent-encoding that is not one"              },
    {"postgresql://app:S3cr3t%00@db/x",               "percent-encoding that is not one"              },
    {"postgresql://S3cr3t% query parameter@db/x?a=b", "percent-encoding that is not one"              },
    {"postgresql://app:pw@db/x?sslmode=%2",           "percent-encoding that is not one"              },
    {"postgresql://app:S3cr3t/1@db/x",                "could not be read"                             },
    {"postgresql://app:12/S3cr3t@db/x",               "could not be read"                             },
    {"postgresql://app:pw@S3cr3t@db/x",               "could not be read"                             },
    {"postgresql://app:pw@S3cr3t/1@db/x",             "could not be read"                             },
    {"postgresql://app:pw@[1S3cr3t?x]:2/x@db/x",      "could not be read"                             },
    {"postgresql://app:12/x?S3cr3t@db/x",             "could not be read"                             },
    {"postgresql://app:12/x?S3cr3t=1@db/x",           "could not be read"                             },
    {"postgresql://app@db/x?password=a&S3cr3t",       "could not be read"                             },
    {"postgresql://app@db/x?password=a&S3cr3t=b",     "could not be read"                             },
    {"postgresql://app:S3cr3t",                       "port that is not a number"                     },
    {"host=db dbname=postgresql://app:S3cr3t@home/x", "another URL as its database"                   },
    {"postgresql://db/x?sslmod=require",              "has an invalid URI query parameter: \"sslmod\""},
    {"postgresql://db/x?sslmode",                     "has a missing key/value separator"             },
    {"postgresql://db/x?a=b=c",                       "has an extra key/value separator"              },
    {"postgresql://db:0/x",                           "port that is not a number"                     },
    {"postgresql://db:65536/x",                       "port that is not a number"                     },
    {"postgresql://db:99999999999999999999/x",        "port that is not a number"                     },
    {"postgresql://db:54x/x",                         "port that is not a number"                     },
    {"host=db port=-1",                               "port that is not a number"                     },
    {"host=a,b port=1,x",                             "port that is not a number"                     },
};

static void what_is_no_url_is_refused_without_quoting_a_password(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(unreadable); i++) {
        auto_arena Arena *arena = arena_new();
        PgUrl url = {.user = "untouched"};
        Error err = ERROR_INIT;

        if (url_parse(arena, unreadable[i].text, "target", &url, &err))
            fail_msg("%s is taken as %s", unreadable[i].text, url.redacted);
        assert_int_equal(err.code, ERR_USAGE);
        assert_string_equal(url.user, "untouched");
        if (!strstr(err.message, unreadable[i].message))
            fail_msg("%s: %s", unreadable[i].text, err.message);
        assert_int_equal(strncmp(err.message, "the target's URL ", 17), 0);
        assert_null(strstr(err.message, secret));
        assert_null(strstr(err.hint, secret));
        assert_non_null(strstr(err.hint, "%40"));
    }
}

static void a_word_that_a_parameter_does_not_know_is_refused_with_those_it_knows(void **state)
{
    (void)state;
    static const struct {
        const char *parameter;
        const char *word;
        const char *known; /* NULL: it is one */
    } cases[] = {
        {"sslmode",              "requir",
         "sslmode is one of: disable, allow, prefer, require, verify-ca, verify-full."                   },
        {"sslmode",              "verify-full",    NULL                                                  },
        {"gssencmode",           "nein",           "gssencmode is one of: disable, prefer, require."     },
        {"channel_binding",      "Require",        "channel_binding is one of: disable, prefer, require."},
        {"channel_binding",      "prefer",         NULL                                                  },
        {"target_session_attrs", "write",
         "target_session_attrs is one of: any, read-write, read-only, primary, standby, "
         "prefer-standby."                                                                               },
        {"target_session_attrs", "prefer-standby", NULL                                                  },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        auto_arena Arena *arena = arena_new();
        PgUrl url = {0};
        Error err = ERROR_INIT;
        const char *text =
            arena_printf(arena, "postgresql://db/x?%s=%s", cases[i].parameter, cases[i].word);

        assert_int_equal(url_parse(arena, text, "source", &url, &err), !cases[i].known);
        if (!cases[i].known)
            continue;
        assert_int_equal(err.code, ERR_USAGE);
        assert_non_null(strstr(err.message, cases[i].parameter));
        assert_null(strstr(err.message, cases[i].word));
        assert_string_equal(err.hint, cases[i].known);
    }
}

static void no_url_at_all_says_where_to_give_it(void **state)
{
    (void)state;
    static const char *const none[] = {NULL, ""};

    for (size_t i = 0; i < COUNT_OF(none); i++) {
        auto_arena Arena *arena = arena_new();
        PgUrl url = {0};
        Error err = ERROR_INIT;

        assert_false(url_parse(arena, none[i], "target", &url, &err));
        assert_int_equal(err.code, ERR_USAGE);
        assert_string_equal(err.message, "no target is given");
        assert_non_null(strstr(err.hint, "HOMEPORT_TARGET_URL"));
    }
}

static void a_text_that_is_too_long_is_refused(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    char *text = arena_alloc(arena, 8200);
    PgUrl url = {0};
    Error err = ERROR_INIT;

    /* As long as may be, and all of it has to be escaped for programs and encoded for people. */
    memset(text, '\\', 8192);
    memcpy(text, "host=db  user='", 15);
    text[8191] = '\'';
    url = parse(arena, text);
    assert_int_equal(strlen(url.user), (8191 - 15) / 2);
    PQconninfoOption *read = PQconninfoParse(url_for_program(arena, &url), NULL);
    assert_non_null(read);
    for (const PQconninfoOption *at = read; at->keyword; at++)
        if (strcmp(at->keyword, "user") == 0)
            assert_string_equal(at->val, url.user);
    PQconninfoFree(read);
    assert_int_equal(strlen(url.redacted), strlen("postgresql://@db/") + 3 * strlen(url.user));

    memcpy(text + 8191, " '", 3);
    assert_false(url_parse(arena, text, "source", &url, &err));
    assert_int_equal(err.code, ERR_USAGE);
    assert_non_null(strstr(err.message, "longer than 8192 bytes"));
}

static void another_database_changes_nothing_else(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    PgUrl url = parse(arena, "postgresql://app:pw@db:5433/shop?sslmode=require");
    PgUrl other = url_with_database(arena, &url, "a b");

    assert_string_equal(other.database, "a b");
    assert_string_equal(value_of(&other, "dbname"), "a b");
    assert_string_equal(value_of(&other, "password"), "pw");
    assert_string_equal(other.redacted, "postgresql://app:***@db:5433/a%20b?sslmode=require");
    assert_string_equal(url.database, "shop");

    PgUrl none = parse(arena, "postgresql://db");
    assert_string_equal(url_with_database(arena, &none, "x").redacted, "postgresql://db/x");
}

static void a_server_is_the_same_by_its_name_and_port(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool same;
    } cases[] = {
        {"postgresql://app:pw@db:5433/shop",    true },
        {"postgresql://other@db:5433/x",        true },
        {"postgresql://app:pw@db/shop",         false},
        {"postgresql://app:pw@db:5434/shop",    false},
        {"postgresql://app:pw@db2:5433/shop",   false},
        {"host=db port=5433 hostaddr=10.0.0.1", true },
    };
    auto_arena Arena *arena = arena_new();
    PgUrl url = parse(arena, "postgresql://app:pw@db:5433/shop");

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        PgUrl other = parse(arena, cases[i].text);
        assert_int_equal(url_same_server(&url, &other), cases[i].same);
    }
}

static void check_for_program(const char *text)
{
    auto_arena Arena *arena = arena_new();
    PgUrl url = parse(arena, text);
    const char *conninfo = url_for_program(arena, &url);
    size_t at = 0;

    assert_null(strstr(conninfo, secret));
    /* As libpq reads it in the program: the same values, without the passwords. */
    PgUrl again = *conninfo ? parse(arena, conninfo) : (PgUrl){.keywords = (const char *[]){NULL}};
    for (size_t i = 0; url.keywords[i]; i++) {
        if (strstr(url.keywords[i], "password"))
            continue;
        assert_string_equal(again.keywords[at], url.keywords[i]);
        assert_string_equal(again.values[at++], url.values[i]);
    }
    assert_null(again.keywords[at]);
}

static void programs_get_all_but_the_passwords(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "postgresql://app:S3cr3t@db.example:5433/shop?sslmode=require",
        "postgresql://app@db/x?password=S3cr3t&sslpassword=S3cr3t",
        "postgresql://app:S3cr3t@a:1,b:2/x",
        "host=/run/postgresql user=app password=S3cr3t",
        "host='a b' user='a\\'b\\\\c' dbname='d=e' password='S3cr3t x'",
        "postgresql://%27%5C%20:S3cr3t@db/%27%5C%22?application_name=%27%20%5C",
        "postgresql://",
    };

    for (size_t i = 0; i < COUNT_OF(texts); i++)
        check_for_program(texts[i]);
}

static void the_password_goes_by_the_environment(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    PgUrl url = parse(arena, "postgresql://app:p%40%20w%3D@db/x");
    PgUrl without = parse(arena, "postgresql://app@db/x");

    assert_string_equal(url_password_env(arena, &url), "PGPASSWORD=p@ w=");
    assert_null(url_password_env(arena, &without));
}

static void a_pooled_host_of_neon_has_a_direct_one(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        const char *direct; /* NULL: it is none */
    } cases[] = {
        {"ep-a-1234-pooler.eu.aws.neon.tech", "ep-a-1234.eu.aws.neon.tech"},
        {"x-pooler.y",                        "x.y"                       },
        {"ep-a-1234.eu.aws.neon.tech",        NULL                        },
        {"pooler.example",                    NULL                        },
        {"-pooler.example",                   NULL                        }, /* of what? */
        {"db.my-pooler.example",              NULL                        }, /* not the first label */
        {"my-pooler",                         NULL                        }, /* a host of one's own */
        {"my-poolers.example",                NULL                        },
        {"",                                  NULL                        },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        auto_arena Arena *arena = arena_new();
        PgUrl url = {.host = cases[i].host};

        assert_int_equal(url_is_neon_pooler(&url), cases[i].direct != NULL);
        assert_string_equal(url_direct_host(arena, &url),
                            cases[i].direct ? cases[i].direct : cases[i].host);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_and_keywords_give_the_same_parts),
        cmocka_unit_test(hosts_may_be_addresses_several_or_sockets),
        cmocka_unit_test(any_character_can_be_encoded),
        cmocka_unit_test(parameters_are_shown_but_for_the_passwords),
        cmocka_unit_test(what_is_no_url_is_refused_without_quoting_a_password),
        cmocka_unit_test(a_word_that_a_parameter_does_not_know_is_refused_with_those_it_knows),
        cmocka_unit_test(no_url_at_all_says_where_to_give_it),
        cmocka_unit_test(a_text_that_is_too_long_is_refused),
        cmocka_unit_test(another_database_changes_nothing_else),
        cmocka_unit_test(a_server_is_the_same_by_its_name_and_port),
        cmocka_unit_test(programs_get_all_but_the_passwords),
        cmocka_unit_test(the_password_goes_by_the_environment),
        cmocka_unit_test(a_pooled_host_of_neon_has_a_direct_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
