/* SPDX-License-Identifier: MIT */
/*
 * Actors and those who call them are killed: at every step between two accesses to shared memory
 * that a small job passes, in a worker or an actor, then in the supervisor; and at random, under
 * load, while a bank of actors moves money. Ledgers outside of the pool know what must come out.
 * KILLS=n in the environment makes the storm longer.
 */
#include "actor.h"
#include "killer.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>

#define ACCOUNTS 3u
#define TELLERS 3u

/* Shared by all processes of a run. */
static struct plan {
    struct au64 last;         /* number of the call that ran last, of those in order */
    struct au32 starts[256];  /* of a call, by its number */
    struct au32 out_of_order; /* calls that were run before one that was made before them */
    struct au32 booked;       /* how often anything was */
    struct au64 entries[ACCOUNTS][TELLERS]; /* transfer:32 | what it came to by then:32 */
} * plan;
static struct wsched *pool;

/* ---- kernels ------------------------------------------------------------------------------- */

static int state_new(struct wsched_task *task, void *ctx)
{
    static long state;

    (void)ctx;
    state = 4711;
    return wsched_task_set_actor_state(task, &state);
}

/* Payload: its number; of calls that are made in order, 1, 2, ... Result: number, attempt. */
static int step(struct wsched_task *task, void *ctx)
{
    const long n = *(const long *)wsched_task_payload(task, NULL);
    const long *state = wsched_task_actor_state(task);
    long result[2] = { n, wsched_task_attempt(task) };
    uint64_t last = au64_load_acquire(&plan->last);

    (void)ctx;
    if (!state || *state != 4711)
        return -EDOM;
    au32_add_acq_rel(&plan->starts[n], 1);
    if (n < 100 && (uint64_t)n != last && (uint64_t)n != last + 1)
        au32_store_release(&plan->out_of_order, 1);
    if (n < 100)
        au64_store_release(&plan->last, (uint64_t)n);
    return wsched_task_result(task, result, sizeof result);
}

static int dies(struct wsched_task *task, void *ctx)
{
    (void)task;
    (void)ctx;
    kill(getpid(), SIGKILL);
    return 0;
}

/* Numbers from *v on, each waited for; in a worker or in an actor: calls "a". */
static int caller(struct wsched_task *task, void *ctx)
{
    struct wsched *p = wsched_task_pool(task);
    long n = *(const long *)wsched_task_payload(task, NULL), sum = 0, part[2];
    struct wsched_future f[3];
    struct wsched_actor actor;
    int err = wsched_actor_find(p, "a", &actor);

    (void)ctx;
    for (int i = 0; i < 3 && !err; i++, n++) {
        struct wsched_spec s = kit_spec("step", &n, sizeof n);
        s.max_retries = 100;
        err = wsched_actor_call(p, actor, &s, &f[i]);
    }
    if (!err)
        err = wsched_wait(p, f, 3, 3, -1, NULL);
    for (int i = 0; i < 3 && err >= 0; i++) {
        err = wsched_result(p, f[i], part, sizeof part, NULL);
        sum += part[0];
        wsched_release(p, f[i]);
    }
    return err < 0 ? err : wsched_task_result(task, &sum, sizeof sum);
}

/* Submits a task and waits for it. */
static int parent(struct wsched_task *task, void *ctx)
{
    struct wsched *p = wsched_task_pool(task);
    struct wsched_spec s = kit_spec("add", wsched_task_payload(task, NULL), 2 * sizeof(long));
    struct wsched_future f;
    long v = 0;
    int err = wsched_submit(p, &s, &f);

    (void)ctx;
    if (!err)
        err = wsched_wait(p, &f, 1, 1, -1, NULL);
    if (err == 1)
        err = wsched_result(p, f, &v, sizeof v, NULL);
    if (err)
        return err;
    wsched_release(p, f);
    return wsched_task_result(task, &v, sizeof v);
}

static int add(struct wsched_task *task, void *ctx)
{
    const long *v = wsched_task_payload(task, NULL);
    long sum = v[0] + v[1];

    (void)ctx;
    return wsched_task_result(task, &sum, sizeof sum);
}

/* Makes an actor that goes with this process, calls it, stops it. */
static int maker(struct wsched_task *task, void *ctx)
{
    struct wsched *p = wsched_task_pool(task);
    struct wsched_actor_spec a = { .constructor = "state_new",
                                   .flags = WSCHED_ACTOR_WITH_CREATOR,
                                   .max_restarts = -1 };
    long n = 200;
    struct wsched_spec s = kit_spec("step", &n, sizeof n);
    struct wsched_actor actor;
    struct wsched_future f;
    int err = wsched_actor_new(p, &a, &actor);

    (void)ctx;
    s.max_retries = 100;
    if (!err)
        err = wsched_actor_call(p, actor, &s, &f);
    if (!err)
        err = wsched_wait(p, &f, 1, 1, -1, NULL);
    if (err == 1)
        err = wsched_result(p, f, NULL, 0, NULL);
    if (err)
        return err;
    wsched_release(p, f);
    return wsched_actor_stop(p, actor, WSCHED_ACTOR_FINISH);
}

