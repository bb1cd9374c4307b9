/* SPDX-License-Identifier: MIT */
/*
 * Many objects, one very large one, many processes over a store's life and at once. The sizes
 * here are what a test run can afford; SCALE=n makes it n small objects, SCALE_MIB=n one object
 * of nearly n MiB, SCALE_OPENS=n as many attachments.
 */
#define _GNU_SOURCE
#include "help.h"
#include "test.h"

#include <math.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <time.h>

static uint64_t scale(const char *name, uint64_t otherwise)
{
    return getenv(name) ? strtoull(getenv(name), NULL, 0) : otherwise;
}

static double cpu_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- many ------------------------------------------------------------------------------------ */

/* What object n holds: sizes of all kinds of places, most of them small. */
static size_t size_of(uint64_t n)
{
    return n % 16 ? n % 40 : n % 64 ? 65 + n % 200 : 300 + n % 700;
}

static void put_range(struct objstore *s, uint64_t from, uint64_t to)
{
    unsigned char bytes[1000];

    for (uint64_t n = from; n < to; n++) {
        struct objstore_id id = help_id(n);

        help_fill(bytes, size_of(n), n);
        REQUIRE_OK(objstore_put(s, &id, bytes, size_of(n), NULL));
    }
}

static bool is_there(struct objstore *s, uint64_t n)
{
    struct objstore_id id = help_id(n);
    struct objstore_view view;

    if (objstore_get(s, &id, 0, &view))
        return false;
    bool is_right = view.size == size_of(n) && help_is_filled(view.data, view.size, n);
    objstore_release(s, &view);
    return is_right;
}

struct seen {
    uint64_t count, sum;
};

static int visit(const struct objstore_info *info, void *ctx)
{
    struct seen *seen = ctx;
    uint64_t n;

    memcpy(&n, info->id.bytes, sizeof n);
    seen->count++;
    seen->sum += n;
    return info->size == size_of(n) ? 0 : 1;
}

/* The least of a few: what else the machine does makes some of them longer. */
static double verify_seconds(struct objstore *s)
{
    double least = INFINITY;

    for (int i = 0; i < 5; i++) {
        double start = cpu_seconds();
        CHECK(help_is_sound(s));
        least = fmin(least, cpu_seconds() - start);
    }
    return least;
}

/* Every n below `count` once, in an order that has nothing to do with the one of the puts. */
static uint64_t shuffled(uint64_t i, uint64_t count)
{
    uint64_t step = 1000003; /* a prime */

    while (count % step == 0)
        step += 2;
    return i * step % count;
}

static void many_small(void)
{
    uint64_t count = scale("SCALE", 300000), few = count / 16;
    struct objstore *s = help_store(count * 160 + (1 << 20));
    struct objstore_stats stats;
    struct seen seen = { 0, 0 };
    double first, all;

    put_range(s, 0, few);
    first = verify_seconds(s);
    put_range(s, few, count);
    REQUIRE_OK(objstore_stats(s, &stats));
    CHECK_EQ(stats.objects_sealed, count);
    CHECK_EQ(objstore_list(s, visit, &seen), 0);
    CHECK_EQ(seen.count, count);
    CHECK_EQ(seen.sum, count * (count - 1) / 2);
    all = verify_seconds(s);
    printf("    verify: %llu objects %.3f s, %llu objects %.3f s of CPU\n", (unsigned long long)few,
           first, (unsigned long long)count, all);
    /*
     * Sixteen times the objects, each of which may take six times as long if only the few fit a
     * cache; were it quadratic, it would be 256 times the work.
     */
    CHECK(all < 200 * first);
    uint64_t wrong = 0;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t n = shuffled(i, count);
        struct objstore_id id = help_id(n);

        wrong += !is_there(s, n);
        wrong += objstore_delete(s, &id) != 0;
    }
    CHECK_EQ(wrong, 0);
    CHECK(help_is_sound(s));
    /* Filled and emptied, it takes a maximal object again. */
    struct objstore_id large = help_id(1);
    REQUIRE_OK(objstore_stats(s, &stats));
    CHECK_EQ(stats.used_bytes, 0);
    CHECK_EQ(stats.largest_free_bytes, stats.capacity_bytes);
    void *data;
    CHECK_EQ(objstore_create(s, &large, stats.capacity_bytes, NULL, &data), 0);
    CHECK_EQ(objstore_abort(s, &large), 0);
    /* And as many small ones as before. */
    put_range(s, 0, few);
    objstore_close(s);
}

