/* SPDX-License-Identifier: MIT */
/*
 * events.c -- what happened: a ring of events per seat, and the log of deaths.
 *
 * A ring is written by its seat's process only (the driver's threads hold the lock; the supervisor
 * writes to a dead worker's), and read by anybody at any time, also when all writers are dead.
 * seat.events counts what was ever written, and is raised after the record: record n is whole as
 * long as the count is over n, and is being overwritten, at most, once it is n + places. So a
 * reader looks at the count before and after its copy (V1).
 *
 * Time is the time stamp counter where it is invariant (9 ns a stamp instead of 21), turned into
 * CLOCK_MONOTONIC by the reader: two moments read by both clocks give the rate, the opening of the
 * pool and now; the longer the pool has run, the more exact.
 */
#include "events.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#define RATE_NEEDS_NS (5 * NS_PER_MS)
#define LAST_EVENTS 64u
#define PAGE_BYTES 4096u
#define GROUP_MIN 128u /* events: a page */
#define GROUP_MAX 2048u

static bool has_invariant_tsc(void)
{
#if defined(__x86_64__)
    unsigned a, b, c, d;
    return __get_cpuid(0x80000007, &a, &b, &c, &d) && (d >> 8 & 1);
#else
    return false;
#endif
}

void ticks_begin(struct wsched *p)
{
    p->has_tsc = has_invariant_tsc();
    p->clock_ns = p->header->clock_ns = (uint64_t)monotonic_ns();
    p->clock_ticks = p->header->clock_ticks = ticks_now(p);
}

void ticks_look(struct wsched *p, uint64_t ticks, uint64_t ns)
{
    p->has_tsc = has_invariant_tsc();
    p->clock_ticks = ticks;
    p->clock_ns = ns;
}

/* How many nanoseconds a tick takes; sleeps some milliseconds if the pool is younger than that. */
double tick_rate(const struct wsched *p)
{
    if (!p->has_tsc)
        return 1;
    uint64_t ns, ticks;
    do {
        ns = (uint64_t)monotonic_ns();
        ticks = ticks_now(p);
    } while (ns - p->clock_ns < RATE_NEEDS_NS &&
             (nanosleep(&(struct timespec){ 0, NS_PER_MS }, NULL), true));
    return ticks > p->clock_ticks ? (double)(ns - p->clock_ns) / (double)(ticks - p->clock_ticks)
                                  : 1;
}

/*
 * The first event of a page costs a page fault, ten times an empty task. So pages are made by
 * groups, each as large as all before it: who writes few events needs few pages. Then each is
 * touched, because under a hypervisor a page that the kernel has mapped may still cost a fault of
 * the host's, of which the kernel knows nothing.
 */
void events_ahead(struct wsched *p, uint32_t seat, uint32_t place, uint64_t number)
{
    uint32_t n = p->event_mapped < GROUP_MIN   ? GROUP_MIN
                 : p->event_mapped < GROUP_MAX ? p->event_mapped
                                               : GROUP_MAX;

    if (n > p->event_places - place)
        n = p->event_places - place;
    p->event_mapped += n;
    p->event_ready = p->event_mapped < p->event_places ? number + n : UINT64_MAX;
    struct event_record *r = &p->events[(uint64_t)seat * p->event_places + place];
#ifdef MADV_POPULATE_WRITE
    uintptr_t first = (uintptr_t)r & ~(uintptr_t)(PAGE_BYTES - 1);

    (void)madvise((void *)first, (uintptr_t)(r + n) - first, MADV_POPULATE_WRITE); /* Linux 5.14 */
#endif
    for (uint32_t i = 0; i < n; i += GROUP_MIN) /* relaxed: of no meaning */
        au64_store_relaxed(&r[i].pad, 0);
    au64_store_relaxed(&r[n - 1].pad, 0);
}

