/* SPDX-License-Identifier: MIT */
/*
 * grow.c -- one tree: checks, memory, and the block that holds its rows at the start.
 *
 * Memory is kept in the scratch from tree to tree, in arenas that only ever grow.
 */
#include "grow.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "grow_large.h"
#include "base/memory.h"
#include "kernels.h"
#include "scratch.h"

#define R1(n) (n) < 2 ? 0 : UINT64_MAX / ((n) + ((n) == 0)) + 1
#define R4(n) R1(n), R1((n) + 1), R1((n) + 2), R1((n) + 3)
#define R16(n) R4(n), R4((n) + 4), R4((n) + 8), R4((n) + 12)
const uint64_t draw_reciprocals[DRAW_RECIPROCALS] = { R16(0), R16(16), R16(32), R16(48), R1(64) };

struct grow_scratch *grow_scratch_new(void)
{
    struct grow_scratch *scratch = calloc(1, sizeof *scratch);
    if (scratch) {
        scratch->rows_most = BLOCK_ROWS_MAX;
        scratch->kernels = kernels_of(KERNELS_BEST);
    }
    return scratch;
}

void grow_scratch_free(struct grow_scratch *scratch)
{
    if (!scratch)
        return;
    free(scratch->block.memory);
    free(scratch->slots.memory);
    free(scratch->large.memory);
    free(scratch->features.memory);
    free(scratch->pending.memory);
    free(scratch->candidates.memory);
    gain_heap_release(&scratch->heap);
    free(scratch);
}

int grow_scratch_level(struct grow_scratch *scratch, enum kernels_level level)
{
    const struct kernels *kernels = kernels_of(level);
    if (!kernels)
        return -ENOSYS;
    scratch->kernels = kernels;
    return 0;
}

void grow_scratch_limit(struct grow_scratch *scratch, uint32_t rows)
{
    scratch->rows_most = rows < BLOCK_ROWS_MAX ? rows : BLOCK_ROWS_MAX;
}

int arena_reserve(struct arena *a, size_t bytes)
{
    if (bytes <= a->bytes)
        return 0;
    free(a->memory);
    *a = (struct arena){ NULL, 0 };
    bytes += bytes / 64; /* the next tree draws a few rows more */
    void *memory = memory_make(bytes);
    if (!memory)
        return -ENOMEM;
    memset(memory, 0, bytes); /* what lies in the padding is read, if never used */
    *a = (struct arena){ memory, bytes };
    return 0;
}

int reserve_pending(struct grow_scratch *scratch, size_t count)
{
    size_t bytes = count * sizeof(struct pending);
    if (bytes <= scratch->pending.bytes)
        return 0;
    void *memory = realloc(scratch->pending.memory, 2 * bytes + 4096);
    if (!memory)
        return -ENOMEM;
    scratch->pending = (struct arena){ memory, 2 * bytes + 4096 };
    return 0;
}

struct pending *pending_nodes(struct grow_scratch *scratch)
{
    return scratch->pending.memory;
}

/* ---- checks -------------------------------------------------------------------------------- */

/* -EINVAL: no row takes part, or something is not finite. */
static int look_at_rows(const struct prep *p, const double *y, const double *w, struct rows *r)
{
    double weight_min = INFINITY, weight_max = 0.0, y_max = 0.0;
    *r = (struct rows){ .y = y, .w = w };
    bool whole = true;
    for (uint32_t i = 0; i < p->rows; i++) {
        if (!isfinite(w[i]) || !isfinite(y[i]))
            return -EINVAL;
        if (w[i] == 0.0)
            continue;
        r->count++;
        double size = fabs(y[i]);
        whole &= fabs(w[i]) <= 0x1p20 && w[i] == (double)(int32_t)w[i];
        weight_min = w[i] < weight_min ? w[i] : weight_min;
        weight_max = w[i] > weight_max ? w[i] : weight_max;
        y_max = size > y_max ? size : y_max;
    }
    if (weight_min >= 1e-20 && weight_max <= 1e20 && y_max <= 1e50)
        r->weight_min = weight_min; /* else products might overflow or vanish */
    /* Sums of up to 2^31 rows stay below 2^53; where sums may be infinite no targets are packed. */
    r->whole = whole && weight_max <= 0x1p20 && r->weight_min > 0.0;
    return r->count ? 0 : -EINVAL;
}

/* ---- the tree ---------------------------------------------------------------------------- */

static int make_features(struct grower *g)
{
    uint32_t n = g->features_count;
    int err = arena_reserve(&g->scratch->features, 4 * (size_t)n * sizeof(uint32_t));
    if (err)
        return err;
    g->features = g->scratch->features.memory;
    g->constant_features = g->features + n;
    g->visited = g->constant_features + n;
    g->scanned = g->visited + n;
    for (uint32_t f = 0; f < n; f++)
        g->features[f] = f;
    return 0;
}

