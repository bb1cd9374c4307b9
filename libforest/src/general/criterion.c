/* SPDX-License-Identifier: MIT */
/*
 * criterion.c -- squared error, Friedman's, Gini and entropy, each expression evaluated as
 * scikit-learn 1.2 writes it, for its rounding is part of the result.
 */
#include "criterion.h"

#include <math.h>
#include <string.h>

#define LN2 0x1.62e42fefa39efp-1

double criterion_plogp(double p)
{
    return p * (log(p) / LN2);
}

/* Add the rows from..to of the range, in this order, to the left side; or take them from it. */
static void add_rows(struct criterion *c, uint32_t from, uint32_t to)
{
    if (!c->classes) {
        double sum = c->left[0], weight = c->weight_left;
        for (uint32_t i = from; i < to; i++) {
            uint32_t s = c->samples[i];
            sum += c->w[s] * c->y[s];
            weight += c->w[s];
        }
        c->left[0] = sum;
        c->weight_left = weight;
        return;
    }
    for (uint32_t i = from; i < to; i++) {
        uint32_t s = c->samples[i];
        c->left[c->code[s]] += c->w[s];
        c->weight_left += c->w[s];
    }
}

static void take_rows(struct criterion *c, uint32_t from, uint32_t to)
{
    if (!c->classes) {
        double sum = c->left[0], weight = c->weight_left;
        for (uint32_t i = to; i-- > from;) {
            uint32_t s = c->samples[i];
            sum -= c->w[s] * c->y[s];
            weight -= c->w[s];
        }
        c->left[0] = sum;
        c->weight_left = weight;
        return;
    }
    for (uint32_t i = to; i-- > from;) {
        uint32_t s = c->samples[i];
        c->left[c->code[s]] -= c->w[s];
        c->weight_left -= c->w[s];
    }
}

static size_t width(const struct criterion *c)
{
    return (c->classes ? c->classes : 1) * sizeof(double);
}

void criterion_node(struct criterion *c, uint32_t start, uint32_t end)
{
    double sum = 0.0, sumsq = 0.0, weight = 0.0;

    c->start = start;
    c->end = end;
    memset(c->total, 0, width(c));
    for (uint32_t i = start; i < end; i++) {
        uint32_t s = c->samples[i];
        double w = c->w[s];
        weight += w;
        if (c->classes) {
            c->total[c->code[s]] += w;
        } else {
            double wy = w * c->y[s];
            sum += wy;
            sumsq += wy * c->y[s];
        }
    }
    if (!c->classes)
        c->total[0] = sum;
    c->sumsq = sumsq;
    c->weight = weight;
    criterion_reset(c);
}

void criterion_reset(struct criterion *c)
{
    c->pos = c->start;
    c->weight_left = 0.0;
    c->weight_right = c->weight;
    if (!c->classes) {
        c->left[0] = 0.0;
        c->right[0] = c->total[0];
        return;
    }
    memset(c->left, 0, width(c));
    memcpy(c->right, c->total, width(c));
}

void criterion_update(struct criterion *c, uint32_t pos)
{
    uint32_t n = c->classes;

    if (pos - c->pos <= c->end - pos) {
        add_rows(c, c->pos, pos);
    } else {
        for (uint32_t k = 0; k == 0 || k < n; k++)
            c->left[k] = c->total[k];
        c->weight_left = c->weight;
        take_rows(c, pos, c->end);
    }
    c->weight_right = c->weight - c->weight_left;
    c->right[0] = c->total[0] - c->left[0];
    for (uint32_t k = 1; k < n; k++)
        c->right[k] = c->total[k] - c->left[k];
    c->pos = pos;
}

/* ---- impurity ---------------------------------------------------------------------- */

static double gini(const double *count, uint32_t classes, double weight)
{
    double squares = 0.0;

    for (uint32_t k = 0; k < classes; k++)
        squares += count[k] * count[k];
    return 1.0 - squares / (weight * weight);
}

