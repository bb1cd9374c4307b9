/* SPDX-License-Identifier: MIT */
/* memory.h -- what the workers take, as the kernel counts it. */
#ifndef MEMORY_H
#define MEMORY_H

#include <stdint.h>
#include <sys/types.h>

#include "crew.h"

/* Bytes of /proc/PID/smaps_rollup. Private pages are in nobody else's memory; `pss` shares out the
 * rest. */
struct memory {
    pid_t pid;
    uint64_t rss, pss, private_bytes;
};

/* -ENOENT or -ESRCH: no such process. */
int memory_of(pid_t pid, struct memory *out);

/*
 * This process (first) and the live workers of a pool. Returns how many were put into `out`.
 */
uint32_t memory_of_crew(struct crew *crew, struct memory *out, uint32_t capacity);

#endif
