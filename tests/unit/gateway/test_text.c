/* What comes from clients as text: connection strings, bodies, values, tags, startup packets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "core/text.h"
#include "gateway/connstring.h"
#include "gateway/relay.h"
#include "gateway/scram.h"
#include "gateway/sql.h"
#include "gateway/sqlbody.h"
#include "gateway/value.h"
#include "gateway/wire.h"

static void connection_strings_are_taken_apart(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    static const struct {
        const char *text;
        const char *user;
        const char *password;
        const char *host;
        const char *database;
    } cases[] = {
        {"postgresql://u:p@h/d",                     "u",        "p",    "h",     "d"   },
        {"POSTGRES://u:p@h:5432/d?sslmode=require",  "u",        "p",    "h",     "d"   },
        {"postgres://u%40x:p%3A%2F%25@a.b.c/db%20x", "u@x",      "p:/%", "a.b.c", "db x"},
        {"postgres://u:a@b@h/d",                     "u",        "a@b",  "h",     "d"   },
        {"postgres://u:p:q@h/d/rest#f",              "u",        "p:q",  "h",     "d"   },
        {"postgres://u:endpoint=x;pw@h/d",           "u",        "pw",   "h",     "d"   },
        {"postgres://%C3%A4:p@h/d",                  "\xc3\xa4", "p",    "h",     "d"   },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        ConnString got;
        Error err = ERROR_INIT;
        assert_true(connstring_parse(arena, cases[i].text, &got, &err));
        assert_string_equal(got.user, cases[i].user);
        assert_string_equal(got.password, cases[i].password);
        assert_string_equal(got.host, cases[i].host);
        assert_string_equal(got.database, cases[i].database);
    }
}

static void what_is_no_connection_string_is_refused_without_showing_it(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    static const char *const bad[] = {
        "",
        "u:s3cret@h/d",
        "http://u:s3cret@h/d",
        "postgres://u:s3cret%4@h/d",
        "postgres://u:s3cret%00@h/d",
        "postgres://u:s3cret%ff@h/d",
        "postgres://u:s3cret@h",
        "postgres://u:s3cret@h/",
        "postgres://u:s3cret@/d",
        "postgres://u:s3cret@10.0.0.1/d",
        "postgres://u:s3cret@[::1]/d",
        "postgres://h/d",
        "postgres://u@h/d",
        "postgres://:s3cret@h/d",
    };

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        ConnString got;
        Error err = ERROR_INIT;
        assert_false(connstring_parse(arena, bad[i], &got, &err));
        assert_true(*err.message);
        assert_null(strstr(err.message, "s3cret"));
    }
}

static void options_that_only_neon_understands_are_dropped(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    static const char *const cases[][2] = {
        {"endpoint=ep-x",                     NULL                  },
        {"  project=a   endpoint=b ",         NULL                  },
        {"endpoint=a -c x=1",                 "-c x=1"              },
        {"-c search_path=a\\ b neon_lsn:0/1", "-c search_path=a\\ b"},
        {"neon_not_one",                      "neon_not_one"        },
        {"-c a=endpoint=b",                   "-c a=endpoint=b"     },
        {"",                                  NULL                  },
        {"x\\",                               "x\\"                 },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *got = options_clean(arena, cases[i][0]);
        if (cases[i][1])
            assert_string_equal(got, cases[i][1]);
        else
            assert_null(got);
    }
}

static void statements_that_go_alone_are_known(void **state)
{
    (void)state;
    static const char *const yes[] = {"commit",
                                      " COMMIT;",
                                      "/* a /* b */ */ -- c\n rollback to x",
                                      "END",
                                      ";;begin",
                                      "savepoint a",
                                      "Prepare Transaction 'x'",
                                      "copy t from stdin"};
    static const char *const no[] = {
        "",          "select 'commit'", "commits", "ending", "insert into commit values (1)",
        "/* commit", "-- commit"};

    for (size_t i = 0; i < COUNT_OF(yes); i++)
        assert_true(statement_goes_alone(yes[i]));
    for (size_t i = 0; i < COUNT_OF(no); i++)
        assert_false(statement_goes_alone(no[i]));
}

