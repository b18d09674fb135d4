#include "move/lane.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "core/cancel.h"
#include "core/log.h"
#include "core/text.h"

enum {
    LOOK_NS = 20 * 1000 * 1000,
    BLOCK_SIZE = 8192,
    /* Beside its values: nothing of such a size is stored in the row itself. */
    SMALLEST_TOAST = 64 << 10,
    MAX_SQL = 1 << 20,
};

/* Bytes that the value has when it travels, without reading it: exactly where the server can tell;
 * else as stored, and of what is compressed many times that. */
static const char *bytes_sql(Arena *arena, const TableColumn *column)
{
    static const char *const exact[] = {"text", "varchar", "bpchar", "bytea"};

    for (size_t i = 0; i < COUNT_OF(exact); i++)
        if (strcmp(column->base, exact[i]) == 0)
            return arena_printf(arena, "pg_catalog.octet_length(%s)", column->quoted);
    return arena_printf(
        arena,
        "pg_catalog.pg_column_size(%s)::bigint"
        " * CASE WHEN pg_catalog.pg_column_compression(%s) IS NULL THEN 1 ELSE 16 END",
        column->quoted, column->quoted);
}

const char *lane_question(Arena *arena, const Table *table, const char *range, int workers)
{
    Text sql = text_init(arena, MAX_SQL);

    /* Blocks may be larger, which makes this more than it is. */
    if (workers < 2 || table->bytes - table->blocks * BLOCK_SIZE < SMALLEST_TOAST)
        return NULL;
    text_addf(&sql, "SELECT FROM ONLY %s %s%s 0::bigint", table->qualified, range,
              *range ? " AND" : "WHERE");
    for (int i = 0; i < table->column_count; i++)
        if (!table->columns[i].generated)
            text_addf(&sql, " + COALESCE(%s, 0)", bytes_sql(arena, &table->columns[i]));
    /* Twice: see lane.h. */
    text_addf(&sql, " > %d LIMIT 1", LANE_FREE_BYTES / 2 / workers);
    return text_str(&sql);
}

static bool take_turn(Lane *lane, const atomic_bool *stop, Error *err)
{
    static const struct timespec look = {.tv_nsec = LOOK_NS};
    bool taken = false;

    while (!atomic_compare_exchange_strong(&lane->taken, &taken, true)) {
        if (atomic_load(stop))
            return error_set(err, ERR_CANCELLED, "stopped because another part failed");
        if (!cancel_check(err))
            return false;
        (void)nanosleep(&look, NULL);
        taken = false;
    }
    return true;
}

bool lane_enter(Lane *lane, PGconn *source, const char *question, const atomic_bool *stop,
                bool *ret_inside, Error *err)
{
    auto_result PGresult *res = NULL;

    *ret_inside = false;
    if (!question)
        return true;
    if (!pg_query(source, question, 0, NULL, &res, err))
        return error_add_context(err, "look for large rows");
    if (PQntuples(res) == 0)
        return true;
    *ret_inside = take_turn(lane, stop, err);
    return *ret_inside;
}

void lane_leave(Lane *lane, bool *inside)
{
    if (*inside)
        atomic_store(&lane->taken, false);
    *inside = false;
}
