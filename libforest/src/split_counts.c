/* SPDX-License-Identifier: MIT */
/*
 * split_counts.c -- the best cut of a classifier whose weights are whole numbers.
 *
 * Counts of classes are exact then, whatever the order of rows: so any sort serves, and of a row
 * only its value, class and weight are needed, packed into one 64-bit key. The sums of squared
 * counts are whole numbers too, and kept up to date as the cut passes each row: a candidate for
 * Gini costs two divisions, not a look at all classes.
 *
 * For entropy a candidate is first valued by a table of n * log2(n), also kept up to date; this
 * differs from scikit-learn's expression in rounding alone. Only one that comes as close to the
 * best as both roundings can err is worked out as scikit-learn does it.
 */
#include <math.h>
#include <string.h>

#include "sort_radix.h"
#include "splitter.h"

#define EPSILON 0x1p-52

/* Up to so many keys are sorted by insertion, and up to so many by comparing. */
#define INSERTION_MOST 14
#define COMPARE_MOST 256
#define DIGIT_BITS 8u
#define DIGIT_BITS_MANY 11u /* of many keys: fewer passes, and tables that are worth it */
#define MANY 2048

static inline uint32_t value_key(uint64_t key)
{
    return (uint32_t)(key >> 32);
}

static void insertion_sort(uint64_t *a, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++) {
        uint64_t key = a[i];
        uint32_t j = i;
        for (; j > 0 && a[j - 1] > key; j--)
            a[j] = a[j - 1];
        a[j] = key;
    }
}

static uint64_t median3(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t min = a < b ? a : b, max = a < b ? b : a;

    return max < c ? max : c > min ? c : min;
}

/*
 * Quicksort that parts without a branch: the lesser keys to the front of b, the others to its end.
 * It ends because a key and its equals, if none is less, are parted from those that are greater.
 */
static void compare_sort(uint64_t *a, uint64_t *b, uint32_t n)
{
    while (n > INSERTION_MOST) {
        uint64_t pivot = median3(a[0], a[n / 2], a[n - 1]);
        uint32_t low = 0, high = n;
        for (uint32_t i = 0; i < n; i++) {
            bool is_less = a[i] < pivot;
            b[low] = b[high - 1] = a[i];
            low += is_less;
            high -= !is_less;
        }
        memcpy(a, b, n * sizeof *a);
        if (low == 0) { /* the pivot is the least: move it and its equals to the front */
            for (uint32_t i = 0; i < n; i++) {
                uint64_t key = a[i], other = a[low];
                bool is_equal = key == pivot;
                a[i] = is_equal ? other : key;
                a[low] = is_equal ? key : other;
                low += is_equal;
            }
        } else {
            compare_sort(a, b, low);
        }
        a += low;
        b += low;
        n -= low;
    }
    insertion_sort(a, n);
}

/* One stable pass by a digit of the value. */
static void radix_pass(const uint64_t *from, uint64_t *to, uint32_t n, unsigned shift,
                       unsigned bits)
{
    uint32_t start[1u << DIGIT_BITS_MANY], digits = 1u << bits, at = 0;

    memset(start, 0, digits * sizeof *start);
    for (uint32_t i = 0; i < n; i++)
        start[from[i] >> shift & (digits - 1)]++;
    for (uint32_t d = 0; d < digits; d++) {
        uint32_t count = start[d];
        start[d] = at;
        at += count;
    }
    for (uint32_t i = 0; i < n; i++)
        to[start[from[i] >> shift & (digits - 1)]++] = from[i];
}

/* Sort by value, of which the bits in `varying` differ. Returns where the result is: a or b. */
static uint64_t *sort_keys(uint64_t *a, uint64_t *b, uint32_t n, uint32_t varying)
{
    if (n <= COMPARE_MOST) {
        compare_sort(a, b, n);
        return a;
    }
    unsigned shift = (unsigned)__builtin_ctz(varying);
    unsigned bits = 32 - (unsigned)__builtin_clz(varying) - shift;
    unsigned most = n < MANY ? DIGIT_BITS : DIGIT_BITS_MANY, passes = (bits + most - 1) / most;
    unsigned each = (bits + passes - 1) / passes;
    for (; passes > 0; passes--, shift += each) {
        radix_pass(a, b, n, 32 + shift, each);
        uint64_t *t = a;
        a = b;
        b = t;
    }
    return a;
}

/* The cut that passes over the sorted rows. */
struct passing {
    const struct splitter *s;
    const uint64_t *keys;
    uint64_t *left, *right;
    uint32_t n, feature;
    uint64_t weight_left, weight_right;
    uint64_t squares_left, squares_right;
    double logs;   /* entropy: of both sides, sum of n log2(n) by class */
    double margin; /* more than this value and scikit-learn's differ */
};

