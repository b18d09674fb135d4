/* SHA-256, by which Drizzle knows a migration; the one place that includes OpenSSL's headers. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/compiler.h"

/* As 64 hexadecimal digits. False where OpenSSL fails. */
bool sha256_hex(const char *data, size_t len, char ret[65]) MUST_USE;
