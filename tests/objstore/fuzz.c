/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "fuzz.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "help.h"
#include "test.h"

enum { VIEWS = 24, CPU_BUDGET_S = 20, SLEEP_BUDGET_S = 120 };

static unsigned char bytes[20000];

size_t fuzz_size(uint64_t n)
{
    return n % 3 == 0 ? n : n % 3 == 1 ? n * 30 : n * 200;
}

static struct objstore_id any_id(uint64_t *random)
{
    static const struct objstore_id zero;
    uint64_t n = test_random(random) % (FUZZ_IDS + 1);

    return n ? help_id(n) : zero; /* no object has it, but damage may say so */
}

/* ---- every call there is, whatever it answers --------------------------------------------- */

static volatile unsigned char sum;

static void read_all(const void *data, size_t size)
{
    const unsigned char *b = data;

    for (size_t i = 0; i < size; i += 64)
        sum = (unsigned char)(sum + b[i]);
    if (size)
        sum = (unsigned char)(sum + b[size - 1]);
}

static int visit_object(const struct objstore_info *info, void *ctx)
{
    (void)ctx;
    return memchr(info->meta.name, 0, sizeof info->meta.name) &&
                   info->meta.ndim <= OBJSTORE_DIMS_MAX
               ? 0
               : 1;
}

static int visit_lease(const struct objstore_lease *lease, void *ctx)
{
    *(int *)ctx += lease->alive;
    return 0;
}

static int visit_holder(const struct objstore_holder *holder, void *ctx)
{
    *(int *)ctx += holder->alive;
    return 0;
}

static void look_around(struct objstore *s, uint64_t *random)
{
    struct objstore_filter filter = OBJSTORE_FILTER_INIT;
    struct objstore_space space;
    struct objstore_stats stats;
    struct objstore_diag diag;
    int alive = 0;

    switch (test_random(random) % 8) {
    case 0:
        CHILD_CHECK(objstore_list(s, visit_object, NULL) != 1);
        break;
    case 4:
        filter.name_prefix = "dam";
        CHILD_CHECK(objstore_list_where(s, &filter, visit_object, NULL) != 1);
        break;
    case 5:
        (void)!objstore_space(s, &space);
        break;
    case 1:
        (void)!objstore_leases(s, visit_lease, &alive);
        break;
    case 2:
        (void)!objstore_stats(s, &stats);
        break;
    case 3:
        (void)!objstore_reap(s);
        break;
    default:
        (void)!objstore_verify(s, &diag);
    }
}

static void write_something(struct objstore *s, uint64_t *random)
{
    struct objstore_id id = any_id(random);
    size_t size = fuzz_size(test_random(random) % FUZZ_IDS);
    const struct objstore_meta meta = { .name = "sealed" };
    void *data;

    switch (test_random(random) % 6) {
    case 5:
        (void)!objstore_seal_size(s, &id, size, size % 2 ? &meta : NULL);
        break;
    case 0:
        (void)!objstore_put(s, &id, bytes, size, NULL);
        break;
    case 1:
        if (!objstore_create(s, &id, size, NULL, &data) && size)
            memset(data, 1, size);
        break;
    case 2:
        (void)!objstore_seal(s, &id);
        break;
    case 3:
        (void)!objstore_abort(s, &id);
        break;
    default:
        (void)!objstore_delete(s, &id);
    }
}

static void read_something(struct objstore *s, struct objstore_view *view, uint64_t *random)
{
    struct objstore_id id = any_id(random), ids[8];
    struct objstore_info info;
    struct objstore_view views[8] = { { 0 } };
    bool ready[8];
    size_t size;
    int alive = 0;

    switch (test_random(random) % 7) {
    case 4:
        for (int i = 0; i < 8; i++)
            ids[i] = any_id(random);
        if (objstore_get_many(s, ids, 1 + test_random(random) % 8, 0, views))
            break;
        read_all(views[0].data, views[0].size);
        objstore_release_many(s, views, 8);
        break;
    case 0:
        (void)!objstore_read(s, &id, bytes, sizeof bytes, &size);
        break;
    case 1:
        if (!objstore_stat(s, &id, &info))
            (void)!objstore_holders(s, &info, visit_holder, &alive);
        break;
    case 2:
        (void)objstore_contains(s, &id);
        break;
    case 3:
        for (int i = 0; i < 8; i++)
            ids[i] = any_id(random);
        (void)!objstore_wait(s, ids, 8, test_random(random) % 9, test_random(random) % 64 == 0,
                             ready);
        break;
    default:
        objstore_release(s, view);
        if (!objstore_get(s, &id, test_random(random) % 64 == 0, view))
            read_all(view->data, view->size);
    }
}

