#include "migrations/hash.h"

#include <openssl/evp.h>
#include <stdio.h>

static void digest_cleanup(EVP_MD_CTX **context)
{
    EVP_MD_CTX_free(*context);
    *context = NULL;
}

bool sha256_hex(const char *data, size_t len, char ret[65])
{
    CLEANUP(digest_cleanup) EVP_MD_CTX *context = EVP_MD_CTX_new();
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;

    if (!context || !EVP_DigestInit_ex(context, EVP_sha256(), NULL) ||
        !EVP_DigestUpdate(context, data, len) || !EVP_DigestFinal_ex(context, digest, &size) ||
        size != 32)
        return false;
    for (size_t i = 0; i < 32; i++)
        (void)snprintf(ret + 2 * i, 3, "%02x", digest[i]);
    return true;
}
