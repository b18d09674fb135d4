#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "pg/replication.h"

typedef struct Refused {
    const char *sqlstate;
    const char *message; /* as the servers of 14 to 18 say it */
    ReplicationRefusal refusal;
} Refused;

static void refusals_are_told_apart(void **state)
{
    static const Refused cases[] = {
        {"",      "FATAL:  unsupported startup parameter: replication",                           REFUSED_POOLER     },
        {"",      "FATAL:  must be superuser or replication role to start walsender",             REFUSED_ROLE       },
        {"",      "FATAL:  permission denied to start WAL sender",                                REFUSED_ROLE       },
        {"42501", "must be superuser or replication role to use replication slots",               REFUSED_ROLE       },
        {"55000", "logical decoding requires wal_level >= logical",                               REFUSED_WAL_LEVEL  },
        {"55000", "logical decoding requires \"wal_level\" >= \"logical\"",                       REFUSED_WAL_LEVEL  },
        {"53400", "all replication slots are in use",                                             REFUSED_SLOTS_FULL },
        {"",
         "FATAL:  number of requested standby connections exceeds max_wal_senders (currently 1)", REFUSED_SENDERS    },
        {"42704", "read from the slot: replication slot \"s\" does not exist",                    REFUSED_SLOT_GONE  },
        {"42704", "publication \"p\" does not exist",                                             REFUSED_OTHERWISE  },
        {"55000",
         "cannot read from logical replication slot \"s\" (This slot has been invalidated because "
         "it "
         "exceeded the maximum reserved size.)",                                                  REFUSED_SLOT_LOST  },
        {"55000",
         "can no longer access replication slot \"s\" (This replication slot has been invalidated "
         "due "
         "to \"wal_removed\".)",                                                                  REFUSED_SLOT_LOST  },
        {"58P01", "requested WAL segment 000000010000000000000001 has already been removed",
         REFUSED_SLOT_LOST                                                                                           },
        {"55006", "replication slot \"s\" is active for PID 4711",                                REFUSED_SLOT_IN_USE},
        {"",      "connection lost: server closed the connection unexpectedly",                   REFUSED_OTHERWISE  },
        {"55000", "something else is not in the right state",                                     REFUSED_OTHERWISE  },
        {"58P01", "could not open file \"base/1/2\"",                                             REFUSED_OTHERWISE  },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        Error err = ERROR_INIT;
        (void)error_set(&err, ERR_SQL, "%s", cases[i].message);
        (void)snprintf(err.sqlstate, sizeof err.sqlstate, "%s", cases[i].sqlstate);
        if (replication_refusal(&err) != cases[i].refusal)
            fail_msg("%s: %d", cases[i].message, (int)replication_refusal(&err));
    }
}

static void a_pooled_endpoint_is_not_even_asked(void **state)
{
    auto_arena Arena *arena = arena_new();
    PgUrl url = {0};
    PGconn *conn = NULL;
    Error err = ERROR_INIT;

    (void)state;
    assert_true(url_parse(arena, "postgresql://u:secret@ep-x-123-pooler.eu.aws.neon.tech/db",
                          "source", &url, &err));
    assert_false(replication_connect(&url, "receive", &conn, &err));
    assert_int_equal(replication_refusal(&err), REFUSED_POOLER);
    assert_non_null(strstr(err.hint, "ep-x-123.eu.aws.neon.tech"));
    assert_null(strstr(err.message, "secret"));
    assert_null(conn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals_are_told_apart),
        cmocka_unit_test(a_pooled_endpoint_is_not_even_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
