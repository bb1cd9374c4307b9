/* SPDX-License-Identifier: MIT */
/*
 * Several processes put, delete and sync objects of a store that outlives the machine, while they are
 * killed at random. Then the machine is started anew (played), those who recover the store are
 * killed, too, and what comes back is compared with a ledger: what was in a sync that returned, and was
 * not touched since, is there; of what else is there, every byte is as it was sealed. STORM=n makes
 * it n kills.
 */
#define _GNU_SOURCE
#include "help.h"
#include "restarts.h"
#include "test.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <time.h>

enum { WORKERS = 3, OWN = 24, KILLS_A_ROUND = 25 };
#define CAPACITY (1u << 20)

static char folder[64], path[80];

/* A worker's own objects are written by it alone (and its successors). A version is n + OWN * k, so that
 * it tells whose it is. */
static struct ledger {
    struct {
        _Atomic uint64_t last[OWN];   /* the last version that was begun */
        _Atomic uint64_t sealed[OWN]; /* is there for certain; 0: not, or perhaps */
        _Atomic uint64_t synced[OWN]; /* was in a sync, and not touched since; or 0 */
        _Atomic uint64_t calls, syncs;
    } of[WORKERS];
    _Atomic uint32_t faults;
} * ledger;

#define FAULT(...)                    \
    do {                              \
        fprintf(stderr, __VA_ARGS__); \
        ledger->faults++;             \
        _exit(99);                    \
    } while (0)

static uint64_t number_of(int worker, uint64_t n)
{
    return 1000 * ((uint64_t)worker + 1) + n;
}

static void change(struct objstore *s, int me, uint64_t n)
{
    struct objstore_id id = help_id(number_of(me, n));
    uint64_t version = ledger->of[me].last[n] + OWN;
    int err;

    if (ledger->of[me].sealed[n]) {
        ledger->of[me].synced[n] = 0;
        ledger->of[me].sealed[n] = 0;
        err = objstore_delete(s, &id);
        if (err)
            FAULT("delete: %s\n", objstore_strerror(err));
        return;
    }
    ledger->of[me].last[n] = version;
    err = put_version(s, number_of(me, n), version);
    if (err ==
        -EEXIST) { /* a predecessor died before it noted that, or after it said it would go */
        (void)!objstore_delete(s, &id);
        return;
    }
    if (!err)
        ledger->of[me].sealed[n] = version;
    else if (err != -ENOSPC)
        FAULT("put: %s\n", objstore_strerror(err));
}

static void sync_all(struct objstore *s, int me)
{
    uint64_t was[OWN];
    int err;

    for (uint64_t n = 0; n < OWN; n++)
        was[n] = ledger->of[me].sealed[n];
    err = objstore_sync(s, NULL);
    if (err)
        FAULT("sync: %s\n", objstore_strerror(err));
    for (uint64_t n = 0; n < OWN; n++)
        ledger->of[me].synced[n] = was[n];
    ledger->of[me].syncs++;
}

static void work(int me, uint64_t random)
{
    struct objstore *s = NULL;

    if (open_again(path, &s))
        FAULT("a worker cannot open the store\n");
    for (;;) {
        change(s, me, test_random(&random) % OWN);
        if (test_random(&random) % 16 == 0)
            sync_all(s, me);
        ledger->of[me].calls++;
    }
}

static pid_t start(int me, uint64_t seed)
{
    pid_t child = fork();

    REQUIRE(child >= 0);
    if (child == 0)
        work(me, seed);
    return child;
}

/* Until worker `me` has done so many more calls, or something is wrong. */
static void let_work(int me, pid_t pid, uint64_t calls)
{
    const uint64_t until = ledger->of[me].calls + calls;
    uint64_t sleeps = 0;

    while (ledger->of[me].calls < until && !ledger->faults)
        ledger->faults += !help_sleep_beside(pid, &sleeps);
}

static uint64_t storm_of_workers(uint64_t *random)
{
    pid_t child[WORKERS];

    for (int i = 0; i < WORKERS; i++)
        child[i] = start(i, test_random(random));
    for (int k = 0; k < KILLS_A_ROUND && !ledger->faults; k++) {
        int victim = (int)(test_random(random) % WORKERS);

        let_work(victim, child[victim], test_random(random) % 40);
        kill(child[victim], SIGKILL);
        CHECK_EQ(help_wait(child[victim]), 128 + SIGKILL);
        child[victim] = start(victim, test_random(random));
    }
    for (int i = 0; i < WORKERS; i++) {
        let_work(i, child[i], 5);
        kill(child[i], SIGKILL);
        CHECK_EQ(help_wait(child[i]), 128 + SIGKILL);
    }
    return KILLS_A_ROUND + WORKERS;
}

