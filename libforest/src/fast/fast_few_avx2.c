/* SPDX-License-Identifier: MIT */
/* fast_few_avx2.c -- see fast_few_avx2.h; cuts are rated roughly, eight features side by side. */
#include "base/avx2.h"

#ifdef HAVE_AVX2
#include <errno.h>
#include <math.h>

#include "base/byte_lists_avx2.h"
#include "exact/rough.h"
#include "fast_few_avx2.h"
#include "fast_draw.h"
#include "fast_leaf.h"

#define LANES 8u

struct few_node {
    struct fast_node of; /* start is not used */
    uint64_t names;
    uint32_t at, top; /* of its lists, and of what is free behind all that wait */
};

static inline uint64_t low_bits64(uint32_t n)
{
    return _bzhi_u64(~UINT64_C(0), n);
}

/* ---- from the block ---------------------------------------------------------------------- */

static void take_rows(struct fast_few_avx2 *t, const uint32_t *order, uint32_t n)
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

static void take_list(struct fast_few_avx2 *t, uint32_t feature, const uint32_t *list, uint32_t n)
{
    const uint8_t *named = t->b->side;
    uint8_t *names = t->names[feature], *ranks = t->ranks[feature], *column = t->columns[feature];
    uint32_t before = list[0], rank = 0;
    bool is_kept = list[0] >> 16 != list[n - 1] >> 16; /* or it may be of other rows */
    for (uint32_t i = 0; i < n; i++) {
        uint32_t entry = list[i];
        uint8_t name = is_kept ? named[entry & FAST_SLOTS] : (uint8_t)i;
        rank += is_kept && (entry ^ before) > FAST_SLOTS;
        names[i] = name;
        ranks[i] = column[name] = (uint8_t)rank;
        before = entry;
    }
}

/* ---- the search ---------------------------------------------------------------------------- */

/* What all places of a node are rated with. */
struct rating {
    __m256 rest, weight, least;
    uint32_t first, last; /* rows on the left */
    bool is_weighted;     /* `least` is more than a row weighs */
};

/* Fills the cells, too: sums less their mean, to the nearest whole number. */
static struct rating rating_of(struct fast_few_avx2 *t, const struct few_node *node)
{
    double weight = fast_packed_weight(node->of.all, t->b->units.bits);
    double least = t->b->weight_least;
    int32_t sum = 0;
    for (uint64_t names = node->names; names; names &= names - 1)
        sum += t->rough[_tzcnt_u64(names)] >> ROUGH_WEIGHT_BITS;
    double mean = sum / weight, whole = rint(mean);
    __m256i means = _mm256_set1_epi32((int32_t)whole);
    for (uint32_t i = 0; i < t->rows; i += 8) {
        __m256i rough = load_words((const uint32_t *)t->rough + i);
        __m256i w = _mm256_and_si256(rough, _mm256_set1_epi32((1 << ROUGH_WEIGHT_BITS) - 1));
        __m256i s = _mm256_srai_epi32(rough, ROUGH_WEIGHT_BITS);
        s = _mm256_sub_epi32(s, _mm256_mullo_epi32(means, w));
        __m256i low = _mm256_unpacklo_epi32(s, w), high = _mm256_unpackhi_epi32(s, w);
        uint32_t *to = (uint32_t *)(t->cells + i);
        store_words(to, _mm256_permute2x128_si256(low, high, 0x20));
        store_words(to + 8, _mm256_permute2x128_si256(low, high, 0x31));
    }
    uint32_t first = t->g->g.limits->min_samples_leaf;
    return (struct rating){ .rest = _mm256_set1_ps((float)(mean - whole)),
                            .weight = _mm256_set1_ps((float)weight),
                            .least = _mm256_set1_ps((float)ceil(least)),
                            .first = first,
                            .last = node->of.end - first,
                            .is_weighted = least > 1.0 };
}

struct lanes {
    const uint8_t *names[LANES], *ranks[LANES]; /* lanes without a feature have that of lane 0 */
};

