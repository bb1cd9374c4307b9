/* SPDX-License-Identifier: MIT */
/* logs.c -- see logs.h. Of the C library's logarithm the last digit may differ by processor. */
#include "logs.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define TABLE_MOST (1u << 20)
#define TERMS 13 /* of the series; the next is below 2^-60 */

int64_t logs_reckon(uint64_t n)
{
    int e;
    double sum = 0.0;

    if (n < 2)
        return 0;
    double m = frexp((double)n, &e);
    if (m < 0.70710678118654752) {
        m *= 2.0;
        e--;
    }
    double z = (m - 1.0) / (m + 1.0); /* ln(m) = 2 (z + z^3 / 3 + z^5 / 5 + ...) */
    for (int i = TERMS - 1; i >= 0; i--)
        sum = sum * (z * z) + 1.0 / (2 * i + 1);
    double log = (double)e + 2.0 * z * sum * 0x1.71547652b82fep+0;
    return (int64_t)((double)n * log * LOGS_ONE + 0.5);
}

int logs_reserve(struct logs *logs, uint64_t most)
{
    uint64_t count = most < TABLE_MOST ? most + 1 : TABLE_MOST;

    if (count <= logs->count)
        return 0;
    int64_t *of = realloc(logs->of, count * sizeof *of);
    if (!of)
        return -ENOMEM;
    logs->of = of;
    for (uint64_t n = logs->count; n < count; n++)
        of[n] = logs_reckon(n);
    logs->count = count;
    return 0;
}
