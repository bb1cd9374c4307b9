/* SPDX-License-Identifier: MIT */
/*
 * copy.c -- bytes into the store.
 *
 * A copy to a place that is not in the caches first reads every line it is going to overwrite, and
 * pushes out of them what somebody may still need. Non-temporal stores do neither and are half as
 * fast again; but where the place is in the caches plain stores are twice as fast. So a handle
 * remembers where its last megabyte of large copies went. A ring of buffers or one object
 * made over and over stays in the caches; who fills a store goes past them. What is larger than the
 * second-level cache goes past them always. The C library does so, too, but only from three
 * quarters of the last-level cache on: on a virtual machine that sees a whole host's cache that
 * is hundreds of megabytes.
 *
 * There are two ways to do each, and which one is faster is the processor's affair: by half, or by
 * as much slower. Past the caches, four pages side by side, a line of each in turn, keep four
 * prefetches under way, which stay within a page; other processors are at their best
 * with one line after the other. Into the caches, a string instruction beats memcpy() where it is a
 * fast one, from some size on. So a handle times its first copies, each way in turn, and goes
 * on with the way that was the faster at its best: what disturbs a copy makes it slower, never
 * faster. But all of its first copies may be disturbed, as they go to pages that it has not touched
 * before, which takes longer than to copy them. So it goes on to try each way now and then, and
 * changes its mind when the other way was clearly faster over some trials.
 */
#include "copy.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#include <x86intrin.h>
#endif

/* ---- what is in the caches ------------------------------------------------------------------- */

#define WARM_BYTES ((uint64_t)1 << 20)
/* A place: the address in lines; above it the length in units of COPY_STREAM_COLD. */
#define PLACE_BITS 42

/* relaxed, all: advice to threads of this process */
static bool was_just_copied_to(struct copies *recent, const void *to, size_t size)
{
    uint64_t line = (uintptr_t)to / 64 & ((1ull << PLACE_BITS) - 1), since = 0;
    uint32_t next = au32_load_relaxed(&recent->next);
    bool is_warm = false;

    for (uint32_t i = 1; i <= COPY_RECENT && !is_warm && since < WARM_BYTES; i++) {
        uint64_t place = au64_load_relaxed(&recent->places[(next - i) % COPY_RECENT]);
        uint64_t bytes = (place >> PLACE_BITS) * COPY_STREAM_COLD;

        since += bytes;
        is_warm = since <= WARM_BYTES && line - (place & ((1ull << PLACE_BITS) - 1)) < bytes / 64;
    }
    au64_store_relaxed(&recent->places[next % COPY_RECENT],
                       line | (uint64_t)(size / COPY_STREAM_COLD) << PLACE_BITS);
    au32_store_relaxed(&recent->next, next + 1);
    return is_warm;
}

/* ---- ways ------------------------------------------------------------------------------------ */

#if defined(__x86_64__)
#define TRY_EVERY 32u                   /* copies: then it tries each way once more */
#define TRIAL_BYTES ((size_t)256 << 10) /* of a longer copy: it has room for several */

/* relaxed, all from here on: advice to threads of this process */

/* Each way was tried some times since this was called last. */
static void decide(struct copy_ways *ways)
{
    uint32_t way = au32_load_relaxed(&ways->way);
    uint64_t mine = au32_load_relaxed(&ways->best[way]);
    uint64_t other = au32_load_relaxed(&ways->best[!way]);

    if (other && other + other / 16 < mine)
        au32_store_relaxed(&ways->way, !way);
    au32_store_relaxed(&ways->best[0], 0);
    au32_store_relaxed(&ways->best[1], 0);
}

/* Which way to go, and is it a trial? */
static uint32_t choose(struct copy_ways *ways, bool *is_trial)
{
    uint32_t count = au32_load_relaxed(&ways->count);

    au32_store_relaxed(&ways->count, count + 1);
    if (count == 2 * COPY_TRIALS || count % (COPY_TRIALS * TRY_EVERY) == 0)
        decide(ways);
    *is_trial = count < 2 * COPY_TRIALS || count % TRY_EVERY < 2;
    return *is_trial ? count % 2 : au32_load_relaxed(&ways->way);
}

