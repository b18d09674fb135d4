#include <string.h>
#include <sys/stat.h>

#include "core/file.h"
#include "migrations/internal.h"

enum {
    CONFIG_MAX_BYTES = 1 << 20
};

/* In the order in which drizzle-kit looks for them; then the spellings that it takes by --config.
 */
static const char *const config_names[] = {
    "drizzle.config.ts",  "drizzle.config.js",  "drizzle.config.json", "drizzle.config.mts",
    "drizzle.config.mjs", "drizzle.config.cts", "drizzle.config.cjs",
};

/* Where projects keep them when nobody says. */
static const char *const usual_folders[] = {
    "drizzle",
    "src/lib/db/migrations",
    "src/db/migrations",
    "src/lib/server/db/migrations",
    "src/server/db/migrations",
    "src/drizzle",
    "src/migrations",
    "lib/db/migrations",
    "db/migrations",
    "drizzle/migrations",
    "src/drizzle/migrations",
    "migrations",
};

static bool given(const Config *config, const char *name)
{
    const Setting *setting = setting_find(name);

    return setting && strcmp(config_origin(config, setting), "default") != 0;
}

static const char *join(Arena *arena, const char *dir, const char *path)
{
    while (strncmp(path, "./", 2) == 0)
        path += 2;
    if (path[0] == '/' || strcmp(dir, ".") == 0)
        return arena_strdup(arena, path[0] ? path : ".");
    return arena_printf(arena, "%s/%s", dir, path);
}

/* homeport.yaml lies in the app's folder. */
static const char *folder_of_config(Arena *arena, const Config *config)
{
    const char *slash = config->file ? strrchr(config->file, '/') : NULL;

    return slash ? arena_strndup(arena, config->file, (size_t)(slash - config->file)) : ".";
}

/* *ret_name is NULL where there is no such file. */
static bool read_config(Arena *arena, const char *app_dir, DrizzleConfig *ret,
                        const char **ret_name, Error *err)
{
    for (size_t i = 0; i < COUNT_OF(config_names); i++) {
        const char *path = join(arena, app_dir, config_names[i]);
        char *text = NULL;
        size_t len = 0;

        if (!file_exists(path))
            continue;
        if (!file_read(arena, path, CONFIG_MAX_BYTES, &text, &len, err))
            return false;
        drizzle_config_read(arena, text, len, ret);
        *ret_name = config_names[i];
        return true;
    }
    *ret_name = NULL;
    return true;
}

static bool holds_migrations(Arena *arena, const char *path)
{
    MigrationsFolder folder;
    Error ignored = ERROR_INIT;
    struct stat info;

    if (stat(path, &info) < 0 || !S_ISDIR(info.st_mode))
        return false;
    /* One that is broken is the one that was meant: its error comes when it is loaded. */
    return file_exists(arena_printf(arena, "%s/meta/_journal.json", path)) ||
           migrations_load(arena, path, &folder, &ignored);
}

static bool search_folders(Arena *arena, const char *app_dir, MigrationsPlace *place, Error *err)
{
    const char *found = NULL;

    for (size_t i = 0; i < COUNT_OF(usual_folders); i++) {
        const char *path = join(arena, app_dir, usual_folders[i]);
        if (!holds_migrations(arena, path))
            continue;
        if (found) {
            (void)error_set(err, ERR_USAGE, "both \"%s\" and \"%s\" hold Drizzle migrations", found,
                            path);
            return error_hint(err, "Say which: --migrations FOLDER, or migrations: in "
                                   "homeport.yaml.");
        }
        found = path;
    }
    if (!found) {
        (void)error_set(err, ERR_USAGE, "no folder of Drizzle migrations was found below \"%s\"",
                        app_dir);
        return error_hint(err, "Give it: --migrations FOLDER, or migrations: in homeport.yaml. "
                               "Looked for drizzle.config.* and in ./drizzle, "
                               "src/lib/db/migrations, src/db/migrations and the like.");
    }
    place->folder = found;
    place->chosen = "the only usual folder with migrations";
    return true;
}

static bool folder_from_config(Arena *arena, const char *app_dir, const char *name,
                               const DrizzleConfig *found, MigrationsPlace *place, Error *err)
{
    if (found->dynamic && strcmp(found->dynamic, "out") == 0) {
        (void)error_set(err, ERR_USAGE, "%s does not give `out` as plain text", name);
        return error_hint(err, "Say where the migrations are: --migrations FOLDER, or migrations: "
                               "in homeport.yaml.");
    }
    place->folder = join(arena, app_dir, found->out ? found->out : "drizzle");
    place->chosen = arena_printf(arena,
                                 found->out ? "out in %s"
                                            : "drizzle-kit's default, as %s "
                                              "does not say",
                                 name);
    return true;
}

static bool table_from_config(const Config *config, const char *name, const DrizzleConfig *found,
                              MigrationsPlace *place, Error *err)
{
    bool table_given = given(config, "migrations-table");
    bool schema_given = given(config, "migrations-schema");

    /* With the wrong table every migration would look pending. */
    if (found->dynamic && strcmp(found->dynamic, "out") != 0 && !(table_given && schema_given)) {
        (void)error_set(err, ERR_USAGE, "%s does not give migrations.%s as plain text", name,
                        found->dynamic);
        return error_hint(err, "Say which table records the migrations: --migrations-table and "
                               "--migrations-schema, or the same in homeport.yaml.");
    }
    if (found->table && !table_given)
        place->table = found->table;
    if (found->schema && !schema_given)
        place->schema = found->schema;
    return true;
}

bool migrations_locate(Arena *arena, const Config *config, const char *app_dir,
                       MigrationsPlace *ret, Error *err)
{
    MigrationsPlace place = {.schema = config->migrations_schema,
                             .table = config->migrations_table};
    DrizzleConfig found = {0};
    const char *name = NULL;

    if (!app_dir)
        app_dir = folder_of_config(arena, config);
    if (!read_config(arena, app_dir, &found, &name, err) ||
        (name && !table_from_config(config, name, &found, &place, err)))
        return false;
    if (config->migrations) {
        place.folder = config->migrations;
        place.chosen = arena_printf(arena, "migrations, by %s",
                                    config_origin(config, setting_find("migrations")));
    } else if (name) {
        if (!folder_from_config(arena, app_dir, name, &found, &place, err))
            return false;
    } else if (!search_folders(arena, app_dir, &place, err)) {
        return false;
    }
    *ret = place;
    return true;
}
