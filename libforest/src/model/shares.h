/* SPDX-License-Identifier: MIT */
/* shares.h -- what the leaves of a classifier's tree say. */
#ifndef SHARES_H
#define SHARES_H

#include <stdint.h>

#include "frame.h"
#include "model.h"

struct shares {
    const double *table; /* the tree's distributions */
    uint32_t classes;
};

static inline struct shares model_shares(const struct forest *model, uint32_t tree)
{
    struct body body;

    model_body(model, tree, &body);
    return (struct shares){ model_part(model, tree, body.shares), body.classes };
}

/* Add a leaf's shares to sums[0..classes). */
static inline void shares_add(const struct shares *s, double answer, double *sums)
{
    uint32_t code = (uint32_t)answer;

    if (code < s->classes) {
        sums[code] += 1.0;
        return;
    }
    const double *share = s->table + (size_t)(code - s->classes) * s->classes;
    for (uint32_t k = 0; k < s->classes; k++)
        sums[k] += share[k];
}

static inline uint32_t first_maximum(const double *x, uint32_t n)
{
    uint32_t best = 0;

    for (uint32_t i = 1; i < n; i++)
        if (x[i] > x[best])
            best = i;
    return best;
}

/* What a leaf's number says: the number itself, or the label of its most probable class. */
static inline double model_answer(const struct forest *model, uint32_t tree, double number)
{
    uint32_t classes = model->header->classes;

    if (!classes)
        return number;
    uint32_t code = (uint32_t)number;
    if (code >= classes)
        code = first_maximum(model_shares(model, tree).table + (size_t)(code - classes) * classes,
                             classes);
    return model_labels(model->header)[code];
}

#endif
