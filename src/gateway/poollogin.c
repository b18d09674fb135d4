#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/memory.h"
#include "gateway/group.h"

enum {
    FULL_TRIES = 5 /* at a server that has no connection left, while idle ones are closed */
};

static const double full_pause_s = 0.1;
static const double proving_s = 1; /* that others with a password wait for the first one's login */

/* ---- beginnings and ends ---- */

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

static LoginArg *login_begin(Group *group, const Login *login, const unsigned char *proof)
{
    LoginArg *arg = memory_zeroed(1, sizeof *arg);

    arg->group = group;
    arg->since = clock_seconds();
    memcpy(arg->proof, proof, sizeof arg->proof);
    LIST_INSERT_HEAD(&group->logins, arg, link);
    arg->job = backend_login(group->pool->worker, login, login_done, arg);
    return arg;
}

static const char *group_role(const Group *group)
{
    return group->key + strlen(group->key) + 1;
}

static Claim login_claim(const LoginArg *login)
{
    return (Claim){login->peer, group_role(login->group), login->proof};
}

/* It is over, or nobody waits for it any more. */
static void login_leave(LoginArg *login)
{
    Group *group = login->group;
    Trust *trust = trust_find(&group->trusted, login->proof);
    Claim claim = login_claim(login);

    LIST_REMOVE(login, link);
    if (login->ticket)
        login->ticket->login = NULL;
    if (login->proving)
        throttle_end(group->pool->worker->gateway->throttle, &claim);
    if (login->check && trust)
        trust->checking = false;
    if (!login->check)
        group->total--;
    OPENSSL_cleanse(login->proof, sizeof login->proof);
    free(login);
}

void logins_abandon(Group *group)
{
    while (!LIST_EMPTY(&group->logins)) {
        login_abandon(LIST_FIRST(&group->logins)->job);
        login_leave(LIST_FIRST(&group->logins));
    }
}

static void ticket_login(Group *group, PoolTicket *ticket, bool proving)
{
    Login login = login_of(group->pool, ticket->arena, &ticket->who);

    group->total++;
    ticket->login = login_begin(group, &login, ticket->proof);
    ticket->login->ticket = ticket;
    ticket->login->proving = proving;
    (void)snprintf(ticket->login->peer, sizeof ticket->login->peer, "%s", ticket->peer);
}

static bool has_room(const Group *group)
{
    return group->total < group->pool->limit || !TAILQ_EMPTY(&group->idle);
}

/* A connection that idles for somebody else makes room. */
static void make_room(Group *group)
{
    if (group->total >= group->pool->limit)
        idle_close(TAILQ_LAST(&group->idle, BackendList));
}

/* What one login finds out of a password is the answer to all who came with it. One that takes long
 * may be stuck at a server that has come back meanwhile. */
static bool is_proving(const Group *group, const unsigned char *proof)
{
    const LoginArg *login;
    double now = clock_seconds();

    LIST_FOREACH(login, &group->logins, link)
    if (login->proving && now - login->since < proving_s && proof_same(login->proof, proof))
        return true;
    return false;
}

static bool is_first_of_its_password(const PoolTicket *ticket)
{
    const PoolTicket *other;

    TAILQ_FOREACH(other, &ticket->group->waiting, link)
    if (!other->login && proof_same(other->proof, ticket->proof) &&
        strcmp(other->peer, ticket->peer) == 0)
        break;
    return other == ticket;
}

/* Is there more than the throttle that it waits for? A connection that is there needs no login. */
static bool has_to_wait(Group *group, const PoolTicket *ticket, bool trusted)
{
    if (ticket->login || !has_room(group) || (!trusted && !is_first_of_its_password(ticket)))
        return true;
    if (ticket->not_before <= clock_seconds() && (trusted || !is_proving(group, ticket->proof)))
        return false;
    group_hold(group);
    return true;
}

bool ticket_wait(Group *group, PoolTicket *ticket, bool trusted, Backend *backend)
{
    Throttle *throttle = group->pool->worker->gateway->throttle;
    Claim claim = {ticket->peer, ticket->who.user, ticket->proof};
    ThrottleAnswer answer = THROTTLE_GO;

    /* What waits for the throttle is passed over by what does not: each look at it should be cheap.
     */
    if (!trusted && ticket->throttled && ticket->not_before > clock_seconds()) {
        group_hold(group);
        return true;
    }
    if (!backend && has_to_wait(group, ticket, trusted))
        return true;
    if (!trusted)
        answer = throttle_begin(throttle, &claim, &ticket->throttled);
    if (answer == THROTTLE_REFUSED) {
        ticket_end(ticket, POOL_THROTTLED, NULL, NULL);
        return false;
    }
    if (answer == THROTTLE_LATER) {
        ticket->not_before = clock_seconds() + AGAIN_MS / 1000.0;
        group_hold(group);
        return true;
    }
    if (backend) {
        throttle_end(throttle, &claim);
        throttle_succeeded(throttle, &claim);
        hand_out(group, ticket, backend);
        return false;
    }
    make_room(group);
    ticket_login(group, ticket, !trusted);
    return true;
}

