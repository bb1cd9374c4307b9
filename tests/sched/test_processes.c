/* SPDX-License-Identifier: MIT */
/* What becomes of a pool when its processes are killed, stopped, interrupted or left alone. */
#define _GNU_SOURCE /* SCHED_BATCH */
#include "identity.h"
#include "kit.h"
#include "mapping.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

static void await_state(pid_t pid, char wanted, bool is_wanted)
{
    uint64_t start;
    char state = 0;

    while (!proc_stat(pid, &start, &state) && (state == wanted) != is_wanted)
        sched_yield();
}

static void await_parked(struct wsched *p)
{
    for (uint32_t i = 0; i < p->workers; i++)
        while (au32_load_acquire(&p->seats[i].park.word) != PARKED)
            sched_yield();
}

/* ---- policy -------------------------------------------------------------------------------- */

static int be_idle(struct wsched_task *task, void *ctx)
{
    (void)task;
    (void)ctx;
    return sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){ 0 }) ? -errno : 0;
}

static int short_task(struct wsched_task *task, void *ctx)
{
    (void)task;
    (void)ctx;
    return 0;
}

/* One worker has them all, and sleeps after the last. */
static void many_short_tasks(struct wsched *pool)
{
    enum { MANY = 2000 };
    static struct wsched_future f[MANY];
    static struct wsched_spec specs[MANY];

    for (size_t i = 0; i < MANY; i++)
        specs[i].kernel = "short";
    REQUIRE(wsched_submit_many(pool, specs, MANY, f) == MANY);
    REQUIRE(wsched_wait(pool, f, MANY, MANY, -1, NULL) == MANY);
    wsched_release_many(pool, f, MANY);
    await_parked(pool);
}

static void policy_of_workers(void)
{
    const struct wsched_kernel kernels[] = { { "short", short_task, NULL },
                                             { "idle", be_idle, NULL } };
    struct wsched_options o = WSCHED_OPTIONS_INIT;

    o.workers = 1;
    struct wsched *pool = kit_open_with(&o, kernels, 2);
    const pid_t worker = kit_worker_pid(pool, 0);
    await_parked(pool);
    CHECK_EQ(sched_getscheduler(worker), SCHED_OTHER);
    bool was_patient = false; /* it may sleep whenever we are put aside */
    for (int i = 0; i < 100 && !was_patient; i++) {
        many_short_tasks(pool);
        was_patient = sched_getscheduler(worker) == SCHED_BATCH;
    }
    CHECK(was_patient);
    CHECK_EQ(kit_wait(pool, kit_submit(pool, "short", NULL, 0)), 0);
    await_parked(pool);
    CHECK_EQ(sched_getscheduler(worker), SCHED_OTHER); /* one task is no flow */
    CHECK_EQ(kit_wait(pool, kit_submit(pool, "idle", NULL, 0)), 0);
    many_short_tasks(pool);
    CHECK_EQ(sched_getscheduler(worker), SCHED_IDLE);
    kit_close(pool);
}

/* ---- the driver ---------------------------------------------------------------------------- */

static int ready[2], alive[2];

static void *open_and_wait(void *arg)
{
    struct wsched *pool = kit_open(2, 0);
    struct wsched_future f = kit_submit(pool, "wait", NULL, 0);

    (void)arg;
    CHILD_CHECK(write(ready[1], "x", 1) == 1);
    (void)!wsched_wait(pool, &f, 1, 1, -1, NULL);
    return NULL;
}

static void kill_driver(bool in_thread, bool stop_supervisor)
{
    char byte;

    gate_make();
    REQUIRE(!pipe(ready) && !pipe(alive));
    pid_t driver = fork();
    if (driver == 0) {
        pthread_t t;
        close(alive[0]); /* the supervisor and the workers inherit the other end */
        if (in_thread)
            CHILD_CHECK(!pthread_create(&t, NULL, open_and_wait, NULL) && !pthread_join(t, NULL));
        else
            open_and_wait(NULL);
        _exit(0);
    }
    close(alive[1]);
    REQUIRE(read(ready[0], &byte, 1) == 1);
    pid_t worker = gate_arrival();
    if (stop_supervisor) { /* it cannot help then: the kernel must */
        char path[64], text[256] = "";
        snprintf(path, sizeof path, "/proc/%d/stat", (int)worker);
        FILE *f = fopen(path, "r");
        REQUIRE(f && fgets(text, sizeof text, f));
        fclose(f);
        pid_t supervisor = (pid_t)strtol(strrchr(text, ')') + 4, NULL, 10);
        kill(supervisor, SIGSTOP);
    }
    kill(driver, SIGKILL);
    CHECK_EQ(read(alive[0], &byte, 1), 0); /* the end of file: all are gone */
    waitpid(driver, NULL, 0);
    close(alive[0]);
    close(ready[0]);
    close(ready[1]);
    gate_free();
}

