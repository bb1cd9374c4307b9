/* SPDX-License-Identifier: MIT */
#include "kit.h"
#include "pool.h"

#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

struct gate gate;

void gate_make(void)
{
    REQUIRE(!pipe(gate.arrived) && !pipe(gate.opened));
}

pid_t gate_arrival(void)
{
    pid_t pid = 0;
    REQUIRE(read(gate.arrived[0], &pid, sizeof pid) == sizeof pid);
    return pid;
}

/* Bytes, not the end of file: every process of the pool holds the write end. */
void gate_open(void)
{
    static const char bytes[4096];
    REQUIRE(write(gate.opened[1], bytes, sizeof bytes) == sizeof bytes);
}

void gate_free(void)
{
    for (int i = 0; i < 2; i++) {
        close(gate.arrived[i]);
        close(gate.opened[i]);
    }
}

static void gate_pass(void)
{
    pid_t pid = getpid();
    char byte;

    if (write(gate.arrived[1], &pid, sizeof pid) != sizeof pid ||
        read(gate.opened[0], &byte, 1) != 1)
        _exit(98);
}

static int add(struct wsched_task *task, void *ctx)
{
    size_t size;
    const long *v = wsched_task_payload(task, &size);
    long sum = ctx ? *(long *)ctx : 0;

    for (size_t i = 0; i < size / sizeof *v; i++)
        sum += v[i];
    return wsched_task_result(task, &sum, sizeof sum);
}

static int fail(struct wsched_task *task, void *ctx)
{
    (void)ctx;
    return *(const int *)wsched_task_payload(task, NULL);
}

static int wait_at_gate(struct wsched_task *task, void *ctx)
{
    long attempt = wsched_task_attempt(task);

    (void)ctx;
    gate_pass();
    return wsched_task_result(task, &attempt, sizeof attempt);
}

static int die(struct wsched_task *task, void *ctx)
{
    const int *how = wsched_task_payload(task, NULL);
    long attempt = wsched_task_attempt(task);

    if (attempt <= how[1]) {
        if (ctx)
            _exit(how[0]);
        signal(how[0], SIG_DFL); /* a sanitizer's handler would make an exit of it */
        kill(getpid(), how[0]);
    }
    return wsched_task_result(task, &attempt, sizeof attempt);
}

static int fib(struct wsched_task *task, void *ctx)
{
    const int n = *(const int *)wsched_task_payload(task, NULL);
    struct wsched *pool = wsched_task_pool(task);
    struct wsched_future parts[2];
    long a = n, b = 0;
    int err = 0;

    (void)ctx;
    if (n < 2)
        return wsched_task_result(task, &a, sizeof a);
    for (int i = 0; i < 2 && !err; i++) {
        int m = n - 1 - i;
        struct wsched_spec s = kit_spec("fib", &m, sizeof m);
        s.max_retries = 100;
        err = wsched_submit(pool, &s, &parts[i]);
    }
    if (!err)
        err = wsched_wait(pool, parts, 2, 2, -1, NULL);
    if (err == 2)
        err = wsched_result(pool, parts[0], &a, sizeof a, NULL);
    if (!err)
        err = wsched_result(pool, parts[1], &b, sizeof b, NULL);
    if (err)
        return err;
    wsched_release(pool, parts[0]);
    wsched_release(pool, parts[1]);
    a += b;
    return wsched_task_result(task, &a, sizeof a);
}

static int pid(struct wsched_task *task, void *ctx)
{
    long me = getpid();

    (void)ctx;
    return wsched_task_result(task, &me, sizeof me);
}

static int until_cancelled(struct wsched_task *task, void *ctx)
{
    pid_t me = getpid();

    (void)ctx;
    if (write(gate.arrived[1], &me, sizeof me) != sizeof me)
        return -EIO;
    while (!wsched_task_cancelled(task))
        sched_yield();
    return -ECANCELED;
}

/* Depth n: submits depth n - 1 and waits for it. */
static int chain(struct wsched_task *task, void *ctx)
{
    int n = *(const int *)wsched_task_payload(task, NULL) - 1;
    struct wsched *pool = wsched_task_pool(task);
    struct wsched_future f;
    long depth = 0;

    (void)ctx;
    if (n > 0) {
        struct wsched_spec s = kit_spec("chain", &n, sizeof n);
        int err = wsched_submit(pool, &s, &f);
        if (!err)
            err = wsched_wait(pool, &f, 1, 1, -1, NULL);
        if (err == 1)
            err = wsched_result(pool, f, &depth, sizeof depth, NULL);
        if (err)
            return err;
        wsched_release(pool, f);
    }
    depth++;
    return wsched_task_result(task, &depth, sizeof depth);
}

/* Waits for a task of the driver, named in the payload. */
static int wait_for(struct wsched_task *task, void *ctx)
{
    struct wsched_future f = *(const struct wsched_future *)wsched_task_payload(task, NULL);
    int n = wsched_wait(wsched_task_pool(task), &f, 1, 1, -1, NULL);

    (void)ctx;
    return n < 0 ? n : 0;
}

