/* SPDX-License-Identifier: MIT */
/* wsched_look(): other processes' pools, by name and by pid, at work, dead, and damaged. */
#define _GNU_SOURCE
#include "kit.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char name[64], path[128]; /* of this program's pool */

static void make_name(void)
{
    snprintf(name, sizeof name, "test-look-%d", (int)getpid());
    snprintf(path, sizeof path, "/dev/shm/wsched-%u/%s", (unsigned)geteuid(), name);
    unlink(path);
}

static int open_named(const char *as, struct wsched **pool)
{
    struct wsched_options o = WSCHED_OPTIONS_INIT;

    o.workers = 2;
    o.task_capacity = 64;
    o.event_capacity = 128;
    o.name = as;
    return wsched_open(&o, kit_kernels, kit_kernel_count, pool);
}

static int count_event(const struct wsched_event *e, void *ctx)
{
    (void)e;
    ++*(uint64_t *)ctx;
    return 0;
}

static int count_task(const struct wsched_task_info *t, void *ctx)
{
    (void)t;
    ++*(uint64_t *)ctx;
    return 0;
}

/* Of any version; what is no pool has none. */
static void tells_the_layout_version(void)
{
    uint32_t found = 77, known = 78, again;
    struct wsched *pool, *other;

    make_name();
    CHECK_EQ(wsched_layout_version(name, &found, &known), -ENOENT);
    CHECK_EQ(wsched_layout_version("/dev/null", &found, &known), -EPROTO);
    CHECK_EQ(wsched_layout_version("/etc/passwd", &found, &known), -EPROTO);
    CHECK_EQ(wsched_layout_version(NULL, &found, &known), -EINVAL);
    CHECK_EQ(wsched_layout_version(".", &found, &known), -EINVAL);
    CHECK(found == 77 && known == 78);
    REQUIRE_OK(open_named(name, &pool));
    CHECK_EQ(wsched_layout_version(name, NULL, &known), -EINVAL);
    CHECK_EQ(wsched_layout_version(name, &found, &known), 0);
    CHECK(found == known && found > 0);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    REQUIRE(fd >= 0 && pwrite(fd, &(uint32_t){ 3 }, 4, 8) == 4);
    CHECK_EQ(wsched_layout_version(name, &found, &again), 0);
    CHECK(found == 3 && again == known);
    CHECK_EQ(wsched_look(name, &other), -EPROTO);
    CHECK_EQ(wsched_remove(name), -EBUSY); /* it lives */
    REQUIRE(pwrite(fd, &known, 4, 8) == 4);
    close(fd);
    wsched_close(pool);
}

/* Everything that one can ask. */
static int look_at_all(struct wsched *pool)
{
    struct wsched_worker_info w;
    struct wsched_stats stats;
    struct wsched_death death;
    struct wsched_info info;
    uint64_t cursor = 0, n = 0;
    char text[256];
    int err = wsched_info(pool, &info);

    for (uint32_t i = 0; i < info.workers && !err; i++)
        err = wsched_worker_info(pool, i, &w);
    for (uint32_t i = 0; wsched_kernel_name(pool, i); i++)
        CHECK(strlen(wsched_kernel_name(pool, i)) <= WSCHED_KERNEL_NAME_MAX);
    if (!err)
        err = wsched_stats(pool, &stats);
    if (!err)
        err = wsched_tasks(pool, count_task, &n);
    if (!err)
        err = wsched_events(pool, count_event, &n);
    while (!err && wsched_next_death(pool, &cursor, &death) == 1)
        n++;
    return err ? err : wsched_verify(pool, text);
}

static void by_name(void)
{
    struct wsched *pool, *other;
    struct wsched_info info;
    struct wsched_worker_info w;

    make_name();
    gate_make();
    REQUIRE_OK(open_named(name, &pool));
    struct wsched_future f = kit_submit(pool, "wait", NULL, 0);
    pid_t pid = gate_arrival();
    REQUIRE_OK(wsched_look(name, &other));
    REQUIRE_OK(wsched_info(other, &info));
    CHECK(info.workers == 2 && info.running == 1 && !info.is_dead && !info.is_stopping);
    CHECK_EQ(info.kernels, kit_kernel_count);
    CHECK(!strcmp(wsched_kernel_name(other, 0), kit_kernels[0].name));
    bool found = false;
    for (uint32_t i = 0; i < 2; i++) {
        REQUIRE_OK(wsched_worker_info(other, i, &w));
        found |= w.pid == pid && w.state == WSCHED_WORKER_RUNNING && w.task.v == f.v &&
                 !strcmp(w.kernel, "wait");
    }
    CHECK(found);
    CHECK_EQ(look_at_all(other), 0);
    size_t size;
    CHECK_EQ(wsched_result(other, f, NULL, 0, &size), -EINPROGRESS);
    gate_open();
    CHECK_EQ(kit_wait(pool, f), 0);
    CHECK_EQ(wsched_result(other, f, NULL, 0, &size), 0);
    CHECK_EQ(size, sizeof(long));
    wsched_close(other);
    REQUIRE_OK(wsched_look(path, &other)); /* the same by its path */
    wsched_close(other);
    wsched_close(pool);
    CHECK_EQ(wsched_look(name, &other), -ENOENT);
    CHECK_EQ(access(path, F_OK), -1);
    gate_free();
}

