/* SPDX-License-Identifier: MIT */
/*
 * map_reduce.c -- two libraries together: sort eight objects of a store by tasks of a pool.
 *
 *     map i       takes block i, cuts it into ranges, sorts each, stores them as "part i.r"
 *     reduce r    when all maps are done: merges range r of all blocks, stores it as "range r"
 *
 * Tasks get numbers, not data: the bytes lie in the store, where each process reads them in place.
 * One worker is killed on the way. Its task runs again and finds some of its objects there already:
 * ids made from names make that harmless.
 */
#include <errno.h>
#include <objstore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wsched.h>

#define BLOCKS 8
#define RANGES 4
#define NUMBERS 50000 /* in a block */

static struct objstore *store; /* each process has its own handle */

static void name_id(const char *what, unsigned i, unsigned r, struct objstore_id *id)
{
    char name[40];

    snprintf(name, sizeof name, "%s %u.%u", what, i, r);
    objstore_id_from_name(name, id);
}

static int by_value(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}

/* Sort and store; that an earlier attempt did so is as good. */
static int put_sorted(const struct objstore_id *id, uint32_t *numbers, size_t count)
{
    qsort(numbers, count, sizeof *numbers, by_value);
    int err = objstore_put(store, id, numbers, count * sizeof *numbers, NULL);
    return err == -EEXIST ? 0 : err;
}

static int map(struct wsched_task *task, void *ctx)
{
    unsigned block = *(const unsigned *)wsched_task_payload(task, NULL);
    uint32_t *part = malloc(NUMBERS * sizeof *part);
    struct objstore_view view;
    struct objstore_id id;

    (void)ctx;
    name_id("block", block, 0, &id);
    int err = part ? objstore_get(store, &id, 0, &view) : -ENOMEM;
    if (err)
        goto out;
    const uint32_t *numbers = view.data;
    for (unsigned r = 0; r < RANGES && !err; r++) {
        size_t count = 0;
        for (size_t i = 0; i < view.size / sizeof *numbers; i++)
            if (numbers[i] >> 30 == r)
                part[count++] = numbers[i];
        name_id("part", block, r, &id);
        err = put_sorted(&id, part, count);
        if (block == 3 && r == 1 && wsched_task_attempt(task) == 1)
            raise(SIGKILL);
    }
    objstore_release(store, &view);
out:
    free(part);
    return err;
}

static int reduce(struct wsched_task *task, void *ctx)
{
    unsigned range = *(const unsigned *)wsched_task_payload(task, NULL);
    struct objstore_view views[BLOCKS];
    struct objstore_id ids[BLOCKS], id;
    uint64_t count = 0;

    (void)ctx;
    for (unsigned i = 0; i < BLOCKS; i++)
        name_id("part", i, range, &ids[i]);
    int err = objstore_get_many(store, ids, BLOCKS, 0, views);
    if (err)
        return err;
    for (int i = 0; i < BLOCKS; i++)
        count += views[i].size / sizeof(uint32_t);
    uint32_t *all = malloc(count * sizeof *all + 1), *to = all;
    for (int i = 0; i < BLOCKS && all; i++) {
        memcpy(to, views[i].data, views[i].size);
        to += views[i].size / sizeof *to;
    }
    objstore_release_many(store, views, BLOCKS);
    name_id("range", range, 0, &id);
    err = all ? put_sorted(&id, all, count) : -ENOMEM;
    free(all);
    return err ? err : wsched_task_result(task, &count, sizeof count);
}

/* A handle does not survive fork(): the worker opens the same store for itself. */
static int worker_start(void *ctx)
{
    struct objstore *inherited = store;
    int err = objstore_open_fd(*(int *)ctx, NULL, &store, NULL);

    objstore_close(inherited);
    return err;
}

static int make_blocks(uint64_t *sum)
{
    static uint32_t numbers[NUMBERS];
    struct objstore_id id;
    uint32_t x = 12345;
    int err = 0;

    for (unsigned b = 0; b < BLOCKS && !err; b++) {
        for (int i = 0; i < NUMBERS; i++) {
            x ^= x << 13;
            x ^= x >> 17;
            x ^= x << 5;
            numbers[i] = x;
            *sum += x;
        }
        name_id("block", b, 0, &id);
        err = objstore_put(store, &id, numbers, sizeof numbers, NULL);
    }
    return err;
}

/* All maps, and the reduces that wait for them. */
static int submit_all(struct wsched *pool, struct wsched_future *maps,
                      struct wsched_future *reduces)
{
    struct wsched_spec spec = { .payload_size = sizeof(unsigned) };
    int err = 0;

    spec.kernel = "map";
    for (unsigned i = 0; i < BLOCKS && !err; i++) {
        spec.payload = &i;
        err = wsched_submit(pool, &spec, &maps[i]);
    }
    spec.kernel = "reduce";
    spec.after = maps;
    spec.after_count = BLOCKS;
    for (unsigned r = 0; r < RANGES && !err; r++) {
        spec.payload = &r;
        err = wsched_submit(pool, &spec, &reduces[r]);
    }
    return err;
}

/* Are the ranges, one after the other, all numbers in order? */
static int check_sorted(uint64_t sum)
{
    uint32_t last = 0;
    uint64_t count = 0;
    int err = 0;

    for (unsigned r = 0; r < RANGES && !err; r++) {
        struct objstore_view view;
        struct objstore_id id;
        name_id("range", r, 0, &id);
        err = objstore_get(store, &id, 0, &view);
        if (err)
            break;
        const uint32_t *numbers = view.data;
        for (size_t i = 0; i < view.size / sizeof *numbers; i++, count++) {
            err = numbers[i] < last ? -EBADMSG : err;
            last = numbers[i];
            sum -= last;
        }
        objstore_release(store, &view);
    }
    return err ? err : sum || count != (uint64_t)BLOCKS * NUMBERS ? -EBADMSG : 0;
}

int main(void)
{
    static const struct wsched_kernel kernels[] = { { "map", map, NULL },
                                                    { "reduce", reduce, NULL } };
    struct objstore_options room = OBJSTORE_OPTIONS_INIT;
    struct wsched_options options = WSCHED_OPTIONS_INIT;
    struct wsched_future maps[BLOCKS], reduces[RANGES];
    struct wsched_stats stats = { 0 };
    struct wsched *pool = NULL;
    uint64_t sum = 0;
    int fd;

    room.capacity_bytes = 16 << 20;
    int err = objstore_open(NULL, &room, &store, NULL);
    if (!err)
        err = make_blocks(&sum);
    if (!err) {
        fd = objstore_fd(store);
        options.worker_start = worker_start;
        options.worker_ctx = &fd;
        err = wsched_open(&options, kernels, 2, &pool);
    }
    if (!err)
        err = submit_all(pool, maps, reduces);
    if (!err)
        err = wsched_wait(pool, reduces, RANGES, RANGES, -1, NULL);
    for (int r = 0; r < RANGES && err >= 0; r++) {
        uint64_t count;
        err = wsched_result(pool, reduces[r], &count, sizeof count, NULL);
        if (!err)
            printf("range %d: %llu numbers\n", r, (unsigned long long)count);
    }
    if (!err)
        err = check_sorted(sum);
    if (!err)
        err = wsched_stats(pool, &stats);
    if (err)
        fprintf(stderr, "map_reduce: %s\n", strerror(-err));
    else
        printf("sorted; %llu worker died on the way\n", (unsigned long long)stats.worker_deaths);
    wsched_close(pool);
    objstore_close(store);
    return err || stats.worker_deaths != 1;
}
