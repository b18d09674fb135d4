#include "move/job.h"

#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "core/text.h"
#include "move/fence.h"
#include "move/finish.h"
#include "move/large_objects.h"
#include "move/relax.h"

enum {
    SNAPSHOT_TRIES = 3,
    CONNECT_S = 15,   /* at first: who waits for a wrong address wants to know it */
    RECONNECT_S = 60, /* a server that was there is coming back */
    JOBS_MAX = 8,
    MEMORY_LEAST = 64 << 20,
    LARGE_OBJECTS_MARK = 0, /* entries of an archive begin at 1 */
};

void job_say(const Job *job, const char *text)
{
    if (job->watch && job->watch->step)
        job->watch->step(job->watch->context, text);
}

/* ---- before anything is touched ---- */

const char *job_path(const Job *job, const char *name)
{
    return arena_printf(job->arena, "%s/%s", job->config->dir, name);
}

bool job_forget_archives(const Job *job, Error *err)
{
    static const char *const names[] = {"schema.dump", "schema.new", "schema.roles", "drizzle.dump",
                                        "large_objects.list"};

    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (!file_remove_tree(job_path(job, names[i]), err))
            return false;
    return true;
}

static bool target_facts(Job *job, Error *err)
{
    auto_result PGresult *res = NULL;

    if (!pg_query(job->target, sql_target_facts, 0, NULL, &res, err))
        return error_add_context(err, "ask the target for its size");
    int64_t buffers = pg_cell_i64(res, 0, 1);
    int parallel = (int)pg_cell_i64(res, 0, 2);
    bool local = pg_cell_bool(res, 0, 3);

    /* On this machine its processors can be counted: one worker more than there are, since a COPY
     * waits for the other side now and then (docs/benchmarks.md). Elsewhere the server's own idea
     * of how many processes may work at once is the best that SQL tells; half of them, as each of
     * ours keeps a process of the source busy too. */
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    int jobs = local && cpus > 0 ? (int)cpus + 1 : parallel / 2;
    if (jobs > JOBS_MAX)
        jobs = JOBS_MAX;
    job->jobs = job->config->jobs > 0 ? job->config->jobs : jobs > 2 ? jobs : 2;
    job->streams = job->config->jobs == 0 && local ? job->jobs - 1 : job->jobs;

    /* shared_buffers is about a quarter of a server's memory: half as much again for all of our
     * sorts together leaves the rest to its cache. */
    job->memory_bytes = buffers / 2 / job->jobs;
    if (job->memory_bytes < MEMORY_LEAST)
        job->memory_bytes = MEMORY_LEAST;
    return true;
}

/* Few commits are the main thread's: each waits for the disk, and those of the workers with it. */
bool job_connect_target(Job *job, Error *err)
{
    int seconds = job->reached ? RECONNECT_S : CONNECT_S;

    pg_close(job->target);
    job->target = NULL;
    if (!pg_connect_retry(&job->target_url, "move", seconds, &job->target, err))
        return error_add_context(err, "connect to the target");
    job->reached = true;
    return pg_exec(job->target, "SET synchronous_commit = local", err) &&
           (!job->live || fence_pass(job->target, job->live->token, err)) && target_facts(job, err);
}

bool job_reconnect_target(Job *job, Error *err)
{
    return job_connect_target(job, err) && marks_check_crash(job->target, err);
}

/* After a time in which only the workers' connections were used. */
bool job_revive_target(Job *job, Error *err)
{
    if (pg_exec(job->target, "SELECT 1", err))
        return true;
    return err->code == ERR_CONNECT && job_reconnect_target(job, err);
}

static bool check_same_move(const Job *job, Error *err)
{
    const MoveRecord *move = &job->state.move;

    if (strcmp(move->source, job->source_url.redacted) == 0 &&
        strcmp(move->target, job->target_url.redacted) == 0)
        return true;
    (void)error_set(err, ERR_WRONG_STATE, "the folder \"%s\" belongs to a move from %s to %s",
                    job->config->dir, move->source, move->target);
    return error_hint(err, "Give another --dir for this one.");
}

static bool assess(Job *job, Error *err)
{
    Assessment *assessment = &job->report->assessment;

    if (!assess_run(job->arena, job->config, job->live ? SCOPE_LIVE : SCOPE_ONCE, assessment, err))
        return false;
    if (assessment->blockers == 0)
        return true;
    (void)error_set(err, ERR_FOUND, "%d finding%s in the way of this move", assessment->blockers,
                    assessment->blockers == 1 ? " stands" : "s stand");
    return error_hint(err, "`homeport check%s` says what to do about each.",
                      job->live ? "" : " --once");
}