static void by_the_pid_of_any_process(void)
{
    struct wsched *pool = kit_open(1, 0), *other;
    struct wsched_info info;
    char where[40];
    long worker = kit_long(pool, kit_submit(pool, "pid", NULL, 0));

    REQUIRE_OK(wsched_info(pool, &info));
    const long pids[] = { getpid(), info.supervisor, worker };
    for (int i = 0; i < 3; i++) {
        snprintf(where, sizeof where, "%ld", pids[i]);
        REQUIRE_OK(wsched_look(where, &other));
        REQUIRE_OK(wsched_info(other, &info));
        CHECK(info.workers == 1 && !info.is_dead);
        CHECK_EQ(look_at_all(other), 0);
        wsched_close(other);
    }
    REQUIRE_OK(wsched_look(where, &other)); /* it outlives what it looks at */
    wsched_close(pool);
    REQUIRE_OK(wsched_info(other, &info));
    CHECK(info.is_stopping && info.is_dead && info.supervisor == 0);
    CHECK_EQ(look_at_all(other), 0);
    wsched_close(other);
}

static void an_observer_changes_nothing(void)
{
    struct wsched *pool, *other;
    bool done;

    make_name();
    REQUIRE_OK(open_named(name, &pool));
    struct wsched_future f = kit_submit(pool, "nothing", NULL, 0), g = { 77 };
    CHECK_EQ(kit_wait(pool, f), 0);
    REQUIRE_OK(wsched_look(name, &other));
    struct wsched_spec s = kit_spec("nothing", NULL, 0);
    CHECK_EQ(wsched_submit(other, &s, &g), -EROFS);
    CHECK_EQ(wsched_submit_many(other, &s, 1, &g), -EROFS);
    CHECK_EQ(wsched_wait(other, &f, 1, 1, 0, &done), -EROFS);
    CHECK_EQ(wsched_cancel(other, f), -EROFS);
    wsched_release(other, f);
    CHECK_EQ(g.v, 77);
    pid_t child = fork();
    if (child == 0) {
        struct wsched_info info;
        CHILD_CHECK(wsched_info(other, &info) == -ECHILD);
        _exit(0);
    }
    int status = -1;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK_EQ(status, 0);
    wsched_close(other);
    CHECK_EQ(kit_wait(pool, f), 0); /* still there */
    wsched_close(pool);
}

/* A driver in a process of its own, which has a worker die, then dies with all the others. */
static void leave_a_dead_pool(void)
{
    int ready[2], closed[2];
    char byte;

    REQUIRE(!pipe(ready) && !pipe(closed));
    pid_t child = fork();
    if (child == 0) {
        struct wsched *pool;
        struct wsched_future f, g;
        const int cause[2] = { SIGSEGV, 1 };
        CHILD_CHECK(open_named(name, &pool) == 0);
        struct wsched_spec s = kit_spec("die", cause, sizeof cause);
        s.label = "the unlucky one";
        CHILD_CHECK(wsched_submit(pool, &s, &f) == 0);
        CHILD_CHECK(wsched_wait(pool, &f, 1, 1, -1, NULL) == 1);
        s = kit_spec("wait", NULL, 0);
        CHILD_CHECK(wsched_submit(pool, &s, &g) == 0);
        gate_arrival();
        CHILD_CHECK(write(ready[1], "x", 1) == 1);
        pause();
    }
    close(closed[1]);
    CHECK(read(ready[0], &byte, 1) == 1);
    kill(child, SIGKILL);
    REQUIRE(waitpid(child, NULL, 0) == child);
    close(ready[0]);
    close(ready[1]);
    close(closed[0]);
}

