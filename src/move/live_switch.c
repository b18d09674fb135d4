/*
 * Cutover, and rollback, which is the same with sides exchanged (rules 25 to 34).
 *
 *   prepared    reverse publication and slot; touched rows compared; schemas as they were
 *   fencing     hook pause; the side in use is fenced and that is proven
 *   draining    a marker, applied on the other side; sequences; schemas; the check
 *   switching   progress of the new feed; hook switch
 *   home, away  the commit point: only forward from here
 *   concluded   the other side is unfenced; hook resume; the old slot goes
 *
 * "here" is the side in use, "there" the one that takes over. Requests to stop
 * are held back meanwhile: half a switch would leave the app fenced out. Before
 * the commit point one ends the pause, which is undone first.
 */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "core/cancel.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/text.h"
#include "move/finish.h"
#include "move/live.h"
#include "move/verify_live.h"

enum {
    SEQUENCE_MARGIN = 1000,
    UNDO_S = 30,       /* for a hook that undoes */
    BEFORE_LIFT_S = 1, /* of it, until the side in use is unfenced all the same */
    LIFT_S = 5,        /* at once; then again and again, beside all else */
    LIFT_PAUSE_MS = 250,
    FAILED_REMOVE_S = 3,  /* its triggers' tables are the app's, which has waited already */
    AGAIN_S = 2,          /* what could not be brought to its end then is tried again */
    QUIET_LOCK_MS = 3000, /* an autovacuum gives way after a second */
    BYTES_A_ROW = 100,    /* of WAL, for a guess */
    MOST_BEHIND_S = 5,    /* more than that is not worth a pause */
};

typedef struct Switch {
    Live *live;
    const SwitchOptions *options;
    SwitchReport *report;
    Direction direction;
    LiveSideName here;
    LiveSideName there;
    LiveFeed next; /* the feed the other way */
    double began;  /* clock_seconds() when the first table was fenced; 0: none is */
    double deadline;
    bool lost;   /* a server did not answer */
    bool paused; /* the hooks that have been run */
    bool switched;
    bool recorded; /* it was tried */
} Switch;

static Direction opposite(Direction direction)
{
    return direction == DIRECTION_FORWARD ? DIRECTION_BACK : DIRECTION_FORWARD;
}

static PGconn *side(Switch *move, LiveSideName name)
{
    return move->live->conns[name];
}

static bool fail_late(const Switch *move, const char *what, Error *err)
{
    (void)error_set(err, ERR_WRONG_STATE, "%s took longer than --max-pause allows (%g s)", what,
                    move->options->max_pause_s);
    return error_hint(err, "Try when it is quieter, or give more time.");
}

static bool check_time(const Switch *move, const char *what, Error *err)
{
    if (cancel_pending())
        /* not run: what waits has seen it; it would have to come between two waits */
        return error_set(err, ERR_CANCELLED, "stopped while %s", what);
    if (clock_seconds() < move->deadline)
        return true;
    return fail_late(move, what, err); /* not run: what waits has the same deadline */
}

/* ---- before the pause ---- */

static bool create_slot(Switch *move, Error *err)
{
    auto_conn PGconn *replication = NULL;
    const SlotRequest request = {.name = move->next.slot};
    SlotPoint point;

    return replication_connect(live_url(move->live, move->there), "slot", &replication, err) &&
           live_create_slot(move->live, move->there, replication, &request, &point, err);
}

static bool make_reverse_slot(Switch *move, Error *err)
{
    Live *live = move->live;
    PGconn *there = NULL;
    Table *tables = NULL;
    int count = 0;

    move->next = (LiveFeed){
        .number = live->feed.number + 1,
        .direction = opposite(move->direction),
        .slot = live_slot_name(live, live->feed.number + 1),
    };
    /* Noted first, so that one that is left behind can be found and dropped. */
    return live_connect(live, move->there, &there, err) &&
           tables_list(there, live->arena, &tables, &count, err) &&
           live_publish(live, there, tables, count, err) &&
           live_save_feed(live, &move->next, err) &&
           replication_drop_slot(there, move->next.slot, LIVE_RECONNECT_S, err) &&
           create_slot(move, err);
}

/* Rule 30's marker: a quiet server's WAL position may never be confirmed by anything else. *ret is
 * on disk: what is not flushed is not sent, and may not be there any more after a crash. */
