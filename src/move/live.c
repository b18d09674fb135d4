/*
 * The mover: copies, then follows until it is told otherwise.
 *
 * One thread has the state, the control socket and whatever needs an order; the
 * receiver, the applier and a comparison have theirs. What a request asks for is
 * done at once, between two looks at the others.
 */
#include "move/live.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "core/cancel.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "core/text.h"

enum {
    WAIT_MS = 200,
    STOP_S = 60,
    STOP_PAUSE_MS = 20,
    DEFAULT_PAUSE_MS = 10000,
    MAX_LISTED_BYTES = 900000, /* an answer is one line of at most a mebibyte */
    CONCLUDE_S = 2,
    FENCE_AGAIN_S = 30,
    LOCK_MS = 5000,
    MAX_NAMED = 4096,
};

const PgUrl *live_url(const Live *live, LiveSideName side)
{
    return side == LIVE_SOURCE ? &live->job.source_url : &live->job.target_url;
}

LiveSideName live_from(const Live *live)
{
    return live->feed.direction == DIRECTION_FORWARD ? LIVE_SOURCE : LIVE_HOME;
}

LiveSideName live_to(const Live *live)
{
    return live->feed.direction == DIRECTION_FORWARD ? LIVE_HOME : LIVE_SOURCE;
}

const char *live_side_name(LiveSideName side)
{
    return side == LIVE_SOURCE ? "source" : "target";
}

/* What reads the catalogue waits for whoever has a table to himself. Fence, publication and the
 * like set for a while what they need. */
static bool set_patience(const Live *live, PGconn *conn, Error *err)
{
    return pg_execf(conn, err, "SET lock_timeout = %d", live->at_work ? (int)LOCK_MS : 0);
}

bool live_reconnect(Live *live, LiveSideName side, int seconds, Error *err)
{
    auto_arena Arena *scratch = arena_new();

    return pg_connect_retry(live_url(live, side), fence_role(scratch, live->job.state.move.id),
                            seconds, &live->conns[side], err);
}

/* not run: within moments, as an applier is started again soon where a switch or a failure has
 * ended it */
bool live_fail_idle(Error *err)
{
    (void)error_set(err, ERR_WRONG_STATE, "nothing is being applied right now");
    return error_hint(err, "`homeport status` says why.");
}

bool live_connect(Live *live, LiveSideName side, PGconn **ret, Error *err)
{
    PGconn **conn = &live->conns[side];
    Error lost = ERROR_INIT;

    if (*conn &&
        (PQtransactionStatus(*conn) != PQTRANS_IDLE || !set_patience(live, *conn, &lost))) {
        pg_close(*conn);
        *conn = NULL;
    }
    if (!*conn && (!live_reconnect(live, side, LIVE_RECONNECT_S, err) ||
                   !fence_pass(*conn, live->token, err) || !set_patience(live, *conn, err)))
        return error_add_context(err, "connect to the %s", live_side_name(side));
    *ret = *conn;
    return true;
}

bool live_hint_locks(Live *live, Error *err)
{
    auto_arena Arena *scratch = arena_new();
    Text text = text_init(scratch, MAX_NAMED);

    /* Who waited for something else than a table has said for what. */
    if (strcmp(err->sqlstate, PG_LOCK_NOT_AVAILABLE) != 0 || *err->hint)
        return false;
    for (int side = 0; side < LIVE_SIDES; side++) {
        auto_result PGresult *res = NULL;
        Error ignored = ERROR_INIT;
        PGconn *conn = NULL;

        if (!live_connect(live, (LiveSideName)side, &conn, &ignored) ||
            !pg_query(conn, sql_live_lock_holders, 0, NULL, &res, &ignored))
            continue; /* not run: both sides were there a moment ago, when the lock was not to be
                         had */
        for (int i = 0; i < PQntuples(res); i++)
            text_addf(&text, "%s%s on the %s is held by %s", text.len ? ", " : "",
                      pg_qualified(scratch, pg_cell(res, i, 0), pg_cell(res, i, 1)),
                      live_side_name((LiveSideName)side), pg_cell(res, i, 2));
    }
    return text.len
               ? error_hint(err, "%s: let that end, or end it, and try again.", text_str(&text))
               : error_hint(err, "Who held it has ended: try again.");
}

