/* SPDX-License-Identifier: MIT */
/*
 * prep.c -- columns and sorted orders, worked out once per data set.
 *
 *     header | close[features] | columns[features][rows] | orders[features][rows] |
 * near[features][]
 *
 * All parts start at multiples of 64 bytes from the block's start. Eight bytes and a bit a cell: a
 * grower gets ranks by walking an order list and counting the rows that are not marked as ties, so
 * neither ranks nor distinct values are kept. Beyond prep_order_rows() there are only header and
 * columns, four bytes a cell: whoever needs the order of a part of so many rows sorts it.
 *
 * prep_open() checks what the grower relies on: every order list is a permutation of the rows,
 * ascending, with the tie marks where they belong; `close` and `near` are what the column says. So
 * a block that passes cannot lead the grower out of its arrays, only to another tree.
 */
#include "prep.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "sort_radix.h"

#define PREP_MAGIC UINT64_C(0x3130706572702e66) /* "f.prep01" where little-endian */
#define PREP_VERSION 2
#define PREP_ALIGN ((size_t)64)
#define FEATURES_MAX ((uint64_t)INT32_MAX)
#define SHARED_CELLS ((uint64_t)1 << 17) /* fewer are done by the time that others have begun */
#define PART_ROWS ((uint64_t)1 << 16)    /* to share out columns alone */
#define TILE 256u                        /* rows that stay in the cache for all features */

struct header {
    uint64_t magic;
    uint32_t version, reserved;
    uint64_t rows, features, bytes;
    uint64_t zero[3];
};
_Static_assert(sizeof(struct header) == PREP_ALIGN, "the parts behind the header stay aligned");

/* Where the parts begin, in bytes from the start. */
struct parts {
    bool has_orders; /* and what goes with them: close and near */
    size_t close, columns, orders, near, end;
};

static bool place(size_t *end, uint64_t count, uint64_t each)
{
    size_t bytes;
    return !__builtin_mul_overflow(count, each, &bytes) &&
           !__builtin_add_overflow(*end, bytes, end) &&
           !__builtin_add_overflow(*end, PREP_ALIGN - 1, end) && (*end &= ~(PREP_ALIGN - 1), true);
}

static int lay_out(uint64_t rows, uint64_t features, struct parts *parts)
{
    size_t end = sizeof(struct header);
    if (rows == 0 || features == 0)
        return -EINVAL;
    if (rows > PREP_ROWS_MAX || features > FEATURES_MAX)
        return -E2BIG;
    parts->has_orders = rows <= prep_order_rows(rows, features);
    uint64_t ordered = parts->has_orders ? features : 0;
    parts->close = end;
    if (!place(&end, ordered, sizeof(uint32_t)))
        return -E2BIG;
    parts->columns = end;
    if (!place(&end, features * rows, sizeof(float)))
        return -E2BIG;
    parts->orders = end;
    if (!place(&end, ordered * rows, sizeof(uint32_t)))
        return -E2BIG;
    parts->near = end;
    if (!place(&end, ordered * prep_near_words((uint32_t)rows), sizeof(uint64_t)))
        return -E2BIG;
    parts->end = end;
    return 0;
}

int prep_bytes(uint64_t rows, uint64_t features, size_t *bytes)
{
    struct parts parts;
    int err = lay_out(rows, features, &parts);
    if (!err)
        *bytes = parts.end;
    return err;
}

/* ---- build ------------------------------------------------------------------------------- */

static void sort_column(const float *column, uint32_t rows, struct item *a, struct item *b,
                        uint32_t *order)
{
    uint32_t varying = 0;
    for (uint32_t i = 0; i < rows; i++) {
        a[i] = (struct item){ sort_key(column[i]), i };
        varying |= a[i].key ^ a[0].key;
    }
    a = radix_sort(a, b, rows, varying);
    order[0] = a[0].slot;
    for (uint32_t i = 1; i < rows; i++)
        order[i] = a[i].slot | (a[i].key == a[i - 1].key ? PREP_TIE : 0);
}

/*
 * The bits of 64 distinct values from `*i` on, which is moved behind them. `last` is the value
 * before, and is moved, too.
 */
static uint64_t near_word(const float *column, const uint32_t *order, uint32_t rows, uint32_t *i,
                          float *last)
{
    uint64_t word = 0;
    for (uint32_t k = 0; k < 64 && *i < rows; k++) {
        float v = column[order[*i] & PREP_ROW];
        word |= (uint64_t)(*i > 0 && v <= *last + PREP_APART) << k;
        *last = v;
        while (++*i < rows && order[*i] & PREP_TIE)
            ;
    }
    return word;
}

/* Fill `near`; returns whether any bit is set. */
static bool fill_near(const float *column, const uint32_t *order, uint32_t rows, uint64_t *near)
{
    uint64_t any = 0;
    uint32_t at = 0;
    float last = 0.0f;
    for (size_t i = 0; i < prep_near_words(rows); i++)
        any |= near[i] = near_word(column, order, rows, &at, &last);
    return any != 0;
}

