#include "move/plan.h"
#include "move/lane.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "core/text.h"
#include "move/schema.h"
#include "move/sqltext.h"

enum {
    MAX_PARTS = 256,
    MAX_SQL = 1 << 20,
    SMALLEST_SPLIT = 256 << 20, /* below that a table is copied before its split would pay */
};

/* A cost above all others: takes no time, and others wait for it. */
#define FIRST 1e18

/* Column order of sql/move/indexes.sql. */
enum {
    COL_KIND,
    COL_OID,
    COL_SCHEMA,
    COL_TABLE,
    COL_RELKIND,
    COL_CONTYPE,
    COL_INDEX_NAME,
    COL_INDEX_DEFINITION,
    COL_DEFERRABLE,
    COL_DEFERRED,
    COL_REF_SCHEMA,
    COL_REF_TABLE,
    COL_REF_RELKIND,
    COL_PLAIN,
    COL_COLLATED,
};

/* What the tasks of one table are, in the order of its life. */
typedef struct TableTasks {
    const Table *table;
    PoolTask *copied;  /* all of its rows are there: indexes may follow */
    PoolTask *indexed; /* stands behind all index builds: keys may follow */
    PoolTask *keyed;   /* all keys are there: ANALYZE may follow */
    PoolTask *ready;   /* ANALYZE is done: foreign keys may follow */
} TableTasks;

typedef struct TableNode {
    UT_hash_handle hh;
    TableTasks tasks;
    char key[];
} TableNode;

typedef struct FactNode {
    UT_hash_handle hh;
    int row;
    char key[];
} FactNode;

typedef struct EntryNode {
    UT_hash_handle hh;
    int id;
    PoolTask *task;
} EntryNode;

typedef struct Planner {
    Arena *arena;
    const PlanRequest *request;
    Plan *plan;
    PGresult *facts;
    TableNode *tables;
    FactNode *fact_index;
    EntryNode *entries;
    PoolTask *all_built; /* every table's ANALYZE is done, and all that is neither a foreign key nor
                            an attachment */
    PoolTask *all_ready; /* and every index is attached */
    PoolTask *attached;  /* the last INDEX ATTACH so far */
    int64_t total_bytes;
} Planner;

/* What a task takes beside the copy of as many bytes, in percent; what is not here takes no time.
 */
static int64_t task_weight(const Task *task, double cost)
{
    enum {
        INDEX_PERCENT = 40,
        FOREIGN_KEY_PERCENT = 10,
        VACUUM_PERCENT = 10,
    };

    if (!task->table)
        return 0;
    switch (task->kind) {
    case TASK_COPY:
        return task->table->bytes / task->parts;
    case TASK_INDEX:
        return (int64_t)(cost * INDEX_PERCENT / 100);
    case TASK_FOREIGN_KEY:
        return task->table->row_bytes * FOREIGN_KEY_PERCENT / 100;
    case TASK_ANALYZE:
        return task->vacuum ? task->table->bytes * VACUUM_PERCENT / 100 : 0;
    case TASK_CONSTRAINT:
    case TASK_ENTRY:
        break;
    }
    return 0;
}

/* ---- a small step that only orders others ---- */

static PoolTask *add_task(Planner *planner, double cost, Task task)
{
    Task *kept = arena_alloc(planner->arena, sizeof *kept);

    *kept = task;
    kept->weight = task_weight(&task, cost);
    planner->plan->weight += kept->weight;
    return pool_add(&planner->plan->graph, cost, kept);
}

/* No payload: it is done as soon as it may begin, and others come after it. */
static PoolTask *add_milestone(Planner *planner)
{
    return pool_add(&planner->plan->graph, FIRST, NULL);
}

/* ---- lookups ---- */

static char *table_key(Arena *arena, const char *schema, const char *name)
{
    return pg_qualified(arena, schema, name);
}

static TableTasks *find_table(const Planner *planner, const char *schema, const char *name)
{
    TableNode *node = NULL;
    auto_arena Arena *scratch = arena_new();

    if (!schema || !name)
        return NULL;
    HASH_FIND_STR(planner->tables, table_key(scratch, schema, name), node);
    return node ? &node->tasks : NULL;
}

