/* The table of commands, and the options that every command takes. Private to src/cli. */
#pragma once

#include "cli/cli.h"

extern const Command *const commands[]; /* NULL at the end; in the order of help */

typedef struct CommonOptions {
    const char *config;
    bool json;
    bool quiet;
    bool verbose;
    bool help;
} CommonOptions;

extern const Option common_options[]; /* {0} at the end; they fill CommonOptions */

const Command *command_find(const Command *const *list, const char *name);
/* The nearest name in the list, or NULL. */
const char *command_nearest(Arena *arena, const Command *const *list, const char *name);
/* "homeport migrations status" */
const char *command_path(Arena *arena, const Command *command) RETURNS_NONNULL;

/* Does the command take this setting? */
bool command_takes(const Command *command, const Setting *setting);
bool command_takes_config(const Command *command);
/* Is this common option one of the command's? --config is only where settings are. */
bool command_takes_common(const Command *command, const Option *option);
/* "--jobs N" */
const char *option_synopsis(Arena *arena, const Option *option) RETURNS_NONNULL;

/* The long name that "-h" stands for, or NULL. */
const char *letter_option(const char *arg);

/* An option as it is told: the same words in help, man page and reference. */
typedef struct OptionView {
    const Option *option;
    const char *letter;   /* "-h", or NULL */
    const char *synopsis; /* "--jobs N"; "--[no-]verify" for a flag that is on by default */
    const char *sentence; /* its help, with limits and default */
    const char *env;      /* of a setting, else NULL */
    const char *key;
} OptionView;

typedef enum OptionSection {
    SECTION_OWN,
    SECTION_SETTINGS,
    SECTION_COMMON,
    SECTION_COUNT
} OptionSection;

/* What a command takes of a section; all settings and common options where `command` is NULL. */
int option_views(Arena *arena, const Command *command, OptionSection section, OptionView **ret);

extern const char *const group_titles[GROUP_COUNT];

/* "homeport move [OPTIONS]" */
const char *command_usage(Arena *arena, const Command *command) RETURNS_NONNULL;
