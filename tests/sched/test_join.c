/* SPDX-License-Identifier: MIT */
/* Guests: clients that join a pool from other processes, what they own, and how a pool ends for
 * them. */
#include "guests.h"

#include <pthread.h>

/* ---- what a client can do ------------------------------------------------------------------ */

static void add_and_check(const char *where)
{
    struct wsched *guest = NULL;
    long v[] = { 3, 4, 5 }, sum = 0;
    bool done = false;

    CHILD_CHECK(!wsched_join(where, NULL, 0, NULL, &guest));
    struct wsched_future f = child_submit(guest, "add_1000", v, sizeof v);
    struct wsched_spec after = kit_spec("add", v, sizeof v);
    after.after = &f;
    after.after_count = 1;
    struct wsched_future g = { 0 };
    CHILD_CHECK(!wsched_submit(guest, &after, &g));
    CHILD_CHECK(wsched_wait(guest, &g, 1, 1, -1, &done) == 1 && done);
    CHILD_CHECK(!wsched_result(guest, f, &sum, sizeof sum, NULL) && sum == 1012);
    CHILD_CHECK(!wsched_result(guest, g, &sum, sizeof sum, NULL) && sum == 12);
    wsched_release(guest, f);
    wsched_release(guest, g);
    CHILD_CHECK(wsched_result(guest, f, NULL, 0, NULL) == -EINVAL);
    wsched_close(guest);
}

static void by_name_and_pid(void)
{
    struct wsched *pool = open_named(2, 0, "name");
    char by_pid[32];

    snprintf(by_pid, sizeof by_pid, "%d", (int)getpid());
    for (int i = 0; i < 2; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            add_and_check(i ? by_pid : name);
            _exit(0);
        }
        CHECK_EQ(ended(pid), 0);
    }
    await_nobody(pool);
    wsched_close(pool);
}

#define LOAD 2000

static void load(struct wsched *guest, long base)
{
    static __thread struct wsched_future f[LOAD];

    for (long i = 0; i < LOAD; i++) {
        long v[] = { base, i };
        f[i] = child_submit(guest, "add", v, sizeof v);
        if (i >= 50) { /* the pool is smaller than that */
            long sum = 0;
            CHILD_CHECK(wsched_wait(guest, &f[i - 50], 1, 1, -1, NULL) == 1);
            CHILD_CHECK(!wsched_result(guest, f[i - 50], &sum, sizeof sum, NULL));
            CHILD_CHECK(sum == base + i - 50);
            wsched_release(guest, f[i - 50]);
        }
    }
    CHILD_CHECK(wsched_wait(guest, f + LOAD - 50, 50, 50, -1, NULL) == 50);
    for (long i = LOAD - 50; i < LOAD; i++)
        wsched_release(guest, f[i]);
}

struct loader {
    struct wsched *guest;
    long base;
};

static void *load_thread(void *arg)
{
    struct loader *l = arg;

    load(l->guest, l->base);
    return NULL;
}

/* Three processes of two threads each on one handle, and the driver, at once; few slots. */
static void many_clients(void)
{
    struct wsched *pool = open_named(2, 4, "many");
    pid_t pids[3];

    for (int i = 0; i < 3; i++)
        if (!(pids[i] = fork())) {
            struct wsched *guest = child_join(0);
            struct loader l = { guest, 7000 };
            pthread_t thread;
            CHILD_CHECK(!pthread_create(&thread, NULL, load_thread, &l));
            load(guest, i * 1000);
            pthread_join(thread, NULL);
            wsched_close(guest);
            _exit(0);
        }
    load(pool, 5000);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(ended(pids[i]), 0);
    await_nobody(pool);
    wsched_close(pool);
}

/* ---- errors -------------------------------------------------------------------------------- */

