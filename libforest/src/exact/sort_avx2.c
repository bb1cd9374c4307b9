/* SPDX-License-Identifier: MIT */
/*
 * sort_avx2.c -- the order that the rules' sort gives to ties, eight samples at a time.
 *
 * What is sorted are names, the places of the samples in the node's sorted list. Ranges are parted
 * by P1 to P3 of sort_avx512.c; what that does by compressing and expanding is done by tables here.
 */
#include "base/avx2.h"

#ifdef HAVE_AVX2
#include <string.h>

#include "sort_bytes.h"
#include "sort_few.h"
#include "ties.h"
#include "kernels.h"

#define OFTEN 32u /* one in so many */
#define QUEUE_FEW 8u
#define QUEUE_MAX 64u /* more equal ones than this are taken one by one */

struct sorter {
    uint32_t *names; /* the samples in their present order */
    uint32_t *temp;  /* room for as many and BLOCK_PAD more */
    uint32_t *list;  /* the sorted entries, of which only runs of ties are changed */
    const uint64_t *ties;
    const struct few_sorts *few;
};

/* list[low + i] = list[names[i]] for n names of these very places. */
static void reorder_run(const struct sorter *s, uint32_t low, const uint32_t *names, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        s->temp[i] = s->list[names[i]];
    memcpy(s->list + low, s->temp, n * sizeof *s->list);
}

/* ---- P3 ---------------------------------------------------------------------------------- */

struct queue {
    uint32_t names[QUEUE_MAX + WORDS], places[QUEUE_MAX + WORDS];
    uint32_t count;
};

/*
 * The index that each member has in the queue when a front of `left` is done: it falls by one,
 * round and round, as a lesser one passes.
 */
static void follow_queue(const struct queue *q, uint32_t left, uint8_t index[QUEUE_MAX])
{
    static const uint8_t numbers[QUEUE_MAX] = {
        0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
        22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
        44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63,
    };
    const __m256i low = _mm256_loadu_si256((const __m256i *)(const void *)numbers);
    const __m256i high = _mm256_loadu_si256((const __m256i *)(const void *)(numbers + 32));
    __m256i a = low, b = high; /* who is not yet in the queue will come in at its end */
    for (uint32_t size = 2; size <= q->count; size++) {
        uint32_t next = size < q->count ? q->places[size] : left;
        uint32_t passed = next - q->places[size - 1] - 1;
        passed = passed < size ? passed : passed % size;
        __m256i by = _mm256_set1_epi8((char)passed), round = _mm256_set1_epi8((char)size);
        __m256i moved = _mm256_sub_epi8(a, by); /* below 0 it is a large number */
        moved = _mm256_min_epu8(moved, _mm256_add_epi8(moved, round));
        a = _mm256_blendv_epi8(a, moved, _mm256_cmpgt_epi8(round, low));
        moved = _mm256_sub_epi8(b, by);
        moved = _mm256_min_epu8(moved, _mm256_add_epi8(moved, round));
        b = _mm256_blendv_epi8(b, moved, _mm256_cmpgt_epi8(round, high));
    }
    _mm256_storeu_si256((__m256i *)(void *)index, a);
    _mm256_storeu_si256((__m256i *)(void *)(index + 32), b);
}

/* P3 for up to eight: who is at each place of the queue in the end, a nibble each. */
static inline uint32_t follow_few(const struct queue *q, uint32_t left)
{
    static const uint32_t inverse[QUEUE_FEW + 1] = {
        /* 2^32 / size, rounded up */
        0, 0, 0x80000000, 0x55555556, 0x40000000, 0x33333334, 0x2aaaaaab, 0x24924925, 0x20000000
    };
    uint64_t queue = 0;
    uint32_t size = 1;
    do {
        uint32_t next = ++size < q->count ? q->places[size] : left;
        uint32_t passed = next - q->places[size - 1] - 1;
        passed -= (uint32_t)((uint64_t)passed * inverse[size] >> 32) * size; /* modulo size */
        queue |= (uint64_t)(size - 1) << 4 * (size - 1);
        queue = _bzhi_u64(queue >> 4 * passed | queue << 4 * (size - passed), 4 * size);
    } while (size < q->count);
    return (uint32_t)queue;
}

