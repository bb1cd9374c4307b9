/* SPDX-License-Identifier: MIT */
/*
 * split_counts.c -- the best cut of a classifier whose weights are whole numbers.
 *
 * Counts of classes are exact then, whatever the order of rows: so any sort serves, and of a row
 * only its value, class and weight are needed, packed into one 64-bit key. The sums of squared
 * counts are whole numbers too, and kept up to date as the cut passes each row: a candidate for
 * Gini costs two divisions, not a look at all classes.
 *
 * For entropy a candidate is first valued by a table of n * log2(n), also kept up to date; this
 * differs from scikit-learn's expression in rounding alone. Only one that comes as close to the
 * best as both roundings can err is worked out as scikit-learn does it.
 */
#include <math.h>
#include <string.h>

#include "sort_keys.h"
#include "data/sort_radix.h"
#include "splitter.h"

#define EPSILON 0x1p-52

static inline uint32_t value_key(uint64_t key)
{
    return (uint32_t)(key >> 32);
}

/* The cut that passes over the sorted rows. */
struct passing {
    const struct splitter *s;
    const uint64_t *keys;
    int64_t *left; /* by class; what is not left is right */
    const int64_t *total;
    uint32_t n, feature;
    int64_t weight_left, weight_right;
    int64_t squares_left, squares_right;
    double logs;   /* entropy: of both sides, sum of n log2(n) by class */
    double margin; /* more than the quick value and scikit-learn's differ */
    double weight;
};

/* Rows of class k and of weight w change sides. */
static inline void pass(struct passing *p, uint32_t k, int64_t w)
{
    int64_t l = p->left[k], r = p->total[k] - l;

    p->left[k] = l + w;
    p->squares_left += w * (2 * l + w);
    p->squares_right -= w * (2 * r - w);
    p->weight_left += w;
    p->weight_right -= w;
}

static inline void pass_logs(struct passing *p, uint32_t k, int64_t w)
{
    int64_t l = p->left[k], r = p->total[k] - l;
    const double *logs = p->s->logs;

    p->left[k] = l + w;
    p->logs += (logs[l + w] - logs[l]) + (logs[r - w] - logs[r]);
    p->weight_left += w;
    p->weight_right -= w;
}

/* The quick value of a cut compared, multiplied by the weights of both sides to save divisions. */
static inline bool gini_may_beat(const struct passing *p, double best)
{
    double wl = (double)p->weight_left, wr = (double)p->weight_right;
    double value = (double)p->squares_left * wr + (double)p->squares_right * wl;

    return value > (best + p->weight - p->margin) * (wl * wr);
}

static inline bool entropy_may_beat(const struct passing *p, double best)
{
    const double *logs = p->s->logs;

    return p->logs - logs[p->weight_left] - logs[p->weight_right] > best - p->margin;
}

static double gini_proxy(const struct passing *p)
{
    double wl = (double)p->weight_left, wr = (double)p->weight_right;
    double left = 1.0 - (double)p->squares_left / (wl * wl);
    double right = 1.0 - (double)p->squares_right / (wr * wr);

    return -wr * right - wl * left;
}

static double entropy_proxy(const struct passing *p)
{
    double wl = (double)p->weight_left, wr = (double)p->weight_right, left = 0.0, right = 0.0;

    for (uint32_t k = 0; k < p->s->criterion.classes; k++) {
        int64_t l = p->left[k], r = p->total[k] - l;
        if (l)
            left -= criterion_plogp((double)l / wl);
        if (r)
            right -= criterion_plogp((double)r / wr);
    }
    return -wr * right - wl * left;
}

/* The cut between two values, with so many rows on the left, if it is allowed and the best so far.
 */
static inline __attribute__((always_inline)) void consider(const struct passing *p, bool is_gini,
                                                           uint32_t rows, float below, float above,
                                                           struct cut *best)
{
    uint32_t least = p->s->limits->min_samples_leaf;
    double least_weight = p->s->limits->min_weight_leaf;

    if (!(is_gini ? gini_may_beat(p, best->proxy) : entropy_may_beat(p, best->proxy)) ||
        rows < least || p->n - rows < least || (double)p->weight_left < least_weight ||
        (double)p->weight_right < least_weight)
        return;
    double proxy = is_gini ? gini_proxy(p) : entropy_proxy(p);
    if (!(proxy > best->proxy))
        return;
    best->found = true;
    best->proxy = proxy;
    best->feature = p->feature;
    best->pos = p->s->criterion.start + rows;
    best->threshold = splitter_between(p->s, below, above);
}

/* Pass over all rows; inlined once per criterion. */
static inline __attribute__((always_inline)) void scan(struct passing *p, bool is_gini,
                                                       struct cut *best)
{
    float value = key_value(value_key(p->keys[0]));

    for (uint32_t i = 0; i + 1 < p->n; i++) {
        float before = value;
        value = key_value(value_key(p->keys[i + 1]));
        uint32_t tag = (uint32_t)p->keys[i];
        if (is_gini)
            pass(p, tag & 0xffff, tag >> 16);
        else
            pass_logs(p, tag & 0xffff, tag >> 16);
        if (value > before + PREP_APART)
            consider(p, is_gini, i + 1, before, value, best);
    }
}

