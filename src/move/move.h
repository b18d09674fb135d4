/*
 * The database's journey: assess, schema, copy, verify.
 *
 * The rules that make it correct are numbered in docs/move.md (rule N in
 * comments); where the code keeps one it says so.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "core/arena.h"
#include "core/error.h"
#include "core/json.h"
#include "pg/url.h"

/* ---- assess: can this move work? Nothing is changed on either side. ---- */

typedef enum Severity {
    SEVERITY_NOTE,
    SEVERITY_WARNING,
    SEVERITY_BLOCKER
} Severity;

typedef enum Scope {
    SCOPE_ONCE = 1,
    SCOPE_LIVE = 2,
    SCOPE_BOTH = 3
} Scope;

typedef struct Finding {
    const char *id; /* "table-no-identity": stable, documented in docs/reference */
    Severity severity;
    Scope scope;
    const char *summary;  /* one line: what is so, and what it does to the move */
    const char *fix;      /* exact SQL, setting or step */
    const char **objects; /* qualified names, quoted as SQL would */
    int object_count;
} Finding;

/* One side, as it was found. */
typedef struct AssessedServer {
    const char *url;     /* redacted */
    const char *version; /* "15.20 (Debian ...)" */
    int version_num;     /* 150020 */
    const char *database;
    const char *role;
    bool superuser;
    int64_t size_bytes; /* of the database */
    const char *encoding;
    const char *collate;
    const char *ctype;
    const char *provider; /* of the collation: libc, icu, builtin */
} AssessedServer;

typedef struct Assessment {
    Scope scope;       /* what was asked for: the findings are of it */
    Finding *findings; /* blockers first, then warnings, then notes, each by id */
    int count;
    int blockers;
    int warnings;
    int notes;
    AssessedServer source;
    AssessedServer target;
} Assessment;

/* Judges findings of `scope` only: both where the scope is SCOPE_BOTH. A thing that matters to both
 * kinds of move, but not alike, is two findings of one id. Fails only where a side cannot be read
 * at all. */
bool assess_run(Arena *arena, const Config *config, Scope scope, Assessment *ret,
                Error *err) MUST_USE;

const char *severity_name(Severity severity) RETURNS_NONNULL; /* "blocker" */
const char *scope_name(Scope scope) RETURNS_NONNULL;          /* "once", "live", "both" */

void assessment_json(Json *json,
                     const Assessment *assessment); /* the pairs, inside an open object */

/* ---- verify: are both sides equal? ---- */

typedef enum DifferenceKind {
    DIFFERENCE_MISSING,   /* a row of the source that the target lacks */
    DIFFERENCE_EXTRA,     /* a row of the target that the source lacks */
    DIFFERENCE_DIFFERENT, /* the same key, other values */
    DIFFERENCE_COUNT,     /* rows of a table without a key: how many more or fewer of it */
    DIFFERENCE_SEQUENCE,
    DIFFERENCE_SCHEMA, /* an object of the schema is missing, extra or defined otherwise */
} DifferenceKind;

typedef struct Difference {
    DifferenceKind kind;
    const char *object; /* table, sequence, or "INDEX public.x" */
    const char *key;    /* (id)=(42); NULL for what has none */
    const char *detail; /* columns that differ, both values or definitions; never NULL */
} Difference;

/* A sequence as it stood when it was copied. */
typedef struct SequenceValue {
    const char *schema;
    const char *name;
    const char *last_value;
    const char *is_called; /* "t" or "f" */
} SequenceValue;

typedef struct VerifyOptions {
    const PgUrl *schema_of; /* a database whose schema the target's is to be like, on the target's
                               server; NULL: the source's */
    const char *snapshot;   /* of the source, exported by somebody who keeps it; NULL: its own */
    const SequenceValue *sequences; /* compare the target's with these rather than with the
                                       source's, which writers move on; NULL: with the source's */
    int sequence_count;
    bool sequences_ahead; /* the target's may be further than the source's (rule 22) */
    bool all;       /* every difference, not the first 20 rows of each table; the list is held in
                       memory */
    bool rows_only; /* leave out the schema and large objects */
    const struct MoveWatch *watch; /* its progress() is called; may be NULL */
} VerifyOptions;

