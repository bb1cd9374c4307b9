/* SPDX-License-Identifier: MIT */
/*
 * hist.c -- grows a tree from bins, nodes in preorder.
 *
 * A node is a range of an array of row numbers, parted in place. There are three sizes of nodes:
 *   large   the histograms of all features are kept; of two children the smaller one is counted,
 *           and taken away from the parent's to get the other (hist_child)
 *   block   codes and worth of its rows are copied to be close together, once for the subtree
 *   small   cuts are searched from the rows themselves
 * They find the same cuts, so where one ends and the next begins does not show in the tree.
 */
#include "hist.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "exact/kernels.h"
#include "hist_grower.h"

#define HISTOGRAM_ROWS HIST_LANES_ROWS /* nodes of more */
#define BLOCK_ROWS 4096u               /* of no more, if they fit */
#define BLOCK_BYTES ((size_t)4 << 20)
#define HISTOGRAMS_MAX 64u /* beyond that a node's is counted when its turn comes */
#define HISTOGRAMS_BYTES ((size_t)32 << 20) /* of all together */
#define LANES_SHARE 4u /* if at least such a part of the features is looked at */
#define UNIT_BITS 61   /* all worth together, in absolute value */
#define WEIGHT_BITS 30

struct hist_scratch *hist_scratch_new(void)
{
    struct hist_scratch *s = calloc(1, sizeof *s);

    if (s) {
        hist_scratch_limit(s, HISTOGRAM_ROWS, BLOCK_ROWS);
        (void)hist_scratch_level(s, KERNELS_BEST);
    }
    return s;
}

void hist_scratch_free(struct hist_scratch *s)
{
    if (!s)
        return;
    free(s->rows.memory);
    free(s->worth.memory);
    free(s->bins.memory);
    free(s->block.memory);
    free(s->features.memory);
    free(s->pending.memory);
    free(s->few.memory);
    free(s);
}

int hist_scratch_level(struct hist_scratch *s, enum kernels_level level)
{
    hist_lanes_search *search = hist_lanes_of(level);

    if (!search)
        return -ENOSYS;
    s->search_lanes = search;
    s->grow_few = NULL;
#ifdef HAVE_AVX2
    if (kernels_level_of(level) != KERNELS_PLAIN) /* with AVX-512 it is the best there is, too */
        s->grow_few = hist_few_grow_avx2;
    s->scan = hist_scan_avx2;
    s->scan_lanes = 8;
#endif
#ifdef HAVE_AVX512
    if (kernels_level_of(level) == KERNELS_AVX512) {
        s->scan = hist_scan_avx512;
        s->scan_lanes = 16;
    }
#endif
    return 0;
}

void hist_scratch_limit(struct hist_scratch *s, uint32_t histogram, uint32_t block)
{
    s->histogram_rows = histogram;
    s->block_rows = block;
}

/* ---- whole numbers ------------------------------------------------------------------------- */

struct totals {
    double weight, y_max;
    uint32_t rows;
    bool whole;
};

static int look_at_rows(const struct bins *b, const double *y, const double *w, struct totals *t)
{
    *t = (struct totals){ .whole = true };
    for (uint32_t i = 0; i < b->rows; i++) {
        if (!isfinite(w[i]) || !isfinite(y[i]) || w[i] < 0.0)
            return -EINVAL;
        if (w[i] == 0.0)
            continue;
        t->rows++;
        t->weight += w[i];
        t->whole &= w[i] <= 0x1p30 && w[i] == (double)(int64_t)w[i];
        t->y_max = fabs(y[i]) > t->y_max ? fabs(y[i]) : t->y_max;
    }
    return t->rows && t->rows < 1u << (WEIGHT_BITS - 1) && isfinite(t->weight) ? 0 : -EINVAL;
}

/*
 * Weight and target in units, without a branch: whether a row was drawn cannot be foreseen. Of a
 * weight above 0 it is one at least, also where the quotient is too small for a double.
 */
static inline double units_of(const struct hist_grower *g, double w)
{
    double units = w / g->weight_unit, least = w < DBL_MIN ? w : DBL_MIN;
    return ceil(units > least ? units : least);
}

