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
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "core/text.h"
#include "move/drizzle.h"
#include "move/finish.h"
#include "move/keeper.h"
#include "move/large_objects.h"
#include "move/marks.h"
#include "move/move.h"
#include "move/plan.h"
#include "move/relax.h"
#include "move/schema.h"
#include "move/state.h"
#include "move/tables.h"
#include "move/work.h"

enum {
    SNAPSHOT_TRIES = 3,
    FINISH_TRIES = 5,
    CONNECT_S = 15,   /* at first: who waits for a wrong address wants to know it */
    RECONNECT_S = 60, /* a server that was there is coming back */
    JOBS_MAX = 8,
    MEMORY_LEAST = 64 << 20,
    SAVE_EVERY_MS = 1000,
    LONGEST_LEFT_S = 30 * 24 * 3600,
    LARGE_OBJECTS_MARK = 0, /* entries of an archive begin at 1 */
};

typedef struct Once {
    Arena *arena;
    const Config *config;
    const MoveWatch *watch;
    MoveReport *report;
    PgUrl source_url;
    PgUrl target_url;
    State state;
    PGconn *target; /* the main thread's */
    int jobs;
    int streams; /* of COPY that the machine bears at once */
    int64_t memory_bytes;
    bool relaxed; /* settings of the target are changed and not yet put back */
    bool reached; /* the target was there */
} Once;

/* What belongs to one snapshot. */
typedef struct Attempt {
    Keeper keeper;
    bool opened; /* both sides were reached */
    Table *tables;
    int table_count;
    Programs programs;
    bool large_objects;
    Archive archive; /* count 0 where the schema exists already */
    const char *archive_path;
    DrizzleScratch scratch;
    SequenceValue *sequences;
    int sequence_count;
    Plan plan;
    WorkProgress progress;
    double copy_started;
    double last_save;
    int64_t last_bytes;
    double last_time;
    double rate;
} Attempt;

static void say_step(const Once *once, const char *text)
{
    if (once->watch && once->watch->step)
        once->watch->step(once->watch->context, text);
}

/* ---- before anything is touched ---- */

static bool target_facts(Once *once, Error *err)
{
    auto_result PGresult *res = NULL;

    if (!pg_query(once->target, sql_target_facts, 0, NULL, &res, err))
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
    once->jobs = once->config->jobs > 0 ? once->config->jobs : jobs > 2 ? jobs : 2;
    once->streams = once->config->jobs == 0 && local ? once->jobs - 1 : once->jobs;

    /* shared_buffers is about a quarter of a server's memory: half as much again for all of our
     * sorts together leaves the rest to its cache. */
    once->memory_bytes = buffers / 2 / once->jobs;
    if (once->memory_bytes < MEMORY_LEAST)
        once->memory_bytes = MEMORY_LEAST;
    return true;
}

/* Few commits are the main thread's: each waits for the disk, and those of the workers with it. */
static bool connect_target(Once *once, Error *err)
{
    int seconds = once->reached ? RECONNECT_S : CONNECT_S;

    pg_close(once->target);
    once->target = NULL;
    if (!pg_connect_retry(&once->target_url, "move", seconds, &once->target, err))
        return error_add_context(err, "connect to the target");
    once->reached = true;
    return pg_exec(once->target, "SET synchronous_commit = local", err) && target_facts(once, err);
}

static bool reconnect_target(Once *once, Error *err)
{
    return connect_target(once, err) && marks_check_crash(once->target, err);
}

/* After a time in which only the workers' connections were used. */
static bool revive_target(Once *once, Error *err)
{
    if (pg_exec(once->target, "SELECT 1", err))
        return true;
    return err->code == ERR_CONNECT && reconnect_target(once, err);
}

static bool check_same_move(const Once *once, Error *err)
{
    const MoveRecord *move = &once->state.move;

    if (strcmp(move->source, once->source_url.redacted) == 0 &&
        strcmp(move->target, once->target_url.redacted) == 0)
        return true;
    (void)error_set(err, ERR_WRONG_STATE, "the folder \"%s\" belongs to a move from %s to %s",
                    once->config->dir, move->source, move->target);
    return error_hint(err, "Give another --dir for this one.");
}