static void reorder_few(const struct sorter *s, uint32_t low, const struct queue *q, uint32_t left)
{
    uint32_t bits = low_bits(q->count);
    __m128i order = _mm_cvtsi32_si128((int)follow_few(q, left)), nibble = _mm_set1_epi8(15);
    order = _mm_unpacklo_epi8(_mm_and_si128(order, nibble),
                              _mm_and_si128(_mm_srli_epi32(order, 4), nibble));
    __m256i names = _mm256_and_si256(load_words(q->names), word_mask(bits));
    __m256i entry = _mm256_i32gather_epi32((const int *)(const void *)s->list, names, 4);
    entry = _mm256_permutevar8x32_epi32(entry, _mm256_cvtepu8_epi32(order));
    store_some(s->list + low, bits, entry);
}

static void reorder_members(const struct sorter *s, uint32_t low, const struct queue *q,
                            uint32_t left)
{
    uint32_t entry[QUEUE_MAX];
    uint8_t index[QUEUE_MAX];
    if (q->count == 2) {
        bool swapped = (left - q->places[1] - 1) & 1;
        uint32_t a = s->list[q->names[swapped]], b = s->list[q->names[!swapped]];
        s->list[low] = a;
        s->list[low + 1] = b;
        return;
    }
    if (q->count <= QUEUE_FEW) {
        reorder_few(s, low, q, left);
        return;
    }
    follow_queue(q, left, index);
    for (uint32_t i = 0; i < q->count; i++)
        entry[i] = s->list[q->names[i]];
    for (uint32_t i = 0; i < q->count; i++)
        s->list[low + index[i]] = entry[i];
}

static void part_lesser_plainly(uint32_t *a, uint32_t left, uint32_t low)
{
    uint32_t l = 0;
    for (uint32_t i = 0; i < left; i++) {
        uint32_t v = a[i], first = a[l];
        bool lesser = v < low;
        a[l] = lesser ? v : first;
        a[i] = lesser ? first : v;
        l += lesser;
    }
}

/* ---- parting ----------------------------------------------------------------------------- */

static inline uint32_t greater_bits(__m256i v, __m256i bound)
{
    return mask_bits(_mm256_cmpgt_epi32(v, bound));
}

#define INLINE static inline __attribute__((always_inline))

/*
 * The loops below take whole registers first, and then what is left. `valid` are the words that
 * belong to the range.
 */
INLINE uint32_t *collect_words(const uint32_t *a, uint32_t valid, __m256i high, uint32_t *out)
{
    __m256i v = load_words(a);
    uint32_t greater = greater_bits(v, high) & valid;
    store_words(out, pack(v, greater));
    return out + count_bits(greater);
}

/* The greater ones of a[0..end), in order, to `out`; returns their end. */
static uint32_t *collect_greater(const uint32_t *a, uint32_t end, __m256i high, uint32_t *out)
{
    for (uint32_t i = 0; i < end; i += WORDS)
        out = collect_words(a + i, valid_words(end - i), high, out);
    return out;
}

/* What is not greater of a[left..n), in order, to `out`; returns its end. */
static uint32_t *collect_lesser(const uint32_t *a, uint32_t n, uint32_t left, __m256i high,
                                uint32_t *out)
{
    for (uint32_t i = left; i < n; i += WORDS) {
        __m256i v = load_words(a + i);
        uint32_t lesser = ~greater_bits(v, high) & valid_words(n - i);
        store_words(out, pack(v, lesser));
        out += count_bits(lesser);
    }
    return out;
}

struct back {
    const uint32_t *greater_end; /* is taken from, downwards */
    uint32_t *lesser;            /* gets what is not greater */
};

/* P2 for a[left..n). */
static void part_back(uint32_t *a, uint32_t n, uint32_t left, __m256i high, struct back *b)
{
    for (uint32_t i = left; i < n; i += WORDS) {
        uint32_t valid = valid_words(n - i), last = n - i <= WORDS ? 1u << (n - i - 1) : 0;
        __m256i v = load_words(a + i), next = load_words(a + i + 1), places = word_mask(valid);
        uint32_t take = (~greater_bits(next, high) | last) & valid;
        uint32_t lesser = ~greater_bits(v, high) & valid;
        __m256i taken = spread(load_reversed(b->greater_end), take);
        __m256i to = _mm256_blendv_epi8(next, taken, word_mask(take));
        store_words(a + i, _mm256_blendv_epi8(v, to, places));
        store_words(b->lesser, pack(v, lesser));
        b->greater_end -= count_bits(take);
        b->lesser += count_bits(lesser);
    }
}

struct front {
    const uint32_t *lesser_end; /* is taken from, downwards */
    uint32_t count;             /* of lesser ones so far */
};

