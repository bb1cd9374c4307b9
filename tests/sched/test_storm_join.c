/* SPDX-License-Identifier: MIT */
/*
 * Guests join, submit, work, leave, are stopped and killed, and so are workers of the crew, while
 * the driver submits; a ledger outside the pool says what each task was to give, and which of those
 * that were to run on without their guest did. KILLS=n for a long one.
 */
#include "guests.h"

#include <sys/mman.h>

#define CHILDREN 6
#define WINDOW 16
#define IDS (1u << 20)

static struct ledger {
    struct au32 next;                    /* id */
    struct au32 accepted[IDS], ran[IDS]; /* of detached tasks */
    struct au32 joins, leaves, worked;   /* how much of everything there was */
} * ledger;

static int noted(struct wsched_task *task, void *ctx)
{
    const uint32_t id = *(const uint32_t *)wsched_task_payload(task, NULL);
    long result = (long)id * 3 + 1;

    (void)ctx;
    int err = wsched_task_result(task, &result, sizeof result);
    au32_add_acq_rel(&ledger->ran[id % IDS], 1);
    return err;
}

/* Submits two, waits for them: a guest that works is busy with several at once when it dies. */
static int family(struct wsched_task *task, void *ctx)
{
    const uint32_t id = *(const uint32_t *)wsched_task_payload(task, NULL);
    struct wsched *pool = wsched_task_pool(task);
    struct wsched_future f[2];
    int err = 0;

    for (int i = 0; i < 2 && !err; i++) {
        struct wsched_spec s = kit_spec("noted", &id, sizeof id);
        s.max_retries = 200;
        err = wsched_submit(pool, &s, &f[i]);
    }
    if (!err)
        err = wsched_wait(pool, f, 2, 2, -1, NULL);
    if (err < 0)
        return err;
    wsched_release(pool, f[0]);
    wsched_release(pool, f[1]);
    return noted(task, ctx);
}

static const struct wsched_kernel kernels[] = { { "noted", noted, NULL },
                                                { "family", family, NULL } };

static struct wsched_future submit(struct wsched *p, const char *kernel, uint32_t id,
                                   const struct wsched_future *after)
{
    struct wsched_spec s = kit_spec(kernel, &id, sizeof id);
    struct wsched_future f = { 0 };

    s.max_retries = 200;
    s.after = after;
    s.after_count = after != NULL;
    CHILD_CHECK(!wsched_submit(p, &s, &f));
    return f;
}

static void expect(struct wsched *p, struct wsched_future f, uint32_t id)
{
    long result = 0;

    CHILD_CHECK(wsched_wait(p, &f, 1, 1, -1, NULL) == 1);
    CHILD_CHECK(!wsched_result(p, f, &result, sizeof result, NULL));
    CHILD_CHECK(result == (long)id * 3 + 1);
}

static uint32_t new_id(void)
{
    return au32_add_acq_rel(&ledger->next, 1) % IDS;
}

static void some_tasks(struct wsched *p, uint64_t *random)
{
    struct wsched_future f[WINDOW];
    uint32_t ids[WINDOW];

    for (int i = 0; i < WINDOW; i++) {
        ids[i] = new_id();
        f[i] = submit(p, test_random(random) % 3 ? "noted" : "family", ids[i],
                      i && test_random(random) % 4 == 0 ? &f[i - 1] : NULL);
    }
    for (int i = 0; i < WINDOW; i++)
        expect(p, f[i], ids[i]);
    for (int i = 0; i < WINDOW; i++)
        if (p->role != ROLE_GUEST || test_random(random) % 4) /* the others go when we leave */
            wsched_release(p, f[i]);
}

