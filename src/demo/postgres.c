/* Where the programs of PostgreSQL are. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/process.h"
#include "demo/demo.h"

static bool has_program(Arena *arena, const char *bin, const char *name)
{
    return access(arena_printf(arena, "%s/%s", bin, name), X_OK) == 0;
}

static bool has_server(Arena *arena, const char *bin)
{
    return has_program(arena, bin, "postgres") && has_program(arena, bin, "initdb");
}

/* Debian's folders are called by the major version: 9.6, 15, 17. */
static const char *newest_below(Arena *arena, const char *packages)
{
    const char *found = NULL;
    double newest = 0;
    DIR *dir = opendir(packages);
    const struct dirent *entry;

    while (dir && (entry = readdir(dir))) {
        char *end;
        double version = strtod(entry->d_name, &end);
        const char *bin = arena_printf(arena, "%s/%s/bin", packages, entry->d_name);

        if (end == entry->d_name || *end || version <= newest || !has_server(arena, bin))
            continue;
        newest = version;
        found = bin;
    }
    if (dir)
        (void)closedir(dir);
    return found;
}

static bool read_version(Arena *arena, const char *bin, const char **ret, Error *err)
{
    const char *argv[] = {arena_printf(arena, "%s/postgres", bin), "--version", NULL};
    ProcessResult result;

    if (!process_check(arena, &(ProcessOptions){.argv = argv, .timeout_ms = 20000}, &result, err))
        return false;
    /* postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1) */
    const char *number = strpbrk(result.out, "0123456789");
    if (!number)
        return error_set(err, ERR_FORMAT, "\"%s --version\" does not say its version", argv[0]);
    *ret = arena_strndup(arena, number, strspn(number, "0123456789.abcdefghijklmnopqrstuvwxyz"));
    return true;
}

bool demo_find_postgres(Arena *arena, const char *folder, const char *packages, DemoPostgres *ret,
                        Error *err)
{
    const char *bin = folder ? folder : newest_below(arena, packages);
    const char *version = NULL;

    if (folder && !has_server(arena, bin))
        bin = arena_printf(arena, "%s/bin", folder);
    if (!bin || !has_server(arena, bin)) {
        (void)error_set(err, ERR_PROGRAM, "no PostgreSQL server (initdb, postgres) in \"%s\"",
                        folder ? folder : packages);
        return error_hint(err, "%s",
                          folder ? "Give the folder that holds these programs."
                                 : "Run `apt-get install postgresql`, or give --postgres DIR.");
    }
    if (!read_version(arena, bin, &version, err))
        return false;
    *ret = (DemoPostgres){
        .bin = bin,
        .version = version,
        .has_dump = has_program(arena, bin, "pg_dump") && has_program(arena, bin, "pg_restore"),
    };
    return true;
}
