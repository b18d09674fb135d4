#include "config/outline.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum {
    MAX_KEYS = 1000
};

typedef struct Reader {
    yaml_parser_t parser;
    yaml_event_t event; /* the current one; empty at first */
    Arena *arena;
    const char *name;
    Error *err;
} Reader;

static void reader_clear(Reader *reader)
{
    yaml_event_delete(&reader->event);
    yaml_parser_delete(&reader->parser);
}

static int reader_line(const Reader *reader)
{
    return (int)reader->event.start_mark.line + 1;
}

static bool refuse(Reader *reader, const char *what, const char *hint)
{
    (void)error_set(reader->err, ERR_USAGE, "%s:%d: %s", reader->name, reader_line(reader), what);
    return error_hint(reader->err, "%s", hint);
}

/* What libyaml says, with the line on which the construct began that it stumbled in: a quote that
 * is never closed is noticed at the end of the file. */
static bool refuse_yaml(Reader *reader)
{
    const yaml_parser_t *parser = &reader->parser;
    /* The reader below the parser (bad UTF-8) knows an offset, but no line. */
    size_t line =
        parser->error == YAML_READER_ERROR ? parser->mark.line : parser->problem_mark.line;
    const char *began = parser->context
                            ? arena_printf(reader->arena, " %s from line %zu", parser->context,
                                           parser->context_mark.line + 1)
                            : "";

    (void)error_set(reader->err, ERR_USAGE, "%s:%zu: not YAML: %s%s", reader->name, line + 1,
                    parser->problem ? parser->problem : "it cannot be read", began);
    return error_hint(reader->err, "Look at that line and the one above it: a colon, a quote or "
                                   "the indentation is not as it should be, or there is a tab.");
}

/* On to the next event. Aliases are refused here, so that no one else meets them. */
static bool reader_next(Reader *reader)
{
    yaml_event_delete(&reader->event);
    if (!yaml_parser_parse(&reader->parser, &reader->event))
        return refuse_yaml(reader);
    if (reader->event.type == YAML_ALIAS_EVENT)
        return refuse(reader, "an alias (*name) where a value belongs",
                      "Write the value itself, or put it in quotes.");
    return true;
}

static bool scalar_is_empty(const yaml_event_t *event)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};

    if (event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return event->data.scalar.length == 0;
    for (size_t i = 0; i < COUNT_OF(nulls); i++)
        if (strcmp((const char *)event->data.scalar.value, nulls[i]) == 0)
            return true;
    return false;
}

/* A NUL written as "\0" would cut the text short for everybody after us. */
static bool check_scalar(Reader *reader)
{
    const yaml_event_t *event = &reader->event;

    if (memchr(event->data.scalar.value, '\0', event->data.scalar.length))
        return refuse(reader, "a NUL character", "Take the \"\\0\" out.");
    return true;
}

static bool read_key(Reader *reader, const OutlineKey *keys, int count, OutlineKey *ret)
{
    Arena *arena = reader->arena;

    if (reader->event.type != YAML_SCALAR_EVENT || scalar_is_empty(&reader->event))
        return refuse(reader, "a key that is not a word",
                      "Write \"key: value\", with each key on a line of its own.");
    if (!check_scalar(reader))
        return false;
    if (count >= MAX_KEYS)
        return refuse(reader, "more keys than a configuration has", "Is it the right file?");
    *ret = (OutlineKey){
        .name = arena_strdup(arena, (const char *)reader->event.data.scalar.value),
        .line = reader_line(reader),
    };
    for (int i = 0; i < count; i++)
        if (strcmp(keys[i].name, ret->name) == 0)
            return refuse(reader,
                          arena_printf(arena, "%s is there twice, first on line %d",
                                       text_quoted(arena, ret->name), keys[i].line),
                          "Take one of the two out.");
    return true;
}

