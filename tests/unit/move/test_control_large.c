/* A request that is more than a socket takes at once, while the mover is at something else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "core/cancel.h"
#include "move/control.h"
#include "tests/unit/folder.h"

enum {
    PADDING = 900000,
    BUSY_MS = 100
};

typedef struct Command {
    pthread_t thread;
    const char *dir;
    json_t *answer;
    bool answered;
    Error err;
} Command;

static void *command_main(void *arg)
{
    Command *command = arg;
    auto_arena Arena *arena = arena_new();
    char *padding = arena_alloc(arena, PADDING + 1);

    memset(padding, 'x', PADDING);
    padding[PADDING] = '\0';
    json_t *request = json_pack("{s:s, s:s}", "verb", "verify", "padding", padding);
    command->answered = control_call(command->dir, request, NULL, &command->answer, &command->err);
    return NULL;
}

static void it_comes_whole_once_the_mover_looks(void **state)
{
    Control *control = NULL;
    ControlCall *call = NULL;
    Command command = {.dir = *state};
    Error err = ERROR_INIT;

    assert_true(control_listen(*state, &control, &err));
    assert_int_equal(pthread_create(&command.thread, NULL, command_main, &command), 0);
    (void)poll(NULL, 0, BUSY_MS);
    for (int i = 0; i < 100 && !call; i++)
        assert_true(control_next(control, BUSY_MS, &call, &err));
    assert_non_null(call);
    assert_int_equal(json_string_length(json_object_get(control_params(call), "padding")), PADDING);
    control_answer(call, json_pack("{s:b}", "ok", 1));
    assert_int_equal(pthread_join(command.thread, NULL), 0);
    assert_true(command.answered);
    json_decref(command.answer);
    control_close(control);
}

/* The mover never looks, and the owner presses Ctrl-C. */
static int ask_and_be_told(void *context)
{
    Control *control = NULL;
    Command command = {.dir = context};
    Error err = ERROR_INIT;

    cancel_install();
    if (!control_listen(command.dir, &control, &err) ||
        pthread_create(&command.thread, NULL, command_main, &command) != 0)
        return 1;
    (void)poll(NULL, 0, BUSY_MS);
    (void)raise(SIGINT);
    (void)pthread_join(command.thread, NULL);
    control_close(control);
    return !command.answered && command.err.code == ERR_CANCELLED ? 7 : 2;
}

static void who_asks_can_be_told_to_stop_meanwhile(void **state)
{
    auto_arena Arena *arena = arena_new();

    assert_int_equal(in_child(arena, ask_and_be_told, *state, NULL), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_comes_whole_once_the_mover_looks, folder_make,
                                        folder_remove),
        cmocka_unit_test_setup_teardown(who_asks_can_be_told_to_stop_meanwhile, folder_make,
                                        folder_remove),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
