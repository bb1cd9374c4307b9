/* SPDX-License-Identifier: MIT */
/*
 * Several find a death at once. Whoever of them cleans up, each gets what the dead had: the ids, and
 * the room.
 */
#include "help.h"
#include "lease.h"
#include "point.h"
#include "store.h"
#include "test.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

enum { CAPACITY = 1 << 20, LARGE = 900 << 10 };

static struct objstore *other; /* which is faster */
static const char *when;
static int came;

/* A process that created objects 1 and 2, and died. */
static void die_writing(struct objstore *s)
{
    pid_t child = fork();

    if (child == 0) {
        struct objstore *own = help_attach(s);
        struct objstore_id small = help_id(1), large = help_id(2);
        void *data;

        CHILD_CHECK(objstore_create(own, &small, 100, NULL, &data) == 0);
        CHILD_CHECK(objstore_create(own, &large, LARGE, NULL, &data) == 0);
        raise(SIGKILL);
    }
    CHECK_EQ(help_wait(child), 128 + SIGKILL);
}

/* The other one has cleaned up. */
static void sweep(const char *name)
{
    if (strcmp(name, when))
        return;
    test_point = NULL;
    came++;
    CHECK_EQ(objstore_reap(other), 1);
}

/* The other one has begun to. */
static void bury(const char *name)
{
    static struct graves graves;

    if (strcmp(name, when))
        return;
    test_point = NULL;
    came++;
    leases_bury(other, &graves);
    CHECK_EQ(graves.count, 1);
}

static void put_beside(void (*point)(const char *name), const char *at, uint64_t number,
                       size_t size)
{
    static const char bytes[LARGE];
    struct objstore *s = help_store(CAPACITY);
    struct objstore_id id = help_id(number);

    other = help_attach(s);
    die_writing(s);
    came = 0;
    when = at;
    test_point = point;
    CHECK_EQ(objstore_put(s, &id, bytes, size, NULL), 0);
    test_point = NULL;
    CHECK_EQ(came, 1);
    CHECK(objstore_contains(other, &id));
    CHECK(help_is_sound(s));
    objstore_close(other);
    objstore_close(s);
}

static void the_id(void)
{
    put_beside(sweep, "object: not to be had, not looked why", 1, 100);
    put_beside(sweep, "lease: not locked, word not read again", 1, 100);
    put_beside(bury, "object: not to be had, not looked why", 1, 100);
    put_beside(bury, "lease: not locked, word not read again", 1, 100);
}

static void the_room(void)
{
    put_beside(sweep, "object: not to be had, not looked why", 3, LARGE);
    put_beside(sweep, "lease: not locked, word not read again", 3, LARGE);
    put_beside(sweep, "lease: buried, not swept", 3, LARGE);
    put_beside(bury, "lease: not locked, word not read again", 3, LARGE);
}

/* Which of two frees the lease is all the same to the other. */
static void the_lease(void)
{
    put_beside(sweep, "reap: a dead one's slot taken over", 3, LARGE);
}

TESTS("swept by others", { "the id of a dead one", the_id }, { "the room of a dead one", the_room },
      { "the room, when another ends the sweep", the_lease })
