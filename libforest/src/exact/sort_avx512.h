/* SPDX-License-Identifier: MIT */
/* sort_avx512.h -- what the sorts with names of 16 and of 32 bits share. */
#ifndef SORT_AVX512_H
#define SORT_AVX512_H

#include "base/avx512.h"
#include "ties.h"

#ifdef HAVE_AVX512

/* Memory for sorting up to BLOCK_ROWS_MAX samples. */
struct sort_room {
    uint16_t *names;   /* the samples in their order; up to BLOCK_PAD more are read */
    uint16_t *temp;    /* as many and 2 * BLOCK_PAD more */
    uint32_t *entries; /* as many */
};

/*
 * Carry out the rules' sort on room->names, which are places of the sorted `list`; there, ties get
 * the order that results.
 */
void sort_names_avx512(const struct sort_room *room, uint32_t *list, const uint64_t *ties,
                       uint32_t n, int depth);

#endif
#endif
