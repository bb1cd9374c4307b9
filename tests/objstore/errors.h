/* SPDX-License-Identifier: MIT */
/* errors.h of the store: what its errors are provoked on, and the tables of test_errors.c. */
#ifndef OBJSTORE_TEST_ERRORS_H
#define OBJSTORE_TEST_ERRORS_H

#include "../support/errors.h"
#include "help.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>

#define CAPACITY (1u << 20)

/* Made anew for each row. */
extern struct given {
    struct objstore *store, *read_only, *other; /* three handles on one store */
    struct objstore_id zero, absent, sealed, unsealed, theirs; /* unsealed: store's; theirs: other's */
    char path[80];        /* where there is no store yet */
    struct objstore *out; /* what given_open() opened */
} given;

void given_set_up(void);
void given_tear_down(void);
/* Open given.path; an error comes with words. */
int given_open(uint32_t flags, uint64_t capacity);

extern const struct error_row errors_open[], errors_write[], errors_read[], errors_look[],
    errors_events[], errors_spill[];

#endif
