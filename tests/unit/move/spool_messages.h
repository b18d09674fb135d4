/*
 * Messages of the replication stream, put together by hand, for tests of the spool.
 */
#pragma once

#include <string.h>

#include "move/spool.h"

typedef struct Bytes {
    char data[1 << 14];
    size_t len;
} Bytes;

static inline void bytes_number(Bytes *bytes, uint64_t value, int width)
{
    for (int i = width - 1; i >= 0; i--)
        bytes->data[bytes->len++] = (char)(value >> (8 * i));
}

static inline void bytes_text(Bytes *bytes, const char *text)
{
    memcpy(bytes->data + bytes->len, text, strlen(text) + 1);
    bytes->len += strlen(text) + 1;
}

static inline void bytes_value(Bytes *bytes, const char *text)
{
    bytes->data[bytes->len++] = 't';
    bytes_number(bytes, strlen(text), 4);
    memcpy(bytes->data + bytes->len, text, strlen(text));
    bytes->len += strlen(text);
}

/* xid 0: not in a piece. */
static inline Bytes message_of(char kind, unsigned xid)
{
    Bytes bytes = {.len = 0};

    bytes.data[bytes.len++] = kind;
    if (xid)
        bytes_number(&bytes, xid, 4);
    return bytes;
}

static inline Bytes message_begin(Lsn commit, unsigned xid)
{
    Bytes bytes = message_of('B', 0);

    bytes_number(&bytes, commit, 8);
    bytes_number(&bytes, commit * 10, 8);
    bytes_number(&bytes, xid, 4);
    return bytes;
}

static inline Bytes message_ends(char kind, unsigned xid, Lsn commit, Lsn end)
{
    Bytes bytes = message_of(kind, xid);

    bytes_number(&bytes, 0, 1);
    bytes_number(&bytes, commit, 8);
    bytes_number(&bytes, end, 8);
    bytes_number(&bytes, commit * 10, 8);
    return bytes;
}

/* A table with a key and a text. */
static inline Bytes message_relation(unsigned xid, unsigned oid, const char *name)
{
    Bytes bytes = message_of('R', xid);

    bytes_number(&bytes, oid, 4);
    bytes_text(&bytes, "public");
    bytes_text(&bytes, name);
    bytes_number(&bytes, 'd', 1);
    bytes_number(&bytes, 2, 2);
    bytes_number(&bytes, 1, 1);
    bytes_text(&bytes, "id");
    bytes_number(&bytes, 23, 4);
    bytes_number(&bytes, 0xFFFFFFFF, 4);
    bytes_number(&bytes, 0, 1);
    bytes_text(&bytes, "note");
    bytes_number(&bytes, 25, 4);
    bytes_number(&bytes, 0xFFFFFFFF, 4);
    return bytes;
}

static inline Bytes message_insert(unsigned xid, unsigned oid, const char *id, const char *note)
{
    Bytes bytes = message_of('I', xid);

    bytes_number(&bytes, oid, 4);
    bytes_number(&bytes, 'N', 1);
    bytes_number(&bytes, 2, 2);
    bytes_value(&bytes, id);
    bytes_value(&bytes, note);
    return bytes;
}

static inline Bytes message_stream_start(unsigned xid, bool first)
{
    Bytes bytes = message_of('S', xid);

    bytes_number(&bytes, first, 1);
    return bytes;
}

static inline Bytes message_stream_abort(unsigned xid, unsigned subxid)
{
    Bytes bytes = message_of('A', xid);

    bytes_number(&bytes, subxid, 4);
    return bytes;
}