static void errors(void)
{
    struct wsched *pool = open_named(1, 2, "errors"), *guests[2], *none = NULL;
    struct wsched_join_options o = WSCHED_JOIN_OPTIONS_INIT;
    struct wsched_kernel mine[32];

    REQUIRE(kit_kernel_count <= sizeof mine / sizeof *mine);
    CHECK_EQ(wsched_join(NULL, NULL, 0, NULL, &none), -EINVAL);
    CHECK_EQ(wsched_join(name, NULL, 0, NULL, NULL), -EINVAL);
    CHECK_EQ(wsched_join("", NULL, 0, NULL, &none), -EINVAL);
    CHECK_EQ(wsched_join("no-such-pool", NULL, 0, NULL, &none), -ENOENT);
    CHECK_EQ(wsched_join("/etc/passwd", NULL, 0, NULL, &none), geteuid() ? -EACCES : -EPROTO);
    CHECK_EQ(wsched_join(name, NULL, 1, NULL, &none), -EINVAL);
    o.flags = 1u << 31;
    CHECK_EQ(wsched_join(name, NULL, 0, &o, &none), -EINVAL);
    o.flags = 0;
    o.reserved[1] = 1;
    CHECK_EQ(wsched_join(name, NULL, 0, &o, &none), -EINVAL);
    o.reserved[1] = 0;
    o.struct_size = 4;
    CHECK_EQ(wsched_join(name, NULL, 0, &o, &none), -EINVAL);
    struct {
        struct wsched_join_options o;
        uint64_t more;
    } newer = { WSCHED_JOIN_OPTIONS_INIT, 1 };
    newer.o.struct_size = sizeof newer;
    CHECK_EQ(wsched_join(name, NULL, 0, &newer.o, &none), -E2BIG);
    newer.o.struct_size = 8; /* an early caller's: flags only */
    REQUIRE_OK(wsched_join(name, NULL, 0, &newer.o, &guests[0]));
    wsched_close(guests[0]);
    for (size_t i = 0; i < kit_kernel_count; i++)
        mine[kit_kernel_count - 1 - i] = kit_kernels[i]; /* another order will do */
    CHECK_EQ(wsched_join(name, mine, kit_kernel_count - 1, NULL, &none), -EPROTO);
    mine[0].name = "another";
    CHECK_EQ(wsched_join(name, mine, kit_kernel_count, NULL, &none), -EPROTO);
    mine[0].name = kit_kernels[kit_kernel_count - 1].name;
    uint64_t ours = pool->header->pid_namespace;
    pool->header->pid_namespace = ours + 1;
    CHECK_EQ(wsched_join(name, NULL, 0, NULL, &none), -EXDEV);
    pool->header->pid_namespace = ours;

    REQUIRE_OK(wsched_join(name, mine, kit_kernel_count, NULL, &guests[0]));
    guests[1] = join(name);
    CHECK_EQ(wsched_join(name, NULL, 0, NULL, &none), -EUSERS);
    wsched_close(guests[1]);
    guests[1] = join(name);
    CHECK_EQ(wsched_adopt(guests[0], (struct wsched_future){ 77 }), -EINVAL);
    CHECK(none == NULL);
    wsched_close(guests[0]);
    wsched_close(guests[1]);
    await_nobody(pool);
    wsched_close(pool);
    CHECK_EQ(wsched_join(name, NULL, 0, NULL, &none), -ENOENT);
}

/* A child of a guest is kept out, as one of a driver is. */
static void child_of_a_guest(void)
{
    struct wsched *pool = open_named(1, 0, "child"), *guest = join(name);
    pid_t pid = fork();

    if (pid == 0) {
        struct wsched_spec s = kit_spec("nothing", NULL, 0);
        struct wsched_future f;
        CHILD_CHECK(wsched_submit(guest, &s, &f) == -ECHILD);
        wsched_close(guest);
        _exit(0);
    }
    CHECK_EQ(ended(pid), 0);
    CHECK_EQ(seats_taken(pool), 1);
    wsched_close(guest);
    await_nobody(pool);
    wsched_close(pool);
}

/* ---- who owns a future --------------------------------------------------------------------- */

enum end { LEAVES, DIES };

/* A child submits a task that waits at the gate, hands over its future, and goes. */
static struct wsched_future of_one_that_goes(uint32_t flags, enum end how, struct wsched *adopter)
{
    struct wsched_future f = { 0 };
    int to_us[2], to_child[2];
    char byte;

    REQUIRE(!pipe(to_us) && !pipe(to_child));
    pid_t pid = fork();
    if (pid == 0) {
        struct wsched *guest = child_join(flags);
        f = child_submit(guest, "wait", NULL, 0);
        CHILD_CHECK(write(to_us[1], &f, sizeof f) == sizeof f);
        CHILD_CHECK(read(to_child[0], &byte, 1) == 1);
        if (how == DIES)
            kill(getpid(), SIGKILL);
        wsched_close(guest);
        _exit(0);
    }
    REQUIRE(read(to_us[0], &f, sizeof f) == sizeof f);
    if (adopter)
        CHECK_EQ(wsched_adopt(adopter, f), 0);
    REQUIRE(write(to_child[1], "x", 1) == 1);
    CHECK_EQ(ended(pid), how == DIES ? -SIGKILL : 0);
    for (int i = 0; i < 2; i++) {
        close(to_us[i]);
        close(to_child[i]);
    }
    return f;
}

