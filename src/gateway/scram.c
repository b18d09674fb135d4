#include "gateway/scram.h"

#include <libpq-fe.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <string.h>

enum {
    NONCE_BYTES = 18,
    MAX_MESSAGE = 4096,
    MAX_BINDING = 64
};

struct Scram {
    Arena *arena;
    unsigned char binding[MAX_BINDING];
    size_t binding_len;
    const ScramKeys *keys;
    const char *gs2;          /* "n,,", "y,,", "p=tls-server-end-point,," */
    const char *client_first; /* without gs2 */
    const char *server_first;
    const char *nonce; /* both halves */
    bool plus;
};

static bool hmac(const void *key, size_t key_len, const void *data, size_t len,
                 unsigned char ret[SCRAM_KEY_BYTES])
{
    unsigned out = 0;

    return HMAC(EVP_sha256(), key, (int)key_len, data, len, ret, &out) != NULL;
}

static const char *encode(Arena *arena, const unsigned char *data, size_t len)
{
    unsigned char *text = arena_alloc(arena, len * 4 / 3 + 8);

    (void)EVP_EncodeBlock(text, data, (int)len);
    return (const char *)text;
}

/* Returns the bytes' number, -1: not base64. `ret` has room for all of the text. */
static int decode(const char *text, unsigned char *ret)
{
    size_t len = strlen(text);

    if (len == 0 || len % 4 != 0 || len > MAX_MESSAGE)
        return -1;
    int n = EVP_DecodeBlock(ret, (const unsigned char *)text, (int)len);
    if (n < 0)
        return -1;
    return n - (text[len - 1] == '=') - (text[len - 2] == '=');
}

/* The next part of a secret, which ends with this character. */
static bool take_part(const char **at, char end, size_t len, unsigned char *ret)
{
    unsigned char got[SCRAM_KEY_BYTES + 3];
    char text[sizeof got * 4 / 3 + 1] = "";
    const char *stop = strchr(*at, end);
    size_t size = stop ? (size_t)(stop - *at) : sizeof text;

    if (size >= sizeof text)
        return false;
    memcpy(text, *at, size);
    *at = stop + (end != '\0');
    if (decode(text, got) != (int)len)
        return false;
    memcpy(ret, got, len);
    return true;
}

/* libpq makes them, as it would for ALTER ROLE, since only it has PostgreSQL's own SASLprep. It
 * wants a connection to report errors in; one that was never made will do. */
bool scram_keys_make(const char *password, ScramKeys *ret)
{
    static const char head[] = "SCRAM-SHA-256$4096:";
    PGconn *conn = PQconnectStart("none");
    char *secret = PQencryptPasswordConn(conn, password, "", "scram-sha-256");
    const char *at = secret + sizeof head - 1;
    bool fine = secret && strncmp(secret, head, sizeof head - 1) == 0 &&
                take_part(&at, '$', SCRAM_SALT_BYTES, ret->salt) &&
                take_part(&at, ':', SCRAM_KEY_BYTES, ret->stored) &&
                take_part(&at, '\0', SCRAM_KEY_BYTES, ret->server);

    if (secret)
        OPENSSL_cleanse(secret, strlen(secret));
    PQfreemem(secret);
    PQfinish(conn);
    return fine;
}

Scram *scram_new(Arena *arena, const unsigned char *binding, size_t binding_len)
{
    Scram *scram = arena_alloc(arena, sizeof *scram);

    scram->arena = arena;
    if (binding_len > 0 && binding_len <= MAX_BINDING) {
        memcpy(scram->binding, binding, binding_len);
        scram->binding_len = binding_len;
    }
    return scram;
}

/* Where the header for the channel ends: behind its second comma. */
static const char *gs2_end(const char *message)
{
    const char *comma = strchr(message, ',');

    comma = comma ? strchr(comma + 1, ',') : NULL;
    return comma ? comma + 1 : NULL;
}

static bool gs2_is_sound(const Scram *scram)
{
    static const char bound[] = "p=tls-server-end-point,,";

    if (scram->plus)
        return strcmp(scram->gs2, bound) == 0;
    /* "y": the client could bind the channel and believes that we cannot. We said that we can, so
     * somebody between us took it out. */
    if (strcmp(scram->gs2, "y,,") == 0)
        return scram->binding_len == 0;
    return strcmp(scram->gs2, "n,,") == 0;
}

