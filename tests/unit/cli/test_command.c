#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "cli/options.h"

typedef void Check(Arena *arena, const Command *command);

static void check_each(Arena *arena, const Command *const *list, Check *check)
{
    for (; list && *list; list++) {
        check(arena, *list);
        check_each(arena, (*list)->subcommands, check);
    }
}

static void check_all(Check *check)
{
    auto_arena Arena *arena = arena_new();

    check_each(arena, commands, check);
}

static void require(bool ok, const Command *command, const char *what)
{
    if (!ok)
        fail_msg("%s: %s", command->name, what);
}

static bool is_sentence(const char *text)
{
    char last = text[strlen(text) - 1];

    return last == '.' || last == '?';
}

static void is_told(Arena *arena, const Command *command)
{
    size_t summary = strlen(command->summary);

    (void)arena;
    require(summary > 10 && summary <= 63, command, "the summary is one line");
    require(command->summary[0] >= 'a' && command->summary[0] <= 'z' &&
                !is_sentence(command->summary),
            command, "the summary begins in lower case and has no full stop");
    require(strlen(command->description) > 40 && is_sentence(command->description), command,
            "the description has sentences");
    require(command->run || command->subcommands, command, "it runs or has subcommands");
    require(!command->arguments == !command->max_args, command, "arguments are named and counted");
}

static void every_command_says_what_it_is_for(void **state)
{
    (void)state;
    check_all(is_told);
}

/* Words of an example up to the first that is the shell's. */
static int example_words(Arena *arena, const char *line, const char **words, int max)
{
    int count = 0;

    for (const char *at = line; *at && count < max;) {
        size_t len = strcspn(at, " ");
        if (strchr("|><;&", *at))
            break;
        words[count++] = arena_strndup(arena, at, len);
        at += len;
        at += strspn(at, " ");
    }
    return count;
}

static void examples_are_understood(Arena *arena, const Command *command)
{
    int found = 0;

    assert_non_null(command->examples);
    for (const Example *example = command->examples; example->line; example++) {
        const char *start = strstr(example->line, "homeport ");
        const char *words[64];
        CommandLine line;
        Error err = ERROR_INIT;

        assert_non_null(start);
        require(is_sentence(example->what), command, "examples are told in sentences");
        int count = example_words(arena, start, words, COUNT_OF(words));
        /* A closing parenthesis is the shell's. */
        words[count - 1] = arena_strndup(arena, words[count - 1], strcspn(words[count - 1], ")"));
        if (!options_parse(arena, count - 1, words + 1, &line, &err))
            fail_msg("%s: %s", example->line, err.message);
        found += line.command == command;
    }
    require(command->subcommands || found > 0, command, "one of its examples is its own");
}

static void every_example_is_a_line_that_is_understood(void **state)
{
    (void)state;
    check_all(examples_are_understood);
}

static void check_option(const Command *command, const Option *row)
{
    require(row->help && strlen(row->help) > 10 && !is_sentence(row->help), command, row->name);
    require(!strpbrk(row->name, " =|_") && strncmp(row->name, "no-", 3) != 0, command, row->name);
    require((row->type == OPTION_FLAG) == !row->argument, command, row->name);
    require(row->type != OPTION_CHOICE || row->choices[0], command, row->name);
    require(row->type != OPTION_INT || row->max > row->min, command, row->name);
    require(row->offset < command->options_size, command, row->name);
}

static void rows_are_complete(Arena *arena, const Command *command)
{
    for (const Option *row = command->options; row && row->name; row++) {
        check_option(command, row);
        const Setting *setting = setting_find(row->name);
        assert_false(setting && command_takes(command, setting));
        for (const Option *other = command->options; other < row; other++)
            assert_string_not_equal(other->name, row->name);
        for (const Option *other = common_options; other->name; other++)
            assert_string_not_equal(other->name, row->name);
    }
    /* Defaults that their own row refuses are asserted here. */
    options_set_defaults(arena, command->options, arena_alloc(arena, command->options_size));
}

static void every_option_has_help_and_a_name_of_its_own(void **state)
{
    (void)state;
    check_all(rows_are_complete);
}

static void settings_are_known(Arena *arena, const Command *command)
{
    (void)arena;
    for (const char *const *name = command->settings; name && *name; name++)
        assert_non_null(setting_find(*name));
    for (const char *const *name = command->needs; name && *name; name++) {
        assert_non_null(setting_find(*name));
        assert_true(command_takes(command, setting_find(*name)));
        assert_null(setting_find(*name)->option.unset);
    }
}

static void every_setting_a_command_names_exists(void **state)
{
    (void)state;
    check_all(settings_are_known);
}

typedef struct Named {
    const char *name;
    bool takes_value;
} Named;

static Named named[512];
static size_t named_count;

static void collect_options(Arena *arena, const Command *command)
{
    for (int section = 0; section < SECTION_COUNT; section++) {
        OptionView *views;
        int count = option_views(arena, command, (OptionSection)section, &views);

        for (int i = 0; i < count; i++) {
            assert_true(named_count < COUNT_OF(named));
            named[named_count++] =
                (Named){views[i].option->name, views[i].option->type != OPTION_FLAG};
        }
    }
}

/* The completion and the eye go by the name alone. */
static void an_option_name_takes_a_value_everywhere_or_nowhere(void **state)
{
    (void)state;
    check_all(collect_options);
    for (size_t i = 0; i < named_count; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(named[i].name, named[j].name) == 0)
                assert_int_equal(named[i].takes_value, named[j].takes_value);
}

static void config_takes_every_setting(void **state)
{
    (void)state;
    const Command *config = command_find(commands, "config");

    for (int i = 0; i < setting_count; i++)
        assert_true(command_takes(config, &settings[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_says_what_it_is_for),
        cmocka_unit_test(every_example_is_a_line_that_is_understood),
        cmocka_unit_test(every_option_has_help_and_a_name_of_its_own),
        cmocka_unit_test(every_setting_a_command_names_exists),
        cmocka_unit_test(an_option_name_takes_a_value_everywhere_or_nowhere),
        cmocka_unit_test(config_takes_every_setting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
