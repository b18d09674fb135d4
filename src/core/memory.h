/*
 * Memory that belongs to no arena: the caller frees it by free(). None of these returns NULL. A
 * program without memory ends where it stands, as one that is killed does: what is durable is what
 * counts then, and a state that nobody can test is worse than none.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/compiler.h"

/* `count` items of `size` bytes each, all zero. For a count or size of 0 something that can be
 * freed. */
void *memory_zeroed(size_t count, size_t size);

/* Not set to anything. */
void *memory_new(size_t size);

/* What `ptr` points to, in `count` items of `size` bytes each; `ptr`, which may be NULL, is gone.
 */
void *memory_resized(void *ptr, size_t count, size_t size);

char *memory_copy(const char *text);

/* Ends the program where a call has not worked that fails for want of `what` alone ("memory",
 * "random bytes"). The argument is evaluated in every build. */
void must(bool worked, const char *what);

NORETURN void out_of_memory(size_t size);
