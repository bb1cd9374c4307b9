/* SPDX-License-Identifier: MIT */
#include "golden_grow.h"

#include <stdlib.h>
#include <string.h>

static bool get(struct golden *g, void *to, size_t size, size_t count)
{
    return fread(to, size, count, g->file) == count;
}

static bool get_array(struct golden *g, void *out, size_t size, size_t count)
{
    void *data = malloc(size * count);
    memcpy(out, &data, sizeof data);
    return data && get(g, data, size, count);
}

static bool get_set(struct golden *g, struct golden_set *s)
{
    uint32_t head[3];
    if (!get(g, head, 4, 3))
        return false;
    s->rows = head[0];
    s->features = head[1];
    return get_array(g, &s->x, 4, (size_t)s->rows * s->features) &&
           get_array(g, &s->y, 8, s->rows) && (!head[2] || get_array(g, &s->w, 8, s->rows));
}

bool golden_open(struct golden *g, const char *path)
{
    memset(g, 0, sizeof *g);
    g->file = fopen(path, "rb");
    if (!g->file || !get(g, &g->sets_count, 4, 1))
        return false;
    g->sets = calloc(g->sets_count, sizeof *g->sets);
    for (uint32_t i = 0; g->sets && i < g->sets_count; i++)
        if (!get_set(g, &g->sets[i]))
            return false;
    return g->sets && get(g, &g->cases_count, 4, 1);
}

bool golden_next_case(struct golden *g, struct golden_case *c)
{
    uint32_t v[8];
    double least;
    if (!get(g, v, 4, 8) || !get(g, &least, 8, 1) || v[0] >= g->sets_count)
        return false;
    *c = (struct golden_case){ .set = v[0], .bootstrap = v[1], .forest_seed = v[6], .trees = v[7] };
    c->limits = (struct grow_limits){ .max_depth = v[2],
                                      .min_samples_split = v[3],
                                      .min_samples_leaf = v[4],
                                      .max_features = v[5],
                                      .min_impurity_decrease = least };
    return true;
}

bool golden_next_tree(struct golden *g, struct golden_tree *t)
{
    return get(g, &t->seed, 4, 1) && get(g, &t->nodes, 4, 1) && get(g, &t->min_weight_leaf, 8, 1) &&
           get(g, t->hash, 8, 8);
}

void golden_close(struct golden *g)
{
    if (g->file)
        fclose(g->file);
    for (uint32_t i = 0; g->sets && i < g->sets_count; i++) {
        free(g->sets[i].x);
        free(g->sets[i].y);
        free(g->sets[i].w);
    }
    free(g->sets);
}

static uint64_t fnv(const void *data, size_t bytes)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < bytes; i++)
        h = (h ^ ((const unsigned char *)data)[i]) * 0x100000001b3u;
    return h;
}

const char *golden_difference(const struct golden_tree *expected, const struct reference_tree *t)
{
    static const char *const names[8] = { "left",      "right",      "feature", "n",
                                          "threshold", "weighted_n", "value",   "impurity" };
    const void *arrays[8] = { t->left,      t->right,      t->feature, t->n,
                              t->threshold, t->weighted_n, t->value,   t->impurity };
    if (t->count != expected->nodes)
        return "count";
    for (int i = 0; i < 8; i++)
        if (fnv(arrays[i], (size_t)t->count * (i < 4 ? 4 : 8)) != expected->hash[i])
            return names[i];
    return NULL;
}
