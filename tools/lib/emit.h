/* SPDX-License-Identifier: MIT */
/*
 * emit.h -- an answer, told once, printed as aligned text or as JSON.
 *
 *     emit_start(&e, stdout, format, exact)
 *     record:  emit_object(&e, NULL) -> emit_size(&e, "size", "size", n) ... -> emit_object_end
 *     list:    emit_list(&e, "models") -> { emit_row -> fields -> emit_row_end } -> emit_list_end
 *
 * Each field has a `key` for JSON and a `title` for people; NULL leaves it out there. Text shows a
 * record as lines "title  value" and a list as a table. JSON shows a list without a key, outside
 * any object, as one object a line; elsewhere as an array.
 */
#ifndef EMIT_H
#define EMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define EMIT_COLUMNS_MAX 24
#define EMIT_DEPTH_MAX 8

enum emit_format { EMIT_TEXT, EMIT_JSON };

struct emit {
    FILE *out;
    enum emit_format format;
    bool exact; /* sizes as bytes, also in text */
    int error;  /* -ENOMEM: a table was lost; else 0 */
    /* JSON: how deep, and whether something stands there already. */
    int depth;
    bool has_items[EMIT_DEPTH_MAX];
    bool in_list, is_lines;
    /* Text: the cells of a table until its widths are known. */
    const char *titles[EMIT_COLUMNS_MAX];
    bool is_number[EMIT_COLUMNS_MAX];
    char **cells;
    size_t rows, cells_capacity;
    int columns, column;
};

void emit_start(struct emit *e, FILE *out, enum emit_format format, bool exact);

void emit_object(struct emit *e, const char *key);
void emit_object_end(struct emit *e);
void emit_list(struct emit *e, const char *key);
void emit_list_end(struct emit *e);
void emit_row(struct emit *e);
void emit_row_end(struct emit *e);

void emit_string(struct emit *e, const char *key, const char *title, const char *value);
void emit_uint(struct emit *e, const char *key, const char *title, uint64_t value);
void emit_int(struct emit *e, const char *key, const char *title, int64_t value);
/* Several numbers: an array in JSON, "16512, 8" in text. */
void emit_uints(struct emit *e, const char *key, const char *title, const uint64_t *values,
                size_t count);
void emit_bool(struct emit *e, const char *key, const char *title, bool value);
/* Bytes: exact in JSON, in units in text. */
void emit_size(struct emit *e, const char *key, const char *title, uint64_t bytes);
/* Text shows `decimals` digits after the point; JSON all that matter. NaN and infinity are null. */
void emit_double(struct emit *e, const char *key, const char *title, double value, int decimals);
/* As emit_double(), but JSON always has 17 significant digits. */
void emit_double17(struct emit *e, const char *key, const char *title, double value, int decimals);
/* Seconds: a number in JSON, in units in text. */
void emit_duration(struct emit *e, const char *key, const char *title, double seconds);

/* Characters of a text, which bytes that are no UTF-8 are, too: how wide it is on most terminals. */
int emit_width(const char *text);
/* A JSON string with its quotes; bytes that are not UTF-8 become U+FFFD. */
void emit_json_string(FILE *out, const char *text);
/* The shortest decimal text that strtod() reads back as exactly x. Returns text. */
#define EMIT_DOUBLE_TEXT 32
const char *emit_shortest(double x, char text[EMIT_DOUBLE_TEXT]);

#endif
