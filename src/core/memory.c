#include "core/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

NORETURN void out_of_memory(size_t size)
{
    (void)fprintf(stderr, "homeport: out of memory (%zu bytes)\n", size);
    abort();
}

void must(bool worked, const char *what)
{
    if (!worked) {
        (void)fprintf(stderr, "homeport: the system gives no %s\n", what);
        abort();
    }
}

void *memory_zeroed(size_t count, size_t size)
{
    void *ptr = calloc(count ? count : 1, size ? size : 1);

    if (!ptr)
        out_of_memory(count * size);
    return ptr;
}

void *memory_new(size_t size)
{
    void *ptr = malloc(size ? size : 1);

    if (!ptr)
        out_of_memory(size);
    return ptr;
}

void *memory_resized(void *ptr, size_t count, size_t size)
{
    void *resized = reallocarray(ptr, count ? count : 1, size ? size : 1);

    if (!resized)
        out_of_memory(count * size);
    return resized;
}

char *memory_copy(const char *text)
{
    size_t size = strlen(text) + 1;

    return memcpy(memory_new(size), text, size);
}
