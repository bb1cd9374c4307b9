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
 * as much slower. Past the caches, most are at their best with one line after the other, a whole
 * line in one store where there is such a one, if what is two pages ahead is asked for early: what
 * they fetch by themselves ends with the page. To others, four pages side by side, a line of each
 * in turn, are four such fetches at once. Into the caches, a string instruction beats memcpy()
 * where it is a fast one, from some size on. So a handle times copies, two in a row, one each way,
 * and goes the way that was the faster of most pairs: what disturbs a single copy, or finds it in
 * the caches, counts no more than another. It does so at first, when all are disturbed, as they go
 * to pages that it has not touched before, and now and then from there on.
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
#define EARLY 512u /* copies: then it tries too seldom for a 99th percentile to show */
#define TRIAL_BYTES ((size_t)256 << 10) /* of a longer copy: it has room for several */

/* relaxed, all from here on: advice to threads of this process */

/* Which way to go, and is it a trial? */
static uint32_t choose(struct copy_ways *ways, bool *is_trial)
{
    uint32_t count = au32_load_relaxed(&ways->count);

    au32_store_relaxed(&ways->count, count + 1);
    *is_trial = count < 2 * COPY_TRIALS || count % (count < EARLY ? 32 : 256) < 2;
    return *is_trial ? count % 2 : au32_load_relaxed(&ways->way);
}

/* A trial took so long. The second of a pair says which way was the faster of the two. */
static void note(struct copy_ways *ways, uint32_t way, uint64_t ticks, size_t size)
{
    uint64_t now = (ticks << 20) / size, first = au32_load_relaxed(&ways->first);
    uint32_t gone = au32_load_relaxed(&ways->way);

    if (way == 0) {
        au32_store_relaxed(&ways->first, now < UINT32_MAX ? (uint32_t)now : UINT32_MAX);
        return;
    }
    uint32_t lost = au32_load_relaxed(&ways->lost) + (gone == 0 ? now < first : first < now);
    uint32_t pairs = au32_load_relaxed(&ways->pairs) + 1;
    if (pairs >= COPY_TRIALS) {
        if (lost > COPY_TRIALS / 2 + 1)
            au32_store_relaxed(&ways->way, !gone);
        lost = pairs = 0;
    }
    au32_store_relaxed(&ways->lost, lost);
    au32_store_relaxed(&ways->pairs, pairs);
}

/* ---- past the caches ------------------------------------------------------------------------- */

#define PAGE ((size_t)4096)
#define SIDE_BY_SIDE ((size_t)4)
#define LINE ((size_t)64)

#define AHEAD (2 * PAGE)

static inline void stream_line(char *to, const char *from)
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
__attribute__((target("avx512f"))) static inline void stream_line_at_once(char *to,
                                                                          const char *from)
{
    _mm512_stream_si512((void *)to, _mm512_loadu_si512((const void *)from));
}

/* Whole lines, one after the other. */
static inline __attribute__((always_inline)) void
stream_lines(char *to, const char *from, size_t size, void (*line)(char *to, const char *from))
{
    size_t at = 0;

    for (; at + AHEAD < size; at += LINE) {
        _mm_prefetch(from + at + AHEAD, _MM_HINT_NTA);
        line(to + at, from + at);
    }
    for (; at < size; at += LINE)
        line(to + at, from + at);
}
__attribute__((target("avx512f"))) static void stream_lines_at_once(char *to, const char *from,
                                                                    size_t size)
{
    stream_lines(to, from, size, stream_line_at_once);
}

/* `to` is at the start of a line. The order of such stores is nobody's: see the caller's fence. */
static void stream(char *to, const char *from, size_t size, uint32_t way)
{
    size_t at = 0, lines;

    for (; way == 1 && at + SIDE_BY_SIDE * PAGE <= size; at += SIDE_BY_SIDE * PAGE)
        for (size_t line = 0; line < PAGE; line += LINE)
            for (size_t page = 0; page < SIDE_BY_SIDE * PAGE; page += PAGE)
                stream_line(to + at + page + line, from + at + page + line);
    lines = (size - at) / LINE * LINE;
    if (__builtin_cpu_supports("avx512f"))
        stream_lines_at_once(to + at, from + at, lines);
    else
        stream_lines(to + at, from + at, lines, stream_line);
    at += lines;
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
