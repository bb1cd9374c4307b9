/* SPDX-License-Identifier: MIT */
/*
 * guest.c -- joining a pool that another process opened: a seat, and what goes with it.
 *
 * A guest is a handle, in a process that the supervisor did not fork. It shares nothing with the
 * pool but the segment. Its seat's identity (identity.h) is FREE, with pid 0, or TAKEN:
 *
 *   J1  FREE(n)         -> TAKEN(n + 1, self)   guest_enter(), by CAS
 *   J2  the supervisor is told: SIGURG. Until then the guest touches nothing else of the pool.
 *   J3  TAKEN(self)     -> FREE(n)              guest_leave(), when all is given back: the futures
 *                                               it owns, then its stock of slots
 *   J4  TAKEN(dead)     -> FREE(n)              guard.c, in the supervisor, after the sweep
 *
 * The supervisor watches a pidfd of each TAKEN seat. It looks for seats it does not watch yet when
 * it is told (J2) and when it starts; so whoever has touched the pool is watched, or will be before
 * the next crew does anything.
 *
 * Owners     A task that a guest submits (not in a kernel) belongs to it: task.owner names its seat,
 *   and the generation of the slot. Who leaves or dies takes its futures with it: OWNED(dead) ->
 *   GOING, by CAS, then cancelled (but for WSCHED_DETACHED) and released. wsched_adopt() changes
 *   the owner by CAS, not from GOING: so a future is either saved or gone, never both. GOING stays
 *   until the slot is used again, and every sweep finishes what it finds GOING. What died while it
 *   was submitted, not yet registered with all its dependencies, is cancelled in any case: nothing
 *   would ever unblock it, and nobody was told of it.
 * Queues     The hints in the queue and deque of a seat stay there, and are taken from there, whoever
 *   sits in it, or nobody; the next guest goes on where they end.
 * Kernels    A guest that brings kernels must bring those of the pool: the same names, in any order,
 *   for which of them is the first is an accident of how a program was linked. One that lacked a
 *   kernel would take tasks that it cannot run; one with more is of another version.
 *
 * Ordering   J5  identity taken, fence -> header.supervisor read, it is told | header.supervisor
 *   written, fence -> identities read. Either the guest sees the new supervisor, or that sees it.
 *
 * Deaths
 *   before J1        nothing.
 *   J1 to J2         a seat that is TAKEN by a dead process, and nothing else. Who finds all seats
 *                    taken tells the supervisor to look; so does whoever joins next.
 *   after J2         the supervisor knows at once: it sweeps the seat as it does a worker's, and
 *                    the futures that belong to it. In J3 the same: what was given back is not
 *                    found again.
 *   of the supervisor  the kernel wakes guests that sleep, as it does the driver's threads: their
 *                    park words are in its robust list. The driver starts another in its next call;
 *                    meanwhile guests sleep on the driver's pidfd and look again every 20 ms.
 *   of the driver    the supervisor says so (header.over), wakes all and leaves. If both die, the
 *                    kernel wakes the guests, who find the driver's pidfd dead: -ESHUTDOWN.
 * Model      tests/sched/test_model_join.c walks through J1 to J5 and the owners.
 * Stopped    A stopped guest holds up the tasks it runs or was ending, and nobody else's: it wakes
 *   by one system call, takes the hint of a task only after the task (work.c), never clears
 *   header.lost, and is never the only one that was woken while another could have been (park.c).
 */
#define _GNU_SOURCE
#include "pool.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "identity.h"

#define UNSUPERVISED_MS 20
#define OWNER_SEAT 0x3ffu
#define OWNER_SUBMITTING 0x400u /* its dependencies are being registered */
#define OWNER_SHIFT 11

/* ---- owners of futures --------------------------------------------------------------------- */

enum { GOING_RUNS = 0x3fe, GOING = 0x3ff }; /* in place of seat + 1 */

static uint32_t owner_make(uint32_t generation, uint32_t who)
{
    return generation << OWNER_SHIFT | who;
}

