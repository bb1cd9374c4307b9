/* SPDX-License-Identifier: MIT */
/*
 * number.c -- reading numbers fast and exactly.
 *
 * A decimal of up to 19 digits is w * 10^e with a 64-bit w. Three ways, the first that is exact:
 *
 *   1  w < 2^53 and |e| <= 22: both are doubles, so one multiplication or division rounds once
 *      (W. Clinger, "How to read floating point numbers accurately", 1990).
 *   2  |e| <= 27 and long double has 64 bits: w and 10^|e| are long doubles, so the result q is
 *      the true value rounded to 64 bits. Rounding q again to 53 is right unless q lies exactly
 *      between two doubles: rounding is monotone and these midpoints are themselves 64-bit
 *      numbers, so the true value is on the same side of each midpoint as q is, unless q is one.
 *   3  strtod().
 */
#include "number.h"

#include <float.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS_MAX 19 /* 10^19 - 1 fits 64 bits */
#define COPY_MAX 256

static const double powers[] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                 1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };

struct decimal {
    uint64_t w;
    int64_t e;
    int digits;      /* significant ones in w */
    bool is_cut;     /* there were more than DIGITS_MAX */
    bool has_digits; /* any, also zeros */
    bool is_negative;
};

static inline const char *read_digits(const char *p, const char *end, struct decimal *d,
                                      bool is_fraction)
{
    const char *start = p;
    for (; p < end; p++) {
        unsigned digit = (unsigned char)*p - (unsigned)'0';
        if (digit > 9)
            break;
        if (d->digits < DIGITS_MAX) {
            d->w = d->w * 10 + digit;
            d->digits += d->w != 0;
            d->e -= is_fraction;
        } else {
            d->is_cut = true;
        }
    }
    d->has_digits |= p != start;
    return p;
}

/* "e+12" at p. Without a digit it does not belong to the number, as for strtod(). */
static const char *read_exponent(const char *p, const char *end, struct decimal *d)
{
    const char *q = p + 1;
    bool is_negative = q < end && *q == '-';
    if (q < end && (*q == '-' || *q == '+'))
        q++;
    if (q == end || *q < '0' || *q > '9')
        return p;
    int64_t e = 0;
    for (; q < end && *q >= '0' && *q <= '9'; q++)
        if (e < 1000000)
            e = e * 10 + (*q - '0');
    d->e += is_negative ? -e : e;
    return q;
}

#if LDBL_MANT_DIG == 64
/* Way 2. False: q is a midpoint. */
static bool by_long_double(const struct decimal *d, double *out)
{
    static const long double big[] = { 1e23L, 1e24L, 1e25L, 1e26L, 1e27L };
    uint64_t a = (uint64_t)(d->e < 0 ? -d->e : d->e);
    long double power = a <= 22 ? (long double)powers[a] : big[a - 23];
    long double q = d->e < 0 ? (long double)d->w / power : (long double)d->w * power;
    uint64_t mantissa;
    memcpy(&mantissa, &q, sizeof mantissa);
    if ((mantissa & 0x7ff) == 0x400)
        return false;
    *out = (double)q;
    return true;
}
#else
static bool by_long_double(const struct decimal *d, double *out)
{
    (void)d, (void)out;
    return false;
}
#endif

/* Way 3. strtod() wants an end: a copy. */
static bool by_strtod(const char *p, const char *end, double *out)
{
    char small[COPY_MAX];
    size_t size = (size_t)(end - p);
    char *copy = size < sizeof small ? small : malloc(size + 1);
    if (!copy)
        return false;
    memcpy(copy, p, size);
    copy[size] = 0;
    *out = strtod(copy, NULL);
    if (copy != small)
        free(copy);
    return true;
}

const char *number_parse(const char *p, const char *end, double *out)
{
    struct decimal d = { .is_negative = p < end && *p == '-' };
    const char *start = p;
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    p = read_digits(p, end, &d, false);
    if (p < end && *p == '.')
        p = read_digits(p + 1, end, &d, true);
    if (!d.has_digits)
        return NULL;
    if (p < end && (*p == 'e' || *p == 'E'))
        p = read_exponent(p, end, &d);
    int64_t a = d.e < 0 ? -d.e : d.e;
    double x;
    if (d.is_cut)
        return by_strtod(start, p, out) ? p : NULL;
    if (d.w == 0)
        x = 0;
    else if (d.w <= (uint64_t)1 << 53 && a <= 22)
        x = d.e < 0 ? (double)d.w / powers[a] : (double)d.w * powers[a];
    else if (a > 27 || !by_long_double(&d, &x))
        return by_strtod(start, p, out) ? p : NULL;
    *out = d.is_negative ? -x : x;
    return p;
}