static void tags_are_read_as_the_driver_reads_them(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    static const struct {
        const char *tag;
        const char *command;
        int64_t rows;
    } cases[] = {
        {"SELECT 5",               "SELECT", 5 },
        {"INSERT 0 7",             "INSERT", 7 },
        {"CREATE TABLE",           "CREATE", -1},
        {"",                       "",       -1},
        {"SET",                    "SET",    -1},
        {"DELETE 0",               "DELETE", 0 },
        {"INSERT 0",               "INSERT", -1},
        {"X 99999999999999999999", "X",      -1},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        CommandTag got = wire_read_tag(arena, cases[i].tag);
        assert_string_equal(got.command, cases[i].command);
        assert_int_equal(got.rows, cases[i].rows);
    }
}

static void assert_string(const char *text, size_t len, const char *json)
{
    Bytes out = bytes_init(SIZE_MAX);

    value_add_string(&out, text, len);
    assert_int_equal(bytes_len(&out), strlen(json));
    assert_memory_equal(bytes_data(&out), json, strlen(json));
    bytes_free(&out);
}

static void strings_are_json_whatever_their_bytes(void **state)
{
    (void)state;
    assert_string("a\"b\\c", 5, "\"a\\\"b\\\\c\"");
    assert_string("\b\f\n\r\t\v\x01\x7f", 8, "\"\\b\\f\\n\\r\\t\\u000b\\u0001\x7f\"");
    assert_string("\xc3\xa4\xf0\x9f\x98\x80", 6, "\"\xc3\xa4\xf0\x9f\x98\x80\"");
    assert_string("a\xff"
                  "b\xc3",
                  4,
                  "\"a\xef\xbf\xbd"
                  "b\xef\xbf\xbd\"");
    assert_string("\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
    assert_string("", 0, "\"\"");
}

static void values_have_json_types_where_they_are_asked_for(void **state)
{
    (void)state;
    static const struct {
        uint32_t type;
        const char *text;
        const char *json;
    } cases[] = {
        {16,   "t",                             "true"                             },
        {23,   "-5",                            "-5"                               },
        {20,   "5",                             "\"5\""                            },
        {701,  "1e+20",                         "1e+20"                            },
        {701,  "NaN",                           "\"NaN\""                          },
        {701,  "-Infinity",                     "\"-Infinity\""                    },
        {3802, "{\"a\": 1}",                    "{\"a\": 1}"                       },
        {1007, "{1,NULL,3}",                    "[1,null,3]"                       },
        {1007, "{}",                            "[]"                               },
        {1007, "[2:3]={1,2}",                   "[1,2]"                            },
        {1009, "{a,\"b,\\\"c\",\"NULL\",NULL}", "[\"a\",\"b,\\\"c\",\"NULL\",null]"},
        {1007, "{{1,2},{3,4}}",                 "[[1,2],[3,4]]"                    },
        {1020, "{(1,1),(0,0);(2,2),(0,0)}",     "[\"(1,1),(0,0)\",\"(2,2),(0,0)\"]"},
        {1007, "{1,",                           "[1]"                              },
        {1009, "{\"a",                          "[\"a\"]"                          },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        Bytes out = bytes_init(SIZE_MAX);
        value_add_typed(&out, cases[i].type, cases[i].text, strlen(cases[i].text));
        bytes_add_char(&out, '\0');
        assert_string_equal(bytes_data(&out), cases[i].json);
        bytes_free(&out);
    }
}

static void bodies_become_queries_with_parameters_as_text(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    static const char text[] =
        "{\"queries\":[{\"query\":\"a\",\"params\":[1,true,null,0.1,1e100,[1,[\"x\\\"\"],null,"
        "{\"k\":[1]}],{\"a\":\"b\"}]},{\"query\":\"b\",\"arrayMode\":false}]}";
    static const char *const expected[] = {"1",
                                           "true",
                                           NULL,
                                           "0.1",
                                           "1e+100",
                                           "{1,{\"x\\\"\"},NULL,\"{\\\"k\\\":[1]}\"}",
                                           "{\"a\":\"b\"}"};
    SqlBody body;
    Error err = ERROR_INIT;

    assert_true(sqlbody_parse(arena, text, strlen(text), &body, &err));
    assert_true(body.batch);
    assert_int_equal(body.count, 2);
    assert_int_equal(body.queries[0].param_count, COUNT_OF(expected));
    for (size_t i = 0; i < COUNT_OF(expected); i++)
        if (expected[i])
            assert_string_equal(body.queries[0].params[i], expected[i]);
        else
            assert_null(body.queries[0].params[i]);
    assert_int_equal(body.queries[1].array_mode, ARRAY_MODE_OFF);
    assert_int_equal(body.queries[0].array_mode, ARRAY_MODE_UNSAID);
}

/* What is read in place and what jansson reads: a member that nobody knows makes it the latter's.
 */
static void a_body_means_the_same_however_it_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *members;
        const char *query; /* NULL: refused */
        const char *params[4];
    } cases[] = {
        {"\"query\":\"select 1\"",                                 "select 1",              {0}           },
        {" \"query\" : \"a\" ,\n\t\"params\" : [ ] ",              "a",                     {0}           },
        {"\"query\":\"\",\"params\":[\"1\",null,\"\"]",            "",                      {"1", "-", ""}},
        {"\"query\":\"a\",\"params\":[ null , \"b\" ]",            "a",                     {"-", "b"}    },
        {"\"query\":\"\\\"x\\\" \\\\ \\/ \\b\\f\\n\\r\\t\"",       "\"x\" \\ / \b\f\n\r\t", {0}           },
        {"\"query\":\"a\\\\\",\"params\":[\"\\\\\",\"\\\\\\\"\"]", "a\\",                   {"\\", "\\\""}},
        {"\"params\":[\"1\"],\"query\":\"a\"",                     "a",                     {"1"}         },
        {"\"query\":\"\\u0041\xc3\xa4\x7f\",\"params\":[7]",       "A\xc3\xa4\x7f",         {"7"}         },
        {"\"query\":\"a\",\"params\":null",                        NULL,                    {0}           },
        {"\"query\":\"a\",\"params\":[nul]",                       NULL,                    {0}           },
        {"\"query\":\"a\",\"params\":[\"1\"",                      NULL,                    {0}           },
        {"\"query\":\"a\",\"params\":[\"1\",]",                    NULL,                    {0}           },
        {"\"query\":\"a\",\"params\":[\"1\" \"2\"]",               NULL,                    {0}           },
        {"\"query\":\"a\",",                                       NULL,                    {0}           },
        {"\"query\":\"a\",\"query\":\"b\"",                        NULL,                    {0}           },
        {"\"query\":\"a\\x\"",                                     NULL,                    {0}           },
        {"\"query\":\"a\\",                                        NULL,                    {0}           },
        {"\"query\":\"a\nb\"",                                     NULL,                    {0}           },
        {"\"query\":\"a\xff\"",                                    NULL,                    {0}           },
        {"\"query\":\"a\\u0000\"",                                 NULL,                    {0}           },
        {"\"query\" \"a\"",                                        NULL,                    {0}           },
        {"\"query\":1",                                            NULL,                    {0}           },
    };
    static const char *const frames[] = {"{%s}", " {%s} \n", "{\"unknown\":1,%s}"};

    for (size_t i = 0; i < COUNT_OF(cases); i++)
        for (size_t frame = 0; frame < COUNT_OF(frames); frame++) {
            auto_arena Arena *arena = arena_new();
            Text text = text_init(arena, 1 << 20);
            const char *hole = strstr(frames[frame], "%s");
            SqlBody body;
            Error err = ERROR_INIT;
            int count = 0;

            text_add_n(&text, frames[frame], (size_t)(hole - frames[frame]));
            text_add(&text, cases[i].members);
            text_add(&text, hole + 2);
            bool fine = sqlbody_parse(arena, text_str(&text), text.len, &body, &err);
            assert_int_equal(fine, cases[i].query != NULL);
            assert_int_equal(fine, *err.message == '\0');
            if (!fine)
                continue;
            assert_false(body.batch);
            assert_int_equal(body.count, 1);
            assert_string_equal(body.queries[0].text, cases[i].query);
            assert_int_equal(body.queries[0].array_mode, ARRAY_MODE_UNSAID);
            for (; count < 4 && cases[i].params[count]; count++)
                if (strcmp(cases[i].params[count], "-") == 0)
                    assert_null(body.queries[0].params[count]);
                else
                    assert_string_equal(body.queries[0].params[count], cases[i].params[count]);
            assert_int_equal(body.queries[0].param_count, count);
        }
}

