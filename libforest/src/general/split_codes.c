/* SPDX-License-Identifier: MIT */
/*
 * split_codes.c -- the best cut of a feature in fast mode, of a node of many rows, without sorting
 * all of them.
 *
 * The rows are added up by bin and class. Cuts between bins are rated from that; inside a bin no
 * cut is worth more than a bound (most_inside), and only bins whose bound reaches the best cut are
 * looked into. It is the cut that look_whole_counts() finds by sorting.
 *
 * Two bounds, the lesser counts. l, r: weights by class on the sides, t = l + r; capitals: of all
 * classes. (1) What a set costs, its weight times its impurity, never gets less by adding rows: so
 * the left side costs no less than what is left of the bin, the right side no less than what is
 * right of it. (2) With u = l - t L / T a cut of Gini is worth sum t^2 / T + T / (L R) sum u^2;
 * inside the bin, which has b of the class and B of all, u lies between u0 - t / T (B - b) and u0
 * + (1 - t / T) b, and L R is least at one end. The gain of an entropy is no more than the same
 * with T u^2 / t in place of u^2 (it is a relative entropy, and those are no more than chi
 * squared), but for the factor 1 / ln 2.
 */
#include <math.h>
#include <string.h>

#include "lists.h"
#include "sides.h"
#include "sort_keys.h"
#include "data/sort_radix.h"

#define ROW ((uint64_t)1 << 32) /* in a cell, above the weight */
#define SHIFT_NONE 99u
#define BINS_LEAST 16u      /* coarser they are not made */
#define CELLS_A_ROW 0.75    /* no more, to be faster than a sort; */
#define FEW_CELLS_A_ROW 4.0 /* if nothing is to be found inside */

/* A bin that has rows in the node. */
struct bin {
    double border, bound;  /* what the cut before it is worth, and cuts inside it at most */
    uint32_t before, rows; /* rows in bins before it, and in it */
    uint8_t code;
    bool is_wanted;
};

struct bins_of {
    struct splitter *s;
    const struct codes *codes;
    uint32_t shift; /* so many bins of theirs are one: 2^shift */
    uint32_t feature, classes, bins, count;
    double base, most;   /* a cut that gains nothing, and the best between bins */
    const double *total; /* by class */
    double weight;       /* of all */
    struct bin at[CODES_MAX];
};

/* How much coarser the bins must be; SHIFT_NONE: they do not pay. */
static uint32_t choose_shift(const struct splitter *s, uint32_t feature)
{
    bool are_few = s->codes[feature].are_few;
    double each = are_few ? FEW_CELLS_A_ROW : CELLS_A_ROW;
    double most = each * (s->criterion.end - s->criterion.start) / s->criterion.classes;
    uint32_t count = s->codes[feature].count, shift = 0;

    if (s->criterion.classes > SPLIT_CODED_CLASSES)
        return SHIFT_NONE;
    if (are_few)
        return count <= most ? 0 : SHIFT_NONE;
    while ((count - 1) >> shift >= BINS_LEAST && ((count - 1) >> shift) + 1 > most)
        shift++;
    return ((count - 1) >> shift) + 1 <= most ? shift : SHIFT_NONE;
}

bool codes_pay(const struct splitter *s, uint32_t feature)
{
    return choose_shift(s, feature) != SHIFT_NONE;
}

/* Add up n rows, those at `at` (NULL: one behind the other) of samples and tags. */
SIDES_INLINE void add_rows(const struct bins_of *b, const uint32_t *samples, const uint32_t *tags,
                           const uint32_t *at, uint32_t n)
{
    uint32_t bits = b->s->class_bits, mask = (1u << bits) - 1, classes = b->classes;
    uint32_t shift = b->shift;
    const uint8_t *of = b->codes->of;
    size_t step = b->codes->step;
    uint64_t *cells = b->s->cells;

    for (uint32_t i = 0; i < n; i++) {
        uint32_t place = at ? at[i] : i, tag = tags[place];
        cells[(of[samples[place] * step] >> shift) * classes + (tag & mask)] += ROW | tag >> bits;
    }
}

static void fill(const struct bins_of *b)
{
    const struct splitter *s = b->s;
    uint32_t start = s->criterion.start, n = s->criterion.end - start;
    const struct lists *l = s->lists;

    memset(s->cells, 0, (size_t)b->bins * b->classes * sizeof *s->cells);
    if (s->in_lists)
        add_rows(b, s->samples + l->start, s->tags + l->start, l->order + (start - l->start), n);
    else
        add_rows(b, s->samples + start, s->tags + start, NULL, n);
}

