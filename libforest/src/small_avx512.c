/* SPDX-License-Identifier: MIT */
/*
 * small_avx512.c -- subtrees of up to 16 rows, which stay in registers. Most nodes are in these.
 *
 * A row is called by its place in the order of the root's samples, so any table by row is one
 * register: sixteen bytes of ranks, two vectors of doubles. A feature's list is sixteen
 * bytes, too, and four features are parted at a time. Each node has a set of lists of its own: the
 * right child's take the place of its parent's and wait there, the left one's go one level up.
 *
 * So few rows are often cut alike by several features, and then rounding decides. Therefore
 * cuts are not estimated here but rated as the rules do.
 */
#include "avx512.h"

#ifdef HAVE_AVX512
#include <math.h>
#include <string.h>

#include "small.h"
#include "ties.h"

#define ROWS SMALL_ROWS
#define LEVELS ROWS                       /* nodes that wait, and the one at hand */
#define EACH UINT64_C(0x0001000100010001) /* a bit for each of four features */

/* What the sums of a node are formed of, by row. */
struct addends {
    double sum, sumsq, weight, none;
};

/* A node whose threshold is yet to be filled in: reading two rows of a large column takes a while.
 */
struct threshold {
    uint32_t id;
    const float *below, *above;
};

struct small {
    struct grower *g;
    const struct block *b;
    uint32_t groups;        /* of four features */
    uint8_t (*ranks)[ROWS]; /* by feature, then row */
    uint8_t (*lists)[ROWS]; /* by level, then feature */
    uint16_t *ties;         /* by feature, of the node at hand: a bit per place of its list */
    struct addends addends[ROWS];
    double wy[ROWS], w[ROWS];
    uint32_t row[ROWS];
    struct threshold thresholds[ROWS];
    uint32_t waiting; /* thresholds */
};

struct small_node {
    struct pending p; /* start is not used */
    __m128i order;
};

size_t small_bytes(uint32_t features)
{
    size_t padded = ((size_t)features + 3) / 4 * 4;
    return padded * ROWS * (1 + LEVELS) + (padded + 32) * sizeof(uint16_t);
}

static uint8_t (*lists_of(const struct small *s, uint32_t level))[ROWS]
{
    return s->lists + (size_t)level * s->groups * 4;
}

/* ---- from the block ---------------------------------------------------------------------- */

static void take_rows(struct small *s, const uint32_t *order, uint32_t n, uint8_t *names)
{
    const struct block *b = s->b;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t slot = order[i] & 0xffff;
        names[slot] = (uint8_t)i;
        s->wy[i] = b->wy[slot];
        s->w[i] = b->w[slot];
        s->addends[i] = (struct addends){ b->wy[slot], b->wyy[slot], b->w[slot], 0.0 };
        s->row[i] = b->row[slot];
    }
}

static void take_list(struct small *s, uint32_t feature, uint32_t start, uint32_t n,
                      const uint8_t *names)
{
    const uint32_t *list = s->b->lists + feature * s->b->stride + start;
    uint8_t *to = s->lists[feature], *ranks = s->ranks[feature], rank = 0;
    bool constant = list[0] >> 16 == list[n - 1] >> 16;
    for (uint32_t i = 0; i < n; i++) {
        /* what a list of nothing but ties holds does not matter, and may be of other rows (B1) */
        uint8_t name = constant ? (uint8_t)i : names[list[i] & 0xffff];
        rank = i > 0 && list[i] >> 16 != list[i - 1] >> 16 && !constant ? (uint8_t)i : rank;
        to[i] = name;
        ranks[name] = rank;
    }
    memset(to + n, 0, ROWS - n);
}

/* ---- ties -------------------------------------------------------------------------------- */

