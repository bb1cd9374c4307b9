/* SPDX-License-Identifier: MIT */
/* splitter.c -- drawing features, and parting a node's rows; see splitter.h. */
#include "splitter.h"

#include <math.h>
#include <string.h>

#include "lists.h"
#include "node_loops.h"
#include "sort_exact.h"

#define EPSILON 0x1p-52
#define WEIGHT_LEAST 0x1p-200 /* of a side, that products of three weights are as precise as any */
#define WEIGHT_MOST 0x1p200

static void swap(uint32_t *a, uint32_t i, uint32_t j)
{
    uint32_t t = a[i];

    a[i] = a[j];
    a[j] = t;
}

/* samples[start..end): those that go left first. */
static void part(struct splitter *s, const struct cut *cut)
{
    const struct column column = splitter_column(s, cut->feature);
    uint32_t p = s->criterion.start, end = s->criterion.end;

    if (column.value) {
        s->node_loops->gather(column.value, s->samples + p, end - p, s->values);
        s->node_loops->part(s->samples + p, s->values, end - p, cut->threshold,
                            (uint32_t *)s->keys);
        return;
    }
    while (p < end) {
        if ((double)column_value(&column, s->samples[p]) <= cut->threshold)
            p++;
        else
            swap(s->samples, p, --end);
    }
}

/*
 * The same where the order of rows does not matter, with their tags, and without a branch. What
 * went left by class is in s->left.
 */
static void part_counted(struct splitter *s, const struct cut *cut)
{
    const struct column column = splitter_column(s, cut->feature);
    uint32_t *samples = s->samples, *tags = s->tags, left = s->criterion.start, right = 0;
    uint32_t *spare_samples = (uint32_t *)s->keys, *spare_tags = (uint32_t *)s->spare_keys;

    uint32_t bits = s->class_bits, mask = (1u << bits) - 1;

    memset(s->left, 0, s->criterion.classes * sizeof *s->left);
    for (uint32_t i = s->criterion.start; i < s->criterion.end; i++) {
        uint32_t sample = samples[i], tag = tags[i];
        uint32_t is_left = (double)column_value(&column, sample) <= cut->threshold;
        samples[left] = spare_samples[right] = sample;
        tags[left] = spare_tags[right] = tag;
        s->left[tag & mask] += (tag >> bits) & -is_left;
        left += is_left;
        right += !is_left;
    }
    memcpy(samples + left, spare_samples, right * sizeof *samples);
    memcpy(tags + left, spare_tags, right * sizeof *tags);
}

void splitter_node(struct splitter *s, uint32_t start, uint32_t end)
{
    struct criterion *c = &s->criterion;
    double weight = 0.0;

    s->in_lists = s->lists && lists_have(s->lists, start, end);
    if (s->in_lists || !s->counts) {
        if (s->in_lists)
            lists_node(s, start, end);
        else
            criterion_node(c, start, end);
        return;
    }
    uint32_t bits = s->class_bits, mask = (1u << bits) - 1;
    c->start = c->pos = start;
    c->end = end;
    memset(c->total, 0, c->classes * sizeof *c->total);
    for (uint32_t i = start; i < end; i++) {
        double w = (double)(s->tags[i] >> bits);
        c->total[s->tags[i] & mask] += w;
        weight += w;
    }
    c->weight = weight;
}

/* Tell the criterion what is on the left; the sums are of whole numbers. */
static void set_left(struct criterion *c, const int64_t *left, uint32_t pos)
{
    double weight = 0.0;

    for (uint32_t k = 0; k < c->classes; k++) {
        c->left[k] = (double)left[k];
        c->right[k] = c->total[k] - c->left[k];
        weight += c->left[k];
    }
    c->weight_left = weight;
    c->weight_right = c->weight - weight;
    c->pos = pos;
}

static void judge(struct splitter *s, double impurity, struct cut *cut)
{
    if (s->counts) {
        set_left(&s->criterion, s->left, cut->pos);
    } else {
        criterion_reset(&s->criterion);
        criterion_update(&s->criterion, cut->pos);
    }
    criterion_children(&s->criterion, &cut->left, &cut->right);
    cut->improvement = criterion_improvement(&s->criterion, impurity, cut->left, cut->right);
}

