/*
 * The schema: what pg_dump lists of both sides, entry by entry.
 *
 * One pg_dump reads both, so that its own habits cancel out; roles of the
 * source are mapped as the move maps them, and privileges are compared as sets,
 * or by what they come to where several roles are one at home (verify_acl.c).
 * What is left are habits of the servers, which deparse views, rules and
 * expressions: see same_defn().
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/file.h"
#include "core/log.h"
#include "core/text.h"
#include "move/programs.h"
#include "move/roles.h"
#include "move/schema.h"
#include "move/sqltext.h"
#include "move/verify.h"

enum {
    MAX_ACL = 16 << 20,
    LINE_SHOWN = 160,
    LINES_SHOWN = 4,
};

#define NAME_LETTERS "abcdefghijklmnopqrstuvwxyz0123456789_"

/* One entry, made comparable. */
typedef struct Item {
    const char *object; /* "INDEX public.x" */
    const char *owner;  /* NULL: not compared */
    const char *tablespace;
    const char *access_method;
    const char *defn;
    const char *acl_owner; /* of the object that it has privileges of; NULL: it is nothing such */
    int order;             /* in the archive */
    bool view;
    bool secret; /* may hold a password */
} Item;

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The privileges of a table, as bits; 0: something else stands there. */
static unsigned privilege_bit(const SqlToken *token)
{
    static const char *const names[] = {"SELECT",   "INSERT",  "UPDATE",     "DELETE",
                                        "TRUNCATE", "TRIGGER", "REFERENCES", "MAINTAIN"};

    for (unsigned i = 0; i < COUNT_OF(names); i++)
        if (sql_is_word(token, names[i]))
            return 1U << i;
    return 0;
}

/* Version 17 has one privilege more, MAINTAIN, which an owner and who had ALL get on the way there.
 * Without it a list reads the same on both; NULL where that was all there is. */
static const char *without_maintain(Arena *arena, const char *statement)
{
    enum {
        MAINTAIN = 1 << 7,
        ALL_OTHERS = MAINTAIN - 1
    };
    SqlWalker walker = {.at = statement};
    SqlToken verb = sql_next(&walker);
    SqlToken token = sql_next(&walker);
    const char *list = token.ptr;
    unsigned privileges = 0;

    while (privilege_bit(&token) || sql_is_symbol(&token, ',')) {
        privileges |= privilege_bit(&token);
        token = sql_next(&walker);
    }
    if (privileges == 0 || !sql_is_word(&token, "ON"))
        return statement;
    privileges &= ALL_OTHERS;
    if (privileges == 0)
        return NULL;
    const char *rest = token.ptr;
    if (privileges == ALL_OTHERS)
        return arena_printf(arena, "%.*s ALL %s", (int)verb.len, verb.ptr, rest);
    Text out = text_init(arena, MAX_ACL);
    const char *before = " ";
    text_add_n(&out, verb.ptr, verb.len);
    walker.at = list;
    for (token = sql_next(&walker); token.ptr < rest; token = sql_next(&walker)) {
        if (!(privilege_bit(&token) & ALL_OTHERS))
            continue;
        text_addf(&out, "%s%.*s", before, (int)token.len, token.ptr);
        before = ",";
    }
    text_add(&out, " ");
    text_add(&out, rest);
    return text_str(&out);
}

/* Statements in an order of their own: who granted first does not matter. */
static const char *sorted_statements(Arena *arena, const char *sql, bool maintain)
{
    Text out = text_init(arena, MAX_ACL);
    size_t count = 0;
    size_t cap = 1;

    for (const char *p = sql; *p; p++)
        cap += *p == ';';
    const char **statements = arena_array(arena, cap, sizeof *statements);
    for (const char *at = sql; *at;) {
        size_t len = sql_statement_len(at);
        size_t blank = strspn(at, " \n\t");

        const char *statement = arena_strndup(arena, at + blank, len > blank ? len - blank : 0);
        if (*statement && !maintain)
            statement = without_maintain(arena, statement);
        if (statement && *statement)
            statements[count++] = statement;
        at += len;
    }
    qsort(statements, count, sizeof *statements, compare_texts);
    for (size_t i = 0; i < count; i++) {
        text_add(&out, statements[i]);
        text_add_char(&out, '\n');
    }
    return text_str(&out);
}

