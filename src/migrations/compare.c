/*
 * What is recorded against what is in the folder.
 *
 * Two questions are asked of each migration, apart from each other: does a row
 * belong to it, and would drizzle-kit run it now? The state is the pair:
 *
 *                        it would not run       it would run
 *     a row, same hash   applied                repeated
 *     a row, other hash  edited                 repeated
 *     no row             skipped                pending
 *
 * The second is answered exactly as the line of drizzle-kit answers it that
 * can read this folder: 0.x by the greatest created_at alone, 1.0 by names.
 */
#include <string.h>

#include "migrations/internal.h"

/* ---- which row belongs to which migration ---- */

static void pair(MigrationsStatus *status, int row, int migration)
{
    status->rows[row].migration = migration;
    if (status->row_of[migration] < 0)
        status->row_of[migration] = row;
}

typedef bool RowMatch(const MigrationRow *row, const Migration *migration);

static bool same_hash(const MigrationRow *row, const Migration *migration)
{
    return strcmp(row->hash, migration->hash) == 0;
}

static bool same_time(const MigrationRow *row, const Migration *migration)
{
    return row->created_at && row->created_ms == migration->when_ms;
}

static bool same_time_and_hash(const MigrationRow *row, const Migration *migration)
{
    return same_time(row, migration) && same_hash(row, migration);
}

static bool same_name(const MigrationRow *row, const Migration *migration)
{
    return row->name && migration->name && strcmp(row->name, migration->name) == 0;
}

/* What 0.x wrote without a name into a table of 1.0 has the full time of its journal. */
static bool same_second(const MigrationRow *row, const Migration *migration)
{
    return row->created_at && row->created_ms / 1000 * 1000 == migration->when_ms;
}

/* Rows and migrations that have nobody yet, one to one. Rows with a name belong to it or nobody. */
static void match_free(const MigrationsFolder *folder, MigrationsStatus *status, RowMatch *matches)
{
    for (int r = 0; r < status->row_count; r++) {
        const MigrationRow *row = &status->rows[r];
        if (row->migration >= 0 || (row->name && matches != same_name))
            continue;
        for (int m = 0; m < folder->count; m++)
            if (status->row_of[m] < 0 && matches(row, &folder->list[m])) {
                pair(status, r, m);
                break;
            }
    }
}

/* A second row of the same migration (it was run twice) is not unknown. */
static void match_repeats(const MigrationsFolder *folder, MigrationsStatus *status)
{
    for (int r = 0; r < status->row_count; r++) {
        const MigrationRow *row = &status->rows[r];
        for (int m = 0; m < folder->count && row->migration < 0; m++)
            if (same_name(row, &folder->list[m]) ||
                (!row->name && same_time(row, &folder->list[m])))
                pair(status, r, m);
    }
}

static void match_rows(const MigrationsFolder *folder, MigrationsStatus *status)
{
    match_free(folder, status, same_name);
    match_free(folder, status, same_time_and_hash);
    match_free(folder, status, same_time);
    match_free(folder, status, same_hash);
    if (folder->layout == MIGRATIONS_FOLDERS)
        match_free(folder, status, same_second);
    match_repeats(folder, status);
}

/* The upgrade of a table of 0.x by 1.0: by time cut to the second; the hash decides between several
 * of one second, and where none has that time. Of equal hashes the last counts. */
static int upgrade_match(const MigrationsFolder *folder, const MigrationRow *row)
{
    int by_time = -1;
    int of_that_time = 0;
    int by_time_and_hash = -1;
    int by_hash = -1;

    for (int m = 0; m < folder->count; m++) {
        bool hash = same_hash(row, &folder->list[m]);
        if (hash)
            by_hash = m;
        if (!row->created_at || row->created_ms / 1000 * 1000 != folder->list[m].when_ms)
            continue;
        if (of_that_time++ == 0)
            by_time = m;
        if (hash && by_time_and_hash < 0)
            by_time_and_hash = m;
    }
    return of_that_time == 0 ? by_hash : of_that_time == 1 ? by_time : by_time_and_hash;
}

static void match_upgrade(const MigrationsFolder *folder, MigrationsStatus *status)
{
    for (int r = 0; r < status->row_count; r++) {
        int m = upgrade_match(folder, &status->rows[r]);
        if (m >= 0)
            pair(status, r, m);
    }
}

/* ---- what drizzle-kit would run ---- */

/* 0.x: `order by created_at desc limit 1`, in which NULL comes first and then counts as 0. */
static bool run_by_0_x(const MigrationsStatus *status, const Migration *migration)
{
    int64_t last = INT64_MIN;

    if (status->row_count == 0)
        return true;
    for (int r = 0; r < status->row_count; r++) {
        if (!status->rows[r].created_at)
            return 0 < migration->when_ms;
        if (status->rows[r].created_ms > last)
            last = status->rows[r].created_ms;
    }
    return last < migration->when_ms;
}

static bool run_by_1_0(const MigrationsFolder *folder, const MigrationsStatus *status, int index)
{
    /* After the upgrade the rows have the names that they were matched to. */
    if (status->to_1_0)
        return status->row_of[index] < 0;
    for (int r = 0; r < status->row_count; r++)
        if (same_name(&status->rows[r], &folder->list[index]))
            return false;
    return true;
}

