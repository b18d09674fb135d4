/*
 * How the assessment is made. Private to src/move/assess*.c.
 *
 * Most rules are rows (assess_rules.c): an SQL file of sql/assess that gives
 * the objects of a finding and the statement that mends each, run on one of
 * the sides, and the words around it. A rule that compares the sides is run on
 * the target with a fact of the source as its parameter; facts are JSON that
 * another file gathers, once each. What SQL cannot answer is in assess_server.c
 * (versions, poolers, programs), assess_space.c and
 * assess_identity.c.
 *
 * To add a rule: the SQL file, a row, its paragraph in docs/checks.md, its test
 * in tests/integration/test_check.py.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/text.h"
#include "move/database.h"
#include "move/move.h"
#include "pg/pg.h"

enum {
    ASSESS_VERSION_MIN = 140000, /* server_version_num of what is supported */
    ASSESS_JOBS_UNSET = 4,       /* reckoned with where --jobs is not given */
    RULE_MAX_INPUTS = 3
};

typedef enum AssessSide {
    SIDE_SOURCE,
    SIDE_TARGET,
    SIDE_COUNT
} AssessSide;

/* What a rule's SQL is given as $1, $2, $3. */
typedef enum AssessInput {
    INPUT_NONE,
    INPUT_ARGUMENT, /* the row's own text */
    INPUT_LEFT_OUT, /* schemas that are not moved, text[] */
    INPUT_ROLE_MAP, /* {"old": "new"} */
    INPUT_LOCALE,   /* from here on: facts of the source, JSON */
    INPUT_PARTITION_KEYS,
    INPUT_COLLATIONS,
    INPUT_EXTENSIONS,
    INPUT_ROLES,
    INPUT_TABLES,
    INPUT_SUPERUSER_OBJECTS,
    INPUT_LANGUAGES,
    INPUT_TABLESPACES,
    INPUT_SETTINGS,
    INPUT_DATABASE_SETTINGS,
    INPUT_DATABASE,
    INPUT_COUNT
} AssessInput;

/* When a rule applies at all. */
typedef enum RuleCondition {
    WHEN_ALWAYS,
    WHEN_SCHEMA_IS_MADE,  /* schema: dump or drizzle */
    WHEN_18_MAKES_SCHEMA, /* the same, on a target of 18 or later */
    WHEN_SCHEMA_IS_THERE, /* schema: existing */
    WHEN_ONLY_ROWS_COME,  /* schema: existing or drizzle: of the source's archive nothing is used */
    WHEN_TRIGGERS_REST_NOT /* the source's role may not set session_replication_role */
} RuleCondition;

typedef struct Rule {
    const char *id;
    Severity severity;
    Scope scope;
    AssessSide side;       /* where the SQL is run, and the fix's is to be ... */
    bool mends_other_side; /* ... unless it is for the other side */
    const char *sql;       /* NULL: always found */
    AssessInput inputs[RULE_MAX_INPUTS];
    const char *argument;
    RuleCondition condition;
    const char *summary;
    const char *advice; /* a sentence that goes before the fix's SQL, or is all of it; or NULL */
} Rule;

extern const Rule assess_rules[];
extern const size_t assess_rule_count;

typedef struct AssessServer {
    PgUrl url;
    PGconn *conn;
    AssessedServer seen;
    const char *quoted_database; /* where SQL needs it quoted, else as it is */
    const char *quoted_role;
    bool in_recovery;
    bool read_only; /* a new session of the app's is */
    bool neon;      /* it looks like Neon's service */
    bool may_rest;  /* this role may set session_replication_role */
    DatabaseId id;
    int backend_pid; /* as the server knows it */
} AssessServer;

typedef struct AssessRun {
    Arena *arena;
    const Config *config;
    Scope scope;
    AssessServer sides[SIDE_COUNT];
    bool same_database; /* what is advised for the target would be done to the source */
    const char *inputs[INPUT_COUNT]; /* gathered so far; NULL: not yet */
    Finding *findings;
    int count;
    int capacity;
} AssessRun;

/* Objects and fix of one finding, collected row by row. */
typedef struct FindingParts {
    Arena *arena;
    const char **objects;
    int object_count;
    int object_capacity;
    const char **fixes; /* distinct */
    int fix_count;
    int fix_capacity;
} FindingParts;

void parts_add_object(FindingParts *parts, const char *object);
void parts_add_fix(FindingParts *parts, const char *fix);
/* Columns object and fix of every row; NULLs are left out. */
void parts_add_rows(FindingParts *parts, const PGresult *res);

/* Dropped where its scope was not asked for. The parts may be NULL: no objects. `advice` may be
 * NULL. SQL of the parts is headed by a comment that names the side. */
typedef struct FindingText {
    const char *id;
    Severity severity;
    Scope scope;
    AssessSide side;
    const char *summary;
    const char *advice;
} FindingText;
void finding_add(AssessRun *run, const FindingText *text, const FindingParts *parts);

/* A rule that a server would not answer is a finding of its own: true, and the error is cleared.
 * False where the connection is lost or a stop was asked for. */
bool rule_unanswered(AssessRun *run, const char *id, AssessSide side, Error *err);

/* Findings sorted and counted, as the caller gets them. */
Assessment assess_result(AssessRun *run);

/* Connects one side and reads what it is. */
bool assess_server_open(AssessRun *run, AssessSide side, Error *err) MUST_USE;
/* The rules that are not rows. Those on versions need no connection. */
void assess_version_rules(AssessRun *run);
bool assess_server_rules(AssessRun *run, Error *err) MUST_USE;
bool assess_space_rules(AssessRun *run, Error *err) MUST_USE;
bool assess_identity_rules(AssessRun *run, Error *err) MUST_USE;

/* What the target has to have free, and what for. */
typedef struct SpaceNeed {
    int64_t data_bytes; /* rows, indexes, and the sorting of the largest ones */
    int64_t wal_bytes;
} SpaceNeed;
SpaceNeed space_need(int64_t database_bytes, int64_t largest_index_bytes, int64_t max_wal_bytes);

/* A file system of the target's server. */
typedef struct SpaceFree {
    const char *name; /* where it is mounted, or the folder that was asked for */
    int64_t data_bytes;
    int64_t wal_bytes;
    bool shared; /* both are one file system */
} SpaceFree;
bool space_is_enough(const SpaceNeed *need, const SpaceFree *free);

/* The folder is that of the server which started at `started` (seconds), by its postmaster.pid. */
bool space_folder_is_of(const char *data_directory, int64_t started);
