/* SPDX-License-Identifier: MIT */
/* fast_tiny_avx512.c -- tiny subtrees of the fast mode with AVX-512: a list is 16 bytes, four a
 * register; eight features are searched side by side, one a lane. */
#include "base/avx512.h"

#ifdef HAVE_AVX512
#include <errno.h>
#include <string.h>

#include "fast_few.h"
#include "fast_tiny.h"
#include "exact/few_rates.h"

#define EACH UINT64_C(0x0001000100010001) /* a bit for each of four features */

static void take_list(struct fast_tiny *t, uint32_t feature, uint32_t start, uint32_t n,
                      const uint8_t *names)
{
    const uint32_t *list = t->b->lists + (size_t)feature * t->b->stride + start;
    uint8_t *to = t->lists[feature], *ranks = t->ranks[feature];
    __mmask16 valid = (__mmask16)low_bits(n);
    __m512i v = _mm512_maskz_loadu_epi32(valid, list), slots = _mm512_set1_epi32(0xffff);
    __m128i name;
    if (list[0] >> 16 == list[n - 1] >> 16) { /* not kept up: may be of other rows */
        _mm_storeu_si128((__m128i *)(void *)to,
                         _mm_set_epi8(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0));
        _mm_storeu_si128((__m128i *)(void *)ranks, _mm_setzero_si128());
        return;
    }
    name = _mm512_cvtepi32_epi8(_mm512_mask_i32gather_epi32(_mm512_setzero_si512(), valid,
                                                            _mm512_and_si512(v, slots), names, 1));
    _mm_storeu_si128((__m128i *)(void *)to, name);
    __m512i changed = _mm512_xor_si512(v, _mm512_alignr_epi32(v, v, 15));
    uint32_t fresh = _mm512_cmpgt_epu32_mask(changed, slots) & ~1u;
    __m512i up_to = _mm512_sub_epi32(_mm512_sllv_epi32(_mm512_set1_epi32(2), lane_numbers()),
                                     _mm512_set1_epi32(1));
    __m512i rank = _mm512_popcnt_epi32(_mm512_and_si512(up_to, _mm512_set1_epi32((int)fresh)));
    uint8_t by_place[FAST_TINY_ROWS];
    _mm_storeu_si128((__m128i *)(void *)by_place, _mm512_cvtepi32_epi8(rank));
    for (uint32_t i = 0; i < n; i++)
        ranks[to[i]] = by_place[i];
}

static void start(struct fast_tiny *t, uint32_t level, uint32_t n)
{
    const uint8_t(*lists)[FAST_TINY_ROWS] = (const uint8_t(*)[FAST_TINY_ROWS])tiny_lists(t, level);
    uint64_t valid = EACH * (low_bits(n) & ~1u);
    for (uint32_t i = 0; i < t->padded; i += 4) {
        __m512i rank =
            _mm512_shuffle_epi8(_mm512_loadu_si512(t->ranks + i), _mm512_loadu_si512(lists + i));
        uint64_t ties = _mm512_cmpeq_epi8_mask(rank, _mm512_bslli_epi128(rank, 1)) & valid;
        memcpy(t->ties + i, &ties, sizeof ties);
    }
}

static bool is_constant(void *context, uint32_t feature)
{
    const struct tiny_view *v = context;
    return v->t->ties[feature] == (low_bits(v->n) & ~1u);
}

/* ---- the search ---------------------------------------------------------------------------- */

struct lanes {
    uint8_t rows[FAST_TINY_ROWS][8]; /* by place, then lane */
    __m512i ties;
    __mmask8 used;
};