struct transfer {
    uint32_t account, teller, number;
    int32_t amount;
};

/* Once for each number of a teller, however often it is run. */
static int book(struct wsched_task *task, void *ctx)
{
    const struct transfer *t = wsched_task_payload(task, NULL);
    struct au64 *entry = &plan->entries[t->account][t->teller];
    uint64_t e = au64_load_acquire(entry);

    (void)ctx;
    au32_add_acq_rel(&plan->booked, 1);
    if (t->number > (uint32_t)(e >> 32))
        au64_store_release(entry, (uint64_t)t->number << 32 | ((uint32_t)e + (uint32_t)t->amount));
    return 0;
}

/* Moves money in a circle, one transfer after the other. Payload: teller, transfers. */
static int teller(struct wsched_task *task, void *ctx)
{
    const uint32_t *v = wsched_task_payload(task, NULL);
    struct wsched *p = wsched_task_pool(task);
    struct wsched_actor actors[ACCOUNTS];
    struct wsched_future f[2];
    int err = 0;

    (void)ctx;
    for (uint32_t i = 0; i < ACCOUNTS && !err; i++) {
        char name[8];
        snprintf(name, sizeof name, "acc%u", i);
        err = wsched_actor_find(p, name, &actors[i]);
    }
    for (uint32_t n = 1; n <= v[1] && !err; n++) {
        for (uint32_t i = 0; i < 2 && !err; i++) {
            struct transfer t = { (v[0] + n + i) % ACCOUNTS, v[0], n,
                                  i ? (int32_t)n : -(int32_t)n };
            struct wsched_spec s = kit_spec("book", &t, sizeof t);
            s.max_retries = 249;
            err = wsched_actor_call(p, actors[t.account], &s, &f[i]);
        }
        if (!err)
            err = wsched_wait(p, f, 2, 2, -1, NULL);
        for (int i = 0; i < 2 && err >= 0; i++) {
            err = wsched_result(p, f[i], NULL, 0, NULL);
            wsched_release(p, f[i]);
        }
    }
    return err < 0 ? err : 0;
}

static const struct wsched_kernel kernels[] = {
    { "state_new", state_new, NULL }, { "step", step, NULL },     { "dies", dies, NULL },
    { "caller", caller, NULL },       { "parent", parent, NULL }, { "add", add, NULL },
    { "maker", maker, NULL },         { "book", book, NULL },     { "teller", teller, NULL },
};

/* ---- helpers ------------------------------------------------------------------------------- */

static struct wsched_actor actor_make(const char *name, int32_t max_restarts, uint32_t capacity)
{
    struct wsched_actor_spec s = { .name = name,
                                   .constructor = "state_new",
                                   .max_restarts = max_restarts,
                                   .mailbox_capacity = capacity };
    struct wsched_actor a = { 0 };

    REQUIRE_OK(wsched_actor_new(pool, &s, &a));
    return a;
}

static struct wsched_future submit(struct wsched_actor actor, const char *kernel, const void *v,
                                   size_t size, int32_t max_retries)
{
    struct wsched_spec s = kit_spec(kernel, v, size);

    s.max_retries = max_retries;
    s.actor = actor;
    return kit_submit_spec(pool, &s);
}

static long result(struct wsched_future f)
{
    long v[2] = { -1, 0 };

    REQUIRE_OK(wsched_wait(pool, &f, 1, 1, -1, NULL));
    REQUIRE_OK(wsched_result(pool, f, v, sizeof v, NULL));
    wsched_release(pool, f);
    return v[0];
}

static int error(struct wsched_future f)
{
    int err = kit_wait(pool, f);

    wsched_release(pool, f);
    return err;
}

static bool are_all_dead(void)
{
    for (uint32_t i = 0; i < pool->actors_max; i++) {
        enum actor_state state = actor_state(au64_load_acquire(&actor_at(pool, i)->word));
        if (state != ACTOR_FREE && state != ACTOR_DEAD)
            return false;
    }
    return true;
}

static bool are_all_slots_free(void)
{
    uint32_t used = au32_load_acquire(&pool->header->tasks_used);

    for (uint32_t i = 0; i < used && i < pool->task_count; i++)
        if (word_state(au64_load_acquire(&task_at(pool, i)->word)) != TASK_FREE)
            return false;
    return true;
}

