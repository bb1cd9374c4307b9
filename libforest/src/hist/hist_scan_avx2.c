/* SPDX-License-Identifier: MIT */
/* hist_scan_avx2.c -- see hist_scan.h; eight features. */
#include "base/avx2.h"

#ifdef HAVE_AVX2
#include "hist_scan.h"

#define LANES 8u

static inline __m128i cells_of(const hist_cell *cells, const uint8_t *a, const uint8_t *b,
                               uint32_t at)
{
    __m128i low = _mm_loadl_epi64((const __m128i *)(const void *)(cells + a[at]));
    return _mm_insert_epi64(low, (long long)cells[b[at]], 1);
}

/* What the rows at a place are worth, in the order of lanes 0 1 4 5, 2 3 6 7; of half of them: 0. */
static inline void cells_at(const struct hist_scan *c, uint32_t at, bool half, __m256i *a,
                            __m256i *b)
{
    *a = _mm256_zextsi128_si256(cells_of(c->cells, c->names[0], c->names[1], at));
    *b = _mm256_zextsi128_si256(cells_of(c->cells, c->names[2], c->names[3], at));
    if (half)
        return;
    *a = _mm256_inserti128_si256(*a, cells_of(c->cells, c->names[4], c->names[5], at), 1);
    *b = _mm256_inserti128_si256(*b, cells_of(c->cells, c->names[6], c->names[7], at), 1);
}

/* A bit for each of the places from `at` on whose code is that of the next place. */
static inline __m256i ties_at(const struct hist_scan *c, uint32_t at)
{
    uint32_t ties[LANES];
    for (uint32_t i = 0; i < LANES; i++) {
        __m256i here = _mm256_loadu_si256((const __m256i *)(const void *)(c->codes[i] + at));
        __m256i next = _mm256_loadu_si256((const __m256i *)(const void *)(c->codes[i] + at + 1));
        ties[i] = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(here, next));
    }
    return _mm256_set_epi32((int)ties[7], (int)ties[6], (int)ties[5], (int)ties[4], (int)ties[3],
                            (int)ties[2], (int)ties[1], (int)ties[0]);
}

static inline __attribute__((always_inline)) uint32_t scan(const struct hist_scan *c, bool in_order,
                                                           bool half, struct hist_lane_cuts *cuts,
                                                           uint32_t lane)
{
    const __m256i zero = _mm256_setzero_si256(), one = _mm256_set1_epi32(1);
    const __m256 sum = _mm256_set1_ps(c->sum), weight = _mm256_set1_ps(c->weight);
    const __m256 scale = _mm256_set1_ps(c->scale);
    const __m256 unit = _mm256_mul_ps(weight, _mm256_set1_ps(0x1p-31f));
    const __m256 near_by = _mm256_set1_ps(HIST_SCAN_NEAR), sign = _mm256_set1_ps(-0.0f);
    __m256 best_top = _mm256_set1_ps(-1.0f), best_bottom = _mm256_set1_ps(1.0f);
    __m256 near = _mm256_setzero_ps();
    __m256i a = zero, b = zero, ties = zero, pos = zero, best_pos = _mm256_set1_epi32(-1);
    for (uint32_t p = 0; p + 1 < c->n; p++) {
        __m256i more_a, more_b;
        if (p % HIST_SCAN_TIES == 0)
            ties = ties_at(c, p);
        cells_at(c, p, half, &more_a, &more_b);
        a = _mm256_add_epi32(a, more_a);
        b = _mm256_add_epi32(b, more_b);
        __m256 af = _mm256_castsi256_ps(a), bf = _mm256_castsi256_ps(b);
        __m256 sl = _mm256_cvtepi32_ps(_mm256_castps_si256(_mm256_shuffle_ps(af, bf, 0x88)));
        __m256 wl = _mm256_cvtepi32_ps(_mm256_castps_si256(_mm256_shuffle_ps(af, bf, 0xdd)));
        __m256 tie = _mm256_castsi256_ps(_mm256_slli_epi32(ties, 31));
        ties = _mm256_srli_epi32(ties, 1);
        wl = _mm256_mul_ps(wl, scale);
        __m256 d = _mm256_sub_ps(_mm256_mul_ps(sl, unit), _mm256_mul_ps(sum, wl));
        __m256 top = _mm256_mul_ps(d, d);
        __m256 bottom = _mm256_mul_ps(wl, _mm256_sub_ps(weight, wl));
        __m256 here = _mm256_mul_ps(top, best_bottom), best = _mm256_mul_ps(best_top, bottom);
        __m256 better = _mm256_andnot_ps(tie, _mm256_cmp_ps(here, best, _CMP_GT_OQ));
        if (!in_order) {
            __m256 off = _mm256_andnot_ps(sign, _mm256_sub_ps(here, best));
            __m256 is_near = _mm256_cmp_ps(off, _mm256_mul_ps(here, near_by), _CMP_LE_OQ);
            near = _mm256_or_ps(_mm256_andnot_ps(better, near), _mm256_andnot_ps(tie, is_near));
        }
        best_top = _mm256_blendv_ps(best_top, top, better);
        best_bottom = _mm256_blendv_ps(best_bottom, bottom, better);
        best_pos = _mm256_castps_si256(
            _mm256_blendv_ps(_mm256_castsi256_ps(best_pos), _mm256_castsi256_ps(pos), better));
        pos = _mm256_add_epi32(pos, one);
    }
    _mm256_storeu_ps(cuts->gain_top + lane, best_top);
    _mm256_storeu_ps(cuts->gain_bottom + lane, best_bottom);
    store_words((uint32_t *)cuts->code + lane, best_pos);
    near = _mm256_or_ps(near, _mm256_cmp_ps(best_top, _mm256_set1_ps(HIST_SCAN_LEAST), _CMP_LT_OQ));
    near = _mm256_andnot_ps(_mm256_castsi256_ps(best_pos), near); /* the sign is set: no cut */
    return in_order ? 0 : (uint32_t)_mm256_movemask_ps(near);
}

uint32_t hist_scan_avx2(const struct hist_scan *c, bool in_order, struct hist_lane_cuts *cuts,
                        uint32_t lane)
{
    bool half = c->lanes <= LANES / 2;
    if (in_order)
        return half ? scan(c, true, true, cuts, lane) : scan(c, true, false, cuts, lane);
    return half ? scan(c, false, true, cuts, lane) : scan(c, false, false, cuts, lane);
}

#pragma GCC pop_options
#endif
