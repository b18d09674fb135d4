/*
 * Shows a move while it runs, on standard error: on a terminal a line that is
 * refreshed in place, elsewhere a plain line every ten seconds.
 */
#pragma once

#include <stdbool.h>

#include "move/move.h"

typedef struct ProgressView {
    bool quiet;
    double last_line; /* when the last plain line was printed */
    double step_started;
    const char *step; /* the one that runs; NULL: none */
    const char *note; /* shown behind its time when it ends; NULL: nothing */
} ProgressView;

/* What it shows: with a bar, or else with the step's name. */
const char *progress_line(Arena *arena, const MoveProgress *progress, bool bar);

/* Valid as long as `view` is. */
MoveWatch progress_watch(ProgressView *view);
/* A step of the command's own; the next one, or progress_end(), ends it. */
void progress_step(ProgressView *view, const char *text);
/* Takes the line away, and ends the running step with a check mark or a cross. */
void progress_end(ProgressView *view, bool ok);

/* The blockers that were found, on standard error: for a move that check stops. */
void progress_print_findings(const Assessment *assessment);
