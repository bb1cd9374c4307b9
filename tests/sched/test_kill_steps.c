/* SPDX-License-Identifier: MIT */
/*
 * A process may die after every single user instruction of every call: single-stepped by ptrace, and
 * killed there. After each death the pool is whole: what was accepted ends with the right result,
 * nothing leaks, everything can be submitted and done.
 *
 *   guests      a child joins, and dies in a call: join, submit, wait, result, release, cancel, sets,
 *               adopt, actors, work, leave
 *   a worker    between the end of one task and the end of another one: seal, find, claim, run; tasks
 *               that submit and wait, or fork and join
 *   supervisor  while it sees to the death of a worker
 *
 * A walk notes the instructions with an effect: a system call, or a changed byte of the pool. A
 * death after any other leaves to everybody else exactly what the one before it left (step.h), so
 * the kills are after each of these: by default after some of each scene, STEPS=n about n; STEPS=all
 * after every one, of several walks, as a call goes not the same way each time: 89,000 instructions,
 * 820 kills, half a minute of one processor. SCENE=word: only scenes with that word in their name.
 */
#include "fork_jobs.h"
#include "guests.h"
#include "mirror.h"
#include "step.h"

#include <sys/mman.h>

#define CAPACITY 64u
#define MANY 6
#define WALKS 12 /* at most */

static struct shared {
    struct au32 traced; /* the pid of who says where its steps begin and end */
} * shared;
static struct step_effects effects;
static struct mirror *mirror;

static bool is_traced(void)
{
    return au32_load_acquire(&shared->traced) == (uint32_t)getpid();
}

/* ---- kernels -------------------------------------------------------------------------------- */

/* Waits at the gate until it is traced: its steps begin at its end. */
static int arm(struct wsched_task *task, void *ctx)
{
    (void)task;
    (void)ctx;
    if (wsched_task_attempt(task) > 1)
        return 0;
    pid_t pid = getpid();
    char byte;
    if (write(gate.arrived[1], &pid, sizeof pid) != sizeof pid ||
        read(gate.opened[0], &byte, 1) != 1)
        return -EIO;
    if (is_traced())
        step_begin();
    return 0;
}

static int end_of_steps(struct wsched_task *task, void *ctx)
{
    (void)task;
    (void)ctx;
    if (is_traced())
        step_end();
    return 0;
}

static const struct wsched_range range = { 0, 20, 4 }; /* of loops */
static struct wsched_kernel kernels[32];
static size_t kernel_count;

static void find_kernels(void)
{
    static const struct wsched_kernel own[] = { { "arm", arm, NULL },
                                                { "end", end_of_steps, NULL },
                                                FORK_JOBS };

    for (kernel_count = 0; kernel_count < kit_kernel_count; kernel_count++)
        kernels[kernel_count] = kit_kernels[kernel_count];
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        kernels[kernel_count++] = own[i];
}

/* ---- a pool, and whether it is whole -------------------------------------------------------- */

static struct wsched *open_pool(uint32_t workers)
{
    static const struct wsched_resource resources[] = { { "gpu", 2 } };
    struct wsched_options o = WSCHED_OPTIONS_INIT;
    struct wsched *pool = NULL;

    o.workers = workers;
    o.guests = 3;
    o.task_capacity = CAPACITY;
    o.event_capacity = 64;
    o.name = name;
    o.resources = resources;
    o.resource_count = 1;
    REQUIRE_OK(wsched_open(&o, kernels, kernel_count, &pool));
    return pool;
}

/* 1: one lives. */
static int stop_actor(const struct wsched_actor_info *a, void *ctx)
{
    if (a->state == WSCHED_ACTOR_ENDED)
        return 0;
    (void)!wsched_actor_stop(ctx, a->actor, WSCHED_ACTOR_KILL); /* or it ends by itself */
    return 1;
}

