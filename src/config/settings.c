#include <assert.h>
#include <string.h>

#include "config/config.h"

static_assert(sizeof(SchemaMode) == sizeof(int), "a choice is stored as an int");

enum {
    MAX_JOBS = 64,
    MAX_COLUMNS = 64 * 1024,
    MAX_CERT_LIFE_S = 397 * 24 * 3600, /* what browsers accept at most */
    MAX_IDENTIFIER = 63,               /* PostgreSQL cuts longer names, silently */
};

static const char *const schema_modes[] = {
    [SCHEMA_DUMP] = "dump", [SCHEMA_DRIZZLE] = "drizzle", [SCHEMA_EXISTING] = "existing", NULL};

/* A setting of the section `gateway:`: name, key in the section, variable, type, field, and the
 * rest of the row. */
#define GATEWAY(name_, key_, env_, type_, field_, ...)                                             \
    {                                                                                              \
        .option = {.name = (name_),                                                                \
                   .type = (type_),                                                                \
                   .offset = offsetof(Config, gateway.field_),                                     \
                   __VA_ARGS__},                                                                   \
        .key = "gateway." key_, .env = "HOMEPORT_GATEWAY_" env_                                    \
    }

static_assert(sizeof(UnmappedRule) == sizeof(int), "a choice is stored as an int");

static const char *const unmapped_rules[] = {
    [UNMAPPED_STOP] = "stop", [UNMAPPED_KEEP] = "keep", NULL};

/* The same of the section `identities:`. */
#define IDENTITY(key_, env_, type_, field_, ...)                                                   \
    {                                                                                              \
        .option = {.name = "identity-" key_,                                                       \
                   .type = (type_),                                                                \
                   .offset = offsetof(Config, field_),                                             \
                   __VA_ARGS__},                                                                   \
        .key = "identities." key_, .env = "HOMEPORT_IDENTITY_" env_                                \
    }

