#include "cli/options.h"

#include <assert.h>
#include <string.h>

typedef struct Parser {
    Arena *arena;
    CommandLine line;
    int count;
    const char *const *args;
    int at; /* of the next argument */
    Error *err;
} Parser;

/* One option as it stands on the command line. */
typedef struct Written {
    const char *name;  /* without dashes, "no-" and "=value" */
    const char *shown; /* "--no-verify" */
    const char *value; /* behind "=", or NULL */
    bool off;          /* "--no-" */
} Written;

/* What an option's row is, and whose. */
typedef struct Match {
    const Option *option;
    const Setting *setting; /* NULL: base is set instead */
    void *base;
} Match;

static bool match_rows(const Option *rows, void *base, const char *name, Match *ret)
{
    for (const Option *row = rows; row && row->name; row++)
        if (strcmp(row->name, name) == 0) {
            *ret = (Match){.option = row, .base = base};
            return true;
        }
    return false;
}

static bool match_name(Parser *parser, const char *name, Match *ret)
{
    const Command *command = parser->line.command;
    Match common;

    if (match_rows(common_options, &parser->line.common, name, &common) &&
        (!command || command->subcommands || command_takes_common(command, common.option))) {
        *ret = common;
        return true;
    }
    if (!command)
        return false;
    if (match_rows(command->options, parser->line.options, name, ret))
        return true;
    const Setting *setting = setting_find(name);
    if (!setting || !command_takes(command, setting))
        return false;
    *ret = (Match){.option = &setting->option, .setting = setting};
    return true;
}

/* The row that is meant. A flag is found by its "no-" name too. */
static bool match_option(Parser *parser, Written *written, Match *ret)
{
    if (match_name(parser, written->name, ret))
        return true;
    if (strncmp(written->name, "no-", 3) != 0 || !match_name(parser, written->name + 3, ret) ||
        ret->option->type != OPTION_FLAG)
        return false;
    written->name += 3;
    written->off = true;
    return true;
}

static const char *option_nearest(Parser *parser, const char *name)
{
    const Command *command = parser->line.command;
    const char *names[256];
    size_t count = 0;

    for (const Option *row = common_options; row->name && count < COUNT_OF(names); row++)
        if (!command || command_takes_common(command, row))
            names[count++] = row->name;
    for (const Option *row = command ? command->options : NULL;
         row && row->name && count < COUNT_OF(names); row++)
        names[count++] = row->name;
    for (int i = 0; command && i < setting_count && count < COUNT_OF(names); i++)
        if (command_takes(command, &settings[i]))
            names[count++] = settings[i].option.name;
    return name_nearest(name, names, count);
}

static bool refuse_unknown(Parser *parser, const Written *written)
{
    Arena *arena = parser->arena;
    const Command *command = parser->line.command;
    const char *bare = strncmp(written->name, "no-", 3) == 0 ? written->name + 3 : written->name;
    const char *path = command ? command_path(arena, command) : "homeport";
    const char *nearest = option_nearest(parser, bare);
    const Setting *setting = setting_find(bare);

    if (!command) {
        (void)error_set(parser->err, ERR_USAGE, "unknown option %s before the command",
                        text_quoted(arena, written->shown));
        if (setting)
            return error_hint(parser->err, "Write it after the command.");
    } else {
        (void)error_set(parser->err, ERR_USAGE, "%s has no option %s", path,
                        text_quoted(arena, written->shown));
    }
    if (command && command->subcommands && setting)
        return error_hint(parser->err, "Write it after the subcommand; %s --help lists them.",
                          path);
    if (nearest && !setting)
        return error_hint(parser->err, "Did you mean --%s?", nearest);
    return error_hint(parser->err, "%s --help lists its options.", path);
}

static bool take_value(Parser *parser, const Written *written, const Option *option,
                       const char **ret)
{
    Arena *arena = parser->arena;

    if (option->type == OPTION_FLAG) {
        if (written->value) {
            (void)error_set(parser->err, ERR_USAGE, "%s takes no value", written->shown);
            return error_hint(parser->err, "Write --%s or --no-%s.", option->name, option->name);
        }
        *ret = written->off ? "no" : "yes";
        return true;
    }
    const char *next = parser->at < parser->count ? parser->args[parser->at] : NULL;
    if (written->value) {
        *ret = written->value;
    } else if (next && strncmp(next, "--", 2) != 0) {
        *ret = next;
        parser->at++;
    } else {
        (void)error_set(parser->err, ERR_USAGE, "%s needs a value", written->shown);
        return error_hint(parser->err, "Write %s.", option_synopsis(arena, option));
    }
    return true;
}