static void bodies_may_have_more_than_is_read_in_place(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    Text text = text_init(arena, 1 << 20);
    SqlBody body;
    Error err = ERROR_INIT;

    text_add(&text, "{\"query\":\"a\",\"params\":[\"0\"");
    for (int i = 1; i < 100; i++)
        text_addf(&text, ",\"%d\"", i);
    text_add(&text, "]}");
    assert_true(sqlbody_parse(arena, text_str(&text), text.len, &body, &err));
    assert_int_equal(body.queries[0].param_count, 100);
    assert_string_equal(body.queries[0].params[99], "99");
    /* Nor as many bytes. */
    text = text_init(arena, 1 << 20);
    text_add(&text, "{\"query\":\"a\",\"params\":[\"");
    for (int i = 0; i < 5000; i++)
        text_add(&text, "long");
    text_add(&text, "\"]}");
    assert_true(sqlbody_parse(arena, text_str(&text), text.len, &body, &err));
    assert_int_equal(body.queries[0].param_count, 1);
    assert_int_equal(strlen(body.queries[0].params[0]), 20000);
}

static void relays_know_when_nothing_is_open(void **state)
{
    (void)state;
    RelayState relay;
    static const char query[] = {'Q', 0, 0, 0, 6, 'x', 0};
    static const char parse[] = {'P', 0, 0, 0, 4};
    static const char sync[] = {'S', 0, 0, 0, 4};
    static const char copy_in[] = {'G', 0, 0, 0, 4};
    static const char ready[] = {'Z', 0, 0, 0, 5, 'I'};
    static const char in_transaction[] = {'Z', 0, 0, 0, 5, 'T'};

    relay_init(&relay);
    assert_true(relay_is_idle(&relay));
    for (size_t i = 0; i < sizeof query; i++) {
        assert_true(relay_from_client(&relay, query + i, 1));
        assert_false(relay_is_idle(&relay));
    }
    assert_true(relay_from_server(&relay, in_transaction, sizeof in_transaction));
    assert_false(relay_is_idle(&relay));
    assert_true(relay_from_client(&relay, query, sizeof query));
    assert_true(relay_from_server(&relay, ready, sizeof ready));
    assert_true(relay_is_idle(&relay));
    /* A Sync that a COPY swallows is never answered. */
    assert_true(relay_from_client(&relay, parse, sizeof parse));
    assert_false(relay_is_idle(&relay));
    assert_true(relay_from_client(&relay, sync, sizeof sync));
    assert_true(relay_from_server(&relay, copy_in, sizeof copy_in));
    assert_true(relay_from_client(&relay, sync, sizeof sync));
    assert_int_equal(relay.pending, 2);
    assert_true(relay_from_server(&relay, ready, sizeof ready));
    assert_true(relay_is_idle(&relay));
    assert_false(relay_from_client(&relay, "Q\0\0\0\3", 5));
}