static void find_ties(const struct small *s, uint32_t level, uint32_t n)
{
    const uint8_t(*lists)[ROWS] = (const uint8_t(*)[ROWS])lists_of(s, level);
    uint64_t valid = EACH * (low_bits(n) & ~1u);
    for (uint32_t i = 0; i < s->groups; i++) {
        __m512i rank = _mm512_shuffle_epi8(_mm512_loadu_si512(s->ranks + 4 * i),
                                           _mm512_loadu_si512(lists + 4 * i));
        uint64_t ties = _mm512_cmpeq_epi8_mask(rank, _mm512_bslli_epi128(rank, 1)) & valid;
        memcpy(s->ties + 4 * i, &ties, sizeof ties);
    }
}

struct node_view {
    const uint16_t *ties;
    uint32_t all;
};

static bool is_constant(void *context, uint32_t feature)
{
    const struct node_view *v = context;
    return v->ties[feature] == v->all;
}

/* ---- the sort: as in sort_avx512.c, whose P1 to P3 this refers to --------------------------- */

static inline __m128i byte_numbers(void)
{
    return _mm_set_epi8(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
}

/* Bytes count-1..0 of v; what follows is of no meaning. */
static inline __m128i reverse_few(__m128i v, unsigned count)
{
    __m128i from = _mm_sub_epi8(_mm_set1_epi8((char)(count - 1)), byte_numbers());
    return _mm_shuffle_epi8(v, from);
}

/* Bytes from..15 of v, then some zeros. */
static inline __m128i bytes_from(__m128i v, uint32_t from)
{
    return _mm_shuffle_epi8(v, _mm_add_epi8(byte_numbers(), _mm_set1_epi8((char)from)));
}

/* P1 and P2. */
static __m128i part_few(__m128i v, uint32_t greater, uint32_t n, uint32_t left)
{
    uint32_t valid = low_bits(n), front = low_bits(left), not_greater = valid & ~greater;
    uint32_t from_front = greater & low_bits(left + 1), from_back = not_greater & ~front;
    uint32_t take = valid & ~front & (not_greater >> 1 | 1u << (n - 1));
    __m128i g =
        reverse_few(_mm_maskz_compress_epi8((__mmask16)from_front, v), count_bits(from_front));
    __m128i l =
        reverse_few(_mm_maskz_compress_epi8((__mmask16)from_back, v), count_bits(from_back));
    __m128i back = _mm_mask_expand_epi8(_mm_bsrli_si128(v, 1), (__mmask16)take, g);
    v = _mm_mask_expand_epi8(v, (__mmask16)(greater & front), l);
    return _mm_mask_mov_epi8(v, (__mmask16)(valid & ~front), back);
}

static void sift_down(uint8_t *a, const uint8_t *ranks, uint32_t root, uint32_t n)
{
    for (;;) {
        uint32_t child = root * 2 + 1, largest = root;
        if (child < n && ranks[a[largest]] < ranks[a[child]])
            largest = child;
        if (child + 1 < n && ranks[a[largest]] < ranks[a[child + 1]])
            largest = child + 1;
        if (largest == root)
            return;
        uint8_t t = a[root];
        a[root] = a[largest];
        a[largest] = t;
        root = largest;
    }
}

static void heap_sort(uint8_t *a, const uint8_t *ranks, uint32_t n)
{
    for (uint32_t root = n / 2; root-- > 0;)
        sift_down(a, ranks, root, n);
    for (uint32_t last = n - 1; last > 0; last--) {
        uint8_t t = a[0];
        a[0] = a[last];
        a[last] = t;
        sift_down(a, ranks, 0, last);
    }
}

/* The rank, in all bytes, of the median of the first, middle and last. */
static inline __m128i pivot_rank(__m128i rank, uint32_t n)
{
    __m128i a = _mm_broadcastb_epi8(rank);
    __m128i b = _mm_shuffle_epi8(rank, _mm_set1_epi8((char)(n / 2)));
    __m128i c = _mm_shuffle_epi8(rank, _mm_set1_epi8((char)(n - 1)));
    return _mm_max_epu8(_mm_min_epu8(a, b), _mm_min_epu8(_mm_max_epu8(a, b), c));
}

static __m128i heap_sort_few(__m128i v, const uint8_t *ranks, uint32_t n)
{
    uint8_t a[ROWS];
    _mm_storeu_si128((__m128i *)(void *)a, v);
    heap_sort(a, ranks, n);
    return _mm_loadu_si128((const __m128i *)(const void *)a);
}

/* Bytes 0..count-1 of `run` to `place` of `sorted`. */
static inline __m128i put(__m128i sorted, __m128i run, uint32_t place, uint32_t count)
{
    return _mm_mask_expand_epi8(sorted, (__mmask16)(low_bits(count) << place), run);
}

/*
 * Sort bytes 0..n-1 of v by `ranks`, as far as `ties`, from bit `off` on, make it necessary. Runs
 * of ties go to their places in `sorted`, which is returned.
 */
static __m128i sort_few(__m128i sorted, const uint8_t *ranks, uint32_t ties, __m128i v,
                        uint32_t off, uint32_t n, int depth)
{
    __m128i by_row = _mm_loadu_si128((const __m128i *)(const void *)ranks);
    while (ties >> off & low_bits(n) & ~1u) {
        if (depth-- <= 0)
            return put(sorted, heap_sort_few(v, ranks, n), off, n);
        __m128i rank = _mm_shuffle_epi8(by_row, v), pivot = pivot_rank(rank, n);
        uint32_t greater = _mm_cmpgt_epu8_mask(rank, pivot) & low_bits(n),
                 left = n - count_bits(greater);
        if (greater) {
            v = part_few(v, greater, n, left);
            rank = _mm_shuffle_epi8(by_row, v);
        }
        uint32_t less = _mm_cmplt_epu8_mask(rank, pivot) & low_bits(left),
                 lesser = count_bits(less);
        uint32_t equal = low_bits(left) & ~less;
        if (left - lesser > 1) {
            __m128i run = _mm_maskz_compress_epi8((__mmask16)equal, v);
            if (less)
                run = _mm_shuffle_epi8(run, small_queue(equal, left));
            sorted = put(sorted, run, off + lesser, left - lesser);
        }
        if (ties >> off & low_bits(lesser) & ~1u)
            sorted = sort_few(sorted, ranks, ties, _mm_maskz_compress_epi8((__mmask16)less, v), off,
                              lesser, depth);
        v = bytes_from(v, left);
        off += left;
        n -= left;
    }
    return sorted;
}

/* Take the order through all sorts. */
static __m128i sort_scanned(const struct small *s, const struct drawn *d, uint8_t (*lists)[ROWS],
                            __m128i order, uint32_t n)
{
    for (uint32_t i = 0; i < d->scanned; i++) {
        uint32_t feature = s->g->scanned[i];
        __m128i *list = (__m128i *)(void *)lists[feature], sorted = _mm_loadu_si128(list);
        if (s->ties[feature]) {
            sorted =
                sort_few(sorted, s->ranks[feature], s->ties[feature], order, 0, n, sort_depth(n));
            _mm_storeu_si128(list, sorted);
        }
        order = sorted;
    }
    return order;
}

/* ---- the search: see scan_avx512.c -------------------------------------- */

struct lanes {
    __m512d sum, weight;
    __m512i rows[2]; /* rows[p / 8]: eight bytes for each place p, one a lane */
    __m512i ties, done;
    __mmask8 used;
};

static unsigned set_lanes(const struct small *s, const struct drawn *d, uint32_t from,
                          const uint8_t (*lists)[ROWS], struct lanes *l)
{
    static const uint8_t by_place[64] = {
        0, 16, 32, 48, 64, 80, 96,  112, 1, 17, 33, 49, 65, 81, 97,  113,
        2, 18, 34, 50, 66, 82, 98,  114, 3, 19, 35, 51, 67, 83, 99,  115,
        4, 20, 36, 52, 68, 84, 100, 116, 5, 21, 37, 53, 69, 85, 101, 117,
        6, 22, 38, 54, 70, 86, 102, 118, 7, 23, 39, 55, 71, 87, 103, 119,
    };
    unsigned count = d->scanned - from < 8 ? d->scanned - from : 8;
    uint64_t ties[2] = { 0, 0 };
    __m128i a[8];
    for (unsigned i = 0; i < 8; i++) {
        uint32_t feature = s->g->scanned[from + (i < count ? i : 0)];
        a[i] = _mm_loadu_si128((const __m128i *)(const void *)lists[feature]);
        ties[i / 4] |= (uint64_t)s->ties[feature] << i % 4 * 16;
    }
    __m512i low = _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_set_m128i(a[1], a[0])),
                                     _mm256_set_m128i(a[3], a[2]), 1);
    __m512i high = _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_set_m128i(a[5], a[4])),
                                      _mm256_set_m128i(a[7], a[6]), 1);
    __m512i at = _mm512_loadu_si512(by_place);
    l->rows[0] = _mm512_permutex2var_epi8(low, at, high);
    l->rows[1] = _mm512_permutex2var_epi8(low, _mm512_add_epi8(at, _mm512_set1_epi8(8)), high);
    l->sum = l->weight = _mm512_setzero_pd();
    l->ties = _mm512_cvtepu16_epi64(_mm_set_epi64x((long long)ties[1], (long long)ties[0]));
    l->done = _mm512_setzero_si512();
    l->used = (__mmask8)low_bits(count);
    return count;
}

