/*
 * Comparison while writers are at work and the applier follows (rules 34 and 35).
 *
 * whole    every table as verify_run() compares it, both sides under their own snapshots. What
 *          differs is narrowed to rows; once the applier has passed the LSN that was read after the
 *          source's snapshot, these rows are read again on both sides: reported is only what still
 *          differs while the source's row stayed the same before and after.
 * marked   the same, of tables that are touched as a whole only.
 * touched  only the rows that the stream has touched since they were last compared, the same way.
 * fenced   inside the pause: touched rows, exactly, and row counts as far as the time allows;
 * nobody writes, so nothing is read twice.
 */
#pragma once

#include <stdbool.h>

#include "move/identity.h"
#include "move/move.h"
#include "move/touched.h"
#include "pg/lsn.h"
#include "pg/pg.h"

typedef struct VerifyLive {
    const Config *config; /* source and target in the direction of the stream */
    Touched *touched;     /* taken; put back where the comparison is not clean */
    /* Until everything that commits before `lsn` on the source is applied. */
    bool (*wait_applied)(void *context, Lsn lsn, double deadline_s, Error *err);
    void *context;
    const MoveWatch *watch;       /* may be NULL */
    const Identities *identities; /* NULL: none */
    bool identities_back;         /* source and target are home and the old side */
    const char *encoding;         /* of both, where it is not UTF8; else NULL */
    bool all;                     /* every difference is listed, not the first of each table */
} VerifyLive;

/* A table of which it is not known whether it differs. */
typedef struct LeftTable {
    const char *table;
    const char *why;
    bool passing; /* not so while nobody writes */
} LeftTable;

typedef struct VerifyLiveReport {
    VerifyReport report; /* list: rows that really differ; verified: nothing does, or was left */
    LeftTable *left;
    int left_count;
    int64_t keys_compared; /* touched rows */
    int tables_counted;    /* row counts compared inside the pause */
    int tables_whole;      /* compared whole */
    int64_t rechecked;     /* rows that differed at first, and were on their way */
    double seconds;
} VerifyLiveReport;

/* Both sides of a move, whichever way its stream goes. */
typedef struct ChangedSides {
    const Config *config;
    const PgUrl *urls[2]; /* source, target */
    PGconn *conns[2];
} ChangedSides;

/* *ret: the first of these objects (as fingerprints name them) that is not alike on both sides, and
 * how; NULL: all are. */
bool verify_changes(Arena *arena, const ChangedSides *changed, const char *const *objects,
                    int count, const char **ret, Error *err) MUST_USE;

bool verify_live_whole(Arena *arena, const VerifyLive *live, VerifyLiveReport *ret,
                       Error *err) MUST_USE;
/* None of them where all together are small enough to be left for the pause. */
bool verify_live_marked(Arena *arena, const VerifyLive *live, VerifyLiveReport *ret,
                        Error *err) MUST_USE;
bool verify_live_touched(Arena *arena, const VerifyLive *live, VerifyLiveReport *ret,
                         Error *err) MUST_USE;
/* Tables touched wholly are compared whole where `deadline_s` allows by their size, else that is an
 * error: ERR_WRONG_STATE, nothing is shortened silently. */
bool verify_live_fenced(Arena *arena, const VerifyLive *live, double deadline_s,
                        VerifyLiveReport *ret, Error *err) MUST_USE;
