/*
 * Findings of the assessment as people read them: by `homeport check`, and by
 * a move that found blockers. Private to src/cli.
 */
#pragma once

#include "core/text.h"
#include "move/move.h"

typedef struct FindingsLayout {
    int width;          /* of a line; statements of a fix are never broken */
    int max_objects;    /* of a finding; 0: all */
    int max_fix_lines;  /* likewise */
    bool blockers_only; /* leave warnings and notes out */
} FindingsLayout;

/* Wide as the terminal on standard output; there and elsewhere at most 100 columns. */
FindingsLayout findings_layout(void);

/* Coloured where standard output is a terminal. Nothing where there are no findings. */
void findings_format(Text *out, const Assessment *assessment, const FindingsLayout *layout);

/* "2 blockers, 1 warning, no notes" */
const char *findings_count(Arena *arena, const Assessment *assessment) RETURNS_NONNULL;

/* How many blockers concern a move of this scope. */
int findings_blockers(const Assessment *assessment, Scope scope);
