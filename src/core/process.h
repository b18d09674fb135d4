/*
 * Other programs: run with an argv array, never through a shell, in their own
 * process group, so that a Ctrl-C at the terminal reaches only us and we
 * decide in which order things stop.
 *
 * Secrets go through `env`, never through argv.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/arena.h"
#include "core/error.h"

typedef struct ProcessOptions {
    const char *const
        *argv; /* argv[0] is looked up in PATH unless it has a slash; NULL at the end */
    const char *const *env;  /* "NAME=value" on top of ours, NULL at the end; may be NULL.
                                "NAME" without '=' removes it */
    const char *dir;         /* working directory, NULL: ours */
    const char *stdout_path; /* NULL: captured */
    const char *stdin_path;  /* a file as its standard input, NULL: /dev/null */
    int timeout_ms;          /* 0: none */
    int grace_ms;            /* to end by itself when it is stopped; 0: 3 s */
    bool stop_while_held;    /* by a request to stop, also while these are held (core/cancel.h) */
    const char *user;        /* run as this user (we must be root), NULL: as ourselves */
} ProcessOptions;

typedef struct ProcessResult {
    int status;     /* exit status, or 128 + signal */
    char *out;      /* captured standard output, at most 16 MiB */
    char *err_tail; /* the last 128 KiB of standard error */
} ProcessResult;

/* Runs it to its end. Fails only where it could not be run, was stopped by the
 * time limit or by a request to stop (ERR_CANCELLED); what its exit status means is the caller's.
 */
bool process_run(Arena *arena, const ProcessOptions *options, ProcessResult *ret,
                 Error *err) MUST_USE;

/* process_run, and a status other than 0 is ERR_PROGRAM with the last line of standard error, or
 * the last of them that is called an error. `ret` may be NULL; it is filled for such a status as
 * well. */
bool process_check(Arena *arena, const ProcessOptions *options, ProcessResult *ret,
                   Error *err) MUST_USE;

/* A program of this name in PATH. */
bool process_find(Arena *arena, const char *name, char **ret);

/* Sends the signal to each process of this session (getsid()) that was started with this
 * "NAME=value" in its environment; says how many there are. */
int process_signal_all(int session, const char *variable, int signal_number);
