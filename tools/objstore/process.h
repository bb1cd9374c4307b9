/* SPDX-License-Identifier: MIT */
/* process.h -- what /proc tells of an attached process. */
#ifndef PROCESS_H
#define PROCESS_H

#include <stddef.h>
#include <stdint.h>

/* Its command (as in /proc/pid/comm; "" if it cannot be read) and how long it has run. */
#define PROCESS_NAME_MAX 32
void process_describe(int32_t pid, uint64_t start_time, char name[PROCESS_NAME_MAX],
                      double *seconds);

#endif
