/* SPDX-License-Identifier: MIT */
/*
 * rng.c -- M. Matsumoto and T. Nishimura's Mersenne twister MT19937, as numpy's RandomState
 * seeds it from one integer and draws bounded integers from it: masked to the next power of
 * two, drawn again while too large. The golden vectors in tests/forest are numpy's.
 */
#include "rng.h"

#define SHIFT 397
#define UPPER 0x80000000u
#define LOWER 0x7fffffffu

void mt_seed(struct mt19937 *mt, uint32_t seed)
{
    mt->key[0] = seed;
    for (uint32_t i = 1; i < MT_WORDS; i++)
        mt->key[i] = 1812433253u * (mt->key[i - 1] ^ (mt->key[i - 1] >> 30)) + i;
    mt->used = MT_WORDS;
}

static inline uint32_t twist(uint32_t upper, uint32_t lower, uint32_t far)
{
    uint32_t y = (upper & UPPER) | (lower & LOWER);

    return far ^ (y >> 1) ^ (-(y & 1) & 0x9908b0dfu);
}

static void next_round(struct mt19937 *mt)
{
    uint32_t *key = mt->key;
    uint32_t i = 0;

    for (; i < MT_WORDS - SHIFT; i++)
        key[i] = twist(key[i], key[i + 1], key[i + SHIFT]);
    for (; i < MT_WORDS - 1; i++)
        key[i] = twist(key[i], key[i + 1], key[i + SHIFT - MT_WORDS]);
    key[i] = twist(key[i], key[0], key[SHIFT - 1]);

    for (i = 0; i < MT_WORDS; i++) {
        uint32_t y = key[i];
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c5680u;
        y ^= (y << 15) & 0xefc60000u;
        mt->out[i] = y ^ (y >> 18);
    }
    mt->used = 0;
}

uint32_t mt_next(struct mt19937 *mt)
{
    if (mt->used == MT_WORDS)
        next_round(mt);
    return mt->out[mt->used++];
}

/* The smallest 2^k - 1 that is not below max. */
static uint32_t mask_of(uint32_t max)
{
    return max ? UINT32_MAX >> __builtin_clz(max) : 0;
}

uint32_t mt_bounded(struct mt19937 *mt, uint32_t max)
{
    uint32_t mask = mask_of(max), x;

    do
        x = mt_next(mt) & mask;
    while (x > max);
    return x;
}

void mt_permutation(struct mt19937 *mt, uint32_t *order, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        order[i] = (uint32_t)i;
    mt_shuffle(mt, order, n);
}

void mt_shuffle(struct mt19937 *mt, uint32_t *order, uint64_t n)
{
    for (uint64_t i = n; i-- > 1;) {
        uint32_t j = mt_bounded(mt, (uint32_t)i), x = order[i];
        order[i] = order[j];
        order[j] = x;
    }
}

/*
 * About every second draw may be rejected, which no branch predictor foresees: so first the
 * accepted ones of a round are moved together without a branch, then counted.
 */
void mt_count_draws(struct mt19937 *mt, uint32_t max, uint64_t draws, double *counts)
{
    uint32_t mask = mask_of(max), accepted[MT_WORDS];

    while (draws) {
        if (mt->used == MT_WORDS)
            next_round(mt);
        uint32_t n = 0, used = mt->used;
        while (used < MT_WORDS && n < draws) {
            uint32_t x = mt->out[used++] & mask;
            accepted[n] = x;
            n += x <= max;
        }
        mt->used = used;
        draws -= n;
        for (uint32_t i = 0; i < n; i++)
            counts[accepted[i]] += 1.0;
    }
}