void owner_set(struct wsched *p, struct task *t, uint32_t generation, bool is_submitting)
{
    bool is_own = p->role == ROLE_GUEST || p->place; /* an actor's futures go with its process */

    if (is_own && !au32_load_relaxed(&p->has_futures)) /* relaxed: for guest_leave() */
        au32_store_relaxed(&p->has_futures, 1);
    au32_store_relaxed(
        &t->owner, /* relaxed: E1 of task.c */
        is_own ? owner_make(generation, p->seat + 1) | (is_submitting ? OWNER_SUBMITTING : 0) : 0);
}

/* All its dependencies know of it: from here on it can do without us. */
void owner_submitted(struct wsched *p, struct task *t)
{
    if (p->role == ROLE_GUEST || p->place) /* relaxed: nobody else knows the future yet */
        au32_store_release(&t->owner, au32_load_relaxed(&t->owner) & ~OWNER_SUBMITTING);
}

/* If the future of this task belongs to one of the seats, which are dead or leaving, it goes. */
void owner_settle(struct wsched *p, const uint64_t seats[MASK_WORDS], uint32_t index)
{
    struct task *t = task_at(p, index);
    uint64_t word = au64_load_acquire(&t->word);
    uint32_t owner = au32_load_acquire(&t->owner), who = owner & OWNER_SEAT;
    uint32_t generation = word_generation(word);
    bool is_submitting = owner & OWNER_SUBMITTING;

    /* An owner is of the task that the word was of before it was read, or of a later one. */
    if (word_state(word) <= TASK_MAKING || !who ||
        (owner & ~OWNER_SUBMITTING) != owner_make(generation, who) || (word & WORD_RELEASED))
        return;
    if (who < GOING_RUNS) {
        if (who - 1 >= p->seat_count || !seats_have(seats, who - 1))
            return;
        bool runs_on = au32_load_acquire(&p->seats[who - 1].is_detached);
        who = runs_on && !is_submitting ? GOING_RUNS : GOING;
        if (!au32_cas_acq_rel(&t->owner, &owner, owner_make(generation, who)))
            return; /* adopted */
        POINT("guest: a future is going, not cancelled");
    }
    uint64_t future = future_make(index, generation);
    if (who == GOING)
        (void)!task_cancel(p, future); /* -EALREADY: it is over */
    POINT("guest: a future is going, not released");
    task_release(p, &(struct wsched_future){ future }, 1);
}

int wsched_adopt(struct wsched *p, struct wsched_future future)
{
    int err = pool_check_part(p);
    uint32_t index;
    uint64_t word;

    if (err || !future_held(p, future.v, &index, &word))
        return err ? err : -EINVAL;
    struct task *t = task_at(p, index);
    uint32_t generation = word_generation(word), owner = au32_load_acquire(&t->owner);
    uint32_t next = p->role == ROLE_GUEST || p->place ? owner_make(generation, p->seat + 1) : 0;
    if (next)
        au32_store_relaxed(&p->has_futures, 1); /* relaxed: for guest_leave() */
    do {
        if (owner && (owner != owner_make(generation, owner & OWNER_SEAT) ||
                      (owner & OWNER_SEAT) >= GOING_RUNS))
            return -EINVAL;
    } while (!au32_cas_acq_rel(&t->owner, &owner, next));
    return future_held(p, future.v, &index, &word) ? 0 : -EINVAL;
}

/* ---- is the pool still there? -------------------------------------------------------------- */

static bool supervisor_is(uint32_t word)
{
    return word && !(word & ~(uint32_t)FUTEX_TID_MASK);
}

bool guest_pool_is_over(const struct wsched *p)
{
    if (pool_is_over(p) || au32_load_acquire(&p->header->broken))
        return true;
    return !supervisor_is(au32_load_acquire(&p->header->supervisor)) && pidfd_is_dead(p->control);
}

int guest_check(const struct wsched *p)
{
    return guest_pool_is_over(p) ? -ESHUTDOWN : 0;
}

