#include "gateway/pool.h"

#include <assert.h>
#include <event2/event.h>
#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "core/clock.h"
#include "core/log.h"

enum {
    PROOF_BYTES = 32,
    MAX_KEY = 1024,
    MAX_WAITING = 2000,
    MAX_TRUSTED = 8, /* passwords of one role that are right at the same time: old and new */
    IDLE_S = 300,
    LIFE_S = 3600,
    SWEEP_S = 10
};

typedef struct Group Group;
TAILQ_HEAD(BackendList, Backend);
TAILQ_HEAD(TicketList, PoolTicket);

/* The server has taken this password; `at` says when. */
typedef struct Trust {
    unsigned char proof[PROOF_BYTES];
    double at;
    LoginJob *check; /* it is asked again */
    struct CheckArg *check_arg;
} Trust;

struct PoolTicket {
    TAILQ_ENTRY(PoolTicket) link;
    Group *group;
    Arena *arena;
    ConnString who;
    unsigned char proof[PROOF_BYTES];
    PoolReady *ready;
    void *arg;
    struct LoginArg *login; /* made for this one; whoever is first may get it */
    struct event *deadline;
    double since;
    bool *served; /* set where it is served before pool_acquire() has returned */
};

/* A connection on its way. It comes into the group also where its ticket has gone by then. */
typedef struct LoginArg {
    Group *group;
    PoolTicket *ticket; /* NULL: gone */
    unsigned char proof[PROOF_BYTES];
} LoginArg;

/* One database and role. */
struct Group {
    UT_hash_handle hh;
    char *key;
    size_t key_len;
    Pool *pool;
    struct BackendList idle; /* the one used last first */
    struct TicketList waiting;
    Trust trusted[MAX_TRUSTED];
    int total; /* idle, at work, on their way */
    bool dispatching;
};

struct Pool {
    Worker *worker;
    Group *groups;
    struct event *sweep;
    int limit;
    int waiting;
    bool paused;
};

/* ---- passwords ---- */

static void make_proof(const Pool *pool, const ConnString *who, unsigned char ret[PROOF_BYTES])
{
    const unsigned char *salt = pool->worker->gateway->salt;
    unsigned len = 0;

    if (!HMAC(EVP_sha256(), salt, sizeof pool->worker->gateway->salt,
              (const unsigned char *)who->password, strlen(who->password), ret, &len))
        abort();
}

static bool same_proof(const unsigned char *a, const unsigned char *b)
{
    return CRYPTO_memcmp(a, b, PROOF_BYTES) == 0;
}

static Trust *trust_find(Group *group, const unsigned char *proof)
{
    for (int i = 0; i < MAX_TRUSTED; i++)
        if (group->trusted[i].at > 0 && same_proof(group->trusted[i].proof, proof))
            return &group->trusted[i];
    return NULL;
}

static void trust_remember(Group *group, const unsigned char *proof)
{
    Trust *trust = trust_find(group, proof);

    for (int i = 0; !trust && i < MAX_TRUSTED; i++)
        if (group->trusted[i].at == 0)
            trust = &group->trusted[i];
    if (!trust)
        return; /* not remembered: each of its logins is a new one */
    memcpy(trust->proof, proof, PROOF_BYTES);
    trust->at = clock_seconds();
}

/* ---- groups ---- */

static size_t group_key(const ConnString *who, char key[MAX_KEY])
{
    int len = snprintf(key, MAX_KEY, "%s%c%s", who->database, '\0', who->user);

    return len > 0 && len < MAX_KEY ? (size_t)len : 0;
}

static Group *group_find(const Pool *pool, const ConnString *who)
{
    char key[MAX_KEY];
    size_t len = group_key(who, key);
    Group *group = NULL;

    if (len > 0)
        HASH_FIND(hh, pool->groups, key, len, group);
    return group;
}

