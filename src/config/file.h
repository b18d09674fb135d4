/* homeport.yaml as texts: which settings it gives, with the references to the environment still in
 * them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"

typedef struct FileValue {
    const Setting *setting;
    int line;
    const char *text; /* NULL: pairs */
    OptionPair *pairs;
    int *pair_lines;
    int pair_count;
} FileValue;

typedef struct FileValues {
    FileValue *list;
    int count;
} FileValues;

bool file_values_load(Arena *arena, const ConfigText *input, FileValues *ret, Error *err) MUST_USE;
