#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "core/file.h"
#include "core/text.h"
#include "gateway/gateway.h"
#include "http/tls.h"

enum {
    DAY_S = 24 * 60 * 60,
    CA_S = 3650 * DAY_S,
    MAX_NAMES = 64,
    MAX_PEM = 64 * 1024
};

static void key_cleanup(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}
static void cert_cleanup(X509 **cert)
{
    X509_free(*cert);
}
static void bio_cleanup(BIO **bio)
{
    BIO_free_all(*bio);
}
#define auto_key CLEANUP(key_cleanup)
#define auto_cert CLEANUP(cert_cleanup)
#define auto_bio CLEANUP(bio_cleanup)

static bool fail(Error *err, const char *what)
{
    return error_set(err, ERR_IO, "%s: %s", what, tls_reason());
}

static bool contains(const char **names, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

/* The driver replaces everything up to the first dot by "api."; without a dot it replaces nothing.
 */
const char **gateway_names(Arena *arena, const char *list)
{
    const char **names = arena_array(arena, 2 * MAX_NAMES + 1, sizeof *names);
    int count = 0;

    while (*list && count < 2 * MAX_NAMES - 1) {
        size_t len = strcspn(list, ", ");
        const char *name = arena_strndup(arena, list, len);
        const char *dot = strchr(name, '.');
        bool address = name[strspn(name, "0123456789.:")] == '\0';

        if (len > 0 && !contains(names, count, name))
            names[count++] = name;
        const char *api = dot ? arena_printf(arena, "api%s", dot) : NULL;
        if (api && !address && !contains(names, count, api))
            names[count++] = api;
        list += len;
        list += strspn(list, ", ");
    }
    return names;
}

static bool write_pem(const char *path, BIO *bio, Error *err)
{
    char *data;
    long len = BIO_get_mem_data(bio, &data);

    return file_replace(path, data, len > 0 ? (size_t)len : 0, err);
}

static bool save_key(const char *path, EVP_PKEY *key, Error *err)
{
    auto_bio BIO *bio = BIO_new(BIO_s_secmem());

    if (!bio || PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) != 1)
        return fail(err, "write a key");
    return write_pem(path, bio, err);
}

static bool save_certs(const char *path, X509 *first, X509 *second, Error *err)
{
    auto_bio BIO *bio = BIO_new(BIO_s_mem());

    if (!bio || PEM_write_bio_X509(bio, first) != 1 ||
        (second && PEM_write_bio_X509(bio, second) != 1))
        return fail(err, "write a certificate");
    return write_pem(path, bio, err);
}

static bool add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;

    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool fine = extension && X509_add_ext(cert, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return fine;
}

/* Everything but extensions and signature. */
static X509 *cert_begin(EVP_PKEY *key, const char *name, int life_s)
{
    X509 *cert = X509_new();
    unsigned char serial[16];

    if (!cert || RAND_bytes(serial, sizeof serial) != 1)
        return cert;
    serial[0] &= 0x7f;
    BIGNUM *number = BN_bin2bn(serial, sizeof serial, NULL);
    X509_NAME *subject = X509_get_subject_name(cert);
    bool fine = X509_set_version(cert, 2) == 1 && number &&
                BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)) &&
                X509_gmtime_adj(X509_getm_notBefore(cert), -3600L) &&
                X509_gmtime_adj(X509_getm_notAfter(cert), life_s) &&
                X509_set_pubkey(cert, key) == 1 &&
                X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                                           (const unsigned char *)name, -1, -1, 0) == 1;
    BN_free(number);
    if (fine)
        return cert;
    X509_free(cert);
    return NULL;
}

