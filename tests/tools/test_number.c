/* SPDX-License-Identifier: MIT */
/* The fast way to read a number must give strtod()'s bits, always. */
#include <math.h>

#include "number.h"
#include "test.h"

#define ROUNDS 2000000

static int failures;

static void same(const char *text)
{
    char *end;
    double want = strtod(text, &end), got = 0;
    const char *stop = number_parse(text, text + strlen(text), &got);
    /* The same with more behind it, as in a row. */
    char row[400];
    double again = 0;
    int size = snprintf(row, sizeof row, "%s,98765432.1", text);
    if (size < (int)sizeof row) {
        const char *there = number_parse(row, row + size, &again);
        if ((there ? there - row : -1) != (stop ? stop - text : -1) ||
            memcmp(&got, &again, sizeof got))
            stop = NULL;
    }
    if (stop == end && !memcmp(&got, &want, sizeof got))
        return;
    if (failures++ < 10)
        fprintf(stderr, "'%s': %.17g (%ld bytes read), strtod gives %.17g\n", text, got,
                stop ? (long)(stop - text) : -1L, want);
}

static void well_known_numbers(void)
{
    static const char *const texts[] = {
        "0",
        "-0",
        "0.0",
        "+1",
        "1.",
        ".5",
        "-.5e1",
        "1e",
        "1e+",
        "1e5x",
        "00012",
        "0.1",
        "0.3",
        "9007199254740992",
        "9007199254740993",
        "9007199254740995",
        "18446744073709551615",
        "18446744073709551616",
        "99999999999999999999",
        "1e22",
        "1e23",
        "123456789012345678e27",
        "1e-27",
        "1e308",
        "1.7976931348623157e308",
        "1.7976931348623159e308",
        "1e309",
        "1e-400",
        "4.9e-324",
        "2.4703282292062327e-324",
        "2.4703282292062328e-324",
        "2.2250738585072011e-308",
        "2.2250738585072014e-308",
        "1e99999999999999999999",
        "1e-99999999999999999999",
        "0e99999999999",
        "0.000000000000000000000000000000001",
        "6.984126984126984",
        "5.254716981132075",
        "0.30000000000000004",
        "123.",
        "7e-10",
        "1.00000000000000011102230246251565404236316680908203125",
        "1.00000000000000011102230246251565404236316680908203124",
        "1.00000000000000011102230246251565404236316680908203126",
    };
    failures = 0;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        same(texts[i]);
    CHECK_EQ(failures, 0);
}

static void what_is_no_number(void)
{
    static const char *const texts[] = { "",  "-",   "+",   ".",  "-.", "e5",
                                         "x", "inf", "nan", " 1", "--1" };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        double x = 7;
        CHECK(number_parse(texts[i], texts[i] + strlen(texts[i]), &x) == NULL);
        CHECK(x == 7);
    }
    double x; /* hexadecimal is not ours: the number is the 0 before the x */
    const char *hex = "0x10";
    CHECK(number_parse(hex, hex + 4, &x) == hex + 1);
}

static void every_printed_double_comes_back(void)
{
    uint64_t state = test_seed;
    failures = 0;
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t bits = test_random(&state);
        if (i % 3) /* most within the usual sizes */
            bits = (bits & 0x800fffffffffffff) | (1023 - 60 + test_random(&state) % 120) << 52;
        double x;
        memcpy(&x, &bits, sizeof x);
        if (!isfinite(x))
            continue;
        char text[40];
        snprintf(text, sizeof text, "%.*g", 1 + (int)(test_random(&state) % 19), x);
        same(text);
    }
    CHECK_EQ(failures, 0);
}

/* Numbers at and next to the midpoints of doubles, where double rounding would go wrong. */
static void midpoints(void)
{
    uint64_t state = test_seed + 1;
    failures = 0;
    for (int i = 0; i < ROUNDS / 4; i++) {
        uint64_t odd = ((uint64_t)1 << 53 | test_random(&state) >> 11) << 1 | 1;
        odd >>= test_random(&state) % 3;
        char text[64];
        int e = (int)(test_random(&state) % 60) - 30;
        snprintf(text, sizeof text, "%llue%d",
                 (unsigned long long)(odd + test_random(&state) % 3 - 1), e);
        same(text);
        /* m * 2^-k in full decimals: exactly between two doubles if it ends in a 1 bit */
        snprintf(text, sizeof text, "%.12f", ldexp((double)(odd >> 12), -10));
        same(text);
    }
    CHECK_EQ(failures, 0);
}

static void random_text(void)
{
    static const char alphabet[] = "0123456789012345678900..+-eE";
    uint64_t state = test_seed + 2;
    failures = 0;
    for (int i = 0; i < ROUNDS; i++) {
        char text[48];
        size_t n = 1 + test_random(&state) % 40;
        for (size_t j = 0; j < n; j++)
            text[j] = alphabet[test_random(&state) % (sizeof alphabet - 1)];
        text[n] = 0;
        double x;
        if (number_parse(text, text + n, &x))
            same(text);
        else /* then strtod finds nothing either */
            CHECK_EQ(strtod(text, NULL), 0);
    }
    CHECK_EQ(failures, 0);
}

TESTS("number", { "well-known numbers", well_known_numbers },
      { "what is no number", what_is_no_number },
      { "every printed double comes back", every_printed_double_comes_back },
      { "midpoints", midpoints }, { "random text", random_text })