/* Objects with an owner of their own. Others have their table's. */
static bool has_owner(const ArchiveEntry *entry)
{
    static const char *const dependent[] = {
        "INDEX",
        "INDEX ATTACH",
        "TABLE ATTACH",
        "CONSTRAINT",
        "FK CONSTRAINT",
        "DEFAULT",
        "CHECK CONSTRAINT",
        "TRIGGER",
        "RULE",
        "POLICY",
        "ROW SECURITY",
        "SEQUENCE OWNED BY",
        "COMMENT",
        "SECURITY LABEL",
        "CAST",
        "ACL",
        "DEFAULT ACL",
        "EXTENSION",
        "PUBLICATION TABLE",
        "PUBLICATION TABLES IN SCHEMA",
        "USER MAPPING",
        "TRANSFORM",
        "ACCESS METHOD",
    };

    return *entry->owner && !text_is_one_of(entry->desc, dependent, COUNT_OF(dependent));
}

/* One that needs a primary key is listed as a rule: it comes after the key. */
static bool is_view(const ArchiveEntry *entry)
{
    static const char *const kinds[] = {"VIEW", "MATERIALIZED VIEW"};
    static const char rule[] = " _RETURN";
    size_t len = strlen(entry->tag);

    return text_is_one_of(entry->desc, kinds, COUNT_OF(kinds)) ||
           (strcmp(entry->desc, "RULE") == 0 && len > strlen(rule) &&
            strcmp(entry->tag + len - strlen(rule), rule) == 0);
}

static bool may_hold_password(const ArchiveEntry *entry)
{
    static const char *const kinds[] = {"USER MAPPING", "SERVER", "SUBSCRIPTION"};

    return text_is_one_of(entry->desc, kinds, COUNT_OF(kinds));
}

/* How the entries of one side are read. */
typedef struct Reading {
    const Config *config; /* maps its roles */
    bool maintain;        /* both sides know the privilege, or neither */
    bool known;           /* both do */
    bool merged;          /* roles of the source are one at home */
} Reading;

/* "USER MAPPING role SERVER server", of the role at home. */
static const char *mapping_tag(Arena *arena, const Config *config, const char *tag)
{
    static const char before[] = "USER MAPPING ";
    static const char behind[] = " SERVER ";
    const char *end = NULL;

    if (strncmp(tag, before, strlen(before)) != 0)
        return tag;
    const char *role = tag + strlen(before);
    for (const char *at = role; (at = strstr(at, behind)) != NULL; at++)
        end = at;
    if (!end)
        return tag;
    const char *mapped = role_mapped(config, arena_strndup(arena, role, (size_t)(end - role)));
    return arena_printf(arena, "%s%s%s", before, mapped ? mapped : "nobody", end);
}

static Item make_item(Arena *arena, const Reading *reading, const ArchiveEntry *entry)
{
    const Config *config = reading->config;
    bool acl = strcmp(entry->desc, "ACL") == 0 || strcmp(entry->desc, "DEFAULT ACL") == 0;
    const char *owner = has_owner(entry) ? role_mapped(config, entry->owner) : NULL;
    const char *defn = roles_rewrite(arena, config, entry);
    const char *of = "";
    const char *tag = strcmp(entry->desc, "USER MAPPING") == 0
                          ? mapping_tag(arena, config, entry->tag)
                          : entry->tag;

    /* Default privileges have one tag for all the roles that they are of. */
    if (strcmp(entry->desc, "DEFAULT ACL") == 0) {
        const char *role = role_mapped(config, entry->owner);
        of = arena_printf(arena, " OF %s", role ? role : "nobody");
    }
    const char *of_owner = acl ? role_mapped(config, entry->owner) : NULL;
    return (Item){
        .object = arena_printf(arena, "%s %s%s%s%s", entry->desc, entry->schema,
                               *entry->schema ? "." : "", tag, of),
        .owner = owner,
        .tablespace = entry->tablespace,
        .access_method = entry->access_method,
        .defn = acl && !reading->merged ? sorted_statements(arena, defn, reading->maintain) : defn,
        .acl_owner = acl ? pg_ident(arena, of_owner ? of_owner : "") : NULL,
        .view = is_view(entry),
        .secret = may_hold_password(entry),
    };
}

