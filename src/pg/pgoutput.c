#include "pg/pgoutput.h"

#include <string.h>

enum {
    FLAG_CASCADE = 1,
    FLAG_RESTART = 2,
    FLAG_KEY = 1,
    FLAG_TRANSACTIONAL = 1,
    COLUMN_MIN_BYTES = 10 /* flags, an empty name, type, typmod */
};

/* Where we are in the message. The first thing that does not fit is kept in err; from then on
 * everything read is 0, so that only loops have to ask. */
typedef struct Cursor {
    const char *data;
    size_t len;
    size_t at;
    bool failed;
    Error *err;
} Cursor;

static bool cursor_fail(Cursor *cursor, const char *what)
{
    if (!cursor->failed)
        (void)error_set(
            cursor->err, ERR_FORMAT,
            "message '%c' of the replication stream: %s at byte %zu of %zu",
            cursor->len && cursor->data[0] > ' ' && cursor->data[0] <= '~' ? cursor->data[0] : '?',
            what, cursor->at, cursor->len);
    cursor->failed = true;
    return false;
}

static const char *take(Cursor *cursor, size_t len)
{
    if (cursor->failed || cursor->len - cursor->at < len) {
        (void)cursor_fail(cursor, "it ends too early");
        return NULL;
    }
    const char *found = cursor->data + cursor->at;
    cursor->at += len;
    return found;
}

static uint64_t take_number(Cursor *cursor, size_t len)
{
    const char *bytes = take(cursor, len);
    uint64_t value = 0;

    for (size_t i = 0; bytes && i < len; i++)
        value = value << 8 | (unsigned char)bytes[i];
    return value;
}

static unsigned char take_u8(Cursor *cursor)
{
    return (unsigned char)take_number(cursor, 1);
}

static unsigned take_u32(Cursor *cursor)
{
    return (unsigned)take_number(cursor, 4);
}

static uint64_t take_u64(Cursor *cursor)
{
    return take_number(cursor, 8);
}

/* With its NUL, which is in the message. */
static const char *take_string(Cursor *cursor)
{
    if (cursor->failed)
        return "";
    const char *start = cursor->data + cursor->at;
    const char *end = memchr(start, '\0', cursor->len - cursor->at);
    if (!end) {
        (void)cursor_fail(cursor, "a text without an end");
        return "";
    }
    cursor->at += (size_t)(end - start) + 1;
    return start;
}

/* As many as are said to follow must have room in what is left, before memory is taken for them. */
static int take_count(Cursor *cursor, size_t width, size_t each)
{
    uint64_t count = take_number(cursor, width);

    if (cursor->failed)
        return 0;
    if (count > (cursor->len - cursor->at) / each) {
        (void)cursor_fail(cursor, "it announces more than it holds");
        return 0;
    }
    return (int)count;
}

static void take_value(Cursor *cursor, PgValue *value)
{
    unsigned char kind = take_u8(cursor);

    *value = (PgValue){.kind = (PgValueKind)kind};
    switch (kind) {
    case PG_VALUE_NULL:
    case PG_VALUE_UNCHANGED:
        return;
    case PG_VALUE_TEXT:
    case PG_VALUE_BINARY:
        value->len = take_count(cursor, 4, 1);
        value->data = take(cursor, (size_t)value->len);
        return;
    default:
        (void)cursor_fail(cursor, "a value of an unknown kind");
    }
}

static void take_tuple(Cursor *cursor, Arena *arena, PgTuple *tuple)
{
    int count = take_count(cursor, 2, 1);

    tuple->count = count;
    tuple->values = arena_array(arena, (size_t)count, sizeof *tuple->values);
    for (int i = 0; i < count && !cursor->failed; i++)
        take_value(cursor, &tuple->values[i]);
}

static void take_new_row(Cursor *cursor, Arena *arena, PgOutput *out)
{
    if (take_u8(cursor) != 'N') {
        (void)cursor_fail(cursor, "no new row");
        return;
    }
    take_tuple(cursor, arena, &out->new_row);
}

static bool is_old_row(const Cursor *cursor)
{
    return cursor->at < cursor->len &&
           (cursor->data[cursor->at] == 'K' || cursor->data[cursor->at] == 'O');
}

static void take_old_row(Cursor *cursor, Arena *arena, PgOutput *out)
{
    if (!is_old_row(cursor)) {
        (void)cursor_fail(cursor, "no old row");
        return;
    }
    out->old_kind = (char)take_u8(cursor);
    take_tuple(cursor, arena, &out->old_row);
}

static void take_change(Cursor *cursor, Arena *arena, PgOutput *out)
{
    out->oid = take_u32(cursor);
    if (out->kind == PGOUTPUT_DELETE || (out->kind == PGOUTPUT_UPDATE && is_old_row(cursor)))
        take_old_row(cursor, arena, out);
    if (out->kind != PGOUTPUT_DELETE)
        take_new_row(cursor, arena, out);
}

