/* SPDX-License-Identifier: MIT */
/*
 * npy.c -- the header is a Python dictionary in text:
 *
 *     "\x93NUMPY" major minor size  {'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }
 *
 * We read that one form (keys in any order, either quote, spaces anywhere), not Python.
 */
#include "npy.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAGIC "\x93NUMPY"
#define MAGIC_SIZE 6
#define ALIGNMENT 64

struct text {
    const char *p, *end;
};

static void skip_blanks(struct text *t)
{
    while (t->p < t->end && (*t->p == ' ' || *t->p == '\t' || *t->p == '\n'))
        t->p++;
}

/* Take this character if it is next. */
static bool take(struct text *t, char c)
{
    skip_blanks(t);
    if (t->p == t->end || *t->p != c)
        return false;
    t->p++;
    return true;
}

static bool take_word(struct text *t, const char *word)
{
    skip_blanks(t);
    size_t n = strlen(word);
    if ((size_t)(t->end - t->p) < n || memcmp(t->p, word, n))
        return false;
    t->p += n;
    return true;
}

/* A quoted string of less than `size` bytes, without escapes. */
static bool take_string(struct text *t, char *out, size_t size)
{
    char quote = take(t, '\'') ? '\'' : '"';
    if (quote == '"' && !take(t, '"'))
        return false;
    const char *close = memchr(t->p, quote, (size_t)(t->end - t->p));
    if (!close || (size_t)(close - t->p) >= size)
        return false;
    memcpy(out, t->p, (size_t)(close - t->p));
    out[close - t->p] = 0;
    t->p = close + 1;
    return true;
}

static bool take_number(struct text *t, uint64_t *out)
{
    skip_blanks(t);
    const char *start = t->p;
    uint64_t x = 0;
    for (; t->p < t->end && *t->p >= '0' && *t->p <= '9'; t->p++)
        if (__builtin_mul_overflow(x, 10u, &x) ||
            __builtin_add_overflow(x, (uint64_t)(*t->p - '0'), &x))
            return false;
    *out = x;
    return t->p != start;
}

static bool take_shape(struct text *t, struct npy_info *info)
{
    if (!take(t, '('))
        return false;
    info->ndim = 0;
    while (!take(t, ')')) {
        if (info->ndim == NPY_DIMS_MAX || !take_number(t, &info->dims[info->ndim++]))
            return false;
        if (!take(t, ',')) /* "(3)" is a number in Python, but numpy never writes it: harmless */
            return take(t, ')');
    }
    return true;
}

/* Of a type that we do not take: what it is, if it is one of numpy's. */
static const char *kind_in_words(const char *descr)
{
    switch (descr[0] ? descr[1] : 0) {
    case 'O':
        return "Python objects";
    case 'c':
        return "complex numbers";
    case 'S':
    case 'U':
        return "text";
    case 'M':
    case 'm':
        return "times";
    case 'V':
        return "bytes without a type";
    default:
        return "something else";
    }
}

static int take_descr(struct text *t, struct npy_info *info, struct diag *diag)
{
    char descr[16] = "";
    if (!take_string(t, descr, sizeof descr))
        return diag_set(diag, -EINVAL, "a .npy file of records, or with a damaged header");
    char size = descr[0] && descr[1] ? descr[2] : 0;
    bool is_float = descr[1] == 'f' && (size == '2' || size == '4' || size == '8');
    bool is_integer = (descr[1] == 'i' || descr[1] == 'u') && size && strchr("1248", size);
    bool is_boolean = descr[1] == 'b' && size == '1';
    bool is_ours = descr[0] && (strchr("<>=", descr[0]) || (descr[0] == '|' && size == '1'));
    if (!is_ours || (!is_float && !is_integer && !is_boolean) || descr[3])
        return diag_set(diag, -EINVAL,
                        "elements of type '%s', which is %s; we take integers, floats of 2, 4 or 8 "
                        "bytes, and booleans",
                        descr, kind_in_words(descr));
    info->is_big_endian = descr[0] == '>' && size != '1';
    info->kind = descr[1];
    info->itemsize = (uint32_t)(descr[2] - '0');
    return 0;
}

