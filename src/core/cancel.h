/*
 * Stopping on SIGINT and SIGTERM.
 *
 * The handler only notes the signal and wakes the ones who wait. Loops ask
 * cancel_requested(); a wait that must end at once polls cancel_fd(), which is
 * readable from then on. A second signal ends the process at once.
 */
#pragma once

#include <stdbool.h>

#include "core/error.h"

void cancel_install(void);
/* In a process forked from ours that goes on by itself, before it starts a thread: what it is asked
 * is its own affair from then on. */
void cancel_forked(void);
bool cancel_requested(void);
int cancel_fd(void);
int cancel_signal(void); /* which one came, 0: none */

/* While held, a request to stop is noted but not yet acted upon: cancel_requested() is false. For
 * the seconds in which stopping half way would leave others waiting; cancel_pending() tells. */
void cancel_hold(bool hold);
bool cancel_pending(void);

/* Sleeps, but not past a request to stop. False when one came, with err set. */
bool cancel_sleep_ms(int ms, Error *err) MUST_USE;
/* False with ERR_CANCELLED when a stop was asked for. */
bool cancel_check(Error *err) MUST_USE;
/* Says by which signal we were stopped. Returns false. */
bool cancel_error(Error *err);
