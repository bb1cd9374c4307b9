/* SPDX-License-Identifier: MIT */
#include "hist_search.h"

/* The cut that leaves `left` on the left: rate it. Returns whether it is the best so far. */
static inline bool rate(const struct hist_node *node, double all_sum, double all_weight,
                        parcel left, struct hist_cut *best)
{
    int64_t weight_left = left[1] >> 32, weight_right = (node->all[1] >> 32) - weight_left;
    uint32_t rows = parcel_rows(left);

    if (rows < node->min_rows || node->n - rows < node->min_rows ||
        weight_left < node->min_weight || weight_right < node->min_weight)
        return false;
    double wl = (double)weight_left, d = parcel_sum(left) * all_weight - all_sum * wl;
    double top = d * d, bottom = wl * (double)weight_right;
    if (!cut_is_better(best, top, bottom))
        return false;
    best->gain_top = top;
    best->gain_bottom = bottom;
    return true;
}

bool hist_search_bins(const struct hist_node *node, const parcel *bin, uint32_t feature,
                      struct hist_cut *best)
{
    double all_sum = parcel_sum(node->all), all_weight = parcel_weight(node->all);
    parcel left = { 0, 0 };
    uint32_t code = 0, best_at = BINS_MAX;

    while (code < BIN_NAN && !parcel_rows(bin[code]))
        code++;
    if (parcel_rows(bin[code]) == node->n)
        return false;
    /* a bin without rows is the cut before again, which is not better: to ask is what takes time */
    for (; code < BINS_MAX; code++) {
        left += bin[code];
        if (parcel_rows(left) == node->n)
            break;
        if (rate(node, all_sum, all_weight, left, best))
            best_at = code;
    }
    if (best_at == BINS_MAX)
        return true;
    for (code = best_at + 1; !parcel_rows(bin[code]);)
        code++;
    best->feature = feature;
    best->code = cut_code(best_at, code);
    return true;
}

bool hist_search_rows(const struct hist_node *node, parcel *bin, uint32_t feature,
                      struct hist_cut *best)
{
    const uint8_t *codes = node->of->codes + feature;
    const parcel *worth = node->of->worth;
    size_t stride = node->of->stride;
    double all_sum = parcel_sum(node->all), all_weight = parcel_weight(node->all);
    uint64_t seen[BINS_MAX / 64] = { 0 };
    parcel left = { 0, 0 };
    uint32_t last = BINS_MAX, best_at = BINS_MAX;

    for (uint32_t i = 0; i < node->n; i++) {
        uint32_t row = node->rows[i], code = codes[row * stride];
        bin[code] += worth[row];
        seen[code / 64] |= (uint64_t)1 << code % 64;
    }
    for (uint32_t word = 0; word < BINS_MAX / 64; word++)
        for (uint64_t bits = seen[word]; bits; bits &= bits - 1) {
            uint32_t code = word * 64 + (uint32_t)__builtin_ctzll(bits);
            if (last == best_at && last < BINS_MAX)
                best->code = cut_code(last, code);
            left += bin[code];
            bin[code] = (parcel){ 0, 0 };
            bool is_first = last == BINS_MAX;
            last = code;
            if (parcel_rows(left) == node->n)
                return !is_first;
            if (rate(node, all_sum, all_weight, left, best)) {
                best->feature = feature;
                best_at = code;
            }
        }
    return true; /* not reached: all rows were counted */
}

void hist_add_rows(const struct hist_rows *of, const uint32_t *rows, uint32_t n, uint32_t features,
                   parcel *bins)
{
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *code = of->codes + rows[i] * of->stride;
        if (i + HIST_AHEAD < n)
            hist_fetch(of, rows[i + HIST_AHEAD]);
        parcel worth = of->worth[rows[i]];
        parcel *bin = bins;
        for (uint32_t f = 0; f < features; f++, bin += BINS_MAX)
            bin[code[f]] += worth;
    }
}
