/*
 * Connections and their register.
 *
 * libpq blocks, deaf to signals. To stop promptly, somebody else must be able
 * to end what a thread waits for: pg_interrupt_all() shuts all sockets down,
 * upon which every libpq call returns. A watcher does so on a signal, since the
 * main thread may be the one that waits. The servers notice by themselves that
 * nobody is there any more, and end the statement (sql/pg/session.sql):
 * PQcancel would have to connect first, and a server that hangs, or a network
 * that is gone, would hold us up then.
 */
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/cancel.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/text.h"
#include "pg/pg.h"

enum {
    CONNECT_TIMEOUT_S = 15,
    ASK_WITHIN_S = 5,       /* for the code of a refusal */
    SHORTEST_TIMEOUT_S = 2, /* libpq takes no less */
    AGAIN_MS = 50,          /* between looks for new connections, once the deadline has passed */
    MAX_PARAMS = 80,
    FIRST_WAIT_MS = 100,
    LONGEST_WAIT_MS = 3000,
    HELD_MS = 50 /* between looks while a request to stop is held back */
};

typedef struct Registered {
    struct Registered *next;
    PGconn *conn;
} Registered;

static pthread_mutex_t register_lock = PTHREAD_MUTEX_INITIALIZER;
static Registered *registered;

static void register_conn(PGconn *conn)
{
    Registered *entry = memory_zeroed(1, sizeof *entry);

    entry->conn = conn;
    (void)pthread_mutex_lock(&register_lock);
    entry->next = registered;
    registered = entry;
    (void)pthread_mutex_unlock(&register_lock);
}

static void unregister_conn(const PGconn *conn)
{
    Registered *found = NULL;

    (void)pthread_mutex_lock(&register_lock);
    for (Registered **at = &registered; *at; at = &(*at)->next)
        if ((*at)->conn == conn) {
            found = *at;
            *at = found->next;
            break;
        }
    (void)pthread_mutex_unlock(&register_lock);
    free(found);
}

void pg_interrupt_all(void)
{
    (void)pthread_mutex_lock(&register_lock);
    for (Registered *at = registered; at; at = at->next)
        if (PQsocket(at->conn) >= 0)
            (void)shutdown(PQsocket(at->conn), SHUT_RDWR);
    (void)pthread_mutex_unlock(&register_lock);
}

/* ---- a deadline ---- */

static struct {
    pthread_t thread;
    pthread_cond_t changed;
    double at_s; /* clock_seconds(); 0: there is none */
} limit;

static double limit_now(void)
{
    (void)pthread_mutex_lock(&register_lock);
    double at_s = limit.at_s;
    (void)pthread_mutex_unlock(&register_lock);
    return at_s;
}

/* Every connection that is made from then on is lost at once. */
static bool limit_has_passed(void)
{
    double at_s = limit_now();

    return at_s > 0 && clock_seconds() >= at_s;
}

static void limit_set(double at_s)
{
    (void)pthread_mutex_lock(&register_lock);
    limit.at_s = at_s;
    (void)pthread_mutex_unlock(&register_lock);
}

static void *limit_main(void *arg)
{
    double at_s = limit_now();

    (void)arg;
    (void)pthread_mutex_lock(&register_lock);
    while (limit.at_s > 0) {
        double look_s = clock_seconds() + HELD_MS / 1000.0;
        struct timespec until = clock_at(at_s < look_s ? at_s : look_s);
        (void)pthread_cond_timedwait(&limit.changed, &register_lock, &until);
        if (cancel_pending() && limit.at_s > clock_seconds())
            limit.at_s = at_s = clock_seconds();
        if (limit.at_s <= 0 || clock_seconds() < at_s)
            continue;
        (void)pthread_mutex_unlock(&register_lock);
        pg_interrupt_all();
        (void)pthread_mutex_lock(&register_lock);
        at_s = clock_seconds() + AGAIN_MS / 1000.0;
    }
    (void)pthread_mutex_unlock(&register_lock);
    return NULL;
}

