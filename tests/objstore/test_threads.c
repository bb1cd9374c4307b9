/* SPDX-License-Identifier: MIT */
/*
 * Threads of one process on one handle, and on two: the shape that ThreadSanitizer can see. And
 * the same as processes, each of which has the store at another address.
 */
#define _GNU_SOURCE
#include "help.h"
#include "test.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

enum { WORKERS = 4, OBJECTS = 32 };

static size_t size_of(uint64_t seed)
{
    return 8 + seed % 7 * (seed % 101) + (seed % 13 == 0 ? 5000 : 0);
}

static bool put_one(struct objstore *s, uint64_t n, uint64_t seed)
{
    struct objstore_id id = help_id(n);
    void *data;
    int err = objstore_create(s, &id, size_of(seed), NULL, &data);

    if (err)
        return err == -EEXIST || err == -ENOSPC;
    memcpy(data, &seed, 8);
    help_fill((char *)data + 8, size_of(seed) - 8, seed);
    return objstore_seal(s, &id) == 0;
}

static bool get_one(struct objstore *s, uint64_t n)
{
    struct objstore_id id = help_id(n);
    struct objstore_view view;
    uint64_t seed;

    if (objstore_get(s, &id, 0, &view))
        return true;
    memcpy(&seed, view.data, 8);
    bool is_right = view.size == size_of(seed) &&
                    help_is_filled((const char *)view.data + 8, view.size - 8, seed);
    objstore_release(s, &view);
    return is_right;
}

/* Everybody at the same few objects. */
static bool fight(struct objstore *s, uint64_t seed, int rounds)
{
    uint64_t random = seed;

    for (int i = 0; i < rounds; i++) {
        uint64_t n = 1 + test_random(&random) % OBJECTS;
        struct objstore_id id = help_id(n);
        int err;

        switch (test_random(&random) % 4) {
        case 0:
            if (!put_one(s, n, test_random(&random) & 0xffffff))
                return false;
            break;
        case 1:
            err = objstore_delete(s, &id);
            if (err && err != -ENOENT)
                return false;
            break;
        default:
            if (!get_one(s, n))
                return false;
        }
    }
    return true;
}

static void empty(struct objstore *s)
{
    for (uint64_t n = 1; n <= OBJECTS; n++) {
        struct objstore_id id = help_id(n);
        int err = objstore_delete(s, &id);

        CHECK(err == 0 || err == -ENOENT);
    }
    CHECK_EQ(help_used(s), 0);
    CHECK(help_is_sound(s));
}

struct worker {
    struct objstore *store;
    uint64_t seed;
    bool is_good;
};

static void *fight_in_thread(void *arg)
{
    struct worker *w = arg;

    w->is_good = fight(w->store, w->seed, 20000);
    return NULL;
}

static void threads(struct objstore *const *handles, int count)
{
    struct worker workers[WORKERS];
    pthread_t thread[WORKERS];

    for (int i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){ handles[i % count], test_seed + (uint64_t)i, false };
        REQUIRE(pthread_create(&thread[i], NULL, fight_in_thread, &workers[i]) == 0);
    }
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(thread[i], NULL);
        CHECK(workers[i].is_good);
    }
    empty(handles[0]);
}

static void on_one_handle(void)
{
    struct objstore *s = help_store(256 << 10);

    threads(&s, 1);
    objstore_close(s);
}

static void on_two_handles(void)
{
#ifdef __SANITIZE_THREAD__
    /* Bytes handed on through the other handle's mapping: an order that it cannot see. */
    puts("    not under ThreadSanitizer, which takes two mappings for two memories");
    return;
#endif
    struct objstore *s[2] = { help_store(256 << 10) };

    s[1] = help_attach(s[0]);
    threads(s, 2);
    objstore_close(s[1]);
    objstore_close(s[0]);
}

static void in_processes(void)
{
    struct objstore *s = help_store(256 << 10);
    pid_t child[WORKERS];

    for (int i = 0; i < WORKERS; i++) {
        child[i] = fork();
        REQUIRE(child[i] >= 0);
        if (child[i] == 0) {
            /* Another hole in everybody's address space, so that the store lies elsewhere. */
            CHILD_CHECK(mmap(NULL, (size_t)(i + 1) << 24, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
                             -1, 0) != MAP_FAILED);
            struct objstore *own = help_attach(s);
            CHILD_CHECK(fight(own, test_seed + 10 + (uint64_t)i, 50000));
            objstore_close(own);
            _exit(0);
        }
    }
    for (int i = 0; i < WORKERS; i++)
        CHECK_EQ(help_wait(child[i]), 0);
    empty(s);
    objstore_close(s);
}

/* Many put the same id at once: exactly one may. */
static struct objstore *race_store;
static _Atomic uint64_t race_winners;

static void *race_in_thread(void *arg)
{
    (void)arg;
    for (uint64_t n = 1; n <= 2000; n++) {
        struct objstore_id id = help_id(n);
        int err = objstore_put(race_store, &id, &n, 8, NULL);

        if (err == 0)
            race_winners++;
        else if (err != -EEXIST)
            return (void *)1;
    }
    return NULL;
}

static void one_winner(void)
{
    pthread_t thread[WORKERS];
    void *result;

    race_store = help_store(4 << 20);
    race_winners = 0;
    for (int i = 0; i < WORKERS; i++)
        REQUIRE(pthread_create(&thread[i], NULL, race_in_thread, NULL) == 0);
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(thread[i], &result);
        CHECK(result == NULL);
    }
    CHECK_EQ(race_winners, 2000);
    struct objstore_stats stats;
    CHECK_EQ(objstore_stats(race_store, &stats), 0);
    CHECK_EQ(stats.objects_sealed, 2000);
    objstore_close(race_store);
}

/* Two want all of the store at once, again and again: each time one gets it. */
enum { ROUNDS = 500 };
static struct objstore *all_store;
static pthread_barrier_t all_barrier;
static _Atomic uint32_t all_winners[ROUNDS];

static void *want_all(void *arg)
{
    const uint64_t *number = arg;
    struct objstore_id id = help_id(*number);
    void *data, *failed = NULL;

    for (int i = 0; i < ROUNDS; i++) {
        pthread_barrier_wait(&all_barrier);
        int err = objstore_create(all_store, &id, 200 << 10, NULL, &data);
        if (err && err != -ENOSPC)
            failed = arg;
        all_winners[i] += !err;
        pthread_barrier_wait(&all_barrier);
        if (!err && objstore_abort(all_store, &id))
            failed = arg;
    }
    return failed;
}

static void all_for_one(void)
{
    uint64_t number[2] = { 1, 2 };
    pthread_t thread[2];
    void *result;

    all_store = help_store(256 << 10);
    pthread_barrier_init(&all_barrier, NULL, 2);
    for (int i = 0; i < 2; i++)
        REQUIRE(pthread_create(&thread[i], NULL, want_all, &number[i]) == 0);
    for (int i = 0; i < 2; i++) {
        pthread_join(thread[i], &result);
        CHECK(result == NULL);
    }
    pthread_barrier_destroy(&all_barrier);
    uint32_t rounds = 0;
    for (int i = 0; i < ROUNDS; i++)
        rounds += all_winners[i] == 1;
    CHECK_EQ(rounds, ROUNDS);
    CHECK_EQ(help_used(all_store), 0);
    objstore_close(all_store);
}

TESTS("threads", { "threads on one handle", on_one_handle },
      { "threads on two handles", on_two_handles },
      { "processes, the store at different addresses", in_processes },
      { "of all that put one id, one succeeds", one_winner },
      { "of two that want everything, one gets it", all_for_one })
