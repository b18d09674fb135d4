#include <string.h>

#include "core/file.h"
#include "core/text.h"
#include "move/job.h"
#include "move/relax.h"

static bool dump_source(Job *job, Attempt *attempt, Archive *ret, Error *err)
{
    DumpRequest request = {
        .programs = &attempt->programs,
        .url = &job->source_url,
        .snapshot = attempt->keeper.snapshot,
        .large_objects = attempt->large_objects,
        .path = job_path(job, "schema.new"),
    };

    return schema_dump(job->arena, &request, ret, err);
}

bool job_obtain_archive(Job *job, Attempt *attempt, Error *err)
{
    Archive source;

    if (job->config->schema == SCHEMA_EXISTING)
        return true;
    if (!programs_find(job->arena, job->config, PQserverVersion(attempt->keeper.conn),
                       PQserverVersion(job->target), &attempt->programs, err))
        return false;
    if (!dump_source(job, attempt, &source, err)) {
        Error lost = ERROR_INIT;
        if (err->code == ERR_PROGRAM && !keeper_ping(&attempt->keeper, &lost))
            *err = lost; /* which pg_dump met in its own words */
        return false;
    }
    attempt->archive_path = job_path(job, "schema.new");
    if (job->config->schema == SCHEMA_DUMP) {
        attempt->archive = source;
        return true;
    }
    DrizzleRequest request = {
        .config = job->config,
        .programs = &attempt->programs,
        .target = &job->target_url,
        .move_id = job->state.move.id,
        .archive_path = job_path(job, "drizzle.dump"),
        .source = &source,
        .source_major = PQserverVersion(attempt->keeper.conn) / 10000,
        .keeper = attempt->keeper.conn,
        .tables = attempt->tables,
        .table_count = attempt->table_count,
    };
    Drift drift = {0};
    bool ok =
        drizzle_schema(job->arena, &request, &attempt->scratch, &drift, &attempt->archive, err);
    job->report->drift = drift.lines;
    job->report->drift_count = drift.count;
    return ok;
}

static bool create_schema(Job *job, const Attempt *attempt, Error *err)
{
    if (attempt->archive.count == 0)
        return marks_schema_done(job->target, err);
    return schema_create(job->target, job->config, &attempt->archive, err);
}

/* Objects belong to whom --map-role said when they were made. */
static const char *role_map_text(const Job *job)
{
    Text text = text_init(job->arena, 1 << 20);

    for (int i = 0; i < job->config->role_map_count; i++)
        text_addf(&text, "%s\n%s\n", job->config->role_map[i].from, job->config->role_map[i].to);
    return text_str(&text);
}

/* Whether the schema on the target was made of this archive, by the files kept since. Those of
 * another `schema:` are as good as none. */
static bool schema_unchanged(Job *job, const Attempt *attempt, Archive *ret_old)
{
    Error ignored = ERROR_INIT;
    char *roles = NULL;

    if (!schema_read(job->arena, job_path(job, "schema.dump"), ret_old, &ignored))
        return attempt->archive.count == 0;
    return file_read(job->arena, job_path(job, "schema.roles"), 1 << 20, &roles, NULL, &ignored) &&
           strcmp(roles, role_map_text(job)) == 0 && archive_equal(ret_old, &attempt->archive);
}

static bool keep_archive(Job *job, const Attempt *attempt, Error *err)
{
    const char *to = job_path(job, "schema.dump");
    const char *from = job->config->schema == SCHEMA_DRIZZLE ? job_path(job, "drizzle.dump")
                                                             : attempt->archive_path;
    const char *roles = role_map_text(job);

    if (attempt->archive.count == 0)
        return true;
    if (rename(from, to) < 0)
        return error_set_errno(err, "keep \"%s\"", to);
    return file_replace(job_path(job, "schema.roles"), roles, strlen(roles), err);
}

/* Back to an empty target, recorded before it is begun. */
static bool drop_schema(Job *job, const Attempt *attempt, const Archive *old, Error *err)
{
    if (!state_event(&job->state, EVENT_SCHEMA_CHANGED, err) ||
        !relax_end(job->target, job->state.store, err))
        return false;
    if (old->count == 0 || attempt->archive.count == 0)
        (void)error_set(err, ERR_WRONG_STATE,
                        "the schema on the target was made by an earlier run in another way");
    else if (schema_drop_all(job->target, old, err))
        return marks_begin(job->target, job->state.move.id, err);
    if (err->code == ERR_CONNECT)
        return false;
    return error_hint(err,
                      "Empty the target by hand (drop and create the database), remove the work "
                      "folder \"%s\", and begin again.",
                      job->config->dir);
}