struct pending make_root(struct grower *g, uint32_t rows, struct sums s)
{
    double mean = s.sum / s.weight, impurity = s.sumsq / s.weight - mean * mean;
    g->weight_all = s.weight;
    struct pending root = { .end = rows, .parent = -1, .impurity = impurity, .sums = s };
    root.is_leaf = must_be_leaf(g, rows, 0, s.weight, impurity);
    return root;
}

static bool bad_limits(const struct prep *p, const struct grow_limits *m)
{
    return m->max_features < 1 || m->max_features > p->features || m->min_samples_leaf < 1 ||
           isnan(m->min_weight_leaf) || isnan(m->min_impurity_decrease);
}

uint32_t grow_nodes_most(const struct grow_limits *m, uint32_t rows)
{
    uint32_t leaf = m->min_samples_leaf > 1 ? m->min_samples_leaf : 1;
    uint64_t by_rows = 2 * ((uint64_t)rows / leaf) + 1;
    uint64_t by_depth = m->max_depth < 30 ? (uint64_t)2 << m->max_depth : INT32_MAX;
    uint64_t most = by_rows < by_depth ? by_rows : by_depth;
    return (uint32_t)(most < INT32_MAX - 64 ? most + 64 : INT32_MAX);
}

static void set_limits(struct grow_scratch *scratch, const struct prep *p)
{
    uint32_t rows = (uint32_t)prep_block_rows(p->rows, p->features);
    scratch->block_rows = rows < scratch->rows_most ? rows : scratch->rows_most;
    scratch->narrow_rows = scratch->rows_most;
}

static struct sums sum_block(const struct block *b)
{
    struct sums s = { 0.0, 0.0, 0.0 };
    for (uint32_t i = 0; i < b->rows; i++) {
        s.sum += b->wy[i];
        s.sumsq += b->wyy[i];
        s.weight += b->w[i];
    }
    return s;
}

/* Check the arguments, and fill in all but the tree. -EINVAL     -ENOMEM */
static int start(struct grower *g, const struct prep *p, const double *y, const double *w,
                 uint32_t splitter_seed, const struct grow_limits *limits,
                 struct grow_scratch *scratch, struct rows *r)
{
    int err = bad_limits(p, limits) ? -EINVAL : look_at_rows(p, y, w, r);
    if (err)
        return err;
    *g = (struct grower){ .prep = p,
                          .limits = limits,
                          .scratch = scratch,
                          .kernels = scratch->kernels,
                          .features_count = p->features,
                          .state = splitter_seed,
                          .weight_min = r->weight_min,
                          .whole = r->whole };
    set_limits(scratch, p);
    if (!scratch->has_few)
        few_sorts_make(&scratch->few);
    scratch->has_few = true;
    return make_features(g);
}

static bool fits_block(const struct grower *g, const struct rows *r)
{
    return r->count <= g->scratch->block_rows && g->prep->orders;
}

static int grow(struct grower *g, const struct rows *r)
{
    struct block b;
    int err = tree_start(g->out, grow_nodes_most(g->limits, r->count), g->limits->keep_stats);
    if (err)
        return err;
    if (!fits_block(g, r))
        return grow_large(g, r);
    err = block_of_rows(g, r, &b);
    if (err)
        return err;
    struct pending root = make_root(g, r->count, sum_block(&b));
    return grow_block(g, &b, g->kernels, &root, 0);
}

int grow_exact(const struct prep *p, const double *y, const double *w, uint32_t splitter_seed,
               const struct grow_limits *limits, struct grow_scratch *scratch, struct tree *out)
{
    struct grower g;
    struct rows r;
    out->count = 0;
    int err = start(&g, p, y, w, splitter_seed, limits, scratch, &r);
    if (err)
        return err;
    g.out = out;
    err = grow(&g, &r);
    if (err)
        out->count = 0;
    return err;
}

int grow_exact_best(const struct prep *p, const double *y, const double *w, uint32_t splitter_seed,
                    const struct grow_limits *limits, uint32_t leaves, struct grow_scratch *scratch,
                    struct grown *out)
{
    struct grower g;
    struct rows r;
    struct block b;
    grown_start(out, 0);
    int err = start(&g, p, y, w, splitter_seed, limits, scratch, &r);
    if (!err && !fits_block(&g, &r))
        err = -EAGAIN;
    if (!err)
        err = block_of_rows(&g, &r, &b);
    if (err)
        return err;
    struct pending root = make_root(&g, r.count, sum_block(&b));
    return grow_block_best(&g, &b, &root, leaves, out);
}
