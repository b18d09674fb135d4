#include "spool_helpers.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

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

/* ---- transactions that are streamed while in progress ---- */

static void streamed_transactions_come_at_their_commit_without_what_was_aborted(void **state)
{
    auto_arena Arena *arena = arena_new();
    Spool *spool = open_spool(*state);

    put_piece(spool, 50, true,
              (Bytes[]){message_relation(50, TABLE, "t"), message_insert(50, TABLE, "1", "a"),
                        message_insert(51, TABLE, "2", "of 51"),
                        message_insert(52, TABLE, "3", "of 52")},
              4);
    put_relation(spool, 100);
    put_piece(spool, 60, true,
              (Bytes[]){message_relation(60, TABLE, "t"), message_insert(60, TABLE, "4", "gone")},
              2);
    put_piece(spool, 50, false, (Bytes[]){message_insert(50, TABLE, "5", "a")}, 1);
    put(spool, message_stream_abort(50, 51));
    put(spool, message_stream_abort(60, 60));
    put(spool, message_stream_abort(99, 99)); /* of another session */
    put(spool, message_ends('c', 50, 200, 210));
    put_row(spool, 300, "6");
    assert_int_equal(sync_spool(spool), 305);
    assert_string_equal(read_all(arena, spool, 0),
                        "B100 It:0 C105 B200 It:1 It:3 It:5 C210 B300 It:6 C305 ");
    assert_string_equal(read_all(arena, spool, 201), "B300 It:6 C305 ");
    spool_close(spool);
    spool = open_spool(*state);
    assert_string_equal(read_all(arena, spool, 101), "B200 It:1 It:3 It:5 C210 B300 It:6 C305 ");
    spool_close(spool);
}

static int count_files(const char *dir, const char *suffix)
{
    char path[512];
    int count = 0;

    (void)snprintf(path, sizeof path, "%s/spool/1", dir);
    DIR *folder = opendir(path);
    assert_non_null(folder);
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        size_t len = strlen(entry->d_name);
        count += len > strlen(suffix) && strcmp(entry->d_name + len - strlen(suffix), suffix) == 0;
    }
    (void)closedir(folder);
    return count;
}

static void rule_11_pieces_without_a_commit_are_thrown_away_and_come_from_the_start(void **state)
{
    auto_arena Arena *arena = arena_new();
    Spool *spool = open_spool(*state);
    Bytes first[] = {message_relation(50, TABLE, "t"), message_insert(50, TABLE, "1", "a")};

    put_relation(spool, 100);
    put_piece(spool, 50, true, first, 2);
    put_piece(spool, 50, false, first + 1, 1);
    put(spool, message_begin(110, 70));
    put(spool, message_insert(0, TABLE, "9", "half"));
    assert_int_equal(count_files(*state, ".tx"), 1);
    assert_int_equal(restart(spool), 105);
    assert_int_equal(count_files(*state, ".tx"), 0);

    /* The new session. */
    put(spool, message_begin(110, 70));
    put(spool, message_insert(0, TABLE, "9", "whole"));
    put(spool, message_ends('C', 0, 110, 115));
    put_piece(spool, 50, true, first, 2);
    put(spool, message_ends('c', 50, 200, 210));
    put_piece(spool, 80, true, (Bytes[]){message_insert(80, TABLE, "7", "open")}, 1);
    assert_int_equal(sync_spool(spool), 210);
    spool_close(spool);
    assert_int_equal(count_files(*state, ".tx"), 2);

    /* Killed: the open one's file has no owner. */
    spool = open_spool(*state);
    assert_int_equal(count_files(*state, ".tx"), 1);
    assert_string_equal(read_all(arena, spool, 0), "B100 It:0 C105 B110 It:9 C115 B200 It:1 C210 ");
    assert_int_equal(restart(spool), 210);
    spool_close(spool);
}

