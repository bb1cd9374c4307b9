/* SPDX-License-Identifier: MIT */
/*
 * sort_radix.c -- least significant digit first, over the bits that differ and no others.
 *
 * What does not fit the second-level cache is first parted by its most significant digit.
 */
#include "sort_radix.h"

#include <stddef.h>

#define DIGIT_BITS 11u /* tables fit the first-level cache */
#define FEW_BITS 8u    /* of a short list, which a large table would cost more than it saves */
#define FEW 2048u
#define VERY_FEW 24u
#define MANY 65536u

static void insertion_sort(struct item *a, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++) {
        struct item at = a[i];
        uint32_t k = i;
        for (; k > 0 && a[k - 1].key > at.key; k--)
            a[k] = a[k - 1];
        a[k] = at;
    }
}

/* From how many items have each digit to where these begin. */
static void start_digits(uint32_t *start, uint32_t digits)
{
    for (uint32_t d = 0, sum = 0; d < digits; d++) {
        uint32_t count = start[d];
        start[d] = sum;
        sum += count;
    }
}

/* One stable pass by the digit of `bits` bits at `shift`; start[] becomes where each digit ends. */
static void radix_pass(const struct item *from, struct item *to, uint32_t n, unsigned shift,
                       unsigned bits, uint32_t *start)
{
    uint32_t digits = 1u << bits, mask = digits - 1;
    memset(start, 0, digits * sizeof *start);
    for (uint32_t i = 0; i < n; i++)
        start[from[i].key >> shift & mask]++;
    start_digits(start, digits);
    for (uint32_t i = 0; i < n; i++)
        to[start[from[i].key >> shift & mask]++] = from[i];
}

/* How keys are taken apart: `passes` digits of `bits` bits, the first one at `shift`. */
struct digits {
    unsigned shift, bits, passes;
};

static struct digits digits_of(uint32_t n, uint32_t varying)
{
    unsigned shift = (unsigned)__builtin_ctz(varying);
    unsigned bits = 32 - (unsigned)__builtin_clz(varying) - shift;
    unsigned most = n < FEW ? FEW_BITS : DIGIT_BITS, passes = (bits + most - 1) / most;
    return (struct digits){ shift, (bits + passes - 1) / passes, passes };
}

static struct item *sort_digits(struct item *a, struct item *b, uint32_t n, uint32_t varying)
{
    struct digits d = digits_of(n, varying);
    uint32_t start[1u << DIGIT_BITS];
    for (; d.passes > 0; d.passes--, d.shift += d.bits) {
        radix_pass(a, b, n, d.shift, d.bits, start);
        struct item *t = a;
        a = b;
        b = t;
    }
    return a;
}

/* The result is in a. */
static struct item *sort_parts(struct item *a, struct item *b, uint32_t n, uint32_t varying)
{
    unsigned bits = 32 - (unsigned)__builtin_clz(varying);
    unsigned shift = bits > FEW_BITS ? bits - FEW_BITS : 0;
    uint32_t mask = (1u << FEW_BITS) - 1, ends[1u << FEW_BITS], from = 0;
    radix_pass(a, b, n, shift, FEW_BITS, ends);
    for (uint32_t d = 0; d <= mask; from = ends[d++]) {
        uint32_t count = ends[d] - from;
        if (count == 0)
            continue;
        struct item *part = radix_sort(b + from, a + from, count, varying & ((1u << shift) - 1));
        if (part != a + from)
            memcpy(a + from, part, count * sizeof *a);
    }
    return a;
}

struct item *radix_sort(struct item *a, struct item *b, uint32_t n, uint32_t varying)
{
    if (varying == 0)
        return a;
    if (n <= VERY_FEW) {
        insertion_sort(a, n);
        return a;
    }
    return n > MANY ? sort_parts(a, b, n, varying) : sort_digits(a, b, n, varying);
}

uint32_t *radix_sort_keys(uint32_t *a, uint32_t *b, uint32_t n, uint32_t varying)
{
    uint32_t start[1u << DIGIT_BITS];
    if (varying == 0)
        return a;
    struct digits d = digits_of(n, varying);
    uint32_t mask = (1u << d.bits) - 1;
    for (; d.passes > 0; d.passes--, d.shift += d.bits) {
        memset(start, 0, (mask + 1) * sizeof *start);
        for (uint32_t i = 0; i < n; i++)
            start[a[i] >> d.shift & mask]++;
        start_digits(start, mask + 1);
        for (uint32_t i = 0; i < n; i++)
            b[start[a[i] >> d.shift & mask]++] = a[i];
        uint32_t *t = a;
        a = b;
        b = t;
    }
    return a;
}
