/* ${NAME} in a text from the file becomes what the environment says; $${ is a plain ${. */
#pragma once

#include "config/config.h"

/* `where` is for errors, which are ERR_USAGE and never show the text. */
bool text_expand(Arena *arena, const char *where, const char *text, ConfigLookup *lookup,
                 const char **ret, Error *err) MUST_USE;
