#include "config/expand.h"

#include <string.h>

#include "core/text.h"

enum {
    MAX_EXPANDED = 64 * 1024
};

static bool is_name(const char *text, size_t len)
{
    if (len == 0 || (*text >= '0' && *text <= '9'))
        return false;
    for (size_t i = 0; i < len; i++)
        if (!(text[i] == '_' || (text[i] >= '0' && text[i] <= '9') ||
              (text[i] >= 'A' && text[i] <= 'Z') || (text[i] >= 'a' && text[i] <= 'z')))
            return false;
    return true;
}

/* The reference whose "${" is at `at`. *ret_len is how long it is. */
static bool add_reference(Text *out, const char *where, const char *at, ConfigLookup *lookup,
                          size_t *ret_len, Error *err)
{
    const char *name = at + 2;
    size_t len = strcspn(name, "}");

    if (name[len] != '}' || !is_name(name, len)) {
        (void)error_set(err, ERR_USAGE, "%s: a \"${\" that is no reference", where);
        return error_hint(err, "Write ${NAME}, or $${ for a plain ${.");
    }
    const char *variable = arena_strndup(out->arena, name, len);
    const char *value = lookup(variable);
    if (!value) {
        (void)error_set(err, ERR_WRONG_STATE, "%s: the variable %s is not set", where, variable);
        return error_hint(err, "Set it: export %s=...", variable);
    }
    text_add(out, value);
    *ret_len = len + 3;
    return true;
}

bool text_expand(Arena *arena, const char *where, const char *text, ConfigLookup *lookup,
                 const char **ret, Error *err)
{
    Text out = text_init(arena, MAX_EXPANDED);

    for (const char *at = text; *at;) {
        size_t len = 1;
        if (strncmp(at, "$${", 3) == 0) {
            text_add(&out, "${");
            len = 3;
        } else if (strncmp(at, "${", 2) == 0) {
            if (!add_reference(&out, where, at, lookup, &len, err))
                return false;
        } else {
            text_add_char(&out, *at);
        }
        at += len;
    }
    if (out.overflowed) {
        (void)error_set(err, ERR_USAGE, "%s is longer than %d bytes", where, MAX_EXPANDED);
        return error_hint(err, "Give a shorter one.");
    }
    *ret = text_str(&out);
    return true;
}