static int compare_items(const void *a, const void *b)
{
    const Item *left = a;
    const Item *right = b;
    int order = strcmp(left->object, right->object);

    if (order == 0 && left->acl_owner && right->acl_owner)
        return left->order - right->order;
    return order ? order : strcmp(left->defn, right->defn);
}

/* What the privileges on each object come to; default privileges of roles that are one at home are
 * on one object. */
static int sum_privileges(Arena *arena, const Reading *reading, Item *items, int count)
{
    int kept = 0;

    for (int i = 0, next; i < count; i = next) {
        Item item = items[i];

        next = i + 1;
        for (; item.acl_owner && next < count && items[next].acl_owner &&
               strcmp(items[next].object, item.object) == 0;
             next++)
            item.defn = arena_printf(arena, "%s%s", item.defn, items[next].defn);
        if (item.acl_owner)
            item.defn = acl_sum(arena, item.defn, item.acl_owner, reading->known);
        if (!item.acl_owner || *item.defn)
            items[kept++] = item;
    }
    return kept;
}

static Item *make_items(Arena *arena, const Reading *reading, const Archive *archive,
                        int *ret_count)
{
    Item *items = arena_array(arena, (size_t)archive->count, sizeof *items);
    int count = 0;

    for (int i = 0; i < archive->count; i++) {
        const ArchiveEntry *entry = &archive->entries[i];
        EntryStage stage = entry_stage(entry);

        if (stage == STAGE_NONE || stage == STAGE_LARGE_OBJECT)
            continue;
        Item item = make_item(arena, reading, entry);
        item.order = i;
        /* Privileges of roles that are not moved leave nothing. */
        if (*item.defn || !*entry->defn)
            items[count++] = item;
    }
    qsort(items, (size_t)count, sizeof *items, compare_items);
    *ret_count = reading->merged ? sum_privileges(arena, reading, items, count) : count;
    return items;
}

static bool straddle(const SchemaCompare *compare, int major)
{
    return (compare->majors[VERIFY_SOURCE] < major) != (compare->majors[VERIFY_TARGET] < major);
}

/* What the servers' versions write otherwise for the same, each seen between real ones: which names
 * are quoted (json from 17 on), and a view's columns with their table (verify_deparse.c). */
static bool same_defn(const Item *a, const Item *b, const SchemaCompare *compare)
{
    if (strcmp(a->defn, b->defn) == 0)
        return true;
    if (compare->majors[VERIFY_SOURCE] == compare->majors[VERIFY_TARGET])
        return false;
    if (defn_equal(a->defn, b->defn))
        return true;
    bool newer_there = compare->majors[VERIFY_TARGET] >= 16;
    return a->view && straddle(compare, 16) &&
           view_equal(newer_there ? a->defn : b->defn, newer_there ? b->defn : a->defn);
}

/* Until 14 the schema public belonged to who made the database. */
static bool one_side_only_by_version(const Item *item, const SchemaCompare *compare)
{
    return straddle(compare, 15) && strcmp(item->object, "SCHEMA public") == 0;
}

/* A line less its indent and trailing comma, and quotes only where they are needed: both sides are
 * dumped with every name quoted, which people do not write. */
static const char *line_shown(Arena *arena, const char *line, size_t len)
{
    Text out = text_init(arena, MAX_ACL);
    size_t at = strspn(line, " \t");

    while (len > at && strchr(",; ", line[len - 1]))
        len--;
    while (at < len) {
        size_t name = line[at] == '"' ? strspn(line + at + 1, NAME_LETTERS) : 0;

        if (name > 0 && line[at + 1 + name] == '"' && at + name + 1 < len &&
            strncmp(line + at, "\"char\"", 6) != 0) {
            text_add_n(&out, line + at + 1, name);
            at += name + 2;
        } else {
            text_add_char(&out, line[at++]);
        }
    }
    return text_str(&out);
}

