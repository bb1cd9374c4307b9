/* SPDX-License-Identifier: MIT */
/* As test_kill_points.c, with many dependencies in the job. */
#include "kill_job.h"

static void one_of_two_workers(void)
{
    kill_job_everywhere(KILLER_CHILD, 2, true);
}

static void supervisor(void)
{
    kill_job_everywhere(KILLER_SUPERVISOR, 2, true);
}

TESTS("wsched: killed at every step, many dependencies",
      { "one of two workers", one_of_two_workers }, { "the supervisor", supervisor })
