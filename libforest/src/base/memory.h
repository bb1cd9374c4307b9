/* SPDX-License-Identifier: MIT */
/*
 * memory.h -- large memory without a page fault for each of its pages.
 *
 * Memory from malloc() that the process did not have before is given by the kernel page by page, at
 * the first write to each. Such a fault takes half a microsecond, on some virtual machines ten,
 * much more than to fill the page; asked for many pages at once the kernel makes one in less.
 */
#ifndef MEMORY_H
#define MEMORY_H

#include <stddef.h>

/*
 * For free(), aligned to 64 bytes; NULL: no memory. Pages are made when they are written to, huge
 * ones where the kernel has them: what is read here and there in these is found sooner, too.
 */
void *memory_reserve(size_t bytes);

/*
 * Make the pages of memory that will be written to, all of it. What it holds stays; where the kernel
 * cannot, they are made by the writes.
 */
void memory_populate(void *memory, size_t bytes);

/* memory_reserve() for what will be written to, all of it. */
void *memory_make(size_t bytes);

#endif
