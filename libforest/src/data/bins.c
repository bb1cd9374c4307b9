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

#include "edges.h"
#include "base/memory.h"
#include "sort_radix.h"

#define BINS_MAGIC UINT64_C(0x3130736e69622e66) /* "f.bins01" where little-endian */
#define BINS_VERSION 1
#define BINS_ALIGN ((uint64_t)64)
#define FEATURES_MAX ((uint64_t)INT32_MAX)
#define SAMPLE_ROWS (1u << 18)
#define AT_ONCE 16u /* features that are sampled */
#define TILE 256u   /* rows whose values and codes stay in the cache */

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

/*
 * Keys of a sample of some features, those of one behind the other in rows of `stride`, without the
 * NaNs: how many goes to counts. All are read at once, for they are side by side, or at least near.
 */
static void load_sample(const struct prep_source *x, uint64_t first, uint32_t features,
                        uint32_t stride, uint32_t *keys, uint32_t *counts)
{
    memset(counts, 0, features * sizeof *counts);
    for (uint32_t i = 0; i < stride; i++) {
        uint64_t row = sample_row(i, stride, x->rows);
        for (uint32_t f = 0; f < features; f++) {
            float v = value_at(x, row, first + f);
            keys[(size_t)f * stride + counts[f]] = sort_key(v + 0.0f); /* -0 becomes 0 */
            counts[f] += isnan(v) ? 0 : 1;
        }
    }
}

static uint32_t *sort_sample(uint32_t *keys, uint32_t *spare, uint32_t n)
{
    uint32_t varying = 0;

    for (uint32_t i = 0; i < n; i++)
        varying |= keys[i] ^ keys[0];
    return radix_sort_keys(keys, spare, n, varying);
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
static void make_edges(const uint32_t *sorted, uint32_t n, double *edges)
{
    uint32_t distinct = n > 0, bins = 0, in_bin = 0, left = n;

    for (uint32_t i = 1; i < n; i++)
        distinct += sorted[i] != sorted[i - 1];
    uint32_t share = distinct < BINS_MAX ? 0 : left / BIN_NAN;
    for (uint32_t i = 0; i + 1 < n && bins + 1 < BIN_NAN; i++) {
        in_bin++;
        if (sorted[i] == sorted[i + 1])
            continue;
        if (in_bin < share)
            continue;
        edges[bins++] = edge_between(sorted[i], sorted[i + 1]);
        left -= in_bin;
        in_bin = 0;
        share = share ? left / (BIN_NAN - bins) : 0;
    }
    while (bins < BINS_MAX)
        edges[bins++] = DBL_MAX;
}

/* ---- codes ------------------------------------------------------------------------------- */

/* The least float above the edge. */
static float least_above(double edge)
{
    if (edge >= (double)FLT_MAX)
        return INFINITY;
    float v = (float)edge;
    return (double)v > edge ? v : nextafterf(v, INFINITY);
}

/* Values of some rows as floats. False: one is infinite. */
static bool load_values(const struct prep_source *x, uint64_t first, uint32_t n, uint64_t feature,
                        float *values)
{
    bool is_finite = true;

    for (uint32_t i = 0; i < n; i++) {
        values[i] = value_at(x, first + i, feature);
        is_finite &= !isinf(values[i]);
    }
    return is_finite;
}

/* `least` are the edges as edges_fill() wants them. */
static bool fill_codes(const struct prep_source *x, const float *least, uint8_t *codes,
                       size_t stride)
{
    edges_fill *fill = edges_fill_of(KERNELS_BEST);
    bool is_finite = true;
    float values[TILE];

    for (uint64_t row = 0; row < x->rows; row += TILE, codes += TILE * stride) {
        uint32_t n = x->rows - row < TILE ? (uint32_t)(x->rows - row) : TILE;
        for (uint64_t f = 0; f < x->cols; f++) {
            is_finite &= load_values(x, row, n, f, values);
            fill(least + f * BINS_MAX, values, n, codes + f, stride);
        }
        for (uint32_t i = 0; i < n; i++)
            memset(codes + i * stride + x->cols, 0, stride - x->cols);
    }
    return is_finite;
}

/* -ENOMEM */
static int build_edges(const struct prep_source *x, double *edges, float *least)
{
    uint32_t count = x->rows < SAMPLE_ROWS ? (uint32_t)x->rows : SAMPLE_ROWS, counts[AT_ONCE];
    uint64_t most = x->cols < AT_ONCE ? x->cols : AT_ONCE;
    uint32_t *keys = memory_make((most + 1) * count * sizeof *keys), *spare = keys + most * count;
    if (!keys)
        return -ENOMEM;
    for (uint64_t f = 0; f < x->cols; f++, edges += BINS_MAX, least += BINS_MAX) {
        uint32_t at = f % AT_ONCE;
        if (at == 0)
            load_sample(x, f, x->cols - f < AT_ONCE ? (uint32_t)(x->cols - f) : AT_ONCE, count,
                        keys, counts);
        make_edges(sort_sample(keys + (size_t)at * count, spare, counts[at]), counts[at], edges);
        for (uint32_t i = 0; i < BINS_MAX; i++)
            least[i] = least_above(edges[i]);
    }
    free(keys);
    return 0;
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
    memory_populate(base, bytes);
    memset(base, 0, sizeof(struct header)); /* a block half built cannot be opened */
    double *edges = (double *)(void *)(base + parts.edges);
    float *least = memory_make(x->cols * BINS_MAX * sizeof *least);
    if (!least)
        return -ENOMEM;
    err = build_edges(x, edges, least);
    if (!err && !fill_codes(x, least, (uint8_t *)base + parts.codes, parts.stride))
        err = -EINVAL;
    free(least);
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
