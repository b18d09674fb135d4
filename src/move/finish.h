/*
 * What comes after rows and keys: sequences, triggers, policies, privileges,
 * materialised views, statistics of parents.
 */
#pragma once

#include <stdbool.h>

#include "config/config.h"
#include "core/arena.h"
#include "core/error.h"
#include "move/move.h"
#include "pg/pg.h"

/* Sequences are not part of any snapshot: read as they stand now, which is at or ahead of every
 * row that the snapshot shows. */
bool sequences_read(PGconn *conn, Arena *arena, SequenceValue **ret, int *ret_count,
                    Error *err) MUST_USE;
bool sequences_set(PGconn *target, const SequenceValue *values, int count, Error *err) MUST_USE;

/* REFRESH of every materialised view that has content on the source, in order. */
bool matviews_refresh(PGconn *source, PGconn *target, Error *err) MUST_USE;

/* ANALYZE of tables whose statistics are of their children. */
bool parents_analyze(PGconn *target, Error *err) MUST_USE;
