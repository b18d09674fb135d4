/*
 * Clients with a session of their own: over a WebSocket, or on 5432. The
 * gateway asks who they are, logs in for them, and then passes bytes both
 * ways. Private to src/gateway.
 */
#pragma once

#include "gateway/shared.h"

/* False: it is no proper upgrade, and the exchange is still the caller's. */
bool session_start_websocket(Worker *worker, HttpExchange *exchange);
/* ListenerAccept; `arg` is the worker. */
void session_start_tcp(void *arg, int fd, const struct sockaddr *peer);

/* Sessions that do nothing end, others when their transaction does; new ones wait. */
void sessions_pause(Worker *worker);
void sessions_resume(Worker *worker);
/* Ends those that are left; with `all`, those that wait as well. */
void sessions_end(Worker *worker, bool all);

/* Which statements can be cancelled by clients: their process and a key that the gateway made. */
CancelTable *cancel_table_new(void);
void cancel_table_free(CancelTable *table);
