#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/term.h"
#include "migrations/migrations.h"
#include "move/move.h"

enum {
    MAX_OUTPUT = 128 << 20, /* a dry run prints whole files */
    HASH_SHOWN = 12
};

typedef enum Side {
    SIDE_SOURCE,
    SIDE_TARGET
} Side;

typedef struct MigrationsCommandOptions {
    int on; /* Side */
    bool check;
    bool dry_run;
    bool run_skipped;
    int lock_timeout;
    const char *allow;
    const char *until;
} MigrationsCommandOptions;

/* What every subcommand begins with. */
typedef struct Session {
    MigrationsPlace place;
    MigrationsFolder folder;
    MigrationsOptions options;
    PgUrl url;
    PGconn *conn;
} Session;

/* ---- opening ---- */

static bool session_url(const Invocation *inv, Side side, PgUrl *ret, Error *err)
{
    const char *name = side == SIDE_SOURCE ? "source" : "target";
    const char *text = side == SIDE_SOURCE ? inv->config->source : inv->config->target;

    if (!text) {
        (void)error_set(err, ERR_USAGE, "no %s given", name);
        return error_hint(err,
                          "Give --%s URL or set HOMEPORT_%s_URL; --on says which of the two "
                          "is meant.",
                          name, side == SIDE_SOURCE ? "SOURCE" : "TARGET");
    }
    return url_parse(inv->arena, text, name, ret, err);
}

static bool session_options(const Invocation *inv, Session *session, Error *err)
{
    const MigrationsCommandOptions *given = inv->options;

    session->options = (MigrationsOptions){
        .schema = session->place.schema,
        .table = session->place.table,
        .run_skipped = given->run_skipped,
        .dry_run = given->dry_run,
        .until = given->until,
        .lock_timeout_ms = given->lock_timeout ? given->lock_timeout * 1000 : -1,
    };
    return !given->allow ||
           migrations_reasons_parse(inv->arena, given->allow, &session->options.allow, err);
}

/* While a move copies or follows, another schema on either side breaks it (rule 23). */
static bool ask_the_move(const Invocation *inv, MigrationsOptions *options, Error *err)
{
    MoveStatus move;

    if (!move_status(inv->arena, inv->config, &move, err))
        return false;
    if (!move.exists || move.complete || strcmp(move.phase, "planned") == 0 ||
        strcmp(move.phase, "aborted") == 0)
        return true;
    options->blocked = arena_printf(inv->arena, "a move is under way in \"%s\" (%s)",
                                    inv->config->dir, move.phase);
    options->blocked_fix = "Migrations wait until it is finished: see `homeport status`. A move of "
                           "other databases has another --dir.";
    return true;
}

static bool status_run(const Invocation *inv, Error *err);

/* The lock belongs to a session, and behind Neon's pooler the next statement may get another one.
 */
static bool check_direct(const Invocation *inv, const PgUrl *url, Error *err)
{
    if (inv->command->run == status_run || !url_is_neon_pooler(url))
        return true;
    (void)error_set(err, ERR_USAGE, "the URL is that of Neon's pooler");
    return error_hint(err, "Use the direct host: %s.", url_direct_host(inv->arena, url));
}

static bool session_open(const Invocation *inv, Session *ret, Error *err)
{
    const MigrationsCommandOptions *given = inv->options;

    /* The folder first: what is wrong with it needs no server. */
    return migrations_locate(inv->arena, inv->config, NULL, &ret->place, err) &&
           session_options(inv, ret, err) && ask_the_move(inv, &ret->options, err) &&
           migrations_load(inv->arena, ret->place.folder, &ret->folder, err) &&
           session_url(inv, (Side)given->on, &ret->url, err) && check_direct(inv, &ret->url, err) &&
           pg_connect(&ret->url, "migrations", &ret->conn, err);
}

static void session_close(Session *session)
{
    pg_close(session->conn);
    session->conn = NULL;
}
#define auto_session CLEANUP(session_close)

/* ---- for people ---- */

static const char *layout_text(MigrationsLayout layout)
{
    return layout == MIGRATIONS_JOURNAL ? "journal of drizzle-kit 0.x"
                                        : "folders of drizzle-kit 1.0";
}

static void add_head(Text *out, const Session *session)
{
    text_addf(out, "Folder    %s (%s; %s)\n", session->place.folder, session->place.chosen,
              layout_text(session->folder.layout));
    text_addf(out, "Database  %s, table %s.%s\n", session->url.redacted, session->place.schema,
              session->place.table);
}

