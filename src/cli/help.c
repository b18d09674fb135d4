#include "cli/help.h"

#include <stdio.h>
#include <string.h>

#include "core/term.h"

enum {
    WIDTH = 79,
    INDENT = 2,
    MAX_LEFT = 24, /* a longer left side has a line of its own */
};

static void add_heading(Text *out, const char *title)
{
    text_addf(out, "%s%s%s\n", term_style(stdout, TERM_BOLD), title,
              term_style(stdout, TERM_PLAIN));
}

/* Words of `text`, from column `at` on; later lines begin at `indent`. */
static void add_wrapped(Text *out, const char *text, int at, int indent)
{
    bool fresh = true; /* nothing on the line yet that a space would part the word from */

    while (*text) {
        int len = (int)strcspn(text, " \n");
        bool paragraph = strncmp(text + len, "\n\n", 2) == 0;

        if (!fresh && at + 1 + len > WIDTH) {
            text_addf(out, "\n%*s", indent, "");
            at = indent;
        } else if (!fresh) {
            text_add_char(out, ' ');
            at++;
        }
        text_add_n(out, text, (size_t)len);
        at += len;
        fresh = paragraph;
        if (paragraph) {
            text_addf(out, "\n\n%*s", indent, "");
            at = indent;
        }
        text += len;
        text += strspn(text, " \n");
    }
    text_add_char(out, '\n');
}

/* "  left      right", the right side wrapped. `width` is that of the left side. */
static void add_pair(Text *out, const char *left, const char *right, int width)
{
    int column = INDENT + width + 2;

    if ((int)strlen(left) > width)
        text_addf(out, "%*s%s\n%*s", INDENT, "", left, column, "");
    else
        text_addf(out, "%*s%-*s  ", INDENT, "", width, left);
    add_wrapped(out, right, column, column);
}

static void add_examples(Text *out, const Command *command)
{
    for (const Example *example = command->examples; example && example->line; example++) {
        text_addf(out, "%*s%s%s%s\n%*s", INDENT, "", term_style(stdout, TERM_CYAN), example->line,
                  term_style(stdout, TERM_PLAIN), INDENT + 4, "");
        add_wrapped(out, example->what, INDENT + 4, INDENT + 4);
    }
}

static void add_commands(Text *out, const Command *const *list, int width)
{
    for (; *list; list++)
        add_pair(out, (*list)->name, (*list)->summary, width);
}

void help_overview(Text *out)
{
    enum {
        NAME_WIDTH = 12
    };

    add_wrapped(out,
                "homeport brings a live app home, from managed clouds to a server of one's own: "
                "its database first, without losing a row.",
                0, 0);
    text_add(out, "\nUsage: homeport COMMAND [OPTIONS]\n");
    for (int group = 0; group < GROUP_COUNT; group++) {
        bool titled = false;
        for (const Command *const *command = commands; *command; command++) {
            if ((int)(*command)->group != group)
                continue;
            if (!titled) {
                text_add_char(out, '\n');
                add_heading(out, group_titles[group]);
            }
            titled = true;
            add_pair(out, (*command)->name, (*command)->summary, NAME_WIDTH);
        }
    }
    text_add_char(out, '\n');
    add_heading(out, "Start here");
    add_examples(out, command_find(commands, "help"));
    text_add(out, "\nExit status: 0 done, 1 failed, 2 wrong usage, 3 found problems.\n");
}

static const char *left_of(Text *out, const OptionView *view)
{
    return view->letter ? arena_printf(out->arena, "%s, %s", view->letter, view->synopsis)
                        : view->synopsis;
}

static const char *section_title(const Command *command, OptionSection section)
{
    switch (section) {
    case SECTION_OWN:
        return "Options";
    case SECTION_COMMON:
        return "Common options";
    default:
        return command->names_variables
                   ? "Settings, from homeport.yaml, [the environment] or here"
                   : "Settings, also from homeport.yaml or the environment: homeport help config";
    }
}

static void add_section(Text *out, const Command *command, OptionSection section)
{
    OptionView *views;
    int count = option_views(out->arena, command, section, &views);
    int width = 0;

    for (int i = 0; i < count; i++) {
        int len = (int)strlen(left_of(out, &views[i]));
        if (len > width && len <= MAX_LEFT)
            width = len;
    }
    if (count > 0) {
        text_add_char(out, '\n');
        add_heading(out, section_title(command, section));
    }
    for (int i = 0; i < count; i++) {
        const char *right = views[i].sentence;
        if (views[i].env && command->names_variables)
            right = arena_printf(out->arena, "%s [%s]", right, views[i].env);
        add_pair(out, left_of(out, &views[i]), right, width);
    }
}

void help_command(Text *out, const Command *command)
{
    enum {
        NAME_WIDTH = 12
    };
    const char *path = command_path(out->arena, command);

    text_addf(out, "%s%s%s: ", term_style(stdout, TERM_BOLD), path, term_style(stdout, TERM_PLAIN));
    add_wrapped(out, command->summary, (int)strlen(path) + 2, 0);
    text_addf(out, "\nUsage: %s\n\n", command_usage(out->arena, command));
    add_wrapped(out, command->description, 0, 0);
    if (command->subcommands) {
        text_add_char(out, '\n');
        add_heading(out, "Commands");
        add_commands(out, command->subcommands, NAME_WIDTH);
    }
    for (int section = 0; section < SECTION_COUNT; section++)
        add_section(out, command, (OptionSection)section);
    text_add_char(out, '\n');
    add_heading(out, "Examples");
    add_examples(out, command);
}