/* Of a table's indexes those that compare texts take longest, up to three times as long as others
 * (docs/benchmarks.md): first, or they are what the others wait for in the end. */
static double index_cost(const Planner *planner, int fact, const Table *table)
{
    bool collated = fact >= 0 && pg_cell_bool(planner->facts, fact, COL_COLLATED);

    return (double)table->row_bytes * (collated ? 1.5 : 1);
}

/* The row of sql/move/indexes.sql for an entry; -1: none. */
static int find_fact(const Planner *planner, const ArchiveEntry *entry)
{
    FactNode *node = NULL;
    char key[40];
    const char *kind = strcmp(entry->desc, "INDEX") == 0        ? "index"
                       : strcmp(entry->desc, "STATISTICS") == 0 ? "statistics"
                                                                : "constraint";

    (void)snprintf(key, sizeof key, "%s %u", kind, entry->oid);
    HASH_FIND_STR(planner->fact_index, key, node);
    return node ? node->row : -1;
}

static PoolTask *find_entry_task(const Planner *planner, int id)
{
    EntryNode *node = NULL;

    HASH_FIND_INT(planner->entries, &id, node);
    return node ? node->task : NULL;
}

static bool load_facts(Planner *planner, Error *err)
{
    if (!pg_query(planner->request->schema, sql_move_indexes, 0, NULL, &planner->facts, err))
        return error_add_context(err, "list the indexes and constraints");
    for (int row = 0; row < PQntuples(planner->facts); row++) {
        const char *kind = pg_cell(planner->facts, row, COL_KIND);
        const char *oid = pg_cell(planner->facts, row, COL_OID);
        size_t size = strlen(kind) + strlen(oid) + 2;
        FactNode *node = arena_alloc(planner->arena, sizeof *node + size);

        node->row = row;
        (void)snprintf(node->key, size, "%s %s", kind, oid);
        HASH_ADD_STR(planner->fact_index, key, node);
    }
    return true;
}

/* ---- rows ---- */

typedef struct Versions {
    PGresult *source;
    PGresult *target;
    PGresult *differing; /* tables with columns of other types; NULL: none can have */
} Versions;

static const char *version_in(const PGresult *res, const char *extension)
{
    for (int i = 0; i < PQntuples(res); i++)
        if (strcmp(PQgetvalue(res, i, 0), extension) == 0)
            return PQgetvalue(res, i, 1);
    return "";
}

/* Where the target's schema was not made of the source's, its columns may be of other types. */
static bool types_differ(const PlanRequest *request, PGresult **ret, Error *err)
{
    auto_arena Arena *scratch = arena_new();
    size_t cap = 0;
    int count = 0;

    for (int i = 0; i < request->table_count; i++)
        cap += (size_t)request->tables[i].column_count;
    const char **tables = arena_array(scratch, cap, sizeof *tables);
    const char **columns = arena_array(scratch, cap, sizeof *columns);
    const char **types = arena_array(scratch, cap, sizeof *types);
    for (int i = 0; i < request->table_count; i++)
        for (int k = 0; k < request->tables[i].column_count; k++, count++) {
            tables[count] = request->tables[i].qualified;
            columns[count] = request->tables[i].columns[k].name;
            types[count] = request->tables[i].columns[k].type;
        }
    const char *params[] = {
        pg_text_array(scratch, tables, count),
        pg_text_array(scratch, columns, count),
        pg_text_array(scratch, types, count),
    };
    return pg_query(request->target, sql_target_types_differ, COUNT_OF(params), params, ret, err) ||
           error_add_context(err, "compare the types of columns");
}

static bool is_listed(const PGresult *res, const char *table)
{
    for (int i = 0; i < PQntuples(res); i++)
        if (strcmp(PQgetvalue(res, i, 0), table) == 0)
            return true;
    return false;
}