static void a_piece_of_a_transaction_that_did_not_begin_here_is_an_error(void **state)
{
    Spool *spool = open_spool(*state);
    Error err = ERROR_INIT;
    Bytes message = message_stream_start(50, false);
    Lsn lsn = 0;

    assert_false(spool_write(spool, 0, message.data, message.len, &err));
    assert_int_equal(err.code, ERR_FORMAT);
    /* It stays, until the stream begins anew. */
    err = ERROR_INIT;
    assert_false(spool_sync(spool, &lsn, &err));
    assert_int_equal(err.code, ERR_FORMAT);
    assert_int_equal(restart(spool), 0);
    assert_int_equal(sync_spool(spool), 0);
    spool_close(spool);
}

static void a_description_of_an_aborted_subtransaction_is_forgotten(void **state)
{
    auto_arena Arena *arena = arena_new();
    Spool *spool = open_spool(*state);

    put_piece(spool, 50, true,
              (Bytes[]){message_relation(50, TABLE, "t"), message_insert(50, TABLE, "1", "a"),
                        message_relation(51, TABLE, "renamed"),
                        message_insert(51, TABLE, "2", "b")},
              4);
    put(spool, message_stream_abort(50, 51));
    put_piece(spool, 50, false, (Bytes[]){message_insert(50, TABLE, "3", "c")}, 1);
    put(spool, message_ends('c', 50, 200, 210));
    /* Known from that commit on. */
    put_row(spool, 300, "4");
    (void)sync_spool(spool);
    assert_string_equal(read_all(arena, spool, 0), "B200 It:1 It:3 C210 B300 It:4 C305 ");
    assert_string_equal(read_all(arena, spool, 250), "B300 It:4 C305 ");
    spool_close(spool);
}

static void transactions_of_nothing_become_positions(void **state)
{
    auto_arena Arena *arena = arena_new();
    Spool *spool = open_spool(*state);

    for (Lsn at = 100; at < 500; at += 100) {
        put(spool, message_begin(at, 1));
        put(spool, message_ends('C', 0, at, at + 5));
    }
    put_piece(spool, 50, true, (Bytes[]){message_of('O', 0)}, 0);
    put(spool, message_ends('c', 50, 500, 505));
    assert_int_equal(sync_spool(spool), 505);
    assert_string_equal(read_all(arena, spool, 0), "Q505 ");
    spool_close(spool);
}

static void what_comes_again_is_kept_once(void **state)
{
    auto_arena Arena *arena = arena_new();
    Spool *spool = open_spool(*state);

    put_relation(spool, 100);
    put_row(spool, 200, "1");
    assert_int_equal(restart(spool), 205);
    put(spool, message_begin(200, 200));
    put(spool, message_relation(0, OTHER_TABLE, "other"));
    put(spool, message_insert(0, OTHER_TABLE, "1", "again"));
    put(spool, message_ends('C', 0, 200, 205));
    put(spool, message_begin(300, 300));
    put(spool, message_insert(0, OTHER_TABLE, "2", "new"));
    put(spool, message_ends('C', 0, 300, 305));
    put_piece(spool, 50, true, (Bytes[]){message_insert(50, TABLE, "1", "again")}, 1);
    put(spool, message_ends('c', 50, 200, 205));
    (void)sync_spool(spool);
    assert_string_equal(read_all(arena, spool, 0),
                        "B100 It:0 C105 B200 It:1 C205 B300 Iother:2 C305 ");
    spool_close(spool);
}

/* ---- large ones ---- */

static void check_large(SpoolReader *reader, const char *id, size_t len, unsigned seed)
{
    SpoolItem item = {0};
    Error err = ERROR_INIT;
    char *wanted = malloc(len + 1);

    if (!spool_next(reader, 0, &item, &err))
        fail_msg("%s", err.message);
    assert_int_equal(item.kind, SPOOL_CHANGE);
    const PgTuple *row = &item.message->new_row;
    assert_int_equal(row->count, 2);
    assert_memory_equal(row->values[0].data, id, strlen(id));
    assert_int_equal(row->values[1].len, len);
    assert_non_null(wanted);
    assert_memory_equal(row->values[1].data, noise(wanted, len, seed), len);
    free(wanted);
}

static void next_is(SpoolReader *reader, SpoolKind kind, SpoolItem *ret)
{
    Error err = ERROR_INIT;

    if (!spool_next(reader, 0, ret, &err))
        fail_msg("%s", err.message);
    assert_int_equal(ret->kind, kind);
}