static inline __m128i cells_of(const uint64_t *cells, const uint8_t *a, const uint8_t *b,
                               uint32_t at)
{
    __m128i low = _mm_loadl_epi64((const __m128i *)(const void *)(cells + a[at]));
    return _mm_insert_epi64(low, (long long)cells[b[at]], 1);
}

/* Of lanes `lane` and the next, and, but for half of them, of those four behind these. */
static inline __m256i two_cells(const uint64_t *cells, const struct lanes *l, uint32_t lane,
                                uint32_t at, bool half)
{
    __m256i low = _mm256_zextsi128_si256(cells_of(cells, l->names[lane], l->names[lane + 1], at));
    if (half)
        return low;
    return _mm256_inserti128_si256(low, cells_of(cells, l->names[lane + 4], l->names[lane + 5], at),
                                   1);
}

/* A bit for each of 32 places from `at` on whose rank is that of the next place. */
static inline __m256i ties_at(const struct lanes *l, uint32_t at)
{
    uint32_t ties[LANES];
    for (uint32_t i = 0; i < LANES; i++) {
        __m256i here = _mm256_loadu_si256((const __m256i *)(const void *)(l->ranks[i] + at));
        __m256i next = _mm256_loadu_si256((const __m256i *)(const void *)(l->ranks[i] + at + 1));
        ties[i] = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(here, next));
    }
    return _mm256_set_epi32((int)ties[7], (int)ties[6], (int)ties[5], (int)ties[4], (int)ties[3],
                            (int)ties[2], (int)ties[1], (int)ties[0]);
}

/*
 * The squared rates of the cuts behind each place, -1 where there is none; returns the greatest.
 * `half`: of four lanes, the others are of no meaning, but for their greatest, -1.
 */
static inline __attribute__((always_inline)) __m256 rate_lanes(const struct fast_few_avx2 *t,
                                                               const struct rating *r,
                                                               const struct lanes *l, bool half,
                                                               float (*rates)[LANES])
{
    const __m256 none = _mm256_set1_ps(-1.0f);
    __m256i a = _mm256_setzero_si256(), b = a, ties = a;
    __m256 most = none;
    for (uint32_t p = 0; p < r->last; p++) {
        if (p % 32 == 0)
            ties = ties_at(l, p);
        a = _mm256_add_epi32(a, two_cells(t->cells, l, 0, p, half));
        b = _mm256_add_epi32(b, two_cells(t->cells, l, 2, p, half));
        __m256 af = _mm256_castsi256_ps(a), bf = _mm256_castsi256_ps(b);
        __m256 sl = _mm256_cvtepi32_ps(_mm256_castps_si256(_mm256_shuffle_ps(af, bf, 0x88)));
        __m256 wl = _mm256_cvtepi32_ps(_mm256_castps_si256(_mm256_shuffle_ps(af, bf, 0xdd)));
        __m256 u = _mm256_sub_ps(sl, _mm256_mul_ps(r->rest, wl));
        __m256 wr = _mm256_sub_ps(r->weight, wl);
        __m256 rate = _mm256_div_ps(_mm256_mul_ps(u, u), _mm256_mul_ps(wl, wr));
        __m256 is_none = _mm256_castsi256_ps(_mm256_slli_epi32(ties, 31)); /* the sign */
        ties = _mm256_srli_epi32(ties, 1);
        if (r->is_weighted) {
            is_none = _mm256_or_ps(is_none, _mm256_cmp_ps(wl, r->least, _CMP_LT_OQ));
            is_none = _mm256_or_ps(is_none, _mm256_cmp_ps(wr, r->least, _CMP_LT_OQ));
        }
        rate = p + 1 < r->first ? none : _mm256_blendv_ps(rate, none, is_none);
        _mm256_storeu_ps(rates[p], rate);
        most = _mm256_max_ps(rate, most); /* the second one, if the first is not a number */
    }
    return most;
}