static MigrationState state_of(const MigrationsFolder *folder, const MigrationsStatus *status,
                               int index)
{
    const Migration *migration = &folder->list[index];
    int row = status->row_of[index];
    bool runs = folder->layout == MIGRATIONS_FOLDERS ? run_by_1_0(folder, status, index)
                                                     : run_by_0_x(status, migration);

    if (row < 0)
        return runs ? MIGRATION_PENDING : MIGRATION_SKIPPED;
    if (runs)
        return MIGRATION_REPEATED;
    return same_hash(&status->rows[row], migration) ? MIGRATION_APPLIED : MIGRATION_EDITED;
}

/* ---- problems ---- */

static void judge_migration(Arena *arena, const MigrationsFolder *folder,
                            const MigrationsStatus *status, int index, ProblemList *problems)
{
    const char *file = folder->list[index].file;

    switch (status->states[index]) {
    case MIGRATION_SKIPPED:
        problem_add(arena, problems, REASON_SKIPPED, file,
                    "is not recorded, and drizzle-kit would skip it silently: its `when` is not "
                    "after the last applied one");
        break;
    case MIGRATION_EDITED:
        problem_add(arena, problems, REASON_EDITED, file,
                    "was edited after it was applied: the database does not have the change");
        break;
    case MIGRATION_REPEATED:
        problem_add(arena, problems, REASON_REPEATED, file,
                    arena_printf(arena,
                                 "was applied (row %s), but drizzle-kit would run it again: %s",
                                 status->rows[status->row_of[index]].id,
                                 folder->layout == MIGRATIONS_FOLDERS
                                     ? "its row has no name"
                                     : "its `when` counts as later than every recorded one"));
        break;
    default:
        break;
    }
}

static void judge_row(Arena *arena, const MigrationRow *row, MigrationsLayout layout,
                      ProblemList *problems)
{
    const char *where = arena_printf(arena, "row %s", row->id);

    if (row->migration < 0)
        problem_add(arena, problems, REASON_UNKNOWN, where,
                    arena_printf(arena,
                                 "%.12s%s%s is in the database but not in the folder: this "
                                 "version of the app may be older than its database",
                                 row->hash, row->name ? " " : "", row->name ? row->name : ""));
    if (!row->created_at && layout == MIGRATIONS_JOURNAL)
        problem_add(arena, problems, REASON_NULL_TIME, where,
                    "has no created_at: drizzle-kit 0.x takes that for the last one and would run "
                    "every migration again");
}

void compare_states(Arena *arena, const MigrationsFolder *folder, MigrationsStatus *status)
{
    ProblemList problems = {0};

    status->to_1_0 = folder->layout == MIGRATIONS_FOLDERS && status->table_exists && !status->named;
    status->states = arena_array(arena, (size_t)folder->count, sizeof *status->states);
    status->row_of = arena_array(arena, (size_t)folder->count, sizeof *status->row_of);
    for (int m = 0; m < folder->count; m++)
        status->row_of[m] = -1;
    if (status->to_1_0)
        match_upgrade(folder, status);
    else
        match_rows(folder, status);

    memset(status->counts, 0, sizeof status->counts);
    for (int m = 0; m < folder->count; m++) {
        status->states[m] = state_of(folder, status, m);
        status->counts[status->states[m]]++;
        judge_migration(arena, folder, status, m, &problems);
    }
    for (int r = 0; r < status->row_count; r++) {
        status->counts[MIGRATION_UNKNOWN] += status->rows[r].migration < 0;
        judge_row(arena, &status->rows[r], folder->layout, &problems);
    }
    status->problems = problems.list;
    status->problem_count = problems.count;
}

/* ---- what an apply runs ---- */

bool compare_until(const MigrationsFolder *folder, const MigrationsOptions *options, int *ret,
                   Error *err)
{
    if (!options->until) {
        *ret = folder->count - 1;
        return true;
    }
    for (int m = 0; m < folder->count; m++)
        if (strcmp(folder->list[m].tag, options->until) == 0) {
            *ret = m;
            return true;
        }
    (void)error_set(err, ERR_USAGE, "the folder has no migration \"%.200s\"", options->until);
    return error_hint(err, "`homeport migrations status` lists them.");
}

const Migration **compare_to_run(Arena *arena, const MigrationsFolder *folder,
                                 const MigrationsStatus *status, bool run_skipped, int last,
                                 int *ret_count)
{
    const Migration **list = arena_array(arena, (size_t)folder->count, sizeof(const Migration *));
    int count = 0;

    for (int m = 0; m <= last; m++) {
        MigrationState state = status->states[m];
        if (state == MIGRATION_PENDING || state == MIGRATION_REPEATED ||
            (state == MIGRATION_SKIPPED && run_skipped))
            list[count++] = &folder->list[m];
    }
    *ret_count = count;
    return list;
}

const char *migration_state_name(MigrationState state)
{
    static const char *const names[] = {
        [MIGRATION_APPLIED] = "applied",   [MIGRATION_PENDING] = "pending",
        [MIGRATION_SKIPPED] = "skipped",   [MIGRATION_EDITED] = "edited",
        [MIGRATION_REPEATED] = "repeated", [MIGRATION_UNKNOWN] = "unknown",
    };

    return names[state];
}
