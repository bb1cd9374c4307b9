/* SPDX-License-Identifier: MIT */
/*
 * csv.c -- two readers of one grammar.
 *
 * next_field() knows the whole grammar. Rows of plain numbers, which is nearly all there is, go
 * through read_plain_row(), which only accepts number, separator, number, ..., line end; at anything
 * else the row is read again by read_row(), which finds out what it is.
 */
#define _GNU_SOURCE
#include "csv.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "number.h"

#define SHOWN_MAX 40 /* bytes of an offending field that a message shows */

struct reader {
    struct csv *csv;
    const struct csv_options *options;
    struct diag *diag;
    const char *p, *end;
    uint64_t line;        /* of p, from 1 */
    char separator;       /* of fields */
    bool *is_ignored;     /* of each column; NULL: none is */
    struct words **words; /* of each column, or NULL; all NULL: no column has words */
    char *unquoted;       /* room for a word with quotes in it */
};

/* A field of a row: its text (in the file, or unquoted in a buffer) and what follows it. */
struct field {
    const char *text;
    size_t size;
    bool ends_row;
    bool is_quoted;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_line_end(const struct reader *r, const char *p)
{
    return p == r->end || *p == '\n' || (*p == '\r' && (p + 1 == r->end || p[1] == '\n'));
}

/* Past the line end at p. */
static const char *skip_line_end(const struct reader *r, const char *p)
{
    if (p < r->end && *p == '\r')
        p++;
    return p < r->end && *p == '\n' ? p + 1 : p;
}

/* The closing quote of the field that opens at p, or NULL. Counts the lines inside. */
static const char *closing_quote(struct reader *r, const char *p)
{
    for (const char *q = p + 1; q < r->end && q - p < CSV_FIELD_MAX; q++) {
        r->line += *q == '\n';
        if (*q != '"')
            continue;
        if (q + 1 == r->end || q[1] != '"')
            return q;
        q++;
    }
    return NULL;
}

static int next_field(struct reader *r, struct field *f)
{
    const char *p = r->p;
    uint64_t line = r->line;
    if (p < r->end && *p == '"') {
        const char *q = closing_quote(r, p);
        if (!q)
            return diag_set(r->diag, -EINVAL, "line %llu: a quote is not closed",
                            (unsigned long long)line);
        *f = (struct field){ p + 1, (size_t)(q - p - 1), false, true };
        p = q + 1;
        if (p < r->end && *p != r->separator && !is_line_end(r, p))
            return diag_set(r->diag, -EINVAL, "line %llu: text after a closing quote",
                            (unsigned long long)r->line);
    } else {
        while (p < r->end && *p != r->separator && *p != '\n' && !is_line_end(r, p))
            p++;
        *f = (struct field){ r->p, (size_t)(p - r->p), false, false };
    }
    f->ends_row = p == r->end || *p != r->separator;
    if (f->ends_row) {
        p = skip_line_end(r, p);
        r->line++;
    } else {
        p++;
    }
    r->p = p;
    return 0;
}

static void skip_blank_lines(struct reader *r)
{
    while (r->p < r->end && is_line_end(r, r->p)) {
        r->p = skip_line_end(r, r->p);
        r->line++;
    }
}

static void trim(struct field *f)
{
    while (f->size && is_blank(*f->text))
        f->text++, f->size--;
    while (f->size && is_blank(f->text[f->size - 1]))
        f->size--;
}

enum number_kind { NOT_A_NUMBER, DIGITS, INFINITY_WORD };

static enum number_kind read_number(struct field f, double *value)
{
    trim(&f);
    const char *end = f.text + f.size;
    const char *p = number_parse(f.text, end, value);
    if (p && p == end)
        return DIGITS;
    const char *word = f.text;
    bool is_negative = f.size && *word == '-';
    if (f.size && (*word == '-' || *word == '+'))
        word++;
    size_t size = (size_t)(end - word);
    if ((size != 3 || strncasecmp(word, "inf", 3)) &&
        (size != 8 || strncasecmp(word, "infinity", 8)))
        return NOT_A_NUMBER;
    *value = is_negative ? -HUGE_VAL : HUGE_VAL;
    return INFINITY_WORD;
}

static bool is_missing(struct field f)
{
    static const char *const words[] = { "", "na", "n/a", "nan", "-nan", "null", "none", "?" };
    trim(&f);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (f.size == strlen(words[i]) && !strncasecmp(f.text, words[i], f.size))
            return true;
    return false;
}

/* The field for a message: short, and nothing in it that a terminal obeys. */
static const char *shown(struct field f, char text[SHOWN_MAX + 4])
{
    size_t n = f.size < SHOWN_MAX ? f.size : SHOWN_MAX;
    for (size_t i = 0; i < n; i++)
        text[i] = (char)((unsigned char)f.text[i] < 0x20 || f.text[i] == 0x7f ? '?' : f.text[i]);
    memcpy(text + n, f.size > n ? "..." : "", f.size > n ? 4 : 1);
    return text;
}

static int bad_value(struct reader *r, uint64_t line, uint32_t column, const char *what,
                     const char *advice)
{
    return diag_set(r->diag, -EINVAL, "line %llu, column '%s': %s%s%s%s", (unsigned long long)line,
                    r->csv->names[column], what, advice ? " (" : "", advice ? advice : "",
                    advice ? ")" : "");
}

/* The text that a field stands for: "" inside of quotes is one. */
static int unquote(struct reader *r, struct field *f)
{
    if (!f->is_quoted || !memchr(f->text, '"', f->size))
        return 0;
    char *text = realloc(r->unquoted, f->size);
    if (!text)
        return diag_set(r->diag, -ENOMEM, "not enough memory");
    r->unquoted = text;
    size_t n = 0;
    for (size_t i = 0; i < f->size; i++) {
        text[n++] = f->text[i];
        i += f->text[i] == '"';
    }
    f->text = text;
    f->size = n;
    return 0;
}

static int convert_word(struct reader *r, struct field f, uint64_t line, uint32_t column,
                        double *value)
{
    char text[SHOWN_MAX + 4], what[SHOWN_MAX + 64];
    uint32_t number = 0;
    int err = unquote(r, &f);
    if (err)
        return err;
    if (!f.is_quoted)
        trim(&f);
    err = words_number(r->words[column], f.text, f.size, &number);
    *value = number;
    if (err == -ENOENT && r->options->missing_is_nan) {
        *value = NAN;
        return 0;
    }
    if (err == -ENOMEM)
        return diag_set(r->diag, err, "not enough memory");
    if (!err)
        return 0;
    snprintf(what, sizeof what,
             err == -ENOENT ? "the model knows no '%s' here" : "too many different words with '%s'",
             shown(f, text));
    return bad_value(r, line, column, what, NULL);
}

/* Where fields are parted otherwise, as Excel does it in half of Europe. */
static bool is_with_decimal_comma(const struct reader *r, struct field f)
{
    const char *comma = r->separator == ',' ? NULL : memchr(f.text, ',', f.size);

    return comma && (size_t)(comma + 1 - f.text) < f.size && comma[1] >= '0' && comma[1] <= '9';
}

static int convert(struct reader *r, struct field f, uint64_t line, uint32_t column, double *value)
{
    char text[SHOWN_MAX + 4], what[SHOWN_MAX + 64];
    if (r->is_ignored && r->is_ignored[column]) {
        *value = 0;
        return 0;
    }
    if (is_missing(f)) {
        *value = NAN;
        return r->options->missing_is_nan
                   ? 0
                   : bad_value(r, line, column, "the value is missing", r->options->if_missing);
    }
    if (r->words && r->words[column])
        return convert_word(r, f, line, column, value);
    enum number_kind kind = read_number(f, value);
    double largest = r->options->largest;
    if (kind != NOT_A_NUMBER && (largest == 0 || fabs(*value) <= largest) &&
        (kind == INFINITY_WORD || !isinf(*value)))
        return 0;
    snprintf(what, sizeof what, "'%s' is %s", shown(f, text),
             kind == NOT_A_NUMBER ? "not a number" : "too large a number");
    return bad_value(r, line, column, what,
                     kind != NOT_A_NUMBER          ? NULL
                     : is_with_decimal_comma(r, f) ? "a number has a point, not a comma"
                                                   : r->options->if_word);
}

static int ragged(struct reader *r, uint64_t line, uint32_t fields)
{
    return diag_set(r->diag, -EINVAL, "line %llu: %s%u fields, where the first line has %u",
                    (unsigned long long)line, fields > r->csv->cols ? "more than " : "",
                    fields > r->csv->cols ? r->csv->cols : fields, r->csv->cols);
}

/* One row by the whole grammar; into row `row` of the columns unless text_only. */
static int read_row(struct reader *r, uint64_t row)
{
    struct csv *csv = r->csv;
    uint64_t line = r->line;
    struct field f = { .ends_row = false };
    uint32_t column = 0;
    for (; !f.ends_row; column++) {
        uint64_t field_line = r->line;
        int err = next_field(r, &f);
        if (err)
            return err;
        if (column == csv->cols)
            return ragged(r, line, column + 1);
        if (csv->values)
            err = convert(r, f, field_line, column, &csv->values[column * csv->capacity + row]);
        if (err)
            return err;
    }
    return column == csv->cols ? 0 : ragged(r, line, column);
}

/* One row if it is nothing but numbers; false, and nothing has happened, if it is not. */
static inline bool read_plain_row(struct reader *r, uint64_t row)
{
    struct csv *csv = r->csv;
    const char *p = r->p, *end = r->end;
    double largest = r->options->largest > 0 ? r->options->largest : HUGE_VAL;
    char separator = r->separator;
    double *out = csv->values + row;
    for (uint32_t column = 0; column < csv->cols; column++, out += csv->capacity) {
        p = number_parse(p, end, out);
        if (!p || p == end || fabs(*out) > largest || isinf(*out))
            return false;
        if (column + 1 < csv->cols && *p++ != separator)
            return false;
    }
    if (*p == '\r' && p + 1 < end)
        p++;
    if (*p != '\n')
        return false;
    r->p = p + 1;
    r->line++;
    return true;
}

static int add_name(struct csv *csv, struct field f, uint32_t column)
{
    char **names = csv->names;
    if ((column & (column - 1)) == 0) { /* room for a power of two */
        names = realloc(names, (column ? 2 * (size_t)column : 1) * sizeof *names);
        if (!names)
            return -ENOMEM;
        csv->names = names;
    }
    char *name = malloc(f.size + 16);
    if (!name)
        return -ENOMEM;
    if (!csv->has_header) {
        snprintf(name, 16, "%u", column);
    } else {
        size_t n = 0;
        for (size_t i = 0; i < f.size; i++) {
            name[n++] = f.text[i];
            if (f.is_quoted && f.text[i] == '"')
                i++; /* "" is one quote */
        }
        name[n] = 0;
    }
    names[column] = name;
    csv->cols = column + 1;
    return 0;
}

/* The first line gives the number of columns, and their names if it is a header. */
static int read_header(struct reader *r)
{
    struct csv *csv = r->csv;
    struct reader start = *r;
    struct field f = { .ends_row = false };
    double ignored;
    uint32_t cols = 0;
    for (; !f.ends_row; cols++) {
        int err = next_field(r, &f);
        if (err)
            return err;
        if (cols == CSV_COLUMNS_MAX)
            return diag_set(r->diag, -EINVAL, "more than %d columns", CSV_COLUMNS_MAX);
        if (read_number(f, &ignored) == NOT_A_NUMBER && !is_missing(f))
            csv->has_header = true;
    }
    *r = start;
    csv->header_start = (uint64_t)(r->p - csv->map.data);
    f.ends_row = false;
    while (!f.ends_row) {
        int err = next_field(r, &f);
        if (!err && !f.is_quoted)
            trim(&f);
        if (!err && (err = add_name(csv, f, csv->cols)))
            diag_set(r->diag, err, "not enough memory");
        if (err)
            return err;
    }
    csv->header_end = (uint64_t)(f.text + f.size + f.is_quoted - csv->map.data);
    if (!csv->has_header) {
        *r = start;
        csv->header_end = csv->header_start;
    }
    return 0;
}

/* The first of a list of names: its size; *rest is what follows, NULL: nothing. */
static size_t first_name(const char *list, const char **rest)
{
    const char *comma = strchr(list, ',');

    *rest = comma ? comma + 1 : NULL;
    return comma ? (size_t)(comma - list) : strlen(list);
}

/* Mark the columns of a list. */
static int mark(const struct csv *csv, const char *list, bool *marks, struct diag *diag)
{
    const char *rest;
    for (; list; list = rest) {
        char *name = strndup(list, first_name(list, &rest));
        uint32_t column;
        int err = name ? csv_find(csv, name, &column, diag)
                       : diag_set(diag, -ENOMEM, "not enough memory");
        free(name);
        if (err)
            return err;
        marks[column] = true;
    }
    return 0;
}

static int find_ignored(struct reader *r)
{
    const struct csv_options *o = r->options;
    uint32_t column;
    if (!o->ignored && !o->dropped)
        return 0;
    r->is_ignored = calloc(r->csv->cols, sizeof *r->is_ignored);
    if (!r->is_ignored)
        return diag_set(r->diag, -ENOMEM, "not enough memory");
    int err = mark(r->csv, o->dropped, r->is_ignored, r->diag);
    if (!err && o->ignored) {
        err = csv_find(r->csv, o->ignored, &column, r->diag);
        if (!err)
            r->is_ignored[column] = true;
        else if (o->ignored_may_lack)
            err = 0;
    }
    return err;
}

/* Which columns have words. */
static int find_words(struct reader *r)
{
    const struct csv_options *o = r->options;
    if (!o->words_count || o->text_only)
        return 0;
    r->words = calloc(r->csv->cols, sizeof *r->words);
    if (!r->words)
        return diag_set(r->diag, -ENOMEM, "not enough memory");
    for (uint32_t i = 0; i < o->words_count; i++) {
        uint32_t column;
        int err = csv_find(r->csv, o->words[i].column, &column, r->diag);
        if (err && o->words[i].is_fixed)
            continue;
        if (err)
            return err;
        r->words[column] = &o->words[i];
        o->words[i].is_met = true;
    }
    return 0;
}

static int sort_words(struct reader *r)
{
    struct csv *csv = r->csv;
    for (uint32_t j = 0; r->words && j < csv->cols; j++)
        if (r->words[j] && !r->words[j]->is_fixed &&
            words_sort(r->words[j], csv->values + j * csv->capacity, csv->rows))
            return diag_set(r->diag, -ENOMEM, "not enough memory");
    return 0;
}

/*
 * Room for as many rows as there can be: not more than line ends, and a row of n columns takes
 * n bytes at least. So the columns never have more cells than the file has bytes; what is not
 * used is not touched, so it costs no memory.
 */
static int make_room(struct reader *r)
{
    struct csv *csv = r->csv;
    uint64_t lines = 1;
    for (const char *p = r->p; (p = memchr(p, '\n', (size_t)(r->end - p))); p++)
        lines++;
    uint64_t by_size = (uint64_t)(r->end - r->p) / csv->cols + 1;
    csv->capacity = lines < by_size ? lines : by_size;
    size_t bytes;
    if (r->options->text_only) {
        csv->starts = calloc(csv->capacity, sizeof *csv->starts);
    } else if (!__builtin_mul_overflow(csv->capacity * csv->cols, sizeof *csv->values, &bytes)) {
        csv->values = malloc(bytes);
    }
    return csv->starts || csv->values ? 0 : diag_set(r->diag, -ENOMEM, "not enough memory");
}

/* A comma, unless the first line has none, but others of what is used for it. */
static void find_separator(struct reader *r)
{
    static const char usual[] = ",;\t|";
    for (const char *c = usual; *c; c++) {
        struct diag ignored;
        struct reader trial = *r;
        struct field f;
        trial.diag = &ignored;
        trial.separator = *c;
        if (!next_field(&trial, &f) && !f.ends_row) {
            r->separator = *c;
            return;
        }
    }
}

static int read_all(struct reader *r)
{
    struct csv *csv = r->csv;
    if (r->end - r->p >= 3 && !memcmp(r->p, "\xef\xbb\xbf", 3))
        r->p += 3;
    skip_blank_lines(r);
    if (r->p == r->end)
        return diag_set(r->diag, -EINVAL, "the file is empty");
    find_separator(r);
    int err = read_header(r);
    if (!err)
        err = find_ignored(r);
    if (!err)
        err = find_words(r);
    if (!err)
        err = make_room(r);
    while (!err) {
        skip_blank_lines(r);
        if (r->p == r->end)
            break;
        if (csv->starts)
            csv->starts[csv->rows] = (uint64_t)(r->p - csv->map.data);
        if (csv->starts || r->words || !read_plain_row(r, csv->rows))
            err = read_row(r, csv->rows);
        csv->rows++;
    }
    if (!err && csv->rows == 0)
        err = diag_set(r->diag, -EINVAL, "there is a header and no row");
    return err ? err : sort_words(r);
}

int csv_read(struct csv *csv, const char *path, const struct csv_options *options,
             struct diag *diag)
{
    struct filemap map;
    memset(csv, 0, sizeof *csv);
    int err = filemap_open(&map, path, diag);
    return err ? err : csv_parse(csv, &map, options, diag);
}

int csv_parse(struct csv *csv, struct filemap *map, const struct csv_options *options,
              struct diag *diag)
{
    memset(csv, 0, sizeof *csv);
    csv->map = *map;
    *map = (struct filemap){ NULL, 0, false };
    struct reader r = { .csv = csv,
                        .options = options,
                        .diag = diag,
                        .p = csv->map.data,
                        .end = csv->map.data + csv->map.size,
                        .line = 1,
                        .separator = ',' };
    int err = read_all(&r);
    free(r.is_ignored);
    free(r.words);
    free(r.unquoted);
    if (err) {
        csv_free(csv);
    } else if (!options->text_only) {
        filemap_close(&csv->map);
    }
    return err;
}

void csv_free(struct csv *csv)
{
    for (uint32_t i = 0; i < csv->cols; i++)
        free(csv->names[i]);
    free(csv->names);
    free(csv->values);
    free(csv->starts);
    filemap_close(&csv->map);
    memset(csv, 0, sizeof *csv);
}

int csv_find(const struct csv *csv, const char *name, uint32_t *column, struct diag *diag)
{
    uint32_t found = 0, at = 0;
    for (uint32_t i = 0; i < csv->cols; i++)
        if (!strcmp(csv->names[i], name)) {
            at = i;
            found++;
        }
    if (found == 1) {
        *column = at;
        return 0;
    }
    if (found)
        return diag_set(diag, -EINVAL, "%u columns are called '%s'", found, name);
    char all[240] = "";
    size_t used = 0;
    for (uint32_t i = 0; i < csv->cols && used < sizeof all; i++)
        used +=
            (size_t)snprintf(all + used, sizeof all - used, "%s%s", i ? ", " : "", csv->names[i]);
    return diag_set(diag, -EINVAL, "no column '%s'; there are: %s%s", name, all,
                    used >= sizeof all ? "..." : "");
}

int csv_drop(struct csv *csv, const char *names, struct diag *diag)
{
    bool *is_dropped = calloc(csv->cols, sizeof *is_dropped);
    int err = is_dropped ? mark(csv, names, is_dropped, diag)
                         : diag_set(diag, -ENOMEM, "not enough memory");
    uint32_t kept = 0;
    for (uint32_t j = 0; !err && j < csv->cols; j++) {
        if (is_dropped[j]) {
            free(csv->names[j]);
            continue;
        }
        csv->names[kept] = csv->names[j];
        if (kept < j)
            memcpy(csv->values + kept * csv->capacity, csv_column(csv, j),
                   csv->rows * sizeof *csv->values);
        kept++;
    }
    if (!err)
        csv->cols = kept;
    free(is_dropped);
    return err || kept ? err : diag_set(diag, -EINVAL, "no column is left");
}

const char *csv_row_text(const struct csv *csv, uint64_t row, size_t *size)
{
    const char *p = csv->map.data + csv->starts[row];
    const char *end = csv->map.data + csv->map.size;
    bool is_quoted = false;
    const char *q = p;
    for (; q < end && (is_quoted || *q != '\n'); q++)
        is_quoted ^= *q == '"';
    *size = (size_t)(q - p) - (q > p && q[-1] == '\r');
    return p;
}
