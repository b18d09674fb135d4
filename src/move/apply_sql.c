#include "move/apply_sql.h"

#include <string.h>

#include "core/text.h"
#include "pg/pg.h"

enum {
    MAX_SQL = 1 << 20
};

typedef struct Builder {
    const Binding *binding;
    Text text;
    RowStatement made;
} Builder;

static Builder builder_start(Arena *arena, const Binding *binding)
{
    Builder builder = {.binding = binding, .text = text_init(arena, MAX_SQL)};

    builder.made.params =
        arena_array(arena, 3 * (size_t)binding->column_count + 1, sizeof(RowParam));
    return builder;
}

static RowStatement builder_end(Builder *builder)
{
    builder->made.sql = text_str(&builder->text);
    return builder->made;
}

static void add_param(Builder *builder, bool old, int column)
{
    builder->made.params[builder->made.param_count++] = (RowParam){.old = old, .column = column};
    text_addf(&builder->text, "$%d::%s", builder->made.param_count,
              builder->binding->columns[column].type);
}

static void add_by_text(Builder *builder, int column)
{
    text_addf(&builder->text, "(t.%s)::text COLLATE pg_catalog.\"C\" IS NOT DISTINCT FROM (",
              builder->binding->columns[column].quoted);
    add_param(builder, true, column);
    text_add(&builder->text, ")::text COLLATE pg_catalog.\"C\"");
}

static void add_by_operator(Builder *builder, bool old, int column)
{
    const BoundColumn *bound = &builder->binding->columns[column];

    text_addf(&builder->text, "t.%s %s ", bound->quoted, bound->equals);
    add_param(builder, old, column);
}

static void add_key(Builder *builder, bool old)
{
    const Binding *binding = builder->binding;

    for (int i = 0; i < binding->key_count; i++) {
        text_add(&builder->text, i ? " AND " : "");
        add_by_operator(builder, old, binding->key[i]);
    }
}

/* One row of those that look like it; where only the key is known there must not be two. */
static void add_one_row(Builder *builder)
{
    const Binding *binding = builder->binding;
    const char *address = binding->partitioned ? "(t.tableoid, t.ctid)" : "t.ctid";
    const char *columns = binding->partitioned ? "t.tableoid, t.ctid" : "t.ctid";

    text_addf(&builder->text, "%s %s (SELECT %s FROM %s AS t WHERE ", address,
              binding->whole_old ? "=" : "IN", columns, binding->from);
    for (int i = 0; i < binding->key_count; i++) {
        int column = binding->key[i];

        text_add(&builder->text, i ? " AND " : "");
        if (binding->columns[column].equals) {
            add_by_operator(builder, true, column);
            text_add(&builder->text, " AND ");
        }
        add_by_text(builder, column);
    }
    text_add(&builder->text, binding->whole_old ? " LIMIT 1)" : ")");
}

static void add_where(Builder *builder, RowVerb verb)
{
    text_add(&builder->text, " WHERE ");
    if (builder->binding->way != APPLY_BY_KEY) {
        add_one_row(builder);
        return;
    }
    bool old = verb == ROW_MOVE || verb == ROW_DELETE || verb == ROW_REPLACE;
    if (verb != ROW_CASCADED) {
        add_key(builder, old);
        return;
    }
    text_add(&builder->text, "(");
    add_key(builder, true);
    text_add(&builder->text, ") OR (");
    add_key(builder, false);
    text_add(&builder->text, ")");
}

static void add_columns(Text *text, const Binding *binding)
{
    for (int i = 0; i < binding->column_count; i++)
        text_addf(text, "%s%s", i ? ", " : "", binding->columns[i].quoted);
}

static RowStatement make_insert(Builder *builder)
{
    const Binding *binding = builder->binding;

    text_addf(&builder->text, "INSERT INTO %s ", binding->into);
    if (binding->column_count == 0) {
        text_add(&builder->text, "DEFAULT VALUES");
        return builder_end(builder);
    }
    text_add(&builder->text, "(");
    add_columns(&builder->text, binding);
    text_add(&builder->text, ") OVERRIDING SYSTEM VALUE VALUES (");
    for (int i = 0; i < binding->column_count; i++) {
        text_add(&builder->text, i ? ", " : "");
        add_param(builder, false, i);
    }
    text_add(&builder->text, ")");
    return builder_end(builder);
}