static TermStyle state_style(MigrationState state)
{
    switch (state) {
    case MIGRATION_APPLIED:
        return TERM_GREEN;
    case MIGRATION_PENDING:
        return TERM_CYAN;
    case MIGRATION_SKIPPED:
        return TERM_YELLOW;
    default:
        return TERM_RED;
    }
}

/* The state comes last: behind it nothing has to be aligned, so it can be coloured. */
static void table_add(const Invocation *inv, TermTable *table, const char *tag, const char *when,
                      const char *hash, MigrationState state)
{
    const char *cells[] = {
        tag,
        when,
        arena_printf(inv->arena, "%.*s", HASH_SHOWN, hash),
        arena_printf(inv->arena, "%s%s%s", term_style(stdout, state_style(state)),
                     migration_state_name(state), term_style(stdout, TERM_PLAIN)),
    };

    term_table_row(table, cells);
}

static void print_table(const Invocation *inv, const Session *session,
                        const MigrationsStatus *status)
{
    static const char *const header[] = {"MIGRATION", "WHEN", "HASH", "STATE"};
    TermTable *table = term_table_new(inv->arena, "llll", header);

    for (int m = 0; m < session->folder.count; m++) {
        const Migration *migration = &session->folder.list[m];
        table_add(inv, table, migration->tag, clock_iso(inv->arena, migration->when_ms),
                  migration->hash, status->states[m]);
    }
    for (int r = 0; r < status->row_count; r++) {
        const MigrationRow *row = &status->rows[r];
        if (row->migration < 0)
            table_add(inv, table,
                      row->name ? row->name : arena_printf(inv->arena, "(row %s)", row->id),
                      row->created_at ? clock_iso(inv->arena, row->created_ms) : "-", row->hash,
                      MIGRATION_UNKNOWN);
    }
    term_table_print(table, stdout);
}

static void add_counts(Text *out, const MigrationsStatus *status)
{
    const char *comma = "";

    if (!status->table_exists)
        text_add(out, "The table is not there yet. ");
    if (status->to_1_0)
        text_add(out, "The table is drizzle-kit 0.x's: apply upgrades it to 1.0's. ");
    for (int state = 0; state < MIGRATION_STATE_COUNT; state++)
        if (status->counts[state] || state <= MIGRATION_PENDING) {
            text_addf(out, "%s%d %s", comma, status->counts[state],
                      migration_state_name((MigrationState)state));
            comma = ", ";
        }
    text_add(out, ".\n");
}

static bool print_status(const Invocation *inv, const Session *session,
                         const MigrationsStatus *status, Error *err)
{
    Text head = text_init(inv->arena, MAX_OUTPUT);
    Text tail = text_init(inv->arena, MAX_OUTPUT);

    add_head(&head, session);
    if (!cli_print(&head, err))
        return false;
    print_table(inv, session, status);
    for (int i = 0; i < status->problem_count; i++) {
        const MigrationsProblem *problem = &status->problems[i];
        text_addf(&tail, "%s%s%s %s %s\n", term_style(stdout, TERM_YELLOW),
                  migrations_reason_name(problem->reason), term_style(stdout, TERM_PLAIN),
                  problem->where, problem->text);
    }
    add_counts(&tail, status);
    return cli_print(&tail, err);
}

/* ---- for programs ---- */

static void json_head(Json *json, const Session *session)
{
    json_kv_string(json, "folder", session->place.folder);
    json_kv_string(json, "folder_chosen_by", session->place.chosen);
    json_kv_string(json, "layout", migrations_layout_name(session->folder.layout));
    json_kv_string(json, "database", session->url.redacted);
    json_kv_string(json, "schema", session->place.schema);
    json_kv_string(json, "table", session->place.table);
}

static void json_row(Json *json, const MigrationRow *row)
{
    json_open_object(json);
    json_kv_string(json, "id", row->id);
    json_kv_string(json, "hash", row->hash);
    json_key(json, "created_at");
    row->created_at ? json_add_int(json, row->created_ms) : json_add_null(json);
    json_kv_string(json, "name", row->name);
    json_kv_string(json, "applied_at", row->applied_at);
    json_close(json);
}

static void json_migration(Json *json, const Migration *migration)
{
    json_kv_string(json, "tag", migration->tag);
    json_kv_string(json, "file", migration->file);
    json_kv_int(json, "when", migration->when_ms);
    json_kv_string(json, "hash", migration->hash);
    json_kv_int(json, "statements", migration->piece_count);
}