/* Where the rules start from the total and take away what is behind. */
static __attribute__((noinline)) void add_backwards(const struct small *s, const struct sums *all,
                                                    uint32_t n, const uint8_t rows[][8],
                                                    struct lanes *l, uint32_t p, uint32_t which)
{
    double sum[8], weight[8];
    _mm512_storeu_pd(sum, l->sum);
    _mm512_storeu_pd(weight, l->weight);
    for (; which; which &= which - 1) {
        int k = __builtin_ctz(which);
        sum[k] = all->sum;
        weight[k] = all->weight;
        for (uint32_t i = n; i-- > p;) {
            sum[k] -= s->wy[rows[i][k]];
            weight[k] -= s->w[rows[i][k]];
        }
    }
    l->sum = _mm512_loadu_pd(sum);
    l->weight = _mm512_loadu_pd(weight);
}

static inline __m512d rate_merit(const struct lanes *l, __m512d total, __m512d weight_right)
{
    __m512d right = _mm512_sub_pd(total, l->sum);
    __m512d merit = _mm512_div_pd(_mm512_mul_pd(l->sum, l->sum), l->weight);
    return _mm512_add_pd(merit, _mm512_div_pd(_mm512_mul_pd(right, right), weight_right));
}

/* Improve on `best`, among eight features; returns the lane and place in `pos`, or -1. */
static int rate_lanes(const struct small *s, const struct sums *all, uint32_t n, struct lanes *l,
                      double *best, uint32_t *pos)
{
    uint8_t rows[ROWS][8];
    uint32_t first = s->g->limits->min_samples_leaf, last = n - first;
    __m512d wy0 = _mm512_loadu_pd(s->wy), wy1 = _mm512_loadu_pd(s->wy + 8);
    __m512d w0 = _mm512_loadu_pd(s->w), w1 = _mm512_loadu_pd(s->w + 8);
    __m512d total = _mm512_set1_pd(all->sum), weight = _mm512_set1_pd(all->weight);
    __m512d least = _mm512_set1_pd(s->g->limits->min_weight_leaf), bests = _mm512_set1_pd(*best);
    __m512i at = _mm512_setzero_si512();
    _mm512_storeu_si512(rows[0], l->rows[0]);
    _mm512_storeu_si512(rows[8], l->rows[1]);
    for (uint32_t p = 1; p <= last; p++) {
        __m512i row =
            _mm512_cvtepu8_epi64(_mm_loadl_epi64((const __m128i *)(const void *)rows[p - 1]));
        l->sum = _mm512_add_pd(l->sum, _mm512_permutex2var_pd(wy0, row, wy1));
        l->weight = _mm512_add_pd(l->weight, _mm512_permutex2var_pd(w0, row, w1));
        if (p < first)
            continue;
        __m512i here = _mm512_set1_epi64(p), bound = _mm512_set1_epi64(2 * (int64_t)p - n);
        __mmask8 cut = _mm512_mask_testn_epi64_mask(l->used, l->ties, _mm512_set1_epi64(1 << p));
        __mmask8 far = _mm512_mask_cmplt_epi64_mask(cut, l->done, bound);
        if (__builtin_expect(far, 0))
            add_backwards(s, all, n, (const uint8_t(*)[8])rows, l, p, far);
        l->done = _mm512_mask_mov_epi64(l->done, cut, here);
        __m512d right = _mm512_sub_pd(weight, l->weight);
        cut = _mm512_mask_cmp_pd_mask(cut, l->weight, least, _CMP_NLT_UQ);
        cut = _mm512_mask_cmp_pd_mask(cut, right, least, _CMP_NLT_UQ);
        __m512d merit = rate_merit(l, total, right);
        __mmask8 better = _mm512_mask_cmp_pd_mask(cut, merit, bests, _CMP_GT_OQ);
        bests = _mm512_mask_mov_pd(bests, better, merit);
        at = _mm512_mask_mov_epi64(at, better, here);
    }
    /* lanes without a better cut still have *best, and 0 in `at` */
    double most = _mm512_reduce_max_pd(bests);
    __mmask8 lanes = _mm512_cmp_pd_mask(bests, _mm512_set1_pd(most), _CMP_EQ_OQ);
    lanes = _mm512_mask_test_epi64_mask(lanes, at, at);
    if (!lanes)
        return -1;
    int lane = __builtin_ctz(lanes);
    *best = most;
    *pos = (uint32_t)_mm_cvtsi128_si32(
        _mm512_castsi512_si128(_mm512_permutexvar_epi64(_mm512_set1_epi64(lane), at)));
    return lane;
}

