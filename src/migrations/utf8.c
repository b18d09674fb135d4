#include <stdint.h>
#include <string.h>

#include "migrations/internal.h"

/* How many bytes the well-formed sequence at `p` has; 0 where there is none, and then *ret_bad is
 * the length of its maximal part: the bytes that U+FFFD stands for (Unicode 3.9, table 3-7). */
static size_t sequence_len(const unsigned char *p, size_t left, size_t *ret_bad)
{
    unsigned char lead = p[0];
    size_t need = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;

    *ret_bad = 1;
    if (need == 1)
        return 1;
    if (lead < 0xC2 || lead > 0xF4)
        return 0;

    unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    for (size_t i = 1; i < need; i++) {
        if (i >= left || p[i] < low || p[i] > high) {
            *ret_bad = i;
            return 0;
        }
        low = 0x80;
        high = 0xBF;
    }
    return need;
}

static bool find_invalid(const unsigned char *p, size_t len)
{
    size_t bad = 0;

    for (size_t i = 0; i < len;) {
        size_t step = sequence_len(p + i, len - i, &bad);
        if (step == 0)
            return true;
        i += step;
    }
    return false;
}

const char *utf8_repair(Arena *arena, const char *bytes, size_t len, size_t *ret_len,
                        bool *ret_invalid)
{
    const unsigned char *p = (const unsigned char *)bytes;

    *ret_len = len;
    *ret_invalid = find_invalid(p, len);
    if (!*ret_invalid)
        return bytes;

    /* At worst each byte becomes the three of U+FFFD. */
    char *out = arena_array(arena, len + 1, 3);
    size_t at = 0;
    for (size_t i = 0; i < len;) {
        size_t bad = 0;
        size_t good = sequence_len(p + i, len - i, &bad);
        if (good)
            memcpy(out + at, bytes + i, good);
        else
            memcpy(out + at, "\xEF\xBF\xBD", 3);
        at += good ? good : 3;
        i += good ? good : bad;
    }
    out[at] = '\0';
    *ret_len = at;
    return out;
}
