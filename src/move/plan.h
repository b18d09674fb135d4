/*
 * The plan of the copy: which tables in which parts, and every index, key and
 * foreign key as a task in a graph.
 *
 * A table goes copy -> indexes, side by side -> keys on those indexes and
 * statistics objects -> ANALYZE (with VACUUM where the copy could not freeze)
 * -> foreign keys, as soon as both tables are that far. ADD CONSTRAINT would
 * lock a table against building its other indexes, hence the order; a foreign
 * key is checked fastest on a table whose visibility map is set (rule 8).
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "core/arena.h"
#include "core/error.h"
#include "move/archive.h"
#include "move/pool.h"
#include "move/tables.h"
#include "pg/pg.h"

typedef enum TaskKind {
    TASK_COPY,
    TASK_INDEX,      /* CREATE INDEX, or an entry as it is */
    TASK_CONSTRAINT, /* a key on the index that was built for it */
    TASK_ENTRY,      /* any other entry: ATTACH, statistics objects, exclusion constraints */
    TASK_ANALYZE,
    TASK_FOREIGN_KEY,
} TaskKind;

typedef struct Task {
    TaskKind kind;
    const Table *table;        /* NULL: it concerns none that has rows */
    const ArchiveEntry *entry; /* NULL: TASK_COPY, TASK_ANALYZE */
    const char *sql;           /* in place of the entry's; NULL: the entry as it is */
    const char *index_name;    /* TASK_INDEX with sql: what it makes */
    const char *copy_out;      /* TASK_COPY */
    const char *copy_in;
    const char *large_rows; /* asks for such ones before it is copied; NULL: it has none (lane.h) */
    int part;
    int parts;
    atomic_int *parts_left; /* TASK_COPY: of its table, this one among them */
    int64_t weight;         /* how long it takes, as bytes of rows to copy */
    bool freeze;            /* TASK_COPY: TRUNCATE, then COPY FREEZE, in one transaction (rule 8) */
    bool vacuum;            /* TASK_ANALYZE: with VACUUM */
    const char *delete_sql; /* an extension's configuration table: its rows of an earlier run */
} Task;

typedef struct PlanRequest {
    const Config *config;
    const Table *tables;
    int table_count;
    const Archive *archive; /* NULL: the target's schema exists, only rows are copied */
    PGconn *schema;         /* the database that the archive was made of */
    PGconn *source;         /* for extension versions; both may be the same */
    PGconn *target;
    int streams;          /* of COPY at once: how many parts of a table could help */
    int workers;          /* that copy at once, be it of use or not */
    const bool *finished; /* one a table: its rows are there already; NULL: none's are */
} PlanRequest;

typedef struct Plan {
    PoolGraph graph;
    const Table **emptied; /* tables that no copy task can empty: before the workers begin */
    int emptied_count;
    int copy_parts;
    int copy_tables;
    int64_t weight; /* of all tasks */
    int64_t copy_weight;
    int indexes;
    int constraints;
    int64_t bytes; /* of all tables, on the source's disk */
} Plan;

bool plan_make(Arena *arena, const PlanRequest *request, Plan *ret, Error *err) MUST_USE;
