#include "gateway/metrics.h"

#include <string.h>

static const double bounds[LATENCY_BUCKETS] = {0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1,
                                               0.2,    0.5,   1,     2,     5,    10,   30,   60};

/* SQLSTATE's classes (PostgreSQL's appendix A); the last is for what is in none of them. */
static const char class_names[SQLSTATE_CLASSES][3] = {
    "00", "01", "02", "03", "08", "09", "0A", "0B", "0F", "0L", "0P", "0Z", "20", "21", "22",
    "23", "24", "25", "26", "27", "28", "2B", "2D", "2F", "34", "38", "39", "3B", "3D", "3F",
    "40", "42", "44", "53", "54", "55", "57", "58", "72", "F0", "HV", "P0", "XX", "--"};

void metrics_init(Metrics *metrics)
{
    *metrics = (Metrics){0};
    for (int i = 0; i < SQLSTATE_CLASSES; i++)
        memcpy(metrics->classes[i].name, class_names[i], sizeof class_names[i]);
}

void metrics_time(Histogram *histogram, double seconds)
{
    int bucket = 0;

    while (bucket < LATENCY_BUCKETS && seconds > bounds[bucket])
        bucket++;
    metric_add(&histogram->buckets[bucket], 1);
    metric_add(&histogram->sum_us, (uint64_t)(seconds * 1e6));
    metric_add(&histogram->count, 1);
}

void metrics_error(Metrics *metrics, Protocol protocol, const char *sqlstate)
{
    for (int i = 0; i < SQLSTATE_CLASSES; i++) {
        bool other = metrics->classes[i].name[0] == '-';
        if (other || (sqlstate && strncmp(sqlstate, metrics->classes[i].name, 2) == 0)) {
            metric_add(&metrics->classes[i].count[protocol], 1);
            return;
        }
    }
}

/* ---- text ---- */

static const char *const protocols[PROTOCOL_COUNT] = {"http", "websocket", "tcp"};

const char *protocol_name(Protocol protocol)
{
    return protocols[protocol];
}

typedef struct Sum {
    Bytes *out;
    const Metrics *const *metrics;
    int count;
} Sum;

static uint64_t sum_at(const Sum *sum, size_t offset)
{
    uint64_t total = 0;

    for (int i = 0; i < sum->count; i++)
        total += atomic_load_explicit(
            (const _Atomic uint64_t *)(const void *)((const char *)sum->metrics[i] + offset),
            memory_order_relaxed);
    return total;
}

static void head(const Sum *sum, const char *name, const char *type, const char *help)
{
    bytes_addf(sum->out, "# HELP homeport_gateway_%s %s\n# TYPE homeport_gateway_%s %s\n", name,
               help, name, type);
}

static void one(const Sum *sum, const char *name, size_t offset)
{
    bytes_addf(sum->out, "homeport_gateway_%s %lld\n", name, (long long)sum_at(sum, offset));
}

static void by_protocol(const Sum *sum, const char *name, size_t offset)
{
    for (size_t i = 0; i < PROTOCOL_COUNT; i++)
        bytes_addf(sum->out, "homeport_gateway_%s{protocol=\"%s\"} %lld\n", name, protocols[i],
                   (long long)sum_at(sum, offset + i * sizeof(uint64_t)));
}

static void histogram(const Sum *sum, const char *name, const char *protocol, size_t offset)
{
    uint64_t running = 0;

    for (size_t i = 0; i <= LATENCY_BUCKETS; i++) {
        running += sum_at(sum, offset + offsetof(Histogram, buckets) + i * sizeof(uint64_t));
        bytes_addf(sum->out, "homeport_gateway_%s_bucket{protocol=\"%s\",le=\"", name, protocol);
        if (i < LATENCY_BUCKETS)
            bytes_addf(sum->out, "%g", bounds[i]);
        else
            bytes_add_text(sum->out, "+Inf");
        bytes_addf(sum->out, "\"} %llu\n", (unsigned long long)running);
    }
    bytes_addf(sum->out, "homeport_gateway_%s_sum{protocol=\"%s\"} %.6f\n", name, protocol,
               (double)sum_at(sum, offset + offsetof(Histogram, sum_us)) / 1e6);
    bytes_addf(sum->out, "homeport_gateway_%s_count{protocol=\"%s\"} %llu\n", name, protocol,
               (unsigned long long)sum_at(sum, offset + offsetof(Histogram, count)));
}

static void histograms(const Sum *sum, const char *name, size_t offset)
{
    for (size_t i = 0; i < PROTOCOL_COUNT; i++)
        histogram(sum, name, protocols[i], offset + i * sizeof(Histogram));
}

typedef enum MetricShape {
    SHAPE_ONE,
    SHAPE_PROTOCOL,
    SHAPE_HISTOGRAM
} MetricShape;

