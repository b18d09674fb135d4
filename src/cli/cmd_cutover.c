/* cutover and rollback: the same request, the other way. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/mover.h"
#include "cli/progress.h"
#include "core/term.h"

enum {
    MAX_OUTPUT = 64 * 1024,
    LONGEST_PAUSE_MS = 3600 * 1000,
    DEFAULT_PAUSE_MS = 10000,
};

typedef struct SwitchCommand {
    const char *max_pause;
    const char *on_pause;
    const char *on_switch;
    const char *on_resume;
    bool rehearse;
    bool accept_differences;
} SwitchCommand;

#define SWITCH_OPTION(option_name, field, argument_name, text)                                     \
    {                                                                                              \
        .name = (option_name), .type = OPTION_TEXT, .offset = offsetof(SwitchCommand, field),      \
        .argument = (argument_name), .help = (text)                                                \
    }

#define SWITCH_FLAG(option_name, field, text)                                                      \
    {                                                                                              \
        .name = (option_name), .type = OPTION_FLAG, .offset = offsetof(SwitchCommand, field),      \
        .unset = "no", .help = (text)                                                              \
    }

#define SWITCH_OPTIONS                                                                             \
    SWITCH_OPTION("max-pause", max_pause, "TIME",                                                  \
                  "undo everything when writers would wait longer: 800ms, 10s, 2min; unset: 10s"), \
        SWITCH_OPTION("on-pause", on_pause, "COMMAND", "run before the side in use is fenced"),    \
        SWITCH_OPTION("on-switch", on_switch, "COMMAND", "run when the other side takes over"),    \
        SWITCH_OPTION("on-resume", on_resume, "COMMAND", "run once it accepts"),                   \
        SWITCH_FLAG("rehearse", rehearse,                                                          \
                    "do everything up to the comparison inside the pause, then undo it")

static const Option cutover_options[] = {SWITCH_OPTIONS, {0}};

static const Option rollback_options[] = {
    SWITCH_OPTIONS,
    SWITCH_FLAG("accept-differences", accept_differences,
                "go back although the sides differ: the source stays as it is there"),
    {0},
};

/* "800ms", "10s", "2min", "10": seconds. */
static bool parse_time(const char *text, int64_t *ret_ms, Error *err)
{
    static const struct {
        const char *unit;
        double ms;
    } units[] = {
        {"ms",  1    },
        {"s",   1000 },
        {"",    1000 },
        {"min", 60000}
    };
    char *end = NULL;
    double number = strtod(text, &end);

    for (size_t i = 0; end != text && i < COUNT_OF(units); i++)
        if (strcmp(end, units[i].unit) == 0 && number > 0 &&
            number * units[i].ms <= LONGEST_PAUSE_MS && number * units[i].ms >= 1) {
            *ret_ms = (int64_t)(number * units[i].ms);
            return true;
        }
    (void)error_set(err, ERR_USAGE, "--max-pause: \"%s\" is no time", text);
    return error_hint(err, "Like 800ms, 10s or 2min, up to an hour.");
}

static json_t *make_request(const char *verb, const SwitchCommand *command, int64_t pause_ms)
{
    return json_pack("{s:s, s:I, s:s*, s:s*, s:s*, s:b, s:b}", "verb", verb, "max_pause_ms",
                     (json_int_t)pause_ms, "on_pause", command->on_pause, "on_switch",
                     command->on_switch, "on_resume", command->on_resume, "rehearse",
                     command->rehearse, "accept_differences", command->accept_differences);
}

static double number(const json_t *answer, const char *name)
{
    return json_number_value(json_object_get(answer, name));
}

static bool is_true(const json_t *answer, const char *name)
{
    return json_is_true(json_object_get(answer, name));
}

static void report_text(const Invocation *inv, Text *out, const json_t *answer, bool back)
{
    const char *green = term_style(stdout, TERM_GREEN);
    const char *plain = term_style(stdout, TERM_PLAIN);

    if (is_true(answer, "rehearsed"))
        text_addf(out, "%sRehearsed%s: writers would have waited %s. Nothing was switched.\n",
                  green, plain, text_duration(inv->arena, number(answer, "pause_ms") / 1000));
    else
        text_addf(out, "%s%s%s: writers waited %s.\n", green, back ? "Back at the source" : "Home",
                  plain, text_duration(inv->arena, number(answer, "pause_ms") / 1000));
    text_addf(out, "  fenced and proven   %s\n",
              text_duration(inv->arena, number(answer, "fence_ms") / 1000));
    text_addf(out, "  drained             %s\n",
              text_duration(inv->arena, number(answer, "drain_ms") / 1000));
    int64_t rows = (int64_t)number(answer, "rows_compared");
    int whole = (int)number(answer, "tables_compared");
    int tables = (int)number(answer, "tables_counted");
    int differences = (int)number(answer, "differences");
    text_addf(out, "  compared            %s: %s %s touched since the last comparison, ",
              text_duration(inv->arena, number(answer, "check_ms") / 1000),
              text_count(inv->arena, rows), text_plural(rows, "row", "rows"));
    if (whole > 0)
        text_addf(out, "%d whole %s, ", whole, text_plural(whole, "table", "tables"));
    text_addf(out, "%d %s counted, %d %s\n", tables, text_plural(tables, "table", "tables"),
              differences, text_plural(differences, "difference", "differences"));
    if (is_true(answer, "reverse"))
        text_addf(out, "What is written %s now flows back: `homeport %s` loses nothing.\n",
                  back ? "there" : "at home", back ? "cutover" : "rollback");
}

