/* POST /sql: one request from its headers to its reply. Private to src/gateway. */
#pragma once

#include "gateway/shared.h"
#include "gateway/wire.h"

/* The worker's HTTP server calls these; `arg` is the worker. */
void sql_handle(void *arg, HttpExchange *exchange);
void sql_gone(void *arg, HttpExchange *exchange);

/* Ends what is at work, because a pause is forced. */
void sql_end_all(Worker *worker);

/* The JSON of an error, with all its 17 keys. */
void sql_add_error(Bytes *out, const WireError *error);

/* Where the first keyword of a statement begins and or ends a transaction, it must not be sent
 * together with what follows it. */
bool statement_controls_transaction(const char *sql);
