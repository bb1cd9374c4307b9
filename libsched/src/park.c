/* SPDX-License-Identifier: MIT */
/*
 * park.c -- who sleeps, who searches, and who wakes whom.
 *
 * Waking a sleeping worker costs the waker some microseconds, so it is done when it must be:
 *
 *   push      wake one, if somebody sleeps and nobody searches; a guest only if no worker of the
 *             crew sleeps                                               park_wake_one()
 *             who has pushed one task looks for a moment whether somebody takes it, where wakes
 *             were not needed lately; then nobody need be woken for it. Who has pushed many wakes
 *             two: the first, which works, might wake the second to wait for the CPU that it has
 *             itself, while the one that we leave idles  park_wake_for()
 *   search    at most half of the workers spin at a time                 search_begin()
 *   found     who stops searching wakes another, if a queue is still not empty and nobody
 *             else searches                                               search_end()
 *   sleep     say so, look once more, then sleep on the own park word    park_worker()
 *
 * A park word has its owner's CPU beside it, as far as is known. Some kernels (those of virtual
 * machines whose other CPU idles) have who is woken run on the waker's CPU, so two processes that
 * pass work to and fro may share one while the other idles. There spinning only keeps the CPU from who
 * is spun for: who woke somebody of its own CPU sleeps at once, and soon both are spread.
 *
 * Sleepers and searchers are bits with the worker's number, never counters: when a worker dies or
 * is stopped, the supervisor takes its bits away, looks for lost hints (header.lost) and wakes
 * another in its place.
 *
 * A park word is 0, or something else while its owner sleeps on it (a driver's thread writes the
 * supervisor's thread id there: then the kernel wakes it when the supervisor dies, supervisor.c).
 * Waking it again or for nothing is harmless: every sleeper looks at what it waits for.
 *
 * Death   A waker clears the word, then wakes. If it dies in between, the kernel wakes one sleeper
 *   in its place, because the word is the pending operation of the waker's robust list (the
 *   kernel's Documentation/locking/robust-futexes.rst, "list_op_pending"). It wakes one; threads
 *   of the driver that share a park word pass that on to the others, in client_sleep(). A guest,
 *   which may be stopped there without anybody's notice, does both in one system call. When a
 *   worker wakes nobody, its pending operation rings the bell of lookout.c.
 *
 * Ordering (Dekker: both sides write, then look at what the other writes, all seq_cst)
 *   P1  push, fence -> sleepers and searchers read   |  sleepers and searchers written, fence ->
 *       queues read. Either the pusher sees the sleeper or the sleeper sees the hint.
 *   P2  task over, fence -> park word read            |  park word written, fence -> task read.
 *   P3  slot recycled -> room_waiters read            |  room_waiters written -> free slots looked
 *       at. A worker with free slots in stock gives them back before it sleeps if somebody waits.
 */
#define _GNU_SOURCE
#include "actor.h"

#include <sched.h>
#include <string.h>

#include "identity.h"
#include "jobs.h"

/* Threads of this process that ever slept, or asked for their bit. */
static struct au32 threads_seen;
static __thread uint32_t thread_number; /* from 1 on */

static uint32_t mask_words(const struct wsched *p)
{
    return (p->seat_count + 63) / 64;
}

/* Of the crew, which alone says that it searches. */
static uint32_t crew_words(const struct wsched *p)
{
    return (p->workers + 63) / 64;
}

static bool any(const struct au64 *mask, uint32_t words)
{
    for (uint32_t i = 0; i < words; i++)
        if (au64_load_seq_cst(&mask[i])) /* P1 */
            return true;
    return false;
}

static bool bit_get(const struct au64 *mask, uint32_t n)
{
    return au64_load_relaxed(&mask[n / 64]) >> n % 64 & 1; /* relaxed: our own bit */
}

static void bit_set(struct au64 *mask, uint32_t n)
{
    au64_or_seq_cst(&mask[n / 64], 1ull << n % 64); /* P1 */
}

/* Was it set? */
static bool bit_clear(struct au64 *mask, uint32_t n)
{
    return au64_and_seq_cst(&mask[n / 64], ~(1ull << n % 64)) >> n % 64 & 1; /* P1 */
}