static bool run_switch(const Invocation *inv, bool back, Error *err)
{
    const SwitchCommand *command = inv->options;
    Text out = text_init(inv->arena, MAX_OUTPUT);
    int64_t pause_ms = DEFAULT_PAUSE_MS;
    ProgressView view = {.quiet = inv->quiet};
    MoveWatch watch = progress_watch(&view);
    json_t *answer = NULL;

    if (command->max_pause && !parse_time(command->max_pause, &pause_ms, err))
        return false;
    bool ok = mover_ask(inv, make_request(back ? "rollback" : "cutover", command, pause_ms), &watch,
                        &answer, err);
    progress_end(&view, ok);
    if (!ok)
        return false;
    if (inv->json) {
        ok = mover_print_json(answer, err);
    } else {
        report_text(inv, &out, answer, back);
        ok = cli_print(&out, err);
    }
    if (ok && json_object_get(answer, "warning")) {
        (void)error_set(err, ERR_FOUND, "%s",
                        json_string_value(json_object_get(answer, "warning")));
        ok = error_hint(err, "%s", json_string_value(json_object_get(answer, "next")));
    }
    json_decref(answer);
    return ok;
}

static bool cutover_run(const Invocation *inv, Error *err)
{
    return run_switch(inv, false, err);
}

static bool rollback_run(const Invocation *inv, Error *err)
{
    return run_switch(inv, true, err);
}

const Command cmd_cutover = {
    .name = "cutover",
    .group = GROUP_MOVE,
    .summary = "switch the app's writes over to home",
    .description =
        "Fences the source against writes and proves it, waits until everything that was committed "
        "there is at home, moves the sequences, compares schemas, the rows that were touched since "
        "the last comparison, and row counts, then lets writers go on at home. Writers wait "
        "meanwhile: a second or so. From then on what is written at home flows back to the source, "
        "so that `homeport rollback` loses nothing.\n\n"
        "Whatever fails, or takes longer than --max-pause, is undone: writers go on at the source. "
        "The hooks run in a shell with HOMEPORT_HOOK, HOMEPORT_DIRECTION (forward or back), "
        "HOMEPORT_SOURCE_URL and HOMEPORT_TARGET_URL in their environment; each may be run twice. "
        "What is undone runs on-switch and on-resume the other way. An on-resume that fails is "
        "tried "
        "again until it succeeds, and the exit status is 3 where the switch was made all the same.",
    .settings = (const char *const[]){"source",             "target", "dir", "jobs", "map-role", "pg-bin",
                                      "identity-map", "identity-columns", "identity-unmapped",
                                      "identity-unmapped-back", NULL},
    .needs = (const char *const[]){"source",          "target",          NULL                       },
    .options = cutover_options,
    .options_size = sizeof(SwitchCommand),
    .examples =
        (const Example[]){
                                      {"homeport cutover --rehearse", "How long writers would wait; nothing is switched."},
                                      {"homeport cutover --max-pause 2s", "Switch, or undo it after two seconds."},
                                      {"homeport cutover --on-pause ./pause --on-resume ./go-on",
             "Clients of a pooler wait instead of failing."},
                                      {0},
                                      },
    .run = cutover_run,
};

const Command cmd_rollback = {
    .name = "rollback",
    .group = GROUP_MOVE,
    .summary = "go back to the source with everything written since",
    .description =
        "The cutover the other way: home is fenced, what was written there since is at the source "
        "already but for the last moment, and writers go on at the source. The move stays: home "
        "follows again, and `homeport cutover` may be tried again, any number of times.\n\n"
        "Where a comparison has found differences, nothing is switched: `homeport verify` names "
        "them, and `homeport move --resync TABLE` copies a table to the source again. With "
        "--accept-differences the source takes over all the same, with its own rows where they "
        "differ.",
    .settings = (const char *const[]){"source",       "target",           "dir", "jobs", "map-role", "pg-bin",
                                      "identity-map", "identity-columns", "identity-unmapped",
                                      "identity-unmapped-back", NULL},
    .needs = (const char *const[]){"source",        "target",                NULL},
    .options = rollback_options,
    .options_size = sizeof(SwitchCommand),
    .examples =
        (const Example[]){
                                      {"homeport rollback", "Back to the source."},
                                      {"homeport rollback --json", "The same, with a report for programs."},
                                      {0},
                                      },
    .run = rollback_run,
};
