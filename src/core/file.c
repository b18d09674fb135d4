#include "core/file.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    LOCK_TRIES = 5,
    LOCK_WAIT_MS = 20,
    FIRST_READ = 4096
};

void file_close(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

void file_stream_close(FILE **file)
{
    if (*file)
        (void)fclose(*file);
    *file = NULL;
}

/* -1 on failure, else the number of bytes read, at most `size`. */
static ssize_t read_full(int fd, char *buf, size_t size)
{
    size_t got = 0;

    while (got < size) {
        ssize_t n = read(fd, buf + got, size - got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        got += (size_t)n;
    }
    return (ssize_t)got;
}

/* To the end, however long it proves to be, but not further than one byte past `max`: *ret_len
 * tells.
 */
static bool read_to_end(Arena *arena, int fd, size_t expected, size_t max, char **ret,
                        size_t *ret_len)
{
    size_t room = expected < max ? expected : max;
    char *data = arena_alloc(arena, room + 1);
    size_t got = 0;

    for (;;) {
        ssize_t n = read_full(fd, data + got, room + 1 - got);
        if (n < 0)
            return false;
        got += (size_t)n;
        if (got <= room || room == max)
            break;
        room = room < max / 2 && room * 2 + FIRST_READ < max ? room * 2 + FIRST_READ : max;
        char *larger = arena_alloc(arena, room + 1);
        memcpy(larger, data, got);
        data = larger;
    }
    if (got <= max)
        data[got] = '\0';
    *ret = data;
    *ret_len = got;
    return true;
}

bool file_read(Arena *arena, const char *path, size_t max_bytes, char **ret, size_t *ret_len,
               Error *err)
{
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat info;
    char *data = NULL;
    size_t len = 0;

    if (fd < 0 || fstat(fd, &info) < 0)
        return error_set_errno(err, "read \"%s\"", path);
    if (S_ISDIR(info.st_mode))
        return error_set(err, ERR_IO, "read \"%s\": it is a folder", path);

    /* A file that says it is empty may be a pipe or live in /proc. */
    bool too_large = info.st_size > 0 && (size_t)info.st_size > max_bytes;
    if (!too_large && !read_to_end(arena, fd, (size_t)info.st_size, max_bytes, &data, &len))
        return error_set_errno(err, "read \"%s\"", path);
    if (too_large || len > max_bytes)
        return error_set(err, ERR_FORMAT, "\"%s\" is larger than %zu bytes", path, max_bytes);
    *ret = data;
    if (ret_len)
        *ret_len = len;
    return true;
}

bool file_map(const char *path, FileMap *ret, Error *err)
{
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat info;

    if (fd < 0 || fstat(fd, &info) < 0)
        return error_set_errno(err, "read \"%s\"", path);
    if (info.st_size == 0) { /* which mmap() refuses */
        *ret = (FileMap){.data = ""};
        return true;
    }
    void *data = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED)
        return error_set_errno(err, "read \"%s\"", path);
    *ret = (FileMap){.data = data, .mapped = data, .len = (size_t)info.st_size};
    return true;
}

void file_unmap(FileMap *map)
{
    if (map->mapped)
        (void)munmap(map->mapped, map->len);
    *map = (FileMap){0};
}

static bool write_full(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        data += n;
        len -= (size_t)n;
    }
    return true;
}

/* A rename is durable only once the folder that holds the name is. */
static bool sync_parent(const char *path)
{
    char parent[PATH_MAX];
    const char *slash = strrchr(path, '/');
    /* not run: tests make no file in / itself */
    int n = slash == path ? snprintf(parent, sizeof parent, "/")
            : slash       ? snprintf(parent, sizeof parent, "%.*s", (int)(slash - path), path)
                          : snprintf(parent, sizeof parent, ".");

    if (n < 0 || (size_t)n >= sizeof parent)
        return false;
    auto_close int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 && fsync(fd) == 0;
}

static bool write_and_rename(int fd, const char *tmp, const char *path, const void *data,
                             size_t len, Error *err)
{
    /* It may be left over from another time, with other permissions. */
    if (fchmod(fd, 0600) < 0 || !write_full(fd, data, len))
        return error_set_errno(err, "write \"%s\"", tmp);

    /* Without this the rename can reach disk before the data, and a power cut
     * leaves an empty file under the final name. */
    if (fsync(fd) < 0)
        return error_set_errno(err, "sync \"%s\"", tmp);
    if (rename(tmp, path) < 0)
        return error_set_errno(err, "rename \"%s\"", tmp);
    return true;
}

