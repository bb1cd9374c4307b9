/* SPDX-License-Identifier: MIT */
/* paramtext.h -- a forest's parameters as a JSON object, out and in. */
#ifndef PARAMTEXT_H
#define PARAMTEXT_H

#include <stdio.h>

#include "forest.h"
#include "json.h"

/* Write {"task":"regression",...}: the names of struct forest_params, enums as words. */
void paramtext_write(FILE *out, const struct forest_params *params);
/* Read such an object; what it does not name keeps its value. Errors are the reader's. */
void paramtext_read(struct json *j, struct forest_params *params);

#endif
