#include <stddef.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/findings.h"
#include "core/json.h"
#include "core/term.h"

enum {
    MAX_OUTPUT = 64 << 20
};

typedef struct CheckOptions {
    bool once;
    bool live;
} CheckOptions;

static Scope scope_asked(const CheckOptions *options)
{
    if (options->once == options->live)
        return SCOPE_BOTH;
    return options->once ? SCOPE_ONCE : SCOPE_LIVE;
}

static void add_server(Text *out, const char *side, const AssessedServer *server)
{
    text_addf(out, "%-9sPostgreSQL %.*s, database %s, as %s, %s\n", side,
              (int)strcspn(server->version, " "), server->version, server->database, server->role,
              text_bytes(out->arena, (uint64_t)server->size_bytes));
}

static const char *next_step(Arena *arena, const Assessment *assessment)
{
    int once = findings_blockers(assessment, SCOPE_ONCE);

    if (assessment->blockers == 0)
        return assessment->scope == SCOPE_LIVE   ? "The live move can begin: homeport move"
               : assessment->scope == SCOPE_ONCE ? "The move can begin: homeport move --once"
                                                 : "The move can begin: homeport move, which "
                                                   "follows the live app, or homeport move --once";
    if (assessment->scope == SCOPE_BOTH && once == 0)
        return "Only the live move is blocked: mend its blockers and check again, or move once: "
               "homeport move --once";
    if (assessment->scope == SCOPE_BOTH && once < assessment->blockers)
        return arena_printf(arena,
                            "Mend the blockers (%d of the %d also stand%s in the way of move "
                            "--once), then check again: homeport check",
                            once, assessment->blockers, once == 1 ? "s" : "");
    return arena_printf(arena, "Mend the blockers, then check again: homeport check%s",
                        assessment->scope == SCOPE_ONCE   ? " --once"
                        : assessment->scope == SCOPE_LIVE ? " --live"
                                                          : "");
}

static bool print_text(const Invocation *inv, const Assessment *assessment, Error *err)
{
    Text out = text_init(inv->arena, MAX_OUTPUT);
    FindingsLayout layout = findings_layout();

    add_server(&out, "source", &assessment->source);
    add_server(&out, "target", &assessment->target);
    text_add_char(&out, '\n');
    findings_format(&out, assessment, &layout);
    text_addf(&out, "%s%s%s\n%s\n", term_style(stdout, TERM_BOLD),
              findings_count(inv->arena, assessment), term_style(stdout, TERM_PLAIN),
              next_step(inv->arena, assessment));
    return cli_print(&out, err);
}

static bool print_json(const Invocation *inv, const Assessment *assessment, Error *err)
{
    Text out = text_init(inv->arena, MAX_OUTPUT);
    Json json = json_init(&out);

    json_open_object(&json);
    assessment_json(&json, assessment);
    json_close(&json);
    return cli_print(&out, err);
}

static bool check_run(const Invocation *inv, Error *err)
{
    Assessment assessment;

    if (!inv->quiet)
        term_progress("reading source and target ...");
    bool read = assess_run(inv->arena, inv->config, scope_asked(inv->options), &assessment, err);
    term_progress(NULL);
    if (!read || !(inv->json ? print_json : print_text)(inv, &assessment, err))
        return false;
    if (assessment.blockers > 0)
        return error_set(err, ERR_FOUND, "%d blocker%s found", assessment.blockers,
                         assessment.blockers == 1 ? "" : "s");
    return true;
}

static const char *const check_settings[] = {
    "source",
    "target",
    "dir",
    "pg-bin",
    "schema",
    "migrations",
    "migrations-table",
    "migrations-schema",
    "verify",
    "jobs",
    "map-role",
    "identity-map",
    "identity-columns",
    "identity-unmapped",
    "identity-unmapped-back",
    NULL,
};

static const char *const check_needs[] = {"source", "target", NULL};

static const Option check_options[] = {
    {.name = "once",
     .type = OPTION_FLAG,
     .offset = offsetof(CheckOptions, once),
     .unset = "no",
     .help = "judge only what concerns move --once"},
    {.name = "live",
     .type = OPTION_FLAG,
     .offset = offsetof(CheckOptions, live),
     .unset = "no",
     .help = "judge only what concerns the live move"},
    {0                  },
};

const Command cmd_check = {
    .name = "check",
    .group = GROUP_MOVE,
    .summary = "can this move work? findings, each with its fix",
    .description =
        "Reads the catalogues of source and target and says what will not work, or not as it does "
        "now, before anything is touched. A blocker makes the move fail, lose something, or break "
        "the live app; a warning is for the owner to know or do; a note happens by itself. Each "
        "finding names the objects that it concerns and the statement, setting or step that mends "
        "it.\n\n"
        "Without --once or --live both kinds of move are judged. The exit status is 3 when there "
        "is "
        "a blocker for what was asked, else 0.",
    .settings = check_settings,
    .needs = check_needs,
    .options = check_options,
    .options_size = sizeof(CheckOptions),
    .examples =
        (const Example[]){
                          {"homeport check", "Everything that stands in the way of a move."},
                          {"homeport check --once --json", "What concerns a copy at one moment, for programs."},
                          {0},
                          },
    .run = check_run,
};
