#include "http/loop.h"

#include <event2/event.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/memory.h"

typedef struct Item {
    struct Item *next;
    LoopWork *work;
    void *arg;
} Item;

typedef struct Queue {
    Item *first;
    Item **last;
} Queue;

struct Loop {
    struct event_base *base;
    struct event *wake;
    pthread_mutex_t lock; /* of `posted` */
    Queue posted;
    pthread_t thread;
    int wake_fd;
    bool started;
};

static void queue_add(Queue *queue, LoopWork *work, void *arg)
{
    Item *item = memory_zeroed(1, sizeof *item);

    item->work = work;
    item->arg = arg;
    *queue->last = item;
    queue->last = &item->next;
}

static Item *queue_take_all(Queue *queue)
{
    Item *all = queue->first;

    queue->first = NULL;
    queue->last = &queue->first;
    return all;
}

static void loop_wake(evutil_socket_t fd, short what, void *arg)
{
    Loop *loop = arg;
    uint64_t count;

    (void)what;
    (void)!read(fd, &count, sizeof count);
    (void)pthread_mutex_lock(&loop->lock);
    Item *item = queue_take_all(&loop->posted);
    (void)pthread_mutex_unlock(&loop->lock);
    while (item) {
        Item *next = item->next;
        item->work(item->arg);
        free(item);
        item = next;
    }
}

Loop *loop_new(void)
{
    Loop *loop = memory_zeroed(1, sizeof *loop);

    loop->posted.last = &loop->posted.first;
    (void)pthread_mutex_init(&loop->lock, NULL);
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    loop->base = event_base_new();
    must(loop->base && loop->wake_fd >= 0, "memory or descriptors");
    loop->wake = event_new(loop->base, loop->wake_fd, EV_READ | EV_PERSIST, loop_wake, loop);
    must(loop->wake && event_add(loop->wake, NULL) == 0, "memory");
    return loop;
}

void loop_free(Loop *loop)
{
    if (!loop)
        return;
    for (Item *item = queue_take_all(&loop->posted), *next; item; item = next) {
        next = item->next;
        free(item);
    }
    event_free(loop->wake);
    event_base_free(loop->base);
    (void)close(loop->wake_fd);
    (void)pthread_mutex_destroy(&loop->lock);
    free(loop);
}

struct event_base *loop_base(Loop *loop)
{
    return loop->base;
}

void loop_run_here(Loop *loop)
{
    (void)event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY);
}

void loop_leave(Loop *loop)
{
    (void)event_base_loopbreak(loop->base);
}

static void *loop_main(void *arg)
{
    loop_run_here(arg);
    return NULL;
}

/* Signals are the main thread's. */
static bool thread_start(pthread_t *thread, void *(*body)(void *), void *arg, Error *err)
{
    sigset_t all;
    sigset_t before;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(thread, NULL, body, arg);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed == 0 || error_set(err, ERR_IO, "no thread could be started");
}

bool loop_start(Loop *loop, Error *err)
{
    loop->started = thread_start(&loop->thread, loop_main, loop, err);
    return loop->started;
}

void loop_post(Loop *loop, LoopWork *work, void *arg)
{
    static const uint64_t one = 1;

    (void)pthread_mutex_lock(&loop->lock);
    bool first = !loop->posted.first;
    queue_add(&loop->posted, work, arg);
    (void)pthread_mutex_unlock(&loop->lock);
    if (first)
        (void)!write(loop->wake_fd, &one, sizeof one);
}

static void leave(void *arg)
{
    loop_leave(arg);
}

void loop_stop(Loop *loop)
{
    if (!loop->started)
        return;
    loop_post(loop, leave, loop);
    (void)pthread_join(loop->thread, NULL);
    loop->started = false;
}

/* ---- crew ---- */

struct Crew {
    pthread_mutex_t lock;
    pthread_cond_t more;
    Queue queue;
    bool ending;
    int waiting;
    int alive;
    int count;
    pthread_t threads[];
};

static Item *crew_next(Crew *crew)
{
    Item *item = NULL;

    (void)pthread_mutex_lock(&crew->lock);
    while (!crew->ending && !crew->queue.first)
        (void)pthread_cond_wait(&crew->more, &crew->lock);
    if (crew->queue.first) {
        item = crew->queue.first;
        crew->queue.first = item->next;
        if (!item->next)
            crew->queue.last = &crew->queue.first;
        crew->waiting--;
    } else {
        crew->alive--;
    }
    (void)pthread_mutex_unlock(&crew->lock);
    return item;
}

static void *crew_main(void *arg)
{
    for (Item *item; (item = crew_next(arg)) != NULL;) {
        Item now = *item;
        free(item);
        now.work(now.arg);
    }
    return NULL;
}

bool crew_new(int threads, Crew **ret, Error *err)
{
    Crew *crew = memory_zeroed(1, sizeof *crew + (size_t)threads * sizeof crew->threads[0]);

    crew->queue.last = &crew->queue.first;
    (void)pthread_mutex_init(&crew->lock, NULL);
    (void)pthread_cond_init(&crew->more, NULL);
    crew->alive = threads;
    for (int i = 0; i < threads; i++, crew->count++)
        if (!thread_start(&crew->threads[i], crew_main, crew, err)) {
            crew_free(crew);
            return false;
        }
    *ret = crew;
    return true;
}

static void crew_end(Crew *crew)
{
    (void)pthread_mutex_lock(&crew->lock);
    crew->ending = true;
    (void)pthread_cond_broadcast(&crew->more);
    (void)pthread_mutex_unlock(&crew->lock);
}

static bool crew_is_done(Crew *crew)
{
    (void)pthread_mutex_lock(&crew->lock);
    bool done = crew->alive == 0;
    (void)pthread_mutex_unlock(&crew->lock);
    return done;
}

static Item *crew_take_all(Crew *crew)
{
    (void)pthread_mutex_lock(&crew->lock);
    Item *all = queue_take_all(&crew->queue);
    (void)pthread_mutex_unlock(&crew->lock);
    return all;
}

void crew_stop(Crew *crew, int wait_ms, LoopWork *drop)
{
    double until = clock_seconds() + wait_ms / 1000.0;

    if (!crew)
        return;
    crew_end(crew);
    while (!crew_is_done(crew) && clock_seconds() < until)
        (void)usleep(1000);
    for (Item *item = crew_take_all(crew), *next; item; item = next) {
        next = item->next;
        drop(item->arg);
        free(item);
    }
    for (int i = 0; i < crew->count && !crew_is_done(crew); i++)
        (void)pthread_cancel(crew->threads[i]);
    crew_free(crew);
}

void crew_free(Crew *crew)
{
    if (!crew)
        return;
    crew_end(crew);
    for (int i = 0; i < crew->count; i++)
        (void)pthread_join(crew->threads[i], NULL);
    for (Item *item = crew->queue.first, *next; item; item = next) {
        next = item->next;
        free(item);
    }
    (void)pthread_cond_destroy(&crew->more);
    (void)pthread_mutex_destroy(&crew->lock);
    free(crew);
}

bool crew_offer(Crew *crew, LoopWork *work, void *arg, int max_waiting)
{
    (void)pthread_mutex_lock(&crew->lock);
    bool fits = crew->waiting < max_waiting;
    if (fits) {
        queue_add(&crew->queue, work, arg);
        crew->waiting++;
        (void)pthread_cond_signal(&crew->more);
    }
    (void)pthread_mutex_unlock(&crew->lock);
    return fits;
}

void crew_submit(Crew *crew, LoopWork *work, void *arg)
{
    (void)crew_offer(crew, work, arg, INT_MAX);
}
