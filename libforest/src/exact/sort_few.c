/* SPDX-License-Identifier: MIT */
/* sort_few.c -- the tables: every case, sorted by the rules. */
#include "sort_few.h"

#include <stdbool.h>
#include <string.h>

struct sample {
    uint32_t digit, number;
};

static void swap(struct sample *a, uint32_t i, uint32_t j)
{
    struct sample t = a[i];
    a[i] = a[j];
    a[j] = t;
}

static uint32_t median3(uint32_t a, uint32_t b, uint32_t c)
{
    uint32_t min = a < b ? a : b, max = a < b ? b : a;
    return max < c ? max : c > min ? c : min;
}

static void sort(struct sample *a, uint32_t n)
{
    while (n > 1) {
        uint32_t pivot = median3(a[0].digit, a[n / 2].digit, a[n - 1].digit), i = 0, l = 0, r = n;
        while (i < r) {
            if (a[i].digit < pivot)
                swap(a, i++, l++);
            else if (a[i].digit > pivot)
                swap(a, i, --r);
            else
                i++;
        }
        sort(a, l);
        a += r;
        n -= r;
    }
}

/* No digits of any samples; then their case does not matter. */
static bool is_impossible(const struct sample *a, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t less = 0;
        for (uint32_t k = 0; k < n; k++)
            less += a[k].digit < a[i].digit;
        if (less != a[i].digit)
            return true;
    }
    return false;
}

static void make(uint32_t *order, uint32_t cases, uint32_t n)
{
    for (uint32_t index = 0; index < cases; index++) {
        struct sample a[SORT_FEW];
        for (uint32_t i = 0, rest = index; i < n; i++, rest /= SORT_FEW)
            a[i] = (struct sample){ rest % SORT_FEW, i };
        if (is_impossible(a, n))
            continue;
        sort(a, n);
        for (uint32_t i = 0; i < n; i++)
            order[index] |= a[i].number << 4 * i;
    }
}

void few_sorts_make(struct few_sorts *t)
{
    memset(t, 0, sizeof *t);
    for (uint32_t n = 2, cases = SORT_FEW * SORT_FEW; n <= SORT_FEW; n++, cases *= SORT_FEW)
        make(t->order[n - 2], cases, n);
}