/* The calling thread's robust list, as the kernel knows it; each process has another. And its
 * pending operation while it wakes nobody. */
static __thread struct robust_list_head *robust_head;
static __thread struct robust_list *robust_idle;

void park_set_robust(struct robust_list_head *head)
{
    robust_head = head;
}

static struct robust_list *pending(const struct au32 *word)
{
    uintptr_t node = (uintptr_t)word - (uintptr_t)robust_head->futex_offset;

    return (struct robust_list *)node; /* only the kernel looks at it */
}

/*
 * The C library has a list registered for every thread; we borrow its pending operation, which it
 * uses only inside its own calls.
 */
void park_find_robust(const struct wsched *p)
{
    size_t size;

    if (syscall(SYS_get_robust_list, 0, &robust_head, &size))
        robust_head = NULL;
    if (robust_head)
        robust_head->list_op_pending = robust_idle = pending(&p->header->bell);
}

struct park *park_of(const struct wsched *p, uint32_t seat)
{
    return seat_is_guest(p, seat) ? &p->header->guest_park[seat - guest_seat(p, 0)]
                                  : &p->seats[seat].park;
}

void park_say_cpu(struct park *park)
{
    uint32_t cpu = (uint32_t)sched_getcpu() + 1;

    if (au32_load_relaxed(&park->cpu) != cpu) /* relaxed here and below: a hint */
        au32_store_relaxed(&park->cpu, cpu);
}

bool park_is_here(const struct park *park)
{
    return au32_load_relaxed(&park->cpu) == (uint32_t)sched_getcpu() + 1;
}

static void unpark(struct wsched *p, struct park *park)
{
    struct robust_list_head *head = robust_head;

    if (!au32_load_seq_cst(&park->word)) /* P2 */
        return;
    if (park_is_here(park))
        au32_store_relaxed(&p->woke_here, 1); /* relaxed: a hint */
    if (p->is_guest) {                        /* may be stopped anywhere, and nobody would know */
        futex_clear_and_wake(&park->word);
        return;
    }
    if (head) {
        head->list_op_pending = pending(&park->word);
        atomic_signal_fence(memory_order_seq_cst);
    }
    if (au32_xchg_seq_cst(&park->word, 0)) { /* P2 */
        POINT("unpark: word cleared, sleeper not woken");
        futex_wake(&park->word, INT_MAX);
    }
    if (head) {
        atomic_signal_fence(memory_order_seq_cst);
        head->list_op_pending = robust_idle;
    }
}

/* ---- hints ------------------------------------------------------------------------------- */

void hint_push_locked(struct wsched *p, uint64_t future)
{
    if (levels_used(p) && level_push(p, future))
        return;
    bool ok = p->role == ROLE_WORKER ? deque_push(p, future) : queue_push(p, future);

    if (!ok)
        au32_store_release(&p->header->lost, 1); /* the table still knows it */
}

void hint_publish_locked(struct wsched *p)
{
    if (p->role != ROLE_WORKER)
        queue_publish(p);
}

void hint_push(struct wsched *p, uint64_t future)
{
    uint32_t index = future_index(future);

    if (index < p->task_count && task_at(p, index)->place) {
        call_deliver(p, index, future);
        return;
    }
    pool_lock(p);
    hint_push_locked(p, future);
    hint_publish_locked(p);
    pool_unlock(p);
}

static bool can_steal(const struct wsched *p, uint32_t seat)
{
    return deque_size(p, seat) || (seat != p->seat && fork_is_open(p, seat));
}

bool work_is_visible(const struct wsched *p)
{
    if (levels_used(p) && (level_size(p, LEVEL_HIGH) || level_size(p, LEVEL_LOW)))
        return true;
    if (queue_size(p, driver_seat(p)) || queue_size(p, supervisor_seat(p)) ||
        (!p->is_guest && au32_load_acquire(&p->header->lost)))
        return true;
    for (uint32_t i = 0, used = guests_used(p); i < used; i++)
        if (queue_size(p, guest_seat(p, i)) || can_steal(p, guest_seat(p, i)))
            return true;
    for (uint32_t i = 0, used = actors_used(p); i < used; i++)
        if (can_steal(p, actor_seat(p, i)))
            return true;
    for (uint32_t i = 0; i < p->workers; i++)
        if (can_steal(p, i))
            return true;
    return false;
}

