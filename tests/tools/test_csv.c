/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <math.h>

#include "csv.h"
#include "emit.h"
#include "temp.h"
#include "test.h"

static struct csv csv;
static struct diag diag;

static int read_text(const char *text, struct csv_options options)
{
    diag.text[0] = 0;
    return csv_read(&csv, temp_file("t.csv", text, strlen(text)), &options, &diag);
}

#define PLAIN ((struct csv_options){ .largest = 0 })
#define NAN_FOR_MISSING ((struct csv_options){ .missing_is_nan = true })
#define TEXT ((struct csv_options){ .text_only = true })

static void expect(double want, uint32_t column, uint64_t row)
{
    double got = csv_column(&csv, column)[row];
    if (got != want)
        fprintf(stderr, "row %llu, column %u: %.17g, not %.17g\n", (unsigned long long)row, column,
                got, want);
    CHECK(got == want);
}

static void plain_table(void)
{
    REQUIRE_OK(read_text("a,b\n1,2.5\n-3e2,.25\n", PLAIN));
    CHECK_EQ(csv.rows, 2);
    CHECK_EQ(csv.cols, 2);
    CHECK(csv.has_header && !strcmp(csv.names[1], "b"));
    expect(1, 0, 0), expect(2.5, 1, 0), expect(-300, 0, 1), expect(0.25, 1, 1);
    csv_free(&csv);
}

static void every_form_of_the_same_table(void)
{
    static const char *const forms[] = {
        "a,b\n1,2\n3,4\n",
        "a,b\n1,2\n3,4",
        "a,b\r\n1,2\r\n3,4\r\n",
        "a,b\r\n1,2\r\n3,4",
        "\xef\xbb\xbf"
        "a,b\n1,2\n3,4\n",
        "\n\r\na,b\n\n1,2\n\n\n3,4\n\n",
        "\"a\",\"b\"\n\"1\",2\n3,\"4\"\n",
        " a , b\n 1 ,\t2 \n3,4\n",
        "a,b\n+1,2.0\n3.,04\n",
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        REQUIRE_OK(read_text(forms[i], PLAIN));
        CHECK_EQ(csv.rows, 2);
        CHECK(!strcmp(csv.names[0], "a") && !strcmp(csv.names[1], "b"));
        expect(1, 0, 0), expect(2, 1, 0), expect(3, 0, 1), expect(4, 1, 1);
        csv_free(&csv);
    }
}

static void quoted_names(void)
{
    REQUIRE_OK(read_text("\"x, \"\"y\"\"\nz\",b\n1,2\n", PLAIN));
    CHECK(!strcmp(csv.names[0], "x, \"y\"\nz"));
    CHECK_EQ(csv.rows, 1);
    csv_free(&csv);
}

static void without_header(void)
{
    REQUIRE_OK(read_text("1,2\n3,4\n", PLAIN));
    CHECK(!csv.has_header && csv.rows == 2 && !strcmp(csv.names[1], "1"));
    uint32_t column = 9;
    CHECK_EQ(csv_find(&csv, "1", &column, &diag), 0);
    CHECK_EQ(column, 1);
    csv_free(&csv);
}

static void missing_values(void)
{
    static const char *const words[] = { "",     "NA",   "n/a", "NaN", "-nan",
                                         "null", "None", "?",   " ",   "\"\"" };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        char text[64];
        snprintf(text, sizeof text, "a,b\n1,2\n%s,3\n", words[i]);
        CHECK_EQ(read_text(text, PLAIN), -EINVAL);
        CHECK(!strcmp(diag.text, "line 3, column 'a': the value is missing"));
        REQUIRE_OK(read_text(text, NAN_FOR_MISSING));
        CHECK(isnan(csv_column(&csv, 0)[1]));
        expect(3, 1, 1);
        csv_free(&csv);
    }
}

static void infinities(void)
{
    REQUIRE_OK(read_text("a,b\ninf,-Infinity\n+INF,1\n", PLAIN));
    expect(HUGE_VAL, 0, 0), expect(-HUGE_VAL, 1, 0), expect(HUGE_VAL, 0, 1);
    csv_free(&csv);
    CHECK_EQ(read_text("a\ninf\n", (struct csv_options){ .largest = 1e300 }), -EINVAL);
}

