#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>

#include "store/store.h"
#include "tests/unit/folder.h"

static const char *path_in(Arena *arena, void **state, const char *name)
{
    return arena_printf(arena, "%s/%s", (const char *)*state, name);
}

static Store *open_store(const char *path)
{
    Store *store = NULL;
    Error err = ERROR_INIT;

    if (!store_open(path, &store, &err))
        fail_msg("%s", err.message);
    return store;
}

static void run(Store *store, const char *sql)
{
    Error err = ERROR_INIT;

    if (!store_run(store, sql, STORE_NO_VALUES, &err))
        fail_msg("%s", err.message);
}

static void what_is_written_is_there_after_opening_again(void **state)
{
    auto_arena Arena *arena = arena_new();
    const char *path = path_in(arena, state, "state.sqlite");
    StoreRows rows;
    Error err = ERROR_INIT;

    for (int i = 0; i < 3; i++) {
        auto_store Store *store = open_store(path);

        run(store, "CREATE TABLE IF NOT EXISTS x (a)");
        run(store, "INSERT INTO x VALUES (1)");
        assert_true(
            store_query(store, arena, "SELECT count(*) FROM x", STORE_NO_VALUES, &rows, &err));
        assert_int_equal(store_cell_i64(&rows, 0, 0), i + 1);
    }
}

static void values_come_back_as_they_went_in(void **state)
{
    auto_arena Arena *arena = arena_new();
    auto_store Store *store = open_store(path_in(arena, state, "state.sqlite"));
    StoreRows rows;
    Error err = ERROR_INIT;

    assert_true(store_query(store, arena, "SELECT ?1, ?2, ?3, ?4, ?5, ?6",
                            STORE_VALUES(STORE_TEXT("it's \xE2\x82\xAC"), STORE_TEXT(""),
                                         STORE_TEXT(NULL), STORE_INT(INT64_MIN), STORE_INT(0),
                                         ((StoreValue){.is_null = true, .number = 7})),
                            &rows, &err));
    assert_int_equal(rows.rows, 1);
    assert_int_equal(rows.columns, 6);
    assert_string_equal(store_cell(&rows, 0, 0), "it's \xE2\x82\xAC");
    assert_string_equal(store_cell(&rows, 0, 1), "");
    assert_null(store_cell(&rows, 0, 2));
    assert_int_equal(store_cell_i64(&rows, 0, 2), 0);
    assert_true(store_cell_i64(&rows, 0, 3) == INT64_MIN);
    assert_string_equal(store_cell(&rows, 0, 4), "0");
    assert_null(store_cell(&rows, 0, 5));
}

static void rows_may_be_none_or_many(void **state)
{
    static const int counts[] = {0, 1, 8, 9, 1000};
    auto_arena Arena *arena = arena_new();
    auto_store Store *store = open_store(path_in(arena, state, "state.sqlite"));

    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        StoreRows rows;
        Error err = ERROR_INIT;

        assert_true(store_query(store, arena,
                                "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
                                "LIMIT ?1) SELECT i, 'x' || i FROM n LIMIT ?1",
                                STORE_VALUES(STORE_INT(counts[i])), &rows, &err));
        assert_int_equal(rows.rows, counts[i]);
        assert_int_equal(rows.columns, 2);
        for (int row = 0; row < rows.rows; row++) {
            assert_int_equal(store_cell_i64(&rows, row, 0), row + 1);
            assert_string_equal(store_cell(&rows, row, 1), arena_printf(arena, "x%d", row + 1));
        }
    }
}

static void a_statement_that_fails_says_why_and_changes_nothing(void **state)
{
    auto_arena Arena *arena = arena_new();
    auto_store Store *store = open_store(path_in(arena, state, "state.sqlite"));
    StoreRows rows = {.rows = 77};
    Error err = ERROR_INIT;

    run(store, "CREATE TABLE x (a integer CHECK (a > 0))");
    assert_false(store_run(store, "INSERT INTO x VALUES (?1)", STORE_VALUES(STORE_INT(-1)), &err));
    assert_int_equal(err.code, ERR_IO);
    assert_non_null(strstr(err.message, "CHECK constraint failed"));
    assert_false(store_run(store, "no SQL", STORE_NO_VALUES, &err));
    assert_false(store_query(store, arena, "SELECT * FROM none", STORE_NO_VALUES, &rows, &err));
    assert_non_null(strstr(err.message, "no such table"));
    assert_false(store_query(store, arena, "SELECT abs(?1)", STORE_VALUES(STORE_INT(INT64_MIN)),
                             &rows, &err));
    assert_non_null(strstr(err.message, "integer overflow"));
    /* More values than places. */
    assert_false(store_run(store, "SELECT 1", STORE_VALUES(STORE_INT(1)), &err));
    assert_int_equal(rows.rows, 77);
}

static void the_file_is_for_the_owner_alone(void **state)
{
    auto_arena Arena *arena = arena_new();
    const char *path = path_in(arena, state, "state.sqlite");
    auto_store Store *store = open_store(path);
    static const char *const suffixes[] = {"", "-wal", "-shm"};

    run(store, "CREATE TABLE x (a)");
    for (size_t i = 0; i < COUNT_OF(suffixes); i++) {
        struct stat info;
        assert_int_equal(stat(arena_printf(arena, "%s%s", path, suffixes[i]), &info), 0);
        assert_int_equal(info.st_mode & 0777, 0600);
    }
}

