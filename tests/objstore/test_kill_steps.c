/* SPDX-License-Identifier: MIT */
/*
 * A process may die after every single user instruction of every operation (scenes.c).
 *
 * Two ways, by ptrace. Real kills: two in each scene, or with STEPS=all after each instruction
 * that makes a system call or changes a byte of the store (step.h says why no other matters). And
 * a walk through all instructions with the process standing still after each, when the store is
 * copied: nobody holds a lease's lock in the copy, so whoever opens it finds exactly what a death
 * at this instruction would leave, and must mend it. By default the walk looks after some of the
 * instructions of each scene, STEPS=n after about n. STEPS=all compares all bytes after every
 * one, and looks where any is not what it was at the last look: where none is, the store is the
 * one that was looked at already, as what a process holds elsewhere ends with it. So no
 * instruction is left out. STEPS=all: 190,000 instructions, 15,000 looks and 1,200 kills in a
 * minute of one processor.
 */
#define _GNU_SOURCE
#include "mirror.h"
#include "scenes.h"
#include "step.h"
#include "test.h"

#include <fcntl.h>
#include <sys/mman.h>

#define KILLS 2

struct act {
    const struct scene *scene;
    int fd;
    struct mirror *mirror; /* look where the store has changed alone; or NULL */
    uint64_t looks, kills;
};

static void act(void *ctx)
{
    const struct act *a = ctx;

    scene_run_child(a->scene, a->fd, step_begin, step_end);
}

/* ---- looking at a copy --------------------------------------------------------------------- */

static int copy_of(int from)
{
    int to = memfd_create("copy", MFD_CLOEXEC);

    return to >= 0 && help_copy(from, to) ? to : -1;
}

static int look(uint64_t n, void *ctx)
{
    struct act *a = ctx;
    struct objstore *store = NULL;

    if (a->mirror && !mirror_update(a->mirror) && n > 0)
        return 0;
    int fd = copy_of(a->fd);
    int err = objstore_open_fd(fd, NULL, &store, NULL);
    bool is_good = err == 0 && scene_check(store);

    if (!is_good)
        fprintf(stderr, "%s, had it died after %llu instructions (%s)\n", a->scene->name,
                (unsigned long long)n, objstore_strerror(err));
    objstore_close(store);
    close(fd);
    a->looks++;
    return !is_good;
}

/* ---- killing ------------------------------------------------------------------------------- */

static bool changed(void *ctx)
{
    const struct act *a = ctx;

    return mirror_update(a->mirror);
}

static void prepare(const struct act *a, struct objstore *store)
{
    if (a->scene->prepare)
        a->scene->prepare(store);
}

static bool kill_at(struct act *a, struct objstore *store, const struct step_effect *at)
{
    prepare(a, store);
    enum step_result result = step_kill_at(at, act, a);
    a->kills += result == STEP_KILLED;
    if (scene_check(store) && result != STEP_FAILED)
        return true;
    fprintf(stderr, "%s, killed after %llu instructions, at %llx (%llu, %llu)\n", a->scene->name,
            (unsigned long long)at->n, (unsigned long long)at->address,
            (unsigned long long)at->arrival, (unsigned long long)at->repeat);
    return false;
}

/* After each instruction with an effect (step.h); of a copy by one `rep`, which the walk has looked
 * at byte for byte, after some repetitions. */
static bool kill_at_each(struct act *a, struct objstore *store)
{
    static struct step_effects effects;

    effects.count = 0;
    prepare(a, store);
    bool is_good = step_record(&effects, act, changed, a) > 0 && scene_check(store);
    uint64_t wanted = 0;
    for (uint32_t i = 0; is_good && i < effects.count; i++) {
        if (effects.of[i].repeat % 256)
            continue;
        is_good = kill_at(a, store, &effects.of[i]);
        wanted++;
    }
    return is_good && a->kills > wanted / 2;
}

static bool kill_at_some(struct act *a, struct objstore *store, uint64_t count, uint64_t *random)
{
    for (int i = 0; i < KILLS; i++) {
        const struct step_effect at = { .n = test_random(random) % count };

        if (!kill_at(a, store, &at))
            return false;
    }
    return true;
}

/* ---- all scenes ---------------------------------------------------------------------------- */

