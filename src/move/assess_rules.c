/*
 * The rules that are rows. Blockers are what makes the move fail, lose
 * something, or break the live app; warnings what it survives but the owner
 * has to know or do; notes what happens by itself. docs/checks.md has a
 * paragraph for each.
 *
 * A statement of the fix comes from the SQL, the words around it from here.
 */
#include "move/assess.h"

/* Rows as calls: clang-format 14 crashes on an array of braces as long as this. */
#define RULE(...)                                                                                  \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

const Rule assess_rules[] = {
    /* What the databases are. */
    RULE(.id = "encoding-different", .severity = SEVERITY_BLOCKER, .scope = SCOPE_BOTH,
         .side = SIDE_TARGET, .sql = sql_assess_locale_different,
         .inputs = {INPUT_LOCALE, INPUT_ARGUMENT}, .argument = "encoding",
         .summary = "the databases store characters in different encodings"),
    RULE(.id = "collation-different", .severity = SEVERITY_WARNING, .scope = SCOPE_BOTH,
         .side = SIDE_TARGET, .sql = sql_assess_locale_different,
         .inputs = {INPUT_LOCALE, INPUT_ARGUMENT}, .argument = "collation",
         .summary = "the databases sort text differently: ORDER BY, ranges and the first of equals "
                    "come out otherwise at home"),
    RULE(.id = "ctype-different", .severity = SEVERITY_WARNING, .scope = SCOPE_BOTH,
         .side = SIDE_TARGET, .sql = sql_assess_locale_different,
         .inputs = {INPUT_LOCALE, INPUT_ARGUMENT}, .argument = "ctype",
         .summary =
             "the databases classify characters differently: upper(), lower(), ILIKE and text "
             "search come out otherwise at home"),
    RULE(.id = "provider-different", .severity = SEVERITY_WARNING, .scope = SCOPE_BOTH,
         .side = SIDE_TARGET, .sql = sql_assess_locale_different,
         .inputs = {INPUT_LOCALE, INPUT_ARGUMENT}, .argument = "provider",
         .summary =
             "the databases take their collation from different libraries: even of one name the "
             "order may differ, and changes with other upgrades"),
    RULE(.id = "partition-collation", .severity = SEVERITY_BLOCKER, .scope = SCOPE_BOTH,
         .side = SIDE_TARGET, .sql = sql_assess_partition_collation,
         .inputs = {INPUT_LOCALE, INPUT_PARTITION_KEYS},
         .summary =
             "tables are partitioned by ranges of text, and the target sorts text otherwise: "
             "rows do not fit the partition they are in",
         .advice =
             "Make the target's database with the source's collation (see collation-different)."),
    RULE(.id = "collation-missing", .severity = SEVERITY_BLOCKER, .scope = SCOPE_BOTH,
         .side = SIDE_TARGET, .sql = sql_assess_collation_missing, .inputs = {INPUT_COLLATIONS},
         .summary = "columns name collations that the target's server does not have",
         .advice = "first make the locale there (Debian: apt-get install locales-all), then, as a "
                   "superuser in this database"),
    RULE(.id = "collation-version", .severity = SEVERITY_NOTE, .scope = SCOPE_BOTH,
         .side = SIDE_SOURCE, .sql = sql_assess_collation_version,
         .summary = "the source's collation library has changed since its database was made: its "
                    "indexes over text may be wrong; the target's are built new",
         .advice = "before relying on the source again"),
    RULE(.id = "target-collation-version", .severity = SEVERITY_WARNING, .scope = SCOPE_BOTH,
         .side = SIDE_TARGET, .sql = sql_assess_collation_version,
         .summary = "the target's collation library has changed since its database was made"),
    RULE(.id = "setting-different", .severity = SEVERITY_WARNING, .scope = SCOPE_BOTH,
         .side = SIDE_TARGET, .sql = sql_assess_setting_different, .inputs = {INPUT_SETTINGS},
         .summary =
             "defaults that shape what the app reads and writes differ: under another TimeZone "
             "the same now() is stored as another timestamp"),
    RULE(.id = "database-setting", .severity = SEVERITY_WARNING, .scope = SCOPE_BOTH,
         .side = SIDE_TARGET, .sql = sql_assess_database_setting,
         .inputs = {INPUT_DATABASE_SETTINGS, INPUT_ROLE_MAP},
         .summary = "settings of the source's database and roles (ALTER ... SET) that no dump of a "
                    "database carries"),
    RULE(.id = "database-privilege", .severity = SEVERITY_WARNING, .scope = SCOPE_BOTH,
         .side = SIDE_TARGET, .sql = sql_assess_database_privilege,
         .inputs = {INPUT_DATABASE, INPUT_ROLE_MAP},
         .summary = "the source's database has privileges, a connection limit or a comment of its "
                    "own, which no dump of what is in it carries"),
    RULE(.id = "target-unsafe-setting", .severity = SEVERITY_WARNING, .scope = SCOPE_BOTH,
         .side = SIDE_TARGET, .sql = sql_assess_unsafe_setting,
         .summary = "a crash of the target's server would destroy its databases"),

    /* What the target must have. */
    RULE(.id = "extension-missing", .severity = SEVERITY_BLOCKER, .scope = SCOPE_BOTH,
         .side = SIDE_TARGET, .sql = sql_assess_extension_missing, .inputs = {INPUT_EXTENSIONS},
         .summary = "extensions of the source that the target's server does not have"),
    RULE(.id = "extension-older", .severity = SEVERITY_BLOCKER, .scope = SCOPE_BOTH,
         .side = SIDE_TARGET, .sql = sql_assess_extension_older, .inputs = {INPUT_EXTENSIONS},
         .summary =
             "extensions that are older on the target than on the source: types and functions "
             "may be missing there"),
    RULE(.id = "extension-privilege", .severity = SEVERITY_BLOCKER, .scope = SCOPE_BOTH,
         .side = SIDE_TARGET, .sql = sql_assess_extension_privilege, .inputs = {INPUT_EXTENSIONS},
         .condition = WHEN_SCHEMA_IS_MADE,
         .summary = "extensions that this role may not create on the target"),
    RULE(.id = "extension-preload", .severity = SEVERITY_WARNING, .scope = SCOPE_BOTH,
         .side = SIDE_TARGET, .sql = sql_assess_extension_preload, .inputs = {INPUT_EXTENSIONS},
         .summary =
             "extensions that cannot be created, or do nothing, until the target's server loads "
             "them at its start"),
    RULE(.id = "owner-missing", .severity = SEVERITY_BLOCKER, .scope = SCOPE_BOTH,
         .side = SIDE_TARGET, .sql = sql_assess_role_missing,
         .inputs = {INPUT_ROLES, INPUT_ROLE_MAP, INPUT_ARGUMENT}, .argument = "owner",
         .condition = WHEN_SCHEMA_IS_MADE,
         .summary = "objects are owned by roles that the target lacks",
         .advice = "or give roles that are there in their place: --map-role OLD=NEW"),
    RULE(.id = "grantee-missing", .severity = SEVERITY_BLOCKER, .scope = SCOPE_BOTH,
         .side = SIDE_TARGET, .sql = sql_assess_role_missing,
         .inputs = {INPUT_ROLES, INPUT_ROLE_MAP, INPUT_ARGUMENT}, .argument = "grant",
         .condition = WHEN_SCHEMA_IS_MADE,
         .summary = "privileges, policies and user mappings name roles that the target lacks",
         .advice = "or give roles that are there in their place: --map-role OLD=NEW"),
    RULE(.id = "owner-privilege", .severity = SEVERITY_BLOCKER, .scope = SCOPE_BOTH,
         .side = SIDE_TARGET, .sql = sql_assess_owner_privilege,
         .inputs = {INPUT_ROLES, INPUT_ROLE_MAP}, .condition = WHEN_SCHEMA_IS_MADE,
         .summary = "roles that are to own objects, and that this role may not give objects to"),
    RULE(.id = "superuser-needed", .severity = SEVERITY_BLOCKER, .scope = SCOPE_BOTH,
         .side = SIDE_TARGET, .sql = sql_assess_superuser_needed,
         .inputs = {INPUT_SUPERUSER_OBJECTS}, .condition = WHEN_SCHEMA_IS_MADE,
         .summary = "objects that only a superuser can make on the target",
         .advice = "or give a superuser's URL as the target, or drop them on the source"),
    RULE(.id = "tablespace-missing", .severity = SEVERITY_BLOCKER, .scope = SCOPE_BOTH,
         .side = SIDE_TARGET, .sql = sql_assess_tablespace_missing, .inputs = {INPUT_TABLESPACES},
         .condition = WHEN_SCHEMA_IS_MADE,
         .summary = "tables and indexes are in tablespaces that the target does not have",
         .advice = "or, on the source, move them: ALTER TABLE ... SET TABLESPACE pg_default"),
    RULE(.id = "language-missing", .severity = SEVERITY_BLOCKER, .scope = SCOPE_BOTH,
         .side = SIDE_TARGET, .sql = sql_assess_language_missing, .inputs = {INPUT_LANGUAGES},
         .condition = WHEN_SCHEMA_IS_MADE,
         .summary = "functions are written in languages that the target does not have"),
    RULE(.id = "c-function", .severity = SEVERITY_WARNING, .scope = SCOPE_BOTH, .side = SIDE_SOURCE,
         .mends_other_side = true, .sql = sql_assess_c_function, .inputs = {INPUT_LEFT_OUT},
         .condition = WHEN_SCHEMA_IS_MADE,
         .summary = "functions in C that belong to no extension: no dump carries their library"),
    RULE(.id = "security-label", .severity = SEVERITY_WARNING, .scope = SCOPE_BOTH,
         .side = SIDE_SOURCE, .mends_other_side = true, .sql = sql_assess_security_label,
         .condition = WHEN_SCHEMA_IS_MADE,
         .summary = "security labels can only be set where their provider is loaded"),
    RULE(.id = "target-not-empty", .severity = SEVERITY_BLOCKER, .scope = SCOPE_BOTH,
         .side = SIDE_TARGET, .sql = sql_assess_target_not_empty, .condition = WHEN_SCHEMA_IS_MADE,
         .summary =
             "the target's database is not empty: what is there would be mixed with what arrives",
         .advice =
             "Make a new, empty database and give it as the target; or, where these objects are of "
             "no use, drop them."),
    RULE(.id = "target-table-missing", .severity = SEVERITY_BLOCKER, .scope = SCOPE_BOTH,
         .side = SIDE_TARGET, .sql = sql_assess_target_table_missing, .inputs = {INPUT_TABLES},
         .condition = WHEN_SCHEMA_IS_THERE,
         .summary = "tables or columns of the source that the target's schema does not have",
         .advice = "Bring the target's schema up to the source's, or let homeport make it (schema: "
                   "dump)."),
    RULE(.id = "target-has-rows", .severity = SEVERITY_BLOCKER, .scope = SCOPE_BOTH,
         .side = SIDE_TARGET, .sql = sql_assess_target_has_rows, .inputs = {INPUT_TABLES},
         .condition = WHEN_SCHEMA_IS_THERE,
         .summary =
             "tables of the target hold rows, or dead ones: what arrives would be mixed with them",
         .advice = "where the rows are of no use"),
    RULE(.id = "target-trigger-fires", .severity = SEVERITY_BLOCKER, .scope = SCOPE_BOTH,
         .side = SIDE_TARGET, .sql = sql_assess_target_trigger_fires,
         .condition = WHEN_SCHEMA_IS_THERE,
         .summary = "triggers of the target would fire for every row that is copied"),
    RULE(.id = "target-privilege", .severity = SEVERITY_BLOCKER, .scope = SCOPE_BOTH,
         .side = SIDE_TARGET, .sql = sql_assess_target_privilege,
         .summary = "this role may not create on the target what arrives",
         .advice = "as the owner of the database, or a superuser"),

    /* What this role must be able to read. */
    RULE(.id = "table-unreadable", .severity = SEVERITY_BLOCKER, .scope = SCOPE_BOTH,
         .side = SIDE_SOURCE, .sql = sql_assess_table_unreadable, .inputs = {INPUT_LEFT_OUT},
         .summary = "this role may not read all that is to be copied"),
    RULE(.id = "schema-unusable", .severity = SEVERITY_BLOCKER, .scope = SCOPE_BOTH,
         .side = SIDE_SOURCE, .sql = sql_assess_schema_unusable, .inputs = {INPUT_LEFT_OUT},
         .summary = "this role may not look into all schemas"),
    RULE(.id = "row-security-hides", .severity = SEVERITY_BLOCKER, .scope = SCOPE_BOTH,
         .side = SIDE_SOURCE, .sql = sql_assess_row_security_hides, .inputs = {INPUT_LEFT_OUT},
         .summary = "row-level security hides rows from this role: they could not be copied",
         .advice =
             "as a superuser; or use a role that has it, such as the one that Neon makes with the "
             "database"),

    RULE(.id = "schema-homeport", .severity = SEVERITY_BLOCKER, .scope = SCOPE_BOTH,
         .side = SIDE_SOURCE, .sql = sql_assess_schema_homeport,
         .summary = "the schema homeport is for homeport's own state: what else is in it stays "
                    "behind, and is dropped with it where a live move ends",
         .advice = "the app has to know the new name"),
    RULE(.id = "target-schema-homeport", .severity = SEVERITY_BLOCKER, .scope = SCOPE_BOTH,
         .side = SIDE_TARGET, .sql = sql_assess_schema_homeport,
         .summary = "the schema homeport is for homeport's own state: what else is in it would be "
                    "dropped with it when the move ends",
         .advice = "the app has to know the new name"),

    /* What the schema holds. */
    RULE(.id = "ddl-waits", .severity = SEVERITY_WARNING, .scope = SCOPE_BOTH, .side = SIDE_SOURCE,
         .summary =
             "while tables are copied, ALTER TABLE, TRUNCATE and the like on the source wait for "
             "the copy, and the app's queries on that table queue up behind them",
         .advice =
             "Run no migrations on the source and deploy nothing that does until the copy is done; "
             "reading and writing rows is not held up."),
    RULE(.id = "foreign-table", .severity = SEVERITY_WARNING, .scope = SCOPE_BOTH,
         .side = SIDE_SOURCE, .mends_other_side = true, .sql = sql_assess_foreign_table,
         .inputs = {INPUT_LEFT_OUT},
         .summary =
             "foreign tables: their definitions arrive, their rows stay on another server, which "
             "the target must reach; a user mapping's password arrives only where the source's "
             "role "
             "may read it, as a superuser may",
         .advice = "after the move, where the mapping has a password that did not arrive"),
    RULE(.id = "subscription", .severity = SEVERITY_WARNING, .scope = SCOPE_BOTH,
         .side = SIDE_SOURCE, .sql = sql_assess_subscription,
         .summary = "rows come into the source through a subscription: at home it arrives disabled",
         .advice = "when the target takes over; then ENABLE it on the target"),
    RULE(.id = "event-trigger", .severity = SEVERITY_WARNING, .scope = SCOPE_LIVE,
         .side = SIDE_SOURCE, .sql = sql_assess_event_trigger,
         .summary = "event triggers fire for what the live move makes on the source (publication, "
                    "fence), and may refuse it"),
    RULE(.id = "event-trigger", .severity = SEVERITY_NOTE, .scope = SCOPE_ONCE, .side = SIDE_SOURCE,
         .sql = sql_assess_event_trigger_once,
         .summary =
             "event triggers are made on the target last of all, so that none fires for the move",
         .advice = "Nothing to do."),
    RULE(.id = "sequence-near-end", .severity = SEVERITY_WARNING, .scope = SCOPE_BOTH,
         .side = SIDE_SOURCE, .sql = sql_assess_sequence_near_end, .inputs = {INPUT_LEFT_OUT},
         .summary =
             "sequences have used 80 % or more of their numbers; when they end, inserts fail",
         .advice = "before or after the move, not during it; changing the type rewrites the table"),
    RULE(.id = "statistics-object", .severity = SEVERITY_NOTE, .scope = SCOPE_BOTH,
         .side = SIDE_SOURCE, .sql = sql_assess_statistics_object, .inputs = {INPUT_LEFT_OUT},
         .summary =
             "extended statistics arrive as definitions and are filled by the ANALYZE at the end",
         .advice = "Nothing to do."),
    RULE(.id = "generated-column", .severity = SEVERITY_NOTE, .scope = SCOPE_BOTH,
         .side = SIDE_SOURCE, .sql = sql_assess_generated_column, .inputs = {INPUT_LEFT_OUT},
         .summary =
             "stored generated columns are computed again on the target; verify compares them",
         .advice = "Nothing to do."),
    RULE(.id = "index-invalid", .severity = SEVERITY_WARNING, .scope = SCOPE_BOTH,
         .side = SIDE_SOURCE, .sql = sql_assess_index_invalid, .inputs = {INPUT_LEFT_OUT},
         .summary =
             "invalid indexes, left by an interrupted CREATE INDEX CONCURRENTLY: they are not "
             "used, and they do not arrive"),
    RULE(.id = "partition-exclusion", .severity = SEVERITY_BLOCKER, .scope = SCOPE_BOTH,
         .side = SIDE_SOURCE, .sql = sql_assess_partition_exclusion, .inputs = {INPUT_LEFT_OUT},
         .condition = WHEN_18_MAKES_SCHEMA,
         .summary = "exclusion constraints of partitioned tables: a server of 18 attaches no "
                    "partition's to them, whoever restores the dump",
         .advice = "and once the move is over, at home what the comments say"),
    RULE(.id = "constraint-not-valid", .severity = SEVERITY_NOTE, .scope = SCOPE_BOTH,
         .side = SIDE_SOURCE, .sql = sql_assess_constraint_not_valid, .inputs = {INPUT_LEFT_OUT},
         .summary = "constraints that are NOT VALID arrive so: old rows may break them",
         .advice = "where the rows keep them"),
    RULE(.id = "materialized-view", .severity = SEVERITY_NOTE, .scope = SCOPE_ONCE,
         .side = SIDE_SOURCE, .sql = sql_assess_materialized_view, .inputs = {INPUT_LEFT_OUT},
         .summary =
             "materialised views are not copied but refreshed on the target, once the rows are "
             "there",
         .advice = "Nothing to do."),

    RULE(.id = "large-objects", .severity = SEVERITY_BLOCKER, .scope = SCOPE_ONCE,
         .side = SIDE_SOURCE, .sql = sql_assess_large_objects, .condition = WHEN_ONLY_ROWS_COME,
         .summary = "large objects: they come with the source's dump alone, and would stay behind",
         .advice = "Take the source's schema (--schema dump), or keep their bytes in a bytea "
                   "column; those that no row refers to are found and removed by: vacuumlo "
                   "--dry-run DATABASE, then without --dry-run."),

    /* What Neon brings along. */
    RULE(.id = "neon-schema", .severity = SEVERITY_NOTE, .scope = SCOPE_BOTH, .side = SIDE_SOURCE,
         .sql = sql_assess_neon_schema, .summary = "schemas of Neon's own service stay behind",
         .advice = "Nothing to do."),
    RULE(.id = "neon-extension", .severity = SEVERITY_NOTE, .scope = SCOPE_BOTH,
         .side = SIDE_SOURCE, .sql = sql_assess_neon_extension,
         .summary = "extensions of Neon's own service stay behind", .advice = "Nothing to do."),
    RULE(.id = "neon-role", .severity = SEVERITY_NOTE, .scope = SCOPE_BOTH, .side = SIDE_SOURCE,
         .sql = sql_assess_neon_role,
         .summary = "roles of Neon's own service stay behind: what they own goes to the role that "
                    "connects to the target, what is granted to them is not granted",
         .advice = "Nothing to do; to give them a successor, --map-role neon_superuser=ROLE."),
    RULE(.id = "neon-auth", .severity = SEVERITY_WARNING, .scope = SCOPE_BOTH, .side = SIDE_SOURCE,
         .sql = sql_assess_neon_auth,
         .summary =
             "Neon Auth's tables are copied, but the service that signs users in and keeps them up "
             "to date is Neon's",
         .advice =
             "Before the cutover, move the app's sign-in to a service of its own (Better Auth, "
             "Clerk, ...); the variables NEON_AUTH_* and NEXT_PUBLIC_STACK_* name what it uses "
             "now."),

    /* What only the live move needs: changes of every row, from a stream. */
    RULE(.id = "table-no-identity", .severity = SEVERITY_BLOCKER, .scope = SCOPE_LIVE,
         .side = SIDE_SOURCE, .sql = sql_assess_table_no_identity, .inputs = {INPUT_LEFT_OUT},
         .summary =
             "tables without a replica identity: once they are published, UPDATE and DELETE on "
             "them fail in the live app",
         .advice = "better than FULL is a primary key: ALTER TABLE ... ADD PRIMARY KEY (...)"),
    RULE(.id = "table-identity-full", .severity = SEVERITY_WARNING, .scope = SCOPE_LIVE,
         .side = SIDE_SOURCE, .sql = sql_assess_table_identity_full, .inputs = {INPUT_LEFT_OUT},
         .summary =
             "tables of which every change carries the whole old row and is applied one by one: "
             "slow when there are many"),
    RULE(.id = "table-unlogged", .severity = SEVERITY_BLOCKER, .scope = SCOPE_LIVE,
         .side = SIDE_SOURCE, .sql = sql_assess_table_unlogged, .inputs = {INPUT_LEFT_OUT},
         .summary = "unlogged tables: their changes are not in the WAL, so no stream carries them",
         .advice = "this writes the whole table to the WAL"),
    RULE(.id = "large-objects", .severity = SEVERITY_BLOCKER, .scope = SCOPE_LIVE,
         .side = SIDE_SOURCE, .sql = sql_assess_large_objects,
         .summary = "large objects: no stream carries their changes",
         .advice = "Keep their bytes in a bytea column instead; those that no row refers to are "
                   "found and "
                   "removed by: vacuumlo --dry-run DATABASE, then without --dry-run."),
    RULE(.id = "materialized-view", .severity = SEVERITY_BLOCKER, .scope = SCOPE_LIVE,
         .side = SIDE_SOURCE, .sql = sql_assess_materialized_view, .inputs = {INPUT_LEFT_OUT},
         .summary =
             "materialised views have no stream: they would have to be refreshed within the pause "
             "of the cutover",
         .advice =
             "Drop them before the move and create them again at home after it, or replace them by "
             "views or tables."),
    RULE(.id = "prepared-transaction", .severity = SEVERITY_BLOCKER, .scope = SCOPE_LIVE,
         .side = SIDE_SOURCE, .sql = sql_assess_prepared_transaction,
         .summary =
             "prepared transactions are open: the replication slot waits for their end, and the "
             "cutover cannot prove that nobody writes"),
    RULE(.id = "prepared-transaction", .severity = SEVERITY_WARNING, .scope = SCOPE_ONCE,
         .side = SIDE_SOURCE, .sql = sql_assess_prepared_transaction,
         .summary =
             "prepared transactions are open: what they wrote is not copied, and a table that they "
             "have locked makes the copy wait"),
    RULE(.id = "long-transaction", .severity = SEVERITY_WARNING, .scope = SCOPE_LIVE,
         .side = SIDE_SOURCE, .sql = sql_assess_long_transaction,
         .summary =
             "transactions that write have been open for more than ten seconds: the replication "
             "slot waits for their end"),
    RULE(.id = "wal-level", .severity = SEVERITY_BLOCKER, .scope = SCOPE_LIVE, .side = SIDE_SOURCE,
         .sql = sql_assess_wal_level,
         .summary = "the source's WAL does not carry what a change stream is made of"),
    RULE(.id = "target-wal-level", .severity = SEVERITY_BLOCKER, .scope = SCOPE_LIVE,
         .side = SIDE_TARGET, .sql = sql_assess_wal_level,
         .summary = "the target's WAL does not carry what the stream back (rollback) is made of"),
    RULE(.id = "replication-slots", .severity = SEVERITY_BLOCKER, .scope = SCOPE_LIVE,
         .side = SIDE_SOURCE, .sql = sql_assess_replication_slots, .inputs = {INPUT_ARGUMENT},
         .argument = "2",
         .summary =
             "too few replication slots are free on the source: one for the stream, one for tables "
             "that are copied again"),
    RULE(.id = "target-replication-slots", .severity = SEVERITY_BLOCKER, .scope = SCOPE_LIVE,
         .side = SIDE_TARGET, .sql = sql_assess_replication_slots, .inputs = {INPUT_ARGUMENT},
         .argument = "1",
         .summary = "no replication slot is free on the target for the stream back (rollback)"),
    RULE(.id = "wal-senders", .severity = SEVERITY_BLOCKER, .scope = SCOPE_LIVE,
         .side = SIDE_SOURCE, .sql = sql_assess_wal_senders, .inputs = {INPUT_ARGUMENT},
         .argument = "2",
         .summary =
             "too few WAL senders are free on the source: one for the stream, one for tables that "
             "are copied again"),
    RULE(.id = "target-wal-senders", .severity = SEVERITY_BLOCKER, .scope = SCOPE_LIVE,
         .side = SIDE_TARGET, .sql = sql_assess_wal_senders, .inputs = {INPUT_ARGUMENT},
         .argument = "1",
         .summary = "no WAL sender is free on the target for the stream back (rollback)"),
    RULE(.id = "slot-wal-keep-small", .severity = SEVERITY_WARNING, .scope = SCOPE_LIVE,
         .side = SIDE_SOURCE, .sql = sql_assess_slot_wal_keep,
         .summary =
             "the source drops the stream's WAL early: a connection that is broken for minutes may "
             "end the move"),
    RULE(.id = "replication-privilege", .severity = SEVERITY_BLOCKER, .scope = SCOPE_LIVE,
         .side = SIDE_SOURCE, .sql = sql_assess_replication_privilege,
         .summary = "this role may not replicate from the source"),
    RULE(.id = "publication-privilege", .severity = SEVERITY_BLOCKER, .scope = SCOPE_LIVE,
         .side = SIDE_SOURCE, .sql = sql_assess_publication_privilege, .inputs = {INPUT_LEFT_OUT},
         .summary = "this role may not publish every table: that takes CREATE on the database and "
                    "ownership of the tables"),
    RULE(.id = "fence-privilege", .severity = SEVERITY_BLOCKER, .scope = SCOPE_LIVE,
         .side = SIDE_SOURCE, .sql = sql_assess_fence_privilege,
         .summary =
             "this role may not fence the source at the cutover: make the database read-only, see "
             "its sessions, end them"),
    RULE(.id = "trigger-fires", .severity = SEVERITY_BLOCKER, .scope = SCOPE_LIVE,
         .side = SIDE_SOURCE, .sql = sql_assess_trigger_fires, .inputs = {INPUT_LEFT_OUT},
         .summary =
             "triggers that fire also for replicated changes: what they write would arrive twice",
         .advice = "so that they fire for the app alone"),
    RULE(.id = "trigger-fires-back", .severity = SEVERITY_WARNING, .scope = SCOPE_LIVE,
         .side = SIDE_SOURCE, .sql = sql_assess_trigger_fires_back, .inputs = {INPUT_LEFT_OUT},
         .condition = WHEN_TRIGGERS_REST_NOT,
         .summary = "triggers that are disabled on the source from the cutover until a rollback, "
                    "since this "
                    "role may not set session_replication_role there",
         .advice = "homeport does so, and enables them again. A role that may set "
                   "session_replication_role leaves them alone."),
};

const size_t assess_rule_count = COUNT_OF(assess_rules);