/* Weights are whole numbers. */
static double whole_entropy(const struct logs *logs, const double *count, uint32_t classes,
                            double weight)
{
    int64_t sum = logs_at(logs, (uint64_t)weight);

    for (uint32_t k = 0; k < classes; k++)
        sum -= logs_at(logs, (uint64_t)count[k]);
    return (double)sum / (weight * LOGS_ONE);
}

static double entropy(const double *count, uint32_t classes, double weight)
{
    double sum = 0.0;

    for (uint32_t k = 0; k < classes; k++)
        if (count[k] > 0.0)
            sum -= criterion_plogp(count[k] / weight);
    return sum;
}

static double mixture(const struct criterion *c, const double *count, double weight)
{
    if (c->kind == FOREST_GINI)
        return gini(count, c->classes, weight);
    return c->logs ? whole_entropy(c->logs, count, c->classes, weight)
                   : entropy(count, c->classes, weight);
}

/* The mean square of what targets differ from their mean by, in the data's own measure. */
static double whole_variance(struct criterion *c)
{
    double mean = rint(c->total[0] / c->weight), rest = c->total[0] - mean * c->weight;
    unsigned __int128 sum = 0;

    for (uint32_t i = c->start; i < c->end; i++) {
        uint32_t s = c->samples[i];
        uint64_t off = (uint64_t)fabs(c->y[s] - mean);
        sum += (unsigned __int128)off * off * (uint64_t)c->w[s];
    }
    double squares = (double)sum - rest * rest / c->weight;
    c->is_pure = sum == 0;
    return sum ? squares / c->weight * c->whole->step * c->whole->step : 0.0;
}

double criterion_impurity(struct criterion *c)
{
    if (c->classes)
        return mixture(c, c->total, c->weight);
    if (c->whole)
        return whole_variance(c);
    double mean = c->total[0] / c->weight;
    return c->sumsq / c->weight - mean * mean;
}

void criterion_children(const struct criterion *c, double *left, double *right)
{
    if (c->classes) {
        *left = mixture(c, c->left, c->weight_left);
        *right = mixture(c, c->right, c->weight_right);
        return;
    }
    double sumsq = 0.0;
    for (uint32_t i = c->start; i < c->pos; i++) {
        double y = c->y[c->samples[i]];
        sumsq += c->w[c->samples[i]] * y * y;
    }
    double mean_left = c->left[0] / c->weight_left, mean_right = c->right[0] / c->weight_right;
    *left = sumsq / c->weight_left - mean_left * mean_left;
    *right = (c->sumsq - sumsq) / c->weight_right - mean_right * mean_right;
}

double criterion_proxy(const struct criterion *c)
{
    double left = c->left[0], right = c->right[0], diff;

    if (c->whole && !c->classes)
        return criterion_gain(left, c->weight_left, right, c->weight_right);
    switch (c->kind) {
    case FOREST_SQUARED_ERROR:
        return left * left / c->weight_left + right * right / c->weight_right;
    case FOREST_FRIEDMAN_MSE:
        diff = c->weight_right * left - c->weight_left * right;
        return diff * diff / (c->weight_left * c->weight_right);
    default:
        criterion_children(c, &left, &right);
        return -c->weight_right * right - c->weight_left * left;
    }
}

/* Friedman's gain is not divided by the weight of the tree. */
static double whole_improvement(const struct criterion *c)
{
    double gain = criterion_gain(c->left[0], c->weight_left, c->right[0], c->weight_right);
    double per = c->kind == FOREST_FRIEDMAN_MSE ? 1.0 / c->whole->unit : c->weight_all;

    return gain / c->weight / per * c->whole->step * c->whole->step;
}

double criterion_improvement(const struct criterion *c, double impurity, double left, double right)
{
    if (c->whole && !c->classes)
        return whole_improvement(c);
    if (c->kind == FOREST_FRIEDMAN_MSE) {
        double diff = c->weight_right * c->left[0] - c->weight_left * c->right[0];
        return diff * diff / (c->weight_left * c->weight_right * c->weight);
    }
    return (c->weight / c->weight_all) *
           (impurity - (c->weight_right / c->weight * right) - (c->weight_left / c->weight * left));
}