bool live_fence(Live *live, LiveSideName side, Fence *ret, Error *err)
{
    auto_result PGresult *res = NULL;

    if (!pg_query(live->conns[side], sql_live_fence_tables, 0, NULL, &res, err))
        return error_add_context(err, "list the tables to fence");
    int count = PQntuples(res);
    const char **schemas = arena_array(live->arena, (size_t)count, sizeof *schemas);
    const char **names = arena_array(live->arena, (size_t)count, sizeof *names);
    for (int i = 0; i < count; i++) {
        schemas[i] = arena_strdup(live->arena, pg_cell(res, i, 0));
        names[i] = arena_strdup(live->arena, pg_cell(res, i, 1));
    }
    *ret = (Fence){
        .url = live_url(live, side),
        .move_id = live->job.state.move.id,
        .token = live->token,
        .tables = {schemas, names, count},
    };
    return true;
}

bool live_hold_fence(Live *live, LiveSideName side, Error *err)
{
    FenceReport report;
    PGconn *conn = NULL;
    Error why = ERROR_INIT;
    Fence fence;

    if (!live_connect(live, side, &conn, err) || !live_fence(live, side, &fence, err))
        return false;
    if (fence_holds(conn, &fence, &why))
        return true;
    if (why.code != ERR_WRONG_STATE) {
        *err = why;
        return false;
    }
    /* Somebody may have written there meanwhile. */
    log_warn("a side that nobody may write to was open, and is fenced again",
             kv_str("side", live_side_name(side)), kv_str("reason", why.message));
    live_check_void(live);
    return fence_prepare(conn, &fence, err) &&
           fence_arm(conn, &fence, clock_seconds() + FENCE_AGAIN_S, &report, err);
}

/* ---- what other commands ask ---- */

static SwitchOptions switch_options(const json_t *params)
{
    const json_t *pause = json_object_get(params, "max_pause_ms");

    return (SwitchOptions){
        .max_pause_s =
            (double)(json_is_integer(pause) ? json_integer_value(pause) : DEFAULT_PAUSE_MS) / 1000,
        .on_pause = json_string_value(json_object_get(params, "on_pause")),
        .on_switch = json_string_value(json_object_get(params, "on_switch")),
        .on_resume = json_string_value(json_object_get(params, "on_resume")),
        .rehearse = json_is_true(json_object_get(params, "rehearse")),
        .accept_differences = json_is_true(json_object_get(params, "accept_differences")),
    };
}

static bool may_switch(const Live *live, bool rollback, Error *err)
{
    Phase phase = live->job.state.move.place.phase;

    /* Behind a large transaction it is following again, for a second maybe: the switch waits for
     * that. */
    if (rollback ? phase == PHASE_HOME
                 : phase == PHASE_FOLLOWING || phase == PHASE_CAUGHT_UP || phase == PHASE_AWAY)
        return true;
    (void)error_set(err, ERR_WRONG_STATE, "%s is not possible in phase %s",
                    rollback ? "rollback" : "cutover", phase_name(phase));
    return error_hint(err,
                      rollback ? "There is nothing to go back from." : "See `homeport status`.");
}

static void answer_switch(Live *live, ControlCall *call, bool rollback)
{
    SwitchOptions options = switch_options(control_params(call));
    SwitchReport report = {0};
    Error err = ERROR_INIT;

    bool ok = may_switch(live, rollback, &err) && live_keep_hooks(live, &options, &err) &&
              live_switch(live, &options, &report, &err);
    json_t *answer = live_switch_json(&report);
    live->next_look = 0;
    if (ok) {
        if (!live->trouble)
            state_clear_error(&live->job.state);
        control_answer(call, answer);
        return;
    }
    (void)live_hint_locks(live, &err);
    state_note_error(&live->job.state, &err);
    json_decref(answer);
    control_fail(call, &err);
}

