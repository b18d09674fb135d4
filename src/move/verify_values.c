#include <string.h>

#include "core/text.h"
#include "move/verify.h"

enum {
    MAX_SQL = 16 << 20,
    MAX_DETAIL = 4096,
    AROUND = 40, /* characters shown of a long value, half of them before where it differs */
};

/* Column order of sql/verify/values.sql. */
enum {
    VALUE_ROW,
    VALUE_COLUMN,
    VALUE_HASH,
    VALUE_LENGTH,
    VALUE_TEXT,
};

typedef struct Rows {
    const VerifyTable *table;
    const DifferentRow *rows;
    int count;
} Rows;

/* What one side holds in one column of one row. */
typedef struct Value {
    bool there;
    bool null;
    int64_t hash;
    int64_t length;
    const char *text; /* its beginning */
} Value;

static const char *values_list(Arena *arena, const VerifyTable *table)
{
    Text sql = text_init(arena, MAX_SQL);

    for (int i = 0; i < table->column_count; i++) {
        const VerifyColumn *column = &table->columns[i];
        text_addf(&sql, "%s(%d, CASE WHEN %s IS NOT NULL THEN %s END)", i ? ", " : "", i,
                  column->sql, verify_text_sql(arena, column));
    }
    return text_str(&sql);
}

static bool fetch_values(PGconn *conn, VerifySide number, const Rows *rows, PGresult **ret,
                         Error *err)
{
    const VerifyTable *table = rows->table;
    auto_arena Arena *scratch = arena_new();
    Text row = text_init(scratch, MAX_SQL);
    Text match = text_init(scratch, MAX_SQL);

    text_add(&row, "CASE");
    for (int i = 0; i < rows->count; i++) {
        const char *condition = verify_key_match_sql(scratch, table, rows->rows[i].keys);

        text_addf(&row, " WHEN %s THEN %d", condition, i);
        text_addf(&match, "%s(%s)", i ? " OR " : "", condition);
    }
    text_add(&row, " END");
    const SqlPart parts[] = {
        {"row",    text_str(&row)      },
        {"values", values_list(scratch,  table)},
        {"shown",        arena_printf(scratch,                      "%d", VERIFY_SHOWN)},
        {"rows",    table->rows[number]},
        {"match",   text_str(&match)},
        {NULL,  NULL   },
    };
    return pg_query(conn, verify_fill(scratch, sql_verify_values, parts), 0, NULL, ret, err);
}

static void read_values(Arena *arena, const PGresult *res, const VerifyTable *table, Value *values)
{
    for (int i = 0; i < PQntuples(res); i++) {
        int64_t at = pg_cell_i64(res, i, VALUE_ROW) * table->column_count +
                     pg_cell_i64(res, i, VALUE_COLUMN);
        const char *text = pg_cell(res, i, VALUE_TEXT);

        values[at] = (Value){
            .there = true,
            .null = text == NULL,
            .hash = pg_cell_i64(res, i, VALUE_HASH),
            .length = pg_cell_i64(res, i, VALUE_LENGTH),
            .text = text ? arena_strdup(arena, text) : "",
        };
    }
}

static bool values_equal(const Value *a, const Value *b)
{
    return a->there == b->there && a->null == b->null && a->hash == b->hash &&
           a->length == b->length;
}

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

/* Byte at which both begin to differ, moved back by some characters where it is far in. */
static size_t shown_from(const char *a, const char *b)
{
    size_t at = 0;

    while (a[at] && a[at] == b[at])
        at++;
    if (at <= (size_t)2 * AROUND)
        return 0;
    while (at > 0 && is_continuation(a[at]))
        at--;
    for (int back = 0; at > 0 && back < AROUND / 2; back += !is_continuation(a[at]))
        at--;
    return at;
}

static void add_value(Text *out, const Value *value, size_t from)
{
    if (!value->there) {
        text_add(out, "(not readable)");
        return;
    }
    if (value->null) {
        text_add(out, "NULL");
        return;
    }
    bool whole = from == 0;
    size_t len = strlen(value->text);
    text_addf(out, "%s'%s'", whole ? "" : "...",
              verify_shown(out->arena, value->text + (from < len ? from : len),
                           AROUND + (whole ? AROUND : 0)));
    if (value->length > (whole ? 2 * AROUND : AROUND))
        text_addf(out, " (%s characters)", text_count(out->arena, value->length));
}

static void add_difference(Text *out, const Value *source, const Value *target)
{
    size_t from = 0;

    if (source->there && target->there && !source->null && !target->null) {
        if (strcmp(source->text, target->text) == 0 && source->length > VERIFY_SHOWN) {
            text_addf(out, "%s -> %s characters, of which the first %s are alike",
                      text_count(out->arena, source->length),
                      text_count(out->arena, target->length), text_count(out->arena, VERIFY_SHOWN));
            return;
        }
        from = shown_from(source->text, target->text);
    }
    add_value(out, source, from);
    text_add(out, " -> ");
    add_value(out, target, from);
}

static const char *row_detail(Arena *arena, const VerifyTable *table, const Value *source,
                              const Value *target)
{
    Text out = text_init(arena, MAX_DETAIL);

    for (int i = 0; i < table->column_count; i++) {
        if (values_equal(&source[i], &target[i]))
            continue;
        text_addf(&out, "%s%s: ", out.len ? "; " : "", table->columns[i].of[VERIFY_SOURCE]->name);
        add_difference(&out, &source[i], &target[i]);
        if (out.overflowed)
            break;
    }
    if (out.len == 0)
        return "values that read alike, of other bytes";
    return arena_printf(arena, "%s%s", text_str(&out), out.overflowed ? "; ..." : "");
}

bool verify_values(VerifyRun *run, const VerifyTable *table, const DifferentRow *rows, int count,
                   PGconn *const conns[VERIFY_SIDES], Error *err)
{
    auto_arena Arena *scratch = arena_new();
    size_t cells = (size_t)count * (size_t)table->column_count;
    Rows all = {.table = table, .rows = rows, .count = count};
    Value *values[VERIFY_SIDES];

    for (int side = 0; side < VERIFY_SIDES; side++) {
        auto_result PGresult *res = NULL;

        if (table->mapped[side] && !identities_send_rest(table->mapped[side], conns[side], err))
            return false;
        if (!fetch_values(conns[side], (VerifySide)side, &all, &res, err))
            return error_add_context(err, "read rows of %s that differ", table->name);
        values[side] = arena_array(scratch, cells, sizeof(Value));
        read_values(scratch, res, table, values[side]);
    }
    for (int i = 0; i < count; i++) {
        size_t first = (size_t)i * (size_t)table->column_count;
        verify_add(run, DIFFERENCE_DIFFERENT, table->name, rows[i].key,
                   row_detail(run->arena, table, &values[VERIFY_SOURCE][first],
                              &values[VERIFY_TARGET][first]));
    }
    return true;
}
