/* SPDX-License-Identifier: MIT */
/*
 * The table of buckets follows the contents: index.c. Whatever its size, every object is found, and
 * nobody waits for one who opens a bucket and dies or stops.
 */
#define _GNU_SOURCE
#include "help.h"
#include "index.h"
#include "point.h"
#include "store.h"
#include "test.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t reversed(uint64_t x)
{
    uint64_t r = 0;

    for (int i = 0; i < 64; i++)
        r |= (x >> i & 1) << (63 - i);
    return r;
}

static void order_is_of_reversed_bits(void)
{
    uint64_t random = test_seed;

    for (int i = 0; i < 100000; i++) {
        uint64_t a = test_random(&random), b = test_random(&random) << (i % 60);

        if (i % 3 == 0) /* differ in one bit */
            b = a ^ 1ull << i % 64;
        CHECK_EQ(index_is_before(a, b), reversed(a) < reversed(b));
        CHECK(!index_is_before(a, a));
    }
    for (uint32_t mask = 0; mask < 4096; mask = 2 * mask + 1) {
        uint32_t count = 1;

        for (uint32_t at = 0, next; (next = index_next_bucket(at, mask)); at = next, count++)
            CHECK(next <= mask && index_is_before(at, next));
        CHECK_EQ(count, mask + 1); /* in order, so each once */
    }
}

static uint64_t open_buckets(const struct objstore *s)
{
    uint64_t open = 0;

    for (uint64_t i = 0; i < s->geo.buckets; i++)
        open += au64_load_relaxed(&s->buckets[i]) >> 31 & 1;
    return open;
}

static int put_number(struct objstore *s, uint64_t n)
{
    struct objstore_id id = help_id(n);

    return objstore_put(s, &id, &n, sizeof n, NULL);
}

static bool has_number(struct objstore *s, uint64_t n)
{
    struct objstore_id id = help_id(n);
    uint64_t value = 0;
    size_t size = 0;

    return objstore_read(s, &id, &value, sizeof value, &size) == 0 && size == sizeof n &&
           value == n;
}

/* A large store with little in it uses little of its table; both kinds of handles find all. */
static void table_grows_with_the_contents(void)
{
    struct objstore *s = help_store(64u << 20), *reader;
    struct objstore_options o = OBJSTORE_OPTIONS_INIT;
    uint64_t n = 0, missing = 0;

    o.flags = OBJSTORE_READ_ONLY;
    REQUIRE_OK(objstore_open_fd(objstore_fd(s), &o, &reader, NULL));
    for (uint64_t until = 10; until <= 20000; until *= 3) {
        for (; n < until; n++)
            CHECK_EQ(put_number(s, n + 1), 0);
        uint64_t open = open_buckets(s);

        CHECK(open <= 2 * n + 64);
        CHECK(n < 64 || open >= n / 4);
        for (uint64_t i = 0; i < n; i++)
            missing += !has_number(reader, i + 1) || !has_number(s, i + 1);
        CHECK_EQ(missing, 0);
        CHECK(!has_number(reader, n + 1) && !has_number(s, n + 1));
        CHECK(help_is_sound(s));
    }
    for (uint64_t i = 0; i < n; i++) {
        struct objstore_id id = help_id(i + 1);

        CHECK_EQ(objstore_delete(s, &id), 0);
        missing += has_number(reader, i + 1);
    }
    CHECK_EQ(missing, 0);
    CHECK(help_is_sound(s));
    objstore_close(reader);
    objstore_close(s);
}

/* ---- who opens a bucket dies, or stops ------------------------------------------------------- */

enum { BEFORE = 256, MORE = 6, LOOKS = 20 }; /* the next slot doubles the table */

static long points_left;
static int how_to_end;

static void end_here(const char *name)
{
    (void)name;
    if (--points_left == 0)
        raise(how_to_end);
}

/* Objects that were put while the table was smaller: buckets of its present size are closed. */
static struct objstore *small_table(void)
{
    struct objstore *s = help_store(1u << 20);

    for (uint64_t n = 1; n <= BEFORE; n++)
        REQUIRE_OK(put_number(s, n));
    return s;
}

static pid_t open_more(struct objstore *s, long point, int how)
{
    pid_t child = fork();

    if (child == 0) {
        struct objstore *own = help_attach(s);

        points_left = point;
        how_to_end = how;
        test_point = end_here;
        for (uint64_t n = 1; n <= MORE; n++)
            CHILD_CHECK(put_number(own, BEFORE + n) == 0);
        for (uint64_t n = 1; n <= LOOKS; n++) /* lookups open buckets, too */
            CHILD_CHECK(has_number(own, n));
        test_point = NULL;
        _exit(0);
    }
    return child;
}

