/*
 * The configuration file. Whatever the bytes: a refusal is ERR_USAGE with a
 * hint, a success keeps every value within its limits, each value can be
 * written and read again, and nothing is printed.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *lookup(const char *name)
{
    static char value[] = "4";

    return strcmp(name, "JOBS") == 0 ? value : NULL;
}

static void check_setting(Arena *arena, const Config *config, const Setting *setting)
{
    Config again = {0};
    Error err = ERROR_INIT;
    const char *text = option_format(arena, &setting->option, config);

    if (!config_check(config, setting, &err))
        assert(err.code == ERR_USAGE && *err.hint);
    /* A name with a comma or an equals sign cannot be written as old=new. */
    if (!text || setting->option.type == OPTION_PAIRS)
        return;
    if (!option_set(arena, &setting->option, "again", text, &again, &err))
        abort();
    assert(strcmp(option_format(arena, &setting->option, &again), text) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_arena Arena *arena = arena_new();
    Config config = {.jobs = -1};
    Error err = ERROR_INIT;
    ConfigText input = {"fuzz.yaml", (const char *)data, size, lookup};

    if (!config_load_text(arena, &input, &config, &err)) {
        assert(err.code == ERR_USAGE);
        assert(*err.message);
        assert(config.jobs == -1);
        return 0;
    }
    assert(err.code == ERR_NONE);
    assert(config.dir && *config.dir);
    assert(config.jobs >= 0 && config.jobs <= 64);
    for (int i = 0; i < config.role_map_count; i++)
        assert(*config.role_map[i].from && *config.role_map[i].to);
    for (int i = 0; i < setting_count; i++)
        check_setting(arena, &config, &settings[i]);
    return 0;
}
