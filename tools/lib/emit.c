/* SPDX-License-Identifier: MIT */
#include "emit.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "human.h"

#define VALUE_TEXT 64

void emit_start(struct emit *e, FILE *out, enum emit_format format, bool exact)
{
    memset(e, 0, sizeof *e);
    e->out = out;
    e->format = format;
    e->exact = exact;
}

const char *emit_shortest(double x, char text[EMIT_DOUBLE_TEXT])
{
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, EMIT_DOUBLE_TEXT, "%.*g", digits, x);
        if (strtod(text, NULL) == x)
            break;
    }
    return text;
}

/* Length of the valid UTF-8 sequence at p (NUL-terminated), or 0. */
static int utf8_length(const unsigned char *p)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    if (p[0] < 0x80)
        return 1;
    int n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return 0;
    uint32_t c = p[0] & (0x7fu >> n);
    for (int i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (p[i] & 0x3f);
    }
    return c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ? 0 : n;
}

void emit_json_string(FILE *out, const char *text)
{
    putc('"', out);
    for (const unsigned char *p = (const unsigned char *)text; *p;) {
        int n = utf8_length(p);
        if (n == 0)
            fputs("\\ufffd", out);
        else if (*p == '"' || *p == '\\')
            fprintf(out, "\\%c", *p);
        else if (*p == '\n' || *p == '\t')
            fputs(*p == '\n' ? "\\n" : "\\t", out);
        else if (*p < 0x20 || *p == 0x7f)
            fprintf(out, "\\u%04x", *p);
        else
            fwrite(p, 1, (size_t)n, out);
        p += n ? n : 1;
    }
    putc('"', out);
}

int emit_width(const char *text)
{
    int width = 0;
    for (const unsigned char *p = (const unsigned char *)text; *p; width++) {
        int n = utf8_length(p);
        p += n ? n : 1;
    }
    return width;
}

/* ---- JSON -------------------------------------------------------------------------- */

static void json_next(struct emit *e, const char *key)
{
    if (e->depth > 0) {
        if (e->has_items[e->depth])
            putc(',', e->out);
        e->has_items[e->depth] = true;
    }
    if (key) {
        emit_json_string(e->out, key);
        putc(':', e->out);
    }
}

static void json_open(struct emit *e, const char *key, char bracket)
{
    json_next(e, key);
    putc(bracket, e->out);
    if (e->depth + 1 < EMIT_DEPTH_MAX)
        e->depth++;
    e->has_items[e->depth] = false;
}

static void json_close(struct emit *e, char bracket)
{
    putc(bracket, e->out);
    if (--e->depth == 0)
        putc('\n', e->out);
}

/* ---- text -------------------------------------------------------------------------- */

/*
 * What a terminal may obey in somebody's object name must not reach it: controls, also those of two
 * bytes, and what is no UTF-8.
 */
static void clean(char *text)
{
    for (unsigned char *p = (unsigned char *)text; *p;) {
        int n = utf8_length(p);
        bool is_control = *p < 0x20 || *p == 0x7f || (*p == 0xc2 && p[1] < 0xa0);
        int bad = n == 0 ? 1 : is_control ? n : 0;
        memset(p, '?', (size_t)bad);
        p += n ? n : 1;
    }
}

static void table_cell(struct emit *e, const char *title, const char *value, bool is_number)
{
    if (e->column >= EMIT_COLUMNS_MAX)
        return;
    size_t at = e->rows * EMIT_COLUMNS_MAX + (size_t)e->column;
    if (at >= e->cells_capacity) {
        size_t capacity = (e->rows + 1) * 2 * EMIT_COLUMNS_MAX;
        char **cells = realloc(e->cells, capacity * sizeof *cells);
        if (!cells) {
            e->error = -ENOMEM;
            return;
        }
        memset(cells + e->cells_capacity, 0, (capacity - e->cells_capacity) * sizeof *cells);
        e->cells = cells;
        e->cells_capacity = capacity;
    }
    char *copy = strdup(value);
    if (!copy) {
        e->error = -ENOMEM;
        return;
    }
    clean(copy);
    e->cells[at] = copy;
    e->titles[e->column] = title;
    e->is_number[e->column] = is_number;
    if (++e->column > e->columns)
        e->columns = e->column;
}

static const char *cell(const struct emit *e, size_t row, int column)
{
    size_t at = row * EMIT_COLUMNS_MAX + (size_t)column;
    return at < e->cells_capacity && e->cells[at] ? e->cells[at] : "";
}

/* `owed`: spaces before what comes next in this line, if anything does. */
static void print_cell(const struct emit *e, const char *text, int width, int column, int *owed)
{
    int length = emit_width(text), before = e->is_number[column] ? width - length : 0;
    if (length) {
        fprintf(e->out, "%*s%s", *owed + before, "", text);
        *owed = -length - before;
    }
    *owed += width + 2;
    if (column == e->columns - 1) {
        fputc('\n', e->out);
        *owed = 0;
    }
}

