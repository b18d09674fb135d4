#include "move/fingerprint.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/text.h"
#include "pg/pg.h"

enum {
    HASH_LEN = 32,
    MAX_TEXT = 256 << 20,
    MAX_LINES = 4 << 20,
    TRIES = 5
};

/* ---- take ---- */

static void sum_lines(Fingerprint *print)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *context = EVP_MD_CTX_new();

    must(context && EVP_DigestInit_ex(context, EVP_md5(), NULL) == 1, "memory");
    for (int i = 0; i < print->count; i++) {
        const FingerprintLine *line = &print->lines[i];
        /* With its NUL, so that no two lists read the same. */
        (void)EVP_DigestUpdate(context, line->object, strlen(line->object) + 1);
        (void)EVP_DigestUpdate(context, line->hash, strlen(line->hash) + 1);
    }
    (void)EVP_DigestFinal_ex(context, digest, NULL);
    EVP_MD_CTX_free(context);
    for (int i = 0; i < HASH_LEN / 2; i++)
        (void)snprintf(print->sum + 2 * (size_t)i, 3, "%02x", digest[i]);
}

/* An object that goes while it is looked at makes some of the server's functions fail. */
static bool is_passing(const Error *err)
{
    static const char *const states[] = {"XX000", "42P01", "42704", "42703", "42883", "3F000"};

    return text_is_one_of(err->sqlstate, states, COUNT_OF(states));
}

static bool take_once(PGconn *conn, Arena *arena, Fingerprint *ret, Error *err)
{
    /* Compiling the statement to machine code would take longer than running it. Two statements in
     * one round trip and one transaction; the last one's rows are what we get. */
    const char *sql = arena_printf(arena, "SET LOCAL jit = off; %s", sql_move_fingerprint);
    auto_result PGresult *res = PQexec(conn, sql);

    if (PQresultStatus(res) != PGRES_TUPLES_OK)
        return pg_fail_result(conn, res, err);
    Fingerprint print = {.count = PQntuples(res)};
    print.lines = arena_array(arena, (size_t)print.count + 1, sizeof *print.lines);
    for (int i = 0; i < print.count; i++)
        print.lines[i] = (FingerprintLine){.object = arena_strdup(arena, pg_cell(res, i, 0)),
                                           .hash = arena_strdup(arena, pg_cell(res, i, 1))};
    sum_lines(&print);
    *ret = print;
    return true;
}

bool fingerprint_take(PGconn *conn, Arena *arena, Fingerprint *ret, Error *err)
{
    bool in_transaction = PQtransactionStatus(conn) != PQTRANS_IDLE;

    for (int i = 1; !take_once(conn, arena, ret, err); i++)
        if (in_transaction || i == TRIES || !is_passing(err))
            return error_add_context(err, "read the catalogue");
    return true;
}

/* ---- compare ---- */

static int line_order(const FingerprintLine *a, const FingerprintLine *b)
{
    return strcmp(a->object, b->object);
}

/* Objects that have one name are compared as a group: their hashes come in order. */
static int group_end(const Fingerprint *print, int start)
{
    int end = start;

    while (end < print->count && strcmp(print->lines[end].object, print->lines[start].object) == 0)
        end++;
    return end;
}

static bool groups_equal(const Fingerprint *a, int a_start, int a_end, const Fingerprint *b,
                         int b_start)
{
    for (int i = a_start; i < a_end; i++)
        if (strcmp(a->lines[i].hash, b->lines[b_start + i - a_start].hash) != 0)
            return false;
    return true;
}

