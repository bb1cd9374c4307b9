/* SPDX-License-Identifier: MIT */
/*
 * test.h -- a CUnit program in three lines:
 *
 *     static void seal_publishes(void) { CHECK(...); CHECK_EQ(a, b); }
 *     TESTS("store", { "a sealed object can be read by another process", seal_publishes })
 *
 * `program PATTERN` runs the tests whose names contain PATTERN; SEED=n in the environment
 * repeats a run. In a forked child use CHILD_CHECK and end with _exit(0): CUnit does not see a
 * child's failed assertion.
 */
#ifndef TEST_H
#define TEST_H

#include <CUnit/Basic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#undef CHECK /* a build's level of checks, which is nothing to tests */
#define CHECK(x) CU_ASSERT(x)
#define CHECK_EQ(a, b)                                                                         \
    do {                                                                                       \
        long long a_ = (long long)(a), b_ = (long long)(b);                                    \
        if (a_ != b_)                                                                          \
            fprintf(stderr, "%s:%d: %s is %lld, not %lld\n", __FILE__, __LINE__, #a, a_, b_);  \
        CU_ASSERT_EQUAL(a_, b_);                                                               \
    } while (0)
/* For what the rest of the test cannot do without. */
#define REQUIRE(x) CU_ASSERT_FATAL(x)
#define REQUIRE_OK(call)                                                                       \
    do {                                                                                       \
        int err_ = (call);                                                                     \
        if (err_ < 0)                                                                          \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #call, strerror(-err_));    \
        CU_ASSERT_FATAL(err_ >= 0);                                                            \
    } while (0)
#define CHILD_CHECK(x)                                                                         \
    do {                                                                                       \
        if (!(x)) {                                                                            \
            fprintf(stderr, "%s:%d: in a child: %s does not hold\n", __FILE__, __LINE__, #x);  \
            _exit(99);                                                                         \
        }                                                                                      \
    } while (0)

struct test {
    const char *name;
    void (*run)(void);
};

extern uint64_t test_seed; /* printed by every program; SEED=n sets it */
int test_main(const char *suite, const struct test *tests, size_t count, int argc, char **argv);

#define TESTS(suite, ...)                                                                      \
    int main(int argc, char **argv)                                                            \
    {                                                                                          \
        static const struct test tests_[] = { __VA_ARGS__ };                                   \
        return test_main(suite, tests_, sizeof tests_ / sizeof *tests_, argc, argv);           \
    }

/* A repeatable generator (splitmix64) for tests. */
static inline uint64_t test_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

#endif