static bool is_whole(struct wsched *pool)
{
    static struct wsched_future f[CAPACITY];
    struct wsched *last = NULL;
    const struct wsched_spec s = kit_spec("nothing", NULL, 0);
    char text[256] = "";
    bool good = true;

    while (wsched_actors(pool, stop_actor, pool)) /* they hold names, and calls */
        if (supervisor_check(pool))
            return false;
    if (wsched_join(name, NULL, 0, NULL, &last)) /* makes the supervisor look for those that went */
        return false;
    wsched_close(last);
    while (seats_taken(pool) || slots_in_use(pool) || deps_blocks_free(pool) != pool->block_count)
        if (supervisor_check(pool)) /* a leak runs into the time limit */
            return false;
    for (uint32_t n = 0; n < CAPACITY / 2; n++) /* the other slots may be in somebody's stock */
        good &= !wsched_submit(pool, &s, &f[n]);
    good = good && wsched_wait(pool, f, CAPACITY / 2, CAPACITY / 2, -1, NULL) == CAPACITY / 2;
    wsched_release_many(pool, f, CAPACITY / 2);
    while (slots_in_use(pool))
        sched_yield();
    if (wsched_verify(pool, text)) {
        fprintf(stderr, "%s\n", text);
        good = false;
    }
    return good;
}

/* ---- scenes of guests ----------------------------------------------------------------------- */

struct scene {
    const char *name;
    void (*arrive)(struct wsched *p); /* before it may be killed; or NULL */
    void (*act)(struct wsched *p);    /* killed anywhere in here; or NULL */
    bool joins, leaves;               /* and in there */
};

/* Of the child, from arrive() to act(). */
static struct wsched_future made[MANY];
static struct wsched_set *set;
static struct wsched_actor actor;
static struct wsched_future of_driver; /* of the test, to be adopted */

static void submit_plain(struct wsched *p)
{
    made[0] = child_submit(p, "nothing", NULL, 0);
}

static void submit_many(struct wsched *p)
{
    struct wsched_spec s[MANY];

    for (int i = 0; i < MANY; i++)
        s[i] = kit_spec("nothing", NULL, 0);
    CHILD_CHECK(wsched_submit_many(p, s, MANY, made) == MANY);
}

static void submit_after(struct wsched *p)
{
    struct wsched_spec s = kit_spec("nothing", NULL, 0);

    s.after = made;
    s.after_count = 3;
    CHILD_CHECK(!wsched_submit(p, &s, &made[MANY - 1]));
}

static void submit_with_terms(struct wsched *p)
{
    struct wsched_resource gpu = { "gpu", 2 };
    struct wsched_spec s = kit_spec("nothing", NULL, 0);

    s.priority = 1;
    s.deadline_ms = 10000;
    s.cpus = 1;
    s.resources = &gpu;
    s.resource_count = 1;
    s.label = "terms";
    CHILD_CHECK(!wsched_submit(p, &s, &made[0]));
}

static void wait_for_many(struct wsched *p)
{
    CHILD_CHECK(wsched_wait(p, made, MANY, MANY, -1, NULL) == MANY);
}

static void submit_and_wait(struct wsched *p)
{
    submit_many(p);
    wait_for_many(p);
}

static void take_result(struct wsched *p)
{
    size_t size;

    CHILD_CHECK(!wsched_result(p, made[0], NULL, 0, &size));
    wsched_release(p, made[0]);
    wsched_release_many(p, made + 1, MANY - 1);
}

static void cancel_all(struct wsched *p)
{
    (void)!wsched_cancel(p, made[0]); /* -EALREADY: it may be over */
    (void)!wsched_kill(p, made[1], 0);
    for (int i = 0; i < MANY; i++)
        wsched_release(p, made[i]);
}

static void use_a_set(struct wsched *p)
{
    struct wsched_future f;

    CHILD_CHECK(!wsched_set_new(p, &set));
    CHILD_CHECK(!wsched_set_add(set, made, MANY));
    while (wsched_set_size(set))
        CHILD_CHECK(wsched_set_wait(set, -1, &f, 1) == 1);
    wsched_set_free(set);
}

static void adopt(struct wsched *p)
{
    CHILD_CHECK(!wsched_adopt(p, of_driver));
    wsched_release(p, of_driver);
}

static void make_actor(struct wsched *p)
{
    const struct wsched_actor_spec s = { .name = "stepped", .flags = WSCHED_ACTOR_WITH_CREATOR };

    CHILD_CHECK(!wsched_actor_new(p, &s, &actor));
}