static bool emit_marker(PGconn *conn, const char *marker, Lsn *ret, Error *err)
{
    auto_result PGresult *res = NULL;
    const char *params[] = {marker};

    return pg_exec(conn, "BEGIN READ WRITE", err) &&
           pg_exec(conn, "SET LOCAL synchronous_commit = on", err) &&
           pg_query(conn, sql_live_marker, COUNT_OF(params), params, &res, err) &&
           lsn_parse(PQgetvalue(res, 0, 0), ret) && pg_exec(conn, "COMMIT", err);
}

/* How fast it is was seen while it was waited for, from `before` on; within a long window nothing
 * moves, and the rows of late have to do. */
static bool fail_behind(const Live *live, Lsn before, Lsn end, Error *err)
{
    ApplyStatus applied;

    applier_status(live->feed.applier, &applied);
    double rate = applied.applied > before ? (double)(applied.applied - before) / MOST_BEHIND_S
                                           : live->rate * BYTES_A_ROW;
    uint64_t behind = end > applied.applied ? end - applied.applied : 0;
    (void)error_set(err, ERR_WRONG_STATE, "the other side is %" PRIu64 " bytes behind", behind);
    double needed_s = rate > BYTES_A_ROW ? (double)behind / rate : 0;
    if (needed_s > MOST_BEHIND_S) /* else something holds it up: as long as that was waited for */
        return error_hint(err, "At its rate that takes about %.0f s: try then.", needed_s);
    return error_hint(err, "`homeport status --watch` shows when it has caught up.");
}

static bool check_caught_up(Switch *move, Error *err)
{
    Live *live = move->live;
    auto_arena Arena *scratch = arena_new();
    const char *marker =
        arena_printf(scratch, "before switch %d %.6f", live->feed.number, clock_seconds());
    ApplyStatus applied;
    PGconn *here = NULL;
    Lsn end = 0;
    Lsn reached = 0;

    if (!live->feed.applier)
        return live_fail_idle(err); /* not run: as that one */
    applier_status(live->feed.applier, &applied);
    if (!applied.running) {
        (void)error_set(err, ERR_WRONG_STATE, "the applier has stopped: %s", applied.error.message);
        return error_hint(err, "%s", applied.error.hint);
    }
    if (!live_connect(live, move->here, &here, err) || !emit_marker(here, marker, &end, err))
        return false;
    if (applier_wait_marker(live->feed.applier, marker, clock_seconds() + MOST_BEHIND_S, &reached,
                            err))
        return live_note_near(live, err);
    return err->code == ERR_WRONG_STATE ? fail_behind(live, applied.applied, end, err) : false;
}

/* On the way back the owner may prefer the old side as it is to staying (rule 34). */
static bool check_differences(const Switch *move, Error *err)
{
    int64_t count = move->live->differences;

    if (count == 0 || move->options->accept_differences)
        return true;
    auto_arena Arena *scratch = arena_new();
    (void)error_set(err, ERR_FOUND, "%s %s between the two sides", text_count(scratch, count),
                    text_plural(count, "difference stands", "differences stand"));
    return error_hint(err, "`homeport verify` names them.%s",
                      move->here == LIVE_HOME
                          ? " `homeport rollback --accept-differences` goes back all the same."
                          : "");
}

/* Everything that can be known before anybody has to wait. */
static bool prepare(Switch *move, Error *err)
{
    Live *live = move->live;
    Fence fence;

    live_say(live, "settle");
    if (!hook_check(live, err) || !check_caught_up(move, err) ||
        !live_check_fingerprints(live, err))
        return false;
    if (live->changed) {
        (void)error_set(err, ERR_WRONG_STATE, "the schema is not what was moved: %s",
                        live->changed);
        return error_hint(err, "Make both sides alike, then `homeport verify`.");
    }
    if (!live_hold_fence(live, move->there, err))
        return false;
    if (!live_compare(live, move->options->accept_differences, err))
        return error_add_context(err, "compare before the pause");
    if (!check_differences(move, err))
        return false;
    live_say(live, "prepare");
    return live_fence(live, move->here, &fence, err) &&
           fence_prepare(side(move, move->here), &fence, err) && make_reverse_slot(move, err);
}

/* ---- inside the pause ---- */

