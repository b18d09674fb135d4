/*
 * The pool's inside as pool.c (who gets which connection) and poollogin.c (how
 * new ones come about) see it. Private to these two.
 */
#pragma once

#include <event2/event.h>
#include <uthash.h>

#include "gateway/pool.h"
#include "gateway/trust.h"
#include "http/address.h"

enum {
    AGAIN_MS = 50 /* until what waits for the time alone is looked at again */
};

typedef struct Group Group;
TAILQ_HEAD(BackendList, Backend);
TAILQ_HEAD(TicketList, PoolTicket);

struct PoolTicket {
    TAILQ_ENTRY(PoolTicket) link;
    Group *group;
    Arena *arena;
    ConnString who;
    const char *peer;
    unsigned char proof[PROOF_BYTES];
    PoolReady *ready;
    void *arg;
    struct LoginArg *login; /* made for this one; whoever is first may get it */
    struct event *deadline;
    double since;
    double not_before; /* its next login, or question to the throttle */
    int full_tries;
    bool throttled; /* told to come later */
    bool known;     /* its password was right from its address before */
    bool *served;   /* set where it is served before pool_acquire() has returned */
};

/* A connection on its way. It comes into the group also where its ticket has gone by then. */
typedef struct LoginArg {
    LIST_ENTRY(LoginArg) link;
    Group *group;
    LoginJob *job;
    PoolTicket *ticket; /* NULL: gone, or a check */
    unsigned char proof[PROOF_BYTES];
    char peer[ADDRESS_TEXT_MAX];
    double since;
    bool proving; /* nobody has seen this password to be right: the throttle counts it */
    bool check;   /* only whether it is right still */
} LoginArg;

/* One database and role. */
struct Group {
    UT_hash_handle hh;
    char *key;
    size_t key_len;
    Pool *pool;
    struct BackendList idle; /* the one used last first */
    struct TicketList waiting;
    LIST_HEAD(, LoginArg) logins;
    TrustList trusted;
    int total; /* idle, at work, on their way */
    bool dispatching;
    bool held; /* something in it waits for the time alone */
};

struct Pool {
    Worker *worker;
    Group *groups;
    struct event *sweep;
    struct event *again; /* for groups that are held */
    int limit;
    int waiting_limit;
    int waiting;
    bool paused;
};

/* pool.c */
void idle_add(Group *group, Backend *backend);
void idle_close(Backend *backend);
void idle_close_of(Group *group, const unsigned char *proof); /* that this password has made */
PoolTicket *ticket_find(Group *group, const unsigned char *proof);
void ticket_end(PoolTicket *ticket, PoolOutcome outcome, Backend *backend, const WireError *error);
void hand_out(Group *group, PoolTicket *ticket, Backend *backend);
void group_dispatch(Group *group);
/* What it waits for is only time. */
void group_hold(Group *group);
void group_forget(Group *group, const unsigned char *proof);

/* poollogin.c */
/* What there is to do for a ticket that cannot simply have a connection: none is there, or there is
 * this one, but the throttle has to be asked first. False: it is served or refused, and no more. */
bool ticket_wait(Group *group, PoolTicket *ticket, bool trusted, Backend *backend);
/* Asks whether the password is right still, where that was not done for long. */
void group_recheck(Group *group, Trust *trust, const ConnString *who);
void logins_abandon(Group *group);
