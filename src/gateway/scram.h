/*
 * SCRAM-SHA-256 and SCRAM-SHA-256-PLUS, the server's side (RFC 5802, 7677), as
 * PostgreSQL's clients speak it. Private to src/gateway.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/arena.h"

enum {
    SCRAM_KEY_BYTES = 32,
    SCRAM_SALT_BYTES = 16,
    SCRAM_ITERATIONS = 4096
};

typedef struct ScramKeys {
    unsigned char salt[SCRAM_SALT_BYTES];
    unsigned char stored[SCRAM_KEY_BYTES];
    unsigned char server[SCRAM_KEY_BYTES];
} ScramKeys;

/* With a salt of their own. The password is normalised as PostgreSQL does, or taken as it is where
 * that cannot be. */
bool scram_keys_make(const char *password, ScramKeys *ret);

typedef struct Scram Scram;

/* `binding` is the channel's tls-server-end-point; len 0: there is no TLS. */
Scram *scram_new(Arena *arena, const unsigned char *binding, size_t binding_len);
/* The client's choice of mechanism and first message. Returns the server's first message, or NULL
 * where it is malformed or a mechanism that was not offered. */
const char *scram_first(Scram *scram, const char *mechanism, const char *message,
                        const ScramKeys *keys);
/* The client's final message. Returns the server's, or NULL: not the right password, or the
 * channel is not the one the client sees. */
const char *scram_final(Scram *scram, const char *message);
