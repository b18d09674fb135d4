/* What an app would meet: each step by itself, so that the first that fails says what to fix. */
#include <arpa/inet.h>
#include <ctype.h>
#include <jansson.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/file.h"
#include "core/text.h"
#include "gateway/connstring.h"
#include "gateway/gateway.h"
#include "gateway/wire.h"
#include "http/tls.h"
#include "pg/pg.h"

enum {
    MAX_CHECKS = 32,
    MAX_REPLY = 64 * 1024,
    TIMEOUT_S = 10
};

#define CHECK_LOGIN "Check role, password and database of the URL, and the gateway's log."

typedef struct Doctor {
    Arena *arena;
    const GatewayProbe *probe;
    ConnString who;
    const char *api;
    GatewayCheck *checks;
    int count;
} Doctor;

static bool note(Doctor *doctor, const char *what, const char *detail, const char *fix)
{
    doctor->checks[doctor->count++] = (GatewayCheck){what, detail, fix};
    return !fix;
}

static bool resolves(Doctor *doctor, const char *name)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    char text[INET6_ADDRSTRLEN] = "";
    const char *what = arena_printf(doctor->arena, "%s resolves", name);
    int failed = getaddrinfo(name, NULL, &hints, &list);

    if (failed)
        return note(doctor, what, gai_strerror(failed),
                    arena_printf(doctor->arena,
                                 "Point %s at the gateway: a network alias of its service, or a "
                                 "line in /etc/hosts.",
                                 name));
    (void)getnameinfo(list->ai_addr, list->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST);
    freeaddrinfo(list);
    return note(doctor, what, arena_strdup(doctor->arena, text), NULL);
}