static void owners(void)
{
    gate_make();
    struct wsched *pool = open_named(1, 0, "owners"), *guest = join(name);

    for (enum end how = LEAVES; how <= DIES; how++) {
        /* The worker is busy: what the child submitted is pending, and goes with it. */
        struct wsched_future busy = kit_submit(pool, "wait", NULL, 0);
        gate_arrival();
        struct wsched_future f = of_one_that_goes(0, how, NULL);
        while (slots_in_use(pool) > 1)
            sched_yield();
        CHECK_EQ(wsched_result(pool, f, NULL, 0, NULL), -EINVAL);
        CHECK_EQ(wsched_adopt(pool, f), -EINVAL);
        /* It stays, with a guest or the driver. */
        f = of_one_that_goes(0, how, how == LEAVES ? guest : pool);
        struct wsched_future detached = of_one_that_goes(WSCHED_DETACHED, how, NULL);
        gate_open();
        CHECK_EQ(kit_long(pool, busy), 1);
        CHECK_EQ(kit_long(how == LEAVES ? guest : pool, f), 1);
        /* What is detached runs, and is forgotten. */
        gate_arrival();
        gate_arrival();
        while (slots_in_use(pool))
            sched_yield();
        CHECK_EQ(wsched_result(pool, detached, NULL, 0, NULL), -EINVAL);
        gate_free();
        gate_make();
        wsched_close(guest);
        await_nobody(pool);
        wsched_close(pool);
        pool = open_named(1, 0, "owners");
        guest = join(name);
    }
    wsched_close(guest);
    wsched_close(pool);
    gate_free();
}

/* The task of a dead client that runs already is asked to stop. */
static void running_is_asked_to_stop(void)
{
    gate_make();
    struct wsched *pool = open_named(1, 0, "running");
    pid_t pid = fork();

    if (pid == 0) {
        struct wsched *guest = child_join(0);
        (void)child_submit(guest, "cancelled", NULL, 0);
        for (;;)
            pause();
    }
    gate_arrival();
    kill(pid, SIGKILL);
    CHECK_EQ(ended(pid), -SIGKILL);
    await_nobody(pool);
    wsched_close(pool);
    gate_free();
}

/* ---- the end of a pool --------------------------------------------------------------------- */

/* What a guest's wait answers when the pool ends: it is asleep by then. */
static int guest_that_waits(int parked[2])
{
    struct wsched *guest = child_join(0);
    struct wsched_future f = child_submit(guest, "wait", NULL, 0);
    struct wsched_spec s = kit_spec("nothing", NULL, 0);

    CHILD_CHECK(write(parked[1], &guest->seat, sizeof guest->seat) == sizeof guest->seat);
    CHILD_CHECK(wsched_wait(guest, &f, 1, 1, -1, NULL) == -ESHUTDOWN);
    CHILD_CHECK(wsched_submit(guest, &s, &f) == -ESHUTDOWN);
    wsched_close(guest);
    return 0;
}

static void await_guest_asleep(struct wsched *p, int parked[2])
{
    uint32_t seat;

    REQUIRE(read(parked[0], &seat, sizeof seat) == sizeof seat);
    while (!au32_load_acquire(&park_of(p, seat)->word))
        sched_yield();
}

static void closing(void)
{
    int parked[2];

    gate_make();
    REQUIRE(!pipe(parked));
    struct wsched *pool = open_named(1, 0, "closing");
    pid_t pid = fork();
    if (pid == 0)
        _exit(guest_that_waits(parked));
    await_guest_asleep(pool, parked);
    wsched_close(pool);
    CHECK_EQ(ended(pid), 0);
    gate_free();
    close(parked[0]);
    close(parked[1]);
}

/* The driver is a child of ours; it, and first its supervisor if asked, is killed. */
static void killed(bool supervisor_first)
{
    int parked[2], ready[2];
    pid_t supervisor = 0;

    gate_make();
    REQUIRE(!pipe(parked) && !pipe(ready));
    pid_t driver = fork();
    if (driver == 0) {
        struct wsched *pool = open_named(1, 0, "killed");
        CHILD_CHECK(write(ready[1], &pool->supervisor, sizeof(pid_t)) == sizeof(pid_t));
        for (;;)
            pause();
    }
    snprintf(name, sizeof name, "test-join-killed-%d", (int)driver);
    REQUIRE(read(ready[0], &supervisor, sizeof supervisor) == sizeof supervisor);
    struct wsched *look = NULL;
    REQUIRE_OK(wsched_look(name, &look));
    pid_t pid = fork();
    if (pid == 0)
        _exit(guest_that_waits(parked));
    await_guest_asleep(look, parked);
    if (supervisor_first)
        kill(supervisor, SIGKILL);
    kill(driver, SIGKILL);
    CHECK_EQ(ended(driver), -SIGKILL);
    CHECK_EQ(ended(pid), 0);
    struct wsched *none = NULL;
    int err = wsched_join(name, NULL, 0, NULL, &none);
    CHECK_EQ(err, -ESHUTDOWN);
    wsched_close(look);
    while (wsched_remove(name) == -EBUSY)
        sched_yield();
    gate_free();
    for (int i = 0; i < 2; i++) {
        close(parked[i]);
        close(ready[i]);
    }
}

