/*
 * What pg_dump's listing of a schema does not tell: whether materialised views
 * have content, and whose large objects are. A query gives object and state in
 * the order of objects; both sides' are merged as they arrive. Objects on one
 * side only are found elsewhere.
 */
#include <string.h>

#include "core/text.h"
#include "move/roles.h"
#include "move/verify.h"

enum {
    MAX_ROLES = 4 << 20,
    STATE_SHOWN = 200,
};

enum {
    STATE_OBJECT,
    STATE_TEXT,
};

typedef struct StateQuery {
    const char *sql;
    int param_count;
    const char *params[VERIFY_SIDES][2];
} StateQuery;

static bool start(PGconn *conn, const StateQuery *query, VerifySide side, Error *err)
{
    return (PQsendQueryParams(conn, query->sql, query->param_count, NULL, query->params[side], NULL,
                              NULL, 0) &&
            PQsetSingleRowMode(conn)) ||
           pg_fail_conn(conn, err);
}

static void compare_states(VerifyRun *run, const PGresult *source, const PGresult *target)
{
    const char *here = PQgetvalue(source, 0, STATE_TEXT);
    const char *there = PQgetvalue(target, 0, STATE_TEXT);

    if (strcmp(here, there) != 0)
        verify_add(run, DIFFERENCE_SCHEMA,
                   arena_strdup(run->arena, PQgetvalue(source, 0, STATE_OBJECT)), NULL,
                   arena_printf(run->arena, "%s -> %s", verify_shown(run->arena, here, STATE_SHOWN),
                                verify_shown(run->arena, there, STATE_SHOWN)));
}

static bool merge(VerifyRun *run, RowStream *source, RowStream *target, Error *err)
{
    if (!stream_next(source, err) || !stream_next(target, err))
        return false;
    while (source->res || target->res) {
        int order = !source->res   ? 1
                    : !target->res ? -1
                                   : strcmp(PQgetvalue(source->res, 0, STATE_OBJECT),
                                            PQgetvalue(target->res, 0, STATE_OBJECT));
        if (order == 0)
            compare_states(run, source->res, target->res);
        if ((order <= 0 && !stream_next(source, err)) || (order >= 0 && !stream_next(target, err)))
            return false;
    }
    return true;
}

static bool run_query(VerifyRun *run, const StateQuery *query, Error *err)
{
    RowStream source = {.conn = run->sides[VERIFY_SOURCE].conn};
    RowStream target = {.conn = run->sides[VERIFY_TARGET].conn};

    bool ok = start(source.conn, query, VERIFY_SOURCE, err) &&
              start(target.conn, query, VERIFY_TARGET, err) && merge(run, &source, &target, err);
    stream_close(&source);
    stream_close(&target);
    return ok;
}

/* Roles of the source that are called otherwise at home. */
static bool role_map(VerifyRun *run, Arena *arena, const char **ret, Error *err)
{
    auto_result PGresult *res = NULL;
    Text out = text_init(arena, MAX_ROLES);
    Json json = json_init(&out);

    if (!pg_query(run->sides[VERIFY_SOURCE].conn, sql_verify_roles, 0, NULL, &res, err))
        return error_add_context(err, "list the roles");
    json_open_object(&json);
    for (int i = 0; i < PQntuples(res); i++) {
        const char *name = PQgetvalue(res, i, 0);
        const char *mapped = role_mapped(run->config, name);

        if (!mapped || strcmp(mapped, name) != 0)
            json_kv_string(&json, name, mapped);
    }
    json_close(&json);
    *ret = text_str(&out);
    return true;
}

bool verify_states(VerifyRun *run, Error *err)
{
    auto_arena Arena *scratch = arena_new();
    const char *roles = NULL;

    if (!role_map(run, scratch, &roles, err))
        return false;
    const char *user = PQuser(run->sides[VERIFY_TARGET].conn);
    const StateQuery matviews = {.sql = sql_verify_matviews};
    const StateQuery large_objects = {
        .sql = sql_verify_large_objects,
        .param_count = 2,
        .params = {{roles, user}, {"{}", user}},
    };
    if (!run_query(run, &matviews, err))
        return error_add_context(err, "compare the materialised views");
    return run_query(run, &large_objects, err) ||
           error_add_context(err, "compare the large objects' owners");
}
