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
 *
 * Of a command at work the file "hook" of the work folder says by what its processes are known, so
 * that they are ended where their mover was killed: what they do would undo what the next one does.
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/process.h"
#include "gateway/gateway.h"
#include "move/live.h"

enum {
    SHORTEST_MS = 1000,
    GRACE_MS = 500, /* for a command that is ended: somebody waits for what comes then */
    LOOK_MS = 20,
    MAX_NOTE = 256,
};

static const char *const hook_names[] = {
    [HOOK_PAUSE] = "pause",
    [HOOK_SWITCH] = "switch",
    [HOOK_RESUME] = "resume",
};

static const char *note_path(const Live *live, Arena *arena)
{
    return arena_printf(arena, "%s/hook", live->config->dir);
}

/* In the environment of all that a run starts; no two runs have one. */
static const char *make_id(const Live *live, Arena *arena)
{
    return arena_printf(arena, "HOMEPORT_HOOK_ID=%s-%d-%.6f", live->job.state.move.id,
                        (int)getpid(), clock_seconds());
}

/* A disk that is full must not keep from undoing. */
static void note(const Live *live, Arena *arena, const char *id)
{
    const char *text = arena_printf(arena, "%d %s", (int)getsid(0), id);
    Error failed = ERROR_INIT;

    if (!file_replace(note_path(live, arena), text, strlen(text), &failed))
        log_warn("what a hook runs as could not be noted", kv_str("reason", failed.message));
}

/* Ends what has this id and has not made itself a daemon. */
static void end_processes(int session, const char *id)
{
    double patience = clock_seconds() + GRACE_MS / 1000.0;
    double deadline = patience + GRACE_MS / 1000.0;

    for (int signal = SIGTERM; process_signal_all(session, id, signal) > 0;) {
        if (clock_seconds() > deadline) {
            /* not run: what SIGKILL does not end hangs in the kernel */
            log_warn("what a hook has started does not end", kv_str("id", id));
            return; /* not run: the same */
        }
        (void)poll(NULL, 0, LOOK_MS);
        signal = clock_seconds() > patience ? SIGKILL : SIGTERM;
    }
}

void hook_end_left(const Live *live)
{
    auto_arena Arena *scratch = arena_new();
    Error ignored = ERROR_INIT;
    char *text = NULL;
    char *id = NULL;

    if (!file_read(scratch, note_path(live, scratch), MAX_NOTE, &text, NULL, &ignored))
        return;
    int session = (int)strtol(text, &id, 10);
    if (session > 0 && *id == ' ')
        end_processes(session, id + 1);
    (void)unlink(note_path(live, scratch));
}

static bool run_command(const Live *live, const char *command, const HookCall *call, int timeout_ms,
                        Error *err)
{
    auto_arena Arena *scratch = arena_new();
    const char *id = make_id(live, scratch);
    const char *const argv[] = {"/bin/sh", "-c", command, NULL};
    const char *const env[] = {
        arena_printf(scratch, "HOMEPORT_HOOK=%s", hook_names[call->hook]),
        arena_printf(scratch, "HOMEPORT_DIRECTION=%s", direction_name(call->direction)),
        arena_printf(scratch, "HOMEPORT_SOURCE_URL=%s", live->config->source),
        arena_printf(scratch, "HOMEPORT_TARGET_URL=%s", live->config->target),
        id,
        NULL,
    };
    ProcessOptions process = {
        .argv = argv,
        .env = env,
        .timeout_ms = timeout_ms,
        .grace_ms = GRACE_MS,
        .stop_while_held = call->undoable,
    };

    note(live, scratch, id);
    bool ok = process_check(scratch, &process, NULL, err);
    /* What it has started may be at work still, and what is done then is to be last. */
    if (!ok)
        end_processes((int)getsid(0), id);
    (void)unlink(note_path(live, scratch));
    return ok || error_add_context(err, "--on-%s", hook_names[call->hook]);
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
static bool run_gateway(const Live *live, const HookCall *call, int timeout_ms, Error *err)
{
    static const GatewayVerb verbs[] = {
        [HOOK_PAUSE] = GATEWAY_PAUSE,
        [HOOK_SWITCH] = GATEWAY_SWITCH,
        [HOOK_RESUME] = GATEWAY_RESUME,
    };
    GatewayRequest request = {
        .verb = verbs[call->hook],
        .url = call->direction == DIRECTION_FORWARD ? live->config->target : live->config->source,
        .deadline_ms = timeout_ms,
        .stop_while_held = call->undoable,
    };

    return ask_gateway(live, &request, err) ||
           error_add_context(err, "gateway %s", hook_names[call->hook]);
}

static int time_left_ms(const HookCall *call)
{
    double left_ms = (call->deadline_s - clock_seconds()) * 1000;

    return left_ms > SHORTEST_MS ? (int)left_ms : SHORTEST_MS;
}

static bool run_owners(const Live *live, const SwitchOptions *options, const HookCall *call,
                       Error *err)
{
    const char *command = call->hook == HOOK_PAUSE    ? options->on_pause
                          : call->hook == HOOK_SWITCH ? options->on_switch
                                                      : options->on_resume;

    log_debug("hook", kv_str("name", hook_names[call->hook]),
              kv_str("direction", direction_name(call->direction)));
    return !command || run_command(live, command, call, time_left_ms(call), err);
}

bool hook_run(const Live *live, const SwitchOptions *options, const HookCall *call, Error *err)
{
    Error second = ERROR_INIT;

    bool ok = run_owners(live, options, call, err);
    if (!ok && call->undoable)
        return false;
    if (run_gateway(live, call, time_left_ms(call), ok ? err : &second))
        return ok;
    if (!ok)
        log_error("the gateway failed too", kv_str("reason", second.message));
    return false;
}

/* ---- beside the main thread ---- */

struct HookRun {
    pthread_t thread;
    const Live *live;
    const SwitchOptions *options;
    HookCall call;
    bool started;
    bool ok;
    Error error;
    atomic_bool gateway_done;
    atomic_bool done;
};

/* The gateway first: it must not wait for a command that hangs. */
static void *run_main(void *arg)
{
    HookRun *run = arg;
    Error second = ERROR_INIT;

    run->ok = run_gateway(run->live, &run->call, time_left_ms(&run->call), &run->error);
    atomic_store(&run->gateway_done, run->ok);
    bool also = run_owners(run->live, run->options, &run->call, run->ok ? &run->error : &second);
    if (!also && !run->ok)
        log_error("the command failed too", kv_str("reason", second.message));
    run->ok = also && run->ok;
    atomic_store(&run->done, true);
    return NULL;
}

HookRun *hook_start(const Live *live, const SwitchOptions *options, const HookCall *call)
{
    HookRun *run = memory_zeroed(1, sizeof *run);

    run->live = live;
    run->options = options;
    run->call = *call;
    run->started = pthread_create(&run->thread, NULL, run_main, run) == 0;
    if (!run->started)
        (void)run_main(run); /* not run: no room for a thread */
    return run;
}

bool hook_is_done(const HookRun *run, double until_s)
{
    while (!atomic_load(&run->done)) {
        if (clock_seconds() >= until_s)
            return false;
        (void)poll(NULL, 0, LOOK_MS);
    }
    return true;
}

bool hook_gateway_is_done(const HookRun *run)
{
    return atomic_load(&run->gateway_done);
}

bool hook_end(HookRun *run, Error *err)
{
    if (run->started)
        (void)pthread_join(run->thread, NULL);
    bool ok = run->ok;
    if (!ok)
        *err = run->error;
    free(run);
    return ok;
}
