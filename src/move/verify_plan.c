#include <string.h>

#include "core/text.h"
#include "move/verify.h"

enum {
    ROWS_A_BUCKET = 16384,
    MAX_RANGES = 1024,
    SAMPLE_A_RANGE = 64,
    BYTES_A_ROW = 100, /* guessed where a table was never analysed */
    MAX_LIST = 8 << 20,
};

static const char *sides_name[VERIFY_SIDES] = {"source", "target"};

/* Large objects are compared like the rows of a table of this shape, a slice each. */
#define LARGE_OBJECT_SLICE "16777216"
static const TableColumn large_object_columns[] = {
    {.number = 1,
     .name = "loid",
     .quoted = "\"loid\"",
     .type = "oid",
     .base = "oid",
     .not_null = true,
     .deterministic = true},
    {.number = 2,
     .name = "at",
     .quoted = "\"at\"",
     .type = "bigint",
     .base = "int8",
     .not_null = true,
     .deterministic = true},
    {.number = 3,
     .name = "data",
     .quoted = "\"data\"",
     .type = "bytea",
     .base = "bytea",
     .not_null = true,
     .deterministic = true},
};
static const int large_object_key[] = {0, 1};

static const char *from_item(Arena *arena, const Table *table)
{
    if (table->condition)
        return arena_printf(arena, "(SELECT * FROM ONLY %s %s) AS t", table->qualified,
                            table->condition);
    return arena_printf(arena, "ONLY %s AS t", table->qualified);
}

/* How the rows of both sides are read. */
static void set_rows(const VerifyRun *run, VerifyTable *table)
{
    for (int side = 0; side < VERIFY_SIDES; side++) {
        const Table *of = table->of[side];
        bool home = run->identities && (VerifySide)side == run->home;
        const char *mapped = home ? identities_rows_sql(run->arena, of) : NULL;

        table->mapped[side] = mapped ? run->identities : NULL;
        table->rows[side] = mapped     ? mapped
                            : of->root ? arena_printf(run->arena, "%s AS t", of->root)
                                       : from_item(run->arena, of);
    }
}

static void note_missing_column(VerifyRun *run, const VerifyTable *table, const TableColumn *column,
                                VerifySide there)
{
    verify_note(run, arena_printf(run->arena, "COLUMN %s.%s", table->name, column->name),
                arena_printf(run->arena, "only on the %s", sides_name[there]));
}

static void pair_columns(VerifyRun *run, VerifyTable *table)
{
    const Table *source = table->of[VERIFY_SOURCE];
    const Table *target = table->of[VERIFY_TARGET];

    table->columns = arena_array(run->arena, (size_t)source->column_count, sizeof *table->columns);
    for (int i = 0; i < source->column_count; i++) {
        const TableColumn *column = &source->columns[i];
        const TableColumn *other = table_column_find(target, column->name);

        if (!other) {
            note_missing_column(run, table, column, VERIFY_SOURCE);
            continue;
        }
        /* Computed from an identifier: each side has its own. */
        if (column->from_identifier)
            continue;
        VerifyColumn *pair = &table->columns[table->column_count++];
        *pair = (VerifyColumn){
            .of = {column, other},
            .sql = arena_printf(run->arena, "t.%s", column->quoted),
            .nullable = !column->not_null || !other->not_null,
        };
        verify_column_cast(pair);
    }
    for (int i = 0; i < target->column_count; i++)
        if (!table_column_find(source, target->columns[i].name))
            note_missing_column(run, table, &target->columns[i], VERIFY_TARGET);
}

/* The source's key, or the target's where the source has none: a key that only one side enforces
 * still names rows, and rows that share it on the other are merged in order. */
static void choose_key(Arena *arena, VerifyTable *table)
{
    for (int side = 0; side < VERIFY_SIDES && table->key_count == 0; side++) {
        const Table *of = table->of[side];
        int *key = arena_array(arena, (size_t)of->key_count, sizeof *key);
        int found = 0;

        for (int i = 0; i < of->key_count; i++)
            for (int c = 0; c < table->column_count; c++)
                if (table->columns[c].of[side] == &of->columns[of->key[i]])
                    key[found++] = c;
        if (found == of->key_count) {
            table->key = key;
            table->key_count = found;
        }
    }
}

static int64_t rows_estimate(const Table *table)
{
    return table->rows_estimate >= 0 ? table->rows_estimate : table->bytes / BYTES_A_ROW;
}

