/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <math.h>

#include "npy.h"
#include "test.h"

static struct diag diag;

/* A file of version `major` with this dictionary and `bytes` bytes 0, 1, 2, ... as elements. */
static size_t make_file(char *file, int major, const char *dictionary, size_t bytes)
{
    size_t length = strlen(dictionary), start = major == 1 ? 10 : 12;
    memcpy(file, "\x93NUMPY", 6);
    file[6] = (char)major;
    file[7] = 0;
    file[8] = (char)(length & 0xff);
    file[9] = (char)(length >> 8);
    if (major > 1)
        file[10] = file[11] = 0;
    memcpy(file + start, dictionary, length);
    for (size_t i = 0; i < bytes; i++)
        file[start + length + i] = (char)i;
    return start + length + bytes;
}

static void reads_what_numpy_writes(void)
{
    static const struct {
        const char *dictionary;
        size_t bytes;
        char kind;
        uint32_t itemsize, ndim;
    } cases[] = {
        { "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }   \n", 96, 'f', 8, 2 },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (5,), }\n", 20, 'f', 4, 1 },
        { "{'descr': '|u1', 'fortran_order': False, 'shape': (), }\n", 1, 'u', 1, 0 },
        { "{'descr': '<i2', 'fortran_order': True, 'shape': (0, 9), }\n", 0, 'i', 2, 2 },
        { "{'descr': '>f2', 'fortran_order': False, 'shape': (3,), }", 6, 'f', 2, 1 },
        { "{'descr': '>i8', 'fortran_order': False, 'shape': (1, 2), }", 16, 'i', 8, 2 },
        { "{'descr': '|b1', 'fortran_order': False, 'shape': (5,), }\n", 5, 'b', 1, 1 },
        { "{\"shape\":(2,),\"descr\":\"<u4\",\"fortran_order\":True}", 8, 'u', 4, 1 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int major = 1; major <= 3; major++) {
            char file[400];
            struct npy_info info;
            size_t n = make_file(file, major, cases[i].dictionary, cases[i].bytes);
            REQUIRE_OK(npy_parse(file, n, &info, &diag));
            CHECK_EQ(info.kind, cases[i].kind);
            CHECK_EQ(info.itemsize, cases[i].itemsize);
            CHECK_EQ(info.ndim, cases[i].ndim);
            CHECK_EQ(info.data_size, cases[i].bytes);
            CHECK_EQ(info.data_offset, n - cases[i].bytes);
            /* every shorter file is refused */
            for (size_t cut = 0; cut < n; cut++)
                CHECK_EQ(npy_parse(file, cut, &info, &diag), -EINVAL);
        }
}

static void refuses_what_it_does_not_take(void)
{
    static const char *const bad[] = {
        "{'descr': '|f8', 'fortran_order': False, 'shape': (1,), }",
        "{'descr': '<f1', 'fortran_order': False, 'shape': (8,), }",
        "{'descr': '<b2', 'fortran_order': False, 'shape': (4,), }",
        "{'descr': '<i3', 'fortran_order': False, 'shape': (1,), }",
        "{'descr': '>f88', 'fortran_order': False, 'shape': (1,), }",
        "{'descr': '>', 'fortran_order': False, 'shape': (1,), }",
        "{'descr': '', 'fortran_order': False, 'shape': (1,), }",
        "{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }",
        "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
        "{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (1,), }",
        "{'descr': '<f8', 'shape': (1,), }",
        "{'descr': '<f8', 'fortran_order': 1, 'shape': (1,), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1L,), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296, 2), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999,), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1,",
        "{'descr': '<f8' 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1,), 'more': 1}",
        "",
        "{",
        "{}",
        "{'",
        "}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char file[400];
        struct npy_info info;
        size_t n = make_file(file, 1, bad[i], 8);
        int err = npy_parse(file, n, &info, &diag);
        if (err != -EINVAL)
            fprintf(stderr, "%s was taken\n", bad[i]);
        CHECK_EQ(err, -EINVAL);
    }
}

static void says_what_it_does_not_take(void)
{
    static const char *const types[][2] = {
        { "|O", "which is Python objects" }, { "<c16", "which is complex numbers" },
        { "<U7", "which is text" },          { "|S3", "which is text" },
        { "<M8[ns]", "which is times" },     { "|V5", "which is bytes without a type" },
        { "<f16", "which is something" },
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char file[400], dictionary[200];
        struct npy_info info;
        snprintf(dictionary, sizeof dictionary,
                 "{'descr': '%s', 'fortran_order': False, 'shape': (1,), }", types[i][0]);
        CHECK_EQ(npy_parse(file, make_file(file, 1, dictionary, 8), &info, &diag), -EINVAL);
        CHECK(strstr(diag.text, types[i][0]) && strstr(diag.text, types[i][1]));
    }
}

