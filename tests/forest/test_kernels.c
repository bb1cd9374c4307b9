/* SPDX-License-Identifier: MIT */
/*
 * test_kernels.c -- the inner loops of each level against the plain ones, one by one.
 *
 * A block of random ranks is made by hand: without ties, with some, with hardly anything else; of few
 * rows and of many. What a loop may do beyond its promise (padding, ranks in the order) is not
 * compared.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "exact/kernels.h"
#include "exact/scratch.h"
#include "exact/sort_few.h"
#include "test.h"

enum { FEATURES = 9, ROWS_MOST = 3000 };

static uint64_t state;

static uint32_t below(uint32_t n)
{
    return (uint32_t)(test_random(&state) % n);
}

static double unit(void)
{
    return (double)(test_random(&state) >> 11) * 0x1p-53;
}

/* ---- a block ----------------------------------------------------------------------------- */

struct made {
    struct block b;
    struct prep prep;
    struct few_sorts few;
    int64_t *worth; /* the block may do without */
};

static void *make_room(size_t bytes)
{
    void *room = calloc(1, bytes);
    REQUIRE(room != NULL);
    return room;
}

static void make_arrays(struct made *m, uint32_t rows)
{
    struct block *b = &m->b;
    size_t per = ((size_t)rows + BLOCK_PAD + 63) & ~(size_t)63;
    few_sorts_make(&m->few);
    m->prep = (struct prep){ .rows = rows };
    m->prep.columns = make_room(FEATURES * rows * sizeof(float));
    *b = (struct block){ .prep = &m->prep, .rows = rows, .features = FEATURES, .stride = per };
    b->few = &m->few;
    b->order = make_room(per * sizeof *b->order);
    b->lists = make_room((1 + FEATURES * per) * sizeof *b->lists); /* see B2 */
    b->lists++;
    b->ranks = make_room((FEATURES * per + 2) * sizeof *b->ranks);
    b->temp = make_room(per * sizeof *b->temp);
    b->temp2 = make_room((per + 2 * BLOCK_PAD) * sizeof *b->temp2);
    b->temp3 = make_room(per * sizeof *b->temp3);
    b->ties = make_room((per / 64 + 2) * sizeof *b->ties);
    b->close = make_room(FEATURES * sizeof *b->close);
    b->wy = make_room(per * sizeof *b->wy);
    b->w = make_room(per * sizeof *b->w);
    b->wyy = make_room(per * sizeof *b->wyy);
    b->worth = m->worth = make_room(per * sizeof *b->worth);
    b->row = make_room(per * sizeof *b->row);
}

static void shuffle(uint32_t *a, uint32_t n)
{
    for (uint32_t i = n; i > 1; i--) {
        uint32_t k = below(i), t = a[i - 1];
        a[i - 1] = a[k];
        a[k] = t;
    }
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void fill_feature(struct block *b, uint32_t feature, uint32_t values)
{
    uint32_t *list = b->lists + feature * b->stride, *own = b->temp;
    uint16_t *ranks = b->ranks + feature * b->stride;
    for (uint32_t i = 0; i < b->rows; i++)
        own[i] = i;
    shuffle(own, b->rows);
    for (uint32_t i = 0; i < b->rows; i++) {
        ranks[i] = (uint16_t)(values >= b->rows ? own[i] : below(values));
        list[i] = (uint32_t)ranks[i] << 16 | i;
    }
    qsort(list, b->rows, sizeof *list, compare);
}

static void fill_block(struct made *m, bool whole)
{
    static const uint32_t values[8] = { 2, 3, 7, 30, 200, 1000, 60000, 60000 };
    struct block *b = &m->b;
    for (uint32_t f = 0; f < FEATURES; f++)
        fill_feature(b, f, values[below(8)]);
    for (uint32_t i = 0; i < b->rows; i++) {
        double y = unit() * 5 - (below(2) ? 2 : 0);
        b->order[i] = b->row[i] = i;
        b->w[i] = whole ? 1 + below(3) : 0.25 + unit();
        b->wy[i] = b->w[i] * y;
        b->wyy[i] = b->wy[i] * y;
    }
    shuffle(b->order, b->rows);
    block_pack(b, whole);
}

static void release(struct made *m)
{
    struct block *b = &m->b;
    void *rooms[] = { b->order, b->lists - 1, b->ranks, b->temp, b->temp2, b->temp3,
                      b->ties,  b->wy,        b->w,     b->wyy,  m->worth, b->row };
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++)
        free(rooms[i]);
    free((void *)(uintptr_t)b->close);
    free((void *)(uintptr_t)m->prep.columns);
}

/* ---- each loop --------------------------------------------------------------------------- */

static uint32_t *copy_of(const uint32_t *from, size_t n)
{
    uint32_t *to = make_room((n + BLOCK_PAD) * sizeof *to);
    memcpy(to, from, n * sizeof *to);
    return to;
}

