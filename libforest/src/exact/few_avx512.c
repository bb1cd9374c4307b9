/* SPDX-License-Identifier: MIT */
/*
 * few_avx512.c -- subtrees of up to 64 rows of the exact mode: see few.h.
 *
 * The same work as in grow_block.c, on registers: a cut is taken from rough rates if they leave no
 * other, and if it is better by more than the rules' own rounding; else all is rated as the rules
 * do, in their order.
 */
#include "base/avx512.h"

#ifdef HAVE_AVX512
#include <errno.h>
#include <math.h>

#include "addends.h"
#include "few_rates.h"
#include "scan.h"
#include "ties.h"
#include "window_avx512.h"

struct few_node {
    struct pending p; /* only how many rows there are matters of start and end */
    uint64_t names;
    __m512i order; /* names, as the rules order the samples */
};

/* ---- from the block ---------------------------------------------------------------------- */

/* Rough worths in units of their own: targets less the block's centre, in as many bits as fit. */
static void measure_roughly(struct few *t, const int64_t *worth, uint32_t n)
{
    uint32_t bits = t->b->weight_bits;
    uint64_t most = 0;
    for (uint32_t i = 0; i < n; i++) {
        int64_t sum = worth[i] >> bits;
        most |= (uint64_t)(sum < 0 ? -sum : sum);
    }
    uint32_t most_bits = 64 - (uint32_t)_lzcnt_u64(most);
    uint32_t shift = most_bits >= ROUGH_ROW_BITS ? most_bits - ROUGH_ROW_BITS + 1 : 0;
    int64_t half = ((int64_t)1 << shift) >> 1;
    for (uint32_t i = 0; i < n; i++) {
        int64_t sum = ((worth[i] >> bits) + half) >> shift;
        int64_t weight = worth[i] & (((int64_t)1 << bits) - 1);
        t->rough[i] = (int32_t)(sum * (1 << ROUGH_WEIGHT_BITS) + weight);
    }
    t->unit = ldexp(t->b->unit, (int)shift);
}

/* False: some weigh too much for rough sums. */
static bool take_rows(struct few *t, const uint32_t *order, uint32_t n, uint8_t *names)
{
    const struct block *b = t->b;
    int64_t worth[FEW_ROWS];
    double most = 0.0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t slot = order[i] & 0xffff;
        names[slot] = (uint8_t)i;
        t->wy[i] = b->wy[slot];
        t->w[i] = b->w[slot];
        t->addends[i] = (struct addends){ b->wy[slot], b->wyy[slot], b->w[slot], 0.0 };
        t->row[i] = b->row[slot];
        worth[i] = b->worth[slot];
        most = b->w[slot] > most ? b->w[slot] : most;
    }
    if (most > ROUGH_WEIGHT_MOST)
        return false;
    measure_roughly(t, worth, n);
    return true;
}

/* ---- the search ---------------------------------------------------------------------------- */

/* The greatest of all rates but that of the best cut. */
static float second_rate(const struct few *t, const struct search *s, uint32_t best_list,
                         uint32_t best_pos)
{
    __m512 most = _mm512_set1_ps(-1.0f);
    for (uint32_t i = 0; i < s->count; i++) {
        uint64_t others = i == best_list ? ~(UINT64_C(1) << (best_pos - 1)) : ~UINT64_C(0);
        for (uint32_t p = 0; p < s->n; p += 16, others >>= 16)
            most = _mm512_mask_max_ps(most, (__mmask16)others, most,
                                      _mm512_loadu_ps(t->l.rates[i] + p));
    }
    return _mm512_reduce_max_ps(most);
}

/*
 * The best cut if it is clear; else its pos is 0. A rate is off by half a unit, see rough.h;
 * what the packed targets are off by, and the rules, clear_best() takes into account.
 */
static struct found estimate(const struct few *t, const struct search *s, uint64_t names,
                             uint32_t level)
{
    struct rating r;
    struct estimated e = { -1.0, -1.0, { 0, 0 } };
    uint64_t cuts = 0;
    uint32_t at = 0;
    start_rating(&r, t->rough, names, s->weight, s->min_weight_leaf);
    float most = rate_lists(&t->l, &r, level, s->features, s->count, s->n, s->min_samples_leaf);
    if (most <= 0.0f)
        return e.found;
    while (!(cuts = rated_cuts(t->l.rates[at], s->n, most)))
        at++;
    e.found = (struct found){ s->features[at], (uint32_t)_tzcnt_u64(cuts) };
    float second = second_rate(t, s, at, e.found.pos);
    double best = sqrt((double)most) * (1.0 - (double)ROUGH_ROUNDING) - 0.5;
    double other =
        sqrt(second > 0.0f ? (double)second : 0.0) * (1.0 + (double)ROUGH_ROUNDING) + 0.5;
    e.best = best > 0.0 ? best * best * t->unit * t->unit : 0.0;
    e.second = other * other * t->unit * t->unit;
    return clear_best(s, &e);
}

