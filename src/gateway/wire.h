/*
 * Messages of PostgreSQL's protocol, version 3: written into buffers, and read
 * from bytes that somebody else sent.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/error.h"
#include "http/bytes.h"

enum {
    WIRE_VERSION_3 = 0x00030000,
    WIRE_CANCEL = 80877102,
    WIRE_SSL = 80877103,
    WIRE_GSS = 80877104,
    WIRE_MAX_STARTUP = 10000 /* PostgreSQL's own limit */
};

/* A message from its type to its end: wire_end() takes what wire_begin() gave. */
size_t wire_begin(Bytes *out, char type);
void wire_end(Bytes *out, size_t begun);
void wire_add_cstring(Bytes *out, const char *text);

/* A statement as one flight without its Sync: Parse, Bind, Describe (of the portal), Execute; all
 * unnamed, parameters and results as text, types left to the server. */
void wire_add_statement(Bytes *out, const char *sql, const char *const *params, int count,
                        bool describe);
void wire_add_sync(Bytes *out);
void wire_add_simple(Bytes *out, const char *sql);

/* The fields of an ErrorResponse in the order in which Neon's JSON has them. */
enum {
    FIELD_MESSAGE,
    FIELD_SEVERITY,
    FIELD_CODE,
    FIELD_DETAIL,
    FIELD_HINT,
    FIELD_ROUTINE = 16,
    FIELD_COUNT
};

typedef struct WireError {
    const char *fields[FIELD_COUNT]; /* NULL: absent */
} WireError;

extern const char *const wire_field_names[FIELD_COUNT];

WireError wire_error(Arena *arena, const char *severity, const char *code, const char *message);
WireError wire_read_error(Arena *arena, const char *payload, size_t len);
void wire_add_error(Bytes *out, const WireError *error);
/* The same out of the text that libpq makes of it when it is told to be verbose. It goes to
 * clients: where the server is, and from where it was asked, is left out. */
WireError wire_error_of_libpq(Arena *arena, const char *text);

typedef struct StartupParam {
    const char *name;
    const char *value;
} StartupParam;

typedef struct Startup {
    uint32_t code; /* WIRE_VERSION_3, WIRE_SSL, ... */
    const char *user;
    const char *database; /* the user's name where none was said */
    StartupParam *params; /* all but these two */
    int count;
    uint32_t cancel_pid;
    uint32_t cancel_key;
} Startup;

typedef enum StartupRead {
    STARTUP_MORE, /* not all of it is there */
    STARTUP_BAD,
    STARTUP_READ
} StartupRead;

/* *ret_len are the bytes that it took. */
StartupRead wire_read_startup(Arena *arena, const char *data, size_t len, Startup *ret,
                              size_t *ret_len);

typedef struct CommandTag {
    const char *command; /* its first word */
    int64_t rows;        /* -1: it counts none */
} CommandTag;

CommandTag wire_read_tag(Arena *arena, const char *tag);