static void every_write_is_synced(void **state)
{
    auto_arena Arena *arena = arena_new();
    auto_store Store *store = open_store(path_in(arena, state, "state.sqlite"));
    StoreRows rows;
    Error err = ERROR_INIT;

    assert_true(store_query(store, arena, "PRAGMA synchronous", STORE_NO_VALUES, &rows, &err));
    assert_int_equal(store_cell_i64(&rows, 0, 0), 2); /* FULL */
    assert_true(store_query(store, arena, "PRAGMA journal_mode", STORE_NO_VALUES, &rows, &err));
    assert_string_equal(store_cell(&rows, 0, 0), "wal");
}

static void a_reader_sees_the_last_commit_while_somebody_writes(void **state)
{
    auto_arena Arena *arena = arena_new();
    const char *path = path_in(arena, state, "state.sqlite");
    auto_store Store *writer = open_store(path);
    auto_store Store *reader = open_store(path);
    StoreRows rows;
    Error err = ERROR_INIT;

    run(writer, "CREATE TABLE x (a)");
    run(writer, "INSERT INTO x VALUES (1)");
    run(writer, "BEGIN IMMEDIATE");
    run(writer, "INSERT INTO x VALUES (2)");
    assert_true(store_query(reader, arena, "SELECT count(*) FROM x", STORE_NO_VALUES, &rows, &err));
    assert_int_equal(store_cell_i64(&rows, 0, 0), 1);
    run(writer, "COMMIT");
    assert_true(store_query(reader, arena, "SELECT count(*) FROM x", STORE_NO_VALUES, &rows, &err));
    assert_int_equal(store_cell_i64(&rows, 0, 0), 2);
}

static void a_later_versions_file_is_refused_and_left_alone(void **state)
{
    auto_arena Arena *arena = arena_new();
    const char *path = path_in(arena, state, "state.sqlite");
    Store *store = open_store(path);
    Error err = ERROR_INIT;

    run(store, "PRAGMA user_version = 1000");
    store_close(store);
    store = NULL;
    assert_false(store_open(path, &store, &err));
    assert_int_equal(err.code, ERR_WRONG_STATE);
    assert_non_null(strstr(err.message, "later version"));
    assert_non_null(strstr(err.hint, "--dir"));
    assert_null(store);
}

static void what_is_no_store_is_refused(void **state)
{
    auto_arena Arena *arena = arena_new();
    Store *store = NULL;
    Error err = ERROR_INIT;
    const char *text = path_in(arena, state, "text");
    static const char words[] = "This is not a database, though it is long enough to be looked at.";

    assert_false(store_open(path_in(arena, state, "none/state.sqlite"), &store, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_non_null(strstr(err.message, "none/state.sqlite"));
    assert_false(store_open(*state, &store, &err)); /* a folder */
    assert_true(file_replace(text, words, strlen(words), &err));
    assert_false(store_open(text, &store, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_non_null(strstr(err.message, "not a database"));
    assert_null(store);
    store_close(NULL);
}

/* Where whole pages are missing it is refused, or a statement on it is, but nothing crashes. */
static void a_file_that_is_cut_off_is_an_error(void **state)
{
    auto_arena Arena *arena = arena_new();
    const char *path = path_in(arena, state, "state.sqlite");
    const char *cut = path_in(arena, state, "cut.sqlite");
    Store *store = open_store(path);
    char *data = NULL;
    size_t len = 0;
    Error err = ERROR_INIT;

    run(store, "CREATE TABLE x (a)");
    run(store, "INSERT INTO x VALUES (zeroblob(20000))");
    store_close(store);
    assert_true(file_read(arena, path, 1 << 20, &data, &len, &err));
    for (size_t size = 50; size < len - 4096; size += 1011) {
        auto_store Store *again = NULL;
        StoreRows rows;

        assert_true(file_replace(cut, data, size, &err));
        bool ok = store_open(cut, &again, &err) &&
                  store_query(again, arena, "SELECT a FROM x", STORE_NO_VALUES, &rows, &err);
        assert_false(ok);
        assert_int_equal(err.code, ERR_IO);
    }
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)

/* A process may look at a state that another one is only making: `status` beside a first `move`. */
enum {
    OPENERS = 8,
    OPENED_TIMES = 40
};

static void *open_and_close(void *path)
{
    auto_store Store *store = NULL;
    Error err = ERROR_INIT;

    return store_open(path, &store, &err) ? NULL : strdup(err.message);
}

static void many_may_make_it_at_the_same_moment(void **state)
{
    auto_arena Arena *arena = arena_new();

    for (int i = 0; i < OPENED_TIMES; i++) {
        char *path = arena_printf(arena, "%s/state%d.sqlite", (const char *)*state, i);
        pthread_t threads[OPENERS];

        for (int n = 0; n < OPENERS; n++)
            assert_int_equal(pthread_create(&threads[n], NULL, open_and_close, path), 0);
        for (int n = 0; n < OPENERS; n++) {
            void *failure = NULL;

            assert_int_equal(pthread_join(threads[n], &failure), 0);
            if (failure)
                fail_msg("%s", (const char *)failure);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(what_is_written_is_there_after_opening_again),
        IN_FOLDER(values_come_back_as_they_went_in),
        IN_FOLDER(rows_may_be_none_or_many),
        IN_FOLDER(a_statement_that_fails_says_why_and_changes_nothing),
        IN_FOLDER(the_file_is_for_the_owner_alone),
        IN_FOLDER(every_write_is_synced),
        IN_FOLDER(a_reader_sees_the_last_commit_while_somebody_writes),
        IN_FOLDER(a_later_versions_file_is_refused_and_left_alone),
        IN_FOLDER(what_is_no_store_is_refused),
        IN_FOLDER(a_file_that_is_cut_off_is_an_error),
        IN_FOLDER(many_may_make_it_at_the_same_moment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