/* Values that cut a key column into ranges. */
typedef struct Bounds {
    const char *list; /* array literal; NULL: none */
    int count;
} Bounds;

static bool sample_bounds(VerifyRun *run, const VerifyTable *table, int column, int ranges,
                          Bounds *ret, Error *err)
{
    auto_arena Arena *scratch = arena_new();
    auto_result PGresult *res = NULL;
    const Table *source = table->of[VERIFY_SOURCE];
    double share = 100.0 * SAMPLE_A_RANGE * ranges / (double)(rows_estimate(source) + 1);
    const char *rows = table->rows[VERIFY_SOURCE];

    if (share < 100 && source->heap && !source->condition && !table->mapped[VERIFY_SOURCE])
        rows = arena_printf(scratch, "%s TABLESAMPLE SYSTEM (%.6f) REPEATABLE (0)", rows, share);
    const SqlPart parts[] = {
        {"value",                   verify_range_sql(scratch, table, &table->columns[column])},
        {"ranges", arena_printf(scratch,                         "%d", ranges)},
        {"rows",     rows},
        {"type",                         verify_range_type(table,                                            &table->columns[column])},
        {NULL,                         NULL                                           },
    };
    if (!pg_query(run->sides[VERIFY_SOURCE].conn, verify_fill(scratch, sql_verify_bounds, parts), 0,
                  NULL, &res, err))
        return error_add_context(err, "sample the keys of %s", table->name);
    const char *list = pg_cell(res, 0, 0);
    *ret = (Bounds){
        .list = list ? arena_strdup(run->arena, list) : NULL,
        .count = (int)pg_cell_i64(res, 0, 1),
    };
    return true;
}

/* The first key column with enough different values: the leading one is what an index is ordered
 * by, but where it has few values (a tenant), its ranges would be few and long. */
static bool choose_ranges(VerifyRun *run, VerifyTable *table, int ranges, Error *err)
{
    int best = 0;

    for (int i = 0; i < table->key_count && best < ranges / 2; i++) {
        int column = table->key[i];
        const char *type = verify_range_type(table, &table->columns[column]);
        Bounds bounds = {0};

        if (!*type)
            continue;
        if (!sample_bounds(run, table, column, ranges, &bounds, err))
            return false;
        if (bounds.count <= best)
            continue;
        best = bounds.count;
        table->kind = strcmp(type, "name") == 0 ? BUCKET_NAME : BUCKET_KEY;
        table->bounds = bounds.list;
        table->bucket_column = column;
        table->bucket_count = bounds.count + 1;
    }
    return true;
}

bool verify_buckets(VerifyRun *run, VerifyTable *table, Error *err)
{
    int64_t source = rows_estimate(table->of[VERIFY_SOURCE]);
    int64_t target = rows_estimate(table->of[VERIFY_TARGET]);
    int64_t ranges = (source > target ? source : target) / ROWS_A_BUCKET;

    table->kind = table->key_count == 0 ? BUCKET_ROW : BUCKET_ONE;
    if (table->key_count > 0 && ranges > 1) {
        if (!choose_ranges(run, table, ranges < MAX_RANGES ? (int)ranges : MAX_RANGES, err))
            return false;
        if (table->kind == BUCKET_ONE)
            table->kind = BUCKET_HASH;
    }
    verify_bucket_sql(run->arena, table);
    for (int side = 0; side < VERIFY_SIDES; side++)
        table->buckets[side] = arena_array(run->arena, (size_t)table->bucket_count, sizeof(Bucket));
    return true;
}

static void describe(VerifyRun *run, VerifyTable *table)
{
    table->recode =
        strcmp(run->sides[VERIFY_SOURCE].encoding, run->sides[VERIFY_TARGET].encoding) != 0;
    pair_columns(run, table);
    choose_key(run->arena, table);
    for (int i = 0; i < VERIFY_HASHES; i++)
        table->hashes[i] = verify_hash_sql(run->arena, table, run->seeds[i]);
}

/* Partitions whose rows may lie in another of them on the other side: one table, read through its
 * root. In the shape of its first partition, as columns and key are the root's. */
