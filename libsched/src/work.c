/* SPDX-License-Identifier: MIT */
/*
 * work.c -- a guest that works: the calling thread runs and steals tasks as a worker of the crew
 *           does (worker.c), until it is asked to leave or the pool is over.
 *
 * What is different from the crew, because nobody notices when a guest is stopped (guest.c):
 *
 *   hints     A worker of the crew pops hints, then claims their tasks. A guest claims a task
 *             first, then drops its hint: a hint in its hands would be lost to all others as long
 *             as it stands still. A drop that comes too late, or never, leaves a stale hint.
 *   searching It spins without saying so: nobody is left asleep because a guest searches.
 *   sleeping  On the guest's park word, which the kernel watches for it (guest_sleep()). It is
 *             woken if the whole crew is busy.
 *   lost      Looking through the table is left to the crew.
 *   closing   Streams that wait for their takers beside the stack (fiber.c) cannot go with the
 *             guest. Each is entered once more, to find that its pool is over; when its kernel has
 *             failed for that, which is not charged, its task is PENDING again: T10 of task.c, and a
 *             hint in our deque. The guest begins nothing new meanwhile. When all have ended somebody
 *             is woken for them. A death before T10 is that of a guest at work; after it, the sweep
 *             raises header.lost and wakes all.
 */
#define _GNU_SOURCE
#include "fiber.h"

#include <string.h>
#include <unistd.h>

#define SPIN_MAX 1500u
#define SPIN_MIN 32u
#define OWN_LAST_EVERY 61u

/* ---- finding ------------------------------------------------------------------------------- */

static bool run_from_queue(struct wsched *p, uint32_t seat)
{
    struct source from = { FROM_QUEUE, seat, 0 };
    uint64_t hint;

    while (queue_peek(p, seat, &hint, &from.at))
        if (worker_run(p, hint, &from))
            return true;
    return false;
}

static bool run_from_level(struct wsched *p, enum level_name level)
{
    struct source from = { FROM_LEVEL, level, 0 };
    uint64_t hint;

    while (levels_used(p) && level_peek(p, level, &hint, &from.at))
        if (worker_run(p, hint, &from))
            return true;
    return false;
}

static bool run_from_deque(struct wsched *p, uint32_t victim)
{
    struct source from = { FROM_DEQUE, victim, 0 };
    uint64_t hint;

    while (victim != p->seat && deque_peek(p, victim, &hint, &from.at))
        if (worker_run(p, hint | HINT_STOLEN, &from))
            return true;
    return false;
}

static bool run_own(struct wsched *p)
{
    const struct source from = { FROM_OWN, p->seat, 0 };
    uint64_t hint;

    while (deque_newest(p, &hint))
        if (worker_run(p, hint, &from))
            return true;
    return false;
}

static bool run_from_clients(struct wsched *p)
{
    uint32_t clients = guests_used(p) + 1;

    if (run_from_queue(p, supervisor_seat(p)))
        return true;
    for (uint32_t i = 0; i < clients; i++) { /* each has its turn to be the first */
        uint32_t client = (p->tick + i) % clients;
        if (run_from_queue(p, client ? guest_seat(p, client - 1) : driver_seat(p)))
            return true;
    }
    return false;
}

static bool run_from_workers(struct wsched *p)
{
    p->random = p->random * 6364136223846793005u + 1442695040888963407u;
    uint32_t first = (uint32_t)(p->random >> 33) % p->workers;

    for (uint32_t i = 0; i < p->workers; i++)
        if (run_from_deque(p, (first + i) % p->workers))
            return true;
    for (uint32_t i = 0, used = guests_used(p); i < used; i++)
        if (run_from_deque(p, guest_seat(p, i)))
            return true;
    for (uint32_t i = 0, used = actors_used(p); i < used; i++)
        if (run_from_deque(p, actor_seat(p, i)))
            return true;
    return false;
}

bool guest_help(struct wsched *p)
{
    uint32_t turn = ++p->tick % OWN_LAST_EVERY;

    if (turn == 0 && (run_from_level(p, LEVEL_LOW) || run_from_clients(p)))
        return true;
    if (turn != 1 && run_from_level(p, LEVEL_HIGH))
        return true;
    return run_own(p) || run_from_clients(p) || run_from_workers(p) ||
           run_from_level(p, LEVEL_HIGH) || run_from_level(p, LEVEL_LOW);
}

/* ---- having nothing to do ------------------------------------------------------------------ */

