/* SPDX-License-Identifier: MIT */
/* fast_tiny_avx2.c -- tiny subtrees of the fast mode with AVX2: a list is 16 bytes; four features
 * are searched side by side, one a lane. */
#include "base/avx2.h"

#ifdef HAVE_AVX2
#include <errno.h>
#include <string.h>

#include "fast_few_avx2.h"
#include "fast_tiny.h"

#define LANES 4u
#define HALF 8u /* names that pack() tables hold */

struct tiny {
    struct fast_tiny t;              /* first: functions are given that */
    double worth[FAST_TINY_ROWS][2]; /* by name: sum and weight, in units */
};

static inline __m128i load_list(const uint8_t *list)
{
    return _mm_loadu_si128((const __m128i *)(const void *)list);
}

static inline void store_list(uint8_t *list, __m128i v)
{
    _mm_storeu_si128((__m128i *)(void *)list, v);
}

static void take_list(struct fast_tiny *t, uint32_t feature, uint32_t start, uint32_t n,
                      const uint8_t *names)
{
    const uint32_t *list = t->b->lists + (size_t)feature * t->b->stride + start;
    uint8_t *to = t->lists[feature], *ranks = t->ranks[feature], rank = 0;
    if (list[0] >> 16 == list[n - 1] >> 16) { /* not kept up: may be of other rows */
        store_list(to, _mm_set_epi8(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0));
        store_list(ranks, _mm_setzero_si128());
        return;
    }
    for (uint32_t i = 0, last = list[0]; i < n; last = list[i++]) {
        uint8_t name = names[list[i] & FAST_SLOTS];
        rank = (uint8_t)(rank + ((list[i] ^ last) > FAST_SLOTS));
        to[i] = name;
        ranks[name] = rank;
    }
}

static void start(struct fast_tiny *t, uint32_t level, uint32_t n)
{
    uint8_t(*lists)[FAST_TINY_ROWS] = tiny_lists(t, level);
    uint32_t valid = (low_bits(n) & ~1u) * 0x10001u;
    for (uint32_t i = 0; i < t->padded; i += 2) {
        __m256i names = _mm256_loadu_si256((const __m256i *)(const void *)lists[i]);
        __m256i ranks = _mm256_loadu_si256((const __m256i *)(const void *)t->ranks[i]);
        __m256i rank = _mm256_shuffle_epi8(ranks, names);
        __m256i is_tie = _mm256_cmpeq_epi8(rank, _mm256_bslli_epi128(rank, 1));
        uint32_t ties = (uint32_t)_mm256_movemask_epi8(is_tie) & valid;
        memcpy(t->ties + i, &ties, sizeof ties);
    }
}

static bool is_constant(void *context, uint32_t feature)
{
    const struct tiny_view *v = context;
    return v->t->ties[feature] == (low_bits(v->n) & ~1u);
}

/* ---- the search ---------------------------------------------------------------------------- */

/* Lanes without a feature have that of lane 0, which is preferred to them. */
struct lanes {
    const uint8_t *list[LANES];
    __m256i ties;
};

static inline struct lanes lanes_of(const struct fast_tiny *t, uint32_t level,
                                    const uint32_t *features, uint32_t count)
{
    struct lanes l;
    long long ties[LANES];
    for (uint32_t i = 0; i < LANES; i++) {
        uint32_t feature = features[i < count ? i : 0];
        l.list[i] = tiny_lists(t, level)[feature];
        ties[i] = t->ties[feature];
    }
    l.ties = _mm256_set_epi64x(ties[3], ties[2], ties[1], ties[0]);
    return l;
}

struct bests {
    __m256d top, bottom, s, w, pos;
};

/* What the rows at a place are worth. */
static inline void worth_at(const struct tiny *tiny, const struct lanes *l, uint32_t place,
                            __m256d *s, __m256d *w)
{
    const double(*worth)[2] = tiny->worth;
    __m256d a = _mm256_castpd128_pd256(_mm_loadu_pd(worth[l->list[0][place]]));
    __m256d b = _mm256_castpd128_pd256(_mm_loadu_pd(worth[l->list[1][place]]));
    a = _mm256_insertf128_pd(a, _mm_loadu_pd(worth[l->list[2][place]]), 1);
    b = _mm256_insertf128_pd(b, _mm_loadu_pd(worth[l->list[3][place]]), 1);
    *s = _mm256_unpacklo_pd(a, b);
    *w = _mm256_unpackhi_pd(a, b);
}

