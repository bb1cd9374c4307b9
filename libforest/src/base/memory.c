/* SPDX-License-Identifier: MIT */
/* memory.c -- see memory.h. */
#define _DEFAULT_SOURCE /* madvise */
#include "memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define HUGE_PAGE ((size_t)2 << 20)
#define WASTE_PART 16u /* of large memory may be so small a part that is made and not used */
#define FEW_PAGES 4u   /* are not worth a system call if they are there already */

/*
 * So much of it in huge pages, the last of which may be used but in part. What is aligned to one
 * malloc() seldom finds among what was freed, so for a single one it is not worth it.
 */
static size_t huge_part(size_t bytes)
{
    size_t rest = bytes % HUGE_PAGE, waste = HUGE_PAGE - rest;
    size_t part = rest && waste <= bytes / WASTE_PART ? bytes + waste : bytes - rest;

    return part > HUGE_PAGE ? part : 0;
}

void *memory_reserve(size_t bytes)
{
    void *memory;

    if (bytes > SIZE_MAX - HUGE_PAGE)
        return NULL;
    size_t huge = huge_part(bytes);
    if (posix_memalign(&memory, huge ? HUGE_PAGE : 64, huge > bytes ? huge : bytes))
        return NULL;
    if (huge)
        madvise(memory, huge, MADV_HUGEPAGE);
    return memory;
}

void memory_populate(void *memory, size_t bytes)
{
#ifdef MADV_POPULATE_WRITE /* Linux 5.14 */
    size_t page = (size_t)sysconf(_SC_PAGESIZE), before = (uintptr_t)memory % page;

    if (bytes > FEW_PAGES * page)
        madvise((char *)memory - before, before + bytes, MADV_POPULATE_WRITE);
#else
    (void)memory;
    (void)bytes;
#endif
}

void *memory_make(size_t bytes)
{
    void *memory = memory_reserve(bytes);

    if (memory)
        memory_populate(memory, bytes);
    return memory;
}
