/* SPDX-License-Identifier: MIT */
/* prepared.c -- the public face of prep.c. */
#include "prepared.h"

#include <errno.h>
#include <stdlib.h>

#include "model/layout.h"
#include "matrix.h"

#define ROWS_MAX INT32_MAX

static int check(const struct forest_matrix *x, const size_t *bytes)
{
    int err = matrix_check(x);

    return err ? err : x->rows > ROWS_MAX || !bytes ? -EINVAL : 0;
}

static struct prep_source source_of(const struct forest_matrix *x)
{
    return (struct prep_source){
        .data = x->data,
        .is_double = x->dtype == FOREST_FLOAT64,
        .rows = x->rows,
        .cols = x->cols,
        .row_stride = x->row_stride,
        .col_stride = x->col_stride,
    };
}

int forest_prepared_size(const struct forest_matrix *x, size_t *bytes)
{
    int err = check(x, bytes);

    return err ? err : prep_bytes(x->rows, x->cols, bytes);
}

int forest_bin_size(const struct forest_matrix *x, size_t *bytes)
{
    int err = check(x, bytes);

    return err ? err : bins_bytes(x->rows, x->cols, bytes);
}

int forest_prepare(const struct forest_matrix *x, void *block, size_t bytes)
{
    size_t needed;
    int err = forest_prepared_size(x, &needed);

    if (err)
        return err;
    if (!block || (uintptr_t)block % LAYOUT_ALIGN || bytes != needed)
        return -EINVAL;
    struct prep_source source = source_of(x);
    return prep_build(&source, block, bytes);
}

int forest_bin(const struct forest_matrix *x, void *block, size_t bytes)
{
    size_t needed;
    int err = forest_bin_size(x, &needed);

    if (err)
        return err;
    if (!block || (uintptr_t)block % LAYOUT_ALIGN || bytes != needed)
        return -EINVAL;
    struct prep_source source = source_of(x);
    return bins_build(&source, block, bytes);
}

static int open_block(const void *block, size_t bytes, bool is_own, struct forest_prepared **out)
{
    struct forest_prepared open = { .is_binned = block && bins_are(block, bytes) };
    int err = !block || !out   ? -EINVAL
              : open.is_binned ? bins_open(block, bytes, &open.bins)
              : is_own         ? prep_view(block, bytes, &open.prep)
                               : prep_open(block, bytes, &open.prep);

    if (open.is_binned) {
        open.prep.rows = open.bins.rows;
        open.prep.features = open.bins.features;
    }
    if (err)
        return err;
    struct forest_prepared *prepared = calloc(1, sizeof *prepared + sizeof *prepared->more);
    if (!prepared)
        return -ENOMEM;
    *prepared = open;
    prepared->more = (struct prepared_more *)(void *)(prepared + 1);
    *out = prepared;
    return 0;
}

int forest_prepared_open(const void *block, size_t bytes, struct forest_prepared **out)
{
    return open_block(block, bytes, false, out);
}

int prepared_own(const struct forest_matrix *x, uint32_t mode,
                 const struct forest_executor *executor, void *block, size_t bytes,
                 struct forest_prepared **out)
{
    struct prep_source source = source_of(x);
    source.executor = executor;
    source.lacks_near = mode == FOREST_FAST;
    int err = mode == FOREST_HISTOGRAM ? bins_build(&source, block, bytes)
                                       : prep_build(&source, block, bytes);
    return err ? err : open_block(block, bytes, true, out);
}

void forest_prepared_close(struct forest_prepared *prepared)
{
    if (!prepared)
        return;
    /* nobody else is left */
    free((void *)(uintptr_t)au64_load_relaxed(&prepared->more->levels));
    free((void *)(uintptr_t)au64_load_relaxed(&prepared->more->codes));
    free(prepared);
}

static void *make_levels(const struct prep *prep)
{
    return levels_make(prep);
}

static void *make_codes(const struct prep *prep)
{
    return codes_make(prep);
}

static const void *made(struct au64 *word, const struct prep *prep,
                        void *(*make)(const struct prep *prep))
{
    /* pairs with the exchange below, in whichever thread it was */
    uint64_t there = au64_load_acquire(word);

    if (!there) {
        void *mine = make(prep);
        /* acquires what another made, or releases what we did */
        if (mine && au64_cas_acq_rel(word, &there, (uintptr_t)mine))
            return mine;
        free(mine);
    }
    return (const void *)(uintptr_t)there;
}

const struct levels *prepared_levels(const struct forest_prepared *prepared)
{
    return made(&prepared->more->levels, &prepared->prep, make_levels);
}

const struct codes *prepared_codes(const struct forest_prepared *prepared)
{
    return made(&prepared->more->codes, &prepared->prep, make_codes);
}

uint64_t forest_prepared_rows(const struct forest_prepared *prepared)
{
    return prepared->prep.rows;
}

uint64_t forest_prepared_cols(const struct forest_prepared *prepared)
{
    return prepared->prep.features;
}
