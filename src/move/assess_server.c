/*
 * What one row of SQL on one side cannot answer: what the two servers are to
 * each other, what stands between them and us, and what this machine has.
 */
#include "move/assess.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "migrations/migrations.h"
#include "move/fence.h"
#include "move/owner.h"
#include "move/programs.h"
#include "move/state.h"

enum {
    /* Beside the copying jobs: the keeper of the snapshot, one that steers, pg_dump, and one to
     * spare for a connection that is made again. */
    OTHER_CONNECTIONS = 4,
    /* One job, and the same. */
    FEWEST_CONNECTIONS = 1 + OTHER_CONNECTIONS,
    VERSION_NUM_PER_MAJOR = 10000
};

static const char *const side_names[SIDE_COUNT] = {"source", "target"};

/* Column order of sql/assess/facts_server.sql. */
enum {
    COL_VERSION_NUM,
    COL_VERSION,
    COL_DATABASE,
    COL_ROLE,
    COL_SUPERUSER,
    COL_IN_RECOVERY,
    COL_READ_ONLY,
    COL_SIZE,
    COL_ENCODING,
    COL_COLLATE,
    COL_CTYPE,
    COL_PROVIDER,
    COL_BACKEND_PID,
    COL_NEON,
    COL_QUOTED_DATABASE,
    COL_QUOTED_ROLE
};

static const char *cell_text(Arena *arena, const PGresult *res, int col)
{
    const char *cell = pg_cell(res, 0, col);

    return arena_strdup(arena, cell ? cell : "");
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text);
    size_t end_len = strlen(end);

    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

static bool read_facts(Arena *arena, AssessServer *server, Error *err)
{
    auto_result PGresult *res = NULL;

    if (!pg_query(server->conn, sql_assess_facts_server, 0, NULL, &res, err))
        return false;
    server->seen = (AssessedServer){
        .url = server->url.redacted,
        .version = cell_text(arena, res, COL_VERSION),
        .version_num = (int)pg_cell_i64(res, 0, COL_VERSION_NUM),
        .database = cell_text(arena, res, COL_DATABASE),
        .role = cell_text(arena, res, COL_ROLE),
        .superuser = pg_cell_bool(res, 0, COL_SUPERUSER),
        .size_bytes = pg_cell_i64(res, 0, COL_SIZE),
        .encoding = cell_text(arena, res, COL_ENCODING),
        .collate = cell_text(arena, res, COL_COLLATE),
        .ctype = cell_text(arena, res, COL_CTYPE),
        .provider = cell_text(arena, res, COL_PROVIDER),
    };
    server->quoted_database = cell_text(arena, res, COL_QUOTED_DATABASE);
    server->quoted_role = cell_text(arena, res, COL_QUOTED_ROLE);
    server->in_recovery = pg_cell_bool(res, 0, COL_IN_RECOVERY);
    server->read_only = pg_cell_bool(res, 0, COL_READ_ONLY);
    server->backend_pid = (int)pg_cell_i64(res, 0, COL_BACKEND_PID);
    server->neon = pg_cell_bool(res, 0, COL_NEON) || ends_with(server->url.host, ".neon.tech");
    return true;
}

/* True with the right or without it; false only where nothing can be asked any more. */
static bool read_may_rest(AssessServer *server, Error *err)
{
    auto_result PGresult *res = NULL;

    server->may_rest = pg_query(server->conn, sql_assess_replica_role, 0, NULL, &res, err);
    if (server->may_rest || err->code != ERR_SQL)
        return server->may_rest;
    *err = ERROR_INIT;
    return true;
}

bool assess_server_open(AssessRun *run, AssessSide side, Error *err)
{
    AssessServer *server = &run->sides[side];
    const char *text = side == SIDE_SOURCE ? run->config->source : run->config->target;

    if (!url_parse(run->arena, text, side_names[side], &server->url, err))
        return false;
    if (!pg_connect(&server->url, "check", &server->conn, err))
        return error_add_context(err, "%s", side_names[side]);
    /* An assessment changes nothing, and a lock that somebody holds must not make it wait. */
    if (!pg_exec(server->conn,
                 "SET default_transaction_read_only = on; SET lock_timeout = '5s'; "
                 "SET statement_timeout = '2min'",
                 err) ||
        !read_facts(run->arena, server, err) ||
        !database_id_read(server->conn, run->arena, &server->id, err) ||
        !read_may_rest(server, err))
        return error_add_context(err, "%s", side_names[side]);
    return true;
}

/* ---- versions ---- */

static int major(const AssessServer *server)
{
    return server->seen.version_num / VERSION_NUM_PER_MAJOR;
}

