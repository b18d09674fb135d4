/* What the folder's files need of a place and nobody else. */
#pragma once

#include "demo/demo.h"
#include "pg/pg.h"

bool place_connect(const DemoPlace *place, DemoSide side, PGconn **ret, Error *err) MUST_USE;
Arena *place_arena(const DemoPlace *place) RETURNS_NONNULL;