static void rows_of_any_size_come_back_as_they_were(void **state)
{
    static const size_t sizes[] = {0, 1, 262000, 262144, 300000, 5000000, 1};
    Spool *spool = open_spool(*state);
    SpoolItem item = {0};

    for (unsigned xid = 0; xid <= 50; xid += 50) {
        Lsn commit = xid ? 300 : 200;
        if (xid)
            put(spool, message_stream_start(xid, true));
        else
            put(spool, message_begin(commit, 9));
        put(spool, message_relation(xid, TABLE, "t"));
        for (unsigned i = 0; i < COUNT_OF(sizes); i++)
            put_large_row(spool, xid, "k", sizes[i], i);
        if (xid)
            put(spool, message_of('E', 0));
        put(spool, message_ends(xid ? 'c' : 'C', xid, commit, commit + 5));
    }
    assert_int_equal(sync_spool(spool), 305);
    SpoolReader *reader = start_reading(spool, 0);
    for (int i = 0; i < 2; i++) {
        next_is(reader, SPOOL_BEGIN, &item);
        assert_int_equal(item.end, 205 + 100 * i);
        for (unsigned j = 0; j < COUNT_OF(sizes); j++)
            check_large(reader, "k", sizes[j], j);
        next_is(reader, SPOOL_COMMIT, &item);
    }
    next_is(reader, SPOOL_NOTHING, &item);
    spool_reader_close(reader);
    spool_close(spool);
}

/* ---- seeking, descriptions ---- */

static void seek(SpoolReader *reader, SpoolPosition position)
{
    Error err = ERROR_INIT;

    if (!spool_seek(reader, position, &err))
        fail_msg("seek: %s", err.message);
}

static void a_reader_goes_back_to_a_begin_and_sees_the_same_descriptions(void **state)
{
    auto_arena Arena *arena = arena_new();
    Spool *spool = open_spool(*state);
    SpoolItem items[4] = {0};
    SpoolItem change = {0};

    put_relation(spool, 100);
    put_piece(spool, 50, true,
              (Bytes[]){message_relation(50, TABLE, "t2"), message_insert(50, TABLE, "1", "a")}, 2);
    (void)sync_spool(spool);
    put_row(spool, 200, "2");
    put(spool, message_ends('c', 50, 300, 305));
    (void)sync_spool(spool);
    put_row(spool, 400, "3");
    (void)sync_spool(spool);

    SpoolReader *reader = start_reading(spool, 0);
    const PgRelation *seen[4] = {0};
    for (int i = 0; i < 4; i++) {
        next_is(reader, SPOOL_BEGIN, &items[i]);
        next_is(reader, SPOOL_CHANGE, &change);
        seen[i] = change.relation;
        next_is(reader, SPOOL_COMMIT, &change);
    }
    assert_ptr_equal(seen[0], seen[1]);
    assert_ptr_not_equal(seen[1], seen[2]);
    assert_ptr_equal(seen[2], seen[3]);
    for (int i = 3; i >= 0; i--) {
        seek(reader, items[i].position);
        next_is(reader, SPOOL_BEGIN, &change);
        assert_int_equal(change.commit, items[i].commit);
        next_is(reader, SPOOL_CHANGE, &change);
        assert_ptr_equal(change.relation, seen[i]);
    }
    seek(reader, items[1].position);
    assert_string_equal(read_some(arena, reader, 100),
                        "B200 It:2 C205 B300 It2:1 C305 B400 It2:3 C405 ");
    /* Out of the middle of one. */
    seek(reader, items[2].position);
    next_is(reader, SPOOL_BEGIN, &change);
    seek(reader, items[0].position);
    assert_string_equal(read_some(arena, reader, 3), "B100 It:0 C105 ");
    Error err = ERROR_INIT;
    assert_false(spool_seek(reader, (SpoolPosition){1, 12345}, &err));
    assert_int_equal(err.code, ERR_WRONG_STATE);
    spool_reader_close(reader);
    spool_close(spool);
}

/* ---- segments, pruning ---- */

static void prune(Spool *spool, Lsn lsn)
{
    Error err = ERROR_INIT;

    if (!spool_prune(spool, lsn, &err))
        fail_msg("prune: %s", err.message);
}

