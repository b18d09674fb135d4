/*
 * A spool for tests: written with messages put together by hand, read back as text.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../folder.h"
#include "core/text.h"
#include "spool_messages.h"

enum {
    TABLE = 16384,
    OTHER_TABLE = 16390,
};

/* ---- writing ---- */

static inline Spool *open_spool(const char *dir)
{
    Spool *spool = NULL;
    Error err = ERROR_INIT;

    if (!spool_open(dir, "m1", 1, &spool, &err))
        fail_msg("open: %s", err.message);
    return spool;
}

static inline void put(Spool *spool, Bytes bytes)
{
    Error err = ERROR_INIT;

    if (!spool_write(spool, 0, bytes.data, bytes.len, &err))
        fail_msg("write '%c': %s", bytes.data[0], err.message);
}

static inline Lsn sync_spool(Spool *spool)
{
    Error err = ERROR_INIT;
    Lsn lsn = 0;

    if (!spool_sync(spool, &lsn, &err))
        fail_msg("sync: %s", err.message);
    assert_true(lsn == spool_synced(spool));
    return lsn;
}

static inline Lsn restart(Spool *spool)
{
    Error err = ERROR_INIT;
    Lsn lsn = 0;

    if (!spool_restart(spool, &lsn, &err))
        fail_msg("restart: %s", err.message);
    return lsn;
}

static inline void quiet(Spool *spool, Lsn lsn)
{
    Error err = ERROR_INIT;

    if (!spool_write_quiet(spool, lsn, &err))
        fail_msg("quiet: %s", err.message);
}

/* A transaction of one row: commit at `commit`, end 5 behind. */
static inline void put_row(Spool *spool, Lsn commit, const char *id)
{
    put(spool, message_begin(commit, (unsigned)commit));
    put(spool, message_insert(0, TABLE, id, "x"));
    put(spool, message_ends('C', 0, commit, commit + 5));
}

/* ---- reading ---- */

/* All that is there as text: "B100 It:1 C105 Q200 " */
static inline char *read_some(Arena *arena, SpoolReader *reader, int limit)
{
    Text text = text_init(arena, 1 << 24);
    Error err = ERROR_INIT;

    for (int i = 0; i < limit; i++) {
        SpoolItem item = {0};
        if (!spool_next(reader, 0, &item, &err)) {
            text_addf(&text, "! %s", err.message);
            break;
        }
        if (item.kind == SPOOL_NOTHING)
            break;
        switch (item.kind) {
        case SPOOL_BEGIN:
            text_addf(&text, "B%d ", (int)item.commit);
            break;
        case SPOOL_COMMIT:
            text_addf(&text, "C%d ", (int)item.end);
            break;
        case SPOOL_QUIET:
            text_addf(&text, "Q%d ", (int)item.end);
            break;
        default:
            text_addf(&text, "%c%s", (char)item.message->kind,
                      item.relation ? item.relation->name : "");
            if (item.message->new_row.count)
                text_addf(&text, ":%.*s", item.message->new_row.values[0].len,
                          item.message->new_row.values[0].data);
            text_add_char(&text, ' ');
        }
    }
    return arena_strdup(arena, text_str(&text));
}

static inline SpoolReader *start_reading(Spool *spool, Lsn from)
{
    SpoolReader *reader = NULL;
    Error err = ERROR_INIT;

    if (!spool_read(spool, from, &reader, &err))
        fail_msg("read: %s", err.message);
    return reader;
}

static inline char *read_all(Arena *arena, Spool *spool, Lsn from)
{
    SpoolReader *reader = start_reading(spool, from);
    char *text = read_some(arena, reader, 1000000);

    spool_reader_close(reader);
    return text;
}

/* A message in a piece of transaction `xid`. */
static inline void put_piece(Spool *spool, unsigned xid, bool first, const Bytes *messages,
                             int count)
{
    put(spool, message_stream_start(xid, first));
    for (int i = 0; i < count; i++)
        put(spool, messages[i]);
    put(spool, message_of('E', 0));
}

/* What was never described could not be read. */
static inline void put_relation(Spool *spool, Lsn commit)
{
    put(spool, message_begin(commit, (unsigned)commit));
    put(spool, message_relation(0, TABLE, "t"));
    put(spool, message_insert(0, TABLE, "0", "first"));
    put(spool, message_ends('C', 0, commit, commit + 5));
}

/* Text that does not compress well, from a fixed seed. */
static inline char *noise(char *text, size_t len, unsigned seed)
{
    for (size_t i = 0; i < len; i++) {
        seed = seed * 1103515245U + 12345U;
        text[i] = (char)('!' + (seed >> 16) % 90);
    }
    text[len] = '\0';
    return text;
}

/* An insert of any length, which a Bytes could not hold. */
static inline void put_large_row(Spool *spool, unsigned xid, const char *id, size_t len,
                                 unsigned seed)
{
    Bytes head = message_of('I', xid);
    Error err = ERROR_INIT;

    bytes_number(&head, TABLE, 4);
    bytes_number(&head, 'N', 1);
    bytes_number(&head, 2, 2);
    bytes_value(&head, id);
    bytes_number(&head, 't', 1);
    bytes_number(&head, len, 4);
    char *message = malloc(head.len + len + 1);
    assert_non_null(message);
    memcpy(message, head.data, head.len);
    (void)noise(message + head.len, len, seed);
    assert_true(spool_write(spool, 0, message, head.len + len, &err));
    free(message);
}

#define SPOOL_TEST(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)