/* A table whose rows are not the same on both sides. */
typedef struct DifferingTable {
    const char *name;
    int64_t rows_source;
    int64_t rows_target;
    int64_t missing; /* rows that the target lacks, all of them, listed or not */
    int64_t extra;
    int64_t different;
    int64_t unlisted; /* how many are not in the list */
} DifferingTable;

typedef struct VerifyReport {
    bool verified;       /* everything was compared and nothing differs */
    int64_t differences; /* how many, also those not listed */
    int tables;
    int64_t rows; /* of the source */
    int sequences;
    bool schema_compared;
    const char *schema_skipped; /* why not, or NULL */
    const char *schema_hint;    /* what to do about it, or NULL */
    double seconds;
    DifferingTable *differing;
    int differing_count;
    Difference *list;
    int list_count;
} VerifyReport;

/* A difference is a result, not an error. Where the schema was to be compared and could not be, the
 * report says why and is not `verified`. */
bool verify_run(Arena *arena, const Config *config, const VerifyOptions *options, VerifyReport *ret,
                Error *err) MUST_USE;

const char *difference_kind_name(DifferenceKind kind) RETURNS_NONNULL; /* "missing" */

/* The pairs, inside an open object. */
void verify_report_json(Json *json, const VerifyReport *report);

/* ---- move --once: everything, of one moment ---- */

typedef struct MoveReport {
    int tables;
    int64_t rows;
    int64_t bytes; /* of COPY data */
    int indexes;
    int constraints;
    int sequences;
    int large_objects;
    int64_t identities_kept; /* ids that the map does not have and that went home as they are */
    double seconds_schema;
    double seconds_copy; /* rows, indexes and keys, which overlap */
    double seconds_finish;
    double seconds;
    bool already_done;  /* by an earlier run; nothing was done now */
    bool resumed;       /* an earlier run was killed: its schema was kept, rows started again */
    const char **drift; /* what the source has otherwise than the journal, a line each */
    int drift_count;
    bool verify_done;
    VerifyReport verify;
    Assessment assessment;
} MoveReport;

typedef struct MoveProgress {
    const char *step; /* "copy", "indexes", "finish", "verify": what is being done */
    int64_t bytes;    /* of COPY data so far */
    int64_t rows;
    int tables;       /* done */
    int tables_total; /* 0: not counted */
    int indexes;
    int indexes_total;
    double fraction;     /* of the whole step, 0..1 */
    double rate;         /* bytes a second, lately */
    double seconds_left; /* < 0: not known yet */
} MoveProgress;

typedef struct MoveWatch {
    void (*progress)(void *context, const MoveProgress *progress); /* some times a second */
    void (*step)(void *context, const char *text); /* a step has begun or ended, for people */
    void *context;
} MoveWatch;

/* ERR_FOUND where blockers were found (ret->assessment) or verification found differences
 * (ret->verify): then `ret` is filled as far as it came. `watch` may be NULL. */
bool move_once(Arena *arena, const Config *config, const MoveWatch *watch, MoveReport *ret,
               Error *err) MUST_USE;

/* ---- the live move (docs/decisions/0007) ---- */

typedef struct LiveOptions {
    int64_t spool_limit; /* bytes; 0: none */
    const char *log;     /* detached: where standard error goes */
} LiveOptions;

/* Copies what is not copied yet, then follows until a signal or `move --stop`, steered by the other
 * commands through <dir>/control.sock. Returns true when it was stopped so, or the move is over. */
bool move_live(Arena *arena, const Config *config, const LiveOptions *options,
               const MoveWatch *watch, MoveReport *ret, Error *err) MUST_USE;

