/* SPDX-License-Identifier: MIT */
/*
 * members.c -- who takes part in a pool, and what each is at: the crew, the driver, guests, actors.
 *
 * As inspect.c: nothing is locked or changed, and all that is read is checked.
 */
#include "actor.h"

#include <stdio.h>
#include <string.h>

#include "identity.h"

#define LOOKS 16 /* at a worker that starts the next task while we look */

/* ---- names and numbers --------------------------------------------------------------------- */

/* The seat that worker_number() calls so; UINT32_MAX: none. */
static uint32_t seat_of_number(const struct wsched *p, uint32_t worker)
{
    return worker < p->workers                              ? worker
           : worker < p->workers + p->guests + p->actors_max ? guest_seat(p, 0) + worker - p->workers
                                                            : UINT32_MAX;
}

static void seat_name(const struct wsched *p, uint32_t seat, char name[WSCHED_WORKER_NAME_MAX + 1])
{
    const size_t size = WSCHED_WORKER_NAME_MAX + 1;
    char actor[NAME_BYTES] = "";

    if (seat_is_crew(p, seat))
        snprintf(name, size, "worker %u", seat);
    else if (seat_is_guest(p, seat))
        snprintf(name, size, "guest %u", seat - guest_seat(p, 0));
    else if (!seat_is_actor(p, seat))
        snprintf(name, size, seat == driver_seat(p) ? "driver" : "");
    else if (actor_name(actor_at(p, actor_of_seat(p, seat)), actor), actor[0])
        snprintf(name, size, "actor %s", actor);
    else
        snprintf(name, size, "actor %u", actor_of_seat(p, seat));
}

int wsched_worker_name(struct wsched *p, uint32_t worker, char name[WSCHED_WORKER_NAME_MAX + 1])
{
    int err = pool_check(p);

    if (err || !name)
        return err ? err : -EINVAL;
    uint32_t seat = seat_of_number(p, worker);
    if (seat == UINT32_MAX)
        return -ENOENT;
    seat_name(p, seat, name);
    return 0;
}

/* ---- what they are at ---------------------------------------------------------------------- */

/* The letter of /proc/pid/stat; 'X': dead. */
static char process_state(uint64_t identity)
{
    uint64_t start = 0;
    char state = 'R';
    int err = proc_stat(identity_pid(identity), &start, &state);

    if (err)
        return err == -ESRCH ? 'X' : 'R'; /* cannot tell: assume it lives */
    bool is_same = (start & IDENTITY_START_MASK) == identity_start(identity);
    return is_same && state != 'Z' ? state : 'X';
}

/* What is on top of its stack: false if that changed while we looked. */
static bool look_at_stack(const struct wsched *p, const struct seat *s,
                          struct wsched_worker_info *out)
{
    uint32_t depth = au32_load_acquire(&s->depth); /* W1 */

    out->depth = depth > DEPTH_MAX ? DEPTH_MAX : depth;
    out->task.v = 0;
    if (!out->depth)
        return true;
    uint64_t entry = au64_load_relaxed(&s->running[out->depth - 1]); /* relaxed: looked at again */
    uint32_t index = (uint32_t)(entry & 0x1fffff) - 1;
    if (index >= p->task_count)
        return au32_load_acquire(&s->depth) == depth;
    const struct task *t = task_at(p, index);
    uint64_t word = au64_load_acquire(&t->word); /* E1 */
    out->attempt = (uint32_t)(entry >> 21) & 0xff;
    out->task.v = future_make(index, (uint32_t)(entry >> 32) & GENERATION_MASK);
    out->is_job = entry & RUNNING_JOB;
    out->kernel = kernel_name_of(p, t->kernel);
    memset(out->label, 0, sizeof out->label);
    if (t->kernel & KERNEL_LABELLED)
        memcpy(out->label, task_detail(p, t)->label, sizeof out->label - 1);
    atomic_thread_fence(memory_order_acquire);
    return au32_load_relaxed(&s->depth) == depth && /* relaxed: the fence orders them */
           au64_load_relaxed(&s->running[out->depth - 1]) == entry &&
           word_generation(word) == (entry >> 32 & GENERATION_MASK);
}

/* A guest has a thread id as long as it works. */
static enum wsched_worker_kind kind_of(const struct wsched *p, uint32_t seat, int32_t pid,
                                       int32_t tid)
{
    if (seat_is_crew(p, seat))
        return WSCHED_KIND_WORKER;
    if (seat_is_actor(p, seat))
        return WSCHED_KIND_ACTOR;
    if (!seat_is_guest(p, seat))
        return WSCHED_KIND_DRIVER;
    return !tid ? WSCHED_KIND_CLIENT : tid == pid ? WSCHED_KIND_PROCESS : WSCHED_KIND_THREAD;
}

