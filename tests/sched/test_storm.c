/* SPDX-License-Identifier: MIT */
/*
 * All that can die dies at random, while the pool is under load of all kinds: workers, actors and the
 * supervisor, and guests, which join, submit, work and leave. All but the supervisor are also stopped
 * and set going. A ledger outside of the pool knows what must come out. KILLS=n in the environment
 * makes it longer.
 */
#include "guests.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#define WINDOW 200u
#define GUESTS 3
#define FEW 8
#define IDS (1u << 20)

static struct ledger {
    struct au32 is_open, stop;
    struct au32 workers_killed, actors_killed, guests_killed, supervisors_killed, stopped;
    struct au32 next, accepted[IDS], ran[IDS]; /* of what guests leave behind, to run on */
} * ledger;

static uint32_t kills_wanted;

static uint32_t kills(void)
{
    return au32_load_acquire(&ledger->workers_killed) + au32_load_acquire(&ledger->actors_killed) +
           au32_load_acquire(&ledger->guests_killed);
}

static void pause_us(uint64_t us)
{
    struct timespec t = { 0, (long)us * 1000 };

    nanosleep(&t, NULL);
}

/* ---- kernels -------------------------------------------------------------------------------- */

/* Never ends by itself, and obeys only where nobody kills. */
static int stubborn(struct wsched_task *task, void *ctx)
{
    const bool is_guest = wsched_task_worker(task) >= wsched_workers(wsched_task_pool(task));

    (void)ctx;
    while (!is_guest || !wsched_task_cancelled(task))
        sched_yield();
    return -ECANCELED;
}

static int obedient(struct wsched_task *task, void *ctx)
{
    (void)ctx;
    while (!wsched_task_cancelled(task))
        sched_yield();
    return -ECANCELED;
}

static int noted(struct wsched_task *task, void *ctx)
{
    const uint32_t id = *(const uint32_t *)wsched_task_payload(task, NULL);

    (void)ctx;
    au32_add_acq_rel(&ledger->ran[id % IDS], 1);
    return 0;
}

static struct wsched_kernel kernels[32];
static size_t kernel_count;

static void find_kernels(void)
{
    static const struct wsched_kernel own[] = { { "stubborn", stubborn, NULL },
                                                { "obedient", obedient, NULL },
                                                { "noted", noted, NULL } };

    for (kernel_count = 0; kernel_count < kit_kernel_count; kernel_count++)
        kernels[kernel_count] = kit_kernels[kernel_count];
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        kernels[kernel_count++] = own[i];
}

/* ---- guests --------------------------------------------------------------------------------- */

static void few_tasks(struct wsched *p, uint64_t *random)
{
    struct wsched_future f[FEW];
    long v[FEW][2], sum;

    for (int i = 0; i < FEW; i++) {
        v[i][0] = (long)(test_random(random) % 1000);
        v[i][1] = i;
        struct wsched_spec s = kit_spec("add", v[i], sizeof v[i]);
        s.max_retries = 249;
        s.priority = (int32_t)(test_random(random) % 3) - 1;
        s.cpus = test_random(random) % 4 == 0;
        s.after = i ? &f[i - 1] : NULL;
        s.after_count = i && test_random(random) % 4 == 0;
        CHILD_CHECK(!wsched_submit(p, &s, &f[i]));
    }
    CHILD_CHECK(wsched_wait(p, f, FEW, FEW, -1, NULL) == FEW);
    for (int i = 0; i < FEW; i++) {
        CHILD_CHECK(!wsched_result(p, f[i], &sum, sizeof sum, NULL));
        CHILD_CHECK(sum == v[i][0] + v[i][1]);
        if (test_random(random) % 4) /* the others go when we leave */
            wsched_release(p, f[i]);
    }
}

