/* SPDX-License-Identifier: MIT */
/* sweep.h -- `forest sweep`: its options, its models, and the two ways to train them. */
#ifndef SWEEP_H
#define SWEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "crew.h"
#include "memory.h"
#include "options.h"
#include "share.h"

struct sweep_model {
    struct forest_params params;
    double score;
    double seconds;         /* parallel: from the start of its first task to the end of its last */
    double compute_seconds; /* parallel: the sum of its tasks */
    int32_t pid;            /* who finished it */
    double sequential_score;
    double sequential_seconds;
};

struct sweep {
    /* options */
    const char *data, *target, *store, *timeline;
    double test_size;
    uint32_t seed, models, start, step, workers;
    uint64_t store_size;
    bool is_sequential, is_compare, json, memory;
    bool reuse_trees; /* models share their first trees */
    int progress;
    struct forest_options forest;
    /* the run */
    struct share share;
    struct sweep_model *model;                   /* by n_estimators */
    uint32_t classes;                            /* 0: regression */
    uint64_t trees;                              /* of all models */
    uint64_t trained;                            /* trees; with reuse, each is once at most */
    uint64_t deaths;                             /* of workers */
    double parallel_seconds, sequential_seconds; /* NaN: was not run */
    struct memory *processes;                    /* with --memory: this one and the workers */
    uint32_t process_count;
    int undrawn; /* the error for which there is no timeline */
};

/* Trees that may lie in the store at once, which bounds its size. */
uint64_t sweep_window(const struct sweep *s);

/* 0, -EINTR, or another error after complaining. */
int sweep_parallel(struct sweep *s);
int sweep_sequential(struct sweep *s);

/* What is printed while it runs, and in the end. */
void sweep_show_data(struct sweep *s);
void sweep_show_model(const struct sweep *s, uint32_t n_estimators, double score, double seconds,
                      int32_t pid);
void sweep_show_result(struct sweep *s);

#endif
