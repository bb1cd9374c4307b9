/* SPDX-License-Identifier: MIT */
/* test_copy.c -- a large copy equals memcpy's, at every alignment, and touches nothing else. */
#include "copy.h"
#include "test.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define ROOM (COPY_STREAM_MIN + 65536)
#define GUARD 4096u

static void fill(unsigned char *bytes, size_t size, unsigned int seed)
{
    for (size_t i = 0; i < size; i++) {
        seed = seed * 1664525u + 1013904223u;
        bytes[i] = (unsigned char)(seed >> 24);
    }
}

static bool all_are(const unsigned char *bytes, size_t size, unsigned char value)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != value)
            return false;
    return true;
}

/* Each way that it may find the fastest; -1: as it tries them. */
static struct copies with_way(int way)
{
    struct copies recent = { 0 };

    for (int kind = 0; kind < COPY_KINDS && way >= 0; kind++) {
        struct copy_ways *ways = &recent.ways[kind];

        au32_store_relaxed(&ways->way, (uint32_t)way); /* relaxed: alone */
        au32_store_relaxed(&ways->count, 2 * COPY_TRIALS + 1);
    }
    return recent;
}

static void check_way(int way)
{
    struct copies recent = with_way(way);
    static const size_t sizes[] = { 0,
                                    1,
                                    64,
                                    4095,
                                    COPY_STREAM_COLD - 1,
                                    COPY_STREAM_COLD,
                                    COPY_STREAM_COLD + 5000,
                                    (256 << 10) + 77,
                                    (1 << 20) - 1,
                                    1 << 20,
                                    COPY_STREAM_MIN - 1,
                                    COPY_STREAM_MIN,
                                    COPY_STREAM_MIN + 1,
                                    COPY_STREAM_MIN + 4096,
                                    COPY_STREAM_MIN + 16383,
                                    COPY_STREAM_MIN + 16384,
                                    COPY_STREAM_MIN + 40000 };
    static const size_t from_offsets[] = { 0, 1, 8, 63 }, to_offsets[] = { 0, 64, 8, 1 };
    unsigned char *from = malloc(ROOM), *to = aligned_alloc(4096, ROOM + 2 * GUARD);

    REQUIRE(from && to);
    fill(from, ROOM, 7);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t j = 0; j < sizeof to_offsets / sizeof *to_offsets; j++) {
            unsigned char *at = to + GUARD + to_offsets[j];

            for (int again = 0; again < 2; again++) { /* to a place that it knows, then */
                memset(to, 0xa5, ROOM + 2 * GUARD);
                copy_in(&recent, at, from + from_offsets[j], sizes[i]);
                CHECK(!memcmp(at, from + from_offsets[j], sizes[i]));
                CHECK(all_are(to, GUARD + to_offsets[j], 0xa5));
                CHECK(all_are(at + sizes[i], GUARD, 0xa5));
            }
        }
    free(from);
    free(to);
}

static void is_exact(void)
{
    for (int way = -1; way < 2; way++)
        check_way(way);
}

#if defined(__x86_64__)
enum { PLACES = 4 * COPY_RECENT };

/* One place after the other: none is warm. */
static void copy_some(struct copies *recent, unsigned char *to, uint32_t n)
{
    static unsigned char from[COPY_STREAM_COLD];
    uint32_t first = au32_load_relaxed(&recent->next); /* relaxed: alone */

    for (uint32_t i = 0; i < n; i++)
        copy_in(recent, to + (first + i) % PLACES * COPY_STREAM_COLD, from, sizeof from);
}

/* relaxed, all: alone. Make `n` more pairs of trials, way 1 faster in all of them, or slower. */
static void try_pairs(struct copies *recent, unsigned char *to, uint32_t n, bool is_faster)
{
    struct copy_ways *ways = &recent->ways[COPY_COLD];

    for (uint32_t had = au32_load_relaxed(&ways->pairs); n; had = au32_load_relaxed(&ways->pairs)) {
        au32_store_relaxed(&ways->first, is_faster ? UINT32_MAX : 0);
        copy_some(recent, to, 1);
        n -= au32_load_relaxed(&ways->pairs) != had;
        REQUIRE(au32_load_relaxed(&ways->count) < 100000);
    }
}

/* relaxed, all: alone. It tries both ways, first all the time, then now and then; and changes to the
 * other if that was the faster of most pairs. */
static void decides(void)
{
    unsigned char *to = aligned_alloc(64, PLACES * COPY_STREAM_COLD);
    struct copies recent = { 0 };
    struct copy_ways *ways = &recent.ways[COPY_COLD];

    REQUIRE(to != NULL);
    copy_some(&recent, to, 1);
    CHECK(au32_load_relaxed(&ways->first) > 0);
    copy_some(&recent, to, 2 * COPY_TRIALS - 2);
    CHECK_EQ(au32_load_relaxed(&ways->pairs), COPY_TRIALS - 1);
    copy_some(&recent, to, 1);
    CHECK_EQ(au32_load_relaxed(&ways->pairs), 0); /* and decided */
    copy_some(&recent, to, 16);                   /* no trials */
    CHECK_EQ(au32_load_relaxed(&ways->pairs), 0);
    copy_some(&recent, to, 2); /* a pair */
    CHECK_EQ(au32_load_relaxed(&ways->pairs), 1);

    recent = (struct copies){ 0 };
    for (int round = 0; round < 4; round++) {
        bool is_one = round % 2 == 0; /* the way to go after it */

        CHECK_EQ(au32_load_relaxed(&ways->way), !is_one);
        try_pairs(&recent, to, COPY_TRIALS / 2 + 1, is_one); /* a bare majority: it stays */
        try_pairs(&recent, to, COPY_TRIALS / 2 - 1, !is_one);
        CHECK_EQ(au32_load_relaxed(&ways->way), !is_one);
        try_pairs(&recent, to, COPY_TRIALS - 2, is_one);
        try_pairs(&recent, to, 2, !is_one);
        CHECK_EQ(au32_load_relaxed(&ways->way), is_one);
    }
    free(to);
}
#else
static void decides(void)
{
    puts("    there is one way here");
}
#endif

TESTS("copy", { "a copy of any size and alignment is exact, and touches nothing else", is_exact },
      { "both ways are tried, and the one that is faster mostly is gone", decides })
