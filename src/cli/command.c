#include "cli/command.h"

#include <string.h>

extern const Command cmd_check;
extern const Command cmd_abort;
extern const Command cmd_config;
extern const Command cmd_cutover;
extern const Command cmd_demo;
extern const Command cmd_finish;
extern const Command cmd_gateway;
extern const Command cmd_help;
extern const Command cmd_migrations;
extern const Command cmd_move;
extern const Command cmd_rollback;
extern const Command cmd_status;
extern const Command cmd_verify;
extern const Command cmd_version;

const Command *const commands[] = {
    /* the move, in the order in which one meets them */
    &cmd_demo,
    &cmd_check,
    &cmd_move,
    &cmd_status,
    &cmd_verify,
    &cmd_cutover,
    &cmd_rollback,
    &cmd_finish,
    &cmd_abort,
    &cmd_migrations,
    /* the app at home */
    &cmd_gateway,
    /* homeport itself */
    &cmd_config,
    &cmd_help,
    &cmd_version,
    NULL,
};

const Option common_options[] = {
    {.name = "config",
     .type = OPTION_PATH,
     .offset = offsetof(CommonOptions, config),
     .argument = "FILE",
     .help = "read settings from FILE; unset: homeport.yaml, if there"},
    {.name = "json",
     .type = OPTION_FLAG,
     .offset = offsetof(CommonOptions, json),
     .unset = "no",
     .help = "print one JSON object for programs"},
    {.name = "quiet",
     .type = OPTION_FLAG,
     .offset = offsetof(CommonOptions, quiet),
     .unset = "no",
     .help = "only results and errors"},
    {.name = "verbose",
     .type = OPTION_FLAG,
     .offset = offsetof(CommonOptions, verbose),
     .unset = "no",
     .help = "log every step on standard error"},
    {.name = "help",
     .type = OPTION_FLAG,
     .offset = offsetof(CommonOptions, help),
     .unset = "no",
     .help = "say what the command does and what it takes"},
    {0                          },
};

static const struct {
    const char *letter;
    const char *name;
} letters[] = {
    {"-q", "quiet"  },
    {"-v", "verbose"},
    {"-h", "help"   }
};

const char *letter_option(const char *arg)
{
    for (size_t i = 0; i < COUNT_OF(letters); i++)
        if (strcmp(letters[i].letter, arg) == 0)
            return letters[i].name;
    return NULL;
}

static const char *option_letter(const Option *option)
{
    for (size_t i = 0; i < COUNT_OF(letters); i++)
        if (strcmp(letters[i].name, option->name) == 0)
            return letters[i].letter;
    return NULL;
}

const Command *command_find(const Command *const *list, const char *name)
{
    for (; *list; list++)
        if (strcmp((*list)->name, name) == 0)
            return *list;
    return NULL;
}

const char *command_nearest(Arena *arena, const Command *const *list, const char *name)
{
    size_t count = 0;

    while (list[count])
        count++;
    const char **names = arena_array(arena, count, sizeof *names);
    for (size_t i = 0; i < count; i++)
        names[i] = list[i]->name;
    return name_nearest(name, names, count);
}

const char *command_path(Arena *arena, const Command *command)
{
    for (const Command *const *parent = commands; *parent; parent++)
        for (const Command *const *sub = (*parent)->subcommands; sub && *sub; sub++)
            if (*sub == command)
                return arena_printf(arena, "homeport %s %s", (*parent)->name, command->name);
    return arena_printf(arena, "homeport %s", command->name);
}

static bool is_listed(const char *const *names, const char *name)
{
    for (; names && *names; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return false;
}

bool command_takes(const Command *command, const Setting *setting)
{
    return is_listed(command->settings, setting->option.name);
}

bool command_takes_config(const Command *command)
{
    return command->settings && command->settings[0];
}

bool command_takes_common(const Command *command, const Option *option)
{
    return strcmp(option->name, "config") != 0 || command_takes_config(command);
}

static bool on_by_default(const Option *option)
{
    return option->type == OPTION_FLAG && option->unset && strcmp(option->unset, "yes") == 0;
}

const char *option_synopsis(Arena *arena, const Option *option)
{
    if (on_by_default(option))
        return arena_printf(arena, "--[no-]%s", option->name);
    return arena_printf(arena, option->argument ? "--%s %s" : "--%s", option->name,
                        option->argument);
}

static const char *option_sentence(Arena *arena, const Option *option)
{
    const char *limits = option_limits(arena, option);
    const char *unset =
        option->type == OPTION_FLAG && !on_by_default(option) ? NULL : option->unset;

    if (limits && unset)
        return arena_printf(arena, "%s (%s; default %s)", option->help, limits, unset);
    if (limits)
        return arena_printf(arena, "%s (%s)", option->help, limits);
    if (unset)
        return arena_printf(arena, "%s (default %s)", option->help, unset);
    return option->help;
}

static OptionView view_of(Arena *arena, const Option *option)
{
    return (OptionView){
        .option = option,
        .synopsis = option_synopsis(arena, option),
        .sentence = option_sentence(arena, option),
    };
}

static int setting_views(Arena *arena, const Command *command, OptionView **ret)
{
    OptionView *views = arena_array(arena, (size_t)setting_count, sizeof *views);
    int count = 0;

    for (int i = 0; i < setting_count; i++) {
        if (command && !command_takes(command, &settings[i]))
            continue;
        views[count] = view_of(arena, &settings[i].option);
        if (command && is_listed(command->needs, settings[i].option.name))
            views[count].sentence = arena_printf(arena, "%s (needed)", views[count].sentence);
        views[count].env = settings[i].env;
        views[count++].key = setting_key(&settings[i]);
    }
    *ret = views;
    return count;
}

static int common_views(Arena *arena, const Command *command, OptionView **ret)
{
    OptionView *views = arena_array(arena, COUNT_OF(common_options), sizeof *views);
    int count = 0;

    for (const Option *row = common_options; row->name; row++) {
        if (command && !command_takes_common(command, row))
            continue;
        views[count] = view_of(arena, row);
        views[count++].letter = option_letter(row);
    }
    *ret = views;
    return count;
}

static int own_views(Arena *arena, const Command *command, OptionView **ret)
{
    const Option *rows = command ? command->options : NULL;
    int count = 0;

    while (rows && rows[count].name)
        count++;
    *ret = arena_array(arena, (size_t)count, sizeof **ret);
    for (int i = 0; i < count; i++)
        (*ret)[i] = view_of(arena, &rows[i]);
    return count;
}

int option_views(Arena *arena, const Command *command, OptionSection section, OptionView **ret)
{
    switch (section) {
    case SECTION_SETTINGS:
        return setting_views(arena, command, ret);
    case SECTION_COMMON:
        return common_views(arena, command, ret);
    default:
        return own_views(arena, command, ret);
    }
}

const char *const group_titles[GROUP_COUNT] = {
    [GROUP_MOVE] = "Move a database",
    [GROUP_APP] = "Run the app",
    [GROUP_SELF] = "homeport itself",
};

const char *command_usage(Arena *arena, const Command *command)
{
    const char *own = command->run ? "[COMMAND]" : "COMMAND";
    const char *arguments = command->subcommands ? own : command->arguments;

    return arena_printf(arena, "%s%s%s [OPTIONS]", command_path(arena, command),
                        arguments ? " " : "", arguments ? arguments : "");
}
