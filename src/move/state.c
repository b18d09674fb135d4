#include "move/state.h"

#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "sql.gen.h"

static const char *const phase_names[PHASE_COUNT] = {
    [PHASE_PLANNED] = "planned",     [PHASE_SCHEMA] = "schema",       [PHASE_COPYING] = "copying",
    [PHASE_FOLLOWING] = "following", [PHASE_CAUGHT_UP] = "caught-up", [PHASE_FENCING] = "fencing",
    [PHASE_DRAINING] = "draining",   [PHASE_SWITCHING] = "switching", [PHASE_HOME] = "home",
    [PHASE_AWAY] = "away",           [PHASE_FINISHING] = "finishing", [PHASE_FINISHED] = "finished",
    [PHASE_ABORTING] = "aborting",   [PHASE_ABORTED] = "aborted",
};

static const char *const direction_names[] = {
    [DIRECTION_FORWARD] = "forward",
    [DIRECTION_BACK] = "back",
};

static const char *const compared_names[COMPARED_COUNT] = {
    [COMPARED_UNKNOWN] = "unknown",     [COMPARED_EQUAL] = "equal",     [COMPARED_ROWS] = "rows",
    [COMPARED_DIFFERENT] = "different", [COMPARED_NOTHING] = "nothing",
};

/* What is not here cannot happen, but for what place_next() says of switches. */
static const struct {
    Phase from;
    PhaseEvent event;
    Phase to;
} transitions[] = {
    {PHASE_PLANNED,   EVENT_SCHEMA_STARTED, PHASE_SCHEMA   },
    {PHASE_SCHEMA,    EVENT_SCHEMA_STARTED, PHASE_SCHEMA   },
    {PHASE_SCHEMA,    EVENT_SCHEMA_DONE,    PHASE_COPYING  },
    {PHASE_SCHEMA,    EVENT_SCHEMA_CHANGED, PHASE_SCHEMA   },
    {PHASE_COPYING,   EVENT_SCHEMA_CHANGED, PHASE_SCHEMA   },
    {PHASE_COPYING,   EVENT_TARGET_EMPTY,   PHASE_SCHEMA   },
    {PHASE_COPYING,   EVENT_ROWS_RESTARTED, PHASE_COPYING  },
    {PHASE_COPYING,   EVENT_ALL_THERE,      PHASE_FINISHING},
    {PHASE_COPYING,   EVENT_COPIED,         PHASE_FOLLOWING},
    {PHASE_FOLLOWING, EVENT_CAUGHT_UP,      PHASE_CAUGHT_UP},
    {PHASE_CAUGHT_UP, EVENT_FELL_BEHIND,    PHASE_FOLLOWING},
    {PHASE_CAUGHT_UP, EVENT_FENCE,          PHASE_FENCING  },
    {PHASE_HOME,      EVENT_FENCE,          PHASE_FENCING  },
    {PHASE_AWAY,      EVENT_FENCE,          PHASE_FENCING  },
    {PHASE_FENCING,   EVENT_FENCED,         PHASE_DRAINING },
    {PHASE_DRAINING,  EVENT_DRAINED,        PHASE_SWITCHING},
    {PHASE_HOME,      EVENT_FINISH,         PHASE_FINISHING},
    {PHASE_AWAY,      EVENT_FINISH,         PHASE_FINISHING},
    {PHASE_FINISHING, EVENT_DONE,           PHASE_FINISHED },
    {PHASE_PLANNED,   EVENT_ABORT,          PHASE_ABORTING },
    {PHASE_SCHEMA,    EVENT_ABORT,          PHASE_ABORTING },
    {PHASE_COPYING,   EVENT_ABORT,          PHASE_ABORTING },
    {PHASE_FOLLOWING, EVENT_ABORT,          PHASE_ABORTING },
    {PHASE_CAUGHT_UP, EVENT_ABORT,          PHASE_ABORTING },
    {PHASE_ABORTING,  EVENT_ABORT,          PHASE_ABORTING },
    {PHASE_ABORTING,  EVENT_DONE,           PHASE_ABORTED  },
};