/* The exchange of RFC 7677's example cannot be had with random nonces; the client's side is short
 * enough to be done here by the same functions it is checked with: a wrong proof must fail. */
static void note_code(void *arg, const char *sqlstate)
{
    char *seen = arg;

    (void)snprintf(seen + strlen(seen), 32 - strlen(seen), "%s ", sqlstate);
}

static void relays_tell_the_codes_of_errors_however_they_are_cut(void **state)
{
    (void)state;
    /* A notice, an error, an Execute's name for it, an error without a code, one more. */
    static const char from_server[] =
        "N\0\0\0\x11SLOG\0C01000\0\0E\0\0\0\x1aSERROR\0VERROR\0C22012\0\0E\0\0\0\x09Mno\0\0"
        "Z\0\0\0\5IE\0\0\0\x13SFATAL\0C57P01\0\0";

    for (size_t cut = 1; cut < sizeof from_server; cut++) {
        char seen[32] = "";
        RelayState relay;
        relay_init(&relay);
        relay.on_error = note_code;
        relay.arg = seen;
        for (size_t at = 0; at < sizeof from_server - 1; at += cut) {
            size_t left = sizeof from_server - 1 - at;
            assert_true(relay_from_server(&relay, from_server + at, left < cut ? left : cut));
        }
        assert_string_equal(seen, "22012 57P01 ");
    }
}

