/* SPDX-License-Identifier: MIT */
/*
 * coverage.c -- in the coverage build, count the lines of forked children that end with _exit().
 *
 * gcc writes its counts at exit(). Children of tests must not run that (CUnit's summary would
 * appear twice), so here their _exit() writes the counts and then ends. Those of a child that is
 * killed are lost.
 */
#ifdef COVERAGE
#include <sys/syscall.h>
#include <unistd.h>

void __gcov_dump(void);

void _exit(int status)
{
    __gcov_dump();
    for (;;)
        syscall(SYS_exit_group, status);
}
#else
typedef int coverage_is_off; /* ISO C wants something in a file */
#endif
