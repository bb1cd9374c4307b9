/* SPDX-License-Identifier: MIT */
/* kernels.h -- what runs in the worker processes; see crew.h. */
#ifndef KERNELS_H
#define KERNELS_H

#include "forest.h"
#include "share.h"
#include "wsched.h"

/* The payload of both kinds of task. */
struct task {
    struct forest_params params;
    uint32_t first; /* trees [first, first + count) */
    uint32_t count;
};

#define KERNEL_TRAIN "train_trees"
#define KERNEL_SCORE "score_model"
#define KERNELS 2
extern const struct wsched_kernel kernels[KERNELS];

/* wsched_options.worker_start: make the share (ctx) our own and keep it for the tasks. */
int kernels_start(void *ctx);
void kernels_stop(void *ctx);

#endif
