/* SPDX-License-Identifier: MIT */
/* hist_scan_eight_avx512.c -- see hist_scan.h; eight features of sixteen. */
#include "base/avx512.h"

#ifdef HAVE_AVX512
#define BITS 256
#include "hist_scan_masks.h"

uint32_t hist_scan_eight_avx512(const struct hist_scan *c, bool in_order,
                                struct hist_lane_cuts *cuts, uint32_t lane)
{
    bool half = c->lanes <= LANES / 2;

    if (in_order)
        return half ? scan(c, true, 4, cuts, lane) : scan(c, true, 8, cuts, lane);
    return half ? scan(c, false, 4, cuts, lane) : scan(c, false, 8, cuts, lane);
}

#pragma GCC pop_options
#endif
