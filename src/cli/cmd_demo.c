#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/progress.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/term.h"
#include "demo/demo.h"
#include "migrations/migrations.h"
#include "move/move.h"

enum {
    MAX_OUTPUT = 1 << 20,
    MAX_STEPS = 16,
    MAX_JOBS = 64,
};

static const char packages[] = "/usr/lib/postgresql";

typedef struct DemoOptions {
    int users;
    int seed;
    int jobs;
    const char *postgres;
    const char *pg_bin;
    bool keep;
} DemoOptions;

static const Option demo_options[] = {
    {.name = "users",
     .type = OPTION_INT,
     .offset = offsetof(DemoOptions, users),
     .min = 1,
     .max = DEMO_MAX_USERS,
     .unset = "2000",
     .argument = "N",
     .help = "how many users the app has; each has 10 problems and 100 attempts, on average"},
    {.name = "seed",
     .type = OPTION_INT,
     .offset = offsetof(DemoOptions, seed),
     .min = 0,
     .max = INT32_MAX,
     .unset = "1",
     .argument = "N",
     .help = "another number makes up other rows, the same number the same rows"},
    {.name = "jobs",
     .type = OPTION_INT,
     .offset = offsetof(DemoOptions, jobs),
     .min = 0,
     .max = MAX_JOBS,
     .unset = "0",
     .argument = "N",
     .help = "connections that work at a time; 0: by this machine's size"},
    {.name = "postgres",
     .type = OPTION_PATH,
     .offset = offsetof(DemoOptions, postgres),
     .argument = "DIR",
     .help = "folder of the servers' programs (initdb, postgres); unset: the newest package's"},
    {.name = "pg-bin",
     .type = OPTION_PATH,
     .offset = offsetof(DemoOptions, pg_bin),
     .argument = "DIR",
     .help = "folder of pg_dump and pg_restore; unset: the servers' own, or found by version"},
    {.name = "keep",
     .type = OPTION_FLAG,
     .offset = offsetof(DemoOptions, keep),
     .unset = "no",
     .help = "leave both servers running, and say how to look at them"},
    {0                                                         },
};

/* ---- steps: shown, and timed for the report ---- */

typedef struct Step {
    const char *name;
    double seconds;
} Step;

typedef struct Show {
    ProgressView view;
    MoveWatch inner; /* shows what the move reports */
    Step steps[MAX_STEPS];
    int count;
    bool running;
    double began; /* the last of them */
} Show;

/* NULL: only ends the last one. */
static void time_step(Show *show, const char *name)
{
    double now = clock_seconds();

    if (show->running)
        show->steps[show->count - 1].seconds = now - show->began;
    show->running = name && show->count < MAX_STEPS;
    if (show->running)
        show->steps[show->count++] = (Step){.name = name};
    show->began = now;
}

static void begin_step(Show *show, const char *name, const char *text)
{
    time_step(show, name);
    progress_step(&show->view, text);
}

static void on_move_step(void *context, const char *text)
{
    Show *show = context;

    /* A remark inside a step is a sentence, a step's name is a word. */
    if (!strchr(text, ' '))
        time_step(show, text);
    show->inner.step(show->inner.context, text);
}

static void on_move_progress(void *context, const MoveProgress *progress)
{
    Show *show = context;

    show->inner.progress(show->inner.context, progress);
}

static void on_fill(void *context, double fraction)
{
    const Show *show = context;
    char line[128];

    if (show->view.quiet)
        return;
    (void)snprintf(line, sizeof line, "  %s  %.0f %%", show->view.step, fraction * 100);
    term_progress(line);
}

/* ---- the run ---- */

typedef struct DemoRun {
    const Invocation *inv;
    const DemoOptions *options;
    DemoPostgres postgres;
    DemoPlace *place;
    Show show;
    double started;
    MoveReport report;
    bool moved; /* `report` is filled, as far as the move came */
    DemoTable *tables;
    int table_count;
    bool kept;
    DemoKept keeping;
} DemoRun;

