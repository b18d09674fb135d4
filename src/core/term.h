/*
 * The screen: colour and a line refreshed in place on a terminal, plain lines
 * elsewhere. Results go to standard output, progress to standard error.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "core/arena.h"

bool term_is_tty(FILE *stream);

/* Escape sequences, or "" where the stream is no terminal or NO_COLOR is set. */
typedef enum TermStyle {
    TERM_PLAIN,
    TERM_BOLD,
    TERM_DIM,
    TERM_RED,
    TERM_GREEN,
    TERM_YELLOW,
    TERM_CYAN,
} TermStyle;
const char *term_style(FILE *stream, TermStyle style) RETURNS_NONNULL;

/* Show this as the one line that is refreshed in place (standard error, cut to
 * the terminal's width). NULL takes it away. No-op where standard error is no terminal. */
void term_progress(const char *line);

/* Columns aligned to their widest cell; numbers (align 'r') to the right.
 * Cells are UTF-8. `header` may be NULL. */
typedef struct TermTable TermTable;
TermTable *term_table_new(Arena *arena, const char *aligns,
                          const char *const *header) RETURNS_NONNULL;
void term_table_row(TermTable *table, const char *const *cells); /* one per letter of aligns */
void term_table_print(const TermTable *table, FILE *stream);
