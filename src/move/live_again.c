#include "move/live_again.h"

#include <string.h>

#include "core/text.h"
#include "move/stream.h"
#include "move/verify.h"

enum {
    LOCK_S = 60,
    MAX_LIST = 1 << 20,
};

static const char insufficient_privilege[] = "42501";
static const char foreign_key_violation[] = "23503";

/* Where the rows of a table go on the other side. */
typedef struct Goal {
    const Table *table; /* one of those whose rows go there: all have its columns */
    const char *name;
    const char *scope; /* with ONLY, where it has rows of its own alone */
    const char *stage; /* its rows as they are to be; NULL: there is no key to tell them by */
} Goal;

static Goal goal_of(Arena *arena, const Table *table)
{
    return (Goal){
        .table = table,
        .name = table->root ? table->root : table->qualified,
        .scope = table->root ? table->root : arena_printf(arena, "ONLY %s", table->qualified),
    };
}

static bool is_into(const Goal *goal, const Table *table)
{
    return strcmp(goal->name, table->root ? table->root : table->qualified) == 0;
}

/* An extension's configuration table has rows that come with the extension. */
static const char *condition_of(const Table *table)
{
    return table->condition ? table->condition : "";
}

static const char *columns_of(Arena *arena, const Table *table)
{
    const char *columns = table_column_list(arena, table);

    return *columns ? arena_printf(arena, " (%s)", columns) : "";
}

static bool copy_table(Resync *resync, const Table *table, const char *into, Error *err)
{
    Live *live = resync->live;
    auto_arena Arena *scratch = arena_new();
    const char *columns = columns_of(scratch, table);
    atomic_int_fast64_t bytes = 0;
    atomic_bool stop = false;
    auto_identity_rows IdentityRows *identities =
        identity_rows_new(live->job.identities, live->feed.direction == DIRECTION_BACK, table);
    StreamWatch watch = {.bytes = &bytes, .stop = &stop, .identities = identities};
    const char *rows = table->condition ? arena_printf(scratch, "(SELECT %s FROM ONLY %s %s)",
                                                       table_column_list(scratch, table),
                                                       table->qualified, table->condition)
                                        : arena_printf(scratch, "%s%s", table->qualified, columns);
    StreamEnd out = {resync->keeper.conn, arena_printf(scratch, "COPY %s TO STDOUT", rows)};
    StreamEnd in = {resync->to, arena_printf(scratch, "COPY %s%s FROM STDIN", into, columns)};
    int64_t copied = 0;

    if (!stream_rows(&out, &in, &watch, &copied, err))
        return false;
    resync->rows += copied;
    return true;
}

static bool copy_all(Resync *resync, const Goal *goal, const char *into, Error *err)
{
    for (int i = 0; i < resync->count; i++)
        if (is_into(goal, &resync->tables[i]) && !copy_table(resync, &resync->tables[i], into, err))
            return false;
    return true;
}

static bool empty(Resync *resync, const Goal *goal, Error *err)
{
    return pg_execf(resync->to, err, "DELETE FROM %s %s", goal->scope, condition_of(goal->table));
}

static bool replace_all(Resync *resync, const Goal *goals, int count, Error *err)
{
    for (int i = 0; i < count; i++)
        if (!empty(resync, &goals[i], err) || !copy_all(resync, &goals[i], goals[i].name, err))
            return false;
    return true;
}

/* ---- where foreign keys act ---- */

static bool is_key(const Table *table, int column)
{
    for (int i = 0; i < table->key_count; i++)
        if (table->key[i] == column)
            return true;
    return false;
}

/* Its values cannot be set in a row that is there. */
static bool is_fixed(const Table *table, int column)
{
    return is_key(table, column) || table->columns[column].identity == 'a';
}

