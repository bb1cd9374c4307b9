/* SPDX-License-Identifier: MIT */
/*
 * general.c -- the order in which nodes are split: depth first, or the greatest gain first.
 *
 * Depth first, a node is added when it is taken from the stack, so that numbers are in preorder.
 * Best first, a node is searched for its best cut as soon as its parent is split, both children are
 * added side by side, and the one that gains most is the next to be split.
 */
#include "general.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/gain_heap.h"
#include "base/memory.h"
#include "list_loops.h"
#include "node_loops.h"
#include "lists.h"
#include "sort_exact.h"
#include "sort_keys.h"
#include "splitter.h"

#define EPSILON 2.220446049250313e-16
#define NO_PARENT UINT32_MAX
#define LOGS_MOST 0x1p24

/* A node that waits: on a stack before it is searched, or for its turn by gain after. */
struct waiting {
    uint32_t start, end, depth, parent, constants;
    bool is_left, is_leaf;
    double impurity;
    uint32_t id;
    struct cut cut; /* best first only */
};

struct general {
    bool sorts_always;
    struct splitter splitter;
    char *memory; /* all arrays of the splitter */
    size_t memory_bytes;
    double *logs;
    uint32_t logs_capacity;
    struct whole whole; /* in fast mode */
    struct logs whole_logs;
    struct grow_limits limits; /* in units of weight */
    struct lists lists;
    struct list_loops loops;
    struct waiting *waiting;
    uint32_t waiting_count, waiting_capacity;
    struct gain_heap heap; /* best first: of those that wait */
};

struct growth {
    struct general *g;
    struct splitter *s;
    const struct general_params *params;
    struct grown *out;
    double unit; /* what weights are counted in */
};

struct general *general_new(void)
{
    struct general *g = calloc(1, sizeof *g);

    if (!g)
        return NULL;
    general_level(g, KERNELS_BEST);
    g->splitter.sort = exact_sort_new();
    if (!g->splitter.sort) {
        free(g);
        return NULL;
    }
    return g;
}

void general_free(struct general *g)
{
    if (!g)
        return;
    exact_sort_free(g->splitter.sort);
    free(g->memory);
    free(g->logs);
    free(g->lists.memory);
    free(g->whole.memory);
    free(g->whole_logs.of);
    free(g->waiting);
    gain_heap_release(&g->heap);
    free(g);
}

void general_sort_always(struct general *g, bool always)
{
    g->sorts_always = always;
}

int general_level(struct general *g, enum kernels_level level)
{
    struct list_loops loops = list_loops_of(level);

    if (!loops.part)
        return -ENOSYS;
    g->loops = loops;
    g->splitter.loops = &g->loops;
    g->splitter.node_loops = node_loops_of(level);
    g->splitter.kernels = key_sort_of(level);
    return 0;
}

/* ---- nodes ------------------------------------------------------------------------- */

/* Is there nothing to improve on? */
static bool is_pure(const struct growth *t, double impurity)
{
    if (!t->params->is_fast)
        return impurity <= EPSILON;
    return t->params->classes ? impurity <= 0.0 : t->s->criterion.is_pure;
}

static bool must_be_leaf(const struct growth *t, const struct waiting *node, double impurity)
{
    const struct grow_limits *m = &t->g->limits;
    uint32_t n = node->end - node->start;

    return node->depth >= m->max_depth || n < m->min_samples_split ||
           n < 2 * (uint64_t)m->min_samples_leaf ||
           t->s->criterion.weight < 2 * m->min_weight_leaf || is_pure(t, impurity);
}

/*
 * Is it time to make lists? Best first, nodes of several blocks would have their turns: there is
 * one for all, or none.
 */
static bool wants_block(const struct growth *t, const struct waiting *node)
{
    const struct lists *l = t->s->lists;

    return l && !lists_have(l, node->start, node->end) &&
           node->end - node->start <= FAST_BLOCK_ROWS &&
           (!t->params->max_leaf_nodes || node->parent == NO_PARENT);
}

/* Sum up the node and search it; is_leaf and, if it is none, cut and constants are filled in. */
static void examine(struct growth *t, struct waiting *node)
{
    struct criterion *c = &t->s->criterion;

    if (wants_block(t, node))
        lists_take(t->s, node->start, node->end);
    splitter_node(t->s, node->start, node->end);
    if (node->parent == NO_PARENT) {
        c->weight_all = c->weight;
        node->impurity = criterion_impurity(c);
    } else if (t->params->is_fast && !c->classes) {
        node->impurity = criterion_impurity(c);
    }
    node->is_leaf = must_be_leaf(t, node, node->impurity);
    if (node->is_leaf)
        return;
    node->constants = splitter_split(t->s, node->impurity, node->constants, &node->cut);
    node->is_leaf = !node->cut.found || node->cut.pos >= node->end ||
                    node->cut.improvement + EPSILON < t->params->limits.min_impurity_decrease;
}

