/* SPDX-License-Identifier: MIT */
/*
 * A process may die after every single user instruction of every operation (scenes.c).
 *
 * Two ways, by ptrace. A real kill after n instructions, for some n of each scene. And a walk
 * through all instructions with the process standing still after each, when the store is
 * copied: nobody holds a lease's lock in the copy, so whoever opens it finds exactly what a death
 * at this instruction would leave, and must mend it. By default the walk looks after some of the
 * instructions of each scene; STEPS=all looks after every one (minutes), STEPS=n after about n.
 */
#define _GNU_SOURCE
#include "scenes.h"
#include "step.h"
#include "test.h"

#include <fcntl.h>
#include <sys/mman.h>

#define KILLS 2

struct act {
    const struct scene *scene;
    int fd;
    uint64_t looks;
};

static void act(void *ctx)
{
    const struct act *a = ctx;

    scene_run_child(a->scene, a->fd, step_begin, step_end);
}

/* ---- looking at a copy --------------------------------------------------------------------- */

static bool copy_bytes(int from, int to, off_t at, off_t end)
{
    static char buffer[256 << 10];

    while (at < end) {
        size_t want = end - at < (off_t)sizeof buffer ? (size_t)(end - at) : sizeof buffer;
        ssize_t n = pread(from, buffer, want, at);

        if (n <= 0 || pwrite(to, buffer, (size_t)n, at) != n)
            return false;
        at += n;
    }
    return true;
}

/* A copy of what is in the file; holes stay holes. */
static int copy_of(int from)
{
    off_t size = lseek(from, 0, SEEK_END), at = 0;
    int to = memfd_create("copy", MFD_CLOEXEC);

    if (to < 0 || ftruncate(to, size))
        return -1;
    while ((at = lseek(from, at, SEEK_DATA)) >= 0) {
        off_t end = lseek(from, at, SEEK_HOLE);

        if (!copy_bytes(from, to, at, end))
            return -1;
        at = end;
    }
    return to;
}

static int look(uint64_t n, void *ctx)
{
    struct act *a = ctx;
    struct objstore *store = NULL;
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

static bool kill_after(const struct scene *scene, struct objstore *store, uint64_t n)
{
    struct act a = { scene, objstore_fd(store), 0 };

    if (scene->prepare)
        scene->prepare(store);
    enum step_result result = step_kill(act, &a, n);
    if (scene_check(store) && result != STEP_FAILED)
        return true;
    fprintf(stderr, "%s, killed after %llu instructions\n", scene->name, (unsigned long long)n);
    return false;
}

static bool try_scene(const struct scene *scene, uint64_t wanted, uint64_t *random, uint64_t *looks)
{
    struct objstore *store = scene_store();
    struct act a = { scene, objstore_fd(store), 0 };
    bool is_good = true;

    if (scene->prepare)
        scene->prepare(store);
    uint64_t count = step_each(act, NULL, &a, 1);
    is_good = count > 0 && scene_check(store);
    if (is_good) {
        if (scene->prepare)
            scene->prepare(store);
        is_good = step_each(act, look, &a, wanted && count > wanted ? count / wanted : 1) > 0 &&
                  scene_check(store);
    }
    for (int i = 0; is_good && i < KILLS; i++)
        is_good = kill_after(scene, store, test_random(random) % count);
    printf("    %-40s %7llu instructions, %6llu looked after, %d kills\n", scene->name,
           (unsigned long long)count, (unsigned long long)a.looks, is_good ? KILLS : 0);
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

TESTS("kill steps",
      { "a process may die after every instruction", every_instruction_of_every_scene })