/* Does the bin have different values? */
static bool has_values(const struct bins_of *b, uint32_t bin)
{
    return b->shift || b->codes->least[bin] < b->codes->most[bin];
}

/* The sums on both sides of a bin: `before` it, `after` it. */
static double most_inside(const struct bins_of *b, const struct sides *before,
                          const struct sides *after, const uint64_t *cell, bool is_gini)
{
    const struct logs *logs = b->s->whole_logs;
    double wl = (double)before->weight_left, wr = (double)after->weight_right, cost, sum = 0.0;
    double in = (double)(after->weight_left - before->weight_left);

    if (is_gini) {
        double l = wl > 0.0 ? (double)before->of_left / wl : 0.0;
        double r = wr > 0.0 ? (double)after->of_right / wr : 0.0;
        cost = (l + r + in) * (1.0 + SIDES_SLACK);
    } else {
        cost = (double)(before->of_left - logs_at(logs, (uint64_t)before->weight_left) +
                        after->of_right - logs_at(logs, (uint64_t)after->weight_right));
        cost += 4.0 * b->classes + SIDES_SLACK * LOGS_ONE * b->weight * 32.0;
    }
    if (cost < b->most)
        return cost;
    for (uint32_t k = 0; k < b->classes; k++) {
        if (b->total[k] == 0.0)
            continue;
        double share = b->total[k] / b->weight, of = (double)(uint32_t)cell[k];
        double u = (double)(before->left[k]) - of - share * wl; /* `left` has the bin already */
        double high = fabs(u + (1.0 - share) * of), low = fabs(u - share * (in - of));
        double far = high > low ? high : low;
        sum += is_gini ? far * far : far * far / share;
    }
    double first = wl + 1.0, last = wl + in - 1.0;
    double a = first * (b->weight - first), z = last * (b->weight - last);
    sum *= b->weight / (a < z ? a : z);
    double gain = is_gini ? sum : sum * LOGS_ONE * 0x1.71547652b82fep+0;
    double bound = b->base + gain + (fabs(b->base) + gain) * SIDES_SLACK + 4.0 * b->classes;
    return bound < cost ? bound : cost;
}

/* Pass over the bins: all about each of them. */
SIDES_INLINE void rate(struct bins_of *b, struct sides *p, bool is_gini)
{
    uint32_t rows = 0;

    sides_know(p, b->most, is_gini);
    b->base = is_gini
                  ? (double)p->of_right / b->weight
                  : (double)(p->of_right - logs_at(b->s->whole_logs, (uint64_t)p->weight_right));
    for (uint32_t code = 0; code < b->bins; code++) {
        const uint64_t *cell = b->s->cells + (size_t)code * b->classes;
        uint64_t all = 0;
        for (uint32_t k = 0; k < b->classes; k++)
            all += cell[k];
        if (!all)
            continue;
        struct bin *bin = &b->at[b->count++];
        *bin = (struct bin){ .border = -(double)INFINITY,
                             .before = rows,
                             .rows = (uint32_t)(all >> 32),
                             .code = (uint8_t)code };
        if (rows && !sides_too_little(p, is_gini) && sides_may_be(p, rows))
            bin->border = sides_worth(p, is_gini);
        if (bin->border > b->most) {
            b->most = bin->border;
            sides_know(p, b->most, is_gini);
        }
        bool has_inside = bin->rows > 1 && has_values(b, code);
        struct sides before;
        if (has_inside)
            before = *p;
        for (uint32_t k = 0; k < b->classes; k++)
            if (cell[k])
                sides_pass(p, k, (int64_t)(uint32_t)cell[k], is_gini);
        rows += bin->rows;
        bin->bound = has_inside ? most_inside(b, &before, p, cell, is_gini) : -(double)INFINITY;
    }
}

/* The rows in wanted bins, sorted. */
static const uint64_t *gather(const struct bins_of *b, const bool wanted[CODES_MAX])
{
    struct splitter *s = b->s;
    const float *column = prep_column(s->prep, b->feature);
    uint32_t count = 0, any = 0, all = UINT32_MAX;

    for (uint32_t i = 0; i < s->criterion.end - s->criterion.start; i++) {
        uint32_t at = lists_place(s, i), row = s->samples[at];
        if (!wanted[b->codes->of[row * b->codes->step] >> b->shift])
            continue;
        uint32_t key = sort_key(column[row]);
        s->keys[count++] = (uint64_t)key << 32 | s->tags[at];
        any |= key;
        all &= key;
    }
    return any == all ? s->keys : sort_keys(s->keys, s->spare_keys, count, any ^ all, s->kernels);
}

