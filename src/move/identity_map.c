#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "move/identity_private.h"

enum {
    MAX_ID = 1000,
    MAX_NAME = 64,
    SHOWN = 64, /* of an id, in an error */
};

Identities *identities_new(void)
{
    Arena *arena = arena_new();
    Identities *identities = arena_alloc(arena, sizeof *identities);

    identities->arena = arena;
    identities->notes = arena_alloc(arena, sizeof *identities->notes);
    identities->notes->arena = arena_new();
    (void)pthread_mutex_init(&identities->notes->lock, NULL);
    return identities;
}

IdentityPair *identity_by_source(const Identities *identities, IdentityText id)
{
    IdentityPair *pair = NULL;

    HASH_FIND(by_source, identities->by_source, id.data, (size_t)id.len, pair);
    return pair;
}

IdentityPair *identity_by_home(const Identities *identities, IdentityText id)
{
    IdentityPair *pair = NULL;

    HASH_FIND(by_home, identities->by_home, id.data, (size_t)id.len, pair);
    return pair;
}

/* ---- the file ---- */

typedef struct Csv {
    Identities *identities;
    const char *at;
    const char *end;
    int line;
    Text field;
    Error *err;
} Csv;

/* One record. Only the first two fields are kept. */
typedef struct Record {
    IdentityText fields[2];
    int count;
    int line;
} Record;

static bool refuse(const Csv *csv, const char *what)
{
    (void)error_set(csv->err, ERR_USAGE, "%s:%d: %s", csv->identities->name, csv->line, what);
    return error_hint(csv->err, "A line is \"old,new\", each id in quotes where it has a comma.");
}

static bool is_end(const Csv *csv)
{
    return csv->at == csv->end || *csv->at == '\n' || *csv->at == '\r';
}

/* What was opened by a quote; two of them are one. */
static bool read_quoted(Csv *csv, Text *out)
{
    csv->at++;
    for (;;) {
        if (csv->at == csv->end || *csv->at == '\n')
            return refuse(csv, "a quote is not closed on its line");
        if (*csv->at == '"') {
            csv->at++;
            if (csv->at == csv->end || *csv->at != '"')
                break;
        }
        text_add_char(out, *csv->at++);
    }
    return (is_end(csv) || *csv->at == ',') || refuse(csv, "text behind a closing quote");
}

static bool read_plain(Csv *csv, Text *out)
{
    while (!is_end(csv) && *csv->at != ',') {
        if (*csv->at == '"')
            return refuse(csv, "a quote inside of a field");
        text_add_char(out, *csv->at++);
    }
    return true;
}

static bool read_field(Csv *csv, Record *record)
{
    Text *out = &csv->field;
    bool quoted = csv->at < csv->end && *csv->at == '"';

    text_clear(out);
    if (!(quoted ? read_quoted : read_plain)(csv, out))
        return false;
    if (record->count < 2 && (out->overflowed || out->len > MAX_ID))
        return refuse(csv, "an id of more than 1000 bytes");
    if (record->count < 2)
        record->fields[record->count] = (IdentityText){
            arena_strndup(csv->identities->arena, text_str(out), out->len), (int)out->len};
    record->count++;
    return true;
}

static bool read_record(Csv *csv, Record *ret)
{
    *ret = (Record){.line = csv->line};
    for (;;) {
        if (!read_field(csv, ret))
            return false;
        if (csv->at < csv->end && *csv->at == ',') {
            csv->at++;
            continue;
        }
        break;
    }
    if (csv->at < csv->end && *csv->at == '\r' && ++csv->at < csv->end && *csv->at != '\n')
        return refuse(csv, "a carriage return inside of a line");
    if (csv->at < csv->end)
        csv->at++;
    return true;
}

static bool is_blank(const Record *record)
{
    return record->count == 1 && record->fields[0].len == 0;
}

static bool field_is(const IdentityText *field, const char *text)
{
    return (size_t)field->len == strlen(text) && memcmp(field->data, text, strlen(text)) == 0;
}

static bool check_id(const Csv *csv, const IdentityText *id)
{
    if (id->len == 0)
        return refuse(csv, "an id is empty");
    if (id->data[0] == ' ' || id->data[id->len - 1] == ' ')
        return refuse(csv, "a blank at an id's end");
    for (int i = 0; i < id->len; i++)
        if ((unsigned char)id->data[i] < ' ' || id->data[i] == 0x7f)
            return refuse(csv, "a control character in an id");
    return true;
}

static bool refuse_twice(const Csv *csv, const char *which, IdentityText id, int line)
{
    (void)error_set(csv->err, ERR_USAGE, "%s:%d: the %s id \"%.*s\" is on line %d already",
                    csv->identities->name, csv->line, which, id.len < SHOWN ? id.len : SHOWN,
                    id.data, line);
    return error_hint(csv->err, "Each id has one other: give each user one line.");
}

