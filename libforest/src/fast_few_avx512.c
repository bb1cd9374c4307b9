/* SPDX-License-Identifier: MIT */
/* fast_few_avx512.c -- subtrees of up to 64 rows of the fast mode: see fast_few.h. */
#include "avx512.h"

#ifdef HAVE_AVX512
#include <errno.h>
#include <math.h>

#include "fast_few.h"
#include "fast_leaf.h"
#include "fast_rough.h"
#include "fast_tiny.h"

#define CHUNK 16u /* places that are rated side by side */

struct few_node {
    struct fast_node of; /* start is not used: its rows are 0..end-1 of its lists */
    uint64_t names;
};

/* ---- from the block ---------------------------------------------------------------------- */

static void take_rows(struct fast_few *t, const uint32_t *order, uint32_t n)
{
    const struct fast_block *b = t->b;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t slot = order[i];
        b->side[slot] = (uint8_t)i;
        t->slot[i] = slot;
        t->rough[i] = b->rough_worth[slot];
        t->worth[i] = b->worth[slot];
        t->y[i] = b->y[slot];
    }
}

static void take_list(const struct fast_few *t, uint32_t feature, uint32_t start, uint32_t n)
{
    const uint32_t *list = t->b->lists + (size_t)feature * t->b->stride + start;
    const uint8_t *names = t->b->side;
    uint8_t *to = t->lists[feature], *ranks = t->ranks[feature], rank = 0;
    uint32_t before = list[0];
    if (list[0] >> 16 == list[n - 1] >> 16) { /* not kept up: may be of other rows */
        _mm512_storeu_si512(to, byte_numbers());
        _mm512_storeu_si512(ranks, _mm512_setzero_si512());
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t entry = list[i];
        uint8_t name = names[entry & FAST_SLOTS];
        rank = (uint8_t)(rank + ((entry ^ before) > FAST_SLOTS));
        to[i] = name;
        ranks[name] = rank;
        before = entry;
    }
}

/* ---- the search ---------------------------------------------------------------------------- */

static void start(const struct fast_few *t, uint32_t level, uint32_t n)
{
    const uint8_t(*lists)[FEW_ROWS] = few_lists(t, level);
    __m512i before = _mm512_sub_epi8(byte_numbers(), _mm512_set1_epi8(1));
    uint64_t places = low_bits64(n) & ~UINT64_C(1);
    for (uint32_t f = 0; f < t->features; f++) {
        __m512i rank =
            _mm512_permutexvar_epi8(_mm512_loadu_si512(lists[f]), _mm512_loadu_si512(t->ranks[f]));
        t->fresh[f] = places & _mm512_cmpneq_epi8_mask(rank, _mm512_permutexvar_epi8(before, rank));
    }
}

static bool is_constant(void *context, uint32_t feature)
{
    const struct fast_few *t = context;
    return t->fresh[feature] == 0;
}

/* What all places of a node are rated with: see fast_rough.h. */
struct rating {
    __m512i rough[4]; /* by name */
    __m512i mean;
    __m512 rest, weight, least;
    bool is_weighted; /* `least` is more than a row weighs */
};

static inline __m512i sums_of(__m512i rough)
{
    return _mm512_srai_epi32(rough, ROUGH_WEIGHT_BITS);
}

static void start_rating(const struct fast_few *t, const struct few_node *node, struct rating *r)
{
    double weight = fast_packed_weight(node->of.all, t->b->units.bits);
    __m512i sum = _mm512_setzero_si512();
    for (int i = 0; i < 4; i++) {
        r->rough[i] = _mm512_loadu_si512(t->rough + 16 * i);
        sum = _mm512_mask_add_epi32(sum, (__mmask16)(node->names >> 16 * i), sum,
                                    sums_of(r->rough[i]));
    }
    double mean = _mm512_reduce_add_epi32(sum) / weight, whole = rint(mean);
    r->mean = _mm512_set1_epi32((int32_t)whole);
    r->rest = _mm512_set1_ps((float)(mean - whole));
    r->weight = _mm512_set1_ps((float)weight);
    r->least = _mm512_set1_ps((float)ceil(t->b->weight_least));
    r->is_weighted = t->b->weight_least > 1.0;
}