bool pg_deadline_begin(double at_s, Error *err)
{
    clock_cond_init(&limit.changed);
    limit_set(at_s);
    if (pthread_create(&limit.thread, NULL, limit_main, NULL) == 0)
        return true;
    limit_set(0);
    (void)pthread_cond_destroy(&limit.changed);
    return error_set(err, ERR_IO, "a thread could not be started");
}

void pg_deadline_end(void)
{
    (void)pthread_mutex_lock(&register_lock);
    bool was = limit.at_s > 0;
    limit.at_s = 0;
    if (was)
        (void)pthread_cond_signal(&limit.changed);
    (void)pthread_mutex_unlock(&register_lock);
    if (!was)
        return;
    (void)pthread_join(limit.thread, NULL);
    (void)pthread_cond_destroy(&limit.changed);
}

int pg_deadline_left_ms(void)
{
    double at_s = limit_now();
    double left_ms = (at_s - clock_seconds()) * 1000;

    return at_s <= 0 ? 0 : left_ms > 1 ? (int)left_ms : 1;
}

/* The request stays readable, and a connection that is made after it is closed at once. */
static void *watch_main(void *arg)
{
    struct pollfd wait = {.fd = cancel_fd(), .events = POLLIN};

    (void)arg;
    while (!cancel_requested())
        (void)poll(&wait, cancel_pending() ? 0 : 1, cancel_pending() ? HELD_MS : -1);
    pg_interrupt_all();
    return NULL;
}

/* Once in a process, by the first who connects after cancel_install(). */
static bool watch_start(Error *err)
{
    static bool watched;
    pthread_t thread;
    int failed = 0;

    (void)pthread_mutex_lock(&register_lock);
    if (!watched && cancel_fd() >= 0) {
        failed = pthread_create(&thread, NULL, watch_main, NULL);
        watched = !failed;
        if (watched)
            (void)pthread_detach(thread);
    }
    (void)pthread_mutex_unlock(&register_lock);
    return !failed || error_set(err, ERR_IO, "a thread could not be started");
}

void pg_close(PGconn *conn)
{
    if (!conn)
        return;
    unregister_conn(conn);
    PQfinish(conn);
}

void pg_conn_cleanup(PGconn **conn)
{
    pg_close(*conn);
    *conn = NULL;
}

static void ignore_notice(void *arg, const PGresult *res)
{
    (void)arg;
    log_debug("server notice", kv_str("message", PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY)));
}

static const char starting[] =
    "The server is starting or stopping, or recovers from a crash: try again in a moment.";

/* Libpq's own words, which are English here, and the server's, where they are: else its SQLSTATE
 * tells. */
static const struct {
    const char *part;
    const char *state; /* NULL: of libpq's words, or a detail of them */
    const char *hint;
} hints[] = {
    {"password authentication failed", "28P01",
     "Check user and password; in a URL a password is percent-encoded (@ is %40, : is %3A, / is "
     "%2F)."                                                                                                   },
    {"no password supplied",           NULL,
     "Put the password into the URL, into PGPASSWORD, or into ~/.pgpass."                                      },
    {"does not support SSL",           NULL,
     "The server has no TLS. Where the network is trusted, use sslmode=prefer or disable."                     },
    {"certificate",                    NULL,
     "Check sslmode and sslrootcert; sslmode=verify-full needs the CA that signed the server's "
     "certificate."                                                                                            },
    {"channel binding",                NULL,    "Drop channel_binding=require for a server without TLS."       },
    {"could not translate host name",  NULL,
     "The host name does not resolve: check its spelling and DNS."                                             },
    {"Connection refused",             NULL,
     "Nothing listens there: check host and port, and that the server runs."                                   },
    {"No such file or directory",      NULL,
     "No server has its socket there: check the folder and the port."                                          },
    {"timeout expired",                NULL,
     "The host did not answer in time: check the address, the firewall, and an IP allow list."                 },
    {"does not exist",                 "3D000", "Create it first, or check the spelling."                      },
    {"no pg_hba.conf entry",           NULL,    "The server's pg_hba.conf does not let this user in from here."},
    {"too many clients",               "53300", "Lower --jobs, or raise max_connections on that server."       },
    {"remaining connection slots",     NULL,    "Lower --jobs, or raise max_connections on that server."       },
    {"is starting up",                 "57P03", starting                                                       },
    {"is shutting down",               NULL,    starting                                                       },
    {"in recovery mode",               NULL,    starting                                                       },
    {"not yet accepting",              NULL,    starting                                                       },
 /* Only by its code: no such role, or no entry for it. */
    {NULL,                             "28000",
     "Check the user's name, and that the server's pg_hba.conf lets this user in from here."                   },
};

