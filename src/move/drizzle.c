#include "move/drizzle.h"

#include <string.h>

#include "core/log.h"
#include "migrations/migrations.h"
#include "move/drizzle_gaps.h"
#include "move/roles.h"
#include "move/schema.h"
#include "move/verify.h"

enum {
    CONNECT_S = 15
};

static bool drop_scratch(DrizzleScratch *scratch, Error *err)
{
    auto_arena Arena *arena = arena_new();

    return pg_execf(scratch->server, err, "DROP DATABASE IF EXISTS %s",
                    pg_ident(arena, scratch->name));
}

static bool create_scratch(DrizzleScratch *scratch, Error *err)
{
    auto_arena Arena *arena = arena_new();

    /* Left behind by a run that was killed; the name has the move's id in it. */
    if (!drop_scratch(scratch, err))
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

    if (!migrations_locate(arena, config, NULL, &place, err) ||
        !migrations_load(arena, place.folder, &folder, err))
        return false; /* not run: they were read a moment before, by the assessment */
    MigrationsOptions options = {.schema = place.schema, .table = place.table, .scratch = true};
    return migrations_apply(arena, conn, &folder, &options, &result, err) ||
           error_add_context(err, "apply the journal to a scratch database");
}

/* What is in the scratch database has home's names of roles, and is mapped once more on its way to
 * the target. */
static bool check_map(const Config *config, Error *err)
{
    for (int i = 0; i < config->role_map_count; i++) {
        const char *home = config->role_map[i].to;
        const char *again = role_mapped(config, home);

        if (again && strcmp(again, home) == 0)
            continue;
        (void)error_set(err, ERR_USAGE, "role %s is mapped to %s, which is mapped itself",
                        config->role_map[i].from, home);
        return error_hint(err, "With `schema: drizzle` give roles at home names that --map-role "
                               "does not change.");
    }
    return true;
}

typedef struct DriftList {
    Arena *arena;
    const Archive *source;
    const Gaps *gaps;
    Drift drift;
    int cap;
} DriftList;

static void note_drift(void *context, const char *object, const char *detail)
{
    DriftList *list = context;
    Drift *drift = &list->drift;

    if (drift->count == list->cap) {
        list->cap = list->cap ? list->cap * 2 : 16;
        const char **larger = arena_array(list->arena, (size_t)list->cap, sizeof *larger);
        if (drift->count > 0)
            memcpy(larger, drift->lines, (size_t)drift->count * sizeof *larger);
        drift->lines = larger;
    }
    drift->lines[drift->count++] =
        arena_printf(list->arena, "%s: %s%s", object, detail,
                     gaps_has(list->gaps, list->source, object) ? " (comes from there)" : "");
}

/* Which side is the target decides how "only on the target" reads: here it is the journal. */
static Drift find_drift(Arena *arena, const DrizzleRequest *request, const PGconn *scratch,
                        const Archive *journal, const Gaps *gaps)
{
    DriftList list = {.arena = arena, .source = request->source, .gaps = gaps};
    SchemaCompare compare = {
        .config = request->config,
        .emit = note_drift,
        .context = &list,
        .majors = {request->source_major, PQserverVersion(scratch) / 10000},
    };

    schema_compare(arena, request->source, journal, &compare);
    return list.drift;
}

static bool judge_drift(const Drift *drift, const Config *config, Error *err)
{
    if (drift->count == 0 || config->accept_drift)
        return true;
    (void)error_set(err, ERR_FOUND, "the source differs from the journal in %d object%s: %s%s",
                    drift->count, drift->count == 1 ? "" : "s", drift->lines[0],
                    drift->count > 1 ? ", ..." : "");
    return error_hint(err, "Add a migration that makes what is missing, or take the journal's word "
                           "with --accept-drift (tables and sequences that it lacks still come "
                           "from the source), or the source's with --schema dump.");
}

/* And what then is in the scratch database. */
static bool fill_gaps(Arena *arena, const DrizzleRequest *request, const DrizzleScratch *scratch,
                      const Gaps *gaps, Archive *ret, Error *err)
{
    DumpRequest dump = {
        .programs = request->programs, .url = &scratch->url, .path = request->archive_path};

    return gaps_fill(scratch->conn, request, gaps, err) &&
           schema_carry_rights(scratch->conn, request->config, request->source, err) &&
           schema_dump(arena, &dump, ret, err);
}

bool drizzle_schema(Arena *arena, const DrizzleRequest *request, DrizzleScratch *ret_scratch,
                    Drift *ret_drift, Archive *ret, Error *err)
{
    DrizzleScratch *scratch = ret_scratch;

    (void)snprintf(scratch->name, sizeof scratch->name, "homeport_scratch_%s", request->move_id);
    scratch->url = url_with_database(arena, request->target, scratch->name);
    DumpRequest dump = {
        .programs = request->programs, .url = &scratch->url, .path = request->archive_path};
    if (!check_map(request->config, err) ||
        !pg_connect_retry(request->target, "scratch", CONNECT_S, &scratch->server, err) ||
        !create_scratch(scratch, err) ||
        !pg_connect(&scratch->url, "scratch", &scratch->conn, err) ||
        !apply_journal(arena, request->config, scratch->conn, err) ||
        !pg_use_encoding(scratch->conn, &scratch->url, err) ||
        !schema_carry_rights(scratch->conn, request->config, request->source, err) ||
        !schema_dump(arena, &dump, ret, err))
        return false;
    Gaps gaps = gaps_find(arena, request->source, ret);
    *ret_drift = find_drift(arena, request, scratch->conn, ret, &gaps);
    return judge_drift(ret_drift, request->config, err) &&
           gaps_check_sequences(request, &gaps, err) &&
           (gaps.tables == 0 || fill_gaps(arena, request, scratch, &gaps, ret, err)) &&
           gaps_check_columns(scratch->conn, request, err);
}

/* Over a new connection where the one that was kept for it is gone: nothing else takes it away. */
static bool drop_again(DrizzleScratch *scratch, const PgUrl *target, Error *err)
{
    pg_close(scratch->server);
    scratch->server = NULL;
    return pg_connect_retry(target, "scratch", CONNECT_S, &scratch->server, err) &&
           drop_scratch(scratch, err);
}

void drizzle_close(DrizzleScratch *scratch, const PgUrl *target)
{
    Error lost = ERROR_INIT;
    Error failed = ERROR_INIT;

    pg_close(scratch->conn);
    if (scratch->server && !drop_scratch(scratch, &lost) && !drop_again(scratch, target, &failed))
        log_warn("the scratch database is left behind", kv_str("database", scratch->name),
                 kv_str("reason", failed.message));
    pg_close(scratch->server);
    *scratch = (DrizzleScratch){0};
}
