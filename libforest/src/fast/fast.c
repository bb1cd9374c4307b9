/* SPDX-License-Identifier: MIT */
/* fast.c -- one tree of the fast mode: checks, scales, memory, and where the rows go. */
#include "fast.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fast_grower.h"
#include "exact/kernels.h"

static const struct fast_kernels *kernels_for(enum kernels_level level)
{
    switch (kernels_level_of(level)) {
#ifdef HAVE_AVX512
    case KERNELS_AVX512:
        return &fast_kernels_avx512;
    case KERNELS_AVX2:
        return &fast_kernels_avx2;
#endif
    case KERNELS_PLAIN:
        return &fast_kernels_plain;
    default:
        return NULL;
    }
}

struct list_loops list_loops_of(enum kernels_level level)
{
    const struct fast_kernels *k = kernels_for(level);
    struct list_loops loops = { NULL, NULL, NULL, NULL };

    if (k)
        loops = (struct list_loops){ k->fill_list, k->part, chunk_rate_plain, NULL };
#ifdef HAVE_AVX512
    if (kernels_level_of(level) == KERNELS_AVX512) {
        loops.rate = chunk_rate_avx512;
        loops.pass = chunk_pass_avx512;
    }
#endif
    return loops;
}

struct fast_scratch *fast_scratch_new(void)
{
    struct fast_scratch *s = calloc(1, sizeof *s);
    if (s) {
        s->kernels = kernels_for(KERNELS_BEST);
        s->block_rows = FAST_BLOCK_ROWS;
    }
    return s;
}

void fast_scratch_free(struct fast_scratch *s)
{
    if (!s)
        return;
    free(s->block.memory);
    free(s->narrow.memory);
    free(s->slots.memory);
    free(s->large.memory);
    free(s->items.memory);
    free(s->features.memory);
    free(s->nodes.memory);
    free(s);
}

int fast_scratch_level(struct fast_scratch *s, enum kernels_level level)
{
    const struct fast_kernels *kernels = kernels_for(level);
    if (!kernels)
        return -ENOSYS;
    s->kernels = kernels;
    return 0;
}

void fast_scratch_limit(struct fast_scratch *s, uint32_t rows)
{
    s->block_rows = rows < FAST_BLOCK_ROWS ? rows : FAST_BLOCK_ROWS;
}

int fast_reserve_nodes(struct fast_scratch *s, size_t count, struct fast_node **nodes)
{
    size_t bytes = count * sizeof **nodes;
    if (bytes > s->nodes.bytes) {
        void *memory = realloc(s->nodes.memory, 2 * bytes + 4096);
        if (!memory)
            return -ENOMEM;
        s->nodes = (struct arena){ memory, 2 * bytes + 4096 };
    }
    *nodes = s->nodes.memory;
    return 0;
}

/* ---- checks and scales --------------------------------------------------------------------- */

/* No less than what has a reciprocal: to divide by the power of two is to multiply by that. */
static double power_above(double x)
{
    int e;
    frexp(x, &e);
    return ldexp(1.0, e > DBL_MAX_EXP - 1 ? DBL_MAX_EXP - 1 : e < DBL_MIN_EXP ? DBL_MIN_EXP : e);
}

