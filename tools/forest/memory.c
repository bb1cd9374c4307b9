/* SPDX-License-Identifier: MIT */
#include "memory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int memory_of(pid_t pid, struct memory *out)
{
    char path[48], line[128];
    uint64_t kib;
    struct memory m = { .pid = pid };
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    FILE *f = fopen(path, "re");
    if (!f)
        return -errno;
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, "Rss: %" SCNu64, &kib) == 1)
            m.rss = kib * 1024;
        else if (sscanf(line, "Pss: %" SCNu64, &kib) == 1)
            m.pss = kib * 1024;
        else if (sscanf(line, "Private_Clean: %" SCNu64, &kib) == 1 ||
                 sscanf(line, "Private_Dirty: %" SCNu64, &kib) == 1)
            m.private_bytes += kib * 1024;
    }
    fclose(f);
    if (m.rss == 0)
        return -ESRCH; /* a zombie has none */
    *out = m;
    return 0;
}

struct search {
    struct memory *out;
    uint32_t count, capacity;
};

static int visit(const struct wsched_event *event, void *ctx)
{
    struct search *s = ctx;
    if (event->kind != WSCHED_EVENT_STARTED)
        return 0;
    for (uint32_t i = 0; i < s->count; i++)
        if (s->out[i].pid == event->pid)
            return 0;
    if (s->count < s->capacity && !memory_of(event->pid, &s->out[s->count]))
        s->count++;
    return 0;
}

uint32_t memory_of_crew(struct crew *crew, struct memory *out, uint32_t capacity)
{
    struct search s = { out, 0, capacity };
    if (capacity > 0 && !memory_of(getpid(), &out[0]))
        s.count = 1;
    (void)!wsched_events(crew->pool, visit, &s);
    return s.count;
}
