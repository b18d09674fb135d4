#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "cli/help.h"

enum {
    SCREEN = 80
};

static void assert_fits_screen(const Text *text)
{
    assert_false(text->overflowed);
    for (const char *line = text_str(text); *line;) {
        size_t len = strcspn(line, "\n");
        if (len >= SCREEN)
            fail_msg("wider than %d columns: %.*s", SCREEN, (int)len, line);
        if (len > 0 && line[len - 1] == ' ')
            fail_msg("blanks at the end: %.*s", (int)len, line);
        line += len + (line[len] == '\n');
    }
}

typedef void Check(Arena *arena, const Command *command);

static void check_each(Arena *arena, const Command *const *list, Check *check)
{
    for (; list && *list; list++) {
        check(arena, *list);
        check_each(arena, (*list)->subcommands, check);
    }
}

static void check_help(Arena *arena, const Command *command)
{
    Text text = text_init(arena, HELP_MAX_BYTES);

    help_command(&text, command);
    assert_fits_screen(&text);
    for (int section = 0; section < SECTION_COUNT; section++) {
        OptionView *views;
        int count = option_views(arena, command, (OptionSection)section, &views);
        for (int i = 0; i < count; i++) {
            assert_non_null(strstr(text_str(&text), views[i].synopsis));
            assert_true(!views[i].env || !command->names_variables ||
                        strstr(text_str(&text), views[i].env));
        }
    }
    for (const Example *example = command->examples; example->line; example++)
        assert_non_null(strstr(text_str(&text), example->line));
}

static void help_of_every_command_fits_the_screen_and_names_all_it_takes(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();

    check_each(arena, commands, check_help);
}

static void overview_fits_a_screen_and_names_every_command(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    Text text = text_init(arena, HELP_MAX_BYTES);
    int lines = 0;

    help_overview(&text);
    assert_fits_screen(&text);
    for (const char *c = text_str(&text); *c; c++)
        lines += *c == '\n';
    assert_in_range(lines, 10, 40);
    for (const Command *const *command = commands; *command; command++) {
        assert_non_null(strstr(text_str(&text), arena_printf(arena, "\n  %s ", (*command)->name)));
        assert_non_null(strstr(text_str(&text), (*command)->summary));
    }
}

/* What every page that is made from the tables has to have. */
static void assert_names_everything(Arena *arena, const Text *page, bool env)
{
    assert_false(page->overflowed);
    for (const Command *const *command = commands; *command; command++) {
        assert_non_null(
            strstr(text_str(page), arena_printf(arena, "homeport %s", (*command)->name)));
        for (const Command *const *sub = (*command)->subcommands; sub && *sub; sub++)
            assert_non_null(strstr(text_str(page), command_path(arena, *sub)));
    }
    for (int i = 0; env && i < setting_count; i++)
        assert_non_null(strstr(text_str(page), settings[i].env));
}

static void man_page_has_everything_and_no_request_by_accident(void **state)
{
    (void)state;
    static const char *const requests[] = {".TH", ".SH", ".SS", ".TP", ".PP", ".B",
                                           ".I",  ".RI", ".IR", ".nh", ".ad", ".br"};
    auto_arena Arena *arena = arena_new();
    Text page = text_init(arena, HELP_MAX_BYTES);

    help_man(&page);
    assert_names_everything(arena, &page, true);
    assert_non_null(strstr(text_str(&page), "\\-\\-jobs N"));
    for (const char *line = text_str(&page); *line;) {
        size_t len = strcspn(line, "\n");
        bool known = *line != '.' && *line != '\'';
        for (size_t i = 0; i < COUNT_OF(requests) && !known; i++) {
            size_t name = strlen(requests[i]);
            known =
                strncmp(line, requests[i], name) == 0 && (line[name] == ' ' || line[name] == '\n');
        }
        if (!known)
            fail_msg("no request of ours: %.*s", (int)len, line);
        line += len + (line[len] == '\n');
    }
}

static void reference_has_everything(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    Text page = text_init(arena, HELP_MAX_BYTES);

    help_reference(&page);
    assert_names_everything(arena, &page, true);
    assert_non_null(strstr(text_str(&page), " `homeport cutover`")); /* of a description: code */
    assert_null(strstr(text_str(&page), "\\`"));
    for (int i = 0; i < setting_count; i++)
        assert_non_null(strstr(text_str(&page),
                               arena_printf(arena, "| `%s` | `--", setting_key(&settings[i]))));
}

static void completion_has_everything(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    Text page = text_init(arena, HELP_MAX_BYTES);

    help_bash(&page);
    assert_names_everything(arena, &page, false);
    for (int i = 0; i < setting_count; i++)
        assert_non_null(strstr(text_str(&page), settings[i].option.name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(help_of_every_command_fits_the_screen_and_names_all_it_takes),
        cmocka_unit_test(overview_fits_a_screen_and_names_every_command),
        cmocka_unit_test(man_page_has_everything_and_no_request_by_accident),
        cmocka_unit_test(reference_has_everything),
        cmocka_unit_test(completion_has_everything),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
