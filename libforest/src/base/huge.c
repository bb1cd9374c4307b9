/* SPDX-License-Identifier: MIT */
/* huge.c -- see huge.h. */
#define _DEFAULT_SOURCE /* madvise */
#include "huge.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)

void *huge_alloc(size_t bytes)
{
    bool is_huge = bytes >= 2 * HUGE_PAGE;
    void *memory;

    if (bytes > SIZE_MAX - HUGE_PAGE || posix_memalign(&memory, is_huge ? HUGE_PAGE : 64, bytes))
        return NULL;
    if (is_huge)
        madvise(memory, bytes & ~(HUGE_PAGE - 1), MADV_HUGEPAGE);
    return memory;
}
