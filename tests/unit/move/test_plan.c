/*
 * What is planned for which tables and entries, and what comes before what. The servers' answers
 * are given by a function that the linker puts in the place of pg_query() (tests/unit/meson.build).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "move/plan.h"

/* ---- the servers ---- */

enum {
    INDEX_COLUMNS = 15, /* of sql/move/indexes.sql */
    MAX_ROWS = 12,
    GB = 1 << 30
};

typedef struct Fact {
    const char *cells[INDEX_COLUMNS];
} Fact;

typedef struct Server {
    const char *extensions[4][2]; /* name, version */
    Fact facts[MAX_ROWS];
    bool fails;
} Server;

static Server source;
static Server target;

static PGresult *make_result(int columns)
{
    PGresult *res = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    PGresAttDesc attributes[INDEX_COLUMNS] = {0};
    char name[] = "c";

    for (int i = 0; i < columns; i++)
        attributes[i].name = name;
    assert_int_equal(PQsetResultAttrs(res, columns, attributes), 1);
    return res;
}

static void add_row(PGresult *res, const char *const *cells, int columns)
{
    int row = PQntuples(res);

    for (int i = 0; i < columns; i++)
        assert_int_equal(PQsetvalue(res, row, i, (char *)(uintptr_t)cells[i],
                                    cells[i] ? (int)strlen(cells[i]) : -1),
                         1);
}

bool __wrap_pg_query(PGconn *conn, const char *sql, int count, const char *const *params,
                     PGresult **ret, Error *err);
bool __wrap_pg_query(PGconn *conn, const char *sql, int count, const char *const *params,
                     PGresult **ret, Error *err)
{
    const Server *server = (const Server *)conn;
    bool indexes = sql == sql_move_indexes;

    assert_true(indexes || sql == sql_move_extensions);
    assert_int_equal(count, 0);
    assert_null(params);
    if (server->fails)
        return error_set(err, ERR_CONNECT, "connection lost");
    *ret = make_result(indexes ? INDEX_COLUMNS : 2);
    for (int i = 0; indexes && i < MAX_ROWS && server->facts[i].cells[0]; i++)
        add_row(*ret, server->facts[i].cells, INDEX_COLUMNS);
    for (int i = 0; !indexes && i < 4 && server->extensions[i][0]; i++)
        add_row(*ret, server->extensions[i], 2);
    return true;
}

static int forget_servers(void **state)
{
    (void)state;
    source = (Server){.fails = false};
    target = (Server){.fails = false};
    return 0;
}

/* ---- plans ---- */

static const Config defaults = {.jobs = 2};

static Plan make_plan(Arena *arena, const PlanRequest *request)
{
    PlanRequest complete = *request;
    Plan plan = {.copy_parts = -1};
    Error err = ERROR_INIT;

    complete.schema = complete.source = (PGconn *)&source;
    complete.target = (PGconn *)&target;
    complete.config = complete.config ? complete.config : &defaults;
    complete.streams = complete.streams ? complete.streams : 2;
    if (!plan_make(arena, &complete, &plan, &err))
        fail_msg("%s", err.message);
    return plan;
}

/* The `skip`th task of this kind for the table and entry; NULL stands for any of them. */
static PoolTask *find_task(const Plan *plan, TaskKind kind, const Table *table,
                           const ArchiveEntry *entry, int skip)
{
    for (int i = 0; i < plan->graph.count; i++) {
        const Task *task = plan->graph.tasks[i]->payload;
        if (task && task->kind == kind && (!table || task->table == table) &&
            (!entry || task->entry == entry) && skip-- == 0)
            return plan->graph.tasks[i];
    }
    return NULL;
}

static const Task *task_of(const Plan *plan, TaskKind kind, const Table *table,
                           const ArchiveEntry *entry)
{
    PoolTask *task = find_task(plan, kind, table, entry, 0);

    assert_non_null(task);
    assert_null(find_task(plan, kind, table, entry, 1));
    return task->payload;
}

static bool is_before(const PoolTask *first, const PoolTask *second)
{
    for (int i = 0; i < first->next_count; i++)
        if (first->next[i] == second || is_before(first->next[i], second))
            return true;
    return false;
}

static void assert_before(const PoolTask *first, const PoolTask *second)
{
    assert_non_null(first);
    assert_non_null(second);
    assert_true(is_before(first, second));
    assert_false(is_before(second, first));
}

static void assert_side_by_side(const PoolTask *first, const PoolTask *second)
{
    assert_non_null(first);
    assert_non_null(second);
    assert_false(is_before(first, second) || is_before(second, first));
}

