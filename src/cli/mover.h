/* The commands' way to the mover: started in the background where none runs, steered by its socket.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "cli/cli.h"
#include "move/move.h"

/* Asks the mover of the folder; where a live move is past its copy and no mover runs, starts one
 * first. Takes the reference of `request`; `watch` hears of the mover's steps, or is NULL; *ret is
 * the caller's. */
bool mover_ask(const Invocation *inv, json_t *request, const MoveWatch *watch, json_t **ret,
               Error *err) MUST_USE;

/* `move --detach`: forks; returns in the parent once the mover has begun to follow, still copies
 * after a second, or has ended. */
bool mover_detach(const Invocation *inv, const LiveOptions *options, int *ret_pid,
                  Error *err) MUST_USE;

/* Of a live move: not all of it is at the target yet, whether or not somebody copies. */
bool mover_is_copying(const MoveStatus *status);

/* Prints an answer: as it is with --json. */
bool mover_print_json(const json_t *answer, Error *err) MUST_USE;