static bool is_binary(const Table *table, const Versions *versions)
{
    int copied = 0;

    if (is_listed(versions->differing, table->qualified))
        return false;

    for (int i = 0; i < table->column_count; i++) {
        const TableColumn *column = &table->columns[i];
        if (column->generated)
            continue;
        copied++;
        if (column->identifier) /* mapped as it passes: in text (identity.h) */
            return false;
        bool same =
            column->extension && strcmp(version_in(versions->source, column->extension),
                                        version_in(versions->target, column->extension)) == 0;
        if (!column->binary_ok && !same)
            return false;
    }
    return copied > 0;
}

static int parts_of(const Planner *planner, const Table *table)
{
    const Config *config = planner->request->config;
    int streams = planner->request->streams;

    if (!table->heap || table->condition || table->root)
        return 1;
    if (config->split_bytes > 0) {
        int64_t parts = table->bytes / (int64_t)config->split_bytes + 1;
        return parts > MAX_PARTS ? MAX_PARTS : (int)parts;
    }
    /* One stream with FREEZE keeps about two cores busy, one on each side; splitting gives FREEZE
     * up, so it has to win more than that: only where a table would be the last one copying while
     * the other workers have nothing left to do. */
    int64_t fair_share = planner->total_bytes / streams;
    if (streams <= 2 || table->bytes < SMALLEST_SPLIT || table->bytes <= fair_share)
        return 1;
    int64_t parts = (table->bytes + fair_share - 1) / fair_share;
    return parts > streams ? streams : (int)parts;
}

typedef struct CopySql {
    Planner *planner;
    const Table *table;
    int part;
    int parts;
    atomic_int *parts_left;
    bool binary;
    bool freeze;
} CopySql;

/* Which of the table's rows the part has: "WHERE ...", or "" for all of them. */
static const char *range_sql(const CopySql *copy)
{
    Arena *arena = copy->planner->arena;
    const Table *table = copy->table;

    if (copy->parts == 1)
        return table->condition ? table->condition : "";
    /* Blocks were counted after the snapshot; the last range is open-ended (rule 4). */
    int64_t first = table->blocks * copy->part / copy->parts;
    int64_t end = table->blocks * (copy->part + 1) / copy->parts;
    const char *upper =
        copy->part + 1 == copy->parts
            ? ""
            : arena_printf(arena, " AND ctid < '(%" PRId64 ",0)'::pg_catalog.tid", end);
    return arena_printf(arena, "WHERE ctid >= '(%" PRId64 ",0)'::pg_catalog.tid%s", first, upper);
}

static const char *copy_out_sql(const CopySql *copy)
{
    Arena *arena = copy->planner->arena;
    const Table *table = copy->table;
    const char *columns = table_column_list(arena, table);
    const char *format = copy->binary ? "binary" : "text";
    const char *range = range_sql(copy);

    if (!*range)
        return arena_printf(arena,
                            *columns ? "COPY %s (%s) TO STDOUT (FORMAT %s)"
                                     : "COPY %s%s TO STDOUT (FORMAT %s)",
                            table->qualified, columns, format);
    return arena_printf(arena, "COPY (SELECT %s FROM ONLY %s %s) TO STDOUT (FORMAT %s)", columns,
                        table->qualified, range, format);
}

static const char *copy_in_sql(const CopySql *copy)
{
    Arena *arena = copy->planner->arena;
    const Table *table = copy->table;
    const char *columns = table_column_list(arena, table);

    return arena_printf(arena,
                        *columns ? "COPY %s (%s) FROM STDIN (FORMAT %s%s)"
                                 : "COPY %s%s FROM STDIN (FORMAT %s%s)",
                        table->root ? table->root : table->qualified, columns,
                        copy->binary ? "binary" : "text", copy->freeze ? ", FREEZE" : "");
}