static void set_lanes(const struct fast_tiny *t, const uint32_t *features, uint32_t count,
                      const uint8_t (*lists)[FAST_TINY_ROWS], struct lanes *l)
{
    static const uint8_t by_place[64] = {
        0, 16, 32, 48, 64, 80, 96,  112, 1, 17, 33, 49, 65, 81, 97,  113,
        2, 18, 34, 50, 66, 82, 98,  114, 3, 19, 35, 51, 67, 83, 99,  115,
        4, 20, 36, 52, 68, 84, 100, 116, 5, 21, 37, 53, 69, 85, 101, 117,
        6, 22, 38, 54, 70, 86, 102, 118, 7, 23, 39, 55, 71, 87, 103, 119,
    };
    uint64_t ties[2] = { 0, 0 };
    __m128i a[8];
    for (uint32_t i = 0; i < 8; i++) {
        uint32_t feature = features[i < count ? i : 0];
        a[i] = _mm_loadu_si128((const __m128i *)(const void *)lists[feature]);
        ties[i / 4] |= (uint64_t)t->ties[feature] << i % 4 * 16;
    }
    __m512i low = _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_set_m128i(a[1], a[0])),
                                     _mm256_set_m128i(a[3], a[2]), 1);
    __m512i high = _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_set_m128i(a[5], a[4])),
                                      _mm256_set_m128i(a[7], a[6]), 1);
    __m512i at = _mm512_loadu_si512(by_place), rest = _mm512_add_epi8(at, _mm512_set1_epi8(8));
    _mm512_storeu_si512(l->rows[0], _mm512_permutex2var_epi8(low, at, high));
    _mm512_storeu_si512(l->rows[8], _mm512_permutex2var_epi8(low, rest, high));
    l->ties = _mm512_cvtepu16_epi64(_mm_set_epi64x((long long)ties[1], (long long)ties[0]));
    l->used = (__mmask8)low_bits(count);
}

struct bests {
    __m512d top, bottom, s, w;
    __m512i pos;
};

static inline struct bests scan_lanes(const struct fast_tiny *t, const struct tiny_node *node,
                                      const struct lanes *l)
{
    uint32_t first = t->g->g.limits->min_samples_leaf, last = node->n - first;
    __m512d s0 = _mm512_loadu_pd(t->s), s1 = _mm512_loadu_pd(t->s + 8);
    __m512d w0 = _mm512_loadu_pd(t->w), w1 = _mm512_loadu_pd(t->w + 8);
    __m512d s = _mm512_setzero_pd(), w = s, all_s = _mm512_set1_pd(node->s),
            all_w = _mm512_set1_pd(node->w), least = _mm512_set1_pd(t->weight_least);
    struct bests b = { s, _mm512_set1_pd(1.0), s, s, _mm512_setzero_si512() };
    for (uint32_t p = 1; p <= last; p++) {
        __m512i row =
            _mm512_cvtepu8_epi64(_mm_loadl_epi64((const __m128i *)(const void *)l->rows[p - 1]));
        s = _mm512_add_pd(s, _mm512_permutex2var_pd(s0, row, s1));
        w = _mm512_add_pd(w, _mm512_permutex2var_pd(w0, row, w1));
        if (p < first)
            continue;
        __m512d rest = _mm512_sub_pd(all_w, w);
        __m512d d = _mm512_sub_pd(_mm512_mul_pd(s, all_w), _mm512_mul_pd(all_s, w));
        __m512d top = _mm512_mul_pd(d, d), bottom = _mm512_mul_pd(w, rest);
        __mmask8 cut = _mm512_mask_testn_epi64_mask(l->used, l->ties, _mm512_set1_epi64(1 << p));
        cut = _mm512_mask_cmp_pd_mask(cut, w, least, _CMP_GE_OQ);
        cut = _mm512_mask_cmp_pd_mask(cut, rest, least, _CMP_GE_OQ);
        cut = _mm512_mask_cmp_pd_mask(cut, _mm512_mul_pd(top, b.bottom),
                                      _mm512_mul_pd(b.top, bottom), _CMP_GT_OQ);
        b.top = _mm512_mask_mov_pd(b.top, cut, top);
        b.bottom = _mm512_mask_mov_pd(b.bottom, cut, bottom);
        b.s = _mm512_mask_mov_pd(b.s, cut, s);
        b.w = _mm512_mask_mov_pd(b.w, cut, w);
        b.pos = _mm512_mask_mov_epi64(b.pos, cut, _mm512_set1_epi64(p));
    }
    return b;
}

static inline double lane_of(__m512d v, int lane)
{
    return _mm512_cvtsd_f64(_mm512_permutexvar_pd(_mm512_set1_epi64(lane), v));
}

