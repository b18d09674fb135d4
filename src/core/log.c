#include "core/log.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/term.h"
#include "core/text.h"

enum {
    MAX_LINE = 8192
};

static atomic_int threshold = LOG_WARNING;
static pthread_mutex_t output_lock = PTHREAD_MUTEX_INITIALIZER;

static const char *const level_names[] = {"debug", "info", "warning", "error"};

void log_set_level(LogLevel level)
{
    atomic_store(&threshold, (int)level);
}

LogLevel log_level(void)
{
    return (LogLevel)atomic_load(&threshold);
}

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7F;
}

static void add_quoted(Text *line, char c)
{
    if (c == '\n')
        text_add(line, "\\n");
    else if (is_control(c))
        text_addf(line, "\\x%02X", (unsigned char)c);
    else
        text_addf(line, c == '"' || c == '\\' ? "\\%c" : "%c", c);
}

/* Quoted only where a reader would otherwise not know where the value ends. What
 * a terminal would obey is written out: values come from servers, too. */
static void add_value(Text *line, const char *value)
{
    size_t plain = 0;

    while (value[plain] && !strchr(" \"=", value[plain]) && !is_control(value[plain]))
        plain++;
    if (plain > 0 && !value[plain]) {
        text_add(line, value);
        return;
    }
    text_add_char(line, '"');
    for (; *value; value++)
        add_quoted(line, *value);
    text_add_char(line, '"');
}

void log_event(LogLevel level, const char *message, const LogPair *pairs, int count)
{
    if ((int)level < atomic_load(&threshold))
        return;

    auto_arena Arena *arena = arena_new();
    Text line = text_init(arena, MAX_LINE);

    text_addf(&line, "%s %s ", clock_iso(arena, clock_unix_ms()), level_names[level]);
    add_value(&line, message);
    for (int i = 0; i < count; i++) {
        text_addf(&line, " %s=", pairs[i].key);
        if (pairs[i].text)
            add_value(&line, pairs[i].text);
        else
            text_addf(&line, "%" PRId64, pairs[i].number);
    }

    (void)pthread_mutex_lock(&output_lock);
    term_progress(NULL);
    (void)fprintf(stderr, "%s\n", text_str(&line));
    (void)pthread_mutex_unlock(&output_lock);
}
