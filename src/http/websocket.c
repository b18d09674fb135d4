#include "http/websocket.h"

#include <stdlib.h>
#include <string.h>
#include <wslay/wslay.h>

#include "core/memory.h"

enum {
    CONTROL_MAX = 125,
    PONGS_QUEUED_MAX = 64 * 1024 /* a client that sends pings and reads no pongs */
};

struct WebSocket {
    Stream *stream;
    wslay_frame_context_ptr frames;
    Bytes control; /* of the control frame that is being read */
    uint64_t left; /* payload bytes of the current frame that are still to come */
    bool in_frame;
    bool in_message; /* a fragmented message goes on */
    bool closed;
    struct wslay_frame_iocb frame;
};

static ssize_t recv_bytes(uint8_t *into, size_t len, int flags, void *arg)
{
    Bytes *input = stream_input(((WebSocket *)arg)->stream);
    size_t n = bytes_len(input) < len ? bytes_len(input) : len;

    (void)flags;
    if (n == 0)
        return -1; /* not now */
    memcpy(into, bytes_data(input), n);
    bytes_consume(input, n);
    return (ssize_t)n;
}

static ssize_t send_bytes(const uint8_t *data, size_t len, int flags, void *arg)
{
    (void)flags;
    stream_write(((WebSocket *)arg)->stream, data, len);
    return (ssize_t)len;
}

WebSocket *websocket_new(Stream *stream)
{
    static const struct wslay_frame_callbacks callbacks = {
        .send_callback = send_bytes,
        .recv_callback = recv_bytes,
    };
    WebSocket *ws = memory_zeroed(1, sizeof *ws);

    ws->stream = stream;
    ws->control = bytes_init(CONTROL_MAX);
    must(wslay_frame_context_init(&ws->frames, &callbacks, ws) == 0, "memory");
    return ws;
}

void websocket_free(WebSocket *ws)
{
    if (!ws)
        return;
    wslay_frame_context_free(ws->frames);
    bytes_free(&ws->control);
    free(ws);
}

static void send_control(WebSocket *ws, unsigned opcode, const void *data, size_t len)
{
    struct wslay_frame_iocb frame = {
        .fin = 1,
        .opcode = (uint8_t)opcode,
        .payload_length = len,
        .data = data,
        .data_length = len,
    };

    (void)wslay_frame_send(ws->frames, &frame);
}

void websocket_close(WebSocket *ws, int code)
{
    unsigned char payload[] = {(unsigned char)(code >> 8), (unsigned char)code};

    if (ws->closed)
        return;
    ws->closed = true;
    send_control(ws, WSLAY_CONNECTION_CLOSE, payload, sizeof payload);
}

static WebSocketState fail(WebSocket *ws, int code)
{
    websocket_close(ws, code);
    return WEBSOCKET_BROKEN;
}

/* 0, or the code to close with. */
static int check_frame(const WebSocket *ws, const struct wslay_frame_iocb *frame)
{
    if (frame->rsv != 0 || !frame->mask)
        return WSLAY_CODE_PROTOCOL_ERROR;
    switch (frame->opcode) {
    case WSLAY_CONTINUATION_FRAME:
        return ws->in_message ? 0 : WSLAY_CODE_PROTOCOL_ERROR;
    case WSLAY_BINARY_FRAME:
        return ws->in_message ? WSLAY_CODE_PROTOCOL_ERROR : 0;
    case WSLAY_TEXT_FRAME:
        return WSLAY_CODE_UNSUPPORTED_DATA;
    case WSLAY_CONNECTION_CLOSE:
    case WSLAY_PING:
    case WSLAY_PONG:
        return frame->fin && frame->payload_length <= CONTROL_MAX ? 0 : WSLAY_CODE_PROTOCOL_ERROR;
    default:
        return WSLAY_CODE_PROTOCOL_ERROR;
    }
}

static bool is_control(const struct wslay_frame_iocb *frame)
{
    return (frame->opcode & 0x8u) != 0;
}

static WebSocketState end_control(WebSocket *ws)
{
    WebSocketState state = WEBSOCKET_OPEN;

    if (ws->frame.opcode == WSLAY_PING) {
        if (stream_queued(ws->stream) > PONGS_QUEUED_MAX)
            return fail(ws, WSLAY_CODE_POLICY_VIOLATION);
        send_control(ws, WSLAY_PONG, bytes_data(&ws->control), bytes_len(&ws->control));
    } else if (ws->frame.opcode == WSLAY_CONNECTION_CLOSE) {
        websocket_close(ws, WSLAY_CODE_NORMAL_CLOSURE);
        state = WEBSOCKET_CLOSED;
    }
    bytes_clear(&ws->control);
    return state;
}

static WebSocketState end_frame(WebSocket *ws)
{
    ws->in_frame = false;
    if (is_control(&ws->frame))
        return end_control(ws);
    ws->in_message = !ws->frame.fin;
    return WEBSOCKET_OPEN;
}

WebSocketState websocket_read(WebSocket *ws, Bytes *into, size_t max)
{
    while (bytes_len(into) < max) {
        struct wslay_frame_iocb frame = {0};
        ssize_t n = wslay_frame_recv(ws->frames, &frame);

        if (n == WSLAY_ERR_WANT_READ)
            return WEBSOCKET_OPEN;
        if (n < 0)
            return fail(ws, WSLAY_CODE_PROTOCOL_ERROR);
        if (!ws->in_frame) {
            int code = check_frame(ws, &frame);
            if (code != 0)
                return fail(ws, code);
            ws->in_frame = true;
            ws->frame = frame;
            ws->left = frame.payload_length;
        }
        ws->left -= (uint64_t)n;
        bytes_add(is_control(&ws->frame) ? &ws->control : into, frame.data, (size_t)n);
        if (ws->left > 0)
            continue;
        WebSocketState state = end_frame(ws);
        if (state != WEBSOCKET_OPEN)
            return state;
    }
    return WEBSOCKET_OPEN;
}

void websocket_write(WebSocket *ws, const char *data, size_t len)
{
    Bytes out = bytes_init(SIZE_MAX);

    if (ws->closed || len == 0)
        return;
    bytes_add_char(&out, (char)(0x80 | WSLAY_BINARY_FRAME));
    if (len < 126) {
        bytes_add_char(&out, (char)len);
    } else if (len < 65536) {
        bytes_add_char(&out, 126);
        bytes_add_u16(&out, (unsigned)len);
    } else {
        bytes_add_char(&out, 127);
        bytes_add_u32(&out, (uint32_t)((uint64_t)len >> 32));
        bytes_add_u32(&out, (uint32_t)len);
    }
    bytes_add(&out, data, len);
    stream_write_bytes(ws->stream, &out);
    bytes_free(&out);
}