static bool assess(Once *once, Error *err)
{
    Assessment *assessment = &once->report->assessment;

    if (!assess_run(once->arena, once->config, SCOPE_ONCE, assessment, err))
        return false;
    if (assessment->blockers == 0)
        return true;
    (void)error_set(err, ERR_FOUND, "%d finding%s in the way of this move", assessment->blockers,
                    assessment->blockers == 1 ? " stands" : "s stand");
    return error_hint(err, "`homeport check --once` says what to do about each.");
}

/* ---- schema ---- */

static const char *in_dir(const Once *once, const char *name)
{
    return arena_printf(once->arena, "%s/%s", once->config->dir, name);
}

static bool dump_source(Once *once, Attempt *attempt, Archive *ret, Error *err)
{
    DumpRequest request = {
        .programs = &attempt->programs,
        .url = &once->source_url,
        .snapshot = attempt->keeper.snapshot,
        .large_objects = attempt->large_objects,
        .path = in_dir(once, "schema.new"),
    };

    return schema_dump(once->arena, &request, ret, err);
}

/* The archive that the target's schema is to be made of. */
static bool obtain_archive(Once *once, Attempt *attempt, Error *err)
{
    Archive source;

    if (once->config->schema == SCHEMA_EXISTING)
        return true;
    if (!programs_find(once->arena, once->config, PQserverVersion(attempt->keeper.conn),
                       PQserverVersion(once->target), &attempt->programs, err))
        return false;
    if (!dump_source(once, attempt, &source, err)) {
        Error lost = ERROR_INIT;
        if (err->code == ERR_PROGRAM && !keeper_ping(&attempt->keeper, &lost))
            *err = lost; /* which pg_dump met in its own words */
        return false;
    }
    attempt->archive_path = in_dir(once, "schema.new");
    if (once->config->schema == SCHEMA_DUMP) {
        attempt->archive = source;
        return true;
    }
    DrizzleRequest request = {
        .config = once->config,
        .programs = &attempt->programs,
        .target = &once->target_url,
        .move_id = once->state.move.id,
        .archive_path = in_dir(once, "drizzle.dump"),
        .source = &source,
        .source_major = PQserverVersion(attempt->keeper.conn) / 10000,
    };
    Drift drift = {0};
    bool ok =
        drizzle_schema(once->arena, &request, &attempt->scratch, &drift, &attempt->archive, err);
    once->report->drift = drift.lines;
    once->report->drift_count = drift.count;
    return ok;
}

static bool create_schema(Once *once, const Attempt *attempt, Error *err)
{
    if (attempt->archive.count == 0)
        return marks_schema_done(once->target, err);
    return schema_create(once->target, once->config, &attempt->archive, err);
}

/* Objects belong to whom --map-role said when they were made. */
static const char *role_map_text(const Once *once)
{
    Text text = text_init(once->arena, 1 << 20);

    for (int i = 0; i < once->config->role_map_count; i++)
        text_addf(&text, "%s\n%s\n", once->config->role_map[i].from, once->config->role_map[i].to);
    return text_str(&text);
}

/* Whether the schema on the target was made of this archive, by the files kept since. Those of
 * another `schema:` are as good as none. */
static bool schema_unchanged(Once *once, const Attempt *attempt, Archive *ret_old)
{
    Error ignored = ERROR_INIT;
    char *roles = NULL;

    if (!archive_read(once->arena, in_dir(once, "schema.dump"), ret_old, &ignored))
        return attempt->archive.count == 0;
    return file_read(once->arena, in_dir(once, "schema.roles"), 1 << 20, &roles, NULL, &ignored) &&
           strcmp(roles, role_map_text(once)) == 0 && archive_equal(ret_old, &attempt->archive);
}