bool file_replace(const char *path, const void *data, size_t len, Error *err)
{
    char tmp[PATH_MAX];
    int n = snprintf(tmp, sizeof tmp, "%s.tmp", path);

    if (n < 0 || (size_t)n >= sizeof tmp)
        return error_set(err, ERR_USAGE, "path is too long: \"%s\"", path);

    auto_close int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_set_errno(err, "create \"%s\"", tmp);
    if (!write_and_rename(fd, tmp, path, data, len, err)) {
        (void)unlink(tmp);
        return false;
    }
    if (!sync_parent(path))
        return error_set_errno(err, "sync the folder of \"%s\"", path);
    return true;
}

bool file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

bool file_find(const char *path, bool *ret_there, Error *err)
{
    struct stat found;

    bool there = stat(path, &found) == 0;
    if (!there && errno != ENOENT)
        return error_set_errno(err, "look for \"%s\"", path);
    *ret_there = there;
    return true;
}

bool file_make_dir(const char *path, unsigned mode, Error *err)
{
    char part[PATH_MAX];
    size_t len = strlen(path);

    if (len == 0 || len >= sizeof part)
        return error_set(err, ERR_USAGE, "not a usable folder: \"%s\"", path);
    for (size_t i = 1; i <= len; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, (mode_t)mode) < 0 && errno != EEXIST)
            return error_set_errno(err, "create folder \"%s\"", part);
    }
    struct stat info;
    if (stat(path, &info) < 0 || !S_ISDIR(info.st_mode))
        return error_set(err, ERR_IO, "\"%s\" is not a folder", path);
    return true;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *where)
{
    (void)info;
    (void)type;
    (void)where;
    return remove(path) < 0 && errno != ENOENT ? -1 : 0;
}

bool file_remove_tree(const char *path, Error *err)
{
    struct stat info;

    /* Of a link that leads nowhere the link itself is there. */
    if (lstat(path, &info) < 0 && errno == ENOENT)
        return true;
    if (nftw(path, remove_one, 32, FTW_DEPTH | FTW_PHYS) < 0)
        return error_set_errno(err, "remove \"%s\"", path);
    return true;
}

static int holder_of(int fd)
{
    char text[32] = {0};

    return pread(fd, text, sizeof text - 1, 0) > 0 ? (int)strtol(text, NULL, 10) : 0;
}

int file_lock_holder(const char *path)
{
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);

    /* A shared lock, held for an instant: file_lock() waits longer than that. */
    if (fd < 0 || flock(fd, LOCK_SH | LOCK_NB) == 0)
        return 0;
    return holder_of(fd);
}

bool file_is_secret(const char *path)
{
    struct stat found;

    if (stat(path, &found) != 0 || !S_ISREG(found.st_mode))
        return true;
    return !(found.st_mode & (found.st_uid == 0 ? S_IWGRP | S_IXGRP | S_IRWXO : S_IRWXG | S_IRWXO));
}

static bool lock_soon(int fd)
{
    for (int tries = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; tries++) {
        if (errno != EWOULDBLOCK || tries == LOCK_TRIES)
            return false;
        (void)poll(NULL, 0, LOCK_WAIT_MS);
    }
    return true;
}

/* The caller's from now on: closing it here would give the lock back. */
static int hand_over(int *fd)
{
    int given = *fd;

    *fd = -1;
    return given;
}

bool file_lock(const char *path, int *ret_fd, int *ret_holder, Error *err)
{
    auto_close int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0)
        return error_set_errno(err, "open the lock \"%s\"", path);
    if (!lock_soon(fd)) {
        if (errno != EWOULDBLOCK)
            return error_set_errno(err, "lock \"%s\"", path);
        *ret_holder = holder_of(fd);
        return error_set(err, ERR_WRONG_STATE, "\"%s\" is locked by process %d", path, *ret_holder);
    }

    char text[32];
    int len = snprintf(text, sizeof text, "%d\n", (int)getpid());
    if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)len, 0) != len)
        return error_set_errno(err, "write the lock \"%s\"", path);
    *ret_fd = hand_over(&fd);
    return true;
}

void file_open_standard(void)
{
    int fd = STDIN_FILENO;

    /* Read-only, so that printing to what is not there fails rather than seems to work. */
    while (fd >= 0 && fd <= STDERR_FILENO)
        fd = open("/dev/null", O_RDONLY);
    file_close(&fd);
}
