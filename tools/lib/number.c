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

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
/*
 * How many of the 8 bytes at p are digits, up to the first that is none, and the number that they
 * make: bytes in parallel within a word, then pairs, fours and eights of digits by a multiplication
 * each. `zeros` is how many of them lead without a meaning.
 */
static inline unsigned eight_digits(const char *p, uint64_t *number, unsigned *zeros)
{
    uint64_t v;

    memcpy(&v, p, sizeof v);
    v ^= 0x3030303030303030u; /* digits are 0..9 now, the rest is more */
    /* Sums may carry, but only from beyond the first byte that is no digit. */
    uint64_t others = ((v + 0x7676767676767676u) | v) & 0x8080808080808080u;
    unsigned n = others ? (unsigned)__builtin_ctzll(others) / 8 : 8;
    if (n == 0)
        return 0;
    v <<= 8 * (8 - n); /* zeros in front */
    *zeros = v ? (unsigned)__builtin_ctzll(v) / 8 - (8 - n) : n;
    v = (v * 10 + (v >> 8)) & 0x00ff00ff00ff00ffu;
    v = (v * 100 + (v >> 16)) & 0x0000ffff0000ffffu;
    *number = (v * 10000 + (v >> 32)) & 0xffffffffu;
    return n;
}
#else
static inline unsigned eight_digits(const char *p, uint64_t *number, unsigned *zeros)
{
    (void)p, (void)number, (void)zeros;
    return 0;
}
#endif

/* Always inlined, and nothing else gets its address: so that *d lives in registers. */
static inline __attribute__((always_inline)) const char *
read_digits(const char *p, const char *end, struct decimal *d, bool is_fraction)
{
    static const uint32_t power[] = {
        1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000
    };
    const char *start = p;
    unsigned n = 8;

    while (is_fraction && n == 8 && end - p >= 8 && d->digits + 8 <= DIGITS_MAX) {
        uint64_t number;
        unsigned zeros;
        n = eight_digits(p, &number, &zeros);
        if (n == 0)
            break;
        d->digits += (int)(d->w ? n : n - zeros);
        d->w = d->w * power[n] + number;
        d->e -= is_fraction ? (int64_t)n : 0;
        p += n;
    }
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
static const char *read_exponent(const char *p, const char *end, int64_t *exponent)
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
    *exponent = is_negative ? -e : e;
    return q;
}

#if LDBL_MANT_DIG == 64
/* Way 2. False: q is a midpoint. */
static bool by_long_double(uint64_t w, int64_t e, double *out)
{
    static const long double big[] = { 1e23L, 1e24L, 1e25L, 1e26L, 1e27L };
    uint64_t a = (uint64_t)(e < 0 ? -e : e);
    long double power = a <= 22 ? (long double)powers[a] : big[a - 23];
    long double q = e < 0 ? (long double)w / power : (long double)w * power;
    uint64_t mantissa;
    memcpy(&mantissa, &q, sizeof mantissa);
    if ((mantissa & 0x7ff) == 0x400)
        return false;
    *out = (double)q;
    return true;
}
#else
static bool by_long_double(uint64_t w, int64_t e, double *out)
{
    (void)w, (void)e, (void)out;
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
    if (p < end && (*p == 'e' || *p == 'E')) {
        int64_t e = 0;
        p = read_exponent(p, end, &e);
        d.e += e;
    }
    int64_t a = d.e < 0 ? -d.e : d.e;
    double x;
    if (d.is_cut)
        return by_strtod(start, p, out) ? p : NULL;
    if (d.w == 0)
        x = 0;
    else if (d.w <= (uint64_t)1 << 53 && a <= 22)
        x = d.e < 0 ? (double)d.w / powers[a] : (double)d.w * powers[a];
    else if (a > 27 || !by_long_double(d.w, d.e, &x))
        return by_strtod(start, p, out) ? p : NULL;
    *out = d.is_negative ? -x : x;
    return p;
}
