/*
 * move --once: everything, of one moment.
 *
 * planned    assess; nothing is touched
 * schema     homeport's marks on the target, then pre-data in one transaction
 * copying    rows, indexes, keys; then what comes after; then verification
 * finishing  all is there and on the target's disk: the marks are dropped
 * finished
 *
 * Killed at any point, the marks on the target tell the next run what is there.
 * Its snapshot is another one, so the rows start again (rule 6); the schema
 * stays unless the source's has changed meanwhile. Within a run a connection
 * that broke is made again, unless what hung on it is lost: the keeper's
 * snapshot, or the last commits of a target that crashed.
 */
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "move/database.h"
#include "move/finish.h"
#include "move/job.h"
#include "move/relax.h"

enum {
    FINISH_TRIES = 5
};

static bool verify(Job *job, const Attempt *attempt, Error *err)
{
    VerifyOptions options = {
        .snapshot = attempt->keeper.snapshot,
        .sequences = attempt->sequences,
        .sequence_count = attempt->sequence_count,
        .rows_only = attempt->archive.count == 0,
        /* What the journal makes is what was meant; drift was reported before. */
        .schema_of = attempt->scratch.conn ? &attempt->scratch.url : NULL,
        .watch = job->watch,
    };

    if (!job->config->verify)
        return state_note_compared(&job->state, COMPARED_NOTHING, err);
    job_say(job, "verify");
    if (!verify_run(job->arena, job->config, &options, &job->report->verify, err))
        return error_add_context(err, "verify");
    job->report->verify_done = true;
    const VerifyReport *found = &job->report->verify;
    if (!state_note_compared(&job->state, compared_of(found), err))
        return false; /* not run: the state was written to before */
    if (found->verified)
        return true;
    if (found->differences == 0 && !found->schema_compared) {
        (void)error_set(err, ERR_FOUND,
                        "all rows are equal, but the schema could not be compared: %s",
                        found->schema_skipped ? found->schema_skipped : "no reason");
        const char *hint = found->schema_hint ? found->schema_hint : "";
        /* Of the journal's schema, which need not be the source's, only a run of the move knows. */
        if (attempt->scratch.conn)
            return error_hint(err, "%s", hint);
        return error_hint(
            err,
            "%s%sThen `homeport verify` completes the move, where nothing was written "
            "since.",
            hint, *hint ? " " : "");
    }
    (void)error_set(err, ERR_FOUND, "the target differs from the source");
    return error_hint(err, "The move is not finished: run it again, and if the difference stays, "
                           "report it with the work folder's contents.");
}

static bool note_target(Job *job, Error *err)
{
    DatabaseId id;

    return database_id_read(job->target, job->arena, &id, err) &&
           state_note_target(&job->state, database_id_text(job->arena, &id), err);
}

/* Connects. What the folder says is of the database that was filled: at its address there may be
 * another one since. */
static bool find_target_again(Job *job, Error *err)
{
    const char *noted = job->state.move.target_database;
    DatabaseId id;

    if (!job_connect_target(job, err) || !database_id_read(job->target, job->arena, &id, err))
        return false;
    if (!noted || strcmp(noted, database_id_text(job->arena, &id)) == 0)
        return true;
    (void)error_set(err, ERR_WRONG_STATE,
                    "the move of the folder \"%s\" filled another database than the one that is at "
                    "%s now: that one was made since, and nothing was moved into it",
                    job->config->dir, job->target_url.redacted);
    return error_hint(err, "Give another --dir to move into this one.");
}

/* The phase says that all is on the target's disk: one commit waits for that, and WAL is flushed in
 * order. From then on only the marks have to go. */
static bool conclude(Job *job, Error *err)
{
    return pg_exec(job->target, "SET synchronous_commit = on", err) &&
           marks_schema_done(job->target, err) && note_target(job, err) &&
           state_event(&job->state, EVENT_ALL_THERE, err) && marks_drop(job->target, err) &&
           job_forget_archives(job, err) && state_event(&job->state, EVENT_DONE, err);
}

/* Stopped between the last two steps of conclude(): marks that are not there were dropped. */
static bool conclude_again(Job *job, Error *err)
{
    Marks marks;

    if (!find_target_again(job, err) || !marks_read(job->target, job->arena, &marks, err))
        return false;
    if (marks.there && strcmp(marks.id, job->state.move.id) != 0)
        /* not run: it would have had to begin between two steps of the end of this one */
        return job_other_move(&marks, err);
    return (!marks.there || marks_drop(job->target, err)) && job_forget_archives(job, err) &&
           state_event(&job->state, EVENT_DONE, err);
}