/* The least squared rate that may be of the best cut, where the greatest is `most`. */
static inline float rate_enough(float most)
{
    float enough = rough_enough(sqrtf(most));
    return enough > 0.0f ? enough * enough * (1.0f - ROUGH_ROUNDING) : 0.0f;
}

/* Improve on `best` among the cuts of a feature that leave so many rows on the left: a bit each. */
static void look_closely(const struct fast_few_avx2 *t, const struct few_node *node,
                         uint32_t feature, uint64_t cuts, struct fast_cut *best)
{
    const uint8_t *names = t->names[feature] + node->at;
    uint32_t bits = t->b->units.bits, at = 0, pos = 0;
    double s = fast_packed_sum(node->of.all, bits), w = fast_packed_weight(node->of.all, bits);
    double best_top = 0.0, best_bottom = 1.0;
    fast_worth left = 0, best_left = 0;
    for (; cuts; cuts &= cuts - 1) {
        double top, bottom;
        for (uint32_t end = (uint32_t)_tzcnt_u64(cuts); at < end; at++)
            left += t->worth[names[at]];
        fast_gain(s, w, fast_packed_sum(left, bits), fast_packed_weight(left, bits), &top, &bottom);
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

static inline float most_of(__m256 v)
{
    __m128 x = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    x = _mm_max_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_max_ss(x, _mm_shuffle_ps(x, x, 1)));
}

static struct fast_cut search(struct fast_few_avx2 *t, const struct few_node *node, uint32_t count)
{
    const uint32_t *scanned = t->g->g.scanned;
    struct fast_cut best = { 0.0, 0, 0, 0 };
    struct rating r = rating_of(t, node);
    __m256 most[FAST_FEW_FEATURES / LANES], all = _mm256_set1_ps(-1.0f);
    for (uint32_t i = 0; i < count; i += LANES) {
        struct lanes l;
        for (uint32_t k = 0; k < LANES; k++) {
            uint32_t feature = scanned[i + k < count ? i + k : i];
            l.names[k] = t->names[feature] + node->at;
            l.ranks[k] = t->ranks[feature] + node->at;
        }
        float(*rates)[LANES] = t->rates + i / LANES * FAST_FEW_NAMES;
        most[i / LANES] = count - i <= LANES / 2 ? rate_lanes(t, &r, &l, true, rates)
                                                 : rate_lanes(t, &r, &l, false, rates);
        all = _mm256_max_ps(all, most[i / LANES]);
    }
    if (most_of(all) < 0.0f)
        return best;
    float enough = rate_enough(most_of(all));
    for (uint32_t i = 0; i < count; i += LANES) {
        const float(*rates)[LANES] = (const float(*)[LANES])t->rates + i / LANES * FAST_FEW_NAMES;
        __m256 may_be = _mm256_cmp_ps(most[i / LANES], _mm256_set1_ps(enough), _CMP_GE_OQ);
        uint32_t lanes = (uint32_t)_mm256_movemask_ps(may_be) & valid_words(count - i);
        for (; lanes; lanes &= lanes - 1) {
            uint32_t lane = (uint32_t)__builtin_ctz(lanes);
            uint64_t cuts = 0;
            for (uint32_t p = 0; p < r.last; p++)
                cuts |= (uint64_t)(rates[p][lane] >= enough) << p;
            look_closely(t, node, scanned[i + lane], cuts << 1, &best);
        }
    }
    return best;
}

/* ---- the split ----------------------------------------------------------------------------- */

struct view {
    const struct fast_few_avx2 *t;
    uint32_t at, n;
};

static bool is_constant(void *context, uint32_t feature)
{
    const struct view *v = context;
    const uint8_t *ranks = v->t->ranks[feature] + v->at;
    return ranks[0] == ranks[v->n - 1];
}

static struct node_stats stats_of(const struct fast_few_avx2 *t, uint64_t names, bool is_full)
{
    uint32_t order[FAST_FEW_NAMES], n = 0;
    for (; names; names &= names - 1)
        order[n++] = t->slot[_tzcnt_u64(names)];
    return fast_stats(t->g, t->b->y, t->b->w, order, n, is_full);
}

static bool is_pure(const struct fast_few_avx2 *t, uint64_t names)
{
    double y = t->y[_tzcnt_u64(names)];
    for (names &= names - 1; names; names &= names - 1)
        if (t->y[_tzcnt_u64(names)] != y)
            return false;
    return true;
}

/* The names whose ranks are not above that of this one. */
static uint64_t names_up_to(const struct fast_few_avx2 *t, uint32_t feature, uint8_t name)
{
    const uint8_t *column = t->columns[feature];
    __m256i most = _mm256_set1_epi8((char)column[name]);
    __m256i low = _mm256_loadu_si256((const __m256i *)(const void *)column);
    __m256i high = _mm256_loadu_si256((const __m256i *)(const void *)(column + 32));
    uint32_t low_bits = (uint32_t)_mm256_movemask_epi8(_mm256_cmpgt_epi8(low, most));
    uint32_t high_bits = (uint32_t)_mm256_movemask_epi8(_mm256_cmpgt_epi8(high, most));
    return ~((uint64_t)high_bits << 32 | low_bits);
}

/* Which of sixteen names are in the set. */
static inline uint32_t are_in(__m128i set, __m128i v)
{
    const __m128i bits = _mm_set1_epi64x((long long)0x8040201008040201);
    __m128i byte = _mm_and_si128(_mm_srli_epi16(v, 3), _mm_set1_epi8(7));
    __m128i bit = _mm_shuffle_epi8(bits, _mm_and_si128(v, _mm_set1_epi8(15)));
    __m128i in = _mm_and_si128(_mm_shuffle_epi8(set, byte), bit);
    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(in, bit));
}

