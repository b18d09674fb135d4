/* Reading and writing at a place of a file, where the kernel does less than it was asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "move/spool_block.h"

/* ---- a file of a few bytes, and what becomes of each call on it: --wrap ---- */

typedef enum Outcome {
    DONE,
    INTERRUPTED,
    ONE_BYTE,
    NOTHING,
    BROKEN,
} Outcome;

static char file[16];
static const Outcome *outcomes;

/* What becomes of the next call: -1 has errno. */
static ssize_t outcome_of(size_t len)
{
    switch (*outcomes++) {
    case INTERRUPTED:
        errno = EINTR;
        return -1;
    case BROKEN:
        errno = EIO;
        return -1;
    case ONE_BYTE:
        return 1;
    case NOTHING:
        return 0;
    default:
        return (ssize_t)len;
    }
}

ssize_t __wrap_pwrite64(int fd, const void *data, size_t len, off_t offset);
ssize_t __wrap_pwrite64(int fd, const void *data, size_t len, off_t offset)
{
    ssize_t n = outcome_of(len);

    (void)fd;
    errno = n == 0 ? 0 : errno;
    if (n > 0)
        memcpy(file + offset, data, (size_t)n);
    return n;
}

ssize_t __wrap_pwrite(int fd, const void *data, size_t len, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *data, size_t len, off_t offset)
{
    return __wrap_pwrite64(fd, data, len, offset);
}

ssize_t __wrap_pread64(int fd, void *data, size_t len, off_t offset);
ssize_t __wrap_pread64(int fd, void *data, size_t len, off_t offset)
{
    ssize_t n = outcome_of(len);

    (void)fd;
    if (n > 0)
        memcpy(data, file + offset, (size_t)n);
    return n;
}

ssize_t __wrap_pread(int fd, void *data, size_t len, off_t offset);
ssize_t __wrap_pread(int fd, void *data, size_t len, off_t offset)
{
    return __wrap_pread64(fd, data, len, offset);
}

/* ---- the tests ---- */

static void what_is_written_is_whole_or_an_error(void **state)
{
    (void)state;
    static const struct {
        Outcome outcomes[4];
        int sys_errno; /* 0: all is written */
    } cases[] = {
        {{DONE},                     0     },
        {{INTERRUPTED, DONE},        0     },
        {{ONE_BYTE, ONE_BYTE, DONE}, 0     },
        {{ONE_BYTE, NOTHING},        ENOSPC},
        {{INTERRUPTED, BROKEN},      EIO   },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        memset(file, 0, sizeof file);
        outcomes = cases[i].outcomes;
        assert_int_equal(file_write_at(9, "abcd", 4, 2), cases[i].sys_errno == 0);
        if (cases[i].sys_errno)
            assert_int_equal(errno, cases[i].sys_errno);
        else
            assert_string_equal(file + 2, "abcd");
    }
}

static void what_is_read_is_as_much_as_there_is_or_an_error(void **state)
{
    (void)state;
    static const struct {
        Outcome outcomes[4];
        int64_t got;
    } cases[] = {
        {{DONE},                4 },
        {{INTERRUPTED, DONE},   4 },
        {{ONE_BYTE, DONE},      4 },
        {{ONE_BYTE, NOTHING},   1 },
        {{INTERRUPTED, BROKEN}, -1},
    };

    memcpy(file, "..abcd", sizeof "..abcd");
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char data[5] = "";

        outcomes = cases[i].outcomes;
        assert_int_equal(file_read_at(9, data, 4, 2), cases[i].got);
        if (cases[i].got > 0)
            assert_memory_equal(data, "abcd", (size_t)cases[i].got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_whole_or_an_error),
        cmocka_unit_test(what_is_read_is_as_much_as_there_is_or_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