static bool complete_once(Job *job, Attempt *attempt, Error *err)
{
    if (job->state.move.place.phase == PHASE_FINISHING)
        return conclude_again(job, err);
    return job_finish(job, attempt, err) && verify(job, attempt, err) && conclude(job, err);
}

/* Each step can be done twice: a broken connection does not cost the rows. */
static bool complete(Job *job, Attempt *attempt, Error *err)
{
    for (int tries = 1; !complete_once(job, attempt, err); tries++) {
        if (err->code != ERR_CONNECT || tries == FINISH_TRIES)
            return false;
        log_warn("connection lost, doing it again under the same snapshot",
                 kv_str("reason", err->message), kv_i64("try", tries));
        if (job->state.move.place.phase != PHASE_FINISHING &&
            (!keeper_ping(&attempt->keeper, err) || !job_reconnect_target(job, err)))
            return false;
    }
    return true;
}

static bool run(Job *job, Error *err)
{
    MoveReport *report = job->report;

    if (!job_open(job, err))
        return false;
    if (job->state.move.place.phase == PHASE_FINISHING && !conclude_again(job, err))
        return false;
    if (job->state.move.place.phase == PHASE_FINISHED) {
        report->already_done = true;
        return job->target || find_target_again(job, err);
    }
    return job_open_identities(job, err) && job_prepare(job, err) &&
           state_count_run(&job->state, err) &&
           state_note_compared(&job->state, COMPARED_UNKNOWN, err) && job_run_attempts(job, err);
}

bool move_once(Arena *arena, const Config *config, const MoveWatch *watch, MoveReport *ret,
               Error *err)
{
    Job job = {.arena = arena,
               .config = config,
               .watch = watch,
               .report = ret,
               .complete = complete,
               .state = {.lock_fd = -1}};
    double started = clock_seconds();

    *ret = (MoveReport){0};
    bool ok = run(&job, err);
    ret->identities_kept = job.identities ? identities_kept(job.identities, false) : 0;
    ret->seconds = clock_seconds() - started;
    if (!ok)
        state_note_error(&job.state, err);
    job_close(&job, ok);
    return ok;
}

/* ---- a comparison that comes later ---- */

/* The last run has done everything, and has found all rows equal: each run takes that back before
 * it touches the target. */
static bool waits_for_schema(const MoveRecord *move)
{
    return move->exists && !move->live && move->place.phase == PHASE_COPYING &&
           move->compared == COMPARED_ROWS;
}

/* Before the comparison: nobody else may work on the folder until it is over, and what is compared
 * must be on the target's disk. The connection stays, so that a crash from here on, which unlogged
 * tables lose their rows by, is met. */
static bool begin_completing(Job *job, Error *err)
{
    Marks marks;

    if (!job_open(job, err) || !job_connect_target(job, err) ||
        !marks_read(job->target, job->arena, &marks, err))
        return false;
    if (!waits_for_schema(&job->state.move) || !marks.there ||
        strcmp(marks.id, job->state.move.id) != 0)
        return error_set(err, ERR_WRONG_STATE, "what the move has made is not there any more");
    return marks_check_crash(job->target, err) &&
           pg_exec(job->target, "SET synchronous_commit = on", err) &&
           marks_schema_done(job->target, err);
}

static bool complete_later(Job *job, Error *err)
{
    bool fine = marks_check_crash(job->target, err) &&
                relax_end(job->target, job->state.store, err) &&
                state_note_compared(&job->state, COMPARED_EQUAL, err) && conclude(job, err);

    if (fine)
        state_clear_error(&job->state);
    return fine;
}

bool move_verify(Arena *arena, const Config *config, const VerifyOptions *options,
                 VerifyReport *ret, bool *ret_completed, Error *err)
{
    Job job = {.arena = arena, .config = config, .state = {.lock_fd = -1}};
    MoveRecord move = {0};
    Error failed = ERROR_INIT;
    int holder = 0;

    bool waits = !options->rows_only && state_peek(arena, config->dir, &move, &holder, &failed) &&
                 waits_for_schema(&move);
    bool may = waits && begin_completing(&job, &failed);
    bool ok = verify_run(arena, config, options, ret, err);
    bool equal = ok && ret->verified && ret->schema_compared;
    *ret_completed = equal && may && complete_later(&job, &failed);
    if (equal && waits && !*ret_completed)
        log_warn("the move is not completed by this", kv_str("reason", failed.message));
    job_close(&job, true);
    return ok;
}
