/* SPDX-License-Identifier: MIT */
/*
 * gain_heap.h -- what gains most comes first: the C++ standard library's binary heap, step by step,
 * as scikit-learn has it, for it decides between equals.
 */
#ifndef GAIN_HEAP_H
#define GAIN_HEAP_H

#include <stdint.h>

struct gain {
    double gain;
    uint32_t item; /* whatever the caller numbers */
};

/* All zero: empty. */
struct gain_heap {
    struct gain *at;
    uint32_t count, capacity;
};

void gain_heap_release(struct gain_heap *heap);
/* -ENOMEM */
int gain_heap_push(struct gain_heap *heap, double gain, uint32_t item);
/* Take away the item that gains most; there must be one. */
uint32_t gain_heap_pop(struct gain_heap *heap);

#endif
