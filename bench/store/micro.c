/* SPDX-License-Identifier: MIT */
/*
 * micro.c -- what single calls cost: put, get + release, delete of 64 bytes; put of large objects
 * against memcpy of the same bytes; two processes at once. Medians over rounds, ns or GB/s.
 */
#define _GNU_SOURCE
#include <objstore.h>

#include "futex.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define ROUNDS 9
#define MIB (1ull << 20)

static struct objstore *open_store(uint64_t capacity, uint32_t flags)
{
    struct objstore_options o = OBJSTORE_OPTIONS_INIT;
    struct objstore *s;
    struct objstore_diag diag;

    o.capacity_bytes = capacity;
    o.flags = OBJSTORE_CREATE | flags;
    if (objstore_open(NULL, &o, &s, &diag)) {
        fprintf(stderr, "micro: %s\n", diag.text);
        exit(1);
    }
    return s;
}

static struct objstore *attach(const struct objstore *s)
{
    struct objstore *own;

    if (objstore_open_fd(objstore_fd(s), NULL, &own, NULL))
        _exit(1);
    return own;
}

static void need(int err, const char *what)
{
    if (err) {
        fprintf(stderr, "micro: %s: %s\n", what, objstore_strerror(err));
        exit(1);
    }
}

static struct objstore_id id_of(uint64_t n)
{
    struct objstore_id id;
    uint64_t a = n * 0x9e3779b97f4a7c15u + 1, b = ~n;

    memcpy(id.bytes, &a, 8);
    memcpy(id.bytes + 8, &b, 8);
    return id;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static void report(const char *what, const char *unit, double *values)
{
    qsort(values, ROUNDS, sizeof *values, compare);
    printf("%-44s %9.2f %-5s (%.2f .. %.2f)\n", what, values[ROUNDS / 2], unit, values[0],
           values[ROUNDS - 1]);
}

/* ---- one process, 64 bytes ----------------------------------------------------------------- */

/* `count` gets of 256 objects in turn. */
static void get_in_turn(struct objstore *s, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        struct objstore_id id = id_of(i % 256);
        struct objstore_view view;

        need(objstore_get(s, &id, 0, &view), "get");
        objstore_release(s, &view);
    }
}

static void small_calls(uint64_t count, size_t size)
{
    struct objstore *s = open_store(1024 * MIB, OBJSTORE_PREFAULT);
    double put[ROUNDS], get[ROUNDS], hot[ROUNDS], random_get[ROUNDS], del[ROUNDS], pair[ROUNDS];
    static char bytes[8192];
    char name[64];

    for (int r = -1; r < ROUNDS; r++) { /* the first one warms up */
        int64_t t0 = monotonic_ns();
        for (uint64_t i = 0; i < count; i++) {
            struct objstore_id id = id_of(i);

            need(objstore_put(s, &id, bytes, size, NULL), "put");
        }
        int64_t t1 = monotonic_ns();
        get_in_turn(s, count);
        int64_t t2 = monotonic_ns();
        uint64_t x = 1;
        for (uint64_t i = 0; i < count; i++) {
            x = x * 6364136223846793005u + 1442695040888963407u;
            struct objstore_id id = id_of((x >> 33) % count);
            struct objstore_view view;

            need(objstore_get(s, &id, 0, &view), "get");
            objstore_release(s, &view);
        }
        int64_t t3 = monotonic_ns();
        get_in_turn(s, 3000000); /* until all are hot, to the store as well: pin.c, N5 */
        int64_t t4 = monotonic_ns();
        get_in_turn(s, count);
        int64_t t5 = monotonic_ns();
        for (uint64_t i = 0; i < count; i++) {
            struct objstore_id id = id_of(i);

            need(objstore_delete(s, &id), "delete");
        }
        int64_t t6 = monotonic_ns();
        for (uint64_t i = 0; i < count; i++) {
            struct objstore_id id = id_of(7);

            need(objstore_put(s, &id, bytes, size, NULL), "put");
            need(objstore_delete(s, &id), "delete");
        }
        int64_t t7 = monotonic_ns();
        if (r < 0)
            continue;
        put[r] = (double)(t1 - t0) / (double)count;
        get[r] = (double)(t2 - t1) / (double)count;
        hot[r] = (double)(t5 - t4) / (double)count;
        random_get[r] = (double)(t3 - t2) / (double)count;
        del[r] = (double)(t6 - t5) / (double)count;
        pair[r] = (double)(t7 - t6) / (double)count;
    }
    printf("%llu objects of %zu bytes\n", (unsigned long long)count, size);
    snprintf(name, sizeof name, "  put");
    report(name, "ns", put);
    report("  get + release, 256 in turn", "ns", get);
    report("  the same, read often", "ns", hot);
    report("  get + release, random", "ns", random_get);
    report("  delete", "ns", del);
    report("  put + delete of one id", "ns", pair);
    objstore_close(s);
}

/* ---- large --------------------------------------------------------------------------------- */

