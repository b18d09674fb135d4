/* Time: monotonic for durations, wall clock for people and records. */
#pragma once

#include <stdint.h>

#include "core/arena.h"

double clock_seconds(void);                                     /* monotonic */
int64_t clock_unix_ms(void);                                    /* wall clock */
char *clock_iso(Arena *arena, int64_t unix_ms) RETURNS_NONNULL; /* 2026-11-22T09:30:00.123Z */
