/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "errors.h"
#include "test.h"

#include <ctype.h>
#include <stdbool.h>

struct subject {
    char name[80];
};

void errors_provoke(const struct error_row *row)
{
    int err = row->provoke();

    if (err == ERRORS_NOT_HERE) {
        printf("    skipped: %s, %s\n", row->call, strerrorname_np(row->error));
        return;
    }
    if (err != -row->error)
        fprintf(stderr, "%s should say %s and says %d\n", row->call, strerrorname_np(row->error),
                err);
    CHECK_EQ(err, -row->error);
}

static bool has_row(const struct error_row *const *tables, const char *call, const char *error)
{
    for (; *tables; tables++)
        for (const struct error_row *row = *tables; row->call; row++)
            if (!strcmp(row->call, call) && !strcmp(strerrorname_np(row->error), error))
                return true;
    return false;
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* What the line declares; an empty name if nothing. */
static struct subject declared(const char *line, const char *prefix)
{
    struct subject it = { "" };
    const char *end = strchr(line, '('), *start = end;
    const char *tag = !strncmp(line, "struct ", 7) ? line + 7 : line + 5;

    if (!strncmp(line, "struct ", 7) || !strncmp(line, "enum ", 5)) {
        size_t n = strspn(tag, "abcdefghijklmnopqrstuvwxyz0123456789_");

        snprintf(it.name, sizeof it.name, "%.*s", (int)(tag + n - line), line);
    } else if (!strncmp(line, prefix, strlen(prefix)) && end) {
        /* The type before it may be a struct x: the call is what the parenthesis follows. */
        while (start > line && is_word(start[-1]))
            start--;
        snprintf(it.name, sizeof it.name, "%.*s", (int)(end - start), start);
    }
    return it;
}

/* Whose errors those in the comment from `start` to `end` are. */
static struct subject subject_of(const char *text, const char *start, const char *end,
                                 const char *prefix)
{
    struct subject it;
    const char *line = start;

    while (line > text && line[-1] != '\n')
        line--;
    it = declared(line, prefix);
    while (!it.name[0] && line > text && isspace((unsigned char)*line)) { /* within a struct */
        for (line--; line > text && line[-1] != '\n';)
            line--;
        it = declared(line, "struct ");
    }
    if (!it.name[0] && end[2] == '\n')
        it = declared(end + 3, prefix);
    if (!it.name[0])
        strcpy(it.name, "every call");
    return it;
}

static void check_error(const char *call, const char *word, const struct error_row *const *tables)
{
    char error[20];
    int n = 0;

    while (isupper((unsigned char)word[n]) || isdigit((unsigned char)word[n]))
        n++;
    if (n < 3) /* -E of something else */
        return;
    snprintf(error, sizeof error, "%.*s", n, word);
    if (!has_row(tables, call, error))
        fprintf(stderr, "the header says %s may answer -%s: no test provokes it\n", call, error);
    CHECK(has_row(tables, call, error));
}

void errors_check_header(const char *path, const char *prefix,
                         const struct error_row *const *tables, int at_least)
{
    static char text[200000];
    FILE *f = fopen(path, "r");
    int errors = 0;

    if (!f) {
        printf("    skipped: runs from the top of the source tree\n");
        return;
    }
    text[fread(text, 1, sizeof text - 1, f)] = 0;
    fclose(f);
    for (const char *p = text, *end; (p = strstr(p, "/*")) && (end = strstr(p, "*/")); p = end + 2) {
        struct subject it = subject_of(text, p, end, prefix);

        for (const char *e = p; (e = strstr(e, "-E")) && e < end; e += 2, errors++)
            check_error(it.name, e + 1, tables);
    }
    CHECK(errors >= at_least);
}

void errors_use_up_memory(void)
{
    void *p;

    for (size_t size = 1 << 20; size >= 16; size -= size > 2048 ? size / 2 : 16)
        while ((p = malloc(size)) != NULL)
            __asm__ volatile("" ::"r"(p)); /* used: else a compiler may do without malloc() */
}