/* Column order of sql/store/read_move.sql. */
enum {
    COL_ID,
    COL_KIND,
    COL_DIRECTION,
    COL_PHASE,
    COL_SOURCE,
    COL_TARGET,
    COL_STARTED,
    COL_FINISHED,
    COL_BYTES_TOTAL,
    COL_TABLES_TOTAL,
    COL_TABLES_DONE,
    COL_ROWS_DONE,
    COL_BYTES_DONE,
    COL_RUNS,
    COL_LAST_ERROR,
    COL_SWITCHES,
    COL_HALF_SWITCHED,
    COL_TARGET_DATABASE,
    COL_COMPARED,
    COL_COMPARED_MS,
    COL_SECONDS_LEFT,
    COL_STREAM,
};

const char *phase_name(Phase phase)
{
    assert(phase >= 0 && phase < PHASE_COUNT);
    return phase_names[phase];
}

const char *direction_name(Direction direction)
{
    return direction_names[direction];
}

bool phase_is_switch(Phase phase)
{
    return phase == PHASE_FENCING || phase == PHASE_DRAINING || phase == PHASE_SWITCHING;
}

/* A switch ends at the other side, or where it came from. */
static bool switch_next(Place from, PhaseEvent event, Place *ret)
{
    bool forward = from.direction == DIRECTION_FORWARD;

    if (event == EVENT_SWITCHED && from.phase == PHASE_SWITCHING) {
        *ret = (Place){from.direction, forward ? PHASE_HOME : PHASE_AWAY, from.switches + 1};
        return true;
    }
    if (event != EVENT_UNDONE || !phase_is_switch(from.phase))
        return false;
    if (from.switches == 0)
        *ret = (Place){DIRECTION_FORWARD, PHASE_FOLLOWING, 0};
    else
        *ret = (Place){forward ? DIRECTION_BACK : DIRECTION_FORWARD,
                       forward ? PHASE_AWAY : PHASE_HOME, from.switches};
    return true;
}

bool place_next(Place from, PhaseEvent event, Place *ret)
{
    for (size_t i = 0; i < COUNT_OF(transitions); i++) {
        if (transitions[i].from != from.phase || transitions[i].event != event)
            continue;
        *ret = (Place){from.direction, transitions[i].to, from.switches};
        if (event == EVENT_FENCE)
            ret->direction = from.phase == PHASE_HOME ? DIRECTION_BACK : DIRECTION_FORWARD;
        return true;
    }
    return switch_next(from, event, ret);
}

static bool phase_parse(const char *name, Phase *ret, Error *err)
{
    for (int i = 0; i < PHASE_COUNT; i++)
        if (strcmp(phase_names[i], name) == 0) {
            *ret = (Phase)i;
            return true;
        }
    return error_set(err, ERR_WRONG_STATE, "the state names a phase that is not known: \"%s\"",
                     name);
}

Compared compared_of(const VerifyReport *found)
{
    return found->verified           ? COMPARED_EQUAL
           : found->differences == 0 ? COMPARED_ROWS
                                     : COMPARED_DIFFERENT;
}

static Compared compared_parse(const char *name)
{
    for (int i = 0; name && i < COMPARED_COUNT; i++)
        if (strcmp(compared_names[i], name) == 0)
            return (Compared)i;
    return COMPARED_UNKNOWN;
}