void fingerprint_compare(Arena *arena, const Fingerprint *before, const Fingerprint *now,
                         FingerprintChange **ret, int *ret_count)
{
    size_t most = (size_t)before->count + (size_t)now->count;
    FingerprintChange *changes = arena_array(arena, most + 1, sizeof *changes);
    int count = 0;
    int old = 0;
    int new = 0;

    while (old < before->count || new < now->count) {
        int order = old == before->count ? 1
                    : new == now->count  ? -1
                                         : line_order(&before->lines[old], &now->lines[new]);
        int old_end = order <= 0 ? group_end(before, old) : old;
        int new_end = order >= 0 ? group_end(now, new) : new;
        const char *object = order <= 0 ? before->lines[old].object : now->lines[new].object;

        if (order != 0)
            changes[count++] = (FingerprintChange){.kind = order < 0 ? '-' : '+', .object = object};
        else if (old_end - old != new_end - new || !groups_equal(before, old, old_end, now, new))
            changes[count++] = (FingerprintChange){.kind = '~', .object = object};
        old = old_end;
        new = new_end;
    }
    *ret = changes;
    *ret_count = count;
}

static int find_group(const Fingerprint *print, const char *object)
{
    int at = 0;

    while (at < print->count && strcmp(print->lines[at].object, object) != 0)
        at++;
    return at;
}

bool fingerprint_alike(const Fingerprint *a, const Fingerprint *b, const char *object)
{
    int in_a = find_group(a, object);
    int in_b = find_group(b, object);
    int end_a = group_end(a, in_a);

    return end_a - in_a == group_end(b, in_b) - in_b && groups_equal(a, in_a, end_a, b, in_b);
}

/* ---- text: a line each, "hash object", with line ends and backslashes escaped ---- */

const char *fingerprint_text(Arena *arena, const Fingerprint *print)
{
    Text text = text_init(arena, MAX_TEXT);

    for (int i = 0; i < print->count; i++) {
        text_add(&text, print->lines[i].hash);
        text_add_char(&text, ' ');
        for (const char *p = print->lines[i].object; *p; p++) {
            if (*p == '\n' || *p == '\r' || *p == '\\')
                text_add_char(&text, '\\');
            text_add_char(&text, (char)(*p == '\n' ? 'n' : *p == '\r' ? 'r' : *p));
        }
        text_add_char(&text, '\n');
    }
    text_add(&text, print->sum);
    text_add_char(&text, '\n');
    return text_str(&text);
}

static bool is_hash(const char *text, size_t len)
{
    return len == HASH_LEN && strspn(text, "0123456789abcdef") >= HASH_LEN;
}

static bool parse_line(Arena *arena, const char *line, size_t len, FingerprintLine *ret)
{
    if (len <= HASH_LEN || line[HASH_LEN] != ' ' || !is_hash(line, HASH_LEN))
        return false;
    char *object = arena_alloc(arena, len - HASH_LEN);
    size_t at = 0;
    for (size_t i = HASH_LEN + 1; i < len; i++) {
        bool escaped = line[i] == '\\' && i + 1 < len;
        i += escaped;
        object[at++] = (char)(escaped && line[i] == 'n'   ? '\n'
                              : escaped && line[i] == 'r' ? '\r'
                                                          : line[i]);
    }
    *ret = (FingerprintLine){.object = object, .hash = arena_strndup(arena, line, HASH_LEN)};
    return true;
}

bool fingerprint_parse(Arena *arena, const char *text, Fingerprint *ret, Error *err)
{
    Fingerprint print = {0};
    size_t lines = 0;

    for (const char *p = text; *p; p++)
        lines += *p == '\n';
    if (lines == 0 || lines > MAX_LINES)
        return error_set(err, ERR_FORMAT, "a fingerprint has no sum");
    print.lines = arena_array(arena, lines, sizeof *print.lines);
    for (; print.count < (int)lines - 1; print.count++) {
        size_t len = strcspn(text, "\n");
        if (!parse_line(arena, text, len, &print.lines[print.count]))
            return error_set(err, ERR_FORMAT, "a fingerprint's line %d has not its shape",
                             print.count + 1);
        text += len + 1;
    }
    sum_lines(&print);
    /* What is kept must be what was taken: a torn text would hide changes. */
    if (!is_hash(text, strcspn(text, "\n")) || strncmp(text, print.sum, HASH_LEN) != 0)
        return error_set(err, ERR_FORMAT, "a fingerprint's sum does not fit its lines");
    *ret = print;
    return true;
}
