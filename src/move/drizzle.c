#include "move/drizzle.h"

#include <string.h>

#include "core/log.h"
#include "migrations/migrations.h"
#include "move/schema.h"

enum {
    CONNECT_S = 15
};

static bool create_scratch(DrizzleScratch *scratch, Error *err)
{
    auto_arena Arena *arena = arena_new();

    /* Left behind by a run that was killed; the name has the move's id in it. */
    if (!pg_execf(scratch->server, err, "DROP DATABASE IF EXISTS %s",
                  pg_ident(arena, scratch->name)))
        return error_add_context(err, "drop an earlier scratch database");
    /* Its collation is of no matter, as it holds no row: C goes with every encoding. */
    return pg_execf(scratch->server, err,
                    "CREATE DATABASE %s TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE "
                    "'C'%s",
                    pg_ident(arena, scratch->name),
                    PQserverVersion(scratch->server) >= 150000 ? " LOCALE_PROVIDER libc" : "") ||
           error_add_context(err, "create a scratch database on the target's server") ||
           error_hint(err, "The journal is applied there to learn its schema: the role needs "
                           "CREATEDB. `schema: dump` does without.");
}

static bool apply_journal(Arena *arena, const Config *config, PGconn *conn, Error *err)
{
    MigrationsPlace place;
    MigrationsFolder folder;
    MigrationsResult result;

    if (!migrations_locate(arena, config, ".", &place, err) ||
        !migrations_load(arena, place.folder, &folder, err))
        return false;
    MigrationsOptions options = {.schema = place.schema, .table = place.table, .scratch = true};
    return migrations_apply(arena, conn, &folder, &options, &result, err) ||
           error_add_context(err, "apply the journal to a scratch database");
}

bool drizzle_schema(Arena *arena, const DrizzleRequest *request, DrizzleScratch *ret_scratch,
                    Archive *ret, Error *err)
{
    DrizzleScratch *scratch = ret_scratch;

    (void)snprintf(scratch->name, sizeof scratch->name, "homeport_scratch_%s", request->move_id);
    PgUrl url = url_with_database(arena, request->target, scratch->name);
    if (!pg_connect_retry(request->target, "scratch", CONNECT_S, &scratch->server, err) ||
        !create_scratch(scratch, err) || !pg_connect(&url, "scratch", &scratch->conn, err) ||
        !apply_journal(arena, request->config, scratch->conn, err))
        return false;

    DumpRequest dump = {.programs = request->programs, .url = &url, .path = request->archive_path};
    return schema_dump(arena, &dump, ret, err);
}

void drizzle_close(DrizzleScratch *scratch)
{
    auto_arena Arena *arena = arena_new();
    Error failed = ERROR_INIT;

    pg_close(scratch->conn);
    if (scratch->server && !pg_execf(scratch->server, &failed, "DROP DATABASE IF EXISTS %s",
                                     pg_ident(arena, scratch->name)))
        log_warn("the scratch database is left behind", kv_str("database", scratch->name),
                 kv_str("reason", failed.message));
    pg_close(scratch->server);
    *scratch = (DrizzleScratch){0};
}
