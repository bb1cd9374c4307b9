/* SPDX-License-Identifier: MIT */
/*
 * Random calls against a naive model of the store, compared after each: an array of objects with
 * a state, a size and views. One seed repeats a run.
 */
#include "help.h"
#include "test.h"

#include <errno.h>

enum { IDS = 60, VIEWS = 40, HANDLES = 2 };
enum { ABSENT, UNSEALED, SEALED };

struct object {
    int state, creator;
    size_t size;
    uint64_t seed;
    unsigned char *bytes; /* where the creator may write */
};

struct held {
    bool is_held;
    int handle;
    struct objstore_view view;
    size_t size;
    uint64_t seed;
};

struct world {
    struct objstore *h[HANDLES];
    struct object object[IDS];
    struct held held[VIEWS];
    uint64_t random, seeds;
};

static size_t any_size(struct world *w)
{
    switch (test_random(&w->random) % 5) {
    case 0:
        return test_random(&w->random) % 65;
    case 1:
        return test_random(&w->random) % 4200;
    case 2:
        return test_random(&w->random) % 40000;
    case 3:
        return 4096 * (test_random(&w->random) % 4);
    default:
        return test_random(&w->random) % 600;
    }
}

static void try_create(struct world *w, int n, int handle, bool is_put)
{
    struct object *o = &w->object[n];
    struct objstore_id id = help_id((uint64_t)n + 1);
    static unsigned char bytes[40000];
    size_t size = any_size(w);
    uint64_t seed = ++w->seeds;
    void *data = NULL;
    int err;

    help_fill(bytes, size, seed);
    err = is_put ? objstore_put(w->h[handle], &id, bytes, size, NULL)
                 : objstore_create(w->h[handle], &id, size, NULL, &data);
    if (o->state != ABSENT) {
        CHECK_EQ(err, -EEXIST);
        return;
    }
    if (err == -ENOSPC) {
        /* Only if it does not fit: an object this large, and nothing larger, was to be had. */
        struct objstore_stats stats;

        CHECK_EQ(objstore_stats(w->h[handle], &stats), 0);
        CHECK(stats.largest_free_bytes < size);
        return;
    }
    REQUIRE_OK(err);
    if (!is_put && size)
        memcpy(data, bytes, size);
    *o = (struct object){ is_put ? SEALED : UNSEALED, handle, size, seed, data };
}

static void try_get(struct world *w, int n, int handle)
{
    struct objstore_id id = help_id((uint64_t)n + 1);
    struct held *held = &w->held[test_random(&w->random) % VIEWS];
    struct objstore_view view;

    if (held->is_held) {
        CHECK_EQ(held->view.size, held->size);
        CHECK(help_is_filled(held->view.data, held->size, held->seed));
        objstore_release(w->h[held->handle], &held->view);
        held->is_held = false;
    }
    int err = objstore_get(w->h[handle], &id, 0, &view);
    if (w->object[n].state != SEALED) {
        CHECK_EQ(err, -ENOENT);
        return;
    }
    REQUIRE_OK(err);
    *held = (struct held){ true, handle, view, w->object[n].size, w->object[n].seed };
}

static void one_call(struct world *w)
{
    int n = (int)(test_random(&w->random) % IDS), handle = (int)(test_random(&w->random) % HANDLES);
    struct objstore_id id = help_id((uint64_t)n + 1);
    struct object *o = &w->object[n];
    bool is_ours = o->state == UNSEALED && o->creator == handle;

    switch (test_random(&w->random) % 8) {
    case 0:
        try_create(w, n, handle, false);
        break;
    case 1:
    case 2:
        try_create(w, n, handle, true);
        break;
    case 3:
        if (test_random(&w->random) % 2) {
            size_t size = test_random(&w->random) % (o->size + 1);

            CHECK_EQ(objstore_seal_size(w->h[handle], &id, size, NULL), is_ours ? 0 : -ENOENT);
            o->size = is_ours ? size : o->size;
        } else {
            CHECK_EQ(objstore_seal(w->h[handle], &id), is_ours ? 0 : -ENOENT);
        }
        if (is_ours)
            o->state = SEALED;
        break;
    case 4:
        CHECK_EQ(objstore_abort(w->h[handle], &id), is_ours ? 0 : -ENOENT);
        if (is_ours)
            o->state = ABSENT;
        break;
    case 5:
        CHECK_EQ(objstore_delete(w->h[handle], &id), o->state == SEALED ? 0 : -ENOENT);
        if (o->state == SEALED)
            o->state = ABSENT;
        break;
    default:
        try_get(w, n, handle);
    }
    CHECK_EQ(objstore_contains(w->h[handle], &id), o->state == SEALED);
}

static int count_one(const struct objstore_info *info, void *ctx)
{
    int *counts = ctx;

    counts[info->state]++;
    return 0;
}

static void compare(struct world *w)
{
    int counts[4] = { 0 }, sealed = 0, unsealed = 0;

    CHECK(help_is_sound(w->h[0]));
    REQUIRE_OK(objstore_list(w->h[1], count_one, counts));
    for (int i = 0; i < IDS; i++) {
        sealed += w->object[i].state == SEALED;
        unsealed += w->object[i].state == UNSEALED;
    }
    CHECK_EQ(counts[OBJSTORE_SEALED], sealed);
    CHECK_EQ(counts[OBJSTORE_UNSEALED], unsealed);
}

static void random_calls(uint64_t capacity, int calls)
{
    struct world w = { .random = test_seed };

    w.h[0] = help_store(capacity);
    w.h[1] = help_attach(w.h[0]);
    for (int i = 0; i < calls; i++) {
        one_call(&w);
        if (i % 500 == 0)
            compare(&w);
        if (i % 5000 == 4999) { /* one handle goes, with all it has, and another comes */
            objstore_close(w.h[1]);
            w.h[1] = help_attach(w.h[0]);
            for (int j = 0; j < VIEWS; j++)
                w.held[j].is_held = w.held[j].is_held && w.held[j].handle == 0;
            for (int j = 0; j < IDS; j++)
                if (w.object[j].state == UNSEALED && w.object[j].creator == 1)
                    w.object[j].state = ABSENT;
        }
    }
    compare(&w);
    objstore_close(w.h[1]);
    for (int j = 0; j < VIEWS; j++)
        if (w.held[j].is_held && w.held[j].handle == 0)
            objstore_release(w.h[0], &w.held[j].view);
    for (int j = 0; j < IDS; j++) {
        struct objstore_id id = help_id((uint64_t)j + 1);

        if (w.object[j].state == SEALED)
            CHECK_EQ(objstore_delete(w.h[0], &id), 0);
        if (w.object[j].state == UNSEALED && w.object[j].creator == 0)
            CHECK_EQ(objstore_abort(w.h[0], &id), 0);
    }
    CHECK_EQ(help_used(w.h[0]), 0);
    objstore_close(w.h[0]);
}

static void with_room(void)
{
    random_calls(4 << 20, 30000);
}

static void without_room(void)
{
    random_calls(192 << 10, 30000);
}

TESTS("random", { "random calls do what the model says", with_room },
      { "also in a store that is nearly always full", without_room })
