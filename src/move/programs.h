/*
 * Where pg_dump and pg_restore are.
 *
 * pg_dump refuses a server newer than itself, and what a newer one writes may
 * hold settings that an older target does not know. So of the pairs that this
 * machine has: the target's own major version where that is no older than the
 * source's server, else the oldest that is new enough. Both programs are of
 * one folder and one version, as an archive of a newer pg_dump cannot be read
 * by an older pg_restore.
 */
#pragma once

#include <stdbool.h>

#include "config/config.h"
#include "core/arena.h"
#include "core/error.h"

typedef struct Programs {
    const char *pg_dump;    /* paths to run */
    const char *pg_restore; /* of the same folder */
    int major;
} Programs;

/*
 * Looks in --pg-bin alone where it is given; else in the version folders of
 * Debian's and Red Hat's packages, and where none of these fits, in PATH. Versions are
 * server_version_num; the target's may be 0: unknown. Where there is none new
 * enough the error is ERR_PROGRAM, says which were found, and its hint what to
 * install.
 */
bool programs_find(Arena *arena, const Config *config, int source_version_num,
                   int target_version_num, Programs *ret, Error *err) MUST_USE;

/* Which of `majors` fits, by the rule above; -1 where none does. */
int programs_choose(const int *majors, int count, int source_major, int target_major);

/* The major version in "pg_dump (PostgreSQL) 15.20 (Debian ...)"; 0 where there is none. */
int programs_parse_major(const char *version_line);