static json_t *list_json(const VerifyReport *report)
{
    auto_arena Arena *scratch = arena_new();
    json_t *rows = json_array();
    size_t bytes = 0;

    for (int i = 0; i < report->list_count && bytes < MAX_LISTED_BYTES; i++) {
        json_t *row = json_pack(
            "{s:s, s:s, s:s*, s:s*}", "kind", difference_kind_name(report->list[i].kind), "object",
            text_readable(scratch, report->list[i].object), "key", report->list[i].key, "detail",
            text_readable(scratch, report->list[i].detail));
        bytes += json_dumpb(row, NULL, 0, JSON_COMPACT);
        (void)json_array_append_new(rows, row);
    }
    return rows;
}

static json_t *left_json(const VerifyLiveReport *found)
{
    auto_arena Arena *scratch = arena_new();
    json_t *left = json_array();

    for (int i = 0; i < found->left_count; i++)
        (void)json_array_append_new(
            left, json_pack("{s:s, s:s}", "table", text_readable(scratch, found->left[i].table),
                            "why", text_readable(scratch, found->left[i].why)));
    return left;
}

static json_t *verify_json(const VerifyLiveReport *found)
{
    const VerifyReport *report = &found->report;
    json_t *rows = list_json(report);

    return json_pack("{s:b, s:I, s:i, s:I, s:f, s:I, s:I, s:I, s:o, s:o}", "verified",
                     report->verified, "differences", (json_int_t)report->differences, "tables",
                     report->tables, "rows", (json_int_t)report->rows, "seconds", found->seconds,
                     "rechecked", (json_int_t)found->rechecked, "rows_compared",
                     (json_int_t)found->keys_compared, "unlisted",
                     (json_int_t)report->differences - (json_int_t)json_array_size(rows), "left",
                     left_json(found), "list", rows);
}

static void answer_verify(Live *live, ControlCall *call)
{
    const VerifyLiveReport *found = NULL;
    Error err = ERROR_INIT;

    live->list_all = json_is_true(json_object_get(control_params(call), "all"));
    bool ok = live->feed.applier && live_verify(live, CHECK_ALL, true, &found, &err);
    live->list_all = false;
    if (!ok) {
        if (err.code == ERR_NONE)
            (void)live_fail_idle(&err); /* not run: as that one */
        control_fail(call, &err);
        return;
    }
    control_answer(call, verify_json(found));
}

static void answer_resync(Live *live, ControlCall *call)
{
    const char *table = json_string_value(json_object_get(control_params(call), "table"));
    Error err = ERROR_INIT;
    ResyncReport report;

    if (table && live_resync(live, table, &report, &err)) {
        control_answer(call, json_pack("{s:s, s:I, s:i}", "table", table, "rows",
                                       (json_int_t)report.rows, "tables", report.tables));
        return;
    }
    if (!table)
        (void)error_set(&err, ERR_USAGE, "no table is named");
    control_fail(call, &err);
}

static void answer(Live *live, ControlCall *call)
{
    const char *verb = control_verb(call);
    Error err = ERROR_INIT;

    if (strcmp(verb, "status") == 0)
        control_answer(call, live_status_json(live));
    else if (strcmp(verb, "cutover") == 0)
        answer_switch(live, call, false);
    else if (strcmp(verb, "rollback") == 0)
        answer_switch(live, call, true);
    else if (strcmp(verb, "verify") == 0)
        answer_verify(live, call);
    else if (strcmp(verb, "resync") == 0)
        answer_resync(live, call);
    else {
        (void)error_set(&err, ERR_USAGE, "the mover does not know \"%s\"", verb);
        control_fail(call, &err);
    }
}

void live_say(Live *live, const char *step)
{
    if (live->call)
        control_event(live->call, json_pack("{s:s}", "step", step));
}

