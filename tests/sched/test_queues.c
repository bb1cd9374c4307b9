/* SPDX-License-Identifier: MIT */
/*
 * The deque and the queue alone: one owner, several thieves, as threads in one mapping (so that
 * ThreadSanitizer sees them) and as processes that map the memory at different addresses. Each
 * hint must come out at least once, none that was never pushed, and the queue's exactly once.
 */
#define _GNU_SOURCE /* memfd_create */
#include "kit.h"
#include "pool.h"

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define THIEVES 3u
#define HINTS 30000u

/* The shared part, and what each participant needs to reach it. */
struct shared {
    struct seat seats[THIEVES + 3];
    struct au64 deque[(THIEVES + 1) * DEQUE_CAPACITY];
    struct au64 queue[4096];
    struct au32 seen[HINTS + 1], wild, finished;
};

static struct wsched *view(struct shared *s, uint32_t seat)
{
    struct wsched *p = calloc(1, sizeof *p);

    p->seats = s->seats;
    p->deques = s->deque;
    p->workers = THIEVES + 1;
    p->queues = s->queue;
    p->queue_capacity = 4096;
    p->seat = seat;
    p->role = seat < p->workers ? ROLE_WORKER : ROLE_DRIVER;
    return p;
}

static void note(struct shared *s, uint64_t hint)
{
    if (hint == 0 || hint > HINTS)
        au32_add_relaxed(&s->wild, 1);
    else
        au32_add_relaxed(&s->seen[hint], 1);
}

static void steal(struct shared *s, uint32_t seat, bool is_queue)
{
    struct wsched *p = view(s, seat);
    uint64_t hints[STEAL_MAX];
    bool last = false;

    for (;;) {
        uint32_t n = is_queue ? queue_pop(p, driver_seat(p), 1 + seat * 5, hints)
                              : deque_steal(p, 0, 1 + seat * 5, hints);
        for (uint32_t i = 0; i < n; i++)
            note(s, hints[i]);
        bool is_empty = is_queue ? !queue_size(p, driver_seat(p)) : !deque_size(p, 0);
        if (n == 0 && is_empty && last)
            break;
        last = au32_load_acquire(&s->finished);
        if (n == 0)
            sched_yield();
    }
    free(p);
}

static void own(struct shared *s, bool is_queue)
{
    struct wsched *p = view(s, is_queue ? THIEVES + 1 : 0);
    uint64_t random = test_seed, hint;

    for (uint64_t i = 1; i <= HINTS;) {
        if (is_queue ? queue_push(p, i) : deque_push(p, i))
            i++;
        else
            sched_yield();
        if (is_queue)
            queue_publish(p);
        while (!is_queue && test_random(&random) % 3 == 0 && deque_take(p, &hint))
            note(s, hint);
    }
    au32_store_release(&s->finished, 1);
    while (!is_queue && deque_take(p, &hint))
        note(s, hint);
    free(p);
}

static void check(const struct shared *s, bool is_queue)
{
    uint32_t missing = 0, twice = 0;

    for (uint32_t i = 1; i <= HINTS; i++) {
        uint32_t n = au32_load_acquire(&s->seen[i]);
        missing += n == 0;
        twice += n > 1;
    }
    CHECK_EQ(missing, 0);
    CHECK_EQ(au32_load_acquire(&s->wild), 0);
    if (is_queue)
        CHECK_EQ(twice, 0);
    else
        printf("(%u of %u twice) ", twice, HINTS);
}

struct thief {
    struct shared *s;
    uint32_t seat;
    bool is_queue;
};

static void *thief_thread(void *arg)
{
    struct thief *t = arg;

    steal(t->s, t->seat, t->is_queue);
    return NULL;
}

static void as_threads(bool is_queue)
{
    struct shared *s = calloc(1, sizeof *s);
    struct thief t[THIEVES];
    pthread_t threads[THIEVES];

    REQUIRE(s != NULL);
    for (uint32_t i = 0; i < THIEVES; i++) {
        t[i] = (struct thief){ s, i + 1, is_queue };
        REQUIRE(!pthread_create(&threads[i], NULL, thief_thread, &t[i]));
    }
    own(s, is_queue);
    for (uint32_t i = 0; i < THIEVES; i++)
        pthread_join(threads[i], NULL);
    check(s, is_queue);
    free(s);
}

