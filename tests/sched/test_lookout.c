/* SPDX-License-Identifier: MIT */
/*
 * Deaths that are noticed early. The worker is traced, so that its parent is told nothing of its
 * death until we have seen to it: what happens before comes from lookout.c alone.
 */
#include "kit.h"
#include "lookout.h"
#include "point.h"
#include "pool.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

/* ---- kernels -------------------------------------------------------------------------------- */

static const struct wsched_kernel *at_the_gate(void)
{
    const struct wsched_kernel *k = kit_kernels;

    while (strcmp(k->name, "wait"))
        k++;
    return k;
}

static void *sleep_for_ever(void *arg)
{
    for (;;)
        pause();
    return arg;
}

static int with_threads(struct wsched_task *task, void *ctx)
{
    pthread_t t;

    for (int i = 0; i < 3; i++)
        if (pthread_create(&t, NULL, sleep_for_ever, NULL))
            return -EAGAIN;
    return at_the_gate()->fn(task, ctx);
}

/* The first attempt becomes another program, which tells that it is there and waits. */
static int becomes_another(struct wsched_task *task, void *ctx)
{
    char script[100];

    if (wsched_task_attempt(task) > 1)
        return at_the_gate()->fn(task, ctx);
    snprintf(script, sizeof script,
             "printf pid_ >/proc/self/fd/%d; head -c 1 </proc/self/fd/%d >/dev/null; kill -9 $$",
             gate.arrived[1], gate.opened[0]);
    execl("/bin/sh", "sh", "-c", script, NULL);
    return -errno;
}

static void *hold(void *arg)
{
    pid_t pid = getpid();
    char byte;

    if (write(gate.arrived[1], &pid, sizeof pid) == sizeof pid && read(gate.opened[0], &byte, 1) == 1)
        kill(pid, SIGKILL);
    return arg;
}

/* The first attempt's main thread ends, and another lives on. */
static int main_thread_ends(struct wsched_task *task, void *ctx)
{
    pthread_t t;

    if (wsched_task_attempt(task) > 1)
        return at_the_gate()->fn(task, ctx);
    if (pthread_create(&t, NULL, hold, NULL))
        return -EAGAIN;
    syscall(SYS_exit, 3);
    return 0;
}

static struct wsched_kernel kernels[] = {
    { "wait", NULL, NULL }, /* the kit's */
    { "with_threads", with_threads, NULL },
    { "becomes_another", becomes_another, NULL },
    { "main_thread_ends", main_thread_ends, NULL },
};

static struct wsched *open_pool(uint32_t workers)
{
    struct wsched_options o = WSCHED_OPTIONS_INIT;
    struct wsched *pool = NULL;

    kernels[0] = *at_the_gate();
    gate_make();
    o.workers = workers;
    o.task_capacity = 64;
    REQUIRE_OK(wsched_open(&o, kernels, sizeof kernels / sizeof *kernels, &pool));
    kit_await_lookout(pool);
    return pool;
}

static void close_pool(struct wsched *pool)
{
    REQUIRE_OK(wsched_verify(pool, NULL));
    wsched_close(pool);
    gate_free();
}

/* ---- early ---------------------------------------------------------------------------------- */

/* Killed while it runs `kernel`: the next attempt runs before anybody can have waited for it. */
static void runs_again_before(const char *kernel, int signal)
{
    struct wsched *pool = open_pool(2);
    struct wsched_future f = kit_submit(pool, kernel, NULL, 0);
    struct wsched_death death;
    uint64_t cursor = 0;
    int status = 0;
    pid_t pid = gate_arrival();

    if (ptrace(PTRACE_SEIZE, pid, NULL, NULL)) {
        printf("    no tracing here; skipped\n");
        gate_open();
        CHECK_EQ(kit_long(pool, f), 1);
        close_pool(pool);
        return;
    }
    REQUIRE(!kill(pid, SIGKILL));
    CHECK(gate_arrival() != pid);
    CHECK_EQ(waitpid(pid, &status, __WALL), pid); /* only now its parent hears of it */
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == signal);
    gate_open();
    CHECK_EQ(kit_long(pool, f), 2);
    CHECK_EQ(wsched_next_death(pool, &cursor, &death), 1);
    CHECK_EQ(death.signal, signal);
    CHECK_EQ(death.pid, pid);
    CHECK_EQ(wsched_next_death(pool, &cursor, &death), 0); /* one death is one */
    close_pool(pool);
}

static void one_thread(void)
{
    runs_again_before("wait", SIGKILL);
}

static void several_threads(void)
{
    runs_again_before("with_threads", SIGKILL);
}

static struct au32 *looks; /* of the supervisor at who is dying */

static void count_looks(const char *point)
{
    if (!strcmp(point, "supervisor: looks for the dying"))
        au32_add_acq_rel(looks, 1);
}

/* A thread of this process that is not its main thread. */
static pid_t another_thread(pid_t pid)
{
    char path[64];
    pid_t tid = 0;

    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *d = opendir(path);
    REQUIRE(d != NULL);
    for (const struct dirent *t; (t = readdir(d));)
        if (atoi(t->d_name) != pid && atoi(t->d_name))
            tid = atoi(t->d_name);
    closedir(d);
    return tid;
}