static void be_client(struct wsched *p, bool is_detached, uint64_t *random)
{
    for (uint64_t n = test_random(random) % 4; n > 0; n--)
        few_tasks(p, random);
    for (int i = 0; is_detached && i < FEW; i++) {
        uint32_t id = au32_add_acq_rel(&ledger->next, 1) % IDS;
        struct wsched_spec s = kit_spec("noted", &id, sizeof id);
        struct wsched_future f;
        s.max_retries = 249;
        CHILD_CHECK(!wsched_submit(p, &s, &f));
        au32_store_release(&ledger->accepted[id], 1);
    }
}

static void be_guest(uint64_t random)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        struct wsched_join_options o = WSCHED_JOIN_OPTIONS_INIT;
        struct wsched *p = NULL;
        bool works = test_random(&random) % 3 == 0, is_detached = test_random(&random) % 2;

        o.flags = is_detached ? WSCHED_DETACHED : 0;
        int err = wsched_join(name, works ? kernels : NULL, works ? kernel_count : 0, &o, &p);
        CHILD_CHECK(err == 0 || err == -EUSERS); /* of those that died before they said who they were */
        if (err)
            continue;
        if (works)
            CHILD_CHECK(wsched_work(p, (int)(test_random(&random) % 3)) == -ETIMEDOUT);
        else
            be_client(p, is_detached, &random);
        wsched_close(p);
    }
}

static pid_t new_guest(uint64_t seed)
{
    pid_t pid = fork();

    if (pid == 0)
        be_guest(seed);
    return pid;
}

/* The parent of the guests, forked before there are threads. Each that dies by itself is a failure:
 * its exit code is passed on. */
static void nurse(uint64_t random)
{
    pid_t guests[GUESTS];
    int status;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (!au32_load_acquire(&ledger->is_open))
        pause_us(100);
    for (int i = 0; i < GUESTS; i++)
        guests[i] = new_guest(test_random(&random));
    while (!au32_load_acquire(&ledger->stop)) {
        uint64_t r = test_random(&random);
        pid_t *guest = &guests[r % GUESTS];
        pause_us((r >> 8) % 3000);
        if ((r >> 32) % 4 == 0) {
            kill(*guest, SIGSTOP);
            pause_us((r >> 40) % 1000);
            au32_add_relaxed(&ledger->stopped, 1);
        }
        if ((r >> 36) % 4 == 0) {
            kill(*guest, SIGCONT);
            continue;
        }
        kill(*guest, SIGKILL); /* our child, not yet reaped */
        CHILD_CHECK(waitpid(*guest, &status, 0) == *guest);
        CHILD_CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        au32_add_acq_rel(&ledger->guests_killed, 1);
        *guest = new_guest(test_random(&random));
    }
    for (int i = 0; i < GUESTS; i++) {
        kill(guests[i], SIGKILL);
        CHILD_CHECK(waitpid(guests[i], &status, 0) == guests[i]);
        CHILD_CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    }
    _exit(0);
}

/* ---- the crew ------------------------------------------------------------------------------- */

static void *torment(void *arg)
{
    struct wsched *p = arg;
    uint64_t random = test_seed;
    pid_t last[SEATS_MAX] = { 0 }; /* each process is killed once */

    while (kills() < kills_wanted) {
        uint64_t r = test_random(&random);
        bool is_actor = (r >> 32) % 4 == 0;
        uint32_t seat = is_actor ? actor_seat(p, 0) : (uint32_t)(r >> 34) % p->workers;
        pause_us(r % 1000);
        pid_t pid = (pid_t)(au64_load_acquire(&p->seats[seat].identity) & 0x3fffff);
        if (!pid || pid == last[seat])
            continue;
        if ((r >> 40) % 8 == 0) {
            kill(pid, SIGSTOP);
            pause_us((r >> 20) % 1000);
            kill(pid, SIGCONT);
            au32_add_relaxed(&ledger->stopped, 1);
        } else if ((r >> 40) % 101 == 1) {
            pthread_mutex_lock(&p->crew_lock); /* it must not be reaped while we aim */
            if (p->supervisor && !kill(p->supervisor, SIGKILL))
                au32_add_relaxed(&ledger->supervisors_killed, 1);
            pthread_mutex_unlock(&p->crew_lock);
        } else if (!kill(pid, SIGKILL)) {
            last[seat] = pid;
            au32_add_acq_rel(is_actor ? &ledger->actors_killed : &ledger->workers_killed, 1);
        }
    }
    au32_store_release(&ledger->stop, 1);
    return NULL;
}