static PoolTask *add_copy(const CopySql *copy)
{
    Planner *planner = copy->planner;
    const Table *table = copy->table;
    const char *condition = table->condition;
    Task task = {
        .kind = TASK_COPY,
        .table = table,
        .part = copy->part,
        .parts = copy->parts,
        .parts_left = copy->parts_left,
        .copy_out = copy_out_sql(copy),
        .copy_in = copy_in_sql(copy),
        .large_rows =
            lane_question(planner->arena, table, range_sql(copy), planner->request->workers),
        .freeze = copy->freeze,
        .delete_sql = condition ? arena_printf(planner->arena, "DELETE FROM ONLY %s %s",
                                               table->qualified, condition)
                                : NULL,
    };

    planner->plan->copy_weight += task_weight(&task, 0);
    return add_task(planner, (double)table->bytes, task);
}

/* Rows that are sent to the root may arrive in any partition below it. */
static void order_copied(Planner *planner, PoolTask *copy, TableTasks *tasks)
{
    PoolGraph *graph = &planner->plan->graph;

    if (!tasks->table->root) {
        pool_order(graph, copy, tasks->copied);
        return;
    }
    for (TableNode *node = planner->tables; node; node = node->hh.next)
        if (node->tasks.table->root && strcmp(node->tasks.table->root, tasks->table->root) == 0)
            pool_order(graph, copy, node->tasks.copied);
}

static bool is_finished(const PlanRequest *request, const Table *table)
{
    return request->finished && request->finished[table - request->tables];
}

static void plan_copy(Planner *planner, TableTasks *tasks, bool binary)
{
    PoolGraph *graph = &planner->plan->graph;
    const Table *table = tasks->table;
    int parts = parts_of(planner, table);
    bool alone = parts == 1 && !table->root;
    /* FREEZE needs the TRUNCATE in its own transaction, which foreign keys of a schema that exists
     * already forbid. */
    bool freeze = alone && table->heap && !table->condition && planner->request->archive;

    if (is_finished(planner->request, table)) {
        freeze = true; /* as far as what follows is concerned */
        parts = 0;
    }
    atomic_int *parts_left = arena_alloc(planner->arena, sizeof *parts_left);
    atomic_init(parts_left, parts);
    for (int part = 0; part < parts; part++) {
        CopySql copy = {planner, table, part, parts, parts_left, binary, freeze};
        order_copied(planner, add_copy(&copy), tasks);
    }
    if (!freeze && !table->condition)
        planner->plan->emptied[planner->plan->emptied_count++] = table;
    planner->plan->copy_parts += parts;
    planner->plan->copy_tables += parts > 0;

    Task analyze = {.kind = TASK_ANALYZE, .table = table, .vacuum = !freeze};
    tasks->ready = add_task(planner, (double)table->bytes, analyze);
    pool_order(graph, tasks->copied, tasks->indexed);
    pool_order(graph, tasks->indexed, tasks->keyed);
    pool_order(graph, tasks->keyed, tasks->ready);
    pool_order(graph, tasks->ready, planner->all_built);
}

static void add_table(Planner *planner, const Table *table)
{
    const char *key = table_key(planner->arena, table->schema, table->name);
    TableNode *node = arena_alloc(planner->arena, sizeof *node + strlen(key) + 1);

    memcpy(node->key, key, strlen(key) + 1);
    node->tasks = (TableTasks){
        .table = table,
        .copied = add_milestone(planner),
        .indexed = add_milestone(planner),
        .keyed = add_milestone(planner),
    };
    HASH_ADD_STR(planner->tables, key, node);
}

static bool plan_tables(Planner *planner, Error *err)
{
    const PlanRequest *request = planner->request;
    auto_result PGresult *source = NULL;
    auto_result PGresult *target = NULL;
    auto_result PGresult *differing = NULL;

    if (!pg_query(request->source, sql_move_extensions, 0, NULL, &source, err) ||
        !pg_query(request->target, sql_move_extensions, 0, NULL, &target, err))
        return error_add_context(err, "compare the extensions");
    if (request->config->schema != SCHEMA_DUMP && !types_differ(request, &differing, err))
        return false;
    Versions versions = {source, target, differing};

    planner->plan->emptied =
        arena_array(planner->arena, (size_t)request->table_count, sizeof(Table *));
    for (int i = 0; i < request->table_count; i++) {
        planner->total_bytes += request->tables[i].bytes;
        add_table(planner, &request->tables[i]);
    }
    planner->plan->bytes = planner->total_bytes;
    for (TableNode *node = planner->tables; node; node = node->hh.next)
        plan_copy(planner, &node->tasks, is_binary(node->tasks.table, &versions));
    return true;
}

