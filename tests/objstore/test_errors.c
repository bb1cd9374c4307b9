/* SPDX-License-Identifier: MIT */
/*
 * Every error that objstore.h documents, provoked: one row for each call and error, in tables by
 * subject (errors_*.c). The header is read, and an error that it names and no row provokes fails
 * the test.
 */
#include "errors.h"

static const struct error_row *const tables[] = { errors_open, errors_write,  errors_read,
                                                  errors_look, errors_events, errors_spill,
                                                  NULL };

static void each_row(void)
{
    for (const struct error_row *const *table = tables; *table; table++)
        for (const struct error_row *row = *table; row->call; row++) {
            void *again;

            given_set_up();
            errors_provoke(row);
            /* Nothing was changed by it. */
            CHECK_EQ(objstore_create(given.store, &given.absent, 1, NULL, &again), 0);
            CHECK_EQ(objstore_seal(given.store, &given.unsealed), 0);
            CHECK_EQ(objstore_seal(given.other, &given.theirs), 0);
            given_tear_down();
        }
}

static void each_error_of_the_header(void)
{
    errors_check_header("libobjstore/include/objstore.h", "OBJSTORE_", tables, 60);
}

TESTS("errors", { "each call gives each of its errors", each_row },
      { "each error that the header documents has a row", each_error_of_the_header })
