/* SPDX-License-Identifier: MIT */
/* lookout.h -- the supervisor is told of a death before the kernel has taken the memory apart. */
#ifndef WSCHED_LOOKOUT_H
#define WSCHED_LOOKOUT_H

#include "pool.h"

#define LOOKOUT_SIGNAL SIGIO /* to the supervisor: some worker may be on its way out */

/* In the supervisor: fork the lookout. Its pid; 0: there is none, and SIGCHLD has to do. */
pid_t lookout_start(struct wsched *p);
/* Is this child certain to run no more user code? Then *status is what waitpid() will say. */
bool lookout_sees_end(pid_t pid, int *status);

#endif