const char *scram_first(Scram *scram, const char *mechanism, const char *message,
                        const ScramKeys *keys)
{
    unsigned char random[NONCE_BYTES];
    const char *bare = strlen(message) <= MAX_MESSAGE ? gs2_end(message) : NULL;

    scram->plus = strcmp(mechanism, "SCRAM-SHA-256-PLUS") == 0;
    if (!bare || (!scram->plus && strcmp(mechanism, "SCRAM-SHA-256") != 0) ||
        (scram->plus && scram->binding_len == 0))
        return NULL;
    scram->gs2 = arena_strndup(scram->arena, message, (size_t)(bare - message));
    /* n=user,r=nonce: the name is that of the startup packet, as in PostgreSQL. */
    const char *nonce = strstr(bare, ",r=");
    if (!gs2_is_sound(scram) || strncmp(bare, "n=", 2) != 0 || !nonce || strchr(nonce + 3, ',') ||
        !nonce[3] || RAND_bytes(random, sizeof random) != 1)
        return NULL;
    scram->client_first = arena_strdup(scram->arena, bare);
    scram->nonce =
        arena_printf(scram->arena, "%s%s", nonce + 3, encode(scram->arena, random, sizeof random));
    scram->keys = keys;
    scram->server_first =
        arena_printf(scram->arena, "r=%s,s=%s,i=%d", scram->nonce,
                     encode(scram->arena, keys->salt, sizeof keys->salt), SCRAM_ITERATIONS);
    return scram->server_first;
}

/* c= must be what the client said first, followed by the certificate it has seen. */
static bool channel_is_ours(const Scram *scram, const char *encoded)
{
    unsigned char got[MAX_MESSAGE];
    size_t gs2_len = strlen(scram->gs2);
    size_t bound = scram->plus ? scram->binding_len : 0;
    int len = decode(encoded, got);

    return len >= 0 && (size_t)len == gs2_len + bound && memcmp(got, scram->gs2, gs2_len) == 0 &&
           CRYPTO_memcmp(got + gs2_len, scram->binding, bound) == 0;
}

static bool proof_is_right(const Scram *scram, const char *auth, const char *proof)
{
    unsigned char signature[SCRAM_KEY_BYTES];
    unsigned char got[MAX_MESSAGE];
    unsigned char stored[SCRAM_KEY_BYTES];
    unsigned len = 0;

    if (decode(proof, got) != SCRAM_KEY_BYTES ||
        !hmac(scram->keys->stored, SCRAM_KEY_BYTES, auth, strlen(auth), signature))
        return false;
    for (int i = 0; i < SCRAM_KEY_BYTES; i++)
        got[i] ^= signature[i];
    bool right = EVP_Digest(got, SCRAM_KEY_BYTES, stored, &len, EVP_sha256(), NULL) == 1 &&
                 CRYPTO_memcmp(stored, scram->keys->stored, SCRAM_KEY_BYTES) == 0;
    OPENSSL_cleanse(got, SCRAM_KEY_BYTES);
    return right;
}

const char *scram_final(Scram *scram, const char *message)
{
    unsigned char signature[SCRAM_KEY_BYTES];
    const char *proof = strstr(message, ",p=");
    const char *nonce = strstr(message, ",r=");

    if (!scram->server_first || strlen(message) > MAX_MESSAGE || strncmp(message, "c=", 2) != 0 ||
        !proof || !nonce || nonce > proof || strchr(proof + 1, ','))
        return NULL;
    const char *bare = arena_strndup(scram->arena, message, (size_t)(proof - message));
    const char *channel = arena_strndup(scram->arena, message + 2, (size_t)(nonce - message) - 2);
    if (strcmp(bare + (nonce - message) + 3, scram->nonce) != 0 || !channel_is_ours(scram, channel))
        return NULL;
    const char *auth =
        arena_printf(scram->arena, "%s,%s,%s", scram->client_first, scram->server_first, bare);
    if (!proof_is_right(scram, auth, proof + 3) ||
        !hmac(scram->keys->server, SCRAM_KEY_BYTES, auth, strlen(auth), signature))
        return NULL;
    return arena_printf(scram->arena, "v=%s", encode(scram->arena, signature, sizeof signature));
}
