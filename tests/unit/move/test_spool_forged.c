/*
 * Files of a spool whose blocks are good and whose content is not: what a reader says of it, and
 * where. They are forged while the spool is open, as what is seen when it is opened is
 * test_spool_damage's.
 */
#include "spool_helpers.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/crc32c.h"
#include "move/spool_internal.h"

static const char first_segment[] = "s000000000001.seg";

static char *file_path(Arena *arena, const char *dir, const char *name)
{
    return arena_printf(arena, "%s/spool/1/%s", dir, name);
}

/* ---- records ---- */

static void add_number(Bytes *raw, uint64_t value, int width)
{
    for (int i = 0; i < width; i++)
        raw->data[raw->len++] = (char)(value >> (8 * i));
}

static void add_record(Bytes *raw, char type, const void *body, size_t len)
{
    raw->data[raw->len++] = type;
    add_number(raw, len, 4);
    if (len)
        memcpy(raw->data + raw->len, body, len);
    raw->len += len;
}

static void add_message(Bytes *raw, char type, Bytes message)
{
    add_record(raw, type, message.data, message.len);
}

static Bytes ends_body(Lsn commit)
{
    Bytes body = {.len = 0};

    add_number(&body, commit, 8);
    add_number(&body, commit + 5, 8);
    add_number(&body, 0, 8);
    add_number(&body, 7, 4);
    return body;
}

/* ---- blocks ---- */

/* A block in the place of the one at `at`, and nothing behind it. */
static Block forge(const char *path, Block block, const char *raw, size_t len)
{
    BlockCodec codec = {0};
    Error err = ERROR_INIT;

    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, block.offset), 0);
    if (!block_write(&codec, fd, &block, raw, len, &err))
        fail_msg("%s", err.message);
    assert_int_equal(close(fd), 0);
    block_codec_clear(&codec);
    return block;
}

/* The last block's header. */
static Block last_block(const char *path)
{
    Block block = {0};
    Block last = {0};
    struct stat info;
    const char *why = NULL;
    Error err = ERROR_INIT;

    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &info), 0);
    for (int64_t at = 0; at < info.st_size; at += BLOCK_HEADER_BYTES + (int64_t)block.stored) {
        assert_true(block_read_header(fd, at, info.st_size, &block, &why, &err) && !why);
        last = block;
    }
    assert_int_equal(close(fd), 0);
    return last;
}

/* A segment whose last block may be forged, and one behind it. */
static Spool *make_two_segments(const char *dir)
{
    Spool *spool = open_spool(dir);

    put_relation(spool, 100);
    (void)sync_spool(spool);
    put_row(spool, 200, "1");
    (void)sync_spool(spool);
    put_row(spool, 300, "2");
    (void)sync_spool(spool);
    spool_close(spool);
    spool = open_spool(dir);
    /* A new session describes the table again. */
    put(spool, message_begin(400, 9));
    put(spool, message_relation(0, TABLE, "t"));
    put(spool, message_insert(0, TABLE, "3", "x"));
    put(spool, message_ends('C', 0, 400, 405));
    (void)sync_spool(spool);
    return spool;
}

static const char before[] = "B100 It:0 C105 B200 It:1 C205 ";

/* What is good comes, and then it is said where what is not. */
static void says(Spool *spool, const char *good, int64_t offset, const char *why)
{
    auto_arena Arena *arena = arena_new();
    const char *text = read_all(arena, spool, 0);
    const char *wanted = arena_printf(arena, "%s! spool \"%s\": segment 1, offset %d: %s", good,
                                      spool->dir, (int)offset, why);

    assert_string_equal(text, wanted);
}

typedef struct Forged {
    const char *good; /* what is read of it all the same */
    Bytes raw;
    const char *why;
} Forged;