/* Sleep on our park word until woken, must_wake(), the deadline, or the supervisor's death. */
int guest_sleep(struct wsched *p, bool (*must_wake)(void *), void *arg, int64_t deadline)
{
    struct park *park = park_of(p, p->seat);
    uint32_t supervisor = au32_load_acquire(&p->header->supervisor);

    if (guest_pool_is_over(p))
        return -ESHUTDOWN;
    if (!supervisor_is(supervisor)) { /* the driver's next call starts another */
        int64_t left = deadline == INT64_MAX ? INT64_MAX : deadline - monotonic_ns();
        struct pollfd f = { p->control, POLLIN, 0 };
        if (left <= 0)
            return -ETIMEDOUT;
        poll(&f, 1,
             left / NS_PER_MS < UNSUPERVISED_MS ? (int)(left / NS_PER_MS) + 1 : UNSUPERVISED_MS);
        return 0;
    }
    park_say_cpu(park);
    au32_store_release(&park->word, supervisor | FUTEX_WAITERS);
    fence_seq_cst(); /* P1, P2 */
    POINT("guest: about to sleep");
    /* The supervisor's own word is the first in its robust list: if it is still good, the kernel
     * has not looked at ours. */
    if (au32_load_acquire(&p->header->supervisor) != supervisor || must_wake(arg) ||
        pool_is_over(p))
        return 0;
    int err = futex_wait(&park->word, supervisor | FUTEX_WAITERS, deadline);
    if (!err && au32_load_acquire(&park->word) & FUTEX_OWNER_DIED)
        futex_wake(&park->word, INT_MAX); /* the kernel wakes only one of our threads */
    return err == -ETIMEDOUT ? err : 0;
}

/* ---- joining and leaving -------------------------------------------------------------------- */

/* Let the supervisor look at the guests' seats. Signals of a PID that is somebody else's by now
 * are not sent: it was alive when we had the descriptor. */
int supervisor_tell(struct wsched *p)
{
    fence_seq_cst(); /* J5 */
    uint32_t supervisor = au32_load_acquire(&p->header->supervisor);
    int fd = supervisor_is(supervisor) ? pidfd_of((pid_t)supervisor) : -ESRCH, err = 0;

    if (fd < 0)
        return fd == -ESRCH ? 0 : fd; /* the next one looks by itself */
    if (au32_load_acquire(&p->header->supervisor) == supervisor &&
        syscall(SYS_pidfd_send_signal, fd, SIGURG, NULL, 0) && errno != ESRCH)
        err = -errno;
    close(fd);
    return err;
}

static void seat_give(struct wsched *p)
{
    uint64_t mine = au64_load_relaxed(&p->seats[p->seat].identity); /* relaxed: our own */

    au64_store_release(&p->seats[p->seat].identity,
                       identity_make(identity_incarnation(mine), 0, 0)); /* J3 */
}

/* J1; the first seat that is free. -EUSERS */
static int seat_take(struct wsched *p, uint64_t start, pid_t pid)
{
    for (uint32_t i = 0; i < p->guests; i++) {
        uint32_t used = au32_load_acquire(&p->header->guests_used);
        while (used < i + 1 && !au32_cas_acq_rel(&p->header->guests_used, &used, i + 1))
            ;
        struct au64 *identity = &p->seats[guest_seat(p, i)].identity;
        uint64_t seen = au64_load_acquire(identity);
        if (identity_pid(seen))
            continue;
        POINT("join: seat seen free, not taken");
        if (au64_cas_seq_cst(identity, &seen,
                             identity_make(identity_incarnation(seen) + 1, start, pid))) {
            p->seat = guest_seat(p, i);
            return 0;
        }
    }
    return -EUSERS;
}

