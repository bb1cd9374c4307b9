/* SPDX-License-Identifier: MIT */
/*
 * timer.c -- the supervisor's clock: what is due for which task, and the killing of workers.
 *
 * A heap of times, one entry a task slot at most, in the supervisor's own memory. What is due is
 * looked up in the task's terms when it is (terms.c), so an entry may be stale: then nothing is
 * done. Callers leave a bit in the call map; after a death of the supervisor its successor looks at
 * every task.
 *
 * Killing   Only the right one may be hit, but the worker may go on to another task between a look
 *   and a kill. So it is stopped first (SIGSTOP); when it is seen to stand still (SIGCHLD, then
 *   /proc), its words cannot change any more; if it still runs the task, it is killed,
 *   else it goes on (SIGCONT). If somebody else has set it going meanwhile, it is stopped again, at
 *   each look until it stands still. So nobody dies in another's place (unless somebody sets it
 *   going in the microseconds between that look and the kill; then that one runs again, as after
 *   any death). Tasks on the same stack (a worker that waits runs others meanwhile) die with it, and
 *   run again without being charged; of them, those that must not run twice (max_retries -1) fail
 *   with the cause (sweep.c). The worker is our child and was not reaped, so its pid is nobody
 *   else's. Should the supervisor die while a worker stands still, the kernel kills the worker
 *   (PR_SET_PDEATHSIG), like all others.
 *
 * A worker that was stopped before by somebody else is killed, or left stopped.
 */
#define _GNU_SOURCE
#include "pool.h"

#include <string.h>
#include <sys/mman.h>

#include "proc.h"

#define SLEEP_MAX_MS 3600000
#define LOOK_AGAIN_NS \
    (10 * NS_PER_MS) /* at a worker that is not yet dead, or does not yet stop \
                      */

struct due {
    int64_t ns;
    uint32_t slot;
};

struct aim { /* at one worker */
    uint64_t future;
    bool we_stopped_it, is_killed;
};

/* Of the process: a supervisor has one pool. */
static struct {
    struct due *heap; /* heap[0] is the soonest */
    uint32_t *place;  /* of a slot: index in the heap + 1, or 0 */
    uint32_t count;
    struct aim *aims; /* SEATS_MAX */
    uint32_t aim_count;
} timer;

/* ---- the heap ---------------------------------------------------------------------------- */

static void put_at(uint32_t at, struct due d)
{
    timer.heap[at] = d;
    timer.place[d.slot] = at + 1;
}

/* Move what is at `at` to where it belongs. */
static void settle(uint32_t at)
{
    struct due d = timer.heap[at];

    while (at && timer.heap[(at - 1) / 2].ns > d.ns) {
        put_at(at, timer.heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child + 1 < timer.count && timer.heap[child + 1].ns < timer.heap[child].ns)
            child++;
        if (child >= timer.count || timer.heap[child].ns >= d.ns)
            break;
        put_at(at, timer.heap[child]);
        at = child;
    }
    put_at(at, d);
}

static void set_due(uint32_t slot, int64_t ns) /* INT64_MAX: not any more */
{
    uint32_t place = timer.place[slot];

    if (ns != INT64_MAX) {
        uint32_t at = place ? place - 1 : timer.count++;
        timer.heap[at] = (struct due){ ns, slot };
        settle(at);
    } else if (place) {
        struct due last = timer.heap[--timer.count];
        timer.place[slot] = 0;
        if (last.slot != slot) {
            timer.heap[place - 1] = last;
            settle(place - 1);
        }
    }
}

/* ---- killing ----------------------------------------------------------------------------- */

static bool stands_still(pid_t pid)
{
    uint64_t start;
    char state;

    return !proc_stat(pid, &start, &state) && (state == 'T' || state == 't');
}

static bool is_guilty(const struct wsched *p, uint32_t seat, uint64_t future)
{
    uint32_t index;
    uint64_t word;

    return future_look(p, future, &index, &word) && word_state(word) == TASK_RUNNING &&
           word_seat(word) == seat && (word & WORD_CANCEL);
}

static void hold(struct aim *a, pid_t pid)
{
    a->we_stopped_it = true;
    kill(pid, SIGSTOP);
}

static void aim(const pid_t *pids, uint32_t seat, uint64_t future)
{
    struct aim *a = &timer.aims[seat];

    if (a->future || !pids[seat])
        return; /* it is about to be stopped or killed for another task; or dead */
    bool was_still = stands_still(pids[seat]);
    *a = (struct aim){ .future = future };
    timer.aim_count++;
    POINT("timer: about to stop a worker");
    if (!was_still)
        hold(a, pids[seat]);
    POINT("timer: worker stopped, not killed");
}

static void let_go(const pid_t *pids, uint32_t seat)
{
    struct aim *a = &timer.aims[seat];

    if (a->we_stopped_it && !a->is_killed && pids[seat])
        kill(pids[seat], SIGCONT);
    timer.aim_count -= a->future != 0;
    *a = (struct aim){ 0 };
}

