/* SPDX-License-Identifier: MIT */
/*
 * cache_spill.c -- results that are worth keeping, four times as many as there is memory for. What
 * does not fit goes to files and comes back when it is asked for: nothing is computed twice.
 */
#include <errno.h>
#include <objstore.h>
#include <stdint.h>
#include <stdio.h>

#define MEMORY ((size_t)8 << 20)
#define RESULT ((size_t)256 << 10)
#define RESULTS 128u

/* Stands for something slow. */
static void compute(uint32_t key, uint64_t *result)
{
    for (size_t i = 0; i < RESULT / sizeof *result; i++)
        result[i] = (key + 1) * 0x9e3779b97f4a7c15u * (i + 1);
}

/* The result for a key, found or computed; to be released. */
static int lookup(struct objstore *store, uint32_t key, struct objstore_view *view,
                  unsigned *computed)
{
    char name[32];
    struct objstore_id id;
    void *result;

    snprintf(name, sizeof name, "result %u", key);
    objstore_id_from_name(name, &id);
    int err = objstore_get(store, &id, 0, view);
    if (err != -ENOENT)
        return err;
    err = objstore_create(store, &id, RESULT, NULL, &result);
    if (!err) {
        compute(key, result);
        ++*computed;
        err = objstore_seal(store, &id);
    }
    if (err && err != -EEXIST) /* another process computes it: wait for that */
        return err;
    return objstore_get(store, &id, -1, view);
}

static int pass(struct objstore *store, unsigned *computed)
{
    for (uint32_t key = 0; key < RESULTS; key++) {
        struct objstore_view view;
        int err = lookup(store, key, &view, computed);

        if (err)
            return err;
        const uint64_t *result = view.data;
        bool is_right = result[9] == (key + 1) * 0x9e3779b97f4a7c15u * 10;
        objstore_release(store, &view);
        if (!is_right)
            return -EBADMSG;
    }
    return 0;
}

int main(void)
{
    struct objstore_options options = OBJSTORE_OPTIONS_INIT;
    struct objstore_stats stats;
    struct objstore_diag diag;
    struct objstore *store;
    unsigned first = 0, second = 0;

    options.capacity_bytes = MEMORY;
    options.spill_dir = "/var/tmp";
    if (objstore_open(NULL, &options, &store, &diag)) {
        fprintf(stderr, "cache_spill: %s\n", diag.text);
        return 1;
    }
    int err = pass(store, &first);
    if (!err)
        err = pass(store, &second);
    if (!err)
        err = objstore_stats(store, &stats);
    if (err)
        fprintf(stderr, "cache_spill: %s\n", objstore_strerror(err));
    else
        printf(
            "%u results of %zu KiB in %zu MiB of memory: %u computed, then %u; %llu came back from "
            "files\n",
            RESULTS, RESULT >> 10, MEMORY >> 20, first, second, (unsigned long long)stats.restores);
    objstore_close(store);
    return err || first != RESULTS || second != 0;
}