static enum wsched_worker_state state_of(const struct wsched *p, const struct seat *s,
                                         uint64_t identity, const struct wsched_worker_info *info)
{
    if (pool_is_dead(p)) /* also one that nobody has entered, or whose process is on its way out */
        return WSCHED_WORKER_DEAD;
    if (!identity_pid(identity))
        return WSCHED_WORKER_STARTING;
    char state = process_state(identity);
    if (state == 'X' || state == 'x')
        return WSCHED_WORKER_DEAD;
    if (state == 'T' || state == 't')
        return WSCHED_WORKER_STOPPED;
    if (info->kind == WSCHED_KIND_DRIVER || info->kind == WSCHED_KIND_CLIENT)
        return WSCHED_WORKER_JOINED;
    if (!au32_load_acquire(&s->ready))
        return WSCHED_WORKER_STARTING;
    return info->depth ? WSCHED_WORKER_RUNNING : WSCHED_WORKER_IDLE;
}

static uint32_t queued_of(const struct wsched *p, uint32_t seat)
{
    uint32_t n = seat_can_run(p, seat) ? deque_size(p, seat) : 0;

    if (seat_is_actor(p, seat)) {
        const struct mailbox m = actor_mailbox(p, actor_of_seat(p, seat));
        n += mailbox_size(&m);
    } else if (!seat_is_crew(p, seat)) {
        n += (uint32_t)queue_size(p, seat); /* capacity: below 2^21 */
    }
    return n;
}

/* False: nobody is there. */
static bool seat_look(struct wsched *p, uint32_t seat, struct wsched_worker_info *out)
{
    const struct seat *s = &p->seats[seat];
    uint64_t identity = au64_load_acquire(&s->identity);
    bool is_actor = seat_is_actor(p, seat);

    if (is_actor && (actor_of_seat(p, seat) >= actors_used(p) ||
                     actor_state(au64_load_acquire(&actor_at(p, actor_of_seat(p, seat))->word)) !=
                         ACTOR_ALIVE))
        return false;
    if (!is_actor && !seat_is_crew(p, seat) && !identity_pid(identity))
        return false;
    struct wsched_worker_info info = {
        .worker = worker_number(p, seat),
        .pid = identity_pid(identity),
        .queued = queued_of(p, seat),
        .submitted = au64_load_relaxed(&s->submitted), /* relaxed here and below: statistics */
        .finished = au64_load_relaxed(&s->finished),
        .failed = au64_load_relaxed(&s->failed),
        .cancelled = au64_load_relaxed(&s->cancelled),
        .stolen = au64_load_relaxed(&s->stolen),
        .kernel = "",
    };
    info.tid = seat_is_guest(p, seat) ? (int32_t)au32_load_acquire(&s->tid)
               : seat_can_run(p, seat) ? info.pid
                                       : 0;
    info.kind = kind_of(p, seat, info.pid, info.tid);
    seat_name(p, seat, info.name);
    bool is_one_moment = !seat_can_run(p, seat);
    for (int i = 0; i < LOOKS && !is_one_moment; i++)
        is_one_moment = look_at_stack(p, s, &info);
    if (!is_one_moment) { /* it is busy, with tasks too short to be told of */
        info.task.v = 0;
        info.kernel = "";
        info.label[0] = 0;
    }
    if (info.task.v) {
        uint64_t ticks = event_started(p, seat, info.task.v, info.attempt);
        info.started_ns = ticks ? ticks_to_ns(p, ticks, tick_rate(p)) : 0;
    }
    info.state = state_of(p, s, identity, &info);
    *out = info;
    return true;
}

int wsched_worker_info(struct wsched *p, uint32_t worker, struct wsched_worker_info *out)
{
    int err = pool_check(p);

    if (err || !out)
        return err ? err : -EINVAL;
    uint32_t seat = seat_of_number(p, worker);
    return seat != UINT32_MAX && seat_look(p, seat, out) ? 0 : -ENOENT;
}

int wsched_members(struct wsched *p, int (*visit)(const struct wsched_worker_info *who, void *ctx),
                   void *ctx)
{
    int err = pool_check(p);

    if (err || !visit)
        return err ? err : -EINVAL;
    for (uint32_t seat = 0; seat < p->seat_count && !err; seat++) {
        struct wsched_worker_info info;
        if (seat != supervisor_seat(p) && seat_look(p, seat, &info))
            err = visit(&info, ctx);
    }
    return err;
}
