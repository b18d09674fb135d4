/*
 * fingerprint_tool take --url URL [--times N]      its text, kept and read back; N: and the time
 * fingerprint_tool compare --url URL --with FILE   a JSON array of [kind, object]
 */
#include "core/clock.h"
#include "core/file.h"
#include "core/json.h"
#include "move/fingerprint.h"
#include "tests/tools/tool.h"

enum {
    MAX_FILE = 256 << 20
};

static bool take(PGconn *conn, Arena *arena, long times, Error *err)
{
    Fingerprint print = {0};
    Fingerprint read = {0};
    double best = 1e9;

    for (long i = 0; i < (times ? times : 1); i++) {
        double before = clock_seconds();
        if (!fingerprint_take(conn, arena, &print, err))
            return false;
        double seconds = clock_seconds() - before;
        best = seconds < best ? seconds : best;
    }
    const char *text = fingerprint_text(arena, &print);
    if (!fingerprint_parse(arena, text, &read, err))
        return false;
    if (strcmp(fingerprint_text(arena, &read), text) != 0)
        return error_set(err, ERR_FORMAT, "what was read is not what was kept");
    if (times)
        return printf("{\"ms\": %.1f, \"lines\": %d}\n", best * 1000, print.count) > 0;
    return fputs(text, stdout) >= 0;
}

static bool compare(PGconn *conn, Arena *arena, const char *path, Error *err)
{
    Fingerprint before = {0};
    Fingerprint now = {0};
    FingerprintChange *changes = NULL;
    int count = 0;
    char *kept = NULL;

    if (!file_read(arena, path, MAX_FILE, &kept, NULL, err) ||
        !fingerprint_parse(arena, kept, &before, err) || !fingerprint_take(conn, arena, &now, err))
        return false;
    fingerprint_compare(arena, &before, &now, &changes, &count);
    if ((count == 0) != (strcmp(before.sum, now.sum) == 0))
        return error_set(err, ERR_FORMAT, "sum and lines do not agree");
    Text text = text_init(arena, MAX_FILE);
    Json json = json_init(&text);
    json_open_array(&json);
    for (int i = 0; i < count; i++) {
        json_open_array(&json);
        json_add_string(&json, (char[]){changes[i].kind, '\0'});
        json_add_string(&json, changes[i].object);
        json_close(&json);
    }
    json_close(&json);
    return puts(text_str(&text)) >= 0;
}

int main(int argc, char **argv)
{
    auto_arena Arena *arena = arena_new();
    auto_conn PGconn *conn = NULL;
    PgUrl url = {0};
    Error err = ERROR_INIT;
    const char *with = tool_option(argc, argv, "with", NULL);
    long times = strtol(tool_option(argc, argv, "times", "0"), NULL, 10);

    if (!tool_connect(arena, tool_option(argc, argv, "url", ""), &url, &conn, &err) ||
        !(with ? compare(conn, arena, with, &err) : take(conn, arena, times, &err)))
        return tool_fail(&err);
    return 0;
}
