#include "gateway/throttle.h"

#include <arpa/inet.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/memory.h"

enum {
    SLOTS = 8192,
    FREE_FAILURES = 5, /* a slip of the hand, or a pool that starts with an old password */
    LONGEST_WAIT_S = 60,
    FORGET_S = 300,
    /* Of one address, whatever the role. */
    PEER_TRYING = 8,
    PEER_WAITING = 256,
    PEER_FAILURES = 20, /* from then on it is held to a pace */
    KEY_BYTES = 16,
    KNOWN_S = 24 * 3600
};

static const double PEER_PACE_S = 0.1;

/* Of bounded size: two that fall into one slot take turns in it, which only forgets failures. */
typedef struct Slot {
    unsigned char who[KEY_BYTES];
    double last;
    double until;
    int failures;
    int trying;
    int waiting;
} Slot;

typedef struct Known {
    unsigned char who[KEY_BYTES];
    double at;
} Known;

struct Throttle {
    pthread_mutex_t lock;
    unsigned char seed[32];
    Slot pairs[SLOTS];
    Slot peers[SLOTS]; /* apart, or he who tries many roles would push himself out */
    Known known[SLOTS];
};

Throttle *throttle_new(void)
{
    Throttle *throttle = memory_zeroed(1, sizeof *throttle);

    must(RAND_bytes(throttle->seed, sizeof throttle->seed) == 1, "random bytes");
    (void)pthread_mutex_init(&throttle->lock, NULL);
    return throttle;
}

void throttle_free(Throttle *throttle)
{
    if (!throttle)
        return;
    (void)pthread_mutex_destroy(&throttle->lock);
    free(throttle);
}

/* ---- keys ---- */

typedef struct Key {
    unsigned char bytes[KEY_BYTES];
    uint32_t slot;
    bool of_peer;
} Key;

/* Who has one address of IPv6 has as many as he likes of its network. */
static size_t peer_bytes(const char *peer, unsigned char ret[16])
{
    if (inet_pton(AF_INET6, peer, ret) == 1)
        return 8;
    return inet_pton(AF_INET, peer, ret) == 1 ? 4 : 0;
}

static Key key_of(const Throttle *throttle, const Claim *claim, bool role, bool proof)
{
    unsigned char text[1024] = {(unsigned char)(1 + role + proof)};
    unsigned char digest[EVP_MAX_MD_SIZE];
    size_t len = 1 + peer_bytes(claim->peer, text + 1);
    size_t role_len = role ? strnlen(claim->role, sizeof text - 64) : 0;
    Key key = {.of_peer = !role};

    if (proof)
        memcpy(text + len, claim->proof, PROOF_BYTES);
    len += proof ? PROOF_BYTES : 0;
    if (role_len > 0)
        memcpy(text + len, claim->role, role_len);
    must(HMAC(EVP_sha256(), throttle->seed, sizeof throttle->seed, text, len + role_len, digest,
              NULL),
         "memory");
    memcpy(key.bytes, digest, sizeof key.bytes);
    memcpy(&key.slot, digest, sizeof key.slot);
    key.slot %= SLOTS;
    return key;
}

static Slot *slot_at(Throttle *throttle, const Key *key)
{
    return key->of_peer ? &throttle->peers[key->slot] : &throttle->pairs[key->slot];
}

static Slot *slot_of(Throttle *throttle, const Key *key)
{
    Slot *slot = slot_at(throttle, key);

    return memcmp(slot->who, key->bytes, KEY_BYTES) == 0 ? slot : NULL;
}

static Slot *slot_take(Throttle *throttle, const Key *key, double now)
{
    Slot *slot = slot_at(throttle, key);

    if (!slot_of(throttle, key) || now - slot->last > FORGET_S) {
        *slot = (Slot){.last = now};
        memcpy(slot->who, key->bytes, KEY_BYTES);
    }
    return slot;
}

/* ---- passwords that were right ---- */

static bool is_known(const Throttle *throttle, const Claim *claim, double now)
{
    if (!claim->proof)
        return false;
    Key key = key_of(throttle, claim, true, true);
    const Known *known = &throttle->known[key.slot];
    return known->at > 0 && now - known->at < KNOWN_S &&
           memcmp(known->who, key.bytes, KEY_BYTES) == 0;
}

static void set_known(Throttle *throttle, const Claim *claim, double at)
{
    if (!claim->proof)
        return;
    Key key = key_of(throttle, claim, true, true);
    Known *known = &throttle->known[key.slot];
    if (at == 0 && memcmp(known->who, key.bytes, KEY_BYTES) != 0)
        return;
    memcpy(known->who, key.bytes, KEY_BYTES);
    known->at = at;
}

/* ---- attempts ---- */

bool throttle_refuses(Throttle *throttle, const Claim *claim)
{
    Key pair = key_of(throttle, claim, true, false);
    double now = clock_seconds();

    (void)pthread_mutex_lock(&throttle->lock);
    const Slot *slot = slot_of(throttle, &pair);
    bool refused = slot && slot->until > now && !is_known(throttle, claim, now);
    (void)pthread_mutex_unlock(&throttle->lock);
    return refused;
}

