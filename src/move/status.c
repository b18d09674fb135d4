#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "move/control.h"
#include "move/fence.h"
#include "move/move.h"
#include "move/relax.h"
#include "move/state.h"

/* The app may be able to write nowhere until the mover has gone on. */
static bool is_shut(const MoveRecord *move)
{
    Phase phase = move->place.phase;

    return phase_is_switch(phase) ||
           ((phase == PHASE_HOME || phase == PHASE_AWAY) && move->half_switched);
}

static const char *next_live(Phase phase, bool running)
{
    switch (phase) {
    case PHASE_FINISHED:
        return "Nothing: the move is over.";
    case PHASE_ABORTED:
        return "The move was undone. `homeport move` begins anew.";
    case PHASE_ABORTING:
        return running ? "Wait: the move is being undone." : "Run `homeport abort` again.";
    case PHASE_FINISHING:
        return running ? "Wait: the move is being ended." : "Run `homeport finish` again.";
    case PHASE_FENCING:
    case PHASE_DRAINING:
    case PHASE_SWITCHING:
        return running ? "Wait: the switch is being made."
                       : "THE APP CANNOT WRITE: run `homeport move --detach` now, which undoes the "
                         "interrupted switch.";
    default:
        return running ? "Wait: the move is at work."
                       : "Run `homeport move --detach`: it goes on where it stopped.";
    }
}

static const char *next_finished(Compared compared)
{
    switch (compared) {
    case COMPARED_NOTHING:
        return "Nothing was compared: `homeport verify` compares every row.";
    case COMPARED_DIFFERENT:
        return "The last comparison found differences: `homeport verify` names them.";
    default:
        return "Compare again at any time with `homeport verify`.";
    }
}

static const char *next_once(const MoveRecord *move, bool running)
{
    Phase phase = move->place.phase;

    if (phase == PHASE_FINISHED)
        return next_finished(move->compared);
    if (running)
        return "Wait: the move is at work.";
    if (phase == PHASE_PLANNED)
        return "Nothing is made on the target yet. Run `homeport move --once` again.";
    if (phase == PHASE_FINISHING)
        return "Everything is there. Run `homeport move --once` again: it removes its own traces.";
    if (phase == PHASE_COPYING && move->compared == COMPARED_ROWS)
        return "All rows are there and equal; the schema was not compared. With a pg_dump that "
               "reads both servers (--pg-bin) `homeport verify` completes the move, where it finds "
               "all equal; so does `homeport move --once`, which copies the rows again.";
    return "The target is incomplete. Run `homeport move --once` again: the schema is kept, rows "
           "start again.";
}

static const char *next_step(const MoveRecord *move, bool running)
{
    if (!move->exists)
        return "Begin with `homeport check`, then `homeport move`.";
    if (move->live && !running && is_shut(move) && !phase_is_switch(move->place.phase))
        return "Run `homeport move --detach` now: it brings the interrupted switch to its end.";
    return move->live ? next_live(move->place.phase, running) : next_once(move, running);
}

/* Whether the app lives at home: in a switch, where it was before; at the end, where the last
 * switch has brought it. */
static bool is_at_home(const Place *place)
{
    if (place->phase == PHASE_FINISHING || place->phase == PHASE_FINISHED)
        return place->direction == DIRECTION_FORWARD;
    return place->phase == PHASE_HOME ||
           (phase_is_switch(place->phase) && place->direction == DIRECTION_BACK);
}

/* While a mover is at work on it. */
static void tell_shut(MoveStatus *status)
{
    status->fenced = "both";
    status->fenced_text = "Both sides may be fenced, so that the app can write nowhere: the mover "
                          "is bringing a switch to its end.";
}

/* By the record alone: what is fenced from when to when is the mover's doing (rule 25). */
static void tell_fence(Arena *arena, const MoveRecord *move, MoveStatus *status)
{
    bool home = is_at_home(&move->place);
    bool shut = is_shut(move);
    bool lift_target = home == shut; /* shut: the app's own side; else the other one */
    PgUrl url = {.redacted = lift_target ? move->target : move->source};

    status->fenced = shut ? "both" : home ? "source" : "target";
    status->fenced_text =
        shut   ? arena_printf(arena,
                              "A SWITCH WAS INTERRUPTED: both sides may be fenced, so that the "
                                "app, which lives at %s, can write nowhere.",
                            home ? "home" : "the source")
        : home ? "The source is fenced: the app writes at home."
               : "The target is fenced: the app writes at the source.";
    status->lifted_side = lift_target ? "target" : "source";
    status->fence_lift_sql = fence_lift_sql(arena, &(Fence){.url = &url});
}