static Group *group_get(Pool *pool, const ConnString *who)
{
    Group *group = group_find(pool, who);
    char key[MAX_KEY];
    size_t len = group_key(who, key);

    if (group || len == 0)
        return group;
    group = calloc(1, sizeof *group);
    if (!group || !(group->key = malloc(len)))
        abort();
    memcpy(group->key, key, len);
    group->key_len = len;
    group->pool = pool;
    TAILQ_INIT(&group->idle);
    TAILQ_INIT(&group->waiting);
    HASH_ADD_KEYPTR(hh, pool->groups, group->key, len, group);
    return group;
}

static bool group_is_unused(const Group *group)
{
    for (int i = 0; i < MAX_TRUSTED; i++)
        if (group->trusted[i].check)
            return false;
    return group->total == 0 && TAILQ_EMPTY(&group->waiting) && !group->dispatching;
}

static void group_free(Group *group)
{
    HASH_DELETE(hh, group->pool->groups, group);
    OPENSSL_cleanse(group->trusted, sizeof group->trusted);
    free(group->key);
    free(group);
}

/* ---- backends ---- */

static void idle_lost(void *arg);

static void idle_remove(Backend *backend)
{
    Group *group = backend->group;

    TAILQ_REMOVE(&group->idle, backend, link);
    gauge_add(&group->pool->worker->metrics.pool_idle, -1);
}

static void idle_close(Backend *backend)
{
    Group *group = backend->group;

    idle_remove(backend);
    group->total--;
    backend_free(backend);
}

/* It ended by itself: the server restarts, or its reset failed. */
static void idle_lost(void *arg)
{
    idle_close(arg);
}

static void idle_add(Group *group, Backend *backend)
{
    backend->group = group;
    backend->idle_since = clock_seconds();
    backend_set_user(backend, &(BackendUser){.lost = idle_lost, .arg = backend});
    TAILQ_INSERT_HEAD(&group->idle, backend, link);
    gauge_add(&group->pool->worker->metrics.pool_idle, 1);
}

static Backend *idle_find(Group *group, const unsigned char *proof)
{
    Backend *backend;

    TAILQ_FOREACH(backend, &group->idle, link)
    if (same_proof(backend->proof, proof))
        return backend;
    return NULL;
}

/* Connections of a password that is right no more. */
static void idle_close_of(Group *group, const unsigned char *proof)
{
    for (Backend *backend; (backend = idle_find(group, proof)) != NULL;)
        idle_close(backend);
}

/* ---- tickets ---- */

static void ticket_free(PoolTicket *ticket)
{
    if (ticket->login)
        ticket->login->ticket = NULL;
    if (ticket->deadline)
        event_free(ticket->deadline);
    OPENSSL_cleanse(ticket->proof, sizeof ticket->proof);
    arena_free(ticket->arena);
    free(ticket);
}

static void ticket_leave(PoolTicket *ticket)
{
    Pool *pool = ticket->group->pool;

    TAILQ_REMOVE(&ticket->group->waiting, ticket, link);
    pool->waiting--;
    gauge_add(&pool->worker->metrics.pool_waiting, -1);
}

static void ticket_end(PoolTicket *ticket, PoolOutcome outcome, Backend *backend,
                       const WireError *error)
{
    PoolReady *ready = ticket->ready;
    void *arg = ticket->arg;

    if (ticket->served)
        *ticket->served = true;
    metrics_time(&ticket->group->pool->worker->metrics.wait, clock_seconds() - ticket->since);
    ticket_leave(ticket);
    ticket_free(ticket);
    ready(arg, outcome, backend, error);
}

static void hand_out(Group *group, PoolTicket *ticket, Backend *backend)
{
    idle_remove(backend);
    gauge_add(&group->pool->worker->metrics.pool_busy, 1);
    group->pool->worker->sql_busy++;
    ticket_end(ticket, POOL_READY, backend, NULL);
}

static const char default_options[] =
    "-c DateStyle=ISO -c IntervalStyle=postgres -c bytea_output=hex -c extra_float_digits=1 "
    "-c standard_conforming_strings=on";

static Login login_of(const Pool *pool, Arena *arena, const ConnString *who)
{
    const char *zone = pool->worker->gateway->options->timezone;
    bool servers = !zone || strcmp(zone, "server") == 0;

    return (Login){
        .user = who->user,
        .database = who->database,
        .password = who->password,
        /* No "homeport ": those are the mover's, which the fence spares (move/fence.h). */
        .application = "homeport-gateway",
        .options = servers ? default_options
                           : arena_printf(arena, "%s -c TimeZone=%s", default_options, zone),
    };
}