/* In fast mode regression makes no cut that gains nothing, unless it was drawn. */
static double least_proxy(const struct splitter *s)
{
    return s->criterion.whole && !s->criterion.classes && !s->is_random ? 0.0 : -(double)INFINITY;
}

uint32_t splitter_split(struct splitter *s, double impurity, uint32_t known, struct cut *best)
{
    uint32_t *features = s->features;
    uint32_t undrawn = s->prep->features, visited = 0, found = 0, drawn = 0, constants = known;

    *best = (struct cut){ .proxy = least_proxy(s), .pos = s->criterion.end };
    while (undrawn > constants && (visited < s->limits->max_features || visited <= found + drawn)) {
        visited++;
        uint32_t at = drawn + splitter_draw(s) % (undrawn - found - drawn);
        if (at < known) {
            swap(features, drawn++, at);
            continue;
        }
        at += found;
        uint32_t feature = features[at];
        bool is_constant = s->look(s, feature, best);
        s->last_looked_at = feature;
        if (is_constant) {
            swap(features, at, constants++);
            found++;
        } else {
            swap(features, at, --undrawn);
        }
    }
    if (best->found) {
        if (best->is_between)
            codes_find_threshold(s, best);
        if (s->in_lists)
            lists_mark(s, best);
        else if (s->counts)
            part_counted(s, best);
        else if (!s->is_random || s->last_looked_at != best->feature)
            part(s, best);
        judge(s, impurity, best);
        if (s->in_lists)
            lists_part(s, best);
    }
    memcpy(features, s->constant_features, known * sizeof *features);
    memcpy(s->constant_features + known, features + known, found * sizeof *features);
    return constants;
}

static bool too_few(const struct splitter *s, uint32_t pos)
{
    uint32_t least = s->limits->min_samples_leaf;

    return pos - s->criterion.start < least || s->criterion.end - pos < least;
}

static bool too_light(const struct splitter *s)
{
    return s->criterion.weight_left < s->limits->min_weight_leaf ||
           s->criterion.weight_right < s->limits->min_weight_leaf;
}

void splitter_compare(struct splitter *s, uint32_t feature, double threshold, struct cut *best)
{
    if (too_few(s, s->criterion.pos) || too_light(s))
        return;
    double proxy = criterion_proxy(&s->criterion);
    if (!(proxy > best->proxy))
        return;
    best->found = true;
    best->proxy = proxy;
    best->feature = feature;
    best->pos = s->criterion.pos;
    best->threshold = threshold;
}

/* Of all cuts of sorted values, in regression: what criterion_update() and the like do, at a stretch. */
static void rate_sums(struct splitter *s, uint32_t feature, uint32_t n, struct cut *best)
{
    const struct criterion *c = &s->criterion;
    const uint32_t *samples = s->samples + c->start;
    const float *v = s->values;
    const bool is_friedman = c->kind == FOREST_FRIEDMAN_MSE;
    double sum = 0.0, weight = 0.0, least = s->limits->min_weight_leaf;

    for (uint32_t i = 1, pos = 0; i < n; i++) {
        if (v[i] <= v[i - 1] + s->apart || too_few(s, c->start + i))
            continue;
        if (i - pos <= n - i) {
            for (; pos < i; pos++) {
                sum += c->w[samples[pos]] * c->y[samples[pos]];
                weight += c->w[samples[pos]];
            }
        } else {
            sum = c->total[0];
            weight = c->weight;
            for (pos = n; pos-- > i;) {
                sum -= c->w[samples[pos]] * c->y[samples[pos]];
                weight -= c->w[samples[pos]];
            }
            pos = i;
        }
        double rest = c->total[0] - sum, rest_weight = c->weight - weight;
        if (weight < least || rest_weight < least)
            continue;
        double proxy = is_friedman ? criterion_gain(sum, weight, rest, rest_weight)
                                   : sum * sum / weight + rest * rest / rest_weight;
        if (proxy > best->proxy)
            *best = (struct cut){ .found = true,
                                  .feature = feature,
                                  .pos = c->start + i,
                                  .threshold = splitter_between(s, v[i - 1], v[i]),
                                  .proxy = proxy };
    }
}