/* ---- the driver's tasks --------------------------------------------------------------------- */

enum kind { SUM, NESTED, AFTER, BAD, HOLDS, CALL, LATE, KILLED, CANCELLED, KINDS };

struct expected {
    struct wsched_future future;
    enum kind kind;
    int error;
    long value;
};

static struct wsched_actor actor;

static struct wsched_future submit(struct wsched *pool, struct wsched_spec s)
{
    static uint32_t number;
    struct wsched_future f = { 0 };

    s.max_retries = 249;
    s.priority = (int32_t)(++number % 3) - 1;
    s.cpus = s.actor.v ? 0 : number % 5 == 0;
    REQUIRE_OK(wsched_submit(pool, &s, &f));
    return f;
}

static struct expected one(struct wsched *pool, uint64_t *random, const struct expected *before)
{
    static const uint8_t often[] = { SUM,  SUM,   NESTED, NESTED, AFTER,  AFTER,    AFTER, BAD,
                                     CALL, HOLDS, CALL,   LATE,   KILLED, CANCELLED };
    struct expected e = { .kind = (enum kind)often[test_random(random) % sizeof often] };
    long v[2] = { (long)(test_random(random) % 1000), 5 };
    struct wsched_resource gpu = { "gpu", 1 + (uint32_t)(test_random(random) % 2) };
    struct wsched_spec s = kit_spec("add", v, sizeof v);
    int n = (int)(test_random(random) % 10), bad = -EDOM;

    e.value = v[0] + v[1];
    if (e.kind == NESTED) {
        s = kit_spec("fib", &n, sizeof n);
        e.value = kit_fib(n);
    } else if (e.kind == AFTER && before) {
        s.after = &before->future;
        s.after_count = 1;
        e.error = before->error;
    } else if (e.kind == BAD) {
        s = kit_spec("fail", &bad, sizeof bad);
        e.error = bad;
    } else if (e.kind == HOLDS) {
        s.resources = &gpu;
        s.resource_count = 1;
    } else if (e.kind == CALL) {
        s.actor = actor;
    } else if (e.kind == LATE) {
        s = kit_spec("stubborn", NULL, 0);
        s.deadline_ms = 1 + (uint32_t)n % 4;
        s.flags = WSCHED_KILL_LATE;
        s.grace_ms = 1;
        e.error = -ETIMEDOUT;
    } else if (e.kind == KILLED || e.kind == CANCELLED) {
        s = kit_spec(e.kind == KILLED ? "stubborn" : "obedient", NULL, 0);
        e.error = -ECANCELED;
    }
    e.future = submit(pool, s);
    if (e.kind == KILLED)
        REQUIRE_OK(wsched_kill(pool, e.future, n % 3));
    if (e.kind == CANCELLED)
        REQUIRE_OK(wsched_cancel(pool, e.future));
    return e;
}

static void expect(struct wsched *pool, const struct expected *e)
{
    long v = 0;

    REQUIRE_OK(wsched_wait(pool, &e->future, 1, 1, -1, NULL));
    int err = wsched_result(pool, e->future, &v, sizeof v, NULL);
    CHECK_EQ(err, e->error);
    if (err != e->error) {
        struct wsched_failure failure;
        if (!wsched_failure(pool, e->future, &failure))
            fprintf(stderr, "    kind %d: %s\n", (int)e->kind, failure.text);
    }
    if (!err)
        CHECK_EQ(v, e->value);
    wsched_release(pool, e->future);
}

/* ---- all of it ------------------------------------------------------------------------------ */