/* Part all lists of n names: what is not in the set goes to `right`. */
static void part(const struct fast_few_avx2 *t, uint32_t at, uint32_t n, uint32_t right,
                 uint64_t left_names)
{
    __m128i set = _mm_cvtsi64_si128((long long)left_names);
    for (uint32_t f = 0; f < t->features; f++) {
        uint8_t *names = t->names[f] + at, *ranks = t->ranks[f] + at;
        uint32_t to_left = 0, to_right = right;
        for (uint32_t i = 0; i < n; i += BYTE_CHUNK) {
            __m128i v = load_bytes(names + i), rank = load_bytes(ranks + i);
            uint32_t valid = low_bits(n - i < BYTE_CHUNK ? n - i : BYTE_CHUNK);
            uint32_t left = are_in(set, v) & valid, rest = left ^ valid;
            __m128i pack_left = packing_of(left), pack_rest = packing_of(rest);
            store_bytes(names + to_left, _mm_shuffle_epi8(v, pack_left)); /* up to what was read */
            store_bytes(names + to_right, _mm_shuffle_epi8(v, pack_rest));
            store_bytes(ranks + to_left, _mm_shuffle_epi8(rank, pack_left));
            store_bytes(ranks + to_right, _mm_shuffle_epi8(rank, pack_rest));
            to_left += count_bits(left);
            to_right += count_bits(rest);
        }
    }
}

/*
 * Split the node if it is worth it: the right child takes its place, the left one that above.
 * False: it is a leaf.
 */