/* Improve on `best` among the cuts of a feature, as the rules rate them. */
static bool rate_as_rules(const struct few *t, const struct search *s, const uint8_t *list,
                          uint64_t fresh, struct rated_cut *best)
{
    bool better = false;
    uint32_t pos = 0, n = s->n;
    double sum = 0.0, weight = 0.0;
    uint64_t cuts =
        fresh & low_bits64(n - s->min_samples_leaf + 1) & ~low_bits64(s->min_samples_leaf);
    for (; cuts; cuts &= cuts - 1) {
        uint32_t p = (uint32_t)_tzcnt_u64(cuts);
        if (p - pos <= n - p) {
            for (; pos < p; pos++) {
                sum += t->wy[list[pos]];
                weight += t->w[list[pos]];
            }
        } else {
            sum = s->sum;
            weight = s->weight;
            for (pos = n; pos-- > p;) {
                sum -= t->wy[list[pos]];
                weight -= t->w[list[pos]];
            }
            pos = p;
        }
        double rest = s->sum - sum, rest_weight = s->weight - weight;
        if (weight < s->min_weight_leaf || rest_weight < s->min_weight_leaf)
            continue;
        double proxy = merit_of(s->is_friedman, sum, weight, rest, rest_weight);
        if (proxy > best->proxy) {
            *best = (struct rated_cut){ proxy, p };
            better = true;
        }
    }
    return better;
}

static struct found rate(const struct few *t, const struct search *s, uint32_t level)
{
    uint8_t(*lists)[FEW_ROWS] = few_lists(&t->l, level);
    struct rated_cut best = { -HUGE_VAL, 0 };
    struct found found = { 0, 0 };
    for (uint32_t i = 0; i < s->count; i++)
        if (rate_as_rules(t, s, lists[s->features[i]], t->l.fresh[s->features[i]], &best))
            found = (struct found){ s->features[i], best.pos };
    return found;
}

/* Take the order through the sort by a feature that has ties. */
static __m512i sort(uint8_t *list, __m512i order, uint64_t ties, uint32_t n)
{
    uint8_t place[FEW_ROWS];
    struct window w;
    for (uint32_t i = 0; i < n; i++)
        place[list[i]] = (uint8_t)i;
    __m512i v = _mm512_permutexvar_epi8(order, _mm512_loadu_si512(place));
    window_clear(&w);
    window_add(&w, 0, n, sort_depth(n));
    window_sort(&w, &v, &ties, 1);
    v = _mm512_permutexvar_epi8(v, _mm512_loadu_si512(list));
    _mm512_storeu_si512(list, v);
    return v;
}

/* Take the order through the sorts by some of the visited features. */
static __m512i sort_visited(const struct few *t, uint32_t level, uint32_t n, uint32_t from,
                            uint32_t to, __m512i order)
{
    uint64_t places = low_bits64(n) & ~UINT64_C(1);
    for (uint32_t i = from; i < to; i++) {
        uint32_t feature = t->g->visited[i];
        uint8_t *list = few_lists(&t->l, level)[feature];
        uint64_t fresh = t->l.fresh[feature];
        if (fresh == places)
            order = _mm512_loadu_si512(list);
        else if (fresh) /* else that sort leaves everything where it is */
            order = sort(list, order, places & ~fresh, n);
    }
    return order;
}

/* The best cut, and the order in which the sorts leave the samples: see search() of grow_block.c. */
static struct found search(const struct few *t, const struct search *s, const struct drawn *d,
                           uint64_t names, uint32_t level, __m512i *order)
{
    uint64_t places = low_bits64(s->n) & ~UINT64_C(1);
    uint32_t forgotten = d->visited;
    while (forgotten > 0 && t->l.fresh[t->g->visited[forgotten - 1]] != places)
        forgotten--;
    struct found found = estimate(t, s, names, level);
    if (!found.pos)
        *order = sort_visited(t, level, s->n, 0, forgotten, *order);
    else if (forgotten > 0)
        *order = _mm512_loadu_si512(few_lists(&t->l, level)[t->g->visited[forgotten - 1]]);
    *order = sort_visited(t, level, s->n, forgotten, d->visited, *order);
    return found.pos ? found : rate(t, s, level);
}

/* ---- the split --------------------------------------------------------------------------- */

/* Bytes count-1..0 of v; what follows is of no meaning. */
static inline __m512i reverse_bytes(__m512i v, uint32_t count)
{
    __m512i from = _mm512_sub_epi8(_mm512_set1_epi8((char)(count - 1)), byte_numbers());
    return _mm512_permutexvar_epi8(from, v);
}

static inline __m512i bytes_on(__m512i v, uint32_t by)
{
    return _mm512_permutexvar_epi8(_mm512_add_epi8(byte_numbers(), _mm512_set1_epi8((char)by)), v);
}