/* What the calls for kernels answer; 0 if as documented. */
static int asks(struct wsched_task *task, void *ctx)
{
    static const char big[4096];
    size_t size = 0;
    long seen = *(const long *)wsched_task_payload(task, &size);

    (void)ctx;
    if (size != sizeof seen || seen != 77 || wsched_task_attempt(task) != 1)
        return -EDOM;
    if (wsched_task_result(task, big, sizeof big) != -E2BIG || wsched_task_cancelled(task))
        return -ERANGE;
    if (!wsched_task_future(task).v ||
        wsched_task_worker(task) >= wsched_workers(wsched_task_pool(task)))
        return -ENOTTY;
    return wsched_task_result(task, big, 3) || wsched_task_result(task, &seen, sizeof seen);
}

static int nothing(struct wsched_task *task, void *ctx)
{
    (void)task;
    (void)ctx;
    return 0;
}

static long thousand = 1000;
static int yes;
const struct wsched_kernel kit_kernels[] = {
    { "add", add, NULL },
    { "add_1000", add, &thousand },
    { "fail", fail, NULL },
    { "wait", wait_at_gate, NULL },
    { "die", die, NULL },
    { "exit", die, &yes },
    { "fib", fib, NULL },
    { "pid", pid, NULL },
    { "cancelled", until_cancelled, NULL },
    { "chain", chain, NULL },
    { "nothing", nothing, NULL },
    { "asks", asks, NULL },
    { "wait_for", wait_for, NULL },
};
const size_t kit_kernel_count = sizeof kit_kernels / sizeof *kit_kernels;

struct wsched *kit_open(uint32_t workers, uint32_t capacity)
{
    struct wsched_options o = WSCHED_OPTIONS_INIT;

    o.workers = workers;
    o.task_capacity = capacity;
    return kit_open_with(&o, kit_kernels, kit_kernel_count);
}

struct wsched *kit_open_with(const struct wsched_options *o, const struct wsched_kernel *kernels,
                             size_t count)
{
    struct wsched *pool = NULL;

    REQUIRE_OK(wsched_open(o, kernels, count, &pool));
    return pool;
}

void kit_expect_sound(struct wsched *pool)
{
    char text[256] = "";

    if (wsched_verify(pool, text))
        fprintf(stderr, "%s\n", text);
    CU_ASSERT_STRING_EQUAL(text, "");
}

void kit_close(struct wsched *pool)
{
    kit_expect_sound(pool);
    wsched_close(pool);
}

struct wsched_spec kit_spec(const char *kernel, const void *payload, size_t size)
{
    return (
        struct wsched_spec){ .kernel = kernel, .payload = payload, .payload_size = (uint32_t)size };
}

struct wsched_future kit_submit(struct wsched *pool, const char *kernel, const void *payload,
                                size_t size)
{
    return kit_submit_after(pool, kernel, payload, size, NULL, 0);
}

struct wsched_future kit_submit_after(struct wsched *pool, const char *kernel, const void *payload,
                                      size_t size, const struct wsched_future *after,
                                      uint32_t count)
{
    struct wsched_spec s = kit_spec(kernel, payload, size);

    s.after = after;
    s.after_count = count;
    return kit_submit_spec(pool, &s);
}

struct wsched_future kit_submit_retried(struct wsched *pool, const char *kernel,
                                        const void *payload, size_t size, int32_t max_retries)
{
    struct wsched_spec s = kit_spec(kernel, payload, size);

    s.max_retries = max_retries;
    return kit_submit_spec(pool, &s);
}

struct wsched_future kit_submit_spec(struct wsched *pool, const struct wsched_spec *spec)
{
    struct wsched_future f = { 0 };

    REQUIRE_OK(wsched_submit(pool, spec, &f));
    return f;
}

int kit_wait(struct wsched *pool, struct wsched_future f)
{
    size_t size;

    REQUIRE_OK(wsched_wait(pool, &f, 1, 1, -1, NULL));
    return wsched_result(pool, f, NULL, 0, &size);
}

long kit_long(struct wsched *pool, struct wsched_future f)
{
    long v = -1;
    size_t size = 0;

    REQUIRE_OK(wsched_wait(pool, &f, 1, 1, -1, NULL));
    REQUIRE_OK(wsched_result(pool, f, &v, sizeof v, &size));
    CHECK_EQ(size, sizeof v);
    wsched_release(pool, f);
    return v;
}

long kit_fib(int n)
{
    return n < 2 ? n : kit_fib(n - 1) + kit_fib(n - 2);
}

void *kit_share(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    REQUIRE(memory != MAP_FAILED);
    return memory;
}

uint32_t kit_slots_free(const struct wsched *pool)
{
    uint32_t n = 0, used = au32_load_acquire(&pool->header->tasks_used);

    for (uint32_t i = 0; i < pool->task_count; i++)
        n += i >= used || (word_state(au64_load_acquire(&task_at(pool, i)->word)) == TASK_FREE &&
                           (au64_load_acquire(&pool->free_map[i / 64]) >> i % 64 & 1));
    return n;
}

pid_t kit_worker_pid(const struct wsched *pool, uint32_t seat)
{
    pid_t pid;

    while (!(pid = (pid_t)(au64_load_acquire(&pool->seats[seat].identity) & 0x3fffff)))
        sched_yield();
    return pid;
}

long kit_bell_sleepers(struct wsched *pool)
{
    struct au32 *bell = &pool->header->bell;
    long n = syscall(SYS_futex, bell, FUTEX_CMP_REQUEUE, 0, 1L, bell, 0);

    REQUIRE(n >= 0);
    return n;
}

void kit_await_lookout(struct wsched *pool)
{
    while (!kit_bell_sleepers(pool))
        sched_yield();
}