typedef struct Lines {
    const char **items;
    int count;
} Lines;

static Lines split_lines(Arena *arena, const char *text)
{
    int cap = 1;

    for (const char *p = text; *p; p++)
        cap += *p == '\n';
    Lines lines = {.items = arena_array(arena, (size_t)cap, sizeof *lines.items)};
    while (*text) {
        size_t len = strcspn(text, "\n");
        const char *line = line_shown(arena, text, len);

        if (*line)
            lines.items[lines.count++] = line;
        text += len + (text[len] == '\n');
    }
    return lines;
}

/* The lines of `of` that `other` lacks, at most some of them. */
static const char *lines_without(Arena *arena, const Lines *of, const Lines *other, int *ret_count)
{
    Text out = text_init(arena, MAX_ACL);

    *ret_count = 0;
    for (int i = 0; i < of->count; i++) {
        int k = 0;
        while (k < other->count && strcmp(of->items[i], other->items[k]) != 0)
            k++;
        if (k < other->count)
            continue;
        if ((*ret_count)++ < LINES_SHOWN)
            text_addf(&out, "%s%s", out.len ? "; " : "",
                      verify_shown(arena, of->items[i], LINE_SHOWN));
    }
    if (*ret_count > LINES_SHOWN)
        text_addf(&out, "; and %d more", *ret_count - LINES_SHOWN);
    return text_str(&out);
}

static const char *defn_detail(Arena *arena, const Item *a, const Item *b)
{
    Lines source = split_lines(arena, a->defn);
    Lines target = split_lines(arena, b->defn);
    int lost = 0;
    int added = 0;
    const char *here = lines_without(arena, &source, &target, &lost);
    const char *there = lines_without(arena, &target, &source, &added);

    if (a->secret)
        return "defined otherwise; not shown, as it may hold a password";
    if (lost > 0 && added > 0)
        return arena_printf(arena, "%s -> %s", here, there);
    if (lost > 0)
        return arena_printf(arena, "without %s", here);
    if (added > 0)
        return arena_printf(arena, "with %s", there);
    return "the same lines, in another order or otherwise quoted";
}

static void note_one_sided(Arena *arena, const Item *item, const char *where,
                           const SchemaCompare *compare)
{
    Lines lines = split_lines(arena, item->defn);
    const char *detail = where;

    if (one_side_only_by_version(item, compare))
        return;
    if (lines.count > 0 && !item->secret)
        detail =
            arena_printf(arena, "%s: %s", where, verify_shown(arena, lines.items[0], LINE_SHOWN));
    compare->emit(compare->context, item->object, detail);
}

static void compare_property(Arena *arena, const Item *item, const char *name,
                             const char *const values[VERIFY_SIDES], const SchemaCompare *compare)
{
    const char *source = values[VERIFY_SOURCE];
    const char *target = values[VERIFY_TARGET];

    if (source && target && strcmp(source, target) != 0)
        compare->emit(compare->context, item->object,
                      arena_printf(arena, "%s: %s -> %s", name, *source ? source : "the default",
                                   *target ? target : "the default"));
}

static void compare_pair(Arena *arena, const Item *a, const Item *b, const SchemaCompare *compare)
{
    if (!same_defn(a, b, compare))
        compare->emit(compare->context, a->object, defn_detail(arena, a, b));
    else
        compare_property(arena, a, "owner", (const char *[]){a->owner, b->owner}, compare);
    compare_property(arena, a, "tablespace", (const char *[]){a->tablespace, b->tablespace},
                     compare);
    compare_property(arena, a, "access method",
                     (const char *[]){a->access_method, b->access_method}, compare);
}

