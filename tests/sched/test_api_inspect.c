/* SPDX-License-Identifier: MIT */
/* What wsched_info(), wsched_worker_info() and wsched_tasks() tell of a pool at work. */
#include "kit.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

static struct wsched_future submit(struct wsched *pool, const char *kernel, const char *label,
                                   const struct wsched_future *after, uint32_t after_count)
{
    struct wsched_spec s = kit_spec(kernel, "12345678", 8);
    struct wsched_future f = { 0 };

    s.label = label;
    s.after = after;
    s.after_count = after_count;
    s.max_retries = 4;
    REQUIRE_OK(wsched_submit(pool, &s, &f));
    return f;
}

struct found {
    uint64_t future;
    struct wsched_task_info info;
    uint32_t count, matches;
};

static int find(const struct wsched_task_info *info, void *ctx)
{
    struct found *f = ctx;

    f->count++;
    if (info->task.v == f->future) {
        f->info = *info;
        f->matches++;
    }
    return 0;
}

static struct wsched_task_info task_of(struct wsched *pool, struct wsched_future future)
{
    struct found f = { .future = future.v };

    REQUIRE_OK(wsched_tasks(pool, find, &f));
    CHECK_EQ(f.matches, 1);
    return f.info;
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void await_state(struct wsched *pool, uint32_t worker, uint32_t state)
{
    struct wsched_worker_info w;

    do
        REQUIRE_OK(wsched_worker_info(pool, worker, &w));
    while (w.state != state);
}

/* Two workers: one runs, then is stopped; a task of every state. */
static void tells_what_is_there(void)
{
    gate_make();
    uint64_t before = now_ns();
    struct wsched *pool = kit_open(1, 100);
    struct wsched_future done = submit(pool, "add", "the sum", NULL, 0);
    struct wsched_future failed = kit_submit(pool, "fail", &(int){ -EDOM }, sizeof(int));
    CHECK_EQ(kit_wait(pool, done), 0);
    CHECK_EQ(kit_wait(pool, failed), -EDOM);
    struct wsched_future running = submit(pool, "wait", "at the gate", NULL, 0);
    pid_t pid = gate_arrival();
    struct wsched_future pending = submit(pool, "nothing", NULL, NULL, 0);
    struct wsched_future blocked = submit(pool, "nothing", NULL, &running, 1);
    struct wsched_future cancelled = submit(pool, "nothing", NULL, NULL, 0);
    CHECK_EQ(wsched_cancel(pool, cancelled), 0);

    struct wsched_task_info t = task_of(pool, running);
    CHECK_EQ(t.state, WSCHED_TASK_RUNNING);
    CHECK_EQ(t.worker, 0);
    CHECK_EQ(t.attempt, 1);
    CHECK_EQ(t.attempts_max, 5);
    CHECK_EQ(t.payload_size, 8);
    CHECK_EQ(t.parent.v, 0);
    CHECK(!t.is_asked_to_stop && !t.is_released);
    CHECK(!strcmp(t.kernel, "wait") && !strcmp(t.label, "at the gate"));
    CHECK(t.submitted_ns >= before && t.submitted_ns <= now_ns());
    t = task_of(pool, pending);
    CHECK(t.state == WSCHED_TASK_PENDING && t.worker == UINT32_MAX && !t.label[0]);
    CHECK_EQ(task_of(pool, blocked).state, WSCHED_TASK_BLOCKED);
    CHECK_EQ(task_of(pool, cancelled).state, WSCHED_TASK_CANCELLED);
    t = task_of(pool, done);
    CHECK(t.state == WSCHED_TASK_DONE && t.result_size == sizeof(long) && t.error == 0);
    t = task_of(pool, failed);
    CHECK(t.state == WSCHED_TASK_FAILED && t.error == -EDOM && t.result_size == 0);

    struct wsched_info info;
    REQUIRE_OK(wsched_info(pool, &info));
    CHECK_EQ(info.workers, 1);
    CHECK(info.task_capacity >= 100 && info.payload_max == 64 && info.result_max == 64);
    CHECK_EQ(info.kernels, kit_kernel_count);
    CHECK(info.done == 1 && info.failed == 1 && info.running == 1 && info.pending == 1);
    CHECK(info.blocked == 1 && info.cancelled == 1);
    CHECK(info.supervisor > 0 && !kill(info.supervisor, 0));
    CHECK(!info.is_stopping && info.broken == 0 && info.queued >= 1);
    CHECK(info.opened_ns >= before && info.opened_ns <= now_ns());
    CHECK(!strcmp(wsched_kernel_name(pool, 0), kit_kernels[0].name));
    CHECK(wsched_kernel_name(pool, info.kernels) == NULL);

    struct wsched_worker_info w;
    REQUIRE_OK(wsched_worker_info(pool, 0, &w));
    CHECK(w.pid == pid && w.state == WSCHED_WORKER_RUNNING && w.depth == 1 && w.attempt == 1);
    CHECK(w.task.v == running.v && !strcmp(w.kernel, "wait") && !strcmp(w.label, "at the gate"));
    CHECK(w.started_ns >= task_of(pool, running).submitted_ns && w.started_ns <= now_ns());
    CHECK(w.finished == 1 && w.failed == 1);
    CHECK_EQ(wsched_worker_info(pool, 1, &w), -ENOENT);

    kill(pid, SIGSTOP);
    await_state(pool, 0, WSCHED_WORKER_STOPPED);
    kill(pid, SIGCONT);
    await_state(pool, 0, WSCHED_WORKER_RUNNING);
    gate_open();
    CHECK_EQ(kit_wait(pool, blocked), 0);
    await_state(pool, 0, WSCHED_WORKER_IDLE);
    wsched_release(pool, done);
    REQUIRE_OK(wsched_info(pool, &info));
    CHECK(info.done == 3 && info.running == 0 && info.pending == 0 && info.queued == 0);
    wsched_close(pool);
    gate_free();
}

/* The attempt of a task that is over is its last. */
static void tells_the_last_attempt(void)
{
    struct wsched *pool = kit_open(1, 0);
    const int dies[] = { SIGKILL, 100 }, twice[] = { SIGKILL, 2 };
    struct wsched_future f[] = {
        kit_submit_retried(pool, "die", dies, sizeof dies, 2),
        kit_submit_retried(pool, "die", dies, sizeof dies, -1),
        kit_submit_retried(pool, "die", twice, sizeof twice, 9),
        kit_submit(pool, "fail", &(int){ -EDOM }, sizeof(int)),
    };
    static const uint32_t last[] = { 3, 1, 3, 1 }, most[] = { 3, 1, 10, 4 };

    REQUIRE_OK(wsched_wait(pool, f, 4, 4, -1, NULL));
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(task_of(pool, f[i]).attempt, last[i]);
        CHECK_EQ(task_of(pool, f[i]).attempts_max, most[i]);
    }
    wsched_close(pool);
}

