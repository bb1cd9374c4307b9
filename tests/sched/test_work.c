/* SPDX-License-Identifier: MIT */
/* Guests that work: threads and processes beside the crew, that come, leave, stop and die. */
#include "guests.h"

#include <pthread.h>

static struct wsched *child_join_to_work(void)
{
    struct wsched *guest = NULL;

    CHILD_CHECK(!wsched_join(name, kit_kernels, kit_kernel_count, NULL, &guest));
    return guest;
}

/* A child that works until the pool ends; returns when it sleeps. */
static pid_t child_works(struct wsched *pool)
{
    int ready[2];
    uint32_t seat = 0;

    REQUIRE(!pipe(ready));
    pid_t pid = fork();
    if (pid == 0) {
        struct wsched *guest = child_join_to_work();
        CHILD_CHECK(write(ready[1], &guest->seat, sizeof guest->seat) == sizeof guest->seat);
        int err = wsched_work(guest, -1);
        CHILD_CHECK(err == -ESHUTDOWN);
        wsched_close(guest);
        _exit(0);
    }
    REQUIRE(read(ready[0], &seat, sizeof seat) == sizeof seat);
    while (!au32_load_acquire(&park_of(pool, seat)->word))
        sched_yield();
    close(ready[0]);
    close(ready[1]);
    return pid;
}

static struct wsched_future block_crew(struct wsched *pool)
{
    struct wsched_future f = kit_submit(pool, "wait", NULL, 0);

    gate_arrival();
    return f;
}

struct working {
    struct wsched *guest;
    int err;
};

static void *work_thread(void *arg)
{
    struct working *w = arg;

    w->err = wsched_work(w->guest, -1);
    return NULL;
}

#define THREADS 3

