/*
 * The frames of a WebSocket (RFC 6455), server's side, for binary data only:
 * frames are cut anywhere, so what comes is a stream of bytes, and so is what
 * goes. Frames are wslay's to read; pings are answered here.
 */
#pragma once

#include "http/bytes.h"
#include "http/stream.h"

typedef struct WebSocket WebSocket;

typedef enum WebSocketState {
    WEBSOCKET_OPEN,
    WEBSOCKET_CLOSED, /* the client closed it, in due form */
    WEBSOCKET_BROKEN, /* it broke the protocol; it has been told */
} WebSocketState;

WebSocket *websocket_new(Stream *stream); /* does not own it */
void websocket_free(WebSocket *ws);       /* accepts NULL */

/* Reads frames from the stream's input until `max` bytes are in `into`, or the input is empty. */
WebSocketState websocket_read(WebSocket *ws, Bytes *into, size_t max);
/* One binary frame. */
void websocket_write(WebSocket *ws, const char *data, size_t len);
/* Says goodbye; nothing may be written after it. 1000: normal. */
void websocket_close(WebSocket *ws, int code);