static bool can_set(const Binding *binding, int column, RowVerb verb)
{
    const BoundColumn *bound = &binding->columns[column];

    return !bound->always && (!bound->key || verb != ROW_UPDATE || binding->way != APPLY_BY_KEY);
}

static RowStatement make_update(Builder *builder, RowVerb verb, const bool *known)
{
    const Binding *binding = builder->binding;
    int count = 0;

    text_addf(&builder->text, "UPDATE %s AS t SET ", binding->from);
    for (int i = 0; i < binding->column_count; i++) {
        if ((known && !known[i]) || !can_set(binding, i, verb))
            continue;
        text_addf(&builder->text, "%s%s = ", count++ ? ", " : "", binding->columns[i].quoted);
        add_param(builder, false, i);
    }
    /* Nothing to set, but the row must be there: rule 18. */
    for (int i = 0; i < binding->column_count && count == 0; i++)
        if (!binding->columns[i].always) {
            text_addf(&builder->text, "%s = t.%s", binding->columns[i].quoted,
                      binding->columns[i].quoted);
            count++;
        }
    if (count == 0)
        return (RowStatement){0};
    add_where(builder, verb);
    return builder_end(builder);
}

/* What is not known of the new row comes from the one that is deleted. */
static RowStatement make_replace(Builder *builder, const bool *known)
{
    const Binding *binding = builder->binding;

    text_addf(&builder->text, "WITH gone AS (DELETE FROM %s AS t", binding->from);
    add_where(builder, ROW_REPLACE);
    text_addf(&builder->text, " RETURNING t.*) INSERT INTO %s (", binding->into);
    add_columns(&builder->text, binding);
    text_add(&builder->text, ") OVERRIDING SYSTEM VALUE SELECT ");
    for (int i = 0; i < binding->column_count; i++) {
        text_add(&builder->text, i ? ", " : "");
        if (known && !known[i])
            text_addf(&builder->text, "gone.%s", binding->columns[i].quoted);
        else
            add_param(builder, false, i);
    }
    text_add(&builder->text, " FROM gone");
    return builder_end(builder);
}

RowVerb row_verb(const Binding *binding, const RowChange *change, bool cascaded)
{
    if (change->op == 'I')
        return ROW_INSERT;
    if (change->op == 'D')
        return ROW_DELETE;
    if (binding->replace || (change->key_changed && binding->key_always))
        return ROW_REPLACE;
    if (!change->key_changed)
        return ROW_UPDATE;
    return cascaded && binding->way == APPLY_BY_KEY ? ROW_CASCADED : ROW_MOVE;
}

RowStatement row_statement(Arena *arena, const Binding *binding, RowVerb verb, const bool *known)
{
    Builder builder = builder_start(arena, binding);

    switch (verb) {
    case ROW_INSERT:
        return make_insert(&builder);
    case ROW_REPLACE:
        return make_replace(&builder, known);
    case ROW_DELETE:
        text_addf(&builder.text, "DELETE FROM %s AS t", binding->from);
        add_where(&builder, verb);
        return builder_end(&builder);
    case ROW_UPDATE:
    case ROW_MOVE:
    case ROW_CASCADED:
        break;
    }
    return make_update(&builder, verb, known);
}

/* ---- set-wise ---- */

const char *stage_name(Arena *arena, const Binding *binding)
{
    return arena_printf(arena, "pg_temp.homeport_stage_%d", binding->id);
}

const char *stage_create(Arena *arena, const Binding *binding)
{
    Text text = text_init(arena, MAX_SQL);

    text_addf(&text, "CREATE TEMPORARY TABLE homeport_stage_%d (op \"char\", m integer",
              binding->id);
    for (int i = 0; i < binding->column_count; i++)
        text_addf(&text, ", c%d %s", i, binding->columns[i].type);
    for (int i = 0; i < binding->key_count; i++)
        text_addf(&text, ", o%d %s", binding->key[i], binding->columns[binding->key[i]].type);
    text_add(&text, ") ON COMMIT DELETE ROWS");
    return text_str(&text);
}