/* Sums of squares over classes, of both sides. */
struct squares {
    double left, right;
};

static inline struct squares add_squares(const double *left, const double *total, uint32_t classes)
{
    struct squares q = { 0.0, 0.0 };

    for (uint32_t k = 0; k < classes; k++) {
        double right = total[k] - left[k];
        q.left += left[k] * left[k];
        q.right += right * right;
    }
    return q;
}

/*
 * Of all cuts of sorted values, for Gini, at a stretch: what criterion_update() and the like do. The
 * value of a cut and of the best are first compared multiplied by the weights of both sides; only
 * one that comes as near as roundings go is worked out with two divisions.
 */
static void rate_gini(struct splitter *s, uint32_t feature, uint32_t n, struct cut *best)
{
    const struct criterion *c = &s->criterion;
    const uint32_t *samples = s->samples + c->start;
    const float *v = s->values;
    double least = s->limits->min_weight_leaf, weight = 0.0;
    double margin = (64.0 + 4.0 * c->classes) * EPSILON * c->weight;

    memset(c->left, 0, c->classes * sizeof *c->left);
    for (uint32_t i = 1, pos = 0; i < n; i++) {
        if (v[i] <= v[i - 1] + s->apart || too_few(s, c->start + i))
            continue;
        if (i - pos <= n - i) {
            for (; pos < i; pos++) {
                c->left[c->code[samples[pos]]] += c->w[samples[pos]];
                weight += c->w[samples[pos]];
            }
        } else {
            memcpy(c->left, c->total, c->classes * sizeof *c->left);
            weight = c->weight;
            for (pos = n; pos-- > i;) {
                c->left[c->code[samples[pos]]] -= c->w[samples[pos]];
                weight -= c->w[samples[pos]];
            }
            pos = i;
        }
        double rest = c->weight - weight;
        if (weight < least || rest < least)
            continue;
        struct squares q = add_squares(c->left, c->total, c->classes);
        bool can_multiply = weight > WEIGHT_LEAST && rest > WEIGHT_LEAST && c->weight < WEIGHT_MOST;
        if (can_multiply && q.left * rest + q.right * weight <=
                                (best->proxy + c->weight - margin) * (weight * rest))
            continue;
        double left = 1.0 - q.left / (weight * weight), right = 1.0 - q.right / (rest * rest);
        double proxy = -rest * right - weight * left;
        if (proxy > best->proxy)
            *best = (struct cut){ .found = true,
                                  .feature = feature,
                                  .pos = c->start + i,
                                  .threshold = splitter_between(s, v[i - 1], v[i]),
                                  .proxy = proxy };
    }
}

bool look_sorted(struct splitter *s, uint32_t feature, struct cut *best)
{
    struct criterion *c = &s->criterion;
    const struct column column = splitter_column(s, feature);
    uint32_t n = c->end - c->start;
    float *v = s->values;

    for (uint32_t i = 0; i < n; i++)
        v[i] = column_value(&column, s->samples[c->start + i]);
    const uint8_t *level = s->levels && s->levels[feature].count ? s->levels[feature].of : NULL;
    sort_exact(s->sort, v, s->samples + c->start, n, level);
    if (v[n - 1] <= v[0] + s->apart)
        return true;
    if (!c->classes && !c->whole) {
        rate_sums(s, feature, n, best);
        return false;
    }
    if (c->kind == FOREST_GINI) {
        rate_gini(s, feature, n, best);
        return false;
    }
    criterion_reset(c);
    for (uint32_t i = 1; i < n; i++) {
        if (v[i] <= v[i - 1] + s->apart || too_few(s, c->start + i))
            continue;
        criterion_update(c, c->start + i);
        splitter_compare(s, feature, splitter_between(s, v[i - 1], v[i]), best);
    }
    return false;
}

/*
 * The same of bins `least` to `most`: the last one that goes left. NaNs are a bin behind the
 * greatest of the others, which is `below` then.
 */
