/* SPDX-License-Identifier: MIT */
#include <math.h>

#include "emit.h"
#include "human.h"
#include "progress.h"
#include "test.h"

static char *text;
static size_t text_size;
static FILE *out;

static void open_out(struct emit *e, enum emit_format format, bool exact)
{
    out = open_memstream(&text, &text_size);
    REQUIRE(out != NULL);
    emit_start(e, out, format, exact);
}

static void expect(const char *want)
{
    fclose(out);
    if (strcmp(text, want))
        fprintf(stderr, "got:\n%s\nwant:\n%s\n", text, want);
    CHECK(!strcmp(text, want));
    free(text);
}

static void tell_a_list(struct emit *e, const char *key)
{
    emit_list(e, key);
    for (int i = 0; i < 2; i++) {
        emit_row(e);
        emit_string(e, "name", "name", i ? "long name" : "a");
        emit_size(e, "size", "size", i ? 5 : 1536);
        emit_double(e, "mse", "mse", i ? 0.1 : (double)NAN, 4);
        emit_bool(e, "ok", NULL, i == 0);
        emit_row_end(e);
    }
    emit_list_end(e);
}

static void list_as_text(void)
{
    struct emit e;
    open_out(&e, EMIT_TEXT, false);
    tell_a_list(&e, NULL);
    expect("name          size     mse\n"
           "a          1.5 KiB     nan\n"
           "long name      5 B  0.1000\n");
}

/* A line ends with its last word, whatever columns have nothing. */
static void list_with_holes(void)
{
    struct emit e;
    open_out(&e, EMIT_TEXT, false);
    emit_list(&e, NULL);
    for (int i = 0; i < 3; i++) {
        emit_row(&e);
        emit_string(&e, "a", "a", i == 1 ? "" : "x");
        emit_int(&e, "number", "number", i);
        emit_string(&e, "b", "b", i == 1 ? "" : "yy");
        emit_string(&e, "c", "long title", i == 2 ? "z" : "");
        emit_row_end(&e);
    }
    emit_list_end(&e);
    expect("a  number  b   long title\n"
           "x       0  yy\n"
           "        1\n"
           "x       2  yy  z\n");
}

/* Columns are as wide as what is seen, not as its bytes. */
static void list_in_other_letters(void)
{
    static const char *const names[] = { "\xc3\xbcml\xc3\xa4ut", "a", "\xe2\x82\xac\xf0\x9f\x8c\xb2" };
    struct emit e;
    open_out(&e, EMIT_TEXT, false);
    emit_list(&e, NULL);
    for (int i = 0; i < 3; i++) {
        emit_row(&e);
        emit_string(&e, "n", "n", names[i]);
        emit_int(&e, "i", "i", i);
        emit_row_end(&e);
    }
    emit_list_end(&e);
    expect("n       i\n"
           "\xc3\xbcml\xc3\xa4ut  0\n"
           "a       1\n"
           "\xe2\x82\xac\xf0\x9f\x8c\xb2      2\n");
    CHECK_EQ(emit_width("\xff\xc3"), 2);
}

static void list_as_json(void)
{
    struct emit e;
    open_out(&e, EMIT_JSON, false);
    tell_a_list(&e, NULL);
    expect("{\"name\":\"a\",\"size\":1536,\"mse\":null,\"ok\":true}\n"
           "{\"name\":\"long name\",\"size\":5,\"mse\":0.1,\"ok\":false}\n");
    open_out(&e, EMIT_JSON, false);
    emit_object(&e, NULL);
    tell_a_list(&e, "rows");
    emit_int(&e, "n", "n", -7);
    emit_object(&e, "inner");
    emit_object_end(&e);
    emit_object_end(&e);
    expect(
        "{\"rows\":[{\"name\":\"a\",\"size\":1536,\"mse\":null,\"ok\":true},"
        "{\"name\":\"long name\",\"size\":5,\"mse\":0.1,\"ok\":false}],\"n\":-7,\"inner\":{}}\n");
}

static void doubles_in_full(void)
{
    struct emit e;
    open_out(&e, EMIT_JSON, false);
    emit_object(&e, NULL);
    emit_double17(&e, "a", "a", 0.28262105780364738, 4);
    emit_double17(&e, "b", "b", (double)NAN, 4);
    emit_object_end(&e);
    expect("{\"a\":0.28262105780364738,\"b\":null}\n");
    open_out(&e, EMIT_TEXT, false);
    emit_double17(&e, "a", "a", 0.28262105780364738, 4);
    expect("a                     0.2826\n");
}

