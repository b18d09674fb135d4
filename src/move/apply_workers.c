#include "move/apply_workers.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/memory.h"
#include "pg/pg.h"

typedef struct Worker {
    Workers *workers;
    int number;
    pthread_t thread;
    bool started;
    NetSession session;
    /* Under the lock: */
    bool busy;
    bool abort;
    Job job;
    bool failed;
    Error error;
    /* The thread's own, read by the dispatcher while it is idle: */
    bool tripped;    /* what is left of the window is not its business */
    NetTable **held; /* whose rows are in the transaction */
    int held_count;
    int held_cap;
} Worker;

struct Workers {
    const Feed *feed;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stop;
    int count;
    Worker *all;
};

static bool is_mine(const Worker *worker, const TableBatch *batch)
{
    const NetTable *table = batch->owner;

    return table->worker == worker->number;
}

static void hold(Worker *worker, NetTable *table)
{
    for (int i = 0; i < worker->held_count; i++)
        if (worker->held[i] == table)
            return;
    if (worker->held_count == worker->held_cap) {
        worker->held_cap = worker->held_cap ? worker->held_cap * 2 : 16;
        worker->held = memory_resized(worker->held, (size_t)worker->held_cap, sizeof *worker->held);
    }
    worker->held[worker->held_count++] = table;
}

static bool commit(Worker *worker, const Job *job, Error *err)
{
    NetSession *session = &worker->session;
    int feed = session->feed->applier->request.feed;

    if (!session->in_transaction && !job->floor)
        return true;
    if (!net_begin(session, err))
        return false;
    if (job->floor && !progress_set(session->conn, feed, NULL, NULL, job->end, err))
        return false;
    for (int i = 0; i < worker->held_count && !job->floor; i++)
        if (!progress_set(session->conn, feed, worker->held[i]->schema, worker->held[i]->name,
                          job->end, err))
            return false;
    return net_commit(session, err);
}

/* A refusal is the table's; what passes with time, a broken connection or our own stop are not. */
static bool is_refusal(const Worker *worker, const Error *err)
{
    return !apply_error_passes(err) && err->code != ERR_CANCELLED && err->code != ERR_IO &&
           !atomic_load(&worker->session.feed->applier->stop);
}

static bool apply_tables(Worker *worker, const Job *job, Error *err)
{
    for (TableBatch *batch = job->tables; batch; batch = batch->next) {
        if (!is_mine(worker, batch))
            continue;
        hold(worker, batch->owner);
        if (!net_begin(&worker->session, err) || !net_apply(&worker->session, batch, err))
            return false;
    }
    if (job->truncate &&
        !(net_begin(&worker->session, err) && pg_exec(worker->session.conn, job->truncate, err)))
        return false;
    return !job->commit || commit(worker, job, err);
}

static bool roll_back(Worker *worker, Error *err)
{
    worker->held_count = 0;
    return net_rollback(&worker->session) ||
           error_set(err, ERR_CONNECT, "connection lost while rolling back");
}

/* Each of the tables in a transaction of its own: only those that trip are replayed. */
static bool apply_apart(Worker *worker, const Job *job, Error *err)
{
    for (TableBatch *batch = job->tables; batch; batch = batch->next) {
        NetTable *table = batch->owner;

        if (!is_mine(worker, batch))
            continue;
        hold(worker, table);
        if (net_begin(&worker->session, err) && net_apply(&worker->session, batch, err) &&
            commit(worker, job, err)) {
            worker->held_count = 0;
            continue;
        }
        if (!is_refusal(worker, err))
            return false;
        log_debug("a window tripped", kv_str("table", table->name), kv_str("by", err->message));
        table->tripped = true;
        if (!roll_back(worker, err))
            return false;
    }
    return true;
}

static int count_mine(const Worker *worker, const Job *job)
{
    int count = 0;

    for (const TableBatch *batch = job->tables; batch; batch = batch->next)
        count += is_mine(worker, batch);
    return count;
}

static bool do_job(Worker *worker, const Job *job, Error *err)
{
    if (worker->tripped || apply_tables(worker, job, err))
        return true;
    if (!is_refusal(worker, err))
        return false;
    log_debug("a window tripped", kv_i64("worker", worker->number), kv_str("by", err->message));
    if (!roll_back(worker, err))
        return false;
    if (job->alone && !job->floor && count_mine(worker, job) > 1)
        return apply_apart(worker, job, err);
    worker->tripped = true;
    return true;
}