void schema_compare(Arena *arena, const Archive *a, const Archive *b, const SchemaCompare *compare)
{
    static const Config no_map = {0};
    int source_count = 0;
    int target_count = 0;
    Reading here = {
        .config = compare->config,
        .maintain = !straddle(compare, 17),
        .known = compare->majors[VERIFY_SOURCE] >= 17 && compare->majors[VERIFY_TARGET] >= 17,
        .merged = roles_merge(compare->config, a),
    };
    Reading there = here;
    there.config = &no_map;
    Item *source = make_items(arena, &here, a, &source_count);
    Item *target = make_items(arena, &there, b, &target_count);

    for (int i = 0, k = 0; i < source_count || k < target_count;) {
        int order = i == source_count   ? 1
                    : k == target_count ? -1
                                        : strcmp(source[i].object, target[k].object);

        if (order == 0)
            compare_pair(arena, &source[i], &target[k], compare);
        else
            note_one_sided(arena, order < 0 ? &source[i] : &target[k],
                           order < 0 ? "only on the source" : "only on the target", compare);
        i += order <= 0;
        k += order >= 0;
    }
}

static void emit_difference(void *context, const char *object, const char *detail)
{
    VerifyRun *run = context;

    verify_add(run, DIFFERENCE_SCHEMA, arena_strdup(run->arena, object), NULL,
               arena_strdup(run->arena, detail));
}

static bool dump_side(Arena *arena, const VerifyServer *side, const Programs *programs,
                      const char *dir, Archive *ret, Error *err)
{
    DumpRequest request = {
        .programs = programs,
        .url = &side->url,
        .snapshot = side->snapshot,
        .quote_all = true, /* settings and versions differ in what they quote */
        .path = arena_printf(arena, "%s/%s.dump", dir, side->name),
    };

    return schema_dump(arena, &request, ret, err) || error_add_context(err, "%s", side->name);
}

static bool make_folder(Arena *arena, char **ret, Error *err)
{
    const char *tmp = getenv("TMPDIR");
    char *path = arena_printf(arena, "%s/homeport-verify-XXXXXX", tmp && *tmp ? tmp : "/tmp");

    if (!mkdtemp(path))
        return error_set_errno(err, "make a folder in \"%s\"", tmp && *tmp ? tmp : "/tmp");
    *ret = path;
    return true;
}

bool verify_dump(VerifyDump *dump, Error *err)
{
    const VerifyRun *run = dump->run;
    const VerifyServer *source = &run->sides[VERIFY_SOURCE];
    const VerifyServer *target = &run->sides[VERIFY_TARGET];
    int versions[VERIFY_SIDES] = {PQserverVersion(source->conn), PQserverVersion(target->conn)};
    int newest = versions[0] > versions[1] ? versions[0] : versions[1];
    Programs programs;
    char *dir = NULL;
    Error ignored = ERROR_INIT;

    /* It must read both. */
    if (!programs_find(dump->arena, run->config, newest, newest, &programs, err) ||
        !make_folder(dump->arena, &dir, err))
        return false;
    const PgUrl *wanted = run->options->schema_of;
    const VerifyServer elsewhere = {.name = "wanted schema", .url = wanted ? *wanted : source->url};
    bool ok = dump_side(dump->arena, wanted ? &elsewhere : source, &programs, dir,
                        &dump->archives[VERIFY_SOURCE], err) &&
              dump_side(dump->arena, target, &programs, dir, &dump->archives[VERIFY_TARGET], err);
    if (!file_remove_tree(dir, &ignored))
        log_debug("a folder is left behind", kv_str("path", dir),
                  kv_str("reason", ignored.message));
    return ok;
}

void verify_schema(VerifyRun *run, const VerifyDump *dump)
{
    auto_arena Arena *scratch = arena_new();
    SchemaCompare compare = {
        .config = run->config,
        .emit = emit_difference,
        .context = run,
    };

    for (int side = 0; side < VERIFY_SIDES; side++)
        compare.majors[side] = PQserverVersion(run->sides[side].conn) / 10000;
    schema_compare(scratch, &dump->archives[VERIFY_SOURCE], &dump->archives[VERIFY_TARGET],
                   &compare);
}
