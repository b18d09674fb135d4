/*
 * The SQL by which a table is compared.
 *
 * Problem: two servers must compute the same 128 bits for the same row, as
 * cheaply as can be, and other bits for any other row. The text form of a row
 * (what peers hash) costs most of the work: timestamps and numbers are slow to
 * print, and printing doubles quotes.
 *
 * Design: a chain of the server's own 64-bit hash functions, each column's hash
 * being the seed of the next, so that values neither commute nor run together.
 * A type's own function is used only where equal hashes need equal bytes:
 * int8's folds to 32 bits, those of numeric and jsonb ignore what their equality
 * ignores. Types with a binary form that is the same on every server are hashed
 * by that, several in one array; all others by the text that COPY writes.
 * Which columns are NULL is hashed as bits of its own, so that NULL is no value.
 *
 * An array's hash is linear in its elements' hashes, and sums over rows would not
 * see values that changed places between rows. So it is always the seed of at
 * least one more function, which is not. Columns come in segments of 15, joined
 * by XOR under a last hash, as a chain of 1,600 calls is deeper than the
 * server's stack.
 *
 * Measured (docs/benchmarks.md): 1.7 times cheaper than hashtext(row::text), at
 * four times the bits. What was slower: record_send() of the row, a hash of the
 * whole record, buckets searched in an array of text.
 */
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "core/text.h"
#include "move/verify.h"

enum {
    MAX_SQL = 64 << 20,
    SEGMENT = 15, /* two bits each in the 31 of an int4 */
    RANGES_OF_HASH = 256,
};

/* How a type is hashed. Types that are not here are hashed by their text. */
typedef enum HashKind {
    HASH_TEXT,   /* by the text that COPY writes */
    HASH_STRING, /* its bytes are its text */
    HASH_CALL,   /* by a function of its own that tells all values apart */
    HASH_INT8,   /* the function folds to 32 bits: the upper half goes in by itself */
    HASH_FLOAT,  /* the function does not tell -0 from 0 */
    HASH_SEND,   /* by its binary form */
} HashKind;

static const struct HashType {
    const char *base;
    HashKind kind;
    const char *function;
    const char *zero; /* any value, in place of NULL */
} hash_types[] = {
    {"text",         HASH_STRING, NULL,                 "''"                                    },
    {"varchar",      HASH_STRING, NULL,                 "''"                                    },
    {"enum",         HASH_STRING, NULL,                 "''"                                    },
    {"json",         HASH_STRING, NULL,                 "''"                                    },
    {"int2",         HASH_CALL,   "hashint2extended",   "0::pg_catalog.int2"                    },
    {"int4",         HASH_CALL,   "hashint4extended",   "0"                                     },
    {"oid",          HASH_CALL,   "hashoidextended",    "0::pg_catalog.oid"                     },
    {"char",         HASH_CALL,   "hashcharextended",   "''::pg_catalog.\"char\""               },
    {"uuid",         HASH_CALL,   "uuid_hash_extended", "'00000000-0000-0000-0000-000000000000'"},
    {"int8",         HASH_INT8,   NULL,                 "0"                                     },
    {"float4",       HASH_FLOAT,  NULL,                 "0"                                     },
    {"float8",       HASH_FLOAT,  NULL,                 "0"                                     },
    {"bytea",        HASH_SEND,   "",                   NULL                                    },
    {"bpchar",       HASH_SEND,   "bpcharsend",         NULL                                    },
    {"bool",         HASH_SEND,   "boolsend",           NULL                                    },
    {"numeric",      HASH_SEND,   "numeric_send",       NULL                                    },
    {"date",         HASH_SEND,   "date_send",          NULL                                    },
    {"time",         HASH_SEND,   "time_send",          NULL                                    },
    {"timetz",       HASH_SEND,   "timetz_send",        NULL                                    },
    {"timestamp",    HASH_SEND,   "timestamp_send",     NULL                                    },
    {"timestamptz",  HASH_SEND,   "timestamptz_send",   NULL                                    },
    {"interval",     HASH_SEND,   "interval_send",      NULL                                    },
    {"jsonb",        HASH_SEND,   "jsonb_send",         NULL                                    },
    {"inet",         HASH_SEND,   "inet_send",          NULL                                    },
    {"cidr",         HASH_SEND,   "cidr_send",          NULL                                    },
    {"macaddr",      HASH_SEND,   "macaddr_send",       NULL                                    },
    {"varbit",       HASH_SEND,   "varbit_send",        NULL                                    },
    {"_text",        HASH_SEND,   "array_send",         NULL                                    },
    {"_varchar",     HASH_SEND,   "array_send",         NULL                                    },
    {"_int2",        HASH_SEND,   "array_send",         NULL                                    },
    {"_int4",        HASH_SEND,   "array_send",         NULL                                    },
    {"_int8",        HASH_SEND,   "array_send",         NULL                                    },
    {"_bool",        HASH_SEND,   "array_send",         NULL                                    },
    {"_uuid",        HASH_SEND,   "array_send",         NULL                                    },
    {"_numeric",     HASH_SEND,   "array_send",         NULL                                    },
    {"_date",        HASH_SEND,   "array_send",         NULL                                    },
    {"_timestamp",   HASH_SEND,   "array_send",         NULL                                    },
    {"_timestamptz", HASH_SEND,   "array_send",         NULL                                    },
    {"_jsonb",       HASH_SEND,   "array_send",         NULL                                    },
};

