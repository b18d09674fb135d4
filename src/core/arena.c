/*
 * Chunks of doubling size, allocated from the front. A large request gets a
 * chunk of its own, so that it does not throw away the rest of the current one.
 */
#include "core/arena.h"

#include <assert.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

enum {
    FIRST_CHUNK = 4096,
    LARGEST_CHUNK = 1 << 20
};

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ONE_MALLOC_EACH 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ONE_MALLOC_EACH 1
#endif
#endif
#ifndef ARENA_ONE_MALLOC_EACH
#define ARENA_ONE_MALLOC_EACH 0
#endif

typedef struct Chunk {
    struct Chunk *next;
    size_t size;
    size_t used;
    alignas(max_align_t) unsigned char data[];
} Chunk;

struct Arena {
    Chunk *chunks; /* the one in use first */
    size_t next_size;
};

Arena *arena_new(void)
{
    Arena *arena = memory_new(sizeof *arena);

    *arena = (Arena){.next_size = FIRST_CHUNK};
    return arena;
}

void arena_reset(Arena *arena)
{
    for (Chunk *chunk = arena->chunks, *next; chunk; chunk = next) {
        next = chunk->next;
        free(chunk);
    }
    *arena = (Arena){.next_size = FIRST_CHUNK};
}

void arena_free(Arena *arena)
{
    if (!arena)
        return;
    arena_reset(arena);
    free(arena);
}

void arena_cleanup(Arena **arena)
{
    arena_free(*arena);
}

static Chunk *chunk_new(size_t size)
{
    Chunk *chunk = memory_new(sizeof *chunk + size);

    *chunk = (Chunk){.size = size};
    return chunk;
}

static Chunk *chunk_for(Arena *arena, size_t size)
{
    Chunk *current = arena->chunks;

    if (!ARENA_ONE_MALLOC_EACH && current && current->size - current->used >= size)
        return current;

    bool alone = ARENA_ONE_MALLOC_EACH || size > arena->next_size / 4;
    Chunk *chunk = chunk_new(alone ? size : arena->next_size);
    if (!alone && arena->next_size < LARGEST_CHUNK)
        arena->next_size *= 2;
    if (alone && current) {
        chunk->next = current->next;
        current->next = chunk;
    } else {
        chunk->next = current;
        arena->chunks = chunk;
    }
    return chunk;
}

void *arena_alloc(Arena *arena, size_t size)
{
    const size_t align = alignof(max_align_t);

    if (size > SIZE_MAX / 2)
        out_of_memory(size);
    size_t rounded = ARENA_ONE_MALLOC_EACH ? size : (size + align - 1) / align * align;
    Chunk *chunk = chunk_for(arena, rounded);
    void *ptr = chunk->data + chunk->used;

    chunk->used += rounded;
    assert(chunk->used <= chunk->size);
    memset(ptr, 0, size);
    return ptr;
}

void *arena_array(Arena *arena, size_t count, size_t size)
{
    size_t total = 0;

    if (__builtin_mul_overflow(count, size, &total))
        out_of_memory(SIZE_MAX);
    return arena_alloc(arena, total);
}

char *arena_strndup(Arena *arena, const char *text, size_t len)
{
    char *copy = arena_alloc(arena, len + 1);

    memcpy(copy, text, len);
    return copy;
}

char *arena_strdup(Arena *arena, const char *text)
{
    return arena_strndup(arena, text, strlen(text));
}

char *arena_vprintf(Arena *arena, const char *fmt, va_list args)
{
    va_list again;

    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    assert(len >= 0);

    char *text = arena_alloc(arena, (size_t)len + 1);
    (void)vsnprintf(text, (size_t)len + 1, fmt, args);
    return text;
}

char *arena_printf(Arena *arena, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    char *text = arena_vprintf(arena, fmt, args);
    va_end(args);
    return text;
}
