/* SPDX-License-Identifier: MIT */
/*
 * scenes.h -- operations during which a process may be killed, and what must hold afterwards.
 *
 * Each scene prepares a store, lets a child act on it, and the child dies somewhere. Then
 * scene_check() does what any survivor would: clean up, verify, look at every object, use the
 * store, and find every byte and slot free again.
 */
#ifndef OBJSTORE_TEST_SCENES_H
#define OBJSTORE_TEST_SCENES_H

#include "help.h"

struct scene {
    const char *name;
    void (*prepare)(struct objstore *store); /* by the survivor; may be NULL */
    void (*arrive)(struct objstore *own); /* by the child, before it may be killed; may be NULL */
    void (*act)(struct objstore *own);    /* by the child, killed anywhere in here */
    bool opens;                           /* the child may be killed in open and close, too */
};

extern const struct scene scenes[];
extern const size_t scenes_count;

#define SCENE_CAPACITY (256u << 10)

struct objstore *scene_store(void);
/* The child's part; `armed` is called when it may be killed from now on. Does not return. */
void scene_run_child(const struct scene *scene, int fd, void (*armed)(void), void (*done)(void));
/* False, and words on stderr, if something is wrong. Leaves the store empty. */
bool scene_check(struct objstore *store);

#endif
