/*
 * Help, man page, reference and completion: all of them are the tables of
 * commands and settings, told in different ways. Private to src/cli.
 */
#pragma once

#include "cli/command.h"
#include "core/json.h"

enum {
    HELP_MAX_BYTES = 1024 * 1024
};

void help_overview(Text *out);
void help_command(Text *out, const Command *command);

void help_man(Text *out);       /* homeport.1 */
void help_reference(Text *out); /* docs/reference.md */
void help_bash(Text *out);      /* completion for bash */
/* The tables, for programs: one command, or all of them where it is NULL. */
void help_json(Json *json, const Command *command);
