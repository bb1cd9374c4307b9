/* SPDX-License-Identifier: MIT */
/* memory.h -- the supervisor's watch over the memory of its workers; memory.c explains. */
#ifndef WSCHED_MEMORY_H
#define WSCHED_MEMORY_H

#include "pool.h"

#define MEMORY_MIN (1ull << 20) /* of a limit: the kernel's counters are not more exact */
#define MEMORY_SIGNAL SIGXCPU   /* of a timer, with the seat */

void memory_begin(const struct wsched *p);
int memory_watch(struct wsched *p, uint32_t seat, pid_t pid); /* a process forked this moment */
void memory_forget(uint32_t seat);                            /* it is dead */
void memory_look(struct wsched *p, uint32_t seat, pid_t pid); /* its timer has rung */

#endif
