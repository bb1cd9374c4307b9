/* SPDX-License-Identifier: MIT */
/*
 * A real process is killed at every named step between two changes of shared memory, in every
 * operation: scenes.c. What the survivors then find must be as if it had never begun, or done.
 */
#include "point.h"
#include "scenes.h"
#include "test.h"

#include <signal.h>

static long deadly; /* in the child: the point where it dies */

static void arm(void)
{
    help_die_at(deadly);
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
            deadly = k;
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

/* A maker that dies leaves no name, or a whole store; nobody who opens next is held up. */
static void making_a_store(uint32_t flags)
{
    struct objstore_options o = OBJSTORE_OPTIONS_INIT;
    struct objstore_id id = help_id(1);
    char dir[] = "/dev/shm/objstore-test-XXXXXX", path[64];
    struct objstore *s;
    int status = -1;

    REQUIRE(mkdtemp(dir) != NULL);
    snprintf(path, sizeof path, "%s/store", dir);
    o.flags = OBJSTORE_CREATE | flags;
    o.capacity_bytes = SCENE_CAPACITY;
    for (long k = 1; status != 0; k++) {
        pid_t child = fork();

        REQUIRE(child >= 0);
        if (child == 0) {
            help_die_at(k);
            CHILD_CHECK(objstore_open(path, &o, &s, NULL) == 0);
            objstore_close(s);
            disarm();
            _exit(0);
        }
        status = help_wait(child);
        CHECK(status == 0 || status == 128 + SIGKILL);
        REQUIRE_OK(objstore_open(path, &o, &s, NULL));
        CHECK_EQ(objstore_put(s, &id, "x", 1, NULL), 0);
        CHECK_EQ(objstore_delete(s, &id), 0);
        CHECK(help_is_sound(s));
        objstore_close(s);
        if (!(flags & OBJSTORE_EPHEMERAL))
            CHECK_EQ(objstore_destroy(path), 0);
    }
    CHECK_EQ(rmdir(dir), 0); /* nothing is left in it */
}

static void every_point_of_making(void)
{
    making_a_store(0);
    making_a_store(OBJSTORE_EPHEMERAL);
}

TESTS("kill points", { "a process may die at every step", every_point_of_every_scene },
      { "also while it makes a store", every_point_of_making })