static int dial(const char *name, const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    struct timeval limit = {.tv_sec = TIMEOUT_S};
    int fd = -1;

    if (getaddrinfo(name, port, &hints, &list) != 0)
        return -1;
    for (struct addrinfo *at = list; at && fd < 0; at = at->ai_next) {
        fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol);
        if (fd >= 0)
            (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        if (fd >= 0)
            (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
        if (fd >= 0 && connect(fd, at->ai_addr, at->ai_addrlen) != 0) {
            (void)close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(list);
    return fd;
}

static void tls_close(SSL **tls)
{
    if (!*tls)
        return;
    int fd = SSL_get_fd(*tls);
    SSL_free(*tls);
    (void)close(fd);
}
#define auto_tls CLEANUP(tls_close)

static const char *tls_fix(const Doctor *doctor, long verified)
{
    const char *ca = doctor->probe->ca;

    if (verified == X509_V_ERR_HOSTNAME_MISMATCH)
        return "Make a certificate for this name: homeport gateway cert --names ...";
    if (verified != X509_V_OK)
        return ca ? arena_printf(doctor->arena,
                                 "The certificate is not of the CA in \"%s\": give the app the "
                                 "gateway's own ca.crt as NODE_EXTRA_CA_CERTS.",
                                 ca)
                  : "Give --ca the gateway's ca.crt, and the app NODE_EXTRA_CA_CERTS.";
    return "Does the gateway listen there with --listen?";
}

/* Connected with TLS, verified as the app would; NULL where not, which is noted then. */
static SSL *dial_tls(Doctor *doctor, const char *name, bool say)
{
    const char *what = arena_printf(doctor->arena, "TLS of %s:%s", name, doctor->probe->port);
    int fd = dial(name, doctor->probe->port);

    if (fd < 0) {
        (void)note(doctor, what, "no connection",
                   "Start the gateway with --listen on this address; the driver uses port 443 "
                   "whatever the URL says.");
        return NULL;
    }
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL *tls = ctx ? SSL_new(ctx) : NULL;
    if (!tls || (doctor->probe->ca ? SSL_CTX_load_verify_file(ctx, doctor->probe->ca)
                                   : SSL_CTX_set_default_verify_paths(ctx)) != 1) {
        (void)note(doctor, what, "the CA cannot be read", "Check --ca.");
        SSL_free(tls);
        SSL_CTX_free(ctx);
        (void)close(fd);
        return NULL;
    }
    SSL_set_verify(tls, SSL_VERIFY_PEER, NULL);
    char host[TLSEXT_MAXLEN_host_name + 1]; /* OpenSSL's macro takes no const */
    (void)snprintf(host, sizeof host, "%s", name);
    (void)SSL_set_tlsext_host_name(tls, host);
    (void)SSL_set1_host(tls, name);
    (void)SSL_set_fd(tls, fd);
    SSL_CTX_free(ctx);
    if (SSL_connect(tls) != 1) {
        long verified = SSL_get_verify_result(tls);
        const char *why =
            verified == X509_V_OK ? tls_reason() : X509_verify_cert_error_string(verified);
        (void)note(doctor, what, why, tls_fix(doctor, verified));
        tls_close(&tls);
        return NULL;
    }
    if (say)
        (void)note(doctor, what, SSL_get_version(tls), NULL);
    return tls;
}

static bool send_all(SSL *tls, const Bytes *bytes)
{
    return SSL_write(tls, bytes_data(bytes), (int)bytes_len(bytes)) == (int)bytes_len(bytes);
}

/* Until it holds `wanted`, or there is no more. A NUL stands behind it. */
static const char *read_until(Doctor *doctor, SSL *tls, const char *wanted)
{
    char *reply = arena_alloc(doctor->arena, MAX_REPLY);
    size_t len = 0;

    while (len < MAX_REPLY - 1 && !memmem(reply, len, wanted, strlen(wanted))) {
        int n = SSL_read(tls, reply + len, (int)(MAX_REPLY - 1 - len));
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    reply[len] = '\0';
    return reply;
}

/* What came back for `select 42`; NULL: no connection, which is noted then. */
static const char *ask_http(Doctor *doctor, const char *url, bool say)
{
    static const char body[] = "{\"query\":\"select 42\",\"params\":[]}";
    auto_tls SSL *tls = dial_tls(doctor, doctor->api, say);
    Bytes request = bytes_init(MAX_REPLY);

    if (!tls)
        return NULL;
    bytes_addf(&request,
               "POST /sql HTTP/1.1\r\nhost: %s\r\nneon-connection-string: %s\r\n"
               "neon-raw-text-output: true\r\nneon-array-mode: true\r\ncontent-length: %zu\r\n"
               "connection: close\r\n\r\n%s",
               doctor->api, url, sizeof body - 1, body);
    bool sent = send_all(tls, &request);
    bytes_free(&request);
    return sent ? read_until(doctor, tls, "rowAsArray") : "";
}

static bool was_answered(const char *reply)
{
    return strstr(reply, "[[\"42\"]]") != NULL;
}

/* NULL: it is no error as the driver would understand it. */
static const char *http_message(Doctor *doctor, const char *reply)
{
    const char *body = strstr(reply, "\r\n\r\n");
    json_error_t problem;
    json_t *root = body ? json_loads(body + 4, 0, &problem) : NULL;
    const char *text = json_string_value(json_object_get(root, "message"));
    const char *message = text ? arena_strdup(doctor->arena, text) : NULL;

    json_decref(root);
    return message;
}

static bool query_http(Doctor *doctor)
{
    const char *what = "a query over HTTP";
    const char *reply = ask_http(doctor, doctor->probe->url, true);

    if (!reply)
        return false;
    if (was_answered(reply))
        return note(doctor, what, "answered", NULL);
    const char *message = http_message(doctor, reply);
    return note(doctor, what, message ? message : "no answer that the driver would understand",
                message ? CHECK_LOGIN : "Is it the gateway that listens there?");
}

/* By `trust` a server lets everybody in whom the gateway brings. */
static bool refuses_others(Doctor *doctor)
{
    const char *what = "a wrong password";
    const char *url = doctor->probe->url;
    const char *at = url + strcspn(url, "?");
    const char *scheme = strstr(url, "://");
    const char *colon = scheme ? strchr(scheme + 3, ':') : NULL;

    while (at > url && *at != '@')
        at--;
    if (!colon || colon > at)
        return true; /* a form of the URL that nothing can be put into */
    const char *reply = ask_http(doctor,
                                 arena_printf(doctor->arena, "%.*s:not-the-password-%d%s",
                                              (int)(colon - url), url, (int)getpid(), at),
                                 false);
    if (!reply)
        return false;
    if (!was_answered(reply))
        return note(doctor, what, "refused", NULL);
    return note(doctor, what, "WAS LET IN",
                "The server asks the gateway for no password: use `scram-sha-256` in its "
                "pg_hba.conf for the way by which the gateway comes, and start the gateway without "
                "--trust-upstream.");
}

static void add_frame(Bytes *out, const Bytes *payload)
{
    bytes_add_char(out, (char)0x82);
    /* A longer form than it takes is an error. */
    if (bytes_len(payload) < 126) {
        bytes_add_char(out, (char)(0x80 | bytes_len(payload)));
    } else {
        bytes_add_char(out, (char)(0x80 | 126));
        bytes_add_u16(out, (unsigned)bytes_len(payload));
    }
    bytes_add_u32(out, 0); /* a mask of zeroes leaves the bytes as they are */
    bytes_add(out, bytes_data(payload), bytes_len(payload));
}

/* What is in the frames that a server sends: they are not masked. */
static void unwrap_frames(Bytes *out, const char *data, size_t len)
{
    for (size_t at = 0; at + 4 <= len;) {
        bool control = data[at] & 8;
        size_t size = (unsigned char)data[at + 1] & 0x7f;
        at += 2;
        if (size == 126) {
            size = wire_u16(data + at);
            at += 2;
        } else if (size == 127) {
            return; /* more than it was asked for */
        }
        if (size > len - at)
            return;
        if (!control)
            bytes_add(out, data + at, size);
        at += size;
    }
}

/* The first message that says how it went; NULL: it has not come. */
static const char *find_outcome(const Bytes *messages)
{
    const char *data = bytes_data(messages);
    size_t len = bytes_len(messages);

    for (size_t at = 0; at + 5 <= len;) {
        size_t size = wire_u32(data + at + 1);
        if (size < 4 || size > len - at - 1)
            break;
        if (data[at] == 'C' || data[at] == 'E')
            return data + at;
        at += size + 1;
    }
    return NULL;
}

static const char *read_outcome(Doctor *doctor, SSL *tls, Bytes *messages)
{
    char *reply = arena_alloc(doctor->arena, MAX_REPLY);
    const char *outcome = NULL;
    int len = 0;

    while (!outcome && len < MAX_REPLY) {
        int n = SSL_read(tls, reply + len, MAX_REPLY - len);
        if (n <= 0)
            break;
        len += n;
        bytes_clear(messages);
        unwrap_frames(messages, reply, (size_t)len);
        outcome = find_outcome(messages);
    }
    return outcome;
}

/* As the driver does it: startup packet, password and query in one frame. */
static void add_session(Bytes *out, const ConnString *who)
{
    Bytes payload = bytes_init(MAX_REPLY);

    bytes_add_u32(&payload, 0);
    bytes_add_u32(&payload, WIRE_VERSION_3);
    wire_add_cstring(&payload, "user");
    wire_add_cstring(&payload, who->user);
    wire_add_cstring(&payload, "database");
    wire_add_cstring(&payload, who->database);
    bytes_add_char(&payload, '\0');
    bytes_set_u32(&payload, 0, (uint32_t)bytes_len(&payload));
    size_t at = wire_begin(&payload, 'p');
    wire_add_cstring(&payload, who->password);
    wire_end(&payload, at);
    wire_add_simple(&payload, "select 'fortytwo'");
    add_frame(out, &payload);
    bytes_free(&payload);
}

static bool query_websocket(Doctor *doctor)
{
    const char *what = "a query over a WebSocket";
    auto_tls SSL *tls = dial_tls(doctor, doctor->who.host, strcmp(doctor->who.host, doctor->api));
    Bytes bytes = bytes_init(MAX_REPLY);

    if (!tls)
        return false;
    bytes_addf(&bytes,
               "GET /v2 HTTP/1.1\r\nhost: %s\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
               "sec-websocket-key: aG9tZXBvcnQgZG9jdG9yIQ==\r\nsec-websocket-version: 13\r\n\r\n",
               doctor->who.host);
    bool open = send_all(tls, &bytes) && strstr(read_until(doctor, tls, "\r\n\r\n"), " 101 ");
    bytes_clear(&bytes);
    add_session(&bytes, &doctor->who);
    open = open && send_all(tls, &bytes);
    bytes_clear(&bytes);
    const char *outcome = open ? read_outcome(doctor, tls, &bytes) : NULL;
    bool answered = outcome && *outcome == 'C';
    WireError error = {{0}};
    if (outcome && !answered)
        error = wire_read_error(doctor->arena, outcome + 5, wire_u32(outcome + 1) - 4);
    bytes_free(&bytes);
    if (answered)
        return note(doctor, what, "answered", NULL);
    if (!outcome)
        return note(doctor, what, "no answer",
                    "A proxy between app and gateway must pass WebSockets on (path /v2).");
    return note(doctor, what,
                error.fields[FIELD_MESSAGE] ? error.fields[FIELD_MESSAGE] : "an error",
                CHECK_LOGIN);
}

static bool was_refused(const Error *err)
{
    return err->sqlstate[0] || strstr(err->message, "FATAL");
}

/* A path as a URL's parameter takes it. */
static const char *escaped(Arena *arena, const char *path)
{
    Text out = text_init(arena, 3 * strlen(path) + 1);

    for (; *path; path++)
        if (isalnum((unsigned char)*path) || strchr("/._-", *path))
            text_add_char(&out, *path);
        else
            text_addf(&out, "%%%02X", (unsigned char)*path);
    return text_str(&out);
}

static bool connect_tcp(Doctor *doctor, const char *text, PGconn **ret, Error *err)
{
    PgUrl url;

    return url_parse(doctor->arena, text, "app", &url, err) && pg_connect(&url, "doctor", ret, err);
}

/* First under TLS: where nothing is said about it libpq tries again without, and would then tell of
 * that try. With the CA as a client with sslmode=verify-full does it; `unverified` is what that one
 * was told where only one that verifies less was let in. */
static bool dial_tcp(Doctor *doctor, const char *text, PGconn **ret, Error *unverified, Error *err)
{
    const char *with = strchr(text, '?') ? "&" : "?";
    const char *ca = doctor->probe->ca;
    bool silent = !strstr(text, "sslmode=");
    bool verify = ca && !strstr(text, "sslmode=disable");

    /* Of two values libpq takes the last. */
    if (verify || silent) {
        const char *mode = verify ? arena_printf(doctor->arena, "verify-full&sslrootcert=%s",
                                                 escaped(doctor->arena, ca))
                                  : "require";
        if (connect_tcp(doctor, arena_printf(doctor->arena, "%s%ssslmode=%s", text, with, mode),
                        ret, err))
            return true;
        if (was_refused(err))
            return false;
    }
    Error first = *err;
    *err = ERROR_INIT;
    if (!connect_tcp(doctor, text, ret, err))
        return false;
    if (verify && PQsslInUse(*ret))
        *unverified = first;
    return true;
}

static bool query_tcp(Doctor *doctor)
{
    const char *what = "a query over TCP";
    Error err = ERROR_INIT;
    Error unverified = ERROR_INIT;
    auto_conn PGconn *conn = NULL;
    const char *port = doctor->probe->pg_port;
    const char *text = port ? arena_printf(doctor->arena, "%s%sport=%s", doctor->probe->url,
                                           strchr(doctor->probe->url, '?') ? "&" : "?", port)
                            : doctor->probe->url;

    bool open = dial_tcp(doctor, text, &conn, &unverified, &err);
    if (open && unverified.code != ERR_NONE)
        return note(doctor, what, arena_strdup(doctor->arena, unverified.message),
                    arena_printf(doctor->arena,
                                 "A client with sslmode=verify-full and sslrootcert=%s is not let "
                                 "in: is it the gateway that listens there? `homeport gateway "
                                 "cert --names` makes a certificate for a name that it lacks.",
                                 doctor->probe->ca));
    if (open && pg_exec(conn, "SELECT 42", &err))
        return note(doctor, what, PQsslInUse(conn) ? "answered, under TLS" : "answered", NULL);
    /* Who was refused has found the gateway: nothing is wrong with where it listens. */
    return note(doctor, what, arena_strdup(doctor->arena, err.message),
                was_refused(&err) ? CHECK_LOGIN
                                  : "Only programs that do not use Neon's driver (pg, psql, "
                                    "Prisma) need it: start the gateway with --listen-pg.");
}

bool gateway_probe(Arena *arena, const GatewayProbe *probe, GatewayCheck **ret, int *ret_count,
                   Error *err)
{
    Doctor doctor = {.arena = arena, .probe = probe};

    if (!connstring_parse(arena, probe->url, &doctor.who, err)) {
        err->code = ERR_USAGE;
        return error_hint(err, "It should be the app's DATABASE_URL; the driver needs a name as "
                               "its host, not an address.");
    }
    const char *dot = strchr(doctor.who.host, '.');
    doctor.api = dot ? arena_printf(arena, "api%s", dot) : doctor.who.host;
    doctor.checks = arena_array(arena, MAX_CHECKS, sizeof *doctor.checks);
    bool named = resolves(&doctor, doctor.who.host);
    bool api_named =
        strcmp(doctor.api, doctor.who.host) == 0 ? named : resolves(&doctor, doctor.api);
    bool answered = api_named && query_http(&doctor);
    if (named) {
        (void)query_websocket(&doctor);
        (void)query_tcp(&doctor);
    }
    /* Last: it counts as a failed login. */
    if (answered)
        (void)refuses_others(&doctor);
    *ret = doctor.checks;
    *ret_count = doctor.count;
    return true;
}
