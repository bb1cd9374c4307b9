/* SPDX-License-Identifier: MIT */
/*
 * merit.h -- what the rules compare cuts by, from the sums and the weights of both sides. Between
 * Friedman's and that of squared error lie, but for rounding, a factor and a constant of the node.
 */
#ifndef MERIT_H
#define MERIT_H

#include <stdbool.h>

static inline double merit_of(bool is_friedman, double sum, double weight, double rest,
                              double rest_weight)
{
    double diff = rest_weight * sum - weight * rest;

    return is_friedman ? diff * diff / (weight * rest_weight)
                       : sum * sum / weight + rest * rest / rest_weight;
}

#endif
