/* SPDX-License-Identifier: MIT */
/* sort_names.h -- the rules' sort of samples whose names have 16 bits, see sort_avx512.c. */
#ifndef SORT_NAMES_H
#define SORT_NAMES_H

#include <stdint.h>

struct few_sorts;

/* Memory for sorting up to BLOCK_ROWS_MAX samples. */
struct sort_room {
    uint16_t *names;             /* the samples in their order; up to BLOCK_PAD more are read */
    uint16_t *temp;              /* as many and 2 * BLOCK_PAD more */
    uint32_t *entries;           /* as many */
    const struct few_sorts *few; /* sort_few.h; NULL: do without */
};

/*
 * Carry out the rules' sort on room->names, which are places of the sorted `list`; there, ties get
 * the order that results. Up to 16 entries behind the list are read, and written as they are.
 */
void sort_names_avx2(const struct sort_room *room, uint32_t *list, const uint64_t *ties, uint32_t n,
                     int depth);
void sort_names_avx512(const struct sort_room *room, uint32_t *list, const uint64_t *ties,
                       uint32_t n, int depth);

/* Names of the samples in the order `from`, by way of the place of each slot in the list. */
static inline void name_samples(const uint32_t *from, const uint32_t *list, uint32_t n,
                                uint16_t *place, uint16_t *names)
{
#pragma GCC unroll 8
    for (uint32_t i = 0; i < n; i++)
        place[list[i] & 0xffff] = (uint16_t)i;
#pragma GCC unroll 8
    for (uint32_t i = 0; i < n; i++)
        names[i] = place[from[i] & 0xffff];
}

#endif
