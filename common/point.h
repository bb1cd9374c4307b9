/* SPDX-License-Identifier: MIT */
/*
 * point.h -- named steps at which a test may kill, stop or delay the process.
 *
 * POINT("slot: sealed, waiters not woken") stands between two shared-memory steps. It is
 * nothing in the shipped libraries. In test builds it calls test_point, if a test has set one.
 */
#ifndef COMMON_POINT_H
#define COMMON_POINT_H

#ifdef TEST_POINTS
extern void (*test_point)(const char *name); /* defined in tests/support/point.c */
#define POINT(name)                \
    do {                           \
        if (test_point)            \
            test_point(name);      \
    } while (0)
#else
#define POINT(name) ((void)0)
#endif

#endif