static void print_headline(const DemoRun *run)
{
    Arena *arena = run->inv->arena;
    const char *bold = term_style(stderr, TERM_BOLD);
    const char *plain = term_style(stderr, TERM_PLAIN);
    int64_t users = run->options->users;

    if (run->inv->quiet)
        return;
    (void)fprintf(stderr,
                  "%sA live-looking database, moved from one PostgreSQL to another and proven "
                  "equal%s\n\n"
                  "  the app      GitGud, a journal of coding interviews: %s users,\n"
                  "               %s problems, %s attempts with notes and code\n"
                  "  the servers  two throwaway PostgreSQL %s, reached by socket only\n"
                  "  the place    %s\n\n",
                  bold, plain, text_count(arena, users),
                  text_count(arena, users * DEMO_PROBLEMS_PER_USER),
                  text_count(arena, users * DEMO_PROBLEMS_PER_USER * DEMO_ATTEMPTS_PER_PROBLEM),
                  run->postgres.version, demo_folder(run->place));
}

static bool apply_migrations(const DemoRun *run, Error *err)
{
    Arena *arena = run->inv->arena;
    auto_conn PGconn *conn = NULL;
    MigrationsFolder folder;
    MigrationsResult result;
    const char *path;
    PgUrl url;

    return demo_write_migrations(run->place, &path, err) &&
           migrations_load(arena, path, &folder, err) &&
           url_parse(arena, demo_url(run->place, DEMO_SOURCE), "source", &url, err) &&
           pg_connect(&url, "migrations", &conn, err) &&
           migrations_apply(arena, conn, &folder, &(MigrationsOptions){0}, &result, err);
}

static bool fill(DemoRun *run, Error *err)
{
    DemoData data = {
        .seed = run->options->seed,
        .users = run->options->users,
        .progress = on_fill,
        .context = &run->show,
    };

    return demo_fill(run->place, &data, err);
}

/* Neither the owner's homeport.yaml nor the environment says anything about our own servers. */
static bool make_config(const DemoRun *run, Config *ret, Error *err)
{
    const DemoOptions *options = run->options;
    ConfigText nothing = {.name = "demo", .text = "", .lookup = NULL};

    if (!config_load_text(run->inv->arena, &nothing, ret, err))
        return false;
    ret->source = demo_url(run->place, DEMO_SOURCE);
    ret->target = demo_url(run->place, DEMO_TARGET);
    ret->dir = demo_work_folder(run->place);
    ret->jobs = options->jobs;
    ret->pg_bin =
        options->pg_bin ? options->pg_bin : (run->postgres.has_dump ? run->postgres.bin : NULL);
    return true;
}

static bool move(DemoRun *run, Error *err)
{
    Config config;
    MoveWatch watch = {.progress = on_move_progress, .step = on_move_step, .context = &run->show};

    if (!make_config(run, &config, err))
        return false;
    run->show.inner = progress_watch(&run->show.view);
    bool ok = move_once(run->inv->arena, &config, &watch, &run->report, err);
    run->moved = ok || err->code == ERR_FOUND;
    if (!ok && run->moved && run->report.assessment.blockers > 0)
        return error_hint(err, "What to do about it is said above.");
    return ok;
}

static bool run_steps(DemoRun *run, Error *err)
{
    Show *show = &run->show;

    begin_step(show, "servers", "make and start two PostgreSQL servers");
    if (!demo_start(run->place, err))
        return false;
    begin_step(show, "migrations", "apply the app's Drizzle migrations");
    if (!apply_migrations(run, err))
        return error_add_context(err, "apply the app's migrations");
    begin_step(show, "fill", "make up a year of practice");
    if (!fill(run, err))
        return false;
    if (!move(run, err))
        return false;
    return demo_tables(run->inv->arena, run->place, DEMO_TARGET, &run->tables, &run->table_count,
                       err);
}

/* However the run ended, the servers and the folder do not stay: unless all went well and they are
 * to be kept. */