static struct wsched *open_pool(void)
{
    static const struct wsched_resource resources[] = { { "gpu", 2 } };
    struct wsched_options o = WSCHED_OPTIONS_INIT;
    struct wsched_actor_spec a = { .max_restarts = -1 };
    struct wsched *pool = NULL;

    o.workers = 2;
    o.guests = GUESTS + 2;
    o.task_capacity = 2000;
    o.event_capacity = 256;
    o.name = name;
    o.resources = resources;
    o.resource_count = 1;
    REQUIRE_OK(wsched_open(&o, kernels, kernel_count, &pool));
    REQUIRE_OK(wsched_actor_new(pool, &a, &actor));
    return pool;
}

/* Nothing leaks: all is free, or in the stock of a live process. */
static void expect_nothing_left(struct wsched *pool)
{
    struct wsched *last = NULL;
    char text[256] = "";
    uint32_t lost = 0;

    while (slots_in_use(pool)) /* what guests left runs on; a leak runs into the time limit */
        (void)!supervisor_check(pool);
    REQUIRE_OK(wsched_join(name, NULL, 0, NULL, &last)); /* makes the supervisor look for the gone */
    wsched_close(last);
    while (seats_taken(pool) || deps_blocks_free(pool) != pool->block_count)
        (void)!supervisor_check(pool);
    for (uint32_t i = 0; i < IDS; i++)
        lost += au32_load_acquire(&ledger->accepted[i]) && !au32_load_acquire(&ledger->ran[i]);
    CHECK_EQ(lost, 0);
    if (wsched_verify(pool, text))
        fprintf(stderr, "%s\n", text);
    CU_ASSERT_STRING_EQUAL(text, "");
}

static void storm(void)
{
    static struct expected window[WINDOW];
    const char *asked = getenv("KILLS");
    uint64_t random = test_seed + 1, tasks = 0;
    struct wsched_stats stats;
    pthread_t t;
    int status;

    kills_wanted = asked ? (uint32_t)strtoul(asked, NULL, 10) : 500;
    ledger = kit_share(sizeof *ledger);
    snprintf(name, sizeof name, "test-storm-%d", (int)getpid());
    find_kernels();
    pid_t nursery = fork();
    if (nursery == 0)
        nurse(test_seed + 2);
    struct wsched *pool = open_pool();
    au32_store_release(&ledger->is_open, 1);
    REQUIRE(!pthread_create(&t, NULL, torment, pool));
    for (; !au32_load_acquire(&ledger->stop) || tasks < WINDOW; tasks++) {
        struct expected *e = &window[tasks % WINDOW];
        if (tasks >= WINDOW)
            expect(pool, e);
        *e = one(pool, &random, tasks ? &window[(tasks - 1) % WINDOW] : NULL);
    }
    pthread_join(t, NULL);
    CHECK_EQ(waitpid(nursery, &status, 0), nursery);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    for (uint32_t i = 0; i < WINDOW; i++)
        expect(pool, &window[i]);
    expect_nothing_left(pool);
    REQUIRE_OK(wsched_stats(pool, &stats));
    printf("(%llu tasks; killed: %u workers, %u actors, %u guests, %u supervisors; %u stopped; "
           "%llu deaths, %llu retried) ",
           (unsigned long long)tasks, au32_load_relaxed(&ledger->workers_killed),
           au32_load_relaxed(&ledger->actors_killed), au32_load_relaxed(&ledger->guests_killed),
           au32_load_relaxed(&ledger->supervisors_killed), au32_load_relaxed(&ledger->stopped),
           (unsigned long long)stats.worker_deaths, (unsigned long long)stats.retried);
    for (int i = 0; i < 3; i++) /* and it takes a full load */
        for (uint32_t k = 0; k < WINDOW; k++)
            CHECK_EQ(kit_long(pool, kit_submit(pool, "add", &(long){ k }, sizeof(long))), k);
    wsched_close(pool);
    munmap(ledger, sizeof *ledger);
}

TESTS("wsched: storm", { "killed and stopped at random, under load of all kinds", storm })
