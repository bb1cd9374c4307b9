/* SPDX-License-Identifier: MIT */
/*
 * share.h -- the data of one run: arrays in an object store, put there once by the driver and read
 * in place by every worker.
 */
#ifndef SHARE_H
#define SHARE_H

#include <stdbool.h>
#include <stdint.h>

#include "dataset.h"
#include "forest.h"
#include "objstore.h"

/* What train_test_split() returns, and the form of x_train that training wants. */
enum array { X_TRAIN, X_TEST, Y_TRAIN, Y_TEST, PREPARED, ARRAYS };

struct share {
    struct objstore *store;
    const char *where;          /* name or path of the store; NULL: nameless */
    int fd;                     /* of the store, for workers */
    char run[OBJSTORE_ID_TEXT]; /* ids are made from this and a name, so runs in one store do not
                                   meet */
    struct objstore_id id[ARRAYS];
    struct objstore_meta meta[ARRAYS];
    struct objstore_view view[ARRAYS];
    unsigned present;                /* bit i: array i is in the store */
    char tree_key[OBJSTORE_ID_TEXT]; /* "": trees belong to one model; see share_reuse_trees() */
    uint64_t train_rows, test_rows;
    uint32_t mode; /* enum forest_mode: what `prepared` is for */
    uint32_t features;
};

/*
 * Fill a new share from `data`: open the store (see objstore_open(); NULL for a nameless one) with
 * room for the arrays and `extra_bytes` more, and put the arrays. `order` is that of
 * forest_train_test_split(); with NULL all rows are for training. Complains on stderr.
 */
int share_open(struct share *share, const char *where, uint64_t extra_bytes,
               const struct dataset *data, uint32_t mode, const uint32_t *order,
               uint64_t test_count);
/* In a forked worker: a handle and views of its own, in place of the inherited ones. */
int share_attach(struct share *share);
/* Give views and handle back; the driver also deletes the arrays. */
void share_detach(struct share *share);
void share_close(struct share *share);

struct forest_matrix share_test_matrix(const struct share *share);
struct forest_matrix share_train_matrix(const struct share *share);

/*
 * From here on a tree is named by what it is a function of (the training rows, the parameters but
 * n_estimators, its number), so that all models have it in common, and later runs in the same store
 * with them: nobody deletes it. Call it before the workers start.
 */
void share_reuse_trees(struct share *share, const struct forest_params *params);
/* The object that holds tree `tree` of the model with `n_estimators` trees, and its tag. */
void share_tree_id(const struct share *share, uint32_t n_estimators, uint32_t tree,
                   struct objstore_id *id);
const char *share_tree_tag(const struct share *share);

#endif
