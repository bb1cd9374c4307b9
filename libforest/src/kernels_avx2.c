/* SPDX-License-Identifier: MIT */
/* kernels_avx2.c -- the inner loops with AVX2. */
#include "avx2.h"

#ifdef HAVE_AVX2
#include <string.h>

#include "grow_large.h"
#include "scan_vector.h"
#include "small.h"

static bool find_ties(const struct block *b, const uint32_t *list, uint32_t n)
{
    __m256i below = _mm256_set1_epi32(0xffff);
    uint32_t any = 0;
    uint8_t *ties = (uint8_t *)b->ties;
    for (uint32_t i = 0; i < n; i += WORDS) {
        __m256i changed = _mm256_xor_si256(load_words(list + i), load_words(list + i - (i > 0)));
        uint32_t tie = mask_bits(_mm256_cmpeq_epi32(_mm256_max_epu32(changed, below), below));
        if (i == 0) { /* nothing is before the first */
            changed = _mm256_permutevar8x32_epi32(load_words(list),
                                                  _mm256_set_epi32(6, 5, 4, 3, 2, 1, 0, 0));
            changed = _mm256_xor_si256(load_words(list), changed);
            tie = mask_bits(_mm256_cmpeq_epi32(_mm256_max_epu32(changed, below), below)) & ~1u;
        }
        tie &= valid_words(n - i);
        ties[i / WORDS] = (uint8_t)tie;
        any |= tie;
    }
    return any != 0;
}

static struct found estimate(const struct block *b, const struct search *s)
{
    return estimate_vectors(b, s);
}

/* Which of eight entries have a rank of up to `last`. */
static inline uint32_t find_left(const uint16_t *ranks, __m256i entries, uint32_t last)
{
    __m256i slots = _mm256_and_si256(entries, _mm256_set1_epi32(0xffff));
    __m256i rank = _mm256_i32gather_epi32((const int *)(const void *)ranks, slots, 2);
    rank = _mm256_and_si256(rank, _mm256_set1_epi32(0xffff));
    return ~mask_bits(_mm256_cmpgt_epi32(rank, _mm256_set1_epi32((int)last)));
}

static void split_list(const struct block *b, const struct cut *c, uint32_t *list)
{
    const uint16_t *ranks = b->ranks + (size_t)c->feature * b->stride;
    uint32_t *right = b->temp, l = 0, r = 0;
    for (uint32_t i = 0; i < c->n; i += WORDS) {
        uint32_t valid = valid_words(c->n - i);
        __m256i v = load_words(list + i);
        uint32_t left = find_left(ranks, v, c->last_rank) & valid;
        if (i + WORDS <= c->n) /* what is behind has been read */
            store_words(list + l, pack(v, left));
        else
            store_some(list + l, low_bits(count_bits(left)), pack(v, left));
        store_words(right + r, pack(v, valid & ~left));
        l += count_bits(left);
        r += count_bits(valid & ~left);
    }
    memcpy(list + l, right, r * sizeof *list);
}

const struct kernels kernels_avx2 = {
    .fill_list = fill_list_plain,
    .find_ties = find_ties,
    .sort_ties = sort_ties_avx2,
    .estimate = estimate,
    .rate = rate_plain,
    .split_order = split_order_plain,
    .split_list = split_list,
    .sum_children = sum_children_plain,
    .small_rows = SMALL_ROWS,
    .small_bytes = small_bytes_avx2,
    .grow_small = grow_small_avx2,
    .sort_large = sort_large_plain,
    .rate_large = rate_large_plain,
};

#pragma GCC pop_options
#endif
