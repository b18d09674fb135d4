/*
 * The state of the move in its work folder: <dir>/state.sqlite, <dir>/lock,
 * <dir>/schema.dump.
 *
 * Phases are DESIGN.md 3's; what is allowed to follow what is a table in
 * state.c, and a phase is durable before it is acted upon.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/error.h"
#include "store/store.h"

typedef enum Phase {
    PHASE_PLANNED,
    PHASE_SCHEMA,
    PHASE_COPYING,
    PHASE_FINISHING, /* all is there, verified and on the target's disk; only the marks must go */
    PHASE_FINISHED,
    PHASE_COUNT
} Phase;

typedef enum PhaseEvent {
    EVENT_SCHEMA_STARTED, /* the target may have objects of ours from now on */
    EVENT_SCHEMA_DONE,
    EVENT_SCHEMA_CHANGED, /* the source's schema is another one: start from an empty target */
    EVENT_TARGET_EMPTY,   /* and without our marks: it was replaced */
    EVENT_ROWS_RESTARTED, /* the snapshot is gone; the schema stays */
    EVENT_ALL_THERE,
    EVENT_DONE,
    EVENT_COUNT,
} PhaseEvent;

const char *phase_name(Phase phase);
/* False where that cannot happen. */
bool phase_next(Phase from, PhaseEvent event, Phase *ret);

typedef struct MoveRecord {
    bool exists;
    const char *id;
    const char *direction;
    Phase phase;
    const char *source;
    const char *target;
    int64_t started_ms;
    int64_t finished_ms; /* 0: not finished */
    int64_t bytes_total;
    int tables_total;
    int tables_done;
    int64_t rows_done;
    int64_t bytes_done;
    int runs;
    const char *last_error;
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

bool state_begin(State *state, Arena *arena, const char *source, const char *target,
                 Error *err) MUST_USE;
bool state_event(State *state, PhaseEvent event, Error *err) MUST_USE;
bool state_count_run(State *state, Error *err) MUST_USE;
bool state_progress(State *state, Error *err) MUST_USE; /* the numbers in state->move */
/* Best effort: the error that is being reported matters more than failing to note it. */
void state_note_error(State *state, const Error *error);
