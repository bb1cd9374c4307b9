/* SPDX-License-Identifier: MIT */
/*
 * Several processes work on one store as fast as they can while they are killed, stopped and
 * continued at random. A ledger outside the store says what each had certainly done: what was
 * put and not deleted must be there with its bytes. STORM=n makes it n kills.
 */
#define _GNU_SOURCE
#include "help.h"
#include "test.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <time.h>

enum { WORKERS = 4, OWN = 64, COMMON = 16 };
#define CAPACITY (2u << 20)

/* A worker's own objects are written by it alone (and its successors), so their fate is known. */
enum { NO, MAYBE, YES };
struct ledger {
    struct {
        _Atomic uint32_t state[OWN];
        _Atomic uint64_t seed[OWN];
        _Atomic uint64_t calls;
    } of[WORKERS];
    _Atomic uint32_t faults;
};
static struct ledger *ledger;

static size_t size_of(uint64_t seed)
{
    return seed % 11 == 0 ? seed % 30000 : seed % 3 == 0 ? seed % 64 : seed % 2000;
}

#define FAULT(...)                    \
    do {                              \
        fprintf(stderr, __VA_ARGS__); \
        ledger->faults++;             \
        _exit(99);                    \
    } while (0)

static void check_own(struct objstore *s, int me, uint64_t n)
{
    struct objstore_id id = help_id(1000 * ((uint64_t)me + 1) + n);
    struct objstore_view view;
    uint64_t seed = ledger->of[me].seed[n];
    int err = objstore_get(s, &id, 0, &view);

    if (ledger->of[me].state[n] == YES && err)
        FAULT("object %llu of worker %d is lost: %s\n", (unsigned long long)n, me,
              objstore_strerror(err));
    if (ledger->of[me].state[n] == NO && err != -ENOENT)
        FAULT("object %llu of worker %d came back\n", (unsigned long long)n, me);
    if (err)
        return;
    if (view.size != size_of(seed) || !help_is_filled(view.data, view.size, seed))
        FAULT("object %llu of worker %d has other bytes\n", (unsigned long long)n, me);
    objstore_release(s, &view);
}

/* Put or delete one of our own, noting what is certain before and after. */
static void change_own(struct objstore *s, int me, uint64_t n, uint64_t *random)
{
    static unsigned char bytes[30000];
    struct objstore_id id = help_id(1000 * ((uint64_t)me + 1) + n);
    int err;

    if (ledger->of[me].state[n] != NO) {
        ledger->of[me].state[n] = MAYBE;
        err = objstore_delete(s, &id);
        if (err && err != -ENOENT)
            FAULT("delete: %s\n", objstore_strerror(err));
        ledger->of[me].state[n] = NO;
        return;
    }
    uint64_t seed = test_random(random);
    size_t size = size_of(seed);
    ledger->of[me].seed[n] = seed;
    ledger->of[me].state[n] = MAYBE;
    help_fill(bytes, size, seed);
    if (seed % 2) {
        void *data;

        err = objstore_create(s, &id, size, NULL, &data);
        if (!err && size)
            memcpy(data, bytes, size);
        if (!err && seed % 16 == 1) {
            err = objstore_abort(s, &id);
            ledger->of[me].state[n] = NO;
            return;
        }
        if (!err)
            err = objstore_seal(s, &id);
    } else {
        err = objstore_put(s, &id, bytes, size, NULL);
    }
    if (err && err != -ENOSPC)
        FAULT("put: %s\n", objstore_strerror(err));
    ledger->of[me].state[n] = err ? NO : YES;
}

/* Objects that all fight for: whoever gets one must see bytes that belong together. */
static void touch_common(struct objstore *s, uint64_t *random)
{
    struct objstore_id id = help_id(1 + test_random(random) % COMMON);
    struct objstore_view view;
    unsigned char bytes[3000];
    uint64_t seed = test_random(random) & 0xffff;

    switch (test_random(random) % 3) {
    case 0:
        help_fill(bytes + 8, sizeof bytes - 8, seed);
        memcpy(bytes, &seed, 8);
        (void)!objstore_put(s, &id, bytes, 8 + seed % (sizeof bytes - 8), NULL);
        break;
    case 1:
        (void)!objstore_delete(s, &id);
        break;
    default:
        if (objstore_get(s, &id, 0, &view))
            break;
        memcpy(&seed, view.data, 8);
        if (!help_is_filled((const char *)view.data + 8, view.size - 8, seed))
            FAULT("a common object is torn\n");
        objstore_release(s, &view);
    }
}

