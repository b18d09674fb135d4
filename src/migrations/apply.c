#include <string.h>

#include "core/text.h"
#include "migrations/internal.h"

static const struct {
    const char *name;
    const char *fix;
} reasons[] = {
    [REASON_SKIPPED] = {"skipped",             "Apply it all the same with --run-skipped, or give its journal "
                                   "entry a `when` after the last applied one."                },
    [REASON_EDITED] = {"edited",              "Undo the edit, and put the change into a new migration."                         },
    [REASON_REPEATED] = {"repeated",
                        "Correct the row, or record it: homeport migrations baseline."                                           },
    [REASON_UNKNOWN] = {"unknown",             "Use the version of the app that has the migration."                              },
    [REASON_NULL_TIME] = {"null-time",           "Set the row's created_at to the `when` of its entry in the "
                                       "journal."                                            },
    [REASON_BOM] = {"bom",                 "Save the file as UTF-8 without a byte order mark."                               },
    [REASON_INVALID_UTF8] = {"invalid-utf8",        "Save the file as UTF-8."                                                         },
    [REASON_MARKER_IN_QUOTES] = {"marker-in-quotes",    "Take the marker out of the quotes."                                              },
    [REASON_NO_TRANSACTION] = {"no-transaction",
                        "Run it by hand, then record the migration with baseline --until."                                       },
    [REASON_TRANSACTION_CONTROL] = {"transaction-control",
                        "Take it out: the run has a transaction."                                                                },
    [REASON_ENUM_VALUE_USED] = {"enum-value-used",     "Apply up to the migration that adds the value "
                                                   "first: --until TAG, then the rest."},
};

const char *migrations_reason_name(MigrationsReason reason)
{
    return reasons[reason].name;
}

bool migrations_reasons_parse(Arena *arena, const char *text, unsigned *ret, Error *err)
{
    unsigned bits = 0;

    for (const char *p = text; *p;) {
        size_t len = strcspn(p, ",");
        int found = -1;
        for (int i = 0; i < REASON_COUNT; i++)
            if (strlen(reasons[i].name) == len && memcmp(reasons[i].name, p, len) == 0)
                found = i;
        if (found < 0) {
            Text names = text_init(arena, 1024);
            for (int i = 0; i < REASON_COUNT; i++)
                text_addf(&names, "%s%s", i ? ", " : "", reasons[i].name);
            (void)error_set(err, ERR_USAGE, "there is no reason \"%.*s\" to allow",
                            (int)(len < 60 ? len : 60), p);
            return error_hint(err, "One or more of: %s.", text_str(&names));
        }
        bits |= 1u << found;
        p += len + (p[len] == ',');
    }
    *ret = bits;
    return true;
}

/* ---- refusing ---- */

static bool is_allowed(const MigrationsOptions *options, MigrationsReason reason)
{
    if (reason == REASON_SKIPPED && options->run_skipped)
        return true;
    if (options->scratch && (reason == REASON_NO_TRANSACTION || reason == REASON_ENUM_VALUE_USED ||
                             reason == REASON_TRANSACTION_CONTROL))
        return true;
    return options->allow & (1u << reason);
}

static bool refuse(const MigrationsOptions *options, const MigrationsStatus *status, Error *err)
{
    const MigrationsProblem *first = NULL;
    int more = -1;

    for (int i = 0; i < status->problem_count; i++)
        if (!is_allowed(options, status->problems[i].reason)) {
            if (!first)
                first = &status->problems[i];
            more++;
        }
    if (!first)
        return true;
    (void)error_set(err, ERR_WRONG_STATE, "%s %s", first->where, first->text);
    if (more > 0) {
        size_t len = strlen(err->message);
        (void)snprintf(err->message + len, sizeof err->message - len, " (and %d more)", more);
    }
    return error_hint(err,
                      "%s `homeport migrations status` shows all. --allow %s goes on as "
                      "drizzle-kit would.",
                      reasons[first->reason].fix, reasons[first->reason].name);
}

/* The problems of the text of those that are to run, behind the table's. */
static void add_text_problems(Arena *arena, const Migration *const *list, int count,
                              MigrationsStatus *status)
{
    ProblemList problems = {
        .list = status->problems, .count = status->problem_count, .cap = status->problem_count};
    AddedLabels labels = {0};

    for (int i = 0; i < count; i++)
        scan_migration(arena, list[i], &labels, &problems);
    status->problems = problems.list;
    status->problem_count = problems.count;
}

static bool check_options(const MigrationsFolder *folder, const MigrationsOptions *options,
                          Error *err)
{
    int last = 0;

    if (!compare_until(folder, options, &last, err))
        return false;
    if (options->blocked && !options->dry_run) {
        (void)error_set(err, ERR_WRONG_STATE, "%s", options->blocked);
        return error_hint(err, "%s", options->blocked_fix ? options->blocked_fix : "");
    }
    return true;
}

/* ---- compare ---- */

static bool read_status(Arena *arena, PGconn *conn, const MigrationsFolder *folder,
                        const MigrationsOptions *options, MigrationsStatus *ret, Error *err)
{
    TableStatements statements;

    if (!table_statements(arena, conn, options, &statements, err) ||
        !table_read(arena, conn, options, &statements, ret, err))
        return false;
    compare_states(arena, folder, ret);
    return true;
}

bool migrations_compare(Arena *arena, PGconn *conn, const MigrationsFolder *folder,
                        const MigrationsOptions *options, MigrationsStatus *ret, Error *err)
{
    MigrationsStatus status;
    int last = -1;
    int count = 0;

    if (!compare_until(folder, options, &last, err) ||
        !read_status(arena, conn, folder, options, &status, err))
        return false;
    const Migration **list =
        compare_to_run(arena, folder, &status, options->run_skipped, last, &count);
    add_text_problems(arena, list, count, &status);
    *ret = status;
    return true;
}

