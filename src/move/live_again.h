/*
 * The rows of tables that are copied again (live_resync.c): those that are there
 * go with the commit that brings the new ones.
 */
#pragma once

#include "move/keeper.h"
#include "move/live.h"

typedef struct Resync {
    Live *live;
    Arena *arena;
    PGresult *names; /* of the tables as they were asked for */
    Table *tables;   /* as the snapshot sees them */
    int count;
    bool held;           /* the applier holds still; else there is none */
    PGconn *replication; /* keeps the slot and its snapshot */
    Keeper keeper;
    Lsn position;
    PGconn *to;
    bool replica; /* there neither triggers nor foreign keys act */
    bool wrote;   /* or may have */
    int64_t rows;
} Resync;

/* Where that may be, triggers and foreign keys do not act on what `to` writes. */
bool again_silence(Resync *resync, Error *err) MUST_USE;
/* Of resync->tables, read by the keeper and written by `to`, with their progress. */
bool again_replace(Resync *resync, Error *err) MUST_USE;