static void await_dead(struct wsched *pool)
{
    struct wsched_info info;

    do
        REQUIRE_OK(wsched_info(pool, &info));
    while (!info.is_dead);
}

static void a_dead_pool_stays_to_be_looked_at(void)
{
    struct wsched *pool, *other;
    struct wsched_worker_info w;
    struct wsched_death death;
    struct wsched_info info;
    uint64_t cursor = 0, events = 0;

    make_name();
    gate_make();
    leave_a_dead_pool();
    REQUIRE_OK(wsched_look(name, &other));
    await_dead(other);
    REQUIRE_OK(wsched_info(other, &info));
    CHECK(info.running == 1 && info.supervisor == 0 && !info.is_stopping);
    REQUIRE(wsched_next_death(other, &cursor, &death) == 1);
    CHECK(death.signal == SIGSEGV && !strcmp(death.kernel, "die") &&
          !strcmp(death.label, "the unlucky one"));
    bool found = false;
    for (uint32_t i = 0; i < 2; i++) {
        REQUIRE_OK(wsched_worker_info(other, i, &w));
        CHECK_EQ(w.state, WSCHED_WORKER_DEAD);
        found |= w.depth == 1 && !strcmp(w.kernel, "wait") && w.started_ns != 0;
    }
    CHECK(found);
    REQUIRE_OK(wsched_events(other, count_event, &events));
    CHECK(events >= 6);
    CHECK_EQ(look_at_all(other), 0);

    REQUIRE_OK(open_named(name, &pool)); /* the next pool takes the name; we keep the dead one */
    CHECK_EQ(look_at_all(other), 0);
    wsched_close(other);
    REQUIRE_OK(wsched_look(name, &other));
    REQUIRE_OK(wsched_info(other, &info));
    CHECK(!info.is_dead && info.running == 0);
    wsched_close(other);
    CHECK_EQ(open_named(name, &other), -EEXIST); /* it lives */
    CHECK_EQ(open_named(path, &other), -EEXIST);
    CHECK_EQ(wsched_remove(name), -EBUSY);
    wsched_close(pool);
    CHECK_EQ(wsched_remove(name), -ENOENT);
    leave_a_dead_pool();
    gate_free();
    REQUIRE_OK(wsched_look(name, &other));
    await_dead(other);
    wsched_close(other);
    CHECK_EQ(wsched_remove(name), 0);
    CHECK_EQ(access(path, F_OK), -1);
}

static void refuses_what_is_no_pool(void)
{
    struct wsched *const untouched = (struct wsched *)(uintptr_t)16;
    struct wsched *pool = untouched;
    char longest[5000], folder[64];

    make_name();
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = 0;
    CHECK_EQ(wsched_look(NULL, &pool), -EINVAL);
    CHECK_EQ(wsched_look(name, NULL), -EINVAL);
    CHECK_EQ(wsched_look("", &pool), -EINVAL);
    CHECK_EQ(wsched_look(".hidden", &pool), -EINVAL);
    CHECK_EQ(wsched_look(longest, &pool), -EINVAL);
    CHECK_EQ(wsched_look("no-such-pool", &pool), -ENOENT);
    CHECK_EQ(wsched_look("99999999", &pool), -ENOENT);
    CHECK_EQ(wsched_look("/dev/null", &pool), -EPROTO);
    CHECK_EQ(wsched_look("/proc/self/exe", &pool), -EPROTO);
    CHECK_EQ(wsched_look("/dev/shm", &pool), -EPROTO);
    CHECK_EQ(open_named("", &pool), -EINVAL);
    CHECK_EQ(open_named(".hidden", &pool), -EINVAL);
    CHECK_EQ(open_named("/no/such/folder/pool", &pool), -ENOENT);
    snprintf(folder, sizeof folder, "/dev/shm/wsched-%u", (unsigned)geteuid());
    (void)mkdir(folder, 0700); /* it is there only while there are pools */
    int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    REQUIRE(fd >= 0 && write(fd, "precious", 8) == 8);
    CHECK_EQ(open_named(name, &pool), -EEXIST); /* somebody's file is not replaced */
    CHECK_EQ(wsched_look(name, &pool), -EPROTO);
    struct stat st;
    CHECK(!fstat(fd, &st) && st.st_nlink == 1 && st.st_size == 8);
    CHECK_EQ(wsched_remove(name), -EPROTO); /* nor removed */
    CHECK_EQ(wsched_remove("/dev/shm"), -EPROTO);
    CHECK_EQ(wsched_remove(""), -EINVAL);
    CHECK_EQ(wsched_remove(NULL), -EINVAL);
    CHECK_EQ(access(path, F_OK), 0);
    close(fd);
    unlink(path);
    (void)rmdir(folder);
    CHECK(pool == untouched);
}

