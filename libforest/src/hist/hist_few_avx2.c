/* SPDX-License-Identifier: MIT */
/* hist_few_avx2.c -- see hist_few.h; features are searched side by side, see hist_scan.h. */
#include "base/avx2.h"

#ifdef HAVE_AVX2
#include <errno.h>
#include <string.h>

#include "base/byte_lists_avx2.h"
#include "hist_grower.h"

#define SLACK 64u /* behind a list, read and overwritten */
/* A feature's list: of the root, and of up to as many that wait, a chunk behind each of them. */
#define LIST_BYTES (2 * HIST_FEW_NAMES + BYTE_CHUNK * HIST_FEW_NAMES + SLACK)

struct few {
    struct hist_grower *g;
    uint32_t features;
    uint8_t (*columns)[HIST_FEW_NAMES];                 /* by feature, then name: codes */
    uint8_t (*names)[LIST_BYTES], (*codes)[LIST_BYTES]; /* by feature */
    uint8_t *order;                                     /* a list of ascending names */
    const uint32_t *rows;                               /* by name */
    parcel worth[HIST_FEW_NAMES];                       /* by name */
    hist_cell cells[HIST_FEW_NAMES];                    /* by name */
    int32_t all_sum, all_weight;                        /* of the cells */
};

struct few_node {
    struct hist_pending p; /* start, end: only their difference counts */
    uint32_t at, top;      /* of its lists, and of what is free behind all that wait */
};

static uint32_t rows_of(const struct few_node *node)
{
    return node->p.end - node->p.start;
}

/* ---- from the block ---------------------------------------------------------------------- */

static void take_rows(struct few *t, uint32_t n)
{
    const struct hist_rows *of = &t->g->of;
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *codes = of->codes + t->rows[i] * of->stride;
        t->worth[i] = of->worth[t->rows[i]];
        t->order[i] = (uint8_t)i;
        for (uint32_t f = 0; f < t->features; f++)
            t->columns[f][i] = codes[f];
    }
}

/* How many rows have a lower code, by code; where that is all 256, nobody asks. */
static inline void count_lower(const uint8_t *column, uint32_t n, uint8_t *lower)
{
    __m128i before = _mm_setzero_si128(), last = _mm_set1_epi8(15);
    memset(lower, 0, BINS_MAX);
    for (uint32_t i = 0; i < n; i++)
        lower[column[i]]++;
    for (uint32_t c = 0; c < BINS_MAX; c += 16) {
        __m128i count = load_bytes(lower + c), up_to = count;
        up_to = _mm_add_epi8(up_to, _mm_slli_si128(up_to, 1));
        up_to = _mm_add_epi8(up_to, _mm_slli_si128(up_to, 2));
        up_to = _mm_add_epi8(up_to, _mm_slli_si128(up_to, 4));
        up_to = _mm_add_epi8(up_to, _mm_slli_si128(up_to, 8));
        up_to = _mm_add_epi8(up_to, before);
        store_bytes(lower + c, _mm_sub_epi8(up_to, count));
        before = _mm_shuffle_epi8(up_to, last);
    }
}

static void sort_list(struct few *t, uint32_t feature, uint32_t n)
{
    const uint8_t *column = t->columns[feature];
    uint8_t *names = t->names[feature], *codes = t->codes[feature], lower[BINS_MAX];
    count_lower(column, n, lower);
    for (uint32_t i = 0; i < n; i++) {
        uint8_t code = column[i], at = lower[code]++;
        names[at] = (uint8_t)i;
        codes[at] = code;
    }
}

/* ---- the search ---------------------------------------------------------------------------- */

