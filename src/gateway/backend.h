/*
 * A connection to the server. libpq makes it (names, TLS, passwords) on one of
 * the crew's threads; from then on its socket, and its TLS, are the worker's,
 * and messages are read and written as they are. Private to src/gateway.
 *
 * Why not libpq for the messages as well: docs/decisions/0008-gateway-wire.md.
 */
#pragma once

#include "gateway/shared.h"
#include "gateway/wire.h"

typedef struct Login {
    const char *user;
    const char *database;
    const char *password;
    const char *options; /* startup's, NULL: none */
    const char *application;
    const char *replication; /* NULL: none */
    const char *encoding;    /* client_encoding, NULL: UTF8 */
    bool proven;             /* the gateway has checked the password itself */
} Login;

typedef struct Backend Backend;

/* What its user hears. After `lost` it is gone from the user's hands, who frees it. */
typedef struct BackendUser {
    /* One message; the payload is only valid during the call. False: the backend was given away or
     * freed meanwhile. */
    bool (*message)(void *arg, char type, const char *payload, size_t len);
    void (*lost)(void *arg);
    void *arg;
} BackendUser;

struct Backend {
    TAILQ_ENTRY(Backend) link; /* the pool's */
    Worker *worker;
    PGconn *conn;
    Stream *stream;
    void *group; /* the pool's */
    BackendUser user;
    size_t message_max;
    double born;
    double idle_since;
    int64_t generation;
    unsigned char proof[32]; /* the pool's */
    int resets;              /* answers to its cleaning that are still to come */
    bool hurried;            /* its user may have set how long a statement may take */
    bool reset_seen;         /* its last statement has been answered */
    bool reset_failed;
    bool protocol_broken;
    bool cancelled;
    bool starved;     /* there was no memory for its message */
    size_t charged;   /* to the budget, for that */
    char transaction; /* 'I', 'T' or 'E', as the server last said */
};

/* One of both: a backend, or why there is none. Valid during the call (the error). */
typedef void LoginDone(void *arg, Backend *backend, const WireError *error);

typedef struct LoginJob LoginJob;
LoginJob *backend_login(Worker *worker, const Login *login, LoginDone *done, void *arg);
/* If it has not begun it need not; what it comes to is told as ever. */
void login_withdraw(LoginJob *job);
/* Nobody wants it any more, nor hears of it: a connection is closed when it comes about. */
void login_abandon(LoginJob *job);

/* Closes at once; what was cancelled, when the server has. Accepts NULL. */
void backend_free(Backend *backend);
void backend_set_user(Backend *backend, const BackendUser *user);
/* Messages are read from the stream and told to the user from now on. */
void backend_read_messages(Backend *backend);
void backend_send(Backend *backend, Bytes *messages);
/* To be clean for the next request; ahead of that one's messages where it is there already. */
void backend_reset(Backend *backend);
/* Asks the server to end what it does, by a connection of its own, soon. */
void backend_cancel(Backend *backend);
/* Is it an error of who logs in, rather than of the server? */
bool error_is_login(const WireError *error);
bool error_is_password(const WireError *error); /* that, or no such role, or not from here */
bool error_is_full(const WireError *error);     /* the server has no connection left */
