/* SPDX-License-Identifier: MIT */
/*
 * json.h -- reading JSON where it lies, item by item, without a tree of it.
 *
 *     json_start(&j, data, size, &diag);
 *     for (json_enter(&j, '{'); json_more(&j, '}');)
 *         if (json_key(&j, key, sizeof key), !strcmp(key, "rows")) rows = json_number(&j);
 *         else json_skip(&j);
 *     if (json_finish(&j)) ...
 *
 * The first error sticks: from then on there are no more items, numbers are 0 and texts empty, so
 * that one look at the end is enough. It is in `diag`, with line and column.
 */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stddef.h>

#include "diag.h"

#define JSON_DEPTH_MAX 64

struct json {
    const char *start, *p, *end;
    struct diag *diag;
    int error;
    int depth;
    bool is_first; /* nothing was read since the last json_enter() */
};

void json_start(struct json *j, const char *data, size_t size, struct diag *diag);

/* Say what is wrong here, unless something was wrong before. Returns the error. */
__attribute__((format(printf, 2, 3))) int json_fail(struct json *j, const char *what, ...);

/* The next byte that is not blank, 0 at the end: '{' '[' '"' 'n' 't' 'f' or that of a number. */
char json_peek(struct json *j);

void json_enter(struct json *j, char open); /* '{' or '[' */
bool json_more(struct json *j, char close); /* is there another item? Else the end was read. */

/* A name and its colon; one that does not fit is an unknown one, and "". */
void json_key(struct json *j, char *text, size_t size);
/* A text of less than `size` bytes. */
void json_string(struct json *j, char *text, size_t size);
/* To the last bit; what is too large for a double is infinite. */
double json_number(struct json *j);
bool json_bool(struct json *j);
bool json_null(struct json *j); /* true, and past it, if null is next */
void json_skip(struct json *j); /* any value */

/* 0, or the error; anything left but blanks is one. */
int json_finish(struct json *j);

#endif
