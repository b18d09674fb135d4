/*
 * Drizzle's migrations: read the app's folder, compare it with what the
 * database has recorded, apply what is missing.
 *
 * Compatible with drizzle-kit, byte for byte, in both of its formats: the
 * journal of 0.x and the dated folders of 1.0. After an apply or a baseline
 * here drizzle-kit has nothing left to do, and the other way round. Where
 * drizzle-kit would do something that its user cannot mean (skip a migration
 * silently, run one again), apply stops with a MigrationsReason; allowing that
 * reason means: go on as drizzle-kit would.
 *
 * Everything lives in the caller's arena. README.md has the rules.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "core/arena.h"
#include "core/error.h"
#include "pg/pg.h"

/* ---- where they are ---- */

typedef struct MigrationsPlace {
    const char *folder;
    const char *schema; /* of the table that records them: "drizzle" */
    const char *table;  /* "__drizzle_migrations" */
    const char *chosen; /* how: "drizzle.config.ts (out)", "migrations in homeport.yaml", ... */
} MigrationsPlace;

/* The settings where they were given, else what `app_dir`'s drizzle.config says as plain text, else
 * the one usual folder that holds migrations. Never guesses between two. `app_dir` is NULL for the
 * folder of homeport.yaml, which is the current one where there is none. */
bool migrations_locate(Arena *arena, const Config *config, const char *app_dir,
                       MigrationsPlace *ret, Error *err) MUST_USE;

/* ---- the folder ---- */

typedef enum MigrationsLayout {
    MIGRATIONS_JOURNAL, /* 0.x: meta/_journal.json, <tag>.sql */
    MIGRATIONS_FOLDERS, /* 1.0: <YYYYMMDDhhmmss>_<name>/migration.sql */
} MigrationsLayout;

typedef struct MigrationPiece {
    const char *sql; /* as it is sent: untrimmed, may be empty */
    int line;        /* of the file, where it begins */
} MigrationPiece;

typedef struct Migration {
    const char *tag; /* 0.x: the journal's; 1.0: the folder's name */
    const char
        *name; /* what 1.0 calls it: its folder, now or after `drizzle-kit up`; may be NULL */
    const char *file; /* below the folder */
    int64_t when_ms;
    char hash[65]; /* SHA-256 of the text, hexadecimal */
    const char *text;
    size_t text_len; /* after decoding as Node.js does: invalid UTF-8 has become U+FFFD */
    bool invalid_utf8;
    MigrationPiece *pieces;
    int piece_count;
} Migration;

typedef struct MigrationsFolder {
    const char *path;
    MigrationsLayout layout;
    Migration *list; /* in the order in which drizzle-kit runs them */
    int count;
} MigrationsFolder;

bool migrations_load(Arena *arena, const char *path, MigrationsFolder *ret, Error *err) MUST_USE;

/* ---- compared with a database ---- */

typedef enum MigrationState {
    MIGRATION_APPLIED,
    MIGRATION_PENDING,
    MIGRATION_SKIPPED,  /* not recorded, and drizzle-kit would pass over it silently */
    MIGRATION_EDITED,   /* recorded with another hash */
    MIGRATION_REPEATED, /* recorded, and drizzle-kit would run it again */
    MIGRATION_UNKNOWN,  /* in the database, not in the folder */
    MIGRATION_STATE_COUNT
} MigrationState;

typedef enum MigrationsReason {
    REASON_SKIPPED,
    REASON_EDITED,
    REASON_REPEATED,
    REASON_UNKNOWN,
    REASON_NULL_TIME,           /* a row without created_at makes 0.x run everything again */
    REASON_BOM,                 /* becomes part of the SQL */
    REASON_INVALID_UTF8,        /* becomes U+FFFD in the hash and in the SQL */
    REASON_MARKER_IN_QUOTES,    /* the file is split there all the same */
    REASON_NO_TRANSACTION,      /* CONCURRENTLY, VACUUM, ...: fails inside the run's transaction */
    REASON_TRANSACTION_CONTROL, /* COMMIT, BEGIN, ...: breaks the run's transaction in two */
    REASON_ENUM_VALUE_USED,     /* ADD VALUE, and then its use in the same transaction */
    REASON_COUNT
} MigrationsReason;

