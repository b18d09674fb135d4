/*
 * The schema for libcyaml is made from the table of settings and from the
 * outline of the text: every value is loaded as a text, because a reference
 * to the environment may stand for any of them, a number as well. Reading the
 * text as a number, a size or a choice is option_set()'s, as it is for the
 * environment and for the command line.
 */
#include "config/file.h"

#include <assert.h>
#include <cyaml/cyaml.h>
#include <stdio.h>
#include <string.h>

#include "config/outline.h"

enum {
    MAX_LOG = 200
};

/* What libcyaml says first is the cause, what follows is where it was. */
PRINTF_LIKE(3, 0)
static void keep_first(cyaml_log_t level, void *ctx, const char *fmt, va_list args)
{
    char *message = ctx;

    if (level < CYAML_LOG_ERROR || *message)
        return;
    (void)vsnprintf(message, MAX_LOG, fmt, args);
    message[strcspn(message, "\n")] = '\0';
}

static const Setting *setting_of_key(const char *key)
{
    for (int i = 0; i < setting_count; i++)
        if (strcmp(setting_key(&settings[i]), key) == 0)
            return &settings[i];
    return NULL;
}

/* A mapping that is no setting itself but has settings in it: "gateway". */
static bool is_section(const char *key)
{
    size_t len = strlen(key);

    for (int i = 0; i < setting_count; i++) {
        const char *known = setting_key(&settings[i]);
        if (strncmp(known, key, len) == 0 && known[len] == '.')
            return true;
    }
    return false;
}

static bool refuse_unknown(Arena *arena, const char *name, const OutlineKey *key, Error *err)
{
    const char **keys = arena_array(arena, (size_t)setting_count, sizeof *keys);
    for (int i = 0; i < setting_count; i++)
        keys[i] = setting_key(&settings[i]);
    const char *nearest = name_nearest(key->name, keys, (size_t)setting_count);

    (void)error_set(err, ERR_USAGE, "%s:%d: there is no setting %s", name, key->line,
                    text_quoted(arena, key->name));
    if (nearest)
        return error_hint(err, "Did you mean \"%s\"?", nearest);
    return error_hint(err, "homeport config lists the settings there are.");
}

/* The settings of a section, as "section.key". */
static bool check_section(Arena *arena, const char *name, const OutlineKey *section, Error *err)
{
    if (!section->mapping) {
        (void)error_set(err, ERR_USAGE, "%s:%d: %s takes a mapping of settings", name,
                        section->line, section->name);
        return error_hint(err, "Write its settings below it, each on a line of its own.");
    }
    for (int i = 0; i < section->item_count; i++) {
        OutlineKey key = section->items[i];
        key.name = arena_printf(arena, "%s.%s", section->name, key.name);
        if (!setting_of_key(key.name))
            return refuse_unknown(arena, name, &key, err);
        if (key.empty) {
            (void)error_set(err, ERR_USAGE, "%s:%d: %s is empty", name, key.line, key.name);
            return error_hint(err, "Give it a value, or leave it out.");
        }
    }
    return true;
}

static bool check_keys(Arena *arena, const char *name, const Outline *outline, Error *err)
{
    for (int i = 0; i < outline->count; i++) {
        const OutlineKey *key = &outline->keys[i];
        const Setting *setting = strchr(key->name, '.') ? NULL : setting_of_key(key->name);

        if (!setting && is_section(key->name)) {
            if (!check_section(arena, name, key, err))
                return false;
            continue;
        }
        if (!setting)
            return refuse_unknown(arena, name, key, err);
        bool pairs = setting->option.type == OPTION_PAIRS;
        if (key->empty) {
            (void)error_set(err, ERR_USAGE, "%s:%d: %s is empty", name, key->line, key->name);
            return error_hint(err, "Give it a value, or leave it out.");
        }
        if (key->mapping != pairs) {
            (void)error_set(err, ERR_USAGE, "%s:%d: %s takes %s", name, key->line, key->name,
                            pairs ? "a mapping of names" : "a single value");
            return error_hint(err, pairs ? "Write \"%s: {old: new}\"." : "Write \"%s: value\".",
                              key->name);
        }
    }
    return true;
}

/* A text, or the texts of a mapping, from the slot-th pointer on. */
static cyaml_schema_field_t field_at(const char *key, size_t slot)
{
    return (cyaml_schema_field_t){
        .key = key,
        .data_offset = (uint32_t)(slot * sizeof(char *)),
        .value = {.type = CYAML_STRING,
                  .flags = CYAML_FLAG_POINTER,
                  .data_size = sizeof(char *),
                  .string = {.min = 0, .max = UINT32_MAX}},
    };
}

