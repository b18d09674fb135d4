/* Every phase by every event; each written before it is acted upon, and found again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "core/clock.h"
#include "move/state.h"
#include "tests/unit/folder.h"

enum {
    NOWHERE = -1,
    AT_STEADY = 100, /* where the switch came from */
    AT_OTHER,        /* the other side */
};

/* The machine as it is meant to be: where an event leads to in each phase, from the documents. */
static int expected(Phase phase, PhaseEvent event)
{
    bool switching = phase_is_switch(phase);

    switch (event) {
    case EVENT_SCHEMA_STARTED:
        return phase <= PHASE_SCHEMA ? (int)PHASE_SCHEMA : NOWHERE;
    case EVENT_SCHEMA_DONE:
        return phase == PHASE_SCHEMA ? (int)PHASE_COPYING : NOWHERE;
    case EVENT_SCHEMA_CHANGED:
        return phase == PHASE_SCHEMA || phase == PHASE_COPYING ? (int)PHASE_SCHEMA : NOWHERE;
    case EVENT_TARGET_EMPTY:
        return phase == PHASE_COPYING ? (int)PHASE_SCHEMA : NOWHERE;
    case EVENT_ROWS_RESTARTED:
        return phase == PHASE_COPYING ? (int)PHASE_COPYING : NOWHERE;
    case EVENT_ALL_THERE:
        return phase == PHASE_COPYING ? (int)PHASE_FINISHING : NOWHERE;
    case EVENT_COPIED:
        return phase == PHASE_COPYING ? (int)PHASE_FOLLOWING : NOWHERE;
    case EVENT_CAUGHT_UP:
        return phase == PHASE_FOLLOWING ? (int)PHASE_CAUGHT_UP : NOWHERE;
    case EVENT_FELL_BEHIND:
        return phase == PHASE_CAUGHT_UP ? (int)PHASE_FOLLOWING : NOWHERE;
    case EVENT_FENCE:
        return phase == PHASE_CAUGHT_UP || phase == PHASE_HOME || phase == PHASE_AWAY
                   ? (int)PHASE_FENCING
                   : NOWHERE;
    case EVENT_FENCED:
        return phase == PHASE_FENCING ? (int)PHASE_DRAINING : NOWHERE;
    case EVENT_DRAINED:
        return phase == PHASE_DRAINING ? (int)PHASE_SWITCHING : NOWHERE;
    case EVENT_SWITCHED:
        return phase == PHASE_SWITCHING ? (int)AT_OTHER : NOWHERE;
    case EVENT_UNDONE:
        return switching ? (int)AT_STEADY : NOWHERE;
    case EVENT_FINISH:
        return phase == PHASE_HOME || phase == PHASE_AWAY ? (int)PHASE_FINISHING : NOWHERE;
    case EVENT_ABORT: /* never after a cutover began */
        return phase <= PHASE_CAUGHT_UP || phase == PHASE_ABORTING ? (int)PHASE_ABORTING : NOWHERE;
    case EVENT_DONE:
        return phase == PHASE_FINISHING  ? (int)PHASE_FINISHED
               : phase == PHASE_ABORTING ? (int)PHASE_ABORTED
                                         : NOWHERE;
    case EVENT_COUNT:
        break;
    }
    return NOWHERE;
}

/* Every way to be in a phase: what was before does not matter but for the direction and whether a
 * switch was made. */
static bool is_possible(Place at)
{
    bool back = at.direction == DIRECTION_BACK;

    switch (at.phase) {
    case PHASE_HOME:
        return !back && at.switches > 0;
    case PHASE_AWAY:
        return back && at.switches > 0;
    case PHASE_FENCING:
    case PHASE_DRAINING:
    case PHASE_SWITCHING:
        return !back || at.switches > 0;
    case PHASE_FINISHING:
    case PHASE_FINISHED:
        return !back || at.switches > 0;
    default:
        return !back && at.switches == 0;
    }
}

