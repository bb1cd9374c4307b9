/* SPDX-License-Identifier: MIT */
/* human.h -- sizes, durations and shares as people like to read them. */
#ifndef HUMAN_H
#define HUMAN_H

#include <stdint.h>

#define HUMAN_TEXT 32

/* 0 B, 1023 B, 1.0 KiB, 63.5 MiB, 1.0 GiB. Returns text. */
const char *human_size(uint64_t bytes, char text[HUMAN_TEXT]);
/* 12.3 us, 4.56 ms, 0.05 s, 12.3 s, 3 m 07 s, 2 h 05 m. Returns text. */
const char *human_duration(double seconds, char text[HUMAN_TEXT]);
/* ########........................ is a quarter. Returns bar. */
#define HUMAN_BAR 33
const char *human_bar(double share, char bar[HUMAN_BAR]);

#endif