/* ---- waking ------------------------------------------------------------------------------ */

/* A searcher that is still parked was chosen by a waker that died or was stopped before it woke
 * it: do it for him. 0: nobody searches, 1: somebody does, 2: and we had to wake him. */
static int look_at_searchers(struct wsched *p)
{
    int found = 0;

    for (uint32_t i = 0; i < crew_words(p); i++) {
        uint64_t m = au64_load_seq_cst(&p->header->searchers[i]); /* P1 */
        for (; m; m &= m - 1) {
            uint32_t n = i * 64 + (uint32_t)__builtin_ctzll(m);
            if (!seat_is_crew(p, n))
                continue;
            bool is_parked =
                au32_load_relaxed(&p->seats[n].park.word); /* relaxed: unpark() looks */
            if (is_parked)
                unpark(p, &p->seats[n].park);
            found = found < 1 + is_parked ? 1 + is_parked : found;
        }
    }
    return found;
}

#define PROCESSES_SEEN 8u
#define MOMENT 16u           /* looks, of some 20 ns */
#define MANY 16u             /* tasks that are worth a second wake */
#define BUSY_TICKS (1 << 18) /* some 100 us: who submits again within them will do so once more */

/*
 * The crew is busy: wake a sleeping guest, one of each process, for a process may be stopped and
 * nobody would know. They do not count as searchers, and take their bit away themselves, so that a
 * waker who is killed or stopped here has not done half of it.
 */
static bool wake_guests(struct wsched *p)
{
    pid_t woken[PROCESSES_SEEN];
    uint32_t count = 0;

    for (uint32_t i = 0, used = guests_used(p); i < used; i++) {
        uint32_t seat = guest_seat(p, i), k = 0;
        struct park *park = park_of(p, seat);
        /* relaxed there: the fence before it, P1 */
        if (!bit_get(p->header->sleepers, seat) || !au32_load_seq_cst(&park->word))
            continue; /* or it is about to look for itself */
        pid_t pid = identity_pid(au64_load_acquire(&p->seats[seat].identity));
        while (k < count && woken[k] != pid)
            k++;
        if (k < count)
            continue;
        POINT("park: sleeping guest seen, not woken");
        unpark(p, park);
        au64_add_relaxed(&p->header->wakes, 1); /* relaxed: a statistic */
        if (count < PROCESSES_SEEN)
            woken[count++] = pid;
    }
    return count > 0;
}

/*
 * A worker of the crew that sleeps, or SEATS_MAX. If we go on working, rather one that fell asleep
 * on another CPU: some kernels have it run where it was, in our place, while the other CPU idles.
 */
static uint32_t find_sleeper(const struct wsched *p, bool goes_on)
{
    uint32_t found = SEATS_MAX;

    for (uint32_t i = 0; i < crew_words(p); i++) {
        /* relaxed: the fence before it, P1 */
        for (uint64_t m = au64_load_relaxed(&p->header->sleepers[i]); m; m &= m - 1) {
            uint32_t n = i * 64 + (uint32_t)__builtin_ctzll(m);
            if (!seat_is_crew(p, n))
                continue;
            if (!goes_on || !park_is_here(&p->seats[n].park))
                return n;
            found = found < n ? found : n;
        }
    }
    return found;
}

/* 1: woken; 0: nobody of the crew sleeps; -1: come again. */
static int wake_sleeper(struct wsched *p, bool goes_on)
{
    struct header *h = p->header;
    uint32_t n = find_sleeper(p, goes_on);

    if (n == SEATS_MAX)
        return 0;
    bit_set(h->searchers, n); /* it searches from now on: nobody else need be woken */
    POINT("park: sleeper marked as searching, not chosen");
    if (!bit_clear(h->sleepers, n)) { /* another may have relied on that mark meanwhile */
        bit_clear(h->searchers, n);
        return -1;
    }
    POINT("park: sleeper chosen, not woken");
    unpark(p, &p->seats[n].park);
    au64_add_relaxed(&h->wakes, 1); /* relaxed: a statistic */
    return 1;
}

