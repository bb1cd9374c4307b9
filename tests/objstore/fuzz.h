/* SPDX-License-Identifier: MIT */
/* fuzz.h -- every call there is, on a store that may be damaged; rounds of it, a child each. */
#ifndef OBJSTORE_TESTS_FUZZ_H
#define OBJSTORE_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "objstore.h"

enum { FUZZ_IDS = 48 }; /* objects 1 to FUZZ_IDS are asked for */

size_t fuzz_size(uint64_t n); /* of object n */
/* So many calls, whatever they answer. */
void fuzz_use(struct objstore *s, uint64_t *random, int calls);
/* Many objects read at once, so that pin tables have to be added. */
void fuzz_use_widely(struct objstore *s, uint64_t *random);
/*
 * FUZZ rounds, or for FUZZ_SECONDS of CPU time, or `otherwise` rounds; a child that crashes, runs
 * or sleeps for ever is a failure.
 */
void fuzz_rounds(void (*run)(uint64_t random), uint64_t otherwise);

#endif