/* ---- rows ---- */

#define INT_COLUMN                                                                                 \
    {                                                                                              \
        .name = "id", .quoted = "\"id\"", .binary_ok = true                                        \
    }

static TableColumn id[] = {INT_COLUMN};

#define HEAP .schema = "public", .columns = id, .column_count = 1, .heap = true

static Table heap_table(const char *name)
{
    return (Table){HEAP, .name = name, .qualified = name};
}

static const Archive no_entries = {.count = 0};

static void a_table_is_emptied_and_copied_frozen_where_it_can_be(void **state)
{
    (void)state;
    TableColumn columns[] = {
        {.name = "id",   .quoted = "\"id\"",     .binary_ok = true, .generated = false},
        {.name = "g",    .quoted = "\"g\"",      .binary_ok = true, .generated = true },
        {.name = "a\"b", .quoted = "\"a\"\"b\"", .binary_ok = true, .generated = false},
    };
    Table tables[5];
    static const char *const names[] = {"t", "c", "e", "b", "p"};

    for (size_t i = 0; i < COUNT_OF(tables); i++)
        tables[i] = heap_table(names[i]);
    tables[0].qualified = "\"s\".\"t\"";
    tables[0].bytes = 10;
    tables[0].columns = columns;
    tables[0].column_count = COUNT_OF(columns);
    tables[1].heap = false;
    tables[2].condition = "WHERE id > 5"; /* an extension's configuration */
    tables[3].column_count = 0;
    tables[4].root = "r";
    static const struct {
        const char *out;
        const char *in;
        const char *delete;
        bool freeze;
    } expected[] = {
        {"COPY \"s\".\"t\" (\"id\", \"a\"\"b\") TO STDOUT (FORMAT binary)",
         "COPY \"s\".\"t\" (\"id\", \"a\"\"b\") FROM STDIN (FORMAT binary, FREEZE)",                                              NULL,                              true },
        {"COPY c (\"id\") TO STDOUT (FORMAT binary)",                               "COPY c (\"id\") FROM STDIN (FORMAT binary)",
         NULL,                                                                                                                                                       false},
        {"COPY (SELECT \"id\" FROM ONLY e WHERE id > 5) TO STDOUT (FORMAT binary)",
         "COPY e (\"id\") FROM STDIN (FORMAT binary)",                                                                            "DELETE FROM ONLY e WHERE id > 5", false},
        {"COPY b TO STDOUT (FORMAT text)",                                          "COPY b FROM STDIN (FORMAT text, FREEZE)",    NULL,                              true },
        {"COPY p (\"id\") TO STDOUT (FORMAT binary)",                               "COPY r (\"id\") FROM STDIN (FORMAT binary)",
         NULL,                                                                                                                                                       false},
    };
    auto_arena Arena *arena = arena_new();
    Plan plan = make_plan(
        arena,
        &(PlanRequest){.tables = tables, .table_count = COUNT_OF(tables), .archive = &no_entries});

    for (size_t i = 0; i < COUNT_OF(tables); i++) {
        const Task *copy = task_of(&plan, TASK_COPY, &tables[i], NULL);
        const Task *analyze = task_of(&plan, TASK_ANALYZE, &tables[i], NULL);

        assert_string_equal(copy->copy_out, expected[i].out);
        assert_string_equal(copy->copy_in, expected[i].in);
        assert_string_equal(copy->delete_sql ? copy->delete_sql : "",
                            expected[i].delete ? expected[i].delete : "");
        assert_int_equal(copy->freeze, expected[i].freeze);
        assert_int_equal(analyze->vacuum, !expected[i].freeze);
    }
    /* Neither TRUNCATE with the copy nor DELETE of some rows: before the workers begin. */
    assert_int_equal(plan.emptied_count, 2);
    assert_ptr_equal(plan.emptied[0], &tables[1]);
    assert_ptr_equal(plan.emptied[1], &tables[4]);
    assert_int_equal(plan.copy_parts, 5);
    assert_int_equal(plan.copy_tables, 5);
    assert_int_equal(plan.bytes, 10);
}

static void into_a_schema_that_exists_nothing_is_frozen(void **state)
{
    (void)state;
    const Table table = {HEAP, .name = "t", .qualified = "t"};
    auto_arena Arena *arena = arena_new();
    Plan plan = make_plan(arena, &(PlanRequest){.tables = &table, .table_count = 1});

    assert_string_equal(task_of(&plan, TASK_COPY, &table, NULL)->copy_in,
                        "COPY t (\"id\") FROM STDIN (FORMAT binary)");
    assert_true(task_of(&plan, TASK_ANALYZE, &table, NULL)->vacuum);
    assert_int_equal(plan.emptied_count, 1);
}