static void table_print(struct emit *e)
{
    int width[EMIT_COLUMNS_MAX], owed = 0;
    for (int c = 0; c < e->columns; c++) {
        width[c] = emit_width(e->titles[c]);
        for (size_t r = 0; r < e->rows; r++)
            if (emit_width(cell(e, r, c)) > width[c])
                width[c] = emit_width(cell(e, r, c));
    }
    for (int c = 0; c < e->columns; c++)
        print_cell(e, e->titles[c], width[c], c, &owed);
    for (size_t r = 0; r < e->rows; r++)
        for (int c = 0; c < e->columns; c++)
            print_cell(e, cell(e, r, c), width[c], c, &owed);
    for (size_t i = 0; i < e->cells_capacity; i++)
        free(e->cells[i]);
    free(e->cells);
    e->cells = NULL;
    e->cells_capacity = e->rows = 0;
    e->columns = 0;
}

/* ---- both -------------------------------------------------------------------------- */

void emit_object(struct emit *e, const char *key)
{
    if (e->format == EMIT_JSON)
        json_open(e, key, '{');
}

void emit_object_end(struct emit *e)
{
    if (e->format == EMIT_JSON)
        json_close(e, '}');
}

void emit_list(struct emit *e, const char *key)
{
    e->in_list = true;
    e->is_lines = e->format == EMIT_JSON && e->depth == 0 && !key;
    if (e->format == EMIT_JSON && !e->is_lines)
        json_open(e, key, '[');
}

void emit_list_end(struct emit *e)
{
    e->in_list = false;
    if (e->format == EMIT_TEXT)
        table_print(e);
    else if (!e->is_lines)
        json_close(e, ']');
}

void emit_row(struct emit *e)
{
    e->column = 0;
    if (e->format == EMIT_JSON)
        json_open(e, NULL, '{');
}

void emit_row_end(struct emit *e)
{
    if (e->format == EMIT_JSON)
        json_close(e, '}');
    else
        e->rows++;
}

static void text_value(struct emit *e, const char *title, const char *value, bool is_number)
{
    if (e->in_list) {
        table_cell(e, title, value, is_number);
        return;
    }
    char *copy = strdup(value);
    if (!copy) {
        e->error = -ENOMEM;
        return;
    }
    clean(copy);
    fprintf(e->out, "%-20s  %s\n", title, copy);
    free(copy);
}

/* `json` is printed as it is; `text` is for people. */
static void number(struct emit *e, const char *key, const char *title, const char *json,
                   const char *text)
{
    if (e->format == EMIT_JSON && key) {
        json_next(e, key);
        fputs(json, e->out);
    } else if (e->format == EMIT_TEXT && title) {
        text_value(e, title, text, true);
    }
}

void emit_string(struct emit *e, const char *key, const char *title, const char *value)
{
    if (e->format == EMIT_JSON && key) {
        json_next(e, key);
        emit_json_string(e->out, value);
    } else if (e->format == EMIT_TEXT && title) {
        text_value(e, title, value, false);
    }
}

void emit_uint(struct emit *e, const char *key, const char *title, uint64_t value)
{
    char text[VALUE_TEXT];
    snprintf(text, sizeof text, "%" PRIu64, value);
    number(e, key, title, text, text);
}

void emit_int(struct emit *e, const char *key, const char *title, int64_t value)
{
    char text[VALUE_TEXT];
    snprintf(text, sizeof text, "%" PRId64, value);
    number(e, key, title, text, text);
}

void emit_uints(struct emit *e, const char *key, const char *title, const uint64_t *values,
                size_t count)
{
    bool is_json = e->format == EMIT_JSON;
    if (is_json ? !key : !title)
        return;
    char *text = NULL;
    size_t size;
    FILE *list = open_memstream(&text, &size);
    for (size_t i = 0; list && i < count; i++)
        fprintf(list, "%s%" PRIu64, i == 0 ? "" : is_json ? "," : ", ", values[i]);
    if (!list || fclose(list)) {
        e->error = -ENOMEM;
    } else if (is_json) {
        json_next(e, key);
        fprintf(e->out, "[%s]", text);
    } else {
        text_value(e, title, text, false);
    }
    free(text);
}

void emit_bool(struct emit *e, const char *key, const char *title, bool value)
{
    if (e->format == EMIT_JSON)
        number(e, key, title, value ? "true" : "false", "");
    else if (title)
        text_value(e, title, value ? "yes" : "no", false);
}

void emit_size(struct emit *e, const char *key, const char *title, uint64_t bytes)
{
    char exact[VALUE_TEXT], human[HUMAN_TEXT];
    snprintf(exact, sizeof exact, "%" PRIu64, bytes);
    number(e, key, title, exact, e->exact ? exact : human_size(bytes, human));
}

void emit_double(struct emit *e, const char *key, const char *title, double value, int decimals)
{
    char json[EMIT_DOUBLE_TEXT], text[VALUE_TEXT + 320];
    snprintf(text, sizeof text, "%.*f", decimals, value);
    number(e, key, title, isfinite(value) ? emit_shortest(value, json) : "null", text);
}

void emit_double17(struct emit *e, const char *key, const char *title, double value, int decimals)
{
    char json[EMIT_DOUBLE_TEXT], text[VALUE_TEXT + 320];
    snprintf(json, sizeof json, "%.17g", value);
    snprintf(text, sizeof text, "%.*f", decimals, value);
    number(e, key, title, isfinite(value) ? json : "null", text);
}

void emit_duration(struct emit *e, const char *key, const char *title, double seconds)
{
    char json[VALUE_TEXT], text[HUMAN_TEXT];
    snprintf(json, sizeof json, "%.6f", seconds);
    number(e, key, title, isfinite(seconds) ? json : "null", human_duration(seconds, text));
}
