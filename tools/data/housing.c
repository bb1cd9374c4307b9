/* SPDX-License-Identifier: MIT */
/*
 * housing.c -- the California housing data, as scikit-learn presents it.
 *
 *   housing convert cal_housing.data OUT.csv   the StatLib file to the nine columns of
 *                                              fetch_california_housing, values verified
 *   housing check FILE.csv                     are these exactly those values?
 *   housing generate OUT.csv                   a made-up data set of the same shape
 *
 * R. K. Pace and R. Barry, "Sparse Spatial Autoregressions", Statistics and Probability
 * Letters 33, 1997. The archive prints its numbers in several notations, so values are
 * compared, not text: by the XXH3-128 of the derived table, row by row, as little-endian doubles.
 */
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { ROWS = 20640, COLS = 9 };

/* Order of the StatLib file. */
enum raw { LONGITUDE, LATITUDE, AGE, ROOMS, BEDROOMS, POPULATION, HOUSEHOLDS, INCOME, VALUE };

static const char header[] = "MedInc,HouseAge,AveRooms,AveBedrms,Population,AveOccup,Latitude,"
                             "Longitude,MedHouseVal";

static const XXH128_hash_t expected = { 0xb97ef7d9e33000a3u, 0xcbd2af7f64800e70u };

static int fail(const char *path, const char *what)
{
    fprintf(stderr, "housing: %s: %s\n", path, what);
    return 3;
}

/* Nine numbers of a line, nothing else on it. */
static bool parse_row(const char *line, double row[COLS])
{
    for (int c = 0; c < COLS; c++) {
        char *end;
        row[c] = strtod(line, &end);
        if (end == line || (c < COLS - 1 && *end != ','))
            return false;
        line = end + (c < COLS - 1);
    }
    return line[strspn(line, "\r\n")] == 0;
}

/* All rows of a file, after its header if it has one: 0, or an exit status. */
static int read_table(const char *path, bool has_header, double (*table)[COLS])
{
    char line[512];
    int rows = 0, err = 0;
    FILE *f = fopen(path, "r");
    if (!f)
        return fail(path, strerror(errno));
    if (has_header && (!fgets(line, sizeof line, f) ||
                       strncmp(line, header, sizeof header - 1) != 0))
        err = fail(path, "is not the California housing table (other columns)");
    while (!err && fgets(line, sizeof line, f)) {
        if (rows == ROWS || !parse_row(line, table[rows]))
            err = fail(path, "is not the California housing table (a row is not nine numbers, "
                             "or there are more than 20640)");
        rows++;
    }
    if (!err && ferror(f))
        err = fail(path, strerror(errno));
    fclose(f);
    if (!err && rows != ROWS)
        err = fail(path, "is truncated: 20640 rows expected");
    return err;
}

/* The columns of fetch_california_housing, in its order and its arithmetic. */
static void derive(const double raw[COLS], double out[COLS])
{
    const double row[COLS] = {
        raw[INCOME],
        raw[AGE],
        raw[ROOMS] / raw[HOUSEHOLDS],
        raw[BEDROOMS] / raw[HOUSEHOLDS],
        raw[POPULATION],
        raw[POPULATION] / raw[HOUSEHOLDS],
        raw[LATITUDE],
        raw[LONGITUDE],
        raw[VALUE] / 100000.0,
    };
    memcpy(out, row, sizeof row);
}

static bool is_genuine(double (*table)[COLS])
{
    XXH128_hash_t h = XXH3_128bits(table, sizeof(double[ROWS][COLS]));
    return XXH128_isEqual(h, expected) != 0;
}

/* The shortest text without an exponent that reads back as the same double: 910.0, not 9.1e+02. */
static void print_double(FILE *f, double x)
{
    char text[400];
    int magnitude = x == 0 ? 0 : (int)floor(log10(fabs(x)));
    for (int digits = 1; digits <= 17; digits++) {
        int decimals = digits - 1 - magnitude;
        snprintf(text, sizeof text, "%.*f", decimals < 1 ? 1 : decimals, x);
        if (strtod(text, NULL) == x)
            break;
    }
    fputs(text, f);
}

/* Written beside the target and renamed: there is never half a file. */
static int write_table(const char *path, const char *head, double (*table)[COLS])
{
    char temp[4096];
    if (snprintf(temp, sizeof temp, "%s.%d.tmp", path, (int)getpid()) >= (int)sizeof temp)
        return fail(path, "name too long");
    FILE *f = fopen(temp, "w");
    if (!f)
        return fail(temp, strerror(errno));
    fprintf(f, "%s\n", head);
    for (int r = 0; r < ROWS; r++)
        for (int c = 0; c < COLS; c++) {
            print_double(f, table[r][c]);
            fputc(c == COLS - 1 ? '\n' : ',', f);
        }
    bool ok = !ferror(f);
    if (fclose(f) != 0 || !ok || rename(temp, path) != 0) {
        int err = errno;
        unlink(temp);
        return fail(path, strerror(err));
    }
    return 0;
}

static double uniform(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u); /* splitmix64 */
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

/* Friedman's first function (J. Friedman, "Multivariate adaptive regression splines", Annals of
 * Statistics 19, 1991) of five features, three more that do not matter, and noise. */
static void generate(double (*table)[COLS])
{
    uint64_t state = 201;
    for (int r = 0; r < ROWS; r++) {
        double *x = table[r], noise = 0;
        for (int c = 0; c < COLS - 1; c++)
            x[c] = uniform(&state);
        for (int i = 0; i < 12; i++)
            noise += uniform(&state);
        x[COLS - 1] = 10 * sin(3.14159265358979312 * x[0] * x[1]) + 20 * (x[2] - 0.5) * (x[2] - 0.5) +
                      10 * x[3] + 5 * x[4] + (noise - 6);
    }
}

static int usage(void)
{
    fputs("usage: housing convert cal_housing.data OUT.csv\n"
          "       housing check FILE.csv\n"
          "       housing generate OUT.csv\n",
          stderr);
    return 2;
}

static int run(int argc, char **argv, double (*table)[COLS])
{
    int err;
    if (argc == 4 && strcmp(argv[1], "convert") == 0) {
        err = read_table(argv[2], false, table);
        if (err)
            return err;
        for (int r = 0; r < ROWS; r++)
            derive(table[r], table[r]);
        if (!is_genuine(table))
            return fail(argv[2], "has the right shape, but not the values of the California housing data");
        return write_table(argv[3], header, table);
    }
    if (argc == 3 && strcmp(argv[1], "check") == 0) {
        err = read_table(argv[2], true, table);
        if (err)
            return err;
        return is_genuine(table) ? 0 : fail(argv[2], "does not hold the values of the California housing data");
    }
    if (argc == 3 && strcmp(argv[1], "generate") == 0) {
        generate(table);
        return write_table(argv[2], "x0,x1,x2,x3,x4,x5,x6,x7,y", table);
    }
    return usage();
}

int main(int argc, char **argv)
{
    double(*table)[COLS] = malloc(sizeof(double[ROWS][COLS]));
    if (!table)
        return fail("memory", strerror(ENOMEM));
    int status = run(argc, argv, table);
    free(table);
    return status;
}