/* See hist_some_load(). False: all targets are equal. */
static bool fill_cells(struct few *t, const struct few_node *node)
{
    const uint8_t *order = t->order + node->at;
    int64_t mean = node->p.all[0] / (node->p.all[1] >> 32), rests[HIST_FEW_NAMES];
    uint32_t n = rows_of(node);
    uint64_t most = 0;
    for (uint32_t i = 0; i < n; i++) {
        parcel worth = t->worth[order[i]];
        rests[i] = worth[0] - (worth[1] >> 32) * mean;
        most |= (uint64_t)(rests[i] < 0 ? -rests[i] : rests[i]);
    }
    int shift = hist_lanes_shift(most);
    t->all_sum = 0;
    t->all_weight = (int32_t)(node->p.all[1] >> 32);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t sum = (uint32_t)(rests[i] >> shift);
        t->all_sum += (int32_t)sum;
        t->cells[order[i]] = ((uint64_t)t->worth[order[i]][1] >> 32 << 32) | sum;
    }
    return most != 0;
}

/* The cuts of a feature, tried in the order of rows. */
static __attribute__((noinline)) void scan_by_rows(const struct few *t, const struct few_node *node,
                                                   const struct hist_scan *c, uint32_t from,
                                                   struct hist_lane_cuts *cuts, uint32_t lane)
{
    const uint8_t *names = c->names[from], *codes = c->codes[from], *order = t->order + node->at;
    uint8_t place[HIST_FEW_NAMES]; /* by name: the last of its code */
    float top[HIST_FEW_ROWS], bottom[HIST_FEW_ROWS], best_top = -1.0f, best_bottom = 1.0f;
    uint32_t n = rows_of(node), first = 0;
    int32_t sum = 0, weight = 0;
    for (uint32_t p = 0; p < n; p++) {
        sum += (int32_t)t->cells[names[p]];
        weight += (int32_t)(t->cells[names[p]] >> 32);
        if (p + 1 < n && codes[p] == codes[p + 1])
            continue;
        float wl = (float)weight * c->scale, d = (float)sum * 0x1p-31f * c->weight - c->sum * wl;
        top[p] = d * d;
        bottom[p] = wl * (c->weight - wl);
        while (first <= p)
            place[names[first++]] = (uint8_t)p;
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t p = place[order[i]];
        if (!(top[p] * best_bottom > best_top * bottom[p]))
            continue;
        best_top = top[p];
        best_bottom = bottom[p];
        cuts->code[lane] = (int32_t)p;
    }
    cuts->gain_top[lane] = best_top;
    cuts->gain_bottom[lane] = best_bottom;
}

static void search_lanes(const struct few *t, const struct few_node *node, uint32_t first)
{
    struct hist_lane_cuts *cuts = &t->g->cuts[first / HIST_LANES];
    uint32_t n = rows_of(node), lane = first % HIST_LANES;
    struct hist_scan c;
    c.cells = t->cells;
    c.n = n;
    c.lanes = t->features - first < t->g->scratch->scan_lanes ? t->features - first
                                                              : t->g->scratch->scan_lanes;
    for (uint32_t i = 0; i < HIST_LANES; i++) {
        uint32_t feature = i < c.lanes ? first + i : first;
        c.names[i] = t->names[feature] + node->at;
        c.codes[i] = t->codes[feature] + node->at;
    }
    c.scale = hist_weight_scale(t->all_weight);
    c.sum = (float)t->all_sum * 0x1p-31f;
    c.weight = (float)t->all_weight * c.scale;
    uint32_t doubt = t->g->scratch->scan(&c, n > HIST_FEW_ROWS, cuts, lane);
    for (; doubt; doubt &= doubt - 1) {
        uint32_t i = (uint32_t)__builtin_ctz(doubt);
        scan_by_rows(t, node, &c, i, cuts, lane + i);
    }
}

/* Cuts of four features. */
struct four {
    __m256d top, bottom, feature;
};

/* Of each two the better one; in their order, or not: then the first of equal ones. */
static inline struct four better_of(struct four a, struct four b, bool in_order)
{
    __m256d here = _mm256_mul_pd(b.top, a.bottom), best = _mm256_mul_pd(a.top, b.bottom);
    __m256d better = _mm256_cmp_pd(here, best, _CMP_GT_OQ);
    if (!in_order) {
        __m256d first = _mm256_cmp_pd(b.feature, a.feature, _CMP_LT_OQ);
        __m256d equal = _mm256_cmp_pd(here, best, _CMP_EQ_OQ);
        better = _mm256_or_pd(better, _mm256_and_pd(equal, first));
    }
    return (struct four){ _mm256_blendv_pd(a.top, b.top, better),
                          _mm256_blendv_pd(a.bottom, b.bottom, better),
                          _mm256_blendv_pd(a.feature, b.feature, better) };
}