static int guest_enter(struct wsched *p, uint32_t flags)
{
    uint64_t start;
    char state;
    int err = proc_stat(getpid(), &start, &state);

    if (!err)
        err = seat_take(p, start, getpid());
    if (err == -EUSERS) /* perhaps by one that died before it said that it was there */
        (void)supervisor_tell(p);
    if (err)
        return err;
    POINT("join: seat taken, supervisor not told");
    err = supervisor_tell(p); /* J2 */
    if (err) {
        seat_give(p);
        return err;
    }
    POINT("join: supervisor told");
    struct seat *s = &p->seats[p->seat];
    au32_store_release(&s->is_detached, !!(flags & WSCHED_DETACHED));
    au32_store_release(&s->ready, 0);
    au32_store_release(&s->leaving, 0);
    au32_store_release(&s->tid, 0);
    return 0;
}

/* Everything the guest has goes back. */
void guest_leave(struct wsched *p)
{
    uint64_t self[MASK_WORDS] = { 0 };
    uint32_t used = au32_load_acquire(&p->header->tasks_used);

    seats_add(self, p->seat);
    if (!au32_load_acquire(&p->has_futures))
        used = 0;
    for (uint32_t i = 0; i < used && i < p->task_count; i++)
        owner_settle(p, self, i);
    POINT("leave: futures given back, slots not");
    p->free_max = 0;
    while (p->free_count)
        task_untake(p, p->free_slots[--p->free_count]);
    POINT("leave: all given back, seat taken");
    seat_give(p);
    POINT("leave: seat free");
}

/* The guest's kernels by the pool's numbers; NULL functions without. -EPROTO */
static int map_kernels(struct wsched *p, const struct wsched_kernel *kernels, size_t count)
{
    struct wsched_kernel *mine = (struct wsched_kernel *)(uintptr_t)p->kernels; /* our copy */

    if (count && count != p->kernel_count)
        return -EPROTO;
    for (size_t i = 0; i < count; i++) {
        uint32_t at = 0;
        while (at < p->kernel_count && strcmp(mine[at].name, kernels[i].name))
            at++;
        if (at == p->kernel_count)
            return -EPROTO;
        mine[at].fn = kernels[i].fn;
        mine[at].ctx = kernels[i].ctx;
    }
    p->has_kernels = count > 0;
    return 0;
}

static int join(struct wsched *p, const struct wsched_kernel *kernels, size_t count, uint32_t flags)
{
    int err = p->header->pid_namespace == pid_namespace() ? 0 : -EXDEV;

    if (!err)
        err = map_kernels(p, kernels, count);
    if (err)
        return err;
    p->free_max = p->guest_free_max;
    err = pool_slots(p, p->free_max);
    if (err)
        return err;
    p->control = identity_open(au64_load_acquire(&p->seats[driver_seat(p)].identity));
    if (p->control < 0)
        return p->control == -ESRCH ? -ESHUTDOWN : p->control;
    if (pidfd_is_dead(p->control) || guest_pool_is_over(p))
        return -ESHUTDOWN;
    p->role = ROLE_GUEST;
    p->is_guest = true;
    p->pid = getpid();
    p->cpus = wsched_cpus();
    *p->own = 1;
    au32_store_relaxed(&p->spin, 1000); /* relaxed: nobody else has it yet */
    return guest_enter(p, flags);
}

int wsched_join(const char *where, const struct wsched_kernel *kernels, size_t kernel_count,
                const struct wsched_join_options *opts, struct wsched **out)
{
    struct wsched_join_options o = WSCHED_JOIN_OPTIONS_INIT;
    int err = where && out ? 0 : -EINVAL;

    if (!err && opts)
        err = options_read(&o, sizeof o, opts);
    if (!err && (o.flags & ~(uint32_t)WSCHED_DETACHED || o.reserved[0] || o.reserved[1]))
        err = -EINVAL;
    if (!err && kernel_count)
        err = kernels_check(kernels, kernel_count);
    struct wsched *p;
    if (!err)
        err = pool_attach(where, true, &p);
    if (err)
        return err;
    err = join(p, kernels, kernel_count, o.flags);
    if (err) {
        guest_free(p);
        pool_free(p);
        return err;
    }
    *out = p;
    return 0;
}

void guest_free(struct wsched *p)
{
    if (p->control >= 0)
        close(p->control);
    p->control = -1;
}