/* P1 and P2 of sort_avx512.c. */
static __m512i part_order(__m512i v, uint64_t greater, uint32_t n, uint32_t left)
{
    uint64_t valid = low_bits64(n), front = low_bits64(left), lesser = valid & ~greater;
    uint64_t from_front = greater & low_bits64(left + 1), from_back = lesser & ~front;
    uint64_t take = valid & ~front & (lesser >> 1 | UINT64_C(1) << (n - 1));
    __m512i g = reverse_bytes(_mm512_maskz_compress_epi8(from_front, v),
                              (uint32_t)_mm_popcnt_u64(from_front));
    __m512i l = reverse_bytes(_mm512_maskz_compress_epi8(from_back, v),
                              (uint32_t)_mm_popcnt_u64(from_back));
    __m512i back = _mm512_mask_expand_epi8(bytes_on(v, 1), take, g);
    v = _mm512_mask_expand_epi8(v, greater & front, l);
    return _mm512_mask_mov_epi8(v, valid & ~front, back);
}

/*
 * Split the node if it is worth it: the right child takes its place, the left one that above.
 * False: it is a leaf.
 */
static bool split(struct few *t, struct few_node *node, uint32_t level, uint32_t id)
{
    struct grower *g = t->g;
    uint32_t n = node->p.end - node->p.start;
    __m512i order = node->order;
    few_start(&t->l, level, n);
    struct drawn d = draw_features(g, node->p.constants, few_is_constant, &t->l);
    if (d.scanned == 0)
        return false;
    struct search s = { .n = n,
                        .features = g->scanned,
                        .count = d.scanned,
                        .min_samples_leaf = g->limits->min_samples_leaf,
                        .min_weight_leaf = g->limits->min_weight_leaf,
                        .is_friedman = g->limits->is_friedman,
                        .sum = node->p.sums.sum,
                        .sumsq = node->p.sums.sumsq,
                        .weight = node->p.sums.weight,
                        .unit = t->b->unit,
                        .weight_min = g->weight_min,
                        .whole = g->whole };
    struct found found = search(t, &s, &d, node->names, level, &order);
    if (!found.pos)
        return false;
    const uint8_t *list = few_lists(&t->l, level)[found.feature];
    const float *column = prep_column(t->b->prep, found.feature);
    const float *below = column + t->row[list[found.pos - 1]];
    const float *above = column + t->row[list[found.pos]];
    __builtin_prefetch(below);
    __builtin_prefetch(above);
    uint64_t goes_left = few_left(&t->l, found.feature, list[found.pos - 1]);
    uint64_t left =
        _mm512_movepi8_mask(_mm512_permutexvar_epi8(order, _mm512_movm_epi8(goes_left)));
    order = part_order(order, low_bits64(n) & ~left, n, found.pos);
    uint8_t rows[FEW_ROWS];
    struct sums child[2], rest = node->p.sums;
    struct verdict v;
    _mm512_storeu_si512(rows, order);
    add_sides(t->addends, rows, n, found.pos, child, &rest);
    judge(g, &node->p, found.pos, child, &rest, &v);
    if (v.too_little)
        return false;
    split_node(g->out, id, found.feature, *below, *above);
    v.left.parent = v.right.parent = (int32_t)id;
    v.left.constants = v.right.constants = d.constants;
    if (!v.left.is_leaf || !v.right.is_leaf)
        few_part(&t->l, level, n, goes_left);
    uint64_t names = node->names;
    node[1] = (struct few_node){ v.left, names & goes_left, order };
    node[0] = (struct few_node){ v.right, names & ~goes_left, bytes_on(order, found.pos) };
    return true;
}

/* ---- the subtree ------------------------------------------------------------------------- */

/* One node, or a whole small subtree. Returns whether it has children; < 0: error. */
static int grow_node(struct few *t, struct few_node *node, uint32_t level)
{
    if (!node->p.is_leaf && node->p.end - node->p.start <= SMALL_ROWS) {
        uint8_t order[FEW_ROWS];
        _mm512_storeu_si512(order, node->order);
        return grow_small_of_few_avx512(t, &node->p, order, level);
    }
    if (tree_reserve(t->g->out, 1))
        return -ENOMEM;
    uint32_t id = add_node(t->g->out, &node->p);
    return !node->p.is_leaf && split(t, node, level, id);
}

int grow_few_avx512(struct grower *g, const struct block *b, const struct pending *root)
{
    struct few t;
    struct few_node stack[FEW_LEVELS + 1];
    uint32_t n = root->end - root->start, level = 0; /* so many nodes wait */
    uint8_t *names = (uint8_t *)b->temp;
    t.g = g;
    t.b = b;
    t.l = few_lay_out(few_memory_avx512(b), b->features);
    if (!take_rows(&t, b->order + root->start, n, names))
        return -EAGAIN;
    for (uint32_t f = 0; f < b->features; f++)
        few_take_list(&t.l, f, b->lists + (size_t)f * b->stride + root->start, n, names);
    stack[0] = (struct few_node){ *root, low_bits64(n), byte_numbers() };
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
