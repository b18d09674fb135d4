/*
 * Who failed to log in too often has to wait: by address and role, for all
 * workers together. Private to src/gateway.
 *
 * Attempts on their way count as failures until they have succeeded, so that
 * many at once get no more guesses than one after the other; an address has
 * only so many on their way over all roles. An IPv6 address counts as its /64.
 */
#pragma once

#include <stdbool.h>

enum {
    PROOF_BYTES = 32
};

/* Who says to be whom. `proof` stands for the password; NULL: there is none to remember. */
typedef struct Claim {
    const char *peer;
    const char *role;
    const unsigned char *proof;
} Claim;

typedef enum ThrottleAnswer {
    THROTTLE_GO,
    THROTTLE_LATER, /* others of this address are on their way: ask again soon */
    THROTTLE_REFUSED
} ThrottleAnswer;

typedef struct Throttle Throttle;

Throttle *throttle_new(void);
void throttle_free(Throttle *throttle);
/* Does it have to wait? Not with a password that was right from this address a while ago. */
bool throttle_refuses(Throttle *throttle, const Claim *claim);
/* Was the password right from this address a while ago? */
bool throttle_knows(Throttle *throttle, const Claim *claim);
/* The same of a password that the server takes still: from now on it is known for as long again. */
bool throttle_knows_still(Throttle *throttle, const Claim *claim);
/* THROTTLE_GO: on its way, until throttle_end(). `waits` is the caller's: false at first, true once
 * it was told to come later; an address has only so many of those as well. */
ThrottleAnswer throttle_begin(Throttle *throttle, const Claim *claim, bool *waits);
/* It will not ask again. */
void throttle_leave(Throttle *throttle, const Claim *claim, bool *waits);
void throttle_end(Throttle *throttle, const Claim *claim);
void throttle_failed(Throttle *throttle, const Claim *claim);
void throttle_succeeded(Throttle *throttle, const Claim *claim);