/* Live: tables that are finished stay so, each with the position of the snapshot that it was copied
 * under (rule 6). Not where the stream begins anew, nor where the target has crashed since. */
static bool keep_finished(Job *job, Attempt *attempt, Error *err)
{
    if (attempt->archive.count == 0 || attempt->fresh)
        return true;
    bool *finished = arena_array(job->arena, (size_t)attempt->table_count, sizeof *finished);
    Error why = ERROR_INIT;
    if (!marks_check_crash(job->target, &why)) {
        if (why.code != ERR_SNAPSHOT)
            *err = why;
        return why.code == ERR_SNAPSHOT;
    }
    if (!marks_keep_finished(job->target, attempt->tables, attempt->table_count, finished, err))
        return false;
    attempt->finished = finished;
    attempt->resumed = true;
    return true;
}

/* An earlier run left a whole schema: either it still is the source's, and only
 * what came after it goes, or all of it goes. */
static bool reuse_schema(Job *job, Attempt *attempt, bool *ret_kept, Error *err)
{
    Archive old = {0};

    *ret_kept = schema_unchanged(job, attempt, &old);
    if (!*ret_kept) {
        job_say(job, "the schema has changed since the run before; starting from empty");
        return drop_schema(job, attempt, &old, err);
    }
    if (job->state.move.place.phase == PHASE_SCHEMA &&
        !state_event(&job->state, EVENT_SCHEMA_DONE, err))
        return false;
    if (!state_event(&job->state, EVENT_ROWS_RESTARTED, err))
        return false;
    if (job->live && !keep_finished(job, attempt, err))
        return false;
    job_say(job, attempt->resumed ? "schema and finished tables kept from the run before"
                                  : "schema kept from the run before; rows start again");
    if (attempt->resumed)
        return true;
    /* What was there before the move began is not ours to drop. */
    return attempt->archive.count == 0 || schema_drop_marked(job->target, &attempt->archive, err);
}

bool job_other_move(const Marks *marks, Error *err)
{
    (void)error_set(err, ERR_WRONG_STATE, "another move has begun on this target (id %s)",
                    marks->id);
    return error_hint(err,
                      "Go on with it in its own work folder, or give an empty target: drop and "
                      "create the database.");
}

/* Ours or nobody's. What an earlier run left at work there might still commit: it is ended first.
 */
static bool claim_target(Job *job, Marks *ret, Error *err)
{
    if (!marks_read(job->target, job->arena, ret, err))
        return false;
    if (ret->there && strcmp(ret->id, job->state.move.id) != 0)
        return job_other_move(ret, err);
    return job->state.move.place.phase == PHASE_PLANNED ||
           (marks_end_sessions(job->target, err) && marks_read(job->target, job->arena, ret, err));
}

/* A schema that is not marked as done was rolled back whole. */
static bool begin_schema(Job *job, const Marks *marks, Error *err)
{
    Phase phase = job->state.move.place.phase;

    if (phase != PHASE_PLANNED && phase != PHASE_SCHEMA) {
        job_say(job, "the target is empty again; starting from the beginning");
        if (!state_event(&job->state, EVENT_TARGET_EMPTY, err))
            return false;
    }
    return state_event(&job->state, EVENT_SCHEMA_STARTED, err) &&
           (marks->there || marks_begin(job->target, job->state.move.id, err));
}

/* An archive is kept before the target is touched: a later run must know what
 * was made there. */
bool job_ensure_schema(Job *job, Attempt *attempt, Error *err)
{
    Marks marks;
    bool kept = false;

    if (!claim_target(job, &marks, err))
        return false;
    job->report->resumed |= marks.there;
    bool ok = marks.there && marks.schema_done ? reuse_schema(job, attempt, &kept, err)
                                               : begin_schema(job, &marks, err);
    if (!ok || !keep_archive(job, attempt, err))
        return false;
    if (!kept &&
        (!create_schema(job, attempt, err) || !state_event(&job->state, EVENT_SCHEMA_DONE, err)))
        return false;
    return !job->live || job->live->schema_made(job->live->context, job, attempt, err);
}
