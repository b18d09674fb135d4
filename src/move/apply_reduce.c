/*
 * A row's image is its columns one after the other: the kind ('n', 'u', 't'), and for 't' four
 * bytes of length and the value. A key is the same without kinds. Images are written over in place
 * where they fit, as a row that is updated again and again would otherwise fill the window.
 */
#include "move/apply_reduce.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

enum {
    HASH_SHARE = 16 /* of the hash's own table, for each row */
};

Reduce *reduce_new(Arena *arena, const Binding *binding)
{
    Reduce *reduce = arena_alloc(arena, sizeof *reduce);

    *reduce = (Reduce){.arena = arena, .binding = binding};
    reduce->merged = arena_array(arena, (size_t)binding->column_count + 1, sizeof(PgValue));
    return reduce;
}

void reduce_clear(Reduce *reduce)
{
    if (!reduce)
        return;
    HASH_CLEAR(hh, reduce->rows);
    free(reduce->key_buf);
    reduce->key_buf = NULL;
    reduce->key_cap = 0;
}

static unsigned char *put_value(unsigned char *at, const PgValue *value)
{
    uint32_t len = (uint32_t)value->len;

    memcpy(at, &len, sizeof len);
    if (len > 0)
        memcpy(at + sizeof len, value->data, len);
    return at + sizeof len + len;
}

static const unsigned char *get_value(const unsigned char *at, PgValue *ret)
{
    uint32_t len = 0;

    memcpy(&len, at, sizeof len);
    *ret = (PgValue){.kind = PG_VALUE_TEXT, .data = (const char *)at + sizeof len, .len = (int)len};
    return at + sizeof len + len;
}

static uint32_t image_size(const Reduce *reduce, const PgValue *values)
{
    size_t size = 0;

    for (int i = 0; i < reduce->binding->column_count; i++)
        size += values[i].kind == PG_VALUE_TEXT ? 5 + (size_t)values[i].len : 1;
    assert(size <= UINT32_MAX);
    return (uint32_t)size;
}

static void set_image(Reduce *reduce, NetRow *row, const PgValue *values)
{
    uint32_t size = image_size(reduce, values);
    unsigned char *to = row->image;
    unsigned char *scratch = NULL;

    /* Values that were taken from the row's own image must not be written over while they are read.
     */
    if (size > row->image_cap || !to) {
        to = arena_alloc(reduce->arena, size);
        row->image_cap = size;
        reduce->bytes += size;
    } else if (values == reduce->merged) {
        to = scratch = memory_new(size);
    }
    unsigned char *at = to;
    row->partial = false;
    for (int i = 0; i < reduce->binding->column_count; i++) {
        *at++ = (unsigned char)values[i].kind;
        if (values[i].kind == PG_VALUE_TEXT)
            at = put_value(at, &values[i]);
        row->partial |= values[i].kind == PG_VALUE_UNCHANGED;
    }
    if (scratch) {
        memcpy(row->image, scratch, size);
        free(scratch);
    } else {
        row->image = to;
    }
    row->image_len = size;
}

void net_image_values(const Reduce *reduce, const NetRow *row, PgValue *ret)
{
    const unsigned char *at = row->image;

    for (int i = 0; i < reduce->binding->column_count; i++) {
        PgValueKind kind = (PgValueKind)*at++;
        if (kind == PG_VALUE_TEXT)
            at = get_value(at, &ret[i]);
        else
            ret[i] = (PgValue){.kind = kind};
    }
    assert(at == row->image + row->image_len);
}

void net_key_values(const Reduce *reduce, const NetRow *row, PgValue *ret)
{
    const unsigned char *at = row->key;

    for (int i = 0; i < reduce->binding->key_count; i++)
        at = get_value(at, &ret[reduce->binding->key[i]]);
    assert(at == row->key + row->key_len);
}

static unsigned encode_key(Reduce *reduce, const PgValue *values)
{
    const Binding *binding = reduce->binding;
    size_t size = 0;

    for (int i = 0; i < binding->key_count; i++)
        size += sizeof(uint32_t) + (size_t)values[binding->key[i]].len;
    if (size > reduce->key_cap) {
        free(reduce->key_buf);
        reduce->key_cap = size * 2;
        reduce->key_buf = memory_new(reduce->key_cap);
    }
    unsigned char *at = reduce->key_buf;
    for (int i = 0; i < binding->key_count; i++)
        at = put_value(at, &values[binding->key[i]]);
    return (unsigned)size;
}