void assess_version_rules(AssessRun *run)
{
    const AssessServer *source = &run->sides[SIDE_SOURCE];
    const AssessServer *target = &run->sides[SIDE_TARGET];

    for (AssessSide side = SIDE_SOURCE; side < SIDE_COUNT; side++) {
        FindingParts parts = {.arena = run->arena};
        const AssessServer *server = &run->sides[side];

        if (server->seen.version_num >= ASSESS_VERSION_MIN)
            continue;
        parts_add_object(&parts, arena_printf(run->arena, "%s: PostgreSQL %s", side_names[side],
                                              server->seen.version));
        finding_add(run,
                    &(FindingText){
                        .id = "server-unsupported",
                        .severity = SEVERITY_BLOCKER,
                        .scope = SCOPE_BOTH,
                        .side = side,
                        .summary = "servers older than PostgreSQL 14 are not supported",
                        .advice = "Upgrade this server to PostgreSQL 14 or newer first "
                                  "(pg_upgrade, or the provider's own way).",
                    },
                    &parts);
    }
    if (major(target) >= major(source))
        return;
    FindingParts parts = {.arena = run->arena};
    parts_add_object(
        &parts, arena_printf(run->arena, "source %d, target %d", major(source), major(target)));
    finding_add(
        run,
        &(FindingText){
            .id = "target-older",
            .severity = SEVERITY_BLOCKER,
            .scope = SCOPE_BOTH,
            .side = SIDE_TARGET,
            .summary = "the target's PostgreSQL is older than the source's: what the source "
                       "has may not exist there",
            .advice = arena_printf(
                run->arena, "Make the target a server of PostgreSQL %d or newer.", major(source)),
        },
        &parts);
}

/* ---- what may be written ---- */

static void judge_source_standby(AssessRun *run)
{
    const AssessServer *source = &run->sides[SIDE_SOURCE];

    if (!source->in_recovery)
        return;
    finding_add(run,
                &(FindingText){
                    .id = "source-standby",
                    .severity = SEVERITY_BLOCKER,
                    .scope = SCOPE_LIVE,
                    .side = SIDE_SOURCE,
                    .summary = "the source is a standby: no publication can be made there",
                    .advice = "Give the primary's address as the source.",
                },
                NULL);
    finding_add(run,
                &(FindingText){
                    .id = "source-standby",
                    .severity = SEVERITY_WARNING,
                    .scope = SCOPE_ONCE,
                    .side = SIDE_SOURCE,
                    .summary =
                        "the source is a standby: it cancels a copy that holds up its replay, "
                        "and may be behind its primary",
                    .advice = "Give the primary's address as the source, or set "
                              "hot_standby_feedback = on and max_standby_streaming_delay = -1 on "
                              "the standby while the move runs.",
                },
                NULL);
}

static void judge_target_read_only(AssessRun *run)
{
    const AssessServer *target = &run->sides[SIDE_TARGET];
    FindingParts parts = {.arena = run->arena};
    FindingText text = {
        .id = "target-read-only",
        .severity = SEVERITY_BLOCKER,
        .scope = SCOPE_BOTH,
        .side = SIDE_TARGET,
    };

    if (target->in_recovery) {
        text.summary = "the target is a standby: nothing can be written there";
        text.advice = "Give the primary's address as the target, or promote this server: "
                      "SELECT pg_promote();";
    } else if (target->read_only) {
        text.summary = "the target is set to read-only (default_transaction_read_only): the app "
                       "could not write there";
        text.advice = "where it is set in postgresql.conf, mend it there and reload";
        parts_add_fix(&parts, arena_printf(run->arena,
                                           "ALTER DATABASE %s RESET default_transaction_read_only;",
                                           target->quoted_database));
        parts_add_fix(&parts,
                      arena_printf(run->arena, "ALTER ROLE %s RESET default_transaction_read_only;",
                                   target->quoted_role));
    } else {
        return;
    }
    finding_add(run, &text, &parts);
}

/* ---- what stands between ---- */

static void judge_same_database(AssessRun *run)
{
    const AssessServer *source = &run->sides[SIDE_SOURCE];
    const AssessServer *target = &run->sides[SIDE_TARGET];
    FindingParts parts = {.arena = run->arena};

    if (!database_id_same(&source->id, &target->id))
        return;
    run->same_database = true;
    parts_add_object(&parts, source->quoted_database);
    finding_add(run,
                &(FindingText){
                    .id = "same-database",
                    .severity = SEVERITY_BLOCKER,
                    .scope = SCOPE_BOTH,
                    .side = SIDE_TARGET,
                    .summary = "source and target are the same database",
                    .advice = "Give the new server's address with --target (or "
                              "HOMEPORT_TARGET_URL, or target: in homeport.yaml).",
                },
                &parts);
}