static void call_actor(struct wsched *p)
{
    const struct wsched_spec s = kit_spec("nothing", NULL, 0);

    CHILD_CHECK(!wsched_actor_call(p, actor, &s, &made[0]));
    CHILD_CHECK(wsched_wait(p, made, 1, 1, -1, NULL) == 1);
}

static void end_actor(struct wsched *p)
{
    CHILD_CHECK(!wsched_actor_stop(p, actor, WSCHED_ACTOR_LEAVE));
}

static void submit_for_work(struct wsched *p)
{
    int n = 3;
    struct job_fib f = { 4 };

    made[0] = child_submit(p, "fib", &n, sizeof n);
    made[1] = child_submit(p, "loop", &range, sizeof range);
    made[2] = child_submit(p, "job_fib", &f, sizeof f);
}

static void work(struct wsched *p)
{
    CHILD_CHECK(wsched_work(p, 0) == -ETIMEDOUT);
}

static const struct scene scenes[] = {
    { "join", NULL, NULL, true, false },
    { "leave, with futures", submit_many, NULL, false, true },
    { "submit one", NULL, submit_plain, false, false },
    { "submit many", NULL, submit_many, false, false },
    { "submit after others", submit_many, submit_after, false, false },
    { "submit with all terms", NULL, submit_with_terms, false, false },
    { "submit and wait", NULL, submit_and_wait, false, false },
    { "take results and release", submit_and_wait, take_result, false, false },
    { "cancel and kill", submit_many, cancel_all, false, false },
    { "a set", submit_many, use_a_set, false, false },
    { "adopt", NULL, adopt, false, false },
    { "make an actor", NULL, make_actor, false, false },
    { "call an actor", make_actor, call_actor, false, false },
    { "end an actor", make_actor, end_actor, false, false },
    { "work: nested tasks, loops, jobs", submit_for_work, work, false, false },
};

static void act(void *ctx)
{
    const struct scene *scene = ctx;
    struct wsched *p = NULL;

    if (scene->joins)
        step_begin();
    CHILD_CHECK(!wsched_join(name, kernels, kernel_count, NULL, &p));
    if (scene->joins)
        step_end();
    if (scene->arrive)
        scene->arrive(p);
    if (scene->act || scene->leaves)
        step_begin();
    if (scene->act)
        scene->act(p);
    if (scene->act && !scene->leaves)
        step_end();
    wsched_close(p);
    if (scene->leaves)
        step_end();
}

/* ---- how many ------------------------------------------------------------------------------- */

static bool pool_changed(void *ctx)
{
    (void)ctx;
    return mirror_update(mirror);
}

static bool is_all(void)
{
    const char *steps = getenv("STEPS");

    return steps && !strcmp(steps, "all");
}

/*
 * Walks, until three in a row show nothing new; the instructions of the first, 0 if one failed.
 * walk(ctx) returns them.
 */
static uint64_t record(uint64_t (*walk)(void *ctx), void *ctx)
{
    uint64_t first = 0;

    memset(&effects, 0, sizeof effects);
    for (int i = 0, stale = 0; i < (is_all() ? WALKS : 1) && stale < 3; i++) {
        uint32_t known = effects.count;
        uint64_t count = walk(ctx);

        if (!count)
            return 0;
        first = first ? first : count;
        stale = effects.count == known ? stale + 1 : 0;
    }
    return first;
}

