#include "move/marks.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/cancel.h"
#include "core/clock.h"
#include "move/owner.h"

enum {
    SESSIONS_END_S = 60,
    SESSIONS_PAUSE_MS = 50
};

bool marks_read(PGconn *target, Arena *arena, Marks *ret, Error *err)
{
    auto_result PGresult *there = NULL;
    auto_result PGresult *res = NULL;

    if (!pg_query(target, sql_target_has_marks, 0, NULL, &there, err))
        return error_add_context(err, "look for an earlier move on the target");
    if (!pg_cell_bool(there, 0, 0)) {
        *ret = (Marks){.there = false};
        return true;
    }
    if (!pg_query(target, sql_target_read_marks, 0, NULL, &res, err))
        return error_add_context(err, "read the marks of an earlier move");
    if (PQntuples(res) == 0) {
        *ret = (Marks){.there = false};
        return true;
    }
    *ret = (Marks){
        .there = true,
        .id = arena_strdup(arena, pg_cell(res, 0, 0)),
        .schema_done = pg_cell_bool(res, 0, 1),
    };
    return true;
}

/* DDL on event triggers fires none. */
static bool set_event_triggers(PGconn *target, const PGresult *triggers, bool enable, Error *err)
{
    auto_arena Arena *scratch = arena_new();

    for (int i = 0; i < PQntuples(triggers); i++)
        if (!pg_execf(target, err, "ALTER EVENT TRIGGER %s %s",
                      pg_ident(scratch, pg_cell(triggers, i, 0)),
                      enable ? pg_cell(triggers, i, 1) : "DISABLE"))
            return false;
    return true;
}

static bool begin_quietly(PGconn *target, PGresult **ret_triggers, Error *err)
{
    return pg_exec(target, "BEGIN", err) &&
           pg_query(target, sql_target_event_triggers, 0, NULL, ret_triggers, err) &&
           set_event_triggers(target, *ret_triggers, false, err);
}

bool marks_begin(PGconn *target, const char *id, Error *err)
{
    auto_result PGresult *triggers = NULL;
    auto_result PGresult *res = NULL;
    const char *params[] = {id};

    return (begin_quietly(target, &triggers, err) && owner_claim(target, id, err) &&
            pg_exec(target, sql_target_create_marks, err) &&
            pg_query(target, sql_target_begin_move, 1, params, &res, err) &&
            set_event_triggers(target, triggers, true, err) && pg_exec(target, "COMMIT", err)) ||
           error_add_context(err, "make homeport's schema on the target");
}

bool marks_drop(PGconn *target, Error *err)
{
    auto_result PGresult *triggers = NULL;

    return (begin_quietly(target, &triggers, err) && pg_exec(target, sql_target_drop_marks, err) &&
            set_event_triggers(target, triggers, true, err) && pg_exec(target, "COMMIT", err)) ||
           error_add_context(err, "drop homeport's schema on the target");
}

bool marks_end_sessions(PGconn *target, Error *err)
{
    double deadline = clock_seconds() + SESSIONS_END_S;
    int64_t ended = 0;

    for (;;) {
        if (!pg_query_i64(target, sql_target_end_sessions, &ended, err))
            return error_add_context(err, "end sessions of an earlier run");
        if (ended == 0)
            return true;
        if (clock_seconds() > deadline) {
            (void)error_set(err, ERR_WRONG_STATE,
                            "sessions of an earlier run do not end on the target");
            return error_hint(err, "See pg_stat_activity for application_name \"homeport ...\".");
        }
        if (!cancel_sleep_ms(SESSIONS_PAUSE_MS, err))
            return false;
    }
}

bool marks_arm(PGconn *target, Error *err)
{
    return pg_exec(target, sql_target_arm, err);
}

bool marks_check_crash(PGconn *target, Error *err)
{
    auto_result PGresult *res = NULL;

    if (!pg_query(target, sql_target_has_not_crashed, 0, NULL, &res, err))
        return error_add_context(err, "ask whether the target has crashed");
    return pg_cell_bool(res, 0, 0) ||
           error_set(err, ERR_SNAPSHOT,
                     "the target's server has crashed: its last commits are lost");
}

bool marks_schema_done(PGconn *target, Error *err)
{
    return pg_exec(target, sql_target_schema_done, err);
}

