#include "cli/wrap.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    WIDEST = 100,
    NARROWEST = 40,
};

int wrap_width(void)
{
    struct winsize size = {0};

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0 || size.ws_col > WIDEST)
        return WIDEST;
    return size.ws_col > NARROWEST ? size.ws_col : NARROWEST;
}

static int columns(const char *text, size_t len)
{
    int width = 0;

    for (size_t i = 0; i < len; i++)
        width += ((unsigned char)text[i] & 0xC0) != 0x80;
    return width;
}

void wrap_add(Text *out, const char *mark, const char *text, int indent, int width)
{
    int at = indent;
    bool first = true;

    while (*text) {
        size_t len = strcspn(text, " ");
        int word = columns(text, len);

        if (!first && at + 1 + word > width) {
            text_addf(out, "\n%*s%s", indent, "", mark);
            at = indent + columns(mark, strlen(mark));
        } else if (!first) {
            text_add_char(out, ' ');
            at++;
        }
        text_add_n(out, text, len);
        at += word;
        text += len;
        text += strspn(text, " ");
        first = false;
    }
    text_add_char(out, '\n');
}
