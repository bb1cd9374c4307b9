/* SPDX-License-Identifier: MIT */
/* Waiting for objects: who sleeps is woken, whoever dies, and costs nothing meanwhile. */
#define _GNU_SOURCE
#include "help.h"
#include "point.h"
#include "proc.h"
#include "test.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

/* Until the process has ended, or sleeps in the kernel; a futex is the only thing our children
 * sleep in. */
static void until_asleep(pid_t pid)
{
    uint64_t start;
    char state = 0;

    while (proc_stat(pid, &start, &state) == 0 && state != 'S' && state != 'Z')
        nanosleep(&(struct timespec){ 0, 100000 }, NULL);
}

static pid_t start_getter(struct objstore *s, struct objstore_id id, int timeout_ms, int expected)
{
    pid_t child = fork();

    REQUIRE(child >= 0);
    if (child == 0) {
        struct objstore *own = help_attach(s);
        struct objstore_view view;

        test_point = NULL;
        CHILD_CHECK(objstore_get(own, &id, timeout_ms, &view) == expected);
        if (!expected)
            objstore_release(own, &view);
        objstore_close(own);
        _exit(0);
    }
    until_asleep(child);
    return child;
}

static pid_t start_waiter(struct objstore *s, struct objstore_id a, struct objstore_id b)
{
    const struct objstore_id ids[] = { a, b };
    pid_t child = fork();

    REQUIRE(child >= 0);
    if (child == 0) {
        struct objstore *own = help_attach(s);

        test_point = NULL;
        CHILD_CHECK(objstore_wait(own, ids, 2, 1, -1, NULL) >= 1);
        objstore_close(own);
        _exit(0);
    }
    until_asleep(child);
    return child;
}

static void woken_by_seal(void)
{
    struct objstore *s = help_store(1 << 20);

    for (uint64_t i = 1; i <= 20; i++) {
        struct objstore_id id = help_id(i);
        pid_t a, b;
        void *data;

        if (i % 2)
            REQUIRE_OK(objstore_create(s, &id, 100, NULL, &data));
        a = start_getter(s, id, -1, 0);
        b = start_getter(s, id, 60000, 0);
        if (i % 2)
            REQUIRE_OK(objstore_seal(s, &id));
        else
            REQUIRE_OK(objstore_put(s, &id, "x", 1, NULL));
        CHECK_EQ(help_wait(a), 0);
        CHECK_EQ(help_wait(b), 0);
    }
    objstore_close(s);
}

static void not_in_time(void)
{
    struct objstore *s = help_store(1 << 20);
    struct objstore_id id = help_id(1);
    void *data;

    CHECK_EQ(help_wait(start_getter(s, id, 30, -ETIMEDOUT)), 0);
    REQUIRE_OK(objstore_create(s, &id, 1, NULL, &data));
    CHECK_EQ(help_wait(start_getter(s, id, 30, -ETIMEDOUT)), 0);
    objstore_close(s);
}

/* The creator dies; the waiter itself cleans up, and gets what somebody else then puts. */
static void creator_dies(void)
{
    struct objstore *s = help_store(1 << 20);
    struct objstore_id id = help_id(1);
    int ready[2];
    char c;

    REQUIRE(pipe(ready) == 0);
    pid_t creator = fork();
    REQUIRE(creator >= 0);
    if (creator == 0) {
        struct objstore *own = help_attach(s);
        void *data;

        CHILD_CHECK(objstore_create(own, &id, 5000, NULL, &data) == 0);
        CHILD_CHECK(write(ready[1], "r", 1) == 1);
        pause();
    }
    REQUIRE(read(ready[0], &c, 1) == 1);
    pid_t waiter = start_getter(s, id, -1, 0);
    kill(creator, SIGKILL);
    CHECK_EQ(help_wait(creator), 128 + SIGKILL);
    while (help_used(s) != 0) /* nobody but the waiter cleans up */
        nanosleep(&(struct timespec){ 0, 100000 }, NULL);
    REQUIRE_OK(objstore_put(s, &id, "x", 1, NULL));
    CHECK_EQ(help_wait(waiter), 0);
    objstore_close(s);
}

static const char *die_at;
static void die(const char *name)
{
    if (!strcmp(name, die_at))
        raise(SIGKILL);
}