static void search(const struct fast_tiny *t, const struct tiny_node *node, uint32_t level,
                   const struct drawn *d, struct tiny_cut *best)
{
    const uint8_t(*lists)[FAST_TINY_ROWS] = (const uint8_t(*)[FAST_TINY_ROWS])tiny_lists(t, level);
    const uint32_t *scanned = t->g->g.scanned;
    for (uint32_t i = 0; i < d->scanned; i += 8) {
        struct lanes l;
        set_lanes(t, scanned + i, d->scanned - i < 8 ? d->scanned - i : 8, lists, &l);
        struct bests b = scan_lanes(t, node, &l);
        __m512d gains = _mm512_div_pd(b.top, b.bottom);
        double most = _mm512_reduce_max_pd(gains);
        if (!(most > best->gain))
            continue;
        int lane = __builtin_ctz(_mm512_cmp_pd_mask(gains, _mm512_set1_pd(most), _CMP_EQ_OQ));
        best->gain = most;
        best->s = lane_of(b.s, lane);
        best->w = lane_of(b.w, lane);
        best->feature = scanned[i + (uint32_t)lane];
        best->pos = (uint32_t)_mm_cvtsi128_si32(
            _mm512_castsi512_si128(_mm512_permutexvar_epi64(_mm512_set1_epi64(lane), b.pos)));
    }
}

/* ---- the search of up to 16 features, which needs not wait for which of them are drawn ---------- */

#define FIXED_MOST 16u

/* The lists of eight features, one a lane, and their ties: a bit per place. */
struct fixed {
    __m512i low, high;
    uint64_t ties[2]; /* of four features each */
};

static inline struct fixed load_fixed(const struct fast_tiny *t, uint32_t level, uint32_t n,
                                      uint32_t first)
{
    const uint8_t(*lists)[FAST_TINY_ROWS] = (const uint8_t(*)[FAST_TINY_ROWS])tiny_lists(t, level);
    uint32_t next = first + 4 < t->padded ? first + 4 : first;
    uint64_t valid = EACH * (low_bits(n) & ~1u);
    struct fixed x = { _mm512_loadu_si512(lists + first), _mm512_loadu_si512(lists + next),
                       { 0, 0 } };
    __m512i low = _mm512_shuffle_epi8(_mm512_loadu_si512(t->ranks + first), x.low);
    __m512i high = _mm512_shuffle_epi8(_mm512_loadu_si512(t->ranks + next), x.high);
    x.ties[0] = _mm512_cmpeq_epi8_mask(low, _mm512_bslli_epi128(low, 1)) & valid;
    x.ties[1] = _mm512_cmpeq_epi8_mask(high, _mm512_bslli_epi128(high, 1)) & valid;
    return x;
}

/* Of four features with ties at these places, out of `valid` ones: a bit each if they are all. */
static inline uint32_t all_ties(uint64_t ties, uint64_t valid)
{
    const uint64_t low = EACH * 0x7fff, high = EACH * 0x8000;
    uint64_t others = ties ^ valid;
    others |= (others & low) + low; /* the highest bit of those that have any */
    return (uint32_t)_pext_u64(~others, high);
}

/* The best cut of each feature: gains, and arrays of the rest. */
struct fixed_bests {
    double s[FIXED_MOST], w[FIXED_MOST];
    uint64_t pos[FIXED_MOST];
};

