/*
 * Pause, switch and resume, of all workers together, and the socket by which
 * they are asked for. Runs on the main thread's loop. Private to src/gateway.
 */
#pragma once

#include "gateway/shared.h"
#include "gateway/state.h"

typedef struct Control Control;

/* `state` is on disk (state_take()), and saved here when it changes; its texts outlive the control.
 */
bool control_new(Gateway *gateway, const GatewayState *state, Control **ret, Error *err) MUST_USE;
void control_free(Control *control);
/* Listens on the socket; workers begin with what the state says. */
bool control_start(Control *control, Error *err) MUST_USE;
/* "serving", "pausing", "paused" */
const char *control_state(const Control *control);
