#include "spool_helpers.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "move/spool_block.h"

/* ---- files as they are ---- */

typedef struct Content {
    char path[512];
    char *data;
    size_t len;
} Content;

static void path_of(Content *content, const char *dir, const char *name)
{
    (void)snprintf(content->path, sizeof content->path, "%s/spool/1/%s", dir, name);
}

static Content read_file(Arena *arena, const char *dir, const char *name)
{
    Content content = {.len = 0};
    Error err = ERROR_INIT;

    path_of(&content, dir, name);
    if (!file_read(arena, content.path, 1 << 24, &content.data, &content.len, &err))
        fail_msg("%s", err.message);
    return content;
}

static void write_file(const Content *content, const char *data, size_t len)
{
    int fd = open(content->path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), len);
    assert_int_equal(close(fd), 0);
}

static void remove_file(const char *dir, const char *name)
{
    Content content = {.len = 0};

    path_of(&content, dir, name);
    assert_true(unlink(content.path) == 0 || errno == ENOENT);
}

/* Where the blocks of a file begin; the last number is its length. */
static int find_blocks(const Content *content, int64_t *starts, int max)
{
    int count = 0;
    const char *why = NULL;
    Block block = {0};

    for (int64_t at = 0; at < (int64_t)content->len; count++) {
        assert_true(count < max - 1);
        if (!block_parse_header((const unsigned char *)content->data + at, at,
                                (int64_t)content->len - at, &block, &why))
            fail_msg("offset %d: %s", (int)at, why);
        starts[count] = at;
        at += BLOCK_HEADER_BYTES + (int64_t)block.stored;
    }
    starts[count] = (int64_t)content->len;
    return count;
}

#define FIRST_SEGMENT "s000000000001.seg"
#define SECOND_SEGMENT "s000000000002.seg"
#define FIRST_LARGE "t000000000001.tx"

static const char *const all_text = "B100 It:0 C105 B200 It:1 C205 B300 It:2 C305 ";
static const char *const but_last = "B100 It:0 C105 B200 It:1 C205 ";

/* A start and three blocks, each synced. */
static void make_small(const char *dir)
{
    Spool *spool = open_spool(dir);

    put_relation(spool, 100);
    (void)sync_spool(spool);
    put_row(spool, 200, "1");
    (void)sync_spool(spool);
    put_row(spool, 300, "2");
    (void)sync_spool(spool);
    spool_close(spool);
}

static void refused_at(const char *dir, const char *what, int64_t offset)
{
    Spool *spool = NULL;
    Error err = ERROR_INIT;
    char wanted[64];

    if (spool_open(dir, "m1", 1, &spool, &err))
        fail_msg("damage at offset %d of %s was not seen", (int)offset, what);
    (void)snprintf(wanted, sizeof wanted, "%s, offset %d: ", what, (int)offset);
    assert_int_equal(err.code, ERR_FORMAT);
    if (!strstr(err.message, wanted))
        fail_msg("\"%s\" is not in: %s", wanted, err.message);
    assert_true(err.hint[0]);
    assert_null(spool);
}

static void opens_with(Arena *arena, const char *dir, const char *text)
{
    Spool *spool = open_spool(dir);

    assert_string_equal(read_all(arena, spool, 0), text);
    spool_close(spool);
}

/* ---- one segment ---- */

static void
a_flipped_byte_anywhere_is_refused_with_its_position_or_is_in_the_torn_last_block(void **state)
{
    auto_arena Arena *arena = arena_new();
    int64_t starts[8] = {0};

    make_small(*state);
    Content file = read_file(arena, *state, FIRST_SEGMENT);
    int count = find_blocks(&file, starts, 8);
    assert_int_equal(count, 4);
    for (size_t at = 0; at < file.len; at++) {
        auto_arena Arena *scratch = arena_new();
        int block = 0;
        while (starts[block + 1] <= (int64_t)at)
            block++;
        for (int bit = 0; bit < 8; bit += 7) {
            file.data[at] = (char)(file.data[at] ^ 1 << bit);
            write_file(&file, file.data, file.len);
            if (block < count - 1)
                refused_at(*state, "segment 1", starts[block]);
            else
                opens_with(scratch, *state, but_last);
            file.data[at] = (char)(file.data[at] ^ 1 << bit);
        }
    }
    write_file(&file, file.data, file.len);
    opens_with(arena, *state, all_text);
}

static void a_file_that_ends_anywhere_gives_the_whole_blocks_before(void **state)
{
    auto_arena Arena *arena = arena_new();
    int64_t starts[8] = {0};
    static const char *const texts[] = {"", "", "B100 It:0 C105 ",
                                        "B100 It:0 C105 B200 It:1 C205 "};

    make_small(*state);
    Content file = read_file(arena, *state, FIRST_SEGMENT);
    assert_int_equal(find_blocks(&file, starts, 8), 4);
    for (size_t len = 0; len < file.len; len++) {
        auto_arena Arena *scratch = arena_new();
        int block = 0;
        while (starts[block + 1] <= (int64_t)len)
            block++;
        write_file(&file, file.data, len);
        opens_with(scratch, *state, texts[block]);
    }
}

