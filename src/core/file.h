/*
 * Files: whole reads with a limit, replacement that is never half visible,
 * folders, and locks. Everything is opened O_CLOEXEC.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "core/arena.h"
#include "core/error.h"

/* The file's bytes with a NUL behind them (not counted). Larger than
 * `max_bytes` is an error. ret_len may be NULL. */
bool file_read(Arena *arena, const char *path, size_t max_bytes, char **ret, size_t *ret_len,
               Error *err) MUST_USE;

/* The file's bytes without reading them: what is not looked at takes no memory. Until
 * file_unmap(); nobody else may cut the file off meanwhile. */
typedef struct FileMap {
    const void *data;
    size_t len;
    void *mapped; /* private */
} FileMap;
bool file_map(const char *path, FileMap *ret, Error *err) MUST_USE;
void file_unmap(FileMap *map);
#define auto_map CLEANUP(file_unmap)

/* Writes a temporary file beside it (0600), syncs, renames: readers see the
 * old content or the new one. */
bool file_replace(const char *path, const void *data, size_t len, Error *err) MUST_USE;

bool file_exists(const char *path);
/* The same where "no" must not stand for "it cannot be told", as in a folder of somebody else. */
bool file_find(const char *path, bool *ret_there, Error *err) MUST_USE;

/* mkdir -p with this mode for what is missing. */
bool file_make_dir(const char *path, unsigned mode, Error *err) MUST_USE;

/* rm -r, without following links out of it. A path that is not there is fine. */
bool file_remove_tree(const char *path, Error *err) MUST_USE;

/* Its owner alone may read it, or, of a file of root's, a group too: what libpq demands of a key.
 * Also true where that cannot be seen, for the one who reads it will say so. */
bool file_is_secret(const char *path);

/* Takes an exclusive lock, without waiting, on `path` (created if need be, its
 * content becomes our process id). *ret_holder is the other's process id where
 * somebody has it, and then the error is ERR_WRONG_STATE. The descriptor is the lock. */
bool file_lock(const char *path, int *ret_fd, int *ret_holder, Error *err) MUST_USE;

/* Who has that lock: a process id, 0: nobody. Takes nothing away from who wants it. */
int file_lock_holder(const char *path);

/* Standard input, output and error are open from then on: where we were started without one, the
 * next file opened would get its number, and what is printed would end up in that file. */
void file_open_standard(void);

void file_close(int *fd);
void file_stream_close(FILE **file);
#define auto_close CLEANUP(file_close)
#define auto_stream CLEANUP(file_stream_close)