static void be_client(uint64_t *random)
{
    struct wsched_join_options o = WSCHED_JOIN_OPTIONS_INIT;
    struct wsched *p = NULL;
    bool is_detached = test_random(random) % 2;

    o.flags = is_detached ? WSCHED_DETACHED : 0;
    int err = wsched_join(name, NULL, 0, &o, &p);
    CHILD_CHECK(err == 0 || err == -EUSERS); /* of those that died before they said who they were */
    if (err)
        return;
    au32_add_acq_rel(&ledger->joins, 1);
    for (uint64_t n = test_random(random) % 4; n > 0; n--)
        some_tasks(p, random);
    if (is_detached)
        for (int i = 0; i < WINDOW; i++) {
            uint32_t id = new_id();
            (void)submit(p, "noted", id, NULL);
            au32_store_release(&ledger->accepted[id], 1);
        }
    wsched_close(p);
    au32_add_acq_rel(&ledger->leaves, 1);
}

static void be_worker(uint64_t *random)
{
    struct wsched *p = NULL;
    int err = wsched_join(name, kernels, 2, NULL, &p);

    CHILD_CHECK(err == 0 || err == -EUSERS);
    if (err)
        return;
    err = wsched_work(p, (int)(test_random(random) % 3));
    CHILD_CHECK(err == -ETIMEDOUT);
    au32_add_acq_rel(&ledger->worked, 1);
    wsched_close(p);
}

static pid_t child(uint64_t seed)
{
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    for (uint64_t random = seed;;) {
        if (test_random(&random) % 2)
            be_client(&random);
        else
            be_worker(&random);
    }
}

static void replace(pid_t *pid, uint64_t *random)
{
    if (test_random(random) % 4 == 0)
        kill(*pid, SIGSTOP);
    kill(*pid, SIGKILL);
    CHECK_EQ(ended(*pid), -SIGKILL);
    *pid = child(test_random(random));
}

static void storm(void)
{
    const char *asked = getenv("KILLS");
    long kills = asked ? strtol(asked, NULL, 10) : 150;
    struct wsched_options o = WSCHED_OPTIONS_INIT;
    struct wsched *pool = NULL;
    uint64_t random = test_seed;
    pid_t children[CHILDREN];

    ledger = kit_share(sizeof *ledger);
    snprintf(name, sizeof name, "test-storm-join-%d", (int)getpid());
    o.workers = 2;
    o.guests = CHILDREN + 2;
    o.task_capacity = 1000;
    o.event_capacity = 256;
    o.name = name;
    REQUIRE_OK(wsched_open(&o, kernels, 2, &pool));
    for (int i = 0; i < CHILDREN; i++)
        children[i] = child(test_random(&random));
    for (long n = 0; n < kills; n++) {
        some_tasks(pool, &random);
        replace(&children[test_random(&random) % CHILDREN], &random);
        pid_t worker = (pid_t)(au64_load_acquire(&pool->seats[n % 2].identity) & 0x3fffff);
        if (worker && test_random(&random) % 8 == 0)
            kill(worker, SIGKILL);
    }
    for (int i = 0; i < CHILDREN; i++) {
        kill(children[i], SIGKILL);
        CHECK_EQ(ended(children[i]), -SIGKILL);
    }
    while (slots_in_use(pool)) /* what is detached runs on; a leak runs into the time limit */
        sched_yield();
    struct wsched *last = NULL; /* whoever comes makes the supervisor look for those that went */
    REQUIRE_OK(wsched_join(name, NULL, 0, NULL, &last));
    wsched_close(last);
    await_nobody(pool);
    uint32_t detached = 0, lost = 0;
    for (uint32_t i = 0; i < IDS; i++)
        if (au32_load_acquire(&ledger->accepted[i])) {
            detached++;
            lost += !au32_load_acquire(&ledger->ran[i]);
        }
    CHECK_EQ(lost, 0);
    some_tasks(pool, &random);
    wsched_close(pool);
    printf("(%ld kills, %u tasks, %u ran on, %u joined, %u left, %u worked) ", kills,
           au32_load_relaxed(&ledger->next), detached, au32_load_relaxed(&ledger->joins),
           au32_load_relaxed(&ledger->leaves), au32_load_relaxed(&ledger->worked));
    munmap(ledger, sizeof *ledger);
}

TESTS("wsched: a storm of guests",
      { "guests and workers are killed, stopped, leave and join", storm })