static void hint_for_connect(const char *text, const PgUrl *url, Error *err)
{
    for (size_t i = 0; i < COUNT_OF(hints); i++)
        if ((hints[i].part && strstr(text, hints[i].part)) ||
            (hints[i].state && strcmp(err->sqlstate, hints[i].state) == 0)) {
            (void)error_hint(err, "%s", hints[i].hint);
            return;
        }
    (void)error_hint(err, "The address was %s.", url->redacted);
}

/* Worth another try: the server is restarting or the network hiccuped. A wrong
 * password or a missing database does not heal by waiting. */
static bool is_passing_text(const char *text)
{
    static const char *const passing[] = {
        "Connection refused", "starting up",           "shutting down",
        "timeout expired",    "Connection reset",      "connection lost",
        "terminating",        "closed the connection", "recovery mode",
        "No such file",       "too many clients",      "remaining connection slots",
        "not yet accepting",  "Connection timed out",  "temporarily",
    };

    for (size_t i = 0; i < COUNT_OF(passing); i++)
        if (strstr(text, passing[i]))
            return true;
    return false;
}

static bool is_passing(const Error *err)
{
    static const char *const states[] = {"57P01", "57P02", "57P03", "53300"};

    return err->code == ERR_CONNECT && (is_passing_text(err->message) ||
                                        text_is_one_of(err->sqlstate, states, COUNT_OF(states)));
}

/* The server's words begin with their severity; libpq's own have none. */
static bool is_unknown(const char *text)
{
    for (size_t i = 0; i < COUNT_OF(hints); i++)
        if (hints[i].part && strstr(text, hints[i].part))
            return false;
    return strstr(text, ":  ") && !is_passing_text(text);
}

bool pg_add_lost(const PGconn *conn, Error *err)
{
    const char *host = PQhost(conn);
    const char *port = PQport(conn);

    if (!host || !*host || !port)
        return error_add_context(err, "connection lost");
    return error_add_context(err, "connection lost (%s:%s)", host, port);
}

bool pg_fail_conn(const PGconn *conn, Error *err)
{
    const char *text = PQerrorMessage(conn);

    if (cancel_requested())
        return cancel_check(err);
    while (*text == '\n' || *text == ' ')
        text++;
    (void)error_set(err, ERR_CONNECT, "%.*s", *text ? (int)strcspn(text, "\n") : 9,
                    *text ? text : "no reason");
    return pg_add_lost(conn, err);
}

static bool fail_connect(const PGconn *conn, const PgUrl *url, const char *state, Error *err)
{
    const char *text = PQerrorMessage(conn);
    const char *last = text;

    /* With several addresses libpq reports each on a line; the last one is the
     * server's own word where there is one. Details follow on lines of their own. */
    for (const char *p = text; *p; p++)
        if (*p == '\n' && p[1] && !strchr("\t ", p[1]) && strncmp(p + 1, "DETAIL:", 7) != 0 &&
            strncmp(p + 1, "HINT:", 5) != 0)
            last = p + 1;
    if (cancel_requested())
        return cancel_check(err);
    (void)error_set(err, ERR_CONNECT, "%.*s", (int)strcspn(last, "\n"), last);
    (void)snprintf(err->sqlstate, sizeof err->sqlstate, "%s", state);
    hint_for_connect(last, url, err);
    return false;
}

/* How long a host may take, in whole seconds: until the deadline, where there is one. */
static const char *connect_timeout(char buffer[16])
{
    double deadline_s = limit_now();
    double left_s = deadline_s > 0 ? deadline_s - clock_seconds() : CONNECT_TIMEOUT_S;
    int seconds = left_s < SHORTEST_TIMEOUT_S  ? SHORTEST_TIMEOUT_S
                  : left_s > CONNECT_TIMEOUT_S ? CONNECT_TIMEOUT_S
                                               : (int)left_s;

    (void)snprintf(buffer, 16, "%d", seconds);
    return buffer;
}

