#include "gateway/wire.h"

#include <arpa/inet.h>
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "pg/pg.h"

size_t wire_begin(Bytes *out, char type)
{
    size_t at = bytes_len(out);

    bytes_add_char(out, type);
    bytes_add_u32(out, 0);
    return at;
}

void wire_end(Bytes *out, size_t begun)
{
    bytes_set_u32(out, begun + 1, (uint32_t)(bytes_len(out) - begun - 1));
}

void wire_add_cstring(Bytes *out, const char *text)
{
    bytes_add(out, text, strlen(text) + 1);
}

void wire_add_statement(Bytes *out, const char *sql, const char *const *params, int count,
                        bool describe)
{
    static const char unnamed_portal[] = {'P', '\0'};

    size_t at = wire_begin(out, 'P');
    wire_add_cstring(out, "");
    wire_add_cstring(out, sql);
    bytes_add_u16(out, 0);
    wire_end(out, at);

    at = wire_begin(out, 'B');
    wire_add_cstring(out, "");
    wire_add_cstring(out, "");
    bytes_add_u16(out, 0); /* formats: all of them text */
    bytes_add_u16(out, (unsigned)count);
    for (int i = 0; i < count; i++) {
        size_t len = params[i] ? strlen(params[i]) : 0;
        bytes_add_u32(out, params[i] ? (uint32_t)len : UINT32_MAX);
        bytes_add(out, params[i], len);
    }
    bytes_add_u16(out, 0);
    wire_end(out, at);

    if (describe) {
        at = wire_begin(out, 'D');
        bytes_add(out, unnamed_portal, sizeof unnamed_portal);
        wire_end(out, at);
    }
    at = wire_begin(out, 'E');
    wire_add_cstring(out, "");
    bytes_add_u32(out, 0);
    wire_end(out, at);
}

void wire_add_sync(Bytes *out)
{
    wire_end(out, wire_begin(out, 'S'));
}

void wire_add_simple(Bytes *out, const char *sql)
{
    size_t at = wire_begin(out, 'Q');

    wire_add_cstring(out, sql);
    wire_end(out, at);
}

/* ---- errors ---- */

const char *const wire_field_names[FIELD_COUNT] = {
    "message",          "severity",      "code",  "detail", "hint",    "position",
    "internalPosition", "internalQuery", "where", "schema", "table",   "column",
    "dataType",         "constraint",    "file",  "line",   "routine",
};

static const char field_letters[FIELD_COUNT + 1] = "MSCDHPpqWstcdnFLR";

WireError wire_error(Arena *arena, const char *severity, const char *code, const char *message)
{
    WireError error = {{0}};

    error.fields[FIELD_MESSAGE] = arena_strdup(arena, message);
    error.fields[FIELD_SEVERITY] = severity;
    error.fields[FIELD_CODE] = code;
    return error;
}

WireError wire_read_error(Arena *arena, const char *payload, size_t len)
{
    WireError error = {{0}};

    for (size_t at = 0; at < len && payload[at];) {
        const char *end = memchr(payload + at + 1, '\0', len - at - 1);
        if (!end)
            break;
        const char *letter = strchr(field_letters, payload[at]);
        if (letter)
            error.fields[letter - field_letters] = arena_strdup(arena, payload + at + 1);
        at = (size_t)(end - payload) + 1;
    }
    return error;
}

void wire_add_error(Bytes *out, const WireError *error)
{
    size_t at = wire_begin(out, 'E');

    if (error->fields[FIELD_SEVERITY]) {
        bytes_add_char(out, 'V');
        wire_add_cstring(out, error->fields[FIELD_SEVERITY]);
    }
    for (int i = 0; i < FIELD_COUNT; i++) {
        if (!error->fields[i])
            continue;
        bytes_add_char(out, field_letters[i]);
        wire_add_cstring(out, error->fields[i]);
    }
    bytes_add_char(out, '\0');
    wire_end(out, at);
}

static const char *line_after(Arena *arena, const char *text, const char *label)
{
    const char *at = strstr(text, label);

    if (!at)
        return NULL;
    at += strlen(label);
    return arena_strndup(arena, at, strcspn(at, "\n"));
}

/* What failed, of "connection to server at "db" (10.0.0.7), port 5432 failed: timeout expired";
 * NULL where a name, an address or a path may be in it. */
static const char *reason_only(Arena *arena, const char *text)
{
    static const char failed[] = " failed: ";
    const char *line = arena_strndup(arena, text, strcspn(text, "\n"));
    const char *at = strstr(line, failed);
    const char *reason = at ? at + strlen(failed) : line;

    return *reason && !strpbrk(reason, "\"/@") ? reason : NULL;
}

static bool is_address(Arena *arena, const char *text, size_t len)
{
    struct in6_addr ignored;
    const char *address = arena_strndup(arena, text, len);

    return inet_pton(AF_INET, address, &ignored) == 1 ||
           inet_pton(AF_INET6, address, &ignored) == 1;
}

/* The server tells the address of who asked: the gateway's, as in `no pg_hba.conf entry for host
 * "10.0.0.9"`, in the quotes of its language, with a zone or without. */