bool marks_part(PGconn *target, const FinishedPart *part, Error *err)
{
    auto_result PGresult *res = NULL;
    char number[16];
    char parts[16];
    char rows[32];
    char position[LSN_TEXT_SIZE];

    (void)snprintf(number, sizeof number, "%d", part->part);
    (void)snprintf(parts, sizeof parts, "%d", part->parts);
    (void)snprintf(rows, sizeof rows, "%" PRId64, part->rows);
    const char *params[] = {
        part->schema, part->table, number,
        parts,        rows,        part->position ? lsn_text(part->position, position) : NULL};
    return pg_query(target, sql_target_mark_part, COUNT_OF(params), params, &res, err);
}

static bool is_among(const PGresult *res, const Table *table)
{
    for (int i = 0; i < PQntuples(res); i++)
        if (strcmp(PQgetvalue(res, i, 0), table->schema) == 0 &&
            strcmp(PQgetvalue(res, i, 1), table->name) == 0)
            return true;
    return false;
}

/* Rows that were sent to a root may be in any partition below it. */
static bool is_whole(const Table *tables, int count, const bool *there, int at)
{
    if (!tables[at].root)
        return there[at];
    for (int i = 0; i < count; i++)
        if (tables[i].root && strcmp(tables[i].root, tables[at].root) == 0 && !there[i])
            return false;
    return true;
}

bool marks_keep_finished(PGconn *target, const Table *tables, int count, bool *finished, Error *err)
{
    auto_arena Arena *scratch = arena_new();
    auto_result PGresult *res = NULL;
    auto_result PGresult *kept = NULL;
    bool *there = arena_array(scratch, (size_t)count, sizeof *there);
    const char **schemas = arena_array(scratch, (size_t)count, sizeof *schemas);
    const char **names = arena_array(scratch, (size_t)count, sizeof *names);
    int keep = 0;

    if (!pg_query(target, sql_target_finished_tables, 0, NULL, &res, err))
        return error_add_context(err, "ask which tables are finished");
    for (int i = 0; i < count; i++)
        there[i] = is_among(res, &tables[i]);
    for (int i = 0; i < count; i++) {
        finished[i] = is_whole(tables, count, there, i);
        if (!finished[i])
            continue;
        schemas[keep] = tables[i].schema;
        names[keep++] = tables[i].name;
    }
    const char *params[] = {pg_text_array(scratch, schemas, keep),
                            pg_text_array(scratch, names, keep)};
    return pg_query(target, sql_target_keep_parts, COUNT_OF(params), params, &kept, err);
}

bool marks_entry(PGconn *target, int entry, Error *err)
{
    auto_result PGresult *res = NULL;
    char text[16];

    (void)snprintf(text, sizeof text, "%d", entry);
    const char *params[] = {text};
    return pg_query(target, sql_target_mark_entry, COUNT_OF(params), params, &res, err);
}

bool marks_part_rows(PGconn *target, const char *schema, const char *table, int part, int64_t *ret,
                     Error *err)
{
    auto_result PGresult *res = NULL;
    char text[16];

    (void)snprintf(text, sizeof text, "%d", part);
    const char *params[] = {schema, table, text};
    if (!pg_query(target, sql_target_part_rows, COUNT_OF(params), params, &res, err))
        return false;
    *ret = PQntuples(res) > 0 ? pg_cell_i64(res, 0, 0) : -1;
    return true;
}

bool marks_entries(PGconn *target, Arena *arena, int **ret, int *ret_count, Error *err)
{
    auto_result PGresult *res = NULL;

    if (!pg_query(target, sql_target_marked_entries, 0, NULL, &res, err))
        return false;
    int count = PQntuples(res);
    int *entries = arena_array(arena, (size_t)count, sizeof *entries);
    for (int i = 0; i < count; i++)
        entries[i] = (int)pg_cell_i64(res, i, 0);
    *ret = entries;
    *ret_count = count;
    return true;
}

static int compare_ints(const void *a, const void *b)
{
    int left = *(const int *)a;
    int right = *(const int *)b;

    return (left > right) - (left < right);
}

bool marks_has_entry(const int *entries, int count, int entry)
{
    return count > 0 && bsearch(&entry, entries, (size_t)count, sizeof entry, compare_ints) != NULL;
}