static void login_done(void *arg, Backend *backend, const WireError *error);

static void ticket_login(Group *group, PoolTicket *ticket)
{
    Login login = login_of(group->pool, ticket->arena, &ticket->who);
    LoginArg *arg = calloc(1, sizeof *arg);

    if (!arg)
        abort();
    arg->group = group;
    arg->ticket = ticket;
    memcpy(arg->proof, ticket->proof, sizeof arg->proof);
    ticket->login = arg;
    group->total++;
    (void)backend_login(group->pool->worker, &login, login_done, arg);
}

/* A connection that idles for somebody else makes room. */
static bool make_room(Group *group)
{
    Backend *last = TAILQ_LAST(&group->idle, BackendList);

    if (group->total < group->pool->limit)
        return true;
    if (!last)
        return false;
    idle_close(last);
    return true;
}

static void dispatch(Group *group)
{
    PoolTicket *next;

    if (group->pool->paused || group->dispatching)
        return;
    group->dispatching = true;
    for (PoolTicket *ticket = TAILQ_FIRST(&group->waiting); ticket; ticket = next) {
        next = TAILQ_NEXT(ticket, link);
        Trust *trust = trust_find(group, ticket->proof);
        Backend *backend = trust ? idle_find(group, ticket->proof) : NULL;
        if (backend) {
            hand_out(group, ticket, backend);
            /* What was called may have taken tickets out of the line. */
            next = TAILQ_FIRST(&group->waiting);
        } else if (!ticket->login && make_room(group)) {
            ticket_login(group, ticket);
        }
    }
    group->dispatching = false;
}

static bool is_passing(const WireError *error)
{
    const char *code = error->fields[FIELD_CODE];

    return code && strcmp(code, "53300") == 0;
}

/* The password is wrong for all who came with it, the others may be luckier. */
static void refuse_all(Group *group, const unsigned char *proof, const WireError *error)
{
    PoolTicket *next;

    for (PoolTicket *ticket = TAILQ_FIRST(&group->waiting); ticket; ticket = next) {
        next = TAILQ_NEXT(ticket, link);
        if (same_proof(ticket->proof, proof)) {
            ticket_end(ticket, POOL_REFUSED, NULL, error);
            next = TAILQ_FIRST(&group->waiting);
        }
    }
}

static void forget(Group *group, const unsigned char *proof)
{
    Trust *trust = trust_find(group, proof);

    if (trust && !trust->check)
        *trust = (Trust){.at = 0};
    else if (trust)
        trust->at = 0;
    idle_close_of(group, proof);
}

static void login_failed(Group *group, PoolTicket *ticket, const unsigned char *proof,
                         const WireError *error)
{
    group->total--;
    /* Full there, but connections of ours are at work: one of them will do. */
    if (is_passing(error) && group->total > 0)
        return;
    if (error_is_login(error)) {
        forget(group, proof);
        refuse_all(group, proof, error);
    } else if (ticket) {
        ticket_end(ticket, POOL_REFUSED, NULL, error);
    }
    dispatch(group);
}

static void login_done(void *arg, Backend *backend, const WireError *error)
{
    LoginArg *login = arg;
    Group *group = login->group;

    if (login->ticket)
        login->ticket->login = NULL;
    if (!backend) {
        login_failed(group, login->ticket, login->proof, error);
    } else {
        memcpy(backend->proof, login->proof, sizeof backend->proof);
        backend->message_max = group->pool->worker->gateway->options->max_response_bytes;
        backend_read_messages(backend);
        trust_remember(group, login->proof);
        idle_add(group, backend);
        if (group->pool->paused)
            idle_close(backend);
        else
            dispatch(group);
    }
    OPENSSL_cleanse(login->proof, sizeof login->proof);
    free(login);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    PoolTicket *ticket = arg;

    (void)fd;
    (void)what;
    metric_add(&ticket->group->pool->worker->metrics.pool_timeouts, 1);
    ticket_end(ticket, POOL_TIMEOUT, NULL, NULL);
}

