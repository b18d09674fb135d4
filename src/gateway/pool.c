#include <assert.h>
#include <event2/event.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/memory.h"
#include "gateway/group.h"

enum {
    MAX_KEY = 1024,
    IDLE_S = 300,
    LIFE_S = 3600,
    SWEEP_S = 10,
    ASK_S = 60 /* whether the throttle still knows who comes again and again */
};

static const double cleaning_s = 0.0002;

/* ---- groups ---- */

static size_t group_key(const ConnString *who, char key[MAX_KEY])
{
    size_t database = strlen(who->database) + 1;
    size_t user = strlen(who->user);

    if (database + user >= MAX_KEY)
        return 0;
    memcpy(key, who->database, database);
    memcpy(key + database, who->user, user + 1);
    return database + user;
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
    group = memory_zeroed(1, sizeof *group);
    group->key = memory_new(len + 1);
    memcpy(group->key, key, len + 1);
    group->key_len = len;
    group->pool = pool;
    TAILQ_INIT(&group->idle);
    TAILQ_INIT(&group->waiting);
    LIST_INIT(&group->logins);
    HASH_ADD_KEYPTR(hh, pool->groups, group->key, len, group);
    return group;
}

static bool group_is_unused(const Group *group)
{
    return group->total == 0 && TAILQ_EMPTY(&group->waiting) && LIST_EMPTY(&group->logins) &&
           !group->dispatching;
}

