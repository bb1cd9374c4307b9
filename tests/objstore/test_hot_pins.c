/* SPDX-License-Identifier: MIT */
/*
 * Objects that are read often: a reader pins them by a plain store, and who frees one has a barrier
 * come to all readers first (pin.c, N4 to N6).
 */
#define _GNU_SOURCE
#include "help.h"
#include "pin.h"
#include "store.h"
#include "test.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define WORDS 8
#define LIVES 50000u /* of one object, one after the other */
#define SEA_BYTES (64u << 20)

static bool is_hot(const struct objstore *s, const struct objstore_view *view)
{
    uint32_t slot = pin_slot(view->pin[1]);

    return au64_load_acquire(&slot_at(s, slot)->pinners) & PINNERS_HOT;
}

/* The next pin of this thread that is not quick makes its object hot. */
static void heat_next(struct objstore *s)
{
    au32_store_relaxed(&s->pin_near[pin_near_set()].pins, PIN_HEAT - 1);
}

/* False: this process had several threads when it opened the store, or may not call membarrier(2). */
static bool has_quick_pins(const struct objstore *s)
{
    if (s->pin_hot == UINT64_MAX)
        puts("    no quick pins here");
    return s->pin_hot != UINT64_MAX;
}

static bool put_words(struct objstore *s, uint64_t id, uint64_t value)
{
    const struct objstore_id name = help_id(id);
    uint64_t words[WORDS];

    for (int i = 0; i < WORDS; i++)
        words[i] = value;
    return objstore_put(s, &name, words, sizeof words, NULL) == 0;
}

static void becomes_hot(void)
{
    struct objstore *s = help_store(1 << 20);
    const struct objstore_id id = help_id(1);
    struct objstore_view view, second;

    bool is_quick = has_quick_pins(s);
    CHECK(put_words(s, 1, 7));
    for (uint32_t i = 0; i <= PIN_HEAT + 3; i++) { /* the thread's very first is not near */
        REQUIRE_OK(objstore_get(s, &id, 0, &view));
        CHECK_EQ(is_hot(s, &view), is_quick && i >= PIN_HEAT);
        objstore_release(s, &view);
    }
    REQUIRE_OK(objstore_get(s, &id, 0, &view));
    REQUIRE_OK(objstore_get(s, &id, 0, &second)); /* this thread's entry is taken */
    REQUIRE_OK(objstore_delete(s, &id));
    CHECK_EQ(is_hot(s, &view), is_quick);
    objstore_release(s, &view);
    struct objstore_stats stats;
    REQUIRE_OK(objstore_stats(s, &stats));
    CHECK_EQ(stats.objects_deleted, 1);
    CHECK_EQ(*(const uint64_t *)second.data, 7);
    objstore_release(s, &second);
    CHECK(put_words(s, 1,
                    8)); /* the next of this name, or in this slot, is an object like any other */
    REQUIRE_OK(objstore_get(s, &id, 0, &view));
    CHECK(!is_hot(s, &view));
    objstore_release(s, &view);
    REQUIRE_OK(objstore_delete(s, &id));
    CHECK_EQ(help_used(s), 0);
    CHECK(help_is_sound(s));
    objstore_close(s);
}

/* ---- read and deleted at once -------------------------------------------------------------- */

struct race {
    atomic_ulong gets;
    atomic_int is_over, is_wrong;
};

/* The same words for as long as it is held. */
static bool stays(const struct objstore_view *view)
{
    const volatile uint64_t *words = view->data;
    uint64_t first = words[0];

    for (int i = 0; i < 20 * WORDS; i++)
        if (words[i % WORDS] != first)
            return false;
    return true;
}

/* Stores that miss every cache: those that follow wait for them, for microseconds. */
static void fill_store_buffer(unsigned char *sea, uint64_t *random)
{
    for (int i = 0; i < 40; i++)
        ((volatile unsigned char *)sea)[test_random(random) % SEA_BYTES] = 1;
}