/* Kill at the beginning, and after the effects of what was recorded, each or some. */
static void kill_at_effects(const char *what, uint64_t count,
                            bool (*through)(const struct step_effect *at, void *ctx,
                                            enum step_result *result),
                            void *ctx)
{
    const char *steps = getenv("STEPS");
    uint64_t wanted = !steps ? 12 : is_all() ? effects.count : strtoull(steps, NULL, 0);
    uint64_t stride = wanted && effects.count > wanted ? effects.count / wanted : 1;
    uint64_t random = test_seed, kills = 0, others = 0;
    static const struct step_effect beginning;
    bool is_good = count > 0;

    for (uint64_t i = stride > 1 ? test_random(&random) % stride : 0; is_good && i <= effects.count;
         i += stride) {
        const struct step_effect *at = i ? &effects.of[i - 1] : &beginning;
        enum step_result result = STEP_ENDED;

        for (int tries = 0; is_good && result == STEP_ENDED && tries < (is_all() ? 3 : 1); tries++)
            is_good = through(at, ctx, &result) && result != STEP_FAILED;
        kills += result == STEP_KILLED;
        others += result == STEP_ENDED;
        if (!is_good)
            fprintf(stderr, "%s, killed after %llu instructions, at %llx (%llu, %llu)\n", what,
                    (unsigned long long)at->n, (unsigned long long)at->address,
                    (unsigned long long)at->arrival, (unsigned long long)at->repeat);
    }
    CHECK(is_good);
    CHECK(kills > others);
    printf("    %-32s %6llu instructions, %5u with effects, %5llu kills, %llu not reached\n", what,
           (unsigned long long)count, effects.count, (unsigned long long)kills,
           (unsigned long long)others);
}

static bool is_wanted(const char *scene)
{
    const char *only = getenv("SCENE");

    return !only || strstr(scene, only);
}

static bool can_step(void)
{
#ifdef __SANITIZE_THREAD__
    puts("    under ThreadSanitizer most instructions are not ours");
    return false;
#endif
    if (step_is_possible())
        return true;
    puts("    no single-stepping here (ptrace); skipped");
    return false;
}

static void begin(const char *label)
{
    shared = kit_share(sizeof *shared);
    snprintf(name, sizeof name, "test-steps-%s-%d", label, (int)getpid());
    find_kernels();
    gate_make();
}

static void end(struct wsched *pool)
{
    wsched_close(pool);
    gate_free();
    munmap(shared, sizeof *shared);
}

/* ---- guests --------------------------------------------------------------------------------- */

struct guest {
    struct wsched *pool;
    const struct scene *scene;
};

static uint64_t walk_with_guest(void *ctx)
{
    const struct guest *g = ctx;

    of_driver = kit_submit(g->pool, "nothing", NULL, 0);
    mirror = mirror_new(g->pool->fd);
    uint64_t count = step_record(&effects, act, pool_changed, (void *)(uintptr_t)g->scene);
    mirror_free(mirror);
    wsched_release(g->pool, of_driver);
    return is_whole(g->pool) ? count : 0;
}

static bool kill_guest(const struct step_effect *at, void *ctx, enum step_result *result)
{
    const struct guest *g = ctx;

    of_driver = kit_submit(g->pool, "nothing", NULL, 0);
    *result = step_kill_at(at, act, (void *)(uintptr_t)g->scene);
    wsched_release(g->pool, of_driver);
    return is_whole(g->pool);
}

static void guests(void)
{
    if (!can_step())
        return;
    begin("guests");
    struct wsched *pool = open_pool(1);
    for (size_t i = 0; i < sizeof scenes / sizeof *scenes; i++)
        if (is_wanted(scenes[i].name)) {
            struct guest guest = { pool, &scenes[i] };

            kill_at_effects(scenes[i].name, record(walk_with_guest, &guest), kill_guest, &guest);
        }
    end(pool);
}

/* ---- a worker ------------------------------------------------------------------------------- */

/* Through what a worker does between two tasks; record it, or kill it there. */
static bool through_worker(struct wsched *pool, const struct step_effect *at,
                           enum step_result *result, uint64_t *count)
{
    enum { TASKS = 5 };
    int fib = 3;
    struct job_fib job = { 4 };
    struct wsched_future f[TASKS], armed = kit_submit(pool, "arm", NULL, 0);
    static const long results[] = { 2, 190, 3, 0 };
    long v;
    pid_t pid = gate_arrival();
    bool is_good = !step_seize(pid);

