#include "move/fingerprint.h"

#include <string.h>

#include "core/text.h"
#include "pg/pg.h"

enum {
    MAX_TEXT = 64 << 20
};

/* Compiling a query of this size takes the server a thousand times longer than running it. */
bool fingerprint_take(PGconn *conn, Arena *arena, Fingerprint *ret, Error *err)
{
    auto_result PGresult *res = NULL;

    if (!pg_exec(conn, "SET jit = off", err) ||
        !pg_query(conn, sql_move_fingerprint, 0, NULL, &res, err) ||
        !pg_exec(conn, "RESET jit", err))
        return error_add_context(err, "read the catalogue");
    Fingerprint print = {.count = PQntuples(res)};
    print.lines = arena_array(arena, (size_t)print.count, sizeof *print.lines);
    for (int i = 0; i < print.count; i++)
        print.lines[i] = (FingerprintLine){
            .object = arena_strdup(arena, PQgetvalue(res, i, 0)),
            .hash = arena_strdup(arena, PQgetvalue(res, i, 1)),
        };
    *ret = print;
    return true;
}

void fingerprint_compare(Arena *arena, const Fingerprint *before, const Fingerprint *now,
                         FingerprintChange **ret, int *ret_count)
{
    FingerprintChange *changes =
        arena_array(arena, (size_t)before->count + (size_t)now->count, sizeof *changes);
    int count = 0;

    for (int i = 0, k = 0; i < before->count || k < now->count;) {
        int order = i == before->count ? 1
                    : k == now->count  ? -1
                                       : strcmp(before->lines[i].object, now->lines[k].object);
        if (order < 0)
            changes[count++] = (FingerprintChange){'-', before->lines[i++].object};
        else if (order > 0)
            changes[count++] = (FingerprintChange){'+', now->lines[k++].object};
        else {
            if (strcmp(before->lines[i].hash, now->lines[k].hash) != 0)
                changes[count++] = (FingerprintChange){'~', now->lines[k].object};
            i++;
            k++;
        }
    }
    *ret = changes;
    *ret_count = count;
}

/* A line each: the hash, a blank, the object with its line ends and backslashes escaped. */
const char *fingerprint_text(Arena *arena, const Fingerprint *print)
{
    Text text = text_init(arena, MAX_TEXT);

    for (int i = 0; i < print->count; i++) {
        text_addf(&text, "%s ", print->lines[i].hash);
        for (const char *at = print->lines[i].object; *at; at++) {
            if (*at == '\n' || *at == '\\')
                text_add_char(&text, '\\');
            text_add_char(&text, *at == '\n' ? 'n' : *at);
        }
        text_add_char(&text, '\n');
    }
    return text_str(&text);
}

/* In place: it only gets shorter. */
static void unescape(char *object)
{
    char *to = object;

    for (const char *from = object; *from; from++) {
        if (*from == '\\' && from[1])
            *to++ = *++from == 'n' ? '\n' : *from;
        else
            *to++ = *from;
    }
    *to = '\0';
}

static int count_lines(const char *text)
{
    int lines = 0;

    for (; *text; text++)
        lines += *text == '\n';
    return lines;
}

bool fingerprint_parse(Arena *arena, const char *text, Fingerprint *ret, Error *err)
{
    Fingerprint print = {
        .lines = arena_array(arena, (size_t)count_lines(text), sizeof(FingerprintLine))};

    while (*text) {
        size_t len = strcspn(text, "\n");
        const char *blank = memchr(text, ' ', len);
        if (!blank || text[len] != '\n')
            return error_set(err, ERR_FORMAT, "the fingerprint in the state is damaged in line %d",
                             print.count + 1);
        char *object = arena_strndup(arena, blank + 1, len - (size_t)(blank + 1 - text));
        unescape(object);
        print.lines[print.count++] = (FingerprintLine){
            .object = object, .hash = arena_strndup(arena, text, (size_t)(blank - text))};
        text += len + 1;
    }
    *ret = print;
    return true;
}
