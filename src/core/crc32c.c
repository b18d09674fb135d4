/*
 * Eight tables, so that eight bytes are taken at once: several times as fast as one table, and no
 * instruction that only some processors have.
 */
#include "core/crc32c.h"

#include <pthread.h>

enum {
    SLICES = 8,
    BYTES = 256
};

static const uint32_t polynomial = 0x82F63B78U; /* reflected */
static uint32_t tables[SLICES][BYTES];

static void make_tables(void)
{
    for (uint32_t i = 0; i < BYTES; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ polynomial : crc >> 1;
        tables[0][i] = crc;
    }
    for (int slice = 1; slice < SLICES; slice++)
        for (uint32_t i = 0; i < BYTES; i++) {
            uint32_t before = tables[slice - 1][i];
            tables[slice][i] = before >> 8 ^ tables[0][before & 0xFF];
        }
}

static uint32_t little(const unsigned char *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

uint32_t crc32c(uint32_t crc, const void *data, size_t len)
{
    static pthread_once_t made = PTHREAD_ONCE_INIT;
    const unsigned char *at = data;

    (void)pthread_once(&made, make_tables);
    crc = ~crc;
    for (; len >= SLICES; len -= SLICES, at += SLICES) {
        uint32_t low = little(at) ^ crc;
        uint32_t high = little(at + 4);
        crc = tables[7][low & 0xFF] ^ tables[6][low >> 8 & 0xFF] ^ tables[5][low >> 16 & 0xFF] ^
              tables[4][low >> 24] ^ tables[3][high & 0xFF] ^ tables[2][high >> 8 & 0xFF] ^
              tables[1][high >> 16 & 0xFF] ^ tables[0][high >> 24];
    }
    for (; len > 0; len--, at++)
        crc = crc >> 8 ^ tables[0][(crc ^ *at) & 0xFF];
    return ~crc;
}
