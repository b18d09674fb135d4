/*
 * Commands as rows: what a command is called, what it takes, what it does.
 * The command line, --help, the man page, the reference and the completion of
 * the shell are all made from these rows.
 *
 * To add a command: src/cli/cmd_x.c with `const Command cmd_x`, its name in
 * src/cli/meson.build, and a line in each of the two lists of command.c. Then
 * `homeport help --reference > docs/reference.md`.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"
#include "core/arena.h"
#include "core/error.h"
#include "core/text.h"

typedef struct Command Command;

/* What a command is run with. Everything lives in `arena`, which lasts as long as the command. */
typedef struct Invocation {
    Arena *arena;
    const Command *command;
    const Config *config; /* file, environment and options, checked: needed ones are there */
    const void *options;  /* the command's own struct, filled from its rows */
    const char *const *args;
    int arg_count;
    bool json;  /* one object on standard output, nothing else there */
    bool quiet; /* no progress; the log shows errors only */
} Invocation;

typedef enum CommandGroup {
    GROUP_MOVE,
    GROUP_APP,
    GROUP_SELF,
    GROUP_COUNT
} CommandGroup;

typedef struct Example {
    const char *line; /* "homeport move --once" */
    const char *what; /* a sentence */
} Example;

struct Command {
    const char *name;
    CommandGroup group;
    const char *summary;     /* one line, lower case, no full stop */
    const char *description; /* sentences; paragraphs parted by an empty line; wrapped by help */
    const char *arguments;   /* "[COMMAND]" in the synopsis; NULL: it takes none */
    int max_args;
    const char *const *settings;       /* names of the shared settings it takes, NULL at the end */
    bool names_variables;              /* its help names the settings' environment variables */
    const char *const *needs;          /* those of them that must be given, NULL at the end */
    const Option *options;             /* its own rows, {0} at the end; NULL: none */
    size_t options_size;               /* of the struct that they fill */
    const Example *examples;           /* {0} at the end; at least one */
    const Command *const *subcommands; /* NULL at the end. A `run` of its own is what the command
                                          does where none of them is named */

    /* Returns false with `err` set: the top prints the error (as a JSON object on standard output
     * with --json) and makes the exit status of its code: ERR_USAGE 2, ERR_FOUND 3, others 1.
     * With ERR_FOUND the command has printed its result itself, also with --json, and the error
     * only says in a line what was found. */
    bool (*run)(const Invocation *inv, Error *err);
};

/* Standard output, at once; fails where it cannot be written. A text that overflowed its limit is
 * an error. A newline is added where the last is missing. */
bool cli_print(const Text *text, Error *err) MUST_USE;

/* The program, less the process: what main() returns. */
int cli_main(int argc, char **argv);