/* Everything is on the right. */
static void start(struct passing *p)
{
    const struct splitter *s = p->s;
    const struct criterion *c = &s->criterion;
    bool is_gini = c->kind == FOREST_GINI;

    p->weight = c->weight;
    p->weight_right = (int64_t)c->weight;
    p->left = s->left;
    p->total = s->right;
    for (uint32_t k = 0; k < c->classes; k++) {
        int64_t count = (int64_t)c->total[k];
        s->left[k] = 0;
        s->right[k] = count;
        p->squares_right += count * count;
        p->logs += is_gini ? 0.0 : s->logs[count];
    }
    /* roundings: a few on either way to Gini's value; four a row and some for each class of logs */
    p->margin = 64 * EPSILON * c->weight;
    if (!is_gini)
        p->margin = 8 * EPSILON * p->n * s->logs[p->weight_right] +
                    32 * EPSILON * (c->classes + 2.0) * c->weight;
}

/* ---- few values ---------------------------------------------------------------------- */

#define CELLS_MOST 4096

#define CELL_ROW ((uint64_t)1 << 32)

/* What a node has of each value of a feature, class by class: rows, and below them their weight. */
struct cells {
    uint64_t of[CELLS_MOST]; /* value by value */
};

/* Worth it only if there are fewer cells than rows. */
static bool has_few_levels(const struct splitter *s, uint32_t feature, uint32_t n)
{
    size_t cells = s->levels ? (size_t)s->levels[feature].count * s->criterion.classes : 0;

    return cells && cells <= CELLS_MOST && cells <= 4 * (size_t)n;
}

static void fill_cells(const struct splitter *s, const struct levels *levels, struct cells *cells)
{
    const struct criterion *c = &s->criterion;

    memset(cells->of, 0, (size_t)levels->count * c->classes * sizeof *cells->of);
    for (uint32_t i = c->start; i < c->end; i++) {
        uint32_t level = levels->of[s->samples[i]], tag = s->tags[i];
        cells->of[level * c->classes + (tag & 0xffff)] += CELL_ROW + (tag >> 16);
    }
}

/* How many rows have a value. */
static inline uint32_t level_rows(const uint64_t *cell, uint32_t classes)
{
    uint64_t all = 0;

    for (uint32_t k = 0; k < classes; k++)
        all += cell[k];
    return (uint32_t)(all / CELL_ROW);
}

/* All rows of a value change sides. Which classes they are of could not be foreseen: no branches. */
static inline void pass_level(struct passing *p, const uint64_t *cell, uint32_t classes)
{
    int64_t squares_left = 0, squares_right = 0, weight = 0;

    for (uint32_t k = 0; k < classes; k++) {
        int64_t w = (uint32_t)cell[k], l = p->left[k] + w, r = p->total[k] - l;
        p->left[k] = l;
        squares_left += l * l;
        squares_right += r * r;
        weight += w;
    }
    p->squares_left = squares_left;
    p->squares_right = squares_right;
    p->weight_left += weight;
    p->weight_right -= weight;
}

/* Pass over the values from `first` to `last`; inlined once per criterion. */
static inline __attribute__((always_inline)) void
scan_cells(struct passing *p, bool is_gini, const struct cells *cells, const struct levels *levels,
           uint32_t first, uint32_t last, struct cut *best)
{
    uint32_t classes = p->s->criterion.classes, rows = 0;
    float before = levels->values[first];

    for (uint32_t level = first; level <= last; level++) {
        const uint64_t *cell = cells->of + level * classes;
        uint32_t here = level_rows(cell, classes);
        float value = levels->values[level];
        if (!here)
            continue;
        if (value > before + PREP_APART)
            consider(p, is_gini, rows, before, value, best);
        if (is_gini)
            pass_level(p, cell, classes);
        for (uint32_t k = 0; k < classes && !is_gini; k++)
            if (cell[k])
                pass_logs(p, k, (uint32_t)cell[k]);
        rows += here;
        before = value;
    }
}

static bool look_cells(struct splitter *s, uint32_t feature, struct cut *best)
{
    const struct criterion *c = &s->criterion;
    const struct levels *levels = &s->levels[feature];
    struct cells cells;
    uint32_t first = 0, last = levels->count - 1;

    fill_cells(s, levels, &cells);
    while (!level_rows(cells.of + first * c->classes, c->classes))
        first++;
    while (!level_rows(cells.of + last * c->classes, c->classes))
        last--;
    if (levels->values[last] <= levels->values[first] + PREP_APART)
        return true;
    struct passing p = { .s = s, .n = c->end - c->start, .feature = feature };
    start(&p);
    if (c->kind == FOREST_GINI)
        scan_cells(&p, true, &cells, levels, first, last, best);
    else
        scan_cells(&p, false, &cells, levels, first, last, best);
    return false;
}

bool look_counts(struct splitter *s, uint32_t feature, struct cut *best)
{
    const struct criterion *c = &s->criterion;
    const struct column column = splitter_column(s, feature);
    const uint32_t *samples = s->samples + c->start, *tags = s->tags + c->start;
    uint32_t n = c->end - c->start, least = UINT32_MAX, most = 0, any = 0, all = UINT32_MAX;

    if (has_few_levels(s, feature, n))
        return look_cells(s, feature, best);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t key = sort_key(column_value(&column, samples[i]));
        s->keys[i] = (uint64_t)key << 32 | tags[i];
        least = key < least ? key : least;
        most = key > most ? key : most;
        any |= key;
        all &= key;
    }
    if (key_value(most) <= key_value(least) + PREP_APART)
        return true;
    struct passing p = { .s = s, .n = n, .feature = feature };
    p.keys = sort_keys(s->keys, s->spare_keys, n, any ^ all, s->kernels);
    start(&p);
    if (c->kind == FOREST_GINI)
        scan(&p, true, best);
    else
        scan(&p, false, best);
    return false;
}
