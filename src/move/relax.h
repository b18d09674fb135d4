/*
 * --relax-durability (rule 9): for the time of the load, fewer checkpoints on a
 * target whose settings we may change. Nothing here can lose a committed row:
 * what it costs is a longer recovery should the target crash meanwhile.
 *
 * What is changed is noted on the target before it is changed, so that a run
 * after a crash puts it back.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "pg/pg.h"

/* `bytes` is what will be loaded. Needs a superuser, or ALTER SYSTEM granted on the settings. */
bool relax_begin(PGconn *target, int64_t bytes, Error *err) MUST_USE;

/* Puts back whatever is noted. Fine where nothing is. */
bool relax_end(PGconn *target, Error *err) MUST_USE;
