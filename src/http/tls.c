#include "http/tls.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

struct Tls {
    pthread_mutex_t lock;
    SSL_CTX *ctx;
};

const char *tls_reason(void)
{
    unsigned long code = ERR_peek_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;

    ERR_clear_error();
    return reason ? reason : "no reason given";
}

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                           const unsigned char *in, unsigned in_len, void *arg)
{
    static const unsigned char ours[] = "\x08http/1.1\x0apostgresql";
    unsigned char *chosen = NULL;

    (void)ssl;
    (void)arg;
    if (SSL_select_next_proto(&chosen, out_len, ours, sizeof ours - 1, in, in_len) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static bool load(const char *cert_path, const char *key_path, SSL_CTX **ret, Error *err)
{
    static const unsigned char session_context[] = "homeport";
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

    if (!ctx)
        return error_set(err, ERR_IO, "set up TLS: %s", tls_reason());
    (void)SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    (void)SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                       SSL_OP_CIPHER_SERVER_PREFERENCE |
                                       SSL_OP_IGNORE_UNEXPECTED_EOF);
    (void)SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    (void)SSL_CTX_set_session_id_context(ctx, session_context, sizeof session_context - 1);
    (void)SSL_CTX_set_num_tickets(ctx, 1);
    /* A record's head and body in one system call; stream.c asks SSL_has_pending(). */
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
    if (SSL_CTX_use_certificate_chain_file(ctx, cert_path) != 1)
        (void)error_set(err, ERR_USAGE, "the certificate \"%s\" cannot be used: %s", cert_path,
                        tls_reason());
    else if (SSL_CTX_use_PrivateKey_file(ctx, key_path, SSL_FILETYPE_PEM) != 1)
        (void)error_set(err, ERR_USAGE, "the key \"%s\" cannot be used: %s", key_path,
                        tls_reason());
    else if (SSL_CTX_check_private_key(ctx) != 1)
        (void)error_set(err, ERR_USAGE, "the key \"%s\" is not that of the certificate \"%s\"",
                        key_path, cert_path);
    else {
        *ret = ctx;
        return true;
    }
    ERR_clear_error();
    SSL_CTX_free(ctx);
    return error_hint(err, "`homeport gateway cert` makes a pair that fits.");
}

bool tls_new(const char *cert_path, const char *key_path, Tls **ret, Error *err)
{
    SSL_CTX *ctx = NULL;

    if (!load(cert_path, key_path, &ctx, err))
        return false;
    Tls *tls = memory_zeroed(1, sizeof *tls);
    (void)pthread_mutex_init(&tls->lock, NULL);
    tls->ctx = ctx;
    *ret = tls;
    return true;
}

void tls_free(Tls *tls)
{
    if (!tls)
        return;
    SSL_CTX_free(tls->ctx);
    (void)pthread_mutex_destroy(&tls->lock);
    free(tls);
}

bool tls_reload(Tls *tls, const char *cert_path, const char *key_path, Error *err)
{
    SSL_CTX *fresh = NULL;

    if (!load(cert_path, key_path, &fresh, err))
        return false;
    (void)pthread_mutex_lock(&tls->lock);
    SSL_CTX *old = tls->ctx;
    tls->ctx = fresh;
    (void)pthread_mutex_unlock(&tls->lock);
    SSL_CTX_free(old);
    return true;
}

SSL_CTX *tls_context(Tls *tls)
{
    (void)pthread_mutex_lock(&tls->lock);
    SSL_CTX *ctx = tls->ctx;
    (void)SSL_CTX_up_ref(ctx);
    (void)pthread_mutex_unlock(&tls->lock);
    return ctx;
}

bool tls_chose(const SSL *connection, const char *protocol)
{
    const unsigned char *chosen = NULL;
    unsigned len = 0;

    SSL_get0_alpn_selected(connection, &chosen, &len);
    return len == strlen(protocol) && memcmp(chosen, protocol, len) == 0;
}

size_t tls_server_end_point(const SSL *connection, unsigned char ret[TLS_BINDING_MAX])
{
    X509 *cert = SSL_get_certificate(connection);
    int digest_nid = NID_undef;
    unsigned len = 0;

    if (!cert || !OBJ_find_sigid_algs(X509_get_signature_nid(cert), &digest_nid, NULL))
        return 0;
    /* RFC 5929: what is weaker than SHA-256 is replaced by it. */
    const EVP_MD *digest =
        digest_nid == NID_md5 || digest_nid == NID_sha1 || digest_nid == NID_undef
            ? EVP_sha256()
            : EVP_get_digestbynid(digest_nid);
    if (!digest || X509_digest(cert, digest, ret, &len) != 1)
        return 0;
    return len;
}