static void binary_is_for_tables_of_which_every_column_allows_it(void **state)
{
    (void)state;
    static TableColumn columns[][2] = {
        {INT_COLUMN,                         {.quoted = "t", .binary_ok = false}                   },
        {INT_COLUMN,                         {.quoted = "g", .binary_ok = false, .generated = true}},
        {INT_COLUMN,                         {.quoted = "e", .extension = "same"}                  },
        {INT_COLUMN,                         {.quoted = "e", .extension = "older"}                 },
        {INT_COLUMN,                         {.quoted = "e", .extension = "missing"}               },
        {{.quoted = "g", .generated = true}, {.quoted = "h", .binary_ok = true, .generated = true} },
    };
    static const bool binary[] = {false, true, true, false, false, false};

    source = (Server){
        .extensions = {{"older", "1.2"}, {"same", "1.5"}, {"missing", "1"}}
    };
    target = (Server){
        .extensions = {{"same", "1.5"}, {"older", "1.1"}}
    };
    for (size_t i = 0; i < COUNT_OF(columns); i++) {
        auto_arena Arena *arena = arena_new();
        const Table table = {.schema = "public",
                             .name = "t",
                             .qualified = "t",
                             .heap = true,
                             .columns = columns[i],
                             .column_count = 2};
        Plan plan = make_plan(
            arena, &(PlanRequest){.tables = &table, .table_count = 1, .archive = &no_entries});
        const Task *copy = task_of(&plan, TASK_COPY, &table, NULL);

        assert_int_equal(strstr(copy->copy_out, "(FORMAT binary)") != NULL, binary[i]);
        assert_int_equal(strstr(copy->copy_in, "(FORMAT binary,") != NULL, binary[i]);
    }
}

static void a_table_is_split_where_others_would_wait_for_it(void **state)
{
    (void)state;
    static const struct {
        int64_t bytes;
        int64_t others; /* bytes of another table */
        int streams;
        uint64_t split_bytes;
        int parts;
    } cases[] = {
  /* by the machine */
        {GB,          0,        2, 0,       1  }, /* two streams keep it busy as they are */
        {GB,          0,        3, 0,       3  },
        {GB,          0,        8, 0,       8  },
        {255LL << 20, 0,        8, 0,       1  }, /* too small to pay */
        {256LL << 20, 0,        8, 0,       8  },
        {GB,          GB,       4, 0,       2  },
        {GB,          2LL * GB, 3, 0,       1  }, /* no more than its share */
        {GB + 3,      2LL * GB, 3, 0,       2  },
        {100LL * GB,  1,        8, 0,       8  },
 /* by --split */
        {GB,          0,        1, GB,      2  },
        {GB - 1,      0,        1, GB,      1  },
        {0,           0,        1, 1,       1  },
        {1000,        0,        2, 100,     11 },
        {100LL * GB,  0,        2, 1 << 20, 256}, /* not more */
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        auto_arena Arena *arena = arena_new();
        Config config = {.split_bytes = cases[i].split_bytes};
        const Table tables[] = {
            {HEAP, .name = "t", .qualified = "t", .bytes = cases[i].bytes,  .blocks = 1000},
            {HEAP, .name = "o", .qualified = "o", .bytes = cases[i].others,
             .condition = "WHERE true"                                                    },
        };
        Plan plan = make_plan(arena, &(PlanRequest){.config = &config,
                                                    .tables = tables,
                                                    .table_count = 2,
                                                    .archive = &no_entries,
                                                    .streams = cases[i].streams});

        assert_int_equal(plan.copy_parts, cases[i].parts + 1);
        /* Two tables, whatever their parts are; of what is weighed, only rounding is lost. */
        assert_int_equal(plan.copy_tables, 2);
        const Task *first = find_task(&plan, TASK_COPY, &tables[0], NULL, 0)->payload;
        assert_int_equal(atomic_load(first->parts_left), cases[i].parts);
        assert_in_range(plan.bytes - plan.copy_weight, 0, cases[i].parts);
        assert_non_null(find_task(&plan, TASK_COPY, &tables[0], NULL, cases[i].parts - 1));
        /* A part cannot empty the table for itself, nor freeze. */
        assert_int_equal(plan.emptied_count, cases[i].parts > 1);
        assert_int_equal(task_of(&plan, TASK_ANALYZE, &tables[0], NULL)->vacuum,
                         cases[i].parts > 1);
    }
}

