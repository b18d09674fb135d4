/*
 * A thread that runs an event loop, and a crew of threads for what blocks.
 *
 * What belongs to a loop is touched by its thread only. Others send it work
 * by loop_post(); loops share nothing else.
 */
#pragma once

#include <stdbool.h>

#include "core/error.h"

struct event_base;

typedef struct Loop Loop;
typedef void LoopWork(void *arg);

/* Starts when loop_start() is called; until then the caller may add events. */
Loop *loop_new(void);
void loop_free(Loop *loop); /* stopped before; accepts NULL */
struct event_base *loop_base(Loop *loop);
bool loop_start(Loop *loop, Error *err) MUST_USE;
/* From any thread: work(arg) soon, on the loop's thread, in the order of posting. */
void loop_post(Loop *loop, LoopWork *work, void *arg);
/* Ends the thread once it has done what was posted before, and waits for it. */
void loop_stop(Loop *loop);
/* Runs the loop in the calling thread, until loop_leave() is called in it. */
void loop_run_here(Loop *loop);
void loop_leave(Loop *loop);

typedef struct Crew Crew;

bool crew_new(int threads, Crew **ret, Error *err) MUST_USE;
/* Waits until everything submitted has been done. Accepts NULL. */
void crew_free(Crew *crew);
/* The same, but waits only so long: what has not begun by then is dropped by drop(arg), and what is
 * stuck in a system call ends there, by pthread_cancel(). */
void crew_stop(Crew *crew, int wait_ms, LoopWork *drop);
/* From any thread: work(arg) on one of the crew's threads. */
void crew_submit(Crew *crew, LoopWork *work, void *arg);
/* False: that many wait already, and this one is still the caller's. */
bool crew_offer(Crew *crew, LoopWork *work, void *arg, int max_waiting);
