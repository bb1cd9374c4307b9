/* SPDX-License-Identifier: MIT */
/*
 * Several processes work on one store as fast as they can while they are killed, stopped and
 * continued at random: in put, create, seal, abort, get, wait, delete, list, verify, while they
 * open and close the store, and while they make and destroy others beside it. A ledger outside
 * the store says what each had certainly done: what was put and not deleted must be there with
 * its bytes. STORM=n makes it n kills.
 */
#define _GNU_SOURCE
#include "help.h"
#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

enum { WORKERS = 4, OWN = 64, COMMON = 16, KEEP_MS = 20 };
#define CAPACITY (2u << 20)
#define SMALL (64u << 10) /* of the stores that are made and destroyed */

static char dir[64], path[96], passing[96], ephemeral[96];

/* A worker's own objects are written by it alone (and its successors), so their fate is known. */
enum { NO, MAYBE, YES };
struct ledger {
    struct {
        _Atomic uint32_t state[OWN];
        _Atomic uint64_t seed[OWN];
        _Atomic uint64_t calls, makes;
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

/* Give a view and take it again as the one it was meant for, or not, or too late. */
static void hand_over(struct objstore *s, const struct objstore_view *view, uint64_t *random)
{
    struct objstore_pass pass;
    struct objstore_view taken;
    int err = objstore_give(s, view, KEEP_MS, &pass);

    if (err && err != -ENOSPC)
        FAULT("give: %s\n", objstore_strerror(err));
    if (err || test_random(random) % 8 == 0) /* nobody comes for it */
        return;
    if (test_random(random) % 8 == 0) {
        err = objstore_give_cancel(s, &pass);
    } else {
        err = objstore_take(s, &pass, &taken);
        if (!err && (taken.size != view->size || taken.data != view->data))
            FAULT("what was taken is not what was given\n");
        if (!err)
            objstore_release(s, &taken);
    }
    if (err && err != -ENOENT)
        FAULT("take or cancel: %s\n", objstore_strerror(err));
}

/* A seed, and bytes that follow from it. */
static bool is_whole(const struct objstore_view *view)
{
    uint64_t seed;

    memcpy(&seed, view->data, 8);
    return help_is_filled((const char *)view->data + 8, view->size - 8, seed);
}

/* Until it is hot, and has quick pins: pin.c. */
static void read_often(struct objstore *s, const struct objstore_id *id)
{
    struct objstore_view view;

    for (int i = 0; i < 1500 && !objstore_get(s, id, 0, &view); i++) {
        if (!is_whole(&view))
            FAULT("a common object is torn when it is read often\n");
        objstore_release(s, &view);
    }
}

/* Objects that all fight for: whoever gets one must see bytes that belong together. */
static void touch_common(struct objstore *s, uint64_t *random)
{
    struct objstore_id id = help_id(1 + test_random(random) % COMMON);
    struct objstore_view view;
    unsigned char bytes[3000];
    uint64_t seed = test_random(random) & 0xffff;

    if (test_random(random) % 64 == 0)
        read_often(s, &id);
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
        if (!is_whole(&view))
            FAULT("a common object is torn\n");
        if (test_random(random) % 16 == 0)
            hand_over(s, &view, random);
        objstore_release(s, &view);
    }
}

static struct objstore *open_at(const char *where, uint32_t flags, uint64_t capacity)
{
    struct objstore_options o = OBJSTORE_OPTIONS_INIT;
    struct objstore_diag diag = { "" };
    struct objstore *s = NULL;

