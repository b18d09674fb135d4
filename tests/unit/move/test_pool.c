#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <string.h>

#include "core/clock.h"
#include "move/pool.h"

enum {
    MAX_JOBS = 3000
};

typedef struct Log Log;

/* What a task of these tests is. */
typedef struct Job {
    Log *log;
    int number;
    int after[8]; /* numbers of the ones that must be done before, 0 behind the last */
    bool fails;
    bool until_stop; /* works until the pool is to stop */
} Job;

struct Log {
    pthread_mutex_t lock;
    int order[MAX_JOBS]; /* of ending */
    int count;
    int began_too_early;
    int ready[MAX_JOBS]; /* as told to each, in the order of ending */
    atomic_int at_once;
    atomic_int most_at_once;
    atomic_bool done[MAX_JOBS + 1];
    atomic_bool stop;
    int ticks;
    int ticks_until_failure; /* 0: none */
    atomic_int last_seen;    /* by the tick: tasks that were done */
};

static void log_init(Log *log)
{
    *log = (Log){.count = 0};
    assert_int_equal(pthread_mutex_init(&log->lock, NULL), 0);
}

static void note_most(Log *log, int now)
{
    int most = atomic_load(&log->most_at_once);

    while (now > most && !atomic_compare_exchange_weak(&log->most_at_once, &most, now))
        continue;
}

static bool work(void *worker, void *payload, int ready, Error *err)
{
    Job *job = payload;
    Log *log = job->log;
    bool early = false;

    if (worker)
        ++*(int *)worker; /* its own: nobody else may touch it at the same time */
    for (int i = 0; i < 8 && job->after[i]; i++)
        early = early || !atomic_load(&log->done[job->after[i]]);
    note_most(log, atomic_fetch_add(&log->at_once, 1) + 1);
    for (double end = clock_seconds() + 30;
         job->until_stop && !atomic_load(&log->stop) && clock_seconds() < end;)
        continue;
    (void)atomic_fetch_sub(&log->at_once, 1);
    (void)pthread_mutex_lock(&log->lock);
    log->began_too_early += early;
    log->ready[log->count] = ready;
    log->order[log->count++] = job->number;
    (void)pthread_mutex_unlock(&log->lock);
    atomic_store(&log->done[job->number], true);
    return !job->fails || error_set(err, ERR_SQL, "task %d failed", job->number);
}

static bool tick(void *context, Error *err)
{
    Log *log = context;

    log->ticks++;
    (void)pthread_mutex_lock(&log->lock);
    atomic_store(&log->last_seen, log->count);
    (void)pthread_mutex_unlock(&log->lock);
    return !log->ticks_until_failure || log->ticks < log->ticks_until_failure ||
           error_set(err, ERR_CANCELLED, "stopped");
}

static bool run(PoolGraph *graph, Log *log, int threads, Error *err)
{
    int counts[64] = {0};
    void *workers[64];
    PoolWork pool = {.threads = threads,
                     .run = work,
                     .workers = workers,
                     .stop = &log->stop,
                     .tick = tick,
                     .tick_context = log};
    int total = 0;

    for (int i = 0; i < threads; i++)
        workers[i] = &counts[i];
    bool ok = pool_run(graph, &pool, err);
    for (int i = 0; i < threads; i++)
        total += counts[i];
    assert_int_equal(total, log->count);
    assert_int_equal(log->began_too_early, 0);
    return ok;
}

static void what_comes_after_begins_after(void **state)
{
    (void)state;
    static const int threads[] = {1, 2, 8, 64};

    for (size_t t = 0; t < COUNT_OF(threads); t++) {
        auto_arena Arena *arena = arena_new();
        PoolGraph graph = pool_graph(arena);
        Log *log = arena_alloc(arena, sizeof *log);
        Job *jobs = arena_array(arena, MAX_JOBS + 1, sizeof *jobs);
        PoolTask **tasks = arena_array(arena, MAX_JOBS + 1, sizeof *tasks);
        uint32_t random = 12345;
        Error err = ERROR_INIT;

        log_init(log);
        for (int i = 1; i <= 1000; i++) {
            jobs[i] = (Job){.log = log, .number = i};
            random = random * 1103515245 + 12345;
            tasks[i] = pool_add(&graph, random >> 16 & 0xFF, &jobs[i]);
            for (int k = 0; i > 1 && k < i % 8; k++) {
                random = random * 1103515245 + 12345;
                jobs[i].after[k] = 1 + (int)((random >> 8) % (uint32_t)(i - 1));
                pool_order(&graph, tasks[jobs[i].after[k]], tasks[i]); /* some of them twice */
            }
        }
        assert_true(run(&graph, log, threads[t], &err));
        assert_int_equal(log->count, 1000);
        assert_true(atomic_load(&log->most_at_once) <= threads[t]);
        assert_int_equal(atomic_load(&log->last_seen), 1000); /* the last tick sees the end */
        assert_false(atomic_load(&log->stop));
    }
}

static void the_costliest_of_the_ready_is_taken_first(void **state)
{
    (void)state;
    static const struct {
        double cost;
        int after;
    } tasks[] = {
        {5, 0},
        {9, 0},
        {1, 0},
        {7, 3},
        {9, 1},
        {6, 0}
    };
    static const int order[] = {2, 6, 1, 5, 3, 4};
    static const int ready[] = {3, 2, 1, 1, 0, 0};
    auto_arena Arena *arena = arena_new();
    PoolGraph graph = pool_graph(arena);
    Log *log = arena_alloc(arena, sizeof *log);
    Job jobs[COUNT_OF(tasks)];
    PoolTask *added[COUNT_OF(tasks)];
    Error err = ERROR_INIT;

    log_init(log);
    for (size_t i = 0; i < COUNT_OF(tasks); i++) {
        jobs[i] = (Job){.log = log, .number = (int)i + 1};
        added[i] = pool_add(&graph, tasks[i].cost, &jobs[i]);
        pool_order(&graph, tasks[i].after ? added[tasks[i].after - 1] : NULL, added[i]);
        pool_order(&graph, added[i], added[i]); /* on itself it does not wait */
    }
    assert_true(run(&graph, log, 1, &err));
    assert_memory_equal(log->order, order, sizeof order);
    assert_memory_equal(log->ready, ready, sizeof ready);
}

