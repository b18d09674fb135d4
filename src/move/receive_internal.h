/*
 * What the receiver's two threads share: see receive.c. Private to the receiver.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "core/arena.h"
#include "move/receive.h"
#include "move/receive_queue.h"

enum {
    QUEUE_BYTES = 4 << 20, /* between the threads */
};

struct Receiver {
    ReceiveRequest request;
    Arena *arena;
    pthread_t network, disk;
    bool network_started, disk_started;
    int wake_fd; /* readable: the network thread looks up from its socket */

    pthread_mutex_t lock;
    pthread_cond_t changed;
    ReceiveStatus status;
    Chunk *first, *last;
    size_t queued;
    bool stopping;   /* somebody called receiver_stop() */
    bool disk_ended; /* the disk thread takes nothing any more */
    bool restarting; /* a CHUNK_RESTART is asked for: what is queued before it comes again */
    bool restarted;  /* a CHUNK_RESTART was done: the stream begins at restart_lsn */
    Lsn restart_lsn;
    Lsn applied;
    Error disk_error;   /* while `broken` */
    atomic_bool broken; /* the spool could not be written: everything is dropped up to the next
                           CHUNK_RESTART, which the network thread has to send */
    atomic_bool ends;   /* stopping, or either thread has failed */
};

void *receive_network_main(void *arg);
void *receive_disk_main(void *arg);

/* The first one stays. Everything ends. */
void receive_fail(Receiver *receiver, const Error *err);
void receive_wake(Receiver *receiver);
