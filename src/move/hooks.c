/*
 * The owner's commands around the switch (a pooler's PAUSE, its new host, RESUME). They are lines
 * of a shell, as the owner wrote them; what they need is in their environment:
 *
 *   HOMEPORT_HOOK        pause, switch or resume
 *   HOMEPORT_DIRECTION   forward: to home, back: to the source
 *   HOMEPORT_SOURCE_URL, HOMEPORT_TARGET_URL
 *
 * Each may be run twice. What is undone runs on-switch the other way, then on-resume.
 */
#include "core/clock.h"
#include "core/log.h"
#include "core/process.h"
#include "move/live.h"

enum {
    SHORTEST_MS = 1000
};

static const char *const hook_names[] = {
    [HOOK_PAUSE] = "pause",
    [HOOK_SWITCH] = "switch",
    [HOOK_RESUME] = "resume",
};

bool hook_run(const Live *live, const SwitchOptions *options, Hook hook, Direction direction,
              double deadline_s, Error *err)
{
    const char *command = hook == HOOK_PAUSE    ? options->on_pause
                          : hook == HOOK_SWITCH ? options->on_switch
                                                : options->on_resume;
    auto_arena Arena *scratch = arena_new();
    double left_ms = (deadline_s - clock_seconds()) * 1000;

    if (!command)
        return true;
    const char *const argv[] = {"/bin/sh", "-c", command, NULL};
    const char *const env[] = {
        arena_printf(scratch, "HOMEPORT_HOOK=%s", hook_names[hook]),
        arena_printf(scratch, "HOMEPORT_DIRECTION=%s", direction_name(direction)),
        arena_printf(scratch, "HOMEPORT_SOURCE_URL=%s", live->config->source),
        arena_printf(scratch, "HOMEPORT_TARGET_URL=%s", live->config->target),
        NULL,
    };
    ProcessOptions process = {
        .argv = argv,
        .env = env,
        .timeout_ms = left_ms > SHORTEST_MS ? (int)left_ms : SHORTEST_MS,
    };
    log_debug("hook", kv_str("name", hook_names[hook]),
              kv_str("direction", direction_name(direction)));
    return process_check(scratch, &process, NULL, err) ||
           error_add_context(err, "--on-%s", hook_names[hook]);
}
