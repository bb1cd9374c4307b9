/* SPDX-License-Identifier: MIT */
/*
 * A driver is killed, then stopped, at every step of taking a name, of taking over that of a dead
 * pool, and of giving it back. Whoever comes next finds no pool or a whole one, gets the name
 * unless somebody lives who has it, and waits for nobody.
 */
#define _GNU_SOURCE
#include "kit.h"
#include "point.h"

#include <dirent.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char name[64], folder[64];

/* ---- a driver that stops at a step ----------------------------------------------------------- */

static int passed, halt_at, halt_signal;

static void halt(const char *point)
{
    if (!strncmp(point, "name: ", 6) && ++passed == halt_at)
        raise(halt_signal);
}

static int open_pool(struct wsched **pool)
{
    struct wsched_options o = WSCHED_OPTIONS_INIT;

    o.workers = 1;
    o.task_capacity = 16;
    o.event_capacity = 16;
    o.name = name;
    return wsched_open(&o, kit_kernels, kit_kernel_count, pool);
}

/* Opens, says so, closes when told to; passes the points of both. */
static pid_t driver(int at, int sig, int told[2], int go[2])
{
    pid_t child = fork();

    REQUIRE(child >= 0);
    if (child)
        return child;
    struct wsched *pool;
    char byte = 0;
    halt_at = at;
    halt_signal = sig;
    test_point = halt;
    close(told[0]);
    close(go[1]);
    int err = open_pool(&pool);
    byte = (char)-err;
    CHILD_CHECK(write(told[1], &byte, 1) == 1);
    if (!err && read(go[0], &byte, 1) == 0)
        wsched_close(pool);
    _exit(0);
}

/* ---- what others find ------------------------------------------------------------------------ */

static int entries(void)
{
    DIR *d = opendir(folder);
    int n = 0;

    for (const struct dirent *e; d && (e = readdir(d));)
        n += strstr(e->d_name, name) != NULL;
    if (d)
        closedir(d);
    return n;
}

/* True: there is a pool, and its processes are dead. */
static bool is_whole(void)
{
    struct wsched_info info;
    struct wsched *pool;
    char text[256];
    int err = wsched_look(name, &pool);

    CHECK(err == 0 || err == -ENOENT);
    if (err)
        return false;
    do /* its workers are on their way out */
        REQUIRE_OK(wsched_info(pool, &info));
    while (!info.is_dead);
    CHECK_EQ(wsched_verify(pool, text), 0);
    wsched_close(pool);
    return true;
}

static void next_one_gets_it(void)
{
    struct wsched *pool;

    REQUIRE_OK(open_pool(&pool));
    CHECK_EQ(kit_wait(pool, kit_submit(pool, "nothing", NULL, 0)), 0);
    wsched_close(pool);
    CHECK_EQ(entries(), 0); /* also nothing that the dead had left beside it */
}

static void leave_a_dead_pool(void)
{
    int told[2], go[2];
    char byte;

    REQUIRE(!pipe(told) && !pipe(go));
    pid_t child = driver(0, 0, told, go);
    REQUIRE(read(told[0], &byte, 1) == 1 && byte == 0);
    kill(child, SIGKILL);
    REQUIRE(waitpid(child, NULL, 0) == child);
    for (int i = 0; i < 2; i++) {
        close(told[i]);
        close(go[i]);
    }
    CHECK(is_whole());
}

static void begin(void)
{
    snprintf(name, sizeof name, "test-name-%d", (int)getpid());
    snprintf(folder, sizeof folder, "/dev/shm/wsched-%u", (unsigned)geteuid());
}

/* ---- killed ---------------------------------------------------------------------------------- */

/* How many points there are: the first that is not reached. */
static int kill_everywhere(bool is_over_dead, bool is_removed)
{
    for (int at = 1;; at++) {
        int told[2], go[2], status = 0;
        char byte;
        if (is_over_dead)
            leave_a_dead_pool();
        REQUIRE(!pipe(told) && !pipe(go));
        pid_t child = driver(at, SIGKILL, told, go);
        close(told[1]);
        close(go[0]);
        bool is_open = read(told[0], &byte, 1) == 1;
        close(go[1]);
        close(told[0]);
        REQUIRE(waitpid(child, &status, 0) == child);
        bool is_killed = WIFSIGNALED(status), is_there = is_whole();
        CHECK(is_there || !is_over_dead || is_open); /* a dead pool is replaced, not lost */
        CHECK(!is_there || is_killed);
        if (is_removed && is_there)
            CHECK_EQ(wsched_remove(name), 0);
        if (is_removed)
            CHECK_EQ(entries(), 0);
        next_one_gets_it();
        if (!is_killed)
            return at - 1;
    }
}

static void killed_at_every_step(void)
{
    begin();
    CHECK(kill_everywhere(false, false) >= 3);
    CHECK(kill_everywhere(true, false) >= 5);
    CHECK(kill_everywhere(true, true) >= 5);
}

/* ---- removing -------------------------------------------------------------------------------- */

static void killed_while_it_removes(void)
{
    begin();
    for (int at = 1;; at++) {
        int status = 0;
        leave_a_dead_pool();
        pid_t child = fork();
        if (child == 0) {
            halt_at = at;
            halt_signal = SIGKILL;
            test_point = halt;
            CHILD_CHECK(wsched_remove(name) == 0);
            _exit(0);
        }
        REQUIRE(waitpid(child, &status, 0) == child);
        CHECK(is_whole() == WIFSIGNALED(status));
        next_one_gets_it();
        if (!WIFSIGNALED(status)) {
            CHECK(at > 2);
            return;
        }
    }
}

/* ---- stopped --------------------------------------------------------------------------------- */

/* One is stopped at each step of replacing a dead pool. Others do not wait for it: they get the
 * name, or are told that it is taken; and in the end one has it. */
static void stopped_at_every_step(void)
{
    begin();
    for (int at = 1;; at++) {
        int told[2], go[2], status = 0;
        struct wsched *pool = NULL;
        char byte = 0;
        leave_a_dead_pool();
        REQUIRE(!pipe(told) && !pipe(go));
        pid_t child = driver(at, SIGSTOP, told, go);
        close(told[1]);
        close(go[0]);
        close(go[1]); /* it closes its pool at once, and passes those steps as well */
        REQUIRE(waitpid(child, &status, WUNTRACED) == child);
        bool is_stopped = WIFSTOPPED(status);
        int err = open_pool(&pool);
        CHECK(err == 0 || (err == -EEXIST && is_stopped));
        kill(child, SIGCONT);
        if (is_stopped)
            REQUIRE(waitpid(child, &status, 0) == child);
        CHECK_EQ(status, 0);
        CHECK(read(told[0], &byte, 1) == 1);
        close(told[0]);
        CHECK(byte == 0 || byte == EEXIST);
        if (is_stopped) /* one of them had it */
            CHECK_EQ(byte == 0, err != 0);
        if (!err) { /* and it is not taken from who has it */
            struct wsched *other;
            struct wsched_info info;
            REQUIRE_OK(wsched_look(name, &other));
            REQUIRE_OK(wsched_info(other, &info));
            CHECK(!info.is_dead);
            wsched_close(other);
        }
        wsched_close(pool);
        next_one_gets_it();
        if (!is_stopped) {
            CHECK(at > 5);
            return;
        }
    }
}

TESTS("kill name", { "killed at every step", killed_at_every_step },
      { "killed while it removes", killed_while_it_removes },
      { "stopped at every step", stopped_at_every_step })