bool throttle_knows(Throttle *throttle, const Claim *claim)
{
    (void)pthread_mutex_lock(&throttle->lock);
    bool knows = is_known(throttle, claim, clock_seconds());
    (void)pthread_mutex_unlock(&throttle->lock);
    return knows;
}

bool throttle_knows_still(Throttle *throttle, const Claim *claim)
{
    double now = clock_seconds();

    (void)pthread_mutex_lock(&throttle->lock);
    bool knows = is_known(throttle, claim, now);
    if (knows)
        set_known(throttle, claim, now);
    (void)pthread_mutex_unlock(&throttle->lock);
    return knows;
}

static ThrottleAnswer may_try(const Slot *pair, const Slot *peer, double now)
{
    int allowed = pair->failures < FREE_FAILURES ? FREE_FAILURES - pair->failures : 1;

    if (pair->until > now)
        return THROTTLE_REFUSED;
    if (pair->trying >= allowed || peer->trying >= PEER_TRYING || peer->until > now)
        return THROTTLE_LATER;
    return THROTTLE_GO;
}

static ThrottleAnswer count_waiting(Slot *peer, ThrottleAnswer answer, bool *waits)
{
    if (answer == THROTTLE_LATER && !*waits) {
        if (peer->waiting >= PEER_WAITING)
            return THROTTLE_REFUSED;
        peer->waiting++;
        *waits = true;
    } else if (answer != THROTTLE_LATER && *waits) {
        peer->waiting -= peer->waiting > 0;
        *waits = false;
    }
    return answer;
}

ThrottleAnswer throttle_begin(Throttle *throttle, const Claim *claim, bool *waits)
{
    Key pair_key = key_of(throttle, claim, true, false);
    Key peer_key = key_of(throttle, claim, false, false);
    double now = clock_seconds();

    (void)pthread_mutex_lock(&throttle->lock);
    /* Who only asks takes no slot: names out of thin air would make it forget those it has. */
    static const Slot fresh = {0};
    Slot *peer = slot_take(throttle, &peer_key, now);
    const Slot *found = slot_of(throttle, &pair_key);
    ThrottleAnswer answer =
        is_known(throttle, claim, now) ? THROTTLE_GO : may_try(found ? found : &fresh, peer, now);
    answer = count_waiting(peer, answer, waits);
    if (answer == THROTTLE_GO) {
        Slot *pair = slot_take(throttle, &pair_key, now);
        pair->last = peer->last = now;
        pair->trying++;
        peer->trying++;
        if (peer->failures >= PEER_FAILURES)
            peer->until = now + PEER_PACE_S;
    }
    (void)pthread_mutex_unlock(&throttle->lock);
    return answer;
}

void throttle_leave(Throttle *throttle, const Claim *claim, bool *waits)
{
    if (!*waits)
        return;
    Key key = key_of(throttle, claim, false, false);
    *waits = false;
    (void)pthread_mutex_lock(&throttle->lock);
    Slot *peer = slot_of(throttle, &key);
    if (peer && peer->waiting > 0)
        peer->waiting--;
    (void)pthread_mutex_unlock(&throttle->lock);
}

void throttle_end(Throttle *throttle, const Claim *claim)
{
    Key keys[] = {key_of(throttle, claim, true, false), key_of(throttle, claim, false, false)};

    (void)pthread_mutex_lock(&throttle->lock);
    for (int i = 0; i < 2; i++) {
        Slot *slot = slot_of(throttle, &keys[i]);
        if (slot && slot->trying > 0)
            slot->trying--;
    }
    (void)pthread_mutex_unlock(&throttle->lock);
}

void throttle_failed(Throttle *throttle, const Claim *claim)
{
    Key pair_key = key_of(throttle, claim, true, false);
    Key peer_key = key_of(throttle, claim, false, false);
    double now = clock_seconds();

    (void)pthread_mutex_lock(&throttle->lock);
    Slot *peer = slot_take(throttle, &peer_key, now);
    peer->last = now;
    peer->failures++;
    Slot *pair = slot_take(throttle, &pair_key, now);
    pair->last = now;
    pair->failures++;
    if (pair->failures >= FREE_FAILURES) {
        int shift = pair->failures - FREE_FAILURES;
        int wait = shift < 6 ? 1 << shift : LONGEST_WAIT_S;
        pair->until = now + (wait < LONGEST_WAIT_S ? wait : LONGEST_WAIT_S);
    }
    set_known(throttle, claim, 0);
    (void)pthread_mutex_unlock(&throttle->lock);
}

void throttle_succeeded(Throttle *throttle, const Claim *claim)
{
    Key pair_key = key_of(throttle, claim, true, false);
    Key peer_key = key_of(throttle, claim, false, false);

    (void)pthread_mutex_lock(&throttle->lock);
    Slot *pair = slot_of(throttle, &pair_key);
    if (pair) {
        pair->failures = 0;
        pair->until = 0;
    }
    Slot *peer = slot_of(throttle, &peer_key);
    if (peer)
        peer->failures /= 2;
    set_known(throttle, claim, clock_seconds());
    (void)pthread_mutex_unlock(&throttle->lock);
}