/* With bins: the edge of the last one that goes left. NaNs are parted from everything else. */
static double threshold_of(const struct splitter *s, const struct cut *cut)
{
    if (!s->bins)
        return cut->threshold;
    uint32_t code = (uint32_t)cut->threshold;
    return bins_edge(s->bins, cut->feature, code);
}

static double mean_of(const struct criterion *c)
{
    double mean = c->total[0] / c->weight;

    return c->whole ? c->whole->centre + mean * c->whole->step : mean;
}

static int add_node(struct growth *t, struct waiting *node, bool keep_weights)
{
    const struct criterion *c = &t->s->criterion;
    int err = grown_add(t->out, &node->id);

    if (err)
        return err;
    struct grown_node *n = &t->out->nodes[node->id];
    n->rows = node->end - node->start;
    n->impurity = node->impurity;
    n->weight = c->weight * t->unit;
    n->value = c->classes ? GROWN_NO_WEIGHTS : mean_of(c);
    if (node->parent != NO_PARENT) {
        struct grown_node *parent = &t->out->nodes[node->parent];
        *(node->is_left ? &parent->left : &parent->right) = node->id;
    }
    if (!node->is_leaf) {
        n->feature = node->cut.feature;
        n->threshold = threshold_of(t->s, &node->cut);
    }
    return c->classes && keep_weights ? grown_keep_weights(t->out, node->id, c->total, t->unit) : 0;
}

static int wait(struct growth *t, const struct waiting *node)
{
    struct general *g = t->g;

    if (g->waiting_count == g->waiting_capacity) {
        uint32_t wanted = 2 * g->waiting_capacity + 64;
        struct waiting *more = realloc(g->waiting, wanted * sizeof *more);
        if (!more)
            return -ENOMEM;
        g->waiting = more;
        g->waiting_capacity = wanted;
    }
    g->waiting[g->waiting_count++] = *node;
    return 0;
}

static struct waiting child(const struct waiting *node, bool is_left)
{
    return (struct waiting){ .start = is_left ? node->start : node->cut.pos,
                             .end = is_left ? node->cut.pos : node->end,
                             .depth = node->depth + 1,
                             .parent = node->id,
                             .is_left = is_left,
                             .impurity = is_left ? node->cut.left : node->cut.right };
}

/* ---- depth first ------------------------------------------------------------------- */

static int grow_depth_first(struct growth *t, const struct waiting *root)
{
    int err = wait(t, root);

    while (!err && t->g->waiting_count) {
        struct waiting node = t->g->waiting[--t->g->waiting_count];
        examine(t, &node);
        err = add_node(t, &node, node.is_leaf || t->params->keep_all);
        if (err || node.is_leaf)
            continue;
        struct waiting right = child(&node, false), left = child(&node, true);
        right.constants = left.constants = node.constants;
        err = wait(t, &right);
        if (!err)
            err = wait(t, &left);
    }
    return err;
}

/* ---- best first -------------------------------------------------------------------- */

/* Best first, nothing is known to be constant beforehand. */
static int examine_and_push(struct growth *t, struct waiting *node)
{
    examine(t, node);
    if (node->is_leaf)
        node->cut.improvement = 0.0;
    int err = add_node(t, node, true);
    if (!err)
        err = wait(t, node);
    return err ? err : gain_heap_push(&t->g->heap, node->cut.improvement, t->g->waiting_count - 1);
}

static void make_leaf(struct grown_node *n)
{
    n->feature = 0;
    n->threshold = 0.0;
}

static int grow_best_first(struct growth *t, struct waiting *root)
{
    uint32_t splits = t->params->max_leaf_nodes - 1;
    int err = examine_and_push(t, root);

    while (!err && t->g->heap.count) {
        struct waiting node = t->g->waiting[gain_heap_pop(&t->g->heap)];
        if (node.is_leaf || splits == 0) {
            make_leaf(&t->out->nodes[node.id]);
            continue;
        }
        splits--;
        struct waiting left = child(&node, true), right = child(&node, false);
        err = examine_and_push(t, &left);
        if (!err)
            err = examine_and_push(t, &right);
    }
    return err;
}

