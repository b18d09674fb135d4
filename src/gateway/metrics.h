/*
 * Counters of one worker: written by its thread only, read by the one that is
 * asked for the sum. Private to src/gateway.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "http/bytes.h"

typedef enum Protocol {
    PROTOCOL_HTTP,
    PROTOCOL_WEBSOCKET,
    PROTOCOL_TCP,
    PROTOCOL_COUNT
} Protocol;

enum {
    LATENCY_BUCKETS = 16,
    SQLSTATE_CLASSES = 44
};

typedef struct Histogram {
    _Atomic uint64_t buckets[LATENCY_BUCKETS + 1];
    _Atomic uint64_t sum_us;
    _Atomic uint64_t count;
} Histogram;

typedef struct Metrics {
    _Atomic uint64_t requests[PROTOCOL_COUNT];
    _Atomic uint64_t replies[6]; /* HTTP, by the status' first digit */
    _Atomic uint64_t bytes_in[PROTOCOL_COUNT];
    _Atomic uint64_t bytes_out[PROTOCOL_COUNT];
    _Atomic uint64_t logins;
    _Atomic uint64_t login_failures;
    _Atomic uint64_t throttled;
    _Atomic uint64_t pool_hits;
    _Atomic uint64_t pool_waits;
    _Atomic uint64_t pool_timeouts;
    _Atomic uint64_t resets;
    _Atomic uint64_t cancels;
    _Atomic int64_t pool_idle; /* gauges */
    _Atomic int64_t pool_busy;
    _Atomic int64_t pool_waiting;
    _Atomic int64_t sessions_waiting;
    _Atomic int64_t clients[PROTOCOL_COUNT];
    Histogram latency[PROTOCOL_COUNT]; /* HTTP: from the request's last byte to the reply; of
                                          sessions: from the first message until nothing is open */
    Histogram wait[PROTOCOL_COUNT];    /* for a server */
    struct {
        char name[3];
        _Atomic uint64_t count[PROTOCOL_COUNT];
    } classes[SQLSTATE_CLASSES];
} Metrics;

static inline void metric_add(_Atomic uint64_t *metric, uint64_t amount)
{
    atomic_fetch_add_explicit(metric, amount, memory_order_relaxed);
}
static inline void gauge_add(_Atomic int64_t *gauge, int64_t amount)
{
    atomic_fetch_add_explicit(gauge, amount, memory_order_relaxed);
}

const char *protocol_name(Protocol protocol); /* "websocket" */

void metrics_init(Metrics *metrics);
void metrics_time(Histogram *histogram, double seconds);
void metrics_error(Metrics *metrics, Protocol protocol, const char *sqlstate); /* NULL: none */
/* The sum of them all in Prometheus' text format. */
void metrics_format(Bytes *out, const Metrics *const *metrics, int count);
