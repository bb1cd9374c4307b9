/* SPDX-License-Identifier: MIT */
/* gain_heap.c -- see gain_heap.h. */
#include "gain_heap.h"

#include <errno.h>
#include <stdlib.h>

void gain_heap_release(struct gain_heap *heap)
{
    free(heap->at);
    *heap = (struct gain_heap){ NULL, 0, 0 };
}

/* Put `gain` into the hole, or higher, where its parent gains no less. */
static void rise(struct gain *at, uint32_t hole, struct gain gain)
{
    while (hole > 0 && at[(hole - 1) / 2].gain < gain.gain) {
        at[hole] = at[(hole - 1) / 2];
        hole = (hole - 1) / 2;
    }
    at[hole] = gain;
}

int gain_heap_push(struct gain_heap *heap, double gain, uint32_t item)
{
    if (heap->count == heap->capacity) {
        uint32_t wanted = 2 * heap->capacity + 64;
        struct gain *more = realloc(heap->at, wanted * sizeof *more);
        if (!more)
            return -ENOMEM;
        heap->at = more;
        heap->capacity = wanted;
    }
    rise(heap->at, heap->count++, (struct gain){ gain, item });
    return 0;
}

/* The hole at the top sinks to the bottom, and the last one rises from there. */
uint32_t gain_heap_pop(struct gain_heap *heap)
{
    struct gain *at = heap->at, top = at[0], last = at[--heap->count];
    uint32_t n = heap->count, hole = 0;

    while (2 * hole + 2 < n) {
        uint32_t greater = 2 * hole + 2;
        if (at[greater].gain < at[greater - 1].gain)
            greater--;
        at[hole] = at[greater];
        hole = greater;
    }
    if (2 * hole + 2 == n) {
        at[hole] = at[n - 1];
        hole = n - 1;
    }
    if (n)
        rise(at, hole, last);
    return top.item;
}
