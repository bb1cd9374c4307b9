/* SPDX-License-Identifier: MIT */
/*
 * reference.c -- the rules of exact growing, in the plainest form.
 *
 * Nothing here is clever: a node's samples are copied, sorted and summed as the rules say, each
 * expression is evaluated in the order it is written. The library's grower is compared with this
 * one, and this one with scikit-learn.
 */
#include "reference.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- random numbers ---------------------------------------------------------------------- */

void reference_seed(struct reference_random *r, uint32_t seed)
{
    r->key[0] = seed;
    for (unsigned i = 1; i < 624; i++)
        r->key[i] = 1812433253u * (r->key[i - 1] ^ (r->key[i - 1] >> 30)) + i;
    r->pos = 624;
}

static uint32_t next(struct reference_random *r)
{
    if (r->pos == 624) {
        for (unsigned i = 0; i < 624; i++) {
            uint32_t y = (r->key[i] & 0x80000000u) | (r->key[(i + 1) % 624] & 0x7fffffffu);
            r->key[i] = r->key[(i + 397) % 624] ^ (y >> 1) ^ ((y & 1) ? 0x9908b0dfu : 0);
        }
        r->pos = 0;
    }
    uint32_t y = r->key[r->pos++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
}

uint32_t reference_bounded(struct reference_random *r, uint32_t max)
{
    uint32_t mask = max, x;
    if (max == 0)
        return 0;
    for (unsigned s = 1; s < 32; s *= 2)
        mask |= mask >> s;
    do
        x = next(r) & mask;
    while (x > max);
    return x;
}

void reference_tree_seeds(uint32_t forest_seed, uint32_t *seeds, size_t count)
{
    struct reference_random r;
    reference_seed(&r, forest_seed);
    for (size_t i = 0; i < count; i++)
        seeds[i] = reference_bounded(&r, 2147483646u);
}

void reference_weights(uint32_t tree_seed, bool bootstrap, const double *weight, uint32_t rows,
                       double *out)
{
    struct reference_random r;
    for (uint32_t i = 0; i < rows; i++)
        out[i] = bootstrap ? 0.0 : 1.0;
    reference_seed(&r, tree_seed);
    for (uint32_t i = 0; bootstrap && i < rows; i++)
        out[reference_bounded(&r, rows - 1)] += 1.0;
    for (uint32_t i = 0; weight && i < rows; i++)
        out[i] *= weight[i];
}

uint32_t reference_splitter_seed(uint32_t tree_seed)
{
    struct reference_random r;
    reference_seed(&r, tree_seed);
    return reference_bounded(&r, 2147483646u);
}

static uint32_t draw(uint32_t lo, uint32_t hi, uint32_t *state)
{
    if (*state == 0)
        *state = 1;
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return lo + (*state & 0x7fffffffu) % (hi - lo);
}

/* ---- the sort ---------------------------------------------------------------------------- */

static void swap(float *v, uint32_t *s, size_t i, size_t j)
{
    float tv = v[i];
    uint32_t ts = s[i];
    v[i] = v[j];
    s[i] = s[j];
    v[j] = tv;
    s[j] = ts;
}

static float median3(float a, float b, float c)
{
    if (a < b)
        return b < c ? b : a < c ? c : a;
    return b < c ? (a < c ? a : c) : b;
}

static void sift_down(float *v, uint32_t *s, size_t root, size_t n)
{
    for (;;) {
        size_t largest = root, child = root * 2 + 1;
        if (child < n && v[largest] < v[child])
            largest = child;
        if (child + 1 < n && v[largest] < v[child + 1])
            largest = child + 1;
        if (largest == root)
            return;
        swap(v, s, root, largest);
        root = largest;
    }
}

static void heap_sort(float *v, uint32_t *s, size_t n)
{
    for (size_t root = n / 2; root-- > 0;)
        sift_down(v, s, root, n);
    for (size_t last = n - 1; last > 0; last--) {
        swap(v, s, 0, last);
        sift_down(v, s, 0, last);
    }
}

static void introsort(float *v, uint32_t *s, size_t n, int depth)
{
    while (n > 1) {
        if (depth <= 0) {
            heap_sort(v, s, n);
            return;
        }
        depth--;
        float pivot = median3(v[0], v[n / 2], v[n - 1]);
        size_t i = 0, l = 0, r = n;
        while (i < r) {
            if (v[i] < pivot)
                swap(v, s, i++, l++);
            else if (v[i] > pivot)
                swap(v, s, i, --r);
            else
                i++;
        }
        introsort(v, s, l, depth);
        v += r;
        s += r;
        n -= r;
    }
}

/* ---- the tree ---------------------------------------------------------------------------- */

struct pending {
    uint32_t start, end, depth, constants;
    int32_t parent;
    bool is_left;
    double impurity;
};

struct best {
    bool found;
    uint32_t feature, pos;
    double proxy, threshold, improvement, impurity_left, impurity_right;
};

struct work {
    const float *x;
    uint32_t features_n;
    const double *y, *w;
    const struct grow_limits *limits;
    uint32_t *samples, *features, *constant_features;
    float *values;
    uint32_t state;
    double weight_all;
    /* the node at hand */
    uint32_t start, end, pos;
    double sum, sumsq, weight;
    double sum_left, weight_left;
};

static float value_of(const struct work *t, uint32_t i, uint32_t f)
{
    return t->x[(size_t)t->samples[i] * t->features_n + f];
}

static void node_init(struct work *t, uint32_t start, uint32_t end)
{
    t->start = start;
    t->end = end;
    t->sum = t->sumsq = t->weight = 0.0;
    for (uint32_t i = start; i < end; i++) {
        double w = t->w[t->samples[i]], wy = w * t->y[t->samples[i]];
        t->sum += wy;
        t->sumsq += wy * t->y[t->samples[i]];
        t->weight += w;
    }
}

static void update_reset(struct work *t)
{
    t->pos = t->start;
    t->sum_left = t->weight_left = 0.0;
}

static void update(struct work *t, uint32_t pos)
{
    if (pos - t->pos <= t->end - pos) {
        for (uint32_t i = t->pos; i < pos; i++) {
            t->sum_left += t->w[t->samples[i]] * t->y[t->samples[i]];
            t->weight_left += t->w[t->samples[i]];
        }
    } else {
        t->sum_left = t->sum;
        t->weight_left = t->weight;
        for (uint32_t i = t->end; i-- > pos;) {
            t->sum_left -= t->w[t->samples[i]] * t->y[t->samples[i]];
            t->weight_left -= t->w[t->samples[i]];
        }
    }
    t->pos = pos;
}

static void scan(struct work *t, uint32_t feature, struct best *best)
{
    const struct grow_limits *m = t->limits;
    const float *v = t->values;
    update_reset(t);
    for (uint32_t p = t->start; p < t->end;) {
        while (p + 1 < t->end && v[p + 1] <= v[p] + PREP_APART)
            p++;
        if (++p >= t->end)
            return;
        if (p - t->start < m->min_samples_leaf || t->end - p < m->min_samples_leaf)
            continue;
        update(t, p);
        double sum_right = t->sum - t->sum_left, weight_right = t->weight - t->weight_left;
        if (t->weight_left < m->min_weight_leaf || weight_right < m->min_weight_leaf)
            continue;
        double proxy = t->sum_left * t->sum_left / t->weight_left;
        proxy += sum_right * sum_right / weight_right;
        if (m->is_friedman) {
            double diff = weight_right * t->sum_left - t->weight_left * sum_right;
            proxy = diff * diff / (t->weight_left * weight_right);
        }
        if (!(proxy > best->proxy))
            continue;
        best->found = true;
        best->proxy = proxy;
        best->feature = feature;
        best->pos = p;
        best->threshold = (double)v[p - 1] / 2.0 + (double)v[p] / 2.0;
        if (best->threshold == (double)v[p] || isinf(best->threshold))
            best->threshold = (double)v[p - 1];
    }
}

static void partition(struct work *t, const struct best *best)
{
    uint32_t p = t->start, e = t->end;
    while (p < e) {
        if ((double)value_of(t, p, best->feature) <= best->threshold) {
            p++;
        } else {
            uint32_t s = t->samples[p];
            t->samples[p] = t->samples[--e];
            t->samples[e] = s;
        }
    }
}

static void judge(struct work *t, double impurity, struct best *best)
{
    double sumsq_left = 0.0;
    update_reset(t);
    update(t, best->pos);
    for (uint32_t i = t->start; i < best->pos; i++) {
        double y = t->y[t->samples[i]];
        sumsq_left += t->w[t->samples[i]] * y * y;
    }
    double weight_right = t->weight - t->weight_left, sum_right = t->sum - t->sum_left;
    double mean_left = t->sum_left / t->weight_left, mean_right = sum_right / weight_right;
    best->impurity_left = sumsq_left / t->weight_left - mean_left * mean_left;
    best->impurity_right = (t->sumsq - sumsq_left) / weight_right - mean_right * mean_right;
    best->improvement = (t->weight / t->weight_all) *
                        (impurity - (weight_right / t->weight * best->impurity_right) -
                         (t->weight_left / t->weight * best->impurity_left));
    if (t->limits->is_friedman) {
        double diff = weight_right * t->sum_left - t->weight_left * sum_right;
        best->improvement = diff * diff / (t->weight_left * weight_right * t->weight);
    }
}

static void swap_features(struct work *t, uint32_t i, uint32_t j)
{
    uint32_t f = t->features[i];
    t->features[i] = t->features[j];
    t->features[j] = f;
}

/* Returns how many features the children need not look at. */
static uint32_t search(struct work *t, double impurity, uint32_t known, struct best *best)
{
    uint32_t fi = t->features_n, visited = 0, found = 0, drawn = 0, total = known;
    uint32_t n = t->end - t->start;
    best->found = false;
    best->proxy = -INFINITY;
    while (fi > total && (visited < t->limits->max_features || visited <= found + drawn)) {
        visited++;
        uint32_t fj = draw(drawn, fi - found, &t->state);
        if (fj < known) {
            swap_features(t, drawn++, fj);
            continue;
        }
        fj += found;
        uint32_t feature = t->features[fj];
        for (uint32_t i = t->start; i < t->end; i++)
            t->values[i] = value_of(t, i, feature);
        introsort(t->values + t->start, t->samples + t->start, n,
                  2 * (int)(log((double)n) / log(2.0)));
        if (t->values[t->end - 1] <= t->values[t->start] + PREP_APART) {
            swap_features(t, fj, total);
            found++;
            total++;
            continue;
        }
        swap_features(t, --fi, fj);
        scan(t, feature, best);
    }
    if (best->found) {
        partition(t, best);
        judge(t, impurity, best);
    }
    memcpy(t->features, t->constant_features, known * sizeof *t->features);
    memcpy(t->constant_features + known, t->features + known, found * sizeof *t->features);
    return total;
}

static void *grown(void *array, size_t bytes)
{
    array = realloc(array, bytes);
    if (!array)
        abort();
    return array;
}

static void reserve(struct reference_tree *t, uint32_t capacity)
{
    if (capacity <= t->capacity)
        return;
    t->left = grown(t->left, capacity * sizeof *t->left);
    t->right = grown(t->right, capacity * sizeof *t->right);
    t->feature = grown(t->feature, capacity * sizeof *t->feature);
    t->threshold = grown(t->threshold, capacity * sizeof *t->threshold);
    t->impurity = grown(t->impurity, capacity * sizeof *t->impurity);
    t->value = grown(t->value, capacity * sizeof *t->value);
    t->weighted_n = grown(t->weighted_n, capacity * sizeof *t->weighted_n);
    t->n = grown(t->n, capacity * sizeof *t->n);
    t->capacity = capacity;
}

void reference_release(struct reference_tree *t)
{
    free(t->left);
    free(t->right);
    free(t->feature);
    free(t->threshold);
    free(t->impurity);
    free(t->value);
    free(t->weighted_n);
    free(t->n);
    *t = (struct reference_tree){ .count = 0 };
}

void reference_unpack(const struct tree *tree, struct reference_tree *out)
{
    reserve(out, tree->count);
    out->count = tree->count;
    for (uint32_t i = 0; i < tree->count; i++) {
        const struct node *node = &tree->nodes[i];
        const struct node_stats *stats = &tree->stats[i];
        bool is_leaf = node_is_leaf(node);
        if (is_leaf && memcmp(&node->number, &stats->value, sizeof stats->value))
            abort();
        out->left[i] = is_leaf ? -1 : (int32_t)i + 1;
        out->right[i] = is_leaf ? -1 : (int32_t)node->right;
        out->feature[i] = is_leaf ? -2 : (int32_t)node->feature;
        out->threshold[i] = is_leaf ? -2.0 : node->number;
        out->impurity[i] = stats->impurity;
        out->value[i] = stats->value;
        out->weighted_n[i] = stats->weighted_rows;
        out->n[i] = (uint32_t)stats->rows;
    }
}

static uint32_t add_node(struct reference_tree *out, const struct pending *node,
                         const struct work *t)
{
    if (out->count == out->capacity)
        reserve(out, out->capacity * 2 + 16);
    uint32_t id = out->count++;
    out->left[id] = out->right[id] = -1;
    out->feature[id] = -2;
    out->threshold[id] = -2.0;
    out->impurity[id] = node->impurity;
    out->value[id] = t->sum / t->weight;
    out->weighted_n[id] = t->weight;
    out->n[id] = t->end - t->start;
    if (node->parent >= 0)
        (node->is_left ? out->left : out->right)[node->parent] = (int32_t)id;
    return id;
}

static bool may_split(const struct work *t, const struct pending *node)
{
    const struct grow_limits *m = t->limits;
    uint32_t n = t->end - t->start;
    return node->depth < m->max_depth && n >= m->min_samples_split &&
           n >= 2 * (uint64_t)m->min_samples_leaf && !(t->weight < 2 * m->min_weight_leaf) &&
           !(node->impurity <= 2.220446049250313e-16);
}

static void grow(struct work *t, struct pending *stack, struct reference_tree *out)
{
    size_t top = 1;
    while (top > 0) {
        struct pending node = stack[--top];
        struct best best = { .found = false };
        node_init(t, node.start, node.end);
        if (node.parent < 0) {
            t->weight_all = t->weight;
            double mean = t->sum / t->weight;
            node.impurity = t->sumsq / t->weight - mean * mean;
        }
        uint32_t constants = 0;
        bool is_leaf = !may_split(t, &node);
        if (!is_leaf) {
            constants = search(t, node.impurity, node.constants, &best);
            is_leaf = !best.found ||
                      best.improvement + 2.220446049250313e-16 < t->limits->min_impurity_decrease;
        }
        uint32_t id = add_node(out, &node, t);
        if (is_leaf)
            continue;
        out->feature[id] = (int32_t)best.feature;
        out->threshold[id] = best.threshold;
        stack[top++] = (struct pending){ best.pos,    node.end, node.depth + 1,     constants,
                                         (int32_t)id, false,    best.impurity_right };
        stack[top++] = (struct pending){ node.start,  best.pos, node.depth + 1,    constants,
                                         (int32_t)id, true,     best.impurity_left };
    }
}

void reference_grow(const float *x, uint32_t rows, uint32_t features, const double *y,
                    const double *w, uint32_t splitter_seed, const struct grow_limits *limits,
                    struct reference_tree *out)
{
    struct work t = { .x = x, .features_n = features, .y = y, .w = w, .limits = limits };
    struct pending *stack = malloc(((size_t)rows + 2) * sizeof *stack);
    t.samples = malloc(rows * sizeof *t.samples);
    t.values = malloc(rows * sizeof *t.values);
    t.features = malloc(features * sizeof *t.features);
    t.constant_features = calloc(features, sizeof *t.constant_features);
    if (!stack || !t.samples || !t.values || !t.features || !t.constant_features)
        abort();
    uint32_t n = 0;
    for (uint32_t i = 0; i < rows; i++)
        if (w[i] != 0.0)
            t.samples[n++] = i;
    for (uint32_t f = 0; f < features; f++)
        t.features[f] = f;
    t.state = splitter_seed;
    out->count = 0;
    stack[0] = (struct pending){ .end = n, .parent = -1 };
    grow(&t, stack, out);
    free(stack);
    free(t.samples);
    free(t.values);
    free(t.features);
    free(t.constant_features);
}

const char *reference_difference(const struct reference_tree *a, const struct reference_tree *b)
{
    size_t n = a->count;
    if (a->count != b->count)
        return "count";
#define SAME(field) (memcmp(a->field, b->field, n * sizeof *a->field) == 0)
    return !SAME(left)         ? "left"
           : !SAME(right)      ? "right"
           : !SAME(feature)    ? "feature"
           : !SAME(n)          ? "n"
           : !SAME(threshold)  ? "threshold"
           : !SAME(weighted_n) ? "weighted_n"
           : !SAME(value)      ? "value"
           : !SAME(impurity)   ? "impurity"
                               : NULL;
#undef SAME
}
