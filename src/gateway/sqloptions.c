#include "gateway/sqloptions.h"

#include <string.h>

#include "core/text.h"

static bool header_is_true(const HttpRequest *request, const char *name)
{
    const char *value = http_header(request, name);

    return value && strcmp(value, "true") == 0;
}

static const char *isolation_level(const char *name)
{
    static const struct {
        const char *name;
        const char *sql;
    } levels[] = {
        {"ReadUncommitted", "READ UNCOMMITTED"},
        {"ReadCommitted",   "READ COMMITTED"  },
        {"RepeatableRead",  "REPEATABLE READ" },
        {"Serializable",    "SERIALIZABLE"    },
    };

    for (size_t i = 0; i < COUNT_OF(levels); i++)
        if (strcmp(levels[i].name, name) == 0)
            return levels[i].sql;
    return NULL;
}

bool sqloptions_read(Arena *arena, const HttpRequest *request, bool batch, SqlOptions *ret,
                     Error *err)
{
    const char *level = http_header(request, "neon-batch-isolation-level");
    SqlOptions options = {
        .raw = header_is_true(request, "neon-raw-text-output"),
        .array_mode = header_is_true(request, "neon-array-mode"),
        .read_only = header_is_true(request, "neon-batch-read-only"),
        .deferrable = header_is_true(request, "neon-batch-deferrable"),
    };

    if (level && !(options.isolation = isolation_level(level)))
        return error_set(err, ERR_FORMAT, "invalid isolation level");
    if (batch)
        options.echo = arena_printf(
            arena, "%s%s%s%s%s", level ? "neon-batch-isolation-level: " : "", level ? level : "",
            level ? "\r\n" : "", options.read_only ? "neon-batch-read-only: true\r\n" : "",
            options.deferrable ? "neon-batch-deferrable: true\r\n" : "");
    *ret = options;
    return true;
}

const char *sqloptions_begin(Arena *arena, const SqlOptions *options)
{
    return arena_printf(
        arena, "START TRANSACTION%s%s%s%s%s", options->isolation ? " ISOLATION LEVEL " : "",
        options->isolation ? options->isolation : "", options->read_only ? " READ ONLY" : "",
        options->deferrable && options->read_only ? "," : "",
        options->deferrable ? " DEFERRABLE" : "");
}
