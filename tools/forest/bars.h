/* SPDX-License-Identifier: MIT */
/* bars.h -- a bar chart of named numbers, as text and as SVG. */
#ifndef BARS_H
#define BARS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct bar {
    char name[64];
    double value, deviation;
    uint32_t number;
};

/* A line each: name, value, bar; `spread` adds the deviation. A negative value has no bar. */
void bars_print(FILE *out, const struct bar *bars, uint32_t count, bool spread);

/* The same as a drawing for light and dark pages, whole or not at all. Complains. */
int bars_write_svg(const char *path, const struct bar *bars, uint32_t count, const char *title);

#endif
