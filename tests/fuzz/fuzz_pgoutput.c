/* A message of the replication stream: any bytes are either decoded into what lies within them, or
 * one clear error. The first byte says whether it stands in a streamed piece. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "pg/pgoutput.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile unsigned char sink;

static void touch(const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        sink = (unsigned char)(sink ^ (unsigned char)data[i]);
}

static void touch_row(const PgTuple *row)
{
    for (int i = 0; i < row->count; i++) {
        const PgValue *value = &row->values[i];
        assert(value->len >= 0);
        assert(value->len == 0 || value->kind == PG_VALUE_TEXT || value->kind == PG_VALUE_BINARY);
        touch(value->data, (size_t)value->len);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_arena Arena *arena = arena_new();
    PgOutput message = {.oid = 4711};
    Error err = ERROR_INIT;

    if (size == 0)
        return 0;
    bool in_stream = data[0] & 1;
    if (!pgoutput_decode(arena, (const char *)data + 1, size - 1, in_stream, &message, &err)) {
        assert(err.code == ERR_FORMAT && strstr(err.message, "at byte "));
        assert(message.oid == 4711);
        return 0;
    }
    assert(err.code == ERR_NONE && message.kind == (PgOutputKind)data[1]);
    touch_row(&message.old_row);
    touch_row(&message.new_row);
    assert((message.old_row.count == 0) || message.old_kind);
    touch(message.content, (size_t)message.content_len);
    if (message.prefix)
        touch(message.prefix, strlen(message.prefix));
    for (int i = 0; i < message.oid_count; i++)
        sink = (unsigned char)(sink ^ message.oids[i]);
    for (int i = 0; i < message.relation.column_count; i++)
        touch(message.relation.columns[i].name, strlen(message.relation.columns[i].name));
    return 0;
}