struct idle {
    struct wsched *p;
    bool wants_work;
    bool (*must_wake)(void *);
    void *arg;
};

static bool idle_must_wake(void *arg)
{
    struct idle *i = arg;

    return (i->wants_work && work_is_visible(i->p)) || (i->must_wake && i->must_wake(i->arg)) ||
           (!i->p->depth && !i->p->fiber_count &&
            au32_load_acquire(&i->p->seats[i->p->seat].leaving));
}

int guest_rest(struct wsched *p, bool wants_work, bool (*must_wake)(void *), void *arg,
               int64_t deadline)
{
    struct idle idle = { p, wants_work, must_wake, arg };

    for (uint32_t i = 0; p->cpus > 1 && i < p->spin_rounds; i++) {
        if (idle_must_wake(&idle) || pool_is_over(p)) {
            p->spin_rounds = SPIN_MAX;
            return 0;
        }
        cpu_pause();
    }
    p->spin_rounds = p->spin_rounds / 2 > SPIN_MIN ? p->spin_rounds / 2 : SPIN_MIN;
    if (wants_work)
        park_say_asleep(p, true);
    int err = guest_sleep(p, idle_must_wake, &idle, deadline);
    if (wants_work)
        park_say_asleep(p, false);
    p->is_searching = true; /* who finds something passes the wake on: search_end() */
    return err;
}

/* ---- a guest's working life ---------------------------------------------------------------- */

static void begin(struct wsched *p)
{
    p->role = ROLE_WORKER;
    p->current = NULL;
    p->depth = 0;
    p->batch = 1;
    p->last_end = 0;
    p->spin_rounds = SPIN_MAX;
    p->random = (uint64_t)p->pid * 0x9e3779b97f4a7c15u + p->seat;
    p->map_cursor = p->seat * 7;
    au32_store_release(&p->seats[p->seat].depth, 0);
    au32_store_release(&p->seats[p->seat].tid, (uint32_t)gettid());
    au32_store_release(&p->seats[p->seat].ready, 1);
}

static void end(struct wsched *p)
{
    search_end(p);
    /* What our tasks submitted and did not wait for, or what of them runs again. */
    if (work_is_visible(p) || au32_load_acquire(&p->header->lost))
        park_wake_one(p);
    au32_store_release(&p->seats[p->seat].ready, 0);
    au32_store_release(&p->seats[p->seat].tid, 0);
    p->role = ROLE_GUEST;
}

int wsched_work(struct wsched *p, int timeout_ms)
{
    int err = pool_check_part(p);
    bool was_busy = true;
    int64_t deadline = INT64_MAX;

    if (!err && p->is_guest && p->role == ROLE_WORKER)
        err = -EDEADLK;
    if (!err && (p->role != ROLE_GUEST || !p->has_kernels || timeout_ms < -1))
        err = -EINVAL;
    if (err)
        return err;
    begin(p);
    for (;;) { /* what waits beside the stack is served to its end */
        bool is_leaving = au32_load_acquire(&p->seats[p->seat].leaving);
        if (err || (is_leaving && !p->fiber_count))
            break;
        if (was_busy || p->fiber_count)
            deadline = deadline_from_ms(timeout_ms);
        was_busy = is_leaving ? fiber_resume(p) : worker_help(p);
        if (was_busy)
            continue;
        err = guest_pool_is_over(p) ? -ESHUTDOWN : 0;
        if (!err && deadline != INT64_MAX && monotonic_ns() >= deadline)
            err = -ETIMEDOUT;
        if (!err)
            worker_rest(p, !is_leaving, NULL, NULL, p->fiber_count ? INT64_MAX : deadline);
    }
    fibers_finish(p);
    end(p);
    if (!err)
        au32_store_release(&p->seats[p->seat].leaving, 0);
    return err;
}

void work_hand_over(struct wsched *p)
{
    if (!p->fiber_count)
        return;
    p->is_closing = true;
    begin(p);
    fibers_finish(p);
    end(p);
}

int wsched_leave(struct wsched *p)
{
    int err = pool_check(p);

    if (!err && !p->is_guest) /* `role` is the working thread's */
        err = p->role == ROLE_OBSERVER ? -EROFS : -EINVAL;
    if (err)
        return err;
    au32_store_release(&p->seats[p->seat].leaving, 1);
    fence_seq_cst(); /* with that of guest_sleep() */
    if (au32_load_acquire(&park_of(p, p->seat)->word))
        futex_clear_and_wake(&park_of(p, p->seat)->word);
    return 0;
}