static int parse_dictionary(struct text *t, struct npy_info *info, struct diag *diag)
{
    static const char *const damaged = "the .npy header is damaged";
    unsigned seen = 0;
    if (!take(t, '{'))
        return diag_set(diag, -EINVAL, "%s", damaged);
    while (!take(t, '}')) {
        char key[16];
        if (!take_string(t, key, sizeof key) || !take(t, ':'))
            return diag_set(diag, -EINVAL, "%s", damaged);
        bool ok = true;
        if (!strcmp(key, "descr")) {
            int err = take_descr(t, info, diag);
            if (err)
                return err;
            seen |= 1;
        } else if (!strcmp(key, "fortran_order")) {
            info->fortran_order = take_word(t, "True");
            ok = info->fortran_order || take_word(t, "False");
            seen |= 2;
        } else if (!strcmp(key, "shape")) {
            ok = take_shape(t, info);
            seen |= 4;
        } else {
            ok = false;
        }
        skip_blanks(t);
        if (!ok || (!take(t, ',') && (t->p == t->end || *t->p != '}')))
            return diag_set(diag, -EINVAL, "%s", damaged);
    }
    return seen == 7 ? 0 : diag_set(diag, -EINVAL, "%s", damaged);
}

static bool data_size(struct npy_info *info)
{
    size_t size = info->itemsize;
    bool is_empty = false;
    for (uint32_t i = 0; i < info->ndim; i++)
        is_empty |= info->dims[i] == 0;
    for (uint32_t i = 0; i < info->ndim && !is_empty; i++)
        if (__builtin_mul_overflow(size, info->dims[i], &size))
            return false;
    info->data_size = is_empty ? 0 : size;
    return true;
}

int npy_parse(const void *file, size_t size, struct npy_info *out, struct diag *diag)
{
    const unsigned char *b = file;
    struct npy_info info = { .kind = 0 };
    if (size < 10 || memcmp(b, MAGIC, MAGIC_SIZE))
        return diag_set(diag, -EINVAL, "not a .npy file");
    unsigned major = b[6];
    if (major < 1 || major > 3)
        return diag_set(diag, -EINVAL, "a .npy file of version %u; we know 1 to 3", major);
    size_t start = major == 1 ? 10 : 12;
    if (size < start)
        return diag_set(diag, -EINVAL, "the .npy file is cut off in its header");
    size_t length = b[8] | (size_t)b[9] << 8;
    if (major > 1)
        length |= (size_t)b[10] << 16 | (size_t)b[11] << 24;
    if (length > size - start)
        return diag_set(diag, -EINVAL, "the .npy file is cut off in its header");
    struct text t = { (const char *)b + start, (const char *)b + start + length };
    int err = parse_dictionary(&t, &info, diag);
    if (err)
        return err;
    info.data_offset = start + length;
    if (!data_size(&info))
        return diag_set(diag, -EINVAL, "the .npy header tells of an absurdly large array");
    if (info.data_size != size - info.data_offset)
        return diag_set(diag, -EINVAL,
                        "the .npy file has %zu bytes of elements where its header tells of %zu",
                        size - info.data_offset, info.data_size);
    *out = info;
    return 0;
}