static bool read_record(Store *store, Arena *arena, MoveRecord *ret, Error *err)
{
    StoreRows rows;

    if (!store_query(store, arena, sql_store_read_move, STORE_NO_VALUES, &rows, err))
        return false;
    if (rows.rows == 0) {
        *ret = (MoveRecord){.exists = false};
        return true;
    }
    MoveRecord move = {
        .exists = true,
        .id = store_cell(&rows, 0, COL_ID),
        .live = strcmp(store_cell(&rows, 0, COL_KIND), "live") == 0,
        .source = store_cell(&rows, 0, COL_SOURCE),
        .target = store_cell(&rows, 0, COL_TARGET),
        .started_ms = store_cell_i64(&rows, 0, COL_STARTED),
        .finished_ms = store_cell_i64(&rows, 0, COL_FINISHED),
        .bytes_total = store_cell_i64(&rows, 0, COL_BYTES_TOTAL),
        .tables_total = (int)store_cell_i64(&rows, 0, COL_TABLES_TOTAL),
        .tables_done = (int)store_cell_i64(&rows, 0, COL_TABLES_DONE),
        .rows_done = store_cell_i64(&rows, 0, COL_ROWS_DONE),
        .bytes_done = store_cell_i64(&rows, 0, COL_BYTES_DONE),
        .runs = (int)store_cell_i64(&rows, 0, COL_RUNS),
        .last_error = store_cell(&rows, 0, COL_LAST_ERROR),
        .target_database = store_cell(&rows, 0, COL_TARGET_DATABASE),
        .compared = compared_parse(store_cell(&rows, 0, COL_COMPARED)),
        .compared_ms = store_cell_i64(&rows, 0, COL_COMPARED_MS),
        .seconds_left = store_cell(&rows, 0, COL_SECONDS_LEFT)
                            ? store_cell_i64(&rows, 0, COL_SECONDS_LEFT)
                            : -1,
        .stream = store_cell(&rows, 0, COL_STREAM),
        .half_switched = store_cell_i64(&rows, 0, COL_HALF_SWITCHED) != 0,
    };
    if (!phase_parse(store_cell(&rows, 0, COL_PHASE), &move.place.phase, err))
        return false;
    move.place.direction =
        strcmp(store_cell(&rows, 0, COL_DIRECTION), direction_names[DIRECTION_BACK]) == 0
            ? DIRECTION_BACK
            : DIRECTION_FORWARD;
    move.place.switches = (int)store_cell_i64(&rows, 0, COL_SWITCHES);
    *ret = move;
    return true;
}

/* Another user's, damaged, or none of ours: what is wrong with it the message says. */
static bool hint_folder(Error *err)
{
    return *err->hint ? false
                      : error_hint(err, "The work folder must be one that this user may read and "
                                        "write, with what homeport wrote there: come as the user "
                                        "who runs the move, or give another --dir.");
}

bool state_open(Arena *arena, const char *dir, State *ret, Error *err)
{
    State state = {.dir = dir, .lock_fd = -1};
    int holder = 0;

    if (!file_make_dir(dir, 0700, err) ||
        !file_lock(arena_printf(arena, "%s/lock", dir), &state.lock_fd, &holder, err)) {
        if (holder)
            return error_hint(err,
                              "A move is at work in this folder (process %d): wait for it, or give "
                              "another --dir. `homeport status` shows where it stands.",
                              holder);
        return error_hint(err, "The work folder must be one that this user may write to: give "
                               "another --dir.");
    }
    if (!store_open(arena_printf(arena, "%s/state.sqlite", dir), &state.store, err) ||
        !read_record(state.store, arena, &state.move, err)) {
        state_close(&state);
        return hint_folder(err);
    }
    *ret = state;
    return true;
}

void state_close(State *state)
{
    store_close(state->store);
    state->store = NULL;
    file_close(&state->lock_fd);
}

bool state_peek(Arena *arena, const char *dir, MoveRecord *ret, int *ret_holder, Error *err)
{
    const char *path = arena_printf(arena, "%s/state.sqlite", dir);
    auto_store Store *store = NULL;
    bool there = false;

    *ret_holder = 0;
    if (!file_find(path, &there, err))
        return hint_folder(err);
    if (!there) {
        *ret = (MoveRecord){.exists = false};
        return true;
    }
    *ret_holder = file_lock_holder(arena_printf(arena, "%s/lock", dir));
    return (store_open(path, &store, err) && read_record(store, arena, ret, err)) ||
           hint_folder(err);
}

static bool make_id(Arena *arena, const char **ret, Error *err)
{
    unsigned char bytes[8];
    char *id = arena_alloc(arena, sizeof bytes * 2 + 1);

    if (getentropy(bytes, sizeof bytes) < 0)
        return error_set(err, ERR_IO, "no random bytes for the move's id");
    for (size_t i = 0; i < sizeof bytes; i++)
        (void)snprintf(id + 2 * i, 3, "%02x", bytes[i]);
    *ret = id;
    return true;
}

bool state_is_begun(const State *state)
{
    return state->move.exists && state->move.place.phase != PHASE_ABORTED;
}

