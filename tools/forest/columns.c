/* SPDX-License-Identifier: MIT */
#include "columns.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emit.h"
#include "json.h"

#define TEXT_MAX (1 << 16) /* of a name or a word */

struct reading {
    struct json j;
    char *text; /* TEXT_MAX */
};

static void out_of_memory(struct json *j)
{
    json_fail(j, "not enough memory");
    j->error = -ENOMEM;
}

static void read_words(struct reading *r, struct words *w)
{
    uint32_t number, before;

    for (json_enter(&r->j, '['); json_more(&r->j, ']');) {
        json_string(&r->j, r->text, TEXT_MAX);
        before = w->count;
        int err = r->j.error ? 0 : words_number(w, r->text, strlen(r->text), &number);
        if (err == -ENOMEM)
            out_of_memory(&r->j);
        else if (err || (!r->j.error && number != before))
            json_fail(&r->j, "too many words, or one that is there twice");
    }
    w->is_fixed = true;
}

static void read_column(struct reading *r, struct words *w)
{
    char key[16];

    for (json_enter(&r->j, '{'); json_more(&r->j, '}');) {
        json_key(&r->j, key, sizeof key);
        if (!strcmp(key, "name") && !w->column) {
            json_string(&r->j, r->text, TEXT_MAX);
            w->column = strdup(r->text);
            if (!w->column)
                out_of_memory(&r->j);
        } else if (!strcmp(key, "words") && !w->count) {
            read_words(r, w);
        } else {
            json_skip(&r->j);
        }
    }
    if (!w->column)
        json_fail(&r->j, "a column without a name");
}

static void read_features(struct reading *r, struct columns *c)
{
    for (json_enter(&r->j, '['); json_more(&r->j, ']');) {
        if ((c->count & (c->count - 1)) == 0) { /* room for a power of two */
            struct words *all =
                realloc(c->feature, (c->count ? 2 * (size_t)c->count : 1) * sizeof *all);
            if (!all) {
                out_of_memory(&r->j);
                return;
            }
            c->feature = all;
        }
        c->feature[c->count] = (struct words){ .column = NULL };
        read_column(r, &c->feature[c->count++]);
    }
}

/* False: these are not the notes that we write. */
static bool read_all(struct reading *r, struct columns *c)
{
    char key[16], format[16] = "";

    for (json_enter(&r->j, '{'); json_more(&r->j, '}');) {
        json_key(&r->j, key, sizeof key);
        if (!strcmp(key, "format"))
            json_string(&r->j, format, sizeof format);
        else if (!strcmp(key, "target") && !c->target.column)
            read_column(r, &c->target);
        else if (!strcmp(key, "features") && !c->count)
            read_features(r, c);
        else
            json_skip(&r->j);
    }
    return !strcmp(format, "forest-columns");
}

int columns_of_model(struct columns *c, const struct forest *model, struct diag *diag)
{
    struct forest_info info;
    size_t size;
    const char *notes = forest_notes(model, &size);

    *c = (struct columns){ .count = 0 };
    if (!size || notes[0] != '{')
        return 0;
    struct reading r = { .text = malloc(TEXT_MAX) };
    if (!r.text)
        return diag_set(diag, -ENOMEM, "not enough memory");
    json_start(&r.j, notes, size, diag);
    bool is_ours = read_all(&r, c);
    forest_describe(model, &info);
    if (!is_ours) {
        free(r.text);
        columns_free(c);
        return 0;
    }
    if (!json_finish(&r.j) && c->count != info.features)
        json_fail(&r.j, "%u columns, where the model has %llu", c->count,
                  (unsigned long long)info.features);
    free(r.text);
    if (r.j.error)
        columns_free(c);
    return r.j.error;
}

void columns_free(struct columns *c)
{
    for (uint32_t i = 0; i < c->count; i++)
        words_free(&c->feature[i]);
    free(c->feature);
    words_free(&c->target);
    *c = (struct columns){ .count = 0 };
}

static void write_column(FILE *out, const struct words *w)
{
    fputs("{\"name\":", out);
    emit_json_string(out, w->column);
    for (uint32_t i = 0; i < w->count; i++) {
        fputs(i ? "," : ",\"words\":[", out);
        emit_json_string(out, w->word[i]);
    }
    fputs(w->count ? "]}" : "}", out);
}

int columns_text(const struct columns *c, char **text, size_t *size)
{
    FILE *out = open_memstream(text, size);

    if (!out)
        return -ENOMEM;
    fputs("{\"format\":\"forest-columns\",\"version\":1,", out);
    if (c->target.column) {
        fputs("\"target\":", out);
        write_column(out, &c->target);
        putc(',', out);
    }
    fputs("\"features\":[", out);
    for (uint32_t i = 0; i < c->count; i++) {
        fputs(i ? "," : "", out);
        write_column(out, &c->feature[i]);
    }
    fputs("]}", out);
    bool failed = ferror(out);
    if (fclose(out) || failed) {
        free(*text);
        return -ENOMEM;
    }
    return 0;
}
