/*
 * A growing text over an arena, with a limit given at creation. Passing the
 * limit does not fail at once: the text stays as it was, `overflowed` is set,
 * and the one who finishes the text checks it.
 *
 * text_str() is always NUL-terminated and valid until the next append.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"

typedef struct Text {
    Arena *arena;
    char *ptr;
    size_t len;
    size_t cap;
    size_t max;
    bool overflowed;
} Text;

Text text_init(Arena *arena, size_t max_bytes);
void text_add(Text *text, const char *str);
void text_add_n(Text *text, const char *str, size_t len);
void text_add_char(Text *text, char c);
void text_addf(Text *text, const char *fmt, ...) PRINTF_LIKE(2, 3);
const char *text_str(const Text *text) RETURNS_NONNULL;
void text_clear(Text *text);

/* "1.5 GB", "312 kB": for people, powers of 1000. In the caller's arena. */
char *text_bytes(Arena *arena, uint64_t bytes) RETURNS_NONNULL;
/* "1 h 02 min", "3 min 12 s", "4.1 s", "85 ms". */
char *text_duration(Arena *arena, double seconds) RETURNS_NONNULL;
/* "1,234,567" */
char *text_count(Arena *arena, int64_t count) RETURNS_NONNULL;
/* One of the two. */
const char *text_plural(int64_t count, const char *one, const char *many) RETURNS_NONNULL;

/* As one word of a command that a shell is given: in quotes where it takes any. In the caller's
 * arena. */
char *text_shell_word(Arena *arena, const char *text) RETURNS_NONNULL;

/* `text` is one of these, exactly. */
bool text_is_one_of(const char *text, const char *const *texts, size_t count);

/* How many single-character edits lead from one to the other (Levenshtein). */
size_t text_distance(const char *a, const char *b);

/* How many bytes the character at `p` has, of which `left` may be read (SIZE_MAX: the text ends
 * with a NUL); 0 where it is none (RFC 3629). */
size_t text_utf8_len(const unsigned char *p, size_t left);
/* For people and JSON: what is not UTF-8 is written as \x81. `text` itself where all is, or NULL.
 */
const char *text_readable(Arena *arena, const char *text);