static inline __m512i look_up(const struct rating *r, __m512i name)
{
    __m512i low = _mm512_permutex2var_epi32(r->rough[0], name, r->rough[1]);
    __m512i high = _mm512_permutex2var_epi32(r->rough[2], name, r->rough[3]);
    return _mm512_mask_mov_epi32(low, _mm512_test_epi32_mask(name, _mm512_set1_epi32(32)), high);
}

/* Sums up to and with each lane, of sums and weights at once. */
static inline __m512i prefix_sums(__m512i x)
{
    __m512i zero = _mm512_setzero_si512();
    x = _mm512_add_epi32(x, _mm512_alignr_epi32(x, zero, 15));
    x = _mm512_add_epi32(x, _mm512_alignr_epi32(x, zero, 14));
    x = _mm512_add_epi32(x, _mm512_alignr_epi32(x, zero, 12));
    return _mm512_add_epi32(x, _mm512_alignr_epi32(x, zero, 8));
}

/*
 * The squared rates of the cuts behind each place of a list, -1 where there is none; `cuts` are the
 * places that a cut may be before. Returns the greatest by lane.
 */
static inline __m512 rate_list(const struct rating *r, const uint8_t *list, uint64_t cuts,
                               uint32_t n, __m512 most, float *rates)
{
    __m512i sum = _mm512_setzero_si512(), weight = sum, last_lane = _mm512_set1_epi32(15);
    __m512 none = _mm512_set1_ps(-1.0f), two = _mm512_set1_ps(2.0f);
    cuts >>= 1;
    for (uint32_t i = 0; i < n; i += CHUNK, cuts >>= CHUNK) {
        __m512i name =
            _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)(list + i)));
        __m512i up_to = prefix_sums(look_up(r, name));
        __m512i sl = _mm512_add_epi32(sum, sums_of(up_to));
        __m512i weights = _mm512_add_epi32(
            weight,
            _mm512_and_si512(up_to, _mm512_set1_epi32((1 << ROUGH_WEIGHT_BITS) - 1)));
        sum = _mm512_permutexvar_epi32(last_lane, sl);
        weight = _mm512_permutexvar_epi32(last_lane, weights);
        __m512 wl = _mm512_cvtepi32_ps(weights), wr = _mm512_sub_ps(r->weight, wl);
        __m512 u = _mm512_cvtepi32_ps(_mm512_sub_epi32(sl, _mm512_mullo_epi32(r->mean, weights)));
        u = _mm512_fnmadd_ps(r->rest, wl, u);
        __m512 sides = _mm512_mul_ps(wl, wr), share = _mm512_rcp14_ps(sides);
        share = _mm512_mul_ps(share, _mm512_fnmadd_ps(sides, share, two));
        __mmask16 here = (__mmask16)cuts;
        if (r->is_weighted) {
            here = _mm512_mask_cmp_ps_mask(here, wl, r->least, _CMP_GE_OQ);
            here = _mm512_mask_cmp_ps_mask(here, wr, r->least, _CMP_GE_OQ);
        }
        __m512 rate = _mm512_mask_mul_ps(none, here, _mm512_mul_ps(u, u), share);
        _mm512_storeu_ps(rates + i, rate);
        most = _mm512_max_ps(most, rate);
    }
    return most;
}

/* The least squared rate that may be of the best cut, where the greatest is `most`. */
static inline float enough_for(float most)
{
    float enough = sqrtf(most) * (1.0f - ROUGH_ROUNDING) - ROUGH_SLACK;
    return enough > 0.0f ? enough * enough * (1.0f - ROUGH_ROUNDING) : 0.0f;
}

