/* SPDX-License-Identifier: MIT */
/*
 * A guest is killed at every step between two accesses to shared memory: as a client that joins,
 * submits, waits, adopts and leaves; as a worker; and the supervisor is killed at every step of
 * sweeping a dead guest. After each kill nothing may have leaked, what the driver wanted must be
 * done, and a full load must run.
 */
#include "guests.h"
#include "killer.h"

#include <sys/mman.h>

/* Shared by all processes of a run. */
static struct plan {
    struct wsched_future handed; /* by the driver to the guest */
    uint32_t flags;              /* how the guest joins */
} * plan;

/* ---- what must hold afterwards ----------------------------------------------------------- */

static uint32_t slots_kept(struct wsched *p) /* by the driver and the crew for their next tasks */
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < p->task_count; i++) {
        uint64_t word = au64_load_acquire(&task_at(p, i)->word);
        n += word_state(word) == TASK_MAKING && word_seat(word) <= driver_seat(p);
    }
    return n;
}

/* Waits for it, so a leak runs into the runner's time limit. A seat of one that died before it told
 * the supervisor is found when the next one comes. */
static void expect_no_leak(struct wsched *p)
{
    while (kit_slots_free(p) + slots_kept(p) != p->task_count ||
           deps_blocks_free(p) != p->block_count || seats_taken(p)) {
        struct wsched *next = NULL;
        REQUIRE_OK(supervisor_check(p));
        REQUIRE_OK(wsched_join(name, NULL, 0, NULL, &next));
        wsched_close(next);
        sched_yield();
    }
    kit_expect_sound(p);
}

#define LOAD 100u

static void full_load(struct wsched *pool)
{
    struct wsched_future f[LOAD];

    for (long i = 0; i < (long)LOAD; i++)
        f[i] = kit_submit(pool, "add", &i, sizeof i);
    for (long i = 0; i < (long)LOAD; i++)
        CHECK_EQ(kit_long(pool, f[i]), i);
}

static bool end(struct wsched *pool)
{
    bool killed = killer_end();

    expect_no_leak(pool);
    full_load(pool);
    expect_no_leak(pool);
    wsched_close(pool);
    return killed;
}

static struct wsched *open_small(void)
{
    struct wsched_options o = WSCHED_OPTIONS_INIT;

    snprintf(name, sizeof name, "test-kill-guest-%d", (int)getpid());
    o.workers = 1;
    o.guests = 4;
    o.task_capacity = LOAD; /* a pool so small keeps no stocks of slots */
    o.event_capacity = 64;
    o.name = name;
    return kit_open_with(&o, kit_kernels, kit_kernel_count);
}

/* ---- a client ---------------------------------------------------------------------------- */

static struct wsched_future submit_after(struct wsched *p, const char *kernel, long v,
                                         const struct wsched_future *after, uint32_t count)
{
    struct wsched_spec s = kit_spec(kernel, &v, sizeof v);
    struct wsched_future f = { 0 };

    s.after = after;
    s.after_count = count;
    s.max_retries = 100;
    CHILD_CHECK(!wsched_submit(p, &s, &f));
    return f;
}

static void client(void)
{
    struct wsched_join_options o = WSCHED_JOIN_OPTIONS_INIT;
    struct wsched *p = NULL;
    struct wsched_future f[6];
    long sum;

    o.flags = plan->flags;
    CHILD_CHECK(!wsched_join(name, NULL, 0, &o, &p));
    f[0] = submit_after(p, "add", 1, NULL, 0);
    f[1] = submit_after(p, "add", 2, f, 1);
    f[2] = submit_after(p, "add", 3, f, 2);
    f[3] = submit_after(p, "add", 4, NULL, 0);
    CHILD_CHECK(wsched_wait(p, f, 4, 4, -1, NULL) == 4);
    CHILD_CHECK(!wsched_result(p, f[2], &sum, sizeof sum, NULL) && sum == 3);
    CHILD_CHECK(!wsched_adopt(p, plan->handed));
    CHILD_CHECK(wsched_wait(p, &plan->handed, 1, 1, -1, NULL) == 1);
    wsched_release(p, plan->handed);
    wsched_release(p, f[0]); /* the others go with us */
    f[4] = submit_after(p, "add", 5, f, 0);
    f[5] = submit_after(p, "add", 6, &f[4], 1);
    CHILD_CHECK(wsched_cancel(p, f[3]) == -EALREADY);
    wsched_close(p);
}

static bool kill_client(uint32_t k, uint32_t flags)
{
    killer_begin(KILLER_GUEST, k);
    plan->flags = flags;
    struct wsched *pool = open_small();
    struct wsched_future f = kit_submit(pool, "add_1000", NULL, 0);

    plan->handed = kit_submit(pool, "add", NULL, 0);
    pid_t pid = fork();
    if (pid == 0) {
        killer_be_guest();
        client();
        _exit(0);
    }
    CHECK_EQ(kit_long(pool, f), 1000);
    int how = ended(pid);
    CHECK(how == 0 || how == -SIGKILL);
    while (seats_taken(pool) > 1) /* at most one that nobody was told of */
        sched_yield();
    wsched_release(pool, plan->handed); /* if it was not adopted */
    return end(pool);
}