/* ---- is a password still right? ---- */

typedef struct CheckArg {
    Group *group;
    unsigned char proof[PROOF_BYTES];
} CheckArg;

static void check_done(void *arg, Backend *backend, const WireError *error)
{
    CheckArg *check = arg;
    Trust *trust = trust_find(check->group, check->proof);

    for (int i = 0; i < MAX_TRUSTED; i++)
        if (check->group->trusted[i].check_arg == check) {
            check->group->trusted[i].check = NULL;
            check->group->trusted[i].check_arg = NULL;
        }
    if (backend && trust)
        trust->at = clock_seconds();
    else if (error && error_is_login(error))
        forget(check->group, check->proof);
    backend_free(backend);
    OPENSSL_cleanse(check->proof, sizeof check->proof);
    free(check);
}

/* Behind the back of the request that is given the benefit of the doubt. */
static void recheck(Group *group, Trust *trust, const ConnString *who, Arena *arena)
{
    double allowed = group->pool->worker->gateway->options->recheck_ms / 1000.0;

    if (trust->check || clock_seconds() - trust->at < allowed || group->pool->paused)
        return;
    CheckArg *check = calloc(1, sizeof *check);
    if (!check)
        abort();
    check->group = group;
    memcpy(check->proof, trust->proof, sizeof check->proof);
    Login login = login_of(group->pool, arena, who);
    trust->check_arg = check;
    trust->check = backend_login(group->pool->worker, &login, check_done, check);
}

bool pool_trusts(Pool *pool, const ConnString *who)
{
    Group *group = group_find(pool, who);
    unsigned char proof[PROOF_BYTES];

    if (!group)
        return false;
    make_proof(pool, who, proof);
    return trust_find(group, proof) != NULL;
}

/* Older than twice the time to the next question: nobody has asked for long, so the password has to
 * be shown to the server before it opens anything. */
static void forget_stale(Group *group, const unsigned char *proof)
{
    Trust *trust = trust_find(group, proof);
    double allowed = group->pool->worker->gateway->options->recheck_ms / 1000.0;

    if (trust && clock_seconds() - trust->at > 2 * allowed)
        forget(group, proof);
}

/* ---- from outside ---- */

PoolTicket *pool_acquire(Pool *pool, const ConnString *who, PoolReady *ready, void *arg)
{
    Group *group = group_get(pool, who);
    unsigned char proof[PROOF_BYTES];

    if (!group || pool->waiting >= MAX_WAITING) {
        ready(arg, POOL_FULL, NULL, NULL);
        return NULL;
    }
    make_proof(pool, who, proof);
    forget_stale(group, proof);
    Trust *trust = trust_find(group, proof);
    Backend *backend =
        trust && TAILQ_EMPTY(&group->waiting) && !pool->paused ? idle_find(group, proof) : NULL;
    if (backend) {
        auto_arena Arena *arena = arena_new();
        recheck(group, trust, who, arena);
        metric_add(&pool->worker->metrics.pool_hits, 1);
        idle_remove(backend);
        gauge_add(&pool->worker->metrics.pool_busy, 1);
        pool->worker->sql_busy++;
        ready(arg, POOL_READY, backend, NULL);
        return NULL;
    }

    PoolTicket *ticket = calloc(1, sizeof *ticket);
    if (!ticket)
        abort();
    ticket->arena = arena_new();
    ticket->group = group;
    ticket->ready = ready;
    ticket->arg = arg;
    ticket->since = clock_seconds();
    ticket->who = (ConnString){
        .user = arena_strdup(ticket->arena, who->user),
        .password = arena_strdup(ticket->arena, who->password),
        .database = arena_strdup(ticket->arena, who->database),
    };
    memcpy(ticket->proof, proof, sizeof proof);
    int wait_ms = pool->worker->gateway->options->queue_ms;
    struct timeval wait = {.tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000L};
    ticket->deadline = event_new(loop_base(pool->worker->loop), -1, 0, on_deadline, ticket);
    if (!ticket->deadline || event_add(ticket->deadline, &wait) != 0)
        abort();
    TAILQ_INSERT_TAIL(&group->waiting, ticket, link);
    pool->waiting++;
    gauge_add(&pool->worker->metrics.pool_waiting, 1);
    metric_add(&pool->worker->metrics.pool_waits, 1);
    bool served = false;
    ticket->served = &served;
    dispatch(group);
    if (served)
        return NULL;
    ticket->served = NULL;
    return ticket;
}

