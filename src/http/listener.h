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

/* False where another process listens there: binding would not tell, since addresses are shared. */
bool listener_check(const Address *address, Error *err) MUST_USE;
bool listener_new(struct event_base *base, const Address *address, ListenerAccept *accept,
                  void *arg, Listener **ret, Error *err) MUST_USE;
void listener_free(Listener *listener); /* accepts NULL */
