#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/differences.h"
#include "cli/findings.h"
#include "cli/mover.h"
#include "cli/progress.h"
#include "core/json.h"
#include "core/term.h"
#include "move/move.h"

enum {
    MAX_OUTPUT = 64 << 20
};

typedef struct MoveOptions {
    bool once;
    bool dry_run;
    bool detach;
    bool stop;
    const char *resync;
} MoveOptions;

static const Option move_options[] = {
    {.name = "once",
     .type = OPTION_FLAG,
     .offset = offsetof(MoveOptions, once),
     .unset = "no",
     .help = "copy everything as it is at one moment, and end"},
    {.name = "dry-run",
     .type = OPTION_FLAG,
     .offset = offsetof(MoveOptions, dry_run),
     .unset = "no",
     .help = "only check whether the move could be made"},
    {.name = "detach",
     .type = OPTION_FLAG,
     .offset = offsetof(MoveOptions, detach),
     .unset = "no",
     .help = "leave the mover in the background"},
    {.name = "stop",
     .type = OPTION_FLAG,
     .offset = offsetof(MoveOptions, stop),
     .unset = "no",
     .help = "end the mover of this folder; run again, it goes on where it stopped"},
    {.name = "resync",
     .type = OPTION_TEXT,
     .offset = offsetof(MoveOptions, resync),
     .argument = "TABLE",
     .help = "copy this table again while the others follow; also one that is new on the source"},
    {0                     },
};

static void report_json(Text *out, const MoveReport *report, bool complete)
{
    Json json = json_init(out);

    json_open_object(&json);
    json_kv_bool(&json, "complete", complete);
    json_kv_bool(&json, "already_done", report->already_done);
    json_kv_bool(&json, "resumed", report->resumed);
    if (report->verify_done) {
        verify_report_json(&json, &report->verify);
    } else {
        json_key(&json, "verified"); /* neither true nor false: nothing was compared */
        json_add_null(&json);
    }
    json_key(&json, "copied");
    json_open_object(&json);
    json_kv_int(&json, "tables", report->tables);
    json_kv_int(&json, "rows", report->rows);
    json_kv_int(&json, "bytes", report->bytes);
    json_kv_int(&json, "indexes", report->indexes);
    json_kv_int(&json, "constraints", report->constraints);
    json_kv_int(&json, "sequences", report->sequences);
    json_kv_int(&json, "large_objects", report->large_objects);
    json_kv_int(&json, "identities_kept", report->identities_kept);
    json_close(&json);
    json_key(&json, "took");
    json_open_object(&json);
    json_kv_double(&json, "schema", report->seconds_schema, 3);
    json_kv_double(&json, "copy", report->seconds_copy, 3);
    json_kv_double(&json, "finish", report->seconds_finish, 3);
    json_kv_double(&json, "verify", report->verify.seconds, 3);
    json_kv_double(&json, "all", report->seconds, 3);
    json_close(&json);
    json_key(&json, "drift");
    json_open_array(&json);
    for (int i = 0; i < report->drift_count; i++)
        json_add_string(&json, report->drift[i]);
    json_close(&json);
    json_kv_int(&json, "blockers", report->assessment.blockers);
    json_kv_int(&json, "warnings", report->assessment.warnings);
    json_close(&json);
}

static void report_text(Arena *arena, Text *out, const MoveReport *report)
{
    if (report->already_done) {
        text_add(out, "This move is finished already; nothing was done. To move again, give "
                      "another --dir and an empty target.\n");
        return;
    }
    text_addf(out, "Moved %s %s of %d %s (%s) in %s", text_count(arena, report->rows),
              text_plural(report->rows, "row", "rows"), report->tables,
              text_plural(report->tables, "table", "tables"),
              text_bytes(arena, (uint64_t)report->bytes), text_duration(arena, report->seconds));
    text_addf(out, ", with %d %s, %d %s, %d %s", report->indexes,
              text_plural(report->indexes, "index", "indexes"), report->constraints,
              text_plural(report->constraints, "key or constraint", "keys and constraints"),
              report->sequences, text_plural(report->sequences, "sequence", "sequences"));
    if (report->large_objects > 0)
        text_addf(out, ", %d large %s", report->large_objects,
                  text_plural(report->large_objects, "object", "objects"));
    text_add(out, ".\n");
    if (report->identities_kept > 0)
        text_addf(out, "%s %s not in the map and went home as they are.\n",
                  text_count(arena, report->identities_kept),
                  text_plural(report->identities_kept, "id is", "ids are"));
    if (report->verify_done)
        text_addf(out, "Verified: %s %s equal on both sides%s.\n",
                  text_count(arena, report->verify.rows),
                  text_plural(report->verify.rows, "row is", "rows are"),
                  report->verify.schema_compared ? ", and so is the schema" : "");
    else
        text_add(out, "Not verified: `homeport verify` compares every row.\n");
    if (report->assessment.warnings > 0)
        text_addf(out, "%d warning%s: `homeport check --once` tells.\n",
                  report->assessment.warnings, report->assessment.warnings == 1 ? "" : "s");
}