/* Look into those bins that may have the best cut, or into the only one. NULL: into none. */
static const uint64_t *look_inside(struct bins_of *b)
{
    bool wanted[CODES_MAX] = { false }, any = false;

    for (uint32_t i = 0; i < b->count; i++) {
        struct bin *bin = &b->at[i];
        bin->is_wanted = bin->bound > -(double)INFINITY && (bin->bound >= b->most || b->count == 1);
        wanted[bin->code] = bin->is_wanted;
        any |= bin->is_wanted;
    }
    return any ? gather(b, wanted) : NULL;
}

static void take_border(const struct bins_of *b, const struct bin *bin, struct cut *best)
{
    if (!(bin->border > best->proxy))
        return;
    *best = (struct cut){ .found = true,
                          .feature = b->feature,
                          .pos = b->s->criterion.start + bin->before,
                          .proxy = bin->border,
                          .is_between = true,
                          .shift = (uint8_t)b->shift,
                          .low = bin[-1].code,
                          .high = bin->code };
}

static void take_inside(const struct bins_of *b, const struct bin *bin, const uint64_t *keys,
                        struct cut *best)
{
    const uint64_t *at = keys + (best->pos - b->s->criterion.start - bin->before);

    best->feature = b->feature;
    best->threshold =
        cut_between(key_value((uint32_t)(at[-1] >> 32)), key_value((uint32_t)(at[0] >> 32)));
}

/* The best of all cuts, in their order; `keys` of the bins that are looked into. */
SIDES_INLINE void choose(const struct bins_of *b, struct sides *p, const uint64_t *keys,
                         bool is_gini, struct cut *best)
{
    uint32_t bits = b->s->class_bits, mask = (1u << bits) - 1;

    for (uint32_t i = 0; i < b->count; i++) {
        const struct bin *bin = &b->at[i];
        const uint64_t *cell = b->s->cells + (size_t)bin->code * b->classes;
        take_border(b, bin, best);
        if (bin->is_wanted) {
            struct sorted rows = { .keys = keys, .class_bits = bits };
            double known = best->proxy;
            sides_know(p, known, is_gini);
            sides_scan(p, &rows, bin->rows, bin->before, true, is_gini, best);
            if (best->proxy > known)
                take_inside(b, bin, keys, best);
            keys += bin->rows;
            sides_pass(p, (uint32_t)keys[-1] & mask, (uint32_t)keys[-1] >> bits, is_gini);
            continue;
        }
        for (uint32_t k = 0; keys && k < b->classes; k++)
            if (cell[k])
                sides_pass(p, k, (int64_t)(uint32_t)cell[k], is_gini);
    }
}

SIDES_INLINE bool look(struct bins_of *b, bool is_gini, struct cut *best)
{
    struct sides p;

    sides_start(&p, b->s, is_gini);
    rate(b, &p, is_gini);
    const uint64_t *keys = look_inside(b);
    if (b->count == 1 && (!keys || (keys[0] ^ keys[b->at[0].rows - 1]) >> 32 == 0))
        return true;
    if (keys)
        sides_start(&p, b->s, is_gini);
    choose(b, &p, keys, is_gini, best);
    return false;
}

bool look_codes(struct splitter *s, uint32_t feature, struct cut *best)
{
    struct bins_of b;

    b.s = s;
    b.codes = &s->codes[feature];
    b.shift = choose_shift(s, feature);
    b.bins = ((b.codes->count - 1) >> b.shift) + 1;
    b.feature = feature;
    b.classes = s->criterion.classes;
    b.count = 0;
    b.most = best->proxy;
    b.total = s->criterion.total;
    b.weight = s->criterion.weight;
    fill(&b);
    return s->criterion.kind == FOREST_GINI ? look(&b, true, best) : look(&b, false, best);
}

void codes_find_threshold(const struct splitter *s, struct cut *cut)
{
    const float *column = prep_column(s->prep, cut->feature);
    const struct codes *codes = &s->codes[cut->feature];
    float below = -INFINITY, above = INFINITY;

    for (uint32_t i = 0; !codes->are_few && i < s->criterion.end - s->criterion.start; i++) {
        uint32_t row = s->samples[lists_place(s, i)];
        if (codes->of[row * codes->step] >> cut->shift == cut->low)
            below = column[row] > below ? column[row] : below;
        if (codes->of[row * codes->step] >> cut->shift == cut->high)
            above = column[row] < above ? column[row] : above;
    }
    cut->threshold = codes->are_few ? cut_between(codes->most[cut->low], codes->least[cut->high])
                                    : cut_between(below, above);
}
