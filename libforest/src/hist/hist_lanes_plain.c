/* SPDX-License-Identifier: MIT */
/* hist_lanes_plain.c -- four features at a time, as any processor can. */
#define WIDTH 4
#include "hist_lanes_search.h"

hist_lanes_search *const hist_lanes_plain = search;
