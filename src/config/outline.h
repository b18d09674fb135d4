/*
 * Which keys a YAML text has, and on which lines.
 *
 * libcyaml loads the values (file.c) but keeps no line of what it has loaded,
 * lets a repeated key win over the first, and needs to know beforehand which
 * keys a mapping has. This goes over the same text with libyaml, which libcyaml
 * reads with itself, and refuses what settings cannot be: more than one
 * document, keys given twice, aliases, lists, mappings within mappings.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"
#include "core/arena.h"
#include "core/error.h"

typedef struct OutlineKey {
    const char *name;
    int line; /* from 1 */
    bool mapping;
    bool empty;               /* nothing, ~ or null */
    struct OutlineKey *items; /* of a mapping */
    int item_count;
} OutlineKey;

typedef struct Outline {
    OutlineKey *keys;
    int count;
} Outline;

/* Errors are ERR_USAGE and name the line. An empty text has no keys. */
bool outline_read(Arena *arena, const ConfigText *input, Outline *ret, Error *err) MUST_USE;
