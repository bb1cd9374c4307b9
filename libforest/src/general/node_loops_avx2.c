/* SPDX-License-Identifier: MIT */
/* node_loops_avx2.c -- eight samples at a time. */
#include "base/avx2.h"

#ifdef HAVE_AVX2
#include "exact/kernels.h"
#include "node_loops.h"

#define LEFT 0x80000000u /* the side of a sample: such numbers compare as less than others */

static struct value_range gather(const float *column, const uint32_t *samples, uint32_t n,
                                 float *values)
{
    __m256 least = _mm256_set1_ps(column[samples[0]]), most = least;
    uint32_t i = 0;
    for (; i + WORDS <= n; i += WORDS) {
        __m256 v = _mm256_i32gather_ps(column, load_words(samples + i), 4);
        _mm256_storeu_ps(values + i, v);
        least = _mm256_min_ps(least, v);
        most = _mm256_max_ps(most, v);
    }
    float low[WORDS], high[WORDS];
    _mm256_storeu_ps(low, least);
    _mm256_storeu_ps(high, most);
    struct value_range range = { low[0], high[0] };
    for (uint32_t k = 1; k < WORDS; k++) {
        range.least = low[k] < range.least ? low[k] : range.least;
        range.most = high[k] > range.most ? high[k] : range.most;
    }
    for (; i < n; i++) {
        float v = values[i] = column[samples[i]];
        range.least = v < range.least ? v : range.least;
        range.most = v > range.most ? v : range.most;
    }
    for (i = 0; range.least == 0.0f; i++) {
        if (values[i] == 0.0f) {
            range.least = values[i];
            break;
        }
    }
    return range;
}

static uint32_t part(uint32_t *samples, const float *values, uint32_t n, double threshold,
                     uint32_t *spare)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t is_left = (double)values[i] <= threshold;
        samples[i] |= is_left * LEFT;
        left += is_left;
    }
    part_avx2(samples, n, left, UINT32_MAX, spare);
    for (uint32_t i = 0; i < left; i++)
        samples[i] &= ~LEFT;
    return left;
}

const struct node_loops node_loops_avx2 = { gather, part };

#pragma GCC pop_options
#endif