/* On standard error in both forms of output: it is about the way, not the result. */
static void print_drift(const MoveReport *report)
{
    if (report->drift_count > 0)
        (void)fprintf(stderr, "The source differs from the journal:\n");
    for (int i = 0; i < report->drift_count; i++)
        (void)fprintf(stderr, "  %s\n", report->drift[i]);
}

static bool dry_run(const Invocation *inv, Scope scope, Error *err)
{
    Assessment assessment;
    Text out = text_init(inv->arena, MAX_OUTPUT);

    if (!assess_run(inv->arena, inv->config, scope, &assessment, err))
        return false;
    if (inv->json) {
        MoveReport report = {.assessment = assessment};
        report_json(&out, &report, false);
    } else {
        progress_print_findings(&assessment);
        text_addf(&out, "%s %s; nothing was changed.",
                  assessment.blockers ? "This move cannot be made:" : "This move can be made:",
                  findings_count(inv->arena, &assessment));
    }
    if (!cli_print(&out, err))
        return false;
    return assessment.blockers == 0 ||
           error_set(err, ERR_FOUND, "%d %s", assessment.blockers,
                     text_plural(assessment.blockers, "blocker", "blockers"));
}

static bool print_line(const Invocation *inv, const char *key, const char *text, int pid,
                       Error *err)
{
    Text out = text_init(inv->arena, MAX_OUTPUT);
    Json json = json_init(&out);

    if (inv->json) {
        json_open_object(&json);
        json_kv_bool(&json, key, true);
        json_kv_int(&json, "pid", pid);
        json_close(&json);
    } else {
        text_addf(&out, "%s\n", text);
    }
    return cli_print(&out, err);
}

/* Whose changes wait for the mover. */
static const char *stopped_text(const MoveStatus *status)
{
    if (!status->live)
        return "The move has ended before it was complete. Run it again: it begins anew.";
    return strcmp(status->phase, "home") == 0
               ? "The mover has ended. Home keeps its WAL until it runs again."
               : "The mover has ended. The source keeps its WAL until it runs again.";
}

static bool stop(const Invocation *inv, Error *err)
{
    bool was = false;
    MoveStatus status;

    return move_stop(inv->arena, inv->config, &was, err) &&
           move_status(inv->arena, inv->config, &status, err) &&
           print_line(inv, was ? "stopped" : "not_running",
                      !was            ? "No mover runs in this folder."
                      : status.exists ? stopped_text(&status)
                                      : "The mover has ended.",
                      0, err);
}

static bool follow(const Invocation *inv, const MoveOptions *options, Error *err)
{
    LiveOptions live = {.spool_limit = (int64_t)inv->config->spool_limit};
    ProgressView view = {.quiet = inv->quiet};
    MoveWatch watch = progress_watch(&view);
    MoveReport report = {0};
    int pid = 0;

    if (options->detach)
        return mover_detach(inv, &live, &pid, err) &&
               print_line(inv, "detached",
                          arena_printf(inv->arena,
                                       "The mover works in the background (process %d). `homeport "
                                       "status --watch` shows how far it is.",
                                       pid),
                          pid, err);
    bool ok = move_live(inv->arena, inv->config, &live, &watch, &report, err);
    progress_end(&view, ok);
    if (!ok && report.assessment.blockers > 0)
        progress_print_findings(&report.assessment);
    print_drift(&report);
    if (!ok)
        return false;
    return report.already_done
               ? print_line(inv, "already_done",
                            "This move is finished already. To move again, give another --dir and "
                            "an empty target.",
                            0, err)
               : print_line(inv, "stopped", "Stopped. Run it again: it goes on from here.", 0, err);
}

