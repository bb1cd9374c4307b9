/* SPDX-License-Identifier: MIT */
/*
 * Workers with a limit on their memory: who takes more is killed with the cause, what is shared or
 * inherited is not counted, nobody else is harmed, and nothing ticks when nobody works.
 */
#include "kit.h"
#include "point.h"
#include "pool.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>

#define MIB ((size_t)1 << 20)
#define LIMIT (64 * MIB)

/* Bytes that the kernel writes: a sanitizer keeps no books on them. */
static void touch(void *memory, size_t size)
{
    int fd = open("/dev/zero", O_RDONLY);
    size_t done = 0;

    while (done < size) {
        long n = syscall(SYS_read, fd, (char *)memory + done, size - done);
        REQUIRE(n > 0);
        done += (size_t)n;
    }
    close(fd);
}

static void *map(size_t size, int how)
{
    void *m = mmap(NULL, size, PROT_READ | PROT_WRITE, how | MAP_ANONYMOUS, -1, 0);

    REQUIRE(m != MAP_FAILED);
    return m;
}

/* Up to attempt `payload` it takes twice the limit, and then uses the CPU until it is killed. */
static int hog(struct wsched_task *task, void *ctx)
{
    long attempt = wsched_task_attempt(task);

    (void)ctx;
    if (attempt <= *(const long *)wsched_task_payload(task, NULL)) {
        touch(map(2 * LIMIT, MAP_PRIVATE), 2 * LIMIT);
        while (!wsched_task_cancelled(task))
            ;
    }
    return wsched_task_result(task, &attempt, sizeof attempt);
}

/* Four times its limit, but shared; then CPU time, so that it is looked at. */
static int shares(struct wsched_task *task, void *ctx)
{
    int64_t until = clock_ns(CLOCK_PROCESS_CPUTIME_ID) + 50 * NS_PER_MS;
    long attempt = wsched_task_attempt(task);
    void *m = map(4 * LIMIT, MAP_SHARED);

    (void)ctx;
    touch(m, 4 * LIMIT);
    while (clock_ns(CLOCK_PROCESS_CPUTIME_ID) < until)
        ;
    munmap(m, 4 * LIMIT);
    return wsched_task_result(task, &attempt, sizeof attempt);
}

static int stays(struct wsched_task *task, void *ctx)
{
    long attempt = wsched_task_attempt(task);
    pid_t pid = getpid();
    char byte;

    (void)ctx;
    if (write(gate.arrived[1], &pid, sizeof pid) != sizeof pid ||
        read(gate.opened[0], &byte, 1) != 1)
        return -EIO;
    return wsched_task_result(task, &attempt, sizeof attempt);
}

static const struct wsched_kernel kernels[] = {
    { "hog", hog, NULL },
    { "shares", shares, NULL },
    { "stays", stays, NULL },
};

static struct wsched *open_pool(uint32_t workers)
{
    struct wsched_options o = WSCHED_OPTIONS_INIT;

    o.workers = workers;
    o.task_capacity = 100;
    o.worker_memory_max = LIMIT;
    return kit_open_with(&o, kernels, sizeof kernels / sizeof *kernels);
}

static struct wsched_future submit(struct wsched *pool, const char *kernel, long attempts,
                                   int32_t max_retries)
{
    return kit_submit_retried(pool, kernel, &attempts, sizeof attempts, max_retries);
}

static void the_cause_is_told(void)
{
    struct wsched_failure why;
    struct wsched_death death;
    uint64_t cursor = 0;

    gate_make();
    struct wsched *pool = open_pool(2);
    struct wsched_future other = submit(pool, "stays", 0, -1);
    pid_t pid = gate_arrival();
    struct wsched_future f = submit(pool, "hog", 9, 1);
    CHECK_EQ(kit_wait(pool, f), -ENOMEM);
    REQUIRE_OK(wsched_failure(pool, f, &why));
    CHECK_EQ(why.error, -ENOMEM);
    CHECK_EQ(why.signal, SIGKILL);
    CHECK_EQ(why.attempts, 2);
    CU_ASSERT_STRING_EQUAL(
        why.text,
        "killed at over 64 MiB of memory while running hog, attempt 2 of 2");
    for (int i = 0; i < 2; i++) {
        REQUIRE(wsched_next_death(pool, &cursor, &death) == 1);
        CU_ASSERT_STRING_EQUAL(death.kernel, "hog");
        CHECK_EQ(death.signal, SIGKILL);
        CHECK(death.memory > LIMIT);
        CHECK(death.pid != pid);
    }
    struct wsched_future after = { 0 };
    struct wsched_spec s = kit_spec("stays", NULL, 0);
    s.after = &f;
    s.after_count = 1;
    REQUIRE_OK(wsched_submit(pool, &s, &after));
    CHECK_EQ(kit_wait(pool, after), -ENOMEM);
    REQUIRE_OK(wsched_failure(pool, after, &why));
    CHECK(strstr(why.text, "a task it depends on: killed at over 64 MiB") != NULL);
    gate_open();
    CHECK_EQ(kit_long(pool, other), 1); /* its worker lived on */
    CHECK_EQ(wsched_verify(pool, NULL), 0);
    wsched_close(pool);
    gate_free();
}

