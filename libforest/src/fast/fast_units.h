/* SPDX-License-Identifier: MIT */
/*
 * fast_units.h -- targets and weights as whole numbers, whose sums are exact in any order.
 *
 * Of a set of rows that is searched together, a row's weight is a whole number, and its target,
 * less a centre, times its weight is another. Units are such that the weights add up to less than
 * 2^bits, and the others to less than 2^(51 - bits) in absolute value: then the products in a
 * cut's gain
 *     d^2 / (wl * wr),   d = sl * w - s * wl
 * are whole numbers below 2^53 up to d, exact in double, so that two cuts that part the same rows,
 * even the other way round, gain the same to the last bit. s, w: of the node; sl, wl, wr: of the
 * sides. Up to a factor of the node this is the decrease of squared error.
 *
 * The smaller a set, the finer its units: they are chosen anew where a subtree gets memory of its
 * own. Weights that are whole numbers stay as they are, and then equal targets are equal numbers.
 */
#ifndef FAST_UNITS_H
#define FAST_UNITS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define FAST_WHOLE_MOST 0x1p25 /* weights beyond are like fractions */
#define FAST_FRACTION_BITS 24u

struct fast_units {
    bool whole;    /* weights are */
    uint32_t bits; /* see above */
    double weight; /* what one unit weighs */
    double centre, scale;
};

/* What units are chosen by; sums are up to the caller, who must always form them the same way. */
struct fast_extent {
    uint32_t rows;
    double weight;      /* of all */
    double least, most; /* of the targets */
    double deviation;   /* sum of weight times distance from the centre, or more */
};

static inline double fast_centre(double least, double most)
{
    return (least + most) * 0.5;
}

/* The exponent e of a positive normal number below 2^e. */
static inline int fast_exponent(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return (int)(bits >> 52 & 0x7ff) - 1022;
}

static inline double fast_power(int e)
{
    e = e < -1000 ? -1000 : e > 1000 ? 1000 : e;
    uint64_t bits = (uint64_t)(e + 1023) << 52;
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* To the nearest whole number, of halves to the even one; |x| < 2^51. */
static inline double fast_round(double x)
{
    return (x + 0x1.8p52) - 0x1.8p52;
}

static inline struct fast_units fast_units_of(const struct fast_extent *e, bool whole)
{
    struct fast_units u = { .whole = whole, .weight = 1.0 };
    uint32_t rows_bits = 34u - (uint32_t)__builtin_clz(e->rows | 1);
    double most = e->weight;
    if (whole) {
        u.bits = (uint32_t)fast_exponent(e->weight);
    } else { /* rounding up gives each row a unit at most */
        u.bits = rows_bits > FAST_FRACTION_BITS ? rows_bits : FAST_FRACTION_BITS;
        most = fast_power((int)u.bits) - 1.0;
        u.weight = e->weight / (most - (double)e->rows);
    }
    int sum_bits = u.bits <= 25 ? 51 - (int)u.bits : (int)u.bits + 1;
    u.centre = fast_centre(e->least, e->most);
    u.scale = fast_power(sum_bits - 1 - fast_exponent(e->deviation / u.weight + 0x1p-1000));
    return u;
}

static inline double fast_weight(const struct fast_units *u, double w)
{
    double units = w / u->weight, down = fast_round(units);
    if (u->whole)
        return w;
    return down < units || down == 0.0 ? down + 1.0 : down;
}

/* Of a row's target times its weight, which is `weight` units. */
static inline double fast_sum(const struct fast_units *u, double y, double w)
{
    double d = (y - u->centre) * u->scale;
    return u->whole ? w * fast_round(d) : fast_round(w / u->weight * d);
}

/* A sum and a weight in one number: adding numbers adds both. */
typedef int64_t fast_worth;

static inline fast_worth fast_pack(double sum, double weight, uint32_t bits)
{
    return (fast_worth)((uint64_t)(int64_t)sum << bits) + (fast_worth)weight;
}
static inline double fast_packed_sum(fast_worth worth, uint32_t bits)
{
    return (double)(worth >> bits);
}
static inline double fast_packed_weight(fast_worth worth, uint32_t bits)
{
    return (double)(worth & (((fast_worth)1 << bits) - 1));
}

#endif
