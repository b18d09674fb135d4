/*
 * What an open session does with the bytes that pass through it: it only looks
 * at the heads of messages, to know whether a transaction or a query is open.
 * Private to src/gateway.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One direction: messages, cut anywhere. */
typedef struct Tracker {
    char head[5];
    int head_len;
    uint32_t left; /* bytes of the current message that are still to come */
    char type;
    bool first; /* the next payload byte is its first */
    bool broken;
} Tracker;

/* The server told the client of an error. */
typedef void RelayError(void *arg, const char *sqlstate);

typedef struct RelayState {
    Tracker client;
    Tracker server;
    RelayError *on_error; /* NULL: nobody wants to know */
    void *arg;
    char error[96]; /* the beginning of an ErrorResponse: its code stands there */
    size_t error_len;
    int pending;      /* answers (ReadyForQuery) that are still to come */
    bool unsynced;    /* messages went to the server that no Sync has followed */
    bool copied;      /* a COPY has swallowed Syncs: the next ReadyForQuery settles it */
    char transaction; /* 'I', 'T', 'E' */
} RelayState;

void relay_init(RelayState *state);
/* False: lengths that no message can have. */
bool relay_from_client(RelayState *state, const char *data, size_t len);
bool relay_from_server(RelayState *state, const char *data, size_t len);
/* Every answer has come; a transaction may be open. */
bool relay_is_answered(const RelayState *state);
/* Nothing is open: it could end here, and nobody would miss a thing. */
bool relay_is_idle(const RelayState *state);