static struct found rate(const struct small *s, const struct drawn *d, const struct sums *all,
                         uint32_t n, const uint8_t (*lists)[ROWS])
{
    struct found found = { 0, 0 };
    double best = -HUGE_VAL;
    for (uint32_t from = 0; from < d->scanned; from += 8) {
        struct lanes l;
        set_lanes(s, d, from, lists, &l);
        int lane = rate_lanes(s, all, n, &l, &best, &found.pos);
        if (lane >= 0)
            found.feature = s->g->scanned[from + (uint32_t)lane];
    }
    return found;
}

/* ---- the split --------------------------------------------------------------------------- */

static void split_lists(const struct small *s, uint32_t level, __m128i goes_left, uint32_t n,
                        uint32_t left)
{
    const uint8_t(*from)[ROWS] = (const uint8_t(*)[ROWS])lists_of(s, level);
    uint8_t(*r)[ROWS] = lists_of(s, level), (*l)[ROWS] = lists_of(s, level + 1);
    __m512i side = _mm512_broadcast_i32x4(goes_left);
    uint64_t valid = EACH * low_bits(n), l_places = EACH * low_bits(left),
             r_places = EACH * low_bits(n - left);
    for (uint32_t i = 0; i < s->groups; i++) {
        __m512i v = _mm512_loadu_si512(from + 4 * i);
        uint64_t is_left = _mm512_movepi8_mask(_mm512_shuffle_epi8(side, v)) & valid;
        /* every feature has as many on the left, so that packing and spreading keeps them apart */
        __m512i a = _mm512_maskz_compress_epi8(is_left, v),
                c = _mm512_maskz_compress_epi8(valid & ~is_left, v);
        _mm512_storeu_si512(r + 4 * i, _mm512_maskz_expand_epi8(r_places, c));
        _mm512_storeu_si512(l + 4 * i, _mm512_maskz_expand_epi8(l_places, a));
    }
}