static bool slots_equal(const uint32_t *a, const uint32_t *b, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if ((a[i] ^ b[i]) & 0xffff)
            return false;
    return true;
}

/* Leaves the ties and the list as the plain loops make them. */
static void check_sort(const struct block *b, const struct kernels *k, uint32_t feature)
{
    uint32_t n = b->rows, *list = b->lists + feature * b->stride, *copy = copy_of(list, n);
    bool tied = k->find_ties(b, list, n);
    uint64_t *ties = make_room((n / 64 + 1) * sizeof *ties),
             last = ~UINT64_C(0) >> (63 - (n - 1) % 64);
    memcpy(ties, b->ties, (n + 63) / 64 * sizeof *ties);
    if (tied)
        k->sort_ties(b, feature, b->order, list, n);
    CHECK_EQ(kernels_plain.find_ties(b, copy, n), tied);
    CHECK_EQ((ties[(n - 1) / 64] ^ b->ties[(n - 1) / 64]) & last, 0);
    CHECK_EQ(memcmp(ties, b->ties, (n - 1) / 64 * sizeof *ties), 0);
    if (tied)
        kernels_plain.sort_ties(b, feature, b->order, copy, n);
    CHECK_EQ(memcmp(list, copy, n * sizeof *list), 0);
    free(copy);
    free(ties);
}

/* A clear best cut is the best by the rules, too. */
static void check_search(const struct block *b, const struct kernels *k, bool whole)
{
    uint32_t features[FEATURES];
    struct search s = { .n = b->rows, .features = features, .unit = b->unit, .weight_min = 1e300 };
    s.whole = whole;
    s.tied = true;
    s.min_samples_leaf = 1 + (below(4) ? 0 : below(b->rows / 2));
    s.min_weight_leaf = below(4) ? 0.0 : unit() * b->rows / 3;
    for (uint32_t f = 0; f < FEATURES; f++) {
        const uint32_t *list = b->lists + f * b->stride;
        if (list[0] >> 16 != list[b->rows - 1] >> 16)
            features[s.count++] = f;
    }
    for (uint32_t i = 0; i < b->rows; i++) {
        uint32_t slot = b->order[i];
        s.sum += b->wy[slot];
        s.sumsq += b->wyy[slot];
        s.weight += b->w[slot];
        s.weight_min = b->w[slot] < s.weight_min ? b->w[slot] : s.weight_min;
    }
    if (s.count == 0)
        return;
    struct found best = kernels_plain.rate(b, &s), found = k->rate(b, &s);
    CHECK_EQ(found.pos, best.pos);
    CHECK_EQ(found.feature, best.feature);
    found = k->estimate ? k->estimate(b, &s) : (struct found){ 0, 0 };
    if (found.pos) {
        CHECK_EQ(found.pos, best.pos);
        CHECK_EQ(found.feature, best.feature);
    }
}

static void check_split(const struct block *b, const struct kernels *k)
{
    uint32_t n = b->rows, feature = below(FEATURES), left = 1 + below(n - 1);
    const uint32_t *list = b->lists + feature * b->stride;
    while (left < n && list[left] >> 16 == list[left - 1] >> 16)
        left++;
    struct cut c = { feature, n, left, list[left - 1] >> 16 };
    uint32_t *from = copy_of(b->order, n), *order = copy_of(b->order, n);
    kernels_plain.split_order(b, &c, from, order);
    k->split_order(b, &c, from, b->order);
    CHECK(slots_equal(order, b->order, n));
    for (uint32_t f = 0; f < FEATURES; f++) {
        if (f == feature)
            continue;
        uint32_t *parted = b->lists + f * b->stride, *copy = copy_of(parted, n);
        k->split_list(b, &c, parted);
        kernels_plain.split_list(b, &c, copy);
        CHECK_EQ(memcmp(parted, copy, n * sizeof *copy), 0);
        free(copy);
    }
    free(from);
    free(order);
}

static void try_level(enum kernels_level level)
{
    const struct kernels *k = kernels_of(level);
    uint32_t most[4] = { 6, 34, 200, ROWS_MOST };
    state = test_seed;
    for (uint32_t i = 0; k && i < 400; i++) {
        struct made m;
        bool whole = below(3) > 0;
        make_arrays(&m, 2 + below(most[i % 4]));
        fill_block(&m, whole);
        for (uint32_t f = 0; f < FEATURES; f++)
            check_sort(&m.b, k, f);
        check_search(&m.b, k, whole);
        check_split(&m.b, k);
        release(&m);
    }
}

static void avx2_does_as_plain(void)
{
    try_level(KERNELS_AVX2);
}

static void avx512_does_as_plain(void)
{
    try_level(KERNELS_AVX512);
}

TESTS("kernels", { "AVX2 does as plain", avx2_does_as_plain },
      { "AVX-512 does as plain", avx512_does_as_plain })