static void driver_killed(void)
{
    kill_driver(false, false);
}

static void driver_killed_that_opened_in_a_thread(void)
{
    kill_driver(true, false);
}

static void driver_killed_supervisor_stopped(void)
{
    kill_driver(false, true);
}

static void nothing_on_interrupt(int signal)
{
    (void)signal;
}

static void interrupted(void)
{
    int status = -1;

    gate_make();
    pid_t driver = fork();
    if (driver == 0) {
        setpgid(0, 0);
        signal(SIGINT, nothing_on_interrupt);
        signal(SIGTERM, nothing_on_interrupt); /* must not act in workers */
        struct wsched *pool = kit_open(2, 0);
        struct wsched_future f = kit_submit(pool, "wait", NULL, 0);
        struct wsched_stats stats;
        gate_arrival();
        kill(0, SIGINT); /* as a terminal does on Ctrl-C: to the whole group */
        gate_open();
        CHILD_CHECK(kit_long(pool, f) == 1);
        CHILD_CHECK(!wsched_stats(pool, &stats) && stats.worker_deaths == 0);
        kill(kit_worker_pid(pool, 0), SIGTERM);
        do
            CHILD_CHECK(!wsched_stats(pool, &stats));
        while (stats.worker_deaths == 0 && !sched_yield());
        wsched_close(pool);
        _exit(0);
    }
    waitpid(driver, &status, 0);
    CHECK_EQ(status, 0);
    gate_free();
}

/* ---- the supervisor ------------------------------------------------------------------------- */

static void *kill_supervisor_at_arrival(void *arg)
{
    struct wsched *p = arg;

    gate_arrival();
    /* p->supervisor is the driver's, who starts another. */
    kill((pid_t)(au32_load_acquire(&p->header->supervisor) & FUTEX_TID_MASK), SIGKILL);
    gate_arrival(); /* the next attempt */
    gate_open();
    return NULL;
}

static void supervisor_killed(void)
{
    pthread_t t;
    uint64_t cursor = 0;
    struct wsched_death death;

    gate_make();
    struct wsched *pool = kit_open(2, 0);
    struct wsched_future f = kit_submit(pool, "wait", NULL, 0);
    struct wsched_future after = kit_submit_after(pool, "add", NULL, 0, &f, 1);
    REQUIRE(!pthread_create(&t, NULL, kill_supervisor_at_arrival, pool));
    CHECK_EQ(kit_long(pool, f), 2); /* the sleeping wait starts the next supervisor */
    CHECK_EQ(kit_long(pool, after), 0);
    pthread_join(t, NULL);
    CHECK_EQ(wsched_next_death(pool, &cursor, &death), 1);
    CHECK_EQ(death.signal, SIGKILL);
    for (int i = 0; i < 20; i++) { /* and again, while nothing runs */
        kill(pool->supervisor, SIGKILL);
        CHECK_EQ(kit_long(pool, kit_submit(pool, "add", NULL, 0)), 0);
    }
    REQUIRE_OK(wsched_verify(pool, NULL));
    wsched_close(pool);
    gate_free();
}

static void supervisor_killed_no_retries(void)
{
    struct wsched_failure failure;
    struct wsched_future f;

    gate_make();
    struct wsched *pool = kit_open(1, 0);
    struct wsched_spec s = kit_spec("wait", NULL, 0);
    s.max_retries = -1;
    REQUIRE_OK(wsched_submit(pool, &s, &f));
    gate_arrival();
    kill(pool->supervisor, SIGKILL);
    CHECK_EQ(kit_wait(pool, f), -EOWNERDEAD);
    REQUIRE_OK(wsched_failure(pool, f, &failure));
    CU_ASSERT_STRING_EQUAL(failure.text,
                           "killed by signal 9 (Killed) while running wait, attempt 1 of 1");
    wsched_close(pool);
    gate_free();
}

/* ---- workers --------------------------------------------------------------------------------- */