/* Everything that was there, and the same objects, while the other one is dead or stopped. */
static void go_on(struct objstore *s)
{
    for (uint64_t n = 1; n <= BEFORE; n++)
        CHECK(has_number(s, n));
    for (uint64_t n = 1; n <= MORE; n++) {
        int err = put_number(s, BEFORE + n);

        CHECK(err == 0 || err == -EEXIST);
    }
    for (uint64_t n = 1; n <= MORE; n++) {
        CHECK_EQ(put_number(s, 2 * BEFORE + n), 0);
        CHECK(has_number(s, 2 * BEFORE + n));
    }
    CHECK(help_is_sound(s));
}

static void end_at_each_point(int how)
{
    uint64_t opened = 0;
    long points = 0;

    for (int status = 1; status != 0; points++) {
        struct objstore *s = small_table();
        uint64_t before = open_buckets(s);
        pid_t child = open_more(s, points + 1, how);

        REQUIRE(child > 0);
        REQUIRE(waitpid(child, &status, WUNTRACED) == child);
        opened = open_buckets(s) - before;
        go_on(s);
        if (WIFSTOPPED(status)) {
            kill(child, SIGKILL);
            CHECK_EQ(help_wait(child), 128 + SIGKILL);
            CHECK(objstore_reap(s) >= 0);
            for (uint64_t n = 1; n <= MORE; n++) {
                int err = put_number(s, BEFORE + n);

                CHECK(err == 0 || err == -EEXIST);
                CHECK(has_number(s, BEFORE + n));
            }
            CHECK(help_is_sound(s));
        }
        objstore_close(s);
    }
    printf("    %ld points, %llu buckets\n", points - 1, (unsigned long long)opened);
    CHECK(opened >= LOOKS / 5);
}

static void openers_die(void)
{
    end_at_each_point(SIGKILL);
}

static void openers_stop(void)
{
    end_at_each_point(SIGSTOP);
}

/* ---- many at once ---------------------------------------------------------------------------- */

enum { WORKERS = 3, EACH = 1500 };

/* Somebody has put it, or is just about to seal it. */
static bool waits_for_number(struct objstore *s, uint64_t n)
{
    struct objstore_id id = help_id(n);
    struct objstore_view view;

    return !objstore_get(s, &id, -1, &view) && (objstore_release(s, &view), true);
}

static int race(struct objstore *s, uint64_t seed)
{
    uint64_t random = seed, entered = 0;

    for (uint64_t n = 1; n <= EACH; n++) {
        uint64_t other = 1 + test_random(&random) % n;
        int err = put_number(s, n);

        if (err && err != -EEXIST)
            return -1;
        entered += !err;
        CHILD_CHECK(waits_for_number(s, other));
    }
    return (int)entered;
}

/* All put the same ids while the table grows: of each id one wins, and none is lost. */
static void all_grow_it_at_once(void)
{
    struct objstore *s = help_store(8u << 20);
    int results[2], entered = 0, of_one;

    REQUIRE(pipe(results) == 0);
    for (uint64_t i = 0; i < WORKERS; i++)
        if (fork() == 0) {
            struct objstore *own = help_attach(s);

            of_one = race(own, test_seed + i);
            CHILD_CHECK(write(results[1], &of_one, sizeof of_one) == sizeof of_one);
            objstore_close(own);
            _exit(of_one < 0);
        }
    close(results[1]);
    for (int i = 0; i < WORKERS; i++) {
        REQUIRE(read(results[0], &of_one, sizeof of_one) == sizeof of_one);
        entered += of_one;
    }
    while (wait(NULL) > 0)
        ;
    CHECK_EQ(entered, EACH);
    for (uint64_t n = 1; n <= EACH; n++)
        CHECK(has_number(s, n));
    CHECK(help_is_sound(s));
    objstore_close(s);
    close(results[0]);
}

TESTS("buckets", { "the list is in the order of reversed bits", order_is_of_reversed_bits },
      { "the table is as large as the contents ask for", table_grows_with_the_contents },
      { "who opens a bucket may die at every step", openers_die },
      { "or stop at every step", openers_stop }, { "many grow it at once", all_grow_it_at_once })