static Place expected_place(Place at, PhaseEvent event, int to)
{
    bool back = at.direction == DIRECTION_BACK;

    if (to == AT_OTHER)
        return (Place){at.direction, back ? PHASE_AWAY : PHASE_HOME, at.switches + 1};
    if (to == AT_STEADY && at.switches == 0)
        return (Place){DIRECTION_FORWARD, PHASE_FOLLOWING, 0};
    if (to == AT_STEADY)
        return back ? (Place){DIRECTION_FORWARD, PHASE_HOME, at.switches}
                    : (Place){DIRECTION_BACK, PHASE_AWAY, at.switches};
    if (event == EVENT_FENCE)
        return (Place){at.phase == PHASE_HOME ? DIRECTION_BACK : DIRECTION_FORWARD, PHASE_FENCING,
                       at.switches};
    return (Place){at.direction, (Phase)to, at.switches};
}

static void every_event_in_every_place_leads_where_it_should(void **state)
{
    (void)state;
    int places = 0;

    for (int phase = 0; phase < PHASE_COUNT; phase++)
        for (int direction = 0; direction < 2; direction++)
            for (int switches = 0; switches < 3; switches++) {
                Place at = {(Direction)direction, (Phase)phase, switches};
                if (!is_possible(at))
                    continue;
                places++;
                for (int event = 0; event < EVENT_COUNT; event++) {
                    Place to = {DIRECTION_BACK, PHASE_COUNT, -1};
                    int meant = expected(at.phase, (PhaseEvent)event);

                    assert_int_equal(place_next(at, (PhaseEvent)event, &to), meant != NOWHERE);
                    if (meant == NOWHERE) {
                        assert_int_equal(to.phase, PHASE_COUNT);
                        continue;
                    }
                    Place wanted = expected_place(at, (PhaseEvent)event, meant);
                    assert_memory_equal(&to, &wanted, sizeof to);
                    assert_true(is_possible(to));
                }
            }
    assert_true(places > PHASE_COUNT);
}

/* Whatever happens, a move that was cut over cannot be aborted, and one side stays fenced. */
static void nothing_leads_past_the_commit_point_but_the_event_itself(void **state)
{
    (void)state;
    for (int phase = 0; phase < PHASE_COUNT; phase++)
        for (int event = 0; event < EVENT_COUNT; event++) {
            Place at = {DIRECTION_FORWARD, (Phase)phase, 0};
            Place to = at;

            if (place_next(at, (PhaseEvent)event, &to) && is_possible(at) &&
                (to.phase == PHASE_HOME || to.switches > 0))
                assert_int_equal(event, EVENT_SWITCHED);
        }
}

static void phases_have_names_of_their_own(void **state)
{
    (void)state;
    static const char *const names[PHASE_COUNT] = {
        "planned",   "schema", "copying", "following", "caught-up", "fencing",  "draining",
        "switching", "home",   "away",    "finishing", "finished",  "aborting", "aborted"};

    for (int phase = 0; phase < PHASE_COUNT; phase++)
        assert_string_equal(phase_name((Phase)phase), names[phase]);
    assert_string_equal(direction_name(DIRECTION_FORWARD), "forward");
    assert_string_equal(direction_name(DIRECTION_BACK), "back");
}

/* A way through all of it, and to each phase a part of one of these. */
static const PhaseEvent way_live[] = {
    EVENT_SCHEMA_STARTED, EVENT_SCHEMA_DONE, EVENT_COPIED,   EVENT_CAUGHT_UP, EVENT_FENCE,
    EVENT_FENCED,         EVENT_DRAINED,     EVENT_SWITCHED, EVENT_FENCE,     EVENT_FENCED,
    EVENT_DRAINED,        EVENT_SWITCHED,    EVENT_FINISH,   EVENT_DONE};
static const PhaseEvent way_once[] = {EVENT_SCHEMA_STARTED, EVENT_SCHEMA_DONE, EVENT_ALL_THERE,
                                      EVENT_DONE};
static const PhaseEvent way_abort[] = {EVENT_ABORT, EVENT_DONE};

static void open_state(Arena *arena, const char *dir, State *ret)
{
    Error err = ERROR_INIT;

    if (!state_open(arena, dir, ret, &err))
        fail_msg("%s", err.message);
}

static bool phase_of_live(Phase phase)
{
    return phase >= PHASE_FOLLOWING && phase <= PHASE_AWAY;
}