static void work(int fd, int me, uint64_t seed)
{
    struct objstore *s;
    uint64_t random = seed;
    int err = objstore_open_fd(fd, NULL, &s, NULL);

    if (err)
        FAULT("open: %s\n", objstore_strerror(err));
    for (uint64_t n = 0; n < OWN; n++)
        check_own(s, me, n);
    for (;;) {
        uint64_t n = test_random(&random) % OWN;

        touch_common(s, &random);
        check_own(s, me, n);
        change_own(s, me, n, &random);
        ledger->of[me].calls++;
        if (test_random(&random) % 5000 == 0) {
            objstore_close(s);
            err = objstore_open_fd(fd, NULL, &s, NULL);
            if (err)
                FAULT("open: %s\n", objstore_strerror(err));
        }
    }
}

static pid_t start(int fd, int me, uint64_t seed)
{
    pid_t child = fork();

    if (child == 0)
        work(fd, me, seed);
    REQUIRE(child > 0);
    return child;
}

/* Let the others work for a moment that ends by their progress, not by a clock. */
static void let_work(const pid_t *child, int except, uint64_t calls)
{
    uint64_t before[WORKERS];

    for (int i = 0; i < WORKERS; i++)
        before[i] = ledger->of[i].calls;
    for (int i = 0; i < WORKERS; i++)
        while (i != except && ledger->of[i].calls < before[i] + calls && !ledger->faults &&
               kill(child[i], 0) == 0)
            nanosleep(&(struct timespec){ 0, 50000 }, NULL);
}

static void storm(void)
{
    struct objstore *s = help_store(CAPACITY);
    uint64_t random = test_seed, kills = getenv("STORM") ? strtoull(getenv("STORM"), NULL, 0) : 300;
    pid_t child[WORKERS];

    ledger = mmap(NULL, sizeof *ledger, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(ledger != MAP_FAILED);
    for (int i = 0; i < WORKERS; i++)
        child[i] = start(objstore_fd(s), i, test_random(&random));
    for (uint64_t k = 0; k < kills && !ledger->faults; k++) {
        int victim = (int)(test_random(&random) % WORKERS), stopped = (victim + 1) % WORKERS;

        /* Everybody else gets on while one is stopped wherever it is. */
        kill(child[stopped], SIGSTOP);
        let_work(child, stopped, 1 + test_random(&random) % 40);
        kill(child[victim], SIGKILL);
        help_wait(child[victim]);
        child[victim] = start(objstore_fd(s), victim, test_random(&random));
        let_work(child, stopped, 5);
        kill(child[stopped], SIGCONT);
        if (k % 50 == 0)
            CHECK(help_is_sound(s));
    }
    for (int i = 0; i < WORKERS; i++) {
        kill(child[i], SIGKILL);
        help_wait(child[i]);
    }
    CHECK_EQ(ledger->faults, 0);
    CHECK(objstore_reap(s) >= 0);
    CHECK(help_is_sound(s));
    uint64_t calls = 0;
    for (int i = 0; i < WORKERS; i++) {
        calls += ledger->of[i].calls;
        for (uint64_t n = 0; n < OWN; n++) {
            struct objstore_id id = help_id(1000 * ((uint64_t)i + 1) + n);

            check_own(s, i, n);
            (void)!objstore_delete(s, &id);
        }
    }
    for (uint64_t n = 1; n <= COMMON; n++) {
        struct objstore_id id = help_id(n);

        (void)!objstore_delete(s, &id);
    }
    struct objstore_stats stats;
    CHECK_EQ(objstore_stats(s, &stats), 0);
    CHECK_EQ(stats.used_bytes, 0);
    CHECK_EQ(stats.objects_unsealed + stats.objects_deleted + stats.objects_sealed, 0);
    CHECK_EQ(stats.processes, 1);
    /* Some die before they are attached, or between two attachments. */
    CHECK(stats.deaths <= kills + WORKERS && stats.deaths > kills / 2);
    struct objstore_id all = help_id(1);
    void *data;
    CHECK_EQ(objstore_create(s, &all, CAPACITY, NULL, &data), 0);
    printf("    %llu kills, %llu rounds of calls\n", (unsigned long long)(kills + WORKERS),
           (unsigned long long)calls);
    objstore_close(s);
}

TESTS("storm", { "nothing is lost, torn, leaked or stuck in a storm of kills and stops", storm })
