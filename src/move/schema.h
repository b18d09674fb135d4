/*
 * Everything that is not rows: dumped by pg_dump under the snapshot, made on
 * the target by us, entry by entry of the archive, with roles mapped.
 *
 * The archive's entries fall into stages. SCHEMA comes before the rows, in one
 * transaction: all or nothing. INDEX is built beside the copy, as each table
 * is complete. REST, PRIVILEGES and LAST come after the rows, in this order.
 */
#pragma once

#include <stdbool.h>

#include "config/config.h"
#include "core/arena.h"
#include "core/error.h"
#include "move/archive.h"
#include "move/programs.h"
#include "pg/pg.h"

typedef enum EntryStage {
    STAGE_NONE,         /* not ours to make: the database itself, the provider's own, data */
    STAGE_SCHEMA,       /* before the rows */
    STAGE_LARGE_OBJECT, /* by pg_restore */
    STAGE_INDEX,        /* indexes, keys, foreign keys, statistics objects */
    STAGE_REST,         /* triggers, rules, policies, publications, comments */
    STAGE_PRIVILEGES,
    STAGE_LAST, /* event triggers, which would fire on our own statements */
} EntryStage;

EntryStage entry_stage(const ArchiveEntry *entry);

typedef struct DumpRequest {
    const Programs *programs;
    const PgUrl *url;
    const char *snapshot; /* NULL: pg_dump's own */
    bool large_objects;   /* with their data */
    bool quote_all;       /* every name, needed or not: for comparing */
    const char *path;     /* replaced only by a whole archive */
} DumpRequest;

bool schema_dump(Arena *arena, const DumpRequest *request, Archive *ret, Error *err) MUST_USE;

/* An archive that schema_dump() has left at `path`. What has the name of a provider's schema
 * (roles.h) and another owner than the provider's roles is the user's, and moved. */
bool schema_read(Arena *arena, const char *path, Archive *ret, Error *err) MUST_USE;

/* All of STAGE_SCHEMA and the mark that it is done, in one transaction. */
bool schema_create(PGconn *target, const Config *config, const Archive *archive,
                   Error *err) MUST_USE;

/* Where what is made next in this transaction goes to; '' for the database's own. */
bool schema_set_tablespace(PGconn *target, const char *tablespace, Error *err) MUST_USE;
/* One entry: its SQL with roles mapped, then its owner. In the caller's transaction. */
bool schema_run_entry(PGconn *target, const Config *config, const Archive *archive,
                      const ArchiveEntry *entry, Error *err) MUST_USE;
/* Makes errors of an entry readable: "create INDEX public.x: ...". Always false. */
bool schema_fail_entry(const ArchiveEntry *entry, Error *err);
/* Where the owner's functions run for the first time and something is not found. */
void schema_hint_unqualified(Error *err);

/* A stage after the rows: entries that are not marked yet, in order. */
bool schema_run_stage(PGconn *target, const Config *config, const Archive *archive,
                      EntryStage stage, Error *err) MUST_USE;

/* Owners and privileges of this archive for those of its objects that are there, made by somebody
 * else. */
bool schema_carry_rights(PGconn *conn, const Config *config, const Archive *archive,
                         Error *err) MUST_USE;

/* Back to the bare schema: what is marked as made after the rows is dropped again. */
bool schema_drop_marked(PGconn *target, const Archive *archive, Error *err) MUST_USE;
/* Back to an empty target: every object of the archive is dropped. */
bool schema_drop_all(PGconn *target, const Archive *archive, Error *err) MUST_USE;
