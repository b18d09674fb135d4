/*
 * The owner's commands that had to run, and failed: where a switch was undone, or behind its commit
 * point. From there is no way back, so they are named; and on-resume is tried again, as a pooler
 * that stays paused lets nobody write.
 */
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "move/live.h"

enum {
    RESUME_S = 30,
    RESUME_AGAIN_S = 5,
};

/* The state's fact of it while on-resume has not succeeded: in which direction it is run. */
static const char resume_due[] = "resume due";

/* What `status` and the answer say of it. */
static void tell(Live *live)
{
    const char *first = live->failed[HOOK_SWITCH];
    const char *second = live->failed[HOOK_RESUME];

    live->trouble = first && second ? arena_printf(live->arena, "%s; %s", first, second)
                    : first         ? first
                                    : second;
    live->by_hand = NULL;
    if (!live->trouble) {
        state_clear_error(&live->job.state);
        return;
    }
    live->by_hand =
        arena_printf(live->arena, "Do by hand what failed, with HOMEPORT_DIRECTION=%s: the app %s",
                     direction_name(live->failed_direction),
                     !first   ? "may still be waiting. The mover tries it again, too."
                     : second ? "may still use the side that is fenced, or be waiting."
                              : "may still use the side that is fenced.");
    state_note_error_text(&live->job.state, live->trouble);
}

void live_hook_failed(Live *live, const HookCall *call, const Error *why)
{
    const char *before = live->failed[call->hook];

    if (before && strcmp(before, why->message) == 0)
        return;
    log_error(call->hook == HOOK_SWITCH ? "the switch could not be undone"
                                        : "the app may still be waiting",
              kv_str("reason", why->message));
    live->failed[call->hook] = arena_strdup(live->arena, why->message);
    live->failed_direction = call->direction;
    tell(live);
}

static void note_due(Live *live, const char *value)
{
    Error failed = ERROR_INIT;

    if (!live_set_fact(live, resume_due, value, &failed))
        log_warn("whether on-resume has succeeded could not be noted",
                 kv_str("reason", failed.message));
}

static void resume_ended(Live *live, const HookCall *call, bool ok, const Error *why)
{
    if (ok) {
        live->resume_at = 0;
        if (!live->failed[HOOK_RESUME])
            return;
        log_info("on-resume has succeeded after all");
        live->failed[HOOK_RESUME] = NULL;
        tell(live);
        note_due(live, "");
        return;
    }
    live->resume_at = clock_seconds() + RESUME_AGAIN_S;
    live_hook_failed(live, call, why);
}

static HookCall resume_call(Direction direction)
{
    return (HookCall){
        .hook = HOOK_RESUME,
        .direction = direction,
        .deadline_s = clock_seconds() + RESUME_S,
    };
}

void live_resume(Live *live, const SwitchOptions *options, Direction direction)
{
    HookCall call = resume_call(direction);
    Error why = ERROR_INIT;

    bool ok = hook_run(live, options, &call, &why);
    resume_ended(live, &call, ok, &why);
    if (ok)
        return;
    live->resume_options = (SwitchOptions){
        .on_resume = options->on_resume ? arena_strdup(live->arena, options->on_resume) : NULL,
    };
    note_due(live, direction_name(direction));
}

void live_resume_look(Live *live)
{
    HookCall call = resume_call(live->failed_direction);
    Error why = ERROR_INIT;

    if (live->resume && hook_is_done(live->resume, 0)) {
        bool ok = hook_end(live->resume, &why);
        live->resume = NULL;
        resume_ended(live, &call, ok, &why);
    } else if (!live->resume && live->conclude_at == 0 && live->resume_at > 0 &&
               clock_seconds() >= live->resume_at) {
        live->resume = hook_start(live, &live->resume_options, &call);
    }
}

bool live_resume_load(Live *live, Error *err)
{
    const char *due = NULL;

    if (!live_fact(live, live->arena, resume_due, &due, err) ||
        !live_load_hooks(live, &live->resume_options, err))
        return false;
    if (!due || !*due || live->resume_at > 0)
        return true;
    live->failed_direction =
        strcmp(due, direction_name(DIRECTION_BACK)) == 0 ? DIRECTION_BACK : DIRECTION_FORWARD;
    live->failed[HOOK_RESUME] = "--on-resume has not succeeded yet";
    live->resume_at = clock_seconds();
    tell(live);
    return true;
}

void live_hooks_close(Live *live)
{
    Error ignored = ERROR_INIT;

    if (live->resume)
        (void)!hook_end(live->resume, &ignored); /* not run: by chance, where one is at work */
    live->resume = NULL;
    live->resume_at = 0;
}

bool live_hooks_forget(Live *live, Error *err)
{
    live_hooks_close(live);
    live->failed[HOOK_SWITCH] = NULL;
    live->failed[HOOK_RESUME] = NULL;
    tell(live);
    return live_set_fact(live, resume_due, "", err);
}
