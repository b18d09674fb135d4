/* Pause and resume as the workers' threads come to them late: here they run when the test says so.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <event2/event.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "core/clock.h"
#include "gateway/control.h"
#include "gateway/pool.h"
#include "gateway/shared.h"
#include "http/loop.h"
#include "tests/unit/folder.h"

#define UPSTREAM "postgresql://127.0.0.1:1/"

/* A gateway of one worker that was paused when its process ended, and has been started again. */
typedef struct Restarted {
    GatewayOptions options;
    Gateway gateway;
    Worker worker;
    GatewayState state;
    Control *control;
    int lock;
} Restarted;

static void restart(Arena *arena, const char *folder, Restarted *ret)
{
    Error err = ERROR_INIT;

    *ret = (Restarted){
        .options = {.state = arena_printf(arena, "%s/state", folder),
                    .admin = arena_printf(arena, "%s/admin", folder)}
    };
    assert_true(state_take(arena, ret->options.state, UPSTREAM, &ret->state, &ret->lock, &err));
    ret->state.paused = true;
    assert_true(state_save(ret->options.state, &ret->state, &err));
    ret->gateway = (Gateway){
        .options = &ret->options, .workers = &ret->worker, .worker_count = 1, .main = loop_new()};
    ret->worker.gateway = &ret->gateway;
    ret->worker.loop = loop_new();
    ret->worker.pool = pool_new(&ret->worker);
    assert_true(control_new(&ret->gateway, &ret->state, &ret->control, &err));
    assert_true(control_start(ret->control, &err));
}

static void run_once(Loop *loop)
{
    (void)event_base_loop(loop_base(loop), EVLOOP_NONBLOCK);
}

/* What the gateway answers, of which only the main thread does anything meanwhile. */
static void ask(Restarted *gate, const char *request, char *answer, size_t size)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    double until = clock_seconds() + 10;
    ssize_t len = 0;

    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", gate->options.admin);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(write(fd, request, strlen(request)), strlen(request));
    while (len <= 0 && clock_seconds() < until) {
        run_once(gate->gateway.main);
        len = recv(fd, answer, size - 1, MSG_DONTWAIT);
    }
    assert_true(len > 0);
    answer[len] = '\0';
    (void)close(fd);
}

static bool paused_on_disk(Arena *arena, Restarted *gate)
{
    GatewayState now;
    Error err = ERROR_INIT;

    file_close(&gate->lock);
    assert_true(state_take(arena, gate->options.state, UPSTREAM, &now, &gate->lock, &err));
    return now.paused;
}

static void end(Restarted *gate)
{
    run_once(gate->gateway.main); /* the one who asked has left */
    control_free(gate->control);
    pool_free(gate->worker.pool);
    loop_free(gate->worker.loop);
    loop_free(gate->gateway.main);
    file_close(&gate->lock);
}

static void a_pause_of_before_a_restart_is_reached_once_the_workers_have_stopped(void **state)
{
    auto_arena Arena *arena = arena_new();
    Restarted gate;

    restart(arena, *state, &gate);
    assert_string_equal(control_state(gate.control), "pausing");
    run_once(gate.worker.loop);
    run_once(gate.gateway.main);
    assert_string_equal(control_state(gate.control), "paused");
    assert_true(paused_on_disk(arena, &gate));
    end(&gate);
}

static void
resumed_before_the_workers_have_paused_anew_it_serves_after_the_next_restart_too(void **state)
{
    auto_arena Arena *arena = arena_new();
    Restarted gate;
    char answer[1024];

    restart(arena, *state, &gate);
    ask(&gate, "{\"verb\":\"resume\"}\n", answer, sizeof answer);
    assert_non_null(strstr(answer, "\"serving\""));
    assert_string_equal(control_state(gate.control), "serving");
    assert_false(paused_on_disk(arena, &gate));

    /* The worker comes to both orders only now, and its pause is no news any more. */
    run_once(gate.worker.loop);
    run_once(gate.gateway.main);
    assert_int_equal(gate.worker.pause_id, 0);
    assert_string_equal(control_state(gate.control), "serving");
    assert_false(paused_on_disk(arena, &gate));
    end(&gate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_pause_of_before_a_restart_is_reached_once_the_workers_have_stopped, folder_make,
            folder_remove),
        cmocka_unit_test_setup_teardown(
            resumed_before_the_workers_have_paused_anew_it_serves_after_the_next_restart_too,
            folder_make, folder_remove),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
