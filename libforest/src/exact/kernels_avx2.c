/* SPDX-License-Identifier: MIT */
/* kernels_avx2.c -- the inner loops with AVX2. */
#include "base/avx2.h"

#ifdef HAVE_AVX2
#include <string.h>

#include "grow_large.h"
#include "scan_vector.h"
#include "small.h"
#include "kernels.h"

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
    return b->worth ? estimate_packed_avx2(b, s) : estimate_vectors(b, s);
}

/*
 * Which slots go right: a bit each, in b->temp3. All lists are looked up there, so it helps that this
 * is smaller than the ranks.
 */
static void mark_sides(const struct block *b, const struct cut *c, const uint32_t *list)
{
    uint32_t *right = b->temp3;
    for (uint32_t i = 0; i < c->left; i++)
        right[(list[i] & 0xffff) / 32] &= ~(1u << list[i] % 32);
    for (uint32_t i = c->left; i < c->n; i++)
        right[(list[i] & 0xffff) / 32] |= 1u << list[i] % 32;
}

static inline __m256i slots_of(__m256i entries)
{
    return _mm256_and_si256(entries, _mm256_set1_epi32(0xffff));
}

/* The sign of each of eight words: whether the slot goes right. */
static inline __m256i goes_right(const uint32_t *right, __m256i slots)
{
    __m256i word =
        _mm256_i32gather_epi32((const int *)(const void *)right, _mm256_srli_epi32(slots, 5), 4);
    return _mm256_sllv_epi32(word, _mm256_andnot_si256(slots, _mm256_set1_epi32(31)));
}

/* Ranks in the order mean nothing, so that the side where a sample goes takes their place. */
static void split_order(const struct block *b, const struct cut *c, const uint32_t *from,
                        uint32_t *order)
{
    mark_sides(b, c, b->lists + (size_t)c->feature * b->stride + (order - b->order));
    __m256i flag = _mm256_set1_epi32(0x10000);
    for (uint32_t i = 0; i < c->n; i += WORDS) {
        __m256i slots = slots_of(load_words(from + i));
        __m256i side = _mm256_srli_epi32(goes_right(b->temp3, slots), 15);
        __m256i v = _mm256_or_si256(slots, _mm256_and_si256(side, flag));
        if (i + WORDS <= c->n)
            store_words(order + i, v);
        else
            store_some(order + i, low_bits(c->n - i), v);
    }
    part_avx2(order, c->n, c->left, 0xffff, b->temp2);
}

/* After split_order(), which has marked the sides. */
static void split_list(const struct block *b, const struct cut *c, uint32_t *list)
{
    uint32_t *right = b->temp, l = 0, r = 0;
    for (uint32_t i = 0; i < c->n; i += WORDS) {
        uint32_t valid = valid_words(c->n - i);
        __m256i v = load_words(list + i);
        uint32_t left = ~mask_bits(goes_right(b->temp3, slots_of(v))) & valid;
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
    .split_order = split_order,
    .split_list = split_list,
    .sum_children = sum_children_plain,
    .small_rows = SMALL_ROWS,
    .small_bytes = small_bytes_avx2,
    .grow_small = grow_small_avx2,
    .sort_large = sort_large_avx2,
    .rate_large = rate_large_avx2,
};

#pragma GCC pop_options
#endif