static inline void pass(struct passing *p, uint64_t key)
{
    uint32_t k = (uint32_t)key & 0xffff;
    uint64_t w = (uint32_t)key >> 16, l = p->left[k], r = p->right[k];

    p->left[k] = l + w;
    p->right[k] = r - w;
    p->squares_left += w * (2 * l + w);
    p->squares_right -= w * (2 * r - w);
    p->weight_left += w;
    p->weight_right -= w;
}

static inline void pass_logs(struct passing *p, uint64_t key)
{
    uint32_t k = (uint32_t)key & 0xffff;
    uint64_t w = (uint32_t)key >> 16, l = p->left[k], r = p->right[k];
    const double *logs = p->s->logs;

    p->left[k] = l + w;
    p->right[k] = r - w;
    p->logs += (logs[l + w] - logs[l]) + (logs[r - w] - logs[r]);
    p->weight_left += w;
    p->weight_right -= w;
}

static double entropy(const uint64_t *count, uint32_t classes, double weight)
{
    double sum = 0.0;

    for (uint32_t k = 0; k < classes; k++)
        if (count[k])
            sum -= criterion_plogp((double)count[k] / weight);
    return sum;
}

static inline double gini_proxy(const struct passing *p)
{
    double wl = (double)p->weight_left, wr = (double)p->weight_right;
    double left = 1.0 - (double)p->squares_left / (wl * wl);
    double right = 1.0 - (double)p->squares_right / (wr * wr);

    return -wr * right - wl * left;
}

/* Negative infinity if it cannot be better than `best`. */
static inline double entropy_proxy(const struct passing *p, double best)
{
    double wl = (double)p->weight_left, wr = (double)p->weight_right;
    double about = p->logs - p->s->logs[p->weight_left] - p->s->logs[p->weight_right];
    uint32_t classes = p->s->criterion.classes;

    if (about < best - p->margin)
        return -(double)INFINITY;
    return -wr * entropy(p->right, classes, wr) - wl * entropy(p->left, classes, wl);
}

static inline void take(const struct passing *p, uint32_t i, double proxy, struct cut *best)
{
    float below = key_value(value_key(p->keys[i])), above = key_value(value_key(p->keys[i + 1]));

    best->found = true;
    best->proxy = proxy;
    best->feature = p->feature;
    best->pos = p->s->criterion.start + i + 1;
    best->threshold = cut_between(below, above);
}

/* Pass over all rows; inlined once per criterion. */
static inline __attribute__((always_inline)) void scan(struct passing *p, bool is_gini,
                                                       struct cut *best)
{
    uint32_t least = p->s->limits->min_samples_leaf;
    double least_weight = p->s->limits->min_weight_leaf;
    float value = key_value(value_key(p->keys[0]));

    for (uint32_t i = 0; i + 1 < p->n; i++) {
        float next = key_value(value_key(p->keys[i + 1]));
        bool is_apart = next > value + PREP_APART;
        value = next;
        if (is_gini)
            pass(p, p->keys[i]);
        else
            pass_logs(p, p->keys[i]);
        if (!is_apart || i + 1 < least || p->n - i - 1 < least ||
            (double)p->weight_left < least_weight || (double)p->weight_right < least_weight)
            continue;
        double proxy = is_gini ? gini_proxy(p) : entropy_proxy(p, best->proxy);
        if (proxy > best->proxy)
            take(p, i, proxy, best);
    }
}

static void start(struct passing *p)
{
    const struct criterion *c = &p->s->criterion;

    p->weight_right = (uint64_t)c->weight;
    if (c->kind == FOREST_ENTROPY) /* four roundings a row there, some for each class here */
        p->margin = 8 * EPSILON * p->n * p->s->logs[p->weight_right] +
                    32 * EPSILON * (c->classes + 2.0) * c->weight;
    for (uint32_t k = 0; k < c->classes; k++) {
        uint64_t count = (uint64_t)c->total[k];
        p->left[k] = 0;
        p->right[k] = count;
        p->squares_right += count * count;
        if (c->kind == FOREST_ENTROPY)
            p->logs += p->s->logs[count];
    }
}

bool look_counts(struct splitter *s, uint32_t feature, struct cut *best)
{
    const struct criterion *c = &s->criterion;
    const float *column = prep_column(s->prep, feature);
    const uint32_t *samples = s->samples + c->start, *tags = s->tags + c->start;
    uint32_t n = c->end - c->start, least = UINT32_MAX, most = 0, any = 0, all = UINT32_MAX;

    for (uint32_t i = 0; i < n; i++) {
        uint32_t key = sort_key(column[samples[i]]);
        s->keys[i] = (uint64_t)key << 32 | tags[i];
        least = key < least ? key : least;
        most = key > most ? key : most;
        any |= key;
        all &= key;
    }
    if (key_value(most) <= key_value(least) + PREP_APART)
        return true;
    struct passing p = { .s = s, .n = n, .feature = feature, .left = s->left, .right = s->right };
    p.keys = sort_keys(s->keys, s->spare_keys, n, any ^ all);
    start(&p);
    if (c->kind == FOREST_GINI)
        scan(&p, true, best);
    else
        scan(&p, false, best);
    return false;
}
