/*
 * Something that may be given as text: on the command line, in the environment
 * or in a file. What it is called, what it may be, where it goes, what it is for.
 *
 * Settings (config.h) and the options that belong to one command (cli/cli.h)
 * are rows of this type, so a number, a size or a choice is read, limited and
 * complained about in one way wherever it comes from.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/error.h"

typedef enum OptionType {
    OPTION_FLAG,   /* bool. --name and --no-name; in text: true, yes, on, 1 and their opposites */
    OPTION_INT,    /* int within min..max */
    OPTION_SIZE,   /* uint64_t bytes within min..max: 4096, 200MB, 1GiB */
    OPTION_CHOICE, /* an enum: the index into `choices` */
    OPTION_TEXT,   /* const char *: not empty, no control characters, at most `max` bytes */
    OPTION_PATH,   /* the same, a file or folder; in a file it is relative to that file */
    OPTION_URL,    /* the same, and secret: never shown, not even in an error */
    OPTION_PAIRS,  /* const OptionPair *, and an int at `count_offset`: old=new, may be repeated */
} OptionType;

typedef struct OptionPair {
    const char *from;
    const char *to;
} OptionPair;

typedef struct Option {
    const char *name; /* "jobs" is --jobs on the command line and jobs: in a file */
    OptionType type;
    size_t offset;       /* of the field that it fills */
    size_t count_offset; /* OPTION_PAIRS: of the field that says how many there are */
    int64_t min;
    int64_t max;                /* of texts: their length in bytes, 0: 4096 */
    const char *const *choices; /* OPTION_CHOICE, NULL at the end; in the order of the enum */
    const char *unset;          /* the default, as text; NULL: zero */
    const char *argument;       /* what stands for the value in help: "URL", "N", "SIZE" */
    const char *help;           /* lower case, no full stop, without the default and the limits */
} Option;

/* Reads `text` into the row's field of `base`. `where` names the place for errors: "--jobs",
 * "HOMEPORT_JOBS", "homeport.yaml:3: jobs". Errors are ERR_USAGE; the field keeps its value then.
 */
bool option_set(Arena *arena, const Option *option, const char *where, const char *text, void *base,
                Error *err) MUST_USE;

/* One more pair; a name on the left that is there already is an error. */
bool option_add_pair(Arena *arena, const Option *option, const char *where, OptionPair pair,
                     void *base, Error *err) MUST_USE;

/* How many pairs there are, and where. */
int option_pairs(const Option *option, const void *base, const OptionPair **ret);

/* Every row's default; rows end with one that has no name. Bad defaults are bugs (asserted). */
void options_set_defaults(Arena *arena, const Option *rows, void *base);

/* The value as text that option_set() would read; NULL: none. Secrets as they are: the caller hides
 * them. */
const char *option_format(Arena *arena, const Option *option, const void *base);

/* "1 to 64", "dump, drizzle or existing"; NULL where there is nothing to say. */
const char *option_limits(Arena *arena, const Option *option);

/* The name nearest to `text`, or NULL where none is near enough to be what was meant. */
const char *name_nearest(const char *text, const char *const *names, size_t count);

/* `text` in quotes for an error: cut, control characters replaced, anything that may be a
 * connection text with a password in it not shown at all. */
const char *text_quoted(Arena *arena, const char *text) RETURNS_NONNULL;

/* Could it be a connection text with a password in it? Rather yes than no. */
bool text_may_be_secret(const char *text);
