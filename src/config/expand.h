/* ${NAME} in a text from the file becomes what the environment says; $${ is a plain ${. */
#pragma once

#include "config/config.h"

/* `where` is for errors, which are ERR_USAGE and never show the text; a variable that is not set is
 * ERR_WRONG_STATE: the file is right, and the environment may yet change. */
bool text_expand(Arena *arena, const char *where, const char *text, ConfigLookup *lookup,
                 const char **ret, Error *err) MUST_USE;
