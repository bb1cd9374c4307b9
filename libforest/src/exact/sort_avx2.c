/* SPDX-License-Identifier: MIT */
/*
 * sort_avx2.c -- the order that the rules' sort gives to ties, sixteen samples at a time.
 *
 * What is sorted are names, the places of the samples in the node's sorted list. Ranges are parted
 * by P1 to P3 of sort_avx512.c; what that does by compressing and expanding is done by tables here.
 */
#include "base/avx2.h"

#ifdef HAVE_AVX2
#include <string.h>

#include "sort_bytes.h"
#include "sort_few.h"
#include "sort_names.h"
#include "ties.h"
#include "kernels.h"

#define STEP 16u  /* names at a time; halves of a register are packed and spread each by itself */
#define OFTEN 32u /* one in so many */
#define QUEUE_FEW 8u
#define QUEUE_MAX 64u /* more equal ones than this are taken one by one */

#define INLINE static inline __attribute__((always_inline))

INLINE __m128i load_names8(const uint16_t *from)
{
    return _mm_loadu_si128((const __m128i *)(const void *)from);
}

struct sorter {
    uint16_t *names;   /* the samples in their present order */
    uint16_t *temp;    /* room for as many and 4 * STEP more */
    uint32_t *list;    /* the sorted entries, of which only runs of ties are changed */
    uint32_t *entries; /* room for as many */
    const uint64_t *ties;
    const struct few_sorts *few;
};

/* list[low + i] = list[names[i]] for n names of these very places. */
static void reorder_run(const struct sorter *s, uint32_t low, const uint16_t *names, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        s->entries[i] = s->list[names[i]];
    memcpy(s->list + low, s->entries, n * sizeof *s->list);
}

/* ---- P3 ---------------------------------------------------------------------------------- */

struct queue {
    uint16_t names[QUEUE_MAX + 2 * STEP], places[QUEUE_MAX + 2 * STEP];
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
        uint32_t passed = next - q->places[size - 1] - 1u;
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
        uint32_t passed = next - q->places[size - 1] - 1u;
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
    __m256i names = _mm256_cvtepu16_epi32(load_names8(q->names));
    names = _mm256_and_si256(names, word_mask(bits));
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
        bool swapped = (left - q->places[1] - 1u) & 1;
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

/* ---- parting ----------------------------------------------------------------------------- */

INLINE void store_names8(uint16_t *to, __m128i v)
{
    _mm_storeu_si128((__m128i *)(void *)to, v);
}

/* Sixteen names. */
INLINE __m256i load_names16(const uint16_t *from)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)from);
}

INLINE void store_names16(uint16_t *to, __m256i v)
{
    _mm256_storeu_si256((__m256i *)(void *)to, v);
}

INLINE __m128i pack8(__m128i v, uint32_t bits)
{
    return _mm_shuffle_epi8(v, load_names8(packed_shorts[bits]));
}

INLINE __m128i spread8(__m128i v, uint32_t bits)
{
    return _mm_shuffle_epi8(v, load_names8(spread_shorts[bits]));
}