static inline struct sums as_sums(__m256d v)
{
    double a[4];
    _mm256_storeu_pd(a, v);
    return (struct sums){ a[0], a[1], a[2] };
}

static inline __m256d addends_of(const struct small *s, uint8_t row)
{
    return _mm256_loadu_pd(&s->addends[row].sum);
}

static void sum_children(const struct small *s, __m128i order, uint32_t n, uint32_t left,
                         struct sums child[2], struct sums *rest)
{
    uint8_t rows[ROWS];
    uint32_t right = n - left, most = left > right ? left : right;
    __m256d l = _mm256_setzero_pd(), r = l;
    _mm_storeu_si128((__m128i *)(void *)rows, order);
    for (uint32_t i = 0; i < most; i++) {
        if (i < left)
            l = _mm256_add_pd(l, addends_of(s, rows[i]));
        if (i < right)
            r = _mm256_add_pd(r, addends_of(s, rows[left + i]));
    }
    child[0] = as_sums(l);
    child[1] = as_sums(r);
    for (uint32_t i = n; i-- > left && left > right;) {
        rest->sum -= s->wy[rows[i]];
        rest->weight -= s->w[rows[i]];
    }
}

/* Judge the split between two rows, and note it in the tree; false if it gains too little. */
static bool enter(struct small *s, const struct small_node *node, uint32_t id, struct found found,
                  uint32_t below, uint32_t above, const struct sums child[2],
                  const struct sums *rest, struct verdict *v)
{
    const struct grower *g = s->g;
    const float *column = prep_column(s->b->prep, found.feature);
    judge(g, &node->p, found.pos, child, rest, v);
    if (v->too_little)
        return false;
    struct threshold t = { id, column + s->row[below], column + s->row[above] };
    __builtin_prefetch(t.below);
    __builtin_prefetch(t.above);
    s->thresholds[s->waiting++] = t;
    g->out->nodes[id].feature = found.feature;
    v->left.parent = v->right.parent = (int32_t)id;
    return true;
}

