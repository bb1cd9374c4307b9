/* SPDX-License-Identifier: MIT */
#include "paramtext.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "emit.h"
#include "options.h"

static const char *const max_features[] = { "default", "count", "fraction", "sqrt",
                                            "log2",    "all",   NULL };

/* A field is a word if there are words, else a uint32_t, or a double. */
struct field {
    const char *name;
    size_t offset;
    const char *const *words;
    bool is_real;
};
#define COUNT(f)                                           \
    {                                                      \
#f, offsetof(struct forest_params, f), NULL, false \
    }
#define REAL(f)                                           \
    {                                                     \
#f, offsetof(struct forest_params, f), NULL, true \
    }
#define WORD(f, words)                                      \
    {                                                       \
#f, offsetof(struct forest_params, f), words, false \
    }

static const struct field fields[] = {
    WORD(task, option_tasks),
    WORD(mode, option_modes),
    COUNT(n_estimators),
    COUNT(seed),
    WORD(criterion, option_criteria),
    COUNT(max_depth),
    COUNT(min_samples_split),
    REAL(min_samples_split_fraction),
    COUNT(min_samples_leaf),
    REAL(min_samples_leaf_fraction),
    REAL(min_weight_fraction_leaf),
    WORD(max_features, max_features),
    REAL(max_features_value),
    COUNT(max_leaf_nodes),
    REAL(min_impurity_decrease),
    COUNT(extra_trees),
    COUNT(bootstrap),
    COUNT(no_bootstrap),
    REAL(max_samples),
    WORD(class_weight, option_balances),
    REAL(ccp_alpha),
    COUNT(keep_stats),
};
#define FIELDS (sizeof fields / sizeof *fields)

void paramtext_write(FILE *out, const struct forest_params *params)
{
    char text[EMIT_DOUBLE_TEXT];

    for (size_t i = 0; i < FIELDS; i++) {
        const void *at = (const char *)params + fields[i].offset;
        fprintf(out, "%c\"%s\":", i ? ',' : '{', fields[i].name);
        if (fields[i].is_real)
            fputs(emit_shortest(*(const double *)at, text), out);
        else if (fields[i].words)
            fprintf(out, "\"%s\"", fields[i].words[*(const uint32_t *)at]);
        else
            fprintf(out, "%u", *(const uint32_t *)at);
    }
    putc('}', out);
}

static uint32_t read_word(struct json *j, const struct field *field)
{
    char word[32];

    json_string(j, word, sizeof word);
    for (uint32_t i = 0; field->words[i]; i++)
        if (!strcmp(word, field->words[i]))
            /* log_loss is another name of entropy */
            return field->words == option_criteria && i > FOREST_ENTROPY ? FOREST_ENTROPY : i;
    json_fail(j, "%s is not '%s'", field->name, word);
    return 0;
}

static uint32_t read_count(struct json *j, const char *name)
{
    double x = json_number(j);

    if (x >= 0 && x <= UINT32_MAX && x == floor(x))
        return (uint32_t)x;
    json_fail(j, "%s is not a whole number below 2^32", name);
    return 0;
}

static void read_field(struct json *j, const struct field *field, struct forest_params *params)
{
    void *at = (char *)params + field->offset;

    if (field->is_real)
        *(double *)at = json_number(j);
    else
        *(uint32_t *)at = field->words ? read_word(j, field) : read_count(j, field->name);
}

void paramtext_read(struct json *j, struct forest_params *params)
{
    for (json_enter(j, '{'); json_more(j, '}');) {
        char name[40];
        size_t i = 0;
        json_key(j, name, sizeof name);
        while (i < FIELDS && strcmp(name, fields[i].name))
            i++;
        if (i == FIELDS)
            json_fail(j, "no parameter is called '%s'", name);
        else
            read_field(j, &fields[i], params);
    }
}