static bool keep_archive(Once *once, const Attempt *attempt, Error *err)
{
    const char *to = in_dir(once, "schema.dump");
    const char *from = once->config->schema == SCHEMA_DRIZZLE ? in_dir(once, "drizzle.dump")
                                                              : attempt->archive_path;
    const char *roles = role_map_text(once);

    if (attempt->archive.count == 0)
        return true;
    if (rename(from, to) < 0)
        return error_set_errno(err, "keep \"%s\"", to);
    return file_replace(in_dir(once, "schema.roles"), roles, strlen(roles), err);
}

/* Back to an empty target, recorded before it is begun. */
static bool drop_schema(Once *once, const Attempt *attempt, const Archive *old, Error *err)
{
    if (!state_event(&once->state, EVENT_SCHEMA_CHANGED, err) || !relax_end(once->target, err))
        return false;
    if (old->count == 0 || attempt->archive.count == 0)
        (void)error_set(err, ERR_WRONG_STATE,
                        "the schema on the target was made by an earlier run in another way");
    else if (schema_drop_all(once->target, old, err))
        return marks_begin(once->target, once->state.move.id, err);
    if (err->code == ERR_CONNECT)
        return false;
    return error_hint(err,
                      "Empty the target by hand (drop and create the database), remove the work "
                      "folder \"%s\", and begin again.",
                      once->config->dir);
}

/* An earlier run left a whole schema: either it still is the source's, and only
 * what came after it goes, or all of it goes. */
static bool reuse_schema(Once *once, Attempt *attempt, bool *ret_kept, Error *err)
{
    Archive old = {0};

    *ret_kept = schema_unchanged(once, attempt, &old);
    if (!*ret_kept) {
        say_step(once, "the schema has changed since the run before; starting from empty");
        return drop_schema(once, attempt, &old, err);
    }
    say_step(once, "schema kept from the run before; rows start again");
    if (once->state.move.phase == PHASE_SCHEMA &&
        !state_event(&once->state, EVENT_SCHEMA_DONE, err))
        return false;
    if (!state_event(&once->state, EVENT_ROWS_RESTARTED, err))
        return false;
    /* What was there before the move began is not ours to drop. */
    return attempt->archive.count == 0 || schema_drop_marked(once->target, &attempt->archive, err);
}

static bool other_move(const Marks *marks, Error *err)
{
    (void)error_set(err, ERR_WRONG_STATE, "another move has begun on this target (id %s)",
                    marks->id);
    return error_hint(err,
                      "Go on with it in its own work folder, or give an empty target: drop and "
                      "create the database.");
}

/* Ours or nobody's. What an earlier run left at work there might still commit: it is ended first.
 */
static bool claim_target(Once *once, Marks *ret, Error *err)
{
    if (!marks_read(once->target, once->arena, ret, err))
        return false;
    if (ret->there && strcmp(ret->id, once->state.move.id) != 0)
        return other_move(ret, err);
    return once->state.move.phase == PHASE_PLANNED ||
           (marks_end_sessions(once->target, err) &&
            marks_read(once->target, once->arena, ret, err));
}

/* A schema that is not marked as done was rolled back whole. */
static bool begin_schema(Once *once, const Marks *marks, Error *err)
{
    Phase phase = once->state.move.phase;

    if (phase != PHASE_PLANNED && phase != PHASE_SCHEMA) {
        say_step(once, "the target is empty again; starting from the beginning");
        if (!state_event(&once->state, EVENT_TARGET_EMPTY, err))
            return false;
    }
    return state_event(&once->state, EVENT_SCHEMA_STARTED, err) &&
           (marks->there || marks_begin(once->target, once->state.move.id, err));
}

/* An archive is kept before the target is touched: a later run must know what
 * was made there. */
static bool ensure_schema(Once *once, Attempt *attempt, Error *err)
{
    Marks marks;
    bool kept = false;

    if (!claim_target(once, &marks, err))
        return false;
    once->report->resumed |= marks.there;
    bool ok = marks.there && marks.schema_done ? reuse_schema(once, attempt, &kept, err)
                                               : begin_schema(once, &marks, err);
    if (!ok || !keep_archive(once, attempt, err))
        return false;
    return kept ||
           (create_schema(once, attempt, err) && state_event(&once->state, EVENT_SCHEMA_DONE, err));
}