static cyaml_schema_field_t mapping_at(Arena *arena, const OutlineKey *key, size_t slot)
{
    cyaml_schema_field_t *items = arena_array(arena, (size_t)key->item_count + 1, sizeof *items);

    for (int i = 0; i < key->item_count; i++)
        items[i] = field_at(key->items[i].name, (size_t)i);
    cyaml_schema_field_t field = field_at(key->name, slot);
    field.value = (cyaml_schema_value_t){
        .type = CYAML_MAPPING,
        .data_size = (uint32_t)((size_t)key->item_count * sizeof(char *)),
        .mapping = {.fields = items},
    };
    return field;
}

/* The fields are the outline's, and none may be missing: if the two readers ever saw different
 * keys in one text, libcyaml would say so. *ret_slots are how many texts there are. */
static cyaml_schema_value_t schema_make(Arena *arena, const Outline *outline, size_t *ret_slots)
{
    cyaml_schema_field_t *fields = arena_array(arena, (size_t)outline->count + 1, sizeof *fields);
    size_t slot = 0;

    for (int i = 0; i < outline->count; i++) {
        const OutlineKey *key = &outline->keys[i];
        fields[i] = key->mapping ? mapping_at(arena, key, slot) : field_at(key->name, slot);
        slot += key->mapping ? (size_t)key->item_count : 1;
    }
    *ret_slots = slot;
    return (cyaml_schema_value_t){
        .type = CYAML_MAPPING,
        .flags = CYAML_FLAG_POINTER,
        .data_size = (uint32_t)(slot * sizeof(char *)),
        .mapping = {.fields = fields},
    };
}

static FileValue value_of(Arena *arena, const OutlineKey *key, char *const *texts)
{
    FileValue value = {.setting = setting_of_key(key->name), .line = key->line};

    if (!key->mapping) {
        value.text = arena_strdup(arena, texts[0]);
        return value;
    }
    value.pairs = arena_array(arena, (size_t)key->item_count, sizeof *value.pairs);
    value.pair_lines = arena_array(arena, (size_t)key->item_count, sizeof *value.pair_lines);
    value.pair_count = key->item_count;
    for (int i = 0; i < key->item_count; i++) {
        value.pairs[i] = (OptionPair){key->items[i].name, arena_strdup(arena, texts[i])};
        value.pair_lines[i] = key->items[i].line;
    }
    return value;
}

static void add_section(Arena *arena, const OutlineKey *section, char *const *texts,
                        FileValues *values)
{
    for (int i = 0; i < section->item_count; i++) {
        OutlineKey key = section->items[i];
        key.name = arena_printf(arena, "%s.%s", section->name, key.name);
        values->list[values->count++] = value_of(arena, &key, texts + i);
    }
}

/* Into *ret, which cyaml_free() gives back; the schema must be of this very text. */
static bool texts_load(const ConfigText *input, const cyaml_config_t *config,
                       const cyaml_schema_value_t *schema, char ***ret, Error *err)
{
    const char *message = config->log_ctx;

    if (cyaml_load_data((const uint8_t *)input->text, input->len, config, schema,
                        (cyaml_data_t **)ret, NULL) == CYAML_OK)
        return true;
    (void)error_set(err, ERR_USAGE, "%s: %s", input->name, message);
    return error_hint(err, "homeport help config says how the file is written.");
}

bool file_values_load(Arena *arena, const ConfigText *input, FileValues *ret, Error *err)
{
    Outline outline;

    if (!outline_read(arena, input, &outline, err) ||
        !check_keys(arena, input->name, &outline, err))
        return false;

    char message[MAX_LOG] = "";
    cyaml_config_t config = {
        .log_fn = keep_first,
        .log_ctx = message,
        .log_level = CYAML_LOG_ERROR,
        .mem_fn = cyaml_mem,
        .flags = CYAML_CFG_NO_ALIAS,
    };
    size_t slots;
    cyaml_schema_value_t schema = schema_make(arena, &outline, &slots);
    char **texts = NULL;
    FileValues values = {0};

    /* A mapping without a single text would be loaded into nothing. */
    if (slots > 0) {
        if (!texts_load(input, &config, &schema, &texts, err))
            return false;
        values.list = arena_array(arena, slots + (size_t)outline.count, sizeof *values.list);
        size_t slot = 0;
        for (int i = 0; i < outline.count; i++) {
            const OutlineKey *key = &outline.keys[i];
            if (is_section(key->name))
                add_section(arena, key, texts + slot, &values);
            else
                values.list[values.count++] = value_of(arena, key, texts + slot);
            slot += key->mapping ? (size_t)key->item_count : 1;
        }
        (void)cyaml_free(&config, &schema, texts, 0);
    }
    *ret = values;
    return true;
}