/* Drivers that race for the name of a dead pool: one gets it. */
static void of_many_one_gets_the_name(void)
{
    int go[2], told[2], winners = 0;
    pid_t children[6];
    char answer;

    make_name();
    gate_make();
    leave_a_dead_pool();
    gate_free();
    struct wsched *dead;
    REQUIRE_OK(wsched_look(name, &dead));
    await_dead(dead);
    wsched_close(dead);
    REQUIRE(!pipe(go) && !pipe(told));
    for (int i = 0; i < 6; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            struct wsched *pool = NULL;
            char byte;
            close(go[1]);
            CHILD_CHECK(read(go[0], &byte, 1) == 0);
            int err = open_named(name, &pool);
            CHILD_CHECK(err == 0 || err == -EEXIST);
            CHILD_CHECK(write(told[1], err ? "n" : "y", 1) == 1);
            pause();
        }
    }
    close(go[0]);
    close(go[1]);
    for (int i = 0; i < 6; i++) {
        CHECK(read(told[0], &answer, 1) == 1);
        winners += answer == 'y';
    }
    CHECK_EQ(winners, 1);
    struct wsched *pool;
    struct wsched_info info;
    REQUIRE_OK(wsched_look(name, &pool));
    REQUIRE_OK(wsched_info(pool, &info));
    CHECK(!info.is_dead);
    wsched_close(pool);
    for (int i = 0; i < 6; i++) { /* the winner's workers go with it */
        kill(children[i], SIGKILL);
        CHECK(waitpid(children[i], NULL, 0) == children[i]);
    }
    close(told[0]);
    close(told[1]);
    unlink(path);
}

/* Any bytes: calls answer or refuse, and read nothing outside. */
static void damage_is_told_not_followed(void)
{
    uint64_t random = (uint64_t)test_seed;
    int rounds = getenv("STEPS") ? 20000 : 400, opened = 0, sound = 0;
    struct wsched *other;
    struct stat st;

    make_name();
    gate_make();
    leave_a_dead_pool();
    gate_free();
    REQUIRE_OK(wsched_look(name, &other));
    await_dead(other);
    wsched_close(other);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    REQUIRE(fd >= 0 && !fstat(fd, &st));
    size_t size = (size_t)st.st_size;
    unsigned char *whole = malloc(size);
    REQUIRE(whole && pread(fd, whole, size, 0) == (ssize_t)size);
    for (int i = 0; i < rounds; i++) {
        size_t reach = i % 2 ? 2048 : size; /* every other time in the header */
        int flips = 1 + (int)(test_random(&random) % 8);
        for (int k = 0; k < flips; k++) {
            size_t at = test_random(&random) % reach;
            unsigned char byte = (unsigned char)test_random(&random);
            if (k % 2)
                byte = test_random(&random) % 2 ? 0xff : 0;
            REQUIRE(pwrite(fd, &byte, 1, (off_t)at) == 1);
        }
        int err = wsched_look(name, &other);
        CHECK(err == 0 || err == -EPROTO || err == -EBADMSG);
        if (!err) {
            opened++;
            err = look_at_all(other);
            CHECK(err == 0 || err == -EBADMSG);
            sound += !err;
            wsched_close(other);
        }
        if (i % 8 == 7)
            REQUIRE(pwrite(fd, whole, size, 0) == (ssize_t)size);
    }
    CHECK(opened > 0 && sound > 0 && opened < rounds);
    for (size_t cut = 0; cut < size; cut += cut < 2048 ? 64 : size / 16) { /* cut off */
        REQUIRE(!ftruncate(fd, (off_t)cut) && pwrite(fd, whole, cut, 0) == (ssize_t)cut);
        int err = wsched_look(name, &other);
        CHECK(err == -EPROTO || err == -EBADMSG);
    }
    free(whole);
    close(fd);
    unlink(path);
}

TESTS("look", { "tells the layout version", tells_the_layout_version },
      { "by name", by_name }, { "by the pid of any process", by_the_pid_of_any_process },
      { "an observer changes nothing", an_observer_changes_nothing },
      { "a dead pool stays to be looked at", a_dead_pool_stays_to_be_looked_at },
      { "refuses what is no pool", refuses_what_is_no_pool },
      { "of many one gets the name", of_many_one_gets_the_name },
      { "damage is told, not followed", damage_is_told_not_followed })