static inline struct bests scan_lanes(const struct fast_tiny *t, const struct tiny_node *node,
                                      const struct lanes *l)
{
    uint32_t first = t->g->g.limits->min_samples_leaf, last = node->n - first;
    bool weighted = t->weight_least > 0.0;
    __m256d s = _mm256_setzero_pd(), w = s, all_s = _mm256_set1_pd(node->s),
            all_w = _mm256_set1_pd(node->w), least = _mm256_set1_pd(t->weight_least);
    __m256d pos = s, one = _mm256_set1_pd(1.0);
    __m256i place = _mm256_set1_epi64x(1);
    struct bests b = { s, one, s, s, s };
    for (uint32_t p = 1; p <= last; p++) {
        __m256d ds, dw;
        pos = _mm256_add_pd(pos, one);
        place = _mm256_add_epi64(place, place);
        worth_at((const struct tiny *)t, l, p - 1, &ds, &dw);
        s = _mm256_add_pd(s, ds);
        w = _mm256_add_pd(w, dw);
        if (p < first)
            continue;
        __m256d rest = _mm256_sub_pd(all_w, w);
        __m256d d = _mm256_sub_pd(_mm256_mul_pd(s, all_w), _mm256_mul_pd(all_s, w));
        __m256d top = _mm256_mul_pd(d, d), bottom = _mm256_mul_pd(w, rest);
        __m256d cut =
            _mm256_cmp_pd(_mm256_mul_pd(top, b.bottom), _mm256_mul_pd(b.top, bottom), _CMP_GT_OQ);
        __m256i tie = _mm256_cmpeq_epi64(_mm256_and_si256(l->ties, place), place);
        cut = _mm256_andnot_pd(_mm256_castsi256_pd(tie), cut);
        if (weighted)
            cut = _mm256_and_pd(cut, _mm256_and_pd(_mm256_cmp_pd(w, least, _CMP_GE_OQ),
                                                   _mm256_cmp_pd(rest, least, _CMP_GE_OQ)));
        b.top = _mm256_blendv_pd(b.top, top, cut);
        b.bottom = _mm256_blendv_pd(b.bottom, bottom, cut);
        b.s = _mm256_blendv_pd(b.s, s, cut);
        b.w = _mm256_blendv_pd(b.w, w, cut);
        b.pos = _mm256_blendv_pd(b.pos, pos, cut);
    }
    return b;
}

static inline double lane_of(__m256d v, int lane)
{
    double of[LANES];
    _mm256_storeu_pd(of, v);
    return of[lane];
}

static inline __m256d all_most(__m256d v)
{
    v = _mm256_max_pd(v, _mm256_permute_pd(v, 5));
    return _mm256_max_pd(v, _mm256_permute2f128_pd(v, v, 1));
}

static void search(const struct fast_tiny *t, const struct tiny_node *node, uint32_t level,
                   const struct drawn *d, struct tiny_cut *best)
{
    const uint32_t *scanned = t->g->g.scanned;
    for (uint32_t i = 0; i < d->scanned; i += LANES) {
        struct lanes l =
            lanes_of(t, level, scanned + i, d->scanned - i < LANES ? d->scanned - i : LANES);
        struct bests b = scan_lanes(t, node, &l);
        __m256d gains = _mm256_div_pd(b.top, b.bottom), most = all_most(gains);
        if (!(_mm256_cvtsd_f64(most) > best->gain))
            continue;
        int lane =
            __builtin_ctz((uint32_t)_mm256_movemask_pd(_mm256_cmp_pd(gains, most, _CMP_EQ_OQ)));
        best->gain = _mm256_cvtsd_f64(most);
        best->s = lane_of(b.s, lane);
        best->w = lane_of(b.w, lane);
        best->feature = scanned[i + (uint32_t)lane];
        best->pos = (uint32_t)lane_of(b.pos, lane);
    }
}

static struct drawn find(struct fast_tiny *t, const struct tiny_node *node, uint32_t level,
                         struct tiny_cut *best)
{
    struct tiny_view view = { t, level, node->n };
    start(t, level, node->n);
    struct drawn d = fast_draw(&t->g->g, node->constants, is_constant, &view);
    search(t, node, level, &d, best);
    return d;
}

/* ---- the split ----------------------------------------------------------------------------- */

/* Bits of eight names, of those places whose bit is set. */
static inline __m256i bits_of(const uint8_t *list, uint32_t places)
{
    __m128i names = _mm_loadl_epi64((const __m128i *)(const void *)list);
    __m256i bits = _mm256_sllv_epi32(_mm256_set1_epi32(1), _mm256_cvtepu8_epi32(names));
    return _mm256_and_si256(bits, word_mask(places));
}

static uint32_t side(const struct fast_tiny *t, uint32_t level, const struct tiny_cut *cut)
{
    const uint8_t *list = tiny_lists(t, level)[cut->feature];
    uint32_t places = low_bits(cut->pos);
    __m256i bits = _mm256_or_si256(bits_of(list, places & 0xff), bits_of(list + HALF, places >> 8));
    __m128i x = _mm_or_si128(_mm256_castsi256_si128(bits), _mm256_extracti128_si256(bits, 1));
    x = _mm_or_si128(x, _mm_shuffle_epi32(x, 0x4e));
    return (uint32_t)_mm_cvtsi128_si32(_mm_or_si128(x, _mm_shuffle_epi32(x, 0xb1)));
}

