/*
 * The state of the move in its work folder: <dir>/state.sqlite, <dir>/lock,
 * <dir>/schema.dump until it is over.
 *
 * What is allowed to follow what phase is a table in state.c, and a phase is durable before it is
 * acted upon.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/error.h"
#include "move/move.h"
#include "store/store.h"

typedef enum Phase {
    PHASE_PLANNED,
    PHASE_SCHEMA,
    PHASE_COPYING,
    PHASE_FOLLOWING, /* live from here on: home gets the source's changes */
    PHASE_CAUGHT_UP,
    PHASE_FENCING, /* up to the record `home` or `away` all is undone where something fails */
    PHASE_DRAINING,
    PHASE_SWITCHING,
    PHASE_HOME,      /* durable: the app lives at home, the source gets home's changes */
    PHASE_AWAY,      /* durable: back at the source; home gets its changes */
    PHASE_FINISHING, /* only what is homeport's own must go */
    PHASE_FINISHED,
    PHASE_ABORTING,
    PHASE_ABORTED,
    PHASE_COUNT
} Phase;

/* Of a switch that is being made, or was made last. */
typedef enum Direction {
    DIRECTION_FORWARD,
    DIRECTION_BACK,
} Direction;

typedef enum PhaseEvent {
    EVENT_SCHEMA_STARTED, /* the target may have objects of ours from now on */
    EVENT_SCHEMA_DONE,
    EVENT_SCHEMA_CHANGED, /* the source's schema is another one: start from an empty target */
    EVENT_TARGET_EMPTY,   /* and without our marks: it was replaced */
    EVENT_ROWS_RESTARTED, /* the snapshot is gone; the schema stays */
    EVENT_ALL_THERE,      /* once: copied, verified, on the target's disk */
    EVENT_COPIED,         /* live: the same, but for what was written since */
    EVENT_CAUGHT_UP,
    EVENT_FELL_BEHIND,
    EVENT_FENCE, /* cutover or rollback begins */
    EVENT_FENCED,
    EVENT_DRAINED,
    EVENT_SWITCHED, /* the commit point of a cutover or rollback (rule 32) */
    EVENT_UNDONE,
    EVENT_FINISH,
    EVENT_ABORT,
    EVENT_DONE,
    EVENT_COUNT,
} PhaseEvent;

/* Where a move stands. `switches` counts cutovers and rollbacks that were made. */
typedef struct Place {
    Direction direction;
    Phase phase;
    int switches;
} Place;

const char *phase_name(Phase phase);
const char *direction_name(Direction direction);
/* False where that cannot happen. */
bool place_next(Place from, PhaseEvent event, Place *ret);
/* The source is fenced, or being fenced or unfenced (rule 25: then home is not). */
bool phase_is_switch(Phase phase);

/* What the last comparison of a move --once found. */
typedef enum Compared {
    COMPARED_UNKNOWN, /* none so far */
    COMPARED_EQUAL,
    COMPARED_ROWS, /* no difference, but the schema could not be compared */
    COMPARED_DIFFERENT,
    COMPARED_NOTHING, /* --no-verify */
    COMPARED_COUNT
} Compared;

Compared compared_of(const VerifyReport *found);

typedef struct MoveRecord {
    bool exists;
    const char *id;
    bool live;
    Place place;
    const char *source;
    const char *target;
    int64_t started_ms;
    int64_t finished_ms; /* 0: not finished */
    int64_t bytes_total;
    int tables_total;
    int tables_done;
    int64_t rows_done;
    int64_t bytes_done;
    int64_t seconds_left; /* of the copy; -1: not known */
    const char *stream;   /* live: how it does beside the copy, in JSON; NULL: not known */
    int runs;
    const char *last_error;
    const char *target_database; /* once, complete: database_id_text(); NULL: not noted */
    Compared compared;
    int64_t compared_ms;
    bool half_switched; /* as it was read: the side that took over may still be fenced */
} MoveRecord;

typedef struct State {
    const char *dir;
    Store *store;
    int lock_fd;
    MoveRecord move;
} State;

/* Makes the folder (0700), takes its lock (another process's: ERR_WRONG_STATE with its id). */
bool state_open(Arena *arena, const char *dir, State *ret, Error *err) MUST_USE;
void state_close(State *state);
#define auto_state CLEANUP(state_close)

/* Without the lock; exists=false where there is no state. ret_holder: who has the lock, 0: nobody.
 */
bool state_peek(Arena *arena, const char *dir, MoveRecord *ret, int *ret_holder,
                Error *err) MUST_USE;

/* What `source` and `target` are is redacted. An aborted move makes room for the next one. */
typedef struct MoveBegin {
    const char *source;
    const char *target;
    bool live;
} MoveBegin;

/* There is a move, and it was not undone. */
bool state_is_begun(const State *state);
bool state_begin(State *state, Arena *arena, const MoveBegin *begin, Error *err) MUST_USE;
bool state_event(State *state, PhaseEvent event, Error *err) MUST_USE;
bool state_count_run(State *state, Error *err) MUST_USE;
bool state_progress(State *state, Error *err) MUST_USE; /* the numbers in state->move */
/* The database that a move --once has filled. */
bool state_note_target(State *state, const char *database, Error *err) MUST_USE;
bool state_note_compared(State *state, Compared compared, Error *err) MUST_USE;
/* The same of a finished move, without the lock: nobody else writes any more. */
bool state_note_compared_later(Arena *arena, const char *dir, Compared compared,
                               Error *err) MUST_USE;
/* Best effort: the error that is being reported matters more than failing to note it. */
void state_note_error(State *state, const Error *error);
void state_note_error_text(State *state, const char *text);
void state_clear_error(State *state); /* what it told is over */