static void note(struct copy_ways *ways, uint32_t way, uint64_t ticks, size_t size)
{
    uint64_t now = (ticks << 20) / size, best = au32_load_relaxed(&ways->best[way]);

    now = now < UINT32_MAX ? now + 1 : UINT32_MAX;
    if (!best || now < best)
        au32_store_relaxed(&ways->best[way], (uint32_t)now);
}

/* ---- past the caches ------------------------------------------------------------------------- */

#define PAGE ((size_t)4096)
#define SIDE_BY_SIDE ((size_t)4)
#define LINE ((size_t)64)

static void stream_line(char *to, const char *from)
{
    __m128i a = _mm_loadu_si128((const __m128i *)(const void *)from);
    __m128i b = _mm_loadu_si128((const __m128i *)(const void *)(from + 16));
    __m128i c = _mm_loadu_si128((const __m128i *)(const void *)(from + 32));
    __m128i d = _mm_loadu_si128((const __m128i *)(const void *)(from + 48));

    _mm_stream_si128((__m128i *)(void *)to, a);
    _mm_stream_si128((__m128i *)(void *)(to + 16), b);
    _mm_stream_si128((__m128i *)(void *)(to + 32), c);
    _mm_stream_si128((__m128i *)(void *)(to + 48), d);
}

/* `to` is at the start of a line. The order of such stores is nobody's: see the caller's fence. */
static void stream(char *to, const char *from, size_t size, uint32_t way)
{
    size_t at = 0;

    for (; way == 0 && at + SIDE_BY_SIDE * PAGE <= size; at += SIDE_BY_SIDE * PAGE)
        for (size_t line = 0; line < PAGE; line += LINE)
            for (size_t page = 0; page < SIDE_BY_SIDE * PAGE; page += PAGE)
                stream_line(to + at + page + line, from + at + page + line);
    for (; at + LINE <= size; at += LINE)
        stream_line(to + at, from + at);
    memcpy(to + at, from + at, size - at);
}

static void copy_cold(struct copy_ways *ways, char *to, const char *from, size_t size)
{
    for (size_t n; size; to += n, from += n, size -= n) {
        bool is_trial;
        uint32_t way = choose(ways, &is_trial);
        uint64_t begin = is_trial ? __rdtsc() : 0;

        n = is_trial && size >= 2 * TRIAL_BYTES ? TRIAL_BYTES : size;
        stream(to, from, n, way);
        _mm_sfence(); /* before the seal */
        if (is_trial)
            note(ways, way, __rdtsc() - begin, n);
    }
}
#endif

/* ---- into the caches ------------------------------------------------------------------------- */

/* The sanitizers do not see what assembly reads and writes. */
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define LARGE ((size_t)256 << 10)
#define FAST_STRINGS (1u << 9) /* of leaf 7, ebx */

static bool has_fast_strings(void)
{
    static struct au32 known;                                  /* 0: not asked yet; 1: no; 2: yes */
    uint32_t seen = au32_load_relaxed(&known), a, b = 0, c, d; /* relaxed: always the same */

    if (!seen) {
        seen = __get_cpuid_count(7, 0, &a, &b, &c, &d) && b & FAST_STRINGS ? 2 : 1;
        au32_store_relaxed(&known, seen);
    }
    return seen == 2;
}

static void copy_warm(struct copies *recent, void *to, const void *from, size_t size)
{
    struct copy_ways *ways = &recent->ways[size < LARGE ? COPY_WARM : COPY_WARM_LARGE];
    bool is_trial = false;
    uint32_t way = size < COPY_STREAM_COLD || !has_fast_strings() ? 0 : choose(ways, &is_trial);
    uint64_t begin = is_trial ? __rdtsc() : 0;
    size_t left = size;

    if (way == 0)
        memcpy(to, from, size);
    else
        __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(left) : : "memory");
    if (is_trial)
        note(ways, way, __rdtsc() - begin, size);
}
#else
static void copy_warm(struct copies *recent, void *to, const void *from, size_t size)
{
    (void)recent;
    memcpy(to, from, size);
}
#endif

void copy_in(struct copies *recent, void *to, const void *from, size_t size)
{
#if defined(__x86_64__)
    if (size >= COPY_STREAM_COLD && (uintptr_t)to % LINE == 0 &&
        (size >= COPY_STREAM_MIN || !was_just_copied_to(recent, to, size))) {
        copy_cold(&recent->ways[COPY_COLD], to, from, size);
        return;
    }
#endif
    copy_warm(recent, to, from, size);
}
