/* SPDX-License-Identifier: MIT */
/*
 * grow.c -- the rules of exact growing, in the plainest form: a node's samples are copied, sorted and
 * summed as scikit-learn does, each expression evaluated in the order it is written.
 */
#include "grow.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

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
    const struct prep *prep;
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
    return prep_column(t->prep, f)[t->samples[i]];
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
    *best = (struct best){ .proxy = -(double)INFINITY };
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

static int add_node(struct tree *out, const struct pending *node, const struct work *t,
                    uint32_t *added)
{
    if (out->count == out->capacity && tree_reserve(out, out->capacity * 2 + 16))
        return -ENOMEM;
    uint32_t id = *added = out->count++;
    out->left[id] = out->right[id] = -1;
    out->feature[id] = -2;
    out->threshold[id] = -2.0;
    out->impurity[id] = node->impurity;
    out->value[id] = t->sum / t->weight;
    out->weighted_n[id] = t->weight;
    out->n[id] = t->end - t->start;
    if (node->parent >= 0)
        (node->is_left ? out->left : out->right)[node->parent] = (int32_t)id;
    return 0;
}

static bool may_split(const struct work *t, const struct pending *node)
{
    const struct grow_limits *m = t->limits;
    uint32_t n = t->end - t->start;
    return node->depth < m->max_depth && n >= m->min_samples_split &&
           n >= 2 * (uint64_t)m->min_samples_leaf && !(t->weight < 2 * m->min_weight_leaf) &&
           !(node->impurity <= 2.220446049250313e-16);
}

static int grow(struct work *t, struct pending *stack, struct tree *out)
{
    size_t top = 1;
    while (top > 0) {
        struct pending node = stack[--top];
        struct best best;
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
            is_leaf = !best.found || best.improvement + 2.220446049250313e-16 <
                                         t->limits->min_impurity_decrease;
        }
        uint32_t id;
        if (add_node(out, &node, t, &id))
            return -ENOMEM;
        if (is_leaf)
            continue;
        out->feature[id] = (int32_t)best.feature;
        out->threshold[id] = best.threshold;
        stack[top++] = (struct pending){ best.pos, node.end, node.depth + 1, constants,
                                         (int32_t)id, false, best.impurity_right };
        stack[top++] = (struct pending){ node.start, best.pos, node.depth + 1, constants,
                                         (int32_t)id, true, best.impurity_left };
    }
    return 0;
}

struct grow_scratch {
    void *memory;
    size_t bytes;
};

struct grow_scratch *grow_scratch_new(void)
{
    return calloc(1, sizeof(struct grow_scratch));
}

void grow_scratch_free(struct grow_scratch *scratch)
{
    if (scratch)
        free(scratch->memory);
    free(scratch);
}

/* Lay the work arrays out in the scratch. */
static int reserve(struct work *t, struct grow_scratch *scratch, struct pending **stack)
{
    size_t rows = t->prep->rows, features = t->features_n;
    size_t bytes = (rows + 2) * sizeof **stack + rows * 8 + features * 8;

    if (bytes > scratch->bytes) {
        void *memory = realloc(scratch->memory, bytes);
        if (!memory)
            return -ENOMEM;
        scratch->memory = memory;
        scratch->bytes = bytes;
    }
    *stack = scratch->memory;
    t->samples = (uint32_t *)(*stack + rows + 2);
    t->values = (float *)(t->samples + rows);
    t->features = (uint32_t *)(t->values + rows);
    t->constant_features = t->features + features;
    return 0;
}

int grow_exact(const struct prep *p, const double *y, const double *w, uint32_t splitter_seed,
               const struct grow_limits *limits, struct grow_scratch *scratch, struct tree *out)
{
    struct work t = { .prep = p, .features_n = p->features, .y = y, .w = w, .limits = limits,
                      .state = splitter_seed };
    struct pending *stack;
    uint32_t n = 0;

    out->count = 0;
    if (reserve(&t, scratch, &stack))
        return -ENOMEM;
    for (uint32_t i = 0; i < p->rows; i++)
        if (w[i] != 0.0)
            t.samples[n++] = i;
    if (n == 0)
        return -EINVAL;
    for (uint32_t f = 0; f < p->features; f++)
        t.features[f] = f;
    stack[0] = (struct pending){ .end = n, .parent = -1 };
    return grow(&t, stack, out);
}
