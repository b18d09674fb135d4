/*
 * A position in a server's write-ahead log. 0 is no position (as InvalidXLogRecPtr).
 *
 * Of a transaction there are two: `commit`, where its commit record begins, and `end`, behind it.
 * A slot or snapshot that is consistent at X has everything with commit < X, and nothing else; so
 * has a table whose progress says X. The next transaction's commit is at or behind the end of the
 * one before, so the end of what was applied is such an X.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"

typedef uint64_t Lsn;

enum {
    LSN_TEXT_SIZE = 18 /* "FFFFFFFF/FFFFFFFF" and a NUL */
};

/* "16/B374D848", as the server writes it. Returns `text`. */
char *lsn_text(Lsn lsn, char text[LSN_TEXT_SIZE]);
/* False where it is none. */
bool lsn_parse(const char *text, Lsn *ret);
