/* SPDX-License-Identifier: MIT */
/*
 * fiber.c -- tasks that yield run on stacks of their own, so that their worker can leave them.
 *
 *     worker's loop, or a kernel that waits   fiber_run(), fiber_resume()  ->  the kernel of a stream
 *                                             <-  fiber_wait(), or its end
 *
 * A worker that waits inside a kernel runs other tasks on top of it. That cannot be done by a task
 * that waits for somebody to take its items: who takes them may stand below it on the same stack,
 * and what it would run on top may take long. Nor may others stand on top of it while it waits for
 * tasks that it submitted: those that want its items would wait for these others. So wherever it
 * waits it goes back to whoever entered it, and is entered again, by the same thread, when it may go
 * on: from the worker's loop or from any kernel that waits there. While it runs it stands on the
 * worker's stack of tasks like any other (seat.running); while it waits it stands in seat.fibers, so
 * that the sweep finds it. It is entered in one before it leaves the other.
 *
 * A stack is as large as the main thread's, of pages that take memory when they are touched, with a
 * guard page. There are never more than the pool has records of streams.
 */
#include "fiber.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <ucontext.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

#define STACK_MIN ((size_t)256 << 10)
#define STACK_DEFAULT ((size_t)8 << 20)
#define STACK_MAX ((size_t)64 << 20)
#define IDLE_MAX 4u /* stacks that are kept for the next */

enum fiber_state { FIBER_IDLE, FIBER_RUNS, FIBER_WAITS };

struct fiber {
    enum fiber_state state;
    struct wsched *pool;
    struct fiber *outer; /* in which it was entered */
    struct wsched_task task;
    uint64_t word;
    bool stolen;
    bool (*may_go_on)(void *);
    void *arg;
    int64_t deadline;
    unsigned char *stack;
    size_t stack_size;
    ucontext_t inside, outside;
    struct {
        void *inside, *outside; /* ThreadSanitizer's */
        void *fake;             /* AddressSanitizer's, and the stack from which it was entered */
        const void *from;
        size_t from_size;
    } check;
};

/* ---- switching, and what the sanitizers must be told ----------------------------------------- */

static void switch_in(struct fiber *f)
{
#if defined(__SANITIZE_THREAD__)
    f->check.outside = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(f->check.inside, 0);
#endif
#if defined(__SANITIZE_ADDRESS__)
    void *fake;
    __sanitizer_start_switch_fiber(&fake, f->stack, f->stack_size);
#endif
    swapcontext(&f->outside, &f->inside);
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(fake, NULL, NULL);
#endif
}

/* The first thing that is done inside, at first and after each switch. */
static void is_inside(struct fiber *f)
{
    (void)f;
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(f->check.fake, &f->check.from, &f->check.from_size);
#endif
}

static void switch_out(struct fiber *f, bool is_end)
{
    (void)is_end;
#if defined(__SANITIZE_THREAD__)
    __tsan_switch_to_fiber(f->check.outside, 0);
#endif
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(is_end ? NULL : &f->check.fake, f->check.from,
                                   f->check.from_size);
#endif
    swapcontext(&f->inside, &f->outside);
    is_inside(f);
}

/* ---- stacks ---------------------------------------------------------------------------------- */

static size_t stack_size(void)
{
    struct rlimit limit;
    size_t size = STACK_DEFAULT;

    if (!getrlimit(RLIMIT_STACK, &limit) && limit.rlim_cur != RLIM_INFINITY)
        size = limit.rlim_cur / STACK_MIN * STACK_MIN;
    return size < STACK_MIN ? STACK_MIN : size > STACK_MAX ? STACK_MAX : size;
}

static void discard(struct fiber *f)
{
#if defined(__SANITIZE_THREAD__)
    if (f->check.inside)
        __tsan_destroy_fiber(f->check.inside);
#endif
    if (f->stack)
        munmap(f->stack, f->stack_size);
    free(f);
}

static struct fiber *make(struct wsched *p)
{
    struct fiber *f = calloc(1, sizeof *f);

