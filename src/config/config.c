#include "config/config.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/expand.h"
#include "config/file.h"
#include "core/file.h"
#include "core/text.h"

enum {
    MAX_FILE = 1024 * 1024
};

static const char default_file[] = "homeport.yaml";

static void config_init(Arena *arena, Config *config)
{
    *config = (Config){
        .origins = arena_array(arena, (size_t)setting_count, sizeof(char *)),
        .unresolved = arena_array(arena, (size_t)setting_count, sizeof(Error *)),
    };
    for (int i = 0; i < setting_count; i++) {
        Option row[] = {settings[i].option, {0}};
        options_set_defaults(arena, row, config);
    }
}

static void origin_set(Config *config, const Setting *setting, const char *origin)
{
    config->origins[setting - settings] = origin;
    config->unresolved[setting - settings] = NULL;
}

bool config_check(const Config *config, const Setting *setting, Error *err)
{
    const Error *problem = config->unresolved ? config->unresolved[setting - settings] : NULL;

    if (problem)
        *err = *problem;
    return !problem;
}

const char *config_origin(const Config *config, const Setting *setting)
{
    const char *origin = config->origins ? config->origins[setting - settings] : NULL;

    return origin ? origin : "default";
}

/* Pairs that somebody said are replaced, not added to, by who comes after. */
static void pairs_clear(Config *config, const Option *option)
{
    memset((char *)config + option->offset, 0, sizeof(const OptionPair *));
    memset((char *)config + option->count_offset, 0, sizeof(int));
}

bool config_set(Arena *arena, Config *config, const Setting *setting, const char *origin,
                const char *text, Error *err)
{
    const Option *option = &setting->option;
    bool more = strncmp(config_origin(config, setting), "--", 2) == 0;

    if (option->type == OPTION_PAIRS && !more)
        pairs_clear(config, option);
    if (!option_set(arena, option, origin, text, config, err))
        return false;
    origin_set(config, setting, arena_strdup(arena, origin));
    return true;
}

/* A path in the file means the same from wherever homeport is run. */
static const char *path_beside(Arena *arena, const char *file, const char *path)
{
    const char *slash = strrchr(file, '/');

    if (*path == '/' || !*path || !slash)
        return path;
    return arena_printf(arena, "%.*s/%s", (int)(slash - file), file, path);
}

/* What the values of the file go into, and what they are read with. */
typedef struct Loader {
    Arena *arena;
    const ConfigText *input;
    Config config;
    Error *err;
} Loader;

static bool apply_text(Loader *loader, const FileValue *value, const char *where)
{
    const Option *option = &value->setting->option;
    const ConfigText *input = loader->input;
    const char *text = NULL;

    if (!text_expand(loader->arena, where, value->text, input->lookup, &text, loader->err))
        return false;
    if (option->type == OPTION_PATH)
        text = path_beside(loader->arena, input->name, text);
    return option_set(loader->arena, option, where, text, &loader->config, loader->err);
}

static bool apply_pairs(Loader *loader, const FileValue *value)
{
    Arena *arena = loader->arena;
    const ConfigText *input = loader->input;

    for (int i = 0; i < value->pair_count; i++) {
        OptionPair pair = value->pairs[i];
        const char *where = arena_printf(arena, "%s:%d: %s", input->name, value->pair_lines[i],
                                         text_quoted(arena, pair.from));

        if (!text_expand(arena, where, pair.to, input->lookup, &pair.to, loader->err) ||
            !option_add_pair(arena, &value->setting->option, where, pair, &loader->config,
                             loader->err))
            return false;
    }
    return true;
}

static bool apply_value(Loader *loader, const FileValue *value)
{
    const Setting *setting = value->setting;
    const char *place = arena_printf(loader->arena, "%s:%d", loader->input->name, value->line);
    const char *where = arena_printf(loader->arena, "%s: %s", place, setting_key(setting));
    bool ok = value->text ? apply_text(loader, value, where) : apply_pairs(loader, value);

    if (!ok && loader->err->code != ERR_WRONG_STATE)
        return false;
    origin_set(&loader->config, setting, place);
    if (!ok) {
        Error *problem = arena_alloc(loader->arena, sizeof *problem);
        *problem = *loader->err;
        problem->code = ERR_USAGE;
        loader->config.unresolved[setting - settings] = problem;
        *loader->err = ERROR_INIT;
    }
    return true;
}

bool config_load_text(Arena *arena, const ConfigText *input, Config *ret, Error *err)
{
    Loader loader = {.arena = arena, .input = input, .err = err};
    FileValues values;

    if (!file_values_load(arena, input, &values, err))
        return false;
    config_init(arena, &loader.config);
    for (int i = 0; i < values.count; i++)
        if (!apply_value(&loader, &values.list[i]))
            return false;
    loader.config.file = arena_strdup(arena, input->name);
    *ret = loader.config;
    return true;
}

/* HOMEPORT_SORCE_URL would be passed over without a word. Only what is a slip or two away from a
 * setting is refused: other variables of that beginning are somebody else's. */
static bool check_environment(Arena *arena, Error *err)
{
    enum {
        SLIPS = 2
    };
    static const char prefix[] = "HOMEPORT_";

    for (char **entry = environ; entry && *entry; entry++) {
        if (strncmp(*entry, prefix, strlen(prefix)) != 0)
            continue;
        const char *name = arena_strndup(arena, *entry, strcspn(*entry, "="));
        const char *near = NULL;
        bool known = false;
        for (int i = 0; i < setting_count; i++) {
            size_t distance = text_distance(name, settings[i].env);
            known = known || distance == 0;
            if (distance <= SLIPS)
                near = settings[i].env;
        }
        if (!near || known)
            continue;
        (void)error_set(err, ERR_USAGE, "the variable %s is no setting", text_quoted(arena, name));
        return error_hint(err, "Did you mean %s?", near);
    }
    return true;
}

static bool apply_environment(Arena *arena, Config *config, Error *err)
{
    for (int i = 0; i < setting_count; i++) {
        const Setting *setting = &settings[i];
        const char *text = getenv(setting->env);

        if (!text)
            continue;
        if (setting->option.type == OPTION_PAIRS)
            pairs_clear(config, &setting->option);
        if (!option_set(arena, &setting->option, setting->env, text, config, err))
            return false;
        origin_set(config, setting, setting->env);
    }
    return true;
}

static bool read_file(Arena *arena, const char *path, ConfigText *ret, Error *err)
{
    char *text = NULL;
    size_t len = 0;
    bool ok = file_read(arena, path, MAX_FILE + 1, &text, &len, err);

    if (ok ? len > MAX_FILE : err->code == ERR_FORMAT) {
        (void)error_set(err, ERR_USAGE, "\"%s\" is larger than 1 MiB", path);
        return error_hint(err, "A configuration has a few lines. Is it the right file?");
    }
    if (!ok) {
        /* What cannot be read was asked for: on the command line, or by being there. */
        err->code = ERR_USAGE;
        return error_hint(err, "Give another file with --config FILE, or make this one readable.");
    }
    *ret = (ConfigText){.name = path, .text = text, .len = len, .lookup = getenv};
    return true;
}

bool config_load(Arena *arena, const char *path, Config *ret, Error *err)
{
    Config config;
    ConfigText input;

    if (!path && file_exists(default_file))
        path = default_file;
    if (!path)
        config_init(arena, &config);
    else if (!read_file(arena, path, &input, err) || !config_load_text(arena, &input, &config, err))
        return false;
    if (!check_environment(arena, err) || !apply_environment(arena, &config, err))
        return false;
    *ret = config;
    return true;
}
