/*
 * PostgreSQL's text values as JSON: as strings, which Neon's driver asks for,
 * or by their type, which other clients do.
 */
#pragma once

#include <stdint.h>

#include "http/bytes.h"

/* In quotes. What is no UTF-8 (of a database in SQL_ASCII) becomes U+FFFD. */
void value_add_string(Bytes *out, const char *text, size_t len);
void value_add_typed(Bytes *out, uint32_t type, const char *text, size_t len);
