/*
 * CRC-32C (Castagnoli): finds what a disk or a torn write did to stored bytes.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Of `data` behind what `crc` is of already; 0 to begin. */
uint32_t crc32c(uint32_t crc, const void *data, size_t len);