static void json_problems(Json *json, const MigrationsStatus *status)
{
    json_key(json, "problems");
    json_open_array(json);
    for (int i = 0; i < status->problem_count; i++) {
        json_open_object(json);
        json_kv_string(json, "reason", migrations_reason_name(status->problems[i].reason));
        json_kv_string(json, "where", status->problems[i].where);
        json_kv_string(json, "text", status->problems[i].text);
        json_close(json);
    }
    json_close(json);
}

static bool print_status_json(const Invocation *inv, const Session *session,
                              const MigrationsStatus *status, Error *err)
{
    Text out = text_init(inv->arena, MAX_OUTPUT);
    Json json = json_init(&out);

    json_open_object(&json);
    json_head(&json, session);
    json_kv_bool(&json, "table_exists", status->table_exists);
    json_kv_bool(&json, "attention", status->problem_count > 0);
    for (int state = 0; state < MIGRATION_STATE_COUNT; state++)
        json_kv_int(&json, migration_state_name((MigrationState)state), status->counts[state]);
    json_key(&json, "migrations");
    json_open_array(&json);
    for (int m = 0; m < session->folder.count; m++) {
        json_open_object(&json);
        json_migration(&json, &session->folder.list[m]);
        json_kv_string(&json, "state", migration_state_name(status->states[m]));
        json_key(&json, "row");
        status->row_of[m] >= 0 ? json_row(&json, &status->rows[status->row_of[m]])
                               : json_add_null(&json);
        json_close(&json);
    }
    json_close(&json);
    json_key(&json, "unknown_rows");
    json_open_array(&json);
    for (int r = 0; r < status->row_count; r++)
        if (status->rows[r].migration < 0)
            json_row(&json, &status->rows[r]);
    json_close(&json);
    json_problems(&json, status);
    json_close(&json);
    return cli_print(&out, err);
}

static bool print_result_json(const Invocation *inv, const Session *session,
                              const MigrationsResult *result, const char *what, Error *err)
{
    Text out = text_init(inv->arena, MAX_OUTPUT);
    Json json = json_init(&out);

    json_open_object(&json);
    json_head(&json, session);
    json_kv_bool(&json, "dry_run", session->options.dry_run);
    json_kv_bool(&json, "created_table", result->created);
    json_kv_bool(&json, "upgraded_table", result->upgraded);
    json_kv_int(&json, "named_rows", result->renamed);
    json_key(&json, what);
    json_open_array(&json);
    for (int i = 0; i < result->count; i++) {
        json_open_object(&json);
        json_migration(&json, result->list[i]);
        if (session->options.dry_run && strcmp(what, "applied") == 0) {
            json_key(&json, "sql");
            json_open_array(&json);
            for (int p = 0; p < result->list[i]->piece_count; p++)
                json_add_string(&json, result->list[i]->pieces[p].sql);
            json_close(&json);
        }
        json_close(&json);
    }
    json_close(&json);
    json_problems(&json, &result->before);
    json_close(&json);
    return cli_print(&out, err);
}

/* ---- status ---- */

static bool status_run(const Invocation *inv, Error *err)
{
    const MigrationsCommandOptions *given = inv->options;
    auto_session Session session = {0};
    MigrationsStatus status;

    if (!session_open(inv, &session, err) ||
        !migrations_compare(inv->arena, session.conn, &session.folder, &session.options, &status,
                            err) ||
        !(inv->json ? print_status_json : print_status)(inv, &session, &status, err))
        return false;
    if (status.problem_count > 0)
        return error_set(err, ERR_FOUND, "%d of the migrations or rows need%s attention",
                         status.problem_count, status.problem_count == 1 ? "s" : "");
    if (given->check && status.counts[MIGRATION_PENDING] > 0)
        return error_set(err, ERR_FOUND, "%d pending", status.counts[MIGRATION_PENDING]);
    return true;
}

/* ---- apply and baseline ---- */

static void add_insert(Text *out, const Session *session, const MigrationsResult *result,
                       const Migration *migration)
{
    bool named = result->before.table_exists ? result->before.named || result->before.to_1_0
                                             : session->folder.layout == MIGRATIONS_FOLDERS;

    text_addf(out, "-- recorded in %s.%s: hash %s, created_at %lld%s%s\n", session->place.schema,
              session->place.table, migration->hash, (long long)migration->when_ms,
              named ? ", name " : "", named && migration->name ? migration->name : "");
}

