/* SPDX-License-Identifier: MIT */
/*
 * prune.c -- minimal cost-complexity pruning (Breiman, Friedman, Olshen and Stone, "Classification
 * and Regression Trees", 1984, chapter 3), summing in scikit-learn's order.
 *
 * Again and again the inner node with the weakest link becomes a leaf: the one whose subtree lowers
 * the risk least per leaf, the first of equals. A tournament over all nodes keeps the weakest: a
 * pruning costs a path for each node it changes, not a look at all.
 */
#include <errno.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "grown.h"

struct link {
    double risk;   /* as a leaf */
    double branch; /* of the subtree's leaves */
    uint32_t leaves, parent;
};

struct pruning {
    struct grown *tree;
    struct link *link;
    uint32_t *weakest; /* a heap-shaped tournament: winners at 1.., nodes at width.. */
    double *alpha;     /* of a candidate; infinite: not one any more */
    bool *is_gone;     /* a descendant of what was pruned */
    uint32_t width;
};

static uint32_t weaker(const struct pruning *p, uint32_t a, uint32_t b)
{
    return p->alpha[b] < p->alpha[a] ? b : a; /* a < b */
}

static void set_alpha(struct pruning *p, uint32_t id, double alpha)
{
    p->alpha[id] = alpha;
    for (uint32_t at = (p->width + id) / 2; at; at /= 2)
        p->weakest[at] = weaker(p, p->weakest[2 * at], p->weakest[2 * at + 1]);
}

static double alpha_of(const struct pruning *p, uint32_t id)
{
    const struct link *l = &p->link[id];
    double alpha = (l->risk - l->branch) / (double)(l->leaves - 1);

    return alpha < DBL_MAX ? alpha : DBL_MAX; /* a greater one, or a NaN, is never the least */
}

/* Risks and leaves of all subtrees: every leaf's goes up to the root, leaf after leaf. */
static void measure(struct pruning *p)
{
    const struct grown_node *n = p->tree->nodes;
    double all = n[0].weight;

    p->link[0].parent = UINT32_MAX;
    for (uint32_t i = 0; i < p->tree->count; i++) {
        p->link[i].risk = n[i].weight * n[i].impurity / all;
        p->link[i].branch = 0.0;
        p->link[i].leaves = 0;
        if (n[i].left)
            p->link[n[i].left].parent = p->link[n[i].right].parent = i;
    }
    for (uint32_t i = 0; i < p->tree->count; i++) {
        if (n[i].left)
            continue;
        p->link[i].branch = p->link[i].risk;
        for (uint32_t up = p->link[i].parent; up != UINT32_MAX; up = p->link[up].parent) {
            p->link[up].branch += p->link[i].risk;
            p->link[up].leaves++;
        }
    }
}

static void start_tournament(struct pruning *p)
{
    const struct grown_node *n = p->tree->nodes;

    for (uint32_t i = 0; i < p->width; i++) {
        bool is_candidate = i < p->tree->count && n[i].left;
        p->alpha[i] = is_candidate ? alpha_of(p, i) : (double)INFINITY;
        p->weakest[p->width + i] = i;
    }
    for (uint32_t at = p->width - 1; at; at--)
        p->weakest[at] = weaker(p, p->weakest[2 * at], p->weakest[2 * at + 1]);
}

/* Take the descendants of a node out of the contest; `stack` has room for all. */
static void cut_below(struct pruning *p, uint32_t top, uint32_t *stack)
{
    const struct grown_node *n = p->tree->nodes;
    uint32_t pending = 0;

    stack[pending++] = top;
    while (pending) {
        uint32_t i = stack[--pending];
        if (!n[i].left || p->is_gone[i])
            continue;
        p->is_gone[i] = true;
        set_alpha(p, i, (double)INFINITY);
        stack[pending++] = n[i].left;
        stack[pending++] = n[i].right;
    }
}

static void cut(struct pruning *p, uint32_t id, uint32_t *stack)
{
    struct link *l = &p->link[id];
    uint32_t leaves = l->leaves - 1;
    double more = l->risk - l->branch;

    cut_below(p, id, stack);
    p->tree->nodes[id].left = p->tree->nodes[id].right = 0;
    l->leaves = 0;
    l->branch = l->risk;
    for (uint32_t up = l->parent; up != UINT32_MAX; up = p->link[up].parent) {
        p->link[up].leaves -= leaves;
        p->link[up].branch += more;
        set_alpha(p, up, alpha_of(p, up));
    }
}

static void *allot(char **at, size_t bytes)
{
    char *here = *at;

    *at += (bytes + 15) & ~(size_t)15;
    return here;
}

int grown_prune(struct grown *grown, double alpha)
{
    struct pruning p = { .tree = grown, .width = 1 };
    size_t n = grown->count;

    while (p.width < n)
        p.width *= 2;
    size_t bytes = n * (sizeof *p.link + sizeof *p.is_gone + 2 * sizeof(uint32_t)) +
                   p.width * (2 * sizeof *p.weakest + sizeof *p.alpha) + 128;
    char *memory = grown_room(grown, bytes), *at = memory;
    if (!memory)
        return -ENOMEM;
    memset(memory, 0, bytes);
    p.link = allot(&at, n * sizeof *p.link);
    p.alpha = allot(&at, p.width * sizeof *p.alpha);
    p.weakest = allot(&at, 2 * p.width * sizeof *p.weakest);
    p.is_gone = allot(&at, n * sizeof *p.is_gone);
    uint32_t *stack = allot(&at, n * 2 * sizeof *stack);
    measure(&p);
    start_tournament(&p);
    while (p.alpha[0] < (double)INFINITY) { /* until the root is a leaf */
        uint32_t id = p.width > 1 ? p.weakest[1] : 0;
        if (alpha < p.alpha[id])
            break;
        cut(&p, id, stack);
    }
    return 0;
}
