#include "http/server.h"

#include <arpa/inet.h>
#include <assert.h>
#include <ctype.h>
#include <event2/event.h>
#include <llhttp.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/memory.h"
#include "http/address.h"

enum {
    MAX_HEAD = 32 * 1024, /* a driver's connection string alone may be some KiB */
    MAX_HEADERS = 64,
    HEAD_MS = 10 * 1000,
    IDLE_MS = 60 * 1000,
    BODY_MS = 30 * 1000,
    BODY_BYTES_PER_MS = 64, /* slower than this beyond BODY_MS is no upload but a siege */
    FREE_BODY = 16 * 1024,  /* that every connection may have */
    STRANGERS_BODY = 1024 * 1024,
    PARSED_TIMES = 3, /* what a parsed body takes, beside itself */
    WRITE_MS = 60 * 1000,
    LINGER_MS = 20 * 1000
};

typedef enum ConnState {
    CONN_HEAD,      /* waits for a request, or reads its head */
    CONN_BODY,      /* reads its body */
    CONN_ASKING,    /* is it welcome? The rest of the body waits */
    CONN_HANDLING,  /* the handler has it */
    CONN_LINGERING, /* the last reply is on its way; what comes is thrown away */
} ConnState;

typedef struct Conn Conn;

struct HttpExchange {
    Conn *conn;
    Arena *arena;
    HttpRequest request;
    HttpHeader headers[MAX_HEADERS];
    void *data;
    bool keep_alive;
};

struct Conn {
    LIST_ENTRY(Conn) link;
    HttpServer *server;
    Stream *stream;
    struct event *deadline;
    llhttp_t parser;
    HttpExchange *exchange; /* from the end of the head until the reply */
    Bytes body;
    size_t charged; /* to the budget */
    bool stranger;  /* it is, of the strangers' part */
    bool judged;    /* whether it is one is known */
    bool expects;   /* to be told that it may go on */
    uint64_t body_started_ms;
    ConnState state;
    bool in_head;       /* bytes of a head have come */
    bool head_done;     /* llhttp has seen all of the head */
    bool message_done;  /* and of the body */
    bool header_broken; /* folded, or too many */
    bool fresh_header;
    char peer[ADDRESS_TEXT_MAX];
};

struct HttpServer {
    struct event_base *base;
    HttpSettings settings;
    llhttp_settings_t callbacks;
    LIST_HEAD(, Conn) conns;
    atomic_int own_count;
    int busy;
    bool draining;
};