static const struct {
    const char *name;
    const char *type;
    size_t offset;
    MetricShape shape;
    const char *help;
} rows[] = {
    {"requests_total",       "counter",   offsetof(Metrics, requests),         SHAPE_PROTOCOL,
     "Requests over HTTP, sessions of the others."                                                                       },
    {"bytes_in_total",       "counter",   offsetof(Metrics, bytes_in),         SHAPE_PROTOCOL,
     "Bytes from clients."                                                                                               },
    {"bytes_out_total",      "counter",   offsetof(Metrics, bytes_out),        SHAPE_PROTOCOL,
     "Bytes to clients."                                                                                                 },
    {"clients",              "gauge",     offsetof(Metrics, clients),          SHAPE_PROTOCOL,  "Sessions that are open."},
    {"request_seconds",      "histogram", offsetof(Metrics, latency),          SHAPE_HISTOGRAM,
     "From a request to its reply."                                                                                      },
    {"wait_seconds",         "histogram", offsetof(Metrics, wait),             SHAPE_HISTOGRAM,
     "Wait for a connection to the server."                                                                              },
    {"logins_total",         "counter",   offsetof(Metrics, logins),           SHAPE_ONE,
     "Connections made to the upstream."                                                                                 },
    {"login_failures_total", "counter",   offsetof(Metrics, login_failures),   SHAPE_ONE,
     "Connections that it refused."                                                                                      },
    {"throttled_total",      "counter",   offsetof(Metrics, throttled),        SHAPE_ONE,
     "Logins refused after too many failures."                                                                           },
    {"pool_hits_total",      "counter",   offsetof(Metrics, pool_hits),        SHAPE_ONE,
     "Requests that found a connection at once."                                                                         },
    {"pool_waits_total",     "counter",   offsetof(Metrics, pool_waits),       SHAPE_ONE,
     "Requests that had to wait for one."                                                                                },
    {"pool_timeouts_total",  "counter",   offsetof(Metrics, pool_timeouts),    SHAPE_ONE,
     "Requests that waited in vain."                                                                                     },
    {"resets_total",         "counter",   offsetof(Metrics, resets),           SHAPE_ONE,
     "Sessions cleaned for the next request."                                                                            },
    {"cancels_total",        "counter",   offsetof(Metrics, cancels),          SHAPE_ONE,
     "Statements cancelled because nobody waited for them."                                                              },
    {"pool_idle",            "gauge",     offsetof(Metrics, pool_idle),        SHAPE_ONE,       "Connections at rest."   },
    {"pool_busy",            "gauge",     offsetof(Metrics, pool_busy),        SHAPE_ONE,       "Connections at work."   },
    {"pool_waiting",         "gauge",     offsetof(Metrics, pool_waiting),     SHAPE_ONE,       "Requests that wait."    },
    {"sessions_waiting",     "gauge",     offsetof(Metrics, sessions_waiting), SHAPE_ONE,
     "Sessions that wait for a server."                                                                                  },
};

static void format_class(const Sum *sum, size_t class)
{
    for (size_t i = 0; i < PROTOCOL_COUNT; i++) {
        uint64_t count =
            sum_at(sum, offsetof(Metrics, classes[0].count[0]) +
                            class * sizeof sum->metrics[0]->classes[0] + i * sizeof(uint64_t));
        if (count > 0)
            bytes_addf(
                sum->out, "homeport_gateway_errors_total{protocol=\"%s\",class=\"%s\"} %llu\n",
                protocols[i], sum->metrics[0]->classes[class].name, (unsigned long long)count);
    }
}

static void format_classes(const Sum *sum)
{
    head(sum, "errors_total", "counter", "Errors by class of SQLSTATE.");
    for (size_t i = 0; i < SQLSTATE_CLASSES && *sum->metrics[0]->classes[i].name; i++)
        format_class(sum, i);
}

void metrics_format(Bytes *out, const Metrics *const *metrics, int count)
{
    Sum sum = {out, metrics, count};

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        head(&sum, rows[i].name, rows[i].type, rows[i].help);
        if (rows[i].shape == SHAPE_HISTOGRAM)
            histograms(&sum, rows[i].name, rows[i].offset);
        else if (rows[i].shape == SHAPE_PROTOCOL)
            by_protocol(&sum, rows[i].name, rows[i].offset);
        else
            one(&sum, rows[i].name, rows[i].offset);
    }
    head(&sum, "replies_total", "counter", "Replies over HTTP by class of status.");
    for (size_t i = 2; i < 6; i++)
        bytes_addf(
            out, "homeport_gateway_replies_total{status=\"%zuxx\"} %llu\n", i,
            (unsigned long long)sum_at(&sum, offsetof(Metrics, replies) + i * sizeof(uint64_t)));
    format_classes(&sum);
}
