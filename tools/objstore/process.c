/* SPDX-License-Identifier: MIT */
#include "process.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void process_describe(int32_t pid, uint64_t start_time, char name[PROCESS_NAME_MAX],
                      double *seconds)
{
    char path[40];
    struct timespec now;
    snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
    name[0] = 0;
    FILE *file = fopen(path, "re");
    if (file) {
        if (!fgets(name, PROCESS_NAME_MAX, file))
            name[0] = 0;
        name[strcspn(name, "\n")] = 0;
        fclose(file);
    }
    /* The start time counts clock ticks since boot. */
    clock_gettime(CLOCK_BOOTTIME, &now);
    *seconds = (double)now.tv_sec + (double)now.tv_nsec * 1e-9 -
               (double)start_time / (double)sysconf(_SC_CLK_TCK);
}
