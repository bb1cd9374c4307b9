/* SPDX-License-Identifier: MIT */
/* cpus.h -- what cgroups leave of the CPUs. */
#ifndef WSCHED_CPUS_H
#define WSCHED_CPUS_H

#include <stdint.h>

/* By the quotas of the groups in `list` (/proc/self/cgroup), below `root` (/sys/fs/cgroup), and of all
 * above them; UINT32_MAX: there is none, or none that can be read. */
uint32_t cpus_of_cgroups(const char *list, const char *root);

#endif
