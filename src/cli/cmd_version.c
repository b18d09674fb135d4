#include <libpq-fe.h>
#include <sqlite3.h>

#include "cli/cli.h"
#include "core/json.h"

static const char *libpq_version(Arena *arena)
{
    return arena_printf(arena, "%d.%d", PQlibVersion() / 10000, PQlibVersion() % 10000);
}

static bool version_run(const Invocation *inv, Error *err)
{
    const char *libpq = libpq_version(inv->arena);
    Text out = text_init(inv->arena, 4096);
    Json json = json_init(&out);

    if (!inv->json) {
        text_addf(&out, "homeport %s (libpq %s, SQLite %s)", HOMEPORT_VERSION, libpq,
                  sqlite3_libversion());
        return cli_print(&out, err);
    }
    json_open_object(&json);
    json_kv_string(&json, "version", HOMEPORT_VERSION);
    json_kv_string(&json, "libpq", libpq);
    json_kv_string(&json, "sqlite", sqlite3_libversion());
    json_close(&json);
    return cli_print(&out, err);
}

const Command cmd_version = {
    .name = "version",
    .group = GROUP_SELF,
    .summary = "print the version, and those of the libraries that matter",
    .description = "Prints homeport's version with those of libpq and SQLite as they are at "
                   "run time. Name them when something does not work. "
                   "`homeport --version` is the same.",
    .examples =
        (const Example[]){
                          {"homeport version", "Print the versions."},
                          {"homeport version --json", "The same as a JSON object."},
                          {0},
                          },
    .run = version_run,
};
