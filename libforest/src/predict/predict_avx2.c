/* SPDX-License-Identifier: MIT */
/*
 * predict_avx2.c -- the loops of predict_plain.c, eight rows at a time. What is kept is moved
 * together by a permutation; a store goes up to the end of the vector it came from or less, so
 * that it never runs over rows not yet read.
 */
#include "predict.h"

#include <stdbool.h>
#include <string.h>

#include "base/avx2.h"

#ifdef HAVE_AVX2

#define FETCHED_AHEAD 32u /* rows whose nodes are on their way */

/* Values at eight indices. Gathers are slower, on some processors by far. */
static inline __m256 values_at(const float *from, const uint32_t *at)
{
    return _mm256_set_ps(from[at[7]], from[at[6]], from[at[5]], from[at[4]], from[at[3]],
                         from[at[2]], from[at[1]], from[at[0]]);
}

static uint32_t split(const float *column, float threshold, uint32_t *row, uint32_t n,
                      uint32_t *spare)
{
    __m256 t = _mm256_set1_ps(threshold);
    uint32_t left = 0, right = 0, k = 0;

    for (; k + WORDS <= n; k += WORDS) {
        __m256i r = load_words(row + k);
        __m256 is_left = _mm256_cmp_ps(values_at(column, row + k), t, _CMP_LE_OQ);
        uint32_t to_left = (uint32_t)_mm256_movemask_ps(is_left), count = count_bits(to_left);
        store_words(spare + right, pack(r, to_left ^ 0xff));
        store_words(row + left, pack(r, to_left));
        right += WORDS - count;
        left += count;
    }
    for (; k < n; k++) {
        uint32_t r = row[k], is_left = column[r] <= threshold;
        row[left] = r;
        spare[right] = r;
        left += is_left;
        right += 1 - is_left;
    }
    memcpy(row + left, spare, right * sizeof *row);
    return left;
}

/* A list of rows and the nodes they are at; followed by such as are none. */
struct list {
    uint32_t n;
    uint32_t row[2 * WALK_ROWS + FETCHED_AHEAD + WALK_STEP];
    uint32_t at[2 * WALK_ROWS + FETCHED_AHEAD + WALK_STEP];
};

static inline void list_add(struct list *list, __m256i row, __m256i at, uint32_t which)
{
    store_words(list->row + list->n, pack(row, which));
    store_words(list->at + list->n, pack(at, which));
    list->n += count_bits(which);
}

/* The nodes a and b, one in each half. */
static inline __m256i two_nodes(const struct node *tree, uint32_t a, uint32_t b)
{
    __m256i node = _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(tree + a)));

    return _mm256_inserti128_si256(node, _mm_loadu_si128((const __m128i *)(tree + b)), 1);
}

/*
 * Eight rows take a step each; those behind the end of the list stand at node 0 and are not kept.
 * Two halves of vectors are transposed side by side, so that numbers come in the order 0 1 4 5 and
 * 2 3 6 7, and values are put into that.
 */