/* A move in a folder of its own, driven to this phase. */
static void begin_in(Arena *arena, const char *dir, Phase phase, State *ret)
{
    Error err = ERROR_INIT;

    open_state(arena, dir, ret);
    assert_false(ret->move.exists);
    const MoveBegin begin = {"postgresql://a:***@b/c", "postgresql://d/e", phase_of_live(phase)};
    assert_true(state_begin(ret, arena, &begin, &err));
    const PhaseEvent *way = phase >= PHASE_ABORTING ? way_abort : begin.live ? way_live : way_once;
    for (int i = 0; ret->move.place.phase != phase; i++)
        assert_true(state_event(ret, way[i], &err));
}

static void check_durable(Arena *arena, const char *dir, Phase phase)
{
    auto_state State again = {.lock_fd = -1};

    open_state(arena, dir, &again);
    assert_true(again.move.exists);
    assert_int_equal(again.move.place.phase, phase);
    assert_int_equal(again.move.finished_ms > 0, phase == PHASE_FINISHED || phase == PHASE_ABORTED);
}

static void an_event_is_durable_when_it_returns(void **state)
{
    for (int phase = 0; phase < PHASE_COUNT; phase++)
        for (int event = 0; event < EVENT_COUNT; event++) {
            auto_arena Arena *arena = arena_new();
            const char *dir = arena_printf(arena, "%s/%d-%d", (const char *)*state, phase, event);
            State move = {.lock_fd = -1};
            Error err = ERROR_INIT;

            if (expected((Phase)phase, (PhaseEvent)event) == NOWHERE)
                continue;
            begin_in(arena, dir, (Phase)phase, &move);
            Place to = expected_place(move.move.place, (PhaseEvent)event,
                                      expected((Phase)phase, (PhaseEvent)event));
            assert_true(state_event(&move, (PhaseEvent)event, &err));
            assert_memory_equal(&move.move.place, &to, sizeof to);
            state_close(&move);
            check_durable(arena, dir, to.phase);
            open_state(arena, dir, &move);
            assert_memory_equal(&move.move.place, &to, sizeof to);
            state_close(&move);
        }
}

static void an_event_that_cannot_happen_changes_nothing(void **state)
{
    for (int phase = 0; phase < PHASE_COUNT; phase++) {
        auto_arena Arena *arena = arena_new();
        const char *dir = arena_printf(arena, "%s/%d", (const char *)*state, phase);
        State move = {.lock_fd = -1};

        begin_in(arena, dir, (Phase)phase, &move);
        for (int event = 0; event < EVENT_COUNT; event++) {
            Error err = ERROR_INIT;
            if (expected((Phase)phase, (PhaseEvent)event) != NOWHERE)
                continue;
            assert_false(state_event(&move, (PhaseEvent)event, &err));
            assert_int_equal(err.code, ERR_WRONG_STATE);
            assert_non_null(strstr(err.message, phase_name((Phase)phase)));
            assert_int_equal(move.move.place.phase, phase);
        }
        state_close(&move);
        check_durable(arena, dir, (Phase)phase);
    }
}

static int change_and_die(void *context)
{
    Arena *arena = arena_new();
    State move = {.lock_fd = -1};
    Error err = ERROR_INIT;

    if (!state_open(arena, context, &move, &err) ||
        !state_begin(&move, arena, &(MoveBegin){"source", "target", false}, &err) ||
        !state_event(&move, EVENT_SCHEMA_STARTED, &err))
        return 1;
    (void)raise(SIGKILL);
    return 2;
}

static void a_killed_process_leaves_its_last_event_and_no_lock(void **state)
{
    auto_arena Arena *arena = arena_new();

    assert_int_equal(in_child(arena, change_and_die, *state, NULL), 128 + SIGKILL);
    check_durable(arena, *state, PHASE_SCHEMA);
}