static void says_what_is_wrong(void)
{
    static const struct {
        const char *text, *what;
    } cases[] = {
        { "", "the file is empty" },
        { "\n\r\n\n", "the file is empty" },
        { "a,b\n", "there is a header and no row" },
        { "a,b\n1,2\n3\n", "line 3: 1 fields, where the first line has 2" },
        { "a,b\n1,2,3\n", "line 2: more than 2 fields, where the first line has 2" },
        { "a,b\n1,2\n\n\n3,x\n", "line 5, column 'b': 'x' is not a number" },
        { "a,b\n1,0x10\n", "line 2, column 'b': '0x10' is not a number" },
        { "a,b\n1,2 3\n", "line 2, column 'b': '2 3' is not a number" },
        { "a,b\n1,1e999\n", "line 2, column 'b': '1e999' is too large a number" },
        { "a,b\n1,\x1b[2J\n", "line 2, column 'b': '?[2J' is not a number" },
        { "a,b\n\"1\n2\",x\n", "line 2, column 'a': '1?2' is not a number" },
        { "a,b\n\"1,2\n", "line 2: a quote is not closed" },
        { "a,b\n\"1\"2,3\n", "line 2: text after a closing quote" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK_EQ(read_text(cases[i].text, PLAIN), -EINVAL);
        if (strcmp(diag.text, cases[i].what))
            fprintf(stderr, "'%s', not '%s'\n", diag.text, cases[i].what);
        CHECK(!strcmp(diag.text, cases[i].what));
    }
    CHECK_EQ(csv_read(&csv, "/nowhere/at.csv", &PLAIN, &diag), -ENOENT);
    CHECK_EQ(csv_read(&csv, "/tmp", &PLAIN, &diag), -EISDIR);
}

static void limits(void)
{
    CHECK_EQ(read_text("a\n3.5e38\n", (struct csv_options){ .largest = 3.4e38 }), -EINVAL);
    CHECK(strstr(diag.text, "too large") != NULL);
    size_t n = 2 * (CSV_COLUMNS_MAX + 1);
    char *wide = malloc(n + 1);
    REQUIRE(wide != NULL);
    for (size_t i = 0; i < n; i++)
        wide[i] = i % 2 ? ',' : 'a';
    wide[n] = 0;
    CHECK_EQ(read_text(wide, PLAIN), -EINVAL);
    CHECK(strstr(diag.text, "more than 65536 columns") != NULL);
    free(wide);
}

static void finds_columns(void)
{
    uint32_t column = 9;
    REQUIRE_OK(read_text("a,b,a\n1,2,3\n", PLAIN));
    CHECK_EQ(csv_find(&csv, "b", &column, &diag), 0);
    CHECK_EQ(column, 1);
    CHECK_EQ(csv_find(&csv, "a", &column, &diag), -EINVAL);
    CHECK(!strcmp(diag.text, "2 columns are called 'a'"));
    CHECK_EQ(csv_find(&csv, "c", &column, &diag), -EINVAL);
    CHECK(!strcmp(diag.text, "no column 'c'; there are: a, b, a"));
    csv_free(&csv);
}

static void rows_as_they_stand(void)
{
    REQUIRE_OK(read_text("a,b\r\n1,2.50\r\n\"x\n,\"\"y\",03", TEXT));
    CHECK_EQ(csv.rows, 2);
    size_t size;
    const char *text = csv_row_text(&csv, 0, &size);
    CHECK(size == 6 && !memcmp(text, "1,2.50", 6));
    text = csv_row_text(&csv, 1, &size);
    CHECK(size == 11 && !memcmp(text, "\"x\n,\"\"y\",03", 11));
    CHECK(csv.header_end - csv.header_start == 3);
    csv_free(&csv);
    CHECK_EQ(read_text("a,b\n1\n", TEXT), -EINVAL);
}

/* Random tables, printed in random ways, come back to the last bit. */
static void random_tables(void)
{
    uint64_t state = test_seed;
    static char text[200000];
    static double want[40][40];
    for (int round = 0; round < 300; round++) {
        uint32_t cols = 1 + (uint32_t)(test_random(&state) % 12),
                 rows = 1 + (uint32_t)(test_random(&state) % 40);
        const char *line_end = test_random(&state) % 2 ? "\n" : "\r\n";
        size_t n = 0;
        for (uint32_t j = 0; j < cols; j++)
            n += (size_t)sprintf(text + n, "%sc%u", j ? "," : "", j);
        n += (size_t)sprintf(text + n, "%s", line_end);
        for (uint32_t i = 0; i < rows; i++) {
            for (uint32_t j = 0; j < cols; j++) {
                char number[EMIT_DOUBLE_TEXT];
                double x = (double)(int64_t)test_random(&state) /
                           (double)(1ull << (test_random(&state) % 64));
                want[i][j] = x;
                const char *quote = test_random(&state) % 8 ? "" : "\"";
                n += (size_t)sprintf(text + n, "%s%s%s%s", j ? "," : "", quote,
                                     emit_shortest(x, number), quote);
            }
            bool is_last = i + 1 == rows;
            if (!is_last || test_random(&state) % 2)
                n += (size_t)sprintf(text + n, "%s", line_end);
        }
        REQUIRE_OK(read_text(text, PLAIN));
        CHECK_EQ(csv.rows, rows);
        CHECK_EQ(csv.cols, cols);
        for (uint32_t i = 0; i < rows; i++)
            for (uint32_t j = 0; j < cols; j++)
                expect(want[i][j], j, i);
        csv_free(&csv);
    }
}

/* Arbitrary bytes: an error or a table, never a crash (the sanitizers watch). */
static void random_bytes(void)
{
    static const char alphabet[] = "01.,,,,\n\n\r\"\"e-axNA? ";
    uint64_t state = test_seed + 1;
    int tables = 0;
    for (int round = 0; round < 20000; round++) {
        char text[80];
        size_t n = test_random(&state) % 70;
        for (size_t i = 0; i < n; i++)
            text[i] = alphabet[test_random(&state) % (sizeof alphabet - 1)];
        text[n] = 0;
        struct csv_options options = { .missing_is_nan = round % 2, .text_only = round % 3 == 0 };
        if (read_text(text, options)) {
            CHECK(diag.text[0] != 0);
            continue;
        }
        tables++;
        for (uint64_t i = 0; options.text_only && i < csv.rows; i++) {
            size_t size;
            CHECK(csv_row_text(&csv, i, &size) + size <= csv.map.data + csv.map.size);
        }
        csv_free(&csv);
    }
    CHECK(tables > 100);
    temp_clean();
}

/* What parts the fields is told by the first line; a comma comes before all others. */
static void other_separators(void)
{
    static const char separators[] = ";\t|";
    for (const char *c = separators; *c; c++) {
        char text[100];
        snprintf(text, sizeof text, "a%cb%c\"c%cd\"\n1%c%c3\n4 %c\"5\"%c6\n", *c, *c, *c, *c, *c,
                 *c, *c);
        REQUIRE_OK(read_text(text, NAN_FOR_MISSING));
        CHECK_EQ(csv.cols, 3);
        CHECK_EQ(csv.rows, 2);
        snprintf(text, sizeof text, "c%cd", *c);
        CHECK(!strcmp(csv.names[2], text));
        expect(1, 0, 0), expect(3, 2, 0), expect(4, 0, 1), expect(5, 1, 1), expect(6, 2, 1);
        CHECK(isnan(csv_column(&csv, 1)[0]));
        csv_free(&csv);
    }
    REQUIRE_OK(read_text("a;b,c\n1,2\n", PLAIN));
    CHECK_EQ(csv.cols, 2);
    csv_free(&csv);
    REQUIRE_OK(read_text("1;2\n3;4\n", PLAIN));
    CHECK_EQ(csv.cols, 2);
    CHECK_EQ(csv.rows, 2);
    csv_free(&csv);
    CHECK_EQ(read_text("a;b\n1;2,5\n", PLAIN), -EINVAL);
    CHECK(strstr(diag.text, "a number has a point, not a comma") != NULL);
    CHECK_EQ(read_text("a;b\n1,2\n", PLAIN), -EINVAL); /* one field */
}

static void dropped_columns(void)
{
    struct csv_options options = { .dropped = "name,z" };
    REQUIRE_OK(read_text("name,a,z,b\nAnn,1,1e999,2\n\"Bob, jr\",3,,4\n", options));
    CHECK_EQ(csv.cols, 4);
    REQUIRE_OK(csv_drop(&csv, "name,z", &diag));
    CHECK_EQ(csv.cols, 2);
    CHECK(!strcmp(csv.names[0], "a") && !strcmp(csv.names[1], "b"));
    expect(1, 0, 0), expect(2, 1, 0), expect(3, 0, 1), expect(4, 1, 1);
    CHECK_EQ(csv_drop(&csv, "c", &diag), -EINVAL);
    CHECK_EQ(csv_drop(&csv, "a,b", &diag), -EINVAL);
    csv_free(&csv);
    options.dropped = "a,c";
    CHECK_EQ(read_text("a,b\n1,2\n", options), -EINVAL);
    CHECK(strstr(diag.text, "no column 'c'; there are: a, b") != NULL);
}

TESTS("csv", { "plain table", plain_table },
      { "every form of the same table", every_form_of_the_same_table },
      { "quoted names", quoted_names }, { "without header", without_header },
      { "missing values", missing_values }, { "infinities", infinities },
      { "says what is wrong", says_what_is_wrong }, { "limits", limits },
      { "other separators", other_separators }, { "dropped columns", dropped_columns },
      { "finds columns", finds_columns }, { "rows as they stand", rows_as_they_stand },
      { "random tables", random_tables }, { "random bytes", random_bytes })