/*
 * A pooler in transaction mode gives each transaction another session, so what
 * a session sets (how values are written, that row security must not hide
 * rows, pg_dump's search_path) is lost or meets the wrong one: a copy that is
 * silently wrong. Neon's is known by its name. Another shows because it gives
 * its clients process ids of its own; so does Neon's proxy before the direct
 * endpoint, which does no harm.
 */
static void judge_pooler(AssessRun *run, AssessSide side)
{
    const AssessServer *server = &run->sides[side];
    FindingParts parts = {.arena = run->arena};
    FindingText text = {.id = "pooled-url", .scope = SCOPE_BOTH, .side = side};

    if (url_is_neon_pooler(&server->url)) {
        text.severity = SEVERITY_BLOCKER;
        text.summary = "the address is a pooler's: it has no replication, and loses the settings "
                       "that make a copy exact";
        text.advice = arena_printf(run->arena, "Use the direct host in the %s's URL: %s",
                                   side_names[side], url_direct_host(run->arena, &server->url));
    } else if (!server->neon && PQbackendPID(server->conn) != server->backend_pid) {
        text.severity = SEVERITY_WARNING;
        text.summary = "the connection passes through a pooler or proxy: one that shares sessions "
                       "loses the settings that make a copy exact, and few can replicate";
        text.advice =
            arena_printf(run->arena,
                         "Give the address of the PostgreSQL server itself as the %s (its "
                         "port is usually 5432; PgBouncer's is 6432).",
                         side_names[side]);
    } else {
        return;
    }
    parts_add_object(&parts, server->url.redacted);
    finding_add(run, &text, &parts);
}

static bool judge_connections(AssessRun *run, AssessSide side, Error *err)
{
    int jobs = run->config->jobs > 0 ? run->config->jobs : ASSESS_JOBS_UNSET;
    const char *params[] = {arena_printf(run->arena, "%d", jobs + OTHER_CONNECTIONS),
                            side_names[side]};
    auto_result PGresult *res = NULL;
    FindingParts parts = {.arena = run->arena};

    if (!pg_query(run->sides[side].conn, sql_assess_connections_few, 2, params, &res, err))
        return rule_unanswered(run, "connections-few", side, err);
    if (PQntuples(res) == 0)
        return true;
    parts_add_rows(&parts, res);
    int64_t free = pg_cell_i64(res, 0, 2);
    bool too_few = free < FEWEST_CONNECTIONS;
    finding_add(run,
                &(FindingText){
                    .id = "connections-few",
                    .severity = too_few ? SEVERITY_BLOCKER : SEVERITY_WARNING,
                    .scope = SCOPE_BOTH,
                    .side = side,
                    .summary = too_few ? "too few connections are free for a move"
                                       : "fewer connections are free than this many jobs use",
                    .advice = too_few ? "or end sessions that are not needed"
                                      : arena_printf(run->arena, "or run homeport with --jobs %d",
                                                     (int)free - OTHER_CONNECTIONS),
                },
                &parts);
    return true;
}

/* ---- this machine ---- */

static void judge_programs(AssessRun *run)
{
    int source = run->sides[SIDE_SOURCE].seen.version_num;
    int target = run->sides[SIDE_TARGET].seen.version_num;
    int newest = source > target ? source : target;
    Programs programs;
    Error err = ERROR_INIT;

    bool found = programs_find(run->arena, run->config, source, target, &programs, &err);
    bool needed = !found && run->config->schema != SCHEMA_EXISTING;
    if (found && (!run->config->verify ||
                  programs_find(run->arena, run->config, newest, newest, &programs, &err)))
        return;
    finding_add(
        run,
        &(FindingText){
            .id = "pg-dump-missing",
            .severity = needed ? SEVERITY_BLOCKER : SEVERITY_WARNING,
            .scope = SCOPE_BOTH,
            .side = SIDE_SOURCE,
            .summary = arena_printf(run->arena, "%s: %s", err.message,
                                    needed ? "the schema cannot be read"
                                           : "the schemas of both sides cannot be compared"),
            .advice = arena_strdup(run->arena, err.hint),
        },
        NULL);
}

/* With `schema: drizzle` the schema is made of the app's journal: what is wrong with its folder
 * ends the move before a row is copied. */
static void judge_migrations(AssessRun *run)
{
    const Config *config = run->config;
    MigrationsPlace place;
    MigrationsFolder folder;
    Error err = ERROR_INIT;

    if (config->schema != SCHEMA_DRIZZLE ||
        (migrations_locate(run->arena, config, NULL, &place, &err) &&
         migrations_load(run->arena, place.folder, &folder, &err)))
        return;
    finding_add(run,
                &(FindingText){
                    .id = "migrations-unreadable",
                    .severity = SEVERITY_BLOCKER,
                    .scope = SCOPE_BOTH,
                    .side = SIDE_SOURCE,
                    .summary = arena_printf(run->arena,
                                            "%s: the schema is to be made of the app's "
                                            "migrations",
                                            err.message),
                    .advice = arena_strdup(run->arena, err.hint),
                },
                NULL);
}

