/*
 * A listening socket of one loop. Several loops listen on one address, and the
 * kernel deals the connections out among them (SO_REUSEPORT).
 */
#pragma once

#include "http/address.h"

struct event_base;

typedef struct Listener Listener;
/* `fd` is non-blocking and the handler's. */
typedef void ListenerAccept(void *arg, int fd, const struct sockaddr *peer);

bool listener_new(struct event_base *base, const Address *address, ListenerAccept *accept,
                  void *arg, Listener **ret, Error *err) MUST_USE;
void listener_free(Listener *listener); /* accepts NULL */