/* A new setting is a row here and its field in Config. The order is that of help and reference. */
const Setting settings[] = {
    {.option = {.name = "source",
                .type = OPTION_URL,
                .offset = offsetof(Config, source),
                .argument = "URL",
                .help = "the database to move from"},
     .env = "HOMEPORT_SOURCE_URL"                                             },
    {.option = {.name = "target",
                .type = OPTION_URL,
                .offset = offsetof(Config, target),
                .argument = "URL",
                .help = "the database to move to"},
     .env = "HOMEPORT_TARGET_URL"                                             },
    {.option = {.name = "dir",
                .type = OPTION_PATH,
                .offset = offsetof(Config, dir),
                .unset = ".homeport",
                .argument = "DIR",
                .help = "work folder, which holds the state of the move"},
     .env = "HOMEPORT_DIR"                                                    },
    {.option = {.name = "pg-bin",
                .type = OPTION_PATH,
                .offset = offsetof(Config, pg_bin),
                .argument = "DIR",
                .help = "folder of pg_dump and pg_restore; unset: found by version"},
     .env = "HOMEPORT_PG_BIN"                                                 },
    {.option = {.name = "schema",
                .type = OPTION_CHOICE,
                .offset = offsetof(Config, schema),
                .choices = schema_modes,
                .unset = "dump",
                .argument = "HOW",
                .help = "where the target's schema comes from: pg_dump of the source, the app's "
                        "Drizzle migrations, or what the target has"},
     .env = "HOMEPORT_SCHEMA"                                                 },
    {.option = {.name = "accept-drift",
                .type = OPTION_FLAG,
                .offset = offsetof(Config, accept_drift),
                .unset = "no",
                .help = "go on although the migrations and the source differ"},
     .env = "HOMEPORT_ACCEPT_DRIFT"                                           },
    {.option = {.name = "migrations",
                .type = OPTION_PATH,
                .offset = offsetof(Config, migrations),
                .argument = "DIR",
                .help = "folder of the app's Drizzle migrations; unset: looked for"},
     .env = "HOMEPORT_MIGRATIONS"                                             },
    {.option = {.name = "migrations-table",
                .type = OPTION_TEXT,
                .offset = offsetof(Config, migrations_table),
                .max = MAX_IDENTIFIER,
                .unset = "__drizzle_migrations",
                .argument = "NAME",
                .help = "table in which Drizzle notes what it has applied"},
     .env = "HOMEPORT_MIGRATIONS_TABLE"                                       },
    {.option = {.name = "migrations-schema",
                .type = OPTION_TEXT,
                .offset = offsetof(Config, migrations_schema),
                .max = MAX_IDENTIFIER,
                .unset = "drizzle",
                .argument = "NAME",
                .help = "schema of that table"},
     .env = "HOMEPORT_MIGRATIONS_SCHEMA"                                      },
    {.option = {.name = "jobs",
                .type = OPTION_INT,
                .offset = offsetof(Config, jobs),
                .min = 0,
                .max = MAX_JOBS,
                .unset = "0",
                .argument = "N",
                .help = "connections that work at a time; 0: by the target's size"},
     .env = "HOMEPORT_JOBS"                                                   },
    {.option = {.name = "split-bytes",
                .type = OPTION_SIZE,
                .offset = offsetof(Config, split_bytes),
                .min = 0,
                .max = INT64_MAX,
                .unset = "0",
                .argument = "SIZE",
                .help = "copy larger tables in parts; 0: by size and jobs"},
     .env = "HOMEPORT_SPLIT_BYTES"                                            },
    {.option = {.name = "map-role",
                .type = OPTION_PAIRS,
                .offset = offsetof(Config, role_map),
                .count_offset = offsetof(Config, role_map_count),
                .max = MAX_IDENTIFIER,
                .argument = "OLD=NEW",
                .help = "what is OLD's on the source is NEW's on the target; may be repeated"},
     .key = "map-roles",
     .env = "HOMEPORT_MAP_ROLES"},
    {.option = {.name = "relax-durability",
                .type = OPTION_FLAG,
                .offset = offsetof(Config, relax_durability),
                .unset = "no",
                .help = "fewer checkpoints on the target while it loads; needs the right "
                        "to change its settings, and puts them back"},
     .env = "HOMEPORT_RELAX_DURABILITY"  },
    {.option = {.name = "verify",
                .type = OPTION_FLAG,
                .offset = offsetof(Config, verify),
                .unset = "yes",
                .help = "compare both sides row by row after the copy"},
     .env = "HOMEPORT_VERIFY"},
    {.option = {.name = "spool-limit",
                .type = OPTION_SIZE,
                .offset = offsetof(Config, spool_limit),
                .min = 0,
                .max = INT64_MAX,
                .unset = "0",
                .argument = "SIZE",
                .help = "most of the stream that is kept on our disk; then the source keeps it; 0: "
                        "no limit"},
     .env = "HOMEPORT_SPOOL_LIMIT"                                      },
    IDENTITY("map", "MAP", OPTION_PATH, identity_map, .argument = "FILE",
             .help = "CSV of old,new: identifiers that are other ones at home"),
    IDENTITY("columns", "COLUMNS", OPTION_TEXT, identity_columns, .max = MAX_COLUMNS,
             .argument = "COLUMNS",
             .help = "columns that hold them: schema.table.column, with commas between them"),
    IDENTITY("unmapped", "UNMAPPED", OPTION_CHOICE, identity_unmapped, .choices = unmapped_rules,
             .unset = "stop", .argument = "RULE",
             .help = "what becomes on the way home of an identifier that the map does not have"),
    IDENTITY("unmapped-back", "UNMAPPED_BACK", OPTION_CHOICE, identity_unmapped_back,
             .choices = unmapped_rules, .unset = "stop", .argument = "RULE",
             .help = "the same on the way back, after a cutover"),
    GATEWAY("upstream", "upstream", "UPSTREAM", OPTION_URL, upstream, .argument = "URL",
            .help = "server behind the gateway; clients bring their own role and database"),
    GATEWAY("listen", "listen", "LISTEN", OPTION_TEXT, listen, .argument = "ADDR:PORT",
            .help = "HTTPS and WebSockets, as Neon's driver wants them; its port is 443"),
    GATEWAY("listen-http", "listen-http", "LISTEN_HTTP", OPTION_TEXT, listen_http,
            .argument = "ADDR:PORT",
            .help = "the same without TLS, behind a tunnel or a proxy; a path: a Unix socket"),
    GATEWAY("listen-pg", "listen-pg", "LISTEN_PG", OPTION_TEXT, listen_pg, .argument = "ADDR:PORT",
            .help = "PostgreSQL's own protocol, for pg, psql and Prisma; its port is 5432"),
    GATEWAY("metrics", "metrics", "METRICS", OPTION_TEXT, metrics, .argument = "ADDR:PORT",
            .help = "Prometheus' /metrics and /health; unset: none"),
    GATEWAY("admin", "admin", "ADMIN", OPTION_PATH, admin, .argument = "SOCKET",
            .help =
                "Unix socket for pause, switch and resume; unset: gateway.sock in the work folder"),
    GATEWAY("cert", "cert", "CERT", OPTION_PATH, cert, .argument = "FILE",
            .help = "certificate with its chain (PEM); unset: one is made for --names"),
    GATEWAY("key", "key", "KEY", OPTION_PATH, key, .argument = "FILE", .help = "its key (PEM)"),
    GATEWAY("tls-dir", "tls-dir", "TLS_DIR", OPTION_PATH, tls_dir, .argument = "DIR",
            .help = "where CA and certificate are made; unset: gateway-tls in the work folder"),
    GATEWAY("names", "names", "NAMES", OPTION_TEXT, names, .argument = "NAMES",
            .help = "host names that the app uses, with commas between them; the api. names that "
                    "the driver derives are added"),
    GATEWAY("cert-life-s", "cert-life-s", "CERT_LIFE_S", OPTION_INT, cert_life_s, .min = 3,
            .max = MAX_CERT_LIFE_S, .unset = "34300800", .argument = "S",
            .help = "how long that certificate is good; it is made again when a third of the time "
                    "is left, and no sooner than 30 days before its end"),
    GATEWAY("gateway-state", "state", "STATE", OPTION_PATH, state, .argument = "FILE",
            .help = "which server is the current one; unset: gateway.json in the work folder"),
    GATEWAY("trust-upstream", "trust-upstream", "TRUST_UPSTREAM", OPTION_FLAG, trust_upstream,
            .unset = "no",
            .help = "serve although the server asks for no password (`trust`, `peer`): everybody "
                    "who reaches the gateway is then whoever he says"),
    GATEWAY("roles-file", "roles-file", "ROLES_FILE", OPTION_PATH, roles, .argument = "FILE",
            .help = "passwords for SCRAM on --listen-pg, in the form of PgBouncer's userlist.txt; "
                    "unset: they are asked for, under TLS"),
    GATEWAY("databases", "databases", "DATABASES", OPTION_TEXT, databases, .argument = "NAMES",
            .help = "databases that are served, with commas between them; unset: all"),
    GATEWAY("roles", "roles", "ROLES", OPTION_TEXT, role_names, .argument = "NAMES",
            .help = "roles that are served, with commas between them; unset: all that the server "
                    "lets in"),
    GATEWAY("gateway-timezone", "timezone", "TIMEZONE", OPTION_TEXT, timezone, .unset = "UTC",
            .argument = "ZONE",
            .help = "time zone of the driver's sessions, as on Neon; server: the server's"),
    GATEWAY("max-request", "max-request", "MAX_REQUEST", OPTION_SIZE, max_request_bytes,
            .min = 1024, .max = 1 << 30, .unset = "64MiB", .argument = "SIZE",
            .help = "larger requests are refused with status 413"),
    GATEWAY("max-response", "max-response", "MAX_RESPONSE", OPTION_SIZE, max_response_bytes,
            .min = 1024, .max = 1 << 30, .unset = "64MiB", .argument = "SIZE",
            .help = "larger responses are refused with status 507"),
    GATEWAY("max-memory", "max-memory", "MAX_MEMORY", OPTION_SIZE, max_memory_bytes, .min = 1 << 20,
            .max = 1LL << 40, .unset = "1GiB", .argument = "SIZE",
            .help = "for requests and responses of all clients together; what would take more is "
                    "refused with status 503"),
    GATEWAY("threads", "threads", "THREADS", OPTION_INT, threads, .min = 0, .max = 16, .unset = "0",
            .argument = "N", .help = "event loops; 0: by the processors"),
    GATEWAY("pool-size", "pool-size", "POOL_SIZE", OPTION_INT, pool_size, .min = 1, .max = 1000,
            .unset = "20", .argument = "N",
            .help = "connections to the server for each database and role"),
    GATEWAY("max-connections", "max-connections", "MAX_CONNECTIONS", OPTION_INT, max_connections,
            .min = 1, .max = 1000000, .unset = "10000", .argument = "N",
            .help = "clients at a time"),
    GATEWAY("queue-ms", "queue-ms", "QUEUE_MS", OPTION_INT, queue_ms, .min = 1, .max = 3600000,
            .unset = "15000", .argument = "MS",
            .help = "longest wait for a connection, or for the end of a pause"),
    GATEWAY("recheck-ms", "recheck-ms", "RECHECK_MS", OPTION_INT, recheck_ms, .min = 0,
            .max = 3600000, .unset = "30000", .argument = "MS",
            .help = "how long a password that was right is not shown to the server again"),
    GATEWAY("slow-ms", "slow-ms", "SLOW_MS", OPTION_INT, slow_ms, .min = 0, .max = 3600000,
            .unset = "1000", .argument = "MS",
            .help = "requests that take longer are logged; 0: none"),
    GATEWAY("drain-ms", "drain-ms", "DRAIN_MS", OPTION_INT, drain_ms, .min = 0, .max = 3600000,
            .unset = "30000", .argument = "MS",
            .help = "longest wait for running requests when the gateway is stopped"),
    GATEWAY("cors", "cors", "CORS", OPTION_FLAG, cors, .unset = "no",
            .help = "let browsers of any origin use it"),
};

const int setting_count = (int)COUNT_OF(settings);

const Setting *setting_find(const char *name)
{
    for (int i = 0; i < setting_count; i++)
        if (strcmp(settings[i].option.name, name) == 0)
            return &settings[i];
    return NULL;
}

const char *setting_key(const Setting *setting)
{
    return setting->key ? setting->key : setting->option.name;
}
