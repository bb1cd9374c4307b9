/* SPDX-License-Identifier: MIT */
/*
 * A table of leases that is full of the dead, the ones kept for sweeping included: somebody must
 * still be able to attach, also if he who tries dies at any step of it.
 */
#define _GNU_SOURCE
#include "crowd.h"
#include "help.h"
#include "lease.h"
#include "test.h"

#include <signal.h>

#define CAPACITY (256u << 10)
#define LAST (LEASES_MAX - 1)

static struct objstore_id written, doomed, kept;

/* The first record of views that are handed over (pass.c). */
static struct au64 *first_pass(const struct objstore *s)
{
    return (struct au64 *)(void *)((unsigned char *)s->header + s->geo.passes_at);
}

/* The dead one of lease `heritage` was writing an object, freeing another, and giving a third. */
static struct objstore *dead_store(uint32_t heritage)
{
    static const char cell[1000];
    struct objstore *s = help_store(CAPACITY);
    void *data;

    written = help_id(1);
    doomed = help_id(2);
    kept = help_id(3);
    REQUIRE_OK(objstore_put(s, &kept, "kept", 4, NULL));
    REQUIRE_OK(objstore_create(s, &written, 20000, NULL, &data));
    REQUIRE_OK(objstore_put(s, &doomed, cell, sizeof cell, NULL));
    for (uint32_t i = 0; i < slots_in_use(s); i++) {
        struct au64 *at = &slot_at(s, i)->word;
        uint64_t word = au64_load_relaxed(at);

        if (word_state(word) == SLOT_WRITING)
            au64_store_relaxed(at, word_with(word, SLOT_WRITING, heritage));
        else if (word_state(word) == SLOT_SEALED &&
                 au64_load_relaxed(&slot_at(s, i)->size) == sizeof cell)
            au64_store_relaxed(at, word_with(word, SLOT_RECLAIM, heritage));
    }
    au64_store_relaxed(first_pass(s), 1ull << 62 | 1ull << 32 | heritage);
    au64_store_relaxed(&s->header->passes_used, 1);
    close(crowd_forge(s, LAST));
    return s;
}

static void check_alive(struct objstore *s)
{
    struct objstore *own = help_attach(s);
    struct objstore_stats stats;
    void *data;

    CHECK_EQ(objstore_reap(own), 0);
    REQUIRE_OK(objstore_stats(own, &stats));
    CHECK_EQ(stats.processes, 2);
    CHECK_EQ(stats.objects_sealed, 1);
    CHECK_EQ(au64_load_relaxed(first_pass(s)) >> 62, 0); /* free again */
    CHECK_EQ(stats.objects_unsealed + stats.objects_deleted, 0);
    CHECK_EQ(objstore_create(own, &written, 1000, NULL, &data), 0);
    CHECK_EQ(objstore_put(own, &doomed, "x", 1, NULL), 0);
    CHECK(objstore_contains(own, &kept));
    CHECK(help_is_sound(own));
    objstore_close(own);
    REQUIRE_OK(objstore_delete(s, &doomed));
    REQUIRE_OK(objstore_delete(s, &kept));
    CHECK_EQ(help_used(s), 0);
}

static void anybody_can_attach(void)
{
    static const uint32_t heritages[] = { 1, 77, LEASES_MAX - 9, LEASES_MAX - 8, LEASES_MAX - 1 };

    for (size_t i = 0; i < sizeof heritages / sizeof *heritages; i++) {
        struct objstore *s = dead_store(heritages[i]);

        check_alive(s);
        objstore_close(s);
    }
}

static uint64_t countdown;

static void die_at(const char *point)
{
    (void)point;
    if (countdown-- == 0)
        raise(SIGKILL);
}

static void heirs_die(void)
{
    uint64_t n = 0, stride = 1;

    for (int status = -1; status != 0; n += stride) {
        struct objstore *s = dead_store(LEASES_MAX - 8);

        /* More deaths than there are kept leases, all at this step. */
        for (int i = 0; i < 10 && status != 0; i++) {
            pid_t child = fork();

            REQUIRE(child >= 0);
            if (child == 0) {
                struct objstore *own = NULL;

                countdown = n;
                test_point = die_at;
                int err = objstore_open_fd(objstore_fd(s), NULL, &own, NULL);
                test_point = NULL;
                _exit(err ? 1 : 0);
            }
            status = help_wait(child);
            CHECK(status == 0 || status == 128 + SIGKILL);
        }
        check_alive(s);
        objstore_close(s);
        stride = n < 200 ? 1 : 97; /* then it is the thousands of dead, one like the other */
    }
    CHECK(n > 20);
    printf("    %llu steps\n", (unsigned long long)n);
}

/* An open looks at some of many only: the dead among them are found by one open or another. */
static void one_among_many(void)
{
    enum { MANY = 150, OPENS = 1000 };
    struct objstore *s = help_store(CAPACITY), *others[MANY];
    struct objstore_id id = help_id(1);
    int opens = 0;
    void *data;

    for (int i = 0; i < MANY; i++)
        others[i] = help_attach(s);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        CHILD_CHECK(objstore_create(help_attach(s), &id, 5000, NULL, &data) == 0);
        raise(SIGKILL);
    }
    CHECK_EQ(help_wait(child), 128 + SIGKILL);
    for (; help_used(s) != 0 && opens < OPENS; opens++)
        objstore_close(help_attach(s));
    printf("    after %d opens\n", opens);
    CHECK_EQ(help_used(s), 0);
    for (int i = 0; i < MANY; i++)
        objstore_close(others[i]);
    CHECK(help_is_sound(s));
    objstore_close(s);
}

TESTS("crowd", { "one dead among many is found", one_among_many },
      { "anybody can attach to a store full of the dead", anybody_can_attach },
      { "also if all who tried died at one step of it", heirs_die })