static double draw_bin(struct splitter *s, uint32_t least, uint32_t most, uint32_t below)
{
    uint32_t last = most == BIN_NAN ? below + 1 : most;
    uint32_t code = least + splitter_draw(s) % (last - least);

    return most == BIN_NAN && code == below ? BIN_NAN - 1.0 : (double)code;
}

static bool draw_between_bins(struct splitter *s, uint32_t feature, double *threshold)
{
    const struct column column = splitter_column(s, feature);
    const uint32_t *samples = s->samples + s->criterion.start;
    uint32_t n = s->criterion.end - s->criterion.start, least = BIN_NAN, most = 0, below = 0;

    for (uint32_t i = 0; i < n; i++) {
        uint32_t code = column.code[samples[i] * column.stride];
        s->values[i] = (float)code;
        least = code < least ? code : least;
        most = code > most ? code : most;
        below = code > below && code < BIN_NAN ? code : below;
    }
    if (least == most)
        return false;
    *threshold = draw_bin(s, least, most, below);
    return true;
}

static double draw_between(struct splitter *s, float least, float most)
{
    double range = (double)most - (double)least;
    double threshold = range * (double)splitter_draw(s) / 2147483647.0 + (double)least;

    return threshold == (double)most ? (double)least : threshold;
}

/*
 * Gather the feature's values and draw a threshold between the least and the greatest. False: it is
 * constant.
 */
static bool draw_threshold(struct splitter *s, uint32_t feature, double *threshold)
{
    if (s->bins)
        return draw_between_bins(s, feature, threshold);
    uint32_t n = s->criterion.end - s->criterion.start;
    const struct value_range r = s->node_loops->gather(
        prep_column(s->prep, feature), s->samples + s->criterion.start, n, s->values);
    if (r.most <= r.least + s->apart)
        return false;
    *threshold = draw_between(s, r.least, r.most);
    return true;
}

/* Of two rows the lesser goes left, whatever is drawn. */
static bool look_random_two(struct splitter *s, uint32_t feature, struct cut *best)
{
    struct criterion *c = &s->criterion;
    const float *column = prep_column(s->prep, feature);
    uint32_t *samples = s->samples + c->start, row[2] = { samples[0], samples[1] };
    float v[2] = { column[row[0]], column[row[1]] };
    uint32_t lesser = v[1] < v[0];

    if (v[!lesser] <= v[lesser] + s->apart)
        return true;
    double threshold = draw_between(s, v[lesser], v[!lesser]);
    samples[0] = row[lesser];
    samples[1] = row[!lesser];
    if (too_few(s, c->start + 1))
        return false;
    criterion_reset(c);
    criterion_update(c, c->start + 1);
    splitter_compare(s, feature, threshold, best);
    return false;
}

bool look_random(struct splitter *s, uint32_t feature, struct cut *best)
{
    struct criterion *c = &s->criterion;
    double threshold;

    if (c->end - c->start == 2 && !s->bins)
        return look_random_two(s, feature, best);
    if (!draw_threshold(s, feature, &threshold))
        return true;
    uint32_t pos =
        c->start + s->node_loops->part(s->samples + c->start, s->values, c->end - c->start,
                                       threshold, (uint32_t *)s->keys);
    if (too_few(s, pos))
        return false;
    criterion_reset(c);
    criterion_update(c, pos);
    splitter_compare(s, feature, threshold, best);
    return false;
}

bool look_random_counts(struct splitter *s, uint32_t feature, struct cut *best)
{
    struct criterion *c = &s->criterion;
    const uint32_t *tags = s->tags + c->start;
    uint32_t n = c->end - c->start, rows = 0, bits = s->class_bits, mask = (1u << bits) - 1;
    double threshold;

    if (!draw_threshold(s, feature, &threshold))
        return true;
    memset(s->left, 0, c->classes * sizeof *s->left);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t is_left = (double)s->values[i] <= threshold, tag = tags[i];
        s->left[tag & mask] += (tag >> bits) & -is_left;
        rows += is_left;
    }
    if (too_few(s, c->start + rows))
        return false;
    set_left(c, s->left, c->start + rows);
    splitter_compare(s, feature, threshold, best);
    return false;
}
