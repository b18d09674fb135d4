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
    NOWHERE = -1
};

/* The machine as it is meant to be: where an event leads to in each phase. */
static const int expected[PHASE_COUNT][EVENT_COUNT] = {
    [PHASE_PLANNED] = {[EVENT_SCHEMA_STARTED] = PHASE_SCHEMA,
                       [EVENT_SCHEMA_DONE] = NOWHERE,
                       [EVENT_SCHEMA_CHANGED] = NOWHERE,
                       [EVENT_TARGET_EMPTY] = NOWHERE,
                       [EVENT_ROWS_RESTARTED] = NOWHERE,
                       [EVENT_ALL_THERE] = NOWHERE,
                       [EVENT_DONE] = NOWHERE                                                                     },
    [PHASE_SCHEMA] = {[EVENT_SCHEMA_STARTED] = PHASE_SCHEMA,
                       [EVENT_SCHEMA_DONE] = PHASE_COPYING,
                       [EVENT_SCHEMA_CHANGED] = PHASE_SCHEMA,
                       [EVENT_TARGET_EMPTY] = NOWHERE,
                       [EVENT_ROWS_RESTARTED] = NOWHERE,
                       [EVENT_ALL_THERE] = NOWHERE,
                       [EVENT_DONE] = NOWHERE                                                                     },
    [PHASE_COPYING] = {[EVENT_SCHEMA_STARTED] = NOWHERE,
                       [EVENT_SCHEMA_DONE] = NOWHERE,
                       [EVENT_SCHEMA_CHANGED] = PHASE_SCHEMA,
                       [EVENT_TARGET_EMPTY] = PHASE_SCHEMA,
                       [EVENT_ROWS_RESTARTED] = PHASE_COPYING,
                       [EVENT_ALL_THERE] = PHASE_FINISHING,
                       [EVENT_DONE] = NOWHERE                                                                     },
    [PHASE_FINISHING] = {[EVENT_SCHEMA_STARTED] = NOWHERE,
                       [EVENT_SCHEMA_DONE] = NOWHERE,
                       [EVENT_SCHEMA_CHANGED] = NOWHERE,
                       [EVENT_TARGET_EMPTY] = NOWHERE,
                       [EVENT_ROWS_RESTARTED] = NOWHERE,
                       [EVENT_ALL_THERE] = NOWHERE,
                       [EVENT_DONE] = PHASE_FINISHED                                                              },
    [PHASE_FINISHED] = {NOWHERE,                               NOWHERE, NOWHERE, NOWHERE, NOWHERE, NOWHERE, NOWHERE},
};

/* The way to each phase, one event further each time. */
static const PhaseEvent way[] = {EVENT_SCHEMA_STARTED, EVENT_SCHEMA_DONE, EVENT_ALL_THERE,
                                 EVENT_DONE};

static void the_table_of_transitions_is_this_and_nothing_else(void **state)
{
    (void)state;
    assert_int_equal(EVENT_COUNT, 7); /* a new one has to be judged here */
    for (int phase = 0; phase < PHASE_COUNT; phase++)
        for (int event = 0; event < EVENT_COUNT; event++) {
            Phase to = PHASE_COUNT;
            bool possible = phase_next((Phase)phase, (PhaseEvent)event, &to);

            assert_int_equal(possible, expected[phase][event] != NOWHERE);
            assert_int_equal(to, possible ? expected[phase][event] : PHASE_COUNT);
        }
}

static void phases_have_names_of_their_own(void **state)
{
    (void)state;
    static const char *const names[PHASE_COUNT] = {"planned", "schema", "copying", "finishing",
                                                   "finished"};

    for (int phase = 0; phase < PHASE_COUNT; phase++)
        assert_string_equal(phase_name((Phase)phase), names[phase]);
}

static void open_state(Arena *arena, const char *dir, State *ret)
{
    Error err = ERROR_INIT;

    if (!state_open(arena, dir, ret, &err))
        fail_msg("%s", err.message);
}

/* A move in a folder of its own, driven to this phase. */
static void begin_in(Arena *arena, const char *dir, Phase phase, State *ret)
{
    Error err = ERROR_INIT;

    open_state(arena, dir, ret);
    assert_false(ret->move.exists);
    assert_true(state_begin(ret, arena, "postgresql://a:***@b/c", "postgresql://d/e", &err));
    for (int i = 0; i < (int)phase; i++)
        assert_true(state_event(ret, way[i], &err));
    assert_int_equal(ret->move.phase, phase);
}

static void check_durable(Arena *arena, const char *dir, Phase phase)
{
    auto_state State again = {.lock_fd = -1};

    open_state(arena, dir, &again);
    assert_true(again.move.exists);
    assert_int_equal(again.move.phase, phase);
    assert_int_equal(again.move.finished_ms > 0, phase == PHASE_FINISHED);
}

static void an_event_is_durable_when_it_returns(void **state)
{
    for (int phase = 0; phase < PHASE_COUNT; phase++)
        for (int event = 0; event < EVENT_COUNT; event++) {
            auto_arena Arena *arena = arena_new();
            const char *dir = arena_printf(arena, "%s/%d-%d", (const char *)*state, phase, event);
            State move = {.lock_fd = -1};
            Error err = ERROR_INIT;

            if (expected[phase][event] == NOWHERE)
                continue;
            begin_in(arena, dir, (Phase)phase, &move);
            assert_true(state_event(&move, (PhaseEvent)event, &err));
            assert_int_equal(move.move.phase, expected[phase][event]);
            state_close(&move);
            check_durable(arena, dir, (Phase)expected[phase][event]);
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
            if (expected[phase][event] != NOWHERE)
                continue;
            assert_false(state_event(&move, (PhaseEvent)event, &err));
            assert_int_equal(err.code, ERR_WRONG_STATE);
            assert_non_null(strstr(err.message, phase_name((Phase)phase)));
            assert_int_equal(move.move.phase, phase);
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
        !state_begin(&move, arena, "source", "target", &err) ||
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
    assert_string_equal(a.move.direction, "forward");
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
    assert_int_equal(seen.phase, PHASE_COPYING);
    assert_int_equal(holder, getpid());
    assert_true(state_event(&move, EVENT_ALL_THERE, &err)); /* not in its way */
    state_close(&move);
    assert_true(state_peek(arena, *state, &seen, &holder, &err));
    assert_int_equal(seen.phase, PHASE_FINISHING);
    assert_int_equal(holder, 0);
    assert_string_equal(seen.source, "postgresql://a:***@b/c");
}

static void a_phase_of_another_version_is_refused(void **state)
{
    auto_arena Arena *arena = arena_new();
    State move = {.lock_fd = -1};
    MoveRecord seen = {0};
    int holder = 0;
    Error err = ERROR_INIT;

    begin_in(arena, *state, PHASE_SCHEMA, &move);
    assert_true(store_run(move.store, "UPDATE move SET phase = 'fencing'", STORE_NO_VALUES, &err));
    state_close(&move);
    assert_false(state_open(arena, *state, &move, &err));
    assert_int_equal(err.code, ERR_WRONG_STATE);
    assert_non_null(strstr(err.message, "\"fencing\""));
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
    assert_false(state_begin(&move, arena, "a", "b", &err));
    assert_int_equal(err.code, ERR_IO);
    assert_non_null(strstr(err.message, "UNIQUE constraint failed"));
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_of_transitions_is_this_and_nothing_else),
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
        IN_FOLDER(a_phase_of_another_version_is_refused),
        IN_FOLDER(there_is_one_move_in_a_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
