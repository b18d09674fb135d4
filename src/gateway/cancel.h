/* Cancel requests of session clients. Private to src/gateway. */
#pragma once

#include <stdint.h>

#include "gateway/shared.h"

/* Returns the key that goes with this process; the client is told both. */
uint32_t cancel_add(CancelTable *table, uint32_t pid, PGconn *conn);
void cancel_remove(CancelTable *table, uint32_t pid, uint32_t key);
/* Passes it on to the server, if such a session is open; in the background. */
void cancel_fire(CancelTable *table, Crew *crew, uint32_t pid, uint32_t key);