static void the_first_failure_stops_all_and_is_the_error(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    PoolGraph graph = pool_graph(arena);
    Log *log = arena_alloc(arena, sizeof *log);
    Job *jobs = arena_array(arena, 101, sizeof *jobs);
    Error err = ERROR_INIT;

    log_init(log);
    for (int i = 1; i <= 100; i++) {
        /* One works until told to stop and fails then, too: its error came second. */
        jobs[i] = (Job){.log = log, .number = i, .fails = i <= 2, .until_stop = i == 1};
        (void)pool_add(&graph, i <= 2 ? 10 - i : 1, &jobs[i]);
    }
    assert_false(run(&graph, log, 2, &err));
    assert_int_equal(err.code, ERR_SQL);
    assert_string_equal(err.message, "task 2 failed");
    assert_true(atomic_load(&log->stop));
    assert_int_equal(log->count, 2); /* no other began */
    assert_int_equal(log->order[1], 1);
}

static void what_waits_for_a_failed_task_never_begins(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    PoolGraph graph = pool_graph(arena);
    Log *log = arena_alloc(arena, sizeof *log);
    Job first = {.log = log, .number = 1, .fails = true};
    Job second = {.log = log, .number = 2};
    Error err = ERROR_INIT;

    log_init(log);
    PoolTask *before = pool_add(&graph, 1, &first);
    pool_order(&graph, before, pool_add(&graph, 1, &second));
    assert_false(run(&graph, log, 4, &err));
    assert_string_equal(err.message, "task 1 failed");
    assert_int_equal(log->count, 1);
}

static void a_circle_is_an_error_once_nothing_else_is_left(void **state)
{
    (void)state;
    static const int threads[] = {1, 4};

    for (size_t t = 0; t < COUNT_OF(threads); t++) {
        auto_arena Arena *arena = arena_new();
        PoolGraph graph = pool_graph(arena);
        Log *log = arena_alloc(arena, sizeof *log);
        Job jobs[5];
        PoolTask *tasks[5];
        Error err = ERROR_INIT;

        log_init(log);
        for (int i = 0; i < 5; i++) {
            jobs[i] = (Job){.log = log, .number = i + 1};
            tasks[i] = pool_add(&graph, 1, &jobs[i]);
        }
        pool_order(&graph, tasks[1], tasks[2]);
        pool_order(&graph, tasks[2], tasks[3]);
        pool_order(&graph, tasks[3], tasks[1]);
        assert_false(run(&graph, log, threads[t], &err));
        assert_int_equal(err.code, ERR_WRONG_STATE);
        assert_string_equal(err.message, "3 tasks wait for each other");
        assert_int_equal(log->count, 2);
    }
}

static void no_tasks_are_done_at_once_with_one_tick(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    PoolGraph graph = pool_graph(arena);
    Log *log = arena_alloc(arena, sizeof *log);
    Error err = ERROR_INIT;

    log_init(log);
    assert_true(run(&graph, log, 3, &err));
    assert_int_equal(log->ticks, 1);
}

static void ticks_come_by_time_not_by_task(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    PoolGraph graph = pool_graph(arena);
    Log *log = arena_alloc(arena, sizeof *log);
    Job *jobs = arena_array(arena, MAX_JOBS, sizeof *jobs);
    double started = clock_seconds();
    Error err = ERROR_INIT;

    log_init(log);
    for (int i = 0; i < MAX_JOBS; i++) {
        jobs[i] = (Job){.log = log, .number = i + 1};
        (void)pool_add(&graph, 1, &jobs[i]);
    }
    assert_true(run(&graph, log, 2, &err));
    assert_int_equal(log->count, MAX_JOBS);
    assert_true(log->ticks <= (clock_seconds() - started) * 1000 / 200 + 1);
}

static void a_tick_that_fails_stops_the_pool(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    PoolGraph graph = pool_graph(arena);
    Log *log = arena_alloc(arena, sizeof *log);
    Job jobs[] = {
        {.log = log, .number = 1, .until_stop = true},
        {.log = log,          .number = 2           }
    };
    Error err = ERROR_INIT;

    log_init(log);
    log->ticks_until_failure = 2;
    PoolTask *before = pool_add(&graph, 1, &jobs[0]);
    pool_order(&graph, before, pool_add(&graph, 1, &jobs[1]));
    assert_false(run(&graph, log, 2, &err));
    assert_int_equal(err.code, ERR_CANCELLED);
    assert_int_equal(log->count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_after_begins_after),
        cmocka_unit_test(the_costliest_of_the_ready_is_taken_first),
        cmocka_unit_test(the_first_failure_stops_all_and_is_the_error),
        cmocka_unit_test(what_waits_for_a_failed_task_never_begins),
        cmocka_unit_test(a_circle_is_an_error_once_nothing_else_is_left),
        cmocka_unit_test(no_tasks_are_done_at_once_with_one_tick),
        cmocka_unit_test(ticks_come_by_time_not_by_task),
        cmocka_unit_test(a_tick_that_fails_stops_the_pool),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
