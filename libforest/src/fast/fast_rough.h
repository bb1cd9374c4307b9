/* SPDX-License-Identifier: MIT */
/* fast_rough.h -- the rough search of the fast mode, see rough.h. */
#ifndef FAST_ROUGH_H
#define FAST_ROUGH_H

#include "exact/rough.h"
#include "fast_grower.h"

/* What a rough search finds. */
struct rough_best {
    float enough;          /* features of lower rates do not have the best cut */
    bool is_sure;          /* this is the best cut: */
    uint32_t feature, pos; /* which of those searched; rows that go left */
};

/*
 * Rate all cuts of a node; the best one of each feature goes to b->rates, in the order of features.
 * fast_rough_avx2.c, fast_rough_avx512.c
 */
struct rough_best fast_rate_avx2(const struct fast_block *b, const struct fast_search *s);
struct rough_best fast_rate_avx512(const struct fast_block *b, const struct fast_search *s);

/* Improve on `best` among the cuts of a feature. */
typedef void fast_search_one(const struct fast_block *b, const struct fast_search *s,
                             uint32_t feature, struct fast_cut *best);

/* The best cut: those features that may have it are searched one by one. fast_rough.c */
struct fast_cut fast_search_rated(const struct fast_block *b, const struct fast_search *s,
                                  const struct rough_best *rated, fast_search_one *search_one);

void fast_part_rough_avx2(uint32_t *list, int32_t *rough, uint32_t n, const uint8_t *side,
                          uint32_t *spare);
void fast_part_rough_avx512(uint32_t *list, int32_t *rough, uint32_t n, const uint8_t *side,
                            uint32_t *spare);
void fast_part_narrow_avx512(const struct fast_block *b, uint32_t start, uint32_t n,
                             uint32_t feature);

#endif
