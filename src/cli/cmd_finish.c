/* finish and abort: the two ends of a live move. */
#include <stddef.h>
#include <string.h>

#include "cli/cli.h"
#include "core/json.h"
#include "move/move.h"

enum {
    MAX_OUTPUT = 4096
};

typedef struct EndCommand {
    const char *gone;
} EndCommand;

static bool read_options(const Invocation *inv, EndOptions *ret, Error *err)
{
    const EndCommand *command = inv->options;

    *ret = (EndOptions){
        .source_gone = command->gone && strcmp(command->gone, "source") == 0,
        .target_gone = command->gone && strcmp(command->gone, "target") == 0,
    };
    if (!command->gone || ret->source_gone || ret->target_gone)
        return true;
    (void)error_set(err, ERR_USAGE, "--gone: \"%s\" is no side", command->gone);
    return error_hint(err, "source or target.");
}

static bool print_end(const Invocation *inv, bool finish, const EndOptions *options, Error *err)
{
    Text out = text_init(inv->arena, MAX_OUTPUT);
    Json json = json_init(&out);

    if (inv->json) {
        json_open_object(&json);
        json_kv_string(&json, "phase", finish ? "finished" : "aborted");
        json_close(&json);
    } else if (finish) {
        text_addf(&out, "Finished: replication has ended, and nothing of homeport's is left %s.\n",
                  options->source_gone   ? "at home"
                  : options->target_gone ? "at the source"
                                         : "on either side");
    } else {
        text_addf(&out, "Aborted: the source is as it was%s.\n",
                  options->target_gone ? ""
                  : inv->config->schema == SCHEMA_EXISTING
                      ? ", the target's tables are empty; its sequences "
                        "stay where the move has set them"
                      : ", the target is empty");
    }
    return cli_print(&out, err);
}

static bool finish_run(const Invocation *inv, Error *err)
{
    EndOptions options;

    return read_options(inv, &options, err) &&
           move_finish(inv->arena, inv->config, &options, err) &&
           print_end(inv, true, &options, err);
}

static bool abort_run(const Invocation *inv, Error *err)
{
    EndOptions options;

    return read_options(inv, &options, err) && move_abort(inv->arena, inv->config, &options, err) &&
           print_end(inv, false, &options, err);
}

static const Option end_options[] = {
    {.name = "gone",
     .type = OPTION_TEXT,
     .offset = offsetof(EndCommand, gone),
     .argument = "SIDE",
     .help = "source or target is no more, for ever: clean up the other one alone"},
    {0},
};

const Command cmd_finish = {
    .name = "finish",
    .group = GROUP_MOVE,
    .summary = "end replication after a cutover",
    .description = "Drops slots, publications, fences and homeport's own schema on both sides. The "
                   "app goes on "
                   "where it is; from then on there is no way back. The old side accepts writes "
                   "again: take it "
                   "away from the app before. A side that is gone for good is named by --gone.",
    .settings = (const char *const[]){"source",  "target", "dir", NULL},
    .needs = (const char *const[]){"source",     "target",             NULL},
    .options = end_options,
    .options_size = sizeof(EndCommand),
    .examples =
        (const Example[]){
                                      {"homeport finish", "When home has proven itself."},
                                      {"homeport finish --gone source", "The old database has been deleted already."},
                                      {0},
                                      },
    .run = finish_run,
};

const Command cmd_abort = {
    .name = "abort",
    .group = GROUP_MOVE,
    .summary = "undo a move that was never cut over",
    .description =
        "Ends the mover, drops slot, publication and fence on the source, and everything that the "
        "move has made on the target: with `schema: existing` the rows that it copied. After a "
        "cutover it is refused.",
    .settings = (const char *const[]){"source", "target", "dir", NULL},
    .needs = (const char *const[]){"source",   "target", NULL},
    .options = end_options,
    .options_size = sizeof(EndCommand),
    .examples =
        (const Example[]){
                                      {"homeport abort", "As if it had never begun."},
                                      {0},
                                      },
    .run = abort_run,
};
