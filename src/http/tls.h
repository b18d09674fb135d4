/*
 * The server's certificate, as all loops use it. It can be replaced while
 * connections are open: those keep the one that they began with.
 */
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"

enum {
    TLS_BINDING_MAX = 64
};

typedef struct Tls Tls;

/* PEM files; the certificate with its chain. TLS 1.2 and 1.3, session tickets, ALPN http/1.1 and
 * postgresql. */
bool tls_new(const char *cert_path, const char *key_path, Tls **ret, Error *err) MUST_USE;
void tls_free(Tls *tls); /* accepts NULL */
/* Reads the files again; on failure everything stays as it was. */
bool tls_reload(Tls *tls, const char *cert_path, const char *key_path, Error *err) MUST_USE;
/* From any thread. The caller gives it back with SSL_CTX_free(). */
SSL_CTX *tls_context(Tls *tls);

/* Is that the protocol that client and server have agreed on (ALPN)? */
bool tls_chose(const SSL *connection, const char *protocol);

/* tls-server-end-point (RFC 5929) of the certificate that this connection was shown. */
size_t tls_server_end_point(const SSL *connection, unsigned char ret[TLS_BINDING_MAX]);

/* The first reason that OpenSSL has for a failure; clears its queue. */
const char *tls_reason(void);