/* One of its threads gets no CPU for its end: a tracer holds it there. */
static void one_that_dies_slowly(void)
{
    looks = kit_share(sizeof *looks);
    test_point = count_looks;
    struct wsched *pool = open_pool(2);
    struct wsched_future f = kit_submit(pool, "with_threads", NULL, 0);
    pid_t pid = gate_arrival(), tid = another_thread(pid);
    int status = 0;

    REQUIRE(tid > 0);
    if (ptrace(PTRACE_SEIZE, pid, NULL, NULL)) {
        printf("    no tracing here; skipped\n");
    } else {
        REQUIRE(!ptrace(PTRACE_SEIZE, tid, NULL, PTRACE_O_TRACEEXIT));
        REQUIRE(!kill(pid, SIGKILL));
        CHECK_EQ(waitpid(tid, &status, __WALL), tid);
        CHECK_EQ(status >> 8, SIGTRAP | PTRACE_EVENT_EXIT << 8);
        while (au32_load_acquire(looks) < 40)
            sched_yield();
        REQUIRE(!ptrace(PTRACE_CONT, tid, NULL, NULL));
        CHECK(gate_arrival() != pid);
        CHECK_EQ(waitpid(tid, &status, __WALL), tid);
        CHECK_EQ(waitpid(pid, &status, __WALL), pid);
    }
    gate_open();
    CHECK(kit_long(pool, f) > 0);
    close_pool(pool);
    test_point = NULL;
    munmap(looks, sizeof *looks);
}

/* ---- not too early -------------------------------------------------------------------------- */

/* The bell rings, but the process lives: its task stays its own. */
static void lives_on(const char *kernel)
{
    struct wsched *pool = open_pool(2);
    struct wsched_future f = kit_submit(pool, kernel, NULL, 0);
    uint32_t index;
    uint64_t word = 0, before = 0;

    gate_arrival(); /* what rang the bell is over */
    REQUIRE(future_look(pool, f.v, &index, &before));
    /* Another worker dies, and its task runs again: by then the supervisor has looked around. */
    struct wsched_future other = kit_submit(pool, "wait", NULL, 0);
    pid_t pid = gate_arrival();
    REQUIRE(!kill(pid, SIGKILL));
    CHECK(gate_arrival() != pid);
    REQUIRE(future_look(pool, f.v, &index, &word));
    CHECK_EQ(word_state(word), TASK_RUNNING);
    CHECK_EQ(word_attempt(word), 1);
    CHECK_EQ(word_seat(word), word_seat(before));
    gate_open();
    CHECK_EQ(kit_long(pool, other), 2);
    CHECK_EQ(kit_long(pool, f), 2);
    close_pool(pool);
}

static void another_program(void)
{
    lives_on("becomes_another");
}

static void without_main_thread(void)
{
    lives_on("main_thread_ends");
}

/* ---- the lookout itself --------------------------------------------------------------------- */

/* A child of the supervisor that sits in no seat. */
static pid_t find_lookout(struct wsched *p)
{
    char path[64];
    int pid, found = 0;

    snprintf(path, sizeof path, "/proc/%d/task/%d/children", p->supervisor, p->supervisor);
    FILE *f = fopen(path, "r");
    while (f && fscanf(f, "%d", &pid) == 1) {
        bool is_worker = false;
        for (uint32_t i = 0; i < p->seat_count; i++)
            is_worker |= (int)(au64_load_acquire(&p->seats[i].identity) & 0x3fffff) == pid;
        found = is_worker ? found : pid;
    }
    if (f)
        fclose(f);
    return found;
}

static void killed_and_stopped(void)
{
    struct wsched *pool = open_pool(2);

    for (uint32_t i = 0; i < 2; i++)
        (void)kit_worker_pid(pool, i);
    kit_await_lookout(pool);
    for (int i = 0; i < 5; i++) {
        pid_t pid = find_lookout(pool);
        if (!pid) {
            printf("    no list of children here; skipped\n");
            break;
        }
        REQUIRE(!kill(pid, SIGKILL));
        while (find_lookout(pool) == pid)
            sched_yield();
        kit_await_lookout(pool);
    }
    pid_t stopped = find_lookout(pool);
    if (stopped)
        REQUIRE(!kill(stopped, SIGSTOP));
    struct wsched_future f = kit_submit(pool, "wait", NULL, 0);
    REQUIRE(!kill(gate_arrival(), SIGKILL));
    gate_arrival(); /* by SIGCHLD */
    gate_open();
    CHECK_EQ(kit_long(pool, f), 2);
    close_pool(pool); /* which does not wait for a stopped one */
}

TESTS("wsched: lookout", { "a task runs again before its worker is buried", one_thread },
      { "also one of a process of several threads", several_threads },
      { "also one of which a thread is slow to die", one_that_dies_slowly },
      { "not while the worker lives on as another program", another_program },
      { "not while another thread of it lives", without_main_thread },
      { "a lookout that is killed or stopped", killed_and_stopped })
