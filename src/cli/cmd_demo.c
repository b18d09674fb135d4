#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "cli/demo_run.h"
#include "core/clock.h"
#include "core/term.h"
#include "migrations/migrations.h"

enum {
    MAX_JOBS = 64,
};

static const char packages[] = "/usr/lib/postgresql";

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
    {.name = "once",
     .type = OPTION_FLAG,
     .offset = offsetof(DemoOptions, once),
     .unset = "no",
     .help = "a single copy, while nobody writes: move --once, and every row compared"},
    {0                                                                               },
};

/* ---- steps ---- */

static void on_move_step(void *context, const char *text)
{
    demo_move_step(context, text);
}

static void on_move_progress(void *context, const MoveProgress *progress)
{
    DemoShow *show = context;

    show->inner.progress(show->inner.context, progress);
}

static void on_fill(void *context, double fraction)
{
    char detail[32];

    (void)snprintf(detail, sizeof detail, "%.0f %%", fraction * 100);
    demo_show_writers(context, detail);
}

/* ---- the run ---- */

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
static bool make_config(DemoRun *run, Error *err)
{
    const DemoOptions *options = run->options;
    Config *ret = &run->config;
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

static bool move_at_once(DemoRun *run, Error *err)
{
    MoveWatch watch = {.progress = on_move_progress, .step = on_move_step, .context = &run->show};

    bool ok = move_once(run->inv->arena, &run->config, &watch, &run->report, err);
    run->moved = ok || err->code == ERR_FOUND;
    if (!ok && run->moved && run->report.assessment.blockers > 0)
        return error_hint(err, "What to do about it is said above.");
    return ok && demo_tables(run->inv->arena, run->place, DEMO_TARGET, &run->tables,
                             &run->table_count, err);
}

static bool run_steps(DemoRun *run, Error *err)
{
    DemoShow *show = &run->show;

    demo_begin_step(show, "servers", "make and start two PostgreSQL servers");
    if (!demo_start(run->place, err))
        return false;
    demo_begin_step(show, "migrations", "apply the app's Drizzle migrations");
    if (!apply_migrations(run, err))
        return error_add_context(err, "apply the app's migrations");
    demo_begin_step(show, "fill", "make up a year of practice");
    if (!fill(run, err))
        return false;
    return run->options->once ? move_at_once(run, err) : demo_run_live(run, err);
}

/* However the run ended, the servers and the folder do not stay: unless all went well and they are
 * to be kept. */
static bool end_run(DemoRun *run, bool ok, Error *err)
{
    Error closing;

    demo_end_steps(&run->show, ok);
    if (ok && run->options->keep) {
        run->kept = demo_keep(run->place, &run->keeping, err);
        if (run->kept)
            return true;
        ok = false;
    }
    demo_begin_step(&run->show, "down", "take everything down again");
    bool closed = demo_close(run->place, ok ? err : &closing);
    demo_end_steps(&run->show, closed);
    return ok && closed;
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
    run.show.inner = progress_watch(&run.show.view);
    demo_print_headline(&run);
    bool ok = make_config(&run, err) &&
              (options->once || (demo_mover_fork(&run.config, run.place, &run.mover, err) &&
                                 demo_gateway_fork(run.place, &run.gateway, err))) &&
              run_steps(&run, err);
    demo_mover_end(&run.mover);
    demo_gateway_end(&run.gateway);
    ok = end_run(&run, ok, err);
    if (run.moved && !demo_print_result(&run, ok, &printing)) {
        *err = printing;
        return false;
    }
    return ok;
}

const Command cmd_demo = {
    .name = "demo",
    .group = GROUP_MOVE,
    .summary = "move a made-up app's database while it is written to",
    .description =
        "Starts two PostgreSQL servers in a temporary folder, gives the first the schema of "
        "GitGud, a journal of coding interviews, by its Drizzle migrations, and a year of made-up "
        "practice. Then its users begin to write, and go on all along, while the database is moved "
        "to the second server: copied, followed, compared, cut over, rolled back with everything "
        "that was written there, and cut over again. Two of them are clients of a `homeport "
        "gateway`: "
        "none of their requests may fail. At the end every write that was acknowledged "
        "is looked for, every row is compared, and it says how long the writers had to wait.\n\n"
        "Nothing else on this machine is touched: the servers listen on sockets in that folder "
        "only. Ctrl-C leaves neither a server nor a file behind. As root, the servers run as the "
        "user postgres, or nobody.",
    .options = demo_options,
    .options_size = sizeof(DemoOptions),
    .examples =
        (const Example[]){
                          {"homeport demo", "See a live move, there and back, in half a minute."},
                          {"homeport demo --users 50000 --jobs 4", "A large one: 5 million attempts."},
                          {"homeport demo --keep", "Leave both servers up, and look around."},
                          {"homeport demo --once", "Only a single copy, while nobody writes."},
                          {"homeport demo --json | jq .lost", "For a script."},
                          {0},
                          },
    .run = demo_run,
};