void event_label_put(struct event_label *to, const void *label)
{
    uint64_t words[NAME_BYTES / 8];

    memcpy(words, label, sizeof words);
    for (size_t i = 0; i < NAME_BYTES / 8; i++)
        au64_store_relaxed(&to->words[i], words[i]); /* relaxed: V1 */
}

static void read_terms(const uint64_t words[NAME_BYTES / 8], struct wsched_event *e)
{
    struct event_terms terms;

    memcpy(&terms, words, sizeof terms);
    e->priority = terms.level > LEVEL_HIGH ? 0 : (int32_t)terms.level - LEVEL_NORMAL;
    e->deadline_ns = terms.deadline_ns;
    memcpy(e->needs, terms.needs, sizeof e->needs);
}

static bool record_read(const struct wsched *p, uint32_t seat, uint64_t number,
                        struct wsched_event *e, uint64_t *ticks)
{
    uint64_t at = (uint64_t)seat * p->event_places + number % p->event_places;
    const struct event_record *r = &p->events[at];
    uint64_t words[NAME_BYTES / 8] = { 0 };

    *ticks = au64_load_relaxed(&r->ticks); /* relaxed: V1 */
    e->task.v = au64_load_relaxed(&r->task);
    uint64_t what = au64_load_relaxed(&r->what);
    for (size_t i = 0; what & EVENT_LABELLED && i < NAME_BYTES / 8; i++)
        words[i] = au64_load_relaxed(&p->event_labels[at].words[i]);
    atomic_thread_fence(memory_order_acquire);
    if (au64_load_relaxed(&p->seats[seat].events) - number >= p->event_places) /* V1 */
        return false;
    uint32_t kernel = (uint32_t)(what >> 16) & 0xffff;
    e->kind = (uint32_t)what & EVENT_KIND;
    e->attempt = (uint32_t)(what >> 8) & 0xff;
    e->pid = (int32_t)(what >> 32);
    e->worker = worker_number(p, seat);
    e->kernel = kernel < p->kernel_count ? p->kernels[kernel].name : "";
    e->priority = 0;
    e->deadline_ns = 0;
    memset(e->needs, 0, sizeof e->needs);
    memset(e->label, 0, sizeof e->label);
    if (e->kind == WSCHED_EVENT_TERMS)
        read_terms(words, e);
    else
        memcpy(e->label, words, sizeof e->label - 1);
    return true;
}

/* Of the attempt that the seat started last; UINT32_MAX: none is known. */
uint32_t event_last_kernel(const struct wsched *p, uint32_t seat)
{
    uint64_t end = au64_load_acquire(&p->seats[seat].events); /* V1 */

    for (uint64_t i = end; i > 0 && i + LAST_EVENTS > end; i--) {
        uint64_t what = au64_load_relaxed(
            &p->events[(uint64_t)seat * p->event_places + (i - 1) % p->event_places].what);
        if ((what & EVENT_KIND) == WSCHED_EVENT_STARTED || /* relaxed: a hint for a name */
            (what & EVENT_KIND) == WSCHED_EVENT_JOB_STARTED)
            return (uint32_t)(what >> 16) & 0xffff;
    }
    return UINT32_MAX;
}

uint64_t ticks_to_ns(const struct wsched *p, uint64_t ticks, double rate)
{
    double ns = (double)(int64_t)(ticks - p->clock_ticks) * rate;

    /* Anything may stand in a damaged pool. */
    return ns > -9e18 && ns < 9e18 ? p->clock_ns + (uint64_t)(int64_t)ns : p->clock_ns;
}

/* When the attempt was started, in ticks; 0: that fell out of the ring. */
uint64_t event_started(const struct wsched *p, uint32_t seat, uint64_t future, uint32_t attempt)
{
    uint64_t end = au64_load_acquire(&p->seats[seat].events); /* V1 */
    uint64_t begin = end > p->event_capacity ? end - p->event_capacity : 0;
    struct wsched_event e;
    uint64_t ticks;

    for (uint64_t i = end; i-- > begin;)
        if (record_read(p, seat, i, &e, &ticks) &&
            (e.kind == WSCHED_EVENT_STARTED || e.kind == WSCHED_EVENT_JOB_STARTED) &&
            e.task.v == future && e.attempt == attempt)
            return ticks;
    return 0;
}