static inline __attribute__((always_inline)) void step(const struct node *tree, const float *rows,
                                                       __m256i width, const struct list *from,
                                                       uint32_t k, struct list *to,
                                                       struct list *arrived)
{
    const uint32_t *at = from->at + k, used = valid_words(from->n - k);
    __m256i here = load_words(at), r = load_words(from->row + k);
    __m256i nodes0 = two_nodes(tree, at[0], at[4]), nodes1 = two_nodes(tree, at[1], at[5]);
    __m256i nodes2 = two_nodes(tree, at[2], at[6]), nodes3 = two_nodes(tree, at[3], at[7]);
    __m256d number0 = _mm256_castsi256_pd(_mm256_unpacklo_epi64(nodes0, nodes1));
    __m256d number1 = _mm256_castsi256_pd(_mm256_unpacklo_epi64(nodes2, nodes3));
    __m256 link0 = _mm256_castsi256_ps(_mm256_unpackhi_epi64(nodes0, nodes1));
    __m256 link1 = _mm256_castsi256_ps(_mm256_unpackhi_epi64(nodes2, nodes3));
    __m256i right = _mm256_castps_si256(_mm256_shuffle_ps(link0, link1, 0x88));
    __m256i feature = _mm256_castps_si256(_mm256_shuffle_ps(link0, link1, 0xdd));
    __m256i cell = _mm256_add_epi32(_mm256_mullo_epi32(r, width), feature);
    uint32_t c[WORDS];
    store_words(c, cell);
    __m256d value0 = _mm256_cvtps_pd(_mm_set_ps(rows[c[5]], rows[c[4]], rows[c[1]], rows[c[0]]));
    __m256d value1 = _mm256_cvtps_pd(_mm_set_ps(rows[c[7]], rows[c[6]], rows[c[3]], rows[c[2]]));
    __m256 is_left0 = _mm256_castpd_ps(_mm256_cmp_pd(value0, number0, _CMP_LE_OQ));
    __m256 is_left1 = _mm256_castpd_ps(_mm256_cmp_pd(value1, number1, _CMP_LE_OQ));
    __m256i is_left = _mm256_castps_si256(_mm256_shuffle_ps(is_left0, is_left1, 0x88));
    __m256i next = _mm256_sub_epi32(here, _mm256_set1_epi32(-1));
    uint32_t inner = mask_bits(_mm256_cmpgt_epi32(right, _mm256_setzero_si256()));

    list_add(to, r, _mm256_blendv_epi8(right, next, is_left), inner & used);
    list_add(arrived, r, here, ~inner & used);
}

/* Fill the list with rows from `started` on; returns how many have started then. */
static uint32_t list_fill(struct list *list, const uint32_t *row, const uint32_t *at,
                          uint32_t started, uint32_t n)
{
    uint32_t more = n - started < WALK_ROWS - list->n ? n - started : WALK_ROWS - list->n;

    memcpy(list->row + list->n, row + started, more * sizeof *row);
    memcpy(list->at + list->n, at + started, more * sizeof *at);
    list->n += more;
    memset(list->row + list->n, 0, (FETCHED_AHEAD + WALK_STEP) * sizeof *row);
    memset(list->at + list->n, 0, (FETCHED_AHEAD + WALK_STEP) * sizeof *at);
    return started + more;
}

/* Whoever arrives makes room for another: so there are always many, up to the last. */
static void walk(const struct node *tree, const float *rows, uint64_t features, const uint32_t *row,
                 const uint32_t *at, uint32_t n, struct ahead *ahead, double *sums)
{
    const __m256i width = _mm256_set1_epi32((int)features);
    uint32_t started = 0;
    struct list lists[2], *from = &lists[0], *to = &lists[1], arrived;

    from->n = arrived.n = 0;
    while (from->n || started < n) {
        started = list_fill(from, row, at, started, n);
        to->n = 0;
        for (uint32_t k = 0; k < from->n; k += WALK_STEP) {
            ahead_fetch(ahead);
#pragma GCC unroll 16
            for (uint32_t i = 0; i < WALK_STEP; i++)
                __builtin_prefetch(tree + from->at[k + FETCHED_AHEAD + i]);
            step(tree, rows, width, from, k, to, &arrived);
            if (k + WORDS < from->n)
                step(tree, rows, width, from, k + WORDS, to, &arrived);
        }
        struct list *empty = from;
        from = to;
        to = empty;
        if (arrived.n < WALK_ROWS && from->n)
            continue;
        for (uint32_t i = 0; i < arrived.n; i++)
            sums[arrived.row[i]] += tree[arrived.at[i]].number;
        arrived.n = 0;
    }
}

static const struct predict_kernels kernels = { split, walk };

#pragma GCC pop_options

const struct predict_kernels *predict_avx2(void)
{
    return kernels_level_of(KERNELS_AVX2) == KERNELS_AVX2 ? &kernels : NULL;
}

#else

const struct predict_kernels *predict_avx2(void)
{
    return NULL;
}

#endif