bool live_serve(Live *live, int wait_ms, Error *err)
{
    ControlCall *call = NULL;

    if (!control_next(live->control, wait_ms, &call, err))
        return false;
    if (!call)
        return true;
    if (strcmp(control_verb(call), "status") == 0)
        control_answer(call, live_status_json(live));
    else
        live->waiting[live->waiting_count++] = call;
    return true;
}

static bool next_call(Live *live, ControlCall **ret, Error *err)
{
    if (live->waiting_count == 0)
        return control_next(live->control, WAIT_MS, ret, err);
    *ret = live->waiting[0];
    live->waiting_count--;
    memmove(live->waiting, live->waiting + 1, (size_t)live->waiting_count * sizeof(ControlCall *));
    return true;
}

/* ---- the loop ---- */

static bool recover(Live *live, Error *err)
{
    Phase phase = live->job.state.move.place.phase;
    SwitchOptions options;
    double accepting = 0;
    int ended = 0;
    int current = 0;

    hook_end_left(live);
    if (!live_load_hooks(live, &options, err))
        return false;
    if (phase_is_switch(phase)) {
        if (live->unnoted)
            return live_switch_note_undone(live, err);
        log_warn("a switch was interrupted: undoing it", kv_str("phase", phase_name(phase)));
        return live_switch_undo(live, &options, err);
    }
    if (phase != PHASE_HOME && phase != PHASE_AWAY)
        return true;
    return live_number(live, "ended", &ended, err) && live_number(live, "feed", &current, err) &&
           (ended != current || live_switch_conclude(live, &options, &accepting, err));
}

bool live_recover(Live *live, Error *err)
{
    cancel_hold(true);
    bool ok = recover(live, err);
    cancel_hold(false);
    return ok;
}

/* A switch that neither could be undone nor brought to its end, as a side was away. */
static void conclude(Live *live)
{
    Error failed = ERROR_INIT;

    if (clock_seconds() < live->conclude_at)
        return;
    if (live_recover(live, &failed) && live_apply(live, &failed) &&
        live_drop_others(live, &failed)) {
        live->conclude_at = 0;
        live->last_error = NULL;
        if (!live->trouble)
            state_clear_error(&live->job.state);
        return;
    }
    log_error(live->shut ? "the app cannot write yet" : "the switch is not at its end yet",
              kv_str("reason", failed.message));
    state_note_error(&live->job.state, &failed);
    live->last_error = arena_strdup(live->arena, failed.message);
    live->conclude_at = clock_seconds() + CONCLUDE_S;
}

static bool follow(Live *live, Error *err)
{
    while (!cancel_requested()) {
        ControlCall *call = NULL;

        live_sample(live);
        if (live->conclude_at > 0)
            conclude(live);
        live_resume_look(live);
        if ((live->conclude_at == 0 && !live_look(live, err)) || !next_call(live, &call, err))
            return cancel_requested();
        live->call = call;
        if (call)
            answer(live, call);
        live->call = NULL;
    }
    return true;
}

bool live_declare_tables(Live *live, Error *err)
{
    PGconn *conn = NULL;
    Table *tables = NULL;
    int count = 0;

    if (!live_connect(live, live_to(live), &conn, err) ||
        !tables_list(conn, live->arena, &tables, &count, err))
        return false;
    for (int i = 0; i < count; i++)
        touched_declare(live->touched, tables[i].schema, tables[i].name);
    return true;
}

static bool try_following(Live *live, Error *err)
{
    return live_declare_tables(live, err) && live_hold_fence(live, live_to(live), err) &&
           live_apply(live, err) && live_drop_others(live, err);
}

/* In the state too: a mover that waits for a lock answers nobody. */
static void note_waiting(Live *live, const char *why)
{
    live->last_error = why ? arena_printf(live->arena, "following waits: %s", why) : NULL;
    state_note_error_text(&live->job.state, live->last_error);
}