/* Ends the mover of this folder, whatever it does, and waits for that. *ret_was: there was one. */
bool move_stop(Arena *arena, const Config *config, bool *ret_was, Error *err) MUST_USE;

/* A side that is gone for good, and is left as it is. */
typedef struct EndOptions {
    bool source_gone;
    bool target_gone;
} EndOptions;

/* Ends replication: slots, publications, fences and homeport's schemas go, the side that the app
 * lives on stays. Needs no mover; ends the one that runs. */
bool move_finish(Arena *arena, const Config *config, const EndOptions *options,
                 Error *err) MUST_USE;
/* Undoes a move that was never cut over: the source without a trace, the target as empty as it was.
 */
bool move_abort(Arena *arena, const Config *config, const EndOptions *options, Error *err) MUST_USE;

/* ---- status: where things stand, from the work folder alone ---- */

typedef struct MoveStatus {
    bool exists;           /* a move was begun in this folder */
    bool live;             /* it is a live one */
    bool following;        /* its copy is complete: a mover follows, or could */
    const char *phase;     /* "copying": see move/state.h */
    const char *direction; /* "forward" */
    const char *app_at;    /* live: "source" or "target": whose data is the app's; else NULL */
    bool complete;
    bool running; /* a process holds the folder's lock */
    int pid;
    const char *source; /* redacted */
    const char *target;
    const char *started_at;
    const char *finished_at;   /* NULL */
    bool compared;             /* once: both sides were, last at: */
    const char *compared_at;   /* NULL */
    bool equal;                /* and every row and the schema were found equal */
    const char *compared_text; /* what is known of it, for people; NULL: nothing */
    const char *last_error;    /* NULL */
    int tables_total;
    int tables_done;
    int64_t rows_done;
    int64_t bytes_done;
    int64_t bytes_total;
    double seconds_left; /* of the copy; < 0: not known, or nobody copies */
    const char *stream;  /* live: how it does beside the copy, as the mover tells later; or NULL */
    const char *next;    /* what to do now: a sentence */
    /* Rule 29, where no process is at work and a side is fenced, or one is at a switch: else NULL.
     * The SQL is for the first of both. */
    const char *fenced;         /* "source", "target" or "both" */
    const char *fenced_text;    /* which, and where the app writes: a sentence */
    const char *lifted_side;    /* "source" or "target": what the SQL is for */
    const char *fence_lift_sql; /* opens a side to the app by hand, where the move is given up */
    const char *relaxed_sql;    /* puts back what --relax-durability has left changed on the
                                   target's server, where no process is at work; else NULL */
} MoveStatus;

enum {
    MOVE_STATUS_PATIENCE_MS = 3000 /* a mover that is busy has its phase in the work folder */
};

/* A mover does, however busy it is: move_ask() reaches it. */
bool move_listens(const Config *config);

/* Asks the mover of this folder; ERR_CONNECT where none listens, or where it says nothing for
 * patience_ms (0: for ever). `watch`, which may be NULL, hears of its steps. The request's
 * reference is taken, *ret is the caller's. */
struct json_t;
bool move_ask(const Config *config, struct json_t *request, const MoveWatch *watch, int patience_ms,
              struct json_t **ret, Error *err) MUST_USE;
/* Asks how things stand; false where no mover is there, or it is busy. */
bool move_ask_status(const Config *config, struct json_t **ret) MUST_USE;

/* What a comparison apart from the mover has found, where it is of this folder's finished
 * `move --once`. Best effort: the result itself is printed. */
void move_note_verified(Arena *arena, const Config *config, const VerifyReport *report);

/* Compares, as verify_run() does. Where this folder's `move --once` waits for nothing but a
 * comparison of the schema, and all is equal now, the move is complete by that. */
bool move_verify(Arena *arena, const Config *config, const VerifyOptions *options,
                 VerifyReport *ret, bool *ret_completed, Error *err) MUST_USE;

bool move_status(Arena *arena, const Config *config, MoveStatus *ret, Error *err) MUST_USE;
