/* SPDX-License-Identifier: MIT */
/*
 * rough.h -- cuts rated roughly, to look closely at the few that may be the best.
 *
 * Beside each entry of a list is kept what its row is worth in 32 bits: its sum in units of
 * 2^shift, to the nearest, and its weight, a whole number of up to ROUGH_WEIGHT_MOST. In these
 * units let u = sl - wl * s / w, which is d / w of fast_units.h, so that the root of a cut's gain
 * is proportional to |u| / sqrt(wl * wr), its rate. With rows off by e, |e| <= 1/2 each, u is off
 * by
 *     |sum of e on the left * wr - sum of e on the right * wl| / w
 *         <= (wl * wr + wr * wl) / (2 * w) = wl * wr / w,
 * for no row weighs less than 1; and the rate is off by sqrt(wl * wr) / w <= 1/2. So where a cut's
 * rate is R, none below R - 1 can be the best.
 */
#ifndef ROUGH_H
#define ROUGH_H

#define ROUGH_WEIGHT_BITS 8u
#define ROUGH_WEIGHT_MOST 15.0 /* sums of 16 fit */
#define ROUGH_ROW_BITS 19u     /* of a row's sum in absolute value; 16 fit beside the weights */
#define ROUGH_ALL_BITS 30u     /* of all sums, likewise */

/* What must be added to a rate for all errors together: of the units, and of floats. */
#define ROUGH_SLACK 1.01f
#define ROUGH_ROUNDING 0x1p-19f

/* Of a feature that has no cut, or none that is enough. A rate of 0 may be of a cut that gains. */
#define ROUGH_NO_CUT -1.0f

/* A rate that may in truth be as good as this one. */
static inline float rough_enough(float rate)
{
    return rate * (1.0f - ROUGH_ROUNDING) - ROUGH_SLACK;
}

#endif