/* ---- indexes and keys ---- */

/* A table's index is a matview's when nothing is copied into it: made with the rest, in order. */
static bool is_matview(const Planner *planner, int fact)
{
    return fact >= 0 && strcmp(pg_cell(planner->facts, fact, COL_RELKIND), "m") == 0;
}

static PoolTask *plan_key(Planner *planner, const ArchiveEntry *entry, int fact, TableTasks *table)
{
    PoolGraph *graph = &planner->plan->graph;
    Arena *arena = planner->arena;
    const PGresult *facts = planner->facts;
    double cost = index_cost(planner, fact, table->table);
    const char *name = pg_cell(facts, fact, COL_INDEX_NAME);
    const char *definition = pg_cell(facts, fact, COL_INDEX_DEFINITION);
    /* pg_dump may add CLUSTER ON or REPLICA IDENTITY behind the constraint itself. */
    const char *rest = entry->defn + sql_statement_len(entry->defn);

    PoolTask *index = add_task(planner, cost,
                               (Task){.kind = TASK_INDEX,
                                      .table = table->table,
                                      .entry = entry,
                                      .sql = arena_strdup(arena, definition),
                                      .index_name = arena_strdup(arena, name)});
    const char *sql = arena_printf(
        arena, "ALTER TABLE ONLY %s ADD CONSTRAINT %s %s USING INDEX %s%s%s;%s",
        table->table->qualified, pg_ident(arena, name),
        strcmp(pg_cell(facts, fact, COL_CONTYPE), "p") == 0 ? "PRIMARY KEY" : "UNIQUE",
        pg_ident(arena, name), pg_cell_bool(facts, fact, COL_DEFERRABLE) ? " DEFERRABLE" : "",
        pg_cell_bool(facts, fact, COL_DEFERRED) ? " INITIALLY DEFERRED" : "", rest);
    PoolTask *key = add_task(
        planner, cost,
        (Task){.kind = TASK_CONSTRAINT, .table = table->table, .entry = entry, .sql = sql});

    pool_order(graph, table->copied, index);
    pool_order(graph, index, table->indexed);
    pool_order(graph, table->indexed, key);
    pool_order(graph, key, table->keyed);
    return key;
}

/* An index, or an entry that locks its table as a key does. One of a partitioned
 * table takes no time and comes first: the partitions' depend on it. */
static PoolTask *plan_plain(Planner *planner, const ArchiveEntry *entry, int fact,
                            TableTasks *table)
{
    PoolGraph *graph = &planner->plan->graph;
    bool index = strcmp(entry->desc, "INDEX") == 0;
    PoolTask *task = add_task(planner, table ? index_cost(planner, fact, table->table) : FIRST,
                              (Task){.kind = index ? TASK_INDEX : TASK_ENTRY,
                                     .table = table ? table->table : NULL,
                                     .entry = entry});

    if (!table)
        return task;
    pool_order(graph, table->copied, task);
    if (index) {
        pool_order(graph, task, table->indexed);
    } else {
        pool_order(graph, table->indexed, task);
        pool_order(graph, task, table->keyed);
    }
    return task;
}

static PoolTask *plan_foreign_key(Planner *planner, const ArchiveEntry *entry, int fact)
{
    PoolGraph *graph = &planner->plan->graph;
    const PGresult *facts = planner->facts;
    TableTasks *child = fact < 0 ? NULL
                                 : find_table(planner, pg_cell(facts, fact, COL_SCHEMA),
                                              pg_cell(facts, fact, COL_TABLE));
    TableTasks *parent = fact < 0 ? NULL
                                  : find_table(planner, pg_cell(facts, fact, COL_REF_SCHEMA),
                                               pg_cell(facts, fact, COL_REF_TABLE));
    PoolTask *task = add_task(
        planner, child ? (double)child->table->row_bytes : 0,
        (Task){.kind = TASK_FOREIGN_KEY, .table = child ? child->table : NULL, .entry = entry});

    /* A partitioned table has no rows of its own: all that could be its partitions must be ready.
     * And where partitions are, checking a key may wait for an index that is being attached, which
     * waits for locks of ours. */
    if (!child || !parent || planner->attached) {
        pool_order(graph, planner->all_ready, task);
    } else {
        pool_order(graph, child->ready, task);
        pool_order(graph, parent->ready, task);
    }
    return task;
}

