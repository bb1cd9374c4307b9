/* SPDX-License-Identifier: MIT */
/*
 * driver.c -- measures the store it is linked with (ops.h). It takes a case a line on standard
 * input and answers with a line of three numbers: median ns, 99th percentile ns, operations per
 * second of all processes together (0: not measured); or "no" and why.
 *
 *   put SIZE N     puts of N new objects; single calls timed, then all in a row. What was put is
 *                  deleted again, untimed, so all but the very first use room that is warm
 *   get SIZE N     get + look at the first byte + release, of 256 among N objects
 *   random SIZE N  the same of all N in random order; many: the same, 16 at once
 *   read SIZE N    get + read every byte + release
 *   put2, get2, mix2   two processes at once: puts of own objects; random gets; half gets, a
 *                  quarter puts and a quarter deletes of sizes from 64 B to 64 KiB
 *   hand spin|block N  one process puts, the other has it: half of a round trip
 *   wait N         wait for all of N objects that are there
 *   wait1 N        N waits, each for one of N objects that are there; ns is of all N waits
 *   over SIZE N    N calls on three times as many objects as there is memory for: four in five
 *                  read one, few are asked for often; every fifth puts one anew
 *
 * and for every driver the same, as limits: memcpy SIZE N, futex spin|block N, line.
 */
#define _GNU_SOURCE
#include <math.h>
#include <string.h>

#include "line.h"
#include "ops.h"
#include "ticks.h"

#define HOT 256

struct answer {
    double p50, p99, rate;
};

static int64_t budget_ns = 300 * NS_PER_MS; /* of one timed loop: slow peers do fewer calls */
static void *handle, *over_handle;
static uint64_t capacity_bytes;
static unsigned char *source;
static size_t source_bytes;
static volatile uint64_t sink;

static struct id id_of(uint64_t n)
{
    struct id id = { { n * 0x9e3779b97f4a7c15u + 1, ~n } };

    return id;
}

static uint64_t next_random(uint64_t *x)
{
    *x = *x * 6364136223846793005u + 1442695040888963407u;
    return *x >> 33;
}

/* When a timed loop is over. It asks for the time ever more rarely: that would count among short calls. */
struct watch {
    int64_t begin, budget;
    size_t next; /* call after which to look */
};

static struct watch watch_start(int64_t budget)
{
    return (struct watch){ monotonic_ns(), budget, 1 };
}

static bool watch_is_over(struct watch *w, size_t done)
{
    if (done < w->next)
        return false;
    w->next = done + 1 + done / 8;
    return monotonic_ns() - w->begin > w->budget;
}

static void quantiles(int64_t *t, size_t n, struct answer *a)
{
    qsort(t, n, sizeof *t, ticks_order);
    a->p50 = ticks_to_ns(ticks_quantile(t, n, 0.5));
    a->p99 = ticks_to_ns(ticks_quantile(t, n, 0.99));
}

/* Bytes to put: as many different ones as make the source come from memory when it is large. */
static const void *bytes_of(size_t size, size_t i)
{
    size_t places = source_bytes / size;

    return source + (places ? i % places : 0) * size;
}