/* A row that weighs nothing may have more than y_max, and a quotient that is infinite. */
static inline double target_of(const struct totals *t, double y, double y_unit)
{
    y = y < t->y_max ? y : t->y_max;
    return (y > -t->y_max ? y : -t->y_max) / y_unit;
}

/*
 * Units such that no sum overflows: whole weights as they are, if they fit; targets less their
 * mean, and as fine as the sum of all their sizes allows.
 */
static void fill_worth(struct hist_grower *g, const double *y, const double *w, struct totals *t,
                       parcel *worth)
{
    uint32_t rows = g->bins->rows;
    double most = ldexp(1.0, WEIGHT_BITS), sum = 0.0, size = 0.0;
    int exponent = 0;
    frexp(t->y_max, &exponent);
    double y_unit = ldexp(1.0, exponent - 1); /* a power of two: no digit is lost by it */

    g->weight_unit =
        t->whole && t->weight <= most ? 1.0 : fmax(t->weight / (most - t->rows), DBL_MIN);
    for (uint32_t i = 0; i < rows; i++)
        sum += w[i] * target_of(t, y[i], y_unit);
    g->mean = sum / t->weight * y_unit;
    if (isinf(g->mean)) /* all are as large as doubles get, and the division rounds up */
        g->mean = copysign(t->y_max, g->mean);
    for (uint32_t i = 0; i < rows; i++)
        size += units_of(g, w[i]) * fabs(target_of(t, y[i], y_unit) - g->mean / y_unit);
    frexp(size + (double)t->rows, &exponent); /* rounding adds half a unit a row at most */
    double scale = ldexp(1.0, UNIT_BITS - exponent);
    g->unit = y_unit / scale;
    g->weight_all = 0.0;
    g->rows = g->scratch->rows.memory;
    g->spare = g->rows + t->rows;
    for (uint32_t i = 0, n = 0; i < rows; i++) {
        if (w[i] == 0.0)
            continue;
        int64_t weight = (int64_t)units_of(g, w[i]);
        int64_t whole = (int64_t)((y[i] / y_unit - g->mean / y_unit) * scale);
        worth[i] = (parcel){ weight * whole, weight << 32 | 1 };
        g->weight_all += (double)weight;
        g->rows[n++] = i;
    }
}

/* ---- memory -------------------------------------------------------------------------------- */

static size_t histogram_size(const struct hist_grower *g)
{
    return (size_t)g->bins->features * BINS_MAX;
}

static parcel *histogram_at(const struct hist_grower *g, uint32_t number)
{
    return g->blank + BINS_MAX + number * histogram_size(g);
}

static uint32_t histogram_take(struct hist_grower *g)
{
    uint64_t free = ~g->is_used & (g->histograms < 64 ? ((uint64_t)1 << g->histograms) - 1 : ~0ull);

    if (!free)
        return NO_HISTOGRAM;
    uint32_t number = (uint32_t)__builtin_ctzll(free);
    g->is_used |= (uint64_t)1 << number;
    return number;
}

static void histogram_give(struct hist_grower *g, uint32_t number)
{
    if (number != NO_HISTOGRAM)
        g->is_used &= ~((uint64_t)1 << number);
}

static int reserve(struct hist_grower *g, uint32_t rows)
{
    struct hist_scratch *s = g->scratch;
    const struct bins *b = g->bins;
    uint32_t depth = 2;
    int err = 0;

    while (depth < 32 && rows >> depth > s->histogram_rows)
        depth++;
    size_t fit = HISTOGRAMS_BYTES / (histogram_size(g) * sizeof(parcel));
    size_t row = sizeof(parcel) + b->stride + sizeof(uint32_t);
    g->histograms = rows <= s->histogram_rows ? 0 : depth + 2;
    g->histograms = g->histograms < HISTOGRAMS_MAX ? g->histograms : HISTOGRAMS_MAX;
    g->histograms = g->histograms < fit ? g->histograms : (uint32_t)fit;
    g->block_rows =
        s->block_rows < BLOCK_BYTES / row ? s->block_rows : (uint32_t)(BLOCK_BYTES / row);
    if (!err)
        err = arena_reserve(&s->rows, 2 * (size_t)rows * sizeof(uint32_t));
    if (!err)
        err = arena_reserve(&s->worth, (size_t)b->rows * sizeof(parcel));
    size_t groups = b->stride / HIST_LANES;
    if (!err)
        err = arena_reserve(&s->features,
                            sizeof *g->cells +
                                groups * (sizeof *g->cuts + HIST_LANES * sizeof *g->features));
    if (!err)
        err = arena_reserve(&s->bins,
                            (BINS_MAX + g->histograms * histogram_size(g)) * sizeof(parcel));
    if (!err)
        err = arena_reserve(&s->block, g->block_rows * row);
    g->cells = s->features.memory;
    g->cuts = (struct hist_lane_cuts *)(g->cells + 1);
    g->features = (uint32_t *)(g->cuts + groups);
    g->blank = s->bins.memory;
    return err;
}

