/* Every statement fails once, in every way in which libpq's calls do. */
#include "libpq_stand_in.h"

static const Answer rows[] = {
    {.statement = "SELECT",
     .status = PGRES_TUPLES_OK,
     .columns = 1,
     .rows = 2,
     .cells = {"7", "8"}},
    {0         }
};
static const Answer done[] = {
    {.statement = "VACUUM \"a\"\"b\"", .status = PGRES_COMMAND_OK},
    {0                               }
};

static void query(Try *try)
{
    PGresult *res = UNTOUCHED;
    const char *value = "1";

    try->ok = pg_query(try->conn, "SELECT $1", 1, &value, &res, &try->err);
    if (try->ok) {
        assert_string_equal(pg_cell(res, 1, 0), "8");
        PQclear(res);
    } else {
        assert_ptr_equal(res, UNTOUCHED);
    }
}

static void query_text(Try *try)
{
    char *text = UNTOUCHED;

    try->ok = pg_query_text(try->conn, try->arena, "SELECT a", &text, &try->err);
    if (try->ok)
        assert_string_equal(text, "7");
    else
        assert_ptr_equal(text, UNTOUCHED);
}

static void query_i64(Try *try)
{
    int64_t number = 99;

    try->ok = pg_query_i64(try->conn, "SELECT 7", &number, &try->err);
    assert_int_equal(number, try->ok ? 7 : 99);
}

static void exec(Try *try)
{
    try->ok = pg_exec(try->conn, "VACUUM \"a\"\"b\"", &try->err);
}

static void exec_formatted(Try *try)
{
    try->ok = pg_execf(try->conn, &try->err, "VACUUM %s (%d)", pg_ident(try->arena, "a\"b"), 10);
}

static void a_statement_that_fails_is_an_error_and_gives_nothing(void **state)
{
    (void)state;
    check_each(&(Scenario){.answers = rows, .act = query, .calls = 1});
    check_each(&(Scenario){.answers = rows, .act = query_text, .calls = 1});
    check_each(&(Scenario){.answers = rows, .act = query_i64, .calls = 1});
    check_each(&(Scenario){.answers = done, .act = exec, .calls = 1});
    check_each(&(Scenario){.answers = done, .act = exec_formatted, .calls = 1});
}

static void no_row_is_nothing_and_no_error(void **state)
{
    auto_arena Arena *arena = arena_new();
    auto_conn PGconn *conn = connect_to("test");
    char *text = UNTOUCHED;
    int64_t number = 99;
    Error err = ERROR_INIT;

    (void)state;
    server.answers = (const Answer[]){
        {.statement = "SELECT", .status = PGRES_TUPLES_OK, .columns = 1},
        {.statement = "SELECT",         .status = PGRES_TUPLES_OK, .columns = 1, .rows = 1},
        {.statement = "SELECT", .status = PGRES_TUPLES_OK, .columns = 1},
        {.statement = "SELECT",         .status = PGRES_EMPTY_QUERY},
        {0                    }
    };
    assert_true(pg_query_text(conn, arena, "SELECT a", &text, &err));
    assert_null(text);
    text = UNTOUCHED;
    assert_true(pg_query_text(conn, arena, "SELECT NULL", &text, &err));
    assert_null(text);
    assert_true(pg_query_i64(conn, "SELECT 7", &number, &err));
    assert_int_equal(number, 0);
    assert_true(pg_exec(conn, "SELECT", &err));
    assert_int_equal(err.code, ERR_NONE);
    assert_int_equal(server.results, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_statement_that_fails_is_an_error_and_gives_nothing),
        cmocka_unit_test(no_row_is_nothing_and_no_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