static OutlineKey *keys_grow(Arena *arena, OutlineKey *keys, int count)
{
    /* Doubled whenever it is full: at 0, 8, 16, 32... */
    if (count > 0 && (count < 8 || (count & (count - 1)) != 0))
        return keys;
    OutlineKey *longer = arena_array(arena, count > 0 ? (size_t)count * 2 : 8, sizeof *longer);
    if (count > 0)
        memcpy(longer, keys, (size_t)count * sizeof *longer);
    return longer;
}

static bool read_scalar_value(Reader *reader, OutlineKey *key)
{
    if (!check_scalar(reader))
        return false;
    key->empty = scalar_is_empty(&reader->event);
    return true;
}

static bool refuse_value(Reader *reader, const OutlineKey *key)
{
    const char *what = reader->event.type == YAML_SEQUENCE_START_EVENT ? "a list" : "a mapping";

    return refuse(reader,
                  arena_printf(reader->arena, "%s has %s where a single value belongs",
                               text_quoted(reader->arena, key->name), what),
                  "Write one value behind the colon.");
}

/* The keys and values of a mapping whose start is the current event. */
static bool read_items(Reader *reader, OutlineKey *parent)
{
    for (int count = 0;; count++) {
        if (!reader_next(reader))
            return false;
        if (reader->event.type == YAML_MAPPING_END_EVENT) {
            parent->item_count = count;
            return true;
        }
        parent->items = keys_grow(reader->arena, parent->items, count);
        OutlineKey *key = &parent->items[count];
        if (!read_key(reader, parent->items, count, key) || !reader_next(reader))
            return false;
        if (reader->event.type != YAML_SCALAR_EVENT)
            return refuse_value(reader, key);
        if (!read_scalar_value(reader, key))
            return false;
    }
}

static bool read_settings(Reader *reader, Outline *outline)
{
    for (;;) {
        if (!reader_next(reader))
            return false;
        if (reader->event.type == YAML_MAPPING_END_EVENT)
            return true;

        outline->keys = keys_grow(reader->arena, outline->keys, outline->count);
        OutlineKey *key = &outline->keys[outline->count];
        if (!read_key(reader, outline->keys, outline->count, key) || !reader_next(reader))
            return false;
        if (reader->event.type == YAML_SEQUENCE_START_EVENT)
            return refuse_value(reader, key);
        key->mapping = reader->event.type == YAML_MAPPING_START_EVENT;
        if (key->mapping ? !read_items(reader, key) : !read_scalar_value(reader, key))
            return false;
        outline->count++;
    }
}

static bool read_document(Reader *reader, Outline *outline)
{
    if (!reader_next(reader))
        return false;
    assert(reader->event.type == YAML_STREAM_START_EVENT);
    if (!reader_next(reader))
        return false;
    if (reader->event.type == YAML_STREAM_END_EVENT)
        return true;
    if (!reader_next(reader))
        return false;

    bool nothing = reader->event.type == YAML_SCALAR_EVENT && scalar_is_empty(&reader->event);
    if (!nothing && reader->event.type != YAML_MAPPING_START_EVENT)
        return refuse(reader, "not a list of settings",
                      "Write \"key: value\" lines; homeport help config shows the keys.");
    if (!nothing && !read_settings(reader, outline))
        return false;

    do {
        if (!reader_next(reader))
            return false;
        if (reader->event.type == YAML_DOCUMENT_START_EVENT)
            return refuse(reader, "a second document",
                          "Keep all settings in one, without \"---\".");
    } while (reader->event.type != YAML_STREAM_END_EVENT);
    return true;
}

bool outline_read(Arena *arena, const ConfigText *input, Outline *ret, Error *err)
{
    Reader reader = {.arena = arena, .name = input->name, .err = err};
    Outline outline = {0};

    if (!yaml_parser_initialize(&reader.parser))
        abort(); /* out of memory, as everywhere */
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *)input->text, input->len);
    bool ok = read_document(&reader, &outline);
    reader_clear(&reader);
    if (ok)
        *ret = outline;
    return ok;
}
