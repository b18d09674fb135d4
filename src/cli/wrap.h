/*
 * Sentences in lines that people can read. Private to src/cli.
 */
#pragma once

#include "core/text.h"

/* Of the terminal on standard output; there and elsewhere at most 100 columns. */
int wrap_width(void);

/* Words of `text` behind `indent` columns of the line, which are there; further lines are indented
 * as much, and begin with `mark`. A word is never broken. */
void wrap_add(Text *out, const char *mark, const char *text, int indent, int width);