static bool split(struct fast_few_avx2 *t, struct few_node *node, uint32_t id)
{
    struct fast_grower *g = t->g;
    const struct fast_block *b = t->b;
    uint32_t n = node->of.end, bits = b->units.bits, depth = node->of.depth + 1, at = node->at;
    struct view view = { t, at, n };
    if (is_pure(t, node->names))
        return false;
    struct drawn d = fast_draw(&g->g, node->of.constants, is_constant, &view);
    struct fast_cut cut = search(t, node, d.scanned);
    if (!cut.pos || !fast_is_worth_it(g, &b->units, b->weight_all,
                                      fast_packed_weight(node->of.all, bits), cut.gain))
        return false;
    const uint8_t *names = t->names[cut.feature] + at;
    uint8_t below = names[cut.pos - 1], above = names[cut.pos];
    const float *column = fast_column(b, cut.feature);
    split_node(g->g.out, id, cut.feature, column[b->row[t->slot[below]]],
               column[b->row[t->slot[above]]]);
    uint64_t left = node->names & names_up_to(t, cut.feature, below);
    struct few_node *l = node + 1, *r = node;
    fast_worth rest = node->of.all - cut.left;
    l->of = fast_child(g, b, 0, cut.pos, depth, cut.left);
    r->of = fast_child(g, b, 0, n - cut.pos, depth, rest);
    l->of.is_left = true;
    l->of.parent = r->of.parent = (int32_t)id;
    l->of.constants = r->of.constants = d.constants;
    l->names = left;
    r->names &= ~left;
    part(t, at, n, r->top - at, left);
    l->at = at;
    r->at = r->top;
    l->top = r->top = r->at + n - cut.pos + BYTE_CHUNK;
    return true;
}

/* ---- the subtree ------------------------------------------------------------------------- */

/* One node, or a whole tiny subtree. Returns whether it has children; < 0: error. */
static int grow_node(struct fast_few_avx2 *t, struct few_node *node)
{
    struct tree *out = t->g->g.out;
    struct node_stats stats = { .rows = node->of.end };
    if (!node->of.is_leaf && node->of.end <= FAST_TINY_ROWS)
        return fast_grow_tiny_of_few_avx2(t, &node->of, node->names, node->at);
    if (tree_reserve(out, 1))
        return -ENOMEM;
    if (node->of.is_leaf || out->stats)
        stats = stats_of(t, node->names, out->stats != NULL);
    uint32_t id = fast_add_node(out, node->of.depth, node->of.parent, node->of.is_left, &stats);
    if (node->of.is_leaf)
        return 0;
    if (split(t, node, id))
        return 1;
    if (!out->stats)
        out->nodes[id].number = stats_of(t, node->names, false).value;
    return 0;
}

static size_t rounded(size_t bytes)
{
    return (bytes + 63) & ~(size_t)63;
}

size_t fast_few_bytes_avx2(uint32_t features)
{
    size_t tiny = rounded(fast_tiny_bytes_plain(features)), groups = (features + LANES - 1) / LANES;
    if (features > FAST_FEW_FEATURES)
        return tiny;
    return tiny + groups * sizeof(float[FAST_FEW_NAMES][LANES]) +
           features * (FAST_FEW_NAMES + 2 * (size_t)FAST_FEW_LIST);
}

int fast_grow_few_avx2(struct fast_grower *g, const struct fast_block *b,
                       const struct fast_node *root)
{
    struct few_node stack[FAST_FEW_NAMES + 1], *node = stack;
    struct fast_few_avx2 t;
    uint32_t n = root->end - root->start, groups = (b->features + LANES - 1) / LANES;
    t.g = g;
    t.b = b;
    t.features = b->features;
    t.rates =
        (float(*)[LANES])(void *)((char *)b->tiny + rounded(fast_tiny_bytes_plain(b->features)));
    t.columns = (uint8_t(*)[FAST_FEW_NAMES])(t.rates + groups * FAST_FEW_NAMES);
    t.names = (uint8_t(*)[FAST_FEW_LIST])(t.columns + t.features);
    t.ranks = t.names + t.features;
    t.rows = n;
    take_rows(&t, b->order + root->start, n);
    for (uint32_t f = 0; f < t.features; f++)
        take_list(&t, f, b->lists + (size_t)f * b->stride + root->start, n);
    *node = (struct few_node){ *root, low_bits64(n), 0, n + BYTE_CHUNK };
    node->of.start = 0;
    node->of.end = n;
    for (;;) {
        int parted = grow_node(&t, node);
        if (parted < 0)
            return parted;
        if (parted)
            node++;
        else if (node-- == stack)
            return 0;
    }
}

#pragma GCC pop_options
#endif