static void what_cannot_be_split_is_not(void **state)
{
    (void)state;
    const Table tables[] = {
        {HEAP,             .name = "a",      .qualified = "a", .bytes = GB, .condition = "WHERE true"},
        {             HEAP,     .name = "b", .qualified = "b",      .bytes = GB, .root = "r"                         },
        { .schema = "s",
         .name = "c",
         .qualified = "c",
         .bytes = GB,
         .columns = id,
         .column_count = 1},
    };
    auto_arena Arena *arena = arena_new();
    Config config = {.split_bytes = 1 << 20};
    Plan plan = make_plan(
        arena, &(PlanRequest){
                   .config = &config, .tables = tables, .table_count = 3, .archive = &no_entries});

    assert_int_equal(plan.copy_parts, 3);
}

static void parts_follow_each_other_without_a_gap_and_the_last_is_open(void **state)
{
    (void)state;
    static const int64_t blocks[] = {0, 1, 6, 7, 1000, INT32_MAX};

    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        auto_arena Arena *arena = arena_new();
        Config config = {.split_bytes = 10};
        const Table table = {HEAP, .name = "t", .qualified = "t", .bytes = 65, .blocks = blocks[i]};
        Plan plan = make_plan(arena, &(PlanRequest){.config = &config,
                                                    .tables = &table,
                                                    .table_count = 1,
                                                    .archive = &no_entries});
        long next = 0;

        assert_int_equal(plan.copy_parts, 7);
        for (int part = 0; part < 7; part++) {
            const Task *copy = find_task(&plan, TASK_COPY, &table, NULL, part)->payload;
            long first = -1;
            long end = -1;
            int found = sscanf(copy->copy_out,
                               "COPY (SELECT \"id\" FROM ONLY t WHERE ctid >= "
                               "'(%ld,0)'::pg_catalog.tid AND ctid < '(%ld,0)'::pg_catalog.tid)",
                               &first, &end);
            assert_int_equal(copy->part, part);
            assert_int_equal(first, next);
            assert_int_equal(found, part == 6 ? 1 : 2);
            assert_true(part == 6 || end >= first);
            assert_false(copy->freeze);
            next = end;
        }
    }
}

static void a_part_that_may_have_large_rows_asks_for_them(void **state)
{
    (void)state;
    static TableColumn columns[] = {
        {.quoted = "id", .base = "int4",  .generated = false},
        {.quoted = "a",  .base = "text",  .generated = false},
        {.quoted = "j",  .base = "jsonb", .generated = false},
        {.quoted = "g",  .base = "text",  .generated = true },
    };
    static const char *const names[] = {"a", "b", "c"};
    Table tables[3];
    Config config = {.split_bytes = GB};
    auto_arena Arena *arena = arena_new();

    for (int i = 0; i < 3; i++) {
        tables[i] = heap_table(names[i]);
        tables[i].columns = columns;
        tables[i].column_count = COUNT_OF(columns);
        tables[i].blocks = 10;
        tables[i].bytes = (int64_t)10 * 8192 + (i < 2 ? GB : 100);
    }
    tables[0].condition = "WHERE true";
    for (int workers = 1; workers <= 4; workers += 3) {
        Plan plan = make_plan(arena, &(PlanRequest){.config = &config,
                                                    .tables = tables,
                                                    .table_count = COUNT_OF(tables),
                                                    .archive = &no_entries,
                                                    .workers = workers});
        const Task *whole = task_of(&plan, TASK_COPY, &tables[0], NULL);
        const Task *part = find_task(&plan, TASK_COPY, &tables[1], NULL, 1)->payload;

        assert_null(task_of(&plan, TASK_COPY, &tables[2], NULL)->large_rows);
        if (workers == 1) {
            assert_null(whole->large_rows);
            assert_null(part->large_rows);
            continue;
        }
        assert_non_null(strstr(whole->large_rows, "FROM ONLY a WHERE true AND 0::bigint"));
        assert_non_null(strstr(whole->large_rows, "> 2097152 LIMIT 1"));
        assert_non_null(strstr(whole->large_rows, "pg_catalog.octet_length(a)"));
        assert_non_null(strstr(whole->large_rows, "pg_catalog.pg_column_size(j)"));
        assert_null(strstr(whole->large_rows, "(g)"));
        assert_non_null(strstr(part->large_rows,
                               "FROM ONLY b WHERE ctid >= '(5,0)'::pg_catalog.tid AND 0::bigint"));
    }
}

/* ---- indexes and keys ---- */

