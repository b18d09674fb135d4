/*
 * A session as session.c (its life, and what passes through it) and login.c
 * (who it is) see it. Private to these two.
 */
#pragma once

#include <event2/event.h>

#include "gateway/backend.h"
#include "gateway/cancel.h"
#include "gateway/relay.h"
#include "gateway/session.h"
#include "http/address.h"
#include "http/websocket.h"

typedef enum SessionState {
    SESSION_STARTUP,
    SESSION_HANDSHAKE,        /* of TLS on 5432 */
    SESSION_HANDSHAKE_DIRECT, /* without being asked for */
    SESSION_PASSWORD,
    SESSION_SASL_FIRST,
    SESSION_SASL_FINAL,
    SESSION_GATED, /* the gateway is paused */
    SESSION_HELD,  /* others of its address log in, or the server has no connection left */
    SESSION_CONNECTING,
    SESSION_CANCELS, /* another one's query, and waits until that has been sent */
    SESSION_OPEN,
    SESSION_CLOSING
} SessionState;

struct Session {
    LIST_ENTRY(Session) link;
    Worker *worker;
    Arena *arena; /* until it is open */
    Protocol protocol;
    SessionState state;
    int fd; /* before there is a stream: 5432, nothing has come yet */
    struct event *peek;
    Stream *client;
    WebSocket *ws; /* NULL: 5432 */
    Bytes frames;  /* of ws: what was in them */
    struct event *deadline;
    Startup startup;
    const char *password;
    Scram *scram;
    ScramKeys keys;
    unsigned char proof[PROOF_BYTES]; /* of the password */
    bool shown;     /* the gateway has seen by itself that the password is right */
    bool trying;    /* the throttle counts its login */
    bool throttled; /* ... or that it was told to come later */
    int full_tries;
    double give_up; /* when it was held for too long */
    LoginJob *login;
    Backend *backend;
    RelayState relay;
    uint32_t cancel_key;
    CancelJob *cancel;
    char peer[ADDRESS_TEXT_MAX];
    double since;      /* it waits for a server; 0: it does not */
    double asked;      /* of the request that is at work; 0: there is none */
    uint64_t bytes_in; /* that the metrics know of */
    uint64_t bytes_out;
    uint64_t in_at_close; /* bytes that had come when it began to close */
    bool pumping;
    bool dead;
};

/* Sends what is in `out`, which is empty then. */
void session_write(Session *session, Bytes *out);
/* Where TLS is configured: what the client sends next is its handshake. */
void session_accept_tls(Session *session);
/* What the client has sent and nobody has taken yet. */
Bytes *session_input(Session *session);
/* The last word to the client. */
void session_refuse(Session *session, const char *code, const char *message);
void session_close(Session *session);
void session_free(Session *session);
/* Who it said it is did not show that. */
void session_log_refused(const Session *session, const char *sqlstate);
/* It has a password to show. */
void session_connect(Session *session);
void session_refuse_throttled(Session *session);
Claim session_claim(const Session *session);

/* login.c: take what the client sent, by the session's state. True: there may be more to take. */
bool login_take_startup(Session *session);
bool login_take_message(Session *session);