static uint64_t now_ms(const Conn *conn)
{
    struct timeval now;

    (void)event_base_gettimeofday_cached(conn->server->base, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_usec / 1000;
}

static void set_deadline(Conn *conn, int ms)
{
    struct timeval wait = {.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000L};

    (void)event_add(conn->deadline, &wait);
}

static void discharge(Conn *conn)
{
    Budget *budget = conn->server->settings.budget;

    if (budget && conn->charged > 0)
        budget_give(budget, conn->charged, conn->stranger);
    conn->charged = 0;
    conn->stranger = false;
    conn->judged = false;
}

static void set_reading_deadline(Conn *conn, int ms)
{
    stream_watch_reader(conn->stream);
    set_deadline(conn, ms);
}

static void exchange_free(Conn *conn)
{
    discharge(conn);
    if (!conn->exchange)
        return;
    arena_free(conn->exchange->arena);
    conn->exchange = NULL;
    bytes_free(&conn->body);
}

static void conn_free(Conn *conn)
{
    HttpServer *server = conn->server;

    if (conn->state == CONN_HANDLING || conn->state == CONN_ASKING) {
        server->busy--;
        server->settings.gone(server->settings.arg, conn->exchange);
    }
    exchange_free(conn);
    LIST_REMOVE(conn, link);
    if (conn->stream)
        atomic_fetch_sub(server->settings.count, 1);
    event_free(conn->deadline);
    stream_free(conn->stream);
    bytes_free(&conn->body);
    free(conn);
}

/* ---- what llhttp tells ---- */

static int on_url(llhttp_t *parser, const char *at, size_t len)
{
    HttpExchange *exchange = ((Conn *)parser->data)->exchange;
    char *target = arena_strndup(exchange->arena, at, len);
    char *query = strchr(target, '?');

    if (query)
        *query++ = '\0';
    exchange->request.path = target;
    exchange->request.query = query ? query : "";
    return 0;
}

static int on_header_field(llhttp_t *parser, const char *at, size_t len)
{
    Conn *conn = parser->data;
    HttpExchange *exchange = conn->exchange;

    if (conn->head_done)
        return 0; /* trailers are nobody's */
    if (exchange->request.header_count == MAX_HEADERS) {
        conn->header_broken = true;
        return 0;
    }
    char *name = arena_strndup(exchange->arena, at, len);
    for (char *c = name; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    exchange->headers[exchange->request.header_count++] = (HttpHeader){name, ""};
    conn->fresh_header = true;
    return 0;
}

static int on_header_value(llhttp_t *parser, const char *at, size_t len)
{
    Conn *conn = parser->data;
    HttpExchange *exchange = conn->exchange;

    if (conn->head_done || conn->header_broken)
        return 0;
    /* A second piece for one header: the line was folded. */
    if (!conn->fresh_header) {
        conn->header_broken = true;
        return 0;
    }
    conn->fresh_header = false;
    while (len > 0 && (at[len - 1] == ' ' || at[len - 1] == '\t'))
        len--;
    exchange->headers[exchange->request.header_count - 1].value =
        arena_strndup(exchange->arena, at, len);
    return 0;
}

static int on_headers_complete(llhttp_t *parser)
{
    Conn *conn = parser->data;

    conn->head_done = true;
    /* Only a WebSocket is ever switched to; other offers (h2c) are passed over. */
    if (parser->method != HTTP_GET)
        parser->upgrade = 0;
    /* 2: no body follows and the rest is not HTTP. Otherwise what is behind the request of an
     * upgrade would be read as its body. */
    return parser->upgrade ? 2 : 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t len)
{
    Conn *conn = parser->data;

    bytes_add(&conn->body, at, len);
    return 0;
}

static int on_message_complete(llhttp_t *parser)
{
    Conn *conn = parser->data;

    conn->message_done = true;
    return HPE_PAUSED;
}

/* ---- replies ---- */

static const char *status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } texts[] = {
        {200, "OK"                             },
        {204, "No Content"                     },
        {304, "Not Modified"                   },
        {400, "Bad Request"                    },
        {401, "Unauthorized"                   },
        {404, "Not Found"                      },
        {405, "Method Not Allowed"             },
        {408, "Request Timeout"                },
        {413, "Content Too Large"              },
        {429, "Too Many Requests"              },
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"          },
        {503, "Service Unavailable"            },
        {507, "Insufficient Storage"           },
    };

    for (size_t i = 0; i < COUNT_OF(texts); i++)
        if (texts[i].status == status)
            return texts[i].text;
    return "Unknown";
}

static void write_reply(Conn *conn, const HttpReply *reply, Bytes *body, bool keep)
{
    Bytes out = bytes_init(SIZE_MAX);
    size_t len = bytes_len(body);

    bytes_add_text(&out, "HTTP/1.1 ");
    bytes_add_int(&out, reply->status);
    bytes_add_char(&out, ' ');
    bytes_add_text(&out, status_text(reply->status));
    if (reply->type) {
        bytes_add_text(&out, "\r\ncontent-type: ");
        bytes_add_text(&out, reply->type);
    }
    bytes_add_text(&out, "\r\ncontent-length: ");
    bytes_add_int(&out, (int64_t)len);
    bytes_add_text(&out, "\r\n");
    if (reply->headers)
        bytes_add_text(&out, reply->headers);
    bytes_add_text(&out,
                   keep ? "connection: keep-alive\r\nkeep-alive: timeout=" : "connection: close");
    if (keep)
        bytes_add_int(&out, conn->server->settings.idle_ms / 1000);
    bytes_add_text(&out, "\r\n\r\n");
    if (len <= 16UL * 1024 - bytes_len(&out)) {
        bytes_add(&out, bytes_data(body), len);
        bytes_free(body);
        stream_write_bytes(conn->stream, &out);
    } else {
        stream_write_bytes(conn->stream, &out);
        stream_write_bytes(conn->stream, body);
    }
    bytes_free(&out);
}

