#include "http/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

static bool fail(const char *what, Error *err)
{
    (void)error_set(err, ERR_USAGE, "%s is not an address and a port", what);
    return error_hint(err, "Write 127.0.0.1:443, [::1]:443, or :443 for all addresses.");
}

static bool parse_port(const char *text, in_port_t *ret)
{
    char *end;
    unsigned long port = strtoul(text, &end, 10);

    if (*text < '0' || *text > '9' || *end || port == 0 || port > 65535)
        return false;
    *ret = htons((uint16_t)port);
    return true;
}

static bool parse_path(const char *text, const char *what, Address *ret, Error *err)
{
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    size_t len = strlen(text);

    if (len >= sizeof local.sun_path)
        return error_set(err, ERR_USAGE, "%s is too long for the path of a socket", what);
    memcpy(local.sun_path, text, len + 1);
    *ret = (Address){.len = sizeof local};
    memcpy(&ret->storage, &local, sizeof local);
    return true;
}

bool address_parse(const char *text, const char *what, Address *ret, Error *err)
{
    const char *colon = strrchr(text, ':');
    const char *port_text = colon ? colon + 1 : text;
    size_t host_len = colon ? (size_t)(colon - text) : 0;
    char host[ADDRESS_TEXT_MAX];
    in_port_t port;

    if (*text == '/')
        return parse_path(text, what, ret, err);
    if (host_len >= sizeof host || !parse_port(port_text, &port))
        return fail(what, err);
    memcpy(host, text, host_len);
    host[host_len] = '\0';
    if (host_len > 1 && host[0] == '[' && host[host_len - 1] == ']') {
        struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = port};
        host[host_len - 1] = '\0';
        if (inet_pton(AF_INET6, host + 1, &v6.sin6_addr) != 1)
            return fail(what, err);
        *ret = (Address){.len = sizeof v6};
        memcpy(&ret->storage, &v6, sizeof v6);
        return true;
    }
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = port};
    const char *name = host_len == 0                    ? "0.0.0.0"
                       : strcmp(host, "localhost") == 0 ? "127.0.0.1"
                                                        : host;
    if (inet_pton(AF_INET, name, &v4.sin_addr) != 1)
        return fail(what, err);
    *ret = (Address){.len = sizeof v4};
    memcpy(&ret->storage, &v4, sizeof v4);
    return true;
}

void address_host(const struct sockaddr *address, char ret[ADDRESS_TEXT_MAX])
{
    const char *text = NULL;

    if (address && address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof v4);
        text = inet_ntop(AF_INET, &v4.sin_addr, ret, ADDRESS_TEXT_MAX);
    } else if (address && address->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof v6);
        /* A client of IPv4 that came to a listener for both is the same one to either. */
        text = IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)
                   ? inet_ntop(AF_INET, &v6.sin6_addr.s6_addr[12], ret, ADDRESS_TEXT_MAX)
                   : inet_ntop(AF_INET6, &v6.sin6_addr, ret, ADDRESS_TEXT_MAX);
    }
    if (!text)
        (void)snprintf(ret, ADDRESS_TEXT_MAX, "local");
}