/* P1 and P3 for the places from i on; equal ones join the queue, if given. `often`: do not foretell
 * where there are none. */
INLINE void part_front_words(uint32_t *a, uint32_t i, uint32_t left, uint32_t valid, __m256i bound,
                             __m256i high, struct front *f, struct queue *q, bool often)
{
    __m256i v = load_words(a + i), is_greater = _mm256_cmpgt_epi32(v, high);
    uint32_t greater = mask_bits(is_greater) & valid;
    v = _mm256_blendv_epi8(v, spread(load_reversed(f->lesser_end), greater), is_greater);
    f->lesser_end -= count_bits(greater);
    uint32_t less = mask_bits(_mm256_cmpgt_epi32(bound, v)) & valid, same = valid & ~less;
    unsigned count = count_bits(less);
    if (f->count + WORDS <= left) /* what is behind has been read */
        store_words(a + f->count, pack(v, less));
    else
        store_some(a + f->count, low_bits(count), pack(v, less));
    f->count += count;
    if (q && (often || same)) {
        __m256i at = _mm256_add_epi32(word_numbers(), _mm256_set1_epi32((int)i));
        store_words(q->names + q->count, pack(v, same));
        store_words(q->places + q->count, pack(at, same));
        q->count += count_bits(same);
    }
}

/* P1 and P3 for a[0..left). */
INLINE void part_front(uint32_t *a, uint32_t left, uint32_t low, __m256i high,
                       const uint32_t *lesser_end, struct queue *q, bool often)
{
    __m256i bound = _mm256_set1_epi32((int)low);
    struct front f = { lesser_end, 0 };
    for (uint32_t i = 0; i < left; i += WORDS)
        part_front_words(a, i, left, valid_words(left - i), bound, high, &f, q, often);
}

/* P1 alone. */
static void fill_front(uint32_t *a, uint32_t left, __m256i high, const uint32_t *lesser_end)
{
    uint32_t i = 0;
    for (; i + WORDS <= left; i += WORDS) {
        __m256i v = load_words(a + i), is_greater = _mm256_cmpgt_epi32(v, high);
        uint32_t greater = mask_bits(is_greater);
        v = _mm256_blendv_epi8(v, spread(load_reversed(lesser_end), greater), is_greater);
        lesser_end -= count_bits(greater);
        store_words(a + i, v);
    }
    __m256i v = load_words(a + i), is_greater = _mm256_cmpgt_epi32(v, high);
    uint32_t greater = mask_bits(is_greater) & low_bits(left - i);
    store_some(a + i, greater, spread(load_reversed(lesser_end), greater));
}

/* P1 and P2; returns the end of what the front has yet to take. The back only if it is needed. */
static const uint32_t *part_greater(uint32_t *a, uint32_t n, uint32_t left, __m256i high,
                                    uint32_t *greater, bool back)
{
    if (left == n)
        return greater;
    if (!back)
        return collect_lesser(a, n, left, high, greater);
    uint32_t *greater_end = collect_greater(a, left + 1, high, greater);
    struct back b = { greater_end, greater_end + WORDS };
    part_back(a, n, left, high, &b);
    return b.lesser;
}

/* What of a range has ties, besides the run around which it is parted. */
struct tied_sides {
    bool lesser, greater;
};

/* Part names[from..from + n) around the run low..end-1. Sides without ties may be left undone. */
static void part(const struct sorter *s, uint32_t from, uint32_t n, uint32_t low, uint32_t end,
                 struct tied_sides tied)
{
    uint32_t *a = s->names + from, left = end - from, count = end - low;
    __m256i high = _mm256_set1_epi32((int)(end - 1));
    const uint32_t *lesser_end = part_greater(a, n, left, high, s->temp + WORDS, tied.greater);
    struct queue q;
    q.count = 0;
    if (count == 1) {
        if (tied.lesser)
            part_front(a, left, low, high, lesser_end, NULL, false);
    } else if (count <= QUEUE_MAX) {
        if (left <= OFTEN * count)
            part_front(a, left, low, high, lesser_end, &q, true);
        else
            part_front(a, left, low, high, lesser_end, &q, false);
        reorder_members(s, low, &q, left);
    } else {
        fill_front(a, left, high, lesser_end);
        part_lesser_plainly(a, left, low);
        reorder_run(s, low, a + (low - from), count);
    }
}