static bool ca_make(const char *cert_path, const char *key_path, Error *err)
{
    auto_key EVP_PKEY *key = EVP_EC_gen("P-256");
    auto_cert X509 *cert = key ? cert_begin(key, "homeport gateway CA", CA_S) : NULL;

    if (!cert || X509_set_issuer_name(cert, X509_get_subject_name(cert)) != 1 ||
        !add_extension(cert, cert, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
        !add_extension(cert, cert, NID_key_usage, "critical,keyCertSign,cRLSign") ||
        !add_extension(cert, cert, NID_subject_key_identifier, "hash") ||
        X509_sign(cert, key, EVP_sha256()) == 0)
        return fail(err, "make the CA");
    return save_key(key_path, key, err) && save_certs(cert_path, cert, NULL, err);
}

static bool ca_load(Arena *arena, const char *cert_path, const char *key_path, X509 **ret_cert,
                    EVP_PKEY **ret_key, Error *err)
{
    char *cert_text;
    char *key_text;
    size_t cert_len;
    size_t key_len;

    /* Who has it can be whatever host the app trusts the gateway to be. */
    if (!file_is_secret(key_path)) {
        (void)error_set(err, ERR_WRONG_STATE, "others may read the CA's key \"%s\"", key_path);
        return error_hint(err,
                          "chmod 600 %s; if somebody has read it, remove it and ca.crt, and "
                          "give the apps the new ca.crt.",
                          text_shell_word(arena, key_path));
    }
    if (!file_read(arena, cert_path, MAX_PEM, &cert_text, &cert_len, err) ||
        !file_read(arena, key_path, MAX_PEM, &key_text, &key_len, err))
        return false;
    auto_bio BIO *cert = BIO_new_mem_buf(cert_text, (int)cert_len);
    auto_bio BIO *key = BIO_new_mem_buf(key_text, (int)key_len);
    *ret_cert = cert ? PEM_read_bio_X509(cert, NULL, NULL, NULL) : NULL;
    *ret_key = key ? PEM_read_bio_PrivateKey(key, NULL, NULL, NULL) : NULL;
    return (*ret_cert && *ret_key) || fail(err, "read the CA");
}

static const char *alternative_names(Arena *arena, const char **names)
{
    Text text = text_init(arena, MAX_PEM);

    for (int i = 0; names[i]; i++) {
        bool address = names[i][strspn(names[i], "0123456789.")] == '\0' || strchr(names[i], ':');
        text_addf(&text, "%s%s:%s", i ? "," : "", address ? "IP" : "DNS", names[i]);
    }
    return text_str(&text);
}

static bool names_are_sound(const char **names, Error *err)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:*";

    for (int i = 0; names[i]; i++)
        if (names[i][strspn(names[i], allowed)] != '\0')
            return error_set(err, ERR_USAGE, "\"%s\" is no name of a host", names[i]);
    return names[0] || error_set(err, ERR_USAGE, "no name given");
}

bool gateway_cert_make(const char *dir, const char *list, int life_s, Error *err)
{
    auto_arena Arena *arena = arena_new();
    const char **names = gateway_names(arena, list);
    const char *ca_path = arena_printf(arena, "%s/ca.crt", dir);
    const char *ca_key_path = arena_printf(arena, "%s/ca.key", dir);
    auto_key EVP_PKEY *ca_key = NULL;
    auto_cert X509 *ca = NULL;

    if (!names_are_sound(names, err) || !file_make_dir(dir, 0700, err))
        return false;
    if (!file_exists(ca_path) && !ca_make(ca_path, ca_key_path, err))
        return false;
    if (!ca_load(arena, ca_path, ca_key_path, &ca, &ca_key, err))
        return false;
    auto_key EVP_PKEY *key = EVP_EC_gen("P-256");
    auto_cert X509 *cert = key ? cert_begin(key, names[0], life_s) : NULL;
    if (!cert || X509_set_issuer_name(cert, X509_get_subject_name(ca)) != 1 ||
        !add_extension(cert, ca, NID_basic_constraints, "critical,CA:FALSE") ||
        !add_extension(cert, ca, NID_key_usage, "critical,digitalSignature") ||
        !add_extension(cert, ca, NID_ext_key_usage, "serverAuth") ||
        !add_extension(cert, ca, NID_subject_key_identifier, "hash") ||
        !add_extension(cert, ca, NID_authority_key_identifier, "keyid") ||
        !add_extension(cert, ca, NID_subject_alt_name, alternative_names(arena, names)) ||
        X509_sign(cert, ca_key, EVP_sha256()) == 0)
        return fail(err, "make the certificate");
    return save_key(arena_printf(arena, "%s/gateway.key", dir), key, err) &&
           save_certs(arena_printf(arena, "%s/gateway.crt", dir), cert, ca, err);
}

static bool fits(X509 *cert, const char **names)
{
    for (int i = 0; names[i]; i++)
        if (X509_check_host(cert, names[i], 0, 0, NULL) != 1 &&
            X509_check_ip_asc(cert, names[i], 0) != 1)
            return false;
    return true;
}

bool gateway_cert_look(const char *path, const char *names, int64_t *ret_left, bool *ret_fits,
                       Error *err)
{
    auto_arena Arena *arena = arena_new();
    char *text;
    size_t len;
    int days = 0;
    int seconds = 0;

    if (!file_read(arena, path, MAX_PEM, &text, &len, err))
        return false;
    auto_bio BIO *bio = BIO_new_mem_buf(text, (int)len);
    auto_cert X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    if (!cert || ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(cert)) != 1)
        return fail(err, "read the certificate");
    *ret_left = (int64_t)days * DAY_S + seconds;
    *ret_fits = fits(cert, gateway_names(arena, names ? names : ""));
    return true;
}