static bool sound_near(const float *column, const uint32_t *order, uint32_t rows,
                       const uint64_t *near, uint32_t close)
{
    uint64_t any = 0;
    uint32_t at = 0;
    float last = 0.0f;
    for (size_t i = 0; i < prep_near_words(rows); i++) {
        if (near[i] != near_word(column, order, rows, &at, &last))
            return false;
        any |= near[i];
    }
    return close == (any != 0);
}

static bool wrong_place(const void *block, size_t bytes, size_t expected)
{
    return !block || bytes != expected || (uintptr_t)block % sizeof(uint64_t) != 0;
}

/* A block that is being built. */
struct build {
    const struct prep_source *x;
    struct parts parts;
    char *base;
    bool *built; /* by part, if they are shared out */
};

static float *column_of(const struct build *b, size_t feature)
{
    return (float *)(void *)(b->base + b->parts.columns) + feature * (size_t)b->x->rows;
}

/* Values of some rows as floats. False: one is not finite. */
static bool load_values(const struct prep_source *x, uint64_t row, uint32_t n, uint64_t feature,
                        float *values)
{
    const char *at =
        (const char *)x->data + (ptrdiff_t)row * x->row_stride + (ptrdiff_t)feature * x->col_stride;
    bool is_finite = true;
    for (uint32_t i = 0; i < n; i++, at += x->row_stride) {
        float v;
        if (x->is_double) {
            double d;
            memcpy(&d, at, sizeof d);
            v = (float)d;
        } else {
            memcpy(&v, at, sizeof v);
        }
        is_finite &= fabsf(v) <= FLT_MAX; /* false for a NaN */
        values[i] = v + 0.0f;             /* -0 becomes 0: they are equal, and shall look equal */
    }
    return is_finite;
}

/* Some features of some rows to their columns: the caller's matrix is mostly stored by rows. */
static int load(const struct build *b, uint64_t row, uint64_t end_row, size_t first, size_t end)
{
    bool is_finite = true;
    for (size_t f = first; f < end; f++)
        memory_populate(column_of(b, f) + row, (size_t)(end_row - row) * sizeof(float));
    for (; row < end_row; row += TILE) {
        uint32_t n = end_row - row < TILE ? (uint32_t)(end_row - row) : TILE;
        for (size_t f = first; f < end; f++)
            is_finite &= load_values(b->x, row, n, f, column_of(b, f) + row);
    }
    return is_finite ? 0 : -EINVAL;
}

/* With room for twice the rows: the order of a feature's column, and what goes with that. */
static void order_feature(const struct build *b, size_t feature, struct item *items)
{
    const struct parts *parts = &b->parts;
    uint32_t rows = (uint32_t)b->x->rows, *close = (uint32_t *)(void *)(b->base + parts->close);
    uint32_t *order = (uint32_t *)(void *)(b->base + parts->orders) + feature * rows;
    uint64_t *near = (uint64_t *)(void *)(b->base + parts->near) + feature * prep_near_words(rows);
    memory_populate(order, rows * sizeof *order);
    sort_column(column_of(b, feature), rows, items, items + rows, order);
    if (!b->x->lacks_near)
        close[feature] = fill_near(column_of(b, feature), order, rows, near);
}

/* The features from `first` on, up to `end`. */
static int build_features(const struct build *b, size_t first, size_t end)
{
    int err = load(b, 0, b->x->rows, first, end);
    if (err || !b->parts.has_orders)
        return err;
    struct item *items = memory_make(2 * (size_t)b->x->rows * sizeof *items);
    if (!items)
        return -ENOMEM;
    for (; first < end; first++)
        order_feature(b, first, items);
    free(items);
    return 0;
}

/* A feature, or where there is nothing to sort all features of some rows. */
static int build_part(void *arg, uint32_t part)
{
    const struct build *b = arg;
    uint64_t row = part * PART_ROWS, left = b->x->rows - row;
    int err = b->parts.has_orders
                  ? build_features(b, part, (size_t)part + 1)
                  : load(b, row, row + (left < PART_ROWS ? left : PART_ROWS), 0, b->x->cols);
    b->built[part] = !err;
    return err;
}

/* What an executor leaves out would lead the grower out of its arrays. */
static int share_out(struct build *b, const struct forest_executor *executor)
{
    size_t parts = b->parts.has_orders ? b->x->cols : (b->x->rows + PART_ROWS - 1) / PART_ROWS;
    b->built = calloc(parts, sizeof *b->built);
    if (!b->built)
        return -ENOMEM;
    int err = executor->for_each(executor->ctx, (uint32_t)parts, build_part, b);
    for (size_t i = 0; i < parts && !err; i++)
        err = b->built[i] ? 0 : -EINVAL;
    free(b->built);
    return err;
}

