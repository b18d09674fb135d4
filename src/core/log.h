/*
 * One event, one line on standard error: a fixed message and key=value pairs.
 *
 *   log_info("table copied", kv_str("table", name), kv_i64("rows", rows));
 *
 * Library layers log at debug only. Safe from several threads. A progress line
 * that is shown on the terminal (core/term.h) is taken away first; its next
 * refresh shows it again.
 */
#pragma once

#include <stdint.h>

typedef enum LogLevel {
    LOG_DEBUG,
    LOG_INFO,
    LOG_WARNING,
    LOG_ERROR
} LogLevel;

typedef struct LogPair {
    const char *key;
    const char *text; /* NULL: the number */
    int64_t number;
} LogPair;

void log_set_level(LogLevel level);
LogLevel log_level(void);
void log_event(LogLevel level, const char *message, const LogPair *pairs, int count);

static inline LogPair kv_str(const char *key, const char *text)
{
    return (LogPair){.key = key, .text = text ? text : "(none)"};
}
static inline LogPair kv_i64(const char *key, int64_t number)
{
    return (LogPair){.key = key, .number = number};
}

#define LOG_EVENT(level, message, ...)                                                             \
    log_event(level, message, (LogPair[]){__VA_ARGS__},                                            \
              (int)(sizeof((LogPair[]){__VA_ARGS__}) / sizeof(LogPair)))
#define log_debug(message, ...) LOG_EVENT(LOG_DEBUG, message, __VA_ARGS__)
#define log_info(message, ...) LOG_EVENT(LOG_INFO, message, __VA_ARGS__)
#define log_error(message, ...) LOG_EVENT(LOG_ERROR, message, __VA_ARGS__)
#define log_warn(message, ...) LOG_EVENT(LOG_WARNING, message, __VA_ARGS__)