static void what_a_crash_leaves_behind_the_end_is_cut_off(void **state)
{
    auto_arena Arena *arena = arena_new();
    char tail[300];
    struct stat info;

    make_small(*state);
    Content file = read_file(arena, *state, FIRST_SEGMENT);
    for (int round = 0; round < 3; round++) {
        memset(tail, 0, sizeof tail);
        if (round == 1)
            (void)noise(tail, sizeof tail - 1, 7);
        if (round == 2) /* an old block of the same file, which belongs elsewhere */
            memcpy(tail, file.data, sizeof tail < file.len ? sizeof tail : file.len);
        char *longer = arena_alloc(arena, file.len + sizeof tail);
        memcpy(longer, file.data, file.len);
        memcpy(longer + file.len, tail, sizeof tail);
        write_file(&file, longer, file.len + sizeof tail);
        opens_with(arena, *state, all_text);
        assert_int_equal(stat(file.path, &info), 0);
        assert_int_equal(info.st_size, file.len);
    }
}

/* The kernel writes pages in any order: of what was not synced, any part may be missing. */
static void a_group_that_was_torn_in_its_middle_is_cut_off_there(void **state)
{
    auto_arena Arena *arena = arena_new();
    Spool *spool = open_spool(*state);
    int64_t starts[16] = {0};

    put_relation(spool, 100);
    (void)sync_spool(spool);
    for (unsigned i = 0; i < 4; i++) {
        put(spool, message_begin(200 + i * 10, 9));
        put_large_row(spool, 0, "1", 300000, i);
        put(spool, message_ends('C', 0, 200 + i * 10, 205 + i * 10));
    }
    (void)sync_spool(spool);
    put_row(spool, 300, "2");
    (void)sync_spool(spool);
    spool_close(spool);

    Content file = read_file(arena, *state, FIRST_SEGMENT);
    assert_int_equal(find_blocks(&file, starts, 16), 7);
    /* As if the machine had died before the second sync: its four blocks and nothing behind. */
    size_t group_end = (size_t)starts[6];
    file.data[starts[3] + 200] ^= 1;
    write_file(&file, file.data, group_end);
    opens_with(arena, *state, "B100 It:0 C105 B200 It:1 C205 ");
    /* With what was written after that sync, the same damage is one of what was promised. */
    write_file(&file, file.data, file.len);
    refused_at(*state, "segment 1", starts[3]);
}

/* ---- several files ---- */

/* Two segments; the second begins when the spool is opened again. */
static void make_two(const char *dir)
{
    make_small(dir);
    Spool *spool = open_spool(dir);
    put(spool, message_begin(400, 9));
    put(spool, message_relation(0, TABLE, "t"));
    put(spool, message_insert(0, TABLE, "3", "x"));
    put(spool, message_ends('C', 0, 400, 405));
    (void)sync_spool(spool);
    spool_close(spool);
}

static void a_segment_that_is_not_the_last_must_be_whole(void **state)
{
    auto_arena Arena *arena = arena_new();
    int64_t starts[8] = {0};

    make_two(*state);
    Content file = read_file(arena, *state, FIRST_SEGMENT);
    assert_int_equal(find_blocks(&file, starts, 8), 4);
    for (size_t len = 0; len < file.len; len++) {
        int block = 0;
        while (starts[block + 1] <= (int64_t)len)
            block++;
        write_file(&file, file.data, len);
        /* Cut between two blocks it is whole, but the next does not go on from there. */
        if ((int64_t)len == starts[block])
            refused_at(*state, len ? "segment 2" : "segment 1", 0);
        else
            refused_at(*state, "segment 1", starts[block]);
    }
    /* What is in its blocks is looked at when they are read. */
    file.data[starts[2] + BLOCK_HEADER_BYTES + 3] ^= 1;
    write_file(&file, file.data, file.len);
    Spool *spool = open_spool(*state);
    char *text = read_all(arena, spool, 0);
    char wanted[64];
    (void)snprintf(wanted, sizeof wanted, "segment 1, offset %d: ", (int)starts[2]);
    assert_memory_equal(text, "B100 It:0 C105 !", 16);
    assert_non_null(strstr(text, wanted));
    spool_close(spool);
}

static void a_missing_or_foreign_segment_is_refused(void **state)
{
    auto_arena Arena *arena = arena_new();

    make_two(*state);
    Spool *spool = open_spool(*state);
    put_row(spool, 500, "4");
    (void)sync_spool(spool);
    spool_close(spool);
    Content second = read_file(arena, *state, SECOND_SEGMENT);
    Content first = read_file(arena, *state, FIRST_SEGMENT);
    remove_file(*state, SECOND_SEGMENT);
    refused_at(*state, "segment 2", 0);
    write_file(&second, first.data, first.len);
    refused_at(*state, "segment 2", 0);
    write_file(&second, second.data, second.len);
    spool = open_spool(*state);
    spool_close(spool);
}

