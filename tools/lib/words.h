/* SPDX-License-Identifier: MIT */
/* words.h -- the distinct words of a column, numbered. */
#ifndef WORDS_H
#define WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WORDS_MAX 65536u

struct words {
    char *column;
    char **word;
    uint32_t count, capacity;
    uint32_t *table; /* places in `word` plus 1, by hash; a power of two of them */
    uint32_t table_size;
    bool is_fixed; /* there will be no others; nothing changes any more, so that copies may be made */
    bool is_met;   /* there is such a column */
};

/* Of a column of that name; -ENOMEM. */
int words_start(struct words *w, const char *column);
void words_free(struct words *w);

/*
 * The number of a word, which is added if it is new.
 *   -ENOENT  it is new, and the words are fixed     -E2BIG  more than WORDS_MAX     -ENOMEM
 */
int words_number(struct words *w, const char *text, size_t size, uint32_t *number);

/* Number them anew in the order of their bytes, and so the values, `count` such numbers or NaN.
 * -ENOMEM */
int words_sort(struct words *w, double *values, uint64_t count);

#endif