static inline struct four four_at(const struct hist_grower *g, uint32_t feature)
{
    const struct hist_lane_cuts *cuts = &g->cuts[feature / HIST_LANES];
    const __m256d numbers = _mm256_set_pd(3.0, 2.0, 1.0, 0.0);
    return (struct four){ _mm256_cvtps_pd(_mm_loadu_ps(cuts->gain_top + feature % HIST_LANES)),
                          _mm256_cvtps_pd(_mm_loadu_ps(cuts->gain_bottom + feature % HIST_LANES)),
                          _mm256_add_pd(numbers, _mm256_set1_pd((double)feature)) };
}

/*
 * The best cut of all features, of equal ones the first. Products of two floats are exact here, so
 * the order in which they are compared does not matter. A feature without a cut gains -1.
 */
static struct hist_cut best_of_all(const struct few *t)
{
    struct four best = four_at(t->g, 0);
    for (uint32_t i = 4; i < t->features; i += 4)
        best = better_of(best, four_at(t->g, i), true);
    struct four other = { _mm256_permute4x64_pd(best.top, 0x4e),
                          _mm256_permute4x64_pd(best.bottom, 0x4e),
                          _mm256_permute4x64_pd(best.feature, 0x4e) };
    best = better_of(best, other, false);
    other = (struct four){ _mm256_permute_pd(best.top, 5), _mm256_permute_pd(best.bottom, 5),
                           _mm256_permute_pd(best.feature, 5) };
    best = better_of(best, other, false);
    return (struct hist_cut){ _mm256_cvtsd_f64(best.top), _mm256_cvtsd_f64(best.bottom),
                              (uint32_t)_mm256_cvtsd_f64(best.feature), 0 };
}

/* The best cut of those features that were drawn. */
static struct hist_cut best_of_drawn(const struct few *t)
{
    struct hist_grower *g = t->g;
    struct hist_cut best = { 0.0, 1.0, 0, 0 };
    for (uint32_t i = 0, found = 0; i < t->features && found < g->limits->max_features; i++) {
        uint32_t feature = hist_next_feature(g, i), lane = feature % HIST_LANES;
        const struct hist_lane_cuts *cuts = &g->cuts[feature / HIST_LANES];
        double top = (double)cuts->gain_top[lane], bottom = (double)cuts->gain_bottom[lane];
        found += cuts->code[lane] >= 0;
        if (cuts->code[lane] >= 0 && cut_is_better(&best, top, bottom))
            best = (struct hist_cut){ top, bottom, feature, 0 };
    }
    return best;
}

/* As the search of hist_lanes.h does it; the cut's place is the last one on the left. */
static bool search(struct few *t, const struct few_node *node, struct hist_cut *best,
                   uint32_t *place)
{
    struct hist_grower *g = t->g;
    if (!fill_cells(t, node))
        return false;
    for (uint32_t first = 0; first < t->features; first += g->scratch->scan_lanes)
        search_lanes(t, node, first);
    *best = g->limits->max_features == t->features ? best_of_all(t) : best_of_drawn(t);
    if (!(best->gain_top > 0.0))
        return false;
    *place = (uint32_t)g->cuts[best->feature / HIST_LANES].code[best->feature % HIST_LANES];
    const uint8_t *codes = t->codes[best->feature] + node->at + *place;
    best->code = cut_code(codes[0], codes[1]);
    return true;
}

/* ---- the split ----------------------------------------------------------------------------- */

/* The names of a set, a bit each. */
struct names {
    __m128i low, high;
};