/* ---- after the rows ---- */

/* Marked once done: to restore them again would take their privileges and comments with it, which
 * are marked themselves. */
static bool restore_large_objects(Job *job, const Attempt *attempt, Error *err)
{
    LargeObjectRequest request = {
        .config = job->config,
        .programs = &attempt->programs,
        .archive = &attempt->archive,
        .path = job_path(job, "schema.dump"),
        .list_path = job_path(job, "large_objects.list"),
        .target = job->target,
        .target_url = &job->target_url,
    };
    int *done = NULL;
    int count = 0;

    if (!marks_entries(job->target, job->arena, &done, &count, err))
        return false;
    if (marks_has_entry(done, count, LARGE_OBJECTS_MARK))
        return true;
    if (attempt->large_objects)
        return large_objects_restore(job->arena, &request, &job->report->large_objects, err) &&
               marks_entry(job->target, LARGE_OBJECTS_MARK, err);
    /* There were some when an earlier run began. */
    return !job->report->resumed || job->config->schema != SCHEMA_DUMP ||
           large_objects_remove(job->target, err);
}

static bool finish_schema(Job *job, const Attempt *attempt, Error *err)
{
    static const EntryStage stages[] = {STAGE_REST, STAGE_INDEX, STAGE_PRIVILEGES};

    if (!restore_large_objects(job, attempt, err))
        return false;
    for (size_t i = 0; i < COUNT_OF(stages); i++)
        if (!schema_run_stage(job->target, job->config, &attempt->archive, stages[i], err))
            return false;
    return true;
}

bool job_finish(Job *job, Attempt *attempt, Error *err)
{
    if (!sequences_set(job->target, attempt->sequences, attempt->sequence_count, err) ||
        !finish_schema(job, attempt, err) ||
        !matviews_refresh(attempt->keeper.conn, job->target, err) ||
        !parents_analyze(job->target, err))
        return false;
    job->report->sequences = attempt->sequence_count;
    return schema_run_stage(job->target, job->config, &attempt->archive, STAGE_LAST, err);
}

/* ---- one snapshot after the other ---- */

static void attempt_close(Attempt *attempt, const PgUrl *target)
{
    drizzle_close(&attempt->scratch, target);
    keeper_close(&attempt->keeper);
}

static bool open_attempt(Job *job, Attempt *attempt, Error *err)
{
    auto_result PGresult *res = NULL;

    bool kept = job->live ? job->live->open_keeper(job->live->context, job, attempt, err)
                          : keeper_open(job->arena, &job->source_url, NULL, &attempt->keeper, err);
    if (!kept ||
        !keeper_list(&attempt->keeper, job->arena, &attempt->tables, &attempt->table_count, err) ||
        !keeper_lock(&attempt->keeper, attempt->tables, attempt->table_count, err) ||
        !identities_mark(job->identities, attempt->keeper.conn, attempt->tables,
                         attempt->table_count, err) ||
        !sequences_read(attempt->keeper.conn, job->arena, &attempt->sequences,
                        &attempt->sequence_count, err) ||
        !pg_query(attempt->keeper.conn, sql_move_has_large_objects, 0, NULL, &res, err))
        return false;
    attempt->large_objects = pg_cell_bool(res, 0, 0);
    /* Made since the check. */
    if (attempt->large_objects && job->config->schema != SCHEMA_DUMP) {
        (void)error_set(err, ERR_WRONG_STATE,
                        "the source has large objects, which only come with its dump");
        return error_hint(err, "`homeport check` says what can be done.");
    }
    attempt->opened = true;
    return true;
}

static bool run_attempt(Job *job, Attempt *attempt, Error *err)
{
    MoveReport *report = job->report;
    double started = clock_seconds();

    job_say(job, "schema");
    if (!open_attempt(job, attempt, err) || !job_obtain_archive(job, attempt, err) ||
        !job_ensure_schema(job, attempt, err))
        return false;
    double schema_done = clock_seconds();
    report->seconds_schema = schema_done - started;
    job_say(job, "copy");
    if (!job_copy(job, attempt, err))
        return false;
    double copied = clock_seconds();
    report->seconds_copy = copied - schema_done;
    report->tables = attempt->table_count;
    report->rows = atomic_load(&attempt->progress.rows);
    report->bytes = atomic_load(&attempt->progress.bytes);
    report->indexes = attempt->plan.indexes;
    report->constraints = attempt->plan.constraints;
    job_say(job, "finish");
    bool ok = job->complete(job, attempt, err);
    report->seconds_finish = clock_seconds() - copied - report->verify.seconds;
    return ok;
}