void pool_abandon(PoolTicket *ticket)
{
    Group *group = ticket->group;

    ticket_leave(ticket);
    ticket_free(ticket);
    dispatch(group);
}

static void leave_work(Backend *backend)
{
    Worker *worker = backend->worker;

    gauge_add(&worker->metrics.pool_busy, -1);
    worker->sql_busy--;
}

void pool_discard(Backend *backend)
{
    Group *group = backend->group;
    Worker *worker = backend->worker;

    leave_work(backend);
    group->total--;
    backend_free(backend);
    dispatch(group);
    worker_check_pause(worker);
}

void pool_release(Backend *backend)
{
    Group *group = backend->group;
    Worker *worker = backend->worker;
    Bytes messages = bytes_init(SIZE_MAX);
    double now = clock_seconds();

    /* A password that was found wrong while it worked; a server that is not ours any more. */
    if (!trust_find(group, backend->proof) || group->pool->paused || worker->draining ||
        backend->generation != worker->upstream->generation || now - backend->born > LIFE_S) {
        pool_discard(backend);
        return;
    }
    if (backend->transaction != 'I') {
        wire_add_simple(&messages, "ROLLBACK");
        backend->resets++;
    }
    wire_add_simple(&messages, "DISCARD ALL");
    backend->resets++;
    backend_send(backend, &messages);
    bytes_free(&messages);
    metric_add(&worker->metrics.resets, 1);
    leave_work(backend);
    idle_add(group, backend);
    if (!TAILQ_EMPTY(&group->waiting))
        dispatch(group);
    worker_check_pause(worker);
}

void pool_pause(Pool *pool)
{
    pool->paused = true;
    for (Group *group = pool->groups, *next; group; group = next) {
        next = group->hh.next;
        while (!TAILQ_EMPTY(&group->idle))
            idle_close(TAILQ_FIRST(&group->idle));
    }
}

void pool_resume(Pool *pool)
{
    pool->paused = false;
    for (Group *group = pool->groups, *next; group; group = next) {
        next = group->hh.next;
        dispatch(group);
    }
}

int pool_waiting(const Pool *pool)
{
    return pool->waiting;
}

static void on_sweep(evutil_socket_t fd, short what, void *arg)
{
    Pool *pool = arg;
    double now = clock_seconds();

    (void)fd;
    (void)what;
    for (Group *group = pool->groups, *next; group; group = next) {
        next = group->hh.next;
        for (Backend *backend = TAILQ_FIRST(&group->idle), *after; backend; backend = after) {
            after = TAILQ_NEXT(backend, link);
            if (now - backend->idle_since > IDLE_S || now - backend->born > LIFE_S)
                idle_close(backend);
        }
        if (group_is_unused(group))
            group_free(group);
    }
}

Pool *pool_new(Worker *worker)
{
    static const struct timeval every = {.tv_sec = SWEEP_S};
    Pool *pool = calloc(1, sizeof *pool);
    int share = worker->gateway->options->pool_size / worker->gateway->worker_count;

    if (!pool)
        abort();
    pool->worker = worker;
    pool->limit = share > 0 ? share : 1;
    pool->sweep = event_new(loop_base(worker->loop), -1, EV_PERSIST, on_sweep, pool);
    if (!pool->sweep || event_add(pool->sweep, &every) != 0)
        abort();
    return pool;
}

void pool_free(Pool *pool)
{
    if (!pool)
        return;
    event_free(pool->sweep);
    for (Group *group = pool->groups, *next; group; group = next) {
        next = group->hh.next;
        while (!TAILQ_EMPTY(&group->idle))
            idle_close(TAILQ_FIRST(&group->idle));
        group_free(group);
    }
    free(pool);
}