/* A server that has refused once answers at once. */
static double ask_until(void)
{
    double until_s = clock_seconds() + ASK_WITHIN_S;
    double deadline_s = limit_now();

    return deadline_s > 0 && deadline_s < until_s ? deadline_s : until_s;
}

static void connect_params(const PgUrl *url, const char *application, const char *timeout,
                           const char **keywords, const char **values)
{
    /* Ours first: libpq takes the last value of a keyword, so the owner's wins. */
    const char *const defaults[][2] = {
        {"connect_timeout",     timeout},
        {"keepalives_idle",     "30"   },
        {"keepalives_interval", "10"   },
        {"keepalives_count",    "3"    },
        {"tcp_user_timeout",    "60000"},
        {"client_encoding",     "UTF8" },
    };
    size_t count = 0;

    for (size_t i = 0; i < COUNT_OF(defaults); i++) {
        keywords[count] = defaults[i][0];
        values[count++] = defaults[i][1];
    }
    for (size_t i = 0; url->keywords[i] && count + 2 < MAX_PARAMS; i++) {
        keywords[count] = url->keywords[i];
        values[count++] = url->values[i];
    }
    keywords[count] = "application_name";
    values[count++] = application;
    keywords[count] = NULL;
}

bool pg_use_encoding(PGconn *conn, const PgUrl *url, Error *err)
{
    return !url->encoding || pg_execf(conn, err, "SET client_encoding = '%s'", url->encoding);
}

bool pg_connect(const PgUrl *url, const char *role, PGconn **ret, Error *err)
{
    const char *keywords[MAX_PARAMS + 1];
    const char *values[MAX_PARAMS + 1];
    char application[64];
    char timeout[16];

    if (!watch_start(err) || !cancel_check(err))
        return false;
    (void)snprintf(application, sizeof application, "homeport %s", role);
    connect_params(url, application, connect_timeout(timeout), keywords, values);

    PGconn *conn = PQconnectdbParams(keywords, values, 0);
    if (!conn)
        return error_set(err, ERR_CONNECT, "out of memory");
    if (PQstatus(conn) != CONNECTION_OK) {
        char state[6] = "";
        if (is_unknown(PQerrorMessage(conn)) && !cancel_requested())
            pg_ask_code(keywords, values, ask_until(), state);
        (void)fail_connect(conn, url, state, err);
        PQfinish(conn);
        return false;
    }
    (void)PQsetNoticeReceiver(conn, ignore_notice, NULL);
    register_conn(conn);
    if (!cancel_check(err)) {
        pg_close(conn);
        return false;
    }
    if (!pg_exec(conn, sql_pg_session, err) || !pg_use_encoding(conn, url, err)) {
        pg_close(conn);
        return error_add_context(err, "set up the session");
    }
    *ret = conn;
    return true;
}

/* Whom somebody waits for within a deadline does not wait for long himself. */
static int next_wait(int wait_ms)
{
    int longest = limit_now() > 0 ? FIRST_WAIT_MS : LONGEST_WAIT_MS;

    return wait_ms * 2 < longest ? wait_ms * 2 : longest;
}

bool pg_connect_retry(const PgUrl *url, const char *role, int seconds, PGconn **ret, Error *err)
{
    double deadline = clock_seconds() + seconds;
    int wait_ms = FIRST_WAIT_MS;

    while (!pg_connect(url, role, ret, err)) {
        Error stop = ERROR_INIT;
        if (!is_passing(err) || clock_seconds() + wait_ms / 1000.0 > deadline || limit_has_passed())
            return false;
        log_debug("connection refused, trying again", kv_str("role", role),
                  kv_str("reason", err->message), kv_i64("wait_ms", wait_ms));
        if (!cancel_sleep_ms(wait_ms, &stop)) {
            *err = stop;
            return false;
        }
        wait_ms = next_wait(wait_ms);
    }
    *err = ERROR_INIT; /* of the tries before */
    return true;
}