/* What numpy makes of these bytes. */
static void values(void)
{
    static const struct {
        char kind;
        uint32_t itemsize;
        bool is_big_endian;
        const char *bytes;
        double value;
    } cases[] = {
        { 'b', 1, false, "\0", 0 },
        { 'b', 1, false, "\1", 1 },
        { 'i', 1, false, "\x80", -128 },
        { 'u', 1, false, "\xff", 255 },
        { 'i', 2, true, "\xff\xfe", -2 },
        { 'u', 2, true, "\xff\xfe", 65534 },
        { 'i', 4, true, "\x80\0\0\1", -2147483647 },
        { 'u', 4, true, "\x80\0\0\1", 2147483649 },
        { 'i', 8, true, "\xff\xff\xff\xff\xff\xff\xff\xf0", -16 },
        { 'u', 8, true, "\x80\0\0\0\0\0\x04\0", 9223372036854775808.0 }, /* to even */
        { 'u', 8, true, "\x80\0\0\0\0\0\x04\1", 9223372036854777856.0 },
        { 'f', 4, true, "\x3f\xc0\0\0", 1.5 },
        { 'f', 8, true, "\xbf\xf8\0\0\0\0\0\0", -1.5 },
        { 'f', 2, false, "\0\x3c", 1 },
        { 'f', 2, true, "\x3c\x01", 1.0009765625 },
        { 'f', 2, true, "\xc0\0", -2 },
        { 'f', 2, true, "\x7b\xff", 65504 },
        { 'f', 2, true, "\x04\0", 0x1p-14 },
        { 'f', 2, true, "\x03\xff", 0x1.ff8p-15 }, /* denormal */
        { 'f', 2, true, "\x80\1", -0x1p-24 },
        { 'f', 2, true, "\x7c\0", HUGE_VAL },
        { 'f', 2, true, "\xfc\0", -HUGE_VAL },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct npy_info info = { .kind = cases[i].kind,
                                 .itemsize = cases[i].itemsize,
                                 .is_big_endian = cases[i].is_big_endian };
        char file[16] = "", out[8] = "";
        info.data_offset = info.data_size = info.itemsize;
        memcpy(file + info.itemsize, cases[i].bytes, info.itemsize);
        double value = npy_value(file, &info, 0);
        if (value != cases[i].value)
            fprintf(stderr, "case %zu: %.17g, not %.17g\n", i, value, cases[i].value);
        CHECK(value == cases[i].value);
        npy_copy(file, &info, out);
        info.is_big_endian = false;
        info.data_offset = 0;
        CHECK(npy_value(out, &info, 0) == value);
    }
    static const char zero[] = "\0\x80", nan[] = "\1\xfc";
    struct npy_info half = { .kind = 'f', .itemsize = 2 };
    CHECK(npy_value(zero, &half, 0) == 0 && signbit(npy_value(zero, &half, 0)));
    CHECK(isnan(npy_value(nan, &half, 0)));
}

static void header_and_back(void)
{
    uint64_t state = test_seed;
    static char file[NPY_HEADER_MAX + 4096];
    for (int round = 0; round < 2000; round++) {
        struct npy_info info = { .kind = "fiub"[test_random(&state) % 4] }, back;
        info.itemsize = info.kind == 'f'   ? 2u << test_random(&state) % 3
                        : info.kind == 'b' ? 1
                                           : 1u << test_random(&state) % 4;
        info.ndim = (uint32_t)(test_random(&state) % 5);
        size_t size = info.itemsize;
        for (uint32_t i = 0; i < info.ndim; i++)
            size *= info.dims[i] = test_random(&state) % 5;
        size_t n = npy_header(&info, file);
        CHECK_EQ(n % 64, 0);
        REQUIRE_OK(npy_parse(file, n + size, &back, &diag));
        CHECK(back.kind == info.kind && back.itemsize == info.itemsize && back.ndim == info.ndim);
        CHECK(back.data_offset == n && back.data_size == size && !back.fortran_order);
        CHECK(!memcmp(back.dims, info.dims, info.ndim * sizeof *info.dims));
    }
}

static void fortran_order_is_turned(void)
{
    /* element (i, j, k) of a 2 x 3 x 4 array holds 100 i + 10 j + k */
    struct npy_info info = {
        .kind = 'i', .itemsize = 4, .fortran_order = true, .ndim = 3, .dims = { 2, 3, 4 }
    };
    info.data_size = 24 * 4;
    int32_t file[24], out[24];
    for (int i = 0, n = 0; n < 24; n++) {
        i = n;
        file[n] = 100 * (i % 2) + 10 * (i / 2 % 3) + i / 6;
    }
    npy_copy(file, &info, out);
    for (int i = 0, n = 0; i < 2; i++)
        for (int j = 0; j < 3; j++)
            for (int k = 0; k < 4; k++)
                CHECK_EQ(out[n++], 100 * i + 10 * j + k);
}

/* Damaged and random headers: an error or a sound answer, never a read beyond the end. */
static void damaged_headers(void)
{
    uint64_t state = test_seed + 1;
    static const char good[] = "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }   \n";
    int taken = 0;
    const char *more = getenv("FUZZ"); /* FUZZ=n: n rounds */
    long rounds = more ? strtol(more, NULL, 0) : 200000;
    for (long round = 0; round < rounds; round++) {
        char file[200];
        size_t n = make_file(file, 1 + (int)(round % 3), good, 96);
        for (uint64_t i = 0, flips = 1 + test_random(&state) % 4; i < flips; i++)
            file[test_random(&state) % (n - 96)] = (char)test_random(&state);
        /* the sanitizers see the end of a block of its own */
        char *exact = malloc(n);
        REQUIRE(exact != NULL);
        memcpy(exact, file, n);
        struct npy_info info;
        if (!npy_parse(exact, n, &info, &diag)) {
            taken++;
            CHECK(info.data_offset + info.data_size == n && info.ndim <= NPY_DIMS_MAX);
            double out[12];
            REQUIRE(info.data_size <= sizeof out);
            npy_copy(exact, &info, out);
            for (uint64_t i = 0; i < info.data_size / info.itemsize; i++)
                (void)npy_value(exact, &info, i);
        }
        free(exact);
    }
    CHECK(taken > 0 && taken < rounds / 2);
}

TESTS("npy", { "reads what numpy writes", reads_what_numpy_writes },
      { "refuses what it does not take", refuses_what_it_does_not_take },
      { "says what it does not take", says_what_it_does_not_take }, { "values", values },
      { "header and back", header_and_back },
      { "fortran order is turned", fortran_order_is_turned },
      { "damaged headers", damaged_headers })
