/*
 * Passwords of one role that the server has taken, as what stands for them in
 * memory. The one that was used longest ago makes room for a new one.
 * Private to src/gateway.
 */
#pragma once

#include "gateway/shared.h"
#include "http/address.h"

enum {
    MAX_TRUSTED = 8 /* that are right at the same time: old and new, and some */
};

typedef struct Trust {
    unsigned char proof[PROOF_BYTES];
    double at;     /* when the server said so; 0: never */
    double used;   /* when somebody came with it */
    bool checking; /* it is asked again */
    /* Whom the throttle has last said to know with it, and when: not asked for each request. */
    char peer[ADDRESS_TEXT_MAX];
    double peer_at;
} Trust;

typedef struct TrustList {
    Trust slots[MAX_TRUSTED];
} TrustList;

void proof_make(Worker *worker, const char *password, unsigned char ret[PROOF_BYTES]);
bool proof_same(const unsigned char *a, const unsigned char *b);

Trust *trust_find(TrustList *list, const unsigned char *proof); /* NULL: not trusted */
/* True: another one had to go, and is in `ret_forgotten`. */
bool trust_remember(TrustList *list, const unsigned char *proof,
                    unsigned char ret_forgotten[PROOF_BYTES]);
void trust_forget(TrustList *list, const unsigned char *proof);
