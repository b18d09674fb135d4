#include "core/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A message that does not fit is cut and says so, rather than ending anywhere, and not within a
 * character. */
static void mark_cut(char *buf, size_t size)
{
    size_t at = size - sizeof "...";

    while (at > 0 && ((unsigned char)buf[at] & 0xC0) == 0x80)
        at--;
    memcpy(buf + at, "...", sizeof "...");
}

PRINTF_LIKE(3, 0)
static void format_into(char *buf, size_t size, const char *fmt, va_list args)
{
    int n = vsnprintf(buf, size, fmt, args);

    if (n < 0)
        buf[0] = '\0'; /* not run: vsnprintf() fails for wide characters only, and for gigabytes */
    else if ((size_t)n >= size)
        mark_cut(buf, size);
}

bool error_set(Error *err, ErrorCode code, const char *fmt, ...)
{
    va_list args;

    *err = (Error){.code = code};
    va_start(args, fmt);
    format_into(err->message, sizeof err->message, fmt, args);
    va_end(args);
    return false;
}

bool error_set_errno(Error *err, const char *fmt, ...)
{
    int saved = errno;
    char what[400];
    va_list args;

    va_start(args, fmt);
    format_into(what, sizeof what, fmt, args);
    va_end(args);
    (void)error_set(err, ERR_IO, "%s: %s", what, strerror(saved));
    err->sys_errno = saved;
    return false;
}

bool error_add_context(Error *err, const char *fmt, ...)
{
    char context[200];
    char message[sizeof err->message];
    va_list args;

    va_start(args, fmt);
    format_into(context, sizeof context, fmt, args);
    va_end(args);
    int n = snprintf(message, sizeof message, "%s: %s", context, err->message);
    if (n >= (int)sizeof message)
        mark_cut(message, sizeof message);
    memcpy(err->message, message, sizeof message);
    return false;
}

bool error_hint(Error *err, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    format_into(err->hint, sizeof err->hint, fmt, args);
    va_end(args);
    return false;
}

static const struct {
    const char *name;
    int exit_status;
} codes[] = {
    [ERR_NONE] = {"none",      0},
      [ERR_USAGE] = {"usage",     2},
    [ERR_FOUND] = {"found",     3},
      [ERR_IO] = {"io",        1},
    [ERR_CONNECT] = {"connect",   1},
      [ERR_SQL] = {"sql",       1},
    [ERR_WRONG_STATE] = {"state",     1},
      [ERR_SNAPSHOT] = {"snapshot",  1},
    [ERR_PROGRAM] = {"program",   1},
      [ERR_FORMAT] = {"format",    1},
    [ERR_CANCELLED] = {"cancelled", 1},
};

int error_exit_status(const Error *err)
{
    return codes[err->code].exit_status;
}

const char *error_code_name(ErrorCode code)
{
    return codes[code].name;
}
