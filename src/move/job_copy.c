#include "core/clock.h"
#include "core/log.h"
#include "core/text.h"
#include "move/job.h"
#include "move/reckon.h"
#include "move/relax.h"

enum {
    SAVE_EVERY_MS = 1000,
};

static bool truncate_tables(Job *job, const Table *const *tables, int count, Error *err)
{
    Text sql = text_init(job->arena, 64 << 20);

    if (count == 0)
        return true;
    text_add(&sql, "TRUNCATE ");
    for (int i = 0; i < count; i++)
        text_addf(&sql, "%sONLY %s", i ? ", " : "", tables[i]->qualified);
    return pg_exec(job->target, text_str(&sql), err) ||
           error_add_context(err, "empty the target's tables");
}

/* Tables into which several tasks copy cannot be emptied by one of them; with
 * foreign keys in place, all must be emptied at once. */
static bool empty_tables(Job *job, const Attempt *attempt, Error *err)
{
    if (attempt->archive.count > 0)
        return truncate_tables(job, attempt->plan.emptied, attempt->plan.emptied_count, err);

    if (!work_silence_triggers(job->target, err))
        return false;
    const Table **all =
        arena_array(job->arena, (size_t)attempt->table_count, sizeof(const Table *));
    int count = 0;
    for (int i = 0; i < attempt->table_count; i++)
        if (!attempt->tables[i].condition)
            all[count++] = &attempt->tables[i];
    return truncate_tables(job, all, count, err) &&
           pg_exec(job->target, sql_target_forget_parts, err);
}

typedef struct Tick {
    Job *job;
    Attempt *attempt;
} Tick;

static void update_rate(Attempt *attempt, double now, int64_t bytes)
{
    double elapsed = now - attempt->last_time;

    if (elapsed < 0.5)
        return;
    double rate = (double)(bytes - attempt->last_bytes) / elapsed;
    attempt->rate = attempt->rate > 0 ? 0.7 * attempt->rate + 0.3 * rate : rate;
    attempt->last_time = now;
    attempt->last_bytes = bytes;
}

/* It never goes back, whatever the parts that are done tell of the others. */
static double find_share(Attempt *attempt, bool over)
{
    WorkProgress *work = &attempt->progress;
    int64_t copied = atomic_load(&work->copied_bytes);
    int64_t known = atomic_load(&work->reckoned_bytes);
    int64_t sent = atomic_load(&work->bytes) - copied - atomic_load(&work->lost_bytes) - known;
    Reckoning reckoning = {
        .all = (double)attempt->plan.weight,
        .done = (double)atomic_load(&work->weight),
        .copies = (double)attempt->plan.copy_weight,
        .copies_done = (double)atomic_load(&work->copied_weight),
        .bytes_done = (double)copied,
        /* Counted at slightly different moments. */
        .bytes_sent = (double)(sent > 0 ? sent : 0),
        .reckoned = (double)atomic_load(&work->reckoned_weight),
    };
    double share = over ? 1 : reckon_share(&reckoning);

    if (share > attempt->share)
        attempt->share = share;
    return attempt->share;
}

static MoveProgress make_progress(Attempt *attempt)
{
    WorkProgress *work = &attempt->progress;
    double now = clock_seconds();
    int64_t bytes = atomic_load(&work->bytes);
    int total = attempt->plan.indexes + attempt->plan.constraints;
    int built = atomic_load(&work->indexes_done) + atomic_load(&work->constraints_done);
    bool copied = atomic_load(&work->parts_done) == attempt->plan.copy_parts;
    double share = find_share(attempt, copied && built == total);

    update_rate(attempt, now, bytes);
    return (MoveProgress){
        .step = copied ? "indexes" : "copy",
        .bytes = bytes,
        .rows = atomic_load(&work->rows) + atomic_load(&work->running_rows),
        .tables = atomic_load(&work->tables_done),
        .tables_total = attempt->plan.copy_tables,
        .indexes = built,
        .indexes_total = total,
        .fraction = share,
        .rate = copied ? 0 : attempt->rate,
        .seconds_left = reckon_seconds_left(share, now - attempt->copy_started),
    };
}

static bool on_tick(void *context, Error *err)
{
    const Tick *tick = context;
    Job *job = tick->job;
    MoveProgress progress = make_progress(tick->attempt);
    double now = clock_seconds();

    if (job->watch && job->watch->progress)
        job->watch->progress(job->watch->context, &progress);
    bool over =
        progress.tables == progress.tables_total && job->state.move.tables_done != progress.tables;
    if (!over && now - tick->attempt->last_save < SAVE_EVERY_MS / 1000.0)
        return true;
    tick->attempt->last_save = now;
    job->state.move.tables_done = progress.tables;
    job->state.move.rows_done = progress.rows;
    job->state.move.bytes_done = progress.bytes;
    job->state.move.seconds_left = progress.seconds_left < 0 ? -1 : (int64_t)progress.seconds_left;
    /* Only for `status` to show: somebody who reads the state for long must not end the move. */
    if (!state_progress(&job->state, err))
        log_warn("the progress could not be saved", kv_str("reason", err->message));
    return !job->live || job->live->look(job->live->context, err);
}

bool job_copy(Job *job, Attempt *attempt, Error *err)
{
    bool existing = attempt->archive.count == 0;
    PlanRequest plan = {
        .config = job->config,
        .tables = attempt->tables,
        .table_count = attempt->table_count,
        .archive = existing ? NULL : &attempt->archive,
        .schema = attempt->scratch.conn ? attempt->scratch.conn : attempt->keeper.conn,
        .source = attempt->keeper.conn,
        .target = job->target,
        .streams = job->streams,
        .workers = job->jobs,
        .finished = attempt->finished,
    };
    Tick tick = {job, attempt};

    if (!plan_make(job->arena, &plan, &attempt->plan, err) || !empty_tables(job, attempt, err))
        return false;
    job->state.move.bytes_total = attempt->plan.bytes;
    job->state.move.tables_total = attempt->plan.copy_tables;
    attempt->copy_started = attempt->last_time = clock_seconds();
    WorkRequest work = {
        .config = job->config,
        .source = &job->source_url,
        .target = &job->target_url,
        .keeper = &attempt->keeper,
        .plan = &attempt->plan,
        .archive = plan.archive,
        .identities = job->identities,
        .token = job->live ? job->live->token : NULL,
        .position = attempt->position,
        .resumed = attempt->resumed,
        .jobs = job->jobs,
        .memory_bytes = job->memory_bytes,
        .progress = &attempt->progress,
        .tick = on_tick,
        .tick_context = &tick,
    };
    /* An earlier run may have been killed while the target was relaxed. */
    job->relaxed = job->config->relax_durability;
    if (job->relaxed ? !relax_begin(job->target, job->state.store, attempt->plan.bytes, err)
                     : !relax_end(job->target, job->state.store, err))
        return false;
    /* Rows under a snapshot that was lost meanwhile may be none at all (rule 3). */
    if (!marks_arm(job->target, err) || !work_run(job->arena, &work, err) || !on_tick(&tick, err) ||
        !keeper_ping(&attempt->keeper, err) || !job_revive_target(job, err) ||
        !relax_end(job->target, job->state.store, err))
        return false;
    job->relaxed = false;
    return true;
}