static void idle_workers_killed(void)
{
    struct wsched_stats stats;
    pid_t killed[2] = { 0, 0 };

    gate_make();
    struct wsched *pool = kit_open(2, 0);
    for (uint64_t deaths = 1; deaths <= 20; deaths++) {
        uint32_t seat = (uint32_t)deaths % 2;
        pid_t pid;
        await_parked(pool);
        while ((pid = kit_worker_pid(pool, seat)) == killed[seat]) /* not replaced yet */
            sched_yield();
        kill(pid, SIGKILL);
        killed[seat] = pid;
        do
            REQUIRE_OK(wsched_stats(pool, &stats));
        while (stats.worker_deaths < deaths && !sched_yield());
    }
    struct wsched_future f[] = { kit_submit(pool, "wait", NULL, 0),
                                 kit_submit(pool, "wait", NULL, 0) };
    pid_t first = gate_arrival();
    CHECK(gate_arrival() != first); /* two workers are there */
    gate_open();
    CHECK_EQ(kit_long(pool, f[0]), 1); /* queued tasks are not blamed */
    CHECK_EQ(kit_long(pool, f[1]), 1);
    wsched_close(pool);
    gate_free();
}

static void stopped_while_running(void)
{
    enum { N = 1000 };
    static struct wsched_future f[N];

    gate_make();
    struct wsched *pool = kit_open(2, 0);
    struct wsched_future held = kit_submit(pool, "wait", NULL, 0);
    pid_t worker = gate_arrival();
    kill(worker, SIGSTOP);
    await_state(worker, 'T', true);
    for (int i = 0; i < N; i++)
        f[i] = kit_submit(pool, "add", NULL, 0);
    CHECK_EQ(wsched_wait(pool, f, N, N, -1, NULL), N);
    kill(worker, SIGCONT);
    gate_open();
    CHECK_EQ(kit_long(pool, held), 1);
    wsched_close(pool);
    gate_free();
}

static void stopped_while_idle(void)
{
    struct wsched *pool = kit_open(2, 0);

    for (uint32_t i = 0; i < 40; i++) {
        pid_t worker = kit_worker_pid(pool, i / 2 % 2);
        if (i % 3)
            await_parked(pool); /* else it may be stopped while it searches */
        kill(worker, SIGSTOP);
        await_state(worker, 'T', true);
        CHECK_EQ(kit_long(pool, kit_submit(pool, "add", NULL, 0)), 0);
        kill(worker, SIGCONT);
        await_state(worker, 'T', false);
        CHECK_EQ(kit_long(pool, kit_submit(pool, "add", NULL, 0)), 0);
    }
    wsched_close(pool);
}

static int fail_to_start(void *ctx)
{
    au32_add_acq_rel(ctx, 1);
    return -EIO;
}

static void workers_that_do_not_start(void)
{
    struct au32 *starts = kit_share(sizeof *starts);
    struct wsched_options o = WSCHED_OPTIONS_INIT;
    struct wsched *pool;

    o.workers = 2;
    o.worker_start = fail_to_start;
    o.worker_ctx = starts;
    REQUIRE_OK(wsched_open(&o, kit_kernels, kit_kernel_count, &pool));
    struct wsched_spec s = kit_spec("add", NULL, 0);
    struct wsched_future f;
    int err = wsched_submit(pool, &s, &f); /* may come before or after it is known */
    if (!err)
        err = wsched_wait(pool, &f, 1, 1, -1, NULL);
    CHECK_EQ(err, -ESHUTDOWN);
    CHECK_EQ(wsched_submit(pool, &s, &f), -ESHUTDOWN);
    CHECK(au32_load_acquire(starts) >= 16);
    wsched_close(pool);
    munmap(starts, sizeof *starts);
}

static int note_start(void *ctx)
{
    au32_add_acq_rel(ctx, 1);
    return 0;
}

static void note_stop(void *ctx)
{
    au32_add_acq_rel((struct au32 *)ctx + 1, 1);
}

static void start_and_stop_are_called(void)
{
    struct au32 *calls = kit_share(2 * sizeof *calls);
    struct wsched_options o = WSCHED_OPTIONS_INIT;
    struct wsched *pool;

    o.workers = 3;
    o.worker_start = note_start;
    o.worker_stop = note_stop;
    o.worker_ctx = calls;
    REQUIRE_OK(wsched_open(&o, kit_kernels, kit_kernel_count, &pool));
    while (au32_load_acquire(&calls[0]) < 3)
        sched_yield();
    wsched_close(pool);
    CHECK_EQ(au32_load_acquire(&calls[0]), 3);
    CHECK_EQ(au32_load_acquire(&calls[1]), 3);
    munmap(calls, 2 * sizeof *calls);
}

