/* SPDX-License-Identifier: MIT */
/* gather.c -- see gather.h. */
#include "gather.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model.h"

#define SHARED_BYTES ((size_t)8 << 20) /* a smaller model is copied before others have begun */
#define MARGIN 64 /* trees of a forest may be so small a part larger than the first of them */

int gather_start(struct gather *g, uint32_t count)
{
    *g = (struct gather){ .lock = PTHREAD_MUTEX_INITIALIZER, .count = count };
    g->trees = calloc(count, sizeof *g->trees);
    g->headers = calloc(count, sizeof *g->headers);
    return g->trees && g->headers ? 0 : -ENOMEM;
}

void gather_release(struct gather *g)
{
    for (uint32_t i = g->next; g->trees && i < g->count; i++)
        free((void *)(uintptr_t)g->trees[i].data);
    free(g->trees);
    free(g->headers);
    free(g->block);
    pthread_mutex_destroy(&g->lock);
}

/* Room for a model of so many bytes. */
static int reserve(struct gather *g, size_t bytes)
{
    if (bytes <= g->capacity)
        return 0;
    char *block = memory_reserve(bytes);
    if (!block)
        return -ENOMEM;
    if (g->block) {
        memory_populate(block, g->end);
        memcpy(block, g->block, g->end);
        free(g->block);
    }
    g->block = block;
    g->capacity = bytes;
    return 0;
}

/* How large the model becomes if this tree and those before it are like all. */
static size_t foresee(const struct gather *g, size_t start, size_t body)
{
    size_t mean = (g->end - start + body) / (g->next + 1) + 1;

    return start + mean * g->count / MARGIN * (MARGIN + 1) + MARGIN * LAYOUT_ALIGN;
}

/* The tree whose turn it is, to its place. */
static int place(struct gather *g, const struct tree_header *tree, size_t bytes)
{
    size_t body = bytes - sizeof *tree, start = model_bodies_offset(g->count, tree->classes);

    if (!g->next)
        g->end = start;
    if (body > g->capacity - g->end || !g->capacity) {
        size_t wanted = foresee(g, start, body);
        int err = reserve(g, wanted > g->end + body ? wanted : g->end + body);
        if (err)
            return err;
    }
    memory_populate(g->block + g->end, body);
    memcpy(g->block + g->end, tree + 1, body);
    g->end += body;
    g->headers[g->next] = *tree;
    g->trees[g->next] = (struct forest_tree){ &g->headers[g->next], bytes };
    g->next++;
    return 0;
}

/* Those that waited for the ones that are in their places now. */
static int place_next(struct gather *g)
{
    int err = 0;

    while (!err && g->next < g->count && g->trees[g->next].data &&
           g->trees[g->next].bytes < GATHER_LARGE) {
        struct forest_tree tree = g->trees[g->next];
        err = place(g, tree.data, tree.bytes);
        if (!err)
            free((void *)(uintptr_t)tree.data);
    }
    return err;
}

/* Let a tree wait; true: it has come before. */
static bool wait(struct gather *g, uint32_t index, void *tree, size_t bytes)
{
    bool was_there = g->trees[index].data != NULL;

    if (!was_there)
        g->trees[index] = (struct forest_tree){ tree, bytes };
    return was_there;
}

int gather_copy(struct gather *g, uint32_t index, const void *tree, size_t bytes)
{
    int err = 0;

    pthread_mutex_lock(&g->lock);
    if (index == g->next) {
        err = place(g, tree, bytes);
        if (!err)
            err = place_next(g);
    }
    bool is_early = index > g->next;
    pthread_mutex_unlock(&g->lock);
    if (err || !is_early)
        return err;
    void *own = memory_make(bytes);
    if (!own)
        return -ENOMEM;
    memcpy(own, tree, bytes);
    pthread_mutex_lock(&g->lock);
    bool was_there = wait(g, index, own, bytes);
    err = place_next(g); /* its turn may have come */
    pthread_mutex_unlock(&g->lock);
    if (was_there)
        free(own);
    return err;
}

void gather_take(struct gather *g, uint32_t index, void *tree, size_t bytes)
{
    pthread_mutex_lock(&g->lock);
    bool was_there = wait(g, index, tree, bytes);
    pthread_mutex_unlock(&g->lock);
    if (was_there)
        free(tree);
}

/* ---- the model ---------------------------------------------------------------------------- */

static int take_one(void *arg, uint32_t i)
{
    struct gather *g = arg;

    model_take(g->block, g->next + i, &g->trees[g->next + i]);
    return 0;
}

/* Those that still wait. */
static int take_rest(struct gather *g, const struct forest_executor *executor)
{
    uint32_t left = g->count - g->next;

    if (!executor || executor->workers < 2 || g->capacity < SHARED_BYTES) {
        for (uint32_t i = 0; i < left; i++)
            take_one(g, i);
        return 0;
    }
    int err = left ? executor->for_each(executor->ctx, left, take_one, g) : 0;
    for (uint32_t i = g->next; i < g->count && !err; i++)
        err = g->trees[i].data ? -EINVAL : 0;
    return err;
}

int gather_finish(struct gather *g, const struct forest_params *params, uint64_t features,
                  const struct forest_executor *executor, void **model, size_t *bytes)
{
    size_t size;
    int err = forest_assemble_size(g->trees, g->count, &size);

    if (!err)
        err = reserve(g, size);
    if (!err)
        err = model_start(params, features, g->trees, g->count, g->block, size);
    if (!err)
        err = take_rest(g, executor);
    if (err)
        return err;
    model_finish(g->block, size);
    *model = g->block;
    *bytes = size;
    g->block = NULL;
    return 0;
}
