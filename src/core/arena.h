/*
 * Memory that is freed as a whole: one arena per unit of work (a command, a
 * table, a request).
 *
 * An arena is passed, never global; what a function returns lives in the
 * caller's arena. A loop with unbounded rounds makes an inner arena. Out of
 * memory aborts, so every size that comes from outside is limited first.
 * Under AddressSanitizer each allocation is its own malloc, so overruns show.
 *
 * Not thread-safe: one thread, one arena.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

#include "core/compiler.h"

typedef struct Arena Arena;

Arena *arena_new(void) RETURNS_NONNULL;
void arena_free(Arena *arena); /* accepts NULL */

/* Give everything back but keep the arena, for the next round of a loop. */
void arena_reset(Arena *arena);

/* Zeroed, aligned for any type; `size` may be 0. Never NULL. */
void *arena_alloc(Arena *arena, size_t size) RETURNS_NONNULL;

/* An array of `count` items of `size` bytes, checked against overflow. */
void *arena_array(Arena *arena, size_t count, size_t size) RETURNS_NONNULL;

char *arena_strdup(Arena *arena, const char *text) RETURNS_NONNULL;
char *arena_strndup(Arena *arena, const char *text, size_t len) RETURNS_NONNULL;
char *arena_printf(Arena *arena, const char *fmt, ...) PRINTF_LIKE(2, 3) RETURNS_NONNULL;
char *arena_vprintf(Arena *arena, const char *fmt, va_list args) PRINTF_LIKE(2, 0) RETURNS_NONNULL;

void arena_cleanup(Arena **arena);
#define auto_arena CLEANUP(arena_cleanup)