static void it_runs_again(void)
{
    struct wsched *pool = open_pool(1);

    CHECK_EQ(kit_long(pool, submit(pool, "hog", 2, 5)), 3);
    wsched_close(pool);
}

/* Also what the driver holds itself. */
static void shared_is_not_counted(void)
{
    void *mine = map(2 * LIMIT, MAP_PRIVATE);

    touch(mine, 2 * LIMIT);
    struct wsched *pool = open_pool(1);
    CHECK_EQ(kit_long(pool, submit(pool, "shares", 0, 0)), 1);
    CHECK_EQ(kit_long(pool, submit(pool, "hog", 1, 3)), 2); /* and the limit holds all the same */
    wsched_close(pool);
    munmap(mine, 2 * LIMIT);
}

static void an_actor_is_killed(void)
{
    const struct wsched_actor_spec spec = { .name = "hoard", .max_restarts = 1 };
    struct wsched *pool = open_pool(1);
    struct wsched_actor actor;
    struct wsched_failure why;
    struct wsched_actor_info info;
    long attempts = 9;

    REQUIRE_OK(wsched_actor_new(pool, &spec, &actor));
    struct wsched_spec s = kit_spec("hog", &attempts, sizeof attempts);
    for (int i = 0; i < 2; i++) { /* a restart, then the end */
        struct wsched_future f = { 0 };
        REQUIRE_OK(wsched_actor_call(pool, actor, &s, &f));
        CHECK_EQ(kit_wait(pool, f), -ENOMEM);
        REQUIRE_OK(wsched_failure(pool, f, &why));
        CHECK(strstr(why.text, "actor hoard: killed at over 64 MiB") != NULL);
        wsched_release(pool, f);
    }
    do
        REQUIRE_OK(wsched_actor_info(pool, actor, &info));
    while (info.state != WSCHED_ACTOR_ENDED && !sched_yield());
    CHECK(strstr(info.cause, "killed at over 64 MiB") != NULL);
    wsched_close(pool);
}

/* ---- the supervisor dies ------------------------------------------------------------------- */

static struct au32 *supervisors_killed;
static const char *kill_point;
static pid_t driver;

static void kill_supervisor(const char *name)
{
    if (getppid() == driver && !strcmp(name, kill_point) &&
        !au32_add_acq_rel(supervisors_killed, 1))
        kill(getpid(), SIGKILL);
}

static void supervisor_killed_at(const char *point)
{
    struct wsched_failure why;

    driver = getpid();
    kill_point = point;
    supervisors_killed = map(4096, MAP_SHARED);
    test_point = kill_supervisor;
    struct wsched *pool = open_pool(1);
    struct wsched_future f = submit(pool, "hog", 9, -1);
    int err = kit_wait(pool, f);
    CHECK_EQ(err, -ENOMEM);
    REQUIRE_OK(wsched_failure(pool, f, &why));
    CHECK(strstr(why.text, "over 64 MiB") != NULL);
    CHECK(au32_load_acquire(supervisors_killed) >= 1);
    CHECK_EQ(kit_long(pool, submit(pool, "hog", 0, 0)), 1);
    wsched_close(pool);
    test_point = NULL;
    munmap(supervisors_killed, 4096);
}

static void the_supervisor_dies_meanwhile(void)
{
    supervisor_killed_at("memory: over the limit, not killed");
    supervisor_killed_at("memory: killed, not reaped");
}

/* ---- idle ---------------------------------------------------------------------------------- */

/* How often its first thread went to sleep by itself. */
static long sleeps_of(pid_t pid)
{
    char path[64], line[256];
    long n = -1;

    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "r");
    REQUIRE(f != NULL);
    while (fgets(line, sizeof line, f))
        sscanf(line, "voluntary_ctxt_switches: %ld", &n);
    fclose(f);
    REQUIRE(n >= 0);
    return n;
}

static void idle_does_not_tick(void)
{
    struct wsched *pool = open_pool(1);

    CHECK_EQ(kit_long(pool, submit(pool, "hog", 0, 0)), 1);
    while (!au32_load_acquire(&pool->seats[0].park.word))
        sched_yield();
    long before = sleeps_of(pool->supervisor), now;
    /* Until it has slept on for a while: what goes on for ever runs into the time limit. */
    while (nanosleep(&(struct timespec){ 0, 200 * NS_PER_MS }, NULL),
           (now = sleeps_of(pool->supervisor)) != before)
        before = now;
    wsched_close(pool);
}

static void bad_limits(void)
{
    struct wsched_options o = WSCHED_OPTIONS_INIT;
    struct wsched *pool = NULL;

    o.worker_memory_max = MIB - 1;
    CHECK_EQ(wsched_open(&o, kernels, sizeof kernels / sizeof *kernels, &pool), -EINVAL);
    CHECK(!pool);
}

TESTS("wsched: a limit on memory", { "the cause is told, others are not harmed", the_cause_is_told },
      { "it runs again", it_runs_again },
      { "shared and inherited memory is not counted", shared_is_not_counted },
      { "an actor is killed", an_actor_is_killed },
      { "the supervisor dies meanwhile", the_supervisor_dies_meanwhile },
      { "an idle pool does not tick", idle_does_not_tick }, { "bad limits", bad_limits })
