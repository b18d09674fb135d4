#include "move/finish.h"

#include <string.h>

#include "core/text.h"
#include "move/schema.h"

enum {
    SEQUENCES_A_QUERY = 100,
    MAX_SQL = 1 << 20
};

/* One query for many: a round trip for each of a thousand sequences would take longer than their
 * tables. The columns: place in the list, last_value, is_called. */
static const char *values_query(Arena *arena, const SequenceValue *values, int first, int count)
{
    Text sql = text_init(arena, MAX_SQL);

    for (int i = first; i < first + count; i++)
        text_addf(&sql, "%sSELECT %d, last_value, is_called FROM %s",
                  i > first ? " UNION ALL " : "", i,
                  pg_qualified(arena, values[i].schema, values[i].name));
    return text_str(&sql);
}

static bool read_values(PGconn *conn, Arena *arena, SequenceValue *values, int count, Error *err)
{
    for (int at = 0; at < count; at += SEQUENCES_A_QUERY) {
        auto_arena Arena *scratch = arena_new();
        auto_result PGresult *res = NULL;
        int some = count - at < SEQUENCES_A_QUERY ? count - at : SEQUENCES_A_QUERY;

        if (!pg_query(conn, values_query(scratch, values, at, some), 0, NULL, &res, err))
            return false;
        for (int row = 0; row < PQntuples(res); row++) {
            SequenceValue *value = &values[pg_cell_i64(res, row, 0)];
            value->last_value = arena_strdup(arena, pg_cell(res, row, 1));
            value->is_called = arena_strdup(arena, pg_cell(res, row, 2));
        }
    }
    return true;
}

bool sequences_read(PGconn *conn, Arena *arena, SequenceValue **ret, int *ret_count, Error *err)
{
    auto_result PGresult *res = NULL;

    if (!pg_query(conn, sql_move_sequences, 0, NULL, &res, err))
        return error_add_context(err, "list the sequences");
    int count = PQntuples(res);
    SequenceValue *values = arena_array(arena, (size_t)count, sizeof *values);
    for (int i = 0; i < count; i++)
        values[i] = (SequenceValue){
            .schema = arena_strdup(arena, pg_cell(res, i, 0)),
            .name = arena_strdup(arena, pg_cell(res, i, 1)),
        };
    if (!read_values(conn, arena, values, count, err))
        return error_add_context(err, "read the sequences");
    *ret = values;
    *ret_count = count;
    return true;
}

bool sequences_set(PGconn *target, const SequenceValue *values, int count, Error *err)
{
    auto_arena Arena *scratch = arena_new();

    for (int i = 0; i < count; i++) {
        auto_result PGresult *res = NULL;
        const char *name = pg_qualified(scratch, values[i].schema, values[i].name);
        const char *params[] = {name, values[i].last_value, values[i].is_called};

        if (!pg_query(target, sql_target_set_sequence, COUNT_OF(params), params, &res, err))
            return error_add_context(err, "set sequence %s", name);
    }
    return true;
}

static bool is_populated(const PGresult *populated, const char *schema, const char *name)
{
    for (int i = 0; i < PQntuples(populated); i++)
        if (strcmp(PQgetvalue(populated, i, 0), schema) == 0 &&
            strcmp(PQgetvalue(populated, i, 1), name) == 0)
            return true;
    return false;
}

bool matviews_refresh(PGconn *source, PGconn *target, Error *err)
{
    auto_arena Arena *scratch = arena_new();
    auto_result PGresult *views = NULL;
    auto_result PGresult *populated = NULL;

    if (!pg_query(source, sql_move_populated_matviews, 0, NULL, &populated, err) ||
        !pg_query(target, sql_target_matviews, 0, NULL, &views, err))
        return error_add_context(err, "list the materialised views");
    for (int i = 0; i < PQntuples(views); i++) {
        const char *schema = pg_cell(views, i, 0);
        const char *name = pg_cell(views, i, 1);
        const char *qualified = pg_qualified(scratch, schema, name);

        if (is_populated(populated, schema, name) &&
            !pg_execf(target, err, "REFRESH MATERIALIZED VIEW %s; ANALYZE %s", qualified,
                      qualified)) {
            schema_hint_unqualified(err);
            return error_add_context(err, "refresh materialised view %s", qualified);
        }
    }
    return true;
}

bool parents_analyze(PGconn *target, Error *err)
{
    auto_arena Arena *scratch = arena_new();
    auto_result PGresult *res = NULL;

    if (!pg_query(target, sql_target_parents, 0, NULL, &res, err))
        return error_add_context(err, "list the parent tables");
    for (int i = 0; i < PQntuples(res); i++)
        if (!pg_execf(target, err, "ANALYZE %s",
                      pg_qualified(scratch, pg_cell(res, i, 0), pg_cell(res, i, 1))))
            return error_add_context(err, "analyze %s", pg_cell(res, i, 1));
    return true;
}