static void the_spool_of_another_move_or_feed_is_refused(void **state)
{
    auto_arena Arena *arena = arena_new();
    Spool *spool = NULL;
    Error err = ERROR_INIT;

    make_small(*state);
    assert_false(spool_open(*state, "m2", 1, &spool, &err));
    assert_int_equal(err.code, ERR_WRONG_STATE);
    assert_non_null(strstr(err.message, "feed 1 of the move \"m1\""));

    Content file = read_file(arena, *state, FIRST_SEGMENT);
    char *other = arena_printf(arena, "%s/spool/2", (const char *)*state);
    assert_true(file_make_dir(other, 0700, &err));
    (void)snprintf(file.path, sizeof file.path, "%s/%s", other, FIRST_SEGMENT);
    write_file(&file, file.data, file.len);
    assert_false(spool_open(*state, "m1", 2, &spool, &err));
    assert_int_equal(err.code, ERR_WRONG_STATE);
}

/* ---- files of large transactions ---- */

static void make_large(const char *dir)
{
    Spool *spool = open_spool(dir);

    put_relation(spool, 100);
    put_piece(spool, 50, true,
              (Bytes[]){message_relation(50, TABLE, "t"), message_insert(50, TABLE, "1", "a"),
                        message_insert(51, TABLE, "2", "b")},
              3);
    put_piece(spool, 50, false, (Bytes[]){message_insert(50, TABLE, "3", "c")}, 1);
    put(spool, message_stream_abort(50, 51));
    put(spool, message_ends('c', 50, 200, 205));
    put_row(spool, 300, "4");
    (void)sync_spool(spool);
    spool_close(spool);
}

static void a_damaged_large_transaction_is_refused_when_it_is_read(void **state)
{
    auto_arena Arena *arena = arena_new();
    int64_t starts[8] = {0};

    make_large(*state);
    opens_with(arena, *state, "B100 It:0 C105 B200 It:1 It:3 C205 B300 It:4 C305 ");
    Content file = read_file(arena, *state, FIRST_LARGE);
    assert_int_equal(find_blocks(&file, starts, 8), 3);
    for (size_t at = 0; at < file.len; at++) {
        auto_arena Arena *scratch = arena_new();
        int block = 0;
        while (starts[block + 1] <= (int64_t)at)
            block++;
        char wanted[64];
        (void)snprintf(wanted, sizeof wanted, "transaction 1, offset %d: ", (int)starts[block]);
        file.data[at] ^= 1;
        write_file(&file, file.data, file.len);
        Spool *spool = open_spool(*state);
        char *text = read_all(scratch, spool, 0);
        if (!strstr(text, wanted))
            fail_msg("byte %d: %s", (int)at, text);
        spool_close(spool);
        file.data[at] ^= 1;
    }
    /* Its end may be the list of what was aborted: as important as the rows. */
    for (size_t len = 0; len < file.len; len += 7) {
        write_file(&file, file.data, len);
        refused_at(*state, "transaction 1", (int64_t)len);
    }
    remove_file(*state, FIRST_LARGE);
    Spool *spool = NULL;
    Error err = ERROR_INIT;
    assert_false(spool_open(*state, "m1", 1, &spool, &err));
    assert_int_equal(err.sys_errno, ENOENT);
}

static void files_of_others_are_left_alone(void **state)
{
    auto_arena Arena *arena = arena_new();
    static const char *const names[] = {"notes.txt", "s.seg", "sx1.seg", "t000000000009.txt",
                                        "s1.segment"};

    make_small(*state);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        Content content = {.len = 0};
        path_of(&content, *state, names[i]);
        write_file(&content, "x", 1);
    }
    opens_with(arena, *state, all_text);
    for (size_t i = 0; i < COUNT_OF(names); i++)
        assert_int_equal(read_file(arena, *state, names[i]).len, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SPOOL_TEST(
            a_flipped_byte_anywhere_is_refused_with_its_position_or_is_in_the_torn_last_block),
        SPOOL_TEST(a_file_that_ends_anywhere_gives_the_whole_blocks_before),
        SPOOL_TEST(what_a_crash_leaves_behind_the_end_is_cut_off),
        SPOOL_TEST(a_group_that_was_torn_in_its_middle_is_cut_off_there),
        SPOOL_TEST(a_segment_that_is_not_the_last_must_be_whole),
        SPOOL_TEST(a_missing_or_foreign_segment_is_refused),
        SPOOL_TEST(the_spool_of_another_move_or_feed_is_refused),
        SPOOL_TEST(a_damaged_large_transaction_is_refused_when_it_is_read),
        SPOOL_TEST(files_of_others_are_left_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