size_t npy_header(const struct npy_info *info, char header[NPY_HEADER_MAX])
{
    char text[NPY_HEADER_MAX];
    int n = snprintf(text, sizeof text, "{'descr': '%c%c%u', 'fortran_order': False, 'shape': (",
                     info->itemsize == 1 ? '|' : '<', info->kind, info->itemsize);
    for (uint32_t i = 0; i < info->ndim; i++)
        n += snprintf(text + n, sizeof text - (size_t)n, "%s%llu", i ? ", " : "",
                      (unsigned long long)info->dims[i]);
    n += snprintf(text + n, sizeof text - (size_t)n, "%s), }", info->ndim == 1 ? "," : "");
    /* Blanks and a line end up to the alignment, as numpy does it. */
    size_t total = (10 + (size_t)n + 1 + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    memcpy(header, MAGIC "\x01\x00", 8);
    header[8] = (char)((total - 10) & 0xff);
    header[9] = (char)((total - 10) >> 8);
    memcpy(header + 10, text, (size_t)n);
    memset(header + 10 + n, ' ', total - 10 - (size_t)n);
    header[total - 1] = '\n';
    return total;
}

bool npy_is(const void *file, size_t size)
{
    return size >= MAGIC_SIZE && !memcmp(file, MAGIC, MAGIC_SIZE);
}

bool npy_is_named(const char *path)
{
    size_t length = strlen(path);

    return length > 4 && !strcmp(path + length - 4, ".npy");
}

static void turn_bytes(char *element, uint32_t size)
{
    for (uint32_t i = 0, j = size - 1; i < j; i++, j--) {
        char c = element[i];
        element[i] = element[j];
        element[j] = c;
    }
}

/* Any such number is a double, too. */
static double half_value(uint64_t bits)
{
    uint64_t exponent = bits >> 10 & 0x1f, fraction = bits & 0x3ff;
    double size = exponent == 0x1f ? (fraction ? (double)NAN : (double)INFINITY)
                  : exponent       ? ldexp((double)(fraction | 0x400), (int)exponent - 25)
                                   : ldexp((double)fraction, -24);
    return bits >> 15 & 1 ? -size : size;
}

double npy_value(const void *file, const struct npy_info *info, uint64_t at)
{
    char bytes[8] = "";
    union {
        float f4;
        double f8;
        uint64_t u;
    } v;
    memcpy(bytes, (const char *)file + info->data_offset + at * info->itemsize, info->itemsize);
    if (info->is_big_endian)
        turn_bytes(bytes, info->itemsize);
    memcpy(&v, bytes, sizeof v);
    switch (info->kind) {
    case 'f':
        return info->itemsize == 8 ? v.f8 : info->itemsize == 4 ? (double)v.f4 : half_value(v.u);
    case 'b':
        return v.u != 0;
    case 'u':
        return (double)v.u;
    default: {
        unsigned unused = 64 - 8 * info->itemsize; /* bits above the sign */
        return (double)((int64_t)(v.u << unused) >> unused);
    }
    }
}

/* In C order, the bytes of each as they are. */
static void copy_elements(const char *from, const struct npy_info *info, char *to)
{
    if (!info->fortran_order || info->ndim < 2) {
        memcpy(to, from, info->data_size);
        return;
    }
    uint64_t count = info->data_size / info->itemsize;
    uint64_t index[NPY_DIMS_MAX] = { 0 }, stride[NPY_DIMS_MAX], step = 1;
    for (uint32_t i = 0; i < info->ndim; i++) {
        stride[i] = step;
        step *= info->dims[i];
    }
    for (uint64_t n = 0, at = 0; n < count; n++) {
        memcpy(to + n * info->itemsize, from + at * info->itemsize, info->itemsize);
        /* The last index runs fastest in C order; carry into the ones before. */
        for (uint32_t i = info->ndim; i-- > 0;) {
            at += stride[i];
            if (++index[i] < info->dims[i])
                break;
            at -= stride[i] * info->dims[i];
            index[i] = 0;
        }
    }
}

void npy_copy(const void *file, const struct npy_info *info, void *out)
{
    char *to = out;
    if (info->data_size == 0)
        return;
    copy_elements((const char *)file + info->data_offset, info, to);
    for (size_t at = 0; info->is_big_endian && at < info->data_size; at += info->itemsize)
        turn_bytes(to + at, info->itemsize);
}
