#include "config/option.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/text.h"

enum {
    MAX_TEXT = 4096,
    MAX_PAIRS = 1000,
    QUOTED_BYTES = 60,
};

/* How many edits are still a slip grows with the word. Half a word, or one too many behind it, is
 * near as well: "migration", "source-url". */
static bool near_enough(const char *text, const char *name, size_t distance)
{
    size_t len = strlen(text);
    size_t slips = len < 3 ? 1 : len < 9 ? 2 : len / 3;
    size_t shorter = len < strlen(name) ? len : strlen(name);

    return distance <= slips || (shorter > 2 && strncmp(text, name, shorter) == 0);
}

/* Two neighbours exchanged are one slip, though two edits: "jbos" is jobs, not json. */
static bool is_swap(const char *text, const char *name)
{
    size_t at = 0;

    if (strlen(text) != strlen(name))
        return false;
    while (text[at] && text[at] == name[at])
        at++;
    return text[at] && text[at + 1] && text[at] == name[at + 1] && text[at + 1] == name[at] &&
           strcmp(text + at + 2, name + at + 2) == 0;
}

const char *name_nearest(const char *text, const char *const *names, size_t count)
{
    const char *nearest = NULL;
    size_t best = SIZE_MAX;

    for (size_t i = 0; i < count; i++) {
        size_t distance = is_swap(text, names[i]) ? 1 : text_distance(text, names[i]);
        if (distance < best && near_enough(text, names[i], distance)) {
            best = distance;
            nearest = names[i];
        }
    }
    return nearest;
}

/* Connection texts: a URL, keyword=value with a password, or a URL that lost its scheme. */
bool text_may_be_secret(const char *text)
{
    const char *colon = strchr(text, ':');

    return strstr(text, "://") || strcasestr(text, "password") || (colon && strchr(colon, '@'));
}

const char *text_quoted(Arena *arena, const char *text)
{
    if (text_may_be_secret(text))
        return "(not shown: it may hold a password)";

    size_t len = strlen(text);
    bool cut = len > QUOTED_BYTES;
    if (cut)
        for (len = QUOTED_BYTES; len > 0 && ((unsigned char)text[len] & 0xC0) == 0x80;)
            len--;
    char *shown = arena_strndup(arena, text, len);
    for (char *c = shown; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    return arena_printf(arena, "\"%s%s\"", shown, cut ? "..." : "");
}

static const char *choices_list(Arena *arena, const char *const *choices)
{
    Text list = text_init(arena, MAX_TEXT);

    for (int i = 0; choices[i]; i++) {
        if (i > 0)
            text_add(&list, choices[i + 1] ? ", " : " or ");
        text_add(&list, choices[i]);
    }
    return text_str(&list);
}

static const char *size_format(Arena *arena, uint64_t bytes)
{
    static const struct {
        const char *unit;
        uint64_t bytes;
    } units[] = {
        {"TB",  1000000000000},
        {"GB",  1000000000   },
        {"MB",  1000000      },
        {"kB",  1000         },
        {"TiB", 1ULL << 40   },
        {"GiB", 1 << 30      },
        {"MiB", 1 << 20      },
        {"KiB", 1 << 10      }
    };

    for (size_t i = 0; bytes > 0 && i < COUNT_OF(units); i++)
        if (bytes % units[i].bytes == 0)
            return arena_printf(arena, "%" PRIu64 "%s", bytes / units[i].bytes, units[i].unit);
    return arena_printf(arena, "%" PRIu64, bytes);
}

const char *option_limits(Arena *arena, const Option *option)
{
    switch (option->type) {
    case OPTION_INT:
        return arena_printf(arena, "%" PRId64 " to %" PRId64, option->min, option->max);
    case OPTION_CHOICE:
        return choices_list(arena, option->choices);
    case OPTION_SIZE:
        if (option->max == INT64_MAX)
            return NULL;
        return arena_printf(arena, "%s to %s", size_format(arena, (uint64_t)option->min),
                            size_format(arena, (uint64_t)option->max));
    case OPTION_FLAG:
    case OPTION_TEXT:
    case OPTION_PATH:
    case OPTION_URL:
    case OPTION_PAIRS:
        break;
    }
    return NULL;
}

static bool set_flag(Arena *arena, const char *where, const char *text, bool *ret, Error *err)
{
    static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};

    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (strcasecmp(text, words[i]) == 0) {
            *ret = i % 2 == 1;
            return true;
        }
    (void)error_set(err, ERR_USAGE, "%s: %s is neither yes nor no", where,
                    text_quoted(arena, text));
    return error_hint(err, "Write yes or no.");
}