static void group_free(Group *group)
{
    HASH_DELETE(hh, group->pool->groups, group);
    OPENSSL_cleanse(&group->trusted, sizeof group->trusted);
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

void idle_close(Backend *backend)
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

void idle_add(Group *group, Backend *backend)
{
    backend->group = group;
    backend->idle_since = clock_seconds();
    backend_set_user(backend, &(BackendUser){.lost = idle_lost, .arg = backend});
    TAILQ_INSERT_HEAD(&group->idle, backend, link);
    gauge_add(&group->pool->worker->metrics.pool_idle, 1);
}

/* The one used last of those that the server has had the time to clean; so that the others grow old
 * and go. */
static Backend *idle_find(Group *group, const unsigned char *proof)
{
    Backend *backend;
    Backend *found = NULL;
    double rested = clock_seconds() - cleaning_s;

    TAILQ_FOREACH(backend, &group->idle, link)
    if (proof_same(backend->proof, proof)) {
        found = backend;
        if (backend->idle_since < rested)
            break;
    }
    return found;
}

/* Connections of a password that is right no more. */
void idle_close_of(Group *group, const unsigned char *proof)
{
    for (Backend *backend; (backend = idle_find(group, proof)) != NULL;)
        idle_close(backend);
}

/* ---- tickets ---- */

PoolTicket *ticket_find(Group *group, const unsigned char *proof)
{
    PoolTicket *ticket;

    TAILQ_FOREACH(ticket, &group->waiting, link)
    if (proof_same(ticket->proof, proof))
        return ticket;
    return NULL;
}

/* Out of the line already. */
static void ticket_free(PoolTicket *ticket)
{
    LoginArg *login = ticket->login;
    Claim claim = {ticket->peer, ticket->who.user, ticket->proof};

    throttle_leave(ticket->group->pool->worker->gateway->throttle, &claim, &ticket->throttled);
    if (login)
        login->ticket = NULL;
    if (login && !ticket_find(ticket->group, ticket->proof))
        login_withdraw(login->job);
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

void ticket_end(PoolTicket *ticket, PoolOutcome outcome, Backend *backend, const WireError *error)
{
    PoolReady *ready = ticket->ready;
    void *arg = ticket->arg;

    if (ticket->served)
        *ticket->served = true;
    metrics_time(&ticket->group->pool->worker->metrics.wait[PROTOCOL_HTTP],
                 clock_seconds() - ticket->since);
    ticket_leave(ticket);
    ticket_free(ticket);
    ready(arg, outcome, backend, error);
}

void hand_out(Group *group, PoolTicket *ticket, Backend *backend)
{
    idle_remove(backend);
    gauge_add(&group->pool->worker->metrics.pool_busy, 1);
    group->pool->worker->sql_busy++;
    ticket_end(ticket, POOL_READY, backend, NULL);
}

/* A password may be tried as often as one likes only from where it was right before: otherwise the
 * connections of others would tell a stranger, without a limit, which one is. */
static bool is_known(const Group *group, Trust *trust, const char *role, const char *peer)
{
    Claim claim = {peer, role, trust->proof};
    double now = clock_seconds();

    if (now - trust->peer_at < ASK_S && strcmp(trust->peer, peer) == 0)
        return true;
    if (!throttle_knows_still(group->pool->worker->gateway->throttle, &claim))
        return false;
    (void)snprintf(trust->peer, sizeof trust->peer, "%s", peer);
    trust->peer_at = now;
    return true;
}

void group_hold(Group *group)
{
    static const struct timeval soon = {.tv_usec = AGAIN_MS * 1000L};
    struct event *again = group->pool->again;

    group->held = true;
    if (!event_pending(again, EV_TIMEOUT, NULL))
        (void)event_add(again, &soon);
}

void group_dispatch(Group *group)
{
    PoolTicket *next;

    if (group->pool->paused || group->dispatching)
        return;
    group->dispatching = true;
    group->held = false;
    for (PoolTicket *ticket = TAILQ_FIRST(&group->waiting); ticket; ticket = next) {
        next = TAILQ_NEXT(ticket, link);
        Trust *trust = trust_find(&group->trusted, ticket->proof);
        Backend *backend = trust ? idle_find(group, ticket->proof) : NULL;
        if (trust && !ticket->known)
            ticket->known = is_known(group, trust, ticket->who.user, ticket->peer);
        bool trusted = trust && ticket->known;
        if (backend && trusted)
            hand_out(group, ticket, backend);
        else if (ticket_wait(group, ticket, trusted, backend))
            continue;
        /* What was called may have taken tickets out of the line. */
        next = TAILQ_FIRST(&group->waiting);
    }
    group->dispatching = false;
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
    Pool *pool = arg;

    (void)fd;
    (void)what;
    for (Group *group = pool->groups, *next; group; group = next) {
        next = group->hh.next;
        if (group->held)
            group_dispatch(group);
    }
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    PoolTicket *ticket = arg;

    (void)fd;
    (void)what;
    metric_add(&ticket->group->pool->worker->metrics.pool_timeouts, 1);
    ticket_end(ticket, POOL_TIMEOUT, NULL, NULL);
}

/* ---- passwords ---- */

void group_forget(Group *group, const unsigned char *proof)
{
    trust_forget(&group->trusted, proof);
    idle_close_of(group, proof);
}

/* Older than twice the time to the next question: nobody has asked for long, so the password has to
 * be shown to the server before it opens anything. */
static void forget_stale(Group *group, const unsigned char *proof)
{
    const Trust *trust = trust_find(&group->trusted, proof);
    double allowed = group->pool->worker->gateway->options->recheck_ms / 1000.0;

    if (trust && clock_seconds() - trust->at > 2 * allowed)
        group_forget(group, proof);
}

/* ---- from outside ---- */

/* The way of nearly all: nothing is asked of anybody. */
static Backend *acquire_idle(Group *group, const ConnString *who, const unsigned char *proof,
                             const char *peer)
{
    Pool *pool = group->pool;
    Trust *trust = trust_find(&group->trusted, proof);
    Backend *backend =
        trust && !ticket_find(group, proof) && !pool->paused ? idle_find(group, proof) : NULL;

    if (!backend || !is_known(group, trust, who->user, peer))
        return NULL;
    trust->used = clock_seconds();
    group_recheck(group, trust, who);
    metric_add(&pool->worker->metrics.pool_hits, 1);
    idle_remove(backend);
    gauge_add(&pool->worker->metrics.pool_busy, 1);
    pool->worker->sql_busy++;
    return backend;
}

static PoolTicket *ticket_new(Group *group, const ConnString *who, const char *peer)
{
    PoolTicket *ticket = memory_zeroed(1, sizeof *ticket);
    Pool *pool = group->pool;
    int wait_ms = pool->worker->gateway->options->queue_ms;
    struct timeval wait = {.tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000L};

    ticket->arena = arena_new();
    ticket->group = group;
    ticket->since = clock_seconds();
    ticket->peer = arena_strdup(ticket->arena, peer);
    ticket->who = (ConnString){
        .user = arena_strdup(ticket->arena, who->user),
        .password = arena_strdup(ticket->arena, who->password),
        .database = arena_strdup(ticket->arena, who->database),
    };
    ticket->deadline = event_new(loop_base(pool->worker->loop), -1, 0, on_deadline, ticket);
    must(ticket->deadline && event_add(ticket->deadline, &wait) == 0, "memory");
    TAILQ_INSERT_TAIL(&group->waiting, ticket, link);
    pool->waiting++;
    gauge_add(&pool->worker->metrics.pool_waiting, 1);
    metric_add(&pool->worker->metrics.pool_waits, 1);
    return ticket;
}

PoolTicket *pool_acquire(Pool *pool, const ConnString *who, const char *peer, PoolReady *ready,
                         void *arg)
{
    Group *group = group_get(pool, who);
    unsigned char proof[PROOF_BYTES];
    bool served = false;

    if (!group) {
        ready(arg, POOL_FULL, NULL, NULL);
        return NULL;
    }
    proof_make(pool->worker, who->password, proof);
    forget_stale(group, proof);
    Backend *backend = acquire_idle(group, who, proof, peer);
    if (backend || pool->waiting >= pool->waiting_limit) {
        ready(arg, backend ? POOL_READY : POOL_FULL, backend, NULL);
        return NULL;
    }
    PoolTicket *ticket = ticket_new(group, who, peer);
    memcpy(ticket->proof, proof, sizeof proof);
    ticket->ready = ready;
    ticket->arg = arg;
    ticket->served = &served;
    group_dispatch(group);
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
    group_dispatch(group);
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
    group_dispatch(group);
    worker_check_pause(worker);
}

/* A password that was found wrong while it worked; a server that is not ours any more. */
static bool is_spent(const Backend *backend)
{
    Group *group = backend->group;
    const Worker *worker = backend->worker;

    return !trust_find(&group->trusted, backend->proof) || group->pool->paused ||
           worker->draining || backend->generation != worker->upstream->generation ||
           clock_seconds() - backend->born > LIFE_S;
}

void pool_return(Backend *backend)
{
    Group *group = backend->group;
    Worker *worker = backend->worker;

    if (is_spent(backend)) {
        pool_discard(backend);
        return;
    }
    leave_work(backend);
    idle_add(group, backend);
    if (!TAILQ_EMPTY(&group->waiting))
        group_dispatch(group);
    worker_check_pause(worker);
}

void pool_release(Backend *backend)
{
    if (!is_spent(backend)) {
        backend_reset(backend);
        metric_add(&backend->worker->metrics.resets, 1);
    }
    pool_return(backend);
}

void pool_pause(Pool *pool)
{
    pool->paused = true;
    for (Group *group = pool->groups, *next; group; group = next) {
        next = group->hh.next;
        /* What waits begins anew behind the pause: perhaps at another server. */
        logins_abandon(group);
        while (!TAILQ_EMPTY(&group->idle))
            idle_close(TAILQ_FIRST(&group->idle));
    }
}

void pool_resume(Pool *pool)
{
    pool->paused = false;
    for (Group *group = pool->groups, *next; group; group = next) {
        next = group->hh.next;
        group_dispatch(group);
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
    Pool *pool = memory_zeroed(1, sizeof *pool);
    const GatewayOptions *options = worker->gateway->options;
    int threads = worker->gateway->worker_count;

    pool->worker = worker;
    pool->limit =
        options->pool_size / threads + (worker->index < options->pool_size % threads ? 1 : 0);
    /* Who may be connected may wait. */
    pool->waiting_limit = options->max_connections;
    pool->sweep = event_new(loop_base(worker->loop), -1, EV_PERSIST, on_sweep, pool);
    pool->again = event_new(loop_base(worker->loop), -1, 0, on_again, pool);
    must(pool->again && pool->sweep && event_add(pool->sweep, &every) == 0, "memory");
    return pool;
}

void pool_free(Pool *pool)
{
    if (!pool)
        return;
    event_free(pool->sweep);
    event_free(pool->again);
    for (Group *group = pool->groups, *next; group; group = next) {
        next = group->hh.next;
        logins_abandon(group);
        while (!TAILQ_EMPTY(&group->idle))
            idle_close(TAILQ_FIRST(&group->idle));
        group_free(group);
    }
    free(pool);
}
