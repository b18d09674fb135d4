/*
 * Connections of one worker that requests take in turn: per database and role
 * so many, given out in the order of asking, cleaned in between.
 * Private to src/gateway.
 *
 * A connection is only given to who knows the password it was made with, and
 * that the server still takes that password is asked again every so often.
 */
#pragma once

#include "gateway/backend.h"
#include "gateway/connstring.h"

typedef enum PoolOutcome {
    POOL_READY,
    POOL_REFUSED,   /* the server says no, see the error */
    POOL_THROTTLED, /* too many failed logins */
    POOL_TIMEOUT,   /* no connection became free in time */
    POOL_FULL,      /* too many wait already */
} PoolOutcome;

typedef struct PoolTicket PoolTicket;
/* Once for each ticket; the backend is the caller's until it gives it back. `error` is only there
 * for POOL_REFUSED, and during the call. */
typedef void PoolReady(void *arg, PoolOutcome outcome, Backend *backend, const WireError *error);

Pool *pool_new(Worker *worker);
void pool_free(Pool *pool); /* closes what is idle; nothing else may be out */

/* NULL: `ready` was called already. `who` and `peer` are copied. */
PoolTicket *pool_acquire(Pool *pool, const ConnString *who, const char *peer, PoolReady *ready,
                         void *arg);
void pool_abandon(PoolTicket *ticket);
/* The response is complete: cleans it for the next one. */
void pool_release(Backend *backend);
/* Nothing was sent on it: there is nothing to be cleaned. */
void pool_return(Backend *backend);
/* It is in no state to be used again. */
void pool_discard(Backend *backend);

void pool_pause(Pool *pool);  /* closes what is idle; nothing is given out */
void pool_resume(Pool *pool); /* the worker's upstream may be another one now */
int pool_waiting(const Pool *pool);
/* The server has no connection left: the one that idles longest, of whatever role, is closed. */
void pool_make_room(Pool *pool);