static const struct HashType by_text = {"", HASH_TEXT, NULL, NULL};

static const struct HashType *hash_type(const VerifyColumn *column)
{
    for (size_t i = 0; i < COUNT_OF(hash_types); i++)
        if (strcmp(hash_types[i].base, column->cast) == 0)
            return &hash_types[i];
    return &by_text;
}

void verify_column_cast(VerifyColumn *column)
{
    const TableColumn *source = column->of[VERIFY_SOURCE];
    const TableColumn *target = column->of[VERIFY_TARGET];
    bool same = strcmp(source->base, target->base) == 0 && strcmp(source->type, target->type) == 0;

    column->cast = same ? source->base : "";
}

static bool is_name_part(char c, bool first)
{
    return (c >= 'a' && c <= 'z') || (!first && ((c >= '0' && c <= '9') || c == '_'));
}

const char *verify_fill(Arena *arena, const char *sql, const SqlPart *parts)
{
    Text out = text_init(arena, MAX_SQL);

    while (*sql) {
        size_t len = 0;

        /* Two colons are a cast. */
        if (sql[0] == ':' && sql[1] == ':') {
            text_add(&out, "::");
            sql += 2;
            continue;
        }
        while (sql[0] == ':' && is_name_part(sql[1 + len], len == 0))
            len++;
        if (len == 0) {
            text_add_char(&out, *sql++);
            continue;
        }
        const SqlPart *part = parts;
        while (part->name && (strlen(part->name) != len || strncmp(part->name, sql + 1, len) != 0))
            part++;
        assert(part->name);
        text_add(&out, part->sql);
        sql += 1 + len;
    }
    return text_str(&out);
}

const char *verify_text_sql(Arena *arena, const VerifyColumn *column)
{
    /* Not a cast to text, which drops a character(n)'s blanks and an XML declaration, and may be a
     * user's own function: concat() calls the type's output function, as COPY does. */
    return arena_printf(arena, "pg_catalog.concat(%s)", column->sql);
}

/* The value as the type that both sides see below any domain. */
static const char *value_sql(Arena *arena, const VerifyColumn *column)
{
    if (strcmp(column->cast, "enum") == 0 || strcmp(column->cast, "json") == 0)
        return arena_printf(arena, "%s::pg_catalog.text", column->sql);
    return arena_printf(arena, "%s::pg_catalog.%s", column->sql, pg_ident(arena, column->cast));
}