static inline struct names names_up_to(const struct few *t, uint32_t feature, uint32_t code)
{
    __m256i most = _mm256_set1_epi8((char)code);
    uint32_t bits[HIST_FEW_NAMES / 32];
    for (uint32_t i = 0; i < HIST_FEW_NAMES; i += 32) {
        __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)(t->columns[feature] + i));
        __m256i is_left = _mm256_cmpeq_epi8(_mm256_max_epu8(v, most), most);
        bits[i / 32] = (uint32_t)_mm256_movemask_epi8(is_left);
    }
    return (struct names){
        _mm_set_epi32((int)bits[3], (int)bits[2], (int)bits[1], (int)bits[0]),
        _mm_set_epi32((int)bits[7], (int)bits[6], (int)bits[5], (int)bits[4]),
    };
}

/* Which of sixteen names are in the set. */
static inline uint32_t are_in(const struct names *set, __m128i v)
{
    const __m128i bits = _mm_set1_epi64x((long long)0x8040201008040201);
    __m128i byte = _mm_and_si128(_mm_srli_epi16(v, 3), _mm_set1_epi8(31));
    __m128i in = _mm_blendv_epi8(_mm_shuffle_epi8(set->low, byte),
                                 _mm_shuffle_epi8(set->high, byte), _mm_slli_epi16(byte, 3));
    __m128i bit = _mm_shuffle_epi8(bits, _mm_and_si128(v, _mm_set1_epi8(15)));
    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_and_si128(in, bit), bit));
}

/* Part a list, with its codes if there are any: what is not in the set goes to `right`. */
static inline __attribute__((always_inline)) void
part_list(uint8_t *names, uint8_t *codes, uint32_t n, uint32_t right, const struct names *set)
{
    uint32_t to_left = 0, to_right = right;
    for (uint32_t i = 0; i < n; i += BYTE_CHUNK) {
        __m128i v = load_bytes(names + i), c = codes ? load_bytes(codes + i) : v;
        uint32_t valid = low_bits(n - i < BYTE_CHUNK ? n - i : BYTE_CHUNK);
        uint32_t left = are_in(set, v) & valid, rest = left ^ valid;
        __m128i pack_left = packing_of(left), pack_rest = packing_of(rest);
        store_bytes(names + to_left, _mm_shuffle_epi8(v, pack_left)); /* up to what was read */
        store_bytes(names + to_right, _mm_shuffle_epi8(v, pack_rest));
        if (codes) {
            store_bytes(codes + to_left, _mm_shuffle_epi8(c, pack_left));
            store_bytes(codes + to_right, _mm_shuffle_epi8(c, pack_rest));
        }
        to_left += count_bits(left);
        to_right += count_bits(rest);
    }
}

/* The same for up to eight names. */
static inline void part_eight(uint8_t *names, uint8_t *codes, uint32_t n, uint32_t right,
                              const struct names *set)
{
    __m128i v = load_bytes(names), c = load_bytes(codes);
    uint32_t valid = low_bits(n), left = are_in(set, v) & valid;
    __m128i pack_left = _mm_cvtsi64_si128((long long)packed_words[left]);
    __m128i pack_rest = _mm_cvtsi64_si128((long long)packed_words[left ^ valid]);
    store_bytes(names, _mm_shuffle_epi8(v, pack_left));
    store_bytes(names + right, _mm_shuffle_epi8(v, pack_rest));
    store_bytes(codes, _mm_shuffle_epi8(c, pack_left));
    store_bytes(codes + right, _mm_shuffle_epi8(c, pack_rest));
}

static bool wants_lists(const struct few *t, const struct few_node *node)
{
    return rows_of(node) > 2 && !hist_is_leaf(t->g, &node->p);
}

/* What the rows up to a place are worth. */
static parcel worth_of(const struct few *t, const struct few_node *node, uint32_t feature,
                       uint32_t place)
{
    const uint8_t *names = t->names[feature] + node->at;
    parcel sum = { 0, 0 };
    for (uint32_t i = 0; i <= place; i++)
        sum += t->worth[names[i]];
    return sum;
}

static void part_lists(struct few *t, uint32_t at, uint32_t n, uint32_t behind,
                       const struct names *set)
{
    for (uint32_t f = 0; f < t->features; f++)
        if (n <= 8)
            part_eight(t->names[f] + at, t->codes[f] + at, n, behind, set);
        else
            part_list(t->names[f] + at, t->codes[f] + at, n, behind, set);
}

