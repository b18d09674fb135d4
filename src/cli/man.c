/* The man page, in roff for the man macros. */
#include "cli/help.h"

#include <string.h>

/* Text as it is: what roff would take as its own is written so that it does not. A line that
 * begins with a dot or a quote would be a request. */
static void add_roff(Text *out, const char *text)
{
    static const struct {
        char c;
        const char *roff;
    } escapes[] = {
        {'\\', "\\(rs"},
        {'-',  "\\-"  },
        {'\'', "\\(aq"},
        {'`',  "\\(ga"},
        {'^',  "\\(ha"},
        {'~',  "\\(ti"},
        {'"',  "\\(dq"}
    };

    if (*text == '.' || *text == '\'')
        text_add(out, "\\&");
    for (; *text; text++) {
        const char *escape = NULL;
        for (size_t i = 0; i < COUNT_OF(escapes); i++)
            if (escapes[i].c == *text)
                escape = escapes[i].roff;
        if (escape)
            text_add(out, escape);
        else
            text_add_char(out, *text);
    }
}

static void add_line(Text *out, const char *request, const char *text)
{
    text_add(out, request);
    add_roff(out, text);
    text_add_char(out, '\n');
}

static void add_paragraphs(Text *out, const char *text)
{
    while (*text) {
        const char *end = strstr(text, "\n\n");
        size_t len = end ? (size_t)(end - text) : strlen(text);

        text_add(out, ".PP\n");
        add_line(out, "", arena_strndup(out->arena, text, len));
        text += len;
        text += strspn(text, "\n");
    }
}

static void add_option(Text *out, const OptionView *view)
{
    text_add(out, ".TP\n.B ");
    if (view->letter) {
        add_roff(out, view->letter);
        text_add(out, ", ");
    }
    add_line(out, "", view->synopsis);
    add_line(out, "", view->sentence);
}

static void add_options(Text *out, const Command *command)
{
    for (int section = SECTION_OWN; section <= SECTION_SETTINGS; section++) {
        OptionView *views;
        int count = option_views(out->arena, command, (OptionSection)section, &views);

        if (section == SECTION_OWN)
            for (int i = 0; i < count; i++)
                add_option(out, &views[i]);
        else if (count > 0) {
            text_add(out, ".PP\nSettings:\n");
            for (int i = 0; i < count; i++) {
                text_add(out, i > 0 ? ", " : "");
                text_add(out, "\\fB");
                add_roff(out, views[i].synopsis);
                text_add(out, "\\fR");
            }
            text_add(out, ".\n");
        }
    }
}

static void add_command(Text *out, const Command *command)
{
    add_line(out, ".SS ", command_usage(out->arena, command));
    add_paragraphs(out, command->description);
    add_options(out, command);
    for (const Command *const *sub = command->subcommands; sub && *sub; sub++)
        add_command(out, *sub);
}

static void add_settings(Text *out)
{
    OptionView *views;
    int count = option_views(out->arena, NULL, SECTION_SETTINGS, &views);

    text_add(out, ".SH SETTINGS\nFrom\n.IR homeport.yaml ,\nthe environment over it, and options "
                  "over both.\nEach has its key in the file and its variable behind it.\n");
    for (int i = 0; i < count; i++) {
        add_option(out, &views[i]);
        text_add(out, ".br\n");
        add_line(out, "", arena_printf(out->arena, "%s:, %s", views[i].key, views[i].env));
    }
}

static void add_examples(Text *out, const Command *command)
{
    for (const Example *example = command->examples; example && example->line; example++) {
        text_add(out, ".TP\n.B ");
        add_line(out, "", example->line);
        add_line(out, "", example->what);
    }
    for (const Command *const *sub = command->subcommands; sub && *sub; sub++)
        add_examples(out, *sub);
}

void help_man(Text *out)
{
    OptionView *views;
    int count = option_views(out->arena, NULL, SECTION_COMMON, &views);

    text_addf(out, ".TH HOMEPORT 1 \"\" \"homeport %s\" \"homeport\"\n", HOMEPORT_VERSION);
    text_add(out, ".nh\n.ad l\n"
                  ".SH NAME\nhomeport \\- bring a live app home, its database first\n"
                  ".SH SYNOPSIS\n.B homeport\n.I COMMAND\n.RI [ OPTIONS ]\n"
                  ".SH COMMANDS\n");
    for (const Command *const *command = commands; *command; command++)
        add_command(out, *command);
    text_add(out, ".SH COMMON OPTIONS\n");
    for (int i = 0; i < count; i++)
        add_option(out, &views[i]);
    add_settings(out);
    text_add(out, ".SH EXIT STATUS\n"
                  ".TP\n.B 0\ndone\n"
                  ".TP\n.B 1\nfailed\n"
                  ".TP\n.B 2\nwrong usage or configuration\n"
                  ".TP\n.B 3\ndone, and problems were found\n"
                  ".SH FILES\n"
                  ".TP\n.I homeport.yaml\nthe settings, in the current folder\n"
                  ".TP\n.I .homeport\nthe work folder, with the state of the move\n"
                  ".SH EXAMPLES\n");
    for (const Command *const *command = commands; *command; command++)
        add_examples(out, *command);
}
