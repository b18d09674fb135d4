/* Keeps what a process has run that does not end by exit(): without this the lines of a detached
 * mover, of its watchers and of every other child that must not run its parent's exit handlers
 * would look untested. Linked with --wrap, into builds that count lines only (-Db_coverage=true).
 *
 * Counts are written by code that allocates and locks. The child of a process that had threads may
 * do neither: a lock that one of them held at the fork is never let go of in it. What such a child
 * runs is not counted; it would sometimes wait for ever.
 */
#include <dirent.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

void __gcov_dump(void);
int __real___gcov_execve(const char *path, char *const argv[], char *const env[]);
int __wrap___gcov_execve(const char *path, char *const argv[], char *const env[]);
_Noreturn void __real__exit(int status);
_Noreturn void __wrap__exit(int status);
_Noreturn void __real_abort(void);
_Noreturn void __wrap_abort(void);

static bool had_threads; /* as of the last fork */
static bool must_not_count;

static void before_fork(void)
{
    DIR *tasks = opendir("/proc/self/task");
    int count = 0;

    for (const struct dirent *entry; tasks && (entry = readdir(tasks));)
        count += entry->d_name[0] != '.';
    if (tasks)
        (void)closedir(tasks);
    had_threads = count != 1;
}

static void in_child(void)
{
    must_not_count |= had_threads; /* and so may its children not */
}

__attribute__((constructor)) static void watch_forks(void)
{
    if (pthread_atfork(before_fork, NULL, in_child) != 0)
        __real_abort();
}

/* What the compiler makes of execve() where it counts. */
int __wrap___gcov_execve(const char *path, char *const argv[], char *const env[])
{
    return must_not_count ? (int)syscall(SYS_execve, path, argv, env)
                          : __real___gcov_execve(path, argv, env);
}

_Noreturn void __wrap__exit(int status)
{
    if (!must_not_count)
        __gcov_dump();
    __real__exit(status);
}

_Noreturn void __wrap_abort(void)
{
    if (!must_not_count)
        __gcov_dump();
    __real_abort();
}
