/* SPDX-License-Identifier: MIT */
/* byte_lists_avx2.h -- lists of bytes, sixteen at a time. Include after avx2.h. */
#ifndef BYTE_LISTS_AVX2_H
#define BYTE_LISTS_AVX2_H

#ifdef HAVE_AVX2
#define BYTE_CHUNK 16u

static inline __m128i load_bytes(const uint8_t *from)
{
    return _mm_loadu_si128((const __m128i *)(const void *)from);
}

static inline void store_bytes(uint8_t *to, __m128i v)
{
    _mm_storeu_si128((__m128i *)(void *)to, v);
}

/* How sixteen bytes are moved for those whose bits are set to be in front. */
static inline __m128i packing_of(uint32_t bits)
{
    const __m128i upper = _mm_set_epi64x(0x0808080808080808, 0);
    __m128i at =
        _mm_set_epi64x((long long)packed_words[bits >> 8], (long long)packed_words[bits & 0xff]);
    __m128i both = _mm_loadu_si128((const __m128i *)(const void *)joined[count_bits(bits & 0xff)]);
    return _mm_shuffle_epi8(_mm_or_si128(at, upper), both);
}

#endif
#endif