static void content_that_is_no_records_is_refused_with_its_place(void **state)
{
    auto_arena Arena *arena = arena_new();
    Spool *spool = make_two_segments(*state);
    const char *path = file_path(arena, *state, first_segment);
    Block at = last_block(path);
    Bytes ends = ends_body(300);
    static Forged forged[] = {
        {"",      {.data = "D\5", .len = 2},          "a block ends within a record"                    },
        {"",      {.data = "D\5\0\0\0abc", .len = 8}, "a record is longer than its block"               },
        {"",      {.len = 0},                         "a record that should describe a table does not"  },
        {"",      {.data = "B\3\0\0\0abc", .len = 8}, "a record is not whole"                           },
        {"",      {.data = "Q\3\0\0\0abc", .len = 8}, "a record is not whole"                           },
        {"",      {.data = "L\3\0\0\0abc", .len = 8}, "a record is not whole"                           },
        {"",      {.data = "X\3\0\0\0abc", .len = 8}, "a record of an unknown kind"                     },
        {"B300 ", {.len = 0},                         "a record that does not belong into a transaction"},
        {"",      {.len = 0},                         "a transaction does not end where it should"      },
        {"B300 ", {.len = 0},                         "a record that should hold a change does not"     },
    };

    add_message(&forged[2].raw, 'R', message_insert(0, TABLE, "2", "x"));
    add_message(&forged[7].raw, 'B', ends);
    add_record(&forged[7].raw, 'Q', "12345678", 8);
    add_message(&forged[8].raw, 'B', ends);
    add_message(&forged[9].raw, 'B', ends);
    add_message(&forged[9].raw, 'D', message_relation(0, TABLE, "t"));
    for (size_t i = 0; i < COUNT_OF(forged); i++) {
        (void)forge(path, at, forged[i].raw.data, forged[i].raw.len);
        says(spool, arena_printf(arena, "%s%s", before, forged[i].good), at.offset, forged[i].why);
    }
    spool_close(spool);
}

static void a_block_of_another_spool_or_file_is_refused_with_its_place(void **state)
{
    auto_arena Arena *arena = arena_new();
    Spool *spool = make_two_segments(*state);
    const char *path = file_path(arena, *state, first_segment);
    Block at = last_block(path);
    Block others[] = {at, at, at};

    others[0].file = 2;
    others[1].spool++;
    others[2].kind = BLOCK_LARGE;
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        (void)forge(path, others[i], "", 0);
        says(spool, before, at.offset, "a block of another file");
    }
    spool_close(spool);
}