/* The crew is busy: three threads with a handle each, and a process, do it all, and leave. */
static void threads_and_processes(void)
{
    gate_make();
    struct wsched *pool = open_named(1, 0, "threads");
    struct wsched_future blocked = block_crew(pool), f[200];
    struct working w[THREADS];
    pthread_t threads[THREADS];
    pid_t pid = child_works(pool);

    for (int i = 0; i < THREADS; i++) {
        REQUIRE_OK(wsched_join(name, kit_kernels, kit_kernel_count, NULL, &w[i].guest));
        REQUIRE(!pthread_create(&threads[i], NULL, work_thread, &w[i]));
    }
    for (long i = 0; i < 200; i++)
        f[i] = kit_submit(pool, "add_1000", &i, sizeof i);
    for (long i = 0; i < 200; i++)
        CHECK_EQ(kit_long(pool, f[i]), 1000 + i);
    int n = 12;
    CHECK_EQ(kit_long(pool, kit_submit(pool, "fib", &n, sizeof n)), kit_fib(n));
    n = 100;
    CHECK_EQ(kit_long(pool, kit_submit(pool, "chain", &n, sizeof n)), n);
    for (int level = -1; level <= 1; level++) {
        struct wsched_spec s = kit_spec("nothing", NULL, 0);
        s.priority = level;
        REQUIRE_OK(wsched_submit(pool, &s, &f[0]));
        CHECK_EQ(kit_wait(pool, f[0]), 0);
        wsched_release(pool, f[0]);
    }
    CHECK_EQ(wsched_verify(pool, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(wsched_leave(w[i].guest), 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        CHECK_EQ(w[i].err, 0);
        CHECK_EQ(wsched_work(w[i].guest, 0), -ETIMEDOUT); /* and once more */
        wsched_close(w[i].guest);
    }
    CHECK_EQ(seats_taken(pool), 1);
    gate_open();
    CHECK_EQ(kit_long(pool, blocked), 1);
    while (slots_in_use(pool)) /* who ended it has told us, and is about to say so */
        sched_yield();
    wsched_close(pool);
    CHECK_EQ(ended(pid), 0);
    gate_free();
}

/* ---- who is seen ---------------------------------------------------------------------------- */

struct seen {
    struct wsched_worker_info all[16];
    uint32_t count;
};

static int see(const struct wsched_worker_info *who, void *ctx)
{
    struct seen *s = ctx;

    if (s->count < 16)
        s->all[s->count++] = *who;
    return 0;
}

static int stop_at_driver(const struct wsched_worker_info *who, void *ctx)
{
    ++*(int *)ctx;
    return who->kind == WSCHED_KIND_DRIVER ? 77 : 0;
}

static struct seen look_around(struct wsched *pool)
{
    struct seen s = { .count = 0 };

    REQUIRE_OK(wsched_members(pool, see, &s));
    return s;
}

/* A crew of one that is held up, the driver, a client, a process and a thread that work, an actor. */
static void everybody_is_seen(void)
{
    static const struct {
        const char *name;
        uint32_t worker, kind;
    } want[] = { { "worker 0", 0, WSCHED_KIND_WORKER },  { "driver", UINT32_MAX, WSCHED_KIND_DRIVER },
                 { "guest 0", 1, WSCHED_KIND_PROCESS },  { "guest 1", 2, WSCHED_KIND_CLIENT },
                 { "guest 2", 3, WSCHED_KIND_THREAD },   { "actor clerk", 17, WSCHED_KIND_ACTOR },
                 { "actor 1", 18, WSCHED_KIND_ACTOR } };
    struct wsched_actor_spec named = { .name = "clerk" }, nameless = { .name = NULL };
    struct wsched_actor a, b;
    struct wsched_worker_info w;
    char text[WSCHED_WORKER_NAME_MAX + 1];
    int visits = 0;

    gate_make();
    struct wsched *pool = open_named(1, 0, "seen");
    struct wsched_future blocked = block_crew(pool);
    pid_t pid = child_works(pool);
    struct wsched *client = join(name);
    struct working t;
    pthread_t thread;
    REQUIRE_OK(wsched_join(name, kit_kernels, kit_kernel_count, NULL, &t.guest));
    REQUIRE(!pthread_create(&thread, NULL, work_thread, &t));
    REQUIRE_OK(wsched_actor_new(pool, &named, &a));
    REQUIRE_OK(wsched_actor_new(pool, &nameless, &b));
    struct wsched_future f[2] = { kit_submit(client, "wait", NULL, 0),
                                  kit_submit(client, "wait", NULL, 0) };
    gate_arrival();
    gate_arrival(); /* both guests are at it */
    struct seen s = look_around(pool);
    REQUIRE(s.count == 7);
    for (uint32_t i = 0; i < 7; i++) {
        CHECK_EQ(s.all[i].worker, want[i].worker);
        CHECK_EQ(s.all[i].kind, want[i].kind);
        CHECK(!strcmp(s.all[i].name, want[i].name));
    }
    const struct wsched_worker_info *driver = &s.all[1], *process = &s.all[2], *client_seen = &s.all[3],
                                    *threaded = &s.all[4];
    CHECK(driver->pid == getpid() && driver->tid == 0 && driver->state == WSCHED_WORKER_JOINED);
    CHECK(process->pid == pid && process->tid == pid);
    CHECK(client_seen->pid == getpid() && client_seen->state == WSCHED_WORKER_JOINED);
    CHECK(client_seen->submitted == 2 && client_seen->tid == 0);
    CHECK(threaded->pid == getpid() && threaded->tid > 0 && threaded->tid != getpid());
    CHECK(process->state == WSCHED_WORKER_RUNNING && threaded->state == WSCHED_WORKER_RUNNING);
    CHECK((process->task.v == f[0].v && threaded->task.v == f[1].v) ||
          (process->task.v == f[1].v && threaded->task.v == f[0].v));
    CHECK(!strcmp(process->kernel, "wait") && process->depth == 1 && process->started_ns > 0);
    REQUIRE_OK(wsched_worker_info(pool, 3, &w));
    CHECK(w.tid == threaded->tid && w.task.v == threaded->task.v);
    CHECK_EQ(wsched_worker_info(pool, 4, &w), -ENOENT); /* a seat that nobody has */
    CHECK_EQ(wsched_worker_name(pool, 4, text), 0);
    CHECK(!strcmp(text, "guest 3"));
    CHECK_EQ(wsched_worker_name(pool, 1 + 16 + 16, text), -ENOENT);
    CHECK_EQ(wsched_worker_name(pool, 0, NULL), -EINVAL);
    CHECK_EQ(wsched_members(pool, NULL, NULL), -EINVAL);
    CHECK_EQ(wsched_members(pool, stop_at_driver, &visits), 77);
    CHECK_EQ(visits, 2);
    gate_open();
    CHECK_EQ(kit_long(client, f[0]), 1);
    CHECK_EQ(kit_long(client, f[1]), 1);
    CHECK_EQ(kit_long(pool, blocked), 1);
    REQUIRE_OK(wsched_leave(t.guest));
    pthread_join(thread, NULL);
    REQUIRE_OK(wsched_worker_info(pool, 3, &w));
    CHECK(w.kind == WSCHED_KIND_CLIENT && w.tid == 0 && w.depth == 0);
    wsched_close(t.guest);
    wsched_close(client);
    CHECK_EQ(look_around(pool).count, 5);
    wsched_close(pool);
    CHECK_EQ(ended(pid), 0);
    gate_free();
}

/* ---- errors, and what one handle may do ---------------------------------------------------- */

static int works_inside(struct wsched_task *task, void *ctx)
{
    (void)ctx;
    return wsched_work(wsched_task_pool(task), 0);
}

static void errors(void)
{
    const struct wsched_kernel kernels[] = { { "inside", works_inside, NULL } };
    struct wsched_options o = WSCHED_OPTIONS_INIT;
    struct wsched *pool = NULL, *client = NULL, *worker = NULL, *look = NULL;

    snprintf(name, sizeof name, "test-work-errors-%d", (int)getpid());
    o.workers = 1;
    o.name = name;
    REQUIRE_OK(wsched_open(&o, kernels, 1, &pool));
    REQUIRE_OK(wsched_look(name, &look));
    REQUIRE_OK(wsched_join(name, NULL, 0, NULL, &client));
    CHECK_EQ(wsched_work(NULL, 0), -EINVAL);
    CHECK_EQ(wsched_work(look, 0), -EROFS);
    CHECK_EQ(wsched_work(pool, 0), -EINVAL);
    CHECK_EQ(wsched_work(client, 0), -EINVAL);
    CHECK_EQ(wsched_leave(pool), -EINVAL);
    CHECK_EQ(wsched_leave(look), -EROFS);
    REQUIRE_OK(wsched_join(name, kernels, 1, NULL, &worker));
    CHECK_EQ(wsched_work(worker, 0), -ETIMEDOUT);
    CHECK_EQ(wsched_leave(worker), 0); /* before it works: the next call returns */
    CHECK_EQ(wsched_work(worker, -1), 0);
    /* In a kernel: by the crew it is no guest's handle, by a guest it works already. */
    pid_t crew = kit_worker_pid(pool, 0);
    kill(pool->supervisor, SIGSTOP);
    kill(crew, SIGSTOP);
    struct wsched_future f = kit_submit(client, "inside", NULL, 0);
    CHECK_EQ(wsched_work(worker, 0), -ETIMEDOUT);
    CHECK_EQ(kit_wait(client, f), -EDEADLK);
    kill(crew, SIGCONT);
    kill(pool->supervisor, SIGCONT);
    wsched_release(client, f);
    wsched_close(worker);
    wsched_close(client);
    wsched_close(look);
    wsched_close(pool);
}

/* ---- ends ---------------------------------------------------------------------------------- */

/* What a guest was running when it died runs again, or fails with what is known of it. */
static void dying(void)
{
    struct wsched_failure why;
    int how[] = { SIGKILL, 1 };

    gate_make();
    struct wsched *pool = open_named(1, 0, "dying");
    struct wsched_future blocked = block_crew(pool);
    pid_t pids[] = { child_works(pool), child_works(pool) };
    struct wsched_future again = kit_submit(pool, "die", how, sizeof how);
    /* The first dies, the second takes it over. */
    CHECK_EQ(kit_long(pool, again), 2);
    struct wsched_spec s = kit_spec("die", how, sizeof how);
    struct wsched_future once;
    s.max_retries = -1;
    REQUIRE_OK(wsched_submit(pool, &s, &once));
    CHECK_EQ(kit_wait(pool, once), -EOWNERDEAD);
    REQUIRE_OK(wsched_failure(pool, once, &why));
    CU_ASSERT_STRING_EQUAL(why.text, "its worker died while running die, attempt 1 of 1");
    CHECK(why.pid == pids[0] || why.pid == pids[1]);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(ended(pids[i]), -SIGKILL);
    gate_open();
    CHECK_EQ(kit_long(pool, blocked), 1);
    wsched_release(pool, once);
    await_nobody(pool);
    struct wsched_stats stats;
    REQUIRE_OK(wsched_stats(pool, &stats));
    CHECK_EQ(stats.worker_deaths, 2);
    wsched_close(pool);
    gate_free();
}

/* A guest that is stopped while it sleeps is woken in vain: another must be, too. */
static void stopped_while_asleep(void)
{
    gate_make();
    struct wsched *pool = open_named(1, 0, "stopped");
    struct wsched_future blocked = block_crew(pool);
    pid_t pids[] = { child_works(pool), child_works(pool) };
    long v = 5;

    for (int i = 0; i < 2; i++) {
        kill(pids[i], SIGSTOP);
        CHECK_EQ(kit_long(pool, kit_submit(pool, "add", &v, sizeof v)), 5);
        kill(pids[i], SIGCONT);
    }
    gate_open();
    CHECK_EQ(kit_long(pool, blocked), 1);
    wsched_close(pool);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(ended(pids[i]), 0);
    gate_free();
}

static void driver_is_killed(void)
{
    int ready[2];
    char byte;

    REQUIRE(!pipe(ready));
    pid_t driver = fork();
    if (driver == 0) {
        struct wsched *pool = open_named(1, 0, "killed");
        CHILD_CHECK(pool && write(ready[1], "x", 1) == 1);
        for (;;)
            pause();
    }
    snprintf(name, sizeof name, "test-join-killed-%d", (int)driver);
    REQUIRE(read(ready[0], &byte, 1) == 1);
    struct wsched *look = NULL;
    REQUIRE_OK(wsched_look(name, &look));
    pid_t pid = child_works(look);
    kill(driver, SIGKILL);
    CHECK_EQ(ended(driver), -SIGKILL);
    CHECK_EQ(ended(pid), 0);
    wsched_close(look);
    while (wsched_remove(name) == -EBUSY)
        sched_yield();
    close(ready[0]);
    close(ready[1]);
}

TESTS("wsched: guests that work",
      { "threads and processes beside the crew", threads_and_processes }, { "everybody is seen, and what each is at", everybody_is_seen },
      { "errors", errors },
      { "what a dead guest ran runs again", dying },
      { "a guest stopped in its sleep holds up nobody", stopped_while_asleep },
      { "a working guest of a killed driver is told", driver_is_killed })
