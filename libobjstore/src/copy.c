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
 * Four pages are copied side by side, a line of each in turn: the processor prefetches within a
 * page only, and so has four of them under way.
 *
 * Between a quarter of a megabyte and that limit a string instruction is the fastest, if the
 * processor says that it has a fast one.
 */
#include "copy.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

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

/* ---- copies ---------------------------------------------------------------------------------- */

#if defined(__x86_64__)
#include <cpuid.h>
#include <emmintrin.h>

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

/* `to` is at the start of a line. Returns how much was copied: all but less than four pages. */
static size_t stream(char *to, const char *from, size_t size)
{
    size_t whole = size - size % (SIDE_BY_SIDE * PAGE);

    for (size_t at = 0; at < whole; at += SIDE_BY_SIDE * PAGE)
        for (size_t line = 0; line < PAGE; line += LINE)
            for (size_t page = 0; page < SIDE_BY_SIDE * PAGE; page += PAGE)
                stream_line(to + at + page + line, from + at + page + line);
    _mm_sfence(); /* such stores are in no order: before the seal */
    return whole;
}
#endif

/* The sanitizers do not see what assembly reads and writes. */
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define STRING_MIN ((size_t)256 << 10)
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

static void copy_string(void *to, const void *from, size_t size)
{
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
}
#else
#define STRING_MIN SIZE_MAX
static bool has_fast_strings(void)
{
    return false;
}

static void copy_string(void *to, const void *from, size_t size)
{
    memcpy(to, from, size);
}
#endif

void copy_in(struct copies *recent, void *to, const void *from, size_t size)
{
    size_t done = 0;
    bool is_warm =
        size < COPY_STREAM_COLD || (size < COPY_STREAM_MIN && was_just_copied_to(recent, to, size));

    if (is_warm && size >= STRING_MIN && has_fast_strings()) {
        copy_string(to, from, size);
        return;
    }
#if defined(__x86_64__)
    if (!is_warm && (uintptr_t)to % LINE == 0)
        done = stream(to, from, size);
#endif
    memcpy((char *)to + done, (const char *)from + done, size - done);
}
