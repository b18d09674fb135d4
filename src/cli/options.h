/*
 * The command line, read against the rows: which command, its own options, the
 * settings it was given, what is left over. Private to src/cli.
 *
 * --name value or --name=value; --flag and --no-flag; "--" ends the options.
 * Common options may stand before the command as well.
 */
#pragma once

#include "cli/command.h"

/* A setting on the command line, to be applied once the file has been read. */
typedef struct Given {
    const Setting *setting;
    const char *origin; /* "--jobs" */
    const char *text;
} Given;

typedef struct CommandLine {
    const Command *command; /* NULL: none was named */
    CommonOptions common;
    void *options; /* the command's own */
    Given *given;
    int given_count;
    const char **args;
    int arg_count;
} CommandLine;

/* `args` are argv without the program's name; they must outlive the result. */
bool options_parse(Arena *arena, int count, const char *const *args, CommandLine *ret,
                   Error *err) MUST_USE;

/* Copies argv and overwrites what may hold a password in the original, which is what the
 * process list shows. */
const char **arguments_take(Arena *arena, int argc, char **argv);
