/*
 * What a failed result becomes. The fields are given by functions that the linker puts in the place
 * of libpq's (tests/unit/meson.build): a server may leave out any of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <string.h>

#include "core/cancel.h"
#include "pg/pg.h"
#include "tests/unit/folder.h"

typedef struct Fields {
    const char *state;
    const char *primary;
    const char *detail;
    const char *hint;
    const char *connection; /* of PQerrorMessage() */
} Fields;

static const Fields *fields;
static const char *source_file; /* of the server's */

char *__wrap_PQresultErrorField(const PGresult *res, int code);
char *__wrap_PQresultErrorField(const PGresult *res, int code)
{
    const char *field = code == PG_DIAG_SQLSTATE          ? fields->state
                        : code == PG_DIAG_MESSAGE_PRIMARY ? fields->primary
                        : code == PG_DIAG_MESSAGE_DETAIL  ? fields->detail
                        : code == PG_DIAG_MESSAGE_HINT    ? fields->hint
                        : code == PG_DIAG_SOURCE_FILE     ? source_file
                                                          : NULL;

    (void)res;
    return (char *)(uintptr_t)field;
}

char *__wrap_PQerrorMessage(const PGconn *conn);
char *__wrap_PQerrorMessage(const PGconn *conn)
{
    (void)conn;
    return (char *)(uintptr_t)(fields->connection ? fields->connection : "");
}

static void a_result_becomes_an_error_whatever_is_missing(void **state)
{
    (void)state;
    static const struct {
        Fields fields;
        ErrorCode code;
        const char *message;
        const char *hint;
        const char *sqlstate;
    } cases[] = {
        {{"42P01", "relation \"x\" does not exist", NULL, NULL, NULL},
         ERR_SQL,                                                                                "relation \"x\" does not exist",
         "",                                                                                                                                                "42P01"},
        {{"23505", "duplicate key", "Key (id)=(1) already exists.", "Look.", NULL},
         ERR_SQL,                                                                                "duplicate key (Key (id)=(1) already exists.)",
         "Look.",                                                                                                                                           "23505"},
        {{"2BP01", "cannot drop", "one depends\nanother depends", NULL, NULL},
         ERR_SQL,                                                                                "cannot drop (one depends)",
         "",                                                                                                                                                "2BP01"},
        {{"XX000", NULL, NULL, NULL, NULL},                                         ERR_SQL,     "statement failed",                                    "", "XX000"},
        {{"too long", "x", NULL, NULL, NULL},                                       ERR_SQL,     "x",                                                   "", "too l"},
 /* Of this class, but said of bytes that the server did not understand. */
        {{"08P01", "insufficient data left in message", NULL, NULL, NULL},
         ERR_SQL,                                                                                "insufficient data left in message",
         "",                                                                                                                                                "08P01"},
 /* The server goes away under us. */
        {{"57P01", "terminating connection", NULL, NULL, NULL},
         ERR_CONNECT,                                                                            "connection lost: terminating connection",
         "",                                                                                                                                                "57P01"},
        {{"57P03", "the database system is starting up", NULL, NULL, NULL},
         ERR_CONNECT,                                                                            "connection lost: the database system is starting up",
         "",                                                                                                                                                "57P03"},
        {{"08006", NULL, NULL, NULL, NULL},
         ERR_CONNECT,                                                                            "connection lost: statement failed",
         "",                                                                                                                                                "08006"},
        {{"57014", "canceling statement", NULL, NULL, NULL},
         ERR_SQL,                                                                                "canceling statement",
         "",                                                                                                                                                "57014"},
 /* No state: it was the connection that failed. */
        {{NULL, "unseen", NULL, NULL, "\n server closed the connection\nmore\n"},
         ERR_CONNECT,                                                                            "connection lost: server closed the connection",
         "",                                                                                                                                                ""     },
        {{NULL, NULL, NULL, NULL, NULL},                                            ERR_CONNECT, "connection lost: no reason",                          "", ""     },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        Error err = ERROR_INIT;

        fields = &cases[i].fields;
        assert_false(pg_fail_result(NULL, NULL, &err));
        assert_int_equal(err.code, cases[i].code);
        assert_string_equal(err.message, cases[i].message);
        assert_string_equal(err.hint, cases[i].hint);
        assert_string_equal(err.sqlstate, cases[i].sqlstate);
    }
}

static void the_file_that_reported_it_is_kept_without_its_folders(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        const char *origin;
    } cases[] = {
        {"slot.c",                               "slot.c"                 },
        {"../src/backend/replication/slot.c",    "slot.c"                 },
        {"a_file_whose_name_is_much_too_long.c", "a_file_whose_name_is_mu"},
        {NULL,                                   ""                       },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const Fields some = {"55000", "nicht bereit", NULL, NULL, NULL};
        Error err = ERROR_INIT;

        fields = &some;
        source_file = cases[i].file;
        assert_false(pg_fail_result(NULL, NULL, &err));
        assert_string_equal(err.origin, cases[i].origin);
    }
}

static void the_code_of_a_refused_connection_is_found_in_any_language(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *found; /* NULL: none */
    } cases[] = {
        {"connection to server at \"::1\", port 1 failed: FATAL:  28P01: Passwort\n",
         "28P01: Passwort\n"                                                                              },
        {"failed: \xD0\x92\xD0\x90\xD0\x96\xD0\x9D\xD0\x9E:  3D000: x\nLOCATION:  a, b.c:1",
         "3D000: x\nLOCATION:  a, b.c:1"                                                                  },
        {"connection to server failed: Connection refused",                                  NULL         },
        {"FATAL:  28P0: short",                                                              NULL         },
        {"FATAL:  no code:  57P03: here",                                                    "57P03: here"},
        {"",                                                                                 NULL         },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *found = pg_find_code(cases[i].text);

        assert_int_equal(found != NULL, cases[i].found != NULL);
        if (found)
            assert_string_equal(found, cases[i].found);
    }
}

static void a_long_detail_is_cut_visibly(void **state)
{
    (void)state;
    static char detail[2000];
    static const Fields long_ones = {"23505", "duplicate key", detail, NULL, NULL};
    Error err = ERROR_INIT;

    memset(detail, 'x', sizeof detail - 1);
    fields = &long_ones;
    assert_false(pg_fail_result(NULL, NULL, &err));
    assert_int_equal(strncmp(err.message, "duplicate key (xxx", 18), 0);
    assert_string_equal(err.message + strlen(err.message) - 4, "x...");
}

static int fail_after_a_request_to_stop(void *context)
{
    Error err = ERROR_INIT;

    (void)context;
    cancel_install();
    (void)raise(SIGTERM);
    (void)pg_fail_result(NULL, NULL, &err);
    return (int)err.code;
}

static void after_a_request_to_stop_that_is_the_reason(void **state)
{
    (void)state;
    static const Fields both[] = {
        {"57014", "canceling statement due to user request", NULL, NULL, NULL                          },
        {NULL,    NULL,                                      NULL, NULL, "server closed the connection"},
    };

    for (size_t i = 0; i < COUNT_OF(both); i++) {
        auto_arena Arena *arena = arena_new();

        fields = &both[i];
        assert_int_equal(in_child(arena, fail_after_a_request_to_stop, NULL, NULL), ERR_CANCELLED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_result_becomes_an_error_whatever_is_missing),
        cmocka_unit_test(the_file_that_reported_it_is_kept_without_its_folders),
        cmocka_unit_test(the_code_of_a_refused_connection_is_found_in_any_language),
        cmocka_unit_test(a_long_detail_is_cut_visibly),
        cmocka_unit_test(after_a_request_to_stop_that_is_the_reason),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
