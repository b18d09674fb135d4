#include "gateway/cancel.h"

#include <event2/event.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdlib.h>
#include <uthash.h>

#include "core/clock.h"
#include "core/memory.h"
#include "gateway/session.h"

enum {
    CANCEL_S = 5, /* later than this it would hit something else */
    AGAIN_MS = 500,
    MAX_WAITING = 1000,
    MAX_OF_ONE = 8
};

typedef struct CancelEntry {
    UT_hash_handle hh;
    uint64_t name;
    PGcancel *cancel;
    int users; /* the session, and requests on their way */
    CancelTable *table;
} CancelEntry;

struct CancelTable {
    pthread_mutex_t lock;
    CancelEntry *entries;
};

CancelTable *cancel_table_new(void)
{
    CancelTable *table = memory_zeroed(1, sizeof *table);

    (void)pthread_mutex_init(&table->lock, NULL);
    return table;
}

void cancel_table_free(CancelTable *table)
{
    if (!table)
        return;
    (void)pthread_mutex_destroy(&table->lock);
    free(table);
}

static uint64_t cancel_name(uint32_t pid, uint32_t key)
{
    return (uint64_t)pid << 32 | key;
}

uint32_t cancel_add(CancelTable *table, uint32_t pid, PGconn *conn)
{
    CancelEntry *entry = memory_zeroed(1, sizeof *entry);
    uint32_t key = 0;

    must(RAND_bytes((unsigned char *)&key, sizeof key) == 1, "random bytes");
    entry->name = cancel_name(pid, key);
    entry->cancel = PQgetCancel(conn);
    entry->users = 1;
    entry->table = table;
    (void)pthread_mutex_lock(&table->lock);
    HASH_ADD(hh, table->entries, name, sizeof entry->name, entry);
    (void)pthread_mutex_unlock(&table->lock);
    return key;
}

/* With the table locked. */
static CancelEntry *find(CancelTable *table, uint32_t pid, uint32_t key)
{
    uint64_t name = cancel_name(pid, key);
    CancelEntry *entry;

    HASH_FIND(hh, table->entries, &name, sizeof name, entry);
    return entry;
}

static void release(CancelEntry *entry)
{
    CancelTable *table = entry->table;

    (void)pthread_mutex_lock(&table->lock);
    bool last = --entry->users == 0;
    (void)pthread_mutex_unlock(&table->lock);
    if (!last)
        return;
    PQfreeCancel(entry->cancel);
    free(entry);
}

void cancel_remove(CancelTable *table, uint32_t pid, uint32_t key)
{
    (void)pthread_mutex_lock(&table->lock);
    CancelEntry *entry = find(table, pid, key);
    if (entry)
        HASH_DELETE(hh, table->entries, entry);
    (void)pthread_mutex_unlock(&table->lock);
    if (entry)
        release(entry);
}

/* ---- on their way ---- */

struct CancelJob {
    Worker *worker;
    CancelEntry *entry; /* of a session, or NULL: `cancel` is ours */
    PGcancel *cancel;
    CancelDone *done; /* NULL: nobody wants to know */
    void *arg;
    double until;
};

static void cancel_finish(void *arg)
{
    CancelJob *job = arg;

    job->worker->cancelling--;
    if (job->done)
        job->done(job->arg);
    free(job);
}

void cancel_drop(void *arg)
{
    CancelJob *job = arg;

    PQfreeCancel(job->cancel);
    if (job->entry) {
        release(job->entry);
        loop_post(job->worker->loop, cancel_finish, job);
    } else {
        free(job);
    }
}

/* Whether it came in time shows on the connection itself. */
static void cancel_run(void *arg)
{
    CancelJob *job = arg;
    PGcancel *cancel = job->entry ? job->entry->cancel : job->cancel;
    char why[256];

    pthread_cleanup_push(cancel_drop, job);
    if (cancel && clock_seconds() < job->until)
        (void)!PQcancel(cancel, why, sizeof why);
    pthread_cleanup_pop(1);
}