static const Table child = {HEAP, .name = "orders", .qualified = "\"public\".\"orders\"",
                            .bytes = 100, .row_bytes = 100};
static const Table parent = {HEAP, .name = "users", .qualified = "\"public\".\"users\"",
                             .bytes = 50, .row_bytes = 50};

#define FACT(kind, oid, table, relkind, contype, index, definition, deferrable, deferred,          \
             ref_schema, ref_table, plain, collated)                                               \
    {                                                                                              \
        {                                                                                          \
            kind, oid, "public", table, relkind, contype, index, definition, deferrable, deferred, \
                ref_schema, ref_table, "r", plain, collated                                        \
        }                                                                                          \
    }

/* An entry behind the rows, that depends on the first `deps` ones of on_first. */
#define POST(number, its_oid, its_desc, its_deps, its_defn)                                        \
    ((ArchiveEntry){.id = (number),                                                                \
                    .oid = (its_oid),                                                              \
                    .desc = (its_desc),                                                            \
                    .schema = "public",                                                            \
                    .tag = "x",                                                                    \
                    .defn = (its_defn),                                                            \
                    .deps = on_first,                                                              \
                    .dep_count = (its_deps),                                                       \
                    .section = SECTION_POST_DATA})

static const int on_first[] = {1, 2};
static ArchiveEntry shop[10];

static void fill_shop(void)
{
    shop[0] =
        POST(1, 11, "CONSTRAINT", 0,
             "ALTER TABLE ONLY public.users\n    ADD CONSTRAINT users_pkey PRIMARY KEY (id);\n"
             "ALTER TABLE public.users CLUSTER ON users_pkey;\n");
    shop[1] = POST(2, 12, "CONSTRAINT", 0, "ALTER ... UNIQUE (a) DEFERRABLE INITIALLY DEFERRED;\n");
    shop[2] = POST(3, 13, "CONSTRAINT", 0, "ALTER TABLE ... EXCLUDE USING gist (a WITH &&);\n");
    shop[3] = POST(4, 14, "INDEX", 0, "CREATE INDEX orders_state ON public.orders (state);\n");
    shop[4] = POST(5, 15, "STATISTICS", 0, "CREATE STATISTICS ...;\n");
    shop[5] = POST(6, 16, "FK CONSTRAINT", 1, "ALTER TABLE ... REFERENCES public.users(id);\n");
    shop[6] = POST(7, 17, "FK CONSTRAINT", 0, "ALTER TABLE ... REFERENCES public.orders(id);\n");
    /* Of a materialised view, and of other stages. */
    shop[7] = POST(8, 18, "INDEX", 0, "CREATE INDEX ON public.summary (a);\n");
    shop[8] = POST(9, 19, "TRIGGER", 0, "CREATE TRIGGER ...;\n");
    shop[9] = POST(10, 20, "TABLE", 0, "CREATE TABLE ...;\n");
    shop[9].section = SECTION_PRE_DATA;
}

static const Archive shop_archive = {.entries = shop, .count = COUNT_OF(shop)};

static const Server shop_server = {
    .facts =
        {
                FACT("constraint", "11", "users", "r", "p", "users_pkey",
                "CREATE UNIQUE INDEX users_pkey ON public.users USING btree (id)", "f", "f", NULL,
                NULL, "t", "f"),
                FACT("constraint", "12", "orders", "r", "u", "Or\"d", "CREATE UNIQUE INDEX ...", "t",
                "t", NULL, NULL, "t", "t"),
                FACT("constraint", "13", "orders", "r", "x", "orders_excl", "CREATE INDEX ...", "f",
                "f", NULL, NULL, "f", "f"),
                FACT("index", "14", "orders", "r", "", NULL, NULL, "f", "f", NULL, NULL, "f", "f"),
                FACT("statistics", "15", "orders", "r", "", NULL, NULL, "f", "f", NULL, NULL, "f", "f"),
                FACT("constraint", "16", "orders", "r", "f", NULL, NULL, "f", "f", "public", "users",
                "f", "f"),
                FACT("constraint", "17", "orders", "r", "f", NULL, NULL, "f", "f", "public", "orders",
                "f", "f"),
                FACT("index", "18", "summary", "m", "", NULL, NULL, "f", "f", NULL, NULL, "f", "f"),
                /* the same number in another catalogue */
            FACT("index", "11", "orders", "r", "", NULL, NULL, "f", "f", NULL, NULL, "f", "f"),
                },
};

