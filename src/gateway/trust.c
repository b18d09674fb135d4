#include "gateway/trust.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/memory.h"

/* Once for all: to look the algorithm up costs several times as much as the digest itself. */
static EVP_MAC_CTX *prover_new(const Gateway *gateway)
{
    char digest[] = "SHA256";
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *prover = EVP_MAC_CTX_new(hmac);

    EVP_MAC_free(hmac);
    must(prover && EVP_MAC_init(prover, gateway->salt, sizeof gateway->salt, params), "memory");
    return prover;
}

void proof_make(Worker *worker, const char *password, unsigned char ret[PROOF_BYTES])
{
    size_t len = 0;

    if (!worker->prover)
        worker->prover = prover_new(worker->gateway);
    /* With the key each time: without one, OpenSSL before 3.0.3 does not begin anew. */
    const Gateway *gateway = worker->gateway;
    must(EVP_MAC_init(worker->prover, gateway->salt, sizeof gateway->salt, NULL) &&
             EVP_MAC_update(worker->prover, (const unsigned char *)password, strlen(password)) &&
             EVP_MAC_final(worker->prover, ret, &len, PROOF_BYTES) && len == PROOF_BYTES,
         "memory");
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