/*
 * A worker that runs short tasks is between two of them for a moment in which nobody searches. To
 * wake another for that costs thirty times the moment, and takes a CPU from who is at work: so who
 * woke nobody the last time, which is how it is then, looks a little longer. True: the task runs.
 */
static bool is_taken_soon(const struct wsched *p, uint64_t future)
{
    uint32_t index;
    uint64_t word;

    for (uint32_t i = 0; i < MOMENT && !any(p->header->searchers, crew_words(p)); i++) {
        if (future && (!future_look(p, future, &index, &word) || word_state(word) != TASK_PENDING))
            return true;
        cpu_pause();
    }
    return false;
}

/* `goes_on`: as in find_sleeper(); `patient`: look a little longer first. `future`: as below. */
static bool wake_one(struct wsched *p, bool goes_on, bool patient, uint64_t future)
{
    int searching, woken = 0;

    do {
        fence_seq_cst(); /* P1 */
        searching = look_at_searchers(p);
        if (!searching && !any(p->header->sleepers, mask_words(p)))
            return false;
        if (!searching && patient) {
            if (is_taken_soon(p, future))
                return false;
            patient = false;
            woken = -1;
        } else {
            woken = searching ? 0 : wake_sleeper(p, goes_on);
        }
    } while (woken < 0);
    return searching ? searching == 2 : woken || wake_guests(p);
}

bool park_wake_one(struct wsched *p)
{
    return wake_one(p, true, false, 0);
}

bool park_wake_for(struct wsched *p, uint64_t future, size_t count, uint64_t ticks, bool more)
{
    if (p->role == ROLE_WORKER)
        return park_wake_one(p);
    /* relaxed here and below: hints, of several threads */
    bool goes_on = more || ticks - au64_load_relaxed(&p->submitted) < BUSY_TICKS;
    bool woke = wake_one(p, goes_on, au32_load_relaxed(&p->met), future);

    if (woke && count >= MANY && !more)
        (void)wake_sleeper(p, true);
    if (woke && !goes_on) /* after a pause the kernel may well have it run here; relaxed: a hint */
        au32_store_relaxed(&p->woke_here, 1);
    au64_store_relaxed(&p->submitted, ticks);
    au32_store_relaxed(&p->met, !woke);
    return woke;
}

void park_wake_seat(struct wsched *p, uint32_t seat)
{
    unpark(p, park_of(p, seat));
}

void park_wake_all(struct wsched *p)
{
    for (uint32_t i = 0; i < p->seat_count; i++)
        unpark(p, park_of(p, i));
    for (uint32_t i = 0; i < CLIENT_PARKS; i++)
        unpark(p, &p->header->client_park[i]);
}

/*
 * A guest may be stopped between taking the bits and waking: so it wakes who sleeps already, takes
 * the bits, and wakes who came meanwhile. Who waits for room looks for a slot before it sleeps.
 */
void park_wake_room(struct wsched *p)
{
    park_wake_set(p, &p->header->room_waiters); /* P3 */
}

void park_wake_set(struct wsched *p, struct au64 *bits)
{
    if (p->is_guest)
        park_wake_bits(p, au64_load_seq_cst(bits));
    park_wake_bits(p, au64_xchg_seq_cst(bits, 0));
}

void park_say_asleep(struct wsched *p, bool is_asleep)
{
    if (is_asleep)
        bit_set(p->header->sleepers, p->seat);
    else
        bit_clear(p->header->sleepers, p->seat);
}

bool park_is_shared(void)
{
    return au32_load_relaxed(&threads_seen) > CLIENT_PARKS; /* relaxed: our own add came before */
}

void park_wake_bits(struct wsched *p, uint64_t bits)
{
    for (; bits; bits &= bits - 1) {
        uint32_t bit = (uint32_t)__builtin_ctzll(bits);
        if (bit < CLIENT_PARKS)
            unpark(p, &p->header->client_park[bit]);
        else
            for (uint32_t i = bit - CLIENT_PARKS; i < p->seat_count; i += SEAT_PARK_BITS)
                unpark(p, park_of(p, i));
    }
}

