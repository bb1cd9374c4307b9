/* SPDX-License-Identifier: MIT */
/* futex.h -- sleep on a shared 32-bit word, between processes. */
#ifndef COMMON_FUTEX_H
#define COMMON_FUTEX_H

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "atomics.h"

#define NS_PER_MS 1000000LL
#define NS_PER_S 1000000000LL

static inline int64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

static inline int64_t monotonic_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

/* The moment `timeout_ms` from now; INT64_MAX for -1, which is never. */
static inline int64_t deadline_from_ms(int timeout_ms)
{
    return timeout_ms < 0 ? INT64_MAX : monotonic_ns() + timeout_ms * NS_PER_MS;
}

/*
 * Sleep while *word is `expected`, until woken or CLOCK_MONOTONIC `deadline_ns` (INT64_MAX: no
 * limit). 0: woken, perhaps for nothing; -EAGAIN: *word was something else; -ETIMEDOUT; -EINTR.
 */
static inline int futex_wait(struct au32 *word, uint32_t expected, int64_t deadline_ns)
{
    struct timespec t = { (time_t)(deadline_ns / NS_PER_S), (long)(deadline_ns % NS_PER_S) };
    long r = syscall(SYS_futex, &word->v, FUTEX_WAIT_BITSET, expected,
                     deadline_ns == INT64_MAX ? NULL : &t, NULL, FUTEX_BITSET_MATCH_ANY);
    return r < 0 ? -errno : 0;
}

/* Wake up to `count` sleepers (INT_MAX: all); returns how many, or a negative errno. */
static inline int futex_wake(struct au32 *word, int count)
{
    long r = syscall(SYS_futex, &word->v, FUTEX_WAKE, count, NULL, NULL, 0);
    return r < 0 ? -errno : (int)r;
}

/*
 * Add 1 << shift to *other and wake all who sleep on *word, in one step: a process is killed before
 * it or after it, not in between. How many were woken; or a negative errno, and neither was done.
 */
static inline int futex_add_and_wake(struct au32 *word, struct au32 *other, uint32_t shift)
{
    uint32_t op = (uint32_t)(FUTEX_OP_ADD | FUTEX_OP_OPARG_SHIFT) << 28 |
                  (uint32_t)FUTEX_OP_CMP_EQ << 24 | shift << 12;
    long r = syscall(SYS_futex, &word->v, FUTEX_WAKE_OP, INT_MAX, 0L, &other->v, op);
    return r < 0 ? -errno : (int)r;
}

/*
 * Set *word to 0 and wake all who sleep on it, in one step: a process is killed or stopped before
 * it or after it, not in between. How many were woken, or a negative errno.
 */
static inline int futex_clear_and_wake(struct au32 *word)
{
    uint32_t op = (uint32_t)FUTEX_OP_SET << 28 | (uint32_t)FUTEX_OP_CMP_EQ << 24;
    long r = syscall(SYS_futex, &word->v, FUTEX_WAKE_OP, INT_MAX, 0L, &word->v, op);
    return r < 0 ? -errno : (int)r;
}

#endif