/* ---- apply ---- */

/* What this run does, judged; the same for a dry run and, under the lock, for the real one. */
static bool plan_apply(Arena *arena, const MigrationsFolder *folder,
                       const MigrationsOptions *options, MigrationsStatus *status,
                       MigrationsResult *ret, Error *err)
{
    int last = -1;
    int count = 0;

    if (!compare_until(folder, options, &last, err))
        return false;
    const Migration **list =
        compare_to_run(arena, folder, status, options->run_skipped, last, &count);
    add_text_problems(arena, list, count, status);
    if (!refuse(options, status, err))
        return false;
    *ret = (MigrationsResult){.before = *status, .list = list, .count = count};
    return true;
}

typedef bool RunWork(Run *run, MigrationsResult *ret, Error *err);

static bool apply_work(Run *run, MigrationsResult *ret, Error *err)
{
    if (!plan_apply(run->arena, run->folder, run->options, &run->status, ret, err))
        return false;
    if (run->status.to_1_0 && !run_upgrade_table(run, err))
        return false;
    for (int i = 0; i < ret->count; i++)
        if (!run_pieces(run, ret->list[i], err) || !run_record(run, ret->list[i], err))
            return false;
    ret->upgraded = run->status.to_1_0;
    return true;
}

/* Between the lock and the commit: all of `work`, or nothing. */
static bool run_whole(Run *run, RunWork *work, MigrationsResult *ret, Error *err)
{
    MigrationsResult result = {0};

    if (!run_begin(run, err) || !work(run, &result, err) || !run_commit(run, err)) {
        run_abort(run);
        return false;
    }
    result.created = run->created;
    *ret = result;
    return true;
}

bool migrations_apply(Arena *arena, PGconn *conn, const MigrationsFolder *folder,
                      const MigrationsOptions *options, MigrationsResult *ret, Error *err)
{
    Run run = {.arena = arena, .conn = conn, .folder = folder, .options = options};

    if (!check_options(folder, options, err))
        return false;
    if (!options->dry_run)
        return run_whole(&run, apply_work, ret, err);

    MigrationsStatus status;
    return read_status(arena, conn, folder, options, &status, err) &&
           plan_apply(arena, folder, options, &status, ret, err);
}

/* ---- baseline ---- */

/* A row that 0.x wrote into a table of 1.0: baseline gives it its name. */
static bool lacks_name(const MigrationsStatus *status, const MigrationRow *row)
{
    return status->named && !row->name && row->migration >= 0;
}

static bool plan_baseline(Arena *arena, const MigrationsFolder *folder,
                          const MigrationsOptions *options, const MigrationsStatus *status,
                          MigrationsResult *ret, Error *err)
{
    MigrationsOptions asked = *options;
    MigrationsStatus judged = *status;
    ProblemList problems = {0};
    MigrationsResult result = {.before = *status};
    int last = -1;

    /* What is not recorded is the reason to be here. */
    asked.run_skipped = true;
    for (int r = 0; r < status->row_count; r++)
        result.renamed += lacks_name(status, &status->rows[r]);
    for (int i = 0; i < status->problem_count; i++)
        if (status->problems[i].reason != REASON_REPEATED || result.renamed == 0)
            problem_add(arena, &problems, status->problems[i].reason, status->problems[i].where,
                        status->problems[i].text);
    judged.problems = problems.list;
    judged.problem_count = problems.count;
    if (!refuse(&asked, &judged, err) || !compare_until(folder, options, &last, err))
        return false;

    result.list = arena_array(arena, (size_t)folder->count, sizeof(const Migration *));
    for (int m = 0; m <= last; m++)
        if (status->states[m] == MIGRATION_PENDING || status->states[m] == MIGRATION_SKIPPED)
            result.list[result.count++] = &folder->list[m];
    *ret = result;
    return true;
}

static bool name_rows(Run *run, Error *err)
{
    for (int r = 0; r < run->status.row_count; r++) {
        const MigrationRow *row = &run->status.rows[r];
        if (!lacks_name(&run->status, row))
            continue;
        auto_result PGresult *res = NULL;
        const char *params[] = {row->id, run->folder->list[row->migration].name};
        if (!pg_query(run->conn, run->statements.set_name, 2, params, &res, err))
            return error_add_context(err, "name row %s", row->id);
    }
    return true;
}

static bool baseline_work(Run *run, MigrationsResult *ret, Error *err)
{
    if (!plan_baseline(run->arena, run->folder, run->options, &run->status, ret, err) ||
        !name_rows(run, err))
        return false;
    if (run->status.to_1_0 && !run_upgrade_table(run, err))
        return false;
    for (int i = 0; i < ret->count; i++)
        if (!run_record(run, ret->list[i], err))
            return false;
    ret->upgraded = run->status.to_1_0;
    return true;
}

bool migrations_baseline(Arena *arena, PGconn *conn, const MigrationsFolder *folder,
                         const MigrationsOptions *options, MigrationsResult *ret, Error *err)
{
    Run run = {.arena = arena, .conn = conn, .folder = folder, .options = options};

    if (!check_options(folder, options, err))
        return false;
    if (!options->dry_run)
        return run_whole(&run, baseline_work, ret, err);

    MigrationsStatus status;
    return read_status(arena, conn, folder, options, &status, err) &&
           plan_baseline(arena, folder, options, &status, ret, err);
}
