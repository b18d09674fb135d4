/* Time: monotonic for durations, wall clock for people and records. */
#pragma once

#include <pthread.h>
#include <stdint.h>
#include <time.h>

#include "core/arena.h"

double clock_seconds(void); /* monotonic */
/* A condition whose timed waits are by the monotonic clock, so that setting the machine's clock
 * moves no deadline, and a deadline for it. */
void clock_cond_init(pthread_cond_t *cond);
struct timespec clock_after_ms(int ms);
struct timespec clock_at(double seconds); /* of clock_seconds() */

int64_t clock_unix_ms(void);                                    /* wall clock */
char *clock_iso(Arena *arena, int64_t unix_ms) RETURNS_NONNULL; /* 2026-11-22T09:30:00.123Z */
