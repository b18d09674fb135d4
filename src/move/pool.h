/*
 * Tasks with an order between them, done by several threads.
 *
 * A task is ready once all that it comes after are done; of the ready ones the
 * costliest is taken first, as the longest work must not begin last. The first
 * failure stops the pool: tasks in work end, no other begins.
 *
 * Threads share the graph under one lock and nothing else; what a task needs
 * beyond itself (connections) belongs to its thread's worker.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "core/arena.h"
#include "core/error.h"

typedef struct PoolTask PoolTask;

struct PoolTask {
    double cost;   /* of it and what hangs on it, in any unit: who goes first */
    void *payload; /* the owner's */
    int waiting;   /* private from here on: how many are still to be done before */
    PoolTask **next;
    int next_count;
    int next_cap;
    bool done;
};

typedef struct PoolGraph {
    Arena *arena;
    PoolTask **tasks;
    int count;
    int cap;
} PoolGraph;

PoolGraph pool_graph(Arena *arena);
PoolTask *pool_add(PoolGraph *graph, double cost, void *payload) RETURNS_NONNULL;
/* `after` begins only when `before` is done. NULL for `before` is fine. */
void pool_order(PoolGraph *graph, PoolTask *before, PoolTask *after);

typedef struct PoolWork {
    int threads;
    /* One a thread; `ready` is how many other tasks could begin right now. */
    bool (*run)(void *worker, void *payload, int ready, Error *err);
    /* Called once by each thread before its first task. Where it fails with ERR_CONNECT the others
     * go on without this one, unless it is the last. May be NULL. */
    bool (*ready)(void *worker, Error *err);
    void **workers;    /* one a thread */
    atomic_bool *stop; /* set when a task failed, for long tasks to see */
    /* Called by the calling thread, several times a second, and once at the end;
     * false with err set stops the pool. */
    bool (*tick)(void *context, Error *err);
    void *tick_context;
} PoolWork;

/* Runs all tasks. The error is the first one. Tasks must not go round in a circle: then
 * ERR_WRONG_STATE, when nothing is left that could begin. */
bool pool_run(PoolGraph *graph, const PoolWork *work, Error *err) MUST_USE;