/* Foreign keys and triggers must rest while changes are applied; where the rows come before them
 * (a schema that homeport makes, without a stream) they do not exist yet. */
static void judge_target_may_rest(AssessRun *run)
{
    const AssessServer *target = &run->sides[SIDE_TARGET];
    bool once = run->config->schema == SCHEMA_EXISTING;
    const char *role = target->quoted_role;
    FindingParts parts = {.arena = run->arena};

    if (target->may_rest)
        return;
    parts_add_object(&parts, role);
    parts_add_fix(&parts,
                  target->seen.version_num >= 150000
                      ? arena_printf(run->arena,
                                     "GRANT SET ON PARAMETER session_replication_role TO %s;", role)
                      : arena_printf(run->arena, "ALTER ROLE %s SUPERUSER;", role));
    finding_add(run,
                &(FindingText){
                    .id = "target-replica-role",
                    .severity = SEVERITY_BLOCKER,
                    .scope = once ? SCOPE_BOTH : SCOPE_LIVE,
                    .side = SIDE_TARGET,
                    .summary = "this role may not set session_replication_role on the target: "
                               "foreign keys and triggers would act on what is only copied",
                    .advice = "as a superuser",
                },
                &parts);
}

/* What a move whose work folder is lost has left: all that it would have taken away itself. */
static void add_removal(AssessRun *run, FindingParts *parts, AssessSide side, const char *id)
{
    Fence fence = {.url = &run->sides[side].url};
    const char *publication = arena_printf(run->arena, "homeport_%s", id);
    const char *slots = arena_printf(run->arena, "%s\\_%%", publication);

    parts_add_fix(parts, fence_lift_sql(run->arena, &fence));
    parts_add_fix(parts, "BEGIN READ WRITE;\nDROP SCHEMA homeport CASCADE;");
    parts_add_fix(parts, arena_printf(run->arena, "DROP PUBLICATION IF EXISTS %s;\nCOMMIT;",
                                      pg_ident(run->arena, publication)));
    parts_add_fix(parts,
                  arena_printf(run->arena,
                               "SELECT pg_drop_replication_slot(slot_name) FROM "
                               "pg_replication_slots WHERE slot_name LIKE %s AND NOT active;",
                               pg_literal(run->arena, slots)));
}

/* The move of the work folder itself is not in its own way. --once leaves the source as it is, and
 * marks on the target what it has done. */
static bool judge_owner(AssessRun *run, AssessSide side, Error *err)
{
    FindingParts parts = {.arena = run->arena};
    MoveRecord move;
    int holder = 0;
    const char *other = NULL;

    if (!state_peek(run->arena, run->config->dir, &move, &holder, err))
        return false;
    if (!owner_other(run->sides[side].conn, run->arena, move.exists ? move.id : "", &other, err))
        return rule_unanswered(run, "other-move", side, err);
    if (!other)
        return true;
    parts_add_object(&parts, arena_printf(run->arena, "move %s", other));
    add_removal(run, &parts, side, other);
    bool target = side == SIDE_TARGET;
    finding_add(
        run,
        &(FindingText){
            .id = "other-move",
            .severity = SEVERITY_BLOCKER,
            .scope = target ? SCOPE_BOTH : SCOPE_LIVE,
            .side = side,
            .summary = target ? "another move is under way on the target: what it has done is "
                                "marked there, and a side belongs to one move"
                              : "another live move is under way on the source: its fence and its "
                                "way back are there, and a side has one of each",
            .advice = target ? "with the --dir of that move `homeport finish`, `homeport abort` "
                               "or, where it was one, `homeport move --once` ends it; only where "
                               "its work folder is lost, this"
                             : "`homeport finish` or `homeport abort` with the --dir of that move "
                               "ends it; only where its work folder is lost, this",
        },
        &parts);
    return true;
}

bool assess_server_rules(AssessRun *run, Error *err)
{
    assess_version_rules(run);
    judge_source_standby(run);
    judge_target_read_only(run);
    judge_same_database(run);
    judge_programs(run);
    judge_migrations(run);
    judge_target_may_rest(run);
    for (AssessSide side = SIDE_SOURCE; side < SIDE_COUNT; side++) {
        judge_pooler(run, side);
        if (!judge_connections(run, side, err) || !judge_owner(run, side, err))
            return error_add_context(err, "assess %s", side_names[side]);
    }
    return true;
}