/* Improve on `best` among the cuts of a feature that leave so many rows on the left: a bit each. */
static void look_closely(const struct fast_few *t, const struct few_node *node, uint32_t feature,
                         const uint8_t *list, uint64_t cuts, struct fast_cut *best)
{
    uint32_t bits = t->b->units.bits, at = 0, pos = 0;
    double s = fast_packed_sum(node->of.all, bits), w = fast_packed_weight(node->of.all, bits);
    double best_top = 0.0, best_bottom = 1.0;
    fast_worth left = 0, best_left = 0;
    for (; cuts; cuts &= cuts - 1) {
        double top, bottom;
        for (uint32_t end = (uint32_t)_tzcnt_u64(cuts); at < end; at++)
            left += t->worth[list[at]];
        fast_gain(s, w, fast_packed_sum(left, bits), fast_packed_weight(left, bits), &top,
                  &bottom);
        if (!(top * best_bottom > best_top * bottom))
            continue;
        best_top = top;
        best_bottom = bottom;
        best_left = left;
        pos = at;
    }
    double gain = best_top / best_bottom;
    if (gain > best->gain)
        *best = (struct fast_cut){ gain, pos, feature, best_left };
}

static struct fast_cut search(const struct fast_few *t, const struct few_node *node, uint32_t level,
                              uint32_t count)
{
    const uint8_t(*lists)[FEW_ROWS] = few_lists(t, level);
    const uint32_t *scanned = t->g->g.scanned;
    uint32_t n = node->of.end, first = t->g->g.limits->min_samples_leaf;
    uint64_t allowed = low_bits64(n - first + 1) & ~low_bits64(first);
    struct fast_cut best = { 0.0, 0, 0, 0 };
    struct rating r;
    __m512 most = _mm512_set1_ps(-1.0f);
    start_rating(t, node, &r);
    for (uint32_t i = 0; i < count; i++)
        most = rate_list(&r, lists[scanned[i]], t->fresh[scanned[i]] & allowed, n, most,
                         t->rates[i]);
    float greatest = _mm512_reduce_max_ps(most);
    if (greatest < 0.0f)
        return best;
    __m512 enough = _mm512_set1_ps(enough_for(greatest));
    for (uint32_t i = 0; i < count; i++) {
        uint64_t cuts = 0;
        for (uint32_t p = 0; p < n; p += CHUNK)
            cuts |= (uint64_t)_mm512_cmp_ps_mask(_mm512_loadu_ps(t->rates[i] + p), enough,
                                                 _CMP_GE_OQ)
                    << p;
        if (cuts)
            look_closely(t, node, scanned[i], lists[scanned[i]], cuts << 1, &best);
    }
    return best;
}

/* ---- the split ----------------------------------------------------------------------------- */

static void part(const struct fast_few *t, uint32_t level, uint32_t n, uint64_t left)
{
    uint8_t(*from)[FEW_ROWS] = t->lists + (size_t)level * t->features,
    (*up)[FEW_ROWS] = from + t->features;
    __m512i sides = _mm512_movm_epi8(left);
    uint64_t valid = low_bits64(n);
    for (uint32_t f = 0; f < t->features; f++) {
        __m512i v = _mm512_loadu_si512(from[f]);
        uint64_t bits = _mm512_movepi8_mask(_mm512_permutexvar_epi8(v, sides));
        _mm512_storeu_si512(up[f], _mm512_maskz_compress_epi8(bits & valid, v));
        _mm512_storeu_si512(from[f], _mm512_maskz_compress_epi8(~bits & valid, v));
    }
}

static struct node_stats stats_of(const struct fast_few *t, uint64_t names, bool is_full)
{
    uint32_t order[FEW_ROWS], n = 0;
    for (; names; names &= names - 1)
        order[n++] = t->slot[_tzcnt_u64(names)];
    return fast_stats(t->g, t->b->y, t->b->w, order, n, is_full);
}

static bool is_pure(const struct fast_few *t, uint64_t names)
{
    double y = t->y[_tzcnt_u64(names)];
    for (names &= names - 1; names; names &= names - 1)
        if (t->y[_tzcnt_u64(names)] != y)
            return false;
    return true;
}

/*
 * Split the node if it is worth it: the right child takes its place, the left one that above.
 * False: it is a leaf.
 */