int wsched_events(struct wsched *p, int (*visit)(const struct wsched_event *event, void *ctx),
                  void *ctx)
{
    int err = pool_check(p);

    if (err || !visit)
        return err ? err : -EINVAL;
    double rate = tick_rate(p);
    for (uint32_t seat = 0; seat < p->seat_count; seat++) {
        uint64_t end = au64_load_acquire(&p->seats[seat].events); /* V1 */
        uint64_t begin = end > p->event_capacity ? end - p->event_capacity : 0;
        for (uint64_t i = begin; i < end; i++) {
            struct wsched_event e;
            uint64_t ticks;
            if (!record_read(p, seat, i, &e, &ticks))
                continue; /* overwritten meanwhile: counted by wsched_stats() */
            e.time_ns = ticks_to_ns(p, ticks, rate);
            err = visit(&e, ctx);
            if (err)
                return err;
        }
    }
    return 0;
}

/* ---- deaths ------------------------------------------------------------------------------ */

/* By the supervisor alone. `running`: what the worker was at, or NULL. */
void death_put(struct wsched *p, uint32_t seat, pid_t pid, int status, const struct task *running)
{
    uint64_t number = au64_load_relaxed(&p->header->deaths); /* relaxed: ours */
    struct death *d = &p->deaths[number % DEATHS_KEPT];

    au64_store_relaxed(&d->seq, 0);
    atomic_thread_fence(memory_order_release); /* V2 */
    d->time_ns = (uint64_t)monotonic_ns();
    d->pid = pid;
    d->worker = worker_number(p, seat);
    d->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    d->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    d->memory = au64_load_acquire(&p->seats[seat].memory);
    memset(d->kernel, 0, sizeof d->kernel);
    memset(d->label, 0, sizeof d->label);
    if (running) {
        uint32_t kernel = task_kernel(running);
        if (kernel < p->kernel_count)
            memcpy(d->kernel, p->kernel_names + (size_t)kernel * NAME_BYTES, NAME_BYTES);
        if (task_label(p, running))
            memcpy(d->label, task_label(p, running), NAME_BYTES);
    }
    au64_store_release(&d->seq, number + 1); /* V2 */
    au64_store_release(&p->header->deaths, number + 1);
}

int wsched_next_death(struct wsched *p, uint64_t *cursor, struct wsched_death *out)
{
    int err = pool_check(p);

    if (err || !cursor || !out)
        return err ? err : -EINVAL;
    for (;;) {
        uint64_t end = au64_load_acquire(&p->header->deaths); /* V2 */
        uint64_t at =
            end > DEATHS_KEPT && *cursor < end - DEATHS_KEPT ? end - DEATHS_KEPT : *cursor;
        if (at >= end)
            return 0;
        struct death *d = &p->deaths[at % DEATHS_KEPT], copy;
        uint64_t seq = au64_load_acquire(&d->seq); /* V2 */
        memcpy(&copy, d, sizeof copy);
        atomic_thread_fence(memory_order_acquire);
        *cursor = at + 1;
        if (seq != at + 1 || au64_load_relaxed(&d->seq) != seq) /* V2: overtaken */
            continue;
        out->time_ns = copy.time_ns;
        out->pid = copy.pid;
        out->worker = copy.worker;
        out->signal = copy.signal;
        out->exit_code = copy.exit_code;
        out->memory = copy.memory;
        memcpy(out->kernel, copy.kernel, sizeof out->kernel);
        memcpy(out->label, copy.label, sizeof out->label);
        out->kernel[sizeof out->kernel - 1] = out->label[sizeof out->label - 1] = 0;
        return 1;
    }
}