static bool run_hook(Switch *move, Hook hook, Error *err)
{
    return hook_run(move->live, move->options,
                    &(HookCall){
                        .hook = hook,
                        .direction = move->direction,
                        .deadline_s = move->deadline,
                        .undoable = true,
                    },
                    err);
}

static bool fence_here(Switch *move, Error *err)
{
    Live *live = move->live;
    FenceReport armed = {0};
    Fence fence;

    if (!live_fence(live, move->here, &fence, err))
        return false;
    double before = clock_seconds();
    move->deadline = before + move->options->max_pause_s;
    if (!pg_deadline_begin(move->deadline, err))
        return false;
    move->paused = true;
    live_say(live, "fence");
    if (!run_hook(move, HOOK_PAUSE, err))
        return false;
    move->began = clock_seconds();
    bool ok = fence_arm(side(move, move->here), &fence, move->deadline, &armed, err) &&
              fence_prove(side(move, move->here), &fence, err);
    if (armed.first_armed_s > 0)
        move->began = armed.first_armed_s;
    move->report->fence_ms = (clock_seconds() - move->began) * 1000;
    return ok && check_time(move, "fencing", err) &&
           state_event(&live->job.state, EVENT_FENCED, err);
}

/* One that is at work has only had too little time. */
static bool fail_drain(const Switch *move, Error *err)
{
    ApplyStatus applied;

    applier_status(move->live->feed.applier, &applied);
    if (err->code == ERR_WRONG_STATE && applied.running && clock_seconds() >= move->deadline)
        return fail_late(move, "draining", err);
    return error_add_context(err, "drain");
}

/* What was committed before the marker is applied when the marker is (rule 30). */
static bool drain(Switch *move, Error *err)
{
    Live *live = move->live;
    auto_arena Arena *scratch = arena_new();
    const char *marker = arena_printf(scratch, "switch %d %.6f", live->feed.number, move->began);
    double before = clock_seconds();
    Lsn end = 0;

    live_say(live, "drain");
    if (!emit_marker(side(move, move->here), marker, &end, err))
        return error_add_context(err, "drain");
    if (!applier_wait_marker(live->feed.applier, marker, move->deadline, &end, err))
        return fail_drain(move, err);
    move->report->drain_ms = (clock_seconds() - before) * 1000;
    return check_time(move, "draining", err);
}

static bool put_ahead(Switch *move, SequenceValue *values, int count, Error *err)
{
    Arena *arena = move->live->arena;
    auto_result PGresult *res = NULL;
    const char **parts[4];

    for (size_t i = 0; i < COUNT_OF(parts); i++)
        parts[i] = arena_array(arena, (size_t)count, sizeof *parts[i]);
    for (int i = 0; i < count; i++) {
        parts[0][i] = values[i].schema;
        parts[1][i] = values[i].name;
        parts[2][i] = values[i].last_value;
        parts[3][i] = values[i].is_called;
    }
    const char *params[] = {
        arena_printf(arena, "%d", (int)SEQUENCE_MARGIN), pg_text_array(arena, parts[0], count),
        pg_text_array(arena, parts[1], count),           pg_text_array(arena, parts[2], count),
        pg_text_array(arena, parts[3], count),
    };
    if (!pg_query(side(move, move->here), sql_live_sequences_ahead, COUNT_OF(params), params, &res,
                  err))
        return false;
    if (PQntuples(res) != count)
        /* not run: between two questions inside the pause */
        return error_set(err, ERR_WRONG_STATE, "sequences came or went meanwhile");
    for (int i = 0; i < count; i++)
        values[i].last_value = arena_strdup(arena, pg_cell(res, i, 2));
    return true;
}

static bool move_sequences(Switch *move, Error *err)
{
    Live *live = move->live;
    SequenceValue *values = NULL;
    int count = 0;

    if (!sequences_read(side(move, move->here), live->arena, &values, &count, err) ||
        !put_ahead(move, values, count, err))
        return error_add_context(err, "read the sequences");
    move->report->sequences = count;
    PGconn *there = side(move, move->there);
    return pg_exec(there, "BEGIN READ WRITE", err) && sequences_set(there, values, count, err) &&
           pg_exec(there, "COMMIT", err);
}

