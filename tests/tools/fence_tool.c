/*
 * fence_tool prepare|arm|prove|lift|remove|armed|sql|all --url URL [--tables public.a,public.b]
 *            [--token T] [--deadline SECONDS] [--die-at N] [--lose-at N] [--pass 1]
 *
 * Prints a JSON object. `all` is arm and prove in one session.
 */
#include "core/clock.h"
#include "move/fence.h"
#include "tests/tools/tool.h"

static FenceTables tables_from(Arena *arena, const char *list)
{
    const char **schemas = arena_array(arena, TOOL_MAX_TABLES, sizeof *schemas);
    const char **names = arena_array(arena, TOOL_MAX_TABLES, sizeof *names);
    char *rest = arena_strdup(arena, list);
    int count = 0;

    for (char *item = strsep(&rest, ","); item && *item; item = strsep(&rest, ",")) {
        char *dot = strchr(item, '.');
        if (dot)
            *dot = '\0';
        schemas[count] = dot ? item : "public";
        names[count++] = dot ? dot + 1 : item;
    }
    return (FenceTables){.schemas = schemas, .names = names, .count = count};
}

static bool run_arm(PGconn *conn, const Fence *fence, double deadline_s, Error *err)
{
    FenceReport report = {0};
    double before = clock_seconds();

    if (!fence_arm(conn, fence, before + deadline_s, &report, err))
        return false;
    (void)printf(
        "{\"tables\": %d, \"ended\": %d, \"tolerated\": %d, \"ms\": %.1f, \"first_ms\": %.1f",
        report.tables, report.sessions_ended, report.sessions_tolerated,
        (clock_seconds() - before) * 1000, (report.first_armed_s - before) * 1000);
    return true;
}

static bool run_prove(PGconn *conn, const Fence *fence, const char *before, Error *err)
{
    double begun = clock_seconds();

    if (!fence_prove(conn, fence, err))
        return false;
    (void)printf("%s\"prove_ms\": %.1f}\n", before, (clock_seconds() - begun) * 1000);
    return true;
}

static bool run(const char *what, PGconn *conn, const Fence *fence, double deadline_s, Error *err)
{
    bool armed = false;

    if (strcmp(what, "prepare") == 0)
        return fence_prepare(conn, fence, err);
    if (strcmp(what, "arm") == 0)
        return run_arm(conn, fence, deadline_s, err) && printf("}\n") > 0;
    if (strcmp(what, "prove") == 0)
        return run_prove(conn, fence, "{", err);
    if (strcmp(what, "all") == 0)
        return run_arm(conn, fence, deadline_s, err) && run_prove(conn, fence, ", ", err);
    if (strcmp(what, "lift") == 0)
        return fence_lift(conn, fence, err);
    if (strcmp(what, "remove") == 0)
        return fence_remove(conn, fence, 0, err);
    if (strcmp(what, "armed") == 0) {
        if (!fence_is_armed(conn, &armed, err))
            return false;
        return printf("%s\n", armed ? "true" : "false") > 0;
    }
    return error_set(err, ERR_USAGE, "no such command: %s", what);
}

/* What comes after on the connection knows nothing of what was done here. */
static bool leaves_no_trace(PGconn *conn, Error *err)
{
    auto_arena Arena *arena = arena_new();
    char *lock_timeout = NULL;
    char *synchronous_commit = NULL;

    if (PQstatus(conn) != CONNECTION_OK)
        return error_set(err, ERR_CONNECT, "the connection is lost");
    if (PQtransactionStatus(conn) != PQTRANS_IDLE)
        return error_set(err, ERR_WRONG_STATE, "a transaction is open");
    if (!pg_query_text(conn, arena, "SHOW lock_timeout", &lock_timeout, err) ||
        !pg_query_text(conn, arena, "SHOW synchronous_commit", &synchronous_commit, err))
        return false;
    if (strcmp(lock_timeout, "0") != 0 || strcmp(synchronous_commit, "on") != 0)
        return error_set(err, ERR_WRONG_STATE, "settings are left behind");
    return true;
}

int main(int argc, char **argv)
{
    auto_arena Arena *arena = arena_new();
    auto_conn PGconn *conn = NULL;
    PgUrl url = {0};
    Error err = ERROR_INIT;
    Fence fence = {.url = &url,
                   .move_id = "test",
                   .token = tool_option(argc, argv, "token", "a token"),
                   .tables = tables_from(arena, tool_option(argc, argv, "tables", ""))};
    double deadline_s = strtod(tool_option(argc, argv, "deadline", "10"), NULL);

    if (!tool_connect(arena, tool_option(argc, argv, "url", ""), &url, &conn, &err) ||
        (tool_option(argc, argv, "pass", NULL) && !fence_pass(conn, fence.token, &err)))
        return tool_fail(&err);
    if (argc > 1 && strcmp(argv[1], "sql") == 0)
        return fputs(fence_lift_sql(arena, &fence), stdout) < 0;
    tool_die_at = strtol(tool_option(argc, argv, "die-at", "0"), NULL, 10);
    tool_lose_at = strtol(tool_option(argc, argv, "lose-at", "0"), NULL, 10);
    if (!run(argc > 1 ? argv[1] : "", conn, &fence, deadline_s, &err))
        return tool_fail(&err);
    return leaves_no_trace(conn, &err) ? 0 : tool_fail(&err);
}