/* Submits a task that waits at the gate, and waits for it. */
static int outer(struct wsched_task *task, void *ctx)
{
    struct wsched_spec s = kit_spec("wait", NULL, 0);
    struct wsched_future f;
    int err = wsched_submit(wsched_task_pool(task), &s, &f);

    (void)ctx;
    if (!err)
        err = wsched_wait(wsched_task_pool(task), &f, 1, 1, -1, NULL);
    return err < 0 ? err : 0;
}

static void tells_who_submitted_what(void)
{
    struct wsched_kernel kernels[] = { { "outer", outer, NULL }, { "wait", NULL, NULL } };
    struct wsched_options o = WSCHED_OPTIONS_INIT;
    struct wsched_worker_info w;
    struct wsched *pool;

    for (size_t i = 0; i < kit_kernel_count; i++)
        if (!strcmp(kit_kernels[i].name, "wait"))
            kernels[1] = kit_kernels[i];
    gate_make();
    o.workers = 1;
    REQUIRE_OK(wsched_open(&o, kernels, 2, &pool));
    struct wsched_future f = submit(pool, "outer", "the outer one", NULL, 0);
    pid_t pid = gate_arrival(); /* the one worker runs the inner task, for the outer one waits */
    REQUIRE_OK(wsched_worker_info(pool, 0, &w));
    CHECK(w.pid == pid && w.depth == 2 && !strcmp(w.kernel, "wait") && w.submitted == 1);
    CHECK(w.task.v != 0 && w.task.v != f.v);
    CHECK_EQ(task_of(pool, w.task).parent.v, f.v);
    CHECK_EQ(task_of(pool, f).parent.v, 0);
    CHECK_EQ(task_of(pool, f).state, WSCHED_TASK_RUNNING);
    gate_open();
    CHECK_EQ(kit_wait(pool, f), 0);
    wsched_close(pool);
    gate_free();
}