static void large_puts(size_t size)
{
    struct objstore *s = open_store(1024 * MIB, 0);
    size_t count = 256 * MIB / size;
    char *source = mmap(NULL, 256 * MIB, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    char *target =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    double ours[ROUNDS], copy[ROUNDS], ratio[ROUNDS];
    struct objstore_id id = id_of(1);
    char name[64];

    memset(source, 1, 256 * MIB);
    for (int r = -2; r < ROUNDS; r++) {
        int64_t t0 = monotonic_ns();
        for (size_t i = 0; i < count; i++)
            memcpy(target, source + i * size, size);
        int64_t t1 = monotonic_ns();
        for (size_t i = 0; i < count; i++) {
            need(objstore_put(s, &id, source + i * size, size, NULL), "put");
            need(objstore_delete(s, &id), "delete");
        }
        int64_t t2 = monotonic_ns();
        if (r < 0)
            continue;
        copy[r] = 256.0 * MIB / (double)(t1 - t0);
        ours[r] = 256.0 * MIB / (double)(t2 - t1);
        ratio[r] = ours[r] / copy[r];
    }
    printf("%zu KiB objects, the place reused\n", size >> 10);
    snprintf(name, sizeof name, "  put + delete");
    report(name, "GB/s", ours);
    report("  memcpy", "GB/s", copy);
    report("  ratio", "", ratio);
    munmap(source, 256 * MIB);
    munmap(target, size);
    objstore_close(s);
}

/* ---- two processes ------------------------------------------------------------------------- */

struct two {
    struct au32 ready, go;
    _Atomic int64_t ns[2];
};

typedef void work(struct objstore *s, int me, uint64_t count);

static void put_own(struct objstore *s, int me, uint64_t count)
{
    char bytes[64] = { 0 };

    for (uint64_t i = 0; i < count; i++) {
        struct objstore_id id = id_of(i + (uint64_t)me * count);

        need(objstore_put(s, &id, bytes, sizeof bytes, NULL), "put");
    }
}
static void delete_own(struct objstore *s, int me, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        struct objstore_id id = id_of(i + (uint64_t)me * count);

        need(objstore_delete(s, &id), "delete");
    }
}
static void get_random(struct objstore *s, int me, uint64_t count)
{
    uint64_t x = (uint64_t)me + 1;

    for (uint64_t i = 0; i < count; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        struct objstore_id id = id_of((x >> 33) % (2 * count));
        struct objstore_view view;

        need(objstore_get(s, &id, 0, &view), "get");
        objstore_release(s, &view);
    }
}
static void get_one(struct objstore *s, int me, uint64_t count)
{
    struct objstore_id id = id_of(7);

    (void)me;
    for (uint64_t i = 0; i < count; i++) {
        struct objstore_view view;

        need(objstore_get(s, &id, 0, &view), "get");
        objstore_release(s, &view);
    }
}

/* Both start together, each after a first pass; the slower one counts. */
static double together(struct objstore *s, work *warm, work *run, uint64_t count)
{
    struct two *two =
        mmap(NULL, sizeof *two, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    fflush(stdout);
    for (int me = 0; me < 2; me++) {
        if (fork() == 0) {
            struct objstore *own = attach(s);

            if (warm)
                warm(own, me, count);
            au32_add_acq_rel(&two->ready, 1);
            while (!au32_load_acquire(&two->go))
                cpu_pause();
            int64_t t = monotonic_ns();
            run(own, me, count);
            two->ns[me] = monotonic_ns() - t;
            objstore_close(own);
            _exit(0);
        }
    }
    while (au32_load_acquire(&two->ready) < 2)
        usleep(1000);
    au32_store_release(&two->go, 1);
    for (int status, i = 0; i < 2; i++)
        if (wait(&status) < 0 || status)
            exit(1);
    double slower = (double)(two->ns[0] > two->ns[1] ? two->ns[0] : two->ns[1]);
    munmap(two, sizeof *two);
    return 2.0 * (double)count * 1000 / slower; /* M/s of both */
}

static void two_processes(uint64_t count)
{
    double put[ROUNDS], get[ROUNDS], one[ROUNDS];
    struct objstore *s = open_store(1024 * MIB, OBJSTORE_PREFAULT);

    for (int r = 0; r < ROUNDS; r++) {
        put[r] = together(s, NULL, put_own, count);
        get[r] = together(s, get_random, get_random, count);
        one[r] = together(s, get_one, get_one, count);
        together(s, NULL, delete_own, count);
    }
    printf("two processes, %llu objects of 64 bytes each\n", (unsigned long long)count);
    report("  put", "M/s", put);
    report("  get + release, random", "M/s", get);
    report("  get + release, one object", "M/s", one);
    objstore_close(s);
}

int main(int argc, char **argv)
{
    const char *only = argc > 1 ? argv[1] : "small large two";

    if (strstr(only, "small")) {
        small_calls(20000, 64);
        small_calls(100000, 64);
        small_calls(20000, 1024);
    }
    if (strstr(only, "large")) {
        large_puts(64 << 10);
        large_puts(MIB);
        large_puts(16 * MIB);
    }
    if (strstr(only, "two")) {
        two_processes(10000);
        two_processes(100000);
    }
    return 0;
}
