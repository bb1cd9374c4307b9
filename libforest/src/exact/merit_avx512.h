/* SPDX-License-Identifier: MIT */
/* merit_avx512.h -- as merit.h, of eight cuts. Include after avx512.h. */
#ifndef MERIT_AVX512_H
#define MERIT_AVX512_H

#ifdef HAVE_AVX512
#include <stdbool.h>

static inline __attribute__((always_inline)) __m512d
merits_of(bool is_friedman, __m512d sum, __m512d weight, __m512d rest, __m512d rest_weight)
{
    if (is_friedman) {
        __m512d diff = _mm512_sub_pd(_mm512_mul_pd(rest_weight, sum), _mm512_mul_pd(weight, rest));
        return _mm512_div_pd(_mm512_mul_pd(diff, diff), _mm512_mul_pd(weight, rest_weight));
    }
    return _mm512_add_pd(_mm512_div_pd(_mm512_mul_pd(sum, sum), weight),
                         _mm512_div_pd(_mm512_mul_pd(rest, rest), rest_weight));
}

#endif
#endif