static void run_job(Worker *worker, const Job *job, bool abort_it)
{
    Error err = ERROR_INIT;
    bool ok = true;

    if (abort_it) {
        if (worker->session.in_transaction)
            ok = roll_back(worker, &err);
        worker->tripped = false;
    } else {
        ok = do_job(worker, job, &err);
    }
    if (job->commit)
        worker->held_count = 0;
    (void)pthread_mutex_lock(&worker->workers->lock);
    worker->busy = false;
    worker->abort = false;
    worker->failed = !ok;
    if (!ok)
        worker->error = err;
    (void)pthread_cond_broadcast(&worker->workers->changed);
    (void)pthread_mutex_unlock(&worker->workers->lock);
    spool_wake(worker->session.feed->applier->request.spool);
}

static void *worker_main(void *arg)
{
    Worker *worker = arg;
    Workers *workers = worker->workers;

    for (;;) {
        (void)pthread_mutex_lock(&workers->lock);
        while (!worker->busy && !workers->stop)
            (void)pthread_cond_wait(&workers->changed, &workers->lock);
        bool stop = workers->stop;
        Job job = worker->job;
        bool abort_it = worker->abort;
        (void)pthread_mutex_unlock(&workers->lock);
        if (stop)
            return NULL;
        run_job(worker, &job, abort_it);
    }
}

bool workers_start(const Feed *feed, int count, Workers **ret, Error *err)
{
    Workers *workers = memory_zeroed(1, sizeof *workers);

    workers->all = memory_zeroed((size_t)count, sizeof *workers->all);
    workers->feed = feed;
    (void)pthread_mutex_init(&workers->lock, NULL);
    (void)pthread_cond_init(&workers->changed, NULL);
    for (int i = 0; i < count; i++) {
        Worker *worker = &workers->all[i];
        char role[32];

        (void)snprintf(role, sizeof role, "apply %d", i + 1);
        worker->workers = workers;
        worker->number = i;
        workers->count = i + 1;
        if (!net_session_open(&worker->session, feed, role, err)) {
            workers_stop(workers);
            return false;
        }
        worker->started = pthread_create(&worker->thread, NULL, worker_main, worker) == 0;
        if (!worker->started) {
            workers_stop(workers);
            return error_set(err, ERR_IO, "no thread could be started");
        }
    }
    *ret = workers;
    return true;
}

void workers_stop(Workers *workers)
{
    if (!workers)
        return;
    (void)pthread_mutex_lock(&workers->lock);
    workers->stop = true;
    (void)pthread_cond_broadcast(&workers->changed);
    (void)pthread_mutex_unlock(&workers->lock);
    for (int i = 0; i < workers->count; i++) {
        if (workers->all[i].started)
            (void)pthread_join(workers->all[i].thread, NULL);
        net_session_close(&workers->all[i].session);
        free(workers->all[i].held);
    }
    (void)pthread_cond_destroy(&workers->changed);
    (void)pthread_mutex_destroy(&workers->lock);
    free(workers->all);
    free(workers);
}

static bool all_idle(const Workers *workers)
{
    for (int i = 0; i < workers->count; i++)
        if (workers->all[i].busy)
            return false;
    return true;
}

bool workers_idle(Workers *workers)
{
    (void)pthread_mutex_lock(&workers->lock);
    bool idle = all_idle(workers);
    (void)pthread_mutex_unlock(&workers->lock);
    return idle;
}

bool workers_wait(Workers *workers, Error *err)
{
    bool ok = true;

    (void)pthread_mutex_lock(&workers->lock);
    while (!all_idle(workers))
        (void)pthread_cond_wait(&workers->changed, &workers->lock);
    for (int i = 0; i < workers->count && ok; i++)
        if (workers->all[i].failed) {
            *err = workers->all[i].error;
            ok = false;
        }
    (void)pthread_mutex_unlock(&workers->lock);
    return ok;
}

static void post(Workers *workers, const Job *job, int only, bool abort_it)
{
    (void)pthread_mutex_lock(&workers->lock);
    assert(all_idle(workers));
    for (int i = 0; i < workers->count; i++) {
        Worker *worker = &workers->all[i];

        if (only >= 0 && only != i)
            continue;
        worker->job = *job;
        worker->abort = abort_it;
        worker->busy = true;
    }
    (void)pthread_cond_broadcast(&workers->changed);
    (void)pthread_mutex_unlock(&workers->lock);
}

void workers_post(Workers *workers, const Job *job, int only)
{
    post(workers, job, only, false);
}

void workers_post_abort(Workers *workers)
{
    Job none = {.commit = true};

    post(workers, &none, -1, true);
}

bool workers_tripped(const Workers *workers, int worker)
{
    return workers->all[worker].tripped;
}