/* ---- large ----------------------------------------------------------------------------------- */

static void one_large(void)
{
    uint64_t size = (scale("SCALE_MIB", 128) << 20) - 12345;
    struct objstore *s = help_store(size);
    struct objstore_id id = help_id(1), other = help_id(2);
    struct objstore_stats stats;
    uint64_t *data;

    REQUIRE_OK(objstore_create(s, &id, size, NULL, (void **)&data));
    for (uint64_t i = 0; i < size / 8; i += 512) /* a word in each page */
        data[i] = i * 0x9e3779b97f4a7c15u;
    ((unsigned char *)data)[size - 1] = 42;
    REQUIRE_OK(objstore_seal(s, &id));
    CHECK_EQ(objstore_put(s, &other, data, 5000, NULL), -ENOSPC);
    pid_t child = fork();
    if (child == 0) {
        struct objstore *own = help_attach(s);
        struct objstore_view view;
        const uint64_t *words;

        CHILD_CHECK(objstore_get(own, &id, 0, &view) == 0 && view.size == size);
        words = view.data;
        for (uint64_t i = 0; i < size / 8; i += 512)
            CHILD_CHECK(words[i] == i * 0x9e3779b97f4a7c15u);
        CHILD_CHECK(((const unsigned char *)view.data)[size - 1] == 42);
        raise(SIGKILL);
    }
    CHECK_EQ(help_wait(child), 128 + SIGKILL);
    CHECK_EQ(objstore_delete(s, &id), 0);
    CHECK_EQ(objstore_reap(s), 1);
    REQUIRE_OK(objstore_stats(s, &stats));
    CHECK_EQ(stats.used_bytes, 0);
    CHECK_EQ(objstore_create(s, &id, size, NULL, (void **)&data), 0);
    objstore_close(s);
}

/* ---- clients --------------------------------------------------------------------------------- */

static int count_descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    int n = 0;

    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n;
}

static int last_lease(const struct objstore_lease *lease, void *ctx)
{
    *(uint64_t *)ctx += lease->alive;
    return 0;
}

static void over_a_life(void)
{
    uint64_t opens = scale("SCALE_OPENS", 5000), alive = 0;
    struct objstore *s = help_store(1 << 20);
    struct objstore_stats before, after;
    int descriptors = count_descriptors();

    REQUIRE_OK(objstore_stats(s, &before));
    for (uint64_t n = 0; n < opens; n++) {
        struct objstore *own = help_attach(s);
        struct objstore_id id = help_id(n), last = help_id(n - 1);

        REQUIRE_OK(objstore_put(own, &id, &n, sizeof n, NULL));
        if (n)
            REQUIRE_OK(objstore_delete(own, &last));
        objstore_close(own);
    }
    CHECK_EQ(count_descriptors(), descriptors);
    REQUIRE_OK(objstore_stats(s, &after));
    CHECK_EQ(after.processes, 1);
    CHECK_EQ(after.objects_sealed, 1);
    /* Room for their pins is one page each of those who were there at once, not of each. */
    CHECK(after.reserved_bytes <= before.reserved_bytes + 65536);
    CHECK_EQ(objstore_leases(s, last_lease, &alive), 0);
    CHECK_EQ(alive, 1);
    objstore_close(s);
}

enum { CLIENTS = 200 };

static void be_client(struct objstore *s, uint64_t me, int ready, int go)
{
    struct objstore *own = help_attach(s);
    struct objstore_id id = help_id(me), next = help_id((me + 1) % CLIENTS), open_id;
    struct objstore_view view;
    void *data;
    char c = 0;

    open_id = help_id(10000 + me);
    CHILD_CHECK(objstore_put(own, &id, &me, sizeof me, NULL) == 0);
    CHILD_CHECK(objstore_get(own, &next, -1, &view) == 0);
    CHILD_CHECK(*(const uint64_t *)view.data == (me + 1) % CLIENTS);
    CHILD_CHECK(objstore_create(own, &open_id, 1000, NULL, &data) == 0);
    CHILD_CHECK(write(ready, &c, 1) == 1);
    (void)!read(go, &c, 1); /* until the end */
    _exit(0);
}

