/*
 * Neon's driver sends startup packet, password and first query in one frame,
 * without waiting to be asked, so towards a WebSocket the only way to ask is a
 * cleartext password; the server gets SCRAM, or whatever it asks for, from
 * libpq. On 5432 a role of the file of roles gets SCRAM with the gateway's own
 * certificate as its channel; others may show their password under TLS.
 */
#include <assert.h>
#include <openssl/ssl.h>
#include <string.h>

#include "gateway/cancel.h"
#include "gateway/client.h"
#include "gateway/connstring.h"
#include "gateway/sql.h"
#include "gateway/trust.h"

enum {
    MAX_PASSWORD_MESSAGE = 8 * 1024
};

/* ---- how it shows who it is ---- */

static void ask(Session *session, uint32_t kind, const char *data, size_t len)
{
    Bytes out = bytes_init(SIZE_MAX);
    size_t at = wire_begin(&out, 'R');

    bytes_add_u32(&out, kind);
    bytes_add(&out, data, len);
    wire_end(&out, at);
    session_write(session, &out);
    bytes_free(&out);
}

enum {
    ASK_CLEARTEXT = 3,
    ASK_SASL = 10,
    ASK_SASL_CONTINUE = 11,
    ASK_SASL_FINAL = 12
};

static void ask_scram(Session *session)
{
    static const char both[] = "SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0";
    static const char plain[] = "SCRAM-SHA-256\0";
    unsigned char binding[TLS_BINDING_MAX];
    SSL *tls = stream_tls(session->client);
    size_t len = tls ? tls_server_end_point(tls, binding) : 0;

    session->scram = scram_new(session->arena, binding, len);
    session->state = SESSION_SASL_FIRST;
    /* The text's own NUL ends the list. */
    if (len > 0)
        ask(session, ASK_SASL, both, sizeof both);
    else
        ask(session, ASK_SASL, plain, sizeof plain);
}

static void ask_password(Session *session)
{
    Gateway *gateway = session->worker->gateway;
    Error err = ERROR_INIT;

    if (!login_is_served(gateway->options, session->startup.user, session->startup.database,
                         &err)) {
        session_refuse(session, "28000", err.message);
    } else if (!session->ws && roles_known(gateway->roles)) {
        ask_scram(session);
    } else if (session->ws || stream_tls(session->client)) {
        session->state = SESSION_PASSWORD;
        ask(session, ASK_CLEARTEXT, NULL, 0);
    } else {
        session_refuse(session, "28000",
                       "a password is only asked for under TLS; connect with sslmode=require");
    }
}

static void take_sasl_first(Session *session, const char *payload, size_t len)
{
    const char *nul = memchr(payload, '\0', len);
    const char *first = nul && payload + len - nul > 4 ? nul + 5 : NULL;
    const char *answer = NULL;

    if (first && wire_u32(nul + 1) == (uint32_t)(payload + len - first)) {
        const char *message = arena_strndup(session->arena, first, (size_t)(payload + len - first));
        roles_find(session->worker->gateway->roles, session->arena, session->startup.user,
                   &session->keys, &session->password);
        answer = scram_first(session->scram, payload, message, &session->keys);
    }
    if (!answer) {
        session_refuse(session, "08P01", "malformed SCRAM message");
        return;
    }
    session->state = SESSION_SASL_FINAL;
    ask(session, ASK_SASL_CONTINUE, answer, strlen(answer));
}

/* Whether it has to wait must not tell whether the password is right, except to who had it right a
 * while ago. */
static void take_sasl_final(Session *session, const char *payload, size_t len)
{
    Gateway *gateway = session->worker->gateway;
    const char *message = arena_strndup(session->arena, payload, len);
    const char *answer = scram_final(session->scram, message);
    bool right = answer && session->password;
    Claim claim;

    if (right)
        proof_make(session->worker, session->password, session->proof);
    session->shown = right;
    claim = session_claim(session);
    if (throttle_refuses(gateway->throttle, &claim)) {
        session_refuse_throttled(session);
    } else if (right) {
        ask(session, ASK_SASL_FINAL, answer, strlen(answer));
        session_connect(session);
    } else {
        throttle_failed(gateway->throttle, &claim);
        session_log_refused(session, "28P01");
        session_refuse(session, "28P01",
                       arena_printf(session->arena,
                                    "password authentication failed for user \"%s\"",
                                    session->startup.user));
    }
}