    au32_store_release(&shared->traced, (uint32_t)pid);
    f[0] = kit_submit(pool, "fib", &fib, sizeof fib);
    f[1] = kit_submit(pool, "loop", &range, sizeof range);
    f[2] = kit_submit(pool, "job_fib", &job, sizeof job);
    f[3] = kit_submit_after(pool, "nothing", NULL, 0, f, 3);
    f[4] = kit_submit_after(pool, "end", NULL, 0, &f[3], 1);
    is_good &= write(gate.opened[1], "x", 1) == 1;
    if (at)
        *result = step_kill_other(at, pid);
    else
        *count = step_record_other(&effects, pid, pool_changed, NULL);
    au32_store_release(&shared->traced, 0);
    is_good &= kit_wait(pool, armed) == 0;
    wsched_release(pool, armed);
    for (int i = 0; i < TASKS; i++) {
        is_good &= kit_wait(pool, f[i]) == 0;
        is_good &= i > 2 || (!wsched_result(pool, f[i], &v, sizeof v, NULL) && v == results[i]);
        wsched_release(pool, f[i]);
    }
    return is_good && is_whole(pool);
}

static uint64_t walk_with_worker(void *ctx)
{
    struct wsched *pool = ctx;
    uint64_t count = 0;

    mirror = mirror_new(pool->fd);
    bool is_good = through_worker(pool, NULL, NULL, &count);
    mirror_free(mirror);
    return is_good ? count : 0;
}

static bool kill_worker(const struct step_effect *at, void *ctx, enum step_result *result)
{
    return through_worker(ctx, at, result, NULL);
}

static void worker(void)
{
    if (!can_step() || !is_wanted("worker"))
        return;
    begin("worker");
    struct wsched *pool = open_pool(1);
    kill_at_effects("a worker", record(walk_with_worker, pool), kill_worker, pool);
    end(pool);
}

/* ---- the supervisor ------------------------------------------------------------------------- */

static void at_point(const char *where)
{
    if (is_traced() && !strcmp(where, "supervisor: a worker died, nothing swept"))
        step_begin();
    if (is_traced() && !strcmp(where, "supervisor: a worker was replaced"))
        step_end();
}

static bool through_supervisor(struct wsched *pool, const struct step_effect *at,
                               enum step_result *result, uint64_t *count)
{
    struct wsched_future f = kit_submit(pool, "wait", NULL, 0), after;
    pid_t pid = gate_arrival();

    after = kit_submit_after(pool, "nothing", NULL, 0, &f, 1);
    bool is_good = !supervisor_check(pool);
    pid_t supervisor = pool->supervisor;
    is_good &= !step_seize(supervisor);
    au32_store_release(&shared->traced, (uint32_t)supervisor);
    kill(pid, SIGKILL);
    if (at)
        *result = step_kill_other(at, supervisor);
    else
        *count = step_record_other(&effects, supervisor, pool_changed, NULL);
    au32_store_release(&shared->traced, 0);
    static const char bytes[64];
    is_good &= write(gate.opened[1], bytes, sizeof bytes) == sizeof bytes;
    is_good &= kit_wait(pool, f) == 0 && kit_wait(pool, after) == 0;
    wsched_release(pool, f);
    wsched_release(pool, after);
    is_good = is_good && is_whole(pool);
    gate_free();
    return is_good;
}

/* A pool each time: its gate would not be empty for the next. */
static uint64_t walk_with_supervisor(void *ctx)
{
    uint64_t count = 0;

    (void)ctx;
    gate_make();
    struct wsched *pool = open_pool(2);
    mirror = mirror_new(pool->fd);
    bool is_good = through_supervisor(pool, NULL, NULL, &count);
    mirror_free(mirror);
    wsched_close(pool);
    return is_good ? count : 0;
}

static bool kill_supervisor(const struct step_effect *at, void *ctx, enum step_result *result)
{
    (void)ctx;
    gate_make();
    struct wsched *pool = open_pool(2);
    bool is_good = through_supervisor(pool, at, result, NULL);
    wsched_close(pool);
    return is_good;
}

static void supervisor(void)
{
    if (!can_step() || !is_wanted("supervisor"))
        return;
    begin("supervisor");
    gate_free();
    test_point = at_point;
    kill_at_effects("the supervisor, at a death", record(walk_with_supervisor, NULL),
                    kill_supervisor, NULL);
    test_point = NULL;
    munmap(shared, sizeof *shared);
}

TESTS("wsched: kill steps", { "a guest may die after every instruction of every call", guests },
      { "a worker, between the end of a task and the end of another", worker },
      { "the supervisor, while it sees to a death", supervisor })