/* ---- rows ---- */

static bool truncate_tables(Once *once, const Table *const *tables, int count, Error *err)
{
    Text sql = text_init(once->arena, 64 << 20);

    if (count == 0)
        return true;
    text_add(&sql, "TRUNCATE ");
    for (int i = 0; i < count; i++)
        text_addf(&sql, "%sONLY %s", i ? ", " : "", tables[i]->qualified);
    return pg_exec(once->target, text_str(&sql), err) ||
           error_add_context(err, "empty the target's tables");
}

/* Tables into which several tasks copy cannot be emptied by one of them; with
 * foreign keys in place, all must be emptied at once. */
static bool empty_tables(Once *once, const Attempt *attempt, Error *err)
{
    if (attempt->archive.count > 0)
        return truncate_tables(once, attempt->plan.emptied, attempt->plan.emptied_count, err);

    if (!work_silence_triggers(once->target, err))
        return false;
    const Table **all =
        arena_array(once->arena, (size_t)attempt->table_count, sizeof(const Table *));
    int count = 0;
    for (int i = 0; i < attempt->table_count; i++)
        if (!attempt->tables[i].condition)
            all[count++] = &attempt->tables[i];
    return truncate_tables(once, all, count, err) &&
           pg_exec(once->target, sql_target_forget_parts, err);
}

