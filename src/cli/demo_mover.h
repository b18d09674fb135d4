/*
 * The mover of the demo: a process of its own, as `homeport move --detach` makes one, but forked
 * early, while the demo has no thread, and dead when the demo is. It waits for a word to begin;
 * what it shows comes over a socket, what it is asked goes by its control socket as always.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "demo/demo.h"
#include "move/move.h"

enum {
    DEMO_NOTE_TEXT = 256
};

typedef struct DemoMover {
    pid_t pid; /* 0: there is none */
    int fd;
    bool failed; /* it has said why: `error` */
    Error error;
} DemoMover;

typedef enum DemoNoteKind {
    DEMO_NOTE_NONE,
    DEMO_NOTE_STEP,
    DEMO_NOTE_PROGRESS,
    DEMO_NOTE_ENDED
} DemoNoteKind;

typedef struct DemoNote {
    DemoNoteKind kind;
    char text[DEMO_NOTE_TEXT]; /* a step, or a remark */
    MoveProgress progress;     /* its step is not set */
    Error error;
} DemoNote;

/* A process of the demo's own, before any thread; it dies with the demo. *ret_pid is 0 in it,
 * *ret_fd an end of a socket pair in both. */
bool demo_child_fork(DemoPlace *place, pid_t *ret_pid, int *ret_fd, Error *err) MUST_USE;
/* In it: from now on what it says goes to the file, and the terminal is not its own. */
bool demo_child_let_go(const char *log);
/* Ends it, and waits. */
void demo_child_end(pid_t pid);

/* Before any thread. `config` and `place` are as they will be when it begins. */
bool demo_mover_fork(const Config *config, DemoPlace *place, DemoMover *ret, Error *err) MUST_USE;
bool demo_mover_begin(const DemoMover *mover, Error *err) MUST_USE;
/* The next that it has to show, within this time; DEMO_NOTE_NONE: nothing came. False where it has
 * ended, with its own error. */
bool demo_mover_next(DemoMover *mover, int timeout_ms, DemoNote *ret, Error *err) MUST_USE;
/* In place of an error that only says that it does not answer: why it ended, where it said so. */
bool demo_mover_explain(DemoMover *mover, Error *err);
/* Ends it, if it is still there, and waits. */
void demo_mover_end(DemoMover *mover);
