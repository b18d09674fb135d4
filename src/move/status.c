#include "core/clock.h"
#include "move/control.h"
#include "move/move.h"
#include "move/state.h"

static const char *next_live(Phase phase, bool running)
{
    switch (phase) {
    case PHASE_FINISHED:
        return "Nothing: the move is over.";
    case PHASE_ABORTED:
        return "The move was undone. `homeport move` begins anew.";
    case PHASE_ABORTING:
        return "Run `homeport abort` again.";
    case PHASE_FINISHING:
        return "Run `homeport finish` again.";
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

static const char *next_once(Phase phase, bool running)
{
    if (phase == PHASE_FINISHED)
        return "Compare again at any time with `homeport verify`.";
    if (running)
        return "Wait: the move is at work.";
    if (phase == PHASE_FINISHING)
        return "Everything is there. Run `homeport move --once` again: it removes its own traces.";
    return "The target is incomplete. Run `homeport move --once` again: the schema is kept, rows "
           "start again.";
}

static const char *next_step(const MoveRecord *move, bool running)
{
    if (!move->exists)
        return "Begin with `homeport check`, then `homeport move`.";
    return move->live ? next_live(move->place.phase, running)
                      : next_once(move->place.phase, running);
}

bool move_ask(const Config *config, struct json_t *request, struct json_t **ret, Error *err)
{
    return control_call(config->dir, request, NULL, NULL, ret, err);
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
    };
    if (!move.exists)
        return true;
    Phase phase = move.place.phase;
    ret->live = move.live;
    ret->following = move.live && phase >= PHASE_FOLLOWING && phase <= PHASE_AWAY;
    ret->phase = phase_name(move.place.phase);
    ret->direction = direction_name(move.place.direction);
    ret->complete = move.place.phase == PHASE_FINISHED;
    ret->source = move.source;
    ret->target = move.target;
    ret->started_at = clock_iso(arena, move.started_ms);
    ret->finished_at = move.finished_ms ? clock_iso(arena, move.finished_ms) : NULL;
    ret->last_error = move.last_error;
    ret->tables_total = move.tables_total;
    ret->tables_done = move.tables_done;
    ret->rows_done = move.rows_done;
    ret->bytes_done = move.bytes_done;
    ret->bytes_total = move.bytes_total;
    return true;
}