bool state_begin(State *state, Arena *arena, const MoveBegin *begin, Error *err)
{
    const char *id = NULL;

    assert(!state_is_begun(state));
    if (!make_id(arena, &id, err) ||
        !store_run(state->store, sql_store_forget_move, STORE_NO_VALUES, err) ||
        !store_run(state->store, sql_store_begin_move,
                   STORE_VALUES(STORE_TEXT(id), STORE_TEXT(begin->live ? "live" : "once"),
                                STORE_TEXT(begin->source), STORE_TEXT(begin->target),
                                STORE_INT(clock_unix_ms())),
                   err))
        return false;
    return read_record(state->store, arena, &state->move, err);
}

bool state_event(State *state, PhaseEvent event, Error *err)
{
    Place to = {0};

    assert(state->move.exists);
    if (!place_next(state->move.place, event, &to))
        return error_set(err, ERR_WRONG_STATE, "this cannot happen in phase %s",
                         phase_name(state->move.place.phase));

    int64_t now = clock_unix_ms();
    bool over = to.phase == PHASE_FINISHED || to.phase == PHASE_ABORTED;
    StoreValue finished = over ? STORE_INT(now) : (StoreValue){.is_null = true};
    if (!store_run(state->store, sql_store_set_phase,
                   STORE_VALUES(STORE_TEXT(phase_name(to.phase)), finished,
                                STORE_TEXT(direction_name(to.direction)), STORE_INT(to.switches)),
                   err))
        return false;
    state->move.place = to;
    state->move.finished_ms = over ? now : 0;
    return true;
}

static bool set_fact(Store *store, const char *name, const char *value, Error *err)
{
    return store_run(store, sql_store_set_fact, STORE_VALUES(STORE_TEXT(name), STORE_TEXT(value)),
                     err);
}

static bool set_seconds_left(Store *store, int64_t seconds, Error *err)
{
    auto_arena Arena *arena = arena_new();

    return set_fact(store, "seconds left", arena_printf(arena, "%" PRId64, seconds), err);
}

bool state_count_run(State *state, Error *err)
{
    if (!store_run(state->store, sql_store_count_run, STORE_NO_VALUES, err) ||
        !set_seconds_left(state->store, -1, err))
        return false;
    state->move.runs++;
    return true;
}

bool state_progress(State *state, Error *err)
{
    const MoveRecord *move = &state->move;

    return store_run(state->store, sql_store_set_progress,
                     STORE_VALUES(STORE_INT(move->bytes_total), STORE_INT(move->tables_total),
                                  STORE_INT(move->tables_done), STORE_INT(move->rows_done),
                                  STORE_INT(move->bytes_done)),
                     err) &&
           set_seconds_left(state->store, move->seconds_left, err);
}

bool state_note_target(State *state, const char *database, Error *err)
{
    if (!set_fact(state->store, "target database", database, err))
        return false; /* not run: the phase is written beside it, which the tests do hold up */
    state->move.target_database = database;
    return true;
}

static bool note_compared(Store *store, Compared compared, Error *err)
{
    auto_arena Arena *arena = arena_new();

    return set_fact(store, "compared ms", arena_printf(arena, "%" PRId64, clock_unix_ms()), err) &&
           set_fact(store, "compared", compared_names[compared], err);
}

bool state_note_compared(State *state, Compared compared, Error *err)
{
    return note_compared(state->store, compared, err);
}

bool state_note_compared_later(Arena *arena, const char *dir, Compared compared, Error *err)
{
    auto_store Store *store = NULL;

    return store_open(arena_printf(arena, "%s/state.sqlite", dir), &store, err) &&
           note_compared(store, compared, err);
}

void state_note_error_text(State *state, const char *text)
{
    Error failed = ERROR_INIT;

    if (state->store && state->move.exists &&
        !store_run(state->store, sql_store_set_error, STORE_VALUES(STORE_TEXT(text)), &failed))
        log_warn("the error could not be noted", kv_str("reason", failed.message));
}

void state_note_error(State *state, const Error *error)
{
    state_note_error_text(state, error->message);
}

void state_clear_error(State *state)
{
    state_note_error_text(state, NULL);
}
