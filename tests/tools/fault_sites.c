/*
 * Loaded before the program's libraries: finds the places of the program that call libpq, touch
 * files or ask the machine for something, and has one of them fail once, as it does where a
 * connection is lost or a disk is bad.
 *
 * A site is a function and the innermost return addresses inside the program, as offsets. The file
 * that FAULT_SITES names says what happens while it exists: "record NUMBER" writes a line "id
 * function offset..." for each site, once for a number, to the file of that name with ".sites"; an
 * id has the first call from there fail, of whichever process or thread, and is taken away with the
 * file.
 *
 * What libpq says of it is its own: the connection is shut down before the call, or what it is to
 * connect to is a port where nobody listens. Calls on files have EIO, also those that SQLite makes;
 * what SQLite itself refuses is a statement on a table that is not there. Of what the machine is
 * asked for there is no thread, no descriptor and no memory left.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libpq-fe.h>
#include <link.h>
#include <poll.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RECORD "record "

enum {
    STACK = 48,
    KEPT = 4, /* frames: what calls the wrappers is among them */
    MOST_SITES = 8192,
    PATH_SIZE = 4096,
    MOST_PARAMETERS = 64
};

typedef struct Range {
    uintptr_t base;
    uintptr_t end;
} Range;

static Range program;
static Range sqlite;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t seen[MOST_SITES];
static int seen_count;
static _Thread_local bool inside; /* what is called here is nobody's site */

static int find_range(struct dl_phdr_info *info, size_t size, void *unused)
{
    bool first = program.end == 0;
    Range *range = first ? &program : strstr(info->dlpi_name, "libsqlite3") ? &sqlite : NULL;

    (void)size;
    (void)unused;
    if (!range)
        return 0;
    range->base = info->dlpi_addr;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        uintptr_t end = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr + info->dlpi_phdr[i].p_memsz;
        if (info->dlpi_phdr[i].p_type == PT_LOAD && end > range->end)
            range->end = end;
    }
    return 0;
}

/* Programs that it starts inherit the environment; they are not meant. */
static void find_ranges(void)
{
    if (strcmp(program_invocation_short_name, "homeport") == 0)
        (void)dl_iterate_phdr(find_range, NULL);
}

static bool is_in(const Range *range, const void *address)
{
    (void)pthread_once(&once, find_ranges);
    return (uintptr_t)address >= range->base && (uintptr_t)address < range->end;
}

/* Not by what stands in for these functions below. */
static bool read_order(const char *path, char order[32])
{
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    long len = syscall(SYS_read, fd, order, (size_t)31);
    (void)syscall(SYS_close, fd);
    order[len > 0 ? len : 0] = '\0';
    return len > 0;
}

static void note(const char *path, const char *suffix, const char *line)
{
    char name[PATH_SIZE];

    (void)snprintf(name, sizeof name, "%s.%s", path, suffix);
    int fd =
        (int)syscall(SYS_openat, AT_FDCWD, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    (void)syscall(SYS_write, fd, line, strlen(line));
    (void)syscall(SYS_close, fd);
}

static bool is_new(const char *order, uint64_t id)
{
    static long seen_for;
    long number = strtol(order + strlen(RECORD), NULL, 10);
    bool found = false;

    (void)pthread_mutex_lock(&lock);
    if (number != seen_for)
        seen_count = 0;
    seen_for = number;
    for (int i = 0; i < seen_count && !found; i++)
        found = seen[i] == id;
    if (!found && seen_count < MOST_SITES)
        seen[seen_count++] = id;
    (void)pthread_mutex_unlock(&lock);
    return !found;
}

/* The line of this call's site. */
static uint64_t find_site(const char *function, char *line, size_t size)
{
    void *stack[STACK];
    int depth = backtrace(stack, STACK);
    uint64_t id = 14695981039346656037u; /* FNV-1a */
    char frames[KEPT * 20] = "";
    size_t len = 0;

    for (const char *c = function; *c; c++)
        id = (id ^ (unsigned char)*c) * 1099511628211u;
    for (int i = 0, kept = 0; i < depth && kept < KEPT; i++) {
        if (!is_in(&program, stack[i]))
            continue;
        uintptr_t offset = (uintptr_t)stack[i] - program.base;
        id = (id ^ offset) * 1099511628211u;
        len += (size_t)snprintf(frames + len, sizeof frames - len, " %" PRIxPTR, offset);
        kept++;
    }
    (void)snprintf(line, size, "%016" PRIx64 " %s%s\n", id, function, frames);
    return id;
}

static bool is_chosen(const char *path, const char *function)
{
    char order[32];
    char line[256];

    if (!read_order(path, order))
        return false;
    uint64_t id = find_site(function, line, sizeof line);
    if (strncmp(order, RECORD, strlen(RECORD)) == 0) {
        if (is_new(order, id))
            note(path, "sites", line);
        return false;
    }
    /* Who takes the order away is the one that fails. */
    if (strtoull(order, NULL, 16) != id || syscall(SYS_unlinkat, AT_FDCWD, path, 0) != 0)
        return false;
    note(path, "failed", line);
    return true;
}

static bool fails(const char *function, const void *caller)
{
    const char *path = getenv("FAULT_SITES");

    if (!path || inside || !is_in(&program, caller))
        return false;
    int before = errno;
    inside = true;
    bool chosen = is_chosen(path, function);
    inside = false;
    errno = before;
    return chosen;
}

/* Whether this call on a file fails; then errno is set. */
static bool file_fails(const char *function, const void *caller)
{
    bool chosen = is_in(&sqlite, caller) ? fails("sqlite", (const void *)program.base)
                                         : fails(function, caller);

    if (chosen)
        errno = EIO;
    return chosen;
}

/* What is a pipe, a socket or the terminal has no disk. */
static bool fd_fails(const char *function, int fd, const void *caller)
{
    struct stat info;
    int before = errno;
    bool on_disk = fd > STDERR_FILENO && fstat(fd, &info) == 0 &&
                   (S_ISREG(info.st_mode) || S_ISDIR(info.st_mode));

    errno = before;
    return on_disk && file_fails(function, caller);
}

static void *next(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);

    if (!found)
        abort();
    return found;
}