/* ---- a server without a connection left ---- */

static Backend *idle_oldest(const Pool *pool)
{
    Backend *oldest = NULL;

    for (const Group *group = pool->groups; group; group = group->hh.next) {
        Backend *last = TAILQ_LAST(&group->idle, BackendList);
        if (last && (!oldest || last->idle_since < oldest->idle_since))
            oldest = last;
    }
    return oldest;
}

static void give_up_one(void *arg)
{
    Backend *oldest = idle_oldest(((Worker *)arg)->pool);

    if (oldest)
        idle_close(oldest);
}

void pool_make_room(Pool *pool)
{
    Gateway *gateway = pool->worker->gateway;

    if (idle_oldest(pool)) {
        give_up_one(pool->worker);
        return;
    }
    for (int i = 0; i < gateway->worker_count; i++)
        if (&gateway->workers[i] != pool->worker)
            loop_post(gateway->workers[i].loop, give_up_one, &gateway->workers[i]);
}

/* Connections of ours that are at work: one of them will do. Otherwise idle ones of others go, and
 * it tries again. False: neither helps. */
static bool wait_for_room(Group *group, PoolTicket *ticket)
{
    if (group->total > 0 && TAILQ_EMPTY(&group->idle))
        return true;
    if (!ticket || ++ticket->full_tries > FULL_TRIES)
        return false;
    pool_make_room(group->pool);
    ticket->not_before = clock_seconds() + full_pause_s;
    group_hold(group);
    return true;
}

/* ---- what a login comes to ---- */

/* The password is wrong for all who came with it, the others may be luckier. */
static void refuse_all(Group *group, const unsigned char *proof, const WireError *error)
{
    for (PoolTicket *ticket; (ticket = ticket_find(group, proof)) != NULL;)
        ticket_end(ticket, POOL_REFUSED, NULL, error);
}

static void login_failed(Group *group, PoolTicket *ticket, const unsigned char *proof,
                         const WireError *error)
{
    if (error_is_full(error) && wait_for_room(group, ticket))
        return;
    if (error_is_login(error)) {
        group_forget(group, proof);
        refuse_all(group, proof, error);
    } else if (ticket) {
        ticket_end(ticket, POOL_REFUSED, NULL, error);
    }
    group_dispatch(group);
}

static void login_succeeded(Group *group, Backend *backend, const unsigned char *proof)
{
    unsigned char forgotten[PROOF_BYTES];

    memcpy(backend->proof, proof, sizeof backend->proof);
    backend->message_max = group->pool->worker->gateway->options->max_response_bytes;
    backend_read_messages(backend);
    if (trust_remember(&group->trusted, proof, forgotten))
        idle_close_of(group, forgotten);
    group->total++;
    idle_add(group, backend);
    group_dispatch(group);
}

/* It was asked behind the back of the request that was given the benefit of the doubt. */
static void check_done(Group *group, Backend *backend, const unsigned char *proof,
                       const WireError *error)
{
    Trust *trust = trust_find(&group->trusted, proof);

    if (backend && trust)
        trust->at = clock_seconds();
    else if (error && error_is_login(error))
        group_forget(group, proof);
    backend_free(backend);
}

static void login_done(void *arg, Backend *backend, const WireError *error)
{
    LoginArg *login = arg;
    Group *group = login->group;
    PoolTicket *ticket = login->ticket;
    Throttle *throttle = group->pool->worker->gateway->throttle;
    Claim claim = login_claim(login);
    bool check = login->check;
    unsigned char proof[PROOF_BYTES];

    memcpy(proof, login->proof, sizeof proof);
    if (!check && backend)
        throttle_succeeded(throttle, &claim);
    else if (!check && error_is_password(error))
        throttle_failed(throttle, &claim);
    login_leave(login);
    if (check)
        check_done(group, backend, proof, error);
    else if (backend)
        login_succeeded(group, backend, proof);
    else
        login_failed(group, ticket, proof, error);
    OPENSSL_cleanse(proof, sizeof proof);
}

/* ---- is a password still right? ---- */

void group_recheck(Group *group, Trust *trust, const ConnString *who)
{
    double allowed = group->pool->worker->gateway->options->recheck_ms / 1000.0;

    if (trust->checking || clock_seconds() - trust->at < allowed || group->pool->paused)
        return;
    auto_arena Arena *arena = arena_new();
    Login login = login_of(group->pool, arena, who);
    trust->checking = true;
    login_begin(group, &login, trust->proof)->check = true;
}