static const char *not_null_sql(Arena *arena, const VerifyColumn *column, const char *value)
{
    const char *zero = hash_type(column)->zero;

    return column->nullable ? arena_printf(arena, "COALESCE(%s, %s)", value, zero) : value;
}

/* An enum whose labels both sides number alike: numbers are cheaper than labels. */
static bool is_numbered(const VerifyColumn *column)
{
    const char *source = column->of[VERIFY_SOURCE]->enum_arms;
    const char *target = column->of[VERIFY_TARGET]->enum_arms;

    return *column->cast && source && target && strcmp(source, target) == 0;
}

/* Columns that are hashed by their binary form, NULL included. */
static bool is_sent(const VerifyTable *table, const VerifyColumn *column)
{
    HashKind kind = hash_type(column)->kind;

    if (is_numbered(column))
        return false;

    return kind == HASH_SEND || (table->recode && (kind == HASH_STRING || kind == HASH_TEXT));
}

static const char *sent_sql(Arena *arena, const VerifyColumn *column)
{
    const struct HashType *type = hash_type(column);

    /* textsend() gives our client_encoding: UTF-8 where the servers' own differ. */
    if (type->kind == HASH_TEXT)
        return arena_printf(arena, "CASE WHEN %s IS NOT NULL THEN pg_catalog.textsend(%s) END",
                            column->sql, verify_text_sql(arena, column));
    if (type->kind == HASH_STRING)
        return arena_printf(arena, "pg_catalog.textsend(%s::pg_catalog.text)", column->sql);
    if (!*type->function)
        return value_sql(arena, column);
    return arena_printf(arena, "pg_catalog.%s(%s)", type->function, value_sql(arena, column));
}

/* One link of the chain. */
static const char *link_sql(Arena *arena, const VerifyColumn *column, const char *seed)
{
    /* No label is 0: that is NULL. */
    if (is_numbered(column))
        return arena_printf(arena, "pg_catalog.hashint4extended(CASE %s %s ELSE 0 END, %s)",
                            column->sql, column->of[VERIFY_SOURCE]->enum_arms, seed);

    const struct HashType *type = hash_type(column);
    const char *value =
        type->kind == HASH_TEXT ? "" : not_null_sql(arena, column, value_sql(arena, column));

    switch (type->kind) {
    case HASH_STRING:
        return arena_printf(arena, "pg_catalog.hashtextextended(%s COLLATE \"C\", %s)", value,
                            seed);
    case HASH_CALL:
        return arena_printf(arena, "pg_catalog.%s(%s, %s)", type->function, value, seed);
    case HASH_INT8:
        return arena_printf(
            arena,
            "pg_catalog.hashint8extended(%s, pg_catalog.hashint4extended((%s >> 32)::int4, %s))",
            value, value, seed);
    case HASH_FLOAT:
        return arena_printf(arena, "pg_catalog.hashfloat8extended(%s::pg_catalog.float8, %s)",
                            value, seed);
    case HASH_TEXT:
    case HASH_SEND:
        break;
    }
    return arena_printf(arena, "pg_catalog.hashtextextended(%s COLLATE \"C\", %s)",
                        verify_text_sql(arena, column), seed);
}

/* What the links do not see, as bits: which columns are NULL, and which zeros are negative. */
static const char *bits_sql(Arena *arena, const VerifyTable *table, int first, int count)
{
    Text sql = text_init(arena, MAX_SQL);

    text_add(&sql, "0");
    for (int i = 0; i < count; i++) {
        const VerifyColumn *column = &table->columns[first + i];

        if (is_sent(table, column) || is_numbered(column))
            continue;
        if (column->nullable)
            text_addf(&sql, " + CASE WHEN %s IS NULL THEN %d ELSE 0 END", column->sql,
                      1 << (2 * i));
        if (hash_type(column)->kind == HASH_FLOAT)
            text_addf(&sql, " + CASE WHEN %s = 0 AND %s = '-0' THEN %d ELSE 0 END",
                      value_sql(arena, column), verify_text_sql(arena, column), 1 << (2 * i + 1));
    }
    return text_str(&sql);
}

