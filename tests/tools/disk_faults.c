/*
 * fdatasync() as a bad disk would do it. Part of the program or loaded before the C library, so it
 * is found before that one's; the file that FOLLOW_FAULTS names says what happens: "fail", or "slow
 * MILLISECONDS".
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int fdatasync(int fd)
{
    const char *path = getenv("FOLLOW_FAULTS");
    FILE *file = path ? fopen(path, "re") : NULL;
    char order[32] = "";

    if (file) {
        if (!fgets(order, sizeof order, file))
            order[0] = '\0';
        (void)fclose(file);
    }
    if (strncmp(order, "fail", 4) == 0) {
        errno = EIO;
        return -1;
    }
    if (strncmp(order, "slow ", 5) == 0)
        (void)poll(NULL, 0, (int)strtol(order + 5, NULL, 10));
    return (int)syscall(SYS_fdatasync, fd);
}
