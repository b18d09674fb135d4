/*
 * Which server is the current one, on disk: a gateway that starts again goes
 * on where it was, never back to the old side. Private to src/gateway.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/error.h"

typedef struct GatewayState {
    const char *url;        /* of the current upstream */
    const char *configured; /* what the configuration said when that was written */
    int64_t generation;     /* counts the switches, from 1 */
    bool paused;
} GatewayState;

/* The URL as it may stand in a file: clients bring their own passwords, so none is needed. */
bool state_url(Arena *arena, const char *url, const char **ret, Error *err) MUST_USE;

/* Makes what is in force of the file and of the configuration's URL, and writes it down. The
 * descriptor is a lock that keeps every other gateway from the file, and is the caller's. What
 * cannot be read is an error, and so is a file that has been there and is not any more: either may
 * say that the configuration is out of date. */
bool state_take(Arena *arena, const char *path, const char *url, GatewayState *ret, int *ret_lock,
                Error *err) MUST_USE;
/* Is on disk when this returns. */
bool state_save(const char *path, const GatewayState *state, Error *err) MUST_USE;
