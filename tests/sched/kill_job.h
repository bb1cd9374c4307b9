/* SPDX-License-Identifier: MIT */
/*
 * kill_job.h -- a small job with everything in it, during which one process of its pool is killed at
 * every step between two accesses to shared memory that it passes: killer.h. After each kill the job
 * must end as if nothing had happened, nothing may have leaked, and a full load must run.
 */
#ifndef SCHED_KILL_JOB_H
#define SCHED_KILL_JOB_H

#include "killer.h"

/* `is_wide`: with many dependencies, too. */
void kill_job_everywhere(enum killer_victim victim, uint32_t workers, bool is_wide);

#endif