typedef struct Tick {
    Once *once;
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

/* < 0: not to be known, or so long that something waits. */
static double seconds_left(const Attempt *attempt, int64_t bytes)
{
    if (attempt->rate < 1 || bytes >= attempt->plan.bytes)
        return -1;
    double seconds = (double)(attempt->plan.bytes - bytes) / attempt->rate;
    return seconds > LONGEST_LEFT_S ? -1 : seconds;
}

static MoveProgress make_progress(const Once *once, Attempt *attempt)
{
    WorkProgress *work = &attempt->progress;
    double now = clock_seconds();
    int64_t bytes = atomic_load(&work->bytes);
    int parts = atomic_load(&work->parts_done);
    int total = attempt->plan.indexes + attempt->plan.constraints;
    int built = atomic_load(&work->indexes_done) + atomic_load(&work->constraints_done);
    /* COPY's bytes and the disk's differ by some factor; it shows within the first tables. */
    double share = attempt->plan.bytes > 0 ? (double)bytes / (double)attempt->plan.bytes : 0;
    bool copied = parts == attempt->plan.copy_parts;

    update_rate(attempt, now, bytes);
    (void)once;
    return (MoveProgress){
        .step = copied ? "indexes" : "copy",
        .bytes = bytes,
        .rows = atomic_load(&work->rows),
        .tables = parts,
        .tables_total = attempt->plan.copy_parts,
        .indexes = built,
        .indexes_total = total,
        .fraction = copied         ? 1
                    : share > 0.99 ? 0.99
                                   : share,
        .rate = copied ? 0 : attempt->rate,
        .seconds_left = copied ? -1 : seconds_left(attempt, bytes),
    };
}

static bool on_tick(void *context, Error *err)
{
    const Tick *tick = context;
    Once *once = tick->once;
    MoveProgress progress = make_progress(once, tick->attempt);
    double now = clock_seconds();

    if (once->watch && once->watch->progress)
        once->watch->progress(once->watch->context, &progress);
    bool over = progress.tables == progress.tables_total &&
                once->state.move.tables_done != progress.tables;
    if (!over && now - tick->attempt->last_save < SAVE_EVERY_MS / 1000.0)
        return true;
    tick->attempt->last_save = now;
    once->state.move.tables_done = progress.tables;
    once->state.move.rows_done = progress.rows;
    once->state.move.bytes_done = progress.bytes;
    /* Only for `status` to show: somebody who reads the state for long must not end the move. */
    if (!state_progress(&once->state, err))
        log_warn("the progress could not be saved", kv_str("reason", err->message));
    return true;
}

static bool copy_all(Once *once, Attempt *attempt, Error *err)
{
    bool existing = attempt->archive.count == 0;
    PlanRequest plan = {
        .config = once->config,
        .tables = attempt->tables,
        .table_count = attempt->table_count,
        .archive = existing ? NULL : &attempt->archive,
        .schema = attempt->scratch.conn ? attempt->scratch.conn : attempt->keeper.conn,
        .source = attempt->keeper.conn,
        .target = once->target,
        .streams = once->streams,
    };
    Tick tick = {once, attempt};

    if (!plan_make(once->arena, &plan, &attempt->plan, err) || !empty_tables(once, attempt, err))
        return false;
    once->state.move.bytes_total = attempt->plan.bytes;
    once->state.move.tables_total = attempt->plan.copy_parts;
    attempt->copy_started = attempt->last_time = clock_seconds();
    WorkRequest work = {
        .config = once->config,
        .source = &once->source_url,
        .target = &once->target_url,
        .keeper = &attempt->keeper,
        .plan = &attempt->plan,
        .archive = plan.archive,
        .jobs = once->jobs,
        .memory_bytes = once->memory_bytes,
        .progress = &attempt->progress,
        .tick = on_tick,
        .tick_context = &tick,
    };
    /* An earlier run may have been killed while the target was relaxed. */
    bool ready = once->config->relax_durability
                     ? relax_begin(once->target, attempt->plan.bytes, err)
                     : relax_end(once->target, err);
    if (!ready)
        return false;
    once->relaxed = once->config->relax_durability;
    /* Rows under a snapshot that was lost meanwhile may be none at all (rule 3). */
    if (!marks_arm(once->target, err) || !work_run(once->arena, &work, err) ||
        !on_tick(&tick, err) || !keeper_ping(&attempt->keeper, err) || !revive_target(once, err) ||
        !relax_end(once->target, err))
        return false;
    once->relaxed = false;
    return true;
}

/* ---- after the rows ---- */

/* Marked once done: to restore them again would take their privileges and comments with it, which
 * are marked themselves. */
static bool restore_large_objects(Once *once, const Attempt *attempt, Error *err)
{
    LargeObjectRequest request = {
        .config = once->config,
        .programs = &attempt->programs,
        .archive = &attempt->archive,
        .path = in_dir(once, "schema.dump"),
        .list_path = in_dir(once, "large_objects.list"),
        .target = once->target,
        .target_url = &once->target_url,
    };
    int *done = NULL;
    int count = 0;

    if (!marks_entries(once->target, once->arena, &done, &count, err))
        return false;
    if (marks_has_entry(done, count, LARGE_OBJECTS_MARK))
        return true;
    if (attempt->large_objects)
        return large_objects_restore(once->arena, &request, &once->report->large_objects, err) &&
               marks_entry(once->target, LARGE_OBJECTS_MARK, err);
    /* There were some when an earlier run began. */
    return !once->report->resumed || once->config->schema != SCHEMA_DUMP ||
           large_objects_remove(once->target, err);
}

static bool finish_schema(Once *once, const Attempt *attempt, Error *err)
{
    static const EntryStage stages[] = {STAGE_REST, STAGE_INDEX, STAGE_PRIVILEGES};

    if (!restore_large_objects(once, attempt, err))
        return false;
    for (size_t i = 0; i < COUNT_OF(stages); i++)
        if (!schema_run_stage(once->target, once->config, &attempt->archive, stages[i], err))
            return false;
    return true;
}

static bool finish(Once *once, Attempt *attempt, Error *err)
{
    if (!sequences_set(once->target, attempt->sequences, attempt->sequence_count, err) ||
        !finish_schema(once, attempt, err) ||
        !matviews_refresh(attempt->keeper.conn, once->target, err) ||
        !parents_analyze(once->target, err))
        return false;
    once->report->sequences = attempt->sequence_count;
    return schema_run_stage(once->target, once->config, &attempt->archive, STAGE_LAST, err);
}

static bool verify(Once *once, const Attempt *attempt, Error *err)
{
    VerifyOptions options = {
        .snapshot = attempt->keeper.snapshot,
        .sequences = attempt->sequences,
        .sequence_count = attempt->sequence_count,
        .rows_only = attempt->archive.count == 0,
        /* What the journal makes is what was meant; drift was reported before. */
        .schema_of = attempt->scratch.conn ? &attempt->scratch.url : NULL,
        .watch = once->watch,
    };

    if (!once->config->verify)
        return true;
    say_step(once, "verify");
    if (!verify_run(once->arena, once->config, &options, &once->report->verify, err))
        return error_add_context(err, "verify");
    once->report->verify_done = true;
    if (once->report->verify.verified)
        return true;
    const VerifyReport *found = &once->report->verify;
    if (found->differences == 0 && !found->schema_compared) {
        (void)error_set(err, ERR_FOUND,
                        "all rows are equal, but the schema could not be compared: %s",
                        found->schema_skipped ? found->schema_skipped : "no reason");
        return error_hint(err, "%s", found->schema_hint ? found->schema_hint : "");
    }
    (void)error_set(err, ERR_FOUND, "the target differs from the source");
    return error_hint(err, "The move is not finished: run it again, and if the difference stays, "
                           "report it with the work folder's contents.");
}

/* The phase says that all is on the target's disk: one commit waits for that, and WAL is flushed in
 * order. From then on only the marks have to go. */
static bool conclude(Once *once, Error *err)
{
    return pg_exec(once->target, "SET synchronous_commit = on", err) &&
           marks_schema_done(once->target, err) &&
           state_event(&once->state, EVENT_ALL_THERE, err) && marks_drop(once->target, err) &&
           state_event(&once->state, EVENT_DONE, err);
}

/* Stopped between the last two steps of conclude(): marks that are not there were dropped. */
static bool conclude_again(Once *once, Error *err)
{
    Marks marks;

    if (!connect_target(once, err) || !marks_read(once->target, once->arena, &marks, err))
        return false;
    if (marks.there && strcmp(marks.id, once->state.move.id) != 0)
        return other_move(&marks, err);
    return (!marks.there || marks_drop(once->target, err)) &&
           state_event(&once->state, EVENT_DONE, err);
}

static bool complete_once(Once *once, Attempt *attempt, Error *err)
{
    if (once->state.move.phase == PHASE_FINISHING)
        return conclude_again(once, err);
    return finish(once, attempt, err) && verify(once, attempt, err) && conclude(once, err);
}

/* Each step can be done twice: a broken connection does not cost the rows. */
static bool complete(Once *once, Attempt *attempt, Error *err)
{
    for (int tries = 1; !complete_once(once, attempt, err); tries++) {
        if (err->code != ERR_CONNECT || tries == FINISH_TRIES)
            return false;
        log_warn("connection lost, doing it again under the same snapshot",
                 kv_str("reason", err->message), kv_i64("try", tries));
        if (once->state.move.phase != PHASE_FINISHING &&
            (!keeper_ping(&attempt->keeper, err) || !reconnect_target(once, err)))
            return false;
    }
    return true;
}

/* ---- one snapshot after the other ---- */

static void attempt_close(Attempt *attempt)
{
    drizzle_close(&attempt->scratch);
    keeper_close(&attempt->keeper);
}

static bool open_attempt(Once *once, Attempt *attempt, Error *err)
{
    auto_result PGresult *res = NULL;

    if (!keeper_open(once->arena, &once->source_url, &attempt->keeper, err) ||
        !keeper_list(&attempt->keeper, once->arena, &attempt->tables, &attempt->table_count, err) ||
        !keeper_lock(&attempt->keeper, attempt->tables, attempt->table_count, err) ||
        !sequences_read(attempt->keeper.conn, once->arena, &attempt->sequences,
                        &attempt->sequence_count, err) ||
        !pg_query(attempt->keeper.conn, sql_move_has_large_objects, 0, NULL, &res, err))
        return false;
    attempt->large_objects = once->config->schema == SCHEMA_DUMP && pg_cell_bool(res, 0, 0);
    attempt->opened = true;
    return true;
}

static bool run_attempt(Once *once, Attempt *attempt, Error *err)
{
    MoveReport *report = once->report;
    double started = clock_seconds();

    say_step(once, "schema");
    if (!open_attempt(once, attempt, err) || !obtain_archive(once, attempt, err) ||
        !ensure_schema(once, attempt, err))
        return false;
    double schema_done = clock_seconds();
    report->seconds_schema = schema_done - started;
    say_step(once, "copy");
    if (!copy_all(once, attempt, err))
        return false;
    double copied = clock_seconds();
    report->seconds_copy = copied - schema_done;
    report->tables = attempt->table_count;
    report->rows = atomic_load(&attempt->progress.rows);
    report->bytes = atomic_load(&attempt->progress.bytes);
    report->indexes = attempt->plan.indexes;
    report->constraints = attempt->plan.constraints;
    say_step(once, "finish");
    bool ok = complete(once, attempt, err);
    report->seconds_finish = clock_seconds() - copied - report->verify.seconds;
    return ok;
}

/* What was done can be done again: connections that were there are worth another try. */
static bool is_worth_a_try(const Attempt *attempt, const Error *err)
{
    return err->code == ERR_SNAPSHOT || (err->code == ERR_CONNECT && attempt->opened);
}

static bool run_attempts(Once *once, Error *err)
{
    for (int tries = 1;; tries++) {
        Attempt attempt = {0};

        bool ok = connect_target(once, err) && run_attempt(once, &attempt, err);
        attempt_close(&attempt);
        if (ok || !is_worth_a_try(&attempt, err) || tries == SNAPSHOT_TRIES)
            return ok;
        log_warn("starting again", kv_str("reason", err->message), kv_i64("try", tries));
        say_step(once, "the snapshot is lost; rows start again under a new one");
    }
}

static bool open_work(Once *once, Error *err)
{
    return url_parse(once->arena, once->config->source, "source", &once->source_url, err) &&
           url_parse(once->arena, once->config->target, "target", &once->target_url, err) &&
           state_open(once->arena, once->config->dir, &once->state, err) &&
           (!once->state.move.exists || check_same_move(once, err));
}

static bool prepare(Once *once, Error *err)
{
    say_step(once, "check");
    if (!assess(once, err))
        return false;
    return once->state.move.exists ||
           state_begin(&once->state, once->arena, once->source_url.redacted,
                       once->target_url.redacted, err);
}

static bool run(Once *once, Error *err)
{
    MoveReport *report = once->report;

    if (!open_work(once, err))
        return false;
    if (once->state.move.phase == PHASE_FINISHING && !conclude_again(once, err))
        return false;
    if (once->state.move.phase == PHASE_FINISHED) {
        report->already_done = true;
        return true;
    }
    return prepare(once, err) && state_count_run(&once->state, err) && run_attempts(once, err);
}

/* After a failure: put the target's settings back if it can still be reached. */
static void leave_relaxed(Once *once)
{
    Error failed = ERROR_INIT;

    if (!connect_target(once, &failed) || !relax_end(once->target, &failed))
        log_warn("the target stays relaxed until the move is run again; to put it back now, run "
                 "ALTER SYSTEM RESET max_wal_size; ALTER SYSTEM RESET checkpoint_timeout; "
                 "SELECT pg_reload_conf()",
                 kv_str("reason", failed.message));
}

bool move_once(Arena *arena, const Config *config, const MoveWatch *watch, MoveReport *ret,
               Error *err)
{
    Once once = {
        .arena = arena, .config = config, .watch = watch, .report = ret, .state = {.lock_fd = -1}};
    double started = clock_seconds();

    *ret = (MoveReport){0};
    bool ok = run(&once, err);
    ret->seconds = clock_seconds() - started;
    if (!ok)
        state_note_error(&once.state, err);
    if (!ok && once.relaxed)
        leave_relaxed(&once);
    pg_close(once.target);
    state_close(&once.state);
    return ok;
}
