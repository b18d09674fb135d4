/*
 * The process that owns the servers and their folder, so that both are gone
 * when we are. It knows nothing of PostgreSQL but how to start and stop it.
 *
 * It listens on a socket whose other end only we have: when that closes, for
 * whatever reason, it cleans up and ends.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "core/error.h"

enum {
    CARETAKER_SERVERS = 2
};

typedef struct CaretakerOrder {
    const char *folder;   /* to be removed at the end */
    const char *postgres; /* the program */
    const char *data[CARETAKER_SERVERS];
    const char *log[CARETAKER_SERVERS];
    bool other_user; /* the servers run as this user */
    uid_t uid;
    gid_t gid;
} CaretakerOrder;

typedef struct Caretaker {
    pid_t pid; /* 0: there is none */
    int fd;
} Caretaker;

/* Before any thread is started: the process goes on from a copy of ours. */
bool caretaker_start(const CaretakerOrder *order, Caretaker *ret, Error *err) MUST_USE;
bool caretaker_start_server(const Caretaker *caretaker, int server, Error *err) MUST_USE;
/* The first one that ended, or could not be started; -1: none. */
int caretaker_lost_server(const Caretaker *caretaker);
/* Ends it and leaves all as it is. */
bool caretaker_dismiss(Caretaker *caretaker, Error *err) MUST_USE;
/* Stops the servers and removes the folder. False where that did not work. */
bool caretaker_finish(Caretaker *caretaker);
