/* SPDX-License-Identifier: MIT */
#include "args.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "human.h"
#include "tool.h"

int args_complain(const char *what, ...)
{
    char text[512];
    va_list args;
    va_start(args, what);
    vsnprintf(text, sizeof text, what, args);
    va_end(args);
    complain(tool_command(), "%s; see '%s help %s'", text, tool_name(), tool_command());
    return EXIT_USAGE;
}

/* Decimal digits only, up to *end. strtoull would take "-1" and " 7". */
static int parse_digits(const char *text, const char **end, uint64_t *out)
{
    uint64_t x = 0;
    const char *p = text;
    for (; *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(x, 10u, &x) ||
            __builtin_add_overflow(x, (uint64_t)(*p - '0'), &x))
            return -ERANGE;
    if (p == text)
        return -EINVAL;
    *end = p;
    *out = x;
    return 0;
}

int args_parse_size(const char *text, uint64_t *bytes)
{
    static const char units[] = "KMGT";
    const char *p;
    uint64_t x;
    int err = parse_digits(text, &p, &x);
    if (err)
        return err;
    if (*p) {
        const char *unit = strchr(units, *p);
        if (!unit || (p[1] && strcmp(p + 1, "iB")))
            return -EINVAL;
        unsigned shift = 10 * (unsigned)(unit - units + 1);
        if (x > UINT64_MAX >> shift)
            return -ERANGE;
        x <<= shift;
    }
    *bytes = x;
    return 0;
}

static int parse_unsigned(const struct arg_option *o, const char *text, uint64_t *out)
{
    uint64_t max = o->max ? o->max : (o->kind == ARG_U32 ? UINT32_MAX : UINT64_MAX), x = 0;
    const char *end = text;
    int err = o->kind == ARG_SIZE ? args_parse_size(text, &x) : parse_digits(text, &end, &x);
    if (err == -EINVAL || (o->kind != ARG_SIZE && !err && *end))
        return args_complain("--%s: '%s' is not a %s", o->name, text,
                             o->kind == ARG_SIZE ? "size such as 64MiB" : "whole number");
    char low[HUMAN_TEXT], high[HUMAN_TEXT];
    if ((err || x < o->min || x > max) && o->kind == ARG_SIZE)
        return args_complain("--%s: %s is not between %s and %s", o->name, text,
                             human_size(o->min, low), human_size(max, high));
    if (err || x < o->min || x > max)
        return args_complain("--%s: %s is not between %llu and %llu", o->name, text,
                             (unsigned long long)o->min, (unsigned long long)max);
    *out = x;
    return ARGS_RUN;
}

static int parse_choice(const struct arg_option *o, const char *text)
{
    char all[256] = "";
    for (int i = 0; o->choices[i]; i++) {
        if (!strcmp(o->choices[i], text)) {
            *(int *)o->out = i;
            return ARGS_RUN;
        }
        size_t used = strlen(all);
        snprintf(all + used, sizeof all - used, "%s%s", i ? ", " : "", o->choices[i]);
    }
    return args_complain("--%s: '%s' is none of %s", o->name, text, all);
}

static int parse_value(const struct arg_option *o, const char *text)
{
    uint64_t x;
    int code = ARGS_RUN;
    char *end;
    switch (o->kind) {
    case ARG_TEXT:
        *(const char **)o->out = text;
        break;
    case ARG_U32:
        if ((code = parse_unsigned(o, text, &x)) == ARGS_RUN)
            *(uint32_t *)o->out = (uint32_t)x;
        break;
    case ARG_U64:
    case ARG_SIZE:
        if ((code = parse_unsigned(o, text, &x)) == ARGS_RUN)
            *(uint64_t *)o->out = x;
        break;
    case ARG_DOUBLE: {
        double d = strtod(text, &end);
        if (end == text || *end || !isfinite(d))
            return args_complain("--%s: '%s' is not a number", o->name, text);
        *(double *)o->out = d;
        break;
    }
    case ARG_CHOICE:
        return parse_choice(o, text);
    case ARG_FLAG:
    case ARG_END:
        break;
    }
    return code;
}

static void print_help(const struct arg_command *c)
{
    printf("usage: %s %s %s\n", tool_name(), tool_command(), c->usage);
    if (c->text)
        printf("\n%s", c->text);
    printf("\noptions\n");
    for (const struct arg_option *o = c->options; o->kind != ARG_END; o++) {
        char left[160];
        int used =
            snprintf(left, sizeof left, "%s%c%s--%s%s%s", o->letter ? "-" : "",
                     o->letter ? o->letter : ' ', o->letter ? ", " : "   ", o->name,
                     o->kind == ARG_FLAG ? "" : " ", o->kind == ARG_FLAG ? "" : o->placeholder);
        if (used > 34) /* the help goes to the next line */
            printf("  %s\n  %-34s %s\n", left, "", o->help);
        else
            printf("  %-34s %s\n", left, o->help);
    }
    printf("  %-34s %s\n", "-h, --help", "this text");
}

static const struct arg_option *find_option(const struct arg_command *c, const char *word)
{
    for (const struct arg_option *o = c->options; o->kind != ARG_END; o++) {
        size_t n = strlen(o->name);
        if (word[1] == '-' && !strncmp(word + 2, o->name, n) &&
            (!word[2 + n] || word[2 + n] == '='))
            return o;
        if (word[1] != '-' && o->letter && word[1] == o->letter && !word[2])
            return o;
    }
    return NULL;
}

/* One option at argv[*at]; *at moves on when the value is a word of its own. */
static int parse_option(int argc, char **argv, int *at, struct arg_command *c, uint64_t *given)
{
    const char *word = argv[*at];
    const struct arg_option *o = find_option(c, word);
    if (!o)
        return args_complain("unknown option '%s'", word);
    *given |= (uint64_t)1 << (o - c->options);
    const char *value = word[1] == '-' ? strchr(word, '=') : NULL;
    if (o->kind == ARG_FLAG) {
        if (value)
            return args_complain("--%s takes no value", o->name);
        *(bool *)o->out = true;
        return ARGS_RUN;
    }
    if (value)
        return parse_value(o, value + 1);
    const char *next = *at + 1 < argc ? argv[*at + 1] : NULL;
    if (next && next[0] == '-' && next[1] == '-' && find_option(c, next))
        return args_complain("--%s needs a value before '%s': %s", o->name, next, o->placeholder);
    if (!next)
        return args_complain("--%s needs a value: %s", o->name, o->placeholder);
    return parse_value(o, argv[++*at]);
}

int args_parse(int argc, char **argv, struct arg_command *c)
{
    uint64_t given = 0;
    bool only_words = false;
    c->word_count = 0;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (!only_words && word[0] == '-' && word[1]) {
            if (!strcmp(word, "--help") || !strcmp(word, "-h")) {
                print_help(c);
                return EXIT_OK;
            }
            only_words = !strcmp(word, "--");
            int code = only_words ? ARGS_RUN : parse_option(argc, argv, &i, c, &given);
            if (code != ARGS_RUN)
                return code;
        } else if (c->word_count == c->words_max) {
            return args_complain("'%s' is one argument too many", word);
        } else {
            c->words[c->word_count++] = word;
        }
    }
    for (const struct arg_option *o = c->options; o->kind != ARG_END; o++)
        if (o->required && !(given >> (o - c->options) & 1))
            return args_complain("--%s %s is missing", o->name, o->placeholder);
    if (c->word_count < c->words_min)
        return args_complain("too few arguments: %s", c->usage);
    return ARGS_RUN;
}