    if (!f)
        return NULL;
    f->pool = p;
    f->stack_size = stack_size();
    void *stack = mmap(NULL, f->stack_size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    f->stack = stack == MAP_FAILED ? NULL : stack;
    if (!f->stack || mprotect(f->stack, (size_t)sysconf(_SC_PAGESIZE), PROT_NONE)) {
        discard(f);
        return NULL;
    }
#if defined(__SANITIZE_THREAD__)
    f->check.inside = __tsan_create_fiber(0);
#endif
    return f;
}

/* ---- entering and leaving -------------------------------------------------------------------- */

static __thread struct fiber *entering;

static void fiber_main(void)
{
    struct fiber *f = entering;

    is_inside(f);
    worker_run_claimed(f->pool, &f->task, f->word, f->stolen);
    f->state = FIBER_IDLE;
    switch_out(f, true); /* for good */
}

static void prepare(struct fiber *f)
{
    (void)!getcontext(&f->inside); /* it cannot fail */
    f->inside.uc_stack.ss_sp = f->stack;
    f->inside.uc_stack.ss_size = f->stack_size;
    f->inside.uc_link = NULL;
    makecontext(&f->inside, fiber_main, 0);
}

/* It stands on the worker's stack of tasks. */
static void enter(struct wsched *p, uint32_t slot)
{
    struct fiber *f = p->fibers[slot];

    f->state = FIBER_RUNS;
    f->outer = p->fiber;
    p->fiber = f;
    switch_in(f);
    p->fiber = f->outer;
    p->current = f->task.outer;
    if (f->state != FIBER_IDLE)
        return;
    p->fiber_count--;
    uint32_t idle = 0;
    for (uint32_t i = 0; i < p->streams; i++)
        idle += p->fibers[i] && p->fibers[i]->state == FIBER_IDLE;
    if (idle <= IDLE_MAX)
        return;
    discard(f);
    p->fibers[slot] = NULL;
}

/* One without a task: its number; UINT32_MAX: no memory for it. */
static uint32_t find_idle(struct wsched *p)
{
    uint32_t slot = UINT32_MAX;

    if (!p->fibers)
        p->fibers = calloc(p->streams, sizeof(struct fiber *));
    for (uint32_t i = 0; p->fibers && i < p->streams; i++) {
        if (p->fibers[i] && p->fibers[i]->state == FIBER_IDLE)
            return i;
        if (!p->fibers[i] && slot == UINT32_MAX)
            slot = i;
    }
    if (slot != UINT32_MAX)
        p->fibers[slot] = make(p);
    return slot != UINT32_MAX && p->fibers[slot] ? slot : UINT32_MAX;
}

bool fiber_run(struct wsched *p, const struct wsched_task *task, uint64_t word, bool stolen)
{
    uint32_t slot = find_idle(p);

    if (slot == UINT32_MAX)
        return false;
    struct fiber *f = p->fibers[slot];
    f->task = *task;
    f->task.fiber = slot + 1;
    f->word = word;
    f->stolen = stolen;
    prepare(f);
    entering = f;
    p->fiber_count++;
    enter(p, slot);
    return true;
}

void fiber_wait(struct wsched *p, bool (*may_go_on)(void *), void *arg, int64_t deadline)
{
    struct fiber *f = p->fiber;
    struct au64 *note = &p->seats[p->seat].fibers[f->task.fiber - 1];

    f->may_go_on = may_go_on;
    f->arg = arg;
    f->deadline = deadline;
    au64_store_release(note, worker_note_of(&f->task)); /* W1 */
    POINT("fiber: noted as waiting, still on the stack");
    (void)fork_leave(p, &f->task.mark); /* it is clean: the caller looked */
    f->state = FIBER_WAITS;
    switch_out(f, false);
    (void)!fork_enter(p, &f->task.mark); /* the stack is there */
    au64_store_release(note, 0);
    POINT("fiber: on the stack again");
}

static bool is_ready(const struct fiber *f)
{
    return f && f->state == FIBER_WAITS &&
           (f->may_go_on(f->arg) || worker_pool_is_over(f->pool) ||
            (f->deadline != INT64_MAX && monotonic_ns() >= f->deadline));
}

bool fibers_are_ready(const struct wsched *p)
{
    for (uint32_t i = 0; p->fiber_count && p->depth < DEPTH_MAX && i < p->streams; i++)
        if (is_ready(p->fibers[i]))
            return true;
    return false;
}

int64_t fibers_deadline(const struct wsched *p)
{
    int64_t first = INT64_MAX;

    for (uint32_t i = 0; p->fiber_count && p->depth < DEPTH_MAX && i < p->streams; i++)
        if (p->fibers[i] && p->fibers[i]->state == FIBER_WAITS && p->fibers[i]->deadline < first)
            first = p->fibers[i]->deadline;
    return first;
}

bool fiber_resume(struct wsched *p)
{
    uint32_t depth = p->depth;

    for (uint32_t n = 0; p->fiber_count && depth < DEPTH_MAX && n < p->streams; n++) {
        uint32_t slot = (p->fiber_turn + n) % p->streams; /* each has its turn to be the first */
        if (!is_ready(p->fibers[slot]))
            continue;
        struct fiber *f = p->fibers[slot];
        p->fiber_turn = slot + 1;
        f->task.outer = p->current;
        au64_store_relaxed(&p->seats[p->seat].running[depth], worker_note_of(&f->task)); /* W1 */
        worker_set_depth(p, depth + 1);
        POINT("fiber: about to be entered");
        p->current = &f->task;
        enter(p, slot);
        worker_set_depth(p, depth);
        return true;
    }
    return false;
}

void fibers_finish(struct wsched *p)
{
    while (p->fiber_count && fiber_resume(p))
        ;
}

void fibers_free(struct wsched *p)
{
    for (uint32_t i = 0; p->fibers && i < p->streams; i++)
        if (p->fibers[i])
            discard(p->fibers[i]);
    free(p->fibers);
    p->fibers = NULL;
}
