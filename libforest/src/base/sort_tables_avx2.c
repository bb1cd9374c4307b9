/* SPDX-License-Identifier: MIT */
/* sort_tables_avx2.c -- tables by mask, see avx2.h. */
#include "avx2.h"

#ifdef HAVE_AVX2

/* For a mask m: how many bits are set below bit i, and where the k-th one is, from 0; or 8. */
#define BELOW(m, i) __builtin_popcount((m) & ((1 << (i)) - 1))
#define PASSED(m, k, i) (BELOW(m, i) <= (k))
#define PLACE(m, k)                                                                            \
    (PASSED(m, k, 1) + PASSED(m, k, 2) + PASSED(m, k, 3) + PASSED(m, k, 4) + PASSED(m, k, 5) + \
     PASSED(m, k, 6) + PASSED(m, k, 7) + PASSED(m, k, 8))

/* f(m, 0) to f(m, 7) as eight bytes, and as eight times the two bytes of a word of 16 bits. */
#define BYTE(f, m, i) (uint64_t)(f(m, i) & 7) << 8 * (i)
#define BYTES(f, m)                                                                  \
    (BYTE(f, m, 0) | BYTE(f, m, 1) | BYTE(f, m, 2) | BYTE(f, m, 3) | BYTE(f, m, 4) | \
     BYTE(f, m, 5) | BYTE(f, m, 6) | BYTE(f, m, 7))
#define SHORT(f, m, i) 0x100 + 0x202 * (f(m, i) & 7)
#define SHORTS(f, m)                                                                    \
    {                                                                                   \
        SHORT(f, m, 0), SHORT(f, m, 1), SHORT(f, m, 2), SHORT(f, m, 3), SHORT(f, m, 4), \
            SHORT(f, m, 5), SHORT(f, m, 6), SHORT(f, m, 7)                              \
    }

#define MASKS4(row, f, m) row(f, (m)), row(f, (m) + 1), row(f, (m) + 2), row(f, (m) + 3)
#define MASKS16(row, f, m) \
    MASKS4(row, f, m), MASKS4(row, f, (m) + 4), MASKS4(row, f, (m) + 8), MASKS4(row, f, (m) + 12)
#define MASKS64(row, f, m)                                                    \
    MASKS16(row, f, m), MASKS16(row, f, (m) + 16), MASKS16(row, f, (m) + 32), \
        MASKS16(row, f, (m) + 48)
#define MASKS256(row, f) \
    MASKS64(row, f, 0), MASKS64(row, f, 64), MASKS64(row, f, 128), MASKS64(row, f, 192)

const uint64_t packed_words[256] = { MASKS256(BYTES, PLACE) };
const uint64_t spread_words[256] = { MASKS256(BYTES, BELOW) };
const uint16_t packed_shorts[256][8] = { MASKS256(SHORTS, PLACE) };
const uint16_t spread_shorts[256][8] = { MASKS256(SHORTS, BELOW) };

const uint8_t joined[9][16] = {
    { 8, 9, 10, 11, 12, 13, 14, 15, 15, 15, 15, 15, 15, 15, 15, 15 },
    { 0, 8, 9, 10, 11, 12, 13, 14, 15, 15, 15, 15, 15, 15, 15, 15 },
    { 0, 1, 8, 9, 10, 11, 12, 13, 14, 15, 15, 15, 15, 15, 15, 15 },
    { 0, 1, 2, 8, 9, 10, 11, 12, 13, 14, 15, 15, 15, 15, 15, 15 },
    { 0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15, 15, 15, 15, 15 },
    { 0, 1, 2, 3, 4, 8, 9, 10, 11, 12, 13, 14, 15, 15, 15, 15 },
    { 0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15, 15, 15 },
    { 0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15, 15 },
    { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 },
};

#pragma GCC pop_options
#endif
