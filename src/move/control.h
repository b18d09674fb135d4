/*
 * How other commands steer the mover: <dir>/control.sock (0600), one JSON object a line each way.
 * Request: {"verb": "cutover", ...}; answers: {"event": "...", ...} while at work, and at the end
 * {"ok": true, ...} or {"ok": false, "error": {...}}. Who hangs up gives up watching, not the work.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "core/arena.h"
#include "core/error.h"

typedef struct Control Control;
typedef struct ControlCall ControlCall; /* one request that waits for its answer */

/* ---- the mover's side: all from one thread ---- */

enum {
    CONTROL_MAX_CALLS = 64 /* that have no answer yet */
};

bool control_listen(const char *dir, Control **ret, Error *err) MUST_USE;
/* Removes the socket, and ends the calls that have no answer; accepts NULL. */
void control_close(Control *control);
/* Waits up to timeout_ms, and not past a request to stop (core/cancel.h). *ret: a request that has
 * come whole, or NULL. What slow callers have not taken yet is sent on from here: call it often. A
 * call lives until it is answered, also where its caller has hung up. */
bool control_next(Control *control, int timeout_ms, ControlCall **ret, Error *err) MUST_USE;
const char *control_verb(const ControlCall *call);
const json_t *control_params(const ControlCall *call);  /* the whole request object */
void control_event(ControlCall *call, json_t *event);   /* takes the reference */
void control_answer(ControlCall *call, json_t *answer); /* takes the reference; ends the call */
void control_fail(ControlCall *call, const Error *error);

/* ---- a command's side ---- */

/* Somebody does, whether he is busy or not. */
bool control_listens(const char *dir);

/* How a command waits. */
typedef struct ControlWatch {
    void (*on_event)(void *context, const json_t *event); /* may be NULL */
    void *context;
    int patience_ms; /* for each line that the mover sends; 0: for ever */
} ControlWatch;

/* Takes the request's reference. `watch` may be NULL. *ret: the answer, the caller's. ERR_CONNECT
 * where nobody listens, or the mover ended before it answered, or was busy for longer than the
 * caller is patient; an answer with "ok": false is the mover's own error. */
bool control_call(const char *dir, json_t *request, const ControlWatch *watch, json_t **ret,
                  Error *err) MUST_USE;
