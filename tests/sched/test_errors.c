/* SPDX-License-Identifier: MIT */
/*
 * Every error that wsched.h documents, provoked: one row for each call and error, in tables by
 * subject (errors_*.c). The header is read, and an error that it names and no row provokes fails
 * the test.
 */
#include "errors.h"

static const struct error_row *const tables[] = { errors_pools,   errors_guests, errors_tasks,
                                                  errors_ends,    errors_streams, errors_actors,
                                                  errors_jobs,    errors_look,   NULL };

static void each_row(void)
{
    for (const struct error_row *const *table = tables; *table; table++)
        for (const struct error_row *row = *table; row->call; row++) {
            given_set_up();
            errors_provoke(row);
            given_tear_down();
        }
}

static void each_error_of_the_header(void)
{
    errors_check_header("libsched/include/wsched.h", "WSCHED_", tables, 100);
}

TESTS("wsched: errors", { "each call gives each of its errors", each_row },
      { "each error that the header documents has a row", each_error_of_the_header })