/* The sealer dies after the seal and before, or amid, the wake: the sleepers must not sleep on. */
static void sealer_dies_before_the_wake(void)
{
    static const char *const points[] = { "object: sealed, nobody woken",
                                          "wait: waking, nobody woken",
                                          "wait: woken, still says waking" };
    struct objstore *s = help_store(1 << 20);

    for (uint64_t i = 0; i < 6; i++) {
        struct objstore_id id = help_id(i + 1), other = help_id(100 + i);
        bool is_after_create = i >= 3;
        pid_t waiter = start_getter(s, id, -1, 0), bystander = start_getter(s, other, -1, 0);
        pid_t sealer = fork();

        REQUIRE(sealer >= 0);
        if (sealer == 0) {
            struct objstore *own = help_attach(s);
            void *data;

            die_at = points[i % 3];
            if (!is_after_create)
                test_point = die;
            CHILD_CHECK(objstore_create(own, &id, 100, NULL, &data) == 0);
            test_point = die;
            CHILD_CHECK(objstore_seal(own, &id) == 0);
            raise(SIGKILL);
        }
        CHECK_EQ(help_wait(sealer), 128 + SIGKILL);
        if (!objstore_contains(s, &id)) { /* it died while it created */
            CHECK(objstore_reap(s) >= 0);
            REQUIRE_OK(objstore_put(s, &id, "x", 1, NULL));
        }
        CHECK_EQ(help_wait(waiter), 0);
        REQUIRE_OK(objstore_put(s, &other, "x", 1, NULL));
        CHECK_EQ(help_wait(bystander), 0);
    }
    CHECK(help_is_sound(s));
    objstore_close(s);
}

/* The same of a put, which seals and wakes in one step; with sleepers for one id, several, both. */
static void putter_dies(void)
{
    static const char *const points[] = { "object: filled, not sealed", "wait: waking, not sealed",
                                          "wait: sealed and woken, still says waking",
                                          "object: sealed, nobody woken" };
    struct objstore *s = help_store(1 << 20);

    for (uint64_t i = 0; i < 12; i++) {
        struct objstore_id id = help_id(i + 1), other = help_id(100 + i);
        /* For some points there must be one that sleeps for this id alone. */
        bool is_several = i % 3 > 0, is_one = i % 3 < 2 || i / 3 == 1 || i / 3 == 2;
        pid_t waiter = is_one ? start_getter(s, id, -1, 0) : -1;
        pid_t bystander = start_getter(s, other, -1, 0);
        pid_t several = is_several ? start_waiter(s, id, other) : -1, putter = fork();

        REQUIRE(putter >= 0);
        if (putter == 0) {
            struct objstore *own = help_attach(s);

            die_at = points[i / 3];
            test_point = die;
            CHILD_CHECK(objstore_put(own, &id, "x", 1, NULL) == 0);
            _exit(1);
        }
        CHECK_EQ(help_wait(putter), 128 + SIGKILL);
        CHECK_EQ(objstore_contains(s, &id), i / 3 >= 2);
        if (!objstore_contains(s, &id))
            REQUIRE_OK(objstore_put(s, &id, "x", 1, NULL));
        if (is_one)
            CHECK_EQ(help_wait(waiter), 0);
        if (is_several)
            CHECK_EQ(help_wait(several), 0);
        REQUIRE_OK(objstore_put(s, &other, "x", 1, NULL));
        CHECK_EQ(help_wait(bystander), 0);
    }
    CHECK(help_is_sound(s));
    objstore_close(s);
}

/* A sandbox without FUTEX_WAKE_OP: the put wakes twice instead. */
static void without_the_one_step(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_futex, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FUTEX_WAKE_OP, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = { sizeof filter / sizeof *filter, filter };
    struct objstore *s = help_store(1 << 20);
    struct objstore_id id = help_id(1);
    pid_t waiter = start_getter(s, id, -1, 0), putter = fork();

    REQUIRE(putter >= 0);
    if (putter == 0) {
        struct objstore *own = help_attach(s);

        CHILD_CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
                    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
        CHILD_CHECK(objstore_put(own, &id, "x", 1, NULL) == 0);
        _exit(0);
    }
    CHECK_EQ(help_wait(putter), 0);
    CHECK_EQ(help_wait(waiter), 0);
    objstore_close(s);
}

