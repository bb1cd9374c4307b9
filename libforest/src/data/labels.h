/* SPDX-License-Identifier: MIT */
/* labels.h -- classes as numbers, and what their rows weigh. */
#ifndef LABELS_H
#define LABELS_H

#include <stdint.h>

/* Class numbers as a caller gives them, and how many classes: one more than the greatest. -EINVAL
 */
int labels_read(const double *y, uint32_t rows, uint16_t *codes, uint32_t *classes);

/*
 * weights[i], how often row i was drawn, times its sample_weight (NULL: 1) and its class's: see
 * enum forest_class_weight. `by_class` has room for a number a class.
 */
void labels_weigh(const uint16_t *codes, uint32_t rows, uint32_t classes, uint32_t balance,
                  const double *sample_weight, double *by_class, double *weights);

#endif