static PoolTask *plan_entry(Planner *planner, const ArchiveEntry *entry, int fact)
{
    TableTasks *table = fact < 0 ? NULL
                                 : find_table(planner, pg_cell(planner->facts, fact, COL_SCHEMA),
                                              pg_cell(planner->facts, fact, COL_TABLE));

    if (strcmp(entry->desc, "FK CONSTRAINT") == 0) {
        planner->plan->constraints++;
        return plan_foreign_key(planner, entry, fact);
    }
    if (strcmp(entry->desc, "INDEX") == 0)
        planner->plan->indexes++;
    else if (strcmp(entry->desc, "CONSTRAINT") == 0)
        planner->plan->constraints++;
    if (table && pg_cell_bool(planner->facts, fact, COL_PLAIN)) {
        planner->plan->indexes++;
        return plan_key(planner, entry, fact, table);
    }
    return plan_plain(planner, entry, fact, table);
}

static void order_entry(Planner *planner, const ArchiveEntry *entry, PoolTask *task)
{
    PoolGraph *graph = &planner->plan->graph;

    for (int i = 0; i < entry->dep_count; i++)
        pool_order(graph, find_entry_task(planner, entry->deps[i]), task);
    if (strcmp(entry->desc, "FK CONSTRAINT") == 0)
        return;
    if (strcmp(entry->desc, "INDEX ATTACH") != 0) {
        pool_order(graph, task, planner->all_built);
        return;
    }
    /* Foreign keys of partitioned tables need the indexes attached. */
    pool_order(graph, task, planner->all_ready);
    /* One after the other: an attachment below that makes a partitioned index valid looks at the
     * one above without its lock, and of two that end at once neither sees the other: the one
     * above would stay invalid for ever. And when nothing else is done to these tables: it then
     * locks the table above too, last of all, against the order in which others take locks. */
    pool_order(graph, planner->attached ? planner->attached : planner->all_built, task);
    planner->attached = task;
}

static void plan_entries(Planner *planner)
{
    const Archive *archive = planner->request->archive;

    for (int i = 0; i < archive->count; i++) {
        const ArchiveEntry *entry = &archive->entries[i];
        int fact = find_fact(planner, entry);

        if (entry_stage(entry) != STAGE_INDEX || is_matview(planner, fact))
            continue;
        EntryNode *node = arena_alloc(planner->arena, sizeof *node);
        node->id = entry->id;
        node->task = plan_entry(planner, entry, fact);
        HASH_ADD_INT(planner->entries, id, node);
        order_entry(planner, entry, node->task);
    }
}

static void planner_clear(Planner *planner)
{
    HASH_CLEAR(hh, planner->tables);
    HASH_CLEAR(hh, planner->fact_index);
    HASH_CLEAR(hh, planner->entries);
    PQclear(planner->facts);
}

bool plan_make(Arena *arena, const PlanRequest *request, Plan *ret, Error *err)
{
    Plan *plan = arena_alloc(arena, sizeof *plan);
    Planner planner = {.arena = arena, .request = request, .plan = plan};

    plan->graph = pool_graph(arena);
    planner.all_built = add_milestone(&planner);
    planner.all_ready = add_milestone(&planner);
    pool_order(&plan->graph, planner.all_built, planner.all_ready);
    bool ok = plan_tables(&planner, err) && (!request->archive || load_facts(&planner, err));
    if (ok && request->archive)
        plan_entries(&planner);
    planner_clear(&planner);
    if (!ok)
        return false;
    *ret = *plan;
    return true;
}
