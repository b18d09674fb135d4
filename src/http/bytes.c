#include "http/bytes.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

enum {
    FIRST_CAPACITY = 1024,
    KEPT_CAPACITY = 64 * 1024 /* an empty buffer gives back what is more */
};

Bytes bytes_init(size_t max)
{
    return (Bytes){.max = max};
}

void bytes_free(Bytes *bytes)
{
    free(bytes->ptr);
    *bytes = (Bytes){.max = bytes->max};
}

static void make_room(Bytes *bytes, size_t len)
{
    size_t used = bytes_len(bytes);

    assert(bytes->ptr || (bytes->from == 0 && bytes->end == 0));
    /* Moved to the front where that makes room, and costs less than it frees. */
    if (bytes->from > 0 && bytes->from >= used && used + len <= bytes->cap) {
        memmove(bytes->ptr, bytes->ptr + bytes->from, used);
        bytes->from = 0;
        bytes->end = used;
        return;
    }
    size_t cap = bytes->cap ? bytes->cap : FIRST_CAPACITY;
    while (cap < used + len)
        cap *= 2;
    char *grown = memory_new(cap);
    if (used)
        memcpy(grown, bytes->ptr + bytes->from, used);
    free(bytes->ptr);
    bytes->ptr = grown;
    bytes->cap = cap;
    bytes->from = 0;
    bytes->end = used;
}

char *bytes_reserve(Bytes *bytes, size_t len)
{
    if (bytes->overflowed || len > bytes->max || bytes_len(bytes) > bytes->max - len) {
        bytes->overflowed = true;
        return NULL;
    }
    if (bytes->cap - bytes->end < len || !bytes->ptr)
        make_room(bytes, len);
    return bytes->ptr + bytes->end;
}

void bytes_commit(Bytes *bytes, size_t len)
{
    assert(len <= bytes->cap - bytes->end);
    bytes->end += len;
}

void bytes_consume(Bytes *bytes, size_t len)
{
    assert(len <= bytes_len(bytes));
    bytes->from += len;
    if (bytes->from == bytes->end)
        bytes_clear(bytes);
}

void bytes_clear(Bytes *bytes)
{
    bytes->from = bytes->end = 0;
    bytes->overflowed = false;
    if (bytes->cap > KEPT_CAPACITY)
        bytes_free(bytes);
}

void bytes_truncate(Bytes *bytes, size_t len)
{
    assert(len <= bytes_len(bytes));
    bytes->end = bytes->from + len;
}

void bytes_add(Bytes *bytes, const void *data, size_t len)
{
    char *at = len ? bytes_reserve(bytes, len) : NULL;

    if (!at)
        return;
    memcpy(at, data, len);
    bytes->end += len;
}

void bytes_add_char(Bytes *bytes, char c)
{
    if (bytes->end < bytes->cap && bytes_len(bytes) < bytes->max && !bytes->overflowed)
        bytes->ptr[bytes->end++] = c;
    else
        bytes_add(bytes, &c, 1);
}

void bytes_add_int(Bytes *bytes, int64_t value)
{
    char text[24];
    char *at = text + sizeof text;
    uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

    do {
        *--at = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (value < 0)
        *--at = '-';
    bytes_add(bytes, at, (size_t)(text + sizeof text - at));
}

void bytes_addf(Bytes *bytes, const char *fmt, ...)
{
    va_list args;
    va_list again;

    va_start(args, fmt);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    char *at = len >= 0 ? bytes_reserve(bytes, (size_t)len + 1) : NULL;
    if (at) {
        (void)vsnprintf(at, (size_t)len + 1, fmt, again);
        bytes->end += (size_t)len;
    }
    va_end(again);
}

void bytes_add_u16(Bytes *bytes, unsigned value)
{
    char text[] = {(char)(value >> 8), (char)value};

    bytes_add(bytes, text, sizeof text);
}

void bytes_add_u32(Bytes *bytes, uint32_t value)
{
    char text[] = {(char)(value >> 24), (char)(value >> 16), (char)(value >> 8), (char)value};

    bytes_add(bytes, text, sizeof text);
}

void bytes_set_u32(Bytes *bytes, size_t at, uint32_t value)
{
    char text[] = {(char)(value >> 24), (char)(value >> 16), (char)(value >> 8), (char)value};

    if (bytes->overflowed)
        return;
    assert(at + sizeof text <= bytes_len(bytes));
    memcpy(bytes->ptr + bytes->from + at, text, sizeof text);
}

char *bytes_take(Bytes *bytes, size_t *ret_len)
{
    size_t len = bytes_len(bytes);
    char *ptr = bytes->ptr;

    if (ptr && bytes->from)
        memmove(ptr, ptr + bytes->from, len);
    *ret_len = len;
    *bytes = (Bytes){.max = bytes->max};
    return ptr;
}
