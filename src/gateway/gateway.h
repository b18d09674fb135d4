/*
 * An endpoint for apps on Neon's driver, in front of any PostgreSQL: SQL over
 * HTTP, WebSockets, and plain 5432, with one pool, that can be paused and put
 * before another server while clients wait.
 *
 * gateway_admin() is the other side of a running gateway's administration
 * socket: the command line's and the cutover's. It needs nothing else of the
 * gateway.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/error.h"

typedef struct GatewayOptions {
    const char *upstream;    /* URL of the server; its user and password are not for clients */
    const char *listen;      /* HTTPS and WSS; NULL: not */
    const char *listen_http; /* the same without TLS; NULL: not */
    const char *listen_pg;   /* PostgreSQL's own protocol; NULL: not */
    const char *metrics;     /* Prometheus and /health; NULL: not */
    const char *admin;       /* Unix socket; NULL: none */
    const char *cert;        /* PEM files; NULL: those in tls_dir, made and renewed there */
    const char *key;
    const char *tls_dir;
    const char *names;      /* for that certificate: "neondb,api.db.internal" */
    int cert_life_s;        /* of that certificate */
    const char *state;      /* file that says which upstream is the current one */
    bool trust_upstream;    /* serve although it asks for no password */
    const char *roles;      /* file of passwords for SCRAM on 5432 (PgBouncer's userlist.txt) */
    const char *databases;  /* that are served: "app,stats"; NULL: whatever the upstream has */
    const char *role_names; /* the same of roles */
    const char *timezone;   /* of sessions of the driver; "server": the server's */
    uint64_t max_request_bytes;
    uint64_t max_response_bytes;
    uint64_t max_memory_bytes; /* of requests and responses together; 0: no limit */
    int threads;               /* 0: by the processors */
    int pool_size;
    int max_connections;
    int queue_ms;
    int recheck_ms;
    int slow_ms;
    int drain_ms;
    bool cors;
} GatewayOptions;

/* Serves until SIGTERM or SIGINT; reads certificate and roles again on SIGHUP. */
bool gateway_run(const GatewayOptions *options, Error *err) MUST_USE;

typedef enum GatewayVerb {
    GATEWAY_STATUS,
    GATEWAY_PAUSE,  /* new work waits, running transactions end */
    GATEWAY_RESUME, /* work goes on */
    GATEWAY_SWITCH, /* another upstream: paused it stays paused, else pauses and resumes by itself
                     */
} GatewayVerb;

typedef struct GatewayRequest {
    GatewayVerb verb;
    const char *url; /* GATEWAY_SWITCH: of the new upstream, with whatever it needs but a login */
    int deadline_ms; /* pause and switch: what runs longer undoes the pause; 0: 10 s */
    bool force;      /* ... or is ended at the deadline */
    bool stop_while_held; /* a stop that is asked for ends the wait also while it is held back */
} GatewayRequest;

typedef struct GatewayReply {
    const char *state;    /* "serving", "pausing", "paused" */
    const char *upstream; /* without its password */
    int64_t generation;   /* counts the switches */
    int64_t waiting;      /* requests and sessions that wait */
    int64_t busy;         /* that are at work */
    int64_t sessions;     /* WebSocket and TCP clients with a session */
    int64_t took_ms;
} GatewayReply;

/* ERR_CONNECT: no gateway answers there. ERR_WRONG_STATE: it refused, and nothing has changed. */
bool gateway_admin(Arena *arena, const char *socket_path, const GatewayRequest *request,
                   GatewayReply *ret, Error *err) MUST_USE;

/* A private CA (kept where it is there) and a certificate for the names, good for that many
 * seconds, into `dir`: ca.crt, ca.key, gateway.crt, gateway.key. */
bool gateway_cert_make(const char *dir, const char *names, int life_s, Error *err) MUST_USE;
/* Seconds until the certificate ends, and whether it is for all of the names (NULL: any); false
 * where there is none that can be read. */
bool gateway_cert_look(const char *path, const char *names, int64_t *ret_left, bool *ret_fits,
                       Error *err) MUST_USE;
/* That of the names, and those that a driver makes of them: "app.db.internal" needs
 * "api.db.internal" as well. NULL at the end. */
const char **gateway_names(Arena *arena, const char *names);

typedef struct GatewayCheck {
    const char *what;   /* "api.db.internal resolves" */
    const char *detail; /* what was found */
    const char *fix;    /* NULL: it is fine */
} GatewayCheck;

typedef struct GatewayProbe {
    const char *url;  /* as the app has it: DATABASE_URL */
    const char *ca;   /* file */
    const char *port; /* of HTTPS; "443" where the app is not told otherwise */
    const char *pg_port;
} GatewayProbe;

/* What an app with this URL would meet: names, TLS, a query by HTTP, WebSocket and TCP. */
bool gateway_probe(Arena *arena, const GatewayProbe *probe, GatewayCheck **ret, int *ret_count,
                   Error *err) MUST_USE;
