/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "args.h"
#include "test.h"
#include "tool.h"

static bool verbose;
static const char *data, *words[2];
static uint32_t trees;
static uint64_t size;
static double fraction;
static int mode;
static int word_count;

static int parse(const char *line)
{
    static const char *const modes[] = { "auto", "always", "never", NULL };
    const struct arg_option options[] = {
        { "data", 'd', ARG_TEXT, &data, "FILE", "the data", 0, 0, NULL, true },
        { "data-size", 0, ARG_SIZE, &size, "SIZE", "how much", 1, 0, NULL, false },
        { "trees", 'n', ARG_U32, &trees, "N", "how many", 1, 1000, NULL, false },
        { "fraction", 0, ARG_DOUBLE, &fraction, "X", "part", 0, 0, NULL, false },
        { "mode", 0, ARG_CHOICE, &mode, "MODE", "how", 0, 0, modes, false },
        { "verbose", 'v', ARG_FLAG, &verbose, NULL, "say more", 0, 0, NULL, false },
        { .kind = ARG_END },
    };
    struct arg_command command = { "[options] [A [B]]", NULL, options, words, 0, 2, 0 };
    static char copy[200];
    char name[] = "cmd", *argv[20] = { name };
    int argc = 1;
    strcpy(copy, line);
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
        argv[argc++] = word;
    verbose = false, data = NULL, trees = 7, size = 0, fraction = 0, mode = 0;
    int code = args_parse(argc, argv, &command);
    word_count = command.word_count;
    return code;
}

static void takes_every_form(void)
{
    CHECK_EQ(parse("--data=f.csv --trees 12 -v a"), ARGS_RUN);
    CHECK(!strcmp(data, "f.csv") && trees == 12 && verbose && word_count == 1 &&
          !strcmp(words[0], "a"));
    CHECK_EQ(parse("-d f.csv -n 3 --data-size=2MiB --fraction 0.25 --mode never - --"), ARGS_RUN);
    CHECK(!strcmp(data, "f.csv") && trees == 3 && size == 2 << 20 && fraction == 0.25 && mode == 2);
    CHECK(word_count == 1 && !strcmp(words[0], "-"));
    CHECK_EQ(parse("-d f.csv -- --trees -v"), ARGS_RUN);
    CHECK(word_count == 2 && !strcmp(words[1], "-v") && !verbose);
    CHECK_EQ(parse("--help"), EXIT_OK);
}

static void refuses_nonsense(void)
{
    static const char *const bad[] = {
        "",
        "--data",
        "--data f --unknown",
        "--data f -x",
        "--data f --dat g",
        "--data f --verbose=1",
        "--data f --trees",
        "--data f --trees 0",
        "--data f --trees 1001",
        "--data f --trees -1",
        "--data f --trees 1e3",
        "--data f --trees 99999999999999999999999",
        "--data f --trees 5x",
        "--data f --fraction",
        "--data f --fraction half",
        "--data f --fraction inf",
        "--data f --mode sometimes",
        "--data f --data-size 0",
        "--data f --data-size 5X",
        "--data f --data-size 99999999999G",
        "--data f a b c",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int code = parse(bad[i]);
        if (code != EXIT_USAGE)
            fprintf(stderr, "'%s' was taken\n", bad[i]);
        CHECK_EQ(code, EXIT_USAGE);
    }
}

static void sizes(void)
{
    static const struct {
        const char *text;
        int err;
        uint64_t bytes;
    } cases[] = {
        { "0", 0, 0 },
        { "1023", 0, 1023 },
        { "1K", 0, 1024 },
        { "1KiB", 0, 1024 },
        { "3M", 0, 3 << 20 },
        { "2GiB", 0, 2ull << 30 },
        { "1T", 0, 1ull << 40 },
        { "16777215T", 0, 16777215ull << 40 },
        { "16777216T", -ERANGE, 0 },
        { "18446744073709551615", 0, UINT64_MAX },
        { "18446744073709551616", -ERANGE, 0 },
        { "", -EINVAL, 0 },
        { "K", -EINVAL, 0 },
        { "-1", -EINVAL, 0 },
        { " 1", -EINVAL, 0 },
        { "1KB", -EINVAL, 0 },
        { "1Ki", -EINVAL, 0 },
        { "1k", -EINVAL, 0 },
        { "1.5G", -EINVAL, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t bytes = 0;
        CHECK_EQ(args_parse_size(cases[i].text, &bytes), cases[i].err);
        CHECK(bytes == cases[i].bytes);
    }
}

TESTS("args", { "takes every form", takes_every_form }, { "refuses nonsense", refuses_nonsense },
      { "sizes", sizes })