static bool kill_client_at(uint32_t k, const void *ctx)
{
    (void)ctx;
    return kill_client(k, 0);
}

/* What it submitted runs on, but for what it had not finished submitting. */
static bool kill_detached_at(uint32_t k, const void *ctx)
{
    (void)ctx;
    return kill_client(k, WSCHED_DETACHED);
}

/* ---- a worker ---------------------------------------------------------------------------- */

/* The crew waits at the gate until the guest has done all, or is dead. */
static bool kill_worker_at(uint32_t k, const void *ctx)
{
    (void)ctx;
    gate_make();
    killer_begin(KILLER_GUEST, k);
    struct wsched *pool = open_small();
    struct wsched_future blocked = kit_submit(pool, "wait", NULL, 0);
    int n = 5, edom = -EDOM;
    long v = 7;

    gate_arrival();
    struct wsched_future fib = kit_submit(pool, "fib", &n, sizeof n);
    struct wsched_future chain = kit_submit(pool, "chain", &n, sizeof n);
    struct wsched_future sum = kit_submit_after(pool, "add", &v, sizeof v, &fib, 1);
    struct wsched_future fails = kit_submit(pool, "fail", &edom, sizeof edom);
    struct wsched_future fails_too = kit_submit_after(pool, "add", NULL, 0, &fails, 1);
    pid_t pid = fork();
    if (pid == 0) {
        struct wsched *guest = NULL;
        killer_be_guest();
        CHILD_CHECK(!wsched_join(name, kit_kernels, kit_kernel_count, NULL, &guest));
        CHILD_CHECK(wsched_work(guest, 0) == -ETIMEDOUT);
        wsched_close(guest);
        _exit(0);
    }
    int how = ended(pid);
    CHECK(how == 0 || how == -SIGKILL);
    gate_open();
    CHECK_EQ(kit_long(pool, blocked), 1);
    CHECK_EQ(kit_long(pool, sum), 7);
    CHECK_EQ(kit_long(pool, fib), kit_fib(n));
    CHECK_EQ(kit_long(pool, chain), n);
    CHECK_EQ(kit_wait(pool, fails), -EDOM);
    CHECK_EQ(kit_wait(pool, fails_too), -EDOM);
    wsched_release(pool, fails);
    wsched_release(pool, fails_too);
    gate_free();
    return end(pool);
}

/* ---- the supervisor, while it sweeps a guest ----------------------------------------------- */

static bool kill_supervisor_at(uint32_t k, const void *ctx)
{
    (void)ctx;
    gate_make();
    killer_begin(KILLER_NOBODY, k);
    struct wsched *pool = open_small();
    struct wsched_future blocked = kit_submit(pool, "wait", NULL, 0);
    int ready[2];
    char byte;

    gate_arrival();
    REQUIRE(!pipe(ready));
    pid_t pid = fork();
    if (pid == 0) { /* it dies while it runs a task, with others queued, and some of its own */
        struct wsched *guest = NULL, *worker = NULL;
        CHILD_CHECK(!wsched_join(name, NULL, 0, NULL, &guest));
        CHILD_CHECK(!wsched_join(name, kit_kernels, kit_kernel_count, NULL, &worker));
        struct wsched_future f[3];
        f[0] = submit_after(guest, "wait", 0, NULL, 0);
        f[1] = submit_after(guest, "add", 1, f, 1);
        f[2] = submit_after(guest, "add", 2, f, 2);
        CHILD_CHECK(write(ready[1], "x", 1) == 1);
        (void)!wsched_work(worker, -1);
        _exit(0);
    }
    REQUIRE(read(ready[0], &byte, 1) == 1);
    gate_arrival();
    killer_aim(KILLER_SUPERVISOR);
    kill(pid, SIGKILL);
    CHECK_EQ(ended(pid), -SIGKILL);
    while (seats_taken(pool)) {
        REQUIRE_OK(supervisor_check(pool));
        sched_yield();
    }
    gate_open();
    CHECK(kit_long(pool, blocked) >= 1);
    close(ready[0]);
    close(ready[1]);
    gate_free();
    return end(pool);
}

/* ---- everywhere ---------------------------------------------------------------------------- */

static void kill_everywhere(bool (*kill_at)(uint32_t k, const void *ctx), uint32_t least)
{
    plan = kit_share(sizeof *plan);
    killer_everywhere(kill_at, NULL, least);
    munmap(plan, sizeof *plan);
}

static void a_client(void)
{
    kill_everywhere(kill_client_at, 40);
}

static void a_detached_client(void)
{
    kill_everywhere(kill_detached_at, 40);
}

static void a_worker(void)
{
    kill_everywhere(kill_worker_at, 100);
}

static void the_supervisor(void)
{
    kill_everywhere(kill_supervisor_at, 15);
}

TESTS("wsched: guests killed at every step", { "a client", a_client },
      { "a client whose tasks run on", a_detached_client }, { "a worker", a_worker },
      { "the supervisor while it sweeps a guest", the_supervisor })
