/* SPDX-License-Identifier: MIT */
/*
 * fast_avx2.c -- the inner loops of the fast mode with AVX2. There is no vector search but the
 * rough one: what is left of it is searched in plain C.
 */
#include "base/avx2.h"

#ifdef HAVE_AVX2
#include <string.h>

#include "fast_few_avx2.h"
#include "fast_rough.h"
#include "fast_sides.h"

static struct fast_cut search(const struct fast_block *b, const struct fast_search *s)
{
    if (!b->rough || s->count < 2)
        return fast_search_plain(b, s);
    struct rough_best rated = fast_rate_avx2(b, s);
    return fast_search_rated(b, s, &rated, fast_search_one_plain);
}

static void part(uint32_t *list, uint32_t n, const uint8_t *side, uint32_t *spare)
{
    uint32_t left = 0, right = 0, i = 0;
    for (; i + WORDS <= n; i += WORDS) {
        __m256i v = load_words(list + i);
        uint32_t is_left = fast_sides(list + i, side), count = count_bits(is_left);
        store_words(list + left, pack(v, is_left)); /* up to what has been read */
        store_words(spare + right, pack(v, is_left ^ 0xff));
        left += count;
        right += WORDS - count;
    }
    for (; i < n; i++) {
        uint32_t at = list[i], is_left = side[at & FAST_SLOTS];
        list[left] = at;
        spare[right] = at;
        left += is_left;
        right += !is_left;
    }
    memcpy(list + left, spare, right * sizeof *list);
}

const struct fast_kernels fast_kernels_avx2 = {
    .fill_list = fast_fill_list_plain,
    .search = search,
    .fill_codes = fast_fill_codes_plain,
    .part = part,
    .part_rough = fast_part_rough_avx2,
    .tiny_bytes = fast_few_bytes_avx2,
    .grow_tiny = fast_grow_tiny_avx2,
    .few_rows = FAST_FEW_NAMES,
    .few_features = FAST_FEW_FEATURES,
    .grow_few = fast_grow_few_avx2,
};

#pragma GCC pop_options
#endif
