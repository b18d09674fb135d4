/*
 * The workers that apply windows, in both modes: threads with a connection each. The dispatcher
 * hands every one of them its tables of a batch, and waits for all before it hands out the next; a
 * window is one batch or, where a transaction is larger than memory, several, in one transaction of
 * each worker.
 */
#pragma once

#include <stdbool.h>

#include "move/apply_net.h"

typedef struct NetTable {
    UT_hash_handle hh;
    const char *schema;
    const char *name;
    int64_t window;    /* the last one in which it had changes */
    int worker;        /* who has it in that window */
    bool tripped;      /* in that window: its changes are to be replayed */
    TableBatch *batch; /* that is being filled, where it is batch `filled` */
    int64_t filled;
    size_t id_len;
    char id[];
} NetTable;

typedef struct Job {
    TableBatch *tables;   /* those of `owner->worker` are this worker's */
    const char *truncate; /* in place of tables; NULL: none */
    bool commit;          /* the window ends here */
    bool alone;           /* the window is this batch: a table that trips is told from the others */
    bool floor;           /* its progress is that of all tables */
    int64_t window;
    Lsn end;
} Job;

typedef struct Workers Workers;

bool workers_start(const Feed *feed, int count, Workers **ret, Error *err) MUST_USE;
void workers_stop(Workers *workers); /* accepts NULL */
bool workers_idle(Workers *workers);
/* Until all are idle. False: an error that ends the run. What trips is marked at its table. */
bool workers_wait(Workers *workers, Error *err) MUST_USE;
/* All must be idle. `only`: this worker alone, -1: all. */
void workers_post(Workers *workers, const Job *job, int only);
void workers_post_abort(Workers *workers);
/* Whether this worker's part of the window was rolled back as a whole. */
bool workers_tripped(const Workers *workers, int worker);
