/* SPDX-License-Identifier: MIT */
/* number.h -- decimal text to double: strtod()'s result to the last bit, at many times its speed.
 */
#ifndef NUMBER_H
#define NUMBER_H

/*
 * The number that starts at p: [+-] digits [. digits] [e [+-] digits], at least one digit
 * before or after the point. Returns where it ends, or NULL if there is none (or no memory).
 * Out of range gives an infinity or a denormal or 0, as strtod() does.
 */
const char *number_parse(const char *p, const char *end, double *out);

#endif