static bool set_int(Arena *arena, const Option *option, const char *where, const char *text,
                    int *ret, Error *err)
{
    char *end = NULL;

    assert(option->min >= INT_MIN && option->max <= INT_MAX);
    errno = 0;
    long long value = strtoll(text, &end, 10);
    bool number = end != text && *end == '\0' && (*text == '-' || (*text >= '0' && *text <= '9'));
    if (number && errno == 0 && value >= option->min && value <= option->max) {
        *ret = (int)value;
        return true;
    }
    (void)error_set(err, ERR_USAGE, number ? "%s: %s is out of range" : "%s: %s is not a number",
                    where, text_quoted(arena, text));
    return error_hint(err, "Give a whole number from %s.", option_limits(arena, option));
}

static bool size_unit(const char *text, uint64_t *ret)
{
    static const struct {
        const char *name;
        uint64_t bytes;
    } units[] = {
        {"",    1            },
        {"B",   1            },
        {"kB",  1000         },
        {"MB",  1000000      },
        {"GB",  1000000000   },
        {"TB",  1000000000000},
        {"KiB", 1 << 10      },
        {"MiB", 1 << 20      },
        {"GiB", 1 << 30      },
        {"TiB", 1ULL << 40   },
    };

    for (size_t i = 0; i < COUNT_OF(units); i++)
        if (strcasecmp(text, units[i].name) == 0) {
            *ret = units[i].bytes;
            return true;
        }
    return false;
}

/* Digits, at most three decimals, a unit. In whole numbers: 0.1 has no exact double. */
static bool size_parse(const char *text, uint64_t *ret)
{
    uint64_t number = 0;
    uint64_t scale = 1;
    uint64_t unit;
    bool point = false;
    const char *at = text;

    for (; (*at >= '0' && *at <= '9') || (*at == '.' && !point && at != text); at++) {
        if (*at == '.') {
            point = true;
            continue;
        }
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, (uint64_t)(*at - '0'), &number))
            return false;
        if (point)
            scale *= 10;
        if (scale > 1000)
            return false;
    }
    if (at == text || at[-1] == '.')
        return false;
    if (*at == ' ')
        at++;
    if (!size_unit(at, &unit) || __builtin_mul_overflow(number, unit, &number))
        return false;
    *ret = number / scale;
    return true;
}

static bool set_size(Arena *arena, const Option *option, const char *where, const char *text,
                     uint64_t *ret, Error *err)
{
    uint64_t value;

    if (!size_parse(text, &value)) {
        (void)error_set(err, ERR_USAGE, "%s: %s is not a size", where, text_quoted(arena, text));
        return error_hint(err, "Give bytes, or a number with a unit such as 200MB or 1GiB.");
    }
    if (value < (uint64_t)option->min || value > (uint64_t)option->max) {
        const char *limits = option_limits(arena, option);
        (void)error_set(err, ERR_USAGE, "%s: %s is out of range", where, text_quoted(arena, text));
        return error_hint(err, "Give a size from %s.", limits ? limits : "0 on");
    }
    *ret = value;
    return true;
}

static bool set_choice(Arena *arena, const Option *option, const char *where, const char *text,
                       int *ret, Error *err)
{
    size_t count = 0;

    for (; option->choices[count]; count++)
        if (strcmp(option->choices[count], text) == 0) {
            *ret = (int)count;
            return true;
        }
    const char *nearest = name_nearest(text, option->choices, count);
    (void)error_set(err, ERR_USAGE, "%s: %s is not a choice", where, text_quoted(arena, text));
    if (nearest)
        return error_hint(err, "Did you mean \"%s\"? It can be %s.", nearest,
                          choices_list(arena, option->choices));
    return error_hint(err, "It can be %s.", choices_list(arena, option->choices));
}

static bool check_text(const Option *option, const char *where, const char *text, Error *err)
{
    size_t max = option->max > 0 ? (size_t)option->max : MAX_TEXT;

    if (strlen(text) > max) {
        (void)error_set(err, ERR_USAGE, "%s is longer than %zu bytes", where, max);
        return error_hint(err, "Give a shorter one.");
    }
    for (const char *c = text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f) {
            (void)error_set(err, ERR_USAGE, "%s holds a control character", where);
            return error_hint(err, "Look for a line break or a tab in it, perhaps at its end.");
        }
    return true;
}

static bool check_not_empty(const char *where, const char *text, Error *err)
{
    if (*text)
        return true;
    (void)error_set(err, ERR_USAGE, "%s is empty", where);
    return error_hint(err, "Give it a value, or leave it out.");
}

static const OptionPair **pairs_list(const Option *option, void *base)
{
    assert(option->type == OPTION_PAIRS);
    return (const OptionPair **)((char *)base + option->offset);
}

static int *pairs_count(const Option *option, void *base)
{
    return (int *)((char *)base + option->count_offset);
}

int option_pairs(const Option *option, const void *base, const OptionPair **ret)
{
    assert(option->type == OPTION_PAIRS);
    *ret = *(const OptionPair *const *)((const char *)base + option->offset);
    return *(const int *)((const char *)base + option->count_offset);
}