static bool add_pair(const Csv *csv, const Record *record)
{
    Identities *identities = csv->identities;
    const IdentityPair *old = identity_by_source(identities, record->fields[0]);
    const IdentityPair *new = identity_by_home(identities, record->fields[1]);

    if (old)
        return refuse_twice(csv, "old", record->fields[0], old->line);
    if (new)
        return refuse_twice(csv, "new", record->fields[1], new->line);
    IdentityPair *pair = arena_alloc(identities->arena, sizeof *pair);
    *pair = (IdentityPair){
        .source = record->fields[0], .home = record->fields[1], .line = record->line};
    HASH_ADD_KEYPTR(by_source, identities->by_source, pair->source.data, (size_t)pair->source.len,
                    pair);
    HASH_ADD_KEYPTR(by_home, identities->by_home, pair->home.data, (size_t)pair->home.len, pair);
    identities->count++;
    return true;
}

static bool read_header(Csv *csv, int *ret_fields)
{
    Record header;

    if (!read_record(csv, &header))
        return false;
    if (header.count < 2 || !field_is(&header.fields[0], "old") ||
        !field_is(&header.fields[1], "new"))
        return refuse(csv, "the first line is not \"old,new\"");
    *ret_fields = header.count;
    return true;
}

bool identity_map_read(Identities *identities, const char *text, size_t len, Error *err)
{
    static const char mark[] = "\xef\xbb\xbf"; /* what some programs put first */
    size_t skip = len >= 3 && memcmp(text, mark, 3) == 0 ? 3 : 0;
    auto_arena Arena *scratch = arena_new();
    Csv csv = {identities, text + skip, text + len, 1, text_init(scratch, MAX_ID + 1), err};
    int fields = 0;

    if (!read_header(&csv, &fields))
        return false;
    while (csv.at < csv.end) {
        Record record;

        csv.line++;
        if (!read_record(&csv, &record))
            return false;
        if (is_blank(&record))
            continue;
        if (record.count != fields)
            return refuse(&csv, "not as many fields as the first line has");
        if (!check_id(&csv, &record.fields[0]) || !check_id(&csv, &record.fields[1]) ||
            !add_pair(&csv, &record))
            return false;
    }
    return true;
}

/* ---- the list of columns ---- */

/* A name as SQL writes it: folded to lower case, or in quotes. */
static const char *read_name(Arena *arena, const char **at)
{
    Text out = text_init(arena, MAX_NAME);
    const char *p = *at;
    bool closed = true;

    if (*p == '"') {
        closed = false;
        for (p++; *p; p++) {
            if (*p == '"' && p[1] != '"') {
                closed = true;
                p++;
                break;
            }
            p += *p == '"';
            text_add_char(&out, *p);
        }
    } else {
        for (; *p && !strchr(".,\" \t\n", *p); p++)
            text_add_char(&out, (char)(*p >= 'A' && *p <= 'Z' ? *p + ('a' - 'A') : *p));
    }
    *at = p;
    return closed && out.len > 0 && !out.overflowed ? text_str(&out) : NULL;
}

static const char *skip_blanks(const char *at)
{
    return at + strspn(at, " \t\n");
}

static bool add_column(Identities *identities, IdentityColumn column)
{
    for (int i = 0; i < identities->column_count; i++) {
        const IdentityColumn *other = &identities->columns[i];
        if (strcmp(other->schema, column.schema) == 0 && strcmp(other->table, column.table) == 0 &&
            strcmp(other->column, column.column) == 0)
            return false;
    }
    identities->columns[identities->column_count++] = column;
    return true;
}

static size_t count_commas(const char *text)
{
    size_t count = 0;

    for (; *text; text++)
        count += *text == ',';
    return count;
}

bool identity_columns_read(Identities *identities, const char *text, Error *err)
{
    const char *at = skip_blanks(text);

    identities->columns =
        arena_array(identities->arena, count_commas(text) + 1, sizeof(IdentityColumn));
    while (*at) {
        const char *names[3] = {NULL, NULL, NULL};
        const char *first = at;
        int count = 0;

        while (count < 3) {
            names[count] = read_name(identities->arena, &at);
            if (!names[count] || (count < 2 && *at != '.'))
                break;
            at += count < 2;
            count++;
        }
        const char *end = skip_blanks(at);
        if (count < 3 || (*end && *end != ',')) {
            (void)error_set(err, ERR_USAGE, "identity-columns: not a column: \"%.*s\"",
                            (int)strcspn(first, ","), first);
            return error_hint(err, "Write schema.table.column, with commas between them.");
        }
        if (!add_column(identities, (IdentityColumn){names[0], names[1], names[2]}))
            return error_set(err, ERR_USAGE, "identity-columns: %s.%s.%s is there twice", names[0],
                             names[1], names[2]);
        at = skip_blanks(*end ? end + 1 : end);
    }
    return identities->column_count > 0 ||
           error_set(err, ERR_USAGE, "identity-columns: no column is named");
}

/* ---- one id ---- */

int64_t identities_count(const Identities *identities)
{
    return identities->count;
}

int identities_columns(const Identities *identities, const IdentityColumn **ret)
{
    *ret = identities->columns;
    return identities->column_count;
}