static void conn_linger(Conn *conn)
{
    conn->state = CONN_LINGERING;
    stream_shutdown(conn->stream);
    stream_again(conn->stream); /* what was kept is in the way of what is thrown away */
    set_reading_deadline(conn, LINGER_MS);
}

/* Refused before a handler saw it; the connection ends, since what follows cannot be trusted. */
static void refuse(Conn *conn, int status, const char *type, const char *text)
{
    const char *always = conn->server->settings.refusal_headers;
    Bytes headers = bytes_init(SIZE_MAX);
    Bytes body = bytes_init(SIZE_MAX);

    bytes_add_text(&headers, always ? always : "");
    bytes_add_text(&headers, status == 503 ? "retry-after: 1\r\n" : "");
    bytes_add_char(&headers, '\0');
    bytes_add_text(&body, text);
    write_reply(conn, &(HttpReply){.status = status, .type = type, .headers = bytes_data(&headers)},
                &body, false);
    bytes_free(&headers);
    exchange_free(conn);
    conn->message_done = false;
    conn_linger(conn);
}

static void refuse_malformed(Conn *conn)
{
    refuse(conn, 400, "application/json", "{\"message\":\"malformed HTTP request\"}");
}

static void conn_next(Conn *conn)
{
    exchange_free(conn);
    conn->state = CONN_HEAD;
    conn->in_head = false;
    conn->head_done = conn->message_done = conn->header_broken = false;
    llhttp_init(&conn->parser, HTTP_REQUEST, &conn->server->callbacks);
    conn->parser.data = conn;
    set_deadline(conn, conn->server->settings.idle_ms);
    if (bytes_len(stream_input(conn->stream)) > 0)
        stream_again(conn->stream);
}

/* A reply that its client does not take is there, whatever the budget says. */
static void charge_queued(Conn *conn)
{
    Budget *budget = conn->server->settings.budget;
    size_t queued = stream_queued(conn->stream);

    if (!budget || queued <= FREE_BODY)
        return;
    budget_add(budget, queued);
    conn->charged = queued;
}

void http_reply(HttpExchange *exchange, const HttpReply *reply, Bytes *body)
{
    Conn *conn = exchange->conn;
    bool keep = exchange->keep_alive && !conn->server->draining;

    assert(conn->state == CONN_HANDLING || conn->state == CONN_ASKING);
    if (conn->state == CONN_ASKING) {
        keep = false; /* its body is not read */
        stream_read_enable(conn->stream, true);
    }
    conn->server->busy--;
    conn->state = CONN_LINGERING; /* until it is known to go on */
    write_reply(conn, reply, body, keep);
    if (keep && stream_queued(conn->stream) == 0) {
        conn_next(conn);
    } else if (keep) {
        /* The next request waits until this client has taken the reply. */
        exchange_free(conn);
        conn->exchange = NULL;
        charge_queued(conn);
        set_reading_deadline(conn, WRITE_MS);
        conn->message_done = true;
    } else {
        exchange_free(conn);
        charge_queued(conn);
        conn->message_done = false;
        conn_linger(conn);
    }
}

/* ---- requests ---- */

static int count_headers(const HttpRequest *request, const char *name)
{
    int count = 0;

    for (int i = 0; i < request->header_count; i++)
        count += strcmp(request->headers[i].name, name) == 0;
    return count;
}

const char *http_header(const HttpRequest *request, const char *name)
{
    for (int i = 0; i < request->header_count; i++)
        if (strcmp(request->headers[i].name, name) == 0)
            return request->headers[i].value;
    return NULL;
}

static bool head_is_sound(const Conn *conn)
{
    const HttpRequest *request = &conn->exchange->request;
    bool modern = conn->parser.http_major == 1 && conn->parser.http_minor == 1;
    int hosts = count_headers(request, "host");

    return !conn->header_broken && conn->parser.http_major == 1 && hosts <= 1 &&
           (hosts == 1 || !modern) && count_headers(request, "content-length") <= 1 &&
           count_headers(request, "transfer-encoding") <= 1 && request->path;
}

static void exchange_new(Conn *conn)
{
    Arena *arena = arena_new();
    HttpExchange *exchange = arena_alloc(arena, sizeof *exchange);

    exchange->arena = arena;
    exchange->conn = conn;
    exchange->request.headers = exchange->headers;
    exchange->request.peer = conn->peer;
    conn->exchange = exchange;
    conn->body = bytes_init(conn->server->settings.body_limit);
}

