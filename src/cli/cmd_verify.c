#include <stddef.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/differences.h"
#include "cli/mover.h"
#include "cli/progress.h"
#include "core/json.h"
#include "core/term.h"
#include "move/move.h"

enum {
    MAX_OUTPUT = 256 << 20
};

typedef struct VerifyCommand {
    bool all;
    bool rows_only;
} VerifyCommand;

static const Option verify_options[] = {
    {.name = "all",
     .type = OPTION_FLAG,
     .offset = offsetof(VerifyCommand, all),
     .unset = "no",
     .help = "name every row that differs, not the first 20 of each table"},
    {.name = "rows-only",
     .type = OPTION_FLAG,
     .offset = offsetof(VerifyCommand, rows_only),
     .unset = "no",
     .help = "leave out the schema and large objects"},
    {0                   },
};

static bool print_report(const Invocation *inv, const VerifyReport *report, bool completed,
                         Error *err)
{
    Text out = text_init(inv->arena, MAX_OUTPUT);
    Json json = json_init(&out);

    if (!inv->json) {
        differences_format(&out, report);
        if (completed)
            text_addf(&out, "By that the move of the folder \"%s\" is complete.\n",
                      inv->config->dir);
        return cli_print(&out, err);
    }
    json_open_object(&json);
    verify_report_json(&json, report);
    json_kv_bool(&json, "completed_move", completed);
    json_close(&json);
    return cli_print(&out, err);
}

static bool verify_alone(const Invocation *inv, Error *err)
{
    const VerifyCommand *command = inv->options;
    ProgressView view = {.quiet = inv->quiet};
    MoveWatch watch = progress_watch(&view);
    VerifyOptions options = {
        .all = command->all,
        .rows_only = command->rows_only,
        .watch = &watch,
    };
    VerifyReport report;
    bool completed = false;

    if (!inv->json && watch.step)
        watch.step(watch.context, "verify");
    bool ok = move_verify(inv->arena, inv->config, &options, &report, &completed, err);
    progress_end(&view, ok);
    /* Rows alone that are equal say less than what may be noted there. */
    if (ok && (!command->rows_only || report.differences > 0))
        move_note_verified(inv->arena, inv->config, &report);
    if (!ok || !print_report(inv, &report, completed, err))
        return false;
    if (report.verified)
        return true;
    if (report.differences == 0) {
        (void)error_set(err, ERR_FOUND, "the schema was not compared");
        return error_hint(err, "The rows are equal; --rows-only asks for no more than that.");
    }
    return error_set(err, ERR_FOUND, "%s %s", text_count(inv->arena, report.differences),
                     text_plural(report.differences, "difference", "differences"));
}

static int64_t number_of(const json_t *answer, const char *name)
{
    return json_integer_value(json_object_get(answer, name));
}

static void live_text(Text *out, const json_t *answer)
{
    size_t index = 0;
    json_t *row = NULL;
    int64_t unlisted = number_of(answer, "unlisted");
    int64_t rows = number_of(answer, "rows");
    int tables = (int)number_of(answer, "tables");
    bool equal = json_is_true(json_object_get(answer, "verified"));

    json_array_foreach(json_object_get(answer, "list"), index, row)
    {
        const char *key = json_string_value(json_object_get(row, "key"));
        const char *detail = json_string_value(json_object_get(row, "detail"));
        text_addf(out, "%s  %s%s%s  %s\n", json_string_value(json_object_get(row, "kind")),
                  json_string_value(json_object_get(row, "object")), key ? " " : "", key ? key : "",
                  detail ? detail : "");
    }
    if (unlisted > 0)
        text_addf(out, "... and %s more\n", text_count(out->arena, unlisted));
    json_array_foreach(json_object_get(answer, "left"), index, row)
        text_addf(out, "not compared  %s: %s\n", json_string_value(json_object_get(row, "table")),
                  json_string_value(json_object_get(row, "why")));
    text_addf(out, "%s%s%s: %s %s of %d %s, while both sides go on; %s.\n",
              term_style(stdout, equal ? TERM_GREEN : TERM_RED),
              equal                                   ? "Equal"
              : number_of(answer, "differences") == 0 ? "Equal as far as compared"
                                                      : "Not equal",
              term_style(stdout, TERM_PLAIN), text_count(out->arena, rows),
              text_plural(rows, "row", "rows"), tables, text_plural(tables, "table", "tables"),
              text_duration(out->arena, json_number_value(json_object_get(answer, "seconds"))));
}

