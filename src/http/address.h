/* Where to listen: "0.0.0.0:443", "[::1]:5432", ":443" (everywhere), "443", "/run/a.sock". */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

#include "core/error.h"

enum {
    ADDRESS_TEXT_MAX = 64
};

typedef struct Address {
    struct sockaddr_storage storage;
    socklen_t len;
} Address;

/* `what` is the option, for errors. Names are not resolved, but for "localhost". */
bool address_parse(const char *text, const char *what, Address *ret, Error *err) MUST_USE;
/* Without its port, an IPv4 address always as such; "local" for a Unix socket. */
void address_host(const struct sockaddr *address, char ret[ADDRESS_TEXT_MAX]);
