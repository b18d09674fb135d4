#include "gateway/throttle.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

#include "core/clock.h"

enum {
    SLOTS = 8192,
    FREE_FAILURES = 5, /* a slip of the hand, or a pool that starts with an old password */
    LONGEST_WAIT_S = 60,
    FORGET_S = 300
};

/* Of bounded size: two that fall into one slot take turns in it, which only forgets failures. */
typedef struct Slot {
    uint64_t who;
    double last;
    double until;
    int failures;
} Slot;

struct Throttle {
    pthread_mutex_t lock;
    uint64_t seed;
    Slot slots[SLOTS];
};

Throttle *throttle_new(void)
{
    Throttle *throttle = calloc(1, sizeof *throttle);

    if (!throttle)
        abort();
    (void)pthread_mutex_init(&throttle->lock, NULL);
    throttle->seed = (uint64_t)clock_unix_ms() * 0x9e3779b97f4a7c15u;
    return throttle;
}

void throttle_free(Throttle *throttle)
{
    if (!throttle)
        return;
    (void)pthread_mutex_destroy(&throttle->lock);
    free(throttle);
}

static uint64_t hash(uint64_t seed, const char *peer, const char *role)
{
    uint64_t value = seed ^ 0xcbf29ce484222325u;

    for (; *peer; peer++)
        value = (value ^ (unsigned char)*peer) * 0x100000001b3u;
    value = (value ^ 0xff) * 0x100000001b3u;
    for (; *role; role++)
        value = (value ^ (unsigned char)*role) * 0x100000001b3u;
    return value ^ value >> 29;
}

/* Locked from here on. */
static Slot *find(Throttle *throttle, const char *peer, const char *role, uint64_t *ret_who)
{
    *ret_who = hash(throttle->seed, peer, role);
    (void)pthread_mutex_lock(&throttle->lock);
    return &throttle->slots[*ret_who % SLOTS];
}

int throttle_wait(Throttle *throttle, const char *peer, const char *role)
{
    uint64_t who;
    Slot *slot = find(throttle, peer, role, &who);
    double left = slot->who == who ? slot->until - clock_seconds() : 0;

    (void)pthread_mutex_unlock(&throttle->lock);
    return left > 0 ? (int)left + 1 : 0;
}

void throttle_failed(Throttle *throttle, const char *peer, const char *role)
{
    uint64_t who;
    Slot *slot = find(throttle, peer, role, &who);
    double now = clock_seconds();

    if (slot->who != who || now - slot->last > FORGET_S)
        *slot = (Slot){.who = who};
    slot->last = now;
    slot->failures++;
    if (slot->failures >= FREE_FAILURES) {
        int shift = slot->failures - FREE_FAILURES;
        int wait = shift < 6 ? 1 << shift : LONGEST_WAIT_S;
        slot->until = now + (wait < LONGEST_WAIT_S ? wait : LONGEST_WAIT_S);
    }
    (void)pthread_mutex_unlock(&throttle->lock);
}

void throttle_succeeded(Throttle *throttle, const char *peer, const char *role)
{
    uint64_t who;
    Slot *slot = find(throttle, peer, role, &who);

    if (slot->who == who)
        *slot = (Slot){0};
    (void)pthread_mutex_unlock(&throttle->lock);
}
