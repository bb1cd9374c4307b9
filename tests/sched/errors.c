/* SPDX-License-Identifier: MIT */
/* errors.c -- what errors are provoked on. */
#define _GNU_SOURCE
#include "errors.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

struct given given;
const struct wsched_kernel *given_kernels;
size_t given_kernel_count;

/* ---- kernels and jobs ---------------------------------------------------------------------- */

static int inside(struct wsched_task *task, void *ctx)
{
    const struct given_call call = *(const struct given_call *)wsched_task_payload(task, NULL);

    (void)ctx;
    given.shared->started = 1;
    given.shared->error = call.fn(task, call.arg);
    return 0;
}

struct theft {
    int (*call)(struct wsched *pool);
    struct wsched *pool; /* of both processes: forked */
};

static void thief(struct wsched_fork *w, void *args)
{
    const struct theft *t = args;

    (void)w;
    given.shared->started = 1;
    given.shared->error = t->call(t->pool);
}

static int has_thief(struct wsched_task *task, void *ctx)
{
    struct theft t = *(const struct theft *)wsched_task_payload(task, NULL);
    struct wsched_fork *w = wsched_task_fork(task);

    (void)ctx;
    t.pool = wsched_task_pool(task);
    w = wsched_spawn(w, thief, &t, sizeof t);
    while (!given.shared->started) /* only a thief can start it */
        sched_yield();
    wsched_sync(w);
    return 0;
}

void given_job(struct wsched_fork *w, void *args)
{
    (void)w;
    (void)args;
}

static void collect_kernels(void)
{
    static const struct wsched_kernel own[] = {
        { "inside", inside, NULL },
        { "has_thief", has_thief, NULL },
        WSCHED_JOB("thief", thief),
        WSCHED_JOB("job", given_job),
    };
    static struct wsched_kernel all[40];

    given_kernel_count = kit_kernel_count + sizeof own / sizeof *own;
    REQUIRE(given_kernel_count <= sizeof all / sizeof *all);
    memcpy(all, kit_kernels, kit_kernel_count * sizeof *all);
    memcpy(all + kit_kernel_count, own, sizeof own);
    given_kernels = all;
}

/* ---- the pool ------------------------------------------------------------------------------- */

static void close_all(void)
{
    wsched_close(given.look);
    wsched_close(given.guest);
    wsched_close(given.pool);
    given.look = given.guest = given.pool = NULL;
}

void given_open(uint32_t workers, const struct wsched_options *options)
{
    struct wsched_options o = WSCHED_OPTIONS_INIT;
    static int number;

    close_all();
    snprintf(given.name, sizeof given.name, "test-errors-%d-%d", (int)getpid(), number++);
    snprintf(given.file, sizeof given.file, "/dev/shm/wsched-%u/%s", (unsigned)geteuid(), given.name);
    if (options)
        o = *options;
    o.workers = workers;
    o.task_capacity = 16;
    o.payload_max = PAYLOAD_MAX;
    o.result_max = RESULT_MAX;
    o.guests = 2;
    o.actors = ACTORS;
    o.name = given.name;
    REQUIRE_OK(wsched_open(&o, given_kernels, given_kernel_count, &given.pool));
    REQUIRE_OK(wsched_join(given.name, given_kernels, given_kernel_count, NULL, &given.guest));
    REQUIRE_OK(wsched_look(given.name, &given.look));
    given.none = kit_submit(given.pool, "nothing", NULL, 0);
    REQUIRE_OK(kit_wait(given.pool, given.none));
    wsched_release(given.pool, given.none);
    given.over = kit_submit(given.pool, "nothing", NULL, 0);
    REQUIRE_OK(kit_wait(given.pool, given.over));
}

void given_set_up(void)
{
    collect_kernels();
    (void)given_another();
    given.shared = kit_share(sizeof *given.shared);
    gate_make();
    given_open(1, NULL);
    snprintf(given.path, sizeof given.path, "/dev/shm/wsched-test-errors-%d", (int)getpid());
}

/* What failed has changed nothing: the pool is sound, and runs tasks. */
void given_tear_down(void)
{
    char text[256] = "";
    long v[] = { 3, 4 };

    gate_open();
    if (given.pool) {
        CHECK_EQ(kit_long(given.pool, kit_submit(given.pool, "add", v, sizeof v)), 7);
        CHECK_EQ(wsched_verify(given.pool, text), 0);
        CU_ASSERT_STRING_EQUAL(text, "");
    }
    close_all();
    gate_free();
    munmap(given.shared, 4096);
    unlink(given.path);
}

struct wsched *given_closed(void)
{
    wsched_close(given.pool);
    given.pool = NULL;
    return given.guest;
}

/* ---- calls elsewhere ------------------------------------------------------------------------ */

struct wsched_spec given_spec(const struct given_call *call)
{
    return kit_spec("inside", call, sizeof *call);
}

struct wsched_future given_submit(given_fn fn, uint64_t arg, uint32_t stream)
{
    const struct given_call call = { fn, arg };
    struct wsched_spec s = given_spec(&call);
    struct wsched_future f = { 0 };

    s.stream = stream;
    REQUIRE_OK(wsched_submit(given.pool, &s, &f));
    return f;
}

void given_await_start(void)
{
    while (!given.shared->started)
        sched_yield();
}

int given_await_error(void)
{
    while (!given.shared->error)
        sched_yield();
    return given.shared->error;
}

int given_end(struct wsched_future f)
{
    int err = kit_wait(given.pool, f);

    wsched_release(given.pool, f);
    return err;
}

int given_inside(given_fn fn, uint64_t arg)
{
    CHECK_EQ(given_end(given_submit(fn, arg, 0)), 0);
    return given.shared->error;
}

int given_in_thief(int (*call)(struct wsched *pool))
{
    const struct theft t = { call, NULL };

    given_open(2, NULL);
    CHECK_EQ(given_end(kit_submit(given.pool, "has_thief", &t, sizeof t)), 0);
    return given.shared->error;
}

static const int limited[] = { RLIMIT_AS, RLIMIT_NOFILE, RLIMIT_NPROC };

static void given_no_limit(void)
{
    for (size_t i = 0; i < sizeof limited / sizeof *limited; i++) {
        struct rlimit l;
        CHILD_CHECK(!getrlimit((__rlimit_resource_t)limited[i], &l));
        l.rlim_cur = l.rlim_max;
        CHILD_CHECK(!setrlimit((__rlimit_resource_t)limited[i], &l));
    }
}

int given_in_child(int (*call)(void))
{
    int status = -1;
    pid_t child = fork();

    REQUIRE(child >= 0);
    if (child == 0) {
        given.shared->error = call();
        given_no_limit(); /* what writes down the coverage needs files and memory */
        _exit(0);
    }
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK_EQ(status, 0);
    return given.shared->error;
}

uid_t given_another(void)
{
    static pid_t ours; /* also in children */

    ours = ours ? ours : getpid();
    return 20000 + (uid_t)(ours % 40000);
}

bool given_be_another(void)
{
    const uid_t other = given_another();

    return geteuid() || !setresuid(other, other, other);
}

void given_limit(int resource)
{
    struct rlimit l;

    CHILD_CHECK(!getrlimit((__rlimit_resource_t)resource, &l));
    l.rlim_cur = 0;
    CHILD_CHECK(!setrlimit((__rlimit_resource_t)resource, &l));
}

void given_write(const void *data, size_t length, size_t size)
{
    int fd = open(given.path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    REQUIRE(fd >= 0 && write(fd, data, length) == (ssize_t)length && !ftruncate(fd, (off_t)size));
    close(fd);
}
