#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "pg/pgoutput.h"

/* A message as its bytes; a C string would end at the first zero. */
#define BYTES(text) (text), sizeof(text) - 1

static PgOutput decode(Arena *arena, const char *data, size_t len, bool in_stream)
{
    PgOutput message = {0};
    Error err = ERROR_INIT;

    if (!pgoutput_decode(arena, data, len, in_stream, &message, &err))
        fail_msg("%s", err.message);
    assert_int_equal(message.kind, data[0]);
    return message;
}

#define LSN_1 "\0\0\0\1\0\0\0\2"
#define LSN_2 "\0\0\0\1\0\0\0\3"
#define TIME "\0\2\0\0\0\0\0\1"
#define XID "\0\0\2\xD9"
#define SUBXID "\0\0\2\xDA"
#define OID "\0\0\x40\1"
static const Lsn lsn_1 = 0x100000002;
static const Lsn lsn_2 = 0x100000003;

static void frames_of_transactions_are_read(void **state)
{
    auto_arena Arena *arena = arena_new();
    PgOutput message = decode(arena, BYTES("B" LSN_1 TIME XID), false);

    (void)state;
    assert_true(message.commit == lsn_1 && message.xid == 729);
    assert_true(message.time == 0x0002000000000001);
    message = decode(arena, BYTES("C\0" LSN_1 LSN_2 TIME), false);
    assert_true(message.commit == lsn_1 && message.end == lsn_2);
    message = decode(arena, BYTES("S" XID "\1"), false);
    assert_true(message.xid == 729 && message.first);
    message = decode(arena, BYTES("E"), true);
    message = decode(arena, BYTES("c" XID "\0" LSN_1 LSN_2 TIME), false);
    assert_true(message.xid == 729 && message.commit == lsn_1 && message.end == lsn_2);
    message = decode(arena, BYTES("A" XID SUBXID), false);
    assert_true(message.xid == 729 && message.subxid == 730);
    message = decode(arena, BYTES("O" LSN_1 "origin\0"), false);
    assert_string_equal(message.prefix, "origin");
}

static void a_relation_is_read_with_its_columns(void **state)
{
    auto_arena Arena *arena = arena_new();

    (void)state;
    for (int in_stream = 0; in_stream < 2; in_stream++) {
        static const char plain[] =
            "R" OID
            "public\0shop\0d\0\2\1id\0\0\0\0\x17\xFF\xFF\xFF\xFF\0name\0\0\0\4\x13\0\0\0\x24";
        static const char piece[] =
            "R" SUBXID OID
            "public\0shop\0d\0\2\1id\0\0\0\0\x17\xFF\xFF\xFF\xFF\0name\0\0\0\4\x13\0\0\0\x24";
        PgOutput message =
            in_stream ? decode(arena, BYTES(piece), true) : decode(arena, BYTES(plain), false);
        const PgRelation *relation = &message.relation;
        assert_int_equal(message.xid, in_stream ? 730 : 0);
        assert_int_equal(relation->oid, 16385);
        assert_string_equal(relation->schema, "public");
        assert_string_equal(relation->name, "shop");
        assert_int_equal(relation->identity, 'd');
        assert_int_equal(relation->column_count, 2);
        assert_string_equal(relation->columns[0].name, "id");
        assert_true(relation->columns[0].key && !relation->columns[1].key);
        assert_int_equal(relation->columns[0].typmod, -1);
        assert_int_equal(relation->columns[1].type, 1043);
        assert_int_equal(relation->columns[1].typmod, 36);
    }
    PgOutput message = decode(arena, BYTES("R" OID "\0t\0n\0\0"), false);
    assert_string_equal(message.relation.schema, "pg_catalog");
    assert_int_equal(message.relation.column_count, 0);
}

static void check_value(const PgValue *value, PgValueKind kind, const char *text)
{
    assert_int_equal(value->kind, kind);
    assert_int_equal(value->len, strlen(text));
    assert_memory_equal(value->data ? value->data : "", text, strlen(text));
}

static void changes_are_read_with_old_and_new_rows(void **state)
{
    auto_arena Arena *arena = arena_new();
    PgOutput message = decode(arena,
                              BYTES("I" OID "N\0\3t\0\0\0\2ab"
                                    "n"
                                    "t\0\0\0\0"),
                              false);

    (void)state;
    assert_int_equal(message.oid, 16385);
    assert_int_equal(message.new_row.count, 3);
    assert_int_equal(message.old_row.count, 0);
    check_value(&message.new_row.values[0], PG_VALUE_TEXT, "ab");
    check_value(&message.new_row.values[1], PG_VALUE_NULL, "");
    check_value(&message.new_row.values[2], PG_VALUE_TEXT, "");

    message = decode(arena,
                     BYTES("U" XID OID "K\0\1t\0\0\0\1x"
                           "N\0\2ub\0\0\0\1y"),
                     true);
    assert_int_equal(message.old_kind, 'K');
    assert_int_equal(message.xid, 729);
    check_value(&message.old_row.values[0], PG_VALUE_TEXT, "x");
    check_value(&message.new_row.values[0], PG_VALUE_UNCHANGED, "");
    check_value(&message.new_row.values[1], PG_VALUE_BINARY, "y");
    message = decode(arena, BYTES("U" OID "N\0\0"), false);
    assert_int_equal(message.old_kind, '\0');

    message = decode(arena, BYTES("D" OID "O\0\1n"), false);
    assert_int_equal(message.old_kind, 'O');
    assert_int_equal(message.old_row.count, 1);
    assert_int_equal(message.new_row.count, 0);
}