static void a_move_begins_planned_with_an_id_of_its_own(void **state)
{
    auto_arena Arena *arena = arena_new();
    const char *first = arena_printf(arena, "%s/first", (const char *)*state);
    const char *second = arena_printf(arena, "%s/second", (const char *)*state);
    int64_t before = clock_unix_ms();
    auto_state State a = {.lock_fd = -1};
    auto_state State b = {.lock_fd = -1};

    begin_in(arena, first, PHASE_PLANNED, &a);
    begin_in(arena, second, PHASE_PLANNED, &b);
    assert_int_equal(strlen(a.move.id), 16);
    assert_int_equal(strspn(a.move.id, "0123456789abcdef"), 16);
    assert_string_not_equal(a.move.id, b.move.id);
    assert_int_equal(a.move.place.direction, DIRECTION_FORWARD);
    assert_false(a.move.live);
    assert_string_equal(a.move.source, "postgresql://a:***@b/c");
    assert_string_equal(a.move.target, "postgresql://d/e");
    assert_true(a.move.started_ms >= before && a.move.started_ms <= clock_unix_ms());
    assert_true(a.move.finished_ms == 0);
    assert_int_equal(a.move.runs, 0);
    assert_null(a.move.last_error);
}

static void numbers_and_the_last_error_are_kept(void **state)
{
    auto_arena Arena *arena = arena_new();
    State move = {.lock_fd = -1};
    Error err = ERROR_INIT;

    begin_in(arena, *state, PHASE_COPYING, &move);
    move.move.bytes_total = INT64_MAX;
    move.move.tables_total = 7;
    move.move.tables_done = 3;
    move.move.rows_done = 5000000000;
    move.move.bytes_done = 99;
    assert_true(state_progress(&move, &err));
    assert_true(state_count_run(&move, &err));
    assert_true(state_count_run(&move, &err));
    assert_int_equal(move.move.runs, 2);
    (void)error_set(&err, ERR_SQL, "it's no good");
    state_note_error(&move, &err);
    state_close(&move);

    open_state(arena, *state, &move);
    assert_true(move.move.bytes_total == INT64_MAX);
    assert_int_equal(move.move.tables_total, 7);
    assert_int_equal(move.move.tables_done, 3);
    assert_true(move.move.rows_done == 5000000000);
    assert_int_equal(move.move.bytes_done, 99);
    assert_int_equal(move.move.runs, 2);
    assert_string_equal(move.move.last_error, "it's no good");

    /* A new run begins without the error of the one before. */
    assert_true(state_count_run(&move, &err));
    state_close(&move);
    open_state(arena, *state, &move);
    assert_null(move.move.last_error);
    state_close(&move);
}

static void an_error_before_there_is_a_move_is_not_noted(void **state)
{
    auto_arena Arena *arena = arena_new();
    State move = {.lock_fd = -1};
    Error err = ERROR_INIT;

    (void)error_set(&err, ERR_SQL, "no");
    state_note_error(&move, &err); /* nor where nothing could be opened */
    open_state(arena, *state, &move);
    state_note_error(&move, &err);
    state_close(&move);
    open_state(arena, *state, &move);
    assert_false(move.move.exists);
    state_close(&move);
}

static void a_second_opener_is_refused_with_the_firsts_process(void **state)
{
    auto_arena Arena *arena = arena_new();
    auto_state State first = {.lock_fd = -1};
    State second = {.lock_fd = -7};
    Error err = ERROR_INIT;

    open_state(arena, *state, &first);
    assert_false(state_open(arena, *state, &second, &err));
    assert_int_equal(err.code, ERR_WRONG_STATE);
    assert_non_null(strstr(err.hint, arena_printf(arena, "(process %d)", (int)getpid())));
    assert_non_null(strstr(err.hint, "homeport status"));
    assert_int_equal(second.lock_fd, -7);
}