/* A byte of ones for each name whose bit is set. */
static inline __m128i name_mask(uint32_t names)
{
    __m128i bit = _mm_set1_epi64x((long long)0x8040201008040201);
    __m128i byte = _mm_set_epi8(1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0);
    __m128i here = _mm_shuffle_epi8(_mm_cvtsi32_si128((int)names), byte);
    return _mm_cmpeq_epi8(_mm_and_si128(here, bit), bit);
}

/* The names at places whose bit is set, which are among the first eight. */
static inline void take_half(__m128i list, uint32_t places, uint8_t *to)
{
    __m128i from = _mm_cvtsi64_si128((long long)packed_words[places]);
    store_list(to, _mm_shuffle_epi8(list, from));
}

/* The names at places whose bit is set. */
static inline void take_names(__m128i list, uint32_t places, uint8_t *to)
{
    uint32_t low = places & 0xff;
    uint64_t rest = packed_words[places >> 8] + HALF * UINT64_C(0x0101010101010101);
    take_half(list, low, to);
    _mm_storel_epi64((__m128i *)(void *)(to + count_bits(low)),
                     _mm_shuffle_epi8(list, _mm_cvtsi64_si128((long long)rest)));
}

static void part(const struct fast_tiny *t, uint32_t level, uint32_t n, uint32_t left,
                 uint32_t names)
{
    uint8_t(*from)[FAST_TINY_ROWS] = tiny_lists(t, level),
    (*up)[FAST_TINY_ROWS] = tiny_lists(t, level + 1);
    uint32_t valid = low_bits(n);
    __m128i sides = name_mask(names);
    (void)left;
    for (uint32_t f = 0; f < t->features; f++) {
        __m128i list = load_list(from[f]);
        uint32_t places = (uint32_t)_mm_movemask_epi8(_mm_shuffle_epi8(sides, list)) & valid;
        if (n <= HALF) {
            take_half(list, places, up[f]);
            take_half(list, places ^ valid, from[f]);
        } else {
            take_names(list, places, up[f]);
            take_names(list, places ^ valid, from[f]);
        }
    }
}

static const struct tiny_functions functions = { find, side, part };

/* Rows and lists are there. */
static void grow(struct tiny *tiny, const struct fast_node *root)
{
    for (uint32_t i = 0; i < FAST_TINY_ROWS; i++) {
        tiny->worth[i][0] = tiny->t.s[i];
        tiny->worth[i][1] = tiny->t.w[i];
    }
    fast_tiny_grow(&tiny->t, &functions, root);
}

int fast_grow_tiny_avx2(struct fast_grower *g, const struct fast_block *b,
                        const struct fast_node *root)
{
    struct tiny tiny;
    struct fast_tiny *t = &tiny.t;
    if (tree_reserve(g->g.out, 2 * FAST_TINY_ROWS))
        return -ENOMEM;
    tiny_start(t, g, b);
    tiny_take_rows(t, b->order + root->start, root->end - root->start, b->side);
    for (uint32_t f = 0; f < b->features; f++)
        take_list(t, f, root->start, root->end - root->start, b->side);
    grow(&tiny, root);
    return 0;
}

/* What stands in a table of 64 bytes at sixteen places. */
static inline __m128i look_up(const uint8_t *table, __m128i at)
{
    __m128i by_16 = _mm_slli_epi16(at, 3), by_32 = _mm_slli_epi16(at, 2); /* to the sign of bytes */
    __m128i a = _mm_blendv_epi8(_mm_shuffle_epi8(load_list(table), at),
                                _mm_shuffle_epi8(load_list(table + 16), at), by_16);
    __m128i b = _mm_blendv_epi8(_mm_shuffle_epi8(load_list(table + 32), at),
                                _mm_shuffle_epi8(load_list(table + 48), at), by_16);
    return _mm_blendv_epi8(a, b, by_32);
}

/* Names are given anew, in the same order. */
int fast_grow_tiny_of_few_avx2(const struct fast_few_avx2 *from, const struct fast_node *root,
                               uint64_t names, uint32_t at)
{
    struct tiny tiny;
    struct fast_tiny *t = &tiny.t;
    uint8_t renamed[FAST_FEW_NAMES], member[FAST_TINY_ROWS] = { 0 };
    uint32_t order[FAST_TINY_ROWS], n = 0;
    if (tree_reserve(from->g->g.out, 2 * FAST_TINY_ROWS))
        return -ENOMEM;
    tiny_start(t, from->g, from->b);
    for (; names; names &= names - 1, n++) {
        uint64_t name = _tzcnt_u64(names);
        order[n] = from->slot[name];
        renamed[name] = (uint8_t)n;
        member[n] = (uint8_t)name;
    }
    tiny_take_rows(t, order, n, from->b->side);
    for (uint32_t f = 0; f < t->features; f++) {
        __m128i list = _mm_and_si128(load_list(from->names[f] + at), _mm_set1_epi8(63));
        store_list(t->lists[f], look_up(renamed, list));
        store_list(t->ranks[f], look_up(from->columns[f], load_list(member)));
    }
    grow(&tiny, root);
    return 0;
}

#pragma GCC pop_options
#endif
