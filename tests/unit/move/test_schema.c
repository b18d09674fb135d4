#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "move/schema.h"

typedef struct Staged {
    const char *desc;
    ArchiveSection section;
    EntryStage stage;
} Staged;

/* All kinds of entries that pg_dump 13 to 18 write, each in the section that it writes them in. */
static const Staged kinds[] = {
    {"ENCODING",                     SECTION_PRE_DATA,  STAGE_NONE        },
    {"STDSTRINGS",                   SECTION_PRE_DATA,  STAGE_NONE        },
    {"SEARCHPATH",                   SECTION_PRE_DATA,  STAGE_NONE        },
    {"DATABASE",                     SECTION_PRE_DATA,  STAGE_NONE        },
    {"DATABASE PROPERTIES",          SECTION_PRE_DATA,  STAGE_NONE        },
    {"ACCESS METHOD",                SECTION_PRE_DATA,  STAGE_SCHEMA      },
    {"AGGREGATE",                    SECTION_PRE_DATA,  STAGE_SCHEMA      },
    {"CAST",                         SECTION_PRE_DATA,  STAGE_SCHEMA      },
    {"CHECK CONSTRAINT",             SECTION_PRE_DATA,  STAGE_SCHEMA      },
    {"COLLATION",                    SECTION_PRE_DATA,  STAGE_SCHEMA      },
    {"CONVERSION",                   SECTION_PRE_DATA,  STAGE_SCHEMA      },
    {"DEFAULT",                      SECTION_PRE_DATA,  STAGE_SCHEMA      },
    {"DOMAIN",                       SECTION_PRE_DATA,  STAGE_SCHEMA      },
    {"EXTENSION",                    SECTION_PRE_DATA,  STAGE_SCHEMA      },
    {"FOREIGN DATA WRAPPER",         SECTION_PRE_DATA,  STAGE_SCHEMA      },
    {"FOREIGN TABLE",                SECTION_PRE_DATA,  STAGE_SCHEMA      },
    {"FUNCTION",                     SECTION_PRE_DATA,  STAGE_SCHEMA      },
    {"MATERIALIZED VIEW",            SECTION_PRE_DATA,  STAGE_SCHEMA      },
    {"OPERATOR",                     SECTION_PRE_DATA,  STAGE_SCHEMA      },
    {"OPERATOR CLASS",               SECTION_PRE_DATA,  STAGE_SCHEMA      },
    {"OPERATOR FAMILY",              SECTION_PRE_DATA,  STAGE_SCHEMA      },
    {"PROCEDURAL LANGUAGE",          SECTION_PRE_DATA,  STAGE_SCHEMA      },
    {"PROCEDURE",                    SECTION_PRE_DATA,  STAGE_SCHEMA      },
    {"SCHEMA",                       SECTION_PRE_DATA,  STAGE_SCHEMA      },
    {"SEQUENCE",                     SECTION_PRE_DATA,  STAGE_SCHEMA      },
    {"SEQUENCE OWNED BY",            SECTION_PRE_DATA,  STAGE_SCHEMA      },
    {"SERVER",                       SECTION_PRE_DATA,  STAGE_SCHEMA      },
    {"SHELL TYPE",                   SECTION_PRE_DATA,  STAGE_SCHEMA      },
    {"TABLE",                        SECTION_PRE_DATA,  STAGE_SCHEMA      },
    {"TABLE ATTACH",                 SECTION_PRE_DATA,  STAGE_SCHEMA      },
    {"TEXT SEARCH CONFIGURATION",    SECTION_PRE_DATA,  STAGE_SCHEMA      },
    {"TEXT SEARCH DICTIONARY",       SECTION_PRE_DATA,  STAGE_SCHEMA      },
    {"TEXT SEARCH PARSER",           SECTION_PRE_DATA,  STAGE_SCHEMA      },
    {"TEXT SEARCH TEMPLATE",         SECTION_PRE_DATA,  STAGE_SCHEMA      },
    {"TRANSFORM",                    SECTION_PRE_DATA,  STAGE_SCHEMA      },
    {"TYPE",                         SECTION_PRE_DATA,  STAGE_SCHEMA      },
    {"USER MAPPING",                 SECTION_PRE_DATA,  STAGE_SCHEMA      },
    {"VIEW",                         SECTION_PRE_DATA,  STAGE_SCHEMA      },
    {"BLOB",                         SECTION_PRE_DATA,  STAGE_LARGE_OBJECT},
    {"BLOB METADATA",                SECTION_PRE_DATA,  STAGE_LARGE_OBJECT},
    {"BLOBS",                        SECTION_DATA,      STAGE_NONE        },
    {"TABLE DATA",                   SECTION_DATA,      STAGE_NONE        },
    {"SEQUENCE SET",                 SECTION_DATA,      STAGE_NONE        },
    {"STATISTICS DATA",              SECTION_DATA,      STAGE_NONE        },
    {"INDEX",                        SECTION_POST_DATA, STAGE_INDEX       },
    {"INDEX ATTACH",                 SECTION_POST_DATA, STAGE_INDEX       },
    {"CONSTRAINT",                   SECTION_POST_DATA, STAGE_INDEX       },
    {"FK CONSTRAINT",                SECTION_POST_DATA, STAGE_INDEX       },
    {"STATISTICS",                   SECTION_POST_DATA, STAGE_INDEX       },
    {"CHECK CONSTRAINT",             SECTION_POST_DATA, STAGE_REST        }, /* NOT VALID */
    {"POLICY",                       SECTION_POST_DATA, STAGE_REST        },
    {"PUBLICATION",                  SECTION_POST_DATA, STAGE_REST        },
    {"PUBLICATION TABLE",            SECTION_POST_DATA, STAGE_REST        },
    {"PUBLICATION TABLES IN SCHEMA", SECTION_POST_DATA, STAGE_REST        },
    {"ROW SECURITY",                 SECTION_POST_DATA, STAGE_REST        },
    {"RULE",                         SECTION_POST_DATA, STAGE_REST        },
    {"SUBSCRIPTION",                 SECTION_POST_DATA, STAGE_REST        },
    {"TRIGGER",                      SECTION_POST_DATA, STAGE_REST        },
    {"COMMENT",                      SECTION_NONE,      STAGE_REST        },
    {"SECURITY LABEL",               SECTION_NONE,      STAGE_REST        },
    {"ACL",                          SECTION_NONE,      STAGE_PRIVILEGES  },
    {"DEFAULT ACL",                  SECTION_POST_DATA, STAGE_PRIVILEGES  },
    {"EVENT TRIGGER",                SECTION_POST_DATA, STAGE_LAST        },
};

