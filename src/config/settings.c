#include <assert.h>
#include <string.h>

#include "config/config.h"

static_assert(sizeof(SchemaMode) == sizeof(int), "a choice is stored as an int");

enum {
    MAX_JOBS = 64,
    MAX_IDENTIFIER = 63, /* PostgreSQL cuts longer names, silently */
};

static const char *const schema_modes[] = {
    [SCHEMA_DUMP] = "dump", [SCHEMA_DRIZZLE] = "drizzle", [SCHEMA_EXISTING] = "existing", NULL};

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