/* The end of the head in the input, 0: not there yet. Bare line feeds end it too, so that the
 * parser gets to refuse them at once. */
static size_t find_head_end(const char *data, size_t len)
{
    for (const char *at = data; (at = memchr(at, '\n', len - (size_t)(at - data))) != NULL; at++) {
        size_t behind = (size_t)(at - data) + 1;
        if (behind >= len)
            break;
        if (data[behind] == '\n')
            return behind + 1;
        if (behind + 1 < len && data[behind] == '\r' && data[behind + 1] == '\n')
            return behind + 2;
    }
    return 0;
}

static void judge(Conn *conn)
{
    const HttpSettings *settings = &conn->server->settings;

    if (!conn->judged)
        conn->stranger = settings->is_known && !settings->is_known(settings->arg, conn->exchange);
    conn->judged = true;
}

/* False: it is refused. */
static bool charge(Conn *conn, size_t bytes)
{
    HttpServer *server = conn->server;

    if (!server->settings.budget || bytes <= FREE_BODY || bytes <= conn->charged)
        return true;
    judge(conn);
    if (!budget_take(server->settings.budget, bytes - conn->charged, conn->stranger)) {
        refuse(conn, 503, "application/json", server->settings.short_reply);
        return false;
    }
    conn->charged = bytes;
    return true;
}

static void handle(Conn *conn)
{
    HttpExchange *exchange = conn->exchange;

    if (bytes_len(&conn->body) > FREE_BODY &&
        !charge(conn, conn->body.cap + PARSED_TIMES * bytes_len(&conn->body)))
        return;
    exchange->request.body = bytes_data(&conn->body);
    exchange->request.body_len = bytes_len(&conn->body);
    conn->state = CONN_HANDLING;
    conn->server->busy++;
    (void)event_del(conn->deadline);
    conn->server->settings.handle(conn->server->settings.arg, exchange);
}

static void body_begin(Conn *conn)
{
    HttpExchange *exchange = conn->exchange;
    HttpRequest *request = &exchange->request;
    const char *expect = http_header(request, "expect");
    const char *upgrade = http_header(request, "upgrade");

    request->method = llhttp_method_name((llhttp_method_t)conn->parser.method);
    request->upgrade = upgrade && strcasecmp(upgrade, "websocket") == 0 && conn->parser.upgrade;
    exchange->keep_alive = !conn->parser.upgrade && llhttp_should_keep_alive(&conn->parser) != 0;
    conn->expects = expect && strcasecmp(expect, "100-continue") == 0 && !conn->message_done;
}

static void refuse_large(Conn *conn)
{
    const HttpSettings *settings = &conn->server->settings;

    refuse(conn, 413, settings->too_large_type, settings->too_large_reply);
}

/* A stranger may have a large request, but shows who he is before it is read. True: it waits. */
static bool must_ask(Conn *conn, uint64_t length)
{
    HttpServer *server = conn->server;

    if (!conn->stranger || length <= STRANGERS_BODY || !server->settings.ask)
        return false;
    conn->state = CONN_ASKING;
    server->busy++;
    (void)event_del(conn->deadline);
    stream_read_enable(conn->stream, false);
    server->settings.ask(server->settings.arg, conn->exchange);
    return true;
}