static bool judge_live(Arena *arena, const json_t *answer, Error *err)
{
    int64_t differences = number_of(answer, "differences");
    int left = (int)json_array_size(json_object_get(answer, "left"));

    if (differences > 0)
        return error_set(err, ERR_FOUND, "%s %s", text_count(arena, differences),
                         text_plural(differences, "difference", "differences"));
    return left == 0 || error_set(err, ERR_FOUND, "%d %s not be compared", left,
                                  text_plural(left, "table could", "tables could"));
}

/* While a move follows, its mover compares: it knows what is on its way (rule 35). */
static bool verify_by_mover(const Invocation *inv, Error *err)
{
    const VerifyCommand *command = inv->options;
    ProgressView view = {.quiet = inv->quiet};
    MoveWatch watch = progress_watch(&view);
    Text out = text_init(inv->arena, MAX_OUTPUT);
    json_t *answer = NULL;

    bool ok = mover_ask(inv, json_pack("{s:s, s:b}", "verb", "verify", "all", command->all), &watch,
                        &answer, err);
    progress_end(&view, ok);
    if (!ok)
        return false;
    if (inv->json) {
        ok = mover_print_json(answer, err);
    } else {
        live_text(&out, answer);
        ok = cli_print(&out, err);
    }
    ok = ok && judge_live(inv->arena, answer, err);
    json_decref(answer);
    return ok;
}

static bool verify_command(const Invocation *inv, Error *err)
{
    MoveStatus status;

    if (!move_status(inv->arena, inv->config, &status, err))
        return false;
    /* Of a live move whose copy is at work, or was left, it says so: all that is not there yet
     * would be a difference, homeport's own traces too. */
    bool copying = status.live && mover_is_copying(&status);
    return status.following || copying ? verify_by_mover(inv, err) : verify_alone(inv, err);
}

const Command cmd_verify = {
    .name = "verify",
    .group = GROUP_MOVE,
    .summary = "compare the two databases row by row",
    .description =
        "Compares every row of every table, large objects, the next value of every sequence, and "
        "every object of the schema. Rows are compared inside the servers, by 128-bit checksums of "
        "ranges of each table's key, and only what differs is fetched and named: rows that the "
        "target lacks (-), has too many (+), or has with other values (~). Tables without a key "
        "are compared as multisets (#).\n\n"
        "Each side is read under one snapshot: what is compared is one moment of each. On a source "
        "that is written to meanwhile, what was written after the move shows as a difference, "
        "unless "
        "a live move follows: then what is on its way is waited for, and compared again. "
        "Nothing is changed on either side, but that a `move --once` whose schema alone could not "
        "be "
        "compared is complete by a comparison that finds all equal (`completed_move` in JSON).\n\n"
        "The exit status is 3 where anything differs, where the schema could not be compared, "
        "for which a pg_dump that can read both servers is needed, or where a table could not be "
        "while a live move follows: one that is emptied again and again, for one. It is named.",
    .settings = (const char *const[]){"source",             "target", "dir", "map-role", "jobs", "pg-bin",
                                      "identity-map", "identity-columns", "identity-unmapped",
                                      "identity-unmapped-back", NULL},
    .needs = (const char *const[]){"source",              "target",              NULL                       },
    .options = verify_options,
    .options_size = sizeof(VerifyCommand),
    .examples =
        (const Example[]){
                                      {"homeport verify", "Compare what homeport.yaml or the environment names."},
                                      {"homeport verify --json --all", "Every difference, for programs."},
                                      {"homeport verify --rows-only", "Rows and sequences alone."},
                                      {0},
                                      },
    .run = verify_command,
};