static Plan plan_shop(Arena *arena, const Table *tables)
{
    source = shop_server;
    fill_shop();
    return make_plan(arena,
                     &(PlanRequest){.tables = tables, .table_count = 2, .archive = &shop_archive});
}

static void a_key_is_an_index_first_and_then_a_constraint_on_it(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    const Table tables[] = {child, parent};
    Plan plan = plan_shop(arena, tables);
    const Task *index = task_of(&plan, TASK_INDEX, &tables[1], &shop[0]);
    const Task *key = task_of(&plan, TASK_CONSTRAINT, &tables[1], &shop[0]);
    const Task *unique = task_of(&plan, TASK_CONSTRAINT, &tables[0], &shop[1]);

    assert_string_equal(index->sql,
                        "CREATE UNIQUE INDEX users_pkey ON public.users USING btree (id)");
    assert_string_equal(index->index_name, "users_pkey");
    assert_string_equal(key->sql, "ALTER TABLE ONLY \"public\".\"users\" ADD CONSTRAINT "
                                  "\"users_pkey\" PRIMARY KEY USING INDEX \"users_pkey\";\n"
                                  "ALTER TABLE public.users CLUSTER ON users_pkey;\n");
    assert_string_equal(unique->sql,
                        "ALTER TABLE ONLY \"public\".\"orders\" ADD CONSTRAINT \"Or\"\"d\" UNIQUE "
                        "USING INDEX \"Or\"\"d\" DEFERRABLE INITIALLY DEFERRED;\n");
}

static void a_tables_life_is_copy_indexes_keys_analyze_foreign_keys(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    const Table tables[] = {child, parent};
    Plan plan = plan_shop(arena, tables);
    const Table *orders = &tables[0];
    const Table *users = &tables[1];
    PoolTask *copy = find_task(&plan, TASK_COPY, orders, NULL, 0);
    PoolTask *index = find_task(&plan, TASK_INDEX, orders, &shop[3], 0);
    PoolTask *key_index = find_task(&plan, TASK_INDEX, orders, &shop[1], 0);
    PoolTask *key = find_task(&plan, TASK_CONSTRAINT, orders, &shop[1], 0);
    PoolTask *exclusion = find_task(&plan, TASK_ENTRY, orders, &shop[2], 0);
    PoolTask *statistics = find_task(&plan, TASK_ENTRY, orders, &shop[4], 0);
    PoolTask *analyze = find_task(&plan, TASK_ANALYZE, orders, NULL, 0);
    PoolTask *to_users = find_task(&plan, TASK_FOREIGN_KEY, orders, &shop[5], 0);
    PoolTask *to_itself = find_task(&plan, TASK_FOREIGN_KEY, orders, &shop[6], 0);
    PoolTask *users_key = find_task(&plan, TASK_CONSTRAINT, users, &shop[0], 0);
    PoolTask *users_analyze = find_task(&plan, TASK_ANALYZE, users, NULL, 0);

    assert_before(copy, index);
    assert_before(copy, key_index);
    assert_side_by_side(index, key_index);
    assert_before(key_index, key);
    assert_before(index, key); /* ADD CONSTRAINT locks the table against building others */
    assert_before(index, exclusion);
    assert_before(index, statistics);
    assert_before(key, analyze);
    assert_before(exclusion, analyze);
    assert_before(statistics, analyze);
    assert_before(analyze, to_users);
    assert_before(users_analyze, to_users);
    assert_before(users_key, to_users);
    assert_before(analyze, to_itself);
    assert_side_by_side(users_analyze, to_itself);
    /* Tables do not wait for each other but for foreign keys. */
    assert_side_by_side(analyze, users_analyze);
    assert_side_by_side(copy, users_key);
}

static void what_is_not_built_beside_the_copy_is_not_planned(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    const Table tables[] = {child, parent};
    Plan plan = plan_shop(arena, tables);

    for (int i = 0; i < plan.graph.count; i++) {
        const Task *task = plan.graph.tasks[i]->payload;
        if (task && task->entry)
            assert_in_range(task->entry->id, 1, 7);
    }
    assert_int_equal(plan.indexes, 3);     /* one of its own, two behind keys */
    assert_int_equal(plan.constraints, 5); /* three, and two foreign keys */
}

static void indexes_and_foreign_keys_are_part_of_the_whole(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    const Table tables[] = {child, parent};
    Plan plan = plan_shop(arena, tables);
    int64_t all = 0;

    for (int i = 0; i < plan.graph.count; i++) {
        const Task *task = plan.graph.tasks[i]->payload;
        if (!task)
            continue;
        all += task->weight;
        assert_int_equal(task->weight > 0,
                         task->table && (task->kind == TASK_COPY || task->kind == TASK_INDEX ||
                                         task->kind == TASK_FOREIGN_KEY));
    }
    assert_int_equal(plan.weight, all);
    assert_int_equal(plan.copy_weight, child.bytes + parent.bytes);
    assert_true(plan.weight > plan.copy_weight);
}

