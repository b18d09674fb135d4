/*
 * A folder of its own for a test, and a process of its own for what would end
 * the test's: an abort, a signal.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/arena.h"
#include "core/file.h"

/* Set-up and teardown: *state is the folder's path. */
static inline int folder_make(void **state)
{
    char template[] = "/tmp/homeport-test-XXXXXX";

    *state = mkdtemp(template) ? strdup(template) : NULL;
    return *state ? 0 : -1;
}

static inline int folder_remove(void **state)
{
    Error err = ERROR_INIT;
    bool removed = file_remove_tree(*state, &err);

    free(*state);
    return removed ? 0 : -1;
}

/* Runs it in a child, whose standard error is given back. The result is its exit status, or 128 +
 * signal. What it would assert it returns, as a failed assertion cannot be told from here. */
static inline int in_child(Arena *arena, int (*run)(void *context), void *context,
                           char **ret_errors)
{
    int ends[2] = {-1, -1};
    char *errors = arena_alloc(arena, 4096);
    size_t len = 0;
    int status = 0;

    if (pipe(ends) < 0)
        return -1;
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        (void)dup2(ends[1], STDERR_FILENO);
        (void)close(ends[0]);
        (void)close(ends[1]);
        _exit(run(context));
    }
    (void)close(ends[1]);
    for (ssize_t n; len < 4095 && (n = read(ends[0], errors + len, 4095 - len)) > 0;)
        len += (size_t)n;
    (void)close(ends[0]);
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return -1;
    if (ret_errors)
        *ret_errors = errors;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
