/* SPDX-License-Identifier: MIT */
/*
 * The mailbox of an actor by itself: order and bounds, many pushers as threads and as processes
 * with mappings of their own, pushers and readers that die at each step, damage.
 */
#define _GNU_SOURCE
#include "mailbox.h"
#include "point.h"
#include "test.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

struct memory {
    struct mailbox_ends ends;
    struct au64 slots[MAILBOX_SLOTS];
};
static int memory_fd = -1;

static struct mailbox map(void)
{
    struct memory *m = mmap(NULL, sizeof *m, PROT_READ | PROT_WRITE, MAP_SHARED, memory_fd, 0);

    REQUIRE(m != MAP_FAILED);
    return (struct mailbox){ &m->ends, m->slots };
}

static struct mailbox fresh(void)
{
    if (memory_fd >= 0)
        close(memory_fd);
    memory_fd = memfd_create("mailbox", 0);
    REQUIRE(memory_fd >= 0 && !ftruncate(memory_fd, sizeof(struct memory)));
    return map();
}

static void unmap(struct mailbox m)
{
    munmap(m.ends, sizeof(struct memory));
}

static bool push(const struct mailbox *m, uint64_t future, uint32_t limit)
{
    struct au64 seen = { 0 };

    return mailbox_push(m, future, limit, &seen);
}

static uint64_t pop(const struct mailbox *m)
{
    uint64_t future = 0;

    if (!mailbox_first(m, &future))
        return 0;
    mailbox_pop(m);
    return future;
}

static void in_order_up_to_the_limit(void)
{
    struct mailbox m = fresh();
    uint64_t future = 0, n = 0, next = 0;

    CHECK(!mailbox_first(&m, &future));
    for (uint32_t limit = 1; limit <= MAILBOX_SLOTS; limit += limit < 8 ? 1 : 1021) {
        while (push(&m, ++n, limit))
            ;
        CHECK_EQ(mailbox_size(&m), limit);
        CHECK_EQ(mailbox_peek(&m, limit - 1), n - 1);
        CHECK_EQ(mailbox_peek(&m, limit), 0);
        n--; /* that one was refused */
        for (uint32_t i = 0; i < limit; i++) {
            CHECK(mailbox_first(&m, &future));
            CHECK_EQ(future, next + 1); /* stays until it is popped */
            CHECK_EQ(pop(&m), ++next);
        }
        CHECK_EQ(pop(&m), 0);
    }
    for (uint32_t i = 0; i < 3 * MAILBOX_SLOTS; i++) { /* laps */
        REQUIRE(push(&m, ++n, 3));
        CHECK_EQ(pop(&m), ++next);
    }
    unmap(m);
}

/* ---- many pushers ------------------------------------------------------------------------- */

#define PUSHERS 4u
#define EACH 50000u

static void *push_many(void *arg)
{
    struct mailbox m = map();
    uint64_t number = (uint64_t)(uintptr_t)arg;
    struct au64 seen = { 0 };

    for (uint64_t i = 1; i <= EACH; i++)
        while (!mailbox_push(&m, number << 32 | i, 100 + (uint32_t)number, &seen))
            sched_yield();
    unmap(m);
    return NULL;
}

static void read_many(const struct mailbox *m)
{
    uint64_t next[PUSHERS] = { 0 };

    for (uint32_t n = 0; n < PUSHERS * EACH;) {
        uint64_t future = pop(m);
        if (!future) {
            sched_yield();
            continue;
        }
        REQUIRE(future >> 32 < PUSHERS);
        if ((uint32_t)future != ++next[future >> 32])
            CHECK_EQ((uint32_t)future, next[future >> 32]);
        n++;
    }
    CHECK_EQ(pop(m), 0);
    CHECK_EQ(mailbox_size(m), 0);
}

static void threads(void)
{
    struct mailbox m = fresh();
    pthread_t t[PUSHERS];

    for (uintptr_t i = 0; i < PUSHERS; i++)
        REQUIRE(!pthread_create(&t[i], NULL, push_many, (void *)i));
    read_many(&m);
    for (int i = 0; i < (int)PUSHERS; i++)
        pthread_join(t[i], NULL);
    unmap(m);
}