static bool have_source(size_t size)
{
    size_t want = size > (64u << 20) ? size : size >= 65536 ? 64u << 20 : 1u << 20;

    if (source_bytes >= want)
        return true;
    if (source)
        munmap(source, source_bytes);
    source = mmap(NULL, want, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    source_bytes = source == MAP_FAILED ? 0 : want;
    for (size_t i = 0; i < source_bytes; i += 8)
        *(uint64_t *)(void *)(source + i) = i;
    return source_bytes > 0;
}

static uint64_t sum(const void *data, size_t size)
{
    const uint64_t *word = data;
    uint64_t s[4] = { 0 };

    for (size_t i = 0; i + 4 <= size / 8; i += 4)
        for (int j = 0; j < 4; j++)
            s[j] += word[i + (size_t)j];
    return s[0] + s[1] + s[2] + s[3];
}

/* ---- one process ---------------------------------------------------------------------------- */

static int delete_all(void *h, uint64_t base, size_t n)
{
    int err = 0;

    for (size_t i = 0; i < n; i++) {
        struct id id = id_of(base + i);

        err |= ops.del(h, &id);
    }
    return err;
}

/* Put up to n, one id or (large ones) a few at a time; *done says how many. */
static int put_loop(void *h, uint64_t base, size_t size, size_t n, int64_t *t, size_t *done,
                    double *seconds)
{
    size_t live = size >= (1u << 20) ? 1 : n; /* large: put and delete in turn */
    struct watch watch = watch_start(budget_ns);
    int64_t deleting = 0, now;
    int err = 0;

    for (*done = 0; *done < n && !err && !watch_is_over(&watch, *done); ++*done) {
        struct id id = id_of(base + *done);
        const void *from = bytes_of(size, *done);
        int64_t before = t ? ticks() : 0;

        err = ops.put(h, &id, from, size);
        if (t)
            t[*done] = ticks() - before;
        if (live == 1) {
            now = monotonic_ns();
            err |= ops.del(h, &id);
            deleting += monotonic_ns() - now;
        }
    }
    *seconds = (double)(monotonic_ns() - watch.begin - deleting) / 1e9;
    return err | (live == 1 ? 0 : delete_all(h, base, *done));
}

static int bench_put(size_t size, size_t n, struct answer *a)
{
    static uint64_t base = 1ull << 32;
    int64_t *t = malloc(n * sizeof *t);
    size_t done;
    double seconds;
    int err = t ? put_loop(handle, base, size, n, NULL, &done, &seconds) : -1; /* warms up */

    base += n;
    if (!err)
        err = put_loop(handle, base, size, n, t, &done, &seconds);
    if (!err)
        quantiles(t, done, a);
    base += n;
    if (!err)
        err = put_loop(handle, base, size, n, NULL, &done, &seconds);
    if (!err)
        a->rate = (double)done / seconds;
    base += n;
    free(t);
    return err;
}

static inline int get_id(void *h, const struct id *id, bool all, uint64_t *seen)
{
    const void *data;
    size_t size;

    if (ops.get(h, id, &data, &size))
        return -1;
    *seen += all ? sum(data, size) : *(const unsigned char *)data;
    ops.done(h);
    return 0;
}

static int get_one(void *h, uint64_t n, bool all)
{
    struct id id = id_of(n);

    uint64_t seen = 0;
    int err = get_id(h, &id, all, &seen);

    sink += seen;
    return err;
}

/* Which objects are got, and how: the first few in turn, any, or all in turn and read to the end. */
enum choice { CHOOSE_HOT, CHOOSE_RANDOM, CHOOSE_ALL };

/* The ids of n visits, in turn or to any of n objects: ready before the time is taken, as who asks
 * for an object has its id. NULL: no memory. */
static struct id *visits_of(size_t n, enum choice choice, uint64_t seed)
{
    struct id *ids = malloc(n * sizeof *ids);
    uint64_t x = seed;

    for (size_t i = 0; i < n && ids; i++)
        ids[i] = id_of(choice == CHOOSE_RANDOM ? next_random(&x) % n : i);
    return ids;
}

/* Get them in turn, again and again: `calls` times, or until the budget is spent. */
static int get_loop(void *h, const struct id *ids, size_t n, size_t calls, bool all, int64_t *t,
                    size_t *done, double *seconds)
{
    struct watch watch = watch_start(budget_ns);
    int err = 0;
    size_t at = 0, i = 0;
    uint64_t seen = 0;

    for (; i < calls && !err && !watch_is_over(&watch, i); i++) {
        int64_t before = t ? ticks() : 0;

        err = get_id(h, &ids[at], all, &seen);
        if (t)
            t[i] = ticks() - before;
        at = at + 1 < n ? at + 1 : 0;
    }
    *seconds = (double)(monotonic_ns() - watch.begin) / 1e9;
    *done = i;
    sink += seen;
    return err;
}

/* Put n objects: everybody as many, lest the slow have less to search. */
static int fill(size_t size, size_t n, size_t *have)
{
    int err = 0;

    for (*have = 0; *have < n && !err; ++*have) {
        struct id id = id_of(*have);

        err = ops.put(handle, &id, bytes_of(size, *have), size);
    }
    return err;
}

static int bench_get(size_t size, size_t n, enum choice choice, struct answer *a)
{
    int64_t *t = malloc(n * sizeof *t);
    size_t visits = choice == CHOOSE_HOT && n > HOT ? HOT : n;
    struct id *ids = visits_of(visits, choice, 1);
    bool all = choice == CHOOSE_ALL;
    size_t done = 0, have = 0;
    double seconds;
    int err = t && ids ? fill(size, n, &have) : -1;

    if (!err)
        err = get_loop(handle, ids, visits, n, all, NULL, &done, &seconds); /* warms up */
    if (!err)
        err = get_loop(handle, ids, visits, SIZE_MAX, all, NULL, &done, &seconds);
    if (!err)
        a->rate = (double)done / seconds;
    if (!err)
        err = get_loop(handle, ids, visits, n, all, t, &done, &seconds);
    if (!err)
        quantiles(t, done, a);
    free(ids);
    free(t);
    return delete_all(handle, 0, have) | err;
}

/* 16 at once where there is a call for that. */
#define MANY 16

static int many_loop(const struct id *ids, size_t n, size_t calls, size_t *done, double *seconds)
{
    struct watch watch = watch_start(budget_ns);
    size_t at = 0, i = 0;
    uint64_t seen = 0;
    int err = 0;

    for (; i < calls && !err && !watch_is_over(&watch, i); i += MANY) {
        if (ops.look_at_many)
            err = ops.look_at_many(handle, &ids[at], MANY, &sink);
        else
            for (size_t j = 0; j < MANY && !err; j++)
                err = get_id(handle, &ids[at + j], false, &seen);
        at = at + 2 * MANY <= n ? at + MANY : 0;
    }
    *seconds = (double)(monotonic_ns() - watch.begin) / 1e9;
    *done = i;
    sink += seen;
    return err;
}

static int bench_many(size_t size, size_t n, struct answer *a)
{
    struct id *ids = visits_of(n, CHOOSE_RANDOM, 1);
    size_t done = 0, have = 0;
    double seconds = 1.0;
    int err = ids ? fill(size, n, &have) : -1;

    if (!err)
        err = many_loop(ids, n, n, &done, &seconds); /* warms up */
    if (!err)
        err = many_loop(ids, n, SIZE_MAX, &done, &seconds);
    if (!err)
        a->rate = (double)done / seconds;
    free(ids);
    return delete_all(handle, 0, have) | err;
}

/* ---- two processes -------------------------------------------------------------------------- */

struct job {
    size_t size, n;
    const char *how;
};

static double put2_part(struct pair *pair, int me, void *ctx)
{
    const struct job *job = ctx;
    uint64_t base = (uint64_t)(me + 1) << 40;
    void *h = ops.attach();
    size_t done;
    double seconds;
    int err = h ? put_loop(h, base, job->size, job->n, NULL, &done, &seconds) : -1;

    pair_start(pair);
    struct watch watch = watch_start(budget_ns);
    for (done = 0; done < job->n && !err && !watch_is_over(&watch, done);) {
        struct id id = id_of(base + done);

        err = ops.put(h, &id, source, job->size);
        done += !err;
    }
    double rate = (double)done * 1e9 / (double)(monotonic_ns() - watch.begin);
    if (h)
        err |= delete_all(h, base, done);
    if (h)
        ops.detach(h);
    return err ? -1.0 : rate;
}

static double get2_part(struct pair *pair, int me, void *ctx)
{
    const struct job *job = ctx;
    struct id *ids = visits_of(job->n, CHOOSE_RANDOM, (uint64_t)me + 1);
    void *h = ops.attach();
    size_t done = 0;
    double seconds = 1.0;
    int err = h && ids ? 0 : -1;

    if (!err)
        err = get_loop(h, ids, job->n, job->n, false, NULL, &done, &seconds); /* warms up */
    pair_start(pair);
    if (!err)
        err = get_loop(h, ids, job->n, SIZE_MAX, false, NULL, &done, &seconds);
    if (h)
        ops.detach(h);
    free(ids);
    return err ? -1.0 : (double)done / seconds;
}

static size_t mixed_size(uint64_t n)
{
    return (size_t)64 << n * 7 % 11;
}

static int mixed_call(void *h, uint64_t base, uint64_t *x, bool *have)
{
    uint64_t r = next_random(x), which = r % HOT;
    struct id id = id_of(base + which);
    int err = 0;

    if (r / HOT % 2)
        err = have[which] ? get_one(h, base + which, false) : 0;
    else if (have[which])
        err = ops.del(h, &id);
    else
        err = ops.put(h, &id, source, mixed_size(which));
    if (r / HOT % 2 == 0)
        have[which] = !have[which];
    return err;
}

static double mix2_part(struct pair *pair, int me, void *ctx)
{
    const struct job *job = ctx;
    uint64_t base = (uint64_t)(me + 3) << 40, x = (uint64_t)me + 1;
    void *h = ops.attach();
    bool have[HOT] = { false };
    size_t done = 0;
    int err = h ? 0 : -1;
    struct watch watch = { 0, 0, 0 };

    for (int pass = 0; pass < 2; pass++) {
        if (pass == 1)
            pair_start(pair);
        watch = watch_start(budget_ns);
        for (done = 0; done < job->n && !err && !watch_is_over(&watch, done); done++)
            err = mixed_call(h, base, &x, have);
    }
    double rate = (double)done * 1e9 / (double)(monotonic_ns() - watch.begin);
    for (uint64_t i = 0; i < HOT && h; i++) {
        struct id id = id_of(base + i);

        if (have[i])
            err |= ops.del(h, &id);
    }
    if (h)
        ops.detach(h);
    return err ? -1.0 : rate;
}

static int bench_two(part *work, struct job *job, struct answer *a)
{
    double rate[2];
    int err = 0;
    size_t have = 0;

    if (work == get2_part)
        err = fill(job->size, job->n, &have);
    if (!err && !pair_run(work, job, rate))
        err = -1;
    if (!err)
        a->rate = rate[0] + rate[1];
    return delete_all(handle, 0, have) | err;
}

/* ---- hand-over ------------------------------------------------------------------------------ */

/* Wait for the object and look at it. */
static int meet(void *h, uint64_t n, bool sleeps)
{
    struct id id = id_of(n);
    const void *data;
    size_t size;

    if (sleeps) {
        if (ops.get_blocking(h, &id, &data, &size))
            return -1;
    } else {
        while (ops.get(h, &id, &data, &size))
            cpu_pause();
    }
    sink += *(const unsigned char *)data;
    ops.done(h);
    return 0;
}

/* Turn: 0 puts `ping` and waits for `pong`; 1 the other way round. 0 deletes both, untimed. */
static double hand_part(struct pair *pair, int me, void *ctx)
{
    const struct job *job = ctx;
    bool sleeps = job->how[0] == 'b';
    uint64_t base = 5ull << 40;
    int64_t *t = malloc(job->n * sizeof *t);
    void *h = ops.attach();
    struct answer a = { 0.0, 0.0, 0.0 };
    int err = h && t ? 0 : -1;

    pair_start(pair);
    for (size_t i = 0; i < job->n && !err; i++) {
        struct id mine = id_of(base + 2 * i + (uint64_t)me);
        struct id theirs = id_of(base + 2 * i + !me);
        int64_t before = ticks();

        if (me == 1)
            err = meet(h, base + 2 * i, sleeps);
        err |= ops.put(h, &mine, source, 64);
        if (me == 0)
            err |= meet(h, base + 2 * i + 1, sleeps);
        t[i] = ticks() - before;
        if (me == 0)
            err |= ops.del(h, &mine) | ops.del(h, &theirs);
        if (me == 0 && sleeps) /* the other is to be asleep by then */
            for (int64_t until = monotonic_ns() + 50000; monotonic_ns() < until;)
                cpu_pause();
    }
    if (!err)
        quantiles(t, job->n, &a);
    free(t);
    if (h)
        ops.detach(h);
    if (me == 1 && !err)
        return 0.0;
    pair->result[1] = a.p99 / 2.0;
    return err ? -1.0 : a.p50 / 2.0;
}

/* The same with nothing but a word, and with nothing but a futex. */
static double futex_part(struct pair *pair, int me, void *ctx)
{
    const struct job *job = ctx;
    bool sleeps = job->how[0] == 'b';
    int64_t *t = malloc(job->n * sizeof *t);
    struct answer a = { 0.0, 0.0, 0.0 };

    if (!t)
        return -1.0;
    pair_start(pair);
    for (uint32_t i = 0; i < job->n; i++) {
        int64_t before = ticks();

        for (int turn = 0; turn < 2; turn++) {
            struct au32 *word = &pair->word[turn];
            uint32_t seen;

            if (turn == me) {
                au32_store_release(word, i + 1);
                if (sleeps)
                    futex_wake(word, INT_MAX);
                continue;
            }
            while ((seen = au32_load_acquire(word)) != i + 1)
                if (sleeps)
                    futex_wait(word, seen, INT64_MAX);
                else
                    cpu_pause();
        }
        t[i] = ticks() - before;
        if (me == 0 && sleeps)
            for (int64_t until = monotonic_ns() + 50000; monotonic_ns() < until;)
                cpu_pause();
    }
    quantiles(t, job->n, &a);
    free(t);
    if (me == 1)
        return 0.0;
    pair->result[1] = a.p99 / 2.0;
    return a.p50 / 2.0;
}

static int bench_hand(part *work, struct job *job, struct answer *a)
{
    double result[2];

    if (!pair_run(work, job, result))
        return -1;
    a->p50 = result[0];
    a->p99 = result[1];
    return 0;
}

/* ---- waiting for many ------------------------------------------------------------------------ */

static int bench_wait(size_t n, bool one_by_one, struct answer *a)
{
    struct id *ids = malloc(n * sizeof *ids);
    bool *ready = calloc(n, sizeof *ready);
    int64_t t[32];
    int err = ids && ready ? 0 : -1;
    size_t have = 0;

    for (; have < n && !err; have++) {
        ids[have] = id_of(have);
        err = ops.put(handle, &ids[have], source, 64);
    }
    for (int round = 0; round < 32 && !err; round++) {
        int64_t before = ticks();

        if (one_by_one)
            for (size_t i = 0; i < n; i++) /* each time one less is waited for */
                err |= ops.wait(handle, ids + i, n - i, 1, NULL) < 1;
        else
            err = ops.wait(handle, ids, n, n, ready) != (int)n;
        t[round] = ticks() - before;
    }
    if (!err) {
        quantiles(t, 32, a);
        a->rate = 1e9 / a->p50;
    }
    free(ids);
    free(ready);
    return delete_all(handle, 0, have) | err;
}

/* To as many places as a put of that size: n, or one that is reused. */
static int bench_memcpy(size_t size, size_t n, struct answer *a)
{
    static unsigned char *target;
    static size_t bytes;
    int64_t *t = malloc(n * sizeof *t);
    size_t done = 0, places = size >= (1u << 20) ? 1 : n;

    if (bytes < places * size) {
        if (target)
            munmap(target, bytes);
        target = mmap(NULL, places * size, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
        bytes = target == MAP_FAILED ? 0 : places * size;
    }
    if (!t || !bytes)
        return -1;
    struct watch watch = watch_start(budget_ns);
    for (; done < n && !watch_is_over(&watch, done); done++) {
        int64_t before = ticks();

        memcpy(target + done % places * size, bytes_of(size, done), size);
        t[done] = ticks() - before;
    }
    a->rate = (double)done * 1e9 / (double)(monotonic_ns() - watch.begin);
    quantiles(t, done, a);
    free(t);
    return 0;
}

/* ---- more than fits -------------------------------------------------------------------------- */

/* Of n, the lower the likelier: about as 1/k (Zipf). */
static uint64_t next_skewed(uint64_t *x, uint64_t n)
{
    double u = (double)next_random(x) / 2147483648.0;
    uint64_t k = (uint64_t)(exp2(u * log2((double)n + 1.0)) - 1.0);

    return k < n ? k * 2654435761u % n : 0;
}

static int over_call(void *h, uint64_t which, size_t size, bool is_put)
{
    struct id id = id_of((7ull << 40) + which);

    return is_put ? ops.del(h, &id) | ops.put(h, &id, bytes_of(size, which), size)
                  : get_one(h, (7ull << 40) + which, true);
}

static int bench_over(size_t size, size_t n, struct answer *a)
{
    void *h = over_handle;
    static size_t live;
    static uint64_t x = 1;
    int64_t *t = malloc(n * sizeof *t);
    size_t done = 0;
    int err = t ? 0 : -1;

    if (!h && !err && (h = over_handle = ops.open_over(capacity_bytes / 4)))
        for (size_t want = capacity_bytes / 4 * 3 / size; live < want && !err; live++) {
            struct id id = id_of((7ull << 40) + live);

            err = ops.put(h, &id, bytes_of(size, live), size);
        }
    int64_t begin = monotonic_ns();
    for (; h && !err && done < n; done++) {
        uint64_t which = next_skewed(&x, live);
        int64_t before = ticks();

        err = over_call(h, which, size, next_random(&x) % 5 == 0);
        t[done] = ticks() - before;
        if (monotonic_ns() - begin > 4 * budget_ns) {
            done++;
            break;
        }
    }
    if (!err && h) {
        a->rate = (double)done * 1e9 / (double)(monotonic_ns() - begin);
        quantiles(t, done, a);
    }
    free(t);
    return h ? err : -1;
}

/* ---- commands -------------------------------------------------------------------------------- */

static int run(const char *name, const char *how, size_t size, size_t n, struct answer *a)
{
    struct job job = { size, n, how };

    if (!have_source(size))
        return -1;
    if (!strcmp(name, "put"))
        return bench_put(size, n, a);
    if (!strcmp(name, "get"))
        return bench_get(size, n, CHOOSE_HOT, a);
    if (!strcmp(name, "random"))
        return bench_get(size, n, CHOOSE_RANDOM, a);
    if (!strcmp(name, "read"))
        return bench_get(size, n, CHOOSE_ALL, a);
    if (!strcmp(name, "many"))
        return bench_many(size, n, a);
    if (!strcmp(name, "put2"))
        return bench_two(put2_part, &job, a);
    if (!strcmp(name, "get2"))
        return bench_two(get2_part, &job, a);
    if (!strcmp(name, "mix2"))
        return bench_two(mix2_part, &job, a);
    if (!strcmp(name, "memcpy"))
        return bench_memcpy(size, n, a);
    if (!strcmp(name, "futex"))
        return bench_hand(futex_part, &job, a);
    if (!strcmp(name, "hand"))
        return how[0] == 'b' && !ops.get_blocking ? -1 : bench_hand(hand_part, &job, a);
    if (!strcmp(name, "wait"))
        return ops.wait ? bench_wait(n, false, a) : -1;
    if (!strcmp(name, "wait1"))
        return ops.wait ? bench_wait(n, true, a) : -1;
    if (!strcmp(name, "over"))
        return ops.open_over ? bench_over(size, n, a) : -1;
    if (!strcmp(name, "line")) {
        a->p50 = line_latency();
        return a->p50 > 0.0 ? 0 : -1;
    }
    return -1;
}

int main(int argc, char **argv)
{
    uint64_t capacity = argc > 1 ? strtoull(argv[1], NULL, 10) : 1ull << 30;
    char line[256], name[32], how[32];

    if (argc > 2)
        budget_ns = strtoll(argv[2], NULL, 10) * NS_PER_MS;
    capacity_bytes = capacity;
    ticks_calibrate();
    if (!have_source(64) || !ops.start(capacity) || !(handle = ops.attach())) {
        printf("no store\n");
        return 1;
    }
    printf("ready %s\n", ops.name);
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        struct answer a = { 0.0, 0.0, 0.0 };
        size_t n = 1;

        if (sscanf(line, "%31s %31s %zu", name, how, &n) < 1)
            continue;
        size_t size = (size_t)strtoull(how, NULL, 10);
        if (size == 0)
            size = 64;
        if (ops.size_max && size > ops.size_max)
            printf("no object of this size\n");
        else if (run(name, how, size, n, &a))
            printf("no %s\n", name);
        else
            printf("%.4g %.4g %.6g\n", a.p50, a.p99, a.rate);
        fflush(stdout);
    }
    if (over_handle)
        ops.detach(over_handle);
    ops.detach(handle);
    ops.stop();
    return 0;
}