static bool fail_different(const VerifyReport *report, Error *err)
{
    const Difference *first = report->list_count > 0 ? &report->list[0] : NULL;

    (void)error_set(err, ERR_FOUND, "%" PRId64 " %s", report->differences,
                    text_plural(report->differences, "row differs", "rows differ"));
    return error_hint(err, "The first: %s %s. `homeport verify` names all of them.",
                      first ? first->object : "", first && first->key ? first->key : "");
}

static bool check(Switch *move, Error *err)
{
    Live *live = move->live;
    double before = clock_seconds();
    VerifyLiveReport found = {0};
    VerifyLive request = {
        .config = live_config(live, live->arena),
        .touched = live->touched,
        .wait_applied = live_wait_applied,
        .context = live,
        .identities = live->job.identities,
        .identities_back = live->feed.direction == DIRECTION_BACK,
        .encoding = live->job.source_url.encoding,
    };

    live_say(live, "compare");
    bool ok = verify_live_fenced(live->arena, &request, move->deadline, &found, err);
    move->report->check_ms = (clock_seconds() - before) * 1000;
    move->report->keys_compared = found.keys_compared;
    move->report->tables_compared = found.tables_whole;
    move->report->tables_counted = found.tables_counted;
    if (!ok)
        return error_add_context(err, "compare inside the pause");
    if (found.report.differences > 0) {
        live->differences = found.report.differences;
        live_check_void(live);
    }
    move->report->verified = live->differences == 0;
    move->report->differences = live->differences;
    if (found.report.differences > 0 && !move->options->accept_differences)
        return fail_different(&found.report, err);
    return check_time(move, "comparing", err);
}

static bool check_schema(Switch *move, Error *err)
{
    Live *live = move->live;

    if (!live_check_fingerprints(live, err))
        return false;
    if (!live->changed)
        return true;
    (void)error_set(err, ERR_WRONG_STATE, "the schema has changed: %s", live->changed);
    return error_hint(err, "Make both sides alike, then try again.");
}

/* From where the way back begins on nobody else may have written there. */
static bool check_fence_there(Switch *move, Error *err)
{
    Fence fence;

    return live_fence(move->live, move->there, &fence, err) &&
           fence_holds(side(move, move->there), &fence, err);
}

/* Rule 31: the new feed begins at the WAL position of the side that takes over, taken while it is
 * fenced and nothing is applied to it any more. It has to be on disk: a server that crashes before
 * would go on from a lower one, and what it commits below ours would not flow back. */
static bool place_next_feed(Switch *move, Error *err)
{
    Live *live = move->live;
    PGconn *here = side(move, move->here);
    const char *marker = arena_printf(live->arena, "begin of feed %d", move->next.number);

    applier_stop(live->feed.applier);
    live->feed.applier = NULL;
    if (!emit_marker(side(move, move->there), marker, &move->next.start, err))
        return error_add_context(err, "note where the stream back begins");
    return progress_create(here, err) && pg_exec(here, "BEGIN READ WRITE", err) &&
           pg_exec(here, "SET LOCAL synchronous_commit = on", err) &&
           pg_execf(here, err, "SET LOCAL lock_timeout = %d", (int)QUIET_LOCK_MS) &&
           pg_exec(here, sql_live_quiet_triggers, err) &&
           progress_begin(here, move->next.number, move->next.start, err) &&
           pg_exec(here, "COMMIT", err) && live_save_feed(live, &move->next, err);
}

/* Also where it was started anew since it was asked last: what is recorded is on its disk. */
static bool answers(Live *live, LiveSideName side, Error *err)
{
    PGconn **conn = &live->conns[side];

    if (*conn && pg_exec(*conn, "SELECT", err))
        return true;
    pg_close(*conn);
    *conn = NULL;
    *err = ERROR_INIT;
    return live_reconnect(live, side, 0, err) && fence_pass(*conn, live->token, err);
}

/* The old feed has ended with the record, not before: until then it goes on where this is undone.
 * Behind it only the side that takes over could let the app write: it answers right before. */
static bool record(Switch *move, Error *err)
{
    Live *live = move->live;

    if (!check_time(move, "switching", err) || !answers(live, move->there, err) ||
        !live_set_number(live, "ended", live->feed.number, err))
        return false;
    move->recorded = true;
    pg_deadline_end(); /* behind the record there is nothing to be ended any more */
    return state_event(&live->job.state, EVENT_SWITCHED, err);
}