static void rule_12_what_is_applied_is_removed_and_every_segment_can_be_read_alone(void **state)
{
    auto_arena Arena *arena = arena_new();
    Spool *spool = open_spool(*state);

    put_relation(spool, 100);
    put(spool, message_begin(200, 9));
    put_large_row(spool, 0, "1", 900000, 1);
    put(spool, message_ends('C', 0, 200, 205));
    put_piece(spool, 50, true,
              (Bytes[]){message_relation(50, OTHER_TABLE, "other"),
                        message_insert(50, OTHER_TABLE, "5", "x")},
              2);
    put(spool, message_ends('c', 50, 300, 305));
    assert_int_equal(sync_spool(spool), 305);
    int64_t before = spool_bytes(spool);
    prune(spool, 304);
    assert_true(spool_bytes(spool) == before);
    assert_int_equal(count_files(*state, ".tx"), 1);
    /* The last segment stays, and gives way to the next one. */
    prune(spool, 305);
    put_row(spool, 400, "2");
    (void)sync_spool(spool);
    put_row(spool, 500, "3");
    (void)sync_spool(spool);
    assert_int_equal(count_files(*state, ".seg"), 2);
    prune(spool, 305);
    assert_int_equal(count_files(*state, ".seg"), 1);
    assert_int_equal(count_files(*state, ".tx"), 0);
    assert_true(spool_bytes(spool) < 10000);
    put(spool, message_begin(600, 9));
    put(spool, message_insert(0, OTHER_TABLE, "6", "x"));
    put(spool, message_ends('C', 0, 600, 605));
    (void)sync_spool(spool);
    /* What is gone cannot be asked for. */
    SpoolReader *reader = NULL;
    Error err = ERROR_INIT;
    assert_false(spool_read(spool, 205, &reader, &err));
    assert_int_equal(err.code, ERR_WRONG_STATE);
    spool_reader_close(start_reading(spool, 305));
    static const char left[] = "B500 It:3 C505 B600 Iother:6 C605 ";
    assert_non_null(strstr(read_all(arena, spool, 0), left));
    spool_close(spool);
    spool = open_spool(*state);
    assert_non_null(strstr(read_all(arena, spool, 0), left));
    assert_int_equal(restart(spool), 605);
    spool_close(spool);
}

/* ---- beside each other ---- */

enum {
    FOLLOWED = 3000
};

static void *write_many(void *arg)
{
    Spool *spool = arg;
    Error err = ERROR_INIT;
    Lsn lsn = 0;

    for (Lsn i = 0; i < FOLLOWED; i++) {
        Bytes messages[] = {message_begin(1000 + i * 10, 9), message_insert(0, TABLE, "k", "v"),
                            message_ends('C', 0, 1000 + i * 10, 1005 + i * 10)};
        for (size_t j = 0; j < COUNT_OF(messages); j++)
            if (!spool_write(spool, 0, messages[j].data, messages[j].len, &err))
                return NULL;
        if (i % 7 == 0 && !spool_sync(spool, &lsn, &err))
            return NULL;
        if (i % 500 == 0 && !spool_prune(spool, 1000 + i * 5, &err))
            return NULL;
    }
    return spool_sync(spool, &lsn, &err) ? spool : NULL;
}

static void a_reader_follows_a_writer_and_sees_nothing_before_it_is_synced(void **state)
{
    Spool *spool = open_spool(*state);
    SpoolReader *reader = start_reading(spool, 0);
    SpoolItem item = {0};
    Error err = ERROR_INIT;
    pthread_t writer;
    void *done = NULL;

    put_relation(spool, 100);
    (void)sync_spool(spool);
    assert_int_equal(pthread_create(&writer, NULL, write_many, spool), 0);
    int seen = -1;
    while (seen < FOLLOWED) {
        if (!spool_next(reader, 20000, &item, &err))
            fail_msg("%s", err.message);
        assert_int_not_equal(item.kind, SPOOL_NOTHING);
        assert_true(item.kind != SPOOL_COMMIT || item.end <= spool_synced(spool));
        seen += item.kind == SPOOL_COMMIT;
    }
    assert_int_equal(pthread_join(writer, &done), 0);
    assert_ptr_equal(done, spool);
    next_is(reader, SPOOL_NOTHING, &item);
    spool_reader_close(reader);
    spool_close(spool);
}