static bool end_run(DemoRun *run, bool ok, Error *err)
{
    Error closing;

    progress_end(&run->show.view, ok);
    time_step(&run->show, NULL);
    if (ok && run->options->keep) {
        run->kept = demo_keep(run->place, &run->keeping, err);
        if (run->kept)
            return true;
        ok = false;
    }
    begin_step(&run->show, "down", "take everything down again");
    bool closed = demo_close(run->place, ok ? err : &closing);
    progress_end(&run->show.view, closed);
    time_step(&run->show, NULL);
    return ok && closed;
}

/* ---- the report ---- */

static bool is_of(const Difference *difference, const char *table)
{
    return difference->kind != DIFFERENCE_SCHEMA && strcmp(difference->object, table) == 0;
}

/* Of the differences that are listed. */
static int differences_of(const DemoRun *run, const char *table)
{
    const VerifyReport *verify = &run->report.verify;
    int count = 0;

    for (int i = 0; i < verify->list_count; i++)
        count += is_of(&verify->list[i], table);
    return count;
}

static void print_table(const DemoRun *run)
{
    static const char *const header[] = {"TABLE", "ROWS", "SIZE", "DIFFERENCES"};
    Arena *arena = run->inv->arena;
    TermTable *table = term_table_new(arena, "lrrr", header);

    for (int i = 0; i < run->table_count; i++) {
        const DemoTable *row = &run->tables[i];
        const char *cells[] = {
            row->name,
            text_count(arena, row->rows),
            text_bytes(arena, (uint64_t)row->bytes),
            text_count(arena, differences_of(run, row->name)),
        };
        term_table_row(table, cells);
    }
    (void)fputc('\n', stdout);
    term_table_print(table, stdout);
    (void)fputc('\n', stdout);
}

static void print_summary(const DemoRun *run)
{
    Arena *arena = run->inv->arena;
    const MoveReport *report = &run->report;
    const VerifyReport *verify = &report->verify;
    const char *plain = term_style(stdout, TERM_PLAIN);

    (void)printf("%s rows (%s) moved in %s, with %d indexes and %d keys and constraints.\n",
                 text_count(arena, report->rows), text_bytes(arena, (uint64_t)report->bytes),
                 text_duration(arena, report->seconds - verify->seconds), report->indexes,
                 report->constraints);
    if (verify->verified)
        (void)printf("%sVerified:%s every row was compared%s, and nothing differs.\n",
                     term_style(stdout, TERM_GREEN), plain,
                     verify->schema_compared ? ", and the whole schema" : "");
    for (int i = 0; i < verify->list_count; i++)
        (void)printf("%sdifference%s %s: %s\n", term_style(stdout, TERM_RED), plain,
                     verify->list[i].object, verify->list[i].detail);
}

static void print_kept(const DemoRun *run)
{
    const char *bold = term_style(stdout, TERM_BOLD);
    const char *plain = term_style(stdout, TERM_PLAIN);

    (void)printf("\n%sBoth servers are up%s\n"
                 "  export PGPASSFILE=%s\n"
                 "  psql '%s'\n"
                 "  psql '%s'\n"
                 "  sh %s%14stakes them down, with all that is theirs\n",
                 bold, plain, run->keeping.password_file, demo_public_url(run->place, DEMO_SOURCE),
                 demo_public_url(run->place, DEMO_TARGET), run->keeping.stop, "");
}

static void print_next(const DemoRun *run)
{
    const char *bold = term_style(stdout, TERM_BOLD);
    const char *plain = term_style(stdout, TERM_PLAIN);

    (void)printf("\n%sWhat next%s\n"
                 "  homeport check --once --source URL --target URL   can your own be moved?\n"
                 "  homeport move  --once --source URL --target URL   then move it\n",
                 bold, plain);
    if (!run->kept)
        (void)printf("  homeport demo --keep                              leave the servers up, "
                     "and look around\n");
}

