/*
 * What the gateway's threads have in common, and what belongs to each of them.
 * Private to src/gateway.
 *
 * One main thread with a loop for signals, administration and metrics; workers
 * with a loop each for clients and their servers; a crew for what blocks.
 * Workers share nothing but what is in Gateway, all of which is constant,
 * atomic, or has its own lock.
 */
#pragma once

#include <openssl/evp.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include "gateway/gateway.h"
#include "gateway/metrics.h"
#include "gateway/roles.h"
#include "gateway/throttle.h"
#include "http/listener.h"
#include "http/loop.h"
#include "http/server.h"
#include "http/tls.h"
#include "pg/pg.h"

typedef struct Gateway Gateway;
typedef struct Worker Worker;
typedef struct Session Session;
typedef struct Work Work;
typedef struct Pool Pool;
typedef struct CancelTable CancelTable;
typedef struct Ending Ending;

/* A server to connect to. Never freed while the gateway runs: there are as many as switches. */
typedef struct Upstream {
    PgUrl url;
    int64_t generation;
} Upstream;

struct Worker {
    Gateway *gateway;
    Loop *loop;
    HttpServer *http;
    Listener *listeners[3];
    Pool *pool;
    const Upstream *upstream;
    LIST_HEAD(, Session) sessions;
    LIST_HEAD(, Work) works;
    LIST_HEAD(, Ending) endings;
    Metrics metrics;
    unsigned char request_salt[16]; /* of the ids of its requests */
    uint64_t request_count;
    int index;
    int sql_busy;        /* requests that have a server */
    int sessions_served; /* WebSocket and TCP clients that have one */
    int connecting;
    int cancelling; /* for sessions that wait for it */
    STAILQ_HEAD(, CancelAgain) cancels_again;
    struct event *cancel_timer; /* NULL: none was needed yet */
    int pause_id;               /* 0: serving */
    atomic_int pause_acked;     /* the last one in which nothing was at work any more */
    atomic_int unfinished;      /* while draining: connections whose client still waits */
    bool draining;
    EVP_MAC_CTX *prover; /* proof_make()'s */
};

struct Gateway {
    const GatewayOptions *options;
    Crew *crew; /* of logins */
    Crew *cancellers;
    Tls *tls;
    Roles *roles;
    Throttle *throttle;
    CancelTable *cancels;
    Worker *workers;
    int worker_count;
    Loop *main;
    unsigned char salt[32]; /* of this process: what stands for a password in memory */
    Budget budget;
    atomic_bool stopping;
    /* When it was last said that the server asks for no password, or is not there; 0: never. */
    atomic_llong unproven_at;
    atomic_llong unreached_at;
    atomic_int clients; /* of all three protocols, whatever they do */
    /* Called on a worker's thread when its pause has become true. */
    void (*paused)(Worker *worker);
};

#define SHORT_MESSAGE "the gateway holds as much as it may (--max-memory), try again later"

/* To be asked whenever something has ended: is the pause reached now? */
void worker_check_pause(Worker *worker);