bool option_add_pair(Arena *arena, const Option *option, const char *where, OptionPair pair,
                     void *base, Error *err)
{
    const OptionPair **list = pairs_list(option, base);
    int *count = pairs_count(option, base);

    if (!check_not_empty(where, pair.from, err) || !check_not_empty(where, pair.to, err) ||
        !check_text(option, where, pair.from, err) || !check_text(option, where, pair.to, err))
        return false;
    for (int i = 0; i < *count; i++)
        if (strcmp((*list)[i].from, pair.from) == 0) {
            (void)error_set(err, ERR_USAGE, "%s: %s is there twice", where,
                            text_quoted(arena, pair.from));
            return error_hint(err, "Name it once.");
        }
    if (*count >= MAX_PAIRS) {
        (void)error_set(err, ERR_USAGE, "%s: more than %d pairs", where, MAX_PAIRS);
        return error_hint(err, "Give fewer.");
    }
    OptionPair *longer = arena_array(arena, (size_t)*count + 1, sizeof *longer);
    if (*count > 0)
        memcpy(longer, *list, (size_t)*count * sizeof *longer);
    longer[*count] = (OptionPair){arena_strdup(arena, pair.from), arena_strdup(arena, pair.to)};
    *list = longer;
    (*count)++;
    return true;
}

/* a=b,c=d: on failure the field keeps what it had, so pairs go into a copy first. */
static bool set_pairs(Arena *arena, const Option *option, const char *where, const char *text,
                      void *base, Error *err)
{
    struct {
        const OptionPair *list;
        int count;
    } copy;
    Option in_copy = *option;
    in_copy.offset = offsetof(__typeof__(copy), list);
    in_copy.count_offset = offsetof(__typeof__(copy), count);

    copy.count = option_pairs(option, base, &copy.list);
    for (const char *at = text;; at++) {
        size_t len = strcspn(at, ",");
        const char *equals = memchr(at, '=', len);

        if (!equals) {
            (void)error_set(err, ERR_USAGE, "%s: %s has no \"=\"", where,
                            text_quoted(arena, arena_strndup(arena, at, len)));
            return error_hint(err, "Write it as %s.", option->argument);
        }
        OptionPair pair = {arena_strndup(arena, at, (size_t)(equals - at)),
                           arena_strndup(arena, equals + 1, len - (size_t)(equals + 1 - at))};
        if (!option_add_pair(arena, &in_copy, where, pair, &copy, err))
            return false;
        at += len;
        if (!*at)
            break;
    }
    *pairs_list(option, base) = copy.list;
    *pairs_count(option, base) = copy.count;
    return true;
}

bool option_set(Arena *arena, const Option *option, const char *where, const char *text, void *base,
                Error *err)
{
    void *field = (char *)base + option->offset;

    if (!check_not_empty(where, text, err))
        return false;
    switch (option->type) {
    case OPTION_FLAG:
        return set_flag(arena, where, text, field, err);
    case OPTION_INT:
        return set_int(arena, option, where, text, field, err);
    case OPTION_SIZE:
        return set_size(arena, option, where, text, field, err);
    case OPTION_CHOICE:
        return set_choice(arena, option, where, text, field, err);
    case OPTION_PAIRS:
        return set_pairs(arena, option, where, text, base, err);
    case OPTION_TEXT:
    case OPTION_PATH:
    case OPTION_URL:
        if (!check_text(option, where, text, err))
            return false;
        *(const char **)field = arena_strdup(arena, text);
        return true;
    }
    abort(); /* a type without a reader */
}

void options_set_defaults(Arena *arena, const Option *rows, void *base)
{
    for (const Option *row = rows; row && row->name; row++) {
        Error err = ERROR_INIT;
        bool ok = !row->unset || option_set(arena, row, row->name, row->unset, base, &err);
        assert(ok);
        (void)ok;
    }
}

static const char *pairs_format(Arena *arena, const Option *option, const void *base)
{
    const OptionPair *list;
    int count = option_pairs(option, base, &list);
    Text text = text_init(arena, SIZE_MAX / 2);

    for (int i = 0; i < count; i++)
        text_addf(&text, "%s%s=%s", i > 0 ? "," : "", list[i].from, list[i].to);
    return count > 0 ? text_str(&text) : NULL;
}

const char *option_format(Arena *arena, const Option *option, const void *base)
{
    const void *field = (const char *)base + option->offset;

    switch (option->type) {
    case OPTION_FLAG:
        return *(const bool *)field ? "yes" : "no";
    case OPTION_INT:
        return arena_printf(arena, "%d", *(const int *)field);
    case OPTION_SIZE:
        return size_format(arena, *(const uint64_t *)field);
    case OPTION_CHOICE:
        return option->choices[*(const int *)field];
    case OPTION_PAIRS:
        return pairs_format(arena, option, base);
    case OPTION_TEXT:
    case OPTION_PATH:
    case OPTION_URL:
        break;
    }
    return *(const char *const *)field;
}