static bool resync(const Invocation *inv, const MoveOptions *options, Error *err)
{
    Text out = text_init(inv->arena, MAX_OUTPUT);
    json_t *answer = NULL;
    bool ok = true;

    if (!mover_ask(inv, json_pack("{s:s, s:s}", "verb", "resync", "table", options->resync), NULL,
                   &answer, err))
        return false;
    if (inv->json) {
        ok = mover_print_json(answer, err);
    } else {
        int tables = (int)json_integer_value(json_object_get(answer, "tables"));
        text_addf(&out, "%s has been copied again: %s rows of %d %s. It follows from there.\n",
                  options->resync,
                  text_count(inv->arena, json_integer_value(json_object_get(answer, "rows"))),
                  tables, text_plural(tables, "table", "tables"));
        ok = cli_print(&out, err);
    }
    json_decref(answer);
    return ok;
}

static bool once(const Invocation *inv, Error *err)
{
    ProgressView view = {.quiet = inv->quiet};
    MoveWatch watch = progress_watch(&view);
    MoveReport report;
    Text out = text_init(inv->arena, MAX_OUTPUT);

    bool ok = move_once(inv->arena, inv->config, &watch, &report, err);
    progress_end(&view, ok);
    if (!ok && err->code == ERR_CANCELLED)
        return error_hint(err, "Run it again; `homeport status` says where it stands.");
    if (!ok && err->code != ERR_FOUND)
        return false;
    if (report.assessment.blockers > 0)
        progress_print_findings(&report.assessment);
    print_drift(&report);
    if (inv->json)
        report_json(&out, &report, ok);
    else if (ok)
        report_text(inv->arena, &out, &report);
    else if (report.verify_done && report.verify.differences > 0)
        differences_format(&out, &report.verify);
    Error printed = ERROR_INIT;
    if (!cli_print(&out, &printed)) {
        *err = printed;
        return false;
    }
    return ok;
}

static bool move_run(const Invocation *inv, Error *err)
{
    const MoveOptions *options = inv->options;

    if (options->once + options->detach + options->stop + (options->resync != NULL) > 1)
        return error_set(err, ERR_USAGE,
                         "--once, --detach, --stop and --resync exclude each other");
    if (options->resync)
        return resync(inv, options, err);
    if (options->dry_run)
        return dry_run(inv, options->once ? SCOPE_ONCE : SCOPE_LIVE, err);
    if (options->stop)
        return stop(inv, err);
    return options->once ? once(inv, err) : follow(inv, options, err);
}

const Command cmd_move = {
    .name = "move",
    .group = GROUP_MOVE,
    .summary = "bring the database home",
    .description =
        "Makes the source's schema on the target, copies every row under one snapshot, builds "
        "indexes and keys as each table is complete, and then follows: what is written to the "
        "source arrives at the target within moments, until `homeport cutover`. The source's "
        "writers are never blocked. With --once it ends after the copy, having compared both sides "
        "row by row: what is copied is one moment.\n\n"
        "It can be killed at any time; run again it goes on. Tables that are copied stay so (with "
        "--once the rows start again), and the stream goes on where the target has it.",
    .settings = (const char *const[]){"source",
                                      "target",                         "dir",
                                      "schema",                        "accept-drift",
                                      "migrations", "migrations-table",
                                      "migrations-schema", "map-role",
                                      "jobs", "split-bytes",
                                      "pg-bin", "relax-durability",
                                      "verify", "spool-limit",
                                      "identity-map", "identity-columns",
                                      "identity-unmapped", "identity-unmapped-back",
                                      NULL},
    .needs = (const char *const[]){"source",   "target", NULL                    },
    .options = move_options,
    .options_size = sizeof(MoveOptions),
    .examples =
        (const Example[]){
                                      {"homeport move --detach", "Copy and follow, in the background."},
                                      {"homeport move --once", "Move what homeport.yaml or the environment names."},
                                      {"homeport move --once --map-role neondb_owner=app --jobs 4",
             "Objects of neondb_owner belong to app at home."},
                                      {"homeport move --once --dry-run", "Only check whether it could be made."},
                                      {0},
                                      },
    .run = move_run,
};