static void scram_refuses_what_is_not_its_own(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    unsigned char binding[32] = {7};
    ScramKeys keys;
    static const struct {
        const char *mechanism;
        const char *first;
        bool bound;
        bool fine;
    } cases[] = {
        {"SCRAM-SHA-256",      "n,,n=,r=abc",                      false, true },
        {"SCRAM-SHA-256",      "y,,n=,r=abc",                      false, true },
        {"SCRAM-SHA-256",      "y,,n=,r=abc",                      true,  false},
        {"SCRAM-SHA-256",      "n,,n=,r=abc",                      true,  true },
        {"SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,n=,r=abc", true,  true },
        {"SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,n=,r=abc", false, false},
        {"SCRAM-SHA-256-PLUS", "p=tls-unique,,n=,r=abc",           true,  false},
        {"SCRAM-SHA-256",      "p=tls-server-end-point,,n=,r=abc", true,  false},
        {"SCRAM-SHA-1",        "n,,n=,r=abc",                      false, false},
        {"SCRAM-SHA-256",      "n,,n=,r=",                         false, false},
        {"SCRAM-SHA-256",      "n,,r=abc",                         false, false},
        {"SCRAM-SHA-256",      "n,",                               false, false},
        {"SCRAM-SHA-256",      "",                                 false, false},
    };

    assert_true(scram_keys_make("pencil", &keys));
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        Scram *scram = scram_new(arena, binding, cases[i].bound ? sizeof binding : 0);
        const char *answer = scram_first(scram, cases[i].mechanism, cases[i].first, &keys);
        assert_int_equal(answer != NULL, cases[i].fine);
        assert_null(scram_final(scram, "c=biws,r=abc,p=AAAA"));
        assert_null(scram_final(scram, "nonsense"));
        if (answer)
            assert_null(scram_final(
                scram,
                arena_printf(arena, "c=biws,%.*s,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
                             (int)strcspn(answer, ","), answer)));
    }
}

static void libpqs_words_become_fields(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    WireError error =
        wire_error_of_libpq(arena, "connection to server at \"h\", port 1 failed: FATAL:  28P01: "
                                   "password authentication failed for user "
                                   "\"a\"\nDETAIL:  d\nLOCATION:  auth_failed, auth.c:1\n");

    assert_string_equal(error.fields[FIELD_CODE], "28P01");
    assert_string_equal(error.fields[FIELD_SEVERITY], "FATAL");
    assert_string_equal(error.fields[FIELD_MESSAGE],
                        "password authentication failed for user \"a\"");
    assert_string_equal(error.fields[FIELD_DETAIL], "d");
    error = wire_error_of_libpq(
        arena, "connection to server failed: Connection refused\n\tIs it running?\n");
    assert_string_equal(error.fields[FIELD_CODE], "08006");
    error = wire_error_of_libpq(arena, "");
    assert_non_null(error.fields[FIELD_MESSAGE]);
}