/* By text: whichever operators a type has, and in whatever schema. */
static const char *same_sql(Arena *arena, const Table *table)
{
    Text text = text_init(arena, MAX_LIST);

    for (int i = 0; i < table->column_count; i++)
        if (is_fixed(table, i) && !table->columns[i].generated)
            text_addf(&text,
                      "%snew.%s::text COLLATE pg_catalog.\"C\" = t.%s::text COLLATE "
                      "pg_catalog.\"C\"",
                      text.len ? " AND " : "", table->columns[i].quoted, table->columns[i].quoted);
    return text_str(&text);
}

static const char *set_sql(Arena *arena, const Table *table)
{
    Text text = text_init(arena, MAX_LIST);

    for (int i = 0; i < table->column_count; i++)
        if (!is_fixed(table, i) && !table->columns[i].generated)
            text_addf(&text, "%s%s = new.%s", text.len ? ", " : "", table->columns[i].quoted,
                      table->columns[i].quoted);
    return text_str(&text);
}

static const char *differs_sql(Arena *arena, const Table *table)
{
    Text text = text_init(arena, MAX_LIST);

    for (int i = 0; i < table->column_count; i++)
        if (!is_fixed(table, i) && !table->columns[i].generated)
            text_addf(&text,
                      "%snew.%s::text COLLATE pg_catalog.\"C\" IS DISTINCT FROM t.%s::text "
                      "COLLATE pg_catalog.\"C\"",
                      text.len ? " OR " : "", table->columns[i].quoted, table->columns[i].quoted);
    return text_str(&text);
}

/* What is generated can be set in no row, and tells none from another before it is there. */
static bool has_usable_key(const Table *table)
{
    for (int i = 0; i < table->key_count; i++)
        if (table->columns[table->key[i]].generated)
            return false;
    return table->key_count > 0 && !table->condition;
}

static bool stage_rows(Resync *resync, Goal *goal, Error *err)
{
    auto_arena Arena *scratch = arena_new();

    if (!has_usable_key(goal->table))
        return true;
    goal->stage = arena_printf(resync->arena, "homeport_again_%u", goal->table->oid);
    const SqlPart parts[] = {
        {"columns", table_column_list(scratch, goal->table)},
        {"into",         goal->scope                            },
        {"stage",         goal->stage},
        {NULL,         NULL                               },
    };

    return pg_exec(resync->to, verify_fill(scratch, sql_live_again_stage, parts), err) &&
           copy_all(resync, goal, arena_printf(scratch, "pg_temp.%s", goal->stage), err) &&
           pg_execf(resync->to, err, "ANALYZE pg_temp.%s", goal->stage);
}

static bool merge(Resync *resync, const Goal *goal, const char *sql, Error *err)
{
    auto_arena Arena *scratch = arena_new();
    const SqlPart parts[] = {
        {"table",           goal->name          },
        {"into",            goal->scope         },
        {"stage",           arena_printf(scratch, "pg_temp.%s", goal->stage)},
        {"same",     same_sql(scratch,                         goal->table)},
        {"columns",table_column_list(scratch,goal->table)},
        {"set",         set_sql(scratch,        goal->table)},
        {"differs",                 differs_sql(scratch,                                 goal->table)},
        {NULL,     NULL                 },
    };

    return pg_exec(resync->to, verify_fill(scratch, sql, parts), err);
}

static bool delete_rows(Resync *resync, const Goal *goal, Error *err)
{
    return goal->stage ? merge(resync, goal, sql_live_again_delete, err) : empty(resync, goal, err);
}

static bool update_rows(Resync *resync, const Goal *goal, Error *err)
{
    auto_arena Arena *scratch = arena_new();

    return !goal->stage || !*set_sql(scratch, goal->table) ||
           merge(resync, goal, sql_live_again_update, err);
}

static bool insert_rows(Resync *resync, const Goal *goal, Error *err)
{
    return goal->stage ? merge(resync, goal, sql_live_again_insert, err)
                       : copy_all(resync, goal, goal->name, err);
}

/* A row that stays may refer to one of its own table that is to come. Not in this order from the
 * first: one that is to come may take a unique value that one that stays gives up. */