/* Waits for it: a leak runs into the runner's time limit. */
static void expect_nothing_left(void)
{
    while (!are_all_dead() || !are_all_slots_free()) {
        (void)!supervisor_check(pool);
        sched_yield();
    }
    kit_expect_sound(pool);
}

/* ---- at every step ------------------------------------------------------------------------- */

static void run_job(void)
{
    const struct wsched_actor none = { 0 };
    struct wsched_actor a = actor_make("a", -1, 3), b = actor_make("b", -1, 0);
    struct wsched_actor c = actor_make("c", 0, 0);
    struct wsched_future f[8], g, h, m, after, doomed[2] = { { 0 }, { 0 } };
    long v[2] = { 100, 11 };

    for (long n = 1; n <= 8; n++) /* more than the mailbox holds */
        f[n - 1] = submit(a, "step", &n, sizeof n, 100);
    g = submit(none, "caller", &v[0], sizeof v[0], 100); /* from a worker: 100, 101, 102 */
    v[0] = 110;
    h = submit(b, "caller", &v[0], sizeof v[0], 100); /* from an actor: 110, 111, 112 */
    struct wsched_spec s = kit_spec("step", &v[0], sizeof v[0]);
    for (int i = 0; i < 2; i++) {
        struct wsched_spec d = kit_spec(i ? "step" : "dies", v, sizeof v[0]);
        int err = wsched_actor_call(pool, c, &d, &doomed[i]);
        CHECK(!err || err == -EOWNERDEAD); /* it may have ended already */
    }
    s.after = &h;
    s.after_count = 1;
    s.max_retries = 100;
    REQUIRE_OK(wsched_actor_call(pool, a, &s, &after));
    m = submit(none, "maker", NULL, 0, 100);
    v[0] = 31;
    struct wsched_future p = submit(b, "parent", v, sizeof v, 100);
    for (long n = 1; n <= 8; n++)
        CHECK_EQ(result(f[n - 1]), n);
    CHECK_EQ(result(g), 303);
    CHECK_EQ(result(h), 333);
    CHECK_EQ(result(after), 110);
    CHECK_EQ(result(p), 42);
    CHECK_EQ(error(m), 0);
    for (int i = 0; i < 2; i++)
        if (doomed[i].v)
            CHECK_EQ(error(doomed[i]), -EOWNERDEAD);
    CHECK_EQ(au32_load_acquire(&plan->out_of_order), 0);
    for (long n = 1; n <= 8; n++) { /* nobody's death but the one: at most two attempts */
        CHECK(au32_load_acquire(&plan->starts[n]) >= 1);
        CHECK(au32_load_acquire(&plan->starts[n]) <= 2);
    }
    REQUIRE_OK(wsched_actor_stop(pool, a, WSCHED_ACTOR_FINISH));
    REQUIRE_OK(wsched_actor_stop(pool, b, WSCHED_ACTOR_KILL));
}

static bool kill_at(uint32_t k, const void *ctx)
{
    struct wsched_options o = WSCHED_OPTIONS_INIT;

    memset(plan, 0, sizeof *plan);
    killer_begin(*(const enum killer_victim *)ctx, k);
    o.workers = 1;
    o.task_capacity = 120;
    pool = kit_open_with(&o, kernels, sizeof kernels / sizeof *kernels);
    run_job();
    expect_nothing_left();
    bool killed = killer_end();
    au64_store_release(&plan->last, 0);
    memset(plan->starts, 0, sizeof plan->starts);
    run_job(); /* all names are free, all records can be used again */
    expect_nothing_left();
    wsched_close(pool);
    return killed;
}

static void kill_everywhere(enum killer_victim victim)
{
    killer_everywhere(kill_at, &victim, 30);
}

static void workers_and_actors(void)
{
    kill_everywhere(KILLER_CHILD);
}

static void supervisor(void)
{
    kill_everywhere(KILLER_SUPERVISOR);
}

/* ---- the storm ----------------------------------------------------------------------------- */

static uint32_t kills_wanted, kills_done, supervisors_done;
static struct au32 stop;

/* So that tellers get to their end on a slow machine, too, time is told by what is booked. */
static void let_work(uint32_t bookings)
{
    const uint32_t since = au32_load_acquire(&plan->booked);

    while (au32_load_acquire(&plan->booked) - since < bookings && !au32_load_acquire(&stop))
        nanosleep(&(struct timespec){ 0, 20000 }, NULL);
}

