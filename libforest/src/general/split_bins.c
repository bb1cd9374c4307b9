/* SPDX-License-Identifier: MIT */
/*
 * split_bins.c -- the best cut of a node of many rows in histogram mode, by any criterion.
 *
 * What is on the left is added up bin by bin. Sums of whole numbers are exact; of others they are
 * formed in the order of the node's rows, which the cuts above it make, and so the same everywhere.
 */
#include <string.h>

#include "splitter.h"

#define ROWS_LEAST 64u /* fewer are sorted by bin */

/* Add up the node's rows by bin, and note which bins have any. */
static void fill_bins(struct splitter *s, uint32_t feature, uint64_t *used)
{
    const struct criterion *c = &s->criterion;
    struct column column = splitter_column(s, feature);
    uint32_t width = c->classes ? c->classes : 1, bits = s->class_bits;

    for (uint32_t i = c->start; i < c->end; i++) {
        uint32_t row = c->samples[i], code = column.code[row * column.stride], k = 0;
        double w = c->w[row], sum = w;
        if (s->counts) {
            k = s->tags[i] & ((1u << bits) - 1);
            sum = w = (double)(s->tags[i] >> bits);
        } else if (c->classes) {
            k = c->code[row];
        } else {
            sum = w * c->y[row];
        }
        s->bin_rows[code]++;
        s->bin_weights[code] += w;
        s->bin_sums[(size_t)code * width + k] += sum;
        used[code / 64] |= (uint64_t)1 << code % 64;
    }
}

/* Move a bin from the right side to the left, and leave it empty. */
static void pass_bin(struct splitter *s, uint32_t code)
{
    struct criterion *c = &s->criterion;
    uint32_t width = c->classes ? c->classes : 1;
    double *sums = s->bin_sums + (size_t)code * width;

    for (uint32_t k = 0; k < width; k++) {
        c->left[k] += sums[k];
        c->right[k] = c->total[k] - c->left[k];
        sums[k] = 0.0;
    }
    c->weight_left += s->bin_weights[code];
    c->weight_right = c->weight - c->weight_left;
    c->pos += s->bin_rows[code];
    s->bin_weights[code] = 0.0;
    s->bin_rows[code] = 0;
}

bool look_bins(struct splitter *s, uint32_t feature, struct cut *best)
{
    struct criterion *c = &s->criterion;
    uint32_t n = c->end - c->start, last = BINS_MAX, bins = 0;
    uint64_t used[BINS_MAX / 64] = { 0 };

    if (n < ROWS_LEAST || c->classes * SPLIT_ROWS_PER_CLASS > n)
        return s->counts ? look_counts(s, feature, best) : look_sorted(s, feature, best);
    fill_bins(s, feature, used);
    criterion_reset(c);
    for (uint32_t word = 0; word < BINS_MAX / 64; word++)
        for (uint64_t bits = used[word]; bits; bits &= bits - 1) {
            uint32_t code = word * 64 + (uint32_t)__builtin_ctzll(bits);
            if (bins++)
                splitter_compare(s, feature, splitter_between(s, (float)last, (float)code), best);
            pass_bin(s, code);
            last = code;
        }
    return bins == 1;
}
