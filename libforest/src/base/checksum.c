/* SPDX-License-Identifier: MIT */
/*
 * checksum.c -- eight interleaved lanes of multiply and xor-shift over 64-bit words.
 *
 * Word i goes to lane i mod 8. A step is a bijection of the lane for a given word and of the word
 * for a given lane, and so is the folding of the lanes into the result: hence a change within one
 * word cannot be lost. The shift brings high bits down, where the multiplication cannot. Eight
 * lanes hide the latency of the multiplication, so that this runs at the speed of memory.
 */
#include "checksum.h"

typedef uint64_t __attribute__((may_alias)) any_word; /* what is summed was written as anything */

#define LANES 8
#define FACTOR 0x9e3779b97f4a7c15u /* odd: 2^64 divided by the golden ratio */

static inline uint64_t step(uint64_t lane, uint64_t word)
{
    lane = (lane ^ word) * FACTOR;
    return lane ^ (lane >> 32);
}

uint64_t checksum(const void *data, size_t bytes)
{
    const any_word *word = data;
    size_t count = bytes / 8, i = 0;
    uint64_t lane[LANES];

    for (unsigned k = 0; k < LANES; k++)
        lane[k] = k + 1;
    for (; i + LANES <= count; i += LANES)
#pragma GCC unroll 8
        for (unsigned k = 0; k < LANES; k++)
            lane[k] = step(lane[k], word[i + k]);
    for (unsigned k = 0; i + k < count; k++)
        lane[k] = step(lane[k], word[i + k]);
    uint64_t sum = step(0, bytes);
    for (unsigned k = 0; k < LANES; k++)
        sum = step(sum, lane[k]);
    return sum;
}
