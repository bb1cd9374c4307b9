/* SPDX-License-Identifier: MIT */
/* fast_tiny.c -- tiny subtrees of the fast mode in plain C. */
#include "fast_tiny.h"

#include <errno.h>
#include <string.h>

size_t fast_tiny_bytes_plain(uint32_t features)
{
    return fast_tiny_bytes(features);
}

static void take_list(struct fast_tiny *t, uint32_t feature, uint32_t start, uint32_t n,
                      const uint8_t *names)
{
    const uint32_t *list = t->b->lists + (size_t)feature * t->b->stride + start;
    uint8_t *to = t->lists[feature], *ranks = t->ranks[feature], rank = 0;
    bool constant = list[0] >> 16 == list[n - 1] >> 16;
    for (uint32_t i = 0; i < n; i++) {
        /* a list of nothing but ties is not kept up, and may be of other rows */
        uint8_t name = constant ? (uint8_t)i : names[list[i] & 0xffff];
        rank = i > 0 && list[i] >> 16 != list[i - 1] >> 16 && !constant ? (uint8_t)i : rank;
        to[i] = name;
        ranks[name] = rank;
    }
}

static bool is_constant(void *context, uint32_t feature)
{
    const struct tiny_view *v = context;
    const uint8_t *list = tiny_lists(v->t, v->level)[feature], *ranks = v->t->ranks[feature];
    return ranks[list[0]] == ranks[list[v->n - 1]];
}

struct best {
    double top, bottom, s, w;
    uint32_t pos;
};

static struct best scan(const struct fast_tiny *t, const struct tiny_node *node, uint32_t level,
                        uint32_t feature)
{
    const uint8_t *list = tiny_lists(t, level)[feature], *ranks = t->ranks[feature];
    uint32_t first = t->g->g.limits->min_samples_leaf;
    struct best best = { 0.0, 1.0, 0.0, 0.0, 0 };
    double s = 0.0, w = 0.0, top, bottom;
    for (uint32_t p = 1; p <= node->n - first; p++) {
        s += t->s[list[p - 1]];
        w += t->w[list[p - 1]];
        if (p < first || ranks[list[p]] == ranks[list[p - 1]] || w < t->weight_least ||
            node->w - w < t->weight_least)
            continue;
        fast_gain(node->s, node->w, s, w, &top, &bottom);
        if (top * best.bottom > best.top * bottom)
            best = (struct best){ top, bottom, s, w, p };
    }
    return best;
}

static struct drawn find(struct fast_tiny *t, const struct tiny_node *node, uint32_t level,
                         struct tiny_cut *best)
{
    struct tiny_view view = { t, level, node->n };
    struct drawn d = fast_draw(&t->g->g, node->constants, is_constant, &view);
    for (uint32_t i = 0; i < d.scanned; i++) {
        struct best b = scan(t, node, level, t->g->g.scanned[i]);
        double gain = b.top / b.bottom;
        if (gain > best->gain)
            *best = (struct tiny_cut){ gain, b.s, b.w, t->g->g.scanned[i], b.pos };
    }
    return d;
}

static uint32_t side(const struct fast_tiny *t, uint32_t level, const struct tiny_cut *cut)
{
    const uint8_t *list = tiny_lists(t, level)[cut->feature];
    uint32_t names = 0;
    for (uint32_t i = 0; i < cut->pos; i++)
        names |= 1u << list[i];
    return names;
}

static void part_names(const uint8_t *from, uint32_t n, uint32_t names, uint8_t *l, uint8_t *r)
{
    uint32_t left = 0, right = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint8_t name = from[i];
        if (names >> name & 1)
            l[left++] = name;
        else
            r[right++] = name; /* which may be `from` itself */
    }
}

static void part(const struct fast_tiny *t, uint32_t level, uint32_t n, uint32_t left,
                 uint32_t names)
{
    uint8_t(*from)[FAST_TINY_ROWS] = tiny_lists(t, level);
    (void)left;
    for (uint32_t f = 0; f < t->features; f++)
        part_names(from[f], n, names, tiny_lists(t, level + 1)[f], from[f]);
}

int fast_grow_tiny_plain(struct fast_grower *g, const struct fast_block *b,
                         const struct fast_node *root)
{
    static const struct tiny_functions functions = { find, side, part };
    struct fast_tiny t;
    if (tree_reserve(g->g.out, 2 * FAST_TINY_ROWS))
        return -ENOMEM;
    tiny_start(&t, g, b);
    tiny_take_rows(&t, b->order + root->start, root->end - root->start, b->side);
    for (uint32_t f = 0; f < b->features; f++)
        take_list(&t, f, root->start, root->end - root->start, b->side);
    fast_tiny_grow(&t, &functions, root);
    return 0;
}
