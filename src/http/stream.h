/*
 * A connection's bytes, both ways, on an event loop: plain or TLS, ours or a
 * server's. Nothing here blocks.
 *
 * The owner gets events and reads what has come from stream_input(). It may
 * free the stream within any of them. Reading stops by itself while more than
 * the input's limit is unread, and when the owner says so; a peer that goes
 * away is noticed meanwhile as well.
 */
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

#include "http/bytes.h"

struct event_base;

enum {
    STREAM_INPUT_MAX = 256 * 1024 /* unread, where nothing else is said */
};

typedef enum StreamEvent {
    STREAM_READY,   /* the handshake of TLS is done */
    STREAM_READ,    /* there are new bytes */
    STREAM_DRAINED, /* everything written has gone */
    STREAM_CLOSED,  /* the peer has gone, or the connection is broken: nothing comes after it */
} StreamEvent;

typedef struct Stream Stream;
typedef void StreamHandler(void *arg, StreamEvent event);

/* Takes the descriptor, which must be non-blocking. Reading begins at once. */
Stream *stream_new(struct event_base *base, int fd, StreamHandler *handler, void *arg);
void stream_free(Stream *stream); /* closes at once; accepts NULL */
/* Another owner from now on: what was connected for one goes to another. */
void stream_set_handler(Stream *stream, StreamHandler *handler, void *arg);
int stream_fd(const Stream *stream);

/* The peer begins a handshake. Bytes that were read already would be a man in the middle's: the
 * caller checks that there are none, or passes on the one it has peeked at by peeking only. */
void stream_accept_tls(Stream *stream, SSL_CTX *ctx);
/* TLS that was set up elsewhere, and stays that one's. */
void stream_use_tls(Stream *stream, SSL *tls);
SSL *stream_tls(const Stream *stream); /* NULL: plain */
/* Descriptor and TLS belong to somebody else, who closes them after stream_free(). */
void stream_borrow(Stream *stream);

Bytes *stream_input(Stream *stream);
void stream_set_input_limit(Stream *stream, size_t bytes);
void stream_read_enable(Stream *stream, bool enable);
/* Reads on after the input was eaten; what is there already is told again as STREAM_READ. */
void stream_again(Stream *stream);
/* So many bytes that come next are not worth waking up for; with what is behind them they are told,
 * and where the peer goes away. A wish, which only TCP without TLS grants. */
void stream_let_lie(Stream *stream, int bytes);

void stream_write(Stream *stream, const void *data, size_t len);
/* The buffer's contents, without copying; it is empty then. */
void stream_write_bytes(Stream *stream, Bytes *bytes);
/* At the end of the loop's turn, or with what is written before: one system call for both. */
void stream_write_soon(Stream *stream, const void *data, size_t len);
size_t stream_queued(const Stream *stream);
/* What of it the peer has not taken yet, here and in the system's own buffer. */
size_t stream_unsent(const Stream *stream);
/* A reader is given its time for as long as it takes a good part of what waits for it: has it,
 * since this was last asked, or the watch began? */
void stream_watch_reader(Stream *stream);
bool stream_reader_goes_on(Stream *stream);
/* What was written goes out, then our side is shut down; STREAM_DRAINED tells. */
void stream_shutdown(Stream *stream);

uint64_t stream_bytes_in(const Stream *stream);
uint64_t stream_bytes_out(const Stream *stream);
