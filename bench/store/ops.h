/* SPDX-License-Identifier: MIT */
/*
 * ops.h -- what the bench does with a store, whoever's it is. Each peer gives one `struct ops`; the
 * same driver calls all of them, through the same pointers.
 */
#ifndef BENCH_STORE_OPS_H
#define BENCH_STORE_OPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct id {
    uint64_t word[2];
};

struct ops {
    const char *name;
    /* Make an empty store. False: cannot be done here. What it started, stop() ends. */
    bool (*start)(uint64_t capacity);
    void (*stop)(void);
    /* A handle for this process; called again in each child. */
    void *(*attach)(void);
    void (*detach)(void *h);
    /* 0, or anything else: failed. */
    int (*put)(void *h, const struct id *id, const void *data, size_t size);
    /* 0: found; *data stays valid until done(). Else: not there (yet). */
    int (*get)(void *h, const struct id *id, const void **data, size_t *size);
    void (*done)(void *h);
    int (*del)(void *h, const struct id *id);
    /* The same as get, but sleeps until it is there. NULL: it cannot. */
    int (*get_blocking)(void *h, const struct id *id, const void **data, size_t *size);
    /* Wait until `need` of n are there; ready may be NULL. NULL: it cannot. */
    int (*wait)(void *h, const struct id *ids, size_t n, size_t need, bool *ready);
    /* A handle on another store, of so much memory and with more room on disk. NULL: it cannot. */
    void *(*open_over)(uint64_t capacity);
    size_t size_max; /* of an object; 0: no limit below the capacity */
    /* get, look at the first byte, done, of n (at most 16). NULL: it has no call for that. */
    int (*look_at_many)(void *h, const struct id *ids, size_t n, volatile uint64_t *sum);
};

extern const struct ops ops;

#ifdef __cplusplus
}
#endif

#endif