/* What only sends is told of the loss at once, as libpq has buffers, and notices when it reads. */
static bool only_sends(const char *function)
{
    return strncmp(function, "PQsend", strlen("PQsend")) == 0 ||
           strncmp(function, "PQput", strlen("PQput")) == 0 ||
           strcmp(function, "PQpipelineSync") == 0;
}

static void conn_fails(const char *function, PGconn *conn, const void *caller)
{
    static int (*consume)(PGconn *);

    if (!fails(function, caller))
        return;
    (void)shutdown(PQsocket(conn), SHUT_RDWR);
    if (!consume)
        *(void **)&consume = next("PQconsumeInput");
    if (only_sends(function))
        (void)consume(conn);
}

#define CALLER __builtin_return_address(0)
#define FIND_REAL(name, symbol)                                                                    \
    static __typeof__(&name) real;                                                                 \
    if (!real)                                                                                     \
    *(void **)&real = next(symbol)

/* A function of libpq that has a connection as its first argument. */
#define ON_CONNECTION(result, name, parameters, ...)                                               \
    result name parameters                                                                         \
    {                                                                                              \
        FIND_REAL(name, #name);                                                                    \
        conn_fails(#name, conn, CALLER);                                                           \
        return real(__VA_ARGS__);                                                                  \
    }

ON_CONNECTION(PGresult *, PQexec, (PGconn * conn, const char *query), conn, query)
ON_CONNECTION(PGresult *, PQexecParams,
              (PGconn * conn, const char *command, int count, const Oid *types,
               const char *const *values, const int *lengths, const int *formats, int format),
              conn, command, count, types, values, lengths, formats, format)
ON_CONNECTION(PGresult *, PQfn,
              (PGconn * conn, int function, int *buffer, int *len, int is_int,
               const PQArgBlock *arguments, int count),
              conn, function, buffer, len, is_int, arguments, count)
ON_CONNECTION(int, PQsendQuery, (PGconn * conn, const char *query), conn, query)
ON_CONNECTION(int, PQsendQueryParams,
              (PGconn * conn, const char *command, int count, const Oid *types,
               const char *const *values, const int *lengths, const int *formats, int format),
              conn, command, count, types, values, lengths, formats, format)
ON_CONNECTION(int, PQsendPrepare,
              (PGconn * conn, const char *name, const char *query, int count, const Oid *types),
              conn, name, query, count, types)
ON_CONNECTION(int, PQsendQueryPrepared,
              (PGconn * conn, const char *name, int count, const char *const *values,
               const int *lengths, const int *formats, int format),
              conn, name, count, values, lengths, formats, format)
ON_CONNECTION(int, PQsendFlushRequest, (PGconn * conn), conn)
ON_CONNECTION(int, PQpipelineSync, (PGconn * conn), conn)
ON_CONNECTION(int, PQconsumeInput, (PGconn * conn), conn)
ON_CONNECTION(int, PQflush, (PGconn * conn), conn)
ON_CONNECTION(PGresult *, PQgetResult, (PGconn * conn), conn)
ON_CONNECTION(int, PQputCopyData, (PGconn * conn, const char *data, int len), conn, data, len)
ON_CONNECTION(int, PQputCopyEnd, (PGconn * conn, const char *message), conn, message)
ON_CONNECTION(int, PQgetCopyData, (PGconn * conn, char **buffer, int async), conn, buffer, async)

/* What is in SQLite's own memory needs no file: a statement that it cannot make has an error too.
 */
int sqlite3_prepare_v2(sqlite3 *db, const char *sql, int len, sqlite3_stmt **ret, const char **rest)
{
    FIND_REAL(sqlite3_prepare_v2, "sqlite3_prepare_v2");
    if (fails("sqlite3_prepare_v2", CALLER))
        return real(db, "SELECT * FROM made_to_fail", -1, ret, rest);
    return real(db, sql, len, ret, rest);
}

PGconn *PQconnectdbParams(const char *const *keywords, const char *const *values, int expand)
{
    FIND_REAL(PQconnectdbParams, "PQconnectdbParams");
    static const char *const nowhere[] = {"host",      "127.0.0.1", "hostaddr",
                                          "127.0.0.1", "port",      "1"};
    const char *keys[MOST_PARAMETERS] = {NULL};
    const char *texts[MOST_PARAMETERS] = {NULL};
    size_t count = 0;

    if (!fails("PQconnectdbParams", CALLER))
        return real(keywords, values, expand);
    for (size_t i = 0; keywords[i] && count < MOST_PARAMETERS - 4; i++) {
        if (strcmp(keywords[i], "host") == 0 || strcmp(keywords[i], "hostaddr") == 0 ||
            strcmp(keywords[i], "port") == 0)
            continue;
        keys[count] = keywords[i];
        texts[count++] = values[i];
    }
    for (size_t i = 0; i < 3; i++) {
        keys[count] = nowhere[i * 2];
        texts[count++] = nowhere[i * 2 + 1];
    }
    return real(keys, texts, expand);
}

/* Offsets of 64 bits have names of their own in the C library, and those are what is called. */
#if defined(_FILE_OFFSET_BITS) && _FILE_OFFSET_BITS == 64
#define LARGE(name) #name "64"
#else
#define LARGE(name) #name
#endif

int open(const char *path, int flags, ...)
{
    FIND_REAL(open, LARGE(open));
    va_list args;

    va_start(args, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
    va_end(args);
    return file_fails("open", CALLER) ? -1 : real(path, flags, mode);
}

DIR *opendir(const char *path)
{
    FIND_REAL(opendir, "opendir");
    return file_fails("opendir", CALLER) ? NULL : real(path);
}

FILE *fopen(const char *path, const char *mode)
{
    FIND_REAL(fopen, LARGE(fopen));
    return file_fails("fopen", CALLER) ? NULL : real(path, mode);
}

int fflush(FILE *file)
{
    FIND_REAL(fflush, "fflush");
    return file && fd_fails("fflush", fileno(file), CALLER) ? EOF : real(file);
}

ssize_t read(int fd, void *data, size_t len)
{
    FIND_REAL(read, "read");
    return fd_fails("read", fd, CALLER) ? -1 : real(fd, data, len);
}

ssize_t pread(int fd, void *data, size_t len, off_t offset)
{
    FIND_REAL(pread, LARGE(pread));
    return !is_in(&sqlite, CALLER) && fd_fails("pread", fd, CALLER) ? -1
                                                                    : real(fd, data, len, offset);
}

ssize_t write(int fd, const void *data, size_t len)
{
    FIND_REAL(write, "write");
    return fd_fails("write", fd, CALLER) ? -1 : real(fd, data, len);
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t offset)
{
    FIND_REAL(pwrite, LARGE(pwrite));
    return fd_fails("pwrite", fd, CALLER) ? -1 : real(fd, data, len, offset);
}

int ftruncate(int fd, off_t len)
{
    FIND_REAL(ftruncate, LARGE(ftruncate));
    return fd_fails("ftruncate", fd, CALLER) ? -1 : real(fd, len);
}

int fsync(int fd)
{
    FIND_REAL(fsync, "fsync");
    return fd_fails("fsync", fd, CALLER) ? -1 : real(fd);
}

int fdatasync(int fd)
{
    FIND_REAL(fdatasync, "fdatasync");
    return fd_fails("fdatasync", fd, CALLER) ? -1 : real(fd);
}

/* What a machine at its limits refuses. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                   void *argument)
{
    FIND_REAL(pthread_create, "pthread_create");
    return fails("pthread_create", CALLER) ? EAGAIN : real(thread, attributes, run, argument);
}

static int refuse(int error)
{
    errno = error;
    return -1;
}

int eventfd(unsigned count, int flags)
{
    FIND_REAL(eventfd, "eventfd");
    return fails("eventfd", CALLER) ? refuse(EMFILE) : real(count, flags);
}

int poll(struct pollfd *fds, nfds_t count, int timeout)
{
    FIND_REAL(poll, "poll");
    return fails("poll", CALLER) ? refuse(ENOMEM) : real(fds, count, timeout);
}

int getentropy(void *data, size_t len)
{
    FIND_REAL(getentropy, "getentropy");
    return fails("getentropy", CALLER) ? refuse(ENOSYS) : real(data, len);
}

int rename(const char *from, const char *to)
{
    FIND_REAL(rename, "rename");
    return file_fails("rename", CALLER) ? -1 : real(from, to);
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    FIND_REAL(renameat, "renameat");
    return file_fails("renameat", CALLER) ? -1 : real(from_fd, from, to_fd, to);
}

int unlink(const char *path)
{
    FIND_REAL(unlink, "unlink");
    return file_fails("unlink", CALLER) ? -1 : real(path);
}