/* An index of a table whose values are in TOAST takes no longer for these. */
static void indexes_and_foreign_keys_weigh_by_the_rows_alone(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    Table tables[] = {child, parent};
    Plan plain = plan_shop(arena, tables);

    tables[0].bytes *= 1000;
    Plan toasted = plan_shop(arena, tables);
    assert_int_equal(toasted.copy_weight, child.bytes * 1000 + parent.bytes);
    assert_int_equal(toasted.weight - toasted.copy_weight, plain.weight - plain.copy_weight);
}

static void what_takes_longest_costs_most(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    const Table tables[] = {child, parent};
    Plan plan = plan_shop(arena, tables);
    double plain_cost = find_task(&plan, TASK_INDEX, &tables[0], &shop[3], 0)->cost;
    double collated_cost = find_task(&plan, TASK_INDEX, &tables[0], &shop[1], 0)->cost;

    assert_true(find_task(&plan, TASK_COPY, &tables[0], NULL, 0)->cost >
                find_task(&plan, TASK_COPY, &tables[1], NULL, 0)->cost);
    assert_true(collated_cost > plain_cost);   /* it compares texts */
    for (int i = 0; i < plan.graph.count; i++) /* milestones are in nobody's way */
        if (!plan.graph.tasks[i]->payload)
            assert_true(plan.graph.tasks[i]->cost > collated_cost);
}

/* ---- partitions ---- */

static void a_partitioned_tables_index_is_made_at_once_and_attached_to(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    const Table tables[] = {
        child, {HEAP, .name = "part", .qualified = "part", .bytes = 7}
    };
    ArchiveEntry partitioned[] = {
        POST(1, 21, "INDEX", 0, "CREATE INDEX root_idx ON ONLY public.root (a);\n"),
        POST(2, 22, "INDEX", 1, "CREATE INDEX part_idx ON public.part (a);\n"),
        POST(3, 0, "INDEX ATTACH", 2, "ALTER INDEX root_idx ATTACH PARTITION part_idx;\n"),
        POST(4, 24, "FK CONSTRAINT", 0, "ALTER TABLE public.orders ... REFERENCES root;\n"),
    };
    const Archive archive = {.entries = partitioned, .count = COUNT_OF(partitioned)};

    source = (Server){
        .facts = {
                  FACT("index", "21", "root", "p", "", NULL, NULL, "f", "f", NULL, NULL, "f", "f"),
                  FACT("index", "22", "part", "r", "", NULL, NULL, "f", "f", NULL, NULL, "f", "f"),
                  FACT("constraint", "24", "orders", "r", "f", NULL, NULL, "f", "f", "public", "root",
                  "f", "f"),
                  }
    };
    Plan plan =
        make_plan(arena, &(PlanRequest){.tables = tables, .table_count = 2, .archive = &archive});
    PoolTask *root = find_task(&plan, TASK_INDEX, NULL, &partitioned[0], 0);
    PoolTask *part = find_task(&plan, TASK_INDEX, &tables[1], &partitioned[1], 0);
    PoolTask *attach = find_task(&plan, TASK_ENTRY, NULL, &partitioned[2], 0);
    PoolTask *foreign_key = find_task(&plan, TASK_FOREIGN_KEY, &tables[0], &partitioned[3], 0);

    assert_side_by_side(root, find_task(&plan, TASK_COPY, &tables[1], NULL, 0));
    assert_before(find_task(&plan, TASK_COPY, &tables[1], NULL, 0), part);
    assert_before(root, part);
    assert_before(root, attach);
    assert_before(part, attach);
    /* What refers to a partitioned table waits for every table, and for what is attached. */
    assert_before(attach, foreign_key);
    assert_before(find_task(&plan, TASK_ANALYZE, &tables[1], NULL, 0), foreign_key);
}