static bool split(struct fast_few *t, struct few_node *node, uint32_t level, uint32_t id)
{
    struct fast_grower *g = t->g;
    const struct fast_block *b = t->b;
    uint32_t n = node->of.end, bits = b->units.bits, depth = node->of.depth + 1;
    if (is_pure(t, node->names))
        return false;
    start(t, level, n);
    struct drawn d = draw_features(&g->g, node->of.constants, is_constant, t);
    struct fast_cut cut = search(t, node, level, d.scanned);
    if (!cut.pos || !fast_is_worth_it(g, &b->units, b->weight_all,
                                      fast_packed_weight(node->of.all, bits), cut.gain))
        return false;
    const uint8_t *list = few_lists(t, level)[cut.feature], *ranks = t->ranks[cut.feature];
    uint8_t below = list[cut.pos - 1], above = list[cut.pos];
    const float *column = fast_column(b, cut.feature);
    split_node(g->g.out, id, cut.feature, column[b->row[t->slot[below]]],
               column[b->row[t->slot[above]]]);
    uint64_t left = node->names & _mm512_cmple_epu8_mask(_mm512_loadu_si512(ranks),
                                                         _mm512_set1_epi8((char)ranks[below]));
    struct few_node *l = node + 1, *r = node;
    fast_worth rest = node->of.all - cut.left;
    l->of = fast_child(g, b, 0, cut.pos, depth, cut.left);
    r->of = fast_child(g, b, 0, n - cut.pos, depth, rest);
    l->of.is_left = true;
    l->of.parent = r->of.parent = (int32_t)id;
    l->of.constants = r->of.constants = d.constants;
    l->names = left;
    r->names &= ~left;
    part(t, level, n, left);
    return true;
}

/* ---- the subtree ------------------------------------------------------------------------- */

/* One node, or a whole tiny subtree. Returns whether it has children; < 0: error. */
static int grow_node(struct fast_few *t, struct few_node *node, uint32_t level)
{
    struct tree *out = t->g->g.out;
    struct node_stats stats = { .rows = node->of.end };
    if (!node->of.is_leaf && node->of.end <= FAST_TINY_ROWS)
        return fast_grow_tiny_of_few_avx512(t, &node->of, node->names, level);
    if (reserve_nodes(out, 1))
        return -ENOMEM;
    if (node->of.is_leaf || out->stats)
        stats = stats_of(t, node->names, out->stats != NULL);
    uint32_t id =
        fast_add_node(out, node->of.depth, node->of.parent, node->of.is_left, &stats);
    if (node->of.is_leaf)
        return 0;
    if (split(t, node, level, id))
        return 1;
    if (!out->stats)
        out->nodes[id].number = stats_of(t, node->names, false).value;
    return 0;
}

static size_t rounded(size_t bytes)
{
    return (bytes + 63) & ~(size_t)63;
}

size_t fast_few_bytes_avx512(uint32_t features)
{
    size_t lists = (size_t)features * FEW_ROWS * (1 + FEW_LEVELS);
    if (features > FEW_FEATURES)
        return fast_tiny_bytes_plain(features);
    return rounded(fast_tiny_bytes_plain(features)) + lists +
           features * (sizeof(float[FEW_ROWS]) + sizeof(uint64_t));
}

int fast_grow_few_avx512(struct fast_grower *g, const struct fast_block *b,
                         const struct fast_node *root)
{
    struct fast_few t = { .g = g, .b = b, .features = b->features };
    uint32_t n = root->end - root->start, level = 0; /* so many nodes wait */
    struct few_node stack[FEW_LEVELS + 1];
    t.ranks = (uint8_t(*)[FEW_ROWS])((char *)b->tiny + rounded(fast_tiny_bytes_plain(b->features)));
    t.lists = t.ranks + b->features;
    t.rates = (float(*)[FEW_ROWS])(void *)(t.lists + (size_t)b->features * FEW_LEVELS);
    t.fresh = (uint64_t *)(void *)(t.rates + b->features);
    take_rows(&t, b->order + root->start, n);
    for (uint32_t f = 0; f < b->features; f++)
        take_list(&t, f, root->start, n);
    stack[0] = (struct few_node){ *root, low_bits64(n) };
    stack[0].of.start = 0;
    stack[0].of.end = n;
    for (;;) {
        int parted = grow_node(&t, &stack[level], level);
        if (parted < 0)
            return parted;
        if (parted)
            level++;
        else if (level-- == 0)
            return 0;
    }
}

#pragma GCC pop_options
#endif
