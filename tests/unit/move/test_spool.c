#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../folder.h"
#include "core/text.h"
#include "spool_messages.h"

enum {
    TABLE = 16384
};

/* ---- writing ---- */

static Spool *open_spool(const char *dir)
{
    Spool *spool = NULL;
    Error err = ERROR_INIT;

    if (!spool_open(dir, "m1", 1, &spool, &err))
        fail_msg("open: %s", err.message);
    return spool;
}

static void put(Spool *spool, Bytes bytes)
{
    Error err = ERROR_INIT;

    if (!spool_write(spool, 0, bytes.data, bytes.len, &err))
        fail_msg("write '%c': %s", bytes.data[0], err.message);
}

static Lsn sync_spool(Spool *spool)
{
    Error err = ERROR_INIT;
    Lsn lsn = 0;

    if (!spool_sync(spool, &lsn, &err))
        fail_msg("sync: %s", err.message);
    assert_true(lsn == spool_synced(spool));
    return lsn;
}

static Lsn restart(Spool *spool)
{
    Error err = ERROR_INIT;
    Lsn lsn = 0;

    if (!spool_restart(spool, &lsn, &err))
        fail_msg("restart: %s", err.message);
    return lsn;
}

static void quiet(Spool *spool, Lsn lsn)
{
    Error err = ERROR_INIT;

    if (!spool_write_quiet(spool, lsn, &err))
        fail_msg("quiet: %s", err.message);
}

/* A transaction of one row: commit at `commit`, end 5 behind. */
static void put_row(Spool *spool, Lsn commit, const char *id)
{
    put(spool, message_begin(commit, (unsigned)commit));
    put(spool, message_insert(0, TABLE, id, "x"));
    put(spool, message_ends('C', 0, commit, commit + 5));
}

/* ---- reading ---- */

/* All that is there as text: "B100 It:1 C105 Q200 " */
static char *read_some(Arena *arena, SpoolReader *reader, int limit)
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

static SpoolReader *start_reading(Spool *spool, Lsn from)
{
    SpoolReader *reader = NULL;
    Error err = ERROR_INIT;

    if (!spool_read(spool, from, &reader, &err))
        fail_msg("read: %s", err.message);
    return reader;
}

static char *read_all(Arena *arena, Spool *spool, Lsn from)
{
    SpoolReader *reader = start_reading(spool, from);
    char *text = read_some(arena, reader, 1000000);

    spool_reader_close(reader);
    return text;
}

static void whole_transactions_come_back_in_commit_order(void **state)
{
    auto_arena Arena *arena = arena_new();
    Spool *spool = open_spool(*state);

    assert_string_equal(read_all(arena, spool, 0), "");
    put(spool, message_begin(100, 7));
    put(spool, message_relation(0, TABLE, "t"));
    put(spool, message_insert(0, TABLE, "1", "a"));
    put(spool, message_insert(0, TABLE, "2", "b"));
    put(spool, message_ends('C', 0, 100, 105));
    put_row(spool, 200, "3");
    assert_string_equal(read_all(arena, spool, 0), "");
    assert_int_equal(sync_spool(spool), 205);
    assert_string_equal(read_all(arena, spool, 0), "B100 It:1 It:2 C105 B200 It:3 C205 ");
    assert_string_equal(read_all(arena, spool, 101), "B200 It:3 C205 ");
    assert_string_equal(read_all(arena, spool, 200), "B200 It:3 C205 ");
    assert_string_equal(read_all(arena, spool, 205), "");
    spool_close(spool);

    spool = open_spool(*state);
    assert_int_equal(restart(spool), 205);
    assert_string_equal(read_all(arena, spool, 0), "B100 It:1 It:2 C105 B200 It:3 C205 ");
    spool_close(spool);
}

static void quiet_positions_move_the_end_only_between_transactions(void **state)
{
    auto_arena Arena *arena = arena_new();
    Spool *spool = open_spool(*state);

    quiet(spool, 50);
    quiet(spool, 40);
    assert_int_equal(sync_spool(spool), 50);
    put(spool, message_begin(100, 7));
    quiet(spool, 99);
    put(spool, message_relation(0, TABLE, "t"));
    quiet(spool, 99);
    put(spool, message_insert(0, TABLE, "1", "a"));
    put(spool, message_ends('C', 0, 100, 105));
    quiet(spool, 150);
    quiet(spool, 160);
    assert_int_equal(sync_spool(spool), 160);
    assert_string_equal(read_all(arena, spool, 0), "Q50 B100 It:1 C105 Q160 ");
    spool_close(spool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(whole_transactions_come_back_in_commit_order, folder_make,
                                        folder_remove),
        cmocka_unit_test_setup_teardown(quiet_positions_move_the_end_only_between_transactions,
                                        folder_make, folder_remove),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
