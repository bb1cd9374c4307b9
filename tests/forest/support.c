/* SPDX-License-Identifier: MIT */
#include "support.h"

uint64_t fnv_more(uint64_t hash, const void *bytes, size_t size)
{
    const unsigned char *at = bytes;

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    return hash;
}

uint64_t fnv(const void *bytes, size_t size)
{
    return fnv_more(FNV_START, bytes, size);
}

static void *need(void *memory)
{
    if (!memory) {
        fprintf(stderr, "out of memory\n");
        exit(3);
    }
    return memory;
}

static struct table table_new(uint64_t rows, uint64_t cols)
{
    struct table t = { .rows = rows, .cols = cols };

    t.x = need(malloc((rows * cols + 1) * sizeof(double)));
    t.y = need(malloc((rows + 1) * sizeof(double)));
    t.w = need(malloc((rows + 1) * sizeof(double)));
    return t;
}

void table_free(struct table *t)
{
    free(t->x);
    free(t->y);
    free(t->w);
    memset(t, 0, sizeof *t);
}

static double unit(uint64_t *state)
{
    return (double)(test_random(state) >> 11) * 0x1p-53;
}

struct table table_made(uint64_t seed, uint64_t rows, uint64_t cols, const unsigned *levels)
{
    struct table t = table_new(rows, cols);

    for (uint64_t i = 0; i < rows; i++) {
        double s = 0.0;
        for (uint64_t j = 0; j < cols; j++) {
            double *x = &t.x[i * cols + j];
            int n = (int)levels[j];
            if (n)
                *x = ((int)(test_random(&seed) % (unsigned)n) - n / 2) * 0.375;
            else
                *x = unit(&seed) * 100.0 - 50.0;
            s = j % 2 ? s * 0.5 + *x * *x : s - *x * 3.0;
        }
        t.y[i] = s + unit(&seed);
        t.w[i] = (double)(test_random(&seed) % 6) * 0.7;
    }
    return t;
}

struct table table_mixed(uint64_t seed, uint64_t rows, uint64_t cols)
{
    static const unsigned kinds[] = { 0, 7, 0, 2, 40, 1 };
    unsigned *levels = need(malloc(cols * sizeof *levels));

    for (uint64_t j = 0; j < cols; j++)
        levels[j] = kinds[j % (sizeof kinds / sizeof *kinds)];
    struct table t = table_made(seed, rows, cols, levels);
    free(levels);
    return t;
}

static FILE *open_california(void)
{
    const char *path = getenv("FOREST_DATA");

    return path && *path ? fopen(path, "r") : fopen("data/california_housing.csv", "r");
}

struct table table_california(void)
{
    FILE *f = open_california();
    struct table t = { .rows = 0 };
    char line[512];

    if (!f)
        return t;
    t = table_new(20640, 8);
    t.rows = 0;
    while (fgets(line, sizeof line, f)) {
        char *at = line, *end;
        double cell[9];
        unsigned n = 0;
        while (n < 9 && (cell[n] = strtod(at, &end), end != at)) {
            n++;
            at = *end == ',' ? end + 1 : end;
        }
        if (n != 9 || t.rows == 20640)
            continue; /* the heading */
        memcpy(&t.x[t.rows * 8], cell, 8 * sizeof *cell);
        t.y[t.rows] = cell[8];
        t.w[t.rows++] = 1.0;
    }
    fclose(f);
    return t;
}

struct table table_rows(const struct table *t, const uint32_t *order, uint64_t count)
{
    struct table part = table_new(count, t->cols);

    for (uint64_t i = 0; i < count; i++) {
        memcpy(&part.x[i * t->cols], &t->x[order[i] * t->cols], t->cols * sizeof(double));
        part.y[i] = t->y[order[i]];
        part.w[i] = t->w[order[i]];
    }
    return part;
}

void table_classes(struct table *t, unsigned classes)
{
    for (uint64_t i = 0; i < t->rows; i++)
        t->y[i] =
            (double)(i < classes ? i : (uint64_t)(t->y[i] < 0 ? -t->y[i] : t->y[i]) % classes);
}

FILE *golden_file(const char *name)
{
    char path[256];

    snprintf(path, sizeof path, "tests/forest/golden/%s", name);
    FILE *f = fopen(path, "r");
    if (!f) {
        fprintf(stderr, "%s: cannot open; run from the top of the source tree\n", path);
        exit(3);
    }
    return f;
}

struct trained train_on(const struct table *t, bool weighted, const struct forest_params *params)
{
    struct trained m = { NULL, 0, NULL };
    struct forest_matrix x = table_matrix(t);

    REQUIRE_OK(forest_train(&x, t->y, weighted ? t->w : NULL, params, NULL, &m.block, &m.bytes));
    REQUIRE_OK(forest_open(m.block, m.bytes, &m.forest, NULL));
    return m;
}

void trained_free(struct trained *m)
{
    forest_close(m->forest);
    free(m->block);
    memset(m, 0, sizeof *m);
}