static struct hist_pending child(const struct few_node *node, uint32_t id, bool is_left, uint32_t n,
                                 parcel all)
{
    return (
        struct hist_pending){ 0, n, node->p.depth + 1, (int32_t)id, is_left, NO_HISTOGRAM, all };
}

/* The cut is worth it: the right child takes the node's place, the left one that above. */
static void split(struct few *t, struct few_node *node, uint32_t id, const struct hist_cut *cut,
                  uint32_t left, parcel worth)
{
    struct node *out = &t->g->out->nodes[id];
    struct few_node *l = node + 1, *r = node;
    uint32_t n = rows_of(node), at = node->at, behind = node->top - at;
    struct names set = names_up_to(t, cut->feature, cut->code);
    out->feature = cut->feature;
    out->number = bins_edge(t->g->bins, cut->feature, cut->code);
    l->p = child(node, id, true, left, worth);
    r->p = child(node, id, false, n - left, node->p.all - worth);
    l->at = at;
    r->at = node->top;
    l->top = r->top = r->at + n - left + BYTE_CHUNK;
    part_list(t->order + at, NULL, n, behind, &set);
    if (wants_lists(t, l) || wants_lists(t, r))
        part_lists(t, at, n, behind, &set);
}

/* ---- the subtree ------------------------------------------------------------------------- */

static bool split_pair(struct few *t, struct few_node *node, uint32_t id)
{
    const uint8_t *order = t->order + node->at;
    uint32_t rows[2] = { t->rows[order[0]], t->rows[order[1]] };
    struct hist_cut cut = { 0.0, 1.0, 0, 0 };
    hist_search_pair(t->g, rows, &cut);
    if (!(cut.gain_top > 0.0))
        return false;
    bool is_first = t->columns[cut.feature][order[0]] <= cut.code;
    parcel left = t->worth[order[!is_first]];
    if (!hist_is_worth_it(t->g, node->p.all, left))
        return false;
    split(t, node, id, &cut, 1, left);
    return true;
}

static bool split_many(struct few *t, struct few_node *node, uint32_t id)
{
    struct hist_cut cut = { 0.0, 1.0, 0, 0 };
    uint32_t place = 0;
    if (rows_of(node) == 2)
        return split_pair(t, node, id);
    if (!search(t, node, &cut, &place))
        return false;
    parcel left = worth_of(t, node, cut.feature, place);
    if (!hist_is_worth_it(t->g, node->p.all, left))
        return false;
    split(t, node, id, &cut, place + 1, left);
    return true;
}

static uint32_t add(const struct few *t, const struct few_node *node)
{
    uint32_t rows[HIST_FEW_NAMES];
    for (uint32_t i = 0; t->g->out->stats && i < rows_of(node); i++)
        rows[i] = t->rows[t->order[node->at + i]];
    return hist_add(t->g, &node->p, rows);
}

size_t hist_few_bytes(uint32_t features)
{
    return features * (HIST_FEW_NAMES + 2 * (size_t)LIST_BYTES) + LIST_BYTES;
}

int hist_few_grow_avx2(struct hist_grower *g, const struct hist_pending *root)
{
    struct few_node stack[HIST_FEW_NAMES + 1], *node = stack;
    struct few t;
    uint32_t n = root->end - root->start;
    t.g = g;
    t.features = g->bins->features;
    t.columns = g->scratch->few.memory;
    t.names = (uint8_t(*)[LIST_BYTES])(t.columns + t.features);
    t.codes = t.names + t.features;
    t.order = (uint8_t *)(t.codes + t.features);
    t.rows = g->rows + root->start;
    take_rows(&t, n);
    for (uint32_t f = 0; f < t.features; f++)
        sort_list(&t, f, n);
    *node = (struct few_node){ *root, 0, n + BYTE_CHUNK };
    for (;;) {
        if (tree_reserve(g->out, 1))
            return -ENOMEM;
        uint32_t id = add(&t, node);
        if (!hist_is_leaf(g, &node->p) && split_many(&t, node, id))
            node++;
        else if (node-- == stack)
            return 0;
    }
}

#pragma GCC pop_options
#endif
