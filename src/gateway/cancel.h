/*
 * Cancel requests: those of session clients, and ours where a client has gone.
 * They have threads of their own, since libpq cannot be told when to give one
 * up: a server that takes connections and says nothing holds these threads, but
 * neither logins nor clients. What waits for too long is dropped. Private to
 * src/gateway.
 */
#pragma once

#include <stdint.h>

#include "gateway/shared.h"

/* Returns the key that goes with this process; the client is told both. */
uint32_t cancel_add(CancelTable *table, uint32_t pid, PGconn *conn);
void cancel_remove(CancelTable *table, uint32_t pid, uint32_t key);
typedef struct CancelJob CancelJob;
typedef void CancelDone(void *arg);
/* Passes it on to the server, and tells when that is done. NULL: there is no such session, or too
 * many are on their way; nothing will be told. */
CancelJob *cancel_fire(Worker *worker, uint32_t pid, uint32_t key, CancelDone *done, void *arg);
/* Nothing is to be told any more. Accepts NULL. */
void cancel_forget(CancelJob *job);
/* What the connection does just now, without being told. It is to be closed: the server is asked
 * again a moment later, as one that has not read the statement yet does not hear the first time,
 * and would run it to its end, with its locks, for nobody. */
void cancel_conn(Worker *worker, PGconn *conn);
/* What is still to be asked again is given up; before the worker's loop ends. */
void cancel_clear(Worker *worker);
/* For crew_stop(). */
void cancel_drop(void *job);