/* The row of this key; a new one did or did not exist before, as the first change to it tells. */
static NetRow *row_of(Reduce *reduce, const PgValue *key, bool existed)
{
    unsigned len = encode_key(reduce, key);
    NetRow *row = NULL;

    HASH_FIND(hh, reduce->rows, reduce->key_buf, len, row);
    if (row)
        return row;
    unsigned char *copy = arena_alloc(reduce->arena, len);
    memcpy(copy, reduce->key_buf, len);
    row = arena_alloc(reduce->arena, sizeof *row);
    *row = (NetRow){.key = copy, .key_len = len, .existed = existed, .present = existed};
    HASH_ADD_KEYPTR(hh, reduce->rows, row->key, len, row);
    reduce->row_count++;
    reduce->bytes += sizeof *row + len + HASH_SHARE;
    return row;
}

static void append(Reduce *reduce, const RowChange *change)
{
    NetRow *row = arena_alloc(reduce->arena, sizeof *row);

    *row = (NetRow){.present = true};
    reduce->row_count++;
    reduce->bytes += sizeof *row;
    set_image(reduce, row, change->now);
    if (reduce->last_added)
        reduce->last_added->next = row;
    else
        reduce->first_added = row;
    reduce->last_added = row;
}

static void insert(Reduce *reduce, const RowChange *change)
{
    NetRow *row = row_of(reduce, change->now, false);

    if (row->present)
        reduce->odd = true;
    row->present = true;
    row->origin = NULL;
    set_image(reduce, row, change->now);
}

/* The new row over what is known of the old one. */
static const PgValue *merge(Reduce *reduce, const NetRow *before, const PgValue *now)
{
    const Binding *binding = reduce->binding;
    bool partial = false;

    for (int i = 0; i < binding->column_count; i++)
        partial |= now[i].kind == PG_VALUE_UNCHANGED;
    if (!partial || !before->image)
        return now;
    net_image_values(reduce, before, reduce->merged);
    for (int i = 0; i < binding->column_count; i++)
        if (now[i].kind != PG_VALUE_UNCHANGED)
            reduce->merged[i] = now[i];
    return reduce->merged;
}

static void update(Reduce *reduce, const RowChange *change)
{
    NetRow *from = row_of(reduce, change->old, true);

    if (!from->present) {
        reduce->odd = true;
        return;
    }
    const PgValue *values = merge(reduce, from, change->now);
    if (!change->key_changed) {
        set_image(reduce, from, values);
        return;
    }
    const NetRow *origin = from->origin ? from->origin : from;
    NetRow *to = row_of(reduce, change->now, false);
    if (to->present)
        reduce->odd = true;
    set_image(reduce, to, values);
    to->present = true;
    to->origin = to->partial && origin != to ? origin : NULL;
    from->present = false;
}

static void delete (Reduce *reduce, const RowChange *change)
{
    NetRow *row = row_of(reduce, change->old, true);

    if (!row->present)
        reduce->odd = true;
    row->present = false;
    row->origin = NULL;
}

void reduce_add(Reduce *reduce, const RowChange *change)
{
    reduce->changes++;
    if (reduce->binding->way == APPLY_APPEND) {
        if (change->op == 'I')
            append(reduce, change);
        else
            reduce->odd = true;
        return;
    }
    switch (change->op) {
    case 'I':
        insert(reduce, change);
        break;
    case 'U':
        update(reduce, change);
        break;
    default:
        delete (reduce, change);
        break;
    }
}

NetVerb net_verb(const Reduce *reduce, const NetRow *row)
{
    if (!row->present)
        return row->existed ? NET_DELETE : NET_NOTHING;
    if (!row->existed)
        return NET_INSERT;
    if (!row->image) /* never changed */
        return NET_NOTHING;
    return reduce->binding->replace || row->origin ? NET_REPLACE : NET_UPDATE;
}

NetRow *net_next(const Reduce *reduce, const NetRow *row)
{
    if (reduce->binding->way == APPLY_APPEND)
        return row ? row->next : reduce->first_added;
    return row ? row->hh.next : reduce->rows;
}