/* Some recover it, and are killed while they do, or just after. */
static uint64_t storm_of_recoveries(uint64_t *random)
{
    uint64_t deaths = test_random(random) % 4;

    for (uint64_t i = 0; i < deaths; i++) {
        pid_t child = fork();

        REQUIRE(child >= 0);
        if (child == 0) {
            struct objstore *s = NULL;
            CHILD_CHECK(open_again(path, &s) == 0);
            for (;;)
                pause();
        }
        nanosleep(&(struct timespec){ 0, (long)(test_random(random) % 1000000) }, NULL);
        kill(child, SIGKILL);
        CHECK_EQ(help_wait(child), 128 + SIGKILL);
    }
    return deaths;
}

static int count_loss(const struct objstore_id *id, uint32_t why, void *ctx)
{
    (void)id;
    CHECK(why == OBJSTORE_LOST_DAMAGED || why == OBJSTORE_LOST_UNSYNCED);
    ++*(uint64_t *)ctx;
    return 0;
}

/* What came back, which is from now on what was synced. */
static void compare(struct objstore *s, uint64_t *kept, uint64_t *more)
{
    for (int me = 0; me < WORKERS; me++)
        for (uint64_t n = 0; n < OWN; n++) {
            uint64_t version = version_of(s, number_of(me, n)), synced = ledger->of[me].synced[n];

            if (synced)
                CHECK_EQ(version, synced);
            CHECK(version <= ledger->of[me].last[n] && (!version || version % OWN == n));
            ledger->of[me].sealed[n] = ledger->of[me].synced[n] = version;
            *kept += synced != 0;
            *more += version && !synced;
        }
}

static void storm(void)
{
    struct objstore_options o = OBJSTORE_OPTIONS_INIT;
    uint64_t random = test_seed, kills = 0, rounds = 0, lost = 0, kept = 0, more = 0, syncs = 0,
             wanted = getenv("STORM") ? strtoull(getenv("STORM"), NULL, 0) : 120;
    struct objstore *s = NULL;

    ledger = mmap(NULL, sizeof *ledger, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(ledger != MAP_FAILED);
    for (int me = 0; me < WORKERS; me++)
        for (uint64_t n = 0; n < OWN; n++)
            ledger->of[me].last[n] = n;
    snprintf(folder, sizeof folder, "/dev/shm/objstore-storm-XXXXXX"); /* no disk to wait for */
    REQUIRE(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/store", folder);
    o.flags = OBJSTORE_CREATE;
    o.capacity_bytes = CAPACITY;
    REQUIRE_OK(objstore_open(path, &o, &s, NULL));
    for (; kills < wanted && !ledger->faults && !CU_get_number_of_failures(); rounds++) {
        objstore_close(s);
        kills += storm_of_workers(&random);
        restart(path);
        kills += storm_of_recoveries(&random);
        REQUIRE_OK(open_again(path, &s));
        CHECK(objstore_losses(s, count_loss, &lost) >= 0);
        CHECK(help_is_sound(s));
        compare(s, &kept, &more);
    }
    CHECK_EQ(ledger->faults, 0);
    for (int me = 0; me < WORKERS; me++) {
        syncs += ledger->of[me].syncs;
        for (uint64_t n = 0; n < OWN; n++) {
            struct objstore_id id = help_id(number_of(me, n));

            (void)!objstore_delete(s, &id);
        }
    }
    CHECK_EQ(help_used(s), 0);
    printf("    %llu kills, %llu restarts, %llu syncs; %llu objects kept, %llu more, %llu lost\n",
           (unsigned long long)kills, (unsigned long long)rounds, (unsigned long long)syncs,
           (unsigned long long)kept, (unsigned long long)more, (unsigned long long)lost);
    CHECK(kept > 0 && syncs > 0);
    REQUIRE_OK(objstore_sync(s, NULL));
    CHECK_EQ(files_in(folder, false), 2); /* the store and its list */
    objstore_close(s);
    CHECK_EQ(objstore_destroy(path), 0);
    CHECK_EQ(files_in(folder, true), 0);
    CHECK_EQ(rmdir(folder), 0);
    munmap(ledger, sizeof *ledger);
}

TESTS("durable storm", { "what was synced is there after restarts, in a storm of kills", storm })
