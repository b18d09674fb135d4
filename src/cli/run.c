/* From the command line to the exit status. */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/help.h"
#include "cli/options.h"
#include "core/json.h"
#include "core/log.h"
#include "core/term.h"
#include "move/move.h"
#include "pg/url.h"

enum {
    MAX_ERROR_JSON = 16 * 1024
};

bool cli_print(const Text *text, Error *err)
{
    const char *bytes = text_str(text);

    if (text->overflowed)
        return error_set(err, ERR_WRONG_STATE, "the output is larger than %zu bytes", text->max);
    if (fputs(bytes, stdout) < 0 ||
        (text->len > 0 && bytes[text->len - 1] != '\n' && fputc('\n', stdout) == EOF) ||
        fflush(stdout) == EOF)
        return error_set_errno(err, "write to standard output");
    return true;
}

static void error_print_json(Arena *arena, const Error *err)
{
    Text text = text_init(arena, MAX_ERROR_JSON);
    Json json = json_init(&text);
    Error ignored;

    json_open_object(&json);
    json_key(&json, "error");
    json_open_object(&json);
    json_kv_string(&json, "code", error_code_name(err->code));
    json_kv_string(&json, "message", err->message);
    json_kv_string(&json, "hint", *err->hint ? err->hint : NULL);
    json_kv_string(&json, "sqlstate", *err->sqlstate ? err->sqlstate : NULL);
    json_close(&json);
    json_close(&json);
    (void)!cli_print(&text, &ignored);
}

/* For people on standard error always, so that a script's log has it; for programs on standard
 * output, unless the command's result is there already. */
static void error_print(Arena *arena, const Error *err, bool as_json)
{
    const char *plain = term_style(stderr, TERM_PLAIN);

    if (!*err->message)
        return; /* what there is to say has been said */
    term_progress(NULL);
    (void)fprintf(stderr, "%shomeport:%s %s", term_style(stderr, TERM_RED), plain, err->message);
    if (*err->sqlstate)
        (void)fprintf(stderr, " (SQLSTATE %s)", err->sqlstate);
    (void)fputc('\n', stderr);
    if (*err->hint)
        (void)fprintf(stderr, "%shint:%s %s\n", term_style(stderr, TERM_CYAN), plain, err->hint);
    if (as_json && err->code != ERR_FOUND)
        error_print_json(arena, err);
}

static bool check_resolved(const Command *command, const Config *config, Error *err)
{
    for (int i = 0; i < setting_count; i++)
        if (command_takes(command, &settings[i]) && !config_check(config, &settings[i], err))
            return false;
    return true;
}

static bool check_urls(Arena *arena, const Command *command, const Config *config, Error *err)
{
    for (int i = 0; i < setting_count; i++) {
        const Option *option = &settings[i].option;
        const char *text;
        PgUrl url;

        if (option->type != OPTION_URL || !command_takes(command, &settings[i]))
            continue;
        text = option_format(arena, option, config);
        if (text && !url_parse(arena, text, option->name, &url, err))
            return error_add_context(err, "%s", config_origin(config, &settings[i]));
    }
    return true;
}

/* With what the move of this folder was begun, without its password; NULL: there is none. */
static const char *begun_with(Arena *arena, const Command *command, const Config *config,
                              const char *name)
{
    MoveStatus begun;
    Error ignored = ERROR_INIT;

    if (!command_takes(command, setting_find("dir")) ||
        !move_status(arena, config, &begun, &ignored) || !begun.exists)
        return NULL;
    return strcmp(name, "source") == 0   ? begun.source
           : strcmp(name, "target") == 0 ? begun.target
                                         : NULL;
}

static bool check_needs(Arena *arena, const Command *command, const Config *config, Error *err)
{
    for (const char *const *name = command->needs; name && *name; name++) {
        const Setting *setting = setting_find(*name);

        if (option_format(arena, &setting->option, config))
            continue;
        const char *begun = begun_with(arena, command, config, *name);
        (void)error_set(err, ERR_USAGE, "no %s given%s%s", *name,
                        begun ? "; the move of this folder was begun with " : "",
                        begun ? begun : "");
        return error_hint(err, "Give --%s %s, or set %s, or write \"%s: ...\" in homeport.yaml.",
                          *name, setting->option.argument, setting->env, setting_key(setting));
    }
    return true;
}

static bool config_make(Arena *arena, const CommandLine *line, Config *ret, Error *err)
{
    const Command *command = line->command;

    if (!command_takes_config(command))
        return true;
    if (!config_load(arena, line->common.config, ret, err))
        return false;
    for (int i = 0; i < line->given_count; i++) {
        const Given *given = &line->given[i];
        if (!config_set(arena, ret, given->setting, given->origin, given->text, err))
            return false;
    }
    return check_resolved(command, ret, err) && check_needs(arena, command, ret, err) &&
           check_urls(arena, command, ret, err);
}

/* Help is what somebody who names no command wants; a program that does so has made an error. */
static bool run_without_command(Arena *arena, const CommandLine *line, Error *err)
{
    const Command *group = line->command;
    Text text = text_init(arena, HELP_MAX_BYTES);

    if (line->common.help) {
        group ? help_command(&text, group) : help_overview(&text);
        return cli_print(&text, err);
    }
    if (!line->common.json) {
        group ? help_command(&text, group) : help_overview(&text);
        return cli_print(&text, err) && error_set(err, ERR_USAGE, "%s", "");
    }
    (void)error_set(err, ERR_USAGE, "no command given");
    return error_hint(err, "%s lists the commands.",
                      group ? arena_printf(arena, "homeport help %s", group->name)
                            : "homeport help");
}

static bool run_line(Arena *arena, const CommandLine *line, Error *err)
{
    const Command *command = line->command;
    Config config = {0};

    if (line->common.quiet || line->common.verbose)
        log_set_level(line->common.verbose ? LOG_DEBUG : LOG_ERROR);
    if (!command || (command->subcommands && !command->run))
        return run_without_command(arena, line, err);
    if (line->common.help) {
        Text text = text_init(arena, HELP_MAX_BYTES);
        help_command(&text, command);
        return cli_print(&text, err);
    }
    if (!config_make(arena, line, &config, err))
        return false;

    Invocation inv = {
        .arena = arena,
        .command = command,
        .config = &config,
        .options = line->options,
        .args = line->args,
        .arg_count = line->arg_count,
        .json = line->common.json,
        .quiet = line->common.quiet,
    };
    return command->run(&inv, err);
}

/* Asked before the line is understood: what is wrong with it has to be said in JSON, too. */
static bool wants_json(int count, const char *const *args)
{
    for (int i = 0; i < count && strcmp(args[i], "--") != 0; i++)
        if (strcmp(args[i], "--json") == 0)
            return true;
    return false;
}

/* What commands printed themselves may still be on its way, or have failed without their notice. */
static bool output_end(Error *err)
{
    if (fflush(stdout) == EOF || ferror(stdout))
        return error_set_errno(err, "write to standard output");
    return true;
}

int cli_main(int argc, char **argv)
{
    auto_arena Arena *arena = arena_new();
    const char **copies = arguments_take(arena, argc, argv);
    int count = argc > 0 ? argc - 1 : 0;
    const char *const *args = (const char *const *)copies + (argc > 0);
    CommandLine line;
    Error err = ERROR_INIT;

    if (options_parse(arena, count, args, &line, &err) && run_line(arena, &line, &err) &&
        output_end(&err))
        return 0;
    error_print(arena, &err, wants_json(count, args));
    return error_exit_status(&err);
}
