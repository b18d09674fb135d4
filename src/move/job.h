/*
 * What `move --once` and the live move have in common: check, schema, rows,
 * indexes and keys, and what comes after them.
 *
 * A job makes attempts: what hangs on one snapshot. When that is lost the next
 * attempt begins under another one. A job of a live move differs in its
 * snapshot, which is a replication slot's, in that finished tables stay finished
 * under the next one (rule 6), and in that the target is fenced (rule 25).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/error.h"
#include "move/drizzle.h"
#include "move/identity.h"
#include "move/keeper.h"
#include "move/marks.h"
#include "move/move.h"
#include "move/plan.h"
#include "move/schema.h"
#include "move/state.h"
#include "move/tables.h"
#include "move/work.h"
#include "pg/lsn.h"

typedef struct Job Job;
typedef struct Attempt Attempt;

/* What a live move does otherwise. */
typedef struct JobLive {
    void *context;
    const char *token; /* lets our sessions pass the fence of the target */
    /* In place of keeper_open(): the keeper under a slot's snapshot, and attempt->position. */
    bool (*open_keeper)(void *context, Job *job, Attempt *attempt, Error *err);
    /* Once the schema is there: nobody else may write to it. */
    bool (*schema_made)(void *context, Job *job, Attempt *attempt, Error *err);
    /* Each second of the copy. */
    bool (*look)(void *context, Error *err);
} JobLive;

struct Job {
    Arena *arena;
    const Config *config;
    const MoveWatch *watch;
    MoveReport *report;
    PgUrl source_url;
    PgUrl target_url;
    State state;
    Identities *identities; /* NULL: none */
    const JobLive *live;    /* NULL: --once */
    /* All is copied: what is left to do, up to the last phase. */
    bool (*complete)(Job *job, Attempt *attempt, Error *err);
    PGconn *target; /* the main thread's */
    int jobs;
    int streams; /* of COPY that the machine bears at once */
    int64_t memory_bytes;
    bool relaxed; /* settings of the target are changed and not yet put back */
    bool reached; /* the target was there */
};

/* What belongs to one snapshot. */
struct Attempt {
    Keeper keeper;
    Lsn position;   /* live: where the snapshot stands in the source's WAL */
    bool fresh;     /* live: the stream is a new one, nothing of an earlier run fits it */
    bool opened;    /* both sides were reached */
    bool resumed;   /* live: some tables and entries are done already */
    bool *finished; /* then, one a table: which */
    Table *tables;
    int table_count;
    Programs programs;
    bool large_objects;
    Archive archive; /* count 0 where the schema exists already */
    const char *archive_path;
    DrizzleScratch scratch;
    SequenceValue *sequences;
    int sequence_count;
    Plan plan;
    WorkProgress progress;
    double copy_started;
    double last_save;
    int64_t last_bytes;
    double last_time;
    double rate;
    double share; /* of the copy that is done */
};

/* ---- job.c ---- */

void job_say(const Job *job, const char *text);
/* A file of the work folder. */
const char *job_path(const Job *job, const char *name) RETURNS_NONNULL;
/* The archives of the schema, which no run needs any more: with them go the passwords that it may
 * hold, and large objects. */
bool job_forget_archives(const Job *job, Error *err) MUST_USE;
bool job_connect_target(Job *job, Error *err) MUST_USE;
bool job_reconnect_target(Job *job, Error *err) MUST_USE;
/* After a time in which only the workers' connections were used. */
bool job_revive_target(Job *job, Error *err) MUST_USE;
/* Addresses, work folder and its lock; whose move it is. */
bool job_open(Job *job, Error *err) MUST_USE;
/* The map of identities, where one is set; it is the one that this move began with. */
bool job_open_identities(Job *job, Error *err) MUST_USE;
/* Of both databases: every session from then on sends and gets texts in it (url_set_encoding()). */
void job_set_encoding(Job *job, const char *encoding);
/* The check, then the record that a move begins. */
bool job_prepare(Job *job, Error *err) MUST_USE;
/* Attempts until one comes through or another would not help. */
bool job_run_attempts(Job *job, Error *err) MUST_USE;
/* Everything of the schema that comes after rows and keys. */
bool job_finish(Job *job, Attempt *attempt, Error *err) MUST_USE;
/* Ends it; after a failure the target's settings are put back if it can still be reached. */
void job_close(Job *job, bool ok);

/* ---- job_schema.c ---- */

/* The archive that the target's schema is to be made of. */
bool job_obtain_archive(Job *job, Attempt *attempt, Error *err) MUST_USE;
bool job_ensure_schema(Job *job, Attempt *attempt, Error *err) MUST_USE;
/* The target has marks of somebody else's. Always false. */
bool job_other_move(const Marks *marks, Error *err);

/* ---- job_copy.c ---- */

bool job_copy(Job *job, Attempt *attempt, Error *err) MUST_USE;
