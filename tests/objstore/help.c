/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "help.h"
#include "point.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void fatal(const char *what, int err)
{
    fprintf(stderr, "%s: %s\n", what, objstore_strerror(err));
    _exit(98);
}

struct objstore *help_store(uint64_t capacity_bytes)
{
    struct objstore_options o = OBJSTORE_OPTIONS_INIT;
    struct objstore *store = NULL;

    o.capacity_bytes = capacity_bytes;
    int err = objstore_open(NULL, &o, &store, NULL);
    if (err)
        fatal("objstore_open", err);
    return store;
}

struct objstore *help_attach(const struct objstore *store)
{
    struct objstore *other = NULL;
    int err = objstore_open_fd(objstore_fd(store), NULL, &other, NULL);

    if (err)
        fatal("objstore_open_fd", err);
    return other;
}

struct objstore_id help_id(uint64_t number)
{
    struct objstore_id id = { { 0 } };

    memcpy(id.bytes, &number, sizeof number);
    id.bytes[15] = 1;
    return id;
}

/* Eight bytes at a time: storms spend their time in the store, not here. */
static uint64_t word_at(size_t i, uint64_t seed)
{
    return (i + seed * 0x9e3779b97f4a7c15u) * 0xd6e8feb86659fd93u;
}

void help_fill(void *data, size_t size, uint64_t seed)
{
    unsigned char *bytes = data;
    size_t i;

    for (i = 0; i + 8 <= size; i += 8)
        memcpy(bytes + i, &(uint64_t){ word_at(i, seed) }, 8);
    if (size > i)
        memcpy(bytes + i, &(uint64_t){ word_at(i, seed) }, size - i);
}

bool help_is_filled(const void *data, size_t size, uint64_t seed)
{
    const unsigned char *bytes = data;
    size_t i;

    for (i = 0; i + 8 <= size; i += 8)
        if (memcmp(bytes + i, &(uint64_t){ word_at(i, seed) }, 8))
            return false;
    return size == i || !memcmp(bytes + i, &(uint64_t){ word_at(i, seed) }, size - i);
}

bool help_is_sound(struct objstore *store)
{
    struct objstore_diag diag = { "" };
    int err = objstore_verify(store, &diag);

    if (err)
        fprintf(stderr, "verify: %s: %s\n", objstore_strerror(err), diag.text);
    return err == 0;
}

uint64_t help_used(struct objstore *store)
{
    struct objstore_stats stats;

    return objstore_stats(store, &stats) ? UINT64_MAX : stats.used_bytes;
}

uint64_t help_pages(struct objstore *store)
{
    uint64_t n = 0, first = UINT64_MAX / 2;
    struct objstore_id id = help_id(first);
    void *data;

    while (!objstore_create(store, &id, 4096, NULL, &data))
        id = help_id(first + ++n);
    for (uint64_t i = 0; i < n; i++) {
        id = help_id(first + i);
        if (objstore_abort(store, &id))
            return UINT64_MAX;
    }
    return n;
}

int help_wait(pid_t child)
{
    int status;

    if (waitpid(child, &status, 0) != child)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool help_sleep_beside(pid_t child, uint64_t *sleeps)
{
    siginfo_t end = { .si_pid = 0 };

    nanosleep(&(struct timespec){ 0, 50000 }, NULL);
    if (!waitid(P_PID, (id_t)child, &end, WEXITED | WNOHANG | WNOWAIT) && end.si_pid) {
        fprintf(stderr, "process %d died by itself: %s %d\n", (int)child,
                end.si_code == CLD_EXITED ? "exit" : "signal", end.si_status);
        return false;
    }
    if (++*sleeps < 1000000)
        return true;
    fprintf(stderr, "process %d is stuck\n", (int)child);
    return false;
}

static long points_left;

static void die_here(const char *name)
{
    (void)name;
    if (--points_left == 0)
        raise(SIGKILL);
}

void help_die_at(long k)
{
    points_left = k;
    test_point = die_here;
}

static bool copy_bytes(int from, int to, off_t at, off_t end)
{
    static char buffer[256 << 10];

    while (at < end) {
        size_t want = end - at < (off_t)sizeof buffer ? (size_t)(end - at) : sizeof buffer;
        ssize_t n = pread(from, buffer, want, at);

        if (n <= 0 || pwrite(to, buffer, (size_t)n, at) != n)
            return false;
        at += n;
    }
    return true;
}

bool help_copy(int from, int to)
{
    off_t size = lseek(from, 0, SEEK_END), at = 0;

    if (ftruncate(to, size))
        return false;
    while ((at = lseek(from, at, SEEK_DATA)) >= 0) {
        off_t end = lseek(from, at, SEEK_HOLE);

        if (!copy_bytes(from, to, at, end))
            return false;
        at = end;
    }
    return true;
}
