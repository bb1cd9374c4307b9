/* SPDX-License-Identifier: MIT */
/*
 * floor.c -- what this machine asks for two processes that pass one word to and fro, with no
 * scheduler between them: the least that any could need. Hot both spin, else both sleep on a futex.
 */
#define _GNU_SOURCE
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../cases.h"

#define TRIPS 100000
#define COLD_TRIPS 100
#define MS 1000000

static const char *const impl = "bare words, futexes";

struct line {
    _Alignas(64) atomic_uint word;
};
static struct line *ask, *answer;

static void await(struct line *l, unsigned n, int spins)
{
    while (atomic_load_explicit(&l->word, memory_order_acquire) != n)
        if (spins)
            __builtin_ia32_pause();
        else
            syscall(SYS_futex, &l->word, FUTEX_WAIT, n - 1, NULL, NULL, 0);
}

static void tell(struct line *l, unsigned n, int spins)
{
    atomic_store_explicit(&l->word, n, memory_order_release);
    if (!spins)
        syscall(SYS_futex, &l->word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* A child that answers `count` times. */
static pid_t start(unsigned count, int spins)
{
    atomic_store(&ask->word, 0);
    atomic_store(&answer->word, 0);
    pid_t pid = fork();
    if (pid < 0)
        exit(3);
    for (unsigned n = 1; pid == 0 && n <= count; n++) {
        await(ask, n, spins);
        tell(answer, n, spins);
    }
    if (pid == 0)
        _exit(0);
    return pid;
}

static double trip_us(unsigned n, long gap_ns, int spins)
{
    if (gap_ns)
        nanosleep(&(struct timespec){ 0, gap_ns }, NULL);
    int64_t begin = now_ns();
    tell(ask, n, spins);
    await(answer, n, spins);
    return (double)(now_ns() - begin) / 1e3;
}

static void trips(const char *name, unsigned count, long gap_ns, int spins)
{
    static double us[TRIPS];
    pid_t pid = start(count, spins);

    for (unsigned n = 1; n <= count; n++)
        us[n - 1] = trip_us(n, gap_ns, spins);
    waitpid(pid, NULL, 0);
    say_trips(impl, name, us, (int)count);
}

static double cpu_ns(pid_t pid)
{
    struct timespec t = { 0, 0 };
    clockid_t clock;

    if (!clock_getcpuclockid(pid, &clock))
        clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* The child's CPU time in a second of a trip per millisecond, when it is up. */
static void tick(void)
{
    pid_t pid = start(UINT_MAX, 0);

    trip_us(1, 0, 0);
    int64_t begin = now_ns();
    double before = cpu_ns(pid);
    for (unsigned n = 2; now_ns() - begin < 1000 * MS; n++)
        trip_us(n, MS, 0);
    double percent = (cpu_ns(pid) - before) / (double)(now_ns() - begin) * 100;
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    say(impl, CASE_TICK, "CPU of the pool", "%", "lower", percent);
}

/* A supervisor's fork and two workers', one of which answers. */
static void up(void)
{
    int64_t begin = now_ns();
    pid_t pid = fork();

    if (pid < 0)
        exit(3);
    if (pid == 0) {
        for (int i = 0; i < 2; i++) {
            pid_t worker = fork();
            if (worker < 0)
                kill(getppid(), SIGTERM); /* it would wait for ever */
            if (worker == 0 && i == 0)
                tell(answer, 1, 0);
            if (worker <= 0)
                _exit(0);
        }
        while (wait(NULL) > 0)
            ;
        _exit(0);
    }
    await(answer, 1, 0);
    say(impl, CASE_OPEN, "time", "us", "lower", (double)(now_ns() - begin) / 1e3);
    waitpid(pid, NULL, 0);
}

int main(void)
{
    void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        return 3;
    ask = memory;
    answer = ask + 1;
    up();
    trips(CASE_HOT, TRIPS, 0, 1);
    trips(CASE_COLD, COLD_TRIPS, 3 * MS, 0);
    tick();
    return 0;
}
