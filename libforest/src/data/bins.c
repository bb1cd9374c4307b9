/* SPDX-License-Identifier: MIT */
/*
 * bins.c -- from values to bins, once per data set.
 *
 *     header | edges[features][BINS_MAX] | codes[rows][stride]
 *
 * All parts start at multiples of 64 bytes from the block's start. Of more than SAMPLE_ROWS rows
 * the bins are made from a sample, which depends on the number of rows alone.
 */
#include "bins.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sort_radix.h"

#define BINS_MAGIC UINT64_C(0x3130736e69622e66) /* "f.bins01" where little-endian */
#define BINS_VERSION 1
#define BINS_ALIGN ((uint64_t)64)
#define FEATURES_MAX ((uint64_t)INT32_MAX)
#define SAMPLE_ROWS (1u << 18)

struct header {
    uint64_t magic;
    uint32_t version, reserved;
    uint64_t rows, features, bytes;
    uint64_t zero[3];
};
_Static_assert(sizeof(struct header) == BINS_ALIGN, "the parts behind the header stay aligned");

struct parts {
    size_t stride, edges, codes, end;
};

static int lay_out(uint64_t rows, uint64_t features, struct parts *parts)
{
    uint64_t end, codes;

    if (rows == 0 || features == 0)
        return -EINVAL;
    if (rows > PREP_ROWS_MAX || features > FEATURES_MAX)
        return -E2BIG;
    uint64_t stride = (features + 15) / 16 * 16;
    uint64_t edges = sizeof(struct header), edge_bytes = features * BINS_MAX * sizeof(double);
    if (__builtin_mul_overflow(rows, stride, &codes) ||
        __builtin_add_overflow(codes, edges + edge_bytes + BINS_ALIGN - 1, &end) ||
        end > SIZE_MAX / 2)
        return -E2BIG;
    end &= ~(BINS_ALIGN - 1);
    *parts = (struct parts){ stride, edges, edges + edge_bytes, end };
    return 0;
}

int bins_bytes(uint64_t rows, uint64_t features, size_t *bytes)
{
    struct parts parts;
    int err = lay_out(rows, features, &parts);

    if (!err)
        *bytes = parts.end;
    return err;
}

/* ---- edges ------------------------------------------------------------------------------- */

static float value_at(const struct prep_source *x, uint64_t row, uint64_t feature)
{
    const char *at =
        (const char *)x->data + (ptrdiff_t)row * x->row_stride + (ptrdiff_t)feature * x->col_stride;
    double d;
    float v;

    if (!x->is_double) {
        memcpy(&v, at, sizeof v);
        return v;
    }
    memcpy(&d, at, sizeof d);
    return (float)d;
}

/* The row that stands for place i of a sample of `count`. */
static uint64_t sample_row(uint64_t i, uint64_t count, uint64_t rows)
{
    uint64_t first = rows * i / count, width = rows * (i + 1) / count - first;

    return first + (width > 1 ? (i * UINT64_C(0x9e3779b97f4a7c15) >> 32) % width : 0);
}

/* Values of a sample, sorted, without the NaNs: their number. */
static uint32_t sorted_sample(const struct prep_source *x, uint64_t feature, struct item *items,
                              struct item **sorted)
{
    uint32_t count = x->rows < SAMPLE_ROWS ? (uint32_t)x->rows : SAMPLE_ROWS, n = 0, varying = 0;

    for (uint32_t i = 0; i < count; i++) {
        float v = value_at(x, sample_row(i, count, x->rows), feature);
        if (isnan(v))
            continue;
        items[n] = (struct item){ sort_key(v + 0.0f), i }; /* -0 becomes 0 */
        varying |= items[n].key ^ items[0].key;
        n++;
    }
    *sorted = radix_sort(items, items + count, n, varying);
    return n;
}

static double edge_between(uint32_t below, uint32_t above)
{
    double a = (double)key_value(below), b = (double)key_value(above), middle = a / 2.0 + b / 2.0;

    return middle == b ? a : middle;
}

/*
 * Go through the distinct values in order and close a bin when it has its share of the rows that
 * are left; while values are no more than bins, each has its own.
 */
static void make_edges(const struct item *sorted, uint32_t n, double *edges)
{
    uint32_t distinct = n > 0, bins = 0, in_bin = 0, left = n;

    for (uint32_t i = 1; i < n; i++)
        distinct += sorted[i].key != sorted[i - 1].key;
    bool is_own = distinct < BINS_MAX;
    for (uint32_t i = 0; i + 1 < n && bins + 1 < BIN_NAN; i++) {
        in_bin++;
        if (sorted[i].key == sorted[i + 1].key)
            continue;
        if (!is_own && in_bin < left / (BIN_NAN - bins))
            continue;
        edges[bins++] = edge_between(sorted[i].key, sorted[i + 1].key);
        left -= in_bin;
        in_bin = 0;
    }
    while (bins < BINS_MAX)
        edges[bins++] = DBL_MAX;
}