/* For subtrees that are grown by themselves. */
static int reserve_few(struct hist_grower *g)
{
#ifdef HAVE_AVX2
    if (g->in_few)
        return arena_reserve(&g->scratch->few, hist_few_bytes(g->bins->features));
#endif
    (void)g;
    return 0;
}

static int reserve_nodes_pending(struct hist_scratch *s, size_t count)
{
    size_t bytes = count * sizeof(struct hist_pending);

    if (bytes <= s->pending.bytes)
        return 0;
    void *memory = NULL;
    if (posix_memalign(&memory, 64, 2 * bytes + 4096))
        return -ENOMEM;
    if (s->pending.bytes)
        memcpy(memory, s->pending.memory, s->pending.bytes);
    free(s->pending.memory);
    s->pending = (struct arena){ memory, 2 * bytes + 4096 };
    return 0;
}

/* ---- nodes --------------------------------------------------------------------------------- */

static void count_rows(struct hist_grower *g, uint32_t number, uint32_t start, uint32_t end)
{
    parcel *bins = histogram_at(g, number);

    memset(bins, 0, histogram_size(g) * sizeof *bins);
    hist_add_rows(&g->of, g->rows + start, end - start, g->bins->features, bins);
}

/* Histograms of the children of a node that are large enough to want one. */
static void hist_child(struct hist_grower *g, uint32_t parent, struct hist_pending *left,
                       struct hist_pending *right)
{
    bool is_left_small = left->end - left->start <= right->end - right->start;
    struct hist_pending *small = is_left_small ? left : right,
                        *large = is_left_small ? right : left;

    if (large->end - large->start <= g->scratch->histogram_rows) {
        histogram_give(g, parent);
        return;
    }
    uint32_t number = histogram_take(g);
    if (number == NO_HISTOGRAM) {
        histogram_give(g, parent);
        return;
    }
    count_rows(g, number, small->start, small->end);
    parcel *from = histogram_at(g, parent), *less = histogram_at(g, number);
    for (size_t i = 0; i < histogram_size(g); i++)
        from[i] -= less[i];
    large->histogram = parent;
    if (small->end - small->start > g->scratch->histogram_rows)
        small->histogram = number;
    else
        histogram_give(g, number);
}

/* Of the rows' codes of a feature the next above `code`. */
static uint32_t next_code(const struct hist_some *some, uint32_t feature, uint32_t code)
{
    uint32_t next = BINS_MAX;

    for (uint32_t i = 0; i < some->n; i++) {
        uint32_t c = some->codes[i][feature];
        next = c > code && c < next ? c : next;
    }
    return next;
}

static void search_lanes(struct hist_grower *g, const struct hist_node *node, struct hist_cut *best)
{
    uint32_t count = g->bins->features, found = 0, groups = (count + HIST_LANES - 1) / HIST_LANES;
    struct hist_some some;

    if (!hist_some_load(node, &some))
        return;
    some.features = count;
    for (uint32_t i = 0; i < groups; i++)
        g->scratch->search_lanes(&some, i * HIST_LANES, g->cells, &g->cuts[i]);
    for (uint32_t i = 0; i < count && found < g->limits->max_features; i++) {
        uint32_t feature = hist_next_feature(g, i), lane = feature % HIST_LANES;
        const struct hist_lane_cuts *cuts = &g->cuts[feature / HIST_LANES];
        double top = (double)cuts->gain_top[lane], bottom = (double)cuts->gain_bottom[lane];
        found += cuts->code[lane] >= 0;
        if (cuts->code[lane] >= 0 && cut_is_better(best, top, bottom))
            *best = (struct hist_cut){ top, bottom, feature, (uint32_t)cuts->code[lane] };
    }
    if (best->gain_top > 0.0)
        best->code = cut_code(best->code, next_code(&some, best->feature, best->code));
}