static inline __m512d scan_fixed(const struct fast_tiny *t, const struct tiny_node *node,
                                 const struct fixed *x, struct fixed_bests *out)
{
    uint32_t first = t->g->g.limits->min_samples_leaf, last = node->n - first;
    uint64_t barred = ~(EACH * (low_bits(last + 1) & ~low_bits(first)));
    __m512i no_cut = _mm512_cvtepu16_epi64(
        _mm_set_epi64x((long long)(x->ties[1] | barred), (long long)(x->ties[0] | barred)));
    __m512d s0 = _mm512_loadu_pd(t->s), s1 = _mm512_loadu_pd(t->s + 8);
    __m512d w0 = _mm512_loadu_pd(t->w), w1 = _mm512_loadu_pd(t->w + 8);
    __m512d s = _mm512_setzero_pd(), w = s, all_s = _mm512_set1_pd(node->s),
            all_w = _mm512_set1_pd(node->w), least = _mm512_set1_pd(t->weight_least);
    __m512d top = s, bottom = _mm512_set1_pd(1.0), best_s = s, best_w = s;
    __m512i best_pos = _mm512_setzero_si512(), one = _mm512_set1_epi64(1), bit = one, pos = one;
    __m512i at = _mm512_set_epi64(112, 96, 80, 64, 48, 32, 16, 0);
    for (uint32_t p = 1; p <= last; p++) {
        __m512i row = _mm512_permutex2var_epi8(x->low, at, x->high); /* its lowest bits count */
        s = _mm512_add_pd(s, _mm512_permutex2var_pd(s0, row, s1));
        w = _mm512_add_pd(w, _mm512_permutex2var_pd(w0, row, w1));
        at = _mm512_add_epi64(at, one);
        bit = _mm512_add_epi64(bit, bit);
        __m512d rest = _mm512_sub_pd(all_w, w);
        __m512d d = _mm512_sub_pd(_mm512_mul_pd(s, all_w), _mm512_mul_pd(all_s, w));
        __m512d here_top = _mm512_mul_pd(d, d), here_bottom = _mm512_mul_pd(w, rest);
        __mmask8 cut = _mm512_testn_epi64_mask(no_cut, bit);
        cut = _mm512_mask_cmp_pd_mask(cut, w, least, _CMP_GE_OQ);
        cut = _mm512_mask_cmp_pd_mask(cut, rest, least, _CMP_GE_OQ);
        cut = _mm512_mask_cmp_pd_mask(cut, _mm512_mul_pd(here_top, bottom),
                                      _mm512_mul_pd(top, here_bottom), _CMP_GT_OQ);
        top = _mm512_mask_mov_pd(top, cut, here_top);
        bottom = _mm512_mask_mov_pd(bottom, cut, here_bottom);
        best_s = _mm512_mask_mov_pd(best_s, cut, s);
        best_w = _mm512_mask_mov_pd(best_w, cut, w);
        best_pos = _mm512_mask_mov_epi64(best_pos, cut, pos);
        pos = _mm512_add_epi64(pos, one);
    }
    _mm512_storeu_pd(out->s, best_s);
    _mm512_storeu_pd(out->w, best_w);
    _mm512_storeu_si512(out->pos, best_pos);
    return _mm512_div_pd(top, bottom);
}

/* Of the features with these bits, the first that was drawn; d->scanned: none. */
static inline uint32_t first_drawn(const struct grower *g, const struct drawn *d, uint32_t bits)
{
    __m512i drawn = _mm512_maskz_loadu_epi32((__mmask16)low_bits(d->scanned), g->scanned);
    __m128i is_in = _mm_shuffle_epi8(_mm_movm_epi8((__mmask16)bits), _mm512_cvtepi32_epi8(drawn));
    return _tzcnt_u32((uint32_t)_mm_movepi8_mask(is_in) | 1u << d->scanned);
}

static bool bit_of(void *context, uint32_t feature)
{
    return *(const uint32_t *)context >> feature & 1;
}

static inline struct drawn find_fixed(struct fast_tiny *t, const struct tiny_node *node,
                                      uint32_t level, struct tiny_cut *best)
{
    struct grower *g = &t->g->g;
    uint64_t valid = EACH * (low_bits(node->n) & ~1u);
    bool is_wide = t->features > 8;
    struct fixed a = load_fixed(t, level, node->n, 0), b = a;
    struct fixed_bests bests;
    uint32_t constant = all_ties(a.ties[0], valid) | all_ties(a.ties[1], valid) << 4;
    if (is_wide) {
        b = load_fixed(t, level, node->n, 8);
        constant |= (all_ties(b.ties[0], valid) | all_ties(b.ties[1], valid) << 4) << 8;
    }
    struct drawn d = !constant && fast_draws_all(g, node->constants)
                         ? fast_draw_all(g)
                         : draw_features(g, node->constants, bit_of, &constant);
    uint32_t searched = low_bits(t->features);
    if (g->limits->max_features < t->features) {
        searched = 0;
        for (uint32_t i = 0; i < d.scanned; i++)
            searched |= 1u << g->scanned[i];
    }
    __m512d gains = _mm512_maskz_mov_pd((__mmask8)searched, scan_fixed(t, node, &a, &bests));
    __m512d more = _mm512_setzero_pd(), most = gains;
    if (is_wide) {
        struct fixed_bests high;
        more = _mm512_maskz_mov_pd((__mmask8)(searched >> 8), scan_fixed(t, node, &b, &high));
        memcpy(bests.s + 8, high.s, sizeof high.s / 2);
        memcpy(bests.w + 8, high.w, sizeof high.w / 2);
        memcpy(bests.pos + 8, high.pos, sizeof high.pos / 2);
        most = _mm512_max_pd(gains, more);
    }
    double gain = _mm512_reduce_max_pd(most);
    if (!(gain > 0.0))
        return d;
    __m512d all = _mm512_set1_pd(gain);
    uint32_t equal = _mm512_cmp_pd_mask(gains, all, _CMP_EQ_OQ);
    equal |= (uint32_t)_mm512_cmp_pd_mask(more, all, _CMP_EQ_OQ) << 8;
    uint32_t feature = g->scanned[first_drawn(g, &d, equal)];
    *best = (struct tiny_cut){ gain, bests.s[feature], bests.w[feature], feature,
                               (uint32_t)bests.pos[feature] };
    return d;
}

