/*
 * What is done on the target, marked on the target: schema `homeport`, whose
 * rows are written in the transaction that does the thing (rule 5). A crash
 * anywhere leaves marks and things agreeing; the work folder cannot promise that.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/error.h"
#include "move/archive.h"
#include "move/tables.h"
#include "pg/lsn.h"
#include "pg/pg.h"

typedef struct Marks {
    bool there;       /* a move began on this target */
    const char *id;   /* of that move */
    bool schema_done; /* all of pre-data is there */
} Marks;

bool marks_read(PGconn *target, Arena *arena, Marks *ret, Error *err) MUST_USE;

/* Their own transactions: before anything else is made on the target, and after all. Event
 * triggers, which may refuse both or keep a record of them, are set aside meanwhile. */
bool marks_begin(PGconn *target, const char *id, Error *err) MUST_USE;
bool marks_drop(PGconn *target, Error *err) MUST_USE;

/* Ends sessions of an earlier run of ours, whose process is gone, and waits until they are. */
bool marks_end_sessions(PGconn *target, Error *err) MUST_USE;

/* Workers' commits do not wait for the disk, and a table may be unlogged: when the target crashes
 * and comes back, rows are missing that were done. Armed before the rows; a new connection asks
 * whether that happened since (then ERR_SNAPSHOT: the rows start again). */
bool marks_arm(PGconn *target, Error *err) MUST_USE;
bool marks_check_crash(PGconn *target, Error *err) MUST_USE;

/* In the caller's transaction. */
bool marks_schema_done(PGconn *target, Error *err) MUST_USE;

typedef struct FinishedPart {
    const char *schema;
    const char *table;
    int part;
    int parts;
    int64_t rows;
    Lsn position; /* 0: without a stream */
} FinishedPart;

bool marks_part(PGconn *target, const FinishedPart *part, Error *err) MUST_USE;
bool marks_entry(PGconn *target, int entry, Error *err) MUST_USE;

/* Sets finished[i] for each table of which all is there, and forgets the parts of all others, in
 * its own transaction. Tables whose rows may change places are finished together. */
bool marks_keep_finished(PGconn *target, const Table *tables, int count, bool *finished,
                         Error *err) MUST_USE;

/* -1: not finished. */
bool marks_part_rows(PGconn *target, const char *schema, const char *table, int part, int64_t *ret,
                     Error *err) MUST_USE;
/* Ids of the entries that are done, rising. */
bool marks_entries(PGconn *target, Arena *arena, int **ret, int *ret_count, Error *err) MUST_USE;
bool marks_has_entry(const int *entries, int count, int entry);