/* Of numbers that are not negative the order is that of their bits; a NaN is above all. */
static inline uint64_t bits_of(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline double number_of(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline uint64_t greater(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/*
 * Without a branch on a weight: whether a row was drawn cannot be foreseen. The sums of weights
 * count only where these are whole numbers; then it does not matter that there are two.
 */
static int look_at_rows(struct fast_grower *g, const double *y, const double *w, uint32_t *count)
{
    uint64_t all_most = 0, y_most = 0, w_most = 0, fractions = 0;
    double weight[2] = { 0.0, 0.0 };
    uint32_t weightless = 0;
    for (uint32_t i = 0; i < g->g.prep->rows; i++) {
        double x = w[i] + 0.0; /* -0 becomes 0 */
        uint64_t size = bits_of(fabs(y[i])), bits = bits_of(x);
        all_most = greater(all_most, size);
        y_most = greater(y_most, size & -(uint64_t)(bits != 0));
        w_most = greater(w_most, bits);
        fractions |= bits ^ bits_of(fast_round(x));
        weightless += bits == 0;
        weight[i % 2] += x;
    }
    *count = g->g.prep->rows - weightless;
    if (greater(all_most, w_most) > bits_of(DBL_MAX) || !*count)
        return -EINVAL;
    g->y_unit = y_most ? power_above(number_of(y_most)) : 1.0;
    g->whole = !fractions && w_most <= bits_of(0x1p30) && weight[0] + weight[1] < FAST_WHOLE_MOST;
    g->w_unit = g->whole ? 1.0 : power_above(number_of(w_most));
    g->weight_all = g->whole ? weight[0] + weight[1] : 0.0;
    for (uint32_t i = 0; !g->whole && i < g->g.prep->rows; i++)
        g->weight_all += w[i] / g->w_unit;
    g->weight_least = g->g.limits->min_weight_leaf / g->w_unit;
    return 0;
}

static bool bad_limits(const struct prep *p, const struct grow_limits *m)
{
    return m->max_features < 1 || m->max_features > p->features || m->min_samples_leaf < 1 ||
           isnan(m->min_weight_leaf) || isnan(m->min_impurity_decrease);
}

static int make_features(struct fast_grower *g)
{
    struct grower *d = &g->g;
    uint32_t n = d->features_count;
    if (arena_reserve(&g->scratch->features, 4 * (size_t)n * sizeof(uint32_t)))
        return -ENOMEM;
    d->features = g->scratch->features.memory;
    d->constant_features = d->features + n;
    d->visited = d->constant_features + n;
    d->scanned = d->visited + n;
    for (uint32_t f = 0; f < n; f++)
        d->features[f] = f;
    return 0;
}

/* ---- a tree that is one block ---------------------------------------------------------------- */

static int grow_small_tree(struct fast_grower *g, const double *y, const double *w, uint32_t count)
{
    struct fast_block b;
    uint32_t rows = g->g.prep->rows, slot = 0;
    if (fast_block_reserve(g, count, false, &b) ||
        arena_reserve(&g->scratch->slots, (size_t)rows * sizeof(uint32_t)))
        return -ENOMEM;
    uint32_t *slots = g->scratch->slots.memory;
    double per_y = 1.0 / g->y_unit, per_w = 1.0 / g->w_unit;
    /* What is written of a row that has no slot is overwritten. */
    for (uint32_t i = 0; i < rows; i++) {
        uint32_t takes_part = w[i] > 0.0;
        b.y[slot] = y[i] * per_y;
        b.w[slot] = w[i] * per_w;
        b.row[slot] = i;
        b.order[slot] = slot;
        slots[i] = takes_part ? slot : NO_SLOT;
        slot += takes_part;
    }
    fast_block_measure(g, &b);
    for (uint32_t f = 0; f < b.features; f++) {
        g->kernels->fill_list(g->g.prep, f, slots, b.lists + f * b.stride);
        fast_block_take(&b, f);
    }
    struct fast_node root = fast_root(g, &b);
    return fast_grow_block(g, &b, &root, 0);
}

int fast_grow(const struct prep *p, const double *y, const double *w, uint32_t splitter_seed,
              const struct grow_limits *limits, struct fast_scratch *scratch, struct tree *out)
{
    struct fast_grower g = { .g = { .prep = p,
                                    .limits = limits,
                                    .out = out,
                                    .features_count = p->features,
                                    .state = splitter_seed },
                             .scratch = scratch,
                             .kernels = scratch->kernels };
    uint32_t count;
    out->count = 0;
    int err = bad_limits(p, limits) ? -EINVAL : look_at_rows(&g, y, w, &count);
    if (!err)
        err = make_features(&g);
    if (!err)
        err = tree_start(out, grow_nodes_most(limits, count), limits->keep_stats);
    if (!err)
        err = p->orders && count <= scratch->block_rows ? grow_small_tree(&g, y, w, count)
                                                        : fast_grow_large(&g, y, w, count);
    if (err)
        out->count = 0;
    return err;
}
