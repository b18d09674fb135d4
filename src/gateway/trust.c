#include "gateway/trust.h"

#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"

void proof_make(const Gateway *gateway, const char *password, unsigned char ret[PROOF_BYTES])
{
    unsigned len = 0;

    if (!HMAC(EVP_sha256(), gateway->salt, sizeof gateway->salt, (const unsigned char *)password,
              strlen(password), ret, &len))
        abort();
}

bool proof_same(const unsigned char *a, const unsigned char *b)
{
    return CRYPTO_memcmp(a, b, PROOF_BYTES) == 0;
}

Trust *trust_find(TrustList *list, const unsigned char *proof)
{
    for (int i = 0; i < MAX_TRUSTED; i++)
        if (list->slots[i].at > 0 && proof_same(list->slots[i].proof, proof))
            return &list->slots[i];
    return NULL;
}

static Trust *find_oldest(TrustList *list)
{
    Trust *oldest = &list->slots[0];

    for (int i = 1; i < MAX_TRUSTED; i++)
        if (list->slots[i].used < oldest->used)
            oldest = &list->slots[i];
    return oldest;
}

bool trust_remember(TrustList *list, const unsigned char *proof,
                    unsigned char ret_forgotten[PROOF_BYTES])
{
    Trust *trust = trust_find(list, proof);
    bool forgotten = false;

    if (!trust) {
        trust = find_oldest(list);
        forgotten = trust->at > 0;
        memcpy(ret_forgotten, trust->proof, PROOF_BYTES);
        *trust = (Trust){.at = 0};
        memcpy(trust->proof, proof, PROOF_BYTES);
    }
    trust->at = trust->used = clock_seconds();
    return forgotten;
}

void trust_forget(TrustList *list, const unsigned char *proof)
{
    Trust *trust = trust_find(list, proof);

    if (trust)
        *trust = (Trust){.at = 0};
}
