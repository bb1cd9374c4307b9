/* SPDX-License-Identifier: MIT */
#include "process.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define COMMAND_MAX 32

/* Its command, as in /proc/pid/comm; "" if it cannot be read. */
static void read_command(int32_t pid, char name[COMMAND_MAX])
{
    char path[40];
    snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return;
    if (!fgets(name, COMMAND_MAX, file))
        name[0] = 0;
    name[strcspn(name, "\n")] = 0;
    fclose(file);
}

void process_emit(struct emit *e, const struct objstore_lease *lease)
{
    char command[COMMAND_MAX] = "";
    if (lease->alive)
        read_command(lease->pid, command);
    emit_row(e);
    emit_int(e, "pid", "pid", lease->pid);
    emit_bool(e, "alive", NULL, lease->alive);
    emit_string(e, NULL, "state", lease->alive ? "alive" : "dead");
    emit_string(e, "command", "command", command);
    emit_uint(e, "pins", "pins", lease->pins);
    emit_uint(e, "unsealed", "unsealed", lease->unsealed);
}

double process_seconds(const struct objstore_lease *lease)
{
    struct timespec now;
    /* The start time counts clock ticks since boot. */
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9 -
           (double)lease->start_time / (double)sysconf(_SC_CLK_TCK);
}