static const char *sent_list_sql(Arena *arena, const VerifyTable *table, int first, int count)
{
    Text sql = text_init(arena, MAX_SQL);

    for (int i = 0; i < count; i++) {
        const VerifyColumn *column = &table->columns[first + i];

        if (!is_sent(table, column))
            continue;
        text_add(&sql, sql.len ? ", " : "");
        text_add(&sql, sent_sql(arena, column));
    }
    return text_str(&sql);
}

static const char *segment_sql(Arena *arena, const VerifyTable *table, int first, int count,
                               int64_t seed)
{
    const char *sent = sent_list_sql(arena, table, first, count);
    const char *hash = arena_printf(arena, "'%" PRId64 "'::pg_catalog.int8", seed);

    if (*sent)
        hash = arena_printf(arena, "pg_catalog.hash_array_extended(ARRAY[%s], %s)", sent, hash);
    for (int i = 0; i < count; i++)
        if (!is_sent(table, &table->columns[first + i]))
            hash = link_sql(arena, &table->columns[first + i], hash);
    return arena_printf(arena, "pg_catalog.hashint4extended(%s, %s)",
                        bits_sql(arena, table, first, count), hash);
}

const char *verify_hash_sql(Arena *arena, const VerifyTable *table, int64_t seed)
{
    Text joined = text_init(arena, MAX_SQL);

    if (table->column_count <= SEGMENT)
        return segment_sql(arena, table, 0, table->column_count, seed);
    for (int first = 0; first < table->column_count; first += SEGMENT) {
        int left = table->column_count - first;

        text_add(&joined, first ? " # " : "");
        text_add(&joined,
                 segment_sql(arena, table, first, left < SEGMENT ? left : SEGMENT, seed ^ first));
    }
    return arena_printf(arena, "pg_catalog.hashint4extended(0, %s)", text_str(&joined));
}

const char *verify_key_sql(Arena *arena, const VerifyTable *table)
{
    Text sql = text_init(arena, MAX_SQL);

    for (int i = 0; i < table->key_count; i++) {
        text_add(&sql, i ? ", " : "");
        text_add(&sql, verify_text_sql(arena, &table->columns[table->key[i]]));
    }
    return text_str(&sql);
}

const char *verify_key_order_sql(Arena *arena, const VerifyTable *table)
{
    Text sql = text_init(arena, MAX_SQL);

    for (int i = 0; i < table->key_count; i++) {
        const char *text = verify_text_sql(arena, &table->columns[table->key[i]]);

        text_add(&sql, i ? ", " : "");
        text_addf(&sql, table->recode ? "pg_catalog.textsend(%s)" : "%s COLLATE \"C\"", text);
    }
    return text_str(&sql);
}

/* The type's own equality can use the key's index; search_path is empty, so that only built-in
 * operators are found. */
const char *verify_key_match_sql(Arena *arena, const VerifyTable *table, const char *const *values)
{
    Text sql = text_init(arena, MAX_SQL);

    for (int i = 0; i < table->key_count; i++) {
        const VerifyColumn *column = &table->columns[table->key[i]];
        const char *value = pg_literal(arena, values[i]);

        text_add(&sql, i ? " AND " : "");
        if (*verify_range_type(table, column))
            text_addf(&sql, "%s = %s::pg_catalog.%s AND ", value_sql(arena, column), value,
                      pg_ident(arena, column->cast));
        text_addf(&sql, "%s COLLATE \"C\" = %s", verify_text_sql(arena, column), value);
    }
    return text_str(&sql);
}