static void waiting_for_several(void)
{
    enum { N = 30, NEED = 20 };
    struct objstore *s = help_store(1 << 20);
    struct objstore_id ids[N];
    bool ready[N];

    for (uint64_t i = 0; i < N; i++)
        ids[i] = help_id(i + 1);
    pid_t waiter = fork();
    REQUIRE(waiter >= 0);
    if (waiter == 0) {
        struct objstore *own = help_attach(s);

        CHILD_CHECK(objstore_wait(own, ids, N, NEED, -1, ready) >= NEED);
        int count = 0;
        for (int i = 0; i < N; i++)
            count += ready[i];
        CHILD_CHECK(count >= NEED);
        objstore_close(own);
        _exit(0);
    }
    until_asleep(waiter);
    for (int i = 0; i < NEED; i++)
        REQUIRE_OK(objstore_put(s, &ids[N - 1 - i], "x", 1, NULL));
    CHECK_EQ(help_wait(waiter), 0);
    CHECK_EQ(objstore_wait(s, ids, N, NEED, 0, ready), NEED);
    CHECK_EQ(objstore_wait(s, ids, N, NEED, 0, NULL), NEED);
    CHECK_EQ(objstore_wait(s, ids, N, NEED + 1, 5, ready), -ETIMEDOUT);
    for (int i = 0; i < N; i++)
        CHECK_EQ(ready[i], i >= N - NEED);
    objstore_close(s);
}

static long looks; /* at ids, by a waiter */
static void count_looks(const char *name)
{
    looks += !strcmp(name, "wait: an id looked at");
}

/*
 * One after the other becomes ready, in any order, and each time the waiter sleeps again before the
 * next: then waiting for all, or for most, of n must not look n times n times.
 */
static void waiting_for_many(void)
{
    enum { N = 600, NEED = 500 };
    struct objstore *s = help_store(1 << 20);
    struct objstore_id ids[N];
    uint64_t random = test_seed;

    for (uint64_t i = 0; i < N; i++)
        ids[i] = help_id(i + 1);
    for (int way = 0; way < 3; way++) {
        pid_t waiter = fork();

        REQUIRE(waiter >= 0);
        if (waiter == 0) {
            struct objstore *own = help_attach(s);
            struct objstore_view views[N];

            test_point = count_looks;
            if (way == 2) {
                bool ready[N];

                CHILD_CHECK(objstore_wait(own, ids, N, NEED, -1, ready) >= NEED);
                int count = 0;
                for (int i = 0; i < N; i++)
                    count += ready[i];
                CHILD_CHECK(count >= NEED);
            } else if (way == 1) {
                CHILD_CHECK(objstore_get_many(own, ids, N, -1, views) == 0);
                CHILD_CHECK(views[N - 1].size == 1 && *(const char *)views[0].data == 'x');
            } else {
                CHILD_CHECK(objstore_wait(own, ids, N, N, -1, NULL) == N);
            }
            CHILD_CHECK(looks >= NEED && looks <= 6 * N);
            objstore_close(own);
            _exit(0);
        }
        for (int i = N - 1; i > 0; i--) {
            int j = (int)(test_random(&random) % (uint64_t)(i + 1));
            struct objstore_id swap = ids[i];

            ids[i] = ids[j];
            ids[j] = swap;
        }
        for (int i = 0; i < N; i++) {
            until_asleep(waiter);
            REQUIRE_OK(objstore_put(s, &ids[i], "x", 1, NULL));
        }
        CHECK_EQ(help_wait(waiter), 0);
        for (int i = 0; i < N; i++)
            CHECK_EQ(objstore_delete(s, &ids[i]), 0);
    }
    CHECK_EQ(help_used(s), 0);
    objstore_close(s);
}

