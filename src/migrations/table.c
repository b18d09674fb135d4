#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "migrations/internal.h"

const char *options_schema(const MigrationsOptions *options)
{
    return options->schema ? options->schema : "drizzle";
}

const char *options_table(const MigrationsOptions *options)
{
    return options->table ? options->table : "__drizzle_migrations";
}

static const char *copy_cell(Arena *arena, const PGresult *res, int row, int col)
{
    const char *cell = pg_cell(res, row, col);

    return cell ? arena_strdup(arena, cell) : NULL;
}

bool table_statements(Arena *arena, PGconn *conn, const MigrationsOptions *options,
                      TableStatements *ret, Error *err)
{
    auto_result PGresult *res = NULL;
    const char *params[] = {options_schema(options), options_table(options)};

    if (!pg_query(conn, sql_migrations_statements, 2, params, &res, err))
        return false;

    /* Column order of sql/migrations/statements.sql, which is the order of the struct. */
    TableStatements statements;
    const char **fields[] = {
        &statements.create_schema,  &statements.create_0_x,   &statements.create_1_0,
        &statements.lock,           &statements.read_0_x,     &statements.read_1_0,
        &statements.insert_0_x,     &statements.insert_1_0,   &statements.add_name,
        &statements.add_applied_at, &statements.set_upgraded, &statements.set_name,
    };
    for (size_t i = 0; i < COUNT_OF(fields); i++)
        *fields[i] = arena_strdup(arena, PQgetvalue(res, 0, (int)i));
    *ret = statements;
    return true;
}

/* Column order of sql/migrations/table.sql. */
enum {
    COL_SCHEMA_EXISTS,
    COL_KIND,
    COL_ID,
    COL_HASH,
    COL_CREATED_AT,
    COL_NAME,
    COL_APPLIED_AT
};

static bool read_shape(PGconn *conn, const MigrationsOptions *options, MigrationsStatus *status,
                       Error *err)
{
    auto_result PGresult *res = NULL;
    const char *params[] = {options_schema(options), options_table(options)};

    if (!pg_query(conn, sql_migrations_table, 2, params, &res, err))
        return false;
    const char *kind = pg_cell(res, 0, COL_KIND);
    status->schema_exists = pg_cell_bool(res, 0, COL_SCHEMA_EXISTS);
    status->table_exists = kind != NULL;
    status->named = pg_cell_bool(res, 0, COL_NAME);
    if (!kind)
        return true;
    if (strcmp(kind, "r") != 0 || !pg_cell_bool(res, 0, COL_ID) ||
        !pg_cell_bool(res, 0, COL_HASH) || !pg_cell_bool(res, 0, COL_CREATED_AT) ||
        pg_cell_bool(res, 0, COL_NAME) != pg_cell_bool(res, 0, COL_APPLIED_AT)) {
        (void)error_set(err, ERR_WRONG_STATE, "\"%s\".\"%s\" is not a table that drizzle-kit made",
                        params[0], params[1]);
        return error_hint(err, "It needs the columns id, hash and created_at, and name and "
                               "applied_at both or neither. Another table can be given as "
                               "migrations_schema and migrations_table.");
    }
    return true;
}

bool table_read(Arena *arena, PGconn *conn, const MigrationsOptions *options,
                const TableStatements *statements, MigrationsStatus *ret, Error *err)
{
    auto_result PGresult *res = NULL;
    MigrationsStatus status = {0};

    if (!read_shape(conn, options, &status, err))
        return false;
    if (status.table_exists) {
        const char *sql = status.named ? statements->read_1_0 : statements->read_0_x;
        if (!pg_query(conn, sql, 0, NULL, &res, err))
            return error_add_context(err, "read what is applied");
        status.row_count = PQntuples(res);
    }

    status.rows = arena_array(arena, (size_t)status.row_count, sizeof *status.rows);
    for (int i = 0; i < status.row_count; i++)
        status.rows[i] = (MigrationRow){
            .id = arena_strdup(arena, PQgetvalue(res, i, 0)),
            .hash = arena_strdup(arena, PQgetvalue(res, i, 1)),
            .created_at = copy_cell(arena, res, i, 2),
            .created_ms = pg_cell_i64(res, i, 2),
            .name = copy_cell(arena, res, i, 3),
            .applied_at = copy_cell(arena, res, i, 4),
            .migration = -1,
        };
    *ret = status;
    return true;
}