static void as_processes(bool is_queue)
{
    int fd = memfd_create("test", MFD_CLOEXEC);

    REQUIRE(fd >= 0 && !ftruncate(fd, sizeof(struct shared)));
    struct shared *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    REQUIRE(s != MAP_FAILED);
    for (uint32_t i = 1; i <= THIEVES; i++)
        if (fork() == 0) {
            /* Somewhere else: what is shared must not hold addresses. */
            void *hole = mmap(NULL, i << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            struct shared *mine = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
            CHILD_CHECK(hole != MAP_FAILED && mine != MAP_FAILED && mine != s);
            munmap(s, sizeof *s);
            steal(mine, i, is_queue);
            _exit(0);
        }
    own(s, is_queue);
    for (uint32_t i = 1; i <= THIEVES; i++) {
        int status = -1;
        CHECK(wait(&status) > 0);
        CHECK_EQ(status, 0);
    }
    check(s, is_queue);
    munmap(s, sizeof *s);
    close(fd);
}

static void deque_threads(void)
{
    as_threads(false);
}

static void deque_processes(void)
{
    as_processes(false);
}

static void queue_threads(void)
{
    as_threads(true);
}

static void queue_processes(void)
{
    as_processes(true);
}

/* Against the plainest model: with nobody else, a stack at one end and a queue at the other. */
static void deque_alone(void)
{
    static uint64_t model[DEQUE_CAPACITY];
    struct shared *s = calloc(1, sizeof *s);
    struct wsched *p = view(s, 0);
    uint64_t random = test_seed, next = 1, got[STEAL_MAX];
    uint32_t first = 0, count = 0;

    for (int i = 0; i < 300000; i++) {
        uint64_t r = test_random(&random) % 100, hint = 0;
        if (r < (i / 20000 % 2 ? 40 : 60)) {
            bool ok = deque_push(p, next);
            CHECK(ok == (count < DEQUE_CAPACITY));
            if (ok)
                model[(first + count++) % DEQUE_CAPACITY] = next++;
        } else if (r < 90) {
            bool ok = deque_take(p, &hint);
            CHECK(ok == (count > 0));
            if (ok)
                CHECK(hint == model[(first + --count) % DEQUE_CAPACITY]);
        } else {
            uint32_t n = deque_steal(p, 0, (uint32_t)r - 89, got);
            CHECK((n > 0) == (count > 0) && n <= (count + 1) / 2);
            for (uint32_t k = 0; k < n; k++, first++, count--)
                CHECK(got[k] == model[first % DEQUE_CAPACITY]);
        }
        CHECK(deque_size(p, 0) == count);
    }
    free(p);
    free(s);
}

static void damaged_words(void)
{
    struct shared *s = calloc(1, sizeof *s);
    struct wsched *p = view(s, 0);
    uint64_t random = test_seed, got[STEAL_MAX], hint;

    for (int i = 0; i < 100000; i++) { /* must stay inside the arrays: AddressSanitizer looks */
        au64_store_relaxed(&s->seats[1].anchor, test_random(&random));
        au64_store_relaxed(&s->seats[0].anchor, test_random(&random));
        au64_store_relaxed(&s->seats[THIEVES + 1].head, test_random(&random));
        au64_store_relaxed(&s->seats[THIEVES + 1].tail, test_random(&random));
        deque_steal(p, 1, STEAL_MAX, got);
        deque_take(p, &hint);
        deque_push(p, 1);
        CHECK(queue_pop(p, driver_seat(p), STEAL_MAX, got) <= STEAL_MAX);
        (void)queue_size(p, driver_seat(p));
    }
    free(p);
    free(s);
}

TESTS("wsched: queues", { "deque: owner and thieves as threads", deque_threads },
      { "deque: owner and thieves as processes", deque_processes },
      { "queue: producer and consumers as threads", queue_threads },
      { "queue: producer and consumers as processes", queue_processes },
      { "deque: equals the model", deque_alone }, { "damaged words lead nowhere", damaged_words })
