/* SPDX-License-Identifier: MIT */
/* sort_few.c -- the tables: every case, sorted by the rules. */
#include "sort_few.h"

#include <stdbool.h>

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

static void make(uint16_t *table, uint32_t cases, uint32_t n)
{
    for (uint32_t index = 0; index < cases; index++) {
        struct sample a[SORT_FEW];
        uint32_t rest = index, order = 0;
        for (uint32_t i = n; i-- > 0; rest /= n)
            a[i] = (struct sample){ rest % n, i };
        if (is_impossible(a, n))
            continue;
        sort(a, n);
        for (uint32_t i = 0; i < n; i++)
            order |= a[i].number << 3 * i;
        table[index] = (uint16_t)order;
    }
}

void few_sorts_make(struct few_sorts *t)
{
    *t = (struct few_sorts){ { 0 }, { 0 }, { 0 }, { 0 } };
    make(t->of2, 4, 2);
    make(t->of3, 27, 3);
    make(t->of4, 256, 4);
    make(t->of5, 3125, 5);
}
