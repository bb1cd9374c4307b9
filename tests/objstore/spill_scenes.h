/* SPDX-License-Identifier: MIT */
/*
 * spill_scenes.h -- spilling, restoring and what belongs to it, during which a process may be killed.
 *
 * As in scenes.h: each scene prepares a store, lets a child act on it, and the child dies somewhere.
 * Then spill_scene_check() does what any survivor would.
 */
#ifndef OBJSTORE_TEST_SPILL_SCENES_H
#define OBJSTORE_TEST_SPILL_SCENES_H

#include "help.h"

/* What of a long scene is stepped through: from a point's n-th passing to another's. */
struct window {
    const char *from, *to; /* NULL: all of it */
    uint32_t from_n, to_n;
};

struct spill_scene {
    const char *name;
    void (*prepare)(struct objstore *s);
    void (*act)(struct objstore *s);
    uint64_t from, to; /* these must be there afterwards */
    bool is_cache, opens, is_large;
    long dead_from,
        dead_to; /* sweeps: where another died, by default one after the other of these */
    struct window window;
};

extern const struct spill_scene spill_scenes[];
extern const size_t spill_scenes_count;

extern char spill_dir[64]; /* made by the test */

struct objstore *spill_scene_store(bool is_cache);
/* The child's part; `armed` is called when it may be killed from now on. Does not return. */
void spill_scene_run_child(const struct spill_scene *scene, int fd, void (*armed)(void),
                           void (*done)(void));
/*
 * What a survivor finds; `files`: the directory the store spills to. False, and words on stderr, if
 * something is wrong. Leaves the store empty.
 */
bool spill_scene_check(const struct spill_scene *scene, struct objstore *s, const char *files);

/* Who dies at which of the points that he comes to. */
extern struct spill_deaths {
    long left;          /* this process: when it gets to 0 */
    long other_at;      /* one who died before, in scenes with one: at that, if there are so many */
    bool is_other_dead; /* there were */
    /* Else, in scenes of many objects, of each name: the first four, then each after twice as many. */
    bool are_all_counted;
} spill_deaths;
/* For test_point. */
void spill_die_here(const char *name);

#endif
