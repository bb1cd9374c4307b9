/* SPDX-License-Identifier: MIT */
/*
 * faults.h -- let the n-th system call from now on fail.
 *
 *     fault_arm(n, ENOSPC, false);
 *     err = call();
 *     if (fault_disarm() == NULL) ...      it made less than n calls: nothing failed
 *
 * Counted are the calls that the library makes by name: open, memfd_create, fallocate, mmap, fcntl
 * and so on (faults.c has the list). One thread.
 */
#ifndef OBJSTORE_TEST_FAULTS_H
#define OBJSTORE_TEST_FAULTS_H

#include "atomics.h"

#include <stdbool.h>
#include <stdint.h>

/* The n-th (from 1) fails with `error`; if persistent, all later ones, too. */
void fault_arm(uint64_t n, int error, bool is_persistent);
/* No more failures. Which call was the first to fail; NULL: none. */
const char *fault_disarm(void);
/* From now on file systems have no O_TMPFILE. */
void fault_no_tmpfile(bool is_missing);
extern struct au64 fault_mapped; /* bytes that are mapped: more than before is a leak */

#endif