/* Two at once may each miss the other's, and the index above both stays invalid. */
static void attachments_are_made_one_after_the_other(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    ArchiveEntry entries[] = {
        POST(1, 21, "INDEX", 0, "CREATE INDEX root_idx ON ONLY public.root (a);\n"),
        POST(2, 22, "INDEX", 1, "CREATE INDEX branch_idx ON ONLY public.branch (a);\n"),
        POST(3, 23, "INDEX", 2, "CREATE INDEX part_idx ON public.part (a);\n"),
        POST(4, 0, "INDEX ATTACH", 1, "ALTER INDEX root_idx ATTACH PARTITION branch_idx;\n"),
        POST(5, 0, "INDEX ATTACH", 2, "ALTER INDEX branch_idx ATTACH PARTITION part_idx;\n"),
    };
    const Archive archive = {.entries = entries, .count = COUNT_OF(entries)};

    source = (Server){.facts = {FACT("index", "21", "root", "p", "", NULL, NULL, "f", "f", NULL,
                                     NULL, "f", "f")}};
    Plan plan =
        make_plan(arena, &(PlanRequest){.tables = &child, .table_count = 1, .archive = &archive});

    assert_before(find_task(&plan, TASK_ENTRY, NULL, &entries[3], 0),
                  find_task(&plan, TASK_ENTRY, NULL, &entries[4], 0));
}

static void partitions_whose_rows_may_change_places_wait_for_each_other(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    const Table tables[] = {
        {HEAP, .name = "a", .qualified = "a", .root = "r"    },
        {HEAP, .name = "b", .qualified = "b", .root = "r"    },
        {HEAP, .name = "c", .qualified = "c", .root = "other"},
    };
    Plan plan = make_plan(
        arena, &(PlanRequest){.tables = tables, .table_count = 3, .archive = &no_entries});
    PoolTask *copies[3];
    PoolTask *analyzes[3];

    for (int i = 0; i < 3; i++) {
        copies[i] = find_task(&plan, TASK_COPY, &tables[i], NULL, 0);
        analyzes[i] = find_task(&plan, TASK_ANALYZE, &tables[i], NULL, 0);
    }
    assert_before(copies[0], analyzes[0]);
    assert_before(copies[0], analyzes[1]);
    assert_before(copies[1], analyzes[0]);
    assert_before(copies[1], analyzes[1]);
    assert_before(copies[2], analyzes[2]);
    assert_side_by_side(copies[0], analyzes[2]);
    assert_side_by_side(copies[2], analyzes[0]);
}

/* ---- failures ---- */

static void a_server_that_does_not_answer_is_an_error(void **state)
{
    (void)state;
    Server *const servers[] = {&source, &target};

    for (size_t i = 0; i < COUNT_OF(servers); i++) {
        auto_arena Arena *arena = arena_new();
        Plan plan = {.indexes = 77};
        PlanRequest request = {.config = &defaults,
                               .archive = &no_entries,
                               .streams = 1,
                               .schema = (PGconn *)&source,
                               .source = (PGconn *)&source,
                               .target = (PGconn *)&target};
        Server schema = {.fails = true};
        Error err = ERROR_INIT;

        servers[i]->fails = true;
        assert_false(plan_make(arena, &request, &plan, &err));
        assert_string_equal(err.message, "compare the extensions: connection lost");
        servers[i]->fails = false;
        request.schema = (PGconn *)&schema;
        assert_false(plan_make(arena, &request, &plan, &err));
        assert_string_equal(err.message, "list the indexes and constraints: connection lost");
        assert_int_equal(plan.indexes, 77);
    }
}

#define PLANNED(test) cmocka_unit_test_setup(test, forget_servers)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLANNED(a_table_is_emptied_and_copied_frozen_where_it_can_be),
        PLANNED(into_a_schema_that_exists_nothing_is_frozen),
        PLANNED(binary_is_for_tables_of_which_every_column_allows_it),
        PLANNED(a_table_is_split_where_others_would_wait_for_it),
        PLANNED(what_cannot_be_split_is_not),
        PLANNED(parts_follow_each_other_without_a_gap_and_the_last_is_open),
        PLANNED(a_part_that_may_have_large_rows_asks_for_them),
        PLANNED(a_key_is_an_index_first_and_then_a_constraint_on_it),
        PLANNED(a_tables_life_is_copy_indexes_keys_analyze_foreign_keys),
        PLANNED(what_is_not_built_beside_the_copy_is_not_planned),
        PLANNED(indexes_and_foreign_keys_are_part_of_the_whole),
        PLANNED(indexes_and_foreign_keys_weigh_by_the_rows_alone),
        PLANNED(what_takes_longest_costs_most),
        PLANNED(a_partitioned_tables_index_is_made_at_once_and_attached_to),
        PLANNED(attachments_are_made_one_after_the_other),
        PLANNED(partitions_whose_rows_may_change_places_wait_for_each_other),
        PLANNED(a_server_that_does_not_answer_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