static void read_on(struct objstore *s, struct race *race)
{
    unsigned char *sea = mmap(NULL, SEA_BYTES, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    const struct objstore_id id = help_id(1);
    uint64_t random = test_seed, gets = 0;
    struct objstore_view view;

    while (sea != MAP_FAILED && !atomic_load(&race->is_over)) {
        heat_next(s);
        fill_store_buffer(sea, &random);
        if (objstore_get(s, &id, 0, &view))
            continue;
        if (!stays(&view))
            atomic_store(&race->is_wrong, 1);
        objstore_release(s, &view);
        atomic_store_explicit(&race->gets, ++gets, memory_order_relaxed);
    }
    munmap(sea, SEA_BYTES);
}

/* False: a reader saw the bytes of what he held change. */
static bool live_and_die(struct objstore *s, struct race *race)
{
    const struct objstore_id id = help_id(1);

    for (uint64_t life = 1; life <= LIVES && !atomic_load(&race->is_wrong); life++) {
        if (!put_words(s, 1, life))
            atomic_store(&race->is_wrong, 1);
        uint64_t until = atomic_load(&race->gets) + 1 + life % 4;
        for (uint64_t looks = 1; atomic_load(&race->gets) < until; looks++)
            if (looks % 4096 == 0)
                sched_yield();
        for (uint64_t i = 0; i < life % 512; i++)
            cpu_pause();
        if (objstore_delete(s, &id))
            atomic_store(&race->is_wrong, 1);
    }
    atomic_store(&race->is_over, 1);
    return !atomic_load(&race->is_wrong);
}

static struct race *new_race(void)
{
    struct race *race =
        mmap(NULL, sizeof *race, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    REQUIRE(race != MAP_FAILED);
    return race;
}

static void no_process_reads_what_is_freed(void)
{
    struct objstore *s = help_store(1 << 20);
    struct race *race = new_race();
    pid_t child = fork();

    REQUIRE(child >= 0);
    if (child == 0) {
        struct objstore *own = help_attach(s);

        read_on(own, race);
        objstore_close(own);
        _exit(0);
    }
    CHECK(live_and_die(s, race));
    CHECK_EQ(help_wait(child), 0);
    CHECK_EQ(help_used(s), 0);
    CHECK(help_is_sound(s));
    munmap(race, sizeof *race);
    objstore_close(s);
}

struct reader {
    struct objstore *store;
    struct race *race;
};

static void *read_in_thread(void *arg)
{
    struct reader *r = arg;

    read_on(r->store, r->race);
    return NULL;
}

static bool race_of_threads(void)
{
    struct reader r = { help_store(1 << 20), new_race() };
    pthread_t thread;

    has_quick_pins(r.store); /* as the thread comes later */
    if (pthread_create(&thread, NULL, read_in_thread, &r))
        return false;
    bool is_right = live_and_die(r.store, r.race);
    pthread_join(thread, NULL);
    return is_right && help_used(r.store) == 0 && help_is_sound(r.store);
}

/* In a child, as who ever had several threads has no quick pins in the stores that he opens. */
static void no_thread_reads_what_is_freed(void)
{
    fflush(stdout);
    pid_t child = fork();

    REQUIRE(child >= 0);
    if (child == 0) {
        bool is_right = race_of_threads();

        fflush(stdout);
        _exit(!is_right);
    }
    CHECK_EQ(help_wait(child), 0);
}

/* ---- more threads than near sets ----------------------------------------------------------- */

enum { THREADS = 3 * PIN_NEAR };

struct crowd {
    struct objstore *store;
    pthread_barrier_t *all;
    uint64_t id;
    bool is_right;
};

static void *hold_one(void *arg)
{
    struct crowd *c = arg;
    const struct objstore_id id = help_id(c->id);
    struct objstore_view view;

    heat_next(c->store);
    c->is_right = objstore_get(c->store, &id, 0, &view) == 0;
    pthread_barrier_wait(c->all); /* everybody has one */
    pthread_barrier_wait(c->all); /* all are deleted */
    c->is_right = c->is_right && *(const uint64_t *)view.data == c->id && stays(&view);
    objstore_release(c->store, &view);
    return NULL;
}

static void holds_of_many_threads(void)
{
    struct objstore *s = help_store(1 << 20);
    static struct crowd crowd[THREADS];
    pthread_t thread[THREADS];
    pthread_barrier_t all;
    struct objstore_stats stats;

    REQUIRE(pthread_barrier_init(&all, NULL, THREADS + 1) == 0);
    for (uint64_t i = 0; i < THREADS / 2; i++)
        CHECK(put_words(s, 1 + i, 1 + i));
    for (uint64_t i = 0; i < THREADS; i++) {
        crowd[i] = (struct crowd){ s, &all, 1 + i / 2, false };
        REQUIRE(pthread_create(&thread[i], NULL, hold_one, &crowd[i]) == 0);
    }
    pthread_barrier_wait(&all);
    for (uint64_t i = 0; i < THREADS / 2; i++) {
        const struct objstore_id id = help_id(1 + i);

        CHECK_EQ(objstore_delete(s, &id), 0);
    }
    REQUIRE_OK(objstore_stats(s, &stats));
    CHECK_EQ(stats.objects_deleted, THREADS / 2);
    pthread_barrier_wait(&all);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
        CHECK(crowd[i].is_right);
    }
    CHECK_EQ(help_used(s), 0);
    CHECK(help_is_sound(s));
    pthread_barrier_destroy(&all);
    objstore_close(s);
}

/* ---- who may not call membarrier(2) -------------------------------------------------------- */

static bool forbid_barriers(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { sizeof code / sizeof code[0], code };

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

enum { LARGE = 600 << 10, SKIPPED = 77 };

/* It leaves what others may be about to pin; who may call it frees that when it needs the room. */
static void leaves_it_to_others(void)
{
    struct objstore *s = help_store(1 << 20);
    const struct objstore_id first = help_id(1), second = help_id(2);
    static const char bytes[LARGE];
    struct objstore_view view;

    if (!has_quick_pins(s)) {
        objstore_close(s);
        return;
    }
    REQUIRE_OK(objstore_put(s, &first, bytes, LARGE, NULL));
    heat_next(s);
    for (int i = 0; i < 2; i++) { /* the first is not near: the thread is new to the store */
        REQUIRE_OK(objstore_get(s, &first, 0, &view));
        heat_next(s);
        bool hot = is_hot(s, &view);
        objstore_release(s, &view);
        CHECK(hot || i == 0);
    }
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        struct objstore *own = help_attach(s);
        struct objstore_stats stats;

        if (!forbid_barriers())
            _exit(SKIPPED);
        CHILD_CHECK(objstore_delete(own, &first) == 0);
        CHILD_CHECK(objstore_put(own, &second, bytes, LARGE, NULL) == -ENOSPC);
        CHILD_CHECK(objstore_stats(own, &stats) == 0 && stats.objects_deleted == 1);
        objstore_close(own);
        _exit(0);
    }
    int status = help_wait(child);
    if (status == SKIPPED) {
        puts("    no seccomp here");
    } else {
        CHECK_EQ(status, 0);
        CHECK_EQ(objstore_put(s, &second, bytes, LARGE, NULL), 0);
    }
    CHECK(help_is_sound(s));
    objstore_close(s);
}

/* Where nobody may, all is as if there were no such thing. */
static void is_not_hot_without(void)
{
    struct objstore *s = help_store(1 << 20);
    const struct objstore_id id = help_id(1);
    CHECK(put_words(s, 1, 7));
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        if (!forbid_barriers())
            _exit(SKIPPED);
        struct objstore *own = help_attach(s);
        struct objstore_view view;

        for (int i = 0; i < 4; i++) {
            CHILD_CHECK(objstore_get(own, &id, -1, &view) == 0);
            heat_next(own);
            CHILD_CHECK(!is_hot(own, &view));
            objstore_release(own, &view);
        }
        objstore_close(own);
        _exit(0);
    }
    int status = help_wait(child);
    if (status == SKIPPED)
        puts("    no seccomp here");
    else
        CHECK_EQ(status, 0);
    objstore_close(s);
}

TESTS("hot pins", { "one pin in so many makes an object hot, for its life", becomes_hot },
      { "what a process reads is not freed", no_process_reads_what_is_freed },
      { "what a thread reads is not freed", no_thread_reads_what_is_freed },
      { "who may not call membarrier leaves the room to others", leaves_it_to_others },
      { "and where nobody may, nothing becomes hot", is_not_hot_without },
      { "more threads than near sets hold what they hold", holds_of_many_threads })
