#include "cli/cli.h"
#include "core/json.h"
#include "core/term.h"
#include "move/move.h"

enum {
    MAX_OUTPUT = 65536
};

static void status_json(Text *out, const MoveStatus *status)
{
    Json json = json_init(out);

    json_open_object(&json);
    json_kv_bool(&json, "exists", status->exists);
    json_kv_bool(&json, "complete", status->complete);
    json_kv_string(&json, "phase", status->phase);
    json_kv_string(&json, "direction", status->direction);
    json_kv_bool(&json, "running", status->running);
    json_key(&json, "pid");
    if (status->running)
        json_add_int(&json, status->pid);
    else
        json_add_null(&json);
    json_kv_string(&json, "source", status->source);
    json_kv_string(&json, "target", status->target);
    json_kv_string(&json, "started_at", status->started_at);
    json_kv_string(&json, "finished_at", status->finished_at);
    json_kv_string(&json, "last_error", status->last_error);
    json_kv_int(&json, "tables_done", status->tables_done);
    json_kv_int(&json, "tables_total", status->tables_total);
    json_kv_int(&json, "rows_done", status->rows_done);
    json_kv_int(&json, "bytes_done", status->bytes_done);
    json_kv_int(&json, "bytes_total", status->bytes_total);
    json_kv_string(&json, "next", status->next);
    json_close(&json);
}

static void add_line(Text *out, const char *label, const char *value)
{
    if (value)
        text_addf(out, "%s%-10s%s %s\n", term_style(stdout, TERM_DIM), label,
                  term_style(stdout, TERM_PLAIN), value);
}

static void status_text(Arena *arena, Text *out, const MoveStatus *status)
{
    const char *plain = term_style(stdout, TERM_PLAIN);

    if (!status->exists) {
        text_addf(out, "No move has begun here.\n");
        add_line(out, "next", status->next);
        return;
    }
    text_addf(out, "%s%s%s%s\n",
              term_style(stdout, status->complete  ? TERM_GREEN
                                 : status->running ? TERM_CYAN
                                                   : TERM_YELLOW),
              status->complete  ? "complete"
              : status->running ? "at work"
                                : "incomplete",
              plain, status->running ? arena_printf(arena, " (process %d)", status->pid) : "");
    add_line(out, "phase", status->phase);
    add_line(out, "source", status->source);
    add_line(out, "target", status->target);
    add_line(out, "started", status->started_at);
    add_line(out, "finished", status->finished_at);
    if (status->tables_total > 0)
        add_line(out, "copied",
                 arena_printf(arena, "%s rows, %s, %d of %d tables",
                              text_count(arena, status->rows_done),
                              text_bytes(arena, (uint64_t)status->bytes_done), status->tables_done,
                              status->tables_total));
    if (!status->complete)
        add_line(out, "error", status->last_error);
    add_line(out, "next", status->next);
}

static bool status_run(const Invocation *inv, Error *err)
{
    MoveStatus status;
    Text out = text_init(inv->arena, MAX_OUTPUT);

    if (!move_status(inv->arena, inv->config, &status, err))
        return false;
    if (inv->json)
        status_json(&out, &status);
    else
        status_text(inv->arena, &out, &status);
    return cli_print(&out, err);
}

const Command cmd_status = {
    .name = "status",
    .group = GROUP_MOVE,
    .summary = "say where the move stands",
    .description = "Reads the work folder and says in which phase the move is, whether a process "
                   "is at work on it, whether the target is complete, and what to do next. Asks "
                   "neither server.",
    .settings = (const char *const[]){"dir",                                                        NULL                     },
    .examples =
        (const Example[]){
                                      {"homeport status", "Where the move of this folder stands."},
                                      {"homeport status --json --dir /srv/move", "The same for programs, of another folder."},
                                      {0},
                                      },
    .run = status_run,
};