static void add_to_root(VerifyRun *run, const Table *here, const Table *there)
{
    Table *shapes[VERIFY_SIDES];

    for (int i = 0; i < run->table_count; i++) {
        const VerifyTable *table = &run->tables[i];

        if (table->of[VERIFY_SOURCE]->root && strcmp(table->name, here->root) == 0)
            return;
    }
    for (int side = 0; side < VERIFY_SIDES; side++) {
        shapes[side] = arena_alloc(run->arena, sizeof(Table));
        *shapes[side] = side == VERIFY_SOURCE ? *here : *there;
        shapes[side]->heap = false; /* not to be read in ctid ranges, which are a partition's own */
    }
    VerifyTable *table = &run->tables[run->table_count++];
    *table = (VerifyTable){
        .name = here->root, .of = {shapes[VERIFY_SOURCE], shapes[VERIFY_TARGET]}
    };
    set_rows(run, table);
}

static void pair_table(VerifyRun *run, const Table *here)
{
    const VerifyServer *target = &run->sides[VERIFY_TARGET];
    const Table *there = tables_find(target->tables, target->table_count, here->schema, here->name);
    const char *name = verify_name(run->arena, here->schema, here->name);

    if (!there) {
        verify_note(run, arena_printf(run->arena, "TABLE %s", name), "only on the source");
        return;
    }
    if (here->root && there->root && strcmp(here->root, there->root) == 0) {
        add_to_root(run, here, there);
        return;
    }
    VerifyTable *table = &run->tables[run->table_count++];
    *table = (VerifyTable){
        .name = name, .of = {here, there}
    };
    set_rows(run, table);
}

static void pair_tables(VerifyRun *run)
{
    const VerifyServer *source = &run->sides[VERIFY_SOURCE];
    const VerifyServer *target = &run->sides[VERIFY_TARGET];

    /* One more for large objects. */
    run->tables = arena_array(run->arena, (size_t)source->table_count + 1, sizeof *run->tables);
    for (int i = 0; i < source->table_count; i++)
        pair_table(run, &source->tables[i]);
    for (int i = 0; i < target->table_count; i++) {
        const Table *there = &target->tables[i];

        if (!tables_find(source->tables, source->table_count, there->schema, there->name))
            verify_note(run,
                        arena_printf(run->arena, "TABLE %s",
                                     verify_name(run->arena, there->schema, there->name)),
                        "only on the target");
    }
}

static bool has_large_objects(const VerifyServer *side, bool *ret, Error *err)
{
    auto_result PGresult *res = NULL;

    if (!pg_query(side->conn, sql_move_has_large_objects, 0, NULL, &res, err))
        return false;
    *ret |= pg_cell_bool(res, 0, 0);
    return true;
}

/* Pages of pg_largeobject may be cut otherwise for the same bytes, so contents are compared. */
static bool add_large_objects(VerifyRun *run, Error *err)
{
    bool found = false;

    if (run->options->rows_only)
        return true;
    for (int side = 0; side < VERIFY_SIDES; side++)
        if (!has_large_objects(&run->sides[side], &found, err))
            return false;
    if (!found)
        return true;

    const SqlPart parts[] = {
        {"slice", LARGE_OBJECT_SLICE},
        {NULL,    NULL              },
    };
    const char *slices = verify_fill(run->arena, sql_verify_large_object_slices, parts);
    const char *rows = arena_printf(run->arena, "(%s) AS t", slices);
    Table *shape = arena_alloc(run->arena, sizeof *shape);
    TableColumn *columns = arena_array(run->arena, COUNT_OF(large_object_columns), sizeof *columns);
    memcpy(columns, large_object_columns, sizeof large_object_columns);
    *shape = (Table){
        .schema = "",
        .name = "large objects",
        .qualified = "pg_catalog.pg_largeobject_metadata",
        .columns = columns,
        .column_count = (int)COUNT_OF(large_object_columns),
        .key = large_object_key,
        .key_count = (int)COUNT_OF(large_object_key),
    };
    run->tables[run->table_count++] = (VerifyTable){
        .name = shape->name, .of = {shape, shape},
             .rows = {rows,  rows }
    };
    return true;
}

bool verify_pair(VerifyRun *run, Error *err)
{
    pair_tables(run);
    if (!add_large_objects(run, err))
        return error_add_context(err, "look for large objects");
    for (int i = 0; i < run->table_count; i++)
        describe(run, &run->tables[i]);
    return true;
}

bool verify_plan(VerifyRun *run, Error *err)
{
    if (!verify_pair(run, err))
        return false;
    for (int i = 0; i < run->table_count; i++)
        if (!verify_buckets(run, &run->tables[i], err))
            return false;
    return true;
}
