/* SPDX-License-Identifier: MIT */
#include "json.h"
#include "test.h"

#include <errno.h>
#include <math.h>

static struct diag diag;

static struct json reading(const char *text)
{
    struct json j;
    json_start(&j, text, strlen(text), &diag);
    return j;
}

static void values_are_read(void)
{
    struct json j = reading(" { \"a\" : [1, -2.5e3 ,1e999, null], "
                            "\"skipped it\":{\"x\":[{},[],\"]\",true,false,null,-0]},\n"
                            "\"text\":\"\\u00e4\\ud83d\\ude00\\n\\\"\\\\/\", \"yes\":true }\n");
    char key[8], text[16];
    double sum = 0;
    int items = 0, nulls = 0;

    for (json_enter(&j, '{'); json_more(&j, '}'); items++) {
        json_key(&j, key, sizeof key);
        if (!strcmp(key, "a")) {
            for (json_enter(&j, '['); json_more(&j, ']');) {
                if (json_null(&j))
                    nulls++;
                else
                    sum += json_number(&j);
            }
        } else if (!strcmp(key, "text")) {
            json_string(&j, text, sizeof text);
        } else if (!strcmp(key, "yes")) {
            CHECK(json_bool(&j));
        } else {
            CHECK(!key[0]); /* longer than there is room */
            json_skip(&j);
        }
    }
    CHECK_EQ(json_finish(&j), 0);
    CHECK_EQ(items, 4);
    CHECK_EQ(nulls, 1);
    CHECK(isinf(sum));
    CHECK(!strcmp(text, "\xc3\xa4\xf0\x9f\x98\x80\n\"\\/"));
}

/* What json_skip() says of a whole text. */
static int check(const char *text)
{
    struct json j = reading(text);
    memset(&diag, 0, sizeof diag);
    json_skip(&j);
    return json_finish(&j);
}

static void what_is_wrong_is_told_with_its_place(void)
{
    static const struct {
        const char *text, *says;
    } bad[] = {
        { "", "line 1, column 1: a number" },
        { "[1,\n 2 3]", "line 2, column 4: a comma or ']'" },
        { "[1,]", "line 1, column 4: a number" },
        { "{\"a\" 1}", "line 1, column 6: a colon" },
        { "{a:1}", "line 1, column 2: a text in quotes" },
        { "{\"a\":1,}", "line 1, column 8: a text in quotes" },
        { "\"abc", "a text that does not end" },
        { "\"a\nb\"", "a character that" },
        { "\"\\x\"", "a character that" },
        { "\"\\", "a character that" },
        { "\"\\u12\"", "a character that" },
        { "\"\\ud800\"", "a character that" },
        { "\"\\ud800\\u0041\"", "a character that" },
        { "\"\\u0000\"", "a character that" },
        { "nul", "a number" },
        { "tru", "true or false" },
        { "+1", "a number" },
        { ".5", "a number" },
        { "NaN", "a number" },
        { "1 2", "line 1, column 3: something after the end" },
        { "[", "a number" },
        { "[1", "a comma" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_EQ(check(bad[i].text), -EINVAL);
        if (!strstr(diag.text, bad[i].says)) {
            fprintf(stderr, "%s: %s\n", bad[i].text, diag.text);
            CHECK(false);
        }
    }
    CHECK_EQ(check("[[1,2],{\"a\":\"b\"}]"), 0);
}

static void depth_has_a_bound(void)
{
    char text[2 * JSON_DEPTH_MAX + 8];

    memset(text, '[', JSON_DEPTH_MAX);
    memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
    text[2 * JSON_DEPTH_MAX] = 0;
    CHECK_EQ(check(text), 0);
    memset(text, '[', JSON_DEPTH_MAX + 1);
    CHECK_EQ(check(text), -EINVAL);
    CHECK(strstr(diag.text, "nested") != NULL);
}

static void texts_and_types_are_checked(void)
{
    struct json j = reading("\"12345678\"");
    char text[8];
    json_string(&j, text, sizeof text);
    CHECK_EQ(json_finish(&j), -EINVAL);
    CHECK(strstr(diag.text, "more than 7 bytes") != NULL);
    j = reading("[]");
    json_enter(&j, '{');
    CHECK(!json_more(&j, '}'));
    CHECK(json_number(&j) == 0 && !json_bool(&j) && !json_null(&j) && json_peek(&j) == 0);
    CHECK(strstr(diag.text, "an object is expected") != NULL);
}

/* Any damage of a text is read to an end, within its bytes. */
static void damage_is_survived(void)
{
    static const char sound[] = "{\"a\":[1,2.5e-3,null],\"b\":{\"c\":\"x\\u00e4\"},\"d\":true}";
    uint64_t seed = test_seed;
    for (int i = 0; i < 20000; i++) {
        size_t size = 1 + test_random(&seed) % (sizeof sound - 1);
        char *copy = malloc(size);
        memcpy(copy, sound, size);
        for (unsigned k = test_random(&seed) % 4; k--;)
            copy[test_random(&seed) % size] = (char)test_random(&seed);
        struct json j;
        json_start(&j, copy, size, &diag);
        json_skip(&j);
        int err = json_finish(&j);
        CHECK(err == 0 || err == -EINVAL);
        free(copy);
    }
}

TESTS("tools: JSON", { "values are read", values_are_read },
      { "what is wrong is told with its place", what_is_wrong_is_told_with_its_place },
      { "depth has a bound", depth_has_a_bound },
      { "texts and types are checked", texts_and_types_are_checked },
      { "damage is survived", damage_is_survived })
