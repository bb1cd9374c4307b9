/* SPDX-License-Identifier: MIT */
/* sort_large_avx2.c -- the rules' sort of a large node, eight names at a time. */
#include "base/avx2.h"

#ifdef HAVE_AVX2

#include "sort_large_body.h"
#include "kernels.h"

static void part_greater(uint32_t *a, uint32_t n, uint32_t left, uint32_t high, uint32_t *temp)
{
    part_avx2(a, n, left, high, temp);
}

/* The lesser ones of a[0..left) to the front; the equal ones join the queue. */
static void part_lesser(uint32_t *a, uint32_t left, uint32_t low, struct members *q)
{
    __m256i bound = _mm256_set1_epi32((int)low);
    uint32_t l = 0;
    for (uint32_t i = 0; i < left; i += WORDS) {
        __m256i v = load_words(a + i);
        uint32_t valid = valid_words(left - i);
        uint32_t less = mask_bits(_mm256_cmpgt_epi32(bound, v)) & valid, same = valid & ~less;
        if (i + WORDS <= left) /* what is behind has been read */
            store_words(a + l, pack(v, less));
        else
            store_some(a + l, low_bits(count_bits(less)), pack(v, less));
        l += count_bits(less);
        if (same) {
            __m256i at = _mm256_add_epi32(word_numbers(), _mm256_set1_epi32((int)i));
            store_words(q->names + q->count, pack(v, same));
            store_words(q->found_at + q->count, pack(at, same));
            q->count += count_bits(same);
        }
    }
}

static void narrow_names(const uint32_t *from, uint32_t n, uint32_t base, uint16_t *to)
{
    __m256i less = _mm256_set1_epi32((int)base);
    for (uint32_t i = 0; i < n; i += WORDS) {
        __m256i name = _mm256_sub_epi32(load_words(from + i), less);
        name = _mm256_permute4x64_epi64(_mm256_packus_epi32(name, name), 0x08);
        _mm_storeu_si128((__m128i *)(void *)(to + i), _mm256_castsi256_si128(name));
    }
}

static void sort_names(const struct sort_room *room, uint32_t *list, const uint64_t *ties,
                       uint32_t n, int depth)
{
    sort_names_avx2(room, list, ties, n, depth);
}

void sort_large_avx2(const struct large *l)
{
    sort_large(l);
}

#pragma GCC pop_options
#endif
