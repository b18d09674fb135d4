/*
 * Who failed to log in too often has to wait: by address and role, for all
 * workers together. Private to src/gateway.
 */
#pragma once

#include <stdbool.h>

typedef struct Throttle Throttle;

Throttle *throttle_new(void);
void throttle_free(Throttle *throttle);
/* Seconds that this one still has to wait; 0: may try. */
int throttle_wait(Throttle *throttle, const char *peer, const char *role);
void throttle_failed(Throttle *throttle, const char *peer, const char *role);
void throttle_succeeded(Throttle *throttle, const char *peer, const char *role);