/* What fills the columns, the orders and what goes with them up to 64 bytes. */
static void fill_up(const struct build *b)
{
    const struct parts *p = &b->parts;
    size_t cells = (size_t)(b->x->rows * b->x->cols), end = p->columns + cells * sizeof(float);
    memset(b->base + end, 0, p->orders - end);
    if (!p->has_orders)
        return;
    size_t near = b->x->cols * prep_near_words((uint32_t)b->x->rows) * sizeof(uint64_t);
    end = p->orders + cells * sizeof(uint32_t);
    memset(b->base + end, 0, p->near - end);
    memset(b->base + p->near + near, 0, p->end - p->near - near);
}

int prep_build(const struct prep_source *x, void *block, size_t bytes)
{
    struct build b = { .x = x, .base = block };
    int err = lay_out(x->rows, x->cols, &b.parts);
    if (err)
        return err;
    if (wrong_place(block, bytes, b.parts.end) || !x->data)
        return -EINVAL;
    memset(b.base, 0, b.parts.columns); /* a block half built cannot be opened; and `close` */
    bool is_shared = x->executor && x->executor->workers > 1 && x->rows * x->cols >= SHARED_CELLS;
    err = is_shared ? share_out(&b, x->executor) : build_features(&b, 0, x->cols);
    if (err)
        return err;
    fill_up(&b);
    struct header header = { .magic = PREP_MAGIC,
                             .version = PREP_VERSION,
                             .rows = x->rows,
                             .features = x->cols,
                             .bytes = b.parts.end };
    memcpy(b.base, &header, sizeof header);
    return 0;
}

/* ---- open -------------------------------------------------------------------------------- */

static bool sound_order(const float *column, const uint32_t *order, uint32_t rows, uint64_t *seen)
{
    memset(seen, 0, ((size_t)rows + 63) / 64 * sizeof *seen);
    float last = 0.0f;
    for (uint32_t i = 0; i < rows; i++) {
        uint32_t row = order[i] & PREP_ROW;
        if (row >= rows || (seen[row / 64] >> row % 64 & 1))
            return false;
        seen[row / 64] |= (uint64_t)1 << row % 64;
        float v = column[row];
        bool tie = order[i] & PREP_TIE;
        if (!isfinite(v) || (i == 0 ? tie : tie ? v != last : !(v > last)))
            return false;
        last = v;
    }
    return true;
}

static int check_orders(const struct prep *p)
{
    uint64_t *seen = malloc(((size_t)p->rows + 63) / 64 * sizeof *seen);
    if (!seen)
        return -ENOMEM;
    bool sound = true;
    for (uint32_t f = 0; f < p->features && sound; f++) {
        const float *column = prep_column(p, f);
        const uint32_t *order = prep_order(p, f);
        sound = sound_order(column, order, p->rows, seen) &&
                sound_near(column, order, p->rows, prep_near(p, f), p->close[f]);
    }
    free(seen);
    return sound ? 0 : -EBADMSG;
}

static int check_columns(const struct prep *p)
{
    size_t cells = (size_t)p->features * p->rows;
    bool sound = true;
    for (size_t i = 0; i < cells; i++)
        sound &= fabsf(p->columns[i]) <= FLT_MAX; /* false for a NaN */
    return sound ? 0 : -EBADMSG;
}

int prep_view(const void *block, size_t bytes, struct prep *view)
{
    struct header header;
    struct parts parts;
    if (!block || (uintptr_t)block % sizeof(uint64_t) != 0)
        return -EINVAL;
    if (bytes < sizeof header)
        return -EBADMSG;
    memcpy(&header, block, sizeof header);
    if (header.magic != PREP_MAGIC)
        return -EBADMSG;
    if (header.version != PREP_VERSION)
        return -EPROTO;
    if (lay_out(header.rows, header.features, &parts) || parts.end != bytes ||
        header.bytes != bytes)
        return -EBADMSG;
    const char *base = block;
    struct prep p = { .rows = (uint32_t)header.rows,
                      .features = (uint32_t)header.features,
                      .columns = (const float *)(const void *)(base + parts.columns),
                      .orders = (const uint32_t *)(const void *)(base + parts.orders),
                      .close = (const uint32_t *)(const void *)(base + parts.close),
                      .near = (const uint64_t *)(const void *)(base + parts.near) };
    if (!parts.has_orders) {
        p.close = p.orders = NULL;
        p.near = NULL;
    }
    *view = p;
    return 0;
}

int prep_open(const void *block, size_t bytes, struct prep *view)
{
    struct prep p;
    int err = prep_view(block, bytes, &p);
    if (!err)
        err = p.orders ? check_orders(&p) : check_columns(&p);
    if (!err)
        *view = p;
    return err;
}
