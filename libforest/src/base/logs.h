/* SPDX-License-Identifier: MIT */
/*
 * logs.h -- n * log2(n) of whole numbers, itself as a whole number: sums of these, which entropies
 * are made of, are exact in any order, and the same on every machine.
 */
#ifndef LOGS_H
#define LOGS_H

#include <stdint.h>

#define LOGS_ONE 0x1p24 /* what stands for 1 */

struct logs {
    int64_t *of; /* a table of the first ones */
    uint64_t count;
};

/* Make the table, for numbers up to `most`, if they are not too many. -ENOMEM */
int logs_reserve(struct logs *logs, uint64_t most);

int64_t logs_reckon(uint64_t n); /* n < 2^32 */

static inline int64_t logs_at(const struct logs *logs, uint64_t n)
{
    return n < logs->count ? logs->of[n] : logs_reckon(n);
}

#endif