/* ---- codes ------------------------------------------------------------------------------- */

/* The number of edges below the value. */
static inline uint8_t code_of(float v, const double *edges)
{
    uint32_t at = 0;

    if (isnan(v))
        return BIN_NAN;
    for (uint32_t step = BINS_MAX / 2; step; step /= 2)
        at += (double)v > edges[at + step - 1] ? step : 0;
    return (uint8_t)at;
}

static int fill_codes(const struct prep_source *x, const double *edges, uint8_t *codes,
                      size_t stride)
{
    bool is_finite = true;

    for (uint64_t row = 0; row < x->rows; row++, codes += stride) {
        for (uint64_t f = 0; f < x->cols; f++) {
            float v = value_at(x, row, f);
            is_finite &= !isinf(v);
            codes[f] = code_of(v, edges + f * BINS_MAX);
        }
        memset(codes + x->cols, 0, stride - x->cols);
    }
    return is_finite ? 0 : -EINVAL;
}

int bins_build(const struct prep_source *x, void *block, size_t bytes)
{
    struct parts parts;
    int err = lay_out(x->rows, x->cols, &parts);

    if (err)
        return err;
    if (!block || bytes != parts.end || (uintptr_t)block % sizeof(uint64_t) || !x->data)
        return -EINVAL;
    char *base = block;
    memset(base, 0, sizeof(struct header)); /* a block half built cannot be opened */
    double *edges = (double *)(void *)(base + parts.edges);
    uint64_t count = x->rows < SAMPLE_ROWS ? x->rows : SAMPLE_ROWS;
    struct item *items = malloc(2 * count * sizeof *items), *sorted;
    if (!items)
        return -ENOMEM;
    for (uint64_t f = 0; f < x->cols; f++) {
        uint32_t n = sorted_sample(x, f, items, &sorted);
        make_edges(sorted, n, edges + f * BINS_MAX);
    }
    free(items);
    uint8_t *codes = (uint8_t *)base + parts.codes;
    err = fill_codes(x, edges, codes, parts.stride);
    if (err)
        return err;
    size_t used = parts.codes + (size_t)x->rows * parts.stride;
    memset(base + used, 0, parts.end - used);
    struct header header = { .magic = BINS_MAGIC,
                             .version = BINS_VERSION,
                             .rows = x->rows,
                             .features = x->cols,
                             .bytes = parts.end };
    memcpy(base, &header, sizeof header);
    return 0;
}

/* ---- open -------------------------------------------------------------------------------- */

bool bins_are(const void *block, size_t bytes)
{
    uint64_t magic = 0;

    if (bytes >= sizeof magic)
        memcpy(&magic, block, sizeof magic);
    return magic == BINS_MAGIC;
}

/* Any code is a bin, and any row of edges a way to part values; so this is to tell damage. */
static bool sound_edges(const double *edges, uint32_t features)
{
    bool sound = true;

    for (size_t f = 0; f < features; f++, edges += BINS_MAX) {
        sound &= edges[0] >= -DBL_MAX && edges[BINS_MAX - 2] == DBL_MAX &&
                 edges[BINS_MAX - 1] == DBL_MAX;
        for (uint32_t i = 1; i < BINS_MAX; i++)
            sound &= edges[i] > edges[i - 1] || (edges[i] == DBL_MAX && edges[i - 1] == DBL_MAX);
    }
    return sound;
}

int bins_open(const void *block, size_t bytes, struct bins *view)
{
    struct header header;
    struct parts parts;

    if (!block || (uintptr_t)block % sizeof(uint64_t) != 0)
        return -EINVAL;
    if (bytes < sizeof header || !bins_are(block, bytes))
        return -EBADMSG;
    memcpy(&header, block, sizeof header);
    if (header.version != BINS_VERSION)
        return -EPROTO;
    if (lay_out(header.rows, header.features, &parts) || parts.end != bytes ||
        header.bytes != bytes)
        return -EBADMSG;
    const char *base = block;
    struct bins b = { .rows = (uint32_t)header.rows,
                      .features = (uint32_t)header.features,
                      .stride = parts.stride,
                      .codes = (const uint8_t *)base + parts.codes,
                      .edges = (const double *)(const void *)(base + parts.edges) };
    if (!sound_edges(b.edges, b.features))
        return -EBADMSG;
    *view = b;
    return 0;
}