/* What was there may be gone before the rest is: nobody gets half of it. */
static void many_that_come_and_go(void)
{
    enum { N = 8 };
    struct objstore *s = help_store(1 << 20);
    struct objstore_id ids[N];
    uint64_t random = test_seed;
    int ended = 0;

    for (uint64_t i = 0; i < N; i++)
        ids[i] = help_id(i + 1);
    pid_t waiter = fork();
    REQUIRE(waiter >= 0);
    if (waiter == 0) {
        struct objstore *own = help_attach(s);
        struct objstore_view views[N];

        for (int round = 0; round < 20; round++) {
            int err = objstore_get_many(own, ids, N, -1, views);

            CHILD_CHECK(err == 0);
            for (int i = 0; i < N; i++)
                CHILD_CHECK(views[i].size == 1 && *(const char *)views[i].data == 'x');
            objstore_release_many(own, views, N);
        }
        objstore_close(own);
        _exit(0);
    }
    while (waitpid(waiter, &ended, WNOHANG) == 0) {
        struct objstore_id *id = &ids[test_random(&random) % N];

        if (test_random(&random) % 4)
            (void)!objstore_put(s, id, "x", 1, NULL);
        else
            (void)!objstore_delete(s, id);
    }
    CHECK_EQ(ended, 0);
    CHECK(help_is_sound(s));
    objstore_close(s);
}

/* Writers die while they write what is waited for; others do it again. */
static void many_with_deaths(void)
{
    enum { N = 300, NEED = 200 };
    struct objstore *s = help_store(1 << 20);
    struct objstore_id ids[N];

    for (uint64_t i = 0; i < N; i++)
        ids[i] = help_id(i / 2 + 1); /* each twice */
    CHECK_EQ(objstore_wait(s, ids, N, NEED, 5, NULL), -ETIMEDOUT);
    pid_t waiter = fork();
    REQUIRE(waiter >= 0);
    if (waiter == 0) {
        struct objstore *own = help_attach(s);

        CHILD_CHECK(objstore_wait(own, ids, N, NEED, -1, NULL) >= NEED);
        objstore_close(own);
        _exit(0);
    }
    until_asleep(waiter);
    for (int i = 0; i < N; i += 10) {
        pid_t writer = fork();

        REQUIRE(writer >= 0);
        if (writer == 0) {
            struct objstore *own = help_attach(s);
            void *data;

            CHILD_CHECK(objstore_create(own, &ids[i], 500, NULL, &data) == 0);
            raise(SIGKILL);
        }
        CHECK_EQ(help_wait(writer), 128 + SIGKILL);
    }
    while (help_used(s) != 0) /* nobody but the waiter cleans up */
        nanosleep(&(struct timespec){ 0, 100000 }, NULL);
    for (int i = 0; i < NEED; i += 2)
        REQUIRE_OK(objstore_put(s, &ids[i], "x", 1, NULL));
    CHECK_EQ(help_wait(waiter), 0);
    objstore_close(s);
}

static uint64_t switches_of(pid_t pid)
{
    char path[64], line[256];
    uint64_t count = 0, n;

    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "voluntary_ctxt_switches: %lu", &n) == 1)
            count = n;
    if (f)
        fclose(f);
    return count;
}

/* G6: who waits for what nobody writes is not woken to look, and other seals do not wake it. */
static void sleeps_without_ticking(void)
{
    struct objstore *s = help_store(1 << 20);
    pid_t waiter = start_getter(s, help_id(1), -1, 0);
    uint64_t before = switches_of(waiter);

    nanosleep(&(struct timespec){ 0, 100000000 },
              NULL); /* not to synchronise: to give it time to tick */
    CHECK(switches_of(waiter) <= before + 1);
    struct objstore_id id = help_id(1);
    REQUIRE_OK(objstore_put(s, &id, "x", 1, NULL));
    CHECK_EQ(help_wait(waiter), 0);
    objstore_close(s);
}

TESTS("wait", { "get sleeps until the seal, with or without an unsealed object", woken_by_seal },
      { "and not longer than it was told", not_in_time },
      { "a creator's death is noticed by who waits for its object", creator_dies },
      { "a sealer's death before the wake strands nobody", sealer_dies_before_the_wake },
      { "likewise if one dies in a put, which does both at once", putter_dies },
      { "a put wakes where the kernel refuses to seal for it", without_the_one_step },
      { "waiting for some of several", waiting_for_several },
      { "waiting for many looks at each a few times", waiting_for_many },
      { "writers of some of many die: the waiter cleans up, and waits on", many_with_deaths },
      { "who wants all gets all at one moment, or waits on", many_that_come_and_go },
      { "waiting for nothing costs nothing", sleeps_without_ticking })
