/* SPDX-License-Identifier: MIT */
/* hist_grower.h -- the state of one tree of the histogram mode while it grows, and what its nodes of
 * all sizes have in common. */
#ifndef HIST_GROWER_H
#define HIST_GROWER_H

#include <math.h>

#include "exact/grower.h"
#include "exact/scratch.h"
#include "hist.h"
#include "hist_few.h"
#include "hist_lanes.h"
#include "hist_scan.h"

#define NO_HISTOGRAM UINT32_MAX

struct hist_scratch {
    struct arena rows, worth, bins, block, features, pending, few;
    uint32_t histogram_rows, block_rows;
    hist_lanes_search *search_lanes;
    hist_few_grow *grow_few; /* NULL: there is none */
    hist_scan_lanes *scan;   /* which it uses, and how many lanes that has */
    uint32_t scan_lanes;
};

struct hist_pending {
    uint32_t start, end, depth;
    int32_t parent; /* -1: root */
    bool is_left;
    uint32_t histogram; /* which, or NO_HISTOGRAM */
    parcel all;
};

struct hist_grower {
    const struct bins *bins;
    const struct grow_limits *limits;
    struct hist_scratch *scratch;
    struct tree *out;
    uint32_t *features; /* a permutation, shuffled by every draw */
    uint32_t state;     /* of the small generator */
    uint32_t *rows, *spare;
    struct hist_rows of; /* what `rows` are numbers of */
    parcel *blank;       /* a feature's histogram, all zero */
    uint32_t histograms; /* how many there may be */
    uint32_t block_rows; /* see struct hist_scratch; fewer if rows are long */
    uint64_t is_used;    /* bit i: histogram i belongs to a node */
    double mean, unit;   /* a target is mean + unit * whole number */
    double weight_unit;  /* a weight is weight_unit * whole number */
    double weight_all;   /* in units */
    int64_t min_weight;
    struct hist_lane_cuts *cuts; /* of all features */
    struct hist_cells *cells;
    bool in_lanes; /* nodes of some rows are searched for all features at once */
    bool is_block;
    bool in_few; /* and subtrees of fewer are grown by themselves, see hist_few.h */
};

/* The feature looked at after i others. */
static inline uint32_t hist_next_feature(struct hist_grower *g, uint32_t i)
{
    uint32_t count = g->bins->features;

    if (g->limits->max_features == count)
        return i;
    swap_features(g->features, i, i + draw_below(&g->state, count - i));
    return g->features[i];
}

/* In a node of two rows every feature that parts them does it equally well: the first one wins. */
static inline void hist_search_pair(struct hist_grower *g, const uint32_t rows[2],
                                    struct hist_cut *best)
{
    const uint8_t *a = g->of.codes + rows[0] * g->of.stride;
    const uint8_t *b = g->of.codes + rows[1] * g->of.stride;
    parcel wa = g->of.worth[rows[0]], wb = g->of.worth[rows[1]];
    bool is_pure = wa[0] / (wa[1] >> 32) == wb[0] / (wb[1] >> 32);

    for (uint32_t i = 0, found = 0; i < g->bins->features && found < g->limits->max_features; i++) {
        uint32_t feature = hist_next_feature(g, i);
        if (a[feature] == b[feature])
            continue;
        if (found++ || is_pure)
            continue;
        best->gain_top = 1.0;
        best->feature = feature;
        best->code = a[feature] < b[feature] ? cut_code(a[feature], b[feature])
                                             : cut_code(b[feature], a[feature]);
        if (g->limits->max_features == g->bins->features)
            return;
    }
}

/*
 * Is there a gain, beyond the rounding of the double products in it, and as much as is asked for?
 * `left` are the rows that go left.
 */
static inline bool hist_is_worth_it(const struct hist_grower *g, parcel all, parcel left)
{
    double s = parcel_sum(all), w = parcel_weight(all), sl = parcel_sum(left),
           wl = parcel_weight(left);
    double d = sl * w - s * wl, decrease;

    if (!(fabs(d) > 0x1p-48 * (fabs(sl) * w + fabs(s) * wl)))
        return false;
    if (g->limits->min_impurity_decrease <= 0.0) /* the usual, without four divisions */
        return true;
    d *= g->unit;
    decrease = d / w * (d / wl) / (w - wl) / g->weight_all;
    return decrease + GROW_EPSILON >= g->limits->min_impurity_decrease;
}

static inline double hist_value(const struct hist_grower *g, parcel all)
{
    return g->mean + parcel_sum(all) / parcel_weight(all) * g->unit;
}

/* Of a node of these rows, for statistics. */
static inline double hist_impurity(const struct hist_grower *g, const struct hist_pending *p,
                                   const uint32_t *rows)
{
    double mean = parcel_sum(p->all) / parcel_weight(p->all), sum = 0.0;

    for (uint32_t i = 0; i < p->end - p->start; i++) {
        parcel worth = g->of.worth[rows[i]];
        double weight = parcel_weight(worth), d = parcel_sum(worth) / weight - mean;
        sum += weight * (d * g->unit) * (d * g->unit);
    }
    return sum / parcel_weight(p->all);
}

/* The next node of the tree; its rows are looked at for statistics only. */
static inline uint32_t hist_add(struct hist_grower *g, const struct hist_pending *p,
                                const uint32_t *rows)
{
    struct tree *out = g->out;
    uint32_t id = out->count++;
    double value = hist_value(g, p->all);

    out->nodes[id] = (struct node){ value, 0, 0 };
    if (out->stats)
        out->stats[id] =
            (struct node_stats){ hist_impurity(g, p, rows), value,
                                 parcel_weight(p->all) * g->weight_unit, p->end - p->start };
    if (p->parent >= 0 && !p->is_left)
        out->nodes[p->parent].right = id;
    out->depth = p->depth > out->depth ? p->depth : out->depth;
    return id;
}

static inline bool hist_is_leaf(const struct hist_grower *g, const struct hist_pending *p)
{
    const struct grow_limits *m = g->limits;
    uint32_t n = p->end - p->start;

    return n < 2 || p->depth >= m->max_depth || n < m->min_samples_split ||
           n < 2 * (uint64_t)m->min_samples_leaf || p->all[1] >> 32 < 2 * g->min_weight;
}

#endif