static EntryStage stage_of(const char *desc, const char *schema, const char *tag,
                           ArchiveSection section)
{
    return entry_stage(
        &(ArchiveEntry){.desc = desc, .schema = schema, .tag = tag, .section = section});
}

static void each_kind_of_entry_has_its_stage(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (stage_of(kinds[i].desc, "public", "x", kinds[i].section) != kinds[i].stage)
            fail_msg("%s", kinds[i].desc);
}

static void nothing_of_a_providers_schema_or_of_ours_is_made(void **state)
{
    (void)state;
    static const char *const schemas[] = {"neon", "neon_utils", "neon_migration", "homeport"};

    for (size_t s = 0; s < COUNT_OF(schemas); s++)
        for (size_t i = 0; i < COUNT_OF(kinds); i++)
            assert_int_equal(stage_of(kinds[i].desc, schemas[s], "x", kinds[i].section),
                             STAGE_NONE);
}

static void what_a_tag_names_decides_only_where_it_names_an_object(void **state)
{
    (void)state;
    static const struct {
        const char *desc;
        const char *tag;
        ArchiveSection section;
        EntryStage stage;
    } cases[] = {
        {"SCHEMA",         "neon",                  SECTION_PRE_DATA,  STAGE_NONE      },
        {"SCHEMA",         "homeport",              SECTION_PRE_DATA,  STAGE_NONE      },
        {"SCHEMA",         "public",                SECTION_PRE_DATA,  STAGE_SCHEMA    },
        {"SCHEMA",         "neon_auth",             SECTION_PRE_DATA,  STAGE_SCHEMA    },
        {"EXTENSION",      "neon",                  SECTION_PRE_DATA,  STAGE_NONE      },
        {"EXTENSION",      "pgcrypto",              SECTION_PRE_DATA,  STAGE_SCHEMA    },
        {"COMMENT",        "SCHEMA neon",           SECTION_NONE,      STAGE_NONE      },
        {"COMMENT",        "SCHEMA homeport",       SECTION_NONE,      STAGE_NONE      },
        {"COMMENT",        "EXTENSION neon",        SECTION_NONE,      STAGE_NONE      },
        {"COMMENT",        "EXTENSION neon_x",      SECTION_NONE,      STAGE_REST      },
        {"COMMENT",        "DATABASE shop",         SECTION_NONE,      STAGE_NONE      },
        {"COMMENT",        "TABLE neon",            SECTION_NONE,      STAGE_REST      },
        {"COMMENT",        "EVENT TRIGGER x",       SECTION_NONE,      STAGE_LAST      },
        {"COMMENT",        "LARGE OBJECT 5",        SECTION_NONE,      STAGE_REST      },
        {"ACL",            "SCHEMA neon",           SECTION_NONE,      STAGE_NONE      },
        {"ACL",            "SCHEMA \"neon\"",       SECTION_NONE,      STAGE_NONE      },
        {"ACL",            "SCHEMA public",         SECTION_NONE,      STAGE_PRIVILEGES},
        {"ACL",            "DATABASE shop",         SECTION_NONE,      STAGE_NONE      },
        {"ACL",            "LARGE OBJECTS 1..2",    SECTION_NONE,      STAGE_PRIVILEGES},
        {"SECURITY LABEL", "DATABASE shop",         SECTION_NONE,      STAGE_NONE      },
 /* Names that somebody gave to tables, alone or before the constraint's. */
        {"TABLE",          "DATABASE x",            SECTION_PRE_DATA,  STAGE_SCHEMA    },
        {"TABLE",          "EVENT TRIGGER x",       SECTION_PRE_DATA,  STAGE_SCHEMA    },
        {"TABLE",          "SCHEMA neon",           SECTION_PRE_DATA,  STAGE_SCHEMA    },
        {"VIEW",           "EXTENSION neon",        SECTION_PRE_DATA,  STAGE_SCHEMA    },
        {"FK CONSTRAINT",  "DATABASE x_fkey",       SECTION_POST_DATA, STAGE_INDEX     },
        {"TRIGGER",        "DATABASE x",            SECTION_POST_DATA, STAGE_REST      },
        {"POLICY",         "SCHEMA neon",           SECTION_POST_DATA, STAGE_REST      },
        {"CONSTRAINT",     "SCHEMA homeport",       SECTION_POST_DATA, STAGE_INDEX     },
        {"COMMENT",        "CONSTRAINT DATABASE x", SECTION_NONE,      STAGE_REST      },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (stage_of(cases[i].desc, "", cases[i].tag, cases[i].section) != cases[i].stage)
            fail_msg("%s %s", cases[i].desc, cases[i].tag);
}

static void an_entrys_error_names_it(void **state)
{
    (void)state;
    ArchiveEntry index = {.desc = "INDEX", .schema = "public", .tag = "orders_state"};
    ArchiveEntry extension = {.desc = "EXTENSION", .schema = "", .tag = "pgcrypto"};
    Error err = ERROR_INIT;

    (void)error_set(&err, ERR_SQL, "no");
    assert_false(schema_fail_entry(&index, &err));
    assert_string_equal(err.message, "create INDEX public.orders_state: no");
    (void)error_set(&err, ERR_SQL, "no");
    assert_false(schema_fail_entry(&extension, &err));
    assert_string_equal(err.message, "create EXTENSION pgcrypto: no");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_of_entry_has_its_stage),
        cmocka_unit_test(nothing_of_a_providers_schema_or_of_ours_is_made),
        cmocka_unit_test(what_a_tag_names_decides_only_where_it_names_an_object),
        cmocka_unit_test(an_entrys_error_names_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