static bool pause_steps(Switch *move, Error *err)
{
    Live *live = move->live;

    if (!fence_here(move, err) || !drain(move, err) || !move_sequences(move, err) ||
        !check_schema(move, err) || !check(move, err))
        return false;
    if (move->options->rehearse)
        return true;
    live_say(live, "switch");
    if (!state_event(&live->job.state, EVENT_DRAINED, err) || !check_fence_there(move, err) ||
        !place_next_feed(move, err))
        return false;
    move->switched = true;
    return run_hook(move, HOOK_SWITCH, err) && record(move, err);
}

/* At the deadline whatever waits for a server is ended: one that has gone silent would hold the app
 * up for as long as the network likes. So it is when a stop is asked for, where the servers are
 * there. */
static bool run_pause(Switch *move, Error *err)
{
    bool ok = pause_steps(move, err);

    pg_deadline_end();
    bool broken = !ok && err->code == ERR_CONNECT;
    if (broken && cancel_pending())
        return cancel_error(err);
    move->lost = broken;
    if (move->lost && clock_seconds() >= move->deadline)
        return fail_late(move, "waiting for a server", err);
    return ok;
}

/* Until then the app can write nowhere, so a connection that is lost here is no reason to stop.
 * Rule 25: the other side is fenced before this, or never was open. */
static bool lift(Live *live, LiveSideName side, Error *err)
{
    const double deadline = clock_seconds() + LIFT_S;
    const struct timespec pause = {.tv_nsec = LIFT_PAUSE_MS * 1000000L};
    Fence fence;

    for (;;) {
        PGconn **conn = &live->conns[side];
        live->shut = !((*conn || live_reconnect(live, side, 0, err)) &&
                       fence_pass(*conn, live->token, err) && live_fence(live, side, &fence, err) &&
                       fence_lift(*conn, &fence, err));
        if (!live->shut)
            return true;
        pg_close(*conn);
        *conn = NULL;
        if (clock_seconds() > deadline)
            return error_add_context(err, "lift the fence");
        (void)nanosleep(&pause, NULL);
    }
}

/* ---- behind the commit point ---- */

/* The record is durable, and "ended" says of which feed it was the end. */
static bool change_feed(Live *live, Error *err)
{
    LiveFeed *others = NULL;
    int count = 0;
    int ended = 0;
    int current = 0;

    if (!live_number(live, "ended", &ended, err) || !live_number(live, "feed", &current, err))
        return false;
    if (ended != current)
        return true;
    live_feed_stop(live);
    live->lag_count = 0;
    live->slot.known = false;
    live->next_slot = 0;
    return live_set_number(live, "feed", current + 1, err) &&
           live_load_feeds(live, &live->feed, &others, &count, err);
}

bool live_switch_conclude(Live *live, const SwitchOptions *options, double *ret_accepting_s,
                          Error *err)
{
    bool home = live->job.state.move.place.phase == PHASE_HOME;

    if (!lift(live, home ? LIVE_HOME : LIVE_SOURCE, err))
        return false;
    *ret_accepting_s = clock_seconds();
    live_resume(live, options, live->job.state.move.place.direction);
    /* Both sides were compared inside the pause; all of it again, by itself, while a way back is
     * open (rule 34). */
    live->checking = true;
    return change_feed(live, err);
}

/* ---- undone ---- */

bool live_switch_note_undone(Live *live, Error *err)
{
    live->unnoted = !live_set_number(live, "ended", 0, err) ||
                    !state_event(&live->job.state, EVENT_UNDONE, err);
    return !live->unnoted;
}

/* Clients of the gateway do not wait for a command that hangs, where it is back itself. */
static void end_back(Live *live, HookRun *back, const HookCall *call, bool resume)
{
    static const SwitchOptions gateway_alone = {0};
    HookCall early = *call;
    Error why = ERROR_INIT;

    early.hook = HOOK_RESUME;
    if (resume && !hook_is_done(back, 0) && hook_gateway_is_done(back) &&
        !hook_run(live, &gateway_alone, &early, &why))
        /* not run: it answered a moment ago */
        log_warn("the gateway's clients wait", kv_str("reason", why.message));
    if (!hook_end(back, &why))
        live_hook_failed(live, call, &why);
}

typedef struct Undo {
    bool paused; /* the hooks that have been run */
    bool switched;
    bool recorded; /* it was tried, and is first made sure not to be so */
} Undo;