static void hand_over(struct objstore *s, const struct objstore_view *view, uint64_t *random)
{
    struct objstore_view taken;
    struct objstore_pass pass;
    uint64_t r = test_random(random);

    if (objstore_give(s, view, (int)(1 + r % 1000), &pass))
        return;
    if (r >> 32 & 1)
        pass.words[r >> 33 & 1] = test_random(random);
    if (r >> 34 & 1)
        (void)!objstore_give_cancel(s, &pass);
    if (!objstore_take(s, &pass, &taken)) {
        read_all(taken.data, taken.size);
        objstore_release(s, &taken);
    }
}

void fuzz_use(struct objstore *s, uint64_t *random, int calls)
{
    static struct objstore_view views[VIEWS];
    struct objstore_events *events = NULL;
    struct objstore_event event[8];

    if (test_random(random) % 2)
        (void)!objstore_events_open(s, &events);
    for (int i = 0; i < calls; i++) {
        if (i % 8 == 4)
            hand_over(s, &views[test_random(random) % VIEWS], random);
        if (events && i % 8 == 0)
            (void)!objstore_events_next(events, event, 8, test_random(random) % 64 == 0);
        switch (test_random(random) % 8) {
        case 0:
            look_around(s, random);
            break;
        case 1:
        case 2:
        case 3:
            write_something(s, random);
            break;
        default:
            read_something(s, &views[test_random(random) % VIEWS], random);
        }
    }
    objstore_events_close(events);
    for (int i = 0; i < VIEWS; i++)
        objstore_release(s, &views[i]);
}

void fuzz_use_widely(struct objstore *s, uint64_t *random)
{
    enum { MANY = 700 };
    static struct objstore_view views[MANY];
    int err = 0;

    /* "Full" is slow where damage looks like somebody who is just giving pages back. */
    for (uint64_t n = 0; n < MANY && err != -ENOSPC; n++) {
        struct objstore_id id = help_id(10000 + n);

        (void)!objstore_put(s, &id, "wide", 4, NULL);
        err = objstore_get(s, &id, 0, &views[n]);
        if (!err)
            read_all(views[n].data, views[n].size);
    }
    look_around(s, random);
    for (int n = 0; n < MANY; n++)
        objstore_release(s, &views[n]);
}

/* ---- a child each -------------------------------------------------------------------------- */

static void in_child(void (*run)(uint64_t random), uint64_t seed)
{
    pid_t child = fork();

    REQUIRE(child >= 0);
    if (child == 0) {
        struct rlimit limit = { CPU_BUDGET_S, CPU_BUDGET_S };

        setrlimit(RLIMIT_CPU, &limit);
        limit = (struct rlimit){ 0, 0 };
        setrlimit(RLIMIT_CORE, &limit);
        alarm(SLEEP_BUDGET_S); /* it sleeps for ever */
        run(seed);
        _exit(0);
    }
    int status = help_wait(child);
    if (status)
        fprintf(stderr, "seed %llu: %s, status %d\n", (unsigned long long)seed,
                status == 128 + SIGKILL || status == 128 + SIGXCPU ? "runs for ever"
                : status == 128 + SIGALRM                          ? "sleeps for ever"
                                                                   : "crashes",
                status);
    CHECK_EQ(status, 0);
}

static double cpu_seconds(void)
{
    struct rusage r;

    getrusage(RUSAGE_CHILDREN, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
           (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

void fuzz_rounds(void (*run)(uint64_t random), uint64_t otherwise)
{
    const char *count = getenv("FUZZ"), *seconds = getenv("FUZZ_SECONDS");
    uint64_t n = count ? strtoull(count, NULL, 0) : otherwise, i;
    double end = cpu_seconds() + (seconds ? strtod(seconds, NULL) : 0);

    for (i = 0; seconds ? cpu_seconds() < end : i < n; i++)
        in_child(run, test_seed + i);
    printf("    %llu rounds from seed %llu\n", (unsigned long long)i,
           (unsigned long long)test_seed);
}