static void closed_while_a_kernel_hangs(void)
{
    gate_make();
    struct wsched *pool = kit_open(1, 0);

    kit_submit(pool, "wait", NULL, 0);
    gate_arrival();
    wsched_close(pool); /* kills it after a second */
    CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
    gate_free();
}

/* ---- nothing for nothing --------------------------------------------------------------------- */

static uint64_t switches(pid_t pid)
{
    char path[64], line[256];
    unsigned long long n = 0, v;

    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "r");
    REQUIRE(f != NULL);
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "voluntary_ctxt_switches: %llu", &v) == 1 ||
            sscanf(line, "nonvoluntary_ctxt_switches: %llu", &v) == 1)
            n += v;
    fclose(f);
    return n;
}

/* A process that never comes to run is not switched away from either. */
static void idle_pool_sleeps(void)
{
    struct wsched *pool = kit_open(2, 0);
    pid_t pids[3];
    uint64_t before[3];

    CHECK_EQ(kit_long(pool, kit_submit(pool, "add", NULL, 0)), 0);
    await_parked(pool);
    kit_await_lookout(pool); /* the last to come up */
    for (uint32_t i = 0; i < 3; i++)
        pids[i] = i < 2 ? kit_worker_pid(pool, i) : pool->supervisor;
    for (uint32_t i = 0; i < 3; i++)
        await_state(pids[i], 'S', true);
    for (uint32_t i = 0; i < 3; i++)
        before[i] = switches(pids[i]);
    nanosleep(&(struct timespec){ 0, 300 * NS_PER_MS }, NULL); /* the time it is watched */
    for (uint32_t i = 0; i < 3; i++)
        CHECK_EQ(switches(pids[i]), before[i]);
    wsched_close(pool);
}

static int entries(const char *path)
{
    DIR *d = opendir(path);
    int n = 0;

    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n;
}

/* A file that has a name would be left behind by a death; others may be busy in /dev/shm, too. */
static bool maps_a_named_file_of(const char *folder)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[4096];
    bool found = false;

    REQUIRE(maps != NULL);
    while (fgets(line, sizeof line, maps))
        found |= strstr(line, folder) && !strstr(line, "(deleted)");
    fclose(maps);
    return found;
}

static void leaves_nothing_behind(void)
{
    int fds = entries("/proc/self/fd");

    for (int i = 0; i < 20; i++) {
        struct wsched *pool = kit_open(2, 0);
        CHECK_EQ(kit_long(pool, kit_submit(pool, "add", NULL, 0)), 0);
        CHECK(!maps_a_named_file_of("/dev/shm/"));
        if (i % 2)
            kill(pool->supervisor, SIGKILL);
        wsched_close(pool);
        CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
    }
    CHECK_EQ(entries("/proc/self/fd"), fds);
}

/* ---- threads --------------------------------------------------------------------------------- */

static void *submit_and_wait(void *arg)
{
    struct wsched *pool = arg;
    intptr_t wrong = 0;

    for (long i = 0; i < 1000; i++) {
        struct wsched_spec s = kit_spec("add", &i, sizeof i);
        struct wsched_future f[2];
        long v[2] = { -1, -1 };
        wrong += wsched_submit(pool, &s, &f[0]) != 0;
        s.after = f;
        s.after_count = 1;
        wrong += wsched_submit(pool, &s, &f[1]) != 0;
        wrong += wsched_wait(pool, f, 2, 2, -1, NULL) != 2;
        for (int k = 0; k < 2; k++) {
            wrong += wsched_result(pool, f[k], &v[k], sizeof v[k], NULL) || v[k] != i;
            wsched_release(pool, f[k]);
        }
    }
    return (void *)wrong;
}

static void threads_share_a_handle(void)
{
    enum { N = 20 }; /* more than there are park words */
    struct wsched *pool = kit_open(2, 300);
    pthread_t t[N];
    struct wsched_stats stats;

    for (int i = 0; i < N; i++)
        REQUIRE(!pthread_create(&t[i], NULL, submit_and_wait, pool));
    for (int i = 0; i < N; i++) {
        void *wrong;
        pthread_join(t[i], &wrong);
        CHECK_EQ((intptr_t)wrong, 0);
    }
    REQUIRE_OK(wsched_stats(pool, &stats));
    CHECK_EQ(stats.submitted, 2 * N * 1000);
    CHECK_EQ(stats.finished, 2 * N * 1000);
    REQUIRE_OK(wsched_verify(pool, NULL));
    wsched_close(pool);
}

