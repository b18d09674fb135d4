/*
 * --relax-durability (rule 9): for the time of the load, fewer checkpoints on a
 * target whose settings we may change. Nothing here can lose a committed row:
 * what it costs is a longer recovery should the target crash meanwhile.
 *
 * They are settings of the server, and outlive the target's database: what they
 * were before is noted in the work folder's state, before they are changed, so
 * that a run after a crash puts them back.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/error.h"
#include "pg/pg.h"
#include "store/store.h"

/* `bytes` is what will be loaded. Needs a superuser, or ALTER SYSTEM granted on the settings. */
bool relax_begin(PGconn *target, Store *store, int64_t bytes, Error *err) MUST_USE;

/* Puts back whatever is noted. Fine where nothing is. */
bool relax_end(PGconn *target, Store *store, Error *err) MUST_USE;

/* The same for somebody with psql; NULL where nothing is noted. */
bool relax_sql(Arena *arena, Store *store, const char **ret, Error *err) MUST_USE;