    o.flags = flags;
    o.capacity_bytes = capacity;
    int err = objstore_open(where, &o, &s, &diag);
    if (err)
        FAULT("open %s: %s\n", where, diag.text);
    return s;
}

/* Waiting for what others may be writing, or be dead or stopped in the middle of. */
static void wait_common(struct objstore *s, uint64_t *random)
{
    struct objstore_id ids[4];
    struct objstore_view view;
    bool ready[4];
    int err;

    for (int i = 0; i < 4; i++)
        ids[i] = help_id(1 + test_random(random) % COMMON);
    if (test_random(random) % 2) {
        err = objstore_wait(s, ids, 4, 1 + test_random(random) % 4, 1, ready);
        if (err < 0 && err != -ETIMEDOUT)
            FAULT("wait: %s\n", objstore_strerror(err));
        return;
    }
    err = objstore_get(s, &ids[0], 1, &view);
    if (err && err != -ETIMEDOUT)
        FAULT("get: %s\n", objstore_strerror(err));
    if (!err)
        objstore_release(s, &view);
}

/* Another store, made or met, used and left; at times destroyed under whoever else uses it. */
static void make_another(uint64_t *random)
{
    bool is_ephemeral = test_random(random) % 2;
    const char *where = is_ephemeral ? ephemeral : passing;
    struct objstore *s =
        open_at(where, OBJSTORE_CREATE | (is_ephemeral ? OBJSTORE_EPHEMERAL : 0u), SMALL);

    for (int i = 0; i < 3; i++)
        touch_common(s, random);
    objstore_close(s);
    if (!is_ephemeral && test_random(random) % 2) {
        int err = objstore_destroy(where);

        if (err && err != -ENOENT)
            FAULT("destroy: %s\n", objstore_strerror(err));
    }
}

static void work(int me, uint64_t seed)
{
    uint64_t random = seed;
    struct objstore *s = open_at(path, 0, 0);
    struct objstore_diag diag;

    for (uint64_t n = 0; n < OWN; n++)
        check_own(s, me, n);
    for (;;) {
        uint64_t n = test_random(&random) % OWN;

        touch_common(s, &random);
        check_own(s, me, n);
        change_own(s, me, n, &random);
        ledger->of[me].calls++;
        switch (test_random(&random) % 512) {
        case 0:
            objstore_close(s);
            s = open_at(path, test_random(&random) % 2 ? OBJSTORE_CREATE : 0, 0);
            break;
        case 1:
        case 2:
            make_another(&random);
            ledger->of[me].makes++;
            break;
        case 3:
        case 4:
            wait_common(s, &random);
            break;
        case 5:
            if (objstore_verify(s, &diag))
                FAULT("verify: %s\n", diag.text);
            break;
        default:
            break;
        }
    }
}

static pid_t start(int me, uint64_t seed)
{
    pid_t child = fork();

    if (child == 0)
        work(me, seed);
    REQUIRE(child > 0);
    return child;
}

/* Let the others work for a moment that ends by their progress, not by a clock. */
static void let_work(const pid_t *child, int except, uint64_t calls)
{
    uint64_t before[WORKERS], sleeps = 0;

    for (int i = 0; i < WORKERS; i++)
        before[i] = ledger->of[i].calls;
    for (int i = 0; i < WORKERS; i++)
        while (i != except && ledger->of[i].calls < before[i] + calls && !ledger->faults)
            ledger->faults += !help_sleep_beside(child[i], &sleeps);
}

static void make_directory(void)
{
    snprintf(dir, sizeof dir, "/dev/shm/objstore-test-storm-%d", (int)getpid());
    snprintf(path, sizeof path, "%s/main", dir);
    snprintf(passing, sizeof passing, "%s/passing", dir);
    snprintf(ephemeral, sizeof ephemeral, "%s/ephemeral", dir);
    REQUIRE(mkdir(dir, 0700) == 0);
}

/* After all are dead: what the makers of stores left goes with the next opener. */
static void check_directory(void)
{
    struct objstore *s = NULL;
    int err = objstore_open(ephemeral, NULL, &s, NULL);

    CHECK_EQ(err, -ENOENT); /* its users are gone, so it is */
    err = objstore_destroy(passing);
    CHECK(err == 0 || err == -ENOENT);
    CHECK_EQ(objstore_destroy(path), 0);
    CHECK_EQ(rmdir(dir), 0); /* nothing half made is left in it */
}

static void storm(void)
{
    struct objstore *s;
    uint64_t random = test_seed, makes = 0,
             kills = getenv("STORM") ? strtoull(getenv("STORM"), NULL, 0) : 300;
    pid_t child[WORKERS];

    ledger = mmap(NULL, sizeof *ledger, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(ledger != MAP_FAILED);
    make_directory();
    s = open_at(path, OBJSTORE_CREATE | OBJSTORE_EXCLUSIVE, CAPACITY);
    for (int i = 0; i < WORKERS; i++)
        child[i] = start(i, test_random(&random));
    for (uint64_t k = 0; k < kills && !ledger->faults; k++) {
        int victim = (int)(test_random(&random) % WORKERS), stopped = (victim + 1) % WORKERS;

        /* Everybody else gets on while one is stopped wherever it is. */
        kill(child[stopped], SIGSTOP);
        let_work(child, stopped, 1 + test_random(&random) % 40);
        kill(child[victim], SIGKILL);
        help_wait(child[victim]);
        child[victim] = start(victim, test_random(&random));
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
        makes += ledger->of[i].makes;
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
    nanosleep(&(struct timespec){ 0, 2 * KEEP_MS * 1000000 }, NULL); /* what nobody took is over */
    CHECK(objstore_reap(s) >= 0);
    CHECK_EQ(objstore_stats(s, &stats), 0);
    CHECK_EQ(stats.used_bytes, 0);
    CHECK_EQ(stats.objects_unsealed + stats.objects_deleted + stats.objects_sealed, 0);
    CHECK_EQ(stats.processes, 1);
    /* Some die before they are attached, or between two attachments. */
    CHECK(stats.deaths <= kills + WORKERS && stats.deaths > kills / 2);
    struct objstore_id all = help_id(1);
    void *data;
    CHECK_EQ(objstore_create(s, &all, CAPACITY, NULL, &data), 0);
    printf("    %llu kills, %llu rounds of calls, %llu other stores\n",
           (unsigned long long)(kills + WORKERS), (unsigned long long)calls,
           (unsigned long long)makes);
    objstore_close(s);
    check_directory();
}

TESTS("storm", { "nothing is lost, torn, leaked or stuck in a storm of kills and stops", storm })
