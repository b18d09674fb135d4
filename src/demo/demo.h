/*
 * A place to show homeport at: two throwaway PostgreSQL servers in a folder of
 * their own, the first with GitGud's database on it.
 *
 * Nothing outlives the place: a process of its own, the caretaker, is the
 * servers' parent and waits for ours to end. However that happens (done,
 * failed, Ctrl-C, twice Ctrl-C, kill -9), it stops the servers and removes the
 * folder, unless demo_keep() was called. So make a place before any thread.
 *
 * The servers listen on sockets in the folder only, and ask for a password
 * that is made up for each place.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/error.h"

/* ---- programs ---- */

typedef struct DemoPostgres {
    const char *bin;     /* the folder of initdb and postgres */
    const char *version; /* "15.20" */
    bool has_dump;       /* pg_dump and pg_restore are in it, too */
} DemoPostgres;

/* Those of `folder`, which is the programs' own or the one above it; NULL: the newest that a Debian
 * package has put below `packages` ("/usr/lib/postgresql"). */
bool demo_find_postgres(Arena *arena, const char *folder, const char *packages, DemoPostgres *ret,
                        Error *err) MUST_USE;

/* ---- servers ---- */

typedef struct DemoPlace DemoPlace;

typedef enum DemoSide {
    DEMO_SOURCE,
    DEMO_TARGET,
    DEMO_SIDES
} DemoSide;

/* The folder and its caretaker; lives in the arena. demo_close() it, also after a failure. */
bool demo_open(Arena *arena, const DemoPostgres *postgres, DemoPlace **ret, Error *err) MUST_USE;
/* Makes and starts both servers, each with an empty database "gitgud". */
bool demo_start(DemoPlace *place, Error *err) MUST_USE;

const char *demo_folder(const DemoPlace *place) RETURNS_NONNULL;
const char *demo_work_folder(const DemoPlace *place) RETURNS_NONNULL; /* in it, for the move */
/* With the password: not for people. */
const char *demo_url(const DemoPlace *place, DemoSide side) RETURNS_NONNULL;
/* Without. */
const char *demo_public_url(const DemoPlace *place, DemoSide side) RETURNS_NONNULL;

/* Stops both servers and removes the folder; NULL is fine. False where something is left. */
bool demo_close(DemoPlace *place, Error *err);

typedef struct DemoKept {
    const char *password_file; /* for PGPASSFILE */
    const char *stop;          /* a script that takes it all down */
} DemoKept;

/* From now on it outlives us. */
bool demo_keep(DemoPlace *place, DemoKept *ret, Error *err) MUST_USE;

/* ---- GitGud ---- */

/* Writes the app's migrations, which are part of the program, into the place. */
bool demo_write_migrations(const DemoPlace *place, const char **ret_folder, Error *err) MUST_USE;

enum {
    DEMO_PROBLEMS_PER_USER = 10,
    DEMO_ATTEMPTS_PER_PROBLEM = 10,
    DEMO_MAX_USERS = 1000000,
};

typedef struct DemoData {
    int64_t seed; /* the same seed and users: the same rows, byte by byte */
    int64_t users;
    void (*progress)(void *context, double fraction); /* may be NULL */
    void *context;
} DemoData;

/* Makes up users, problems and attempts in the source, which has the tables. */
bool demo_fill(const DemoPlace *place, const DemoData *data, Error *err) MUST_USE;

typedef struct DemoTable {
    const char *name; /* as SQL would have it */
    int64_t rows;
    int64_t bytes; /* on the disk, with indexes */
} DemoTable;

/* What is there on a side, largest first. */
bool demo_tables(Arena *arena, const DemoPlace *place, DemoSide side, DemoTable **ret,
                 int *ret_count, Error *err) MUST_USE;
