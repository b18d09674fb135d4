/* The walsender's commands and its stream: every call fails once, and servers say odd things. */
#include "libpq_stand_in.h"

#include "core/cancel.h"
#include "pg/replication.h"

#define IDENTIFIED                                                                                 \
    {                                                                                              \
        .statement = "IDENTIFY_SYSTEM", .status = PGRES_TUPLES_OK                                  \
    }
#define DROPPED                                                                                    \
    {                                                                                              \
        .statement = sql_replication_drop_slot, .status = PGRES_TUPLES_OK                          \
    }
#define IN_USE                                                                                     \
    {                                                                                              \
        .statement = sql_replication_drop_slot, .state = "55006",                                  \
        .message = "replication slot \"s\" is active for PID 4711"                                 \
    }
#define READER_ENDED                                                                               \
    {                                                                                              \
        .statement = sql_replication_end_reader, .status = PGRES_TUPLES_OK                         \
    }
#define MADE(...)                                                                                  \
    {                                                                                              \
        .statement = "CREATE_REPLICATION_SLOT", .status = PGRES_TUPLES_OK, .columns = 3,           \
        .rows = 1, .cells = {                                                                      \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define BEGUN                                                                                      \
    {                                                                                              \
        .statement = "START_REPLICATION", .status = PGRES_COPY_BOTH                                \
    }

/* ---- connections and slots ---- */

static void connect_stream(Try *try)
{
    PGconn *conn = UNTOUCHED;

    try->ok = replication_connect(&try->url, "receive", &conn, &try->err);
    if (try->ok)
        pg_close(conn);
    else
        assert_ptr_equal(conn, UNTOUCHED);
}

static void create_slot(Try *try)
{
    SlotPoint point = {.snapshot = "untouched"};

    try->ok = replication_create_slot(try->conn, try->arena, "s", false, &point, &try->err);
    assert_string_equal(point.snapshot, try->ok ? "00000003-1" : "untouched");
    assert_true(point.lsn == (try->ok ? 0x100000002 : 0));
    if (!try->ok)
        assert_non_null(strstr(try->err.message, "make the replication slot s: "));
}

static void drop_slot(Try *try)
{
    try->ok = replication_drop_slot(try->conn, "s", 60, &try->err);
}

static void end_reader(Try *try)
{
    try->ok = replication_end_reader(try->conn, "s", 4711, &try->err);
}

static void slot_state(Try *try)
{
    SlotState found = {.reader = 99};

    try->ok = replication_slot_state(try->conn, "s", &found, &try->err);
    assert_int_equal(found.reader, try->ok ? 4711 : 99);
}

static void start(Try *try)
{
    try->ok = replication_start(try->conn, &(ReplicationStart){.slot = "s", .publication = "p"},
                                &try->err);
}

static const Answer slots[] = {
    {.statement = sql_replication_slots,
     .status = PGRES_TUPLES_OK,
     .columns = 4,
     .rows = 2,
     .cells = {"other", NULL, "lost", NULL, "s", "4711", "reserved", "1/2"}},
    {0                      }
};

static void a_command_that_fails_is_an_error_and_gives_nothing(void **state)
{
    static const Answer identified[] = {SESSION, IDENTIFIED, {0}};
    static const Answer made[] = {MADE("s", "1/2", "00000003-1"), {0}};
    static const Answer ended[] = {READER_ENDED, {0}};
    static const Answer begun[] = {BEGUN, {0}};

    (void)state;
    check_each(
        &(Scenario){.connects = true, .answers = identified, .act = connect_stream, .calls = 3});
    check_each(&(Scenario){.answers = made, .act = create_slot, .calls = 1});
    check_each(&(Scenario){.answers = ended, .act = end_reader, .calls = 1});
    check_each(&(Scenario){.answers = slots, .act = slot_state, .calls = 1});
    check_each(&(Scenario){.answers = begun, .act = start, .calls = 2});
}

static void a_slot_is_dropped_though_its_reader_cannot_be_ended(void **state)
{
    static const Answer in_use[] = {IN_USE, READER_ENDED, DROPPED, {0}};

    (void)state;
    check_each(&(Scenario){
        .answers = in_use,
        .act = drop_slot,
        .calls = 4, /* the third is the pause, which may be short */
        .endured = {[WAY_LOST] = 1, [WAY_MEMORY] = 1, [WAY_REFUSED] = 2, [WAY_LEAVING] = 1},
    });
}

static bool drop_with(PGconn *conn, const Answer *answers, int patience_s, Error *err)
{
    server.answers = answers;
    return replication_drop_slot(conn, "s", patience_s, err);
}

static void dropping_ends_where_the_slot_is_gone_or_the_patience(void **state)
{
    auto_conn PGconn *conn = connect_to("test");
    static const Answer gone[] = {
        {.statement = sql_replication_drop_slot,
         .state = "42704",
         .message = "replication slot \"s\" does not exist"},
        {0}
    };
    static const Answer in_use[] = {IN_USE, READER_ENDED, {0}};
    Error err = ERROR_INIT;

    (void)state;
    assert_true(drop_with(conn, gone, 60, &err));
    assert_int_equal(err.code, ERR_NONE);
    assert_false(drop_with(conn, in_use, -1, &err));
    assert_int_equal(replication_refusal(&err), REFUSED_SLOT_IN_USE);
    assert_non_null(strstr(err.message, "drop the replication slot s: "));
    assert_non_null(strstr(err.hint, "second mover"));

    cancel_install();
    stop_in_wait = true;
    assert_false(drop_with(conn, in_use, 60, &err));
    assert_int_equal(err.code, ERR_CANCELLED);
    cancel_forked(); /* forgets the request */
    assert_int_equal(server.results, 0);
}

static void a_session_that_only_seems_to_replicate_is_none(void **state)
{
    auto_arena Arena *arena = arena_new();
    PgUrl url = parse_address(arena);
    PGconn *conn = UNTOUCHED;
    Error err = ERROR_INIT;

    (void)state;
    server.answers = (const Answer[]){
        SESSION,
        {.statement = "IDENTIFY_SYSTEM", .state = "42601", .message = "syntax error"},
        {0    }
    };
    assert_false(replication_connect(&url, "receive", &conn, &err));
    assert_int_equal(err.code, ERR_CONNECT);
    assert_string_equal(err.message, "what answers at postgresql://app:***@db.example/shop"
                                     "?sslpassword=*** does not speak replication");
    assert_int_equal(replication_refusal(&err), REFUSED_POOLER);
    assert_non_null(strstr(err.hint, "instead of the pooler's"));
    assert_ptr_equal(conn, UNTOUCHED);
    assert_int_equal(server.connected + server.results, 0);
}

static void every_refusal_comes_with_a_way_on(void **state)
{
    auto_conn PGconn *conn = connect_to("test");
    static const struct {
        const char *state;
        const char *message;
        const char *hint;
    } cases[] = {
        {"42501", "permission denied",                              "ALTER ROLE ... REPLICATION" },
        {"55000", "logical decoding requires wal_level >= logical", "ALTER SYSTEM SET wal_level" },
        {"53400", "all replication slots are in use",               "raise max_replication_slots"},
        {"53300", "exceeds max_wal_senders (currently 1)",          "raise max_wal_senders"      },
        {"42704", "replication slot \"s\" does not exist",          "Somebody dropped the slot"  },
        {"55000", "This slot has been invalidated",                 "max_slot_wal_keep_size"     },
        {"55006", "replication slot \"s\" is active for PID 4711",  "second mover"               },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        Error err = ERROR_INIT;
        server.answers = (const Answer[]){
            {.statement = "START_REPLICATION",
             .state = cases[i].state,
             .message = cases[i].message},
            {0     }
        };
        assert_false(
            replication_start(conn, &(ReplicationStart){.slot = "s", .publication = "p"}, &err));
        assert_string_equal(err.sqlstate, cases[i].state);
        assert_non_null(strstr(err.message, cases[i].message));
        assert_non_null(strstr(err.hint, cases[i].hint));
    }
}

static void a_slot_that_begins_nowhere_is_refused(void **state)
{
    static const Answer odd[] = {
        MADE("s", NULL, "00000003-1"),
        MADE("s", "1/2", NULL),
        MADE("s", "nowhere", "00000003-1"),
        {.statement = "CREATE_REPLICATION_SLOT", .status = PGRES_TUPLES_OK, .columns = 3},
        {.statement = "CREATE_REPLICATION_SLOT",
                                        .status = PGRES_TUPLES_OK,
                                        .columns = 2,
                                        .rows = 1,
                                        .cells = {"s", "1/2"}},
        {.statement = "CREATE_REPLICATION_SLOT", .status = PGRES_COMMAND_OK},
        {0                          }
    };
    auto_arena Arena *arena = arena_new();
    auto_conn PGconn *conn = connect_to("test");

    (void)state;
    server.answers = odd;
    while (server.answers->statement) {
        SlotPoint point = {.snapshot = "untouched"};
        Error err = ERROR_INIT;
        assert_false(replication_create_slot(conn, arena, "s", true, &point, &err));
        assert_int_equal(err.code, ERR_FORMAT);
        assert_non_null(strstr(err.message, "slot s"));
        assert_string_equal(point.snapshot, "untouched");
    }
    assert_int_equal(server.results, 0);
}

static void the_state_of_a_slot_is_what_the_server_says_of_it(void **state)
{
    auto_conn PGconn *conn = connect_to("test");
    SlotState found = {.reader = 99};
    Error err = ERROR_INIT;

    (void)state;
    server.answers = slots;
    assert_true(replication_slot_state(conn, "s", &found, &err));
    assert_true(!found.lost && found.confirmed == 0x100000002);
    server.answers = slots;
    assert_true(replication_slot_state(conn, "other", &found, &err));
    assert_true(found.lost && found.confirmed == 0 && found.reader == 0);

    found.reader = 99;
    server.answers = slots;
    assert_false(replication_slot_state(conn, "missing", &found, &err));
    assert_int_equal(err.code, ERR_SQL);
    assert_int_equal(replication_refusal(&err), REFUSED_SLOT_GONE);
    assert_non_null(strstr(err.hint, "Somebody dropped the slot"));
    server.answers = (const Answer[]){
        {.statement = sql_replication_slots,
         .status = PGRES_TUPLES_OK,
         .columns = 4,
         .rows = 2,
         .cells = {NULL, NULL, NULL, NULL, "s", NULL, NULL, "nowhere"}},
        {0                      }
    };
    assert_false(replication_slot_state(conn, "s", &found, &err));
    assert_int_equal(err.code, ERR_FORMAT);
    assert_string_equal(err.message, "slot s: \"nowhere\" is no position");
    assert_int_equal(found.reader, 99);
}

/* What a server does not know yet is not asked of it. */
static void what_is_asked_is_what_the_version_knows(void **state)
{
    static const struct {
        int version;
        const char *create;
        const char *start;
    } cases[] = {
        {130000, "CREATE_REPLICATION_SLOT \"s\" LOGICAL pgoutput EXPORT_SNAPSHOT",
         "START_REPLICATION SLOT \"s\" LOGICAL 0/0 (proto_version '1', publication_names "
         "'\"p\"')"                      },
        {140000, "CREATE_REPLICATION_SLOT \"s\" LOGICAL pgoutput EXPORT_SNAPSHOT",
         "START_REPLICATION SLOT \"s\" LOGICAL 0/0 (proto_version '2', publication_names '\"p\"', "
         "streaming 'on', messages 'on')"},
        {150000, "CREATE_REPLICATION_SLOT \"s\" LOGICAL pgoutput (SNAPSHOT 'export')",
         "START_REPLICATION SLOT \"s\" LOGICAL 0/0 (proto_version '2', publication_names '\"p\"', "
         "streaming 'on', messages 'on')"},
    };
    auto_arena Arena *arena = arena_new();
    auto_conn PGconn *conn = connect_to("test");
    ReplicationStart begin = {.slot = "s", .publication = "p", .streaming = true};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        SlotPoint point;
        Error err = ERROR_INIT;
        Answer answers[] = {MADE("s", "1/2", "x"), BEGUN, {0}};

        answers[0].statement = cases[i].create;
        answers[1].statement = cases[i].start;
        server.version = cases[i].version;
        server.answers = answers;
        assert_true(replication_create_slot(conn, arena, "s", false, &point, &err));
        assert_true(replication_start(conn, &begin, &err));
    }
    server.version = 160000;
}

/* ---- the stream ---- */

#define NUMBER_1 "\0\0\0\0\0\0\0\1"
#define NUMBER_2 "\0\0\0\0\0\0\0\2"
#define NUMBER_3 "\0\0\0\0\0\0\0\3"
#define PIECE(text)                                                                                \
    {                                                                                              \
        .len = sizeof(text) - 1, .data = (text)                                                    \
    }
#define DATA PIECE("w" NUMBER_1 NUMBER_2 NUMBER_3 "abc")
#define KEEPALIVE PIECE("k" NUMBER_2 NUMBER_3 "\1")
#define NOT_YET                                                                                    \
    {                                                                                              \
        .len = 0, .data = ""                                                                       \
    }
#define END                                                                                        \
    {                                                                                              \
        .len = -1, .data = ""                                                                      \
    }

enum {
    LONG_MS = 60000
};

static void receive(Try *try)
{
    ReplicationMessage message = {.kind = REPLICATION_END, .len = 99};

    /* There is something to wake up for. */
    assert_int_equal(write(far_end(try->conn), "x", 1), 1);
    try->ok = replication_receive(try->conn, LONG_MS, -1, &message, &try->err);
    if (!try->ok) {
        assert_true(message.kind == REPLICATION_END && message.len == 99);
        return;
    }
    assert_int_equal(message.kind, REPLICATION_DATA);
    assert_true(message.start == 1 && message.server_end == 2 && message.server_time == 3);
    assert_int_equal(message.len, 3);
    assert_memory_equal(message.data, "abc", 3);
    replication_release(&message);
    assert_null(message.data);
    replication_release(&message);
}

/* Three times nothing, read twice, flushed, waited; then data. */
static const Piece late[] = {NOT_YET, NOT_YET, NOT_YET, DATA, {0}};
enum {
    LATE_CALLS = 8
};

static void a_stream_that_breaks_is_an_error_and_gives_nothing(void **state)
{
    (void)state;
    check_each(&(Scenario){.pieces = late, .act = receive, .calls = LATE_CALLS});
}

static void an_interrupted_wait_goes_on(void **state)
{
    (void)state;
    poll_errno = EINTR;
    check_each(&(Scenario){
        .pieces = (const Piece[]){NOT_YET, NOT_YET, NOT_YET, NOT_YET, DATA, {0}},
        .act = receive,
        .calls = LATE_CALLS + 2, /* read again, and there it is */
        .endured = {1,    1,           1,                  1                    },
    });
    poll_errno = ENOMEM;
}

static void report(Try *try)
{
    try->ok = replication_report(try->conn, 3, 2, 1, &try->err);
}

static void a_report_that_cannot_be_sent_is_an_error(void **state)
{
    (void)state;
    for (int unsent = 0; unsent < 2; unsent++) {
        server.unsent = unsent; /* it never waits for a server that does not read */
        check_each(&(Scenario){.act = report, .calls = 2});
    }
    server.unsent = 0;
    server.queued = 0; /* there is no room: the next one says more */
    check_each(&(Scenario){.act = report, .calls = 2});
    server.queued = 1;
}

/* Receives from these pieces; `answers` is to tell why the stream has ended. */
static bool receive_from(PGconn *conn, const Piece *pieces, const Answer *answers,
                         ReplicationMessage *ret, Error *err)
{
    server.pieces = pieces;
    server.answers = answers;
    return replication_receive(conn, 0, -1, ret, err);
}

static void messages_are_told_apart(void **state)
{
    auto_conn PGconn *conn = connect_to("test");
    ReplicationMessage message = {0};
    Error err = ERROR_INIT;

    (void)state;
    assert_true(receive_from(conn, (const Piece[]){KEEPALIVE, {0}}, NULL, &message, &err));
    assert_int_equal(message.kind, REPLICATION_KEEPALIVE);
    assert_true(message.server_end == 2 && message.server_time == 3 && message.reply_requested);
    replication_release(&message);
    assert_true(receive_from(conn, (const Piece[]){{0}}, NULL, &message, &err));
    assert_int_equal(message.kind, REPLICATION_NOTHING);
    replication_release(&message);
    assert_int_equal(server.buffers, 0);
}

static void a_message_of_another_shape_is_refused(void **state)
{
    static const Piece odd[] = {PIECE("x" NUMBER_1 NUMBER_2 NUMBER_3),
                                PIECE("w" NUMBER_1 NUMBER_2 "\0\0\0"),
                                PIECE("w" NUMBER_1 NUMBER_2 "\0"),
                                PIECE("k" NUMBER_1 NUMBER_2),
                                PIECE("k" NUMBER_1 NUMBER_2 "\1\1"),
                                PIECE("k"),
                                {0}};
    auto_conn PGconn *conn = connect_to("test");

    (void)state;
    server.pieces = odd;
    while (server.pieces->data) {
        ReplicationMessage message = {.kind = REPLICATION_END, .len = 99};
        Error err = ERROR_INIT;
        assert_false(replication_receive(conn, 0, -1, &message, &err));
        assert_int_equal(err.code, ERR_FORMAT);
        assert_true(message.kind == REPLICATION_END && message.len == 99);
        assert_int_equal(server.buffers, 0);
    }
}

static void the_end_is_proper_or_says_why_not(void **state)
{
    static const Piece end[] = {END, {0}};
    static const Answer shut_down[] = {
        {.statement = "the end", .status = PGRES_COMMAND_OK},
        {0                     }
    };
    static const Answer invalidated[] = {
        {.statement = "the end",                 .state = "55000", .message = "the slot was invalidated"},
        {0}
    };
    static const Answer broken[] = {
        {.statement = "the end", .status = PGRES_FATAL_ERROR},
        {0                     }
    };
    auto_conn PGconn *conn = connect_to("test");
    ReplicationMessage message = {.len = 99};
    Error err = ERROR_INIT;

    (void)state;
    assert_false(receive_from(conn, end, invalidated, &message, &err));
    assert_int_equal(replication_refusal(&err), REFUSED_SLOT_LOST);
    assert_non_null(strstr(err.hint, "max_slot_wal_keep_size"));
    assert_false(receive_from(conn, end, broken, &message, &err));
    assert_int_equal(err.code, ERR_CONNECT);
    assert_int_equal(message.len, 99);
    assert_true(receive_from(conn, end, shut_down, &message, &err));
    assert_int_equal(message.kind, REPLICATION_END);
    assert_int_equal(server.results, 0);
}

/* A wait of a minute ends at once where one of these is there. */
static void who_waits_is_woken_by_the_caller_and_by_room_to_send(void **state)
{
    auto_conn PGconn *conn = connect_to("test");
    ReplicationMessage message = {.kind = REPLICATION_END};
    int wake[2];
    Error err = ERROR_INIT;

    (void)state;
    assert_int_equal(pipe(wake), 0);
    assert_int_equal(write(wake[1], "x", 1), 1);
    server.pieces = (const Piece[]){{0}};
    assert_true(replication_receive(conn, LONG_MS, wake[0], &message, &err));
    assert_int_equal(message.kind, REPLICATION_NOTHING);
    (void)close(wake[0]);
    (void)close(wake[1]);

    server.unsent = 1;
    server.pieces = late;
    assert_true(replication_receive(conn, LONG_MS, -1, &message, &err));
    server.unsent = 0;
    assert_int_equal(message.kind, REPLICATION_DATA);
    replication_release(&message);
}

static void a_wait_ends_with_its_time(void **state)
{
    auto_conn PGconn *conn = connect_to("test");
    ReplicationMessage message = {.kind = REPLICATION_END};
    Error err = ERROR_INIT;

    (void)state;
    server.pieces = (const Piece[]){{0}};
    assert_true(replication_receive(conn, 5, -1, &message, &err));
    assert_int_equal(message.kind, REPLICATION_NOTHING);
}

#define HISTORY(...)                                                                               \
    {                                                                                              \
        .statement = "TIMELINE_HISTORY 3", .status = PGRES_TUPLES_OK, .columns = 2, .rows = 1,     \
        .cells = {                                                                                 \
            "00000003.history",                                                                    \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

static void where_a_timeline_was_left_is_in_the_history_of_those_after_it(void **state)
{
    static const struct {
        const char *history;
        int timeline;
        Lsn branch; /* 0: it does not come from that one */
    } cases[] = {
        {"1\t0/3000148\tno recovery target specified\n\n2\t1/2\tbefore\n", 1, 0x3000148  },
        {"1\t0/3000148\tno recovery target specified\n\n2\t1/2\tbefore\n", 2, 0x100000002},
        {"1\t0/3000148\tno recovery target specified\n",                   2, 0          },
        {"1\tnowhere\tat all\n",                                           1, 0          },
        {"",                                                               1, 0          },
    };
    auto_conn PGconn *conn = connect_to("test");

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const SystemId now = {.timeline = 3};
        Error err = ERROR_INIT;
        Lsn branch = 0;

        server.answers = (const Answer[]){HISTORY(cases[i].history), {0}};
        bool found = replication_branch(conn, &now, cases[i].timeline, &branch, &err);
        assert_int_equal(found, cases[i].branch != 0);
        assert_true(branch == cases[i].branch);
        assert_int_equal(err.code, found ? ERR_NONE : ERR_WRONG_STATE);
    }
}

static void a_cluster_is_told_by_its_identifier_and_timeline(void **state)
{
    auto_conn PGconn *conn = connect_to("test");
    SystemId system;
    Error err = ERROR_INIT;

    (void)state;
    server.answers = (const Answer[]){
        {.statement = "IDENTIFY_SYSTEM",
         .status = PGRES_TUPLES_OK,
         .columns = 4,
         .rows = 1,
         .cells = {"7300000000000000001", "2", "0/1", "db"}},
        IDENTIFIED,
        {0                  }
    };
    assert_true(replication_identify(conn, &system, &err));
    assert_string_equal(system.id, "7300000000000000001");
    assert_int_equal(system.timeline, 2);
    assert_true(replication_identify(conn, &system, &err));
    assert_string_equal(system.id, ""); /* it did not say */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_a_timeline_was_left_is_in_the_history_of_those_after_it),
        cmocka_unit_test(a_cluster_is_told_by_its_identifier_and_timeline),
        cmocka_unit_test(a_command_that_fails_is_an_error_and_gives_nothing),
        cmocka_unit_test(a_slot_is_dropped_though_its_reader_cannot_be_ended),
        cmocka_unit_test(dropping_ends_where_the_slot_is_gone_or_the_patience),
        cmocka_unit_test(a_session_that_only_seems_to_replicate_is_none),
        cmocka_unit_test(every_refusal_comes_with_a_way_on),
        cmocka_unit_test(a_slot_that_begins_nowhere_is_refused),
        cmocka_unit_test(the_state_of_a_slot_is_what_the_server_says_of_it),
        cmocka_unit_test(what_is_asked_is_what_the_version_knows),
        cmocka_unit_test(a_stream_that_breaks_is_an_error_and_gives_nothing),
        cmocka_unit_test(an_interrupted_wait_goes_on),
        cmocka_unit_test(a_report_that_cannot_be_sent_is_an_error),
        cmocka_unit_test(messages_are_told_apart),
        cmocka_unit_test(a_message_of_another_shape_is_refused),
        cmocka_unit_test(the_end_is_proper_or_says_why_not),
        cmocka_unit_test(who_waits_is_woken_by_the_caller_and_by_room_to_send),
        cmocka_unit_test(a_wait_ends_with_its_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