static void take_relation(Cursor *cursor, Arena *arena, PgRelation *relation)
{
    relation->oid = take_u32(cursor);
    const char *schema = take_string(cursor);
    relation->schema = arena_strdup(arena, *schema ? schema : "pg_catalog");
    relation->name = arena_strdup(arena, take_string(cursor));
    relation->identity = (char)take_u8(cursor);
    if (!cursor->failed && !(relation->identity && strchr("dnfi", relation->identity)))
        (void)cursor_fail(cursor, "an unknown replica identity");

    int count = take_count(cursor, 2, COLUMN_MIN_BYTES);
    relation->column_count = count;
    relation->columns = arena_array(arena, (size_t)count, sizeof *relation->columns);
    for (int i = 0; i < count && !cursor->failed; i++) {
        PgRelationColumn *column = &relation->columns[i];
        column->key = (take_u8(cursor) & FLAG_KEY) != 0;
        column->name = arena_strdup(arena, take_string(cursor));
        column->type = take_u32(cursor);
        column->typmod = (int)take_u32(cursor);
    }
}

static void take_truncate(Cursor *cursor, Arena *arena, PgOutput *out)
{
    uint64_t count = take_u32(cursor);
    unsigned flags = take_u8(cursor);

    out->cascade = (flags & FLAG_CASCADE) != 0;
    out->restart_identity = (flags & FLAG_RESTART) != 0;
    if (cursor->failed || count > (cursor->len - cursor->at) / 4) {
        (void)cursor_fail(cursor, "it announces more than it holds");
        return;
    }
    out->oid_count = (int)count;
    out->oids = arena_array(arena, (size_t)count, sizeof *out->oids);
    for (int i = 0; i < out->oid_count; i++)
        out->oids[i] = take_u32(cursor);
}

static void take_message(Cursor *cursor, PgOutput *out)
{
    out->transactional = (take_u8(cursor) & FLAG_TRANSACTIONAL) != 0;
    out->lsn = take_u64(cursor);
    out->prefix = take_string(cursor);
    out->content_len = take_count(cursor, 4, 1);
    out->content = take(cursor, (size_t)out->content_len);
}

static void take_end_of_transaction(Cursor *cursor, PgOutput *out)
{
    (void)take_u8(cursor); /* flags, none are defined */
    out->commit = take_u64(cursor);
    out->end = take_u64(cursor);
    out->time = (int64_t)take_u64(cursor);
}

/* What stands between transactions, or is one's begin or end. */
static bool take_frame(Cursor *cursor, PgOutput *out)
{
    switch (out->kind) {
    case PGOUTPUT_BEGIN:
        out->commit = take_u64(cursor);
        out->time = (int64_t)take_u64(cursor);
        out->xid = take_u32(cursor);
        return true;
    case PGOUTPUT_COMMIT:
        take_end_of_transaction(cursor, out);
        return true;
    case PGOUTPUT_STREAM_START:
        out->xid = take_u32(cursor);
        out->first = take_u8(cursor) != 0;
        return true;
    case PGOUTPUT_STREAM_STOP:
        return true;
    case PGOUTPUT_STREAM_COMMIT:
        out->xid = take_u32(cursor);
        take_end_of_transaction(cursor, out);
        return true;
    case PGOUTPUT_STREAM_ABORT:
        out->xid = take_u32(cursor);
        out->subxid = take_u32(cursor);
        return true;
    case PGOUTPUT_ORIGIN:
        out->lsn = take_u64(cursor);
        out->prefix = take_string(cursor);
        return true;
    default:
        return false;
    }
}

/* What stands in a transaction. */
static void take_content(Cursor *cursor, Arena *arena, PgOutput *out)
{
    switch (out->kind) {
    case PGOUTPUT_INSERT:
    case PGOUTPUT_UPDATE:
    case PGOUTPUT_DELETE:
        take_change(cursor, arena, out);
        return;
    case PGOUTPUT_RELATION:
        take_relation(cursor, arena, &out->relation);
        return;
    case PGOUTPUT_TRUNCATE:
        take_truncate(cursor, arena, out);
        return;
    case PGOUTPUT_MESSAGE:
        take_message(cursor, out);
        return;
    case PGOUTPUT_TYPE:
        out->oid = take_u32(cursor);
        (void)take_string(cursor);
        (void)take_string(cursor);
        return;
    default:
        (void)cursor_fail(cursor, "it is of an unknown kind");
    }
}

/* A piece of a streamed transaction holds changes, and ends; everything else stands outside. */
static bool is_out_of_place(PgOutputKind kind, bool in_stream)
{
    switch (kind) {
    case PGOUTPUT_BEGIN:
    case PGOUTPUT_COMMIT:
    case PGOUTPUT_STREAM_START:
    case PGOUTPUT_STREAM_COMMIT:
    case PGOUTPUT_STREAM_ABORT:
        return in_stream;
    case PGOUTPUT_STREAM_STOP:
        return !in_stream;
    default:
        return false;
    }
}

bool pgoutput_decode(Arena *arena, const char *data, size_t len, bool in_stream, PgOutput *ret,
                     Error *err)
{
    Cursor cursor = {.data = data, .len = len, .err = err};
    PgOutput out = {.kind = (PgOutputKind)take_u8(&cursor)};

    if (!cursor.failed && is_out_of_place(out.kind, in_stream))
        (void)cursor_fail(&cursor, in_stream ? "it does not belong into a streamed piece"
                                             : "no streamed piece is open");
    if (!cursor.failed && !take_frame(&cursor, &out)) {
        if (in_stream)
            out.xid = take_u32(&cursor);
        take_content(&cursor, arena, &out);
    }
    if (!cursor.failed && cursor.at != cursor.len)
        (void)cursor_fail(&cursor, "it goes on after its end");
    if (cursor.failed)
        return false;
    *ret = out;
    return true;
}