/* ---- memory and start -------------------------------------------------------------- */

/* Whether sums of these weights, and of their squares, are whole numbers and exact. */
static bool can_count(const double *w, uint32_t rows, uint32_t *count, double *weight)
{
    bool whole = true;
    double sum = 0.0;

    *count = 0;
    for (uint32_t i = 0; i < rows; i++) {
        *count += w[i] != 0.0;
        whole &= w[i] <= 65535.0 && w[i] == (double)(uint32_t)w[i];
        sum += w[i];
    }
    *weight = sum;
    return whole && sum * sum < 0x1p53;
}

static void *allot(char **at, size_t bytes)
{
    char *here = *at;

    *at += (bytes + 63) & ~(size_t)63;
    return here;
}

/* `bins`: how many a feature has, or 0; so many cells are wanted. */
static int make_arrays(struct general *g, uint32_t n, uint32_t features, uint32_t classes,
                       size_t bins, size_t cells)
{
    struct splitter *s = &g->splitter;
    struct criterion *c = &s->criterion;
    size_t keys = ((size_t)n + SORT_KEYS_SLACK) * sizeof(uint64_t) + NODE_PAD * sizeof(uint32_t);
    size_t width = (classes ? classes : 1) * sizeof(double);
    size_t bytes = (size_t)n * (2 * sizeof(uint32_t) + sizeof(float)) + 2 * keys +
                   2 * features * sizeof(uint32_t) + (5 + bins) * width +
                   bins * (sizeof(uint32_t) + sizeof(double)) + cells * sizeof(uint64_t) + 20 * 64;

    if (bytes > g->memory_bytes) {
        char *memory = memory_reserve(bytes); /* few trees use all */
        if (!memory)
            return -ENOMEM;
        free(g->memory);
        g->memory = memory;
        g->memory_bytes = bytes;
    }
    char *at = g->memory;
    c->samples = s->samples = allot(&at, n * sizeof(uint32_t));
    s->tags = allot(&at, n * sizeof(uint32_t));
    s->values = allot(&at, n * sizeof(float));
    s->keys = allot(&at, keys);
    s->spare_keys = allot(&at, keys);
    s->features = allot(&at, features * sizeof(uint32_t));
    s->constant_features = allot(&at, features * sizeof(uint32_t));
    c->total = allot(&at, width);
    c->left = allot(&at, width);
    c->right = allot(&at, width);
    s->bin_rows = allot(&at, bins * sizeof(uint32_t));
    s->bin_weights = allot(&at, bins * sizeof(double));
    s->bin_sums = allot(&at, bins * width);
    memset(s->bin_rows, 0, bins * sizeof(uint32_t));
    memset(s->bin_weights, 0, bins * sizeof(double));
    memset(s->bin_sums, 0, bins * width);
    s->cells = allot(&at, cells * sizeof(uint64_t));
    s->left = allot(&at, width);
    s->right = allot(&at, width);
    return 0;
}

/* n * log2(n) for every weight that a set of rows can have. */
static int make_logs(struct general *g, uint32_t most)
{
    if (most >= g->logs_capacity) {
        double *logs = realloc(g->logs, ((size_t)most + 1) * sizeof *logs);
        if (!logs)
            return -ENOMEM;
        for (uint32_t i = g->logs_capacity; i <= most; i++)
            logs[i] = i ? (double)i * log2((double)i) : 0.0;
        g->logs = logs;
        g->logs_capacity = most + 1;
    }
    g->splitter.logs = g->logs;
    return 0;
}

static void fill_samples(struct splitter *s, const double *w, const uint16_t *code)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < s->prep->rows; i++) {
        if (w[i] == 0.0)
            continue;
        s->samples[n] = i;
        if (s->counts)
            s->tags[n] = (uint32_t)w[i] << s->class_bits | code[i];
        n++;
    }
    for (uint32_t f = 0; f < s->prep->features; f++) {
        s->features[f] = f;
        s->constant_features[f] = 0;
    }
}

static bool bad_limits(const struct prep *p, const struct grow_limits *m)
{
    return m->max_features < 1 || m->max_features > p->features || m->min_samples_leaf < 1 ||
           isnan(m->min_weight_leaf) || isnan(m->min_impurity_decrease);
}

/* What the rows are to a tree; fast mode has them in units. */
struct task {
    const double *y, *w;
    double weight;
    uint32_t count;
};

