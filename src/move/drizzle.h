/*
 * The schema by the app's migration journal (rule 24): the journal is applied
 * in a scratch database on the target's server, and the schema is taken from
 * there by pg_dump. No journal says whose objects are and who may use them:
 * that comes from the live source, with roles mapped. What the source has
 * otherwise is drift; what of it holds rows comes along (drizzle_gaps.h).
 */
#pragma once

#include <stdbool.h>

#include "config/config.h"
#include "core/arena.h"
#include "core/error.h"
#include "move/archive.h"
#include "move/programs.h"
#include "move/tables.h"
#include "pg/pg.h"

typedef struct DrizzleRequest {
    const Config *config;
    const Programs *programs;
    const PgUrl *target;
    const char *move_id;
    const char *archive_path;
    const Archive *source; /* the live source's, to compare with */
    int source_major;      /* version of its server */
    PGconn *keeper;        /* on the source, under the snapshot */
    const Table *tables;   /* whose rows are to be copied */
    int table_count;
} DrizzleRequest;

/* The scratch database, kept for questions about its catalogue until closed. */
typedef struct DrizzleScratch {
    PGconn *conn;
    PGconn *server; /* another database of the same server, to drop it from */
    char name[64];
    PgUrl url;
} DrizzleScratch;

/* How source and journal differ; lines for people. */
typedef struct Drift {
    const char **lines;
    int count;
} Drift;

/* Drift that is not accepted is ERR_FOUND; ret_drift is filled then, too. */
bool drizzle_schema(Arena *arena, const DrizzleRequest *request, DrizzleScratch *ret_scratch,
                    Drift *ret_drift, Archive *ret, Error *err) MUST_USE;

/* Drops the scratch database from the target's server. Fine where none was made. */
void drizzle_close(DrizzleScratch *scratch, const PgUrl *target);