uint64_t park_bit(const struct wsched *p)
{
    if (p->role == ROLE_WORKER || p->role == ROLE_GUEST)
        return 1ull << (CLIENT_PARKS + p->seat % SEAT_PARK_BITS);
    if (!thread_number)
        thread_number = au32_add_relaxed(&threads_seen, 1) + 1; /* relaxed: a number */
    return 1ull << thread_number % CLIENT_PARKS;
}

/* ---- searching and sleeping -------------------------------------------------------------- */

bool search_begin(struct wsched *p)
{
    uint32_t searching = 0, most = p->workers > 2 ? p->workers / 2 : 1;

    for (uint32_t i = 0; i < crew_words(p); i++) /* relaxed: one more or less does not matter */
        searching += (uint32_t)__builtin_popcountll(au64_load_relaxed(&p->header->searchers[i]));
    if (searching >= most)
        return false;
    bit_set(p->header->searchers, p->seat);
    p->is_searching = true;
    return true;
}

void search_want(const struct wsched *p)
{
    line_want(&p->header->searchers[p->seat / 64]);
}

void search_end(struct wsched *p)
{
    if (!p->is_searching)
        return;
    p->is_searching = false;
    bit_clear(p->header->searchers, p->seat); /* P1 */
    if (any(p->header->sleepers, mask_words(p)) && work_is_visible(p))
        park_wake_one(p);
}

/*
 * After a death or a stop: the dead one's bits go, and all bits of searchers, because it may have
 * set one for a sleeper it was about to wake: who has one and sleeps is woken in its place. A
 * searcher without its bit costs a wake too many.
 */
void park_forget(struct wsched *p, uint32_t seat)
{
    bit_clear(p->header->sleepers, seat);
    for (uint32_t i = 0; i < mask_words(p); i++) {
        uint64_t m = au64_xchg_seq_cst(&p->header->searchers[i], 0); /* P1 */
        for (; m; m &= m - 1) {
            uint32_t n = i * 64 + (uint32_t)__builtin_ctzll(m);
            if (seat_is_crew(p, n))
                unpark(p, &p->seats[n].park);
        }
    }
}

/* Free slots in stock are no use to us while we sleep. Who has none tells nobody: who waits for room
 * wakes us for them, each time that it has looked in vain. */
static void give_room(struct wsched *p)
{
    if (!p->free_count || !au64_load_seq_cst(&p->header->room_waiters)) /* P3 */
        return;
    while (p->free_count)
        task_give(p, p->free_slots[--p->free_count]);
    park_wake_room(p);
}

void park_until(struct wsched *p, bool (*must_wake)(void *), void *arg)
{
    struct park *park = &p->seats[p->seat].park;

    search_end(p);
    au32_store_release(&park->word, PARKED);
    fence_seq_cst(); /* P2 */
    POINT("park: about to sleep while the pool closes");
    while (!must_wake(arg) && au32_load_acquire(&park->word) == PARKED)
        (void)futex_wait(&park->word, PARKED, INT64_MAX);
    au32_store_release(&park->word, 0);
}

void park_worker(struct wsched *p, bool wants_work, bool (*must_wake)(void *), void *arg,
                 int64_t deadline)
{
    struct header *h = p->header;
    struct park *park = &p->seats[p->seat].park;

    park_say_cpu(park);
    au32_store_release(&park->word, PARKED);
    if (wants_work)
        bit_set(h->sleepers, p->seat);
    p->is_searching = false;
    bit_clear(h->searchers, p->seat); /* ours, or one that a waker set who came too late */
    fence_seq_cst();                  /* P1, P2 */
    POINT("park: about to sleep");
    give_room(p);
    if (!(wants_work && work_is_visible(p)) && !au32_load_acquire(&h->stopping) &&
        !(must_wake && must_wake(arg)))
        while (au32_load_acquire(&park->word) == PARKED)
            if (futex_wait(&park->word, PARKED, deadline) == -ETIMEDOUT)
                break;
    au32_store_release(&park->word, 0);
    /*
     * Somebody may rely on us, whether he chose us or only saw a mark: who finds something passes
     * the wake on.
     */
    if (wants_work)
        bit_clear(h->sleepers, p->seat);
    p->is_searching = wants_work || bit_get(h->searchers, p->seat);
}
