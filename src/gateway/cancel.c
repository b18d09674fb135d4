#include "gateway/cancel.h"

#include <openssl/rand.h>
#include <pthread.h>
#include <stdlib.h>
#include <uthash.h>

#include "gateway/session.h"

typedef struct CancelEntry {
    UT_hash_handle hh;
    uint64_t name;
    PGcancel *cancel;
    int users; /* the session, and requests on their way */
    CancelTable *table;
} CancelEntry;

struct CancelTable {
    pthread_mutex_t lock;
    CancelEntry *entries;
};

CancelTable *cancel_table_new(void)
{
    CancelTable *table = calloc(1, sizeof *table);

    if (!table)
        abort();
    (void)pthread_mutex_init(&table->lock, NULL);
    return table;
}

void cancel_table_free(CancelTable *table)
{
    if (!table)
        return;
    (void)pthread_mutex_destroy(&table->lock);
    free(table);
}

static uint64_t cancel_name(uint32_t pid, uint32_t key)
{
    return (uint64_t)pid << 32 | key;
}

uint32_t cancel_add(CancelTable *table, uint32_t pid, PGconn *conn)
{
    CancelEntry *entry = calloc(1, sizeof *entry);
    uint32_t key = 0;

    if (!entry || RAND_bytes((unsigned char *)&key, sizeof key) != 1)
        abort();
    entry->name = cancel_name(pid, key);
    entry->cancel = PQgetCancel(conn);
    entry->users = 1;
    entry->table = table;
    (void)pthread_mutex_lock(&table->lock);
    HASH_ADD(hh, table->entries, name, sizeof entry->name, entry);
    (void)pthread_mutex_unlock(&table->lock);
    return key;
}

/* With the table locked. */
static CancelEntry *find(CancelTable *table, uint32_t pid, uint32_t key)
{
    uint64_t name = cancel_name(pid, key);
    CancelEntry *entry;

    HASH_FIND(hh, table->entries, &name, sizeof name, entry);
    return entry;
}

static void release(CancelEntry *entry)
{
    CancelTable *table = entry->table;

    (void)pthread_mutex_lock(&table->lock);
    bool last = --entry->users == 0;
    (void)pthread_mutex_unlock(&table->lock);
    if (!last)
        return;
    PQfreeCancel(entry->cancel);
    free(entry);
}

void cancel_remove(CancelTable *table, uint32_t pid, uint32_t key)
{
    (void)pthread_mutex_lock(&table->lock);
    CancelEntry *entry = find(table, pid, key);
    if (entry)
        HASH_DELETE(hh, table->entries, entry);
    (void)pthread_mutex_unlock(&table->lock);
    if (entry)
        release(entry);
}

static void cancel_run(void *arg)
{
    CancelEntry *entry = arg;
    char why[256];

    if (entry->cancel)
        (void)!PQcancel(entry->cancel, why, sizeof why);
    release(entry);
}

void cancel_fire(CancelTable *table, Crew *crew, uint32_t pid, uint32_t key)
{
    (void)pthread_mutex_lock(&table->lock);
    CancelEntry *entry = find(table, pid, key);
    if (entry)
        entry->users++;
    (void)pthread_mutex_unlock(&table->lock);
    if (entry)
        crew_submit(crew, cancel_run, entry);
}
