/* Completion for bash. What an option takes is decided by its name alone: a test holds the tables
 * to one meaning a name. */
#include "cli/help.h"

#include <string.h>

typedef void Visit(Text *out, const Command *command);

static void visit_all(Text *out, const Command *const *list, Visit *visit)
{
    for (; list && *list; list++) {
        visit(out, *list);
        visit_all(out, (*list)->subcommands, visit);
    }
}

static void add_names(Text *out, const Command *const *list)
{
    for (; list && *list; list++)
        text_addf(out, "%s ", (*list)->name);
}

static void add_option_names(Text *out, const Command *command)
{
    for (int section = 0; section < SECTION_COUNT; section++) {
        OptionView *views;
        int count = option_views(out->arena, command, (OptionSection)section, &views);

        for (int i = 0; i < count; i++) {
            const Option *option = views[i].option;
            bool on = option->type == OPTION_FLAG && strcmp(option->unset, "yes") == 0;
            text_addf(out, "--%s%s ", on ? "no-" : "", option->name);
        }
    }
}

/* One case per command: "homeport move" and what may follow it. */
static void add_command_case(Text *out, const Command *command)
{
    text_addf(out, "        '%s') words='", command_path(out->arena, command));
    add_names(out, command->subcommands);
    if (command->arguments && strstr(command->arguments, "COMMAND"))
        add_names(out, commands);
    add_option_names(out, command);
    text_add(out, "' ;;\n");
}

/* One case per option that takes a value, unless an earlier command had it. */
static void add_value_case(Text *out, const OptionView *view)
{
    const Option *option = view->option;
    const char *start = arena_printf(out->arena, "        --%s) ", option->name);

    if (option->type == OPTION_FLAG || strstr(text_str(out), start))
        return;
    text_add(out, start);
    if (option->type == OPTION_CHOICE) {
        text_add(out, "choices='");
        for (const char *const *choice = option->choices; *choice; choice++)
            text_addf(out, "%s ", *choice);
        text_add(out, "' ;;\n");
    } else {
        text_add(out, option->type == OPTION_PATH ? "files=yes ;;\n" : "return ;;\n");
    }
}

static void add_value_cases(Text *out, const Command *command)
{
    for (int section = 0; section < SECTION_COUNT; section++) {
        OptionView *views;
        int count = option_views(out->arena, command, (OptionSection)section, &views);

        for (int i = 0; i < count; i++)
            add_value_case(out, &views[i]);
    }
}

/* The options of those cases as one pattern: "--dir|--jobs". */
static void add_value_names(Text *out, const char *cases)
{
    const char *separator = "";

    for (const char *at = cases; (at = strstr(at, "--")) != NULL; separator = "|") {
        size_t len = strcspn(at, ")");
        text_addf(out, "%s%.*s", separator, (int)len, at);
        at += len;
    }
}

void help_bash(Text *out)
{
    Text cases = text_init(out->arena, HELP_MAX_BYTES);

    visit_all(&cases, commands, add_value_cases);
    text_add(out,
             "# Completion of homeport for bash, made by: homeport help --completion bash\n"
             "_homeport()\n{\n"
             "    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}\n"
             "    local path=homeport words= choices= files= i\n\n"
             "    # bash takes --name=value apart at the sign.\n"
             "    if [[ $word == = ]]; then\n        word=\n"
             "    elif [[ $previous == = ]]; then\n"
             "        previous=${COMP_WORDS[COMP_CWORD - 2]}\n    fi\n"
             "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
             "        case ${COMP_WORDS[i]} in\n        ");
    add_value_names(out, text_str(&cases));
    text_add(out, ") [[ ${COMP_WORDS[i + 1]} == = ]] && ((i++)); ((i++)) ;;\n"
                  "        -*) ;;\n"
                  "        *) path+=\" ${COMP_WORDS[i]}\" ;;\n"
                  "        esac\n    done\n\n"
                  "    case $previous in\n");
    text_add(out, text_str(&cases));
    text_add(out, "    esac\n"
                  "    COMPREPLY=()\n"
                  "    if [[ $files ]]; then\n"
                  "        compopt -o filenames 2>/dev/null\n"
                  "        mapfile -t COMPREPLY < <(compgen -f -- \"$word\")\n"
                  "        return\n    fi\n"
                  "    case $path in\n"
                  "        homeport) words='");
    add_names(out, commands);
    text_add(out, "--help --json' ;;\n");
    visit_all(out, commands, add_command_case);
    text_add(out, "        'homeport help '*) words='");
    add_names(out, commands);
    text_add(out, "' ;;\n    esac\n"
                  "    mapfile -t COMPREPLY < <(compgen -W \"${choices:-$words}\" -- \"$word\")\n"
                  "}\ncomplete -F _homeport homeport\n");
}
