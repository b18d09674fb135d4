/* The marks on the target, where an earlier move left them half made or at work. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "move/marks.h"

/* ---- a target that answers so, and a clock: --wrap ---- */

static const char *answers[4][4]; /* cells, of two columns */
static int rows[4];
static int asked;
static int fails_at = -1;
static char keep[64]; /* the tables' names, when their parts are kept */

static double now;
static int sessions; /* rounds until none is left; -1: never */

bool __wrap_pg_query(PGconn *conn, const char *sql, int count, const char *const *params,
                     PGresult **ret, Error *err);
bool __wrap_pg_query(PGconn *conn, const char *sql, int count, const char *const *params,
                     PGresult **ret, Error *err)
{
    char name[] = "c";
    PGresAttDesc columns[2] = {{.name = name}, {.name = name}};
    int at = asked++;

    (void)conn;
    (void)sql;
    if (at == fails_at)
        return error_set(err, ERR_CONNECT, "connection lost");
    if (count == 2)
        (void)snprintf(keep, sizeof keep, "%s", params[1]);
    *ret = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    assert_int_equal(PQsetResultAttrs(*ret, 2, columns), 1);
    for (int i = 0; i < rows[at] * 2; i++) {
        const char *cell = answers[at][i];
        assert_int_equal(PQsetvalue(*ret, i / 2, i % 2, (char *)(uintptr_t)cell, (int)strlen(cell)),
                         1);
    }
    return true;
}

bool __wrap_pg_query_i64(PGconn *conn, const char *sql, int64_t *ret, Error *err);
bool __wrap_pg_query_i64(PGconn *conn, const char *sql, int64_t *ret, Error *err)
{
    (void)conn;
    (void)sql;
    (void)err;
    *ret = sessions == 0 ? 0 : 2;
    sessions -= sessions > 0;
    return true;
}

double __wrap_clock_seconds(void);
double __wrap_clock_seconds(void)
{
    return now;
}

bool __wrap_cancel_sleep_ms(int ms, Error *err);
bool __wrap_cancel_sleep_ms(int ms, Error *err)
{
    (void)err;
    now += ms / 1000.0;
    return true;
}

static int clear(void **state)
{
    (void)state;
    memset(answers, 0, sizeof answers);
    memset(rows, 0, sizeof rows);
    asked = 0;
    fails_at = -1;
    now = 1000;
    return 0;
}

/* ---- the tests ---- */

static void a_schema_without_a_mark_is_no_move(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    Marks marks = {.there = true};
    Error err = ERROR_INIT;

    rows[0] = 1;
    answers[0][0] = "t";
    answers[0][1] = "";
    assert_true(marks_read(NULL, arena, &marks, &err));
    assert_int_equal(asked, 2);
    assert_false(marks.there);
}

static void sessions_of_an_earlier_run_are_waited_for(void **state)
{
    (void)state;
    Error err = ERROR_INIT;

    sessions = 3;
    assert_true(marks_end_sessions(NULL, &err));

    sessions = -1;
    assert_false(marks_end_sessions(NULL, &err));
    assert_int_equal(err.code, ERR_WRONG_STATE);
    assert_string_equal(err.message, "sessions of an earlier run do not end on the target");
    assert_string_equal(err.hint, "See pg_stat_activity for application_name \"homeport ...\".");
}

/* Rows that were sent to the partitioned table at the top may be in any of its partitions. */
static void partitions_filled_from_above_are_whole_together_or_not_at_all(void **state)
{
    (void)state;
    static const Table tables[] = {
        {.schema = "public",          .name = "one",   .root = "\"public\".\"p\""},
        {.schema = "public",                           .name = "two",                         .root = "\"public\".\"p\""},
        {.schema = "public", .name = "three",.root = "\"public\".\"q\""},
        {.schema = "public",            .name = "plain"         },
    };
    static const struct {
        const char *there[2];
        bool finished[4];
        const char *keep;
    } cases[] = {
        {{"one", "three"}, {false, false, true, false}, "{\"three\"}"      },
        {{"one", "two"},   {true, true, false, false},  "{\"one\",\"two\"}"},
        {{"two", "plain"}, {false, false, false, true}, "{\"plain\"}"      },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        bool finished[4] = {0};
        Error err = ERROR_INIT;

        asked = 0;
        rows[0] = 2;
        for (int n = 0; n < 2; n++) {
            answers[0][n * 2] = "public";
            answers[0][n * 2 + 1] = cases[i].there[n];
        }
        assert_true(marks_keep_finished(NULL, tables, 4, finished, &err));
        assert_memory_equal(finished, cases[i].finished, sizeof finished);
        assert_string_equal(keep, cases[i].keep);
    }
}

static void a_question_that_fails_says_what_was_asked(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    Marks marks = {0};
    Error err = ERROR_INIT;

    rows[0] = 1;
    answers[0][0] = "t";
    answers[0][1] = "";
    fails_at = 1;
    assert_false(marks_read(NULL, arena, &marks, &err));
    assert_string_equal(err.message, "read the marks of an earlier move: connection lost");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_schema_without_a_mark_is_no_move, clear),
        cmocka_unit_test_setup(sessions_of_an_earlier_run_are_waited_for, clear),
        cmocka_unit_test_setup(partitions_filled_from_above_are_whole_together_or_not_at_all,
                               clear),
        cmocka_unit_test_setup(a_question_that_fails_says_what_was_asked, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
