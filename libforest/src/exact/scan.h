/* SPDX-License-Identifier: MIT */
/* scan.h -- the best of the cuts of several features, of up to eight at a time. */
#ifndef SCAN_H
#define SCAN_H

#include "block.h"

#define SCAN_FEATURES 8u

/* What the scan of some features found, and how good the next best cut is, if it was estimated. */
struct scanned {
    double best[SCAN_FEATURES], second[SCAN_FEATURES];
    uint32_t pos[SCAN_FEATURES];
};

/* The best so far. Start with two equal numbers less than any. */
struct estimated {
    double best, second;
    struct found found;
};

static inline void add_scanned(struct estimated *e, const struct scanned *r,
                               const uint32_t *features, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        double other = r->best[i] > e->best ? e->best : r->best[i];
        if (r->best[i] > e->best) {
            e->best = r->best[i];
            e->found = (struct found){ features[i], r->pos[i] };
        }
        other = other > r->second[i] ? other : r->second[i];
        e->second = e->second > other ? e->second : other;
    }
}

/* The best cut, if it is clear; else its pos is 0. */
static inline struct found clear_best(const struct search *s, const struct estimated *e)
{
    bool is_clear = e->best - e->second > estimate_error(s, e->best) && e->best > 1e-200;
    return is_clear ? e->found : (struct found){ 0, 0 };
}

#endif