const char *stage_copy_deletes(Arena *arena, const Binding *binding)
{
    Text text = text_init(arena, MAX_SQL);

    text_addf(&text, "COPY %s (op", stage_name(arena, binding));
    for (int i = 0; i < binding->key_count; i++)
        text_addf(&text, ", c%d", binding->key[i]);
    text_add(&text, ") FROM STDIN");
    return text_str(&text);
}

const char *stage_copy_rows(Arena *arena, const Binding *binding)
{
    Text text = text_init(arena, MAX_SQL);

    text_addf(&text, "COPY %s (op, m", stage_name(arena, binding));
    for (int i = 0; i < binding->column_count; i++)
        text_addf(&text, ", c%d", i);
    for (int i = 0; i < binding->key_count; i++)
        text_addf(&text, ", o%d", binding->key[i]);
    text_add(&text, ") FROM STDIN");
    return text_str(&text);
}

static void add_join(Text *text, const Binding *binding, char side)
{
    for (int i = 0; i < binding->key_count; i++) {
        const BoundColumn *column = &binding->columns[binding->key[i]];
        text_addf(text, " AND t.%s %s s.%c%d", column->quoted, column->equals, side,
                  binding->key[i]);
    }
}

const char *net_delete(Arena *arena, const Binding *binding)
{
    Text text = text_init(arena, MAX_SQL);

    text_addf(&text, "DELETE FROM %s AS t USING %s AS s WHERE s.op = 'd'", binding->from,
              stage_name(arena, binding));
    add_join(&text, binding, 'c');
    return text_str(&text);
}

const char *net_update(Arena *arena, const Binding *binding, int m, const bool *known)
{
    Text text = text_init(arena, MAX_SQL);
    int count = 0;

    text_addf(&text, "UPDATE %s AS t SET ", binding->from);
    for (int i = 0; i < binding->column_count; i++)
        if (known[i] && can_set(binding, i, ROW_UPDATE))
            text_addf(&text, "%s%s = s.c%d", count++ ? ", " : "", binding->columns[i].quoted, i);
    for (int i = 0; i < binding->column_count && count == 0; i++)
        if (!binding->columns[i].always) {
            text_addf(&text, "%s = t.%s", binding->columns[i].quoted, binding->columns[i].quoted);
            count++;
        }
    if (count == 0)
        return NULL;
    text_addf(&text, " FROM %s AS s WHERE s.op = 'u' AND s.m = %d", stage_name(arena, binding), m);
    add_join(&text, binding, 'c');
    return text_str(&text);
}

const char *net_fill(Arena *arena, const Binding *binding, int m, const bool *known)
{
    Text text = text_init(arena, MAX_SQL);
    int count = 0;

    text_addf(&text, "UPDATE %s AS s SET ", stage_name(arena, binding));
    for (int i = 0; i < binding->column_count; i++)
        if (!known[i])
            text_addf(&text, "%sc%d = t.%s", count++ ? ", " : "", i, binding->columns[i].quoted);
    text_addf(&text, " FROM %s AS t WHERE s.m = %d AND s.op = 'f'", binding->from, m);
    add_join(&text, binding, 'o');
    return text_str(&text);
}

const char *net_insert(Arena *arena, const Binding *binding)
{
    Text text = text_init(arena, MAX_SQL);

    text_addf(&text, "INSERT INTO %s (", binding->into);
    add_columns(&text, binding);
    text_add(&text, ") OVERRIDING SYSTEM VALUE SELECT ");
    for (int i = 0; i < binding->column_count; i++)
        text_addf(&text, "%ss.c%d", i ? ", " : "", i);
    text_addf(&text, " FROM %s AS s WHERE s.op = 'f'", stage_name(arena, binding));
    return text_str(&text);
}

const char *net_copy(Arena *arena, const Binding *binding)
{
    Text text = text_init(arena, MAX_SQL);

    text_addf(&text, "COPY %s (", binding->into);
    add_columns(&text, binding);
    text_add(&text, ") FROM STDIN");
    return text_str(&text);
}
