#include "core/clock.h"
#include "move/move.h"
#include "move/state.h"

static const char *next_step(const MoveRecord *move, bool running)
{
    if (!move->exists)
        return "Begin with `homeport check`, then `homeport move --once`.";
    if (move->place.phase == PHASE_FINISHED)
        return "Compare again at any time with `homeport verify`.";
    if (running)
        return "Wait: the move is at work.";
    if (move->place.phase == PHASE_FINISHING)
        return "Everything is there. Run `homeport move --once` again: it removes its own traces.";
    return "The target is incomplete. Run `homeport move --once` again: the schema is kept, rows "
           "start "
           "again.";
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
