/*
 * The owner's commands around the switch (a pooler's PAUSE, its new host, RESUME). They are lines
 * of a shell, as the owner wrote them; what they need is in their environment:
 *
 *   HOMEPORT_HOOK        pause, switch or resume
 *   HOMEPORT_DIRECTION   forward: to home, back: to the source
 *   HOMEPORT_SOURCE_URL, HOMEPORT_TARGET_URL
 *
 * The gateway is one more hook, behind the owner's: paused, put before the other side, resumed.
 * Each may be run twice. What is undone runs on-switch the other way, then on-resume.
 */
#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "core/process.h"
#include "gateway/gateway.h"
#include "move/live.h"

enum {
    SHORTEST_MS = 1000
};

static const char *const hook_names[] = {
    [HOOK_PAUSE] = "pause",
    [HOOK_SWITCH] = "switch",
    [HOOK_RESUME] = "resume",
};

static bool run_command(const Live *live, const char *command, Hook hook, Direction direction,
                        int timeout_ms, Error *err)
{
    auto_arena Arena *scratch = arena_new();
    const char *const argv[] = {"/bin/sh", "-c", command, NULL};
    const char *const env[] = {
        arena_printf(scratch, "HOMEPORT_HOOK=%s", hook_names[hook]),
        arena_printf(scratch, "HOMEPORT_DIRECTION=%s", direction_name(direction)),
        arena_printf(scratch, "HOMEPORT_SOURCE_URL=%s", live->config->source),
        arena_printf(scratch, "HOMEPORT_TARGET_URL=%s", live->config->target),
        NULL,
    };
    ProcessOptions process = {.argv = argv, .env = env, .timeout_ms = timeout_ms};

    return process_check(scratch, &process, NULL, err) ||
           error_add_context(err, "--on-%s", hook_names[hook]);
}

/* Its clients would come back to the side that they were on: to a fenced one. */
static bool gateway_is_expected(const Config *config, Arena *arena)
{
    const GatewaySettings *gateway = &config->gateway;

    return gateway->upstream || gateway->listen || gateway->listen_http || gateway->listen_pg ||
           gateway->state || file_exists(arena_printf(arena, "%s/gateway.json", config->dir));
}

/* The gateway that the configuration names, or that has its socket in the work folder. *ret: NULL
 * where there is none. */
static bool gateway_socket(const Config *config, Arena *arena, const char **ret, Error *err)
{
    const char *beside = arena_printf(arena, "%s/gateway.sock", config->dir);

    *ret = config->gateway.admin ? config->gateway.admin : file_exists(beside) ? beside : NULL;
    if (*ret || !gateway_is_expected(config, arena))
        return true;
    (void)error_set(err, ERR_CONNECT, "the gateway is not running");
    return error_hint(
        err,
        "Start it, or name its socket (`admin` of `gateway:`). Where there is none any "
        "more, take it out of the configuration and \"%s/gateway.json\" away, then "
        "start the mover again.",
        config->dir);
}

static bool ask_gateway(const Live *live, const GatewayRequest *request, Error *err)
{
    auto_arena Arena *scratch = arena_new();
    const char *socket = NULL;
    GatewayReply reply;

    return gateway_socket(live->config, scratch, &socket, err) &&
           (!socket || gateway_admin(scratch, socket, request, &reply, err));
}

bool hook_check(const Live *live, Error *err)
{
    return ask_gateway(live, &(GatewayRequest){.verb = GATEWAY_STATUS}, err);
}

/* Its clients wait from the pause to the end; what they wait for is done by the other side. */
static bool run_gateway(const Live *live, Hook hook, Direction direction, int timeout_ms,
                        Error *err)
{
    static const GatewayVerb verbs[] = {
        [HOOK_PAUSE] = GATEWAY_PAUSE,
        [HOOK_SWITCH] = GATEWAY_SWITCH,
        [HOOK_RESUME] = GATEWAY_RESUME,
    };
    GatewayRequest request = {
        .verb = verbs[hook],
        .url = direction == DIRECTION_FORWARD ? live->config->target : live->config->source,
        .deadline_ms = timeout_ms,
    };

    return ask_gateway(live, &request, err) ||
           error_add_context(err, "gateway %s", hook_names[hook]);
}

bool hook_run(const Live *live, const SwitchOptions *options, Hook hook, Direction direction,
              double deadline_s, Error *err)
{
    const char *command = hook == HOOK_PAUSE    ? options->on_pause
                          : hook == HOOK_SWITCH ? options->on_switch
                                                : options->on_resume;
    double left_ms = (deadline_s - clock_seconds()) * 1000;
    int timeout_ms = left_ms > SHORTEST_MS ? (int)left_ms : SHORTEST_MS;

    log_debug("hook", kv_str("name", hook_names[hook]),
              kv_str("direction", direction_name(direction)));
    return (!command || run_command(live, command, hook, direction, timeout_ms, err)) &&
           run_gateway(live, hook, direction, timeout_ms, err);
}
