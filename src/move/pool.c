#include "move/pool.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "core/log.h"

enum {
    TICK_MS = 200,
    MAX_THREADS = 64
};

typedef struct Pool {
    const PoolGraph *graph;
    const PoolWork *work;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int running;
    int alive; /* threads that take tasks */
    int left;
    bool failed;
    Error error;
} Pool;

typedef struct PoolThread {
    Pool *pool;
    void *worker;
    pthread_t id;
} PoolThread;

PoolGraph pool_graph(Arena *arena)
{
    return (PoolGraph){.arena = arena};
}

static void *grown(Arena *arena, void *items, int count, int *cap)
{
    *cap = *cap ? *cap * 2 : 8;
    void *larger = arena_array(arena, (size_t)*cap, sizeof(void *));
    if (count > 0)
        memcpy(larger, items, (size_t)count * sizeof(void *));
    return larger;
}

PoolTask *pool_add(PoolGraph *graph, double cost, void *payload)
{
    PoolTask *task = arena_alloc(graph->arena, sizeof *task);

    *task = (PoolTask){.cost = cost, .payload = payload};
    if (graph->count == graph->cap)
        graph->tasks = grown(graph->arena, graph->tasks, graph->count, &graph->cap);
    graph->tasks[graph->count++] = task;
    return task;
}

void pool_order(PoolGraph *graph, PoolTask *before, PoolTask *after)
{
    if (!before || before == after)
        return;
    if (before->next_count == before->next_cap)
        before->next = grown(graph->arena, before->next, before->next_count, &before->next_cap);
    before->next[before->next_count++] = after;
    after->waiting++;
}

/* The costliest task that could begin; *ret_ready counts the others. Tasks are
 * some thousands at most and each takes far longer than a walk over them. */
static PoolTask *pick(const Pool *pool, int *ret_ready)
{
    PoolTask *best = NULL;
    int ready = 0;

    for (int i = 0; i < pool->graph->count; i++) {
        PoolTask *task = pool->graph->tasks[i];
        if (task->done || task->waiting > 0)
            continue;
        ready++;
        if (!best || task->cost > best->cost)
            best = task;
    }
    *ret_ready = ready > 0 ? ready - 1 : 0;
    return best;
}

static void fail(Pool *pool, const Error *error)
{
    if (!pool->failed)
        pool->error = *error;
    pool->failed = true;
    atomic_store(pool->work->stop, true);
}

static void finish(Pool *pool, PoolTask *task)
{
    pool->left--;
    for (int i = 0; i < task->next_count; i++) {
        assert(task->next[i]->waiting > 0);
        task->next[i]->waiting--;
    }
}

/* Under the lock; NULL when there is nothing more to do for this thread. */
static PoolTask *next_task(Pool *pool, int *ret_ready)
{
    for (;;) {
        if (pool->failed || pool->left == 0)
            return NULL;
        PoolTask *task = pick(pool, ret_ready);
        if (task) {
            task->done = true; /* taken: nobody else may */
            return task;
        }
        if (pool->running == 0) {
            Error circle = ERROR_INIT;
            (void)error_set(&circle, ERR_WRONG_STATE, "%d tasks wait for each other", pool->left);
            fail(pool, &circle);
            (void)pthread_cond_broadcast(&pool->changed);
            return NULL;
        }
        (void)pthread_cond_wait(&pool->changed, &pool->lock);
    }
}

/* Under the lock. */
static bool get_ready(Pool *pool, void *worker)
{
    Error err = ERROR_INIT;

    if (!pool->work->ready)
        return true;
    (void)pthread_mutex_unlock(&pool->lock);
    bool ok = pool->work->ready(worker, &err);
    (void)pthread_mutex_lock(&pool->lock);
    if (ok || pool->left == 0 || pool->failed)
        return ok;
    pool->alive--;
    if (err.code != ERR_CONNECT || pool->alive == 0)
        fail(pool, &err);
    else
        log_warn("going on with a worker less", kv_str("reason", err.message));
    (void)pthread_cond_broadcast(&pool->changed);
    return false;
}

static void *thread_main(void *arg)
{
    const PoolThread *thread = arg;
    Pool *pool = thread->pool;
    int ready = 0;

    (void)pthread_mutex_lock(&pool->lock);
    if (!get_ready(pool, thread->worker)) {
        (void)pthread_mutex_unlock(&pool->lock);
        return NULL;
    }
    for (PoolTask *task; (task = next_task(pool, &ready)) != NULL;) {
        Error err = ERROR_INIT;

        pool->running++;
        (void)pthread_mutex_unlock(&pool->lock);
        bool ok = pool->work->run(thread->worker, task->payload, ready, &err);
        (void)pthread_mutex_lock(&pool->lock);
        pool->running--;
        if (ok)
            finish(pool, task);
        else
            fail(pool, &err);
        (void)pthread_cond_broadcast(&pool->changed);
    }
    (void)pthread_mutex_unlock(&pool->lock);
    return NULL;
}

static bool is_over(const Pool *pool)
{
    return pool->running == 0 && (pool->failed || pool->left == 0);
}

/* Tasks that end meanwhile may be thousands, and are no reason to tick for each. */
static void wait_a_tick(Pool *pool)
{
    struct timespec until = clock_after_ms(TICK_MS);

    while (!is_over(pool) &&
           pthread_cond_timedwait(&pool->changed, &pool->lock, &until) != ETIMEDOUT)
        continue;
}

static void watch(Pool *pool)
{
    bool over = false;

    (void)pthread_mutex_lock(&pool->lock);
    while (!over) {
        Error err = ERROR_INIT;

        wait_a_tick(pool);
        over = is_over(pool);
        (void)pthread_mutex_unlock(&pool->lock);
        bool ok = pool->work->tick(pool->work->tick_context, &err);
        (void)pthread_mutex_lock(&pool->lock);
        if (!ok)
            fail(pool, &err);
    }
    (void)pthread_cond_broadcast(&pool->changed);
    (void)pthread_mutex_unlock(&pool->lock);
}

bool pool_run(PoolGraph *graph, const PoolWork *work, Error *err)
{
    PoolThread threads[MAX_THREADS];
    Pool pool = {.graph = graph, .work = work, .alive = work->threads, .left = graph->count};
    int started = 0;

    assert(work->threads > 0 && work->threads <= MAX_THREADS);
    (void)pthread_mutex_init(&pool.lock, NULL);
    clock_cond_init(&pool.changed);
    for (; started < work->threads; started++) {
        threads[started] = (PoolThread){.pool = &pool, .worker = work->workers[started]};
        if (pthread_create(&threads[started].id, NULL, thread_main, &threads[started]) != 0)
            break;
    }
    (void)pthread_mutex_lock(&pool.lock);
    pool.alive -= work->threads - started;
    (void)pthread_mutex_unlock(&pool.lock);
    if (started > 0)
        watch(&pool);
    for (int i = 0; i < started; i++)
        (void)pthread_join(threads[i].id, NULL);
    (void)pthread_cond_destroy(&pool.changed);
    (void)pthread_mutex_destroy(&pool.lock);

    if (started == 0)
        return error_set(err, ERR_IO, "no thread could be started");
    if (pool.failed) {
        *err = pool.error;
        return false;
    }
    return true;
}
