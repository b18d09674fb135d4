/*
 * HTTP/1.1 for one loop: what came is refused rather than repaired, within
 * limits of size and time, and answered by a handler whenever that is ready.
 *
 * Each exchange has an arena that lasts until its reply has been written or
 * its client has gone. One request of a connection is handled at a time;
 * those behind it wait in the connection's input.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/error.h"
#include "http/budget.h"
#include "http/bytes.h"
#include "http/stream.h"

struct event_base;
struct sockaddr;

typedef struct HttpHeader {
    const char *name; /* in lower case */
    const char *value;
} HttpHeader;

typedef struct HttpExchange HttpExchange;

typedef struct HttpRequest {
    const char *method;
    const char *path;  /* without the query */
    const char *query; /* "" where there is none */
    const HttpHeader *headers;
    int header_count;
    const char *body;
    size_t body_len;
    const char *peer; /* "127.0.0.1" */
    bool upgrade;     /* asks for a WebSocket */
} HttpRequest;

/* The value of the first header of this name (in lower case), or NULL. */
const char *http_header(const HttpRequest *request, const char *name);

typedef struct HttpSettings {
    size_t body_limit;
    atomic_int *count; /* of connections, with those that others count in it; NULL: its own */
    int max_connections;
    int idle_ms;                 /* 0: 60 s */
    Budget *budget;              /* of bodies and replies; NULL: none */
    const char *short_reply;     /* body of the reply with status 503 where it is used up */
    const char *refusal_headers; /* lines of all replies that the server makes itself; NULL: none */
    const char *too_large_type;  /* of the reply with status 413 */
    const char *too_large_reply; /* its body */
    void (*handle)(void *arg, HttpExchange *exchange);
    /* Is it somebody of whom more than a little may be taken in? NULL: all are. */
    bool (*is_known)(void *arg, const HttpExchange *exchange);
    /* It is not, and its body is large: nothing more is read before http_proceed(), or a reply. */
    void (*ask)(void *arg, HttpExchange *exchange);
    /* The client left, or the server closes, before the reply. The exchange is gone after it. */
    void (*gone)(void *arg, HttpExchange *exchange);
    void *arg;
} HttpSettings;

typedef struct HttpServer HttpServer;

HttpServer *http_server_new(struct event_base *base, const HttpSettings *settings);
void http_server_free(HttpServer *server); /* closes what is open; accepts NULL */
/* Takes an accepted socket; `ctx` (NULL: plain) is only used during the call. */
void http_server_accept(HttpServer *server, int fd, const struct sockaddr *peer, SSL_CTX *ctx);
/* No new requests: idle connections close, others with their reply. */
void http_server_drain(HttpServer *server);
int http_server_busy(const HttpServer *server); /* exchanges without a reply */
/* Connections on which a request is being read or handled, or its reply not all taken. */
int http_server_unfinished(const HttpServer *server);

const HttpRequest *http_request(const HttpExchange *exchange);
Arena *http_arena(HttpExchange *exchange);
/* The handler's own, for gone(). */
void http_set_data(HttpExchange *exchange, void *data);
void *http_data(const HttpExchange *exchange);

typedef struct HttpReply {
    int status;
    const char *type;    /* content-type, NULL: none */
    const char *headers; /* more of them, each with \r\n at its end; NULL: none */
} HttpReply;

/* After ask(): the body is read. */
void http_proceed(HttpExchange *exchange);
/* Answers, once. The body's bytes are taken. The exchange may be gone when this returns. */
void http_reply(HttpExchange *exchange, const HttpReply *reply, Bytes *body);

/* Answers 101 with the accept key, and hands the connection over, with its place in the count: its
 * input may hold bytes that came behind the request. NULL where the request is not a proper
 * upgrade; the caller replies. */
Stream *http_upgrade(HttpExchange *exchange);
