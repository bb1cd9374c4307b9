/* SPDX-License-Identifier: MIT */
#include "test.h"

uint64_t test_seed = 1;

int test_main(const char *suite, const struct test *tests, size_t count, int argc, char **argv)
{
    const char *pattern = argc > 1 ? argv[1] : "";
    const char *seed = getenv("SEED");
    if (seed)
        test_seed = strtoull(seed, NULL, 0);
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (CU_initialize_registry() != CUE_SUCCESS)
        return 3;
    CU_pSuite s = CU_add_suite(suite, NULL, NULL);
    size_t added = 0;
    for (size_t i = 0; s && i < count; i++)
        if (strstr(tests[i].name, pattern))
            added += CU_add_test(s, tests[i].name, tests[i].run) != NULL;
    if (!added) {
        fprintf(stderr, "%s: no test matches '%s'\n", suite, pattern);
        return 3;
    }
    printf("seed %llu\n", (unsigned long long)test_seed);
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    unsigned failed = CU_get_number_of_failures() + CU_get_number_of_tests_failed();
    CU_cleanup_registry();
    return failed ? 1 : 0;
}