static bool search_feature(struct hist_grower *g, const struct hist_node *node, uint32_t histogram,
                           uint32_t feature, struct hist_cut *best)
{
    if (histogram == NO_HISTOGRAM)
        return hist_search_rows(node, g->blank, feature, best);
    return hist_search_bins(node, histogram_at(g, histogram) + (size_t)feature * BINS_MAX, feature,
                            best);
}

static void search(struct hist_grower *g, const struct hist_pending *p, struct hist_cut *best)
{
    uint32_t count = g->bins->features, wanted = g->limits->max_features, found = 0;
    struct hist_node node = { .of = &g->of,
                              .rows = g->rows + p->start,
                              .n = p->end - p->start,
                              .all = p->all,
                              .min_rows =
                                  g->limits->min_samples_leaf ? g->limits->min_samples_leaf : 1,
                              .min_weight = g->min_weight };

    if (g->in_lanes && node.n <= HIST_LANES_ROWS) {
        if (node.n == 2)
            hist_search_pair(g, node.rows, best);
        else
            search_lanes(g, &node, best);
        return;
    }
    for (uint32_t i = 0; i < count && found < wanted; i++) {
        uint32_t feature = hist_next_feature(g, i);
        found += search_feature(g, &node, p->histogram, feature, best);
    }
}

/* Rows up to the code go to the front; both sides keep their order. Returns how many there are. */
static uint32_t part(struct hist_grower *g, const struct hist_pending *p,
                     const struct hist_cut *cut, parcel *left)
{
    const uint8_t *codes = g->of.codes + cut->feature;
    size_t stride = g->of.stride;
    uint32_t *rows = g->rows, at = p->start, behind = 0;
    parcel sum = { 0, 0 };

    for (uint32_t i = p->start; i < p->end; i++) {
        uint32_t row = rows[i];
        bool goes_left = codes[row * stride] <= cut->code;
        int64_t mask = -(int64_t)goes_left;
        rows[at] = row;
        g->spare[behind] = row;
        at += goes_left;
        behind += !goes_left;
        sum += g->of.worth[row] & (parcel){ mask, mask };
    }
    memcpy(rows + at, g->spare, behind * sizeof *rows);
    *left = sum;
    return at;
}

static int grow_node(struct hist_grower *g, struct hist_pending *p, size_t *count)
{
    struct hist_cut cut = { 0.0, 1.0, 0, 0 };
    parcel left = { 0, 0 };

    if (tree_reserve(g->out, 1))
        return -ENOMEM;
    if (p->histogram == NO_HISTOGRAM && p->end - p->start > g->scratch->histogram_rows &&
        (p->histogram = histogram_take(g)) != NO_HISTOGRAM)
        count_rows(g, p->histogram, p->start, p->end);
    uint32_t id = hist_add(g, p, g->rows + p->start);
    if (!hist_is_leaf(g, p))
        search(g, p, &cut);
    uint32_t middle = cut.gain_top > 0.0 ? part(g, p, &cut, &left) : p->start;
    if (middle == p->start || !hist_is_worth_it(g, p->all, left)) {
        histogram_give(g, p->histogram);
        return 0;
    }
    g->out->nodes[id].feature = cut.feature;
    g->out->nodes[id].number = bins_edge(g->bins, cut.feature, cut.code);
    int err = reserve_nodes_pending(g->scratch, *count + 2);
    if (err)
        return err;
    struct hist_pending *to = (struct hist_pending *)g->scratch->pending.memory + *count;
    to[0] = (struct hist_pending){ middle, p->end,       p->depth + 1, (int32_t)id,
                                   false,  NO_HISTOGRAM, p->all - left };
    to[1] = (struct hist_pending){ p->start, middle,       p->depth + 1, (int32_t)id,
                                   true,     NO_HISTOGRAM, left };
    if (p->histogram != NO_HISTOGRAM)
        hist_child(g, p->histogram, &to[1], &to[0]);
    *count += 2;
    return 0;
}