static bool print_dry_run(const Invocation *inv, const Session *session,
                          const MigrationsResult *result, bool statements, Error *err)
{
    Text out = text_init(inv->arena, MAX_OUTPUT);

    if (result->before.to_1_0)
        text_add(&out, "-- the table of drizzle-kit 0.x is upgraded to 1.0's\n");
    if (result->count == 0)
        text_add(&out, "-- nothing to do\n");
    for (int i = 0; i < result->count; i++) {
        const Migration *migration = result->list[i];
        for (int p = 0; statements && p < migration->piece_count; p++)
            text_addf(&out, "-- %s, statement %d of %d\n%s\n", migration->file, p + 1,
                      migration->piece_count, migration->pieces[p].sql);
        add_insert(&out, session, result, migration);
    }
    return cli_print(&out, err);
}

static bool print_result(const Invocation *inv, const Session *session,
                         const MigrationsResult *result, const char *what, Error *err)
{
    Text out = text_init(inv->arena, MAX_OUTPUT);

    if (session->options.dry_run)
        return print_dry_run(inv, session, result, strcmp(what, "applied") == 0, err);
    add_head(&out, session);
    if (result->upgraded)
        text_add(&out, "The table was upgraded to drizzle-kit 1.0's.\n");
    if (result->renamed)
        text_addf(&out, "%d row%s got the name that drizzle-kit 1.0 looks for.\n", result->renamed,
                  result->renamed == 1 ? "" : "s");
    for (int i = 0; i < result->count; i++)
        text_addf(&out, "%s%s%s %s\n", term_style(stdout, TERM_GREEN), what,
                  term_style(stdout, TERM_PLAIN), result->list[i]->tag);
    if (result->count == 0)
        text_add(&out, "Nothing to do.\n");
    return cli_print(&out, err);
}

static bool apply_run(const Invocation *inv, Error *err)
{
    auto_session Session session = {0};
    MigrationsResult result;

    return session_open(inv, &session, err) &&
           migrations_apply(inv->arena, session.conn, &session.folder, &session.options, &result,
                            err) &&
           (inv->json ? print_result_json : print_result)(inv, &session, &result, "applied", err);
}

static bool baseline_run(const Invocation *inv, Error *err)
{
    auto_session Session session = {0};
    MigrationsResult result;

    return session_open(inv, &session, err) &&
           migrations_baseline(inv->arena, session.conn, &session.folder, &session.options, &result,
                               err) &&
           (inv->json ? print_result_json : print_result)(inv, &session, &result, "recorded", err);
}

/* ---- rows ---- */

static const char *const sides[] = {[SIDE_SOURCE] = "source", [SIDE_TARGET] = "target", NULL};

static const char *const migrations_settings[] = {
    "source", "target", "dir", "migrations", "migrations-table", "migrations-schema", NULL,
};

#define OPTION_ON                                                                                  \
    {                                                                                              \
        .name = "on", .type = OPTION_CHOICE, .offset = offsetof(MigrationsCommandOptions, on),     \
        .choices = sides, .unset = "target", .argument = "SIDE", .help = "the database to look at" \
    }
#define OPTION_DRY_RUN                                                                             \
    {                                                                                              \
        .name = "dry-run", .type = OPTION_FLAG,                                                    \
        .offset = offsetof(MigrationsCommandOptions, dry_run), .unset = "no",                      \
        .help = "print what would be done, change nothing"                                         \
    }
#define OPTION_ALLOW                                                                               \
    {                                                                                              \
        .name = "allow", .type = OPTION_TEXT, .offset = offsetof(MigrationsCommandOptions, allow), \
        .argument = "REASON,...",                                                                  \
        .help = "go on as drizzle-kit would in spite of these: skipped, edited, repeated, "        \
                "unknown, null-time, bom, invalid-utf8, marker-in-quotes, no-transaction, "        \
                "transaction-control, enum-value-used"                                             \
    }
#define OPTION_UNTIL                                                                               \
    {                                                                                              \
        .name = "until", .type = OPTION_TEXT, .offset = offsetof(MigrationsCommandOptions, until), \
        .argument = "TAG", .help = "this migration and the ones before it only"                    \
    }
#define OPTION_LOCK_TIMEOUT                                                                        \
    {                                                                                              \
        .name = "lock-timeout", .type = OPTION_INT,                                                \
        .offset = offsetof(MigrationsCommandOptions, lock_timeout), .min = 0, .max = 86400,        \
        .unset = "10", .argument = "SECONDS",                                                      \
        .help = "give up when a statement waits for a lock for longer; 0 waits for ever"           \
    }

static const Option status_options[] = {
    OPTION_ON,
    {.name = "check",
      .type = OPTION_FLAG,
      .offset = offsetof(MigrationsCommandOptions, check),
      .unset = "no",
      .help = "exit with status 3 also when migrations are pending"},
    {0},
};

