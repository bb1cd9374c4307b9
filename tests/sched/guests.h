/* SPDX-License-Identifier: MIT */
/* guests.h -- what the tests of guests share. */
#ifndef SCHED_GUESTS_H
#define SCHED_GUESTS_H

#include "kit.h"
#include "pool.h"

#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

static char name[64];

static inline struct wsched *open_named(uint32_t workers, uint32_t guests, const char *label)
{
    struct wsched_options o = WSCHED_OPTIONS_INIT;
    struct wsched *pool = NULL;

    snprintf(name, sizeof name, "test-join-%s-%d", label, (int)getpid());
    o.workers = workers;
    o.guests = guests;
    o.task_capacity = 300;
    o.event_capacity = 512;
    o.name = name;
    REQUIRE_OK(wsched_open(&o, kit_kernels, kit_kernel_count, &pool));
    return pool;
}

static inline struct wsched *join(const char *where)
{
    struct wsched *guest = NULL;

    REQUIRE_OK(wsched_join(where, NULL, 0, NULL, &guest));
    return guest;
}

static inline struct wsched *child_join(uint32_t flags)
{
    struct wsched_join_options o = WSCHED_JOIN_OPTIONS_INIT;
    struct wsched *guest = NULL;

    o.flags = flags;
    CHILD_CHECK(!wsched_join(name, NULL, 0, &o, &guest));
    return guest;
}

static inline struct wsched_future child_submit(struct wsched *guest, const char *kernel,
                                                const void *data, size_t size)
{
    struct wsched_spec s = kit_spec(kernel, data, size);
    struct wsched_future f = { 0 };

    CHILD_CHECK(!wsched_submit(guest, &s, &f));
    return f;
}

static inline int ended(pid_t pid)
{
    int status = 0;

    REQUIRE(waitpid(pid, &status, 0) == pid);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static inline uint32_t slots_in_use(struct wsched *p)
{
    uint32_t n = 0, used = au32_load_acquire(&p->header->tasks_used);

    for (uint32_t i = 0; i < used && i < p->task_count; i++) {
        uint64_t word = au64_load_acquire(&task_at(p, i)->word);
        n += word_state(word) > TASK_MAKING;
    }
    return n;
}

static inline uint32_t seats_taken(struct wsched *p)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < p->guests; i++)
        n += (au64_load_acquire(&p->seats[guest_seat(p, i)].identity) & 0x3fffff) != 0;
    return n;
}

/* Until nothing is left of guests; a leak runs into the runner's time limit. */
static inline void await_nobody(struct wsched *p)
{
    while (seats_taken(p) || slots_in_use(p))
        sched_yield();
    CHECK_EQ(wsched_verify(p, NULL), 0);
}

#endif