static int stop_at_first(const struct wsched_task_info *info, void *ctx)
{
    (void)info;
    ++*(int *)ctx;
    return -42;
}

static void refuses_bad_arguments(void)
{
    struct wsched *pool = kit_open(1, 0);
    struct wsched_worker_info w = { .pid = 77 };
    struct wsched_info info = { .workers = 77 };
    int visits = 0;

    CHECK_EQ(wsched_info(NULL, &info), -EINVAL);
    CHECK_EQ(wsched_info(pool, NULL), -EINVAL);
    CHECK_EQ(wsched_worker_info(NULL, 0, &w), -EINVAL);
    CHECK_EQ(wsched_worker_info(pool, 0, NULL), -EINVAL);
    CHECK_EQ(wsched_worker_info(pool, UINT32_MAX, &w), -ENOENT);
    CHECK_EQ(wsched_tasks(pool, NULL, NULL), -EINVAL);
    CHECK(wsched_kernel_name(NULL, 0) == NULL);
    struct wsched_future a = kit_submit(pool, "nothing", NULL, 0);
    struct wsched_future b = kit_submit(pool, "nothing", NULL, 0);
    CHECK_EQ(wsched_tasks(pool, stop_at_first, &visits), -42);
    CHECK_EQ(visits, 1);
    pid_t child = fork();
    if (child == 0) {
        CHILD_CHECK(wsched_info(pool, &info) == -ECHILD);
        CHILD_CHECK(wsched_worker_info(pool, 0, &w) == -ECHILD);
        CHILD_CHECK(wsched_tasks(pool, stop_at_first, &visits) == -ECHILD);
        CHILD_CHECK(wsched_members(pool, NULL, NULL) == -ECHILD);
        CHILD_CHECK(wsched_worker_name(pool, 0, w.name) == -ECHILD);
        _exit(0);
    }
    int status = -1;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK_EQ(status, 0);
    CHECK(w.pid == 77 && info.workers == 77); /* a call that fails leaves its output alone */
    CHECK_EQ(kit_wait(pool, a), 0);
    CHECK_EQ(kit_wait(pool, b), 0);
    wsched_close(pool);
}

static int dies(void *ctx)
{
    (void)ctx;
    return 1;
}

static void tells_of_workers_that_do_not_start(void)
{
    struct wsched_options o = WSCHED_OPTIONS_INIT;
    struct wsched_worker_info w;
    struct wsched_info info;
    struct wsched_future f;
    struct wsched *pool;

    o.workers = 1;
    o.worker_start = dies;
    REQUIRE_OK(wsched_open(&o, kit_kernels, kit_kernel_count, &pool));
    struct wsched_spec s = kit_spec("nothing", NULL, 0);
    if (!wsched_submit(pool, &s, &f))
        CHECK_EQ(wsched_wait(pool, &f, 1, 1, -1, NULL), -ESHUTDOWN);
    REQUIRE_OK(wsched_info(pool, &info));
    CHECK_EQ(info.broken, -ESHUTDOWN);
    REQUIRE_OK(wsched_worker_info(pool, 0, &w));
    CHECK(w.state == WSCHED_WORKER_DEAD || w.state == WSCHED_WORKER_STARTING);
    wsched_close(pool);
}

TESTS("inspect", { "tells what is there", tells_what_is_there },
      { "tells the last attempt of what is over", tells_the_last_attempt },
      { "tells who submitted what", tells_who_submitted_what },
      { "refuses bad arguments", refuses_bad_arguments },
      { "tells of workers that do not start", tells_of_workers_that_do_not_start })