static bool try_scene(const struct scene *scene, uint64_t wanted, uint64_t *random, uint64_t *looks)
{
    struct objstore *store = scene_store();
    struct act a = { .scene = scene, .fd = objstore_fd(store) };
    bool is_good = true;

    prepare(&a, store);
    uint64_t count = step_each(act, NULL, &a, 1);
    is_good = count > 0 && scene_check(store);
    if (is_good) {
        prepare(&a, store);
        a.mirror = wanted ? NULL : mirror_new(a.fd);
        is_good = step_each(act, look, &a, wanted && count > wanted ? count / wanted : 1) > 0 &&
                  scene_check(store);
    }
    is_good =
        is_good && (a.mirror ? kill_at_each(&a, store) : kill_at_some(&a, store, count, random));
    mirror_free(a.mirror);
    printf("    %-38s %6llu instructions, %5llu looked after, %5llu kills\n", scene->name,
           (unsigned long long)count, (unsigned long long)a.looks, (unsigned long long)a.kills);
    *looks += a.looks;
    objstore_close(store);
    return is_good;
}

static void every_instruction_of_every_scene(void)
{
#ifdef __SANITIZE_THREAD__
    puts("    under ThreadSanitizer most instructions are not ours");
    return;
#endif
    const char *steps = getenv("STEPS"), *only = getenv("SCENE");
    uint64_t wanted = !steps ? 60 : !strcmp(steps, "all") ? 0 : strtoull(steps, NULL, 0);
    uint64_t random = test_seed, looks = 0;

    if (!step_is_possible()) {
        printf("    no single-stepping here (ptrace); skipped\n");
        return;
    }
    for (size_t i = 0; i < scenes_count; i++)
        if (!only || strstr(scenes[i].name, only))
            CHECK(try_scene(&scenes[i], wanted, &random, &looks));
    printf("    %llu instructions looked after\n", (unsigned long long)looks);
}

/* ---- the kills themselves ------------------------------------------------------------------ */

#define BYTES 24 /* that a child makes 1, by one instruction each */
static volatile unsigned char *known;

static void act_known(void *ctx)
{
    (void)ctx;
    step_begin();
    for (int i = 0; i < BYTES / 2; i++) {
        known[i] = 1;
        known[i] = 1; /* without effect */
    }
    for (int i = BYTES / 2; i < BYTES - 4; i++)
        __atomic_fetch_add(&known[i], 1, __ATOMIC_RELAXED);
    volatile unsigned char *to = known + BYTES - 4;
#ifdef __x86_64__
    uint64_t n = 4;
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(1) : "memory");
#else
    while (to < known + BYTES)
        *to++ = 1;
#endif
    step_end();
}

static bool known_changed(void *ctx)
{
    return mirror_update(*(struct mirror **)ctx);
}

static int known_bytes(void)
{
    int n = 0;

    while (n < BYTES && known[n] == 1)
        n++;
    return n;
}

/* Kills after what has an effect leave every state that there is, whichever instruction made it. */
static void kills_leave_every_state(void)
{
    static struct step_effects effects;
    bool is_left[BYTES + 1] = { false };
    int fd = memfd_create("known", MFD_CLOEXEC);

#ifdef __SANITIZE_THREAD__
    puts("    under ThreadSanitizer most instructions are not ours");
    return;
#endif
    if (!step_is_possible()) {
        puts("    no single-stepping here (ptrace); skipped");
        return;
    }
    REQUIRE(fd >= 0 && !ftruncate(fd, 4096));
    known = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    REQUIRE(known != MAP_FAILED);
    struct mirror *mirror = mirror_new(fd);
    CHECK(step_record(&effects, act_known, known_changed, &mirror) > 0);
    CHECK_EQ(known_bytes(), BYTES);
    for (uint32_t i = 0; i < effects.count; i++) {
        memset((void *)(uintptr_t)known, 0, BYTES);
        CHECK_EQ(step_kill_at(&effects.of[i], act_known, &mirror), STEP_KILLED);
        is_left[known_bytes()] = true;
    }
    for (int i = 0; i <= BYTES; i++)
        CHECK(is_left[i]);
#ifdef __x86_64__
    CHECK(effects.count < BYTES + 10); /* and the calls of the begin and the end */
#endif
    mirror_free(mirror);
    munmap((void *)(uintptr_t)known, 4096);
    close(fd);
}

TESTS("kill steps", { "kills leave every state that there is", kills_leave_every_state },
      { "a process may die after every instruction", every_instruction_of_every_scene })
