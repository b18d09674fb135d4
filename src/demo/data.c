/* GitGud's database: the app's migrations and a year of its users' practice. */
#include <inttypes.h>
#include <string.h>

#include "core/cancel.h"
#include "core/file.h"
#include "demo.gen.h"
#include "demo/place.h"

enum {
    ROWS_AT_A_TIME = 20000, /* half a second, so that Ctrl-C need not wait for long */
    MAX_PARAMS = 6,
    NUMBER_LEN = 24,
};

bool demo_write_migrations(const DemoPlace *place, const char **ret_folder, Error *err)
{
    Arena *arena = place_arena(place);
    const char *folder = arena_printf(arena, "%s/migrations", demo_folder(place));

    for (int i = 0; i < demo_file_count; i++) {
        const DemoFile *file = &demo_files[i];
        char *path = arena_printf(arena, "%s/%s", folder, file->path);
        char *parent = arena_strndup(arena, path, (size_t)(strrchr(path, '/') - path));

        if (!file_make_dir(parent, 0700, err) || !file_replace(path, file->text, file->len, err))
            return error_add_context(err, "write the app's migrations");
    }
    *ret_folder = folder;
    return true;
}

/* How the rows of sql/demo get into the app's tables: enums need a cast. */
typedef struct Source {
    const char *table;
    const char *columns;
    const char *sql;
    int params; /* numbers before the first and the last row's: seed, users, problems, attempts */
    int64_t per_user;
} Source;

enum {
    PROBLEMS = DEMO_PROBLEMS_PER_USER,
    ATTEMPTS = DEMO_PROBLEMS_PER_USER * DEMO_ATTEMPTS_PER_PROBLEM,
};

static const char user_columns[] = "clerk_id, email, created_at, updated_at";
static const char problem_columns[] = "id, user_id, title, description, url, platform, "
                                      "difficulty::public.difficulty, tags, created_at, updated_at";
static const char attempt_columns[] = "id, problem_id, user_id, status::public.status, time_taken, "
                                      "notes, solution_code, created_at, updated_at";

static const Source sources[] = {
    {"public.users",    user_columns,    sql_demo_users,    2, 1       },
    {"public.problems", problem_columns, sql_demo_problems, 3, PROBLEMS},
    {"public.attempts", attempt_columns, sql_demo_attempts, 4, ATTEMPTS},
};

static bool insert_rows(PGconn *conn, const char *sql, const int64_t *numbers, int count,
                        Error *err)
{
    auto_result PGresult *res = NULL;
    char texts[MAX_PARAMS][NUMBER_LEN];
    const char *params[MAX_PARAMS];

    for (int i = 0; i < count; i++) {
        (void)snprintf(texts[i], sizeof texts[i], "%" PRId64, numbers[i]);
        params[i] = texts[i];
    }
    return cancel_check(err) && pg_query(conn, sql, count, params, &res, err);
}

static int64_t rows_of_all(int64_t users)
{
    int64_t rows = 0;

    for (size_t i = 0; i < COUNT_OF(sources); i++)
        rows += users * sources[i].per_user;
    return rows;
}

static bool fill_table(PGconn *conn, Arena *arena, const DemoData *data, const Source *source,
                       int64_t *done, Error *err)
{
    const char *sql = arena_printf(arena, "INSERT INTO %s SELECT %s FROM (%s) AS made",
                                   source->table, source->columns, source->sql);
    int64_t numbers[MAX_PARAMS] = {data->seed, data->users, data->users * PROBLEMS,
                                   data->users * ATTEMPTS};
    int64_t rows = data->users * source->per_user;

    for (int64_t first = 1; first <= rows; first += ROWS_AT_A_TIME) {
        int64_t last = first + ROWS_AT_A_TIME - 1;

        numbers[source->params] = first;
        numbers[source->params + 1] = last;
        if (!insert_rows(conn, sql, numbers, source->params + 2, err))
            return error_add_context(err, "fill %s", source->table);
        *done += (last < rows ? last : rows) - first + 1;
        if (data->progress)
            data->progress(data->context, (double)*done / (double)rows_of_all(data->users));
    }
    return true;
}

bool demo_fill(const DemoPlace *place, const DemoData *data, Error *err)
{
    auto_conn PGconn *conn = NULL;
    int64_t done = 0;

    /* The rows fit together by how they are made; asking for each of them would take longer than
     * making it. The target's foreign keys are validated, so a mistake here would show there. */
    if (!place_connect(place, DEMO_SOURCE, &conn, err) ||
        !pg_exec(conn, "SET session_replication_role = replica", err))
        return false;
    for (size_t i = 0; i < COUNT_OF(sources); i++)
        if (!fill_table(conn, place_arena(place), data, &sources[i], &done, err))
            return false;
    return pg_exec(conn, "VACUUM ANALYZE", err);
}

/* Column order of sql/demo/tables.sql. */
enum {
    COL_NAME,
    COL_BYTES
};

bool demo_tables(Arena *arena, const DemoPlace *place, DemoSide side, DemoTable **ret,
                 int *ret_count, Error *err)
{
    auto_conn PGconn *conn = NULL;
    auto_result PGresult *res = NULL;

    if (!place_connect(place, side, &conn, err) ||
        !pg_query(conn, sql_demo_tables, 0, NULL, &res, err))
        return error_add_context(err, "list the tables");

    int count = PQntuples(res);
    DemoTable *tables = arena_array(arena, (size_t)count, sizeof *tables);
    for (int i = 0; i < count; i++) {
        /* The server has quoted it, where that must be. */
        const char *name = arena_strdup(arena, pg_cell(res, i, COL_NAME));

        tables[i] = (DemoTable){.name = name, .bytes = pg_cell_i64(res, i, COL_BYTES)};
        if (!pg_query_i64(conn, arena_printf(arena, "SELECT count(*) FROM %s", name),
                          &tables[i].rows, err))
            return error_add_context(err, "count the rows of %s", name);
    }
    *ret = tables;
    *ret_count = count;
    return true;
}