static void take_password(Session *session, const char *payload, size_t len)
{
    if (len == 0 || payload[len - 1] != '\0' || strlen(payload) != len - 1) {
        session_refuse(session, "08P01", "malformed password message");
        return;
    }
    session->password = arena_strdup(session->arena, password_clean(payload));
    if (!*session->password) {
        session_refuse(session, "28P01", "empty password returned by client");
        return;
    }
    proof_make(session->worker, session->password, session->proof);
    session_connect(session);
}

bool login_take_message(Session *session)
{
    Bytes *input = session_input(session);
    const char *data = bytes_data(input);
    size_t have = bytes_len(input);

    if (have < 5)
        return false;
    size_t total = (size_t)wire_u32(data + 1) + 1;
    if (data[0] != 'p' || total < 5 || total > MAX_PASSWORD_MESSAGE) {
        session_refuse(session, "08P01", "expected a password");
        return false;
    }
    if (have < total)
        return false;
    char *payload = arena_alloc(session->arena, total);
    memcpy(payload, data + 5, total - 5);
    bytes_consume(input, total);
    if (session->state == SESSION_PASSWORD)
        take_password(session, payload, total - 5);
    else if (session->state == SESSION_SASL_FIRST)
        take_sasl_first(session, payload, total - 5);
    else
        take_sasl_final(session, payload, total - 5);
    return true;
}

/* ---- startup ---- */

/* A protocol newer than 3.0, or extensions of it: told what there is. */
static void negotiate(Session *session)
{
    Bytes out = bytes_init(SIZE_MAX);
    int unknown = 0;

    for (int i = 0; i < session->startup.count; i++)
        unknown += strncmp(session->startup.params[i].name, "_pq_.", 5) == 0;
    if (session->startup.code == WIRE_VERSION_3 && unknown == 0)
        return;
    size_t at = wire_begin(&out, 'v');
    bytes_add_u32(&out, WIRE_VERSION_3);
    bytes_add_u32(&out, (uint32_t)unknown);
    for (int i = 0; i < session->startup.count; i++)
        if (strncmp(session->startup.params[i].name, "_pq_.", 5) == 0)
            wire_add_cstring(&out, session->startup.params[i].name);
    wire_end(&out, at);
    session_write(session, &out);
    bytes_free(&out);
}

static void answer_tls(Session *session, uint32_t code)
{
    Gateway *gateway = session->worker->gateway;
    bool offered = code == WIRE_SSL && !session->ws && gateway->tls && !stream_tls(session->client);
    Bytes out = bytes_init(1);

    bytes_add_char(&out, offered ? 'S' : 'N');
    session_write(session, &out);
    bytes_free(&out);
    if (!offered)
        return;
    /* What came with the request came from somebody who could not know our answer. */
    if (bytes_len(session_input(session)) > 0) {
        session_free(session);
        return;
    }
    session_accept_tls(session);
}

static void on_cancelled(void *arg)
{
    Session *session = arg;

    session->cancel = NULL;
    session_close(session);
}

/* Who cancels takes the end of this connection for "it is done", and may send its next query. */
static void take_cancel(Session *session, const Startup *startup)
{
    session->cancel = cancel_fire(session->worker, startup->cancel_pid, startup->cancel_key,
                                  on_cancelled, session);
    session->state = SESSION_CANCELS;
    if (!session->cancel)
        session_close(session);
}

bool login_take_startup(Session *session)
{
    Bytes *input = session_input(session);
    size_t len = 0;
    Startup startup;

    switch (
        wire_read_startup(session->arena, bytes_data(input), bytes_len(input), &startup, &len)) {
    case STARTUP_MORE:
        return false;
    case STARTUP_BAD:
        session_refuse(session, "08P01", "invalid startup packet");
        return false;
    case STARTUP_READ:
        break;
    }
    bytes_consume(input, len);
    if (startup.code == WIRE_SSL || startup.code == WIRE_GSS) {
        answer_tls(session, startup.code);
        return session->state == SESSION_STARTUP && !session->dead;
    }
    if (startup.code == WIRE_CANCEL) {
        take_cancel(session, &startup);
        return false;
    }
    session->startup = startup;
    metric_add(&session->worker->metrics.requests[session->protocol], 1);
    negotiate(session);
    ask_password(session);
    return true;
}
