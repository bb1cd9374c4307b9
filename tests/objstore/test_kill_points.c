/* SPDX-License-Identifier: MIT */
/*
 * A real process is killed at every named step between two changes of shared memory, in every
 * operation: scenes.c. What the survivors then find must be as if it had never begun, or done.
 */
#include "point.h"
#include "scenes.h"
#include "test.h"

#include <signal.h>

static long points_left; /* in the child: die when it gets to 0 */

static void die_here(const char *name)
{
    (void)name;
    if (--points_left == 0)
        raise(SIGKILL);
}

static void arm(void)
{
    test_point = die_here;
}

static void disarm(void)
{
    test_point = NULL;
}

/* How many points did the act pass before it ended? -1: something is wrong. */
static long kill_at_each(const struct scene *scene, struct objstore *store)
{
    for (long k = 1;; k++) {
        if (scene->prepare)
            scene->prepare(store);
        pid_t child = fork();
        if (child == 0) {
            points_left = k;
            scene_run_child(scene, objstore_fd(store), arm, disarm);
        }
        int status = child < 0 ? -1 : help_wait(child);
        if (!scene_check(store) || (status != 0 && status != 128 + SIGKILL)) {
            fprintf(stderr, "%s, killed at point %ld: status %d\n", scene->name, k, status);
            return -1;
        }
        if (status == 0)
            return k - 1;
    }
}

static void every_point_of_every_scene(void)
{
    long total = 0;

    for (size_t i = 0; i < scenes_count; i++) {
        struct objstore *store = scene_store();
        long points = kill_at_each(&scenes[i], store);

        CHECK(points > 0);
        total += points;
        printf("    %-40s %4ld points\n", scenes[i].name, points);
        objstore_close(store);
        if (points < 0)
            break;
    }
    printf("    %ld kills\n", total);
}

TESTS("kill points", { "a process may die at every step", every_point_of_every_scene })
