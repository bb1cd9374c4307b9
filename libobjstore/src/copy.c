/* SPDX-License-Identifier: MIT */
/*
 * copy.c -- bytes into the store.
 *
 * A copy much larger than the caches first reads every line it is going to overwrite, and pushes out
 * of the caches what somebody may still need. Non-temporal stores do neither. The C library uses
 * them, too, but only from three quarters of the last-level cache on: on a virtual machine that
 * sees a whole host's cache that is hundreds of megabytes.
 *
 * Four pages are copied side by side, a line of each in turn: the processor prefetches within a
 * page only, and so has four of them under way.
 */
#include "copy.h"

#include <string.h>

#if defined(__x86_64__)
#include <emmintrin.h>
#include <stdint.h>

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

void copy_in(void *to, const void *from, size_t size)
{
    size_t done = 0;

#if defined(__x86_64__)
    if (size >= COPY_STREAM_MIN && (uintptr_t)to % LINE == 0)
        done = stream(to, from, size);
#endif
    memcpy((char *)to + done, (const char *)from + done, size - done);
}
