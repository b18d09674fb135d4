/*
 * What the journal has no place for, though the source has rows in it: drift
 * that nobody can accept, as rows would be lost. Tables and sequences that only
 * the source has are made in the scratch database of the source's own
 * definitions, with all that hangs on them and all that they need. A column
 * cannot be had so, and is refused before anything is copied.
 */
#pragma once

#include <stdbool.h>

#include "core/arena.h"
#include "core/error.h"
#include "move/archive.h"
#include "move/drizzle.h"

typedef struct Gaps {
    bool *brought; /* one an entry of the source's archive */
    int tables;    /* and sequences: what the rest hangs on */
} Gaps;

/* What `journal`, the archive of what the journal makes, lacks. */
Gaps gaps_find(Arena *arena, const Archive *source, const Archive *journal);

/* Whether this object ("TABLE public.t") is among them. */
bool gaps_has(const Gaps *gaps, const Archive *source, const char *object);

/* ERR_FOUND where a sequence among them is of a table that the journal has. */
bool gaps_check_sequences(const DrizzleRequest *request, const Gaps *gaps, Error *err) MUST_USE;

/* Makes them in the scratch database. */
bool gaps_fill(PGconn *scratch, const DrizzleRequest *request, const Gaps *gaps,
               Error *err) MUST_USE;

/* ERR_FOUND where rows of the source do not fit into the tables of the scratch database. */
bool gaps_check_columns(PGconn *scratch, const DrizzleRequest *request, Error *err) MUST_USE;
