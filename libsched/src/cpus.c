/* SPDX-License-Identifier: MIT */
/*
 * cpus.c -- how many CPUs may this process use?
 *
 * The affinity mask, and every cgroup quota on the way from this process's group to the root, v2
 * (cpu.max) and v1 (cpu.cfs_quota_us, cpu.cfs_period_us): the smallest counts, rounded up. What
 * cannot be read does not limit.
 */
#define _GNU_SOURCE /* sched_getaffinity */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cpus.h"
#include "wsched.h"

#define CPUS_MASK_MAX 65536

static uint32_t affinity_cpus(void)
{
    for (size_t n = 1024; n <= CPUS_MASK_MAX; n *= 4) {
        cpu_set_t *set = CPU_ALLOC(n);
        size_t size = CPU_ALLOC_SIZE(n);
        if (!set)
            break;
        int count = sched_getaffinity(0, size, set) ? 0 : CPU_COUNT_S(size, set);
        CPU_FREE(set);
        if (count > 0)
            return (uint32_t)count;
    }
    return 1;
}

static bool read_text(const char *path, char *text, size_t cap)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, cap - 1);

    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return false;
    text[n] = 0;
    return true;
}

static uint32_t ratio_up(long long quota, long long period)
{
    if (quota <= 0 || period <= 0)
        return UINT32_MAX;
    long long n = (quota + period - 1) / period;
    return n < 1 ? 1 : n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

/* The quota of one group; UINT32_MAX: none. */
static uint32_t group_cpus_v2(const char *root, const char *group)
{
    char path[1200], text[64];
    char *end;

    snprintf(path, sizeof path, "%s%s/cpu.max", root, group);
    if (!read_text(path, text, sizeof text))
        return UINT32_MAX;
    long long quota = strtoll(text, &end, 10); /* "max" gives 0 */
    return ratio_up(quota, strtoll(end, NULL, 10));
}

static uint32_t group_cpus_v1(const char *root, const char *group)
{
    char path[1200], text[64];

    snprintf(path, sizeof path, "%s%s/cpu.cfs_quota_us", root, group);
    if (!read_text(path, text, sizeof text))
        return UINT32_MAX;
    long long quota = strtoll(text, NULL, 10);
    snprintf(path, sizeof path, "%s%s/cpu.cfs_period_us", root, group);
    return read_text(path, text, sizeof text) ? ratio_up(quota, strtoll(text, NULL, 10))
                                              : UINT32_MAX;
}

/* Of this group and of all above it. */
static uint32_t path_cpus(const char *root, const char *group,
                          uint32_t (*group_cpus)(const char *, const char *))
{
    char path[1025];
    uint32_t least = UINT32_MAX;

    strcpy(path, strcmp(group, "/") ? group : "");
    for (;;) {
        uint32_t n = group_cpus(root, path);
        least = n < least ? n : least;
        char *slash = strrchr(path, '/');
        if (!slash)
            return least;
        *slash = 0;
    }
}

static bool names_cpu(const char *controllers)
{
    for (const char *c = controllers; c; c = strchr(c, ','), c += c != NULL)
        if (!strncmp(c, "cpu", 3) && (c[3] == 0 || c[3] == ','))
            return true;
    return false;
}

uint32_t cpus_of_cgroups(const char *list, const char *root)
{
    static const char *const v1[] = { "cpu", "cpu,cpuacct" };
    char text[4096], hierarchy[256], *save = NULL;
    uint32_t least = UINT32_MAX, n;

    if (!read_text(list, text, sizeof text))
        return UINT32_MAX;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *controllers = strchr(line, ':'),
             *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group || strlen(group) > 1024)
            continue;
        *group++ = 0;
        controllers++;
        if (!*controllers) {
            n = path_cpus(root, group, group_cpus_v2);
            least = n < least ? n : least;
        }
        for (size_t i = 0; names_cpu(controllers) && i < 2; i++) {
            snprintf(hierarchy, sizeof hierarchy, "%s/%s", root, v1[i]);
            n = path_cpus(hierarchy, group, group_cpus_v1);
            least = n < least ? n : least;
        }
    }
    return least;
}

uint32_t wsched_cpus(void)
{
    uint32_t a = affinity_cpus(), c = cpus_of_cgroups("/proc/self/cgroup", "/sys/fs/cgroup");

    return a < c ? a : c;
}
