/* SPDX-License-Identifier: MIT */
#include "options.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

/*
 * "7" is a number of things, "0.7" and "1.0" are fractions: the point makes the difference, as the
 * type does in scikit-learn. False: neither.
 */
static bool parse_count_or_fraction(const char *text, double *value, bool *is_fraction)
{
    char *end;
    *value = strtod(text, &end);
    *is_fraction = strpbrk(text, ".eE") != NULL;
    if (end == text || *end || !isfinite(*value) || *value <= 0)
        return false;
    return *is_fraction ? *value <= 1 : *value <= UINT32_MAX;
}

int forest_options_finish(struct forest_options *o)
{
    struct forest_params *p = &o->params;
    bool is_fraction;
    p->no_bootstrap = o->no_bootstrap;
    if (o->max_features && !strcmp(o->max_features, "sqrt")) {
        p->max_features = FOREST_MAX_FEATURES_SQRT;
    } else if (o->max_features && !strcmp(o->max_features, "log2")) {
        p->max_features = FOREST_MAX_FEATURES_LOG2;
    } else if (o->max_features) {
        if (!parse_count_or_fraction(o->max_features, &p->max_features_value, &is_fraction))
            return args_complain(
                "--max-features: '%s' is not a number, a fraction such as 0.5, sqrt or log2",
                o->max_features);
        p->max_features = is_fraction ? FOREST_MAX_FEATURES_FRACTION : FOREST_MAX_FEATURES_COUNT;
    }
    if (o->max_samples) {
        if (o->no_bootstrap)
            return args_complain("--max-samples makes no sense with --no-bootstrap");
        /* The library takes (0, 1] as a fraction, more as a number: one row cannot be asked for. */
        if (!parse_count_or_fraction(o->max_samples, &p->max_samples, &is_fraction) ||
            (!is_fraction && p->max_samples < 2))
            return args_complain(
                "--max-samples: '%s' is not a number from 2 on, nor a fraction such as 0.5",
                o->max_samples);
    }
    return ARGS_RUN;
}
