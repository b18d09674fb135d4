/* Waiting for what is written on the source, where it is applied late or never. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/clock.h"
#include "core/text.h"
#include "move/verify_again.h"

/* ---- a source that has something written for us, and a clock: --wrap ---- */

static double now;
static int messages;

double __wrap_clock_seconds(void);
double __wrap_clock_seconds(void)
{
    return now;
}

bool __wrap_pg_query_text(PGconn *conn, Arena *arena, const char *sql, char **ret, Error *err);
bool __wrap_pg_query_text(PGconn *conn, Arena *arena, const char *sql, char **ret, Error *err)
{
    (void)conn;
    (void)sql;
    (void)err;
    *ret = arena_strdup(arena, "0/100");
    return true;
}

bool __wrap_pg_exec(PGconn *conn, const char *sql, Error *err);
bool __wrap_pg_exec(PGconn *conn, const char *sql, Error *err)
{
    (void)conn;
    (void)err;
    messages += strcmp(sql, "COMMIT") == 0;
    return true;
}

bool __wrap_pg_query(PGconn *conn, const char *sql, int count, const char *const *params,
                     PGresult **ret, Error *err);
bool __wrap_pg_query(PGconn *conn, const char *sql, int count, const char *const *params,
                     PGresult **ret, Error *err)
{
    char name[] = "lsn";
    char value[] = "0/200";
    PGresAttDesc column = {.name = name};

    (void)conn;
    (void)sql;
    (void)err;
    assert_int_equal(count, 1);
    assert_string_equal(params[0], "verify");
    *ret = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    assert_int_equal(PQsetResultAttrs(*ret, 1, &column), 1);
    assert_int_equal(PQsetvalue(*ret, 0, 0, value, (int)strlen(value)), 1);
    return true;
}

/* ---- an applier ---- */

typedef struct Following {
    int rounds; /* until it has applied what it is asked for; -1: never */
    Lsn asked;  /* last */
    bool fails;
} Following;

static bool follow(void *context, Lsn lsn, double deadline_s, Error *err)
{
    Following *following = context;

    following->asked = lsn;
    if (following->fails)
        return error_set(err, ERR_SQL, "the applier has stopped");
    if (following->rounds == 0)
        return true;
    following->rounds -= following->rounds > 0;
    now = deadline_s;
    return error_set(err, ERR_WRONG_STATE, "not yet");
}

static bool waited(Following *following, Error *err)
{
    const VerifyLive live = {.wait_applied = follow, .context = following};
    Again again = {.live = &live};

    now = 1000;
    messages = 0;
    *err = ERROR_INIT;
    return again_wait(&again, err);
}

/* ---- the tests ---- */

static void what_is_applied_late_is_waited_for(void **state)
{
    (void)state;
    static const struct {
        int rounds;
        Lsn asked;
        int messages;
    } cases[] = {
        {0,   0x100, 0},
        {1,   0x200, 1}, /* a source taken for quiet, where nothing follows by itself */
        {400, 0x200, 1},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        Following following = {.rounds = cases[i].rounds};
        Error err = ERROR_INIT;

        assert_true(waited(&following, &err));
        assert_int_equal(following.asked, cases[i].asked);
        assert_int_equal(messages, cases[i].messages);
    }
}

static void what_is_never_applied_is_an_error_in_the_end(void **state)
{
    (void)state;
    Following never = {.rounds = -1};
    Following stopped = {.fails = true};
    Error err = ERROR_INIT;

    assert_false(waited(&never, &err));
    assert_true(now > 1300 && now < 1302);
    assert_int_equal(err.code, ERR_WRONG_STATE);
    assert_string_equal(err.message, "what was written 300 s ago is still not applied, so that the "
                                     "sides cannot be compared");
    assert_string_equal(err.hint, "`homeport status --watch` shows when it has caught up.");

    assert_false(waited(&stopped, &err));
    assert_int_equal(err.code, ERR_SQL);
    assert_string_equal(err.message, "the applier has stopped");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_applied_late_is_waited_for),
        cmocka_unit_test(what_is_never_applied_is_an_error_in_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