static const Option apply_options[] = {
    OPTION_ON,
    OPTION_DRY_RUN,
    OPTION_UNTIL,
    {.name = "run-skipped",
      .type = OPTION_FLAG,
      .offset = offsetof(MigrationsCommandOptions, run_skipped),
      .unset = "no",
      .help = "apply also the ones that drizzle-kit 0.x would skip silently, in the folder's order"},
    OPTION_ALLOW,
    OPTION_LOCK_TIMEOUT,
    {0},
};

static const Option baseline_options[] = {
    OPTION_ON, OPTION_DRY_RUN, OPTION_UNTIL, OPTION_ALLOW, OPTION_LOCK_TIMEOUT, {0},
};

static const Command cmd_migrations_status = {
    .name = "status",
    .group = GROUP_MOVE,
    .summary = "which migrations are applied, and what drizzle-kit would do",
    .description =
        "Compares the folder with the table in which Drizzle records what it has applied. The "
        "states: applied; pending; skipped (not recorded, and drizzle-kit would pass over it "
        "silently because its time is not after the last applied one); edited (since it was "
        "applied); repeated (applied, but drizzle-kit would run it again); unknown (in the "
        "database, not in the folder).\n\n"
        "Pending migrations are no problem: the exit status is 0, or 3 with --check. Anything "
        "else that apply would stop at gives 3.",
    .settings = migrations_settings,
    .options = status_options,
    .options_size = sizeof(MigrationsCommandOptions),
    .examples =
        (const Example[]){
                          {"homeport migrations status", "What is applied at home?"},
                          {"homeport migrations status --on source --json", "The same of the old side, as JSON."},
                          {"homeport migrations status --check", "In a deployment: is anything left to do?"},
                          {0},
                          },
    .run = status_run,
};

static const Command cmd_migrations_apply = {
    .name = "apply",
    .group = GROUP_MOVE,
    .summary = "apply what is pending, exactly as drizzle-kit would",
    .description =
        "Runs the pending migrations in one transaction and records them as drizzle-kit does, "
        "so that drizzle-kit has nothing left to do. On failure nothing is changed, and the "
        "error names file, statement, line and SQLSTATE.\n\n"
        "Stops before anything is run where drizzle-kit would do what nobody means: skip a "
        "migration, run one again, fail half way. The error names the reason; --allow REASON "
        "goes on as drizzle-kit would.",
    .settings = migrations_settings,
    .options = apply_options,
    .options_size = sizeof(MigrationsCommandOptions),
    .examples =
        (const Example[]){
                          {"homeport migrations apply --dry-run", "Print the SQL that would be run."},
                          {"homeport migrations apply", "Apply all that is pending to the target."},
                          {"homeport migrations apply --until 0004_status", "Up to one, then stop."},
                          {0},
                          },
    .run = apply_run,
};

static const Command cmd_migrations_baseline = {
    .name = "baseline",
    .group = GROUP_MOVE,
    .summary = "record migrations as applied without running them",
    .description =
        "For a database that has the schema already, by a dump or by `drizzle-kit push`: records "
        "every migration of the folder, so that only later ones are pending. Needs a table that "
        "is empty, or missing, or whose rows all belong to migrations of the folder; those rows "
        "stay as they are, but for an empty name, which drizzle-kit 1.0 trips over.",
    .settings = migrations_settings,
    .options = baseline_options,
    .options_size = sizeof(MigrationsCommandOptions),
    .examples =
        (const Example[]){
                          {"homeport migrations baseline --dry-run", "What would be recorded?"},
                          {"homeport migrations baseline --until 0007_tags", "Everything up to this one."},
                          {0},
                          },
    .run = baseline_run,
};

const Command cmd_migrations = {
    .name = "migrations",
    .group = GROUP_MOVE,
    .summary = "the app's Drizzle migrations: status, apply, baseline",
    .description =
        "Reads the migrations of Drizzle in the format of drizzle-kit 0.x (a journal) and of 1.0 "
        "(dated folders), and keeps the same record in the database: both tools can be used in "
        "turn. The folder is given as `migrations`, or found by drizzle.config.*.",
    .examples =
        (const Example[]){
                          {"homeport migrations status", "Where do things stand?"},
                          {0},
                          },
    .subcommands =
        (const Command *const[]){
                          &cmd_migrations_status,
                          &cmd_migrations_apply,
                          &cmd_migrations_baseline,
                          NULL, },
};
