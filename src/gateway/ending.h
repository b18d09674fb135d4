/*
 * Connections that are given up while the server may still work for them. They
 * count as work until the server has closed them: a COMMIT does not hear of a
 * cancel, and a switch must not leave it behind. Private to src/gateway.
 */
#pragma once

#include "gateway/shared.h"

/* Takes the connection, on which the server was told to stop. It gets no more from us, and what it
 * says is thrown away. A few seconds at most: the server may be gone, or stuck. */
void ending_begin(Worker *worker, PGconn *conn);
/* Before the worker's loop ends. */
void endings_clear(Worker *worker);
