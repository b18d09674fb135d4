/* How many rows tables have, as far as the time goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/clock.h"
#include "move/verify_counts.h"

/* ---- servers of two tables, and a clock that stands still: --wrap ---- */

enum {
    NOW = 1000
};

double __wrap_clock_seconds(void);
double __wrap_clock_seconds(void)
{
    return NOW;
}

typedef struct Server {
    const char *state;   /* SQLSTATE of a count that fails; NULL: it does not */
    const char *rows[2]; /* that it has */
} Server;

bool __wrap_pg_execf(PGconn *conn, Error *err, const char *fmt, ...);
bool __wrap_pg_execf(PGconn *conn, Error *err, const char *fmt, ...)
{
    (void)conn;
    (void)err;
    assert_string_equal(fmt, "SET statement_timeout = %d");
    return true;
}

bool __wrap_pg_query(PGconn *conn, const char *sql, int count, const char *const *params,
                     PGresult **ret, Error *err);
bool __wrap_pg_query(PGconn *conn, const char *sql, int count, const char *const *params,
                     PGresult **ret, Error *err)
{
    const Server *server = (const Server *)(const void *)conn;
    char name[] = "rows";
    PGresAttDesc columns[2] = {{.name = name}, {.name = name}};

    (void)sql;
    (void)params;
    assert_int_equal(count, 0);
    if (server->state) {
        (void)error_set(err, ERR_SQL, "refused");
        memcpy(err->sqlstate, server->state, sizeof err->sqlstate);
        return false;
    }
    *ret = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    assert_int_equal(PQsetResultAttrs(*ret, 2, columns), 1);
    for (int i = 0; i < 2; i++)
        assert_int_equal(PQsetvalue(*ret, 0, i, (char *)(uintptr_t)server->rows[i], 1), 1);
    return true;
}

static void what_is_counted_in_time_is_compared(void **state)
{
    (void)state;
    static const struct {
        Server sides[VERIFY_SIDES];
        const char *message; /* NULL: no failure */
        int counted;
        int64_t differences;
    } cases[] = {
        {{{NULL, {"3", "7"}}, {NULL, {"3", "7"}}}, NULL,                                2,  0},
        {{{NULL, {"3", "7"}}, {NULL, {"3", "8"}}}, NULL,                                2,  1},
 /* Not in time: writers do not wait for it. */
        {{{NULL, {"3", "7"}}, {"57014", {NULL}}},  NULL,                                0,  0},
        {{{NULL, {"3", "7"}}, {"42501", {NULL}}},  "count rows on the target: refused", -1, 0},
        {{{"42501", {NULL}}, {NULL, {"3", "7"}}},  "count rows on the source: refused", -1, 0},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        auto_arena Arena *arena = arena_new();
        static const Table table = {.bytes = 1};
        VerifyTable tables[2];
        VerifyReport report = {0};
        VerifyOptions options = {0};
        VerifyRun run = {.arena = arena,
                         .options = &options,
                         .report = &report,
                         .tables = tables,
                         .table_count = 2};
        Error err = ERROR_INIT;
        int counted = -1;

        for (int side = 0; side < VERIFY_SIDES; side++)
            run.sides[side] = (VerifyServer){.name = side == VERIFY_SOURCE ? "source" : "target",
                                             .conn = (PGconn *)(uintptr_t)&cases[i].sides[side]};
        for (int n = 0; n < 2; n++)
            tables[n] = (VerifyTable){
                .name = n == 0 ? "public.a" : "public.b",
                .of = {&table, &table},
                .rows = {"t",    "t"   }
            };
        assert_int_equal(verify_counts(&run, NOW + 60, &counted, &err), !cases[i].message);
        assert_string_equal(err.message, cases[i].message ? cases[i].message : "");
        assert_int_equal(counted, cases[i].counted);
        assert_int_equal(report.differences, cases[i].differences);
    }
}

static void without_time_nothing_is_counted(void **state)
{
    (void)state;
    VerifyRun run = {.table_count = 0};
    Error err = ERROR_INIT;
    int counted = -1;

    assert_true(verify_counts(&run, NOW - 1, &counted, &err));
    assert_int_equal(counted, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_counted_in_time_is_compared),
        cmocka_unit_test(without_time_nothing_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
