#include <string.h>

#include "cli/help.h"

typedef struct HelpOptions {
    bool man;
    bool reference;
    const char *completion;
} HelpOptions;

static const Option help_options[] = {
    {.name = "man",
     .type = OPTION_FLAG,
     .offset = offsetof(HelpOptions, man),
     .unset = "no",
     .help = "print the man page, homeport(1), for man -l -"},
    {.name = "reference",
     .type = OPTION_FLAG,
     .offset = offsetof(HelpOptions, reference),
     .unset = "no",
     .help = "print all commands and settings as Markdown"},
    {.name = "completion",
     .type = OPTION_TEXT,
     .offset = offsetof(HelpOptions, completion),
     .argument = "SHELL",
     .help = "print the completion for this shell, which can be bash"},
    {0                             },
};

static bool command_named(const Invocation *inv, const Command **ret, Error *err)
{
    const Command *const *list = commands;
    const Command *command = NULL;

    for (int i = 0; i < inv->arg_count; i++) {
        command = list ? command_find(list, inv->args[i]) : NULL;
        if (!command) {
            const char *nearest = list ? command_nearest(inv->arena, list, inv->args[i]) : NULL;
            (void)error_set(err, ERR_USAGE, "there is no command %s",
                            text_quoted(inv->arena, inv->args[i]));
            if (nearest)
                return error_hint(err, "Did you mean \"%s\"?", nearest);
            return error_hint(err, "homeport help lists the commands.");
        }
        list = command->subcommands;
    }
    *ret = command;
    return true;
}

static bool print_page(const Invocation *inv, const HelpOptions *options, Text *out, Error *err)
{
    if (options->man + options->reference + (options->completion != NULL) + inv->json > 1) {
        (void)error_set(err, ERR_USAGE, "more than one form of help asked for");
        return error_hint(err, "Give one of --man, --reference, --completion and --json.");
    }
    if (options->completion && strcmp(options->completion, "bash") != 0) {
        (void)error_set(err, ERR_USAGE, "there is no completion for %s",
                        text_quoted(inv->arena, options->completion));
        return error_hint(err, "There is one for bash.");
    }
    if (options->man)
        help_man(out);
    else if (options->reference)
        help_reference(out);
    else
        help_bash(out);
    return cli_print(out, err);
}

static bool help_run(const Invocation *inv, Error *err)
{
    const HelpOptions *options = inv->options;
    const Command *command = NULL;
    Text out = text_init(inv->arena, HELP_MAX_BYTES);

    if (options->man || options->reference || options->completion)
        return print_page(inv, options, &out, err);
    if (!command_named(inv, &command, err))
        return false;
    if (inv->json) {
        Json json = json_init(&out);
        help_json(&json, command);
    } else if (command) {
        help_command(&out, command);
    } else {
        help_overview(&out);
    }
    return cli_print(&out, err);
}

const Command cmd_help = {
    .name = "help",
    .group = GROUP_SELF,
    .summary = "say what homeport and its commands do and take",
    .description =
        "Without a command it lists the commands; with one it says what that command does and "
        "takes, with examples. The man page, the reference and the completion of the shell "
        "are printed from the same tables.",
    .arguments = "[COMMAND [SUBCOMMAND]]",
    .max_args = 2,
    .options = help_options,
    .options_size = sizeof(HelpOptions),
    .examples =
        (const Example[]){
                          {"homeport demo", "See a whole move on two throwaway servers."},
                          {"homeport help move", "What a command does and takes, with examples."},
                          {"homeport help --man | man -l -", "Read the man page."},
                          {"source <(homeport help --completion bash)", "Complete commands and options in bash."},
                          {0},
                          },
    .run = help_run,
};
