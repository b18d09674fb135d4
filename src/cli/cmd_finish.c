/* finish and abort: the two ends of a live move. */
#include "cli/cli.h"
#include "cli/progress.h"
#include "core/json.h"
#include "move/move.h"

enum {
    MAX_OUTPUT = 4096
};

static bool print_end(const Invocation *inv, bool finish, Error *err)
{
    Text out = text_init(inv->arena, MAX_OUTPUT);
    Json json = json_init(&out);

    if (inv->json) {
        json_open_object(&json);
        json_kv_string(&json, "phase", finish ? "finished" : "aborted");
        json_close(&json);
    } else {
        text_add(&out, finish ? "Finished: replication has ended, and nothing of homeport's is "
                                "left on either side.\n"
                              : "Aborted: the source is as it was, the target is empty.\n");
    }
    return cli_print(&out, err);
}

static bool finish_run(const Invocation *inv, Error *err)
{
    ProgressView view = {.quiet = inv->quiet};
    MoveWatch watch = progress_watch(&view);

    bool ok = move_finish(inv->arena, inv->config, &watch, err);
    progress_end(&view, ok);
    return ok && print_end(inv, true, err);
}

static bool abort_run(const Invocation *inv, Error *err)
{
    ProgressView view = {.quiet = inv->quiet};
    MoveWatch watch = progress_watch(&view);

    bool ok = move_abort(inv->arena, inv->config, &watch, err);
    progress_end(&view, ok);
    return ok && print_end(inv, false, err);
}

const Command cmd_finish = {
    .name = "finish",
    .group = GROUP_MOVE,
    .summary = "end replication after a cutover",
    .description = "Drops slots, publications, fences and homeport's own schema on both sides. The "
                   "app goes on "
                   "where it is; from then on there is no way back. The old side accepts writes "
                   "again: take it "
                   "away from the app before.",
    .settings = (const char *const[]){"source", "target", "dir", NULL},
    .needs = (const char *const[]){"source",   "target", NULL},
    .examples =
        (const Example[]){
                                      {"homeport finish", "When home has proven itself."},
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
        "move has made on the target. After a cutover it is refused.",
    .settings = (const char *const[]){"source", "target", "dir", NULL},
    .needs = (const char *const[]){"source",   "target", NULL},
    .examples =
        (const Example[]){
                                      {"homeport abort", "As if it had never begun."},
                                      {0},
                                      },
    .run = abort_run,
};
