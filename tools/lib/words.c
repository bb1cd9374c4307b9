/* SPDX-License-Identifier: MIT */
#include "words.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

int words_start(struct words *w, const char *column)
{
    *w = (struct words){ .column = strdup(column) };
    return w->column ? 0 : -ENOMEM;
}

void words_free(struct words *w)
{
    for (uint32_t i = 0; i < w->count; i++)
        free(w->word[i]);
    free(w->word);
    free(w->table);
    free(w->column);
    *w = (struct words){ .column = NULL };
}

/* FNV-1a */
static uint32_t hash(const char *text, size_t size)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < size; i++)
        h = (h ^ (unsigned char)text[i]) * 16777619u;
    return h ^ h >> 15;
}

/* Where the word is in the table, or the empty place where it belongs. */
static uint32_t *place(const struct words *w, const char *text, size_t size)
{
    for (uint32_t at = hash(text, size);; at++) {
        uint32_t *p = &w->table[at & (w->table_size - 1)];
        if (!*p || (!strncmp(w->word[*p - 1], text, size) && !w->word[*p - 1][size]))
            return p;
    }
}

/* Make the table anew for the words there are, at most half full with one more. */
static int rehash(struct words *w, uint32_t size)
{
    uint32_t *table = calloc(size, sizeof *table);
    if (!table)
        return -ENOMEM;
    free(w->table);
    w->table = table;
    w->table_size = size;
    for (uint32_t i = 0; i < w->count; i++)
        *place(w, w->word[i], strlen(w->word[i])) = i + 1;
    return 0;
}

static int add(struct words *w, const char *text, size_t size)
{
    if (w->count == WORDS_MAX)
        return -E2BIG;
    if (w->count == w->capacity) {
        uint32_t wanted = w->capacity ? 2 * w->capacity : 16;
        char **word = realloc(w->word, wanted * sizeof *word);
        if (!word)
            return -ENOMEM;
        w->word = word;
        w->capacity = wanted;
    }
    char *copy = strndup(text, size);
    if (!copy)
        return -ENOMEM;
    w->word[w->count++] = copy;
    return 0;
}

int words_number(struct words *w, const char *text, size_t size, uint32_t *number)
{
    if (!w->is_fixed && 2 * (w->count + 1) > w->table_size) {
        int err = rehash(w, w->table_size ? 2 * w->table_size : 64);
        if (err)
            return err;
    }
    const char *end = memchr(text, 0, size); /* a word ends there, whatever comes behind it */
    size = end ? (size_t)(end - text) : size;
    uint32_t *p = place(w, text, size);
    if (!*p) {
        int err = w->is_fixed ? -ENOENT : add(w, text, size);
        if (err)
            return err;
        *p = w->count;
    }
    *number = *p - 1;
    return 0;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int words_sort(struct words *w, double *values, uint64_t count)
{
    char **old = malloc((w->count + 1) * sizeof *old);
    double *rank = malloc((w->count + 1) * sizeof *rank);
    int err = old && rank ? 0 : -ENOMEM;
    if (!err && w->count) {
        memcpy(old, w->word, w->count * sizeof *old);
        qsort(w->word, w->count, sizeof *w->word, by_bytes);
        err = rehash(w, w->table_size);
    }
    for (uint32_t i = 0; i < w->count && !err; i++)
        rank[i] = (double)(*place(w, old[i], strlen(old[i])) - 1);
    for (uint64_t i = 0; i < count && !err; i++)
        if (!isnan(values[i]))
            values[i] = rank[(uint32_t)values[i]];
    free(old);
    free(rank);
    return err;
}
