/* SPDX-License-Identifier: MIT */
/* A worker, then the supervisor, is killed at every step that it passes in the job of kill_job.h. */
#include "kill_job.h"

static void one_worker(void)
{
    kill_job_everywhere(KILLER_CHILD, 1, false);
}

static void one_of_two_workers(void)
{
    kill_job_everywhere(KILLER_CHILD, 2, false);
}

static void supervisor(void)
{
    kill_job_everywhere(KILLER_SUPERVISOR, 1, false);
}

TESTS("wsched: killed at every step", { "the only worker", one_worker },
      { "one of two workers", one_of_two_workers }, { "the supervisor", supervisor })
