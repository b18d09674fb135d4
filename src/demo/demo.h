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
#include "pg/lsn.h"

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
/* Where the gateway's clients find it: a Unix socket. */
const char *demo_gateway_socket(const DemoPlace *place) RETURNS_NONNULL;
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

/* In a process forked from ours, which goes on by itself: the servers do not wait for its end. */
void demo_forked(DemoPlace *place);

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

/* ---- the app's writers ---- */

enum {
    DEMO_WRITERS = 4,
    DEMO_GATEWAY_WRITERS = 2, /* more of them, which know of no switch */
};

typedef struct DemoWriters DemoWriters;

/* Writes by their kind: rows added, and made-up attempts changed or deleted. */
typedef struct DemoWrites {
    int64_t problems;
    int64_t attempts;
    int64_t changes;
    int64_t deletes;
} DemoWrites;

int64_t demo_writes_total(const DemoWrites *writes);

/* Connections that write all along, each write until it is acknowledged; on the source at first.
 * Those that write through the gateway do so by one request each, and give up when one fails.
 * *ret is set where any was started: demo_writers_stop() it before the place is closed. */
bool demo_writers_start(const DemoPlace *place, DemoWriters **ret, Error *err) MUST_USE;
/* The line of a shell for --on-resume: the writers learn of it where the app lives now. */
const char *demo_writers_hook(const DemoPlace *place) RETURNS_NONNULL;
/* What was acknowledged by now. */
void demo_writers_look(const DemoWriters *writers, DemoWrites *ret);
/* How many of those went through the gateway. */
int64_t demo_writers_by_gateway(const DemoWriters *writers);
/* False where one had to give up. */
bool demo_writers_check(const DemoWriters *writers, Error *err) MUST_USE;
/* From here on the longest wait is measured anew. */
void demo_writers_mark(DemoWriters *writers);
/* Waits until each has written to this side; *ret: the longest that a write took since the mark,
 * from its first try to its acknowledgement. */
bool demo_writers_settle(DemoWriters *writers, DemoSide side, double *ret_longest_s,
                         Error *err) MUST_USE;
/* After the write at hand; once stopped, or NULL, it is fine as well. */
bool demo_writers_stop(DemoWriters *writers, Error *err);
/* Where a side's WAL ends: what was written by now comes before. */
bool demo_position(const DemoPlace *place, DemoSide side, Lsn *ret, Error *err) MUST_USE;
/* At once: the write at hand is given up. NULL is fine. */
void demo_writers_give_up(DemoWriters *writers);

/* What of the writers' work is there; `attempts` were made up by demo_fill(). */
bool demo_find_writes(const DemoPlace *place, DemoSide side, int64_t attempts, DemoWrites *ret,
                      Error *err) MUST_USE;