/* In reverse order: the switch back, then the side in use unfenced, then whoever waits. Writers do
 * not wait long for a switch back that takes its time: the other side is fenced all the while, so
 * what it leads to it nobody can write. Nor do they wait for the state to be written. */
static bool undo(Live *live, const SwitchOptions *options, const Undo *what, Error *err)
{
    Direction direction = live->job.state.move.place.direction;
    LiveSideName here = direction == DIRECTION_FORWARD ? LIVE_SOURCE : LIVE_HOME;
    HookCall call = {
        .hook = HOOK_SWITCH,
        .direction = opposite(direction),
        .deadline_s = clock_seconds() + UNDO_S,
    };
    HookRun *back = NULL;

    if (what->recorded && !live_set_number(live, "ended", 0, err))
        return false;
    if (what->switched) {
        back = hook_start(live, options, &call);
        (void)hook_is_done(back, clock_seconds() + BEFORE_LIFT_S);
    }
    bool lifted = lift(live, here, err);
    if (back)
        end_back(live, back, &call, lifted && what->paused);
    if (!lifted)
        return false;
    if (what->paused)
        live_resume(live, options, call.direction);
    return live_switch_note_undone(live, err);
}

/* A slot that nobody reads would hold back WAL for ever. Where its server does not answer it is
 * dropped later. */
static void drop_reverse_slot(Switch *move)
{
    Live *live = move->live;
    const LiveFeed *next = &move->next;
    LiveSideName side = next->direction == DIRECTION_FORWARD ? LIVE_SOURCE : LIVE_HOME;
    Error failed = ERROR_INIT;
    PGconn *conn = NULL;

    if (move->lost) {
        pg_close(live->conns[side]);
        live->conns[side] = NULL;
    } else if (next->number > 0 &&
               (!live_connect(live, side, &conn, &failed) ||
                !replication_drop_slot(conn, next->slot, LIVE_RECONNECT_S, &failed) ||
                !live_forget_feed(live, next->number, &failed)))
        log_warn("the slot that was made for the way back could not be dropped",
                 kv_str("slot", next->slot), kv_str("reason", failed.message));
}

bool live_switch_undo(Live *live, const SwitchOptions *options, Error *err)
{
    bool switching = live->job.state.move.place.phase == PHASE_SWITCHING;

    return undo(live, options, &(Undo){.paused = true, .switched = switching}, err);
}

/* It goes on from the main loop; meanwhile `status` says why it has to. */
static void try_again(Live *live, const Error *why)
{
    live->conclude_at = clock_seconds() + AGAIN_S;
    live->last_error = arena_strdup(live->arena, why->message);
}

static bool fail_undo(Live *live, const Error *why, Error *err)
{
    try_again(live, why);
    *err = *why;
    if (live->unnoted) {
        (void)error_add_context(err, "undone, but that could not be noted");
        return error_hint(err, "Writers go on where they were; the mover goes on trying.");
    }
    (void)error_add_context(err, "not undone yet, so that the app cannot write");
    return error_hint(err, "The mover goes on trying: `homeport status` says when it can.");
}

/* err is why it is undone, and says how things stand then. */
static void tell_undone(Live *live, Error *err)
{
    const char *hint = arena_strdup(live->arena, err->hint);

    if (live->trouble) {
        (void)error_add_context(err, "not all could be undone (%s)", live->trouble);
        (void)error_hint(err, "Writers may go on where they were. %s", live->by_hand);
        return;
    }
    (void)error_hint(err, "%s%sEverything was undone: writers go on where they were.", hint,
                     *hint ? " " : "");
}

/* What is said is how things stand then: err is why it is undone, where the switch has failed. */
static bool undo_after(Switch *move, bool failed, Error *err)
{
    Live *live = move->live;
    const Undo what = {
        .paused = move->paused, .switched = move->switched, .recorded = move->recorded};
    Error why = ERROR_INIT;

    if (!undo(live, move->options, &what, &why)) {
        log_error(live->unnoted ? "that the switch is undone could not be noted"
                                : "the switch could not be undone yet: the app cannot write",
                  kv_str("because", failed ? err->message : "it was a rehearsal"),
                  kv_str("reason", why.message));
        return fail_undo(live, &why, err);
    }
    if (failed)
        tell_undone(live, err);
    drop_reverse_slot(move);
    if (!live->feed.applier && !live_apply(live, &why))
        /* not run: no thread could be made, right behind a switch that has failed */
        log_error("the applier could not be started again", kv_str("reason", why.message));
    return !failed;
}

