/*
 * What the files of this folder share. Nothing outside includes it but its
 * unit tests and fuzz targets.
 */
#pragma once

#include "migrations/migrations.h"

enum {
    JOURNAL_MAX_BYTES = 16 << 20,
    MIGRATION_MAX_BYTES = 64 << 20,
    MIGRATIONS_MAX = 10000,
    TAG_MAX_BYTES = 255
};

#define BREAKPOINT "--> statement-breakpoint"

/* ---- utf8.c ---- */

/* The bytes as Node.js reads them into a string and writes them out again: every maximal part of an
 * invalid sequence becomes U+FFFD. Returns `bytes` itself where nothing is invalid. */
const char *utf8_repair(Arena *arena, const char *bytes, size_t len, size_t *ret_len,
                        bool *ret_invalid) RETURNS_NONNULL;

/* ---- journal.c ---- */

typedef struct JournalEntry {
    const char *tag;
    int64_t when_ms;
} JournalEntry;

bool journal_parse(Arena *arena, const char *text, size_t len, JournalEntry **ret, int *ret_count,
                   Error *err) MUST_USE;

/* ---- folder.c ---- */

void migration_split(Arena *arena, Migration *migration);
/* The order of 1.0: localeCompare() of names, as far as they are ASCII. */
int name_compare(const char *a, const char *b);
/* Unix milliseconds of a name's first 14 digits, as Date.UTC() computes them. */
bool name_time(const char *name, int64_t *ret_ms);
/* What `drizzle-kit up` makes of an entry of the journal; NULL where it makes no sense. */
char *name_after_up(Arena *arena, const char *tag, int64_t when_ms);

/* ---- drizzleconfig.c ---- */

typedef struct DrizzleConfig {
    const char *out; /* NULL: not said */
    const char *table;
    const char *schema;
    const char *dynamic; /* a key whose value is no plain text ("out"); NULL: none */
} DrizzleConfig;

/* Looks for keys with plain string values in JavaScript, TypeScript or JSON, without running it. */
void drizzle_config_read(Arena *arena, const char *text, size_t len, DrizzleConfig *ret);

/* ---- scan.c ---- */

/* Labels that ALTER TYPE ... ADD VALUE has added in this run so far. */
typedef struct AddedLabels {
    const char **list;
    int count;
    int cap;
} AddedLabels;

typedef struct ProblemList {
    MigrationsProblem *list;
    int count;
    int cap;
} ProblemList;

void problem_add(Arena *arena, ProblemList *problems, MigrationsReason reason, const char *where,
                 const char *text);
/* Judges one file's text; files of a run are given in their order, with the same `labels`. */
void scan_migration(Arena *arena, const Migration *migration, AddedLabels *labels,
                    ProblemList *problems);

/* ---- mask.c ---- */

/* The statement with *** for what follows PASSWORD; *at, a place in it, becomes the same place of
 * the result. *ret_at_secret: it was inside of what is masked. */
const char *mask_passwords(Arena *arena, const char *sql, const char **at,
                           bool *ret_at_secret) RETURNS_NONNULL;

/* ---- table.c ---- */

/* The statements on the table under its configured name, quoted by the server. */
typedef struct TableStatements {
    const char *create_schema;
    const char *create_0_x;
    const char *create_1_0;
    const char *lock;
    const char *read_0_x;
    const char *read_1_0;
    const char *insert_0_x;
    const char *insert_1_0;
    const char *add_name;
    const char *add_applied_at;
    const char *set_upgraded;
    const char *set_name;
} TableStatements;

bool table_statements(Arena *arena, PGconn *conn, const MigrationsOptions *options,
                      TableStatements *ret, Error *err) MUST_USE;
/* schema_exists, table_exists, named and the rows. */
bool table_read(Arena *arena, PGconn *conn, const MigrationsOptions *options,
                const TableStatements *statements, MigrationsStatus *ret, Error *err) MUST_USE;
const char *options_schema(const MigrationsOptions *options) RETURNS_NONNULL;
const char *options_table(const MigrationsOptions *options) RETURNS_NONNULL;

/* ---- run.c ---- */

/* One connection while migrations are written: the session's settings are the server's own, the
 * lock is held, a transaction is open (unless scratch). */
typedef struct Run {
    Arena *arena;
    PGconn *conn;
    const MigrationsFolder *folder;
    const MigrationsOptions *options;
    TableStatements statements;
    MigrationsStatus status; /* as read under the lock */
    bool created;
} Run;

/* Takes the lock, begins, makes the table where it is missing, reads it. On failure run_abort() is
 * still due. */
bool run_begin(Run *run, Error *err) MUST_USE;
bool run_commit(Run *run, Error *err) MUST_USE;
/* Rolls back what is open, gives the lock and the session's settings back. Keeps the error. */
void run_abort(Run *run);
bool run_upgrade_table(Run *run, Error *err) MUST_USE;
bool run_record(Run *run, const Migration *migration, Error *err) MUST_USE;
/* The statements of one migration; the error names file, number, line and text of the failed one.
 */
bool run_pieces(Run *run, const Migration *migration, Error *err) MUST_USE;

/* ---- compare.c ---- */

/* From the rows to states and problems of the table. Pure. */
void compare_states(Arena *arena, const MigrationsFolder *folder, MigrationsStatus *status);
/* Which ones an apply runs, in order, up to the index `last`; *ret_count of them. */
const Migration **compare_to_run(Arena *arena, const MigrationsFolder *folder,
                                 const MigrationsStatus *status, bool run_skipped, int last,
                                 int *ret_count) RETURNS_NONNULL;
/* The index of options->until, or the last one. */
bool compare_until(const MigrationsFolder *folder, const MigrationsOptions *options, int *ret,
                   Error *err) MUST_USE;