static void several_numbers(void)
{
    static const uint64_t shape[] = { 16512, UINT64_MAX };
    struct emit e;
    for (int json = 0; json < 2; json++) {
        open_out(&e, json ? EMIT_JSON : EMIT_TEXT, false);
        emit_object(&e, NULL);
        emit_uints(&e, "shape", "shape", shape, 2);
        emit_uints(&e, "none", "none", NULL, 0);
        emit_uints(&e, "in JSON", NULL, shape, 1);
        emit_uints(&e, NULL, "in text", shape, 1);
        emit_object_end(&e);
        expect(json ? "{\"shape\":[16512,18446744073709551615],\"none\":[],\"in JSON\":[16512]}\n"
                    : "shape                 16512, 18446744073709551615\n"
                      "none                  \n"
                      "in text               16512\n");
    }
}

static void record_as_text(void)
{
    struct emit e;
    open_out(&e, EMIT_TEXT, true);
    emit_object(&e, NULL);
    emit_size(&e, "size", "size", 1536);
    emit_string(&e, "name", "name", "a\033[2Jb\xc2\x9b" "3\xff\xc3\xa9");
    emit_bool(&e, "aligned", "aligned", true);
    emit_object_end(&e);
    expect("size                  1536\nname                  a?[2Jb??3?\xc3\xa9\naligned               yes\n");
}

static void json_strings(void)
{
    struct emit e;
    open_out(&e, EMIT_JSON, false);
    emit_json_string(out,
                     "a\"b\\c\nd\te\x01\x7f\xc3\xa9\xff\xc3(\xed\xa0\x80\xf0\x9f\x8c\xb2\xc0\x80");
    expect("\"a\\\"b\\\\c\\nd\\te\\u0001\\u007f\xc3\xa9\\ufffd\\ufffd(\\ufffd\\ufffd\\ufffd"
           "\xf0\x9f\x8c\xb2\\ufffd\\ufffd\"");
}

static void shortest_doubles(void)
{
    uint64_t state = test_seed;
    char number[EMIT_DOUBLE_TEXT];
    CHECK(!strcmp(emit_shortest(0.1, number), "0.1"));
    CHECK(!strcmp(emit_shortest(6.984126984126984, number), "6.984126984126984"));
    CHECK(!strcmp(emit_shortest(0.30000000000000004, number), "0.30000000000000004"));
    for (int i = 0; i < 100000; i++) {
        uint64_t bits = test_random(&state);
        double x;
        memcpy(&x, &bits, sizeof x);
        if (isfinite(x))
            CHECK(strtod(emit_shortest(x, number), NULL) == x);
    }
}

static void sizes_and_durations(void)
{
    char t[HUMAN_TEXT];
    CHECK(!strcmp(human_size(0, t), "0 B"));
    CHECK(!strcmp(human_size(1023, t), "1023 B"));
    CHECK(!strcmp(human_size(1024, t), "1.0 KiB"));
    CHECK(!strcmp(human_size(1024 * 1024 - 1, t), "1.0 MiB"));
    CHECK(!strcmp(human_size(UINT64_MAX, t), "16.0 EiB"));
    CHECK(!strcmp(human_duration(0, t), "0.00 s"));
    CHECK(!strcmp(human_duration(12.34e-6, t), "12.3 us"));
    CHECK(!strcmp(human_duration(0.00999, t), "9.99 ms"));
    CHECK(!strcmp(human_duration(0.054, t), "0.05 s"));
    CHECK(!strcmp(human_duration(59.96, t), "60.0 s"));
    CHECK(!strcmp(human_duration(187, t), "3 m 07 s"));
    CHECK(!strcmp(human_duration(7500, t), "2 h 05 m"));
    CHECK(!strcmp(human_duration(1e30, t), "for ever"));
    CHECK(!strcmp(human_duration(-1, t), "0.00 s"));
}

static void progress_line(void)
{
    char t[200];
    progress_format(t, sizeof t, "trees", 25, 100, 2);
    CHECK(!strcmp(t, "25/100 trees,  25 %, 2.00 s, about 6.00 s left"));
    progress_format(t, sizeof t, "trees", 100, 100, 8);
    CHECK(!strcmp(t, "100/100 trees, 100 %, 8.00 s"));
    progress_format(t, sizeof t, "trees", 0, 100, 8);
    CHECK(!strcmp(t, "0/100 trees,   0 %, 8.00 s"));
}

TESTS("emit", { "list as text", list_as_text }, { "list with holes", list_with_holes },
      { "list in other letters", list_in_other_letters }, { "list as JSON", list_as_json },
      { "record as text", record_as_text }, { "doubles in full", doubles_in_full },
      { "several numbers", several_numbers },
      { "JSON strings", json_strings }, { "shortest doubles", shortest_doubles },
      { "sizes and durations", sizes_and_durations }, { "progress line", progress_line })