/* Everything as scikit-learn does it, or by bin. -ENOMEM */
static int set_exact(struct growth *t, struct task *task)
{
    const struct general_params *params = t->params;
    struct splitter *s = t->s;
    bool whole = can_count(task->w, s->prep->rows, &task->count, &task->weight);
    bool needs_logs = params->criterion == FOREST_ENTROPY && !params->is_random;
    int err = 0;

    if (!task->count)
        return -EINVAL;
    s->counts = whole && params->classes && !t->g->sorts_always &&
                (!needs_logs || task->weight <= LOGS_MOST);
    s->class_bits = 16;
    s->apart = PREP_APART;
    s->criterion.whole = NULL;
    s->criterion.logs = NULL;
    s->codes = NULL;
    if (s->counts && needs_logs)
        err = make_logs(t->g, (uint32_t)task->weight);
    if (!err && !s->counts && !params->is_random)
        err = exact_sort_reserve(s->sort, task->count);
    if (s->is_random)
        s->look = s->counts ? look_random_counts : look_random;
    else if (s->bins)
        s->look = look_bins;
    else
        s->look = s->counts ? look_counts : look_sorted;
    return err;
}

#define WEIGHT_BITS_MOST 24u

/* Everything in whole numbers. -EINVAL     -ENOMEM */
static int set_fast(struct growth *t, struct task *task)
{
    struct general *g = t->g;
    struct splitter *s = t->s;
    uint32_t classes = t->params->classes;

    s->class_bits = classes > 2 ? 32u - (uint32_t)__builtin_clz(classes - 1) : 1;
    uint32_t bits = s->class_bits > 32 - WEIGHT_BITS_MOST ? 32 - s->class_bits : WEIGHT_BITS_MOST;
    int err = whole_fill(&g->whole, classes ? NULL : task->y, task->w, s->prep->rows,
                         (double)((1u << bits) - 1));
    if (!err && t->params->criterion == FOREST_ENTROPY)
        err = logs_reserve(&g->whole_logs, (uint64_t)g->whole.weight);
    if (err)
        return err;
    s->counts = classes > 0;
    s->apart = 0.0f;
    s->criterion.whole = &g->whole;
    s->criterion.logs = s->whole_logs = &g->whole_logs;
    s->codes = t->params->codes;
    if (s->is_random)
        s->look = classes ? look_random_counts : look_random;
    else
        s->look = classes ? look_whole_counts : look_whole_sums;
    t->unit = g->whole.unit;
    g->limits.min_weight_leaf /= t->unit;
    *task = (struct task){ g->whole.y, g->whole.w, g->whole.weight, g->whole.count };
    return 0;
}

int general_grow(struct general *g, const struct prep *prep, const double *y, const uint16_t *code,
                 const double *w, uint32_t splitter_seed, const struct general_params *params,
                 struct grown *out)
{
    struct splitter *s = &g->splitter;
    struct growth t = { g, s, params, out, 1.0 };
    struct task task = { .y = y, .w = w };

    if (bad_limits(prep, &params->limits))
        return -EINVAL;
    s->prep = prep;
    g->limits = params->limits;
    s->limits = &g->limits;
    s->is_random = params->is_random;
    s->bins = params->bins;
    int err = params->is_fast ? set_fast(&t, &task) : set_exact(&t, &task);
    bool has_bins = params->bins && (size_t)params->classes * SPLIT_ROWS_PER_CLASS <= task.count;
    bool has_cells = params->is_fast && s->codes && params->classes <= SPLIT_CODED_CLASSES;
    if (!err)
        err = make_arrays(g, task.count, prep->features, params->classes, has_bins ? BINS_MAX : 0,
                          has_cells ? CODES_MAX * params->classes : 0);
    s->lists = params->is_fast && s->look == look_whole_counts && !g->sorts_always && lists_pay(s)
                   ? &g->lists
                   : NULL;
    if (!err && s->lists)
        err = lists_reserve(s->lists, prep, task.count);
    if (err)
        return err;
    s->levels = params->levels;
    s->state = splitter_seed;
    s->criterion.kind = params->criterion;
    s->criterion.classes = params->classes;
    s->criterion.y = task.y;
    s->criterion.code = code;
    s->criterion.w = task.w;
    fill_samples(s, task.w, code);
    grown_start(out, params->classes);
    g->waiting_count = g->heap.count = 0;
    struct waiting root = { .end = task.count, .parent = NO_PARENT };
    return params->max_leaf_nodes ? grow_best_first(&t, &root) : grow_depth_first(&t, &root);
}