/* The eight names that end at `end`, the last one first. */
INLINE __m128i load_reversed8(const uint16_t *end)
{
    const __m128i from = _mm_set_epi8(1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
    return _mm_shuffle_epi8(load_names8(end - 8), from);
}

/* Those chosen by bits to `out`, in their order, and up to STEP more of no meaning. Their end. */
INLINE uint16_t *put_packed(uint16_t *out, __m256i v, uint32_t bits)
{
    store_names8(out, pack8(_mm256_castsi256_si128(v), bits & 0xff));
    store_names8(out + count_bits(bits & 0xff), pack8(_mm256_extracti128_si256(v, 1), bits >> 8));
    return out + count_bits(bits);
}

/* All bits of the names up to a bound; of those from a bound on. */
INLINE __m256i up_to(__m256i v, __m256i bound)
{
    return _mm256_cmpeq_epi16(_mm256_max_epu16(v, bound), bound);
}

INLINE __m256i from_on(__m256i v, __m256i bound)
{
    return _mm256_cmpeq_epi16(_mm256_max_epu16(v, bound), v);
}

INLINE uint32_t names_bits(__m256i mask)
{
    return (uint32_t)_mm_movemask_epi8(
        _mm_packs_epi16(_mm256_castsi256_si128(mask), _mm256_extracti128_si256(mask, 1)));
}

/* All bits of the names whose bit is set. */
INLINE __m256i names_mask(uint32_t bits)
{
    const __m256i bit = _mm256_set_epi16((short)0x8000, 0x4000, 0x2000, 0x1000, 0x800, 0x400, 0x200,
                                         0x100, 0x80, 0x40, 0x20, 0x10, 8, 4, 2, 1);
    return _mm256_cmpeq_epi16(_mm256_and_si256(_mm256_set1_epi16((short)bits), bit), bit);
}

/* The names before `end`, downwards, to the places whose bit is set. */
INLINE __m256i spread_down(const uint16_t *end, uint32_t bits)
{
    __m128i low = spread8(load_reversed8(end), bits & 0xff);
    __m128i high = spread8(load_reversed8(end - count_bits(bits & 0xff)), bits >> 8);
    return _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
}

INLINE uint32_t valid_bits(uint32_t rest)
{
    return low_bits(rest < STEP ? rest : STEP);
}

/* The greater ones of a[0..end), in order, to `out`; returns their end. */
INLINE uint16_t *collect_greater(const uint16_t *a, uint32_t end, __m256i high, uint16_t *out)
{
    uint32_t i = 0;
    for (; i + STEP < end; i += STEP) {
        __m256i v = load_names16(a + i);
        out = put_packed(out, v, ~names_bits(up_to(v, high)) & 0xffff);
    }
    __m256i v = load_names16(a + i);
    return put_packed(out, v, ~names_bits(up_to(v, high)) & low_bits(end - i));
}

/* What is not greater of a[left..n), in order, to `out`; returns its end. */
static uint16_t *collect_lesser(const uint16_t *a, uint32_t n, uint32_t left, __m256i high,
                                uint16_t *out)
{
    uint32_t i = left;
    for (; i + STEP < n; i += STEP) {
        __m256i v = load_names16(a + i);
        out = put_packed(out, v, names_bits(up_to(v, high)));
    }
    __m256i v = load_names16(a + i);
    return put_packed(out, v, names_bits(up_to(v, high)) & low_bits(n - i));
}

struct back {
    const uint16_t *greater_end; /* is taken from, downwards */
    uint16_t *lesser;            /* gets what is not greater */
};

INLINE void part_back_step(uint16_t *a, __m256i high, struct back *b, uint32_t valid, uint32_t last)
{
    __m256i v = load_names16(a), next = load_names16(a + 1);
    __m256i is_taken = up_to(next, high);
    if (last)
        is_taken = names_mask((names_bits(is_taken) | last) & valid);
    uint32_t take = names_bits(is_taken), lesser = names_bits(up_to(v, high)) & valid;
    __m256i to = _mm256_blendv_epi8(next, spread_down(b->greater_end, take), is_taken);
    if (last)
        to = _mm256_blendv_epi8(v, to, names_mask(valid));
    store_names16(a, to);
    b->lesser = put_packed(b->lesser, v, lesser);
    b->greater_end -= count_bits(take);
}

/* P2 for a[left..n). */
INLINE void part_back(uint16_t *a, uint32_t n, uint32_t left, __m256i high, struct back *b)
{
    uint32_t i = left;
    for (; i + STEP < n; i += STEP)
        part_back_step(a + i, high, b, 0xffff, 0);
    part_back_step(a + i, high, b, low_bits(n - i), 1u << (n - i - 1));
}

struct front {
    const uint16_t *lesser_end; /* is taken from, downwards */
    uint32_t count;             /* of lesser ones so far */
};

/* P1 and P3 for the places from i on; equal ones join the queue, if given. `often`: do not foretell
 * where there are none. */
INLINE void part_front_step(uint16_t *a, uint32_t i, uint32_t left, uint32_t valid, __m256i low,
                            __m256i high, struct front *f, struct queue *q, bool often)
{
    __m256i v = load_names16(a + i), is_not = up_to(v, high);
    uint32_t greater = ~names_bits(is_not) & valid;
    v = _mm256_blendv_epi8(spread_down(f->lesser_end, greater), v, is_not);
    f->lesser_end -= count_bits(greater);
    uint32_t less = ~names_bits(from_on(v, low)) & valid, same = valid & ~less;
    if (f->count + STEP <= left) { /* what is behind has been read */
        put_packed(a + f->count, v, less);
    } else {
        uint16_t packed[2 * STEP];
        put_packed(packed, v, less);
        __m256i keep = load_names16(a + f->count);
        __m256i mask = names_mask(low_bits(count_bits(less)));
        store_names16(a + f->count, _mm256_blendv_epi8(keep, load_names16(packed), mask));
    }
    f->count += count_bits(less);
    if (q && (often || same)) {
        const __m256i numbers =
            _mm256_set_epi16(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
        __m256i places = _mm256_add_epi16(numbers, _mm256_set1_epi16((short)i));
        put_packed(q->names + q->count, v, same);
        put_packed(q->places + q->count, places, same);
        q->count += count_bits(same);
    }
}

/* P1 and P3 for a[0..left). The lesser are those before `low`. */
INLINE void part_front(uint16_t *a, uint32_t left, __m256i low, __m256i high,
                       const uint16_t *lesser_end, struct queue *q, bool often)
{
    struct front f = { lesser_end, 0 };
    uint32_t i = 0;
    for (; i + STEP < left; i += STEP)
        part_front_step(a, i, left, 0xffff, low, high, &f, q, often);
    part_front_step(a, i, left, low_bits(left - i), low, high, &f, q, often);
}

/* P1 alone. */
static void fill_front(uint16_t *a, uint32_t left, __m256i high, const uint16_t *lesser_end)
{
    for (uint32_t i = 0; i < left; i += STEP) {
        __m256i v = load_names16(a + i);
        uint32_t greater = ~names_bits(up_to(v, high)) & valid_bits(left - i);
        store_names16(a + i,
                      _mm256_blendv_epi8(v, spread_down(lesser_end, greater), names_mask(greater)));
        lesser_end -= count_bits(greater);
    }
}

/* P1 and P2; returns the end of what the front has yet to take. The back only if it is needed. */
static const uint16_t *part_greater(uint16_t *a, uint32_t n, uint32_t left, __m256i high,
                                    uint16_t *greater, bool back)
{
    if (left == n)
        return greater;
    if (!back)
        return collect_lesser(a, n, left, high, greater);
    uint16_t *greater_end = collect_greater(a, left + 1, high, greater);
    struct back b = { greater_end, greater_end + STEP };
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
    uint16_t *a = s->names + from;
    uint32_t left = end - from, count = end - low;
    __m256i high = _mm256_set1_epi16((short)(end - 1)), first = _mm256_set1_epi16((short)low);
    const uint16_t *lesser_end = part_greater(a, n, left, high, s->temp + STEP, tied.greater);
    struct queue q;
    q.count = 0;
    if (count == 1) {
        if (tied.lesser)
            part_front(a, left, first, high, lesser_end, NULL, false);
    } else if (count <= QUEUE_MAX) {
        if (left <= OFTEN * count)
            part_front(a, left, first, high, lesser_end, &q, true);
        else
            part_front(a, left, first, high, lesser_end, &q, false);
        reorder_members(s, low, &q, left);
    } else {
        fill_front(a, left, high, lesser_end);
        part_lesser_shorts(a, left, low);
        reorder_run(s, low, a + (low - from), count);
    }
}

/* ---- short ranges ------------------------------------------------------------------------ */

/* Sixteen names less `base`, as bytes. */
static inline __m128i load_names(const uint16_t *a, uint32_t base)
{
    __m128i from = _mm_set1_epi16((short)base);
    return _mm_packus_epi16(_mm_sub_epi16(load_names8(a), from),
                            _mm_sub_epi16(load_names8(a + 8), from));
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
    struct sort_bytes b = { run_starts(ties), ties, s->few };
    __m128i sorted =
        sort_bytes(&b, byte_numbers16(), load_names(s->names + from, from), 0, n, depth);
    __m256i low = load_words(list), high = load_words(list + WORDS);
    store_words(list, look_up(low, high, sorted));
    store_words(list + WORDS, look_up(low, high, _mm_bsrli_si128(sorted, 8)));
}

static void sort_few(const struct sorter *s, uint32_t from, uint32_t n)
{
    const uint16_t *a = s->names + from;
    uint32_t digit[SORT_FEW], entry[SORT_FEW];
    for (uint32_t i = 0; i < n; i++) {
        digit[i] = run_start(s->ties, a[i]) - from;
        entry[i] = s->list[a[i]];
    }
    uint32_t order = few_sort(s->few, digit, n);
    for (uint32_t i = 0; i < n; i++, order >>= 4)
        s->list[from + i] = entry[order & 15];
}

/* ---- the sort ---------------------------------------------------------------------------- */

/* A range that has ties. */
static void sort_range(const struct sorter *s, uint32_t from, uint32_t to, int depth)
{
    for (;;) {
        uint32_t n = to - from;
        const uint16_t *a = s->names + from;
        if (n <= SORT_FEW && depth >= SORT_FEW_DIVISIONS && s->few) {
            sort_few(s, from, n);
            return;
        }
        if (n <= SORT_BYTES) {
            sort_short(s, from, n, depth);
            return;
        }
        if (depth-- <= 0) {
            heap_sort_shorts(s->ties, s->names + from, n);
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

void sort_names_avx2(const struct sort_room *room, uint32_t *list, const uint64_t *ties, uint32_t n,
                     int depth)
{
    struct sorter s = { .names = room->names,
                        .temp = room->temp,
                        .list = list,
                        .entries = room->entries,
                        .ties = ties,
                        .few = room->few };
    if (has_tie(ties, 0, n))
        sort_range(&s, 0, n, depth);
}

void sort_ties_avx2(const struct block *b, uint32_t feature, const uint32_t *from, uint32_t *list,
                    uint32_t n)
{
    (void)feature;
    struct sort_room room = { (uint16_t *)b->temp, (uint16_t *)b->temp2, b->temp3, b->few };
    name_samples(from, list, n, room.names + b->stride, room.names);
    sort_names_avx2(&room, list, b->ties, n, sort_depth(n));
}

#pragma GCC pop_options
#endif