/* What was done can be done again: connections that were there are worth another try. */
static bool is_worth_a_try(const Attempt *attempt, const Error *err)
{
    return err->code == ERR_SNAPSHOT || (err->code == ERR_CONNECT && attempt->opened);
}

bool job_run_attempts(Job *job, Error *err)
{
    for (int tries = 1;; tries++) {
        Attempt attempt = {0};

        bool ok = job_connect_target(job, err) && run_attempt(job, &attempt, err);
        attempt_close(&attempt, &job->target_url);
        if (ok || !is_worth_a_try(&attempt, err) || tries == SNAPSHOT_TRIES)
            return ok;
        log_warn("starting again", kv_str("reason", err->message), kv_i64("try", tries));
        job_say(job, "the snapshot is lost; rows start again under a new one");
    }
}

static bool check_kind(const Job *job, Error *err)
{
    if (job->state.move.live == (job->live != NULL))
        return true;
    (void)error_set(err, ERR_WRONG_STATE, "the folder \"%s\" belongs to a move of the other kind",
                    job->config->dir);
    return error_hint(err, job->live ? "Go on with `homeport move --once`, or give another --dir."
                                     : "Go on without --once, or give another --dir.");
}

bool job_open(Job *job, Error *err)
{
    return url_parse(job->arena, job->config->source, "source", &job->source_url, err) &&
           url_parse(job->arena, job->config->target, "target", &job->target_url, err) &&
           state_open(job->arena, job->config->dir, &job->state, err) &&
           (!state_is_begun(&job->state) || (check_same_move(job, err) && check_kind(job, err)));
}

/* Nothing is at the target that was mapped: with --once all rows start again (rule 6). */
static bool is_unmapped_yet(const Job *job)
{
    return !state_is_begun(&job->state) ||
           (!job->live && job->state.move.place.phase != PHASE_FINISHING);
}

static bool pin_identities(Job *job, Error *err)
{
    auto_arena Arena *scratch = arena_new();
    Place next;

    if (identities_pin(job->identities, job->state.store, true, err))
        return true;
    if (err->code == ERR_WRONG_STATE && place_next(job->state.move.place, EVENT_ABORT, &next))
        return error_hint(err, "%s Or begin again, by `homeport abort`, then `homeport move`.",
                          arena_strdup(scratch, err->hint));
    return false;
}

bool job_open_identities(Job *job, Error *err)
{
    bool fresh = is_unmapped_yet(job);

    return identities_load(job->config, &job->identities, err) &&
           (!job->identities ||
            identities_note_in(job->identities, job->config->dir, fresh, err)) &&
           (fresh || pin_identities(job, err));
}

void job_set_encoding(Job *job, const char *encoding)
{
    url_set_encoding(&job->source_url, encoding);
    url_set_encoding(&job->target_url, encoding);
}

bool job_prepare(Job *job, Error *err)
{
    MoveBegin begin = {
        .source = job->source_url.redacted,
        .target = job->target_url.redacted,
        .live = job->live != NULL,
    };

    job_say(job, "check");
    if (!assess(job, err))
        return false;
    job_set_encoding(job, job->report->assessment.source.encoding);
    bool fresh = is_unmapped_yet(job);
    return (!fresh || identities_pin(job->identities, job->state.store, false, err)) &&
           (state_is_begun(&job->state) || state_begin(&job->state, job->arena, &begin, err));
}

/* After a failure: put the target's settings back if it can still be reached. */
static void leave_relaxed(Job *job)
{
    Error failed = ERROR_INIT;

    if (!job_connect_target(job, &failed) || !relax_end(job->target, job->state.store, &failed))
        log_warn("the target's server stays relaxed until the move is run again; `homeport status` "
                 "has the SQL that puts it back",
                 kv_str("reason", failed.message));
}

void job_close(Job *job, bool ok)
{
    if (!ok && job->relaxed)
        leave_relaxed(job);
    pg_close(job->target);
    job->target = NULL;
    identities_free(job->identities);
    job->identities = NULL;
    state_close(&job->state);
}