/* What is in a seat is damaged and names a process that is none of the pool's: nobody kills it. */
static void a_stranger_in_a_seat(void)
{
    struct wsched *pool = kit_open(1, 0);
    pid_t stranger = fork();
    uint64_t start = 0;
    char state;

    if (stranger == 0)
        execlp("sleep", "sleep", "1000", NULL);
    REQUIRE(stranger > 0);
    do { /* until it is another program */
        REQUIRE(!proc_stat(stranger, &start, &state));
        sched_yield();
    } while (!mapping_is_foreign(pool, stranger));
    const pid_t worker = kit_worker_pid(pool, 0);
    CHECK(!mapping_is_foreign(pool, worker));
    au64_store_release(&pool->seats[0].identity, identity_make(1, start, stranger));
    kill(pool->supervisor, SIGKILL);
    CHECK_EQ(kit_long(pool, kit_submit(pool, "add", NULL, 0)), 0);
    CHECK_EQ(waitpid(stranger, NULL, WNOHANG), 0); /* it lives */
    kill(stranger, SIGKILL);
    CHECK_EQ(waitpid(stranger, NULL, 0), stranger);
    CHECK(mapping_is_foreign(pool, getppid()));
    kit_close(pool);
}

/* A pool of its own, used and closed, in a worker that has siblings; ctx: "wait". */
static int opens_a_pool(struct wsched_task *task, void *ctx)
{
    const struct wsched_kernel *wait = ctx;
    struct wsched_options o = WSCHED_OPTIONS_INIT;
    struct wsched_spec s = kit_spec("add", NULL, 0);
    struct wsched_future f;
    struct wsched *inner;

    wait->fn(task, NULL); /* until all workers are here */
    o.workers = 1;
    int err = wsched_open(&o, kit_kernels, kit_kernel_count, &inner);
    if (err)
        return err;
    err = wsched_submit(inner, &s, &f);
    if (!err)
        err = kit_wait(inner, f);
    wsched_close(inner);
    return err;
}

static void pools_in_workers(void)
{
    enum { N = 3 };
    struct wsched_kernel kernels[] = { { "opens", opens_a_pool, NULL } };
    struct wsched_options o = WSCHED_OPTIONS_INIT;
    struct wsched_future f[N];
    struct wsched_stats stats;

    for (size_t i = 0; i < kit_kernel_count; i++)
        if (!strcmp(kit_kernels[i].name, "wait"))
            kernels[0].ctx = (void *)(uintptr_t)&kit_kernels[i];
    gate_make();
    o.workers = N;
    struct wsched *pool = kit_open_with(&o, kernels, 1);
    for (int i = 0; i < N; i++)
        f[i] = kit_submit(pool, "opens", NULL, 0);
    for (int i = 0; i < N; i++)
        gate_arrival();
    gate_open();
    for (int i = 0; i < N; i++)
        CHECK_EQ(kit_wait(pool, f[i]), 0);
    REQUIRE_OK(wsched_stats(pool, &stats));
    CHECK_EQ(stats.worker_deaths, 0); /* who closes its own pool kills no worker of ours */
    kit_close(pool);
    gate_free();
}

TESTS("wsched: processes", { "a stranger in a damaged seat is not killed", a_stranger_in_a_seat },
      { "the driver is killed: all leave", driver_killed },
      { "the driver is killed that had opened in a thread", driver_killed_that_opened_in_a_thread },
      { "the driver is killed, the supervisor stopped: all leave",
        driver_killed_supervisor_stopped },
      { "Ctrl-C reaches the driver only", interrupted },
      { "the supervisor is killed: the pool goes on", supervisor_killed },
      { "the supervisor is killed, a task may not run again", supervisor_killed_no_retries },
      { "workers have pools of their own", pools_in_workers },
      { "idle workers are killed and replaced", idle_workers_killed },
      { "a worker is stopped with a task", stopped_while_running },
      { "idle workers are stopped", stopped_while_idle },
      { "no worker starts", workers_that_do_not_start },
      { "workers tell that they start and stop", start_and_stop_are_called },
      { "close while a kernel hangs", closed_while_a_kernel_hangs },
      { "an idle pool sleeps", idle_pool_sleeps },
      { "nothing is left behind", leaves_nothing_behind },
      { "a worker's policy is its kernels', or that of a flow", policy_of_workers },
      { "threads share a handle", threads_share_a_handle })
