/*
 * What a comparison found as people read it: by `homeport verify`, and by a move
 * that ended with differences. Private to src/cli.
 */
#pragma once

#include "core/text.h"
#include "move/move.h"

/* The differences that are listed, table by table, then the result in a line; into an empty text.
 * Coloured where standard output is a terminal. */
void differences_format(Text *out, const VerifyReport *report);
