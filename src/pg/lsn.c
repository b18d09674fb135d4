#include "pg/lsn.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    HEX = 16,
    HALF_DIGITS = 8
};

char *lsn_text(Lsn lsn, char text[LSN_TEXT_SIZE])
{
    (void)snprintf(text, LSN_TEXT_SIZE, "%" PRIX32 "/%" PRIX32, (uint32_t)(lsn >> 32),
                   (uint32_t)lsn);
    return text;
}

/* Up to eight hexadecimal digits and nothing else before `end`. */
static bool parse_half(const char **text, char end, uint32_t *ret)
{
    uint32_t value = 0;
    int digits = 0;

    for (; **text != end; (*text)++, digits++) {
        char c = **text;
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0 || digits == HALF_DIGITS)
            return false;
        value = value * HEX + (uint32_t)digit;
    }
    *ret = value;
    return digits > 0;
}

bool lsn_parse(const char *text, Lsn *ret)
{
    uint32_t high = 0;
    uint32_t low = 0;

    if (!parse_half(&text, '/', &high))
        return false;
    text++;
    if (!parse_half(&text, '\0', &low))
        return false;
    *ret = (Lsn)high << 32 | low;
    return true;
}
