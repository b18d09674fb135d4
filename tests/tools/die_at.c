/*
 * Loaded before the program's libraries: ends it, as kill -9 does, at the Nth step of its main
 * thread that leaves a trace somewhere: a word to a server, or a statement of the state database.
 *
 * Steps are counted while the file exists that DIE_AT names; it holds N. Where N is 0 none is the
 * last, and the count so far is in the file of that name with ".count".
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void note_count(const char *path, long count)
{
    char name[4096];
    char text[32];

    (void)snprintf(name, sizeof name, "%s.count", path);
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int len = snprintf(text, sizeof text, "%ld\n", count);
    if (fd < 0)
        return;
    (void)!write(fd, text, (size_t)len);
    (void)close(fd);
}

static void step(void)
{
    static long count;
    static long counted_for = -1; /* another N, another count */
    const char *path = getenv("DIE_AT");
    FILE *file = path && gettid() == getpid() ? fopen(path, "re") : NULL;
    char text[32] = "";

    if (!file)
        return;
    bool read = fgets(text, sizeof text, file) != NULL;
    (void)fclose(file);
    if (!read)
        return;
    long last = strtol(text, NULL, 10);
    if (last != counted_for)
        count = 0;
    counted_for = last;
    count++;
    if (last == 0)
        note_count(path, count);
    else if (count == last)
        (void)kill(getpid(), SIGKILL);
}

static void *next(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);

    if (!found)
        abort();
    return found;
}

PGresult *PQexec(PGconn *conn, const char *query)
{
    static PGresult *(*real)(PGconn *, const char *);

    if (!real)
        *(void **)&real = next("PQexec");
    step();
    return real(conn, query);
}

PGresult *PQexecParams(PGconn *conn, const char *command, int count, const Oid *types,
                       const char *const *values, const int *lengths, const int *formats,
                       int result_format)
{
    static PGresult *(*real)(PGconn *, const char *, int, const Oid *, const char *const *,
                             const int *, const int *, int);

    if (!real)
        *(void **)&real = next("PQexecParams");
    step();
    return real(conn, command, count, types, values, lengths, formats, result_format);
}

int sqlite3_step(sqlite3_stmt *statement)
{
    static int (*real)(sqlite3_stmt *);

    if (!real)
        *(void **)&real = next("sqlite3_step");
    step();
    return real(statement);
}
