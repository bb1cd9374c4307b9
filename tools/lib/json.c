/* SPDX-License-Identifier: MIT */
#include "json.h"

#include <errno.h>
#include <string.h>

#include "number.h"

void json_start(struct json *j, const char *data, size_t size, struct diag *diag)
{
    *j = (struct json){ data, data, data + size, diag, 0, 0, false };
}

int json_fail(struct json *j, const char *what, ...)
{
    char text[256];
    unsigned long long line = 1;
    const char *start = j->start;
    va_list args;

    if (j->error)
        return j->error;
    va_start(args, what);
    vsnprintf(text, sizeof text, what, args);
    va_end(args);
    for (const char *p = start; p < j->p; p++)
        if (*p == '\n') {
            line++;
            start = p + 1;
        }
    j->error = diag_set(j->diag, -EINVAL, "line %llu, column %llu: %s", line,
                        (unsigned long long)(j->p - start + 1), text);
    return j->error;
}

char json_peek(struct json *j)
{
    if (j->error)
        return 0;
    while (j->p < j->end && strchr(" \t\r\n", *j->p) && *j->p)
        j->p++;
    return j->p < j->end ? *j->p : 0;
}

static bool take(struct json *j, char wanted)
{
    if (json_peek(j) != wanted || j->error)
        return false;
    j->p++;
    return true;
}

void json_enter(struct json *j, char open)
{
    if (!take(j, open))
        json_fail(j, "%s is expected here", open == '{' ? "an object" : "an array");
    else if (++j->depth > JSON_DEPTH_MAX)
        json_fail(j, "it is nested more than %d deep", JSON_DEPTH_MAX);
    j->is_first = true;
}

bool json_more(struct json *j, char close)
{
    bool is_first = j->is_first;

    j->is_first = false;
    if (take(j, close)) {
        j->depth--;
        return false;
    }
    if (!is_first && !take(j, ','))
        json_fail(j, "a comma or '%c' is expected here", close);
    return !j->error;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The four digits after \u; -1: they are not. */
static int take_hex(struct json *j)
{
    int code = 0;

    if (j->end - j->p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(j->p[i]);
        if (digit < 0)
            return -1;
        code = code * 16 + digit;
    }
    j->p += 4;
    return code;
}

/* What \u stands for, perhaps two of them, as UTF-8. Returns its length; 0: nothing sensible. */
static size_t take_code(struct json *j, char utf8[4])
{
    int c = take_hex(j);

    if (c >= 0xd800 && c < 0xdc00 && j->end - j->p >= 6 && j->p[0] == '\\' && j->p[1] == 'u') {
        j->p += 2;
        int low = take_hex(j);
        c = low >= 0xdc00 && low < 0xe000 ? 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00) : -1;
    }
    if (c <= 0 || (c >= 0xd800 && c < 0xe000))
        return 0;
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
    for (size_t i = n; i-- > 1; c >>= 6)
        utf8[i] = (char)(0x80 | (c & 0x3f));
    utf8[0] = (char)(lead[n] | c);
    return n;
}

/* One character of a text, as up to 4 bytes. 0: the text is not right. */
static size_t take_character(struct json *j, char utf8[4])
{
    static const char escapes[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    char c = *j->p;

    if ((unsigned char)c < 0x20)
        return 0;
    j->p++;
    utf8[0] = c;
    if (c != '\\')
        return 1;
    if (j->p == j->end)
        return 0;
    c = *j->p++;
    if (c == 'u')
        return take_code(j, utf8);
    const char *escape = c ? strchr(escapes, c) : NULL;
    if (!escape)
        return 0;
    utf8[0] = meant[escape - escapes];
    return 1;
}

/* Reads a text to its end; false, and the first bytes of it, if it does not fit. */
static bool read_text(struct json *j, char *text, size_t size)
{
    size_t used = 0;
    bool fits = true;

    text[0] = 0;
    if (!take(j, '"')) {
        json_fail(j, "a text in quotes is expected here");
        return true;
    }
    while (j->p < j->end && *j->p != '"') {
        char utf8[4];
        size_t n = take_character(j, utf8);
        if (!n) {
            json_fail(j, "a character that a text cannot have");
            return true;
        }
        fits = fits && used + n < size;
        for (size_t i = 0; fits && i < n; i++)
            text[used++] = utf8[i];
    }
    if (j->p == j->end)
        json_fail(j, "a text that does not end");
    else
        j->p++;
    text[used] = 0;
    return fits;
}

void json_string(struct json *j, char *text, size_t size)
{
    if (!read_text(j, text, size))
        json_fail(j, "a text of more than %zu bytes", size - 1);
}

void json_key(struct json *j, char *text, size_t size)
{
    if (!read_text(j, text, size))
        text[0] = 0;
    if (!j->error && !take(j, ':'))
        json_fail(j, "a colon is expected here");
}

double json_number(struct json *j)
{
    double x = 0;
    char c = json_peek(j);
    bool is_number =
        c == '-' ? j->p + 1 < j->end && j->p[1] >= '0' && j->p[1] <= '9' : c >= '0' && c <= '9';
    const char *end = is_number ? number_parse(j->p, j->end, &x) : NULL;

    if (!end) {
        json_fail(j, "a number is expected here");
        return 0;
    }
    j->p = end;
    return x;
}

static bool take_word(struct json *j, const char *word)
{
    size_t n = strlen(word);

    if (json_peek(j) != *word || (size_t)(j->end - j->p) < n || memcmp(j->p, word, n))
        return false;
    j->p += n;
    return true;
}

bool json_bool(struct json *j)
{
    if (take_word(j, "true"))
        return true;
    if (!take_word(j, "false"))
        json_fail(j, "true or false is expected here");
    return false;
}

bool json_null(struct json *j)
{
    return take_word(j, "null");
}

void json_skip(struct json *j)
{
    char c = json_peek(j), ignored[1];

    if (c == '{') {
        for (json_enter(j, '{'); json_more(j, '}');) {
            json_key(j, ignored, sizeof ignored);
            json_skip(j);
        }
    } else if (c == '[') {
        for (json_enter(j, '['); json_more(j, ']');)
            json_skip(j);
    } else if (c == '"') {
        read_text(j, ignored, sizeof ignored);
    } else if (c == 't' || c == 'f') {
        json_bool(j);
    } else if (!json_null(j)) {
        json_number(j);
    }
}

int json_finish(struct json *j)
{
    if (json_peek(j) || (!j->error && j->p != j->end))
        json_fail(j, "something after the end");
    return j->error;
}
