/* SPDX-License-Identifier: MIT */
/*
 * columns.h -- what a model knows of the table it was trained with: the names of its columns and
 * the words that stand for numbers in them. It is kept in the model's notes, as JSON:
 *
 *     {"format":"forest-columns","version":1,"target":{"name":"y","words":["no","yes"]},
 *      "features":[{"name":"age"},{"name":"colour","words":["blue","red"]}]}
 *
 * A word's number is its place, from 0, in the order of their bytes.
 */
#ifndef COLUMNS_H
#define COLUMNS_H

#include <stdint.h>

#include "diag.h"
#include "forest.h"
#include "words.h"

struct columns {
    struct words *feature; /* `column` is the name; no words: numbers */
    uint32_t count;        /* 0: the model says nothing */
    struct words target;   /* `column` NULL: none is known */
};

/* Those of a model; notes that are not ours are none. Errors: -ENOMEM, -EINVAL; diag says why. */
int columns_of_model(struct columns *c, const struct forest *model, struct diag *diag);
void columns_free(struct columns *c);

/* As the text of notes, malloc()ed. -ENOMEM */
int columns_text(const struct columns *c, char **text, size_t *size);

#endif
