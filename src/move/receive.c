/*
 * Problem: the server must hear from us every few seconds, and a disk may take longer than that for
 * one sync, or be full. So there are two threads: one for the network, which only moves bytes and
 * reports, and one for the disk, which alone uses the spool. Between them is a queue of a few
 * megabytes; when it is full the network thread stops reading and goes on reporting, so that TCP
 * holds the server back.
 *
 * After a lost connection the network thread asks the disk thread, through the same queue, to
 * forget what is not whole, and begins the stream at the position that it answers.
 */
#include "move/receive.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/memory.h"
#include "move/receive_internal.h"

void receive_wake(Receiver *receiver)
{
    static const uint64_t one = 1;

    (void)!write(receiver->wake_fd, &one, sizeof one);
    (void)pthread_cond_broadcast(&receiver->changed);
}

void receive_fail(Receiver *receiver, const Error *err)
{
    (void)pthread_mutex_lock(&receiver->lock);
    if (!atomic_load(&receiver->ends))
        receiver->status.error = *err;
    atomic_store(&receiver->ends, true);
    receive_wake(receiver);
    (void)pthread_mutex_unlock(&receiver->lock);
}

static Receiver *receiver_new(const ReceiveRequest *request)
{
    Receiver *receiver = memory_zeroed(1, sizeof *receiver);

    receiver->arena = arena_new();
    receiver->request = *request;
    receiver->request.slot = arena_strdup(receiver->arena, request->slot);
    receiver->request.publication = arena_strdup(receiver->arena, request->publication);
    (void)pthread_mutex_init(&receiver->lock, NULL);
    clock_cond_init(&receiver->changed);
    receiver->status.flushed = spool_synced(request->spool);
    receiver->status.received = receiver->status.flushed;
    receiver->status.system = request->system;
    receiver->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return receiver;
}

bool receiver_start(const ReceiveRequest *request, Receiver **ret, Error *err)
{
    Receiver *receiver = receiver_new(request);

    if (receiver->wake_fd < 0) {
        (void)error_set_errno(err, "make an eventfd");
        receiver_stop(receiver);
        return false;
    }
    receiver->disk_started =
        pthread_create(&receiver->disk, NULL, receive_disk_main, receiver) == 0;
    receiver->network_started =
        receiver->disk_started &&
        pthread_create(&receiver->network, NULL, receive_network_main, receiver) == 0;
    if (!receiver->network_started) {
        (void)error_set(err, ERR_IO, "no thread could be made");
        receiver_stop(receiver);
        return false;
    }
    *ret = receiver;
    return true;
}

void receiver_status(Receiver *receiver, ReceiveStatus *ret)
{
    (void)pthread_mutex_lock(&receiver->lock);
    *ret = receiver->status;
    ret->running = !atomic_load(&receiver->ends);
    (void)pthread_mutex_unlock(&receiver->lock);
}

void receiver_set_applied(Receiver *receiver, Lsn lsn)
{
    (void)pthread_mutex_lock(&receiver->lock);
    if (lsn > receiver->applied)
        receiver->applied = lsn;
    (void)pthread_cond_broadcast(&receiver->changed);
    (void)pthread_mutex_unlock(&receiver->lock);
}

void receiver_stop(Receiver *receiver)
{
    if (!receiver)
        return;
    (void)pthread_mutex_lock(&receiver->lock);
    atomic_store(&receiver->ends, true);
    receive_wake(receiver);
    (void)pthread_mutex_unlock(&receiver->lock);
    if (receiver->network_started)
        (void)pthread_join(receiver->network, NULL);
    if (receiver->disk_started)
        (void)pthread_join(receiver->disk, NULL);
    for (Chunk *chunk = receiver->first, *next; chunk; chunk = next) {
        next = chunk->next;
        chunk_free(chunk);
    }
    file_close(&receiver->wake_fd);
    (void)pthread_mutex_destroy(&receiver->lock);
    (void)pthread_cond_destroy(&receiver->changed);
    arena_free(receiver->arena);
    free(receiver);
}