/* Whoever holds a table to himself is waited for. */
static bool begin_following(Live *live, Error *err)
{
    bool waited = false;

    live->checking = true;
    live->at_work = true;
    while (!try_following(live, err)) {
        if (strcmp(err->sqlstate, PG_LOCK_NOT_AVAILABLE) != 0 || cancel_requested())
            return false;
        (void)live_hint_locks(live, err);
        log_warn("following waits for a table", kv_str("reason", err->message),
                 kv_str("hint", err->hint));
        note_waiting(live, err->hint);
        waited = true;
        *err = ERROR_INIT;
        if (!live_serve(live, WAIT_MS, err))
            return false;
    }
    if (waited)
        note_waiting(live, NULL);
    return true;
}

static bool load(Live *live, Error *err)
{
    LiveFeed *others = NULL;
    int count = 0;

    (void)snprintf(live->publication, sizeof live->publication, "homeport_%s",
                   live->job.state.move.id);
    return live_load_encoding(live, err) && live_load_token(live, err) &&
           live_load_feeds(live, &live->feed, &others, &count, err);
}

static bool run(Live *live, Error *err)
{
    State *state = &live->job.state;
    static const JobLive not_yet = {0};

    live->job.live = &not_yet; /* of which kind it is matters before there is a token */
    if (!job_open(&live->job, err))
        return false;
    Phase phase = state_is_begun(state) ? state->move.place.phase : PHASE_PLANNED;
    if (phase == PHASE_FINISHED) {
        live->copied.already_done = true;
        return true;
    }
    if (phase == PHASE_ABORTING || phase == PHASE_FINISHING) {
        (void)error_set(err, ERR_WRONG_STATE, "this move is being ended");
        return error_hint(err, "Run `homeport %s` again.",
                          phase == PHASE_ABORTING ? "abort" : "finish");
    }
    if (!job_open_identities(&live->job, err))
        return false;
    if (phase <= PHASE_COPYING) {
        if (!job_prepare(&live->job, err) || !live_save_encoding(live, err) || !load(live, err) ||
            !live_copy(live, err))
            return false;
    } else if (!load(live, err)) {
        return false;
    }
    job_say(&live->job, "follow");
    return control_listen(live->config->dir, &live->control, err) && live_recover(live, err) &&
           live_resume_load(live, err) && begin_following(live, err) && follow(live, err);
}

bool move_live(Arena *arena, const Config *config, const LiveOptions *options,
               const MoveWatch *watch, MoveReport *ret, Error *err)
{
    Live live = {
        .arena = arena,
        .config = config,
        .options = options,
        .touched = touched_new(),
    };

    live.job = (Job){
        .arena = arena,
        .config = config,
        .watch = watch,
        .report = &live.copied,
        .state = {.lock_fd = -1},
    };
    Error unnoted = ERROR_INIT;
    bool ok = run(&live, err);
    if (!ok)
        state_note_error(&live.job.state, err);
    if (!live_keep_system(&live, &unnoted))
        log_warn("which server was read from could not be noted",
                 kv_str("reason", unnoted.message));
    live_hooks_close(&live);
    live_check_drop(&live); /* it asks the applier how far it is */
    live_feed_stop(&live);
    control_close(live.control);
    for (int side = 0; side < LIVE_SIDES; side++)
        pg_close(live.conns[side]);
    job_close(&live.job, ok);
    touched_free(live.touched);
    *ret = live.copied;
    return ok;
}

bool move_stop(Arena *arena, const Config *config, bool *ret_was, Error *err)
{
    const char *lock = arena_printf(arena, "%s/lock", config->dir);
    int holder = file_lock_holder(lock);
    double deadline = clock_seconds() + STOP_S;

    *ret_was = holder > 0;
    if (holder > 0 && kill(holder, SIGTERM) < 0)
        /* not run: root, as which the tests run, may end any process */
        return error_set_errno(err, "stop process %d", holder);
    while (file_lock_holder(lock) == holder && holder > 0) {
        if (clock_seconds() > deadline)
            /* not run: it takes the whole minute, of a process that hangs */
            return error_set(err, ERR_WRONG_STATE, "process %d does not end", holder);
        if (!cancel_sleep_ms(STOP_PAUSE_MS, err))
            return false;
    }
    return true;
}