/* A command's own pairs are added up; each of the settings waits for the file. */
static bool take_option(Parser *parser, Written written)
{
    CommandLine *line = &parser->line;
    Match match;
    const char *value = NULL;

    if (!match_option(parser, &written, &match))
        return refuse_unknown(parser, &written);
    if (!take_value(parser, &written, match.option, &value))
        return false;
    if (!match.setting)
        return option_set(parser->arena, match.option, written.shown, value, match.base,
                          parser->err);
    line->given[line->given_count++] =
        (Given){.setting = match.setting, .origin = written.shown, .text = value};
    return true;
}

static bool take_dashes(Parser *parser, const char *arg)
{
    Written written = {.shown = arg};

    if (arg[1] != '-') {
        written.name = letter_option(arg);
        if (written.name)
            return take_option(parser, written);
        (void)error_set(parser->err, ERR_USAGE, "unknown option %s",
                        text_quoted(parser->arena, arg));
        return error_hint(parser->err, "Options have long names: --help lists them.");
    }
    const char *equals = strchr(arg, '=');
    if (equals) {
        written.shown = arena_strndup(parser->arena, arg, (size_t)(equals - arg));
        written.value = equals + 1;
    }
    written.name = written.shown + 2;
    return take_option(parser, written);
}

static bool refuse_command(Parser *parser, const Command *const *list, const char *name)
{
    Arena *arena = parser->arena;
    const char *nearest = command_nearest(arena, list, name);
    const char *help = parser->line.command
                           ? arena_printf(arena, "homeport help %s", parser->line.command->name)
                           : "homeport help";

    (void)error_set(parser->err, ERR_USAGE, "there is no command %s", text_quoted(arena, name));
    if (nearest)
        return error_hint(parser->err, "Did you mean \"%s\"? %s lists the commands.", nearest,
                          help);
    return error_hint(parser->err, "%s lists the commands.", help);
}

static bool take_command(Parser *parser, const Command *const *list, const char *name)
{
    CommandLine *line = &parser->line;
    const Command *command = command_find(list, name);

    if (!command)
        return refuse_command(parser, list, name);
    line->command = command;
    line->options = arena_alloc(parser->arena, command->options_size);
    options_set_defaults(parser->arena, command->options, line->options);
    return true;
}

static bool take_word(Parser *parser, const char *word)
{
    CommandLine *line = &parser->line;

    if (!line->command)
        return take_command(parser, commands, word);
    if (line->command->subcommands)
        return take_command(parser, line->command->subcommands, word);
    if (line->arg_count == line->command->max_args) {
        const char *path = command_path(parser->arena, line->command);
        (void)error_set(parser->err, ERR_USAGE, "%s does not take %s", path,
                        text_quoted(parser->arena, word));
        return error_hint(parser->err, "%s --help shows what it takes.", path);
    }
    line->args[line->arg_count++] = word;
    return true;
}

/* As every program is asked for it: what follows are options of the command. */
static bool asks_for_version(const Parser *parser, const char *arg)
{
    return !parser->line.command && (strcmp(arg, "--version") == 0 || strcmp(arg, "-V") == 0);
}

bool options_parse(Arena *arena, int count, const char *const *args, CommandLine *ret, Error *err)
{
    Parser parser = {.arena = arena, .count = count, .args = args, .err = err};
    bool words_only = false;

    parser.line.given = arena_array(arena, (size_t)count, sizeof *parser.line.given);
    parser.line.args = arena_array(arena, (size_t)count, sizeof *parser.line.args);
    options_set_defaults(arena, common_options, &parser.line.common);
    while (parser.at < count) {
        const char *arg = args[parser.at++];

        if (!words_only && strcmp(arg, "--") == 0) {
            words_only = true;
            continue;
        }
        if (!words_only && asks_for_version(&parser, arg))
            arg = "version";
        bool dashes = !words_only && arg[0] == '-' && arg[1] != '\0';
        if (dashes ? !take_dashes(&parser, arg) : !take_word(&parser, arg))
            return false;
    }
    *ret = parser.line;
    return true;
}

const char **arguments_take(Arena *arena, int argc, char **argv)
{
    const char **copies = arena_array(arena, (size_t)argc + 1, sizeof *copies);

    for (int i = 0; i < argc; i++) {
        copies[i] = arena_strdup(arena, argv[i]);
        if (!text_may_be_secret(argv[i]))
            continue;
        char *equals = strncmp(argv[i], "--", 2) == 0 ? strchr(argv[i], '=') : NULL;
        for (char *c = equals ? equals + 1 : argv[i]; *c; c++)
            *c = '*';
    }
    return copies;
}