const char *identities_chain(const Identities *identities, int *ret_count)
{
    const char *first = NULL;

    *ret_count = 0;
    for (const IdentityPair *pair = identities->by_source; pair; pair = pair->by_source.next) {
        const IdentityPair *other = identity_by_home(identities, pair->source);

        if (!other || other == pair)
            continue;
        (*ret_count)++;
        first = first ? first : pair->source.data;
    }
    return first;
}

IdentityFate identity_find(const Identities *identities, bool back, IdentityText id,
                           IdentityText *ret)
{
    const IdentityPair *from =
        back ? identity_by_home(identities, id) : identity_by_source(identities, id);

    if (from) {
        *ret = back ? from->source : from->home;
        return IDENTITY_MAPPED;
    }
    const IdentityPair *to =
        back ? identity_by_source(identities, id) : identity_by_home(identities, id);
    return to ? IDENTITY_TAKEN : IDENTITY_UNKNOWN;
}

bool identity_pass(const Identities *identities, bool back, IdentityText id, IdentityText *ret,
                   Error *err)
{
    int shown = id.len < SHOWN ? id.len : SHOWN;

    switch (identity_find(identities, back, id, ret)) {
    case IDENTITY_MAPPED:
        return true;
    case IDENTITY_TAKEN:
        (void)error_set(err, ERR_WRONG_STATE,
                        "the id \"%.*s\" is not among the map's %s ids, but it is the %s one of "
                        "another",
                        shown, id.data, back ? "new" : "old", back ? "old" : "new");
        return error_hint(err, "Two users would become one. Correct the row, or the map.");
    case IDENTITY_UNKNOWN:
        break;
    }
    if (identities->rules[back] == UNMAPPED_STOP) {
        (void)error_set(err, ERR_WRONG_STATE, "the id \"%.*s\" is not in the map %s", shown,
                        id.data, identities->name);
        return error_hint(err,
                          "Add a line for it at the map's end and run `homeport move` again, or "
                          "let such ids pass: --identity-unmapped%s keep.",
                          back ? "-back" : "");
    }
    *ret = id;
    return identity_keep(identities, back, id, err);
}

const char *identity_home_of(const Identities *identities, const char *source)
{
    IdentityText id = {source, (int)strlen(source)};
    const IdentityPair *pair = identity_by_source(identities, id);

    if (pair)
        return pair->home.data;
    /* Used at home only: the permutation closes where its chain begins. */
    for (pair = identity_by_home(identities, id); pair;
         pair = identity_by_home(identities, pair->source))
        id = pair->source;
    return id.data;
}

const char *identity_source_of(const Identities *identities, const char *home)
{
    IdentityText id = {home, (int)strlen(home)};
    const IdentityPair *pair = identity_by_home(identities, id);

    if (pair)
        return pair->source.data;
    /* Used at the source only: the permutation closes where its chain ends. */
    for (pair = identity_by_source(identities, id); pair;
         pair = identity_by_source(identities, pair->home))
        id = pair->home;
    return id.data;
}

/* ---- types ---- */

static bool is_uuid(IdentityText id)
{
    static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

    if (id.len != (int)sizeof form - 1)
        return false;
    for (int i = 0; i < id.len; i++)
        if (form[i] == '-' ? id.data[i] != '-' : !strchr("0123456789abcdef", id.data[i]))
            return false;
    return true;
}

static bool is_number(IdentityText id, int64_t min, int64_t max)
{
    char *end = NULL;
    char canonical[24];

    if (id.len == 0 || id.len >= (int)sizeof canonical)
        return false;
    long long value = strtoll(id.data, &end, 10);
    (void)snprintf(canonical, sizeof canonical, "%lld", value);
    return *end == '\0' && strcmp(canonical, id.data) == 0 && value >= min && value <= max;
}

static bool fits(IdentityText id, const char *type)
{
    if (strcmp(type, "uuid") == 0)
        return is_uuid(id);
    if (strcmp(type, "int2") == 0)
        return is_number(id, INT16_MIN, INT16_MAX);
    if (strcmp(type, "int4") == 0)
        return is_number(id, INT32_MIN, INT32_MAX);
    if (strcmp(type, "int8") == 0)
        return is_number(id, INT64_MIN, INT64_MAX);
    return true;
}

bool identity_type_is_known(const char *type)
{
    static const char *const known[] = {"text", "varchar", "uuid", "int2", "int4", "int8"};

    return text_is_one_of(type, known, COUNT_OF(known));
}

const char *identities_misfit(Arena *arena, const Identities *identities, const char *type)
{
    for (const IdentityPair *pair = identities->by_source; pair; pair = pair->by_source.next) {
        const IdentityText *wrong = !fits(pair->source, type) ? &pair->source
                                    : !fits(pair->home, type) ? &pair->home
                                                              : NULL;
        if (wrong)
            return arena_printf(arena, "%s:%d: \"%.*s\" is no %s as PostgreSQL writes it",
                                identities->name, pair->line,
                                wrong->len < SHOWN ? wrong->len : SHOWN, wrong->data, type);
    }
    return NULL;
}
