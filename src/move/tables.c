#include "move/tables.h"

#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "pg/pg.h"

enum {
    /* A table has at most 1,600 columns with names of 63 bytes, all of which may be quotes. */
    MAX_COLUMN_LIST = 1 << 20,
    MAX_OID_LIST = 16 << 20,
    MAX_KEY_COLUMNS = 32, /* the server's INDEX_MAX_KEYS */
};

/* Column order of sql/move/tables.sql. */
enum {
    TABLE_OID,
    TABLE_SCHEMA,
    TABLE_NAME,
    TABLE_RELFILENODE,
    TABLE_BYTES,
    TABLE_BLOCKS,
    TABLE_ROWS,
    TABLE_PERSISTENCE,
    TABLE_OWNER,
    TABLE_HEAP,
    TABLE_CONDITION,
    TABLE_ROOT,
    TABLE_ROW_BYTES,
};

/* Column order of sql/move/columns.sql. */
enum {
    COLUMN_TABLE,
    COLUMN_NUMBER,
    COLUMN_NAME,
    COLUMN_TYPE,
    COLUMN_BASE,
    COLUMN_TRANSPORT,
    COLUMN_EXTENSION,
    COLUMN_GENERATED,
    COLUMN_IDENTITY,
    COLUMN_NOT_NULL,
    COLUMN_DETERMINISTIC,
    COLUMN_KEY,
    COLUMN_ENUM_ARMS,
};

static const char *cell_text(Arena *arena, const PGresult *res, int row, int col)
{
    const char *cell = pg_cell(res, row, col);

    return cell ? arena_strdup(arena, cell) : NULL;
}

static Table table_read(Arena *arena, const PGresult *res, int row)
{
    Table table = {
        .oid = (unsigned)pg_cell_i64(res, row, TABLE_OID),
        .schema = cell_text(arena, res, row, TABLE_SCHEMA),
        .name = cell_text(arena, res, row, TABLE_NAME),
        .relfilenode = (unsigned)pg_cell_i64(res, row, TABLE_RELFILENODE),
        .bytes = pg_cell_i64(res, row, TABLE_BYTES),
        .blocks = pg_cell_i64(res, row, TABLE_BLOCKS),
        .rows_estimate = pg_cell_i64(res, row, TABLE_ROWS),
        .unlogged = strcmp(pg_cell(res, row, TABLE_PERSISTENCE), "u") == 0,
        .heap = pg_cell_bool(res, row, TABLE_HEAP),
        .owner = cell_text(arena, res, row, TABLE_OWNER),
        .condition = cell_text(arena, res, row, TABLE_CONDITION),
        .root = cell_text(arena, res, row, TABLE_ROOT),
        .row_bytes = pg_cell_i64(res, row, TABLE_ROW_BYTES),
    };

    table.qualified = pg_qualified(arena, table.schema, table.name);
    return table;
}

static TableColumn column_read(Arena *arena, const PGresult *res, int row)
{
    const char *transport = pg_cell(res, row, COLUMN_TRANSPORT);
    const char *identity = pg_cell(res, row, COLUMN_IDENTITY);
    TableColumn column = {
        .number = (int)pg_cell_i64(res, row, COLUMN_NUMBER),
        .name = cell_text(arena, res, row, COLUMN_NAME),
        .type = cell_text(arena, res, row, COLUMN_TYPE),
        .base = cell_text(arena, res, row, COLUMN_BASE),
        .binary_ok = strcmp(transport, "binary") == 0,
        .extension = cell_text(arena, res, row, COLUMN_EXTENSION),
        .generated = pg_cell_bool(res, row, COLUMN_GENERATED),
        .identity = *(identity ? identity : ""),
        .not_null = pg_cell_bool(res, row, COLUMN_NOT_NULL),
        .deterministic = pg_cell_bool(res, row, COLUMN_DETERMINISTIC),
        .enum_arms = cell_text(arena, res, row, COLUMN_ENUM_ARMS),
    };

    column.quoted = pg_ident(arena, column.name);
    return column;
}