const char *verify_range_type(const VerifyTable *table, const VerifyColumn *column)
{
    static const char *const ordered[] = {"int2", "int4",    "int8",      "oid",        "uuid",
                                          "date", "numeric", "timestamp", "timestamptz"};

    for (size_t i = 0; i < COUNT_OF(ordered); i++)
        if (strcmp(ordered[i], column->cast) == 0)
            return ordered[i];
    /* name is ordered by the bytes of the server's encoding, and of one length, which makes
     * searching an array of them four times cheaper than one of text. */
    bool text = strcmp(column->cast, "text") == 0 || strcmp(column->cast, "varchar") == 0;
    return text && !table->recode ? "name" : "";
}

const char *verify_range_sql(Arena *arena, const VerifyTable *table, const VerifyColumn *column)
{
    const char *value = value_sql(arena, column);

    if (strcmp(verify_range_type(table, column), "name") == 0)
        return arena_printf(arena, "(%s COLLATE \"C\")::pg_catalog.name", value);
    return value;
}

void verify_bucket_sql(Arena *arena, VerifyTable *table)
{
    switch (table->kind) {
    case BUCKET_ONE:
        table->bucket = "0";
        table->bucket_count = 1;
        break;
    case BUCKET_KEY:
    case BUCKET_NAME:
        table->bucket =
            arena_printf(arena, "pg_catalog.width_bucket(%s, $1::pg_catalog.%s[])",
                         verify_range_sql(arena, table, &table->columns[table->bucket_column]),
                         verify_range_type(table, &table->columns[table->bucket_column]));
        break;
    case BUCKET_HASH: {
        const char *hash = "0";
        for (int i = 0; i < table->key_count; i++)
            hash = arena_printf(
                arena,
                table->recode ? "pg_catalog.hash_record_extended(ROW(pg_catalog.textsend(%s)), %s)"
                              : "pg_catalog.hashtextextended(%s COLLATE \"C\", %s)",
                verify_text_sql(arena, &table->columns[table->key[i]]), hash);
        table->bucket = arena_printf(arena, "(%s & %d)::integer", hash, RANGES_OF_HASH - 1);
        table->bucket_count = RANGES_OF_HASH;
        break;
    }
    case BUCKET_ROW:
        table->bucket = arena_printf(arena, "%d", RANGES_OF_HASH - 1); /* a mask */
        table->bucket_count = RANGES_OF_HASH;
        break;
    }
}

static const char *numbers_sql(Arena *arena, const int *numbers, int count)
{
    Text sql = text_init(arena, MAX_SQL);

    for (int i = 0; i < count; i++)
        text_addf(&sql, "%s%d", i ? "," : "", numbers[i]);
    return arena_printf(arena, "'{%s}'", text_str(&sql));
}

const char *verify_buckets_match_sql(Arena *arena, const VerifyTable *table, const int *buckets,
                                     int count)
{
    const char *numbers = numbers_sql(arena, buckets, count);
    Text sql = text_init(arena, MAX_SQL);

    if (table->kind == BUCKET_ROW)
        return numbers;
    if (count == table->bucket_count && !table->bounds)
        return "true";
    text_addf(&sql, "%s = ANY (%s::integer[])", table->bucket, numbers);
    if (table->kind != BUCKET_KEY)
        return text_str(&sql);

    /* The same by the key's own order, for an index on it. */
    const VerifyColumn *column = &table->columns[table->bucket_column];
    const char *value = verify_range_sql(arena, table, column);
    const char *type = verify_range_type(table, column);
    if (buckets[0] > 0)
        text_addf(&sql, " AND %s >= ($1::pg_catalog.%s[])[%d]", value, type, buckets[0]);
    if (buckets[count - 1] < table->bucket_count - 1)
        text_addf(&sql, " AND %s < ($1::pg_catalog.%s[])[%d]", value, type, buckets[count - 1] + 1);
    return text_str(&sql);
}
