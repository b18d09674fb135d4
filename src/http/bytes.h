/*
 * Bytes on their way in or out: grows at the end, is eaten from the front.
 *
 * Not of an arena, because a connection lives longer than what passes through
 * it. What is more than `max` is refused: `overflowed` is set and nothing is
 * added from then on, so that a writer may go on and ask once at the end.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/compiler.h"

typedef struct Bytes {
    char *ptr; /* of the allocation; what is readable begins at `from` */
    size_t from;
    size_t end;
    size_t cap;
    size_t max;
    bool overflowed;
} Bytes;

Bytes bytes_init(size_t max);
void bytes_free(Bytes *bytes); /* leaves it empty and usable */

static inline const char *bytes_data(const Bytes *bytes)
{
    return bytes->ptr ? bytes->ptr + bytes->from : "";
}
static inline size_t bytes_len(const Bytes *bytes)
{
    return bytes->end - bytes->from;
}

/* Room for `len` more at the returned place; bytes_commit() says how many were used. NULL where
 * that would be more than the maximum. */
char *bytes_reserve(Bytes *bytes, size_t len);
void bytes_commit(Bytes *bytes, size_t len);
void bytes_consume(Bytes *bytes, size_t len);
void bytes_clear(Bytes *bytes);
void bytes_truncate(Bytes *bytes, size_t len);

void bytes_add(Bytes *bytes, const void *data, size_t len);
void bytes_add_char(Bytes *bytes, char c);
/* Without its NUL. Here, so that the compiler knows how long a literal is. */
static inline void bytes_add_text(Bytes *bytes, const char *text)
{
    bytes_add(bytes, text, strlen(text));
}
void bytes_add_int(Bytes *bytes, int64_t value); /* in decimal, and much quicker than this: */
void bytes_addf(Bytes *bytes, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Big-endian, as on the wire. */
void bytes_add_u16(Bytes *bytes, unsigned value);
void bytes_add_u32(Bytes *bytes, uint32_t value);
void bytes_set_u32(Bytes *bytes, size_t at, uint32_t value);

/* Gives the allocation away: free() it. *ret_len bytes begin at the returned pointer. */
char *bytes_take(Bytes *bytes, size_t *ret_len);

static inline uint32_t wire_u32(const char *at)
{
    const unsigned char *p = (const unsigned char *)at;
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}
static inline uint16_t wire_u16(const char *at)
{
    const unsigned char *p = (const unsigned char *)at;
    return (uint16_t)(p[0] << 8 | p[1]);
}
