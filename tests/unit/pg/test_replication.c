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
    const char *origin;
    const char *message; /* as the servers of 14 to 18 say it, some in another language */
    ReplicationRefusal refusal;
} Refused;

static void refusals_are_told_apart(void **state)
{
    static const Refused cases[] = {
        {"",      "",                 "FATAL:  unsupported startup parameter: replication",               REFUSED_POOLER     },
        {"42501", "",                 "FATAL:  must be superuser or replication role to start walsender",
         REFUSED_ROLE                                                                                                        },
        {"42501", "",                 "FATAL:  permission denied to start WAL sender",                    REFUSED_ROLE       },
        {"42501", "slot.c",           "nur Superuser und Replikationsrollen d\xC3\xBCrfen",               REFUSED_ROLE       },
        {"55000", "logical.c",        "logical decoding requires wal_level >= logical",                   REFUSED_WAL_LEVEL  },
        {"55000", "logical.c",        "logische Dekodierung erfordert \"wal_level\" >= \"logical\"",
         REFUSED_WAL_LEVEL                                                                                                   },
        {"53400", "slot.c",           "alle Replikations-Slots sind in Benutzung",                        REFUSED_SLOTS_FULL },
        {"",      "",
         "FATAL:  number of requested standby connections exceeds max_wal_senders (currently 1)",         REFUSED_SENDERS    },
        {"42704", "slot.c",           "read from the slot: replication slot \"s\" does not exist",
         REFUSED_SLOT_GONE                                                                                                   },
        {"42704", "slot.c",           "Replikations-Slot \"s\" existiert nicht",                          REFUSED_SLOT_GONE  },
        {"42704", "pg_publication.c", "publication \"replication slot\" does not exist",
         REFUSED_OTHERWISE                                                                                                   },
        {"55000", "walsender.c",
         "cannot read from logical replication slot \"s\" (This slot has been invalidated)",              REFUSED_SLOT_LOST  },
        {"55000", "logical.c",        "kann nicht aus dem Slot lesen",                                    REFUSED_SLOT_LOST  },
        {"55000", "slot.c",           "can no longer access replication slot \"s\"",                      REFUSED_SLOT_LOST  },
        {"58P01", "walsender.c",      "das angeforderte WAL-Segment wurde schon entfernt",
         REFUSED_SLOT_LOST                                                                                                   },
        {"55006", "slot.c",           "replication slot \"s\" is active for PID 4711",                    REFUSED_SLOT_IN_USE},
        {"",      "",                 "connection lost: server closed the connection unexpectedly",       REFUSED_OTHERWISE  },
        {"55000", "xact.c",           "something else is not in the right state",                         REFUSED_OTHERWISE  },
        {"58P01", "md.c",             "could not open file \"base/1/2\"",                                 REFUSED_OTHERWISE  },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        Error err = ERROR_INIT;
        (void)error_set(&err, ERR_SQL, "%s", cases[i].message);
        (void)snprintf(err.sqlstate, sizeof err.sqlstate, "%s", cases[i].sqlstate);
        (void)snprintf(err.origin, sizeof err.origin, "%s", cases[i].origin);
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