static const char *without_addresses(Arena *arena, const char *text)
{
    static const char digits[] = "0123456789abcdefABCDEF:.";
    Text out = text_init(arena, strlen(text) + 1);
    bool inside = false; /* of a word */

    for (const char *at = text; *at;) {
        size_t len = inside ? 0 : strspn(at, digits);
        while (len > 2 && strchr(".:", at[len - 1]) && !is_address(arena, at, len))
            len--; /* the end of a sentence */
        if (len > 2 && !isalnum((unsigned char)at[len]) && is_address(arena, at, len)) {
            at += len;
            text_add(&out, "?");
            at += *at == '%' ? 1 + strcspn(at + 1, "\"\xc2 )") : 0;
        } else {
            inside = isalnum((unsigned char)*at) != 0;
            text_add_char(&out, *at++);
        }
    }
    return text_str(&out);
}

WireError wire_error_of_libpq(Arena *arena, const char *text)
{
    WireError error = {{0}};
    const char *code = pg_find_code(text);

    if (!code) {
        const char *reason = reason_only(arena, text + strspn(text, " \n"));
        error.fields[FIELD_SEVERITY] = "FATAL";
        error.fields[FIELD_CODE] = "08006";
        error.fields[FIELD_MESSAGE] = arena_printf(arena, "cannot connect to the database%s%s",
                                                   reason ? ": " : "", reason ? reason : "");
        return error;
    }
    const char *severity = code - 3;
    while (severity > text && isupper((unsigned char)severity[-1]))
        severity--;
    error.fields[FIELD_SEVERITY] = arena_strndup(arena, severity, (size_t)(code - 3 - severity));
    error.fields[FIELD_CODE] = arena_strndup(arena, code, 5);
    error.fields[FIELD_MESSAGE] =
        without_addresses(arena, arena_strndup(arena, code + 7, strcspn(code + 7, "\n")));
    error.fields[FIELD_DETAIL] = line_after(arena, code, "\nDETAIL:  ");
    error.fields[FIELD_HINT] = line_after(arena, code, "\nHINT:  ");
    return error;
}

/* ---- startup ---- */

/* A NUL-terminated text within the packet, or NULL. */
static const char *take_cstring(Arena *arena, const char **at, const char *end)
{
    const char *nul = memchr(*at, '\0', (size_t)(end - *at));

    if (!nul)
        return NULL;
    const char *text = arena_strdup(arena, *at);
    *at = nul + 1;
    return text;
}

static StartupRead read_params(Arena *arena, const char *at, const char *end, Startup *ret)
{
    StartupParam *params = arena_array(arena, (size_t)(end - at) / 2 + 1, sizeof *params);
    Startup out = {.code = WIRE_VERSION_3, .params = params};

    while (at < end && *at) {
        const char *name = take_cstring(arena, &at, end);
        const char *value = name && at < end ? take_cstring(arena, &at, end) : NULL;
        if (!value)
            return STARTUP_BAD;
        if (strcmp(name, "user") == 0)
            out.user = value;
        else if (strcmp(name, "database") == 0)
            out.database = value;
        else
            params[out.count++] = (StartupParam){name, value};
    }
    /* The list's own NUL is the last byte. */
    if (at + 1 != end || !out.user || !*out.user)
        return STARTUP_BAD;
    if (!out.database || !*out.database)
        out.database = out.user;
    *ret = out;
    return STARTUP_READ;
}

StartupRead wire_read_startup(Arena *arena, const char *data, size_t len, Startup *ret,
                              size_t *ret_len)
{
    if (len < 4)
        return STARTUP_MORE;
    uint32_t size = wire_u32(data);
    if (size < 8 || size > WIRE_MAX_STARTUP)
        return STARTUP_BAD;
    if (len < size)
        return len >= 8 && wire_u32(data + 4) >> 16 != 3 && wire_u32(data + 4) >> 16 != 1234
                   ? STARTUP_BAD
                   : STARTUP_MORE;
    uint32_t code = wire_u32(data + 4);
    *ret_len = size;
    if (code == WIRE_SSL || code == WIRE_GSS) {
        *ret = (Startup){.code = code};
        return size == 8 ? STARTUP_READ : STARTUP_BAD;
    }
    if (code == WIRE_CANCEL) {
        if (size != 16)
            return STARTUP_BAD;
        *ret = (Startup){
            .code = code, .cancel_pid = wire_u32(data + 8), .cancel_key = wire_u32(data + 12)};
        return STARTUP_READ;
    }
    /* A newer minor version is read like 3.0, and told so by the caller. */
    if (code >> 16 != 3)
        return STARTUP_BAD;
    StartupRead read = read_params(arena, data + 8, data + size, ret);
    if (read == STARTUP_READ)
        ret->code = code;
    return read;
}

CommandTag wire_read_tag(Arena *arena, const char *tag)
{
    size_t first = strcspn(tag, " ");
    CommandTag out = {.command = arena_strndup(arena, tag, first), .rows = -1};
    const char *word = tag + first;
    int wanted = strcmp(out.command, "INSERT") == 0 ? 2 : 1;

    for (int i = 0; i < wanted && *word; i++) {
        word += *word == ' ';
        if (i + 1 < wanted)
            word += strcspn(word, " ");
    }
    size_t len = strcspn(word, " ");
    if (len > 0 && strspn(word, "0123456789") == len && len < 19)
        out.rows = strtoll(word, NULL, 10);
    return out;
}
