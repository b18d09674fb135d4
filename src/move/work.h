/*
 * Does the plan: workers, each with a connection to either side, the source's
 * under the keeper's snapshot.
 *
 * A worker whose connection breaks makes new ones and does its task again: what
 * the task had done is in the target's marks, committed with it, or it never
 * happened. Only when the snapshot itself is gone does the work fail with
 * ERR_SNAPSHOT.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/error.h"
#include "move/identity.h"
#include "move/keeper.h"
#include "move/plan.h"
#include "pg/lsn.h"

/* Counted by the workers, read by whoever shows it. */
typedef struct WorkProgress {
    atomic_int_fast64_t bytes;           /* of COPY data */
    atomic_int_fast64_t rows;            /* of parts that are done */
    atomic_int_fast64_t running_rows;    /* sent of those in work */
    atomic_int_fast64_t copied_bytes;    /* of them those of parts that are done */
    atomic_int_fast64_t lost_bytes;      /* and those that were sent in vain */
    atomic_int_fast64_t reckoned_bytes;  /* those of parts in work whose rows are known, */
    atomic_int_fast64_t reckoned_weight; /* and what they are of the whole (reckon.h) */
    atomic_int_fast64_t copied_weight;   /* of parts that are done (plan.h) */
    atomic_int_fast64_t weight;          /* of all tasks that are done */
    atomic_int parts_done;
    atomic_int tables_done;
    atomic_int indexes_done;
    atomic_int constraints_done;
    atomic_int constraints_running;
    atomic_int indexes_running;
} WorkProgress;

typedef struct WorkRequest {
    const Config *config;
    const PgUrl *source;
    const PgUrl *target;
    Keeper *keeper;
    const Plan *plan;
    const Archive *archive;       /* NULL: the schema exists */
    const Identities *identities; /* NULL: none */
    const char *token;            /* of the target's fence; NULL: there is none */
    Lsn position;                 /* of the snapshot; 0: without a stream */
    bool resumed;                 /* of what is to be built some may be there already */
    int jobs;
    int64_t memory_bytes; /* the most that one index build may sort in */
    WorkProgress *progress;
    bool (*tick)(void *context, Error *err); /* see pool.h */
    void *tick_context;
} WorkRequest;

bool work_run(Arena *arena, const WorkRequest *request, Error *err) MUST_USE;

/* For a session that copies into a schema which is there already: its triggers and foreign keys
 * would fire on every row and on TRUNCATE. */
bool work_silence_triggers(PGconn *target, Error *err) MUST_USE;
