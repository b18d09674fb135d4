/*
 * The HTTP server and the WebSocket's frames, over a socket pair on a loop:
 * the first byte says which. A request that is answered is answered once, and
 * whatever comes, everything is given back.
 */
#include <assert.h>
#include <event2/event.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/server.h"
#include "http/websocket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void answer(void *arg, HttpExchange *exchange)
{
    Bytes body = bytes_init(100);

    (void)arg;
    assert(http_request(exchange)->path && http_request(exchange)->method);
    assert(http_request(exchange)->body_len <= 4096);
    bytes_add_text(&body, "ok");
    http_reply(exchange, &(HttpReply){.status = 200, .type = "text/plain"}, &body);
    bytes_free(&body);
}

static void gone(void *arg, HttpExchange *exchange)
{
    (void)arg;
    (void)exchange;
}

static void try_http(struct event_base *base, int server_fd)
{
    HttpServer *server = http_server_new(base, &(HttpSettings){.body_limit = 4096,
                                                               .max_connections = 10,
                                                               .too_large_type = "text/plain",
                                                               .too_large_reply = "large",
                                                               .handle = answer,
                                                               .gone = gone});

    http_server_accept(server, server_fd, NULL, NULL);
    for (int i = 0; i < 50; i++)
        (void)event_base_loop(base, EVLOOP_NONBLOCK);
    assert(http_server_busy(server) == 0);
    http_server_free(server);
}

static bool ended;

static void on_stream(void *arg, StreamEvent event)
{
    Stream *stream = *(Stream **)arg;
    static WebSocket *ws;
    Bytes into = bytes_init(1 << 20);

    if (event == STREAM_READ && !ended) {
        ws = websocket_new(stream);
        WebSocketState state = websocket_read(ws, &into, 1 << 19);
        assert(bytes_len(&into) <= 1 << 20);
        websocket_write(ws, bytes_data(&into), bytes_len(&into));
        if (state == WEBSOCKET_OPEN)
            websocket_close(ws, 1000);
        websocket_free(ws);
        ended = true;
    }
    bytes_free(&into);
}

static void try_frames(struct event_base *base, int server_fd)
{
    Stream *stream = NULL;

    ended = false;
    stream = stream_new(base, server_fd, on_stream, &stream);
    for (int i = 0; i < 10; i++)
        (void)event_base_loop(base, EVLOOP_NONBLOCK);
    stream_free(stream);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fds[2];

    if (size == 0 || size > 60000)
        return 0;
    struct event_base *base = event_base_new();
    if (!base || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0)
        abort();
    (void)!write(fds[0], data + 1, size - 1);
    (void)shutdown(fds[0], SHUT_WR);
    if (data[0] % 2 == 0)
        try_http(base, fds[1]);
    else
        try_frames(base, fds[1]);
    (void)close(fds[0]);
    event_base_free(base);
    return 0;
}