static void processes(void)
{
    struct mailbox m = fresh();
    pid_t pids[PUSHERS];
    int status;

    for (uintptr_t i = 0; i < PUSHERS; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            push_many((void *)i);
            _exit(0);
        }
    }
    read_many(&m);
    for (int i = 0; i < (int)PUSHERS; i++) {
        REQUIRE(waitpid(pids[i], &status, 0) == pids[i]);
        CHECK_EQ(status, 0);
    }
    unmap(m);
}

/* ---- deaths -------------------------------------------------------------------------------- */

static int die_at;

static void die(const char *name)
{
    (void)name;
    if (--die_at == 0)
        kill(getpid(), SIGKILL);
}

/* In a child that dies at point k; true: it died. */
static bool dies(int k, void (*act)(const struct mailbox *), const struct mailbox *m)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        die_at = k;
        test_point = die;
        act(m);
        _exit(0);
    }
    REQUIRE(waitpid(pid, &status, 0) == pid);
    return WIFSIGNALED(status);
}

static void push_three(const struct mailbox *m)
{
    for (uint64_t i = 1; i <= 3; i++)
        push(m, i, 8);
}

static void pop_three(const struct mailbox *m)
{
    for (uint64_t i = 1; i <= 3; i++)
        pop(m);
}

static void a_dead_pusher_blocks_nobody(void)
{
    struct mailbox m = fresh();

    for (int k = 1; k <= 3; k++) {
        REQUIRE(dies(k, push_three, &m));
        CHECK(push(&m, 100, 8)); /* behind those whose slot was filled */
        for (int i = 1; i <= k; i++)
            CHECK_EQ(pop(&m), i);
        CHECK_EQ(pop(&m), 100);
        CHECK_EQ(pop(&m), 0);
        REQUIRE(dies(k, push_three, &m)); /* and a reader gets them without another pusher */
        for (int i = 1; i <= k; i++)
            CHECK_EQ(pop(&m), i);
        CHECK_EQ(pop(&m), 0);
    }
    CHECK(!dies(4, push_three, &m));
    unmap(m);
}

static void a_dead_reader_loses_nothing(void)
{
    struct mailbox m = fresh();

    for (int k = 1; k <= 3; k++) {
        for (uint64_t i = 1; i <= 4; i++)
            CHECK(push(&m, i, 4));
        REQUIRE(dies(k, pop_three, &m));
        for (int i = k + 1; i <= 4; i++)
            CHECK_EQ(pop(&m), i);
        CHECK_EQ(pop(&m), 0);
        CHECK_EQ(mailbox_size(&m), 0);
    }
    unmap(m);
}

/* Random words everywhere: everybody comes to an end, and afterwards it works again. */
static void damage_leads_nowhere(void)
{
    uint64_t random = test_seed;

    for (int round = 0; round < 300; round++) {
        struct mailbox m = fresh();
        for (int i = 0; i < 40; i++) {
            uint64_t r = test_random(&random);
            au64_store_relaxed(&m.slots[r % 16], r >> 16 >> r % 48);
        }
        if (round % 3 == 0)
            au64_store_relaxed(&m.ends->head, test_random(&random) >> round % 64);
        if (round % 3 == 1)
            au64_store_relaxed(&m.ends->tail, test_random(&random) >> round % 64);
        for (int i = 0; i < 40; i++) {
            (void)push(&m, 7, 1 + (uint32_t)i);
            (void)pop(&m);
            (void)mailbox_size(&m);
            (void)mailbox_peek(&m, (uint32_t)i);
        }
        unmap(m);
    }
    CHECK(true);
}

TESTS("wsched: mailbox", { "in order, up to the limit, for many laps", in_order_up_to_the_limit },
      { "many pushers, as threads", threads }, { "many pushers, as processes", processes },
      { "a pusher that dies at any step blocks nobody", a_dead_pusher_blocks_nobody },
      { "a reader that dies at any step loses nothing", a_dead_reader_loses_nothing },
      { "damage leads nowhere", damage_leads_nowhere })
