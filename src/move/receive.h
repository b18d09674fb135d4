/*
 * The receiver: a thread that reads a slot's stream into the spool and confirms what is on our disk
 * (rule 10). It reconnects with backoff for as long as it takes; it ends only when told to, or when
 * the slot is gone, lost or refused, or our disk fails: then receiver_status() has the error with
 * the way on.
 *
 * Whatever else happens - a large transaction, a full spool, a sync that takes long - the server
 * hears from us at least every 3 s: Neon ends senders after 10 s of silence.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "move/spool.h"
#include "pg/lsn.h"
#include "pg/replication.h"
#include "pg/url.h"

typedef struct Receiver Receiver;

typedef struct ReceiveRequest {
    const PgUrl *from;
    const char *slot;
    const char *publication;
    Lsn start; /* where the feed begins, when the spool is empty */
    Spool *spool;
    int64_t spool_limit; /* bytes; 0: none. Above it nothing is read until there is room again: the
                            source keeps its WAL. Said once as a warning. Exceeded only by what
                            cannot be applied yet: transactions that are streamed in progress */
    SystemId system;     /* the cluster that the feed began at; no other is read from */
    bool no_streaming;   /* transactions only once they have committed (protocol 1) */
} ReceiveRequest;

typedef struct ReceiveStatus {
    bool running;   /* the thread lives */
    bool connected; /* and streams */
    bool held_back; /* the spool is full */
    Lsn received;   /* the last message's */
    Lsn flushed;    /* confirmed: on our disk */
    Lsn server_end; /* the source's end of WAL, as last heard */
    int64_t bytes;  /* received in all */
    int64_t messages;
    int reconnects;
    bool lost;       /* what is missing will not come any more: the stream cannot go on */
    SystemId system; /* of the last connection, or of the request */
    Error error;     /* why it ended, or why it is not connected right now; ERR_NONE: all is well */
} ReceiveStatus;

bool receiver_start(const ReceiveRequest *request, Receiver **ret, Error *err) MUST_USE;
void receiver_status(Receiver *receiver, ReceiveStatus *ret);
/* What the target has flushed: told to the server as `applied`. */
void receiver_set_applied(Receiver *receiver, Lsn lsn);
/* Ends within a second: syncs, confirms, closes. Accepts NULL. */
void receiver_stop(Receiver *receiver);

/* Says that the address leads elsewhere than it did. Always false. */
bool receive_other(const PgUrl *url, const SystemId *then, const SystemId *now, Error *err);
