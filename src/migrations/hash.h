/*
 * SHA-256 by OpenSSL, apart from the rest: OpenSSL's headers and core/error.h
 * both have an ERR_STATE.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/compiler.h"

/* As 64 hexadecimal digits. False where OpenSSL fails. */
bool sha256_hex(const char *data, size_t len, char ret[65]) MUST_USE;
