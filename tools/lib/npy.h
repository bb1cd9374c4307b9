/* SPDX-License-Identifier: MIT */
/*
 * npy.h -- numpy's .npy files: header in, header out. Versions 1, 2 and 3; integers, floats and
 * booleans; either order of bytes; C and Fortran order.
 */
#ifndef NPY_H
#define NPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "diag.h"
#include "filemap.h"

#define NPY_DIMS_MAX 32

struct npy_info {
    char kind;         /* 'f', 'i', 'u' or 'b' */
    uint32_t itemsize; /* 1, 2, 4 or 8; floats from 2 on, booleans 1 */
    bool is_big_endian;
    bool fortran_order;
    uint32_t ndim;
    uint64_t dims[NPY_DIMS_MAX];
    size_t data_offset; /* where the elements start */
    size_t data_size;   /* product of the dims times itemsize */
};

/*
 * What the first `size` bytes of a file say. Checks that all of its elements are there.
 * -EINVAL: not such a file, or of a kind we do not take; diag says why.
 */
int npy_parse(const void *file, size_t size, struct npy_info *info, struct diag *diag);

/* The header for an array (little-endian, C order), a multiple of 64 bytes; data_offset and data_size are not
 * read. */
#define NPY_HEADER_MAX 1024
size_t npy_header(const struct npy_info *info, char header[NPY_HEADER_MAX]);

/* Do the bytes start like one? */
bool npy_is(const void *file, size_t size);
/* Does the name of a file say that it is one? */
bool npy_is_named(const char *path);

/*
 * The elements little-endian and in C order, whatever order the file has. `out` has room for
 * data_size bytes.
 */
void npy_copy(const void *file, const struct npy_info *info, void *out);

/* Element `at` in the order of the file, as numpy's astype(float64) converts it; true is 1. */
double npy_value(const void *file, const struct npy_info *info, uint64_t at);

#endif