static const char *told(Arena *arena, const char *text)
{
    return wire_error_of_libpq(arena, text).fields[FIELD_MESSAGE];
}

static void clients_are_not_told_where_the_server_is(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    static const char nothing[] = "cannot connect to the database";

    assert_string_equal(told(arena, "connection to server at \"db\" (10.0.0.7), port 5432 failed: "
                                    "Connection refused\n\tIs the server running?\n"),
                        "cannot connect to the database: Connection refused");
    assert_string_equal(
        told(arena, "connection to server at \"fd00::7\", port 5432 failed: timeout expired\n"),
        "cannot connect to the database: timeout expired");
    assert_string_equal(told(arena, "timeout expired"),
                        "cannot connect to the database: timeout expired");
    assert_string_equal(told(arena, "connection to server on socket \"/run/.s.PGSQL.5432\" failed: "
                                    "No such file or directory\n"),
                        "cannot connect to the database: No such file or directory");
    assert_string_equal(told(arena, "could not translate host name \"db.inside\" to address: Name "
                                    "or service not known\n"),
                        nothing);
    assert_string_equal(told(arena, "connection to server at \"db\" (10.0.0.7), port 5432 failed: "
                                    "server certificate for \"db.inside\" does not match\n"),
                        nothing);
    assert_string_equal(told(arena, ""), nothing);
    assert_string_equal(
        told(arena, "connection to server at \"db\" (10.0.0.7), port 5432 failed: FATAL:  28000: "
                    "no pg_hba.conf entry for host \"10.0.0.9\", user \"app\", no encryption\n"),
        "no pg_hba.conf entry for host \"?\", user \"app\", no encryption");
    assert_string_equal(
        told(arena, "FATAL:  28000: pg_hba.conf rejects connection for host \"fd00::9\", \"x\n"),
        "pg_hba.conf rejects connection for host \"?\", \"x");
    assert_string_equal(told(arena, "FATAL:  28000: kein pg_hba.conf-Eintrag f\u00fcr Host "
                                    "\u00bb10.0.0.9\u00ab, Benutzer \u00bbapp\u00ab\n"),
                        "kein pg_hba.conf-Eintrag f\u00fcr Host \u00bb?\u00ab, Benutzer "
                        "\u00bbapp\u00ab");
    assert_string_equal(
        told(arena, "FATAL:  28000: host \"fe80::1%eth0\", 10.0.0.9: a::text 1.5.\n"),
        "host \"?\", ?: a::text 1.5.");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connection_strings_are_taken_apart),
        cmocka_unit_test(what_is_no_connection_string_is_refused_without_showing_it),
        cmocka_unit_test(options_that_only_neon_understands_are_dropped),
        cmocka_unit_test(statements_that_go_alone_are_known),
        cmocka_unit_test(tags_are_read_as_the_driver_reads_them),
        cmocka_unit_test(strings_are_json_whatever_their_bytes),
        cmocka_unit_test(values_have_json_types_where_they_are_asked_for),
        cmocka_unit_test(bodies_become_queries_with_parameters_as_text),
        cmocka_unit_test(a_body_means_the_same_however_it_is_read),
        cmocka_unit_test(bodies_may_have_more_than_is_read_in_place),
        cmocka_unit_test(relays_know_when_nothing_is_open),
        cmocka_unit_test(relays_tell_the_codes_of_errors_however_they_are_cut),
        cmocka_unit_test(scram_refuses_what_is_not_its_own),
        cmocka_unit_test(libpqs_words_become_fields),
        cmocka_unit_test(clients_are_not_told_where_the_server_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
