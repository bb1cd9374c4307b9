/* SPDX-License-Identifier: MIT */
/*
 * spill_memory.c -- memory that spill files are written from and read into.
 *
 * A disk is told of every piece of memory by itself: of 1 MiB in pages of 4 KiB that is 256 pieces,
 * which may be as many as it takes at a time, and then one request is under way where eight should
 * be; in a huge page it is one piece. Whole buffers are kept from file to file: to touch fresh
 * pages takes as long as to fill them.
 *
 * No page of it moves elsewhere under a request when the process forks: the child gets pages of its
 * own, which are empty.
 */
#define _GNU_SOURCE /* MADV_WIPEONFORK */
#include "spill_io.h"

#include <sys/mman.h>

#include "layout.h"

void *io_memory_map(uint64_t bytes)
{
    unsigned char *room = mmap(NULL, bytes + HUGE_BYTES, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (room == MAP_FAILED)
        return NULL;
    uint64_t before = -(uintptr_t)room % HUGE_BYTES;
    unsigned char *memory = room + before;
    if (before)
        munmap(room, before);
    munmap(memory + bytes, HUGE_BYTES - before);
    if (madvise(memory, bytes, MADV_WIPEONFORK)) {
        munmap(memory, bytes);
        return NULL;
    }
    (void)madvise(memory, bytes, MADV_HUGEPAGE);
    return memory;
}

static uint64_t whole(uint64_t bytes)
{
    return bytes <= IO_BUFFER_BYTES ? IO_BUFFER_BYTES
                                    : (bytes + HUGE_BYTES - 1) & ~(uint64_t)(HUGE_BYTES - 1);
}

void *io_buffer_take(struct io_buffers *b, uint64_t bytes)
{
    for (int i = 0; bytes <= IO_BUFFER_BYTES && i < IO_BUFFERS; i++) {
        uint64_t at = au64_xchg_acq_rel(&b->spare[i], 0); /* its bytes are whoever's that took it */

        if (at)
            return (void *)(uintptr_t)at;
    }
    return io_memory_map(whole(bytes));
}

void io_buffer_give(struct io_buffers *b, void *buffer, uint64_t bytes)
{
    for (int i = 0; bytes <= IO_BUFFER_BYTES && i < IO_BUFFERS; i++) {
        uint64_t none = 0;

        if (au64_cas_acq_rel(&b->spare[i], &none, (uintptr_t)buffer))
            return;
    }
    munmap(buffer, whole(bytes));
}

void io_buffers_end(struct io_buffers *b)
{
    for (int i = 0; i < IO_BUFFERS; i++) {
        uint64_t at = au64_xchg_acq_rel(&b->spare[i], 0);

        if (at)
            munmap((void *)(uintptr_t)at, IO_BUFFER_BYTES);
    }
}