static void *torment(void *arg)
{
    uint64_t random = test_seed;
    pid_t last[SEATS_MAX] = { 0 }; /* each process is killed once: then its pid may be another's */

    (void)arg;
    while (kills_done < kills_wanted && !au32_load_acquire(&stop)) {
        uint64_t r = test_random(&random);
        struct timespec pause = { 0, (long)(r % 1000) * 1000 };
        let_work((uint32_t)r % 100);
        uint32_t n = (uint32_t)(r >> 32) % (pool->workers + ACCOUNTS);
        uint32_t seat = n < pool->workers ? n : actor_seat(pool, n - pool->workers);
        pid_t pid = (pid_t)(au64_load_acquire(&pool->seats[seat].identity) & 0x3fffff);
        if ((r >> 40) % 101 == 1) {
            pthread_mutex_lock(&pool->crew_lock); /* it must not be reaped while we aim */
            if (pool->supervisor && !kill(pool->supervisor, SIGKILL))
                supervisors_done++;
            pthread_mutex_unlock(&pool->crew_lock);
        } else if (!pid || pid == last[seat]) {
            continue;
        } else if ((r >> 40) % 8 == 0) {
            kill(pid, SIGSTOP);
            nanosleep(&pause, NULL);
            kill(pid, SIGCONT);
        } else if (!kill(pid, SIGKILL)) {
            last[seat] = pid;
            kills_done++;
        }
    }
    au32_store_release(&stop, 1);
    return NULL;
}

/* Teller t's transfers 1 .. n, of what account x gave and got. */
static int64_t expected(uint32_t account, uint32_t t, uint32_t n)
{
    int64_t sum = 0;

    for (uint32_t i = 1; i <= n; i++) {
        sum -= (t + i) % ACCOUNTS == account ? (int64_t)i : 0;
        sum += (t + i + 1) % ACCOUNTS == account ? (int64_t)i : 0;
    }
    return sum;
}

static void bank(void)
{
    const struct wsched_actor none = { 0 };
    const char *kills = getenv("KILLS");
    struct wsched_options o = WSCHED_OPTIONS_INIT;
    struct wsched_actor accounts[ACCOUNTS];
    uint32_t rounds = 0, transfers = 60;
    pthread_t t;

    memset(plan, 0, sizeof *plan);
    kills_wanted = kills ? (uint32_t)strtoul(kills, NULL, 10) : 400;
    o.workers = 2;
    o.task_capacity = 200;
    pool = kit_open_with(&o, kernels, sizeof kernels / sizeof *kernels);
    for (uint32_t i = 0; i < ACCOUNTS; i++) {
        char name[8];
        snprintf(name, sizeof name, "acc%u", i);
        accounts[i] = actor_make(name, -1, 2);
    }
    REQUIRE(!pthread_create(&t, NULL, torment, NULL));
    for (; !au32_load_acquire(&stop) || !rounds; rounds++) {
        struct wsched_future f[TELLERS];
        for (uint32_t i = 0; i < ACCOUNTS * TELLERS; i++)
            au64_store_release(&plan->entries[i / TELLERS][i % TELLERS], 0);
        for (uint32_t i = 0; i < TELLERS; i++) {
            uint32_t v[2] = { i, transfers };
            f[i] = submit(none, "teller", v, sizeof v, 249);
        }
        for (uint32_t i = 0; i < TELLERS; i++)
            CHECK_EQ(error(f[i]), 0);
        int64_t total = 0;
        for (uint32_t i = 0; i < ACCOUNTS * TELLERS; i++) {
            int32_t got = (int32_t)au64_load_acquire(&plan->entries[i / TELLERS][i % TELLERS]);
            CHECK_EQ(got, expected(i / TELLERS, i % TELLERS, transfers));
            total += got;
        }
        CHECK_EQ(total, 0);
        if (CU_get_number_of_failures())
            break;
    }
    au32_store_release(&stop, 1);
    pthread_join(t, NULL);
    for (uint32_t i = 0; i < ACCOUNTS; i++)
        REQUIRE_OK(wsched_actor_stop(pool, accounts[i], WSCHED_ACTOR_FINISH));
    printf("(%u rounds, %u kills, %u supervisors) ", rounds, kills_done, supervisors_done);
    expect_nothing_left();
    wsched_close(pool);
}

static void with_plan(void (*test)(void))
{
    plan = kit_share(sizeof *plan);
    test();
    munmap(plan, sizeof *plan);
}
static void at_workers(void)
{
    with_plan(workers_and_actors);
}
static void at_supervisor(void)
{
    with_plan(supervisor);
}
static void at_random(void)
{
    with_plan(bank);
}

TESTS("wsched: actors and their callers are killed",
      { "a worker or an actor, at every step", at_workers },
      { "the supervisor, at every step", at_supervisor },
      { "a bank of actors, in a storm", at_random })
