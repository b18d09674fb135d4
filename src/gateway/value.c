#include "gateway/value.h"

#include <string.h>

#include "core/text.h"

enum {
    OID_BOOL = 16,
    OID_INT8 = 20,
    OID_INT2 = 21,
    OID_INT4 = 23,
    OID_JSON = 114,
    OID_FLOAT4 = 700,
    OID_FLOAT8 = 701,
    OID_BOX_ARRAY = 1020,
    OID_JSONB = 3802,
    MAX_DIMENSIONS = 6
};

/* Arrays of PostgreSQL's own types, and what they are arrays of. */
static const struct {
    uint32_t array;
    uint32_t element;
} arrays[] = {
    {143,  142 },
    {199,  114 },
    {271,  5069},
    {629,  628 },
    {651,  650 },
    {719,  718 },
    {775,  774 },
    {791,  790 },
    {1000, 16  },
    {1001, 17  },
    {1002, 18  },
    {1003, 19  },
    {1005, 21  },
    {1006, 22  },
    {1007, 23  },
    {1008, 24  },
    {1009, 25  },
    {1010, 27  },
    {1011, 28  },
    {1012, 29  },
    {1013, 30  },
    {1014, 1042},
    {1015, 1043},
    {1016, 20  },
    {1017, 600 },
    {1018, 601 },
    {1019, 602 },
    {1020, 603 },
    {1021, 700 },
    {1022, 701 },
    {1027, 604 },
    {1028, 26  },
    {1034, 1033},
    {1040, 829 },
    {1041, 869 },
    {1115, 1114},
    {1182, 1082},
    {1183, 1083},
    {1185, 1184},
    {1187, 1186},
    {1231, 1700},
    {1263, 2275},
    {1270, 1266},
    {1561, 1560},
    {1563, 1562},
    {2201, 1790},
    {2207, 2202},
    {2208, 2203},
    {2209, 2204},
    {2210, 2205},
    {2211, 2206},
    {2949, 2970},
    {2951, 2950},
    {3221, 3220},
    {3643, 3614},
    {3644, 3642},
    {3645, 3615},
    {3735, 3734},
    {3770, 3769},
    {3807, 3802},
    {3905, 3904},
    {3907, 3906},
    {3909, 3908},
    {3911, 3910},
    {3913, 3912},
    {3927, 3926},
    {4073, 4072},
    {4090, 4089},
    {4097, 4096},
    {5039, 5038},
    {6150, 4451},
    {6151, 4532},
    {6152, 4533},
    {6153, 4534},
    {6155, 4535},
    {6157, 4536},
};

static uint32_t element_of(uint32_t type)
{
    for (size_t i = 0; i < COUNT_OF(arrays); i++)
        if (arrays[i].array == type)
            return arrays[i].element;
    return 0;
}

static void add_escape(Bytes *out, unsigned char c)
{
    static const char letters[] = "btn?fr"; /* from 8 on; 11 has none */

    if (c == '"' || c == '\\')
        bytes_addf(out, "\\%c", c);
    else if (c >= 8 && c <= 13 && c != 11)
        bytes_addf(out, "\\%c", letters[c - 8]);
    else
        bytes_addf(out, "\\u%04x", c);
}

/* True for a byte that needs no thought: printable ASCII, neither quote nor backslash. */
static inline bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

static void add_escaped(Bytes *out, const char *text, size_t len)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t from = 0;
    size_t at = 0;

    while (at < len) {
        if (is_plain(p[at])) {
            at++;
            continue;
        }
        size_t n = p[at] >= 0x80 ? text_utf8_len(p + at, len - at) : 0;
        if (n > 0) {
            at += n;
            continue;
        }
        bytes_add(out, text + from, at - from);
        if (p[at] >= 0x80)
            bytes_add_text(out, "\xef\xbf\xbd");
        else
            add_escape(out, p[at]);
        from = ++at;
    }
    bytes_add(out, text + from, len - from);
}

void value_add_string(Bytes *out, const char *text, size_t len)
{
    bytes_add_char(out, '"');
    add_escaped(out, text, len);
    bytes_add_char(out, '"');
}

static bool is_finite_number(const char *text, size_t len)
{
    static const char parts[] = "0123456789+-.eE";

    for (size_t i = 0; i < len; i++)
        if (!memchr(parts, text[i], sizeof parts - 1))
            return false;
    return len > 0;
}

static void add_scalar(Bytes *out, uint32_t type, const char *text, size_t len)
{
    switch (type) {
    case OID_BOOL:
        bytes_add_text(out, len == 1 && *text == 't' ? "true" : "false");
        return;
    case OID_INT2:
    case OID_INT4:
    case OID_FLOAT4:
    case OID_FLOAT8:
        if (is_finite_number(text, len)) {
            bytes_add(out, text, len);
            return;
        }
        break;
    case OID_JSON:
    case OID_JSONB:
        if (len > 0) {
            bytes_add(out, text, len);
            return;
        }
        break;
    default:
        break;
    }
    value_add_string(out, text, len);
}

typedef struct Reader {
    const char *at;
    const char *end;
    uint32_t element;
    char delimiter;
} Reader;

/* "..." with backslashes; returns the text in `scratch`. */
static void read_quoted(Reader *reader, Bytes *scratch)
{
    for (reader->at++; reader->at < reader->end && *reader->at != '"'; reader->at++) {
        if (*reader->at == '\\' && reader->at + 1 < reader->end)
            reader->at++;
        bytes_add_char(scratch, *reader->at);
    }
    if (reader->at < reader->end)
        reader->at++;
}

static void add_item(Bytes *out, Reader *reader)
{
    Bytes scratch = bytes_init(SIZE_MAX);

    if (*reader->at == '"') {
        read_quoted(reader, &scratch);
        add_scalar(out, reader->element, bytes_data(&scratch), bytes_len(&scratch));
    } else {
        const char *start = reader->at;
        while (reader->at < reader->end && *reader->at != reader->delimiter && *reader->at != '}')
            reader->at++;
        size_t len = (size_t)(reader->at - start);
        if (len == 4 && memcmp(start, "NULL", 4) == 0)
            bytes_add_text(out, "null");
        else
            add_scalar(out, reader->element, start, len);
    }
    bytes_free(&scratch);
}

static void add_elements(Bytes *out, Reader *reader, int depth)
{
    bool first = true;

    bytes_add_char(out, '[');
    reader->at++;
    while (reader->at < reader->end && *reader->at != '}') {
        if (!first)
            bytes_add_char(out, ',');
        first = false;
        if (*reader->at == '{' && depth < MAX_DIMENSIONS)
            add_elements(out, reader, depth + 1);
        else
            add_item(out, reader);
        if (reader->at < reader->end && *reader->at == reader->delimiter)
            reader->at++;
    }
    if (reader->at < reader->end)
        reader->at++;
    bytes_add_char(out, ']');
}

void value_add_typed(Bytes *out, uint32_t type, const char *text, size_t len)
{
    uint32_t element = element_of(type);
    const char *brace = element ? memchr(text, '{', len) : NULL;

    if (!brace) {
        add_scalar(out, type, text, len);
        return;
    }
    /* What stands before the brace are bounds: [0:1]={1,2} */
    Reader reader = {
        .at = brace,
        .end = text + len,
        .element = element,
        .delimiter = type == OID_BOX_ARRAY ? ';' : ',',
    };
    add_elements(out, &reader, 1);
}
