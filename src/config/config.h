/*
 * What is in force: homeport.yaml, then the environment over it, then the
 * command's options over both, in one typed value.
 *
 * Every setting is one row in config/settings.c: key in the file, environment
 * name, option, type, limits, default, help. Option parsing, --help, the man
 * page, `homeport config` and the reference are all read from that row.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/error.h"

typedef enum SchemaMode {
    SCHEMA_DUMP,     /* pg_dump of the source */
    SCHEMA_DRIZZLE,  /* the app's migration journal; drift against the source is reported */
    SCHEMA_EXISTING, /* the target has it already: only rows are moved */
} SchemaMode;

typedef struct RoleMap {
    const char *from;
    const char *to;
} RoleMap;

typedef struct Config {
    const char *source; /* URL with its password; NULL where none was given */
    const char *target;
    const char *dir;    /* the work folder */
    const char *pg_bin; /* folder of pg_dump and pg_restore; NULL: found by version */
    SchemaMode schema;
    bool accept_drift;      /* drizzle: go on although journal and source differ */
    const char *migrations; /* folder of Drizzle's journal; NULL: looked for in the app's folder */
    const char *migrations_table;  /* "__drizzle_migrations" */
    const char *migrations_schema; /* "drizzle" */
    int jobs;                      /* 0: from the size of the target */
    uint64_t split_bytes; /* tables larger than this are split by ctid ranges; 0: decided by size
                             and jobs */
    const RoleMap *role_map;
    int role_map_count;
    bool relax_durability;
    bool verify; /* compare after the copy */
} Config;

/* In this order: defaults, `path` (NULL: ./homeport.yaml where there is one), environment.
 * The command line is applied by the caller, with config_set(). Errors are ERR_USAGE with file and
 * line. */
bool config_load(Arena *arena, const char *path, Config *ret, Error *err) MUST_USE;
