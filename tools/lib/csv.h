/* SPDX-License-Identifier: MIT */
/*
 * csv.h -- a whole CSV file as columns of doubles.
 *
 * RFC 4180: commas, "quoted ""fields""" that may hold commas and line ends, LF or CRLF, a last
 * line with or without its end. Also: if there is no comma in the first line, but semicolons, tabs
 * or |, the first kind of these parts the fields; a UTF-8 byte order mark and blank lines are
 * skipped, and spaces around a number do not matter.
 *
 * The first line is a header unless all of its fields are numbers; then the columns are called
 * "0", "1", ... A field that is empty, or NA, N/A, NaN, null, none or ? in any case, is missing.
 */
#ifndef CSV_H
#define CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "diag.h"
#include "filemap.h"
#include "words.h"

#define CSV_COLUMNS_MAX 65536
#define CSV_FIELD_MAX (1 << 20) /* a longer one is a file with a quote left open */

struct csv_options {
    bool text_only;      /* check the form and note where the rows are; convert nothing */
    bool missing_is_nan; /* else a missing value is an error */
    double largest;      /* numbers beyond +-this are errors; 0: only what does not fit a double */
    /* Columns of words: their values are the words' numbers, in the order of the words' bytes
     * unless the words are fixed; then another word is an error, or missing if that is none. */
    struct words *words;
    uint32_t words_count;
    const char *ignored; /* a column whose values do not matter, whatever it says; or NULL */
    bool ignored_may_lack;
    const char *dropped; /* "NAME,NAME": ignored, too, for csv_drop() to take out; or NULL */
    const char *if_word, *if_missing; /* what to do about a word, or a missing value; or NULL */
};

struct csv {
    struct filemap map;
    uint32_t cols;
    uint64_t rows;
    bool has_header;
    char **names;        /* cols */
    double *values;      /* column j starts at values + j * capacity; NULL with text_only */
    uint64_t capacity;   /* room for rows */
    uint64_t *starts;    /* with text_only: offset of each row's first byte */
    uint64_t header_end; /* the header is the text [header_start, header_end) */
    uint64_t header_start;
};

/*
 * Read `path` ("-": standard input). On an error diag says what, with line and column.
 *   -EINVAL  empty, ragged, text in a number, a missing value, too large    -ENOMEM
 *   and those of filemap_open()
 */
int csv_read(struct csv *csv, const char *path, const struct csv_options *options,
             struct diag *diag);
/* The same of bytes that are there already; they are csv's from now on, also after an error. */
int csv_parse(struct csv *csv, struct filemap *map, const struct csv_options *options,
              struct diag *diag);
void csv_free(struct csv *csv);

static inline const double *csv_column(const struct csv *csv, uint32_t column)
{
    return csv->values + column * csv->capacity;
}

/* The column of that name. -EINVAL: none, or two; diag names those there are. */
int csv_find(const struct csv *csv, const char *name, uint32_t *column, struct diag *diag);

/* Take the columns "NAME,NAME" out of the table. -EINVAL: not there, or nothing would be left. */
int csv_drop(struct csv *csv, const char *names, struct diag *diag);

/* The text of a row as it stands in the file, without its line end. Needs text_only. */
const char *csv_row_text(const struct csv *csv, uint64_t row, size_t *size);

#endif
