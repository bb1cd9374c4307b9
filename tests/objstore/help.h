/* SPDX-License-Identifier: MIT */
/* help.h -- what the store's tests share; public API only. */
#ifndef OBJSTORE_TEST_HELP_H
#define OBJSTORE_TEST_HELP_H

#include <objstore.h>
#include <sys/types.h>

struct objstore *help_store(uint64_t capacity_bytes); /* nameless; ends the program if it cannot */
struct objstore *help_attach(const struct objstore *store); /* another handle on it, likewise */
struct objstore_id help_id(uint64_t number);
/* Fill and check bytes that depend on seed and place. */
void help_fill(void *data, size_t size, uint64_t seed);
bool help_is_filled(const void *data, size_t size, uint64_t seed);
/* verify; says what is wrong on stderr. */
bool help_is_sound(struct objstore *store);
uint64_t help_used(struct objstore *store);
/* How many objects of a page can now be made (and are aborted again). */
uint64_t help_pages(struct objstore *store);
/* Wait for a child; its exit status, or 128 + signal. */
int help_wait(pid_t child);
/* Die of SIGKILL at the k-th point (point.h) from here on, unless test_point is taken back before. */
void help_die_at(long k);
/* All that is in a file into one that is empty; holes stay holes. */
bool help_copy(int from, int to);
/*
 * Sleep a moment while others get on, and look that `child` lives. False, and said on stderr: it died,
 * or *sleeps, which counts from 0, are so many that it must be stuck. A machine that stands still
 * counts nothing.
 */
bool help_sleep_beside(pid_t child, uint64_t *sleeps);

#endif