static struct drawn find(struct fast_tiny *t, const struct tiny_node *node, uint32_t level,
                         struct tiny_cut *best)
{
    struct tiny_view view = { t, level, node->n };
    if (t->features <= FIXED_MOST)
        return find_fixed(t, node, level, best);
    start(t, level, node->n);
    struct drawn d = fast_draw(&t->g->g, node->constants, is_constant, &view);
    search(t, node, level, &d, best);
    return d;
}

/* ---- the split ----------------------------------------------------------------------------- */

static uint32_t side(const struct fast_tiny *t, uint32_t level, const struct tiny_cut *cut)
{
    __m512i bits =
        _mm512_sllv_epi32(_mm512_set1_epi32(1),
                          _mm512_cvtepu8_epi32(_mm_loadu_si128(
                              (const __m128i *)(const void *)tiny_lists(t, level)[cut->feature])));
    return (uint32_t)_mm512_mask_reduce_or_epi32((__mmask16)low_bits(cut->pos), bits);
}

static void part(const struct fast_tiny *t, uint32_t level, uint32_t n, uint32_t left,
                 uint32_t names)
{
    uint8_t(*from)[FAST_TINY_ROWS] = tiny_lists(t, level),
    (*up)[FAST_TINY_ROWS] = tiny_lists(t, level + 1);
    __m512i sides = _mm512_broadcast_i32x4(_mm_movm_epi8((__mmask16)names));
    uint64_t valid = EACH * low_bits(n), l_places = EACH * low_bits(left),
             r_places = EACH * low_bits(n - left);
    for (uint32_t i = 0; i < t->padded; i += 4) {
        __m512i v = _mm512_loadu_si512(from + i);
        uint64_t bits = _mm512_movepi8_mask(_mm512_shuffle_epi8(sides, v)) & valid;
        /* every feature has as many on the left, so that packing and spreading keeps them apart */
        __m512i a = _mm512_maskz_compress_epi8(bits, v),
                c = _mm512_maskz_compress_epi8(valid & ~bits, v);
        _mm512_storeu_si512(from + i, _mm512_maskz_expand_epi8(r_places, c));
        _mm512_storeu_si512(up + i, _mm512_maskz_expand_epi8(l_places, a));
    }
}

static const struct tiny_functions functions = { find, side, part };

int fast_grow_tiny_avx512(struct fast_grower *g, const struct fast_block *b,
                          const struct fast_node *root)
{
    struct fast_tiny t;
    if (tree_reserve(g->g.out, 2 * FAST_TINY_ROWS))
        return -ENOMEM;
    tiny_start(&t, g, b);
    tiny_take_rows(&t, b->order + root->start, root->end - root->start, b->side);
    for (uint32_t f = 0; f < b->features; f++)
        take_list(&t, f, root->start, root->end - root->start, b->side);
    fast_tiny_grow(&t, &functions, root);
    return 0;
}

/* Names are given anew, in the same order. */
int fast_grow_tiny_of_few_avx512(const struct fast_few *from, const struct fast_node *root,
                                 uint64_t names, uint32_t level)
{
    struct fast_tiny t;
    uint32_t order[FAST_TINY_ROWS], n = root->end - root->start;
    if (tree_reserve(from->g->g.out, 2 * FAST_TINY_ROWS))
        return -ENOMEM;
    tiny_start(&t, from->g, from->b);
    __m512i numbers = byte_numbers(), member = _mm512_maskz_compress_epi8(names, numbers),
            rename = _mm512_maskz_expand_epi8(names, numbers);
    for (uint32_t i = 0; i < n; i++, names &= names - 1)
        order[i] = from->slot[_tzcnt_u64(names)];
    tiny_take_rows(&t, order, n, from->b->side);
    few_hand_over(&from->l, level, member, rename, t.lists, t.ranks);
    fast_tiny_grow(&t, &functions, root);
    return 0;
}

#pragma GCC pop_options
#endif
