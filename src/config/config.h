/*
 * What is in force: homeport.yaml, then the environment over it, then the
 * command's options over both, in one typed value.
 *
 * Every setting is one row in config/settings.c: name (the key in the file and
 * the option), environment name, type, limits, default, help. Option parsing,
 * --help, the man page, `homeport config` and the reference are all read from
 * that row.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "config/option.h"
#include "core/arena.h"
#include "core/error.h"

typedef enum SchemaMode {
    SCHEMA_DUMP,     /* pg_dump of the source */
    SCHEMA_DRIZZLE,  /* the app's migration journal; drift against the source is reported */
    SCHEMA_EXISTING, /* the target has it already: only rows are moved */
} SchemaMode;

/* What becomes of an identifier that the map of identities does not have. */
typedef enum UnmappedRule {
    UNMAPPED_STOP, /* the move stops and names it */
    UNMAPPED_KEEP, /* it goes through as it is, and is noted */
} UnmappedRule;

typedef OptionPair RoleMap;

/* The section `gateway:` of the file; what each is for is said in its row. NULL: not given. */
typedef struct GatewaySettings {
    const char *upstream;
    const char *listen;
    const char *listen_http;
    const char *listen_pg;
    const char *metrics;
    const char *admin;
    const char *cert;
    const char *key;
    const char *tls_dir;
    const char *names;
    int cert_life_s;
    const char *state;
    bool trust_upstream;
    const char *roles;
    const char *databases;
    const char *role_names;
    const char *timezone;
    uint64_t max_request_bytes;
    uint64_t max_response_bytes;
    uint64_t max_memory_bytes;
    int threads;
    int pool_size;
    int max_connections;
    int queue_ms;
    int recheck_ms;
    int slow_ms;
    int drain_ms;
    bool cors;
} GatewaySettings;

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
    bool verify;                         /* compare after the copy */
    const char *identity_map;            /* CSV of old,new; NULL: nothing is mapped */
    const char *identity_columns;        /* schema.table.column, ... */
    UnmappedRule identity_unmapped;      /* towards home */
    UnmappedRule identity_unmapped_back; /* towards the source */
    uint64_t spool_limit; /* live: bytes of the stream kept on our disk at most; 0: no limit */
    GatewaySettings gateway;

    const char *file;     /* that was read; NULL: none */
    const char **origins; /* where each setting came from, by its row: "--jobs", "HOMEPORT_JOBS",
                             "homeport.yaml:3"; NULL: nobody said, or nothing is known */
    const Error **unresolved; /* why the file's value could not be had: see config_check() */
} Config;

typedef struct Setting {
    Option option;   /* fills a field of Config */
    const char *key; /* in the file, where it is not the option's name; see setting_key().
                        "gateway.listen" is `listen` in the mapping `gateway` */
    const char *env;
} Setting;

extern const Setting settings[];
extern const int setting_count;

const Setting *setting_find(const char *name); /* by its option; NULL: there is none */
const char *setting_key(const Setting *setting) RETURNS_NONNULL;

/* In this order: defaults, `path` (NULL: ./homeport.yaml where there is one), environment.
 * The command line is applied by the caller, with config_set(). Errors are ERR_USAGE with file and
 * line. */
bool config_load(Arena *arena, const char *path, Config *ret, Error *err) MUST_USE;

typedef char *ConfigLookup(const char *name);

typedef struct ConfigText {
    const char *name; /* of the file, for errors and origins */
    const char *text; /* YAML */
    size_t len;
    ConfigLookup *lookup; /* what ${NAME} stands for: getenv(), but in tests */
} ConfigText;

/* The defaults with the text over them. */
bool config_load_text(Arena *arena, const ConfigText *input, Config *ret, Error *err) MUST_USE;

/* What the command line says. `origin` is the option as it was written: "--jobs". Pairs are added
 * to the ones that came from the command line, and replace what came from elsewhere. */
bool config_set(Arena *arena, Config *config, const Setting *setting, const char *origin,
                const char *text, Error *err) MUST_USE;

/* False where the file refers to a variable that is not set, and nobody after it gave a value: an
 * error only for who needs this setting. `homeport status` works without the database's secrets. */
bool config_check(const Config *config, const Setting *setting, Error *err) MUST_USE;

/* Where it came from; "default" where nobody said. */
const char *config_origin(const Config *config, const Setting *setting) RETURNS_NONNULL;