void part_avx2(uint32_t *a, uint32_t n, uint32_t left, uint32_t high, uint32_t *temp)
{
    __m256i bound = _mm256_set1_epi32((int)high);
    fill_front(a, left, bound, part_greater(a, n, left, bound, temp + WORDS, true));
}

/* ---- short ranges ------------------------------------------------------------------------ */

/* Sixteen names less `base`, as bytes. */
static inline __m128i load_names(const uint32_t *a, uint32_t base)
{
    __m256i from = _mm256_set1_epi32((int)base);
    __m256i low = _mm256_sub_epi32(load_words(a), from),
            high = _mm256_sub_epi32(load_words(a + WORDS), from);
    __m256i words = _mm256_permute4x64_epi64(_mm256_packus_epi32(low, high), 0xd8);
    return _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}

static inline __m256i look_up(__m256i low, __m256i high, __m128i at)
{
    __m256i i = _mm256_cvtepu8_epi32(at);
    __m256i is_high = _mm256_cmpgt_epi32(i, _mm256_set1_epi32(WORDS - 1));
    return _mm256_blendv_epi8(_mm256_permutevar8x32_epi32(low, i),
                              _mm256_permutevar8x32_epi32(high, i), is_high);
}

/* What is behind the range stays where it is. */
static void sort_short(const struct sorter *s, uint32_t from, uint32_t n, int depth)
{
    uint32_t *list = s->list + from, ties = (uint32_t)ties_from(s->ties, from) & low_bits(n) & ~1u;
    __m128i sorted = sort_bytes(byte_numbers16(), run_starts(ties), ties,
                                load_names(s->names + from, from), 0, n, depth);
    __m256i low = load_words(list), high = load_words(list + WORDS);
    store_words(list, look_up(low, high, sorted));
    store_words(list + WORDS, look_up(low, high, _mm_bsrli_si128(sorted, 8)));
}

static void sort_few(const struct sorter *s, uint32_t from, uint32_t n)
{
    const uint32_t *a = s->names + from;
    uint32_t digit[SORT_FEW], entry[SORT_FEW];
    for (uint32_t i = 0; i < n; i++) {
        digit[i] = run_start(s->ties, a[i]) - from;
        entry[i] = s->list[a[i]];
    }
    uint32_t order = few_sort(s->few, digit, n);
    for (uint32_t i = 0; i < n; i++, order >>= 3)
        s->list[from + i] = entry[order & 7];
}

/* ---- the sort ---------------------------------------------------------------------------- */

/* A range that has ties. */
static void sort_range(const struct sorter *s, uint32_t from, uint32_t to, int depth)
{
    for (;;) {
        uint32_t n = to - from;
        const uint32_t *a = s->names + from;
        if (n <= SORT_FEW && depth >= (int)n) {
            sort_few(s, from, n);
            return;
        }
        if (n <= SORT_BYTES) {
            sort_short(s, from, n, depth);
            return;
        }
        if (depth-- <= 0) {
            heap_sort_names(s->ties, s->names + from, n);
            reorder_run(s, from, a, n);
            return;
        }
        uint32_t pivot = median_name(a[0], a[n / 2], a[n - 1]);
        uint32_t low = run_start(s->ties, pivot), end = run_end(s->ties, pivot, to);
        struct tied_sides tied = { has_tie(s->ties, from, low), has_tie(s->ties, end, to) };
        part(s, from, n, low, end, tied);
        if (tied.lesser)
            sort_range(s, from, low, depth);
        if (!tied.greater)
            return;
        from = end;
    }
}

/* Names of the samples in the order `from`, by way of the place of each slot in the list. */
static void name_samples(const uint32_t *from, const uint32_t *list, uint32_t n, uint16_t *place,
                         uint32_t *names)
{
#pragma GCC unroll 4
    for (uint32_t i = 0; i < n; i++)
        place[list[i] & 0xffff] = (uint16_t)i;
#pragma GCC unroll 4
    for (uint32_t i = 0; i < n; i++)
        names[i] = place[from[i] & 0xffff];
}

void sort_ties_avx2(const struct block *b, uint32_t feature, const uint32_t *from, uint32_t *list,
                    uint32_t n)
{
    struct sorter s = {
        .names = b->temp, .temp = b->temp2, .list = list, .ties = b->ties, .few = b->few
    };
    (void)feature;
    name_samples(from, list, n, (uint16_t *)b->temp3, s.names);
    if (has_tie(s.ties, 0, n))
        sort_range(&s, 0, n, sort_depth(n));
}

#pragma GCC pop_options
#endif