typedef struct MigrationRow {
    const char *id;
    const char *hash;
    const char *created_at; /* NULL: SQL NULL */
    int64_t created_ms;
    const char *name;       /* NULL: SQL NULL, or no such column */
    const char *applied_at; /* NULL: likewise */
    int migration;          /* index into the folder's list; -1: none */
} MigrationRow;

typedef struct MigrationsProblem {
    MigrationsReason reason;
    const char *where; /* "0001_wide.sql line 3", "row 7" */
    const char *text;  /* what is so and what it does: lower case, no full stop */
} MigrationsProblem;

typedef struct MigrationsStatus {
    bool schema_exists;
    bool table_exists;
    bool named;  /* the table has 1.0's `name` column */
    bool to_1_0; /* a table of 0.x under a folder of 1.0: apply upgrades it as drizzle-kit does */
    MigrationRow *rows; /* by id */
    int row_count;
    MigrationState *states; /* of each migration of the folder */
    int *row_of;            /* its row, or -1 */
    int counts[MIGRATION_STATE_COUNT];
    MigrationsProblem *problems;
    int problem_count;
} MigrationsStatus;

typedef struct MigrationsOptions {
    const char *schema;  /* NULL: "drizzle" */
    const char *table;   /* NULL: "__drizzle_migrations" */
    unsigned allow;      /* 1u << MigrationsReason, or-ed */
    bool run_skipped;    /* apply the ones that drizzle-kit would skip, in the folder's order */
    bool dry_run;        /* read and judge only */
    bool scratch;        /* a throwaway database: no transaction around the run, so that what only
                            works in several deployments works; a failure leaves what was done */
    const char *until;   /* a tag: this migration and the ones before it; NULL: all */
    int lock_timeout_ms; /* for each lock a statement waits for; 0: 10 s, -1: no limit */
    int wait_seconds;    /* for another homeport that applies; 0: 600 */
    const char *blocked; /* why nothing may be applied now (a move is under way); NULL: may */
    const char *blocked_fix; /* what to do about it: a sentence */
} MigrationsOptions;

/* Nothing is changed. */
bool migrations_compare(Arena *arena, PGconn *conn, const MigrationsFolder *folder,
                        const MigrationsOptions *options, MigrationsStatus *ret,
                        Error *err) MUST_USE;

typedef struct MigrationsResult {
    MigrationsStatus before;
    const Migration **list; /* that were applied or recorded; with dry_run: that would be */
    int count;
    bool created; /* the table was made */
    bool upgraded;
    int renamed; /* rows whose empty name baseline filled in */
} MigrationsResult;

/* All that is pending, in one transaction, under a lock; on failure nothing is changed (unless a
 * file that ends transactions was allowed). The session's settings are the server's defaults while
 * it runs, as drizzle-kit's are, and pg_connect()'s afterwards. Not inside a transaction. */
bool migrations_apply(Arena *arena, PGconn *conn, const MigrationsFolder *folder,
                      const MigrationsOptions *options, MigrationsResult *ret, Error *err) MUST_USE;

/* Records what is not recorded, without running it: for a database that has the schema already.
 * Only where every row that is there belongs to a migration of the folder. */
bool migrations_baseline(Arena *arena, PGconn *conn, const MigrationsFolder *folder,
                         const MigrationsOptions *options, MigrationsResult *ret,
                         Error *err) MUST_USE;

const char *migration_state_name(MigrationState state) RETURNS_NONNULL;
const char *migrations_layout_name(MigrationsLayout layout) RETURNS_NONNULL;
const char *migrations_reason_name(MigrationsReason reason) RETURNS_NONNULL;
/* "edited,skipped" to the bits of MigrationsOptions.allow. */
bool migrations_reasons_parse(Arena *arena, const char *text, unsigned *ret, Error *err) MUST_USE;
