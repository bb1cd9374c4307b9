/* SPDX-License-Identifier: MIT */
/* window_avx512.h -- sorting within 64 places, and what it shares with the sort of larger ranges.
 */
#ifndef WINDOW_AVX512_H
#define WINDOW_AVX512_H

#include "base/avx512.h"

#ifdef HAVE_AVX512

#define WINDOW 64u
#define WINDOWS 16u /* that are sorted in one call, at most */

/* Ranges to be sorted, all within [from, from + WINDOW). In the registers, a byte a lane. */
struct window {
    uint32_t from;
    uint32_t depth_least;      /* of all ranges */
    uint64_t lanes;            /* that are in some range */
    __m512i first, end, depth; /* of each lane's range: places less `from`, and divisions left */
};

void window_clear(struct window *w);
/* Add a range that lies within WINDOW of the first one added. */
void window_add(struct window *w, uint32_t from, uint32_t to, int depth);
/*
 * Of up to WINDOWS windows: the names `v`, less `from`, take the order that the rules give them
 * where `ties` are. Several at once take less time than one after the other.
 */
void window_sort(const struct window *w, __m512i *v, const uint64_t *ties, uint32_t count);

#endif
#endif