static void on_event(void *context, const json_t *event)
{
    const MoveWatch *watch = context;
    const char *step = json_string_value(json_object_get(event, "step"));

    if (step && watch->step)
        watch->step(watch->context, step);
}

/* --relax-durability of a process that is gone. */
static bool tell_relaxed(Arena *arena, const Config *config, MoveStatus *status, Error *err)
{
    auto_store Store *store = NULL;

    return store_open(arena_printf(arena, "%s/state.sqlite", config->dir), &store, err) &&
           relax_sql(arena, store, &status->relaxed_sql, err);
}

bool move_ask(const Config *config, json_t *request, const MoveWatch *watch, int patience_ms,
              json_t **ret, Error *err)
{
    MoveWatch steps = watch ? *watch : (MoveWatch){0};
    ControlWatch waiting = {
        .on_event = on_event,
        .context = &steps,
        .patience_ms = patience_ms,
    };

    return control_call(config->dir, request, &waiting, ret, err);
}

bool move_listens(const Config *config)
{
    return control_listens(config->dir);
}

bool move_ask_status(const Config *config, json_t **ret)
{
    Error ignored = ERROR_INIT;

    return move_ask(config, json_pack("{s:s}", "verb", "status"), NULL, MOVE_STATUS_PATIENCE_MS,
                    ret, &ignored);
}

static void tell_compared(Arena *arena, const MoveRecord *move, MoveStatus *status)
{
    static const char *const texts[COMPARED_COUNT] = {
        [COMPARED_EQUAL] = "equal",
        [COMPARED_ROWS] = "all rows are equal, the schema could not be compared",
        [COMPARED_DIFFERENT] = "not equal",
        [COMPARED_NOTHING] = "nothing was compared",
    };
    const char *text = texts[move->compared];

    status->compared = text && move->compared != COMPARED_NOTHING;
    status->equal = move->compared == COMPARED_EQUAL;
    status->compared_at = status->compared ? clock_iso(arena, move->compared_ms) : NULL;
    status->compared_text =
        status->compared ? arena_printf(arena, "%s (%s)", text, status->compared_at) : text;
}

void move_note_verified(Arena *arena, const Config *config, const VerifyReport *report)
{
    MoveRecord move;
    int holder = 0;
    PgUrl source;
    PgUrl target;
    Error failed = ERROR_INIT;

    if (!url_parse(arena, config->source, "source", &source, &failed) ||
        !url_parse(arena, config->target, "target", &target, &failed) ||
        !state_peek(arena, config->dir, &move, &holder, &failed) || !move.exists || move.live ||
        move.place.phase != PHASE_FINISHED || strcmp(move.source, source.redacted) != 0 ||
        strcmp(move.target, target.redacted) != 0)
        return;
    if (!state_note_compared_later(arena, config->dir, compared_of(report), &failed))
        /* not run: it was read a moment before */
        log_warn("the result could not be noted in the work folder",
                 kv_str("reason", failed.message));
}

bool move_status(Arena *arena, const Config *config, MoveStatus *ret, Error *err)
{
    MoveRecord move;
    int holder = 0;

    if (!state_peek(arena, config->dir, &move, &holder, err))
        return false;
    *ret = (MoveStatus){
        .exists = move.exists,
        .running = holder != 0,
        .pid = holder,
        .next = next_step(&move, holder != 0),
        .seconds_left = -1,
    };
    if (!move.exists)
        return true;
    Phase phase = move.place.phase;
    ret->live = move.live;
    ret->following = move.live && phase >= PHASE_FOLLOWING && phase <= PHASE_AWAY;
    ret->phase = phase_name(move.place.phase);
    ret->direction = direction_name(move.place.direction);
    ret->complete = move.place.phase == PHASE_FINISHED;
    if (move.live)
        ret->app_at = is_at_home(&move.place) ? "target" : "source";
    ret->source = move.source;
    ret->target = move.target;
    ret->started_at = clock_iso(arena, move.started_ms);
    ret->finished_at = move.finished_ms ? clock_iso(arena, move.finished_ms) : NULL;
    tell_compared(arena, &move, ret);
    ret->last_error = move.last_error;
    ret->tables_total = move.tables_total;
    ret->tables_done = move.tables_done;
    ret->rows_done = move.rows_done;
    ret->bytes_done = move.bytes_done;
    ret->bytes_total = move.bytes_total;
    if (ret->running && phase == PHASE_COPYING) {
        ret->seconds_left = (double)move.seconds_left;
        ret->stream = move.stream;
    }
    if (ret->following && !ret->running)
        tell_fence(arena, &move, ret);
    else if (ret->following && is_shut(&move))
        tell_shut(ret);
    return ret->running || tell_relaxed(arena, config, ret, err);
}