static bool put_rows(Resync *resync, const Goal *goal, Error *err)
{
    if (!pg_exec(resync->to, "SAVEPOINT homeport_put", err))
        return false;
    if (update_rows(resync, goal, err) && insert_rows(resync, goal, err))
        return true;
    if (!goal->stage || strcmp(err->sqlstate, foreign_key_violation) != 0)
        return false;
    *err = ERROR_INIT;
    return pg_exec(resync->to, "ROLLBACK TO SAVEPOINT homeport_put", err) &&
           insert_rows(resync, goal, err) && update_rows(resync, goal, err);
}

/* Only what differs is changed: no foreign key acts on a row that stays. What foreign keys take or
 * change with a row is among the goals as well (add_referring()), each behind those that it refers
 * to, and comes back with the rows of its own: nothing is deleted after the first row is put in. */
static bool replace_in_place(Resync *resync, Goal *goals, int count, Error *err)
{
    bool ok = true;

    for (int i = 0; ok && i < count; i++)
        ok = stage_rows(resync, &goals[i], err);
    for (int i = count - 1; ok && i >= 0; i--)
        ok = delete_rows(resync, &goals[i], err);
    for (int i = 0; ok && i < count; i++)
        ok = put_rows(resync, &goals[i], err);
    if (!ok && strcmp(err->sqlstate, foreign_key_violation) == 0)
        return error_hint(err, "Foreign keys act on this side: bring the table that is referred "
                               "to up to date first, or that which refers to it.");
    return ok;
}

/* ---- all of it ---- */

/* Triggers and foreign keys have acted on the side that the rows come from. On the way back the
 * app's triggers are at rest where this may not be set (live/quiet_triggers.sql), and foreign keys
 * are not; on the way home nothing is. */
bool again_silence(Resync *resync, Error *err)
{
    resync->replica = pg_exec(resync->to, "SET session_replication_role = replica", err);
    if (resync->replica)
        return true;
    if (strcmp(err->sqlstate, insufficient_privilege) != 0)
        return false;
    /* not run: the assessment refuses such a role; only a right taken back since comes here */
    if (resync->live->feed.direction == DIRECTION_FORWARD)
        return error_hint(err, "The target's triggers must be silenced: connect as a superuser, "
                               "or GRANT SET ON PARAMETER session_replication_role.");
    *err = ERROR_INIT;
    return true;
}

static bool is_first(const Resync *resync, const Goal *goal, int at)
{
    for (int i = 0; i < at; i++)
        if (is_into(goal, &resync->tables[i]))
            return false;
    return true;
}

static bool replace_rows(Resync *resync, Error *err)
{
    auto_arena Arena *scratch = arena_new();
    Goal *goals = arena_array(scratch, (size_t)resync->count, sizeof *goals);
    int count = 0;

    for (int i = 0; i < resync->count; i++) {
        const Goal goal = goal_of(scratch, &resync->tables[i]);

        if (is_first(resync, &goal, i))
            goals[count++] = goal;
    }
    return resync->replica ? replace_all(resync, goals, count, err)
                           : replace_in_place(resync, goals, count, err);
}

static bool set_positions(Resync *resync, Error *err)
{
    for (int i = 0; i < resync->count; i++)
        if (!progress_set(resync->to, resync->live->feed.number, resync->tables[i].schema,
                          resync->tables[i].name, resync->position, err))
            return false;
    return true;
}

bool again_replace(Resync *resync, Error *err)
{
    resync->wrote = true;
    return pg_exec(resync->to, "BEGIN READ WRITE", err) &&
           pg_execf(resync->to, err, "SET LOCAL lock_timeout = '%ds'", (int)LOCK_S) &&
           pg_exec(resync->to, "SET CONSTRAINTS ALL DEFERRED", err) && replace_rows(resync, err) &&
           set_positions(resync, err) && pg_exec(resync->to, "COMMIT", err);
}
