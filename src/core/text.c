#include "core/text.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

Text text_init(Arena *arena, size_t max_bytes)
{
    return (Text){.arena = arena, .max = max_bytes};
}

static bool text_reserve(Text *text, size_t more)
{
    if (text->overflowed || more > text->max || text->len > text->max - more) {
        text->overflowed = true;
        return false;
    }
    size_t need = text->len + more + 1;
    if (need <= text->cap)
        return true;

    size_t cap = text->cap ? text->cap : 64;
    while (cap < need)
        cap *= 2;
    char *ptr = arena_alloc(text->arena, cap);
    if (text->len)
        memcpy(ptr, text->ptr, text->len);
    text->ptr = ptr;
    text->cap = cap;
    return true;
}

void text_add_n(Text *text, const char *str, size_t len)
{
    if (!text_reserve(text, len))
        return;
    memcpy(text->ptr + text->len, str, len);
    text->len += len;
    text->ptr[text->len] = '\0';
}

void text_add(Text *text, const char *str)
{
    text_add_n(text, str, strlen(str));
}

void text_add_char(Text *text, char c)
{
    text_add_n(text, &c, 1);
}

void text_addf(Text *text, const char *fmt, ...)
{
    va_list args;
    va_list again;

    va_start(args, fmt);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    assert(len >= 0);
    if (text_reserve(text, (size_t)len)) {
        (void)vsnprintf(text->ptr + text->len, (size_t)len + 1, fmt, args);
        text->len += (size_t)len;
    }
    va_end(args);
}

const char *text_str(const Text *text)
{
    return text->ptr ? text->ptr : "";
}

void text_clear(Text *text)
{
    text->len = 0;
    text->overflowed = false;
    if (text->ptr)
        text->ptr[0] = '\0';
}

char *text_bytes(Arena *arena, uint64_t bytes)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
    double value = (double)bytes;
    size_t unit = 0;

    while (value >= 999.5 && unit + 1 < COUNT_OF(units)) {
        value /= 1000;
        unit++;
    }
    return arena_printf(arena, unit > 1 && value < 99.95 ? "%.1f %s" : "%.0f %s", value,
                        units[unit]);
}

char *text_duration(Arena *arena, double seconds)
{
    if (seconds < 0.9995)
        return arena_printf(arena, "%.0f ms", seconds * 1000);
    if (seconds < 59.95)
        return arena_printf(arena, "%.1f s", seconds);

    int64_t whole = (int64_t)(seconds + 0.5);
    if (whole < 3600)
        return arena_printf(arena, "%" PRId64 " min %02" PRId64 " s", whole / 60, whole % 60);
    return arena_printf(arena, "%" PRId64 " h %02" PRId64 " min", whole / 3600, whole / 60 % 60);
}

char *text_count(Arena *arena, int64_t count)
{
    char digits[32];
    int len = snprintf(digits, sizeof digits, "%" PRId64, count);
    Text text = text_init(arena, 64);

    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0 && digits[i - 1] != '-')
            text_add_char(&text, ',');
        text_add_char(&text, digits[i]);
    }
    return arena_strdup(arena, text_str(&text));
}

const char *text_plural(int64_t count, const char *one, const char *many)
{
    return count == 1 ? one : many;
}

char *text_shell_word(Arena *arena, const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_@%+=:,./-";
    size_t len = strlen(text);
    /* A quote is four bytes: out of the quotes, one by itself, and in again. */
    char *word = arena_alloc(arena, 4 * len + 3);
    char *at = word;

    if (len > 0 && text[strspn(text, plain)] == '\0')
        return arena_strdup(arena, text);
    *at++ = '\'';
    for (; *text; text++) {
        if (*text == '\'')
            at = stpcpy(at, "'\\'");
        *at++ = *text;
    }
    *at++ = '\'';
    *at = '\0';
    return word;
}

bool text_is_one_of(const char *text, const char *const *texts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(text, texts[i]) == 0)
            return true;
    return false;
}

size_t text_distance(const char *a, const char *b)
{
    enum {
        LIMIT = 64
    };
    size_t row[LIMIT + 1];
    size_t len_a = strnlen(a, LIMIT);
    size_t len_b = strnlen(b, LIMIT);

    for (size_t j = 0; j <= len_b; j++)
        row[j] = j;
    for (size_t i = 1; i <= len_a; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= len_b; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[len_b];
}

size_t text_utf8_len(const unsigned char *p, size_t left)
{
    size_t len = p[0] < 0x80 ? 1 : p[0] < 0xC2 ? 0 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;

    if (len == 0 || p[0] > 0xF4 || len > left)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) ||
        (p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] > 0x8F))
        return 0;
    return len;
}

const char *text_readable(Arena *arena, const char *text)
{
    Text out = text_init(arena, text ? 4 * strlen(text) : 0);
    bool changed = false;

    for (const unsigned char *p = (const unsigned char *)text; p && *p;) {
        size_t len = text_utf8_len(p, SIZE_MAX);
        if (len == 0)
            text_addf(&out, "\\x%02x", *p);
        else
            text_add_n(&out, (const char *)p, len);
        changed = changed || len == 0;
        p += len ? len : 1;
    }
    return changed ? text_str(&out) : text;
}