struct merit {
    double value;
    bool allowed;
};

/* Of the cut that leaves one row on the left, of two in all. */
static struct merit rate_one(const struct small *s, const struct sums *all, uint32_t row)
{
    double least = s->g->limits->min_weight_leaf;
    double sum = 0.0 + s->wy[row], weight = 0.0 + s->w[row], right = all->sum - sum,
           rest = all->weight - weight;
    return (struct merit){ sum * sum / weight + right * right / rest,
                           !(weight < least) && !(rest < least) };
}

/* Two rows: there are but two cuts, and nothing to sort. Both children are added, too. */
static void split_two(struct small *s, const struct small_node *node, uint32_t level, uint32_t id,
                      const struct drawn *d)
{
    const uint8_t(*lists)[ROWS] = (const uint8_t(*)[ROWS])lists_of(s, level);
    uint8_t a = (uint8_t)_mm_extract_epi8(node->order, 0),
            b = (uint8_t)_mm_extract_epi8(node->order, 1);
    struct merit first = rate_one(s, &node->p.sums, a), second = rate_one(s, &node->p.sums, b);
    struct found found = { 0, 0 };
    double best = -HUGE_VAL;
    uint8_t left = a;
    for (uint32_t i = 0; i < d->scanned; i++) {
        uint8_t row = lists[s->g->scanned[i]][0];
        struct merit m = row == a ? first : second;
        if (m.allowed && m.value > best) {
            best = m.value;
            left = row;
            found = (struct found){ s->g->scanned[i], 1 };
        }
    }
    if (!found.pos)
        return;
    uint8_t right = left == a ? b : a;
    const struct addends *l = &s->addends[left], *r = &s->addends[right];
    struct sums child[2] = { { 0.0 + l->sum, 0.0 + l->sumsq, 0.0 + l->weight },
                             { 0.0 + r->sum, 0.0 + r->sumsq, 0.0 + r->weight } };
    struct verdict v;
    if (!enter(s, node, id, found, left, right, child, &node->p.sums, &v))
        return;
    add_node(s->g->out, &v.left);
    add_node(s->g->out, &v.right);
}