static void at_once(void)
{
    struct objstore *s = help_store(1 << 20);
    struct objstore_stats stats;
    pid_t child[CLIENTS];
    uint64_t alive = 0;
    int ready[2], go[2];
    char c;

    REQUIRE(pipe(ready) == 0 && pipe(go) == 0);
    for (uint64_t i = 0; i < CLIENTS; i++) {
        child[i] = fork();
        REQUIRE(child[i] >= 0);
        if (child[i] == 0) {
            close(go[1]);
            be_client(s, i, ready[1], go[0]);
        }
    }
    close(ready[1]);
    for (int i = 0; i < CLIENTS; i++)
        REQUIRE(read(ready[0], &c, 1) == 1);
    REQUIRE_OK(objstore_stats(s, &stats));
    CHECK_EQ(stats.processes, CLIENTS + 1);
    CHECK_EQ(stats.objects_sealed, CLIENTS);
    CHECK_EQ(stats.objects_unsealed, CLIENTS);
    CHECK_EQ(objstore_leases(s, last_lease, &alive), 0);
    CHECK_EQ(alive, CLIENTS + 1);
    CHECK(help_is_sound(s));
    /* Half of them are killed, with a view and an unsealed object each; the others are not. */
    for (int i = 0; i < CLIENTS; i += 2) {
        kill(child[i], SIGKILL);
        CHECK_EQ(help_wait(child[i]), 128 + SIGKILL);
    }
    CHECK_EQ(objstore_reap(s), CLIENTS / 2);
    REQUIRE_OK(objstore_stats(s, &stats));
    CHECK_EQ(stats.objects_unsealed, CLIENTS / 2);
    for (uint64_t i = 0; i < CLIENTS; i++) {
        struct objstore_id id = help_id(i);

        CHECK_EQ(objstore_delete(s, &id), 0);
    }
    REQUIRE_OK(objstore_stats(s, &stats));
    CHECK_EQ(stats.objects_deleted, CLIENTS / 2); /* those that the living still read */
    close(go[1]);
    for (int i = 1; i < CLIENTS; i += 2)
        CHECK_EQ(help_wait(child[i]), 0);
    CHECK_EQ(objstore_reap(s), CLIENTS / 2);
    REQUIRE_OK(objstore_stats(s, &stats));
    CHECK_EQ(stats.used_bytes, 0);
    CHECK_EQ(stats.deaths, CLIENTS);
    CHECK(help_is_sound(s));
    close(go[0]);
    close(ready[0]);
    objstore_close(s);
}

/* Put objects, note which places they took, and delete them, in order or not. */
enum { REUSED = 200, REUSED_BYTES = 64 << 10 };

static void use_places(struct objstore *s, uint64_t first, uint64_t step, const void **places)
{
    static const char bytes[REUSED_BYTES];

    for (uint64_t n = 0; n < REUSED; n++) {
        struct objstore_id id = help_id(first + n);
        struct objstore_view view;

        REQUIRE_OK(objstore_put(s, &id, bytes, sizeof bytes, NULL));
        REQUIRE_OK(objstore_get(s, &id, 0, &view));
        places[n] = view.data;
        objstore_release(s, &view);
    }
    for (uint64_t n = 0; n < REUSED; n++) {
        struct objstore_id id = help_id(first + n * step % REUSED);

        REQUIRE_OK(objstore_delete(s, &id));
    }
}

/* A store is larger than what is in it: what was freed is taken again before fresh pages are. */
static void freed_first(void)
{
    for (uint64_t step = 1; step <= 77; step += 76) {
        struct objstore *s = help_store(64 << 20);
        const void *before[REUSED], *after[REUSED];
        int again = 0;

        use_places(s, 0, step, before);
        use_places(s, REUSED, step, after);
        for (int i = 0; i < REUSED; i++)
            for (int j = 0; j < REUSED; j++)
                again += before[i] == after[j];
        CHECK_EQ(again, REUSED);
        CHECK(help_is_sound(s));
        objstore_close(s);
    }
}

TESTS("scale", { "hundreds of thousands of small objects; verify is linear", many_small },
      { "one object of nearly the capacity", one_large },
      { "freed room is used again first", freed_first },
      { "thousands of attachments leave nothing", over_a_life },
      { "hundreds of processes at once", at_once })
