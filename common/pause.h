/* SPDX-License-Identifier: MIT */
/* pause.h -- wait for another thread of this process that is about to be done. */
#ifndef COMMON_PAUSE_H
#define COMMON_PAUSE_H

#include <stdint.h>
#include <time.h>

#include "atomics.h"

#define PAUSES_AWAKE 64u

/*
 * Before the n-th look again. At first a moment; then longer and longer sleeps, up to a millisecond:
 * who is waited for may need this CPU, which a thread of a real-time policy gives up in no other way.
 */
static inline void pause_before(uint32_t n)
{
    const uint32_t sleeps = n - PAUSES_AWAKE;

    if (n < PAUSES_AWAKE)
        cpu_pause();
    else
        nanosleep(&(struct timespec){ 0, 1000L << (sleeps < 10 ? sleeps : 10) }, NULL);
}

#endif