static Table *find_by_oid(Table *tables, int count, unsigned oid)
{
    for (int i = 0; i < count; i++) {
        if (tables[i].oid == oid)
            return &tables[i];
    }
    return NULL;
}

/* Rows first .. end - 1 are the columns of one table, in its order. */
static void table_set_columns(Arena *arena, Table *table, const PGresult *res, int first, int end)
{
    int count = end - first;
    int *key = arena_array(arena, (size_t)count, sizeof *key);

    table->columns = arena_array(arena, (size_t)count, sizeof *table->columns);
    table->column_count = count;
    table->key = key;
    for (int i = 0; i < count; i++)
        table->columns[i] = column_read(arena, res, first + i);

    /* By place, because an index that names a column twice leaves a gap. */
    for (int place = 1; place <= MAX_KEY_COLUMNS; place++) {
        for (int i = 0; i < count; i++) {
            if (pg_cell_i64(res, first + i, COLUMN_KEY) == place)
                key[table->key_count++] = i;
        }
    }
}

static bool columns_read(PGconn *conn, Arena *arena, Table *tables, int count, Error *err)
{
    auto_arena Arena *scratch = arena_new();
    auto_result PGresult *res = NULL;
    Text oids = text_init(scratch, MAX_OID_LIST);

    text_add_char(&oids, '{');
    for (int i = 0; i < count; i++)
        text_addf(&oids, i ? ",%u" : "%u", tables[i].oid);
    text_add_char(&oids, '}');
    if (oids.overflowed)
        /* not run: of more than a million tables */
        return error_set(err, ERR_WRONG_STATE, "too many tables: %d", count);

    const char *params[] = {text_str(&oids)};
    if (!pg_query(conn, sql_move_columns, 1, params, &res, err))
        return false;

    int rows = PQntuples(res);
    for (int first = 0, end; first < rows; first = end) {
        const char *oid = PQgetvalue(res, first, COLUMN_TABLE);

        for (end = first + 1; end < rows; end++) {
            if (strcmp(PQgetvalue(res, end, COLUMN_TABLE), oid) != 0)
                break;
        }
        Table *table = find_by_oid(tables, count, (unsigned)pg_cell_i64(res, first, COLUMN_TABLE));
        if (table)
            table_set_columns(arena, table, res, first, end);
    }
    return true;
}

bool tables_list(PGconn *conn, Arena *arena, Table **ret, int *ret_count, Error *err)
{
    auto_result PGresult *res = NULL;

    if (!pg_query(conn, sql_move_tables, 0, NULL, &res, err))
        return error_add_context(err, "list the tables");

    int count = PQntuples(res);
    Table *tables = arena_array(arena, (size_t)count, sizeof *tables);
    for (int i = 0; i < count; i++)
        tables[i] = table_read(arena, res, i);
    if (!columns_read(conn, arena, tables, count, err))
        return error_add_context(err, "list the columns");
    *ret = tables;
    *ret_count = count;
    return true;
}

const Table *tables_find(const Table *tables, int count, const char *schema, const char *name)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(tables[i].name, name) == 0 && strcmp(tables[i].schema, schema) == 0)
            return &tables[i];
    }
    return NULL;
}

const TableColumn *table_column_find(const Table *table, const char *name)
{
    for (int i = 0; i < table->column_count; i++) {
        if (strcmp(table->columns[i].name, name) == 0)
            return &table->columns[i];
    }
    return NULL;
}

const char *table_column_list(Arena *arena, const Table *table)
{
    Text list = text_init(arena, MAX_COLUMN_LIST);

    for (int i = 0; i < table->column_count; i++) {
        if (table->columns[i].generated)
            continue;
        text_add(&list, list.len ? ", " : "");
        text_add(&list, table->columns[i].quoted);
    }
    return text_str(&list);
}
