/* docs/reference.md, and the same tables as JSON. */
#include "cli/help.h"

#include <string.h>

/* What stands in backticks is code in the tables' texts, too. */
static void add_markdown(Text *out, const char *text)
{
    bool code = false;

    for (; *text; text++) {
        code ^= *text == '`';
        if (*text == '|' || (!code && strchr("\\*_<[]", *text)))
            text_add_char(out, '\\');
        text_add_char(out, *text);
    }
}

static void add_code(Text *out, const char *text)
{
    text_addf(out, "`%s`", text);
}

static void add_option_row(Text *out, const OptionView *view)
{
    text_add(out, "| ");
    if (view->letter) {
        add_code(out, view->letter);
        text_add(out, ", ");
    }
    add_code(out, view->synopsis);
    text_add(out, " | ");
    add_markdown(out, view->sentence);
    text_add(out, " |\n");
}

static void add_own_options(Text *out, const Command *command)
{
    OptionView *views;
    int count = option_views(out->arena, command, SECTION_OWN, &views);

    if (count > 0)
        text_add(out, "\n| option | meaning |\n| --- | --- |\n");
    for (int i = 0; i < count; i++)
        add_option_row(out, &views[i]);

    count = option_views(out->arena, command, SECTION_SETTINGS, &views);
    if (count > 0)
        text_add(out, "\nSettings: ");
    for (int i = 0; i < count; i++) {
        text_add(out, i > 0 ? ", " : "");
        add_code(out, arena_printf(out->arena, "--%s", views[i].option->name));
    }
    if (count > 0)
        text_add(out, ".\n");
}

static void add_command(Text *out, const Command *command, const char *level)
{
    text_addf(out, "\n%s %s\n\n", level, command_path(out->arena, command));
    text_addf(out, "    %s\n\n", command_usage(out->arena, command));
    add_markdown(out, command->description);
    text_add_char(out, '\n');
    add_own_options(out, command);
    text_add_char(out, '\n');
    for (const Example *example = command->examples; example && example->line; example++) {
        text_add(out, "- ");
        add_code(out, example->line);
        text_add(out, ": ");
        add_markdown(out, example->what);
        text_add_char(out, '\n');
    }
    for (const Command *const *sub = command->subcommands; sub && *sub; sub++)
        add_command(out, *sub, "####");
}

static void add_settings(Text *out)
{
    OptionView *views;
    int count = option_views(out->arena, NULL, SECTION_SETTINGS, &views);

    text_add(out,
             "\n## Settings\n\n"
             "From `homeport.yaml` in the current folder (or `--config FILE`), the environment\n"
             "over it, and a command's options over both; `homeport config` shows what is in\n"
             "force and where it came from. In the file `${NAME}` stands for a variable of the\n"
             "environment, `$${` for a plain `${`, and paths are relative to the file.\n\n"
             "| key | option | environment | meaning |\n| --- | --- | --- | --- |\n");
    for (int i = 0; i < count; i++) {
        text_add(out, "| ");
        add_code(out, views[i].key);
        text_add(out, " | ");
        add_code(out, views[i].synopsis);
        text_add(out, " | ");
        add_code(out, views[i].env);
        text_add(out, " | ");
        add_markdown(out, views[i].sentence);
        text_add(out, " |\n");
    }
}

void help_reference(Text *out)
{
    OptionView *views;
    int count = option_views(out->arena, NULL, SECTION_COMMON, &views);

    text_add(out,
             "# Reference\n\nMade by `homeport help --reference`: change the tables in `src/`, "
             "not this file.\n\n## Commands\n");
    for (const Command *const *command = commands; *command; command++)
        add_command(out, *command, "###");
    text_add(out, "\n## Common options\n\n| option | meaning |\n| --- | --- |\n");
    for (int i = 0; i < count; i++)
        add_option_row(out, &views[i]);
    add_settings(out);
    text_add(out, "\n## Exit status\n\n| status | meaning |\n| --- | --- |\n| 0 | done |\n"
                  "| 1 | failed |\n| 2 | wrong usage or configuration |\n"
                  "| 3 | done, and problems were found |\n\n"
                  "With `--json` an error is an object on standard output:\n"
                  "`{\"error\": {\"code\", \"message\", \"hint\", \"sqlstate\"}}`.\n");
}

static void json_option(Json *json, const OptionView *view)
{
    json_open_object(json);
    json_kv_string(json, "name", view->option->name);
    json_kv_string(json, "argument", view->option->argument);
    json_kv_string(json, "default", view->option->unset);
    json_kv_string(json, "help", view->sentence);
    if (view->env) {
        json_kv_string(json, "key", view->key);
        json_kv_string(json, "environment", view->env);
    }
    json_close(json);
}

static void json_command(Json *json, const Command *command)
{
    static const char *const names[] = {
        [SECTION_OWN] = "options", [SECTION_SETTINGS] = "settings", [SECTION_COMMON] = "common"};
    Arena *arena = json->out->arena;

    json_open_object(json);
    json_kv_string(json, "name", command->name);
    json_kv_string(json, "usage", command_usage(arena, command));
    json_kv_string(json, "summary", command->summary);
    json_kv_string(json, "description", command->description);
    for (int section = 0; section < SECTION_COUNT; section++) {
        OptionView *views;
        int count = option_views(arena, command, (OptionSection)section, &views);

        json_key(json, names[section]);
        json_open_array(json);
        for (int i = 0; i < count; i++)
            json_option(json, &views[i]);
        json_close(json);
    }
    json_key(json, "commands");
    json_open_array(json);
    for (const Command *const *sub = command->subcommands; sub && *sub; sub++)
        json_command(json, *sub);
    json_close(json);
    json_close(json);
}

void help_json(Json *json, const Command *command)
{
    if (command) {
        json_command(json, command);
        return;
    }
    json_open_object(json);
    json_kv_string(json, "version", HOMEPORT_VERSION);
    json_key(json, "commands");
    json_open_array(json);
    for (const Command *const *each = commands; *each; each++)
        json_command(json, *each);
    json_close(json);
    json_close(json);
}