static void *wake_soon(void *arg)
{
    spool_wake(arg);
    return NULL;
}

static void somebody_who_waits_can_be_woken(void **state)
{
    Spool *spool = open_spool(*state);
    SpoolReader *reader = start_reading(spool, 0);
    SpoolItem item = {.kind = SPOOL_BEGIN};
    Error err = ERROR_INIT;
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, wake_soon, spool), 0);
    assert_true(spool_next(reader, 60000, &item, &err));
    assert_int_equal(item.kind, SPOOL_NOTHING);
    assert_int_equal(pthread_join(thread, NULL), 0);
    spool_reader_close(reader);
    spool_close(spool);
}

/* ---- a disk that is full ---- */

static void set_limit(rlim_t bytes)
{
    struct rlimit limit = {0};

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes == RLIM_INFINITY ? limit.rlim_max : bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_full_disk_stops_it_and_it_goes_on_when_there_is_room(void **state)
{
    auto_arena Arena *arena = arena_new();
    Spool *spool = open_spool(*state);
    Error err = ERROR_INIT;
    Lsn lsn = 0;

    (void)signal(SIGXFSZ, SIG_IGN);
    put_relation(spool, 100);
    assert_int_equal(sync_spool(spool), 105);
    int64_t before = spool_bytes(spool);
    set_limit(2000);
    put(spool, message_begin(200, 9));
    put_large_row(spool, 0, "1", 10000, 1);
    put(spool, message_ends('C', 0, 200, 205));
    put_piece(spool, 50, true, (Bytes[]){message_insert(50, TABLE, "7", "x")}, 1);
    put(spool, message_ends('c', 50, 210, 215));
    assert_false(spool_sync(spool, &lsn, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_int_equal(err.sys_errno, EFBIG);
    assert_int_equal(lsn, 0);
    assert_int_equal(spool_synced(spool), 105);
    assert_false(spool_write_quiet(spool, 300, &err));
    assert_string_equal(read_all(arena, spool, 0), "B100 It:0 C105 ");
    set_limit(RLIM_INFINITY);
    assert_false(spool_sync(spool, &lsn, &err));

    assert_int_equal(restart(spool), 105);
    assert_true(spool_bytes(spool) == before);
    assert_int_equal(count_files(*state, ".tx"), 0);
    put_row(spool, 200, "1");
    assert_int_equal(sync_spool(spool), 205);
    assert_string_equal(read_all(arena, spool, 0), "B100 It:0 C105 B200 It:1 C205 ");
    spool_close(spool);
    spool = open_spool(*state);
    assert_string_equal(read_all(arena, spool, 0), "B100 It:0 C105 B200 It:1 C205 ");
    spool_close(spool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SPOOL_TEST(whole_transactions_come_back_in_commit_order),
        SPOOL_TEST(quiet_positions_move_the_end_only_between_transactions),
        SPOOL_TEST(streamed_transactions_come_at_their_commit_without_what_was_aborted),
        SPOOL_TEST(rule_11_pieces_without_a_commit_are_thrown_away_and_come_from_the_start),
        SPOOL_TEST(a_piece_of_a_transaction_that_did_not_begin_here_is_an_error),
        SPOOL_TEST(a_description_of_an_aborted_subtransaction_is_forgotten),
        SPOOL_TEST(transactions_of_nothing_become_positions),
        SPOOL_TEST(what_comes_again_is_kept_once),
        SPOOL_TEST(rows_of_any_size_come_back_as_they_were),
        SPOOL_TEST(a_reader_goes_back_to_a_begin_and_sees_the_same_descriptions),
        SPOOL_TEST(rule_12_what_is_applied_is_removed_and_every_segment_can_be_read_alone),
        SPOOL_TEST(a_reader_follows_a_writer_and_sees_nothing_before_it_is_synced),
        SPOOL_TEST(somebody_who_waits_can_be_woken),
        SPOOL_TEST(a_full_disk_stops_it_and_it_goes_on_when_there_is_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