static void report_json(const DemoRun *run, Text *out)
{
    const MoveReport *report = &run->report;
    const VerifyReport *verify = &report->verify;
    Json json = json_init(out);

    json_open_object(&json);
    json_kv_bool(&json, "verified", report->verify_done && verify->verified);
    json_kv_int(&json, "differences", verify->differences);
    json_kv_int(&json, "tables", verify->tables);
    json_kv_int(&json, "rows", verify->rows);
    json_kv_double(&json, "seconds", clock_seconds() - run->started, 3);
    json_kv_int(&json, "bytes", report->bytes);
    json_kv_int(&json, "blockers", report->assessment.blockers);
    json_kv_string(&json, "postgres", run->postgres.version);
    json_kv_int(&json, "users", run->options->users);
    json_kv_int(&json, "seed", run->options->seed);
    json_key(&json, "steps");
    json_open_array(&json);
    for (int i = 0; i < run->show.count; i++) {
        json_open_object(&json);
        json_kv_string(&json, "step", run->show.steps[i].name);
        json_kv_double(&json, "seconds", run->show.steps[i].seconds, 3);
        json_close(&json);
    }
    json_close(&json);
    json_key(&json, "kept");
    if (run->kept) {
        json_open_object(&json);
        json_kv_string(&json, "folder", demo_folder(run->place));
        json_kv_string(&json, "source", demo_public_url(run->place, DEMO_SOURCE));
        json_kv_string(&json, "target", demo_public_url(run->place, DEMO_TARGET));
        json_kv_string(&json, "password_file", run->keeping.password_file);
        json_kv_string(&json, "stop", run->keeping.stop);
        json_close(&json);
    } else {
        json_add_null(&json);
    }
    json_close(&json);
}

/* What was found is the result, also where it is not what was hoped for. */
static bool print_result(const DemoRun *run, bool ok, Error *err)
{
    Text out = text_init(run->inv->arena, MAX_OUTPUT);
    bool blocked = run->report.assessment.blockers > 0;

    if (blocked)
        progress_print_findings(&run->report.assessment);
    if (run->inv->json) {
        report_json(run, &out);
        return cli_print(&out, err);
    }
    if (blocked)
        return true;
    if (ok)
        print_table(run);
    print_summary(run);
    if (run->kept)
        print_kept(run);
    if (ok && !run->inv->quiet)
        print_next(run);
    return true;
}

static bool demo_run(const Invocation *inv, Error *err)
{
    const DemoOptions *options = inv->options;
    DemoRun run = {
        .inv = inv,
        .options = options,
        .show.view.quiet = inv->quiet,
        .started = clock_seconds(),
    };
    Error printing = ERROR_INIT;

    if (!demo_find_postgres(inv->arena, options->postgres, packages, &run.postgres, err) ||
        !demo_open(inv->arena, &run.postgres, &run.place, err))
        return false;
    print_headline(&run);
    bool ok = run_steps(&run, err);
    ok = end_run(&run, ok, err);
    if (run.moved && !print_result(&run, ok, &printing)) {
        *err = printing;
        return false;
    }
    return ok;
}

const Command cmd_demo = {
    .name = "demo",
    .group = GROUP_MOVE,
    .summary = "move a made-up app's database between two throwaway servers",
    .description =
        "Starts two PostgreSQL servers in a temporary folder, gives the first the schema of "
        "GitGud, a journal of coding interviews, by its Drizzle migrations, and a year of made-up "
        "practice; moves it to the second, compares every row, and takes everything down again.\n\n"
        "Nothing else on this machine is touched: the servers listen on sockets in that folder "
        "only. Ctrl-C leaves neither a server nor a file behind. As root, the servers run as the "
        "user postgres, or nobody.",
    .options = demo_options,
    .options_size = sizeof(DemoOptions),
    .examples =
        (const Example[]){
                          {"homeport demo", "See a move in half a minute."},
                          {"homeport demo --users 50000 --jobs 4", "A large one: 5 million attempts."},
                          {"homeport demo --keep", "Leave both servers up, and look around."},
                          {"homeport demo --json | jq .verified", "For a script."},
                          {0},
                          },
    .run = demo_run,
};