/*
 * Split the node at `level`, if it is worth it; the left child's lists go one level up. False if
 * nothing is left to be done below it.
 */
static bool split(struct small *s, const struct small_node *node, uint32_t level, uint32_t id,
                  struct small_node *l, struct small_node *r)
{
    struct grower *g = s->g;
    uint32_t n = node->p.end - node->p.start;
    uint8_t(*lists)[ROWS] = lists_of(s, level);
    struct node_view view = { s->ties, low_bits(n) & ~1u };
    find_ties(s, level, n);
    struct drawn d = draw_features(g, node->p.constants, is_constant, &view);
    if (d.scanned == 0)
        return false;
    if (n == 2) {
        split_two(s, node, level, id, &d);
        return false;
    }
    __m128i order = sort_scanned(s, &d, lists, node->order, n);
    struct found found = rate(s, &d, &node->p.sums, n, (const uint8_t(*)[ROWS])lists);
    if (!found.pos)
        return false;
    const uint8_t *list = lists[found.feature], *ranks = s->ranks[found.feature];
    uint8_t below = list[found.pos - 1], above = list[found.pos];
    __m128i rank = _mm_loadu_si128((const __m128i *)(const void *)ranks);
    __m128i goes_left = _mm_movm_epi8(_mm_cmple_epu8_mask(rank, _mm_set1_epi8((char)ranks[below])));
    uint32_t greater =
        low_bits(n) & ~(uint32_t)_mm_movepi8_mask(_mm_shuffle_epi8(goes_left, order));
    order = part_few(order, greater, n, found.pos);
    struct sums child[2], rest = node->p.sums;
    struct verdict v;
    sum_children(s, order, n, found.pos, child, &rest);
    if (!enter(s, node, id, found, below, above, child, &rest, &v))
        return false;
    v.left.constants = v.right.constants = d.constants;
    if (!v.left.is_leaf || !v.right.is_leaf)
        split_lists(s, level, goes_left, n, found.pos);
    *l = (struct small_node){ v.left, order };
    *r = (struct small_node){ v.right, bytes_from(order, found.pos) };
    return true;
}

/* ---- the subtree ------------------------------------------------------------------------- */

static void grow(struct small *s, const struct pending *root)
{
    struct small_node stack[LEVELS], node = { *root, byte_numbers() };
    uint32_t level = 0; /* so many nodes wait; each has the lists of its place in the stack */
    for (;;) {
        struct small_node l, r;
        uint32_t id = add_node(s->g->out, &node.p);
        if (!node.p.is_leaf && split(s, &node, level, id, &l, &r)) {
            node = l;
            stack[level++] = r;
        } else if (level > 0) {
            node = stack[--level];
        } else {
            return;
        }
    }
}

int grow_small_avx512(struct grower *g, const struct block *b, const struct pending *root)
{
    uint32_t n = root->end - root->start;
    size_t padded = ((size_t)g->features_count + 3) / 4 * 4;
    struct small s = {
        .g = g, .b = b, .groups = (uint32_t)(padded / 4), .ranks = (uint8_t(*)[ROWS])b->small
    };
    int err = reserve_nodes(g->out, 2 * ROWS);
    if (err)
        return err;
    s.lists = s.ranks + padded;
    s.ties = (uint16_t *)(void *)(s.lists + padded * LEVELS);
    memset(s.wy, 0, sizeof s.wy);
    memset(s.w, 0, sizeof s.w);
    uint8_t *names = (uint8_t *)b->temp;
    take_rows(&s, b->order + root->start, n, names);
    for (uint32_t f = 0; f < g->features_count; f++)
        take_list(&s, f, root->start, n, names);
    grow(&s, root);
    for (uint32_t i = 0; i < s.waiting; i++)
        set_threshold(g->out, s.thresholds[i].id, *s.thresholds[i].below, *s.thresholds[i].above);
    return 0;
}

#pragma GCC pop_options
#endif
