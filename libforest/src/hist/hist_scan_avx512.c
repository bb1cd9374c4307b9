/* SPDX-License-Identifier: MIT */
/* hist_scan_avx512.c -- see hist_scan.h; sixteen features. */
#include "base/avx512.h"

#ifdef HAVE_AVX512
#define BITS 512
#include "hist_scan_masks.h"

static inline __attribute__((always_inline)) uint32_t
scan_wide(const struct hist_scan *c, bool in_order, struct hist_lane_cuts *cuts, uint32_t lane)
{
    return c->lanes <= 10   ? scan(c, in_order, 10, cuts, lane)
           : c->lanes <= 12 ? scan(c, in_order, 12, cuts, lane)
                            : scan(c, in_order, 16, cuts, lane);
}

uint32_t hist_scan_avx512(const struct hist_scan *c, bool in_order, struct hist_lane_cuts *cuts,
                          uint32_t lane)
{
    if (c->lanes <= 8)
        return hist_scan_eight_avx512(c, in_order, cuts, lane);
    return in_order ? scan_wide(c, true, cuts, lane) : scan_wide(c, false, cuts, lane);
}

#pragma GCC pop_options
#endif