static void a_segment_that_is_gone_or_no_file_ends_the_reading(void **state)
{
    auto_arena Arena *arena = arena_new();
    Spool *spool = make_two_segments(*state);
    const char *path = file_path(arena, *state, first_segment);
    Error err = ERROR_INIT;
    SpoolItem item = {0};

    assert_int_equal(unlink(path), 0);
    SpoolReader *reader = start_reading(spool, 0);
    assert_false(spool_next(reader, 0, &item, &err));
    assert_int_equal(err.code, ERR_WRONG_STATE);
    assert_string_equal(err.message,
                        arena_printf(arena, "segment 1 of \"%s\" is gone", spool->dir));
    /* A link that leads to itself. */
    assert_int_equal(symlink(first_segment, path), 0);
    assert_false(spool_next(reader, 0, &item, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_non_null(strstr(err.message, path));
    /* What is behind it can be read all the same. */
    spool_reader_close(reader);
    assert_string_equal(read_all(arena, spool, 305), "B400 It:3 C405 ");
    spool_close(spool);
}

/* ---- going back ---- */

static void no_seek(SpoolReader *reader, int64_t block, size_t record, ErrorCode code,
                    const char *why)
{
    Error err = ERROR_INIT;

    assert_false(
        spool_seek(reader, (SpoolPosition){1, block << POSITION_SHIFT | (int64_t)record}, &err));
    assert_int_equal(err.code, code);
    if (!strstr(err.message, why))
        fail_msg("\"%s\" is not in: %s", why, err.message);
}

/* In the block itself, and in one before it whose descriptions are needed. */
static void a_seek_past_what_is_damaged_says_so(void **state)
{
    auto_arena Arena *arena = arena_new();
    Spool *spool = make_two_segments(*state);
    const char *path = file_path(arena, *state, first_segment);
    Block at = last_block(path);
    Bytes no_relation = {.len = 0};
    Bytes row = {.len = 0};
    SpoolReader *reader = start_reading(spool, 0);

    no_seek(reader, at.offset + 100000, 0, ERR_WRONG_STATE, "no transaction begins there");
    no_seek(reader, at.offset - 1, 0, ERR_WRONG_STATE, "no transaction begins there");
    add_message(&no_relation, 'R', message_insert(0, TABLE, "2", "x"));
    add_message(&row, 'B', ends_body(300));
    add_message(&row, 'D', message_insert(0, TABLE, "2", "x"));
    add_record(&row, 'C', NULL, 0);
    at.flags = BLOCK_HAS_RELATIONS;
    const char *place = arena_printf(arena, "segment 1, offset %d: ", (int)at.offset);

    Block short_one = forge(path, at, "R\7", 2);
    no_seek(reader, at.offset, 2, ERR_FORMAT, arena_printf(arena, "%sa block ends within", place));
    Block behind = short_one;
    behind.offset += BLOCK_HEADER_BYTES + (int64_t)short_one.stored;
    (void)forge(path, behind, row.data, row.len);
    no_seek(reader, behind.offset, 0, ERR_FORMAT,
            arena_printf(arena, "%sa block ends within", place));

    Block wrong = forge(path, at, no_relation.data, no_relation.len);
    no_seek(reader, at.offset, no_relation.len, ERR_FORMAT,
            arena_printf(arena, "%sa record that should describe", place));
    behind.offset = at.offset + BLOCK_HEADER_BYTES + (int64_t)wrong.stored;
    (void)forge(path, behind, row.data, row.len);
    no_seek(reader, behind.offset, 0, ERR_FORMAT,
            arena_printf(arena, "%sa record that should describe", place));

    /* The same without the damage. */
    (void)forge(path, at, row.data, row.len);
    Error err = ERROR_INIT;
    assert_true(spool_seek(reader, (SpoolPosition){1, at.offset << POSITION_SHIFT}, &err));
    assert_string_equal(read_some(arena, reader, 3), "B300 It:2 C305 ");
    spool_reader_close(reader);
    spool_close(spool);
}

/* ---- files of large transactions ---- */

typedef struct ForgedLarge {
    Spool *spool;
    char *segment, *file;
    Block at;
} ForgedLarge;

/* A transaction in a file, with this content, or none where raw is NULL; in the segment the record
 * that refers to it, which promises `promised` bytes. */
static void forge_large(const ForgedLarge *forged, const Bytes *raw, size_t promised)
{
    Block block = {.kind = BLOCK_LARGE, .spool = forged->spool->id, .file = 1};
    Bytes body = ends_body(300);
    Bytes record = {.len = 0};

    (void)unlink(forged->file);
    if (raw)
        block = forge(forged->file, block, raw->data, raw->len);
    uint64_t size = BLOCK_HEADER_BYTES + (uint64_t)block.stored;
    add_number(&body, 1, 8);
    add_number(&body, size, 8);
    add_number(&body, size, 8);
    add_number(&body, promised, 8);
    add_message(&record, 'L', body);
    (void)forge(forged->segment, forged->at, record.data, record.len);
}

static void large_says(const ForgedLarge *forged, const char *good, int64_t offset, const char *why)
{
    auto_arena Arena *arena = arena_new();
    const char *text = read_all(arena, forged->spool, 0);
    const char *wanted = arena_printf(arena, "%s%s! spool \"%s\": transaction 1, offset %d: %s",
                                      before, good, forged->spool->dir, (int)offset, why);

    assert_string_equal(text, wanted);
}

/* A record of a large transaction: the message without its first byte's id, which stands before. */
static Bytes large_record(char type, unsigned xid, Bytes message)
{
    Bytes body = {.len = 0};
    Bytes record = {.len = 0};

    add_number(&body, xid, 4);
    memcpy(body.data + body.len, message.data, message.len);
    body.len += message.len;
    add_message(&record, type, body);
    return record;
}

static void content_of_a_large_transaction_that_is_no_records_is_refused(void **state)
{
    auto_arena Arena *arena = arena_new();
    ForgedLarge forged = {.spool = make_two_segments(*state),
                          .segment = file_path(arena, *state, first_segment),
                          .file = file_path(arena, *state, "t000000000001.tx")};
    Bytes good = large_record('D', 7, message_insert(0, TABLE, "2", "x"));
    Bytes short_one = {.data = "D\4\0\0\0abcd", .len = 9};
    Bytes unknown = large_record('X', 7, message_insert(0, TABLE, "2", "x"));
    Bytes no_change = large_record('D', 7, message_relation(0, TABLE, "t"));
    Bytes no_relation = large_record('R', 7, message_insert(0, TABLE, "2", "x"));

    forged.at = last_block(forged.segment);
    forge_large(&forged, &good, good.len);
    assert_string_equal(read_all(arena, forged.spool, 200),
                        "B200 It:1 C205 B300 It:2 C305 B400 It:3 C405 ");
    forge_large(&forged, &good, good.len - 1);
    large_says(&forged, "B300 ", last_block(forged.file).stored + BLOCK_HEADER_BYTES,
               "it ends within a record");
    forge_large(&forged, &short_one, short_one.len);
    large_says(&forged, "B300 ", 0, "a record that is too short");
    forge_large(&forged, &unknown, unknown.len);
    large_says(&forged, "B300 ", 0, "a record of an unknown kind");
    forge_large(&forged, &no_change, no_change.len);
    large_says(&forged, "B300 ", 0, "a record that should hold a change does not");
    forge_large(&forged, &no_relation, no_relation.len);
    large_says(&forged, "B300 ", 0, "a record that should describe a table does not");
    spool_close(forged.spool);
}

static void a_large_transaction_whose_file_is_not_what_was_referred_to_is_refused(void **state)
{
    auto_arena Arena *arena = arena_new();
    ForgedLarge forged = {.spool = make_two_segments(*state),
                          .segment = file_path(arena, *state, first_segment),
                          .file = file_path(arena, *state, "t000000000001.tx")};
    Bytes good = large_record('D', 7, message_insert(0, TABLE, "2", "x"));
    Block other = {.kind = BLOCK_ABORTED, .spool = forged.spool->id, .file = 1};

    forged.at = last_block(forged.segment);
    forge_large(&forged, NULL, good.len);
    assert_non_null(strstr(read_all(arena, forged.spool, 0), "t000000000001.tx\": No such file"));
    forge_large(&forged, &good, good.len);
    assert_int_equal(truncate(forged.file, 90), 0);
    large_says(&forged, "", 90, "the file has another length than it should");
    forge_large(&forged, &good, good.len);
    (void)forge(forged.file, other, good.data, good.len);
    large_says(&forged, "B300 ", 0, "a block of another file");
    spool_close(forged.spool);
}

/* Blocks cut a transaction's bytes anywhere: also where there are none. */
static void an_empty_block_in_a_large_transaction_changes_nothing(void **state)
{
    auto_arena Arena *arena = arena_new();
    ForgedLarge forged = {.spool = make_two_segments(*state),
                          .segment = file_path(arena, *state, first_segment),
                          .file = file_path(arena, *state, "t000000000001.tx")};
    Bytes good = large_record('D', 7, message_insert(0, TABLE, "2", "x"));
    Bytes record = {.len = 0};
    Bytes body = ends_body(300);
    Block block = {.kind = BLOCK_LARGE, .spool = forged.spool->id, .file = 1};

    forged.at = last_block(forged.segment);
    block = forge(forged.file, block, "", 0);
    block.offset += BLOCK_HEADER_BYTES + (int64_t)block.stored;
    block = forge(forged.file, block, good.data, good.len);
    uint64_t size = (uint64_t)block.offset + BLOCK_HEADER_BYTES + block.stored;
    add_number(&body, 1, 8);
    add_number(&body, size, 8);
    add_number(&body, size, 8);
    add_number(&body, good.len, 8);
    add_message(&record, 'L', body);
    (void)forge(forged.segment, forged.at, record.data, record.len);
    assert_string_equal(read_all(arena, forged.spool, 200),
                        "B200 It:1 C205 B300 It:2 C305 B400 It:3 C405 ");
    spool_close(forged.spool);
}

/* ---- blocks ---- */

typedef struct BlockFile {
    int fd;
    Block block;
    char header[BLOCK_HEADER_BYTES];
} BlockFile;

static BlockFile make_block(const char *dir, size_t len)
{
    auto_arena Arena *arena = arena_new();
    const char *path = arena_printf(arena, "%s/block", dir);
    BlockFile made = {
        .block = {.kind = BLOCK_SEGMENT, .spool = 1, .file = 1}
    };

    (void)unlink(path);
    made.block = forge(path, made.block, arena_alloc(arena, len + 1), len);
    made.fd = open(path, O_RDWR);
    assert_true(made.fd >= 0);
    assert_int_equal(pread(made.fd, made.header, sizeof made.header, 0), sizeof made.header);
    return made;
}

/* A header that says something else, with the checksum that goes with it. */
static const char *header_problem(BlockFile *made, int at, uint32_t value)
{
    const char *why = NULL;
    Block block = {0};

    put_u32(made->header + at, value);
    put_u32(made->header + 4, crc32c(0, made->header + 8, BLOCK_HEADER_BYTES - 8));
    return block_parse_header((const unsigned char *)made->header, 0, 1 << 30, &block, &why) ? NULL
                                                                                             : why;
}

static const char *payload_problem(const BlockFile *made, const Block *block)
{
    auto_arena Arena *arena = arena_new();
    BlockCodec codec = {0};
    const char *why = NULL;
    Error err = ERROR_INIT;

    char *raw = arena_alloc(arena, block->raw + 1);
    if (!block_read_payload(&codec, made->fd, block, raw, &why, &err))
        fail_msg("%s", err.message);
    block_codec_clear(&codec);
    return why;
}

static void a_header_that_no_writer_of_ours_made_is_refused(void **state)
{
    enum {
        AT_VERSION = 8,
        AT_KIND = 12,
        AT_STORED = 20,
        AT_RAW = 24,
    };
    BlockFile made = make_block(*state, 1000);

    assert_null(header_problem(&made, AT_VERSION, 1));
    assert_string_equal(header_problem(&made, AT_VERSION, 2),
                        "a block of another version of the format");
    assert_null(header_problem(&made, AT_VERSION, 1));
    assert_string_equal(header_problem(&made, AT_KIND, 4), "a block of an unknown kind");
    assert_null(header_problem(&made, AT_KIND, 1));
    assert_null(header_problem(&made, AT_RAW, BLOCK_RAW_MAX));
    assert_string_equal(header_problem(&made, AT_RAW, BLOCK_RAW_MAX + 1),
                        "a block that is too large");
    assert_null(header_problem(&made, AT_RAW, 1000));
    assert_string_equal(header_problem(&made, AT_STORED, 2 * BLOCK_RAW_MAX),
                        "a block that is too large");
    assert_int_equal(close(made.fd), 0);
}

static void a_payload_that_is_cut_or_of_another_length_is_refused(void **state)
{
    BlockFile made = make_block(*state, 1000);
    Block longer = made.block;
    Block shorter = made.block;

    assert_null(payload_problem(&made, &made.block));
    longer.raw++;
    assert_string_equal(payload_problem(&made, &longer), "a block cannot be decompressed");
    shorter.raw--;
    assert_string_equal(payload_problem(&made, &shorter), "a block cannot be decompressed");
    assert_int_equal(ftruncate(made.fd, BLOCK_HEADER_BYTES + 3), 0);
    assert_string_equal(payload_problem(&made, &made.block), "the file ends within a block");
    assert_int_equal(close(made.fd), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SPOOL_TEST(content_that_is_no_records_is_refused_with_its_place),
        SPOOL_TEST(a_block_of_another_spool_or_file_is_refused_with_its_place),
        SPOOL_TEST(a_segment_that_is_gone_or_no_file_ends_the_reading),
        SPOOL_TEST(a_seek_past_what_is_damaged_says_so),
        SPOOL_TEST(content_of_a_large_transaction_that_is_no_records_is_refused),
        SPOOL_TEST(a_large_transaction_whose_file_is_not_what_was_referred_to_is_refused),
        SPOOL_TEST(an_empty_block_in_a_large_transaction_changes_nothing),
        SPOOL_TEST(a_header_that_no_writer_of_ours_made_is_refused),
        SPOOL_TEST(a_payload_that_is_cut_or_of_another_length_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
