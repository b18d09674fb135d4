#include <sys/socket.h>
#include <unistd.h>

#include "cli/demo_run.h"
#include "core/cancel.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "gateway/gateway.h"

enum {
    SERVES_WITHIN_S = 20,
    LOOK_MS = 20,
    POOL = 4,
    MAX_CLIENTS = 100,
    MAX_MESSAGE = 1 << 20,
    QUEUE_MS = 60000,
    RECHECK_MS = 30000,
    DRAIN_MS = 1000,
};

/* The move finds it by its socket in the work folder. */
static const char *admin_socket(Arena *arena, const DemoPlace *place)
{
    return arena_printf(arena, "%s/gateway.sock", demo_work_folder(place));
}

static NORETURN void gateway_process(const DemoPlace *place, int fd)
{
    auto_arena Arena *arena = arena_new();
    const char *folder = demo_folder(place);
    char word = 0;
    Error err = ERROR_INIT;

    if (!demo_child_let_go(arena_printf(arena, "%s/gateway.log", folder)) ||
        recv(fd, &word, 1, 0) != 1)
        _exit(1);
    GatewayOptions options = {
        .upstream = demo_public_url(place, DEMO_SOURCE),
        .listen_http = demo_gateway_socket(place),
        .admin = admin_socket(arena, place),
        .state = arena_printf(arena, "%s/gateway.json", folder),
        .tls_dir = folder,
        .timezone = "UTC",
        .max_request_bytes = MAX_MESSAGE,
        .max_response_bytes = MAX_MESSAGE,
        .threads = 1, /* which has the Unix socket's only listener */
        .pool_size = POOL,
        .max_connections = MAX_CLIENTS,
        .queue_ms = QUEUE_MS,
        .recheck_ms = RECHECK_MS,
        .drain_ms = DRAIN_MS,
    };
    bool ok = file_make_dir(demo_work_folder(place), 0700, &err) && gateway_run(&options, &err);
    if (!ok)
        log_error("the gateway has ended", kv_str("reason", err.message));
    _exit(ok ? 0 : error_exit_status(&err));
}

bool demo_gateway_fork(DemoPlace *place, DemoGateway *ret, Error *err)
{
    pid_t pid = 0;
    int fd = -1;

    if (!demo_child_fork(place, &pid, &fd, err))
        return false;
    if (pid == 0)
        gateway_process(place, fd);
    *ret = (DemoGateway){.pid = pid, .fd = fd};
    return true;
}

bool demo_gateway_begin(const DemoGateway *gateway, const DemoPlace *place, Error *err)
{
    auto_arena Arena *arena = arena_new();
    GatewayRequest status = {.verb = GATEWAY_STATUS};
    double deadline = clock_seconds() + SERVES_WITHIN_S;
    GatewayReply reply;
    char word = 'b';

    if (send(gateway->fd, &word, 1, MSG_NOSIGNAL) != 1)
        return error_set_errno(err, "speak to the gateway");
    while (!gateway_admin(arena, admin_socket(arena, place), &status, &reply, err))
        if (clock_seconds() > deadline || !cancel_sleep_ms(LOOK_MS, err))
            return error_add_context(err, "start the gateway");
    return true;
}

void demo_gateway_end(DemoGateway *gateway)
{
    if (gateway->pid <= 0)
        return;
    demo_child_end(gateway->pid);
    file_close(&gateway->fd);
    gateway->pid = 0;
}