static void driver_is_killed(void)
{
    killed(false);
}

static void all_are_killed(void)
{
    killed(true);
}

/* The supervisor is killed, and replaced in the driver's next call: guests go on, and the new one
 * sees those that live, and those that died meanwhile. */
static void supervisor_is_replaced(void)
{
    int parked[2];

    gate_make();
    REQUIRE(!pipe(parked));
    struct wsched *pool = open_named(1, 0, "replaced");
    pid_t lives = fork();
    if (lives == 0) {
        struct wsched *guest = child_join(0);
        struct wsched_future f = child_submit(guest, "wait", NULL, 0);
        long attempt = 0;
        CHILD_CHECK(write(parked[1], &guest->seat, sizeof guest->seat) == sizeof guest->seat);
        CHILD_CHECK(wsched_wait(guest, &f, 1, 1, -1, NULL) == 1);
        CHILD_CHECK(!wsched_result(guest, f, &attempt, sizeof attempt, NULL) && attempt == 2);
        for (;;)
            pause();
    }
    pid_t dies = fork();
    if (dies == 0) {
        struct wsched *guest = child_join(0);
        CHILD_CHECK(write(gate.arrived[1], &lives, sizeof lives) == sizeof lives);
        (void)child_submit(guest, "nothing", NULL, 0);
        for (;;)
            pause();
    }
    gate_arrival();
    gate_arrival(); /* one is the kernel's, one the second child's */
    await_guest_asleep(pool, parked);
    kill(pool->supervisor, SIGKILL);
    siginfo_t info; /* until it is dead: the next call is to notice, and there is no other */
    REQUIRE(!waitid(P_PID, (id_t)pool->supervisor, &info, WEXITED | WNOWAIT));
    kill(dies, SIGKILL);
    CHECK_EQ(ended(dies), -SIGKILL);
    struct wsched_future f = kit_submit(pool, "nothing", NULL, 0);
    gate_arrival();
    gate_open();
    CHECK_EQ(kit_wait(pool, f), 0);
    while (seats_taken(pool) != 1)
        sched_yield();
    kill(lives, SIGKILL);
    CHECK_EQ(ended(lives), -SIGKILL);
    while (seats_taken(pool))
        sched_yield();
    CHECK_EQ(wsched_verify(pool, NULL), 0);
    wsched_close(pool);
    gate_free();
    close(parked[0]);
    close(parked[1]);
}

/* A stopped guest holds up nobody. */
static void stopped_guest(void)
{
    struct wsched *pool = open_named(2, 0, "stopped");
    int ready[2];
    char byte;

    REQUIRE(!pipe(ready));
    pid_t pid = fork();
    if (pid == 0) {
        struct wsched *guest = child_join(0);
        for (int i = 0; i < 20; i++)
            (void)child_submit(guest, "nothing", NULL, 0);
        CHILD_CHECK(write(ready[1], "x", 1) == 1);
        for (;;)
            pause();
    }
    REQUIRE(read(ready[0], &byte, 1) == 1);
    kill(pid, SIGSTOP);
    load(pool, 1);
    kill(pid, SIGKILL); /* while it is stopped */
    CHECK_EQ(ended(pid), -SIGKILL);
    await_nobody(pool);
    wsched_close(pool);
    close(ready[0]);
    close(ready[1]);
}

TESTS("wsched: guests", { "a client joins by name and by pid", by_name_and_pid },
      { "clients of several processes and threads at once", many_clients },
      { "errors of joining", errors }, { "a child of a guest is kept out", child_of_a_guest },
      { "futures go with their owner, or are adopted, or detached", owners },
      { "what a dead client had running is asked to stop", running_is_asked_to_stop },
      { "a closing pool lets its guests go", closing },
      { "a guest of a killed driver is told", driver_is_killed },
      { "a guest of a pool that is killed as a whole is told", all_are_killed },
      { "guests outlive the supervisor", supervisor_is_replaced },
      { "a stopped guest holds up nobody", stopped_guest })
