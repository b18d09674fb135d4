/*
 * Rows as COPY's text format has them: fields with tabs between, \N for NULL, and a backslash
 * before what would be taken for something else.
 */
#include <string.h>

#include "move/identity_private.h"

enum {
    MAX_LINE = 2147483647 /* of a message; PostgreSQL's rows are half as long */
};

struct IdentityRows {
    const Identities *identities;
    bool back;
    const Table *table;
    const TableColumn **columns; /* that are copied, in order */
    int column_count;
    Arena *arena;
    Text row;
    Text value;
};

static bool has_identifier(const Table *table)
{
    for (int i = 0; i < table->column_count; i++)
        if (table->columns[i].identifier)
            return true;
    return false;
}

IdentityRows *identity_rows_new(const Identities *identities, bool back, const Table *table)
{
    if (!identities || !has_identifier(table))
        return NULL;
    Arena *arena = arena_new();
    IdentityRows *rows = arena_alloc(arena, sizeof *rows);
    *rows = (IdentityRows){
        .identities = identities,
        .back = back,
        .table = table,
        .columns = arena_array(arena, (size_t)table->column_count, sizeof(TableColumn *)),
        .arena = arena,
        .row = text_init(arena, MAX_LINE),
        .value = text_init(arena, MAX_LINE),
    };
    for (int i = 0; i < table->column_count; i++)
        if (!table->columns[i].generated)
            rows->columns[rows->column_count++] = &table->columns[i];
    return rows;
}

void identity_rows_free(IdentityRows *rows)
{
    if (rows)
        arena_free(rows->arena);
}

void identity_rows_cleanup(IdentityRows **rows)
{
    identity_rows_free(*rows);
}

static const char escaped[] = "\b\f\n\r\t\v\\";
static const char letters[] = "bfnrtv\\";

IdentityText identity_decode(Text *out, const char *field, size_t len)
{
    text_clear(out);
    for (size_t i = 0; i < len; i++) {
        char c = field[i];

        if (c == '\\' && i + 1 < len) {
            c = field[++i];
            const char *letter = strchr(letters, c);
            if (letter && *letter)
                c = escaped[letter - letters];
        }
        text_add_char(out, c);
    }
    return (IdentityText){text_str(out), (int)out->len};
}

void identity_encode(Text *out, IdentityText value)
{
    for (int i = 0; i < value.len; i++) {
        char c = value.data[i];
        const char *special = strchr(escaped, c); /* no text has a NUL */

        if (special) {
            text_add_char(out, '\\');
            c = letters[special - escaped];
        }
        text_add_char(out, c);
    }
}

static bool add_mapped(IdentityRows *rows, const TableColumn *column, const char *field, size_t len,
                       Error *err)
{
    IdentityText mapped = {NULL, 0};

    if (len == 2 && memcmp(field, "\\N", 2) == 0) {
        text_add_n(&rows->row, field, len);
        return true;
    }
    IdentityText id = identity_decode(&rows->value, field, len);
    if (!identity_pass(rows->identities, rows->back, id, &mapped, err))
        return error_add_context(err, "%s.%s.%s", rows->table->schema, rows->table->name,
                                 column->name);
    identity_encode(&rows->row, mapped);
    return true;
}

bool identity_rows_map(IdentityRows *rows, const char **row, size_t *len, Error *err)
{
    const char *at = *row;
    const char *end = at + *len;

    if (*len > 0 && end[-1] == '\n')
        end--;
    text_clear(&rows->row);
    for (int i = 0;; i++) {
        const char *tab = memchr(at, '\t', (size_t)(end - at));
        size_t field = (size_t)((tab ? tab : end) - at);

        if (i >= rows->column_count)
            return error_set(err, ERR_FORMAT, "%s.%s: a row has more fields than the table",
                             rows->table->schema, rows->table->name);
        if (!rows->columns[i]->identifier)
            text_add_n(&rows->row, at, field);
        else if (!add_mapped(rows, rows->columns[i], at, field, err))
            return false;
        if (!tab)
            break;
        text_add_char(&rows->row, '\t');
        at = tab + 1;
    }
    text_add_char(&rows->row, '\n');
    *row = text_str(&rows->row);
    *len = rows->row.len;
    return true;
}