static int grow_subtree(struct hist_grower *g, struct hist_pending root, size_t bottom);

/* Grow it in a copy of what is known of its rows. */
static int grow_in_block(struct hist_grower *g, const struct hist_pending *root, size_t bottom)
{
    struct hist_grower in = *g;
    uint32_t n = root->end - root->start;
    size_t stride = g->of.stride;
    parcel *worth = g->scratch->block.memory;
    uint8_t *codes = (uint8_t *)(worth + g->block_rows);
    struct hist_pending inner = *root;

    in.rows = (uint32_t *)(void *)(codes + g->block_rows * stride);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = g->rows[root->start + i];
        if (i + HIST_AHEAD < n)
            hist_fetch(&g->of, g->rows[root->start + i + HIST_AHEAD]);
        worth[i] = g->of.worth[row];
        memcpy(codes + i * stride, g->of.codes + row * stride, stride);
        in.rows[i] = i;
    }
    in.of = (struct hist_rows){ codes, stride, worth };
    in.is_block = true;
    inner.start = 0;
    inner.end = n;
    int err = grow_subtree(&in, inner, bottom);
    g->state = in.state;
    g->is_used = in.is_used;
    return err;
}

/* `bottom` is how many pending nodes belong to callers. */
static int grow_subtree(struct hist_grower *g, struct hist_pending root, size_t bottom)
{
    size_t count = bottom;
    int err = reserve_nodes_pending(g->scratch, count + 1);

    if (err)
        return err;
    ((struct hist_pending *)g->scratch->pending.memory)[count++] = root;
    while (count > bottom && !err) {
        struct hist_pending p = ((struct hist_pending *)g->scratch->pending.memory)[--count];
        if (g->in_few && p.end - p.start <= HIST_FEW_NAMES) {
            histogram_give(g, p.histogram);
            err = g->scratch->grow_few(g, &p);
        } else if (!g->is_block && p.end - p.start <= g->block_rows)
            err = grow_in_block(g, &p, count);
        else
            err = grow_node(g, &p, &count);
    }
    return err;
}

int hist_grow(const struct bins *b, const double *y, const double *w, uint32_t splitter_seed,
              const struct grow_limits *limits, struct hist_scratch *scratch, struct tree *out)
{
    struct hist_grower g = {
        .bins = b, .limits = limits, .scratch = scratch, .out = out, .state = splitter_seed
    };
    struct totals t;
    int err = limits->max_features && limits->max_features <= b->features
                  ? look_at_rows(b, y, w, &t)
                  : -EINVAL;

    if (!err)
        err = reserve(&g, t.rows);
    if (!err)
        err = tree_start(out, grow_nodes_most(limits, t.rows), limits->keep_stats);
    if (err)
        return err;
    parcel *worth = scratch->worth.memory;
    fill_worth(&g, y, w, &t, worth);
    g.of = (struct hist_rows){ b->codes, b->stride, worth };
    g.min_weight = (int64_t)ceil(limits->min_weight_leaf / g.weight_unit);
    g.in_lanes = limits->min_samples_leaf <= 1 && g.min_weight == 0 &&
                 (uint64_t)limits->max_features * LANES_SHARE >= b->features;
    g.in_few = g.in_lanes && scratch->grow_few && b->features <= HIST_FEW_FEATURES;
    if (reserve_few(&g))
        return -ENOMEM;
    memset(g.blank, 0, BINS_MAX * sizeof *g.blank);
    memset(g.cells, 0, sizeof *g.cells);
    for (uint32_t f = 0; f < b->features; f++)
        g.features[f] = f;
    struct hist_pending root = { 0, t.rows, 0, -1, false, NO_HISTOGRAM, { 0, 0 } };
    for (uint32_t i = 0; i < t.rows; i++)
        root.all += worth[g.rows[i]];
    err = grow_subtree(&g, root, 0);
    if (err)
        out->count = 0;
    return err;
}
