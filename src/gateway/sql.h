/* POST /sql: one request from its headers to its reply. Private to src/gateway. */
#pragma once

#include "gateway/shared.h"
#include "gateway/wire.h"

/* Where --cors asks for it, of every reply. */
#define SQL_ORIGIN "access-control-allow-origin: *\r\n"

/* The worker's HTTP server calls these; `arg` is the worker. */
void sql_handle(void *arg, HttpExchange *exchange);
/* Of requests that are large: has somebody been here with this password, and is it right? */
bool sql_is_known(void *arg, const HttpExchange *exchange);
void sql_ask(void *arg, HttpExchange *exchange);
void sql_gone(void *arg, HttpExchange *exchange);

/* Ends what is at work, because a pause is forced. */
void sql_end_all(Worker *worker);

/* The JSON of an error, with all its 17 keys. */
void sql_add_error(Bytes *out, const WireError *error);
