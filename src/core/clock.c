#include "core/clock.h"

double clock_seconds(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void clock_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attributes;

    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(cond, &attributes);
    (void)pthread_condattr_destroy(&attributes);
}

struct timespec clock_at(double seconds)
{
    time_t whole = (time_t)seconds;

    return (struct timespec){
        .tv_sec = whole,
        .tv_nsec = (long)((seconds - (double)whole) * 1e9),
    };
}

struct timespec clock_after_ms(int ms)
{
    return clock_at(clock_seconds() + ms / 1000.0);
}

int64_t clock_unix_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

char *clock_iso(Arena *arena, int64_t unix_ms)
{
    struct tm parts = {0};
    time_t seconds = (time_t)(unix_ms / 1000);

    (void)gmtime_r(&seconds, &parts);
    return arena_printf(arena, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", parts.tm_year + 1900,
                        parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                        (int)(unix_ms % 1000));
}