static bool conclude_after(Live *live, const SwitchOptions *options, double *ret_over_s, Error *err)
{
    if (live_switch_conclude(live, options, ret_over_s, err) && live_apply(live, err))
        return true;
    try_again(live, err);
    (void)error_add_context(err, "the switch is made, but not complete yet");
    return error_hint(err, "There is no way but forward, and the mover goes on trying: `homeport "
                           "status` says when the app can write.");
}

/* A rehearsal leaves the source as it was, also one that has failed or was stopped: that is tried
 * for moments only then. One that could not be undone yet needs the fence still. */
static void leave_as_found(Switch *move, bool failed)
{
    Error why = ERROR_INIT;
    PGconn *conn = NULL;
    Fence fence;

    if (!move->options->rehearse || move->here != LIVE_SOURCE || move->live->conclude_at > 0)
        return;
    if (!live_connect(move->live, move->here, &conn, &why) ||
        !live_fence(move->live, move->here, &fence, &why) ||
        !fence_remove(conn, &fence, failed ? FAILED_REMOVE_S : 0, &why))
        log_warn("the fence's triggers, which are disabled, could not be removed: the end of the "
                 "move takes them away",
                 kv_str("reason", why.message));
}

/* Rule 33. What cannot be dropped now is tried again while the move goes on. */
static void drop_old_slot(Live *live)
{
    Error later = ERROR_INIT;

    if (!live_drop_others(live, &later))
        log_warn("the old slot could not be looked for", kv_str("reason", later.message));
    live->next_drop = 0;
}

/* ---- all of it ---- */

bool live_switch(Live *live, const SwitchOptions *options, SwitchReport *ret, Error *err)
{
    bool home = live->job.state.move.place.phase == PHASE_HOME;
    Switch move = {
        .live = live,
        .options = options,
        .report = ret,
        .direction = home ? DIRECTION_BACK : DIRECTION_FORWARD,
        .here = home ? LIVE_HOME : LIVE_SOURCE,
        .there = home ? LIVE_SOURCE : LIVE_HOME,
    };

    *ret = (SwitchReport){0};
    if (!prepare(&move, err) || !live_hooks_forget(live, err)) {
        move.lost = err->code == ERR_CONNECT;
        drop_reverse_slot(&move);
        cancel_hold(true);
        leave_as_found(&move, true);
        cancel_hold(false);
        return false;
    }
    cancel_hold(true);
    double over = 0;
    bool ok = state_event(&live->job.state, EVENT_FENCE, err) && run_pause(&move, err);
    if (phase_is_switch(live->job.state.move.place.phase)) {
        if (ok)
            live_say(live, "lift");
        ok = undo_after(&move, !ok, err);
        ret->rehearsed = ok;
        over = clock_seconds();
    } else if (ok) {
        ok = conclude_after(live, options, &over, err);
        ret->done = ret->reverse = ok;
    }
    ret->pause_ms = move.began > 0 && over > 0 ? (over - move.began) * 1000 : 0;
    leave_as_found(&move, !ok);
    cancel_hold(false);
    ret->warning = live->trouble;
    ret->next = live->by_hand;
    if (ok && ret->done)
        drop_old_slot(live);
    return ok || error_add_context(err, home ? "rollback" : "cutover");
}

json_t *live_switch_json(const SwitchReport *report)
{
    return json_pack("{s:b, s:b, s:f, s:b, s:I, s:b, s:f, s:f, s:f, s:I, s:i, s:i, "
                     "s:i, s:s*, s:s*}",
                     "done", report->done, "rehearsed", report->rehearsed, "pause_ms",
                     report->pause_ms, "verified", report->verified, "differences",
                     (json_int_t)report->differences, "reverse", report->reverse, "fence_ms",
                     report->fence_ms, "drain_ms", report->drain_ms, "check_ms", report->check_ms,
                     "rows_compared", (json_int_t)report->keys_compared, "tables_compared",
                     report->tables_compared, "tables_counted", report->tables_counted, "sequences",
                     report->sequences, "warning", report->warning, "next", report->next);
}