static void look_at_aims(struct wsched *p, const pid_t *pids)
{
    for (uint32_t seat = 0; timer.aim_count && seat < p->seat_count; seat++) {
        struct aim *a = &timer.aims[seat];
        if (!a->future || a->is_killed || !pids[seat])
            continue;
        if (!stands_still(pids[seat])) { /* not yet, or not any more */
            hold(a, pids[seat]);
            continue;
        }
        if (!is_guilty(p, seat, a->future)) {
            let_go(pids, seat);
            continue;
        }
        a->is_killed = true;
        kill(pids[seat], SIGKILL);
        POINT("timer: worker killed, not reaped");
    }
}

uint64_t timer_worker_died(uint32_t seat)
{
    uint64_t future = timer.aims[seat].is_killed ? timer.aims[seat].future : 0;

    timer.aim_count -= timer.aims[seat].future != 0;
    timer.aims[seat] = (struct aim){ 0 };
    return future;
}

void timer_end(struct wsched *p, const pid_t *pids)
{
    for (uint32_t seat = 0; seat < p->seat_count; seat++)
        let_go(pids, seat);
}

/* ---- what is due ------------------------------------------------------------------------- */

/* Do what is due for a task; when the next thing will be. */
static int64_t examine(struct wsched *p, const pid_t *pids, uint32_t slot, int64_t now)
{
    uint64_t word = au64_load_acquire(&task_at(p, slot)->word);

    grant_look(p, slot, word);
    if (word_state(word) < TASK_BLOCKED || word_state(word) > TASK_RUNNING)
        return INT64_MAX;
    int64_t kill_due = terms_kill_due(p, slot, word, now), deadline = terms_deadline(p, slot);
    if (kill_due == INT64_MAX && !(word & WORD_CANCEL) && deadline != INT64_MAX) {
        if (deadline <= now)
            terms_late(p, slot, word);
        return deadline <= now ? now : deadline; /* what to do now is looked up again */
    }
    if (kill_due == INT64_MAX || kill_due > now)
        return kill_due;
    if (word_state(word) == TASK_RUNNING && seat_is_guest(p, word_seat(word)))
        return INT64_MAX; /* not our process to kill: it was asked to stop */
    if (word_state(word) == TASK_RUNNING && seat_is_forked(p, word_seat(word)))
        aim(pids, word_seat(word), future_make(slot, word_generation(word)));
    return now + LOOK_AGAIN_NS;
}

static void take_calls(struct wsched *p, const pid_t *pids, int64_t now)
{
    for (uint32_t i = 0; i < (p->task_count + 63) / 64; i++) {
        if (!au64_load_relaxed(&p->call_map[i])) /* relaxed: header.called orders it */
            continue;
        uint64_t bits = au64_and_acq_rel(&p->call_map[i], 0);
        for (; bits; bits &= bits - 1) {
            uint32_t slot = i * 64 + (uint32_t)__builtin_ctzll(bits);
            if (slot < p->task_count)
                set_due(slot, examine(p, pids, slot, now));
        }
    }
}

/* Do what is due; the time until more is, in ms; -1: nothing will be. */
int timer_serve(struct wsched *p, const pid_t *pids)
{
    struct header *h = p->header;
    int64_t now = monotonic_ns(), next;

    if (!timer.heap)
        return -1;
    look_at_aims(p, pids);
    do {
        if (au32_xchg_acq_rel(&h->called, 0))
            take_calls(p, pids, now);
        grant_serve(p);
        while (timer.count && timer.heap[0].ns <= now) {
            uint32_t slot = timer.heap[0].slot;
            set_due(slot, examine(p, pids, slot, now));
        }
        next = timer.count ? timer.heap[0].ns : INT64_MAX;
        au64_store_release(&h->next_due, (uint64_t)next);
        fence_seq_cst(); /* C1 */
    } while (au32_load_acquire(&h->called));
    if (next == INT64_MAX)
        return -1;
    int64_t ms = (next - now) / NS_PER_MS + 1;
    return ms < SLEEP_MAX_MS ? (int)ms : SLEEP_MAX_MS;
}

/* At the start of a supervisor: whatever its predecessor knew is in the table. */
int timer_begin(struct wsched *p, const pid_t *pids)
{
    uint64_t heap_bytes = p->task_count * sizeof *timer.heap,
             aims_bytes = SEATS_MAX * sizeof *timer.aims,
             bytes = heap_bytes + aims_bytes + p->task_count * sizeof *timer.place;
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    memset(&timer, 0, sizeof timer); /* we may descend from a supervisor of another pool */
    if (memory == MAP_FAILED || grant_begin(p))
        return -ENOMEM;
    timer.heap = memory;
    timer.aims = (struct aim *)(void *)((unsigned char *)memory + heap_bytes);
    timer.place = (uint32_t *)(void *)((unsigned char *)memory + heap_bytes + aims_bytes);
    uint32_t used = au32_load_acquire(&p->header->tasks_used);
    int64_t now = monotonic_ns();
    for (uint32_t i = 0; i < used && i < p->task_count; i++)
        set_due(i, examine(p, pids, i, now));
    return 0;
}