static void truncates_and_messages_are_read(void **state)
{
    auto_arena Arena *arena = arena_new();
    PgOutput message = decode(arena, BYTES("T\0\0\0\2\3" OID "\0\0\x40\2"), false);

    (void)state;
    assert_int_equal(message.oid_count, 2);
    assert_int_equal(message.oids[0], 16385);
    assert_int_equal(message.oids[1], 16386);
    assert_true(message.cascade && message.restart_identity);
    message = decode(arena, BYTES("T" XID "\0\0\0\1\0" OID), true);
    assert_true(message.oid_count == 1 && !message.cascade && !message.restart_identity);

    message = decode(arena, BYTES("M\1" LSN_1 "homeport\0\0\0\0\3a\0b"), false);
    assert_true(message.transactional && message.lsn == lsn_1);
    assert_string_equal(message.prefix, "homeport");
    assert_int_equal(message.content_len, 3);
    assert_memory_equal(message.content, "a\0b", 3);
    message = decode(arena, BYTES("M" XID "\0" LSN_1 "\0\0\0\0\0"), true);
    assert_true(!message.transactional && message.content_len == 0 && !*message.prefix);
}

static void refuse(const char *data, size_t len, bool in_stream)
{
    auto_arena Arena *arena = arena_new();
    PgOutput message = {.oid = 99};
    Error err = ERROR_INIT;
    /* Exactly as long as it is, so that a sanitizer sees a step beyond. */
    char *copy = malloc(len ? len : 1);

    assert_non_null(copy);
    memcpy(copy, data, len);
    if (pgoutput_decode(arena, copy, len, in_stream, &message, &err))
        fail_msg("'%c' of %zu bytes was taken", len ? data[0] : '?', len);
    assert_int_equal(err.code, ERR_FORMAT);
    assert_non_null(strstr(err.message, "at byte "));
    assert_int_equal(message.oid, 99);
    free(copy);
}

static const struct Whole {
    const char *data;
    size_t len;
    bool in_stream;
} whole[] = {
    {BYTES("B" LSN_1 TIME XID),                                            false},
    {BYTES("C\0" LSN_1 LSN_2 TIME),                                        false},
    {BYTES("S" XID "\1"),                                                  false},
    {BYTES("c" XID "\0" LSN_1 LSN_2 TIME),                                 false},
    {BYTES("A" XID SUBXID),                                                false},
    {BYTES("O" LSN_1 "origin\0"),                                          false},
    {BYTES("Y" OID "public\0kind\0"),                                      false},
    {BYTES("R" OID "public\0shop\0d\0\1\1id\0\0\0\0\x17\xFF\xFF\xFF\xFF"), false},
    {BYTES("I" OID "N\0\2t\0\0\0\2ab"
           "n"),
     false                                                                      },
    {BYTES("U" XID OID "K\0\1t\0\0\0\1x"
           "N\0\2ut\0\0\0\1y"),
     true                                                                       },
    {BYTES("D" OID "O\0\1n"),                                              false},
    {BYTES("T\0\0\0\2\3" OID "\0\0\x40\2"),                                false},
    {BYTES("M\1" LSN_1 "homeport\0\0\0\0\3abc"),                           false},
};

static void a_message_that_is_too_short_or_too_long_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(whole); i++) {
        char longer[128];
        for (size_t len = 0; len < whole[i].len; len++)
            refuse(whole[i].data, len, whole[i].in_stream);
        memcpy(longer, whole[i].data, whole[i].len);
        longer[whole[i].len] = '\0';
        refuse(longer, whole[i].len + 1, whole[i].in_stream);
    }
}

static void what_does_not_have_the_right_shape_is_refused(void **state)
{
    (void)state;
    refuse(BYTES("X"), false);
    refuse(BYTES("\0"), false);
    /* Announced lengths beyond what is there, also such that would be negative. */
    refuse(BYTES("I" OID "N\x7F\xFFn"), false);
    refuse(BYTES("I" OID "N\0\1t\xFF\xFF\xFF\xFFx"), false);
    refuse(BYTES("I" OID "N\0\1t\x7F\xFF\xFF\xFFx"), false);
    refuse(BYTES("T\xFF\xFF\xFF\xFF\0" OID), false);
    refuse(BYTES("M\1" LSN_1 "p\0\xFF\xFF\xFF\xFF"), false);
    refuse(BYTES("I" OID "N\0\1x"), false);
    refuse(BYTES("I" OID "K\0\1n"), false);
    refuse(BYTES("D" OID "N\0\1n"), false);
    refuse(BYTES("U" OID "K\0\1n"), false);
    refuse(BYTES("R" OID "public\0shop\0z\0\0"), false);
    refuse(BYTES("R" OID "public"), false);
    /* In the wrong place. */
    refuse(BYTES("E"), false);
    refuse(BYTES("B" LSN_1 TIME XID), true);
    refuse(BYTES("C\0" LSN_1 LSN_2 TIME), true);
    refuse(BYTES("S" XID "\0"), true);
    refuse(BYTES("c" XID "\0" LSN_1 LSN_2 TIME), true);
    refuse(BYTES("A" XID SUBXID), true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_of_transactions_are_read),
        cmocka_unit_test(a_relation_is_read_with_its_columns),
        cmocka_unit_test(changes_are_read_with_old_and_new_rows),
        cmocka_unit_test(truncates_and_messages_are_read),
        cmocka_unit_test(a_message_that_is_too_short_or_too_long_is_refused),
        cmocka_unit_test(what_does_not_have_the_right_shape_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