static void the_folder_is_for_the_owner_alone(void **state)
{
    auto_arena Arena *arena = arena_new();
    const char *dir = arena_printf(arena, "%s/new/folder", (const char *)*state);
    auto_state State move = {.lock_fd = -1};
    struct stat info;

    open_state(arena, dir, &move);
    assert_int_equal(stat(dir, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
}

static void looking_takes_no_lock_and_makes_no_file(void **state)
{
    auto_arena Arena *arena = arena_new();
    const char *none = arena_printf(arena, "%s/none", (const char *)*state);
    MoveRecord seen = {.exists = true};
    State move = {.lock_fd = -1};
    int holder = 77;
    Error err = ERROR_INIT;

    assert_true(state_peek(arena, none, &seen, &holder, &err));
    assert_false(seen.exists);
    assert_int_equal(holder, 0);
    assert_false(file_exists(none));

    begin_in(arena, *state, PHASE_COPYING, &move);
    assert_true(state_peek(arena, *state, &seen, &holder, &err));
    assert_true(seen.exists);
    assert_int_equal(seen.place.phase, PHASE_COPYING);
    assert_int_equal(holder, getpid());
    assert_true(state_event(&move, EVENT_ALL_THERE, &err)); /* not in its way */
    state_close(&move);
    assert_true(state_peek(arena, *state, &seen, &holder, &err));
    assert_int_equal(seen.place.phase, PHASE_FINISHING);
    assert_int_equal(holder, 0);
    assert_string_equal(seen.source, "postgresql://a:***@b/c");
}

static void what_a_comparison_found_is_known_by_who_asks_later(void **state)
{
    auto_arena Arena *arena = arena_new();
    State move = {.lock_fd = -1};
    MoveRecord seen = {0};
    int holder = 0;
    Error err = ERROR_INIT;

    begin_in(arena, *state, PHASE_COPYING, &move);
    assert_true(state_peek(arena, *state, &seen, &holder, &err));
    assert_int_equal(seen.compared, COMPARED_UNKNOWN);
    assert_null(seen.target_database);
    for (Compared found = COMPARED_UNKNOWN; found < COMPARED_COUNT; found++) {
        assert_true(state_note_compared(&move, found, &err));
        assert_true(state_peek(arena, *state, &seen, &holder, &err));
        assert_int_equal(seen.compared, found);
        assert_true(seen.compared_ms > 0);
    }
    assert_true(state_note_target(&move, "7/5", &err));
    state_close(&move);
    assert_true(state_note_compared_later(arena, *state, COMPARED_EQUAL, &err));
    assert_true(state_peek(arena, *state, &seen, &holder, &err));
    assert_int_equal(seen.compared, COMPARED_EQUAL);
    assert_string_equal(seen.target_database, "7/5");
}

static void a_phase_of_another_version_is_refused(void **state)
{
    auto_arena Arena *arena = arena_new();
    State move = {.lock_fd = -1};
    MoveRecord seen = {0};
    int holder = 0;
    Error err = ERROR_INIT;

    begin_in(arena, *state, PHASE_SCHEMA, &move);
    assert_true(store_run(move.store, "UPDATE move SET phase = 'flying'", STORE_NO_VALUES, &err));
    state_close(&move);
    assert_false(state_open(arena, *state, &move, &err));
    assert_int_equal(err.code, ERR_WRONG_STATE);
    assert_non_null(strstr(err.message, "\"flying\""));
    assert_false(state_peek(arena, *state, &seen, &holder, &err));
    assert_int_equal(file_lock_holder(arena_printf(arena, "%s/lock", (char *)*state)), 0);
}

static void there_is_one_move_in_a_folder(void **state)
{
    auto_arena Arena *arena = arena_new();
    auto_state State move = {.lock_fd = -1};
    Error err = ERROR_INIT;

    begin_in(arena, *state, PHASE_PLANNED, &move);
    move.move.exists = false; /* as if somebody had forgotten to look */
    assert_false(state_begin(&move, arena, &(MoveBegin){"a", "b", false}, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_non_null(strstr(err.message, "UNIQUE constraint failed"));
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_event_in_every_place_leads_where_it_should),
        cmocka_unit_test(nothing_leads_past_the_commit_point_but_the_event_itself),
        cmocka_unit_test(phases_have_names_of_their_own),
        IN_FOLDER(an_event_is_durable_when_it_returns),
        IN_FOLDER(an_event_that_cannot_happen_changes_nothing),
        IN_FOLDER(a_killed_process_leaves_its_last_event_and_no_lock),
        IN_FOLDER(a_move_begins_planned_with_an_id_of_its_own),
        IN_FOLDER(numbers_and_the_last_error_are_kept),
        IN_FOLDER(an_error_before_there_is_a_move_is_not_noted),
        IN_FOLDER(a_second_opener_is_refused_with_the_firsts_process),
        IN_FOLDER(the_folder_is_for_the_owner_alone),
        IN_FOLDER(looking_takes_no_lock_and_makes_no_file),
        IN_FOLDER(what_a_comparison_found_is_known_by_who_asks_later),
        IN_FOLDER(a_phase_of_another_version_is_refused),
        IN_FOLDER(there_is_one_move_in_a_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
