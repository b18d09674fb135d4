/*
 * Many small statements in one round trip (libpq's pipeline), each a transaction of its own: what
 * one of them meets with does not touch the others.
 */
#pragma once

#include <libpq-fe.h>
#include <stdbool.h>

#include "core/error.h"

typedef struct BatchItem {
    const char *sql;  /* one statement, without parameters */
    const char *then; /* another one in the same transaction, or NULL */
    Error error;      /* set by batch_run(); ERR_NONE: it is done */
} BatchItem;

/* On a connection that is in no transaction. False only where the connection is lost. */
bool batch_run(PGconn *conn, BatchItem *items, int count, Error *err) MUST_USE;