static CancelJob *cancel_submit(Worker *worker, const CancelJob *what)
{
    CancelJob *job = memory_zeroed(1, sizeof *job);

    *job = *what;
    job->worker = worker;
    job->until = clock_seconds() + CANCEL_S;
    if (crew_offer(worker->gateway->cancellers, cancel_run, job, MAX_WAITING))
        return job;
    if (job->entry)
        release(job->entry);
    PQfreeCancel(job->cancel);
    free(job);
    return NULL;
}

CancelJob *cancel_fire(Worker *worker, uint32_t pid, uint32_t key, CancelDone *done, void *arg)
{
    CancelTable *table = worker->gateway->cancels;

    (void)pthread_mutex_lock(&table->lock);
    CancelEntry *entry = find(table, pid, key);
    bool crowded = entry && entry->users > MAX_OF_ONE;
    if (entry && !crowded)
        entry->users++;
    (void)pthread_mutex_unlock(&table->lock);
    if (!entry || crowded)
        return NULL;
    worker->cancelling++;
    CancelJob *job = cancel_submit(worker, &(CancelJob){.entry = entry, .done = done, .arg = arg});
    worker->cancelling -= !job;
    return job;
}

void cancel_forget(CancelJob *job)
{
    if (job)
        job->done = NULL;
}

/* ---- of connections that are closed ---- */

typedef struct CancelAgain {
    STAILQ_ENTRY(CancelAgain) link;
    PGcancel *cancel;
    double at; /* clock_seconds() */
} CancelAgain;

static PGcancel *again_take(Worker *worker)
{
    CancelAgain *again = STAILQ_FIRST(&worker->cancels_again);
    PGcancel *cancel = again->cancel;

    STAILQ_REMOVE_HEAD(&worker->cancels_again, link);
    free(again);
    return cancel;
}

static void again_wait(Worker *worker)
{
    static const struct timeval pause = {.tv_usec = AGAIN_MS * 1000L};

    if (!STAILQ_EMPTY(&worker->cancels_again) &&
        !event_pending(worker->cancel_timer, EV_TIMEOUT, NULL))
        (void)event_add(worker->cancel_timer, &pause);
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
    Worker *worker = arg;

    (void)fd;
    (void)what;
    while (!STAILQ_EMPTY(&worker->cancels_again) &&
           STAILQ_FIRST(&worker->cancels_again)->at <= clock_seconds())
        (void)cancel_submit(worker, &(CancelJob){.cancel = again_take(worker)});
    again_wait(worker);
}

static void again_add(Worker *worker, PGcancel *cancel)
{
    CancelAgain *again = memory_zeroed(1, sizeof *again);

    if (!worker->cancel_timer)
        worker->cancel_timer = event_new(loop_base(worker->loop), -1, 0, on_again, worker);
    must(worker->cancel_timer, "memory");
    again->cancel = cancel;
    again->at = clock_seconds() + AGAIN_MS / 1000.0;
    STAILQ_INSERT_TAIL(&worker->cancels_again, again, link);
    again_wait(worker);
}

void cancel_conn(Worker *worker, PGconn *conn)
{
    PGcancel *cancel = PQgetCancel(conn);
    PGcancel *again = PQgetCancel(conn);

    if (!cancel || !again) {
        PQfreeCancel(cancel);
        PQfreeCancel(again);
        return;
    }
    metric_add(&worker->metrics.cancels, 1);
    (void)cancel_submit(worker, &(CancelJob){.cancel = cancel});
    again_add(worker, again);
}

void cancel_clear(Worker *worker)
{
    while (!STAILQ_EMPTY(&worker->cancels_again))
        PQfreeCancel(again_take(worker));
    if (worker->cancel_timer)
        event_free(worker->cancel_timer);
    worker->cancel_timer = NULL;
}