static void go_on(Conn *conn)
{
    conn->state = CONN_BODY;
    conn->body_started_ms = now_ms(conn);
    set_deadline(conn, BODY_MS);
    if (conn->expects)
        stream_write(conn->stream, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    conn->expects = false;
}

void http_proceed(HttpExchange *exchange)
{
    Conn *conn = exchange->conn;

    assert(conn->state == CONN_ASKING);
    conn->server->busy--;
    budget_accept(conn->server->settings.budget, conn->charged);
    conn->stranger = false;
    go_on(conn);
    stream_read_enable(conn->stream, true);
    stream_again(conn->stream);
}

/* True: the head has been read and there is more to do. */
static bool read_head(Conn *conn)
{
    Bytes *input = stream_input(conn->stream);

    while (!conn->in_head && bytes_len(input) > 0 &&
           (*bytes_data(input) == '\r' || *bytes_data(input) == '\n'))
        bytes_consume(input, 1);
    if (bytes_len(input) == 0)
        return false;
    if (!conn->in_head) {
        conn->in_head = true;
        set_deadline(conn, HEAD_MS);
    }
    size_t scanned = bytes_len(input) < MAX_HEAD ? bytes_len(input) : MAX_HEAD;
    size_t len = find_head_end(bytes_data(input), scanned);
    if (len == 0) {
        if (bytes_len(input) >= MAX_HEAD)
            refuse(conn, 431, "application/json", "{\"message\":\"request head is too large\"}");
        return false;
    }
    exchange_new(conn);
    llhttp_errno_t failed = llhttp_execute(&conn->parser, bytes_data(input), len);
    bytes_consume(input, len);
    bool fine = failed == HPE_OK ||
                ((failed == HPE_PAUSED || failed == HPE_PAUSED_UPGRADE) && conn->message_done);
    if (!fine || !conn->head_done || !head_is_sound(conn)) {
        refuse_malformed(conn);
        return false;
    }
    if ((conn->parser.flags & F_CONTENT_LENGTH) &&
        conn->parser.content_length > conn->server->settings.body_limit) {
        refuse_large(conn);
        return false;
    }
    body_begin(conn);
    uint64_t length = conn->parser.flags & F_CONTENT_LENGTH ? conn->parser.content_length
                                                            : bytes_len(&conn->body);
    if (length > STRANGERS_BODY && conn->server->settings.budget)
        judge(conn);
    if (must_ask(conn, length))
        return false;
    go_on(conn);
    return true;
}

/* True: all of the body is there. */
static bool read_body(Conn *conn)
{
    Bytes *input = stream_input(conn->stream);

    if (conn->message_done)
        return true;
    if (bytes_len(input) == 0)
        return false;
    const char *data = bytes_data(input);
    size_t len = bytes_len(input);
    llhttp_errno_t failed = llhttp_execute(&conn->parser, data, len);
    if (failed == HPE_PAUSED && conn->message_done)
        len = (size_t)(llhttp_get_error_pos(&conn->parser) - data);
    else if (failed != HPE_OK) {
        refuse_malformed(conn);
        return false;
    }
    bytes_consume(input, len);
    if (conn->body.overflowed) {
        refuse_large(conn);
        return false;
    }
    if (conn->message_done)
        return true;
    if (!charge(conn, conn->body.cap) || must_ask(conn, bytes_len(&conn->body)))
        return false;
    uint64_t allowed = BODY_MS + bytes_len(&conn->body) / BODY_BYTES_PER_MS;
    uint64_t spent = now_ms(conn) - conn->body_started_ms;
    set_deadline(conn, spent < allowed ? (int)(allowed - spent) : 1);
    return false;
}

static void on_input(Conn *conn)
{
    if (conn->state == CONN_HEAD && !read_head(conn))
        return;
    if (conn->state == CONN_BODY && read_body(conn))
        handle(conn);
    else if (conn->state == CONN_LINGERING && !conn->message_done)
        bytes_clear(stream_input(conn->stream));
}

static void on_stream(void *arg, StreamEvent event)
{
    Conn *conn = arg;

    switch (event) {
    case STREAM_READY:
        break;
    case STREAM_READ:
        on_input(conn);
        break;
    case STREAM_DRAINED:
        if (conn->state == CONN_LINGERING && conn->message_done)
            conn_next(conn);
        else if (conn->state == CONN_LINGERING)
            discharge(conn);
        break;
    case STREAM_CLOSED:
        conn_free(conn);
        break;
    }
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    Conn *conn = arg;

    (void)fd;
    (void)what;
    /* A client that has begun to talk is told; one that idles is not. */
    if (conn->state == CONN_BODY || (conn->state == CONN_HEAD && conn->in_head))
        refuse(conn, 408, "application/json", "{\"message\":\"request took too long\"}");
    else if (conn->state == CONN_LINGERING && stream_reader_goes_on(conn->stream))
        set_deadline(conn, LINGER_MS);
    else
        conn_free(conn);
}

Stream *http_upgrade(HttpExchange *exchange)
{
    static const char magic[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    const HttpRequest *request = &exchange->request;
    const char *key = http_header(request, "sec-websocket-key");
    const char *version = http_header(request, "sec-websocket-version");
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned char encoded[64];
    unsigned len;
    Conn *conn = exchange->conn;

    if (!request->upgrade || !key || strlen(key) != 24 || !version || strcmp(version, "13") != 0 ||
        strcmp(request->method, "GET") != 0)
        return NULL;
    const char *text = arena_printf(exchange->arena, "%s%s", key, magic);
    if (EVP_Digest(text, strlen(text), digest, &len, EVP_sha1(), NULL) != 1)
        return NULL;
    (void)EVP_EncodeBlock(encoded, digest, (int)len);
    const char *reply = arena_printf(exchange->arena,
                                     "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n"
                                     "connection: Upgrade\r\nsec-websocket-accept: %s\r\n\r\n",
                                     (const char *)encoded);
    Stream *stream = conn->stream;
    stream_write(stream, reply, strlen(reply));
    conn->stream = NULL;
    conn->server->busy--;
    conn->state = CONN_LINGERING;
    conn_free(conn);
    return stream;
}

const HttpRequest *http_request(const HttpExchange *exchange)
{
    return &exchange->request;
}

Arena *http_arena(HttpExchange *exchange)
{
    return exchange->arena;
}

void http_set_data(HttpExchange *exchange, void *data)
{
    exchange->data = data;
}

void *http_data(const HttpExchange *exchange)
{
    return exchange->data;
}

/* ---- life ---- */

void http_server_accept(HttpServer *server, int fd, const struct sockaddr *peer, SSL_CTX *ctx)
{
    if (atomic_fetch_add(server->settings.count, 1) >= server->settings.max_connections ||
        server->draining) {
        atomic_fetch_sub(server->settings.count, 1);
        (void)close(fd);
        return;
    }
    Conn *conn = memory_zeroed(1, sizeof *conn);
    conn->server = server;
    conn->stream = stream_new(server->base, fd, on_stream, conn);
    /* Who sends more than that before it is wanted, a budget would have to know of. */
    stream_set_input_limit(conn->stream, MAX_HEAD);
    conn->deadline = event_new(server->base, -1, 0, on_deadline, conn);
    must(conn->deadline, "memory");
    address_host(peer, conn->peer);
    LIST_INSERT_HEAD(&server->conns, conn, link);
    conn_next(conn);
    set_deadline(conn, HEAD_MS);
    if (ctx)
        stream_accept_tls(conn->stream, ctx);
}

HttpServer *http_server_new(struct event_base *base, const HttpSettings *settings)
{
    HttpServer *server = memory_zeroed(1, sizeof *server);

    server->base = base;
    server->settings = *settings;
    if (!server->settings.count)
        server->settings.count = &server->own_count;
    if (server->settings.idle_ms == 0)
        server->settings.idle_ms = IDLE_MS;
    llhttp_settings_init(&server->callbacks);
    server->callbacks.on_url = on_url;
    server->callbacks.on_header_field = on_header_field;
    server->callbacks.on_header_value = on_header_value;
    server->callbacks.on_headers_complete = on_headers_complete;
    server->callbacks.on_body = on_body;
    server->callbacks.on_message_complete = on_message_complete;
    LIST_INIT(&server->conns);
    return server;
}

void http_server_drain(HttpServer *server)
{
    Conn *next;

    server->draining = true;
    for (Conn *conn = LIST_FIRST(&server->conns); conn; conn = next) {
        next = LIST_NEXT(conn, link);
        if (conn->state == CONN_HEAD && !conn->in_head)
            conn_free(conn);
    }
}

void http_server_free(HttpServer *server)
{
    if (!server)
        return;
    Conn *next;
    for (Conn *conn = LIST_FIRST(&server->conns); conn; conn = next) {
        next = LIST_NEXT(conn, link);
        conn_free(conn);
    }
    free(server);
}

int http_server_busy(const HttpServer *server)
{
    return server->busy;
}

int http_server_unfinished(const HttpServer *server)
{
    int count = 0;

    for (const Conn *conn = LIST_FIRST(&server->conns); conn; conn = LIST_NEXT(conn, link))
        count += conn->state == CONN_LINGERING ? stream_unsent(conn->stream) > 0
                                               : conn->state != CONN_HEAD || conn->in_head;
    return count;
}
