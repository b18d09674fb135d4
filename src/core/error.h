/*
 * One error value for the whole program.
 *
 * A function that can fail returns bool and takes a trailing `Error *err`.
 * It fills `err` exactly once, where the failure is first understood, and
 * leaves its outputs untouched. Callers may add context on the way up; only
 * the command at the top prints or serialises it.
 *
 * Wording: lower case, no full stop; the hint is a sentence. Neither ever
 * holds a secret: connection texts go through url_redacted() (pg/url.h).
 */
#pragma once

#include <stdbool.h>

#include "core/compiler.h"

/* What the caller does about it. Few on purpose: each decides something. */
typedef enum ErrorCode {
    ERR_NONE,
    ERR_USAGE,       /* the command line or the configuration is wrong: exit 2 */
    ERR_FOUND,       /* the work was done and found problems: exit 3 */
    ERR_IO,          /* a system call failed, see sys_errno */
    ERR_CONNECT,     /* no connection, or it broke: may be tried again */
    ERR_SQL,         /* PostgreSQL refused the statement, see sqlstate */
    ERR_WRONG_STATE, /* not possible in the state that things are in */
    ERR_SNAPSHOT,    /* the snapshot is gone: rows start again under a new one */
    ERR_PROGRAM,     /* another program (pg_dump ...) failed */
    ERR_FORMAT,      /* bytes from outside do not have the shape they should */
    ERR_CANCELLED,   /* a signal asked us to stop */
} ErrorCode;

typedef struct Error {
    ErrorCode code;
    int sys_errno;     /* 0 when no system call was involved */
    char sqlstate[6];  /* empty unless PostgreSQL reported it */
    char origin[24];   /* the file of its source that reported it: the same in every language */
    char message[512]; /* what failed: lower case, no full stop */
    char hint[384];    /* what to do next: a sentence, or empty */
} Error;

#define ERROR_INIT ((Error){.code = ERR_NONE})

/* Always returns false, so a failing function is `return error_set(...)`.
 * Clears whatever the error held before. */
bool error_set(Error *err, ErrorCode code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* The same for a system call that failed: appends strerror(errno). */
bool error_set_errno(Error *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Prefix the message with what the caller was doing: "copy orders: ...". Returns false. */
bool error_add_context(Error *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Set the hint, over one that is there. Returns false. */
bool error_hint(Error *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The program's exit status: 0 done, 1 failed, 2 usage, 3 found problems. */
int error_exit_status(const Error *err);

/* "connect", "sql", ...: for JSON. */
const char *error_code_name(ErrorCode code) RETURNS_NONNULL;
