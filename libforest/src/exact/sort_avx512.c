/* SPDX-License-Identifier: MIT */
/*
 * sort_avx512.c -- the order that the rules' sort gives to ties, 32 or 64 samples at a time.
 *
 * A sample is called by its place in the node's sorted list, 16 bits, or 8 within a range of 64.
 * Such names compare as the values do, but for ties: these lie between `low` and `high`, the first
 * and last place of their run, which the tie bits give.
 *
 * The rules part a range around a pivot by looking at one sample after the other: at the front,
 * until one is greater; this goes to the back, and what was there is looked at in its place.
 * So they are looked at in an order of their own, but where each ends up can be said in full.
 * Let `left` be how many are not greater, and call the range below that the front, that
 * above the back.
 *
 *   P1  The k-th greater one of the front leaves its place to the k-th not greater one of
 *       the back, counted from the end. The others of the front stay.
 *   P2  Each place of the back takes what is one place further, if that is a greater one;
 *       else (and at the very end) a greater one of the front, the last place the first
 *       one and so on down. If the front has one less than needed, the last of them is what was at
 *       place `left` itself.
 *   P3  Of the front as it is then, lesser ones move ahead and keep their order. The equal
 *       ones form a queue: a lesser one that passes takes the place of the first of them,
 *       which goes to the end of the queue.
 *
 * P1 and P2 are compressions and expansions. For P3 it is enough to know how many lesser ones
 * pass between two equal ones. Ranges of up to 64 are sorted in a register: window_avx512.c.
 */
#include "base/avx512.h"

#ifdef HAVE_AVX512
#include <string.h>

#include "sort_names.h"
#include "ties.h"
#include "kernels.h"
#include "window_avx512.h"

#define QUEUE_SHORT 64u /* equal ones that fit into a register, a byte each */
#define QUEUE_MAX 512u  /* more equal ones than this are taken one by one */
#define WORDS 32u

struct sorter {
    uint16_t *names;   /* the samples in their present order */
    uint16_t *temp;    /* room for as many and 4 * WORDS more */
    uint32_t *list;    /* the sorted entries, of which only runs of ties are changed */
    uint32_t *entries; /* room for as many */
    const uint64_t *ties;
    struct window window[WINDOWS]; /* ranges that wait to be sorted together */
    uint32_t at;                   /* the window that takes more; those before are full */
};

static inline unsigned count_bits64(uint64_t bits)
{
    return (unsigned)__builtin_popcountll(bits);
}

static inline __m512i word_numbers(void)
{
    static const uint16_t numbers[WORDS] = { 0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10,
                                             11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
                                             22, 23, 24, 25, 26, 27, 28, 29, 30, 31 };
    return _mm512_loadu_si512(numbers);
}

/* The 32 words that end at `end`, the last one first. */
static inline __m512i load_reversed(const uint16_t *end)
{
    __m512i from = _mm512_sub_epi16(_mm512_set1_epi16(WORDS - 1), word_numbers());
    return _mm512_permutexvar_epi16(from, _mm512_loadu_si512(end - WORDS));
}

static inline __mmask32 valid_words(uint32_t rest)
{
    return low_bits(rest < WORDS ? rest : WORDS);
}

/* ---- queues ------------------------------------------------------------------------------ */

/*
 * The queue of `count` equal samples, found at `places` of a front of `left`. Each one's
 * index in the queue is followed: it falls by one, round and round, as a lesser one passes.
 */
static void short_queue(const uint16_t *places, uint32_t count, uint32_t left,
                        uint8_t index[QUEUE_SHORT])
{
    static const uint32_t inverse[QUEUE_SHORT + 1] = {
        /* 2^32 / size, rounded up */
        0,         0,         2147483648, 1431655766, 1073741824, 858993460, 715827883, 613566757,
        536870912, 477218589, 429496730,  390451573,  357913942,  330382100, 306783379, 286331154,
        268435456, 252645136, 238609295,  226050911,  214748365,  204522253, 195225787, 186737709,
        178956971, 171798692, 165191050,  159072863,  153391690,  148102321, 143165577, 138547333,
        134217728, 130150525, 126322568,  122713352,  119304648,  116080198, 113025456, 110127367,
        107374183, 104755300, 102261127,  99882961,   97612894,   95443718,  93368855,  91382283,
        89478486,  87652394,  85899346,   84215046,   82595525,   81037119,  79536432,  78090315,
        76695845,  75350304,  74051161,   72796056,   71582789,   70409300,  69273667,  68174085,
        67108864
    };
    __m512i at = byte_numbers(); /* who is not yet in the queue will come in at its end */
    for (uint32_t size = 2; size <= count; size++) {
        uint32_t next = size < count ? places[size] : left;
        uint32_t passed = next - places[size - 1] - 1u;
        passed -= (uint32_t)((uint64_t)passed * inverse[size] >> 32) * size; /* modulo size */
        __m512i by = _mm512_set1_epi8((char)passed), round = _mm512_set1_epi8((char)size);
        __mmask64 in = low_bits64(size), wraps = _mm512_mask_cmplt_epu8_mask(in, at, by);
        at = _mm512_mask_sub_epi8(at, in, at, by);
        at = _mm512_mask_add_epi8(at, wraps, at, round);
    }
    _mm512_storeu_si512(index, at);
}

/* The same of longer queues. The time it takes grows with the square of their length. */
static void long_queue(const uint16_t *places, uint32_t count, uint32_t left,
                       uint16_t index[QUEUE_MAX + WORDS])
{
    for (uint32_t i = 0; i < count; i++)
        index[i] = (uint16_t)i;
    for (uint32_t size = 2; size <= count; size++) {
        uint32_t next = size < count ? places[size] : left;
        uint32_t passed = (next - places[size - 1] - 1u) % size;
        __m512i by = _mm512_set1_epi16((short)passed), round = _mm512_set1_epi16((short)size);
        if (passed == 0)
            continue;
        for (uint32_t i = 0; i < size; i += WORDS) {
            __m512i at = _mm512_loadu_si512(index + i), moved = _mm512_sub_epi16(at, by);
            moved = _mm512_min_epu16(moved, _mm512_add_epi16(moved, round));
            _mm512_storeu_si512(index + i, _mm512_mask_mov_epi16(at, valid_words(size - i), moved));
        }
    }
}

/* Give a run of `list` the order of `names`, which are those of the run. */
static void reorder_run(uint32_t *list, uint32_t low, const uint16_t *names, uint32_t count,
                        uint32_t *temp)
{
    for (uint32_t i = 0; i < count; i++)
        temp[i] = list[names[i]];
    memcpy(list + low, temp, count * sizeof *list);
}

/* ---- parting in memory ------------------------------------------------------------------- */

/* The greater ones of a[0..end), in order, to `out`. */
static uint32_t collect_greater(const uint16_t *a, uint32_t end, __m512i high, uint16_t *out)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < end; i += WORDS) {
        __m512i v = _mm512_loadu_si512(a + i);
        __mmask32 greater = _mm512_mask_cmpgt_epu16_mask(valid_words(end - i), v, high);
        _mm512_storeu_si512(out + count, _mm512_maskz_compress_epi16(greater, v));
        count += count_bits(greater);
    }
    return count;
}

/* P2 for a[left..n): takes down from `greater_end`, puts what is not greater to `out`. */
static uint32_t part_back(uint16_t *a, uint32_t n, uint32_t left, __m512i high,
                          const uint16_t *greater_end, uint16_t *out)
{
    uint32_t count = 0;
    for (uint32_t i = left; i < n; i += WORDS) {
        __mmask32 valid = valid_words(n - i), end = n - i <= WORDS ? 1u << (n - i - 1) : 0;
        __m512i v = _mm512_loadu_si512(a + i), next = _mm512_loadu_si512(a + i + 1);
        __mmask32 take = (_mm512_cmple_epu16_mask(next, high) | end) & valid;
        __mmask32 lesser = _mm512_mask_cmple_epu16_mask(valid, v, high);
        next = _mm512_mask_expand_epi16(next, take, load_reversed(greater_end));
        greater_end -= count_bits(take);
        _mm512_storeu_si512(out + count, _mm512_maskz_compress_epi16(lesser, v));
        count += count_bits(lesser);
        if (n - i >= WORDS) /* what was stored whole can be loaded again sooner */
            _mm512_storeu_si512(a + i, next);
        else
            _mm512_mask_storeu_epi16(a + i, valid, next);
    }
    return count;
}

struct queue {
    uint16_t names[QUEUE_MAX + WORDS], places[QUEUE_MAX + WORDS];
    uint32_t count;
};

static inline void join_queue(struct queue *q, __m512i v, __mmask32 same, uint32_t i)
{
    __m512i at = _mm512_add_epi16(word_numbers(), _mm512_set1_epi16((short)i));
    _mm512_storeu_si512(q->names + q->count, _mm512_maskz_compress_epi16(same, v));
    _mm512_storeu_si512(q->places + q->count, _mm512_maskz_compress_epi16(same, at));
    q->count += count_bits(same);
}

/* Give a run of `list` the order in which the queue's members are when a front of `left` is done.
 */
static void reorder_members(uint32_t *list, uint32_t low, const struct queue *q, uint32_t left)
{
    uint32_t entries[QUEUE_MAX];
    if (q->count == 2) {
        bool swapped = (left - q->places[1] - 1u) & 1;
        uint32_t a = list[q->names[swapped]], b = list[q->names[!swapped]];
        list[low] = a;
        list[low + 1] = b;
        return;
    }
    if (q->count <= QUEUE_SHORT) {
        uint8_t index[QUEUE_SHORT];
        short_queue(q->places, q->count, left, index);
        for (uint32_t i = 0; i < q->count; i++)
            entries[index[i]] = list[q->names[i]];
    } else {
        uint16_t index[QUEUE_MAX + WORDS];
        long_queue(q->places, q->count, left, index);
        for (uint32_t i = 0; i < q->count; i++)
            entries[index[i]] = list[q->names[i]];
    }
    memcpy(list + low, entries, q->count * sizeof *entries);
}

/* P1 and P3 for a[0..left): takes down from `lesser_end`; equal ones join the queue, if given. */
static inline __attribute__((always_inline)) void part_front(uint16_t *a, uint32_t left,
                                                             uint32_t low, __m512i high,
                                                             const uint16_t *lesser_end,
                                                             struct queue *q)
{
    __m512i bound = _mm512_set1_epi16((short)low);
    uint32_t l = 0;
    for (uint32_t i = 0; i < left; i += WORDS) {
        __m512i v = _mm512_loadu_si512(a + i);
        __mmask32 valid = valid_words(left - i);
        __mmask32 greater = _mm512_mask_cmpgt_epu16_mask(valid, v, high);
        v = _mm512_mask_expand_epi16(v, greater, load_reversed(lesser_end));
        lesser_end -= count_bits(greater);
        __mmask32 less = _mm512_mask_cmplt_epu16_mask(valid, v, bound);
        unsigned count = count_bits(less);
        if (l + WORDS <= left) /* what is behind has been read */
            _mm512_storeu_si512(a + l, _mm512_maskz_compress_epi16(less, v));
        else
            _mm512_mask_storeu_epi16(a + l, low_bits(count), _mm512_maskz_compress_epi16(less, v));
        l += count;
        if (q)
            join_queue(q, v, valid & ~less, i);
    }
}

/* P1 alone. */
static void fill_front(uint16_t *a, uint32_t left, __m512i high, const uint16_t *lesser_end)
{
    for (uint32_t i = 0; i < left; i += WORDS) {
        __m512i v = _mm512_loadu_si512(a + i);
        __mmask32 valid = valid_words(left - i);
        __mmask32 greater = _mm512_mask_cmpgt_epu16_mask(valid, v, high);
        v = _mm512_mask_expand_epi16(v, greater, load_reversed(lesser_end));
        lesser_end -= count_bits(greater);
        _mm512_mask_storeu_epi16(a + i, valid, v);
    }
}

/* What is not greater of a[left..n), in order, to `out`. Returns its end. */
static const uint16_t *collect_lesser(const uint16_t *a, uint32_t n, uint32_t left, __m512i high,
                                      uint16_t *out)
{
    for (uint32_t i = left; i < n; i += WORDS) {
        __m512i v = _mm512_loadu_si512(a + i);
        __mmask32 lesser = _mm512_mask_cmple_epu16_mask(valid_words(n - i), v, high);
        _mm512_storeu_si512(out, _mm512_maskz_compress_epi16(lesser, v));
        out += count_bits(lesser);
    }
    return out;
}

/* P1 and P2; returns the end of what the front has yet to take. The back only if it is needed. */
static const uint16_t *part_greater(uint16_t *a, uint32_t n, uint32_t left, __m512i high,
                                    uint16_t *temp, bool back)
{
    uint16_t *greater = temp + WORDS;
    if (left == n)
        return greater;
    if (!back)
        return collect_lesser(a, n, left, high, greater);
    uint16_t *end = greater + collect_greater(a, left + 1, high, greater), *lesser = end + WORDS;
    return lesser + part_back(a, n, left, high, end, lesser);
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
    __m512i high = _mm512_set1_epi16((short)(end - 1));
    const uint16_t *lesser_end = part_greater(a, n, left, high, s->temp, tied.greater);
    if (count == 1) {
        if (tied.lesser)
            part_front(a, left, low, high, lesser_end, NULL);
    } else if (count <= QUEUE_SHORT || (count <= QUEUE_MAX && count * count <= 64 * left)) {
        struct queue q;
        q.count = 0;
        part_front(a, left, low, high, lesser_end, &q);
        reorder_members(s->list, low, &q, left);
    } else {
        fill_front(a, left, high, lesser_end);
        part_lesser_shorts(a, left, low);
        reorder_run(s->list, low, a + (low - from), count, s->entries);
    }
}

/* ---- the sort ---------------------------------------------------------------------------- */

/* list[i] = list[names[i]] for the first n lanes, up to 64. */
static void reorder_range(uint32_t *list, __m512i names, uint32_t n)
{
    __m512i e[4], bit5 = _mm512_set1_epi32(32);
    uint8_t name[WINDOW];
    for (int i = 0; i < 4; i++)
        e[i] = _mm512_loadu_si512(list + 16 * i);
    _mm512_storeu_si512(name, names);
    for (uint32_t i = 0; i < n; i += 16) {
        __m512i at =
            _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)(name + i)));
        __m512i low = _mm512_permutex2var_epi32(e[0], at, e[1]);
        __m512i to = _mm512_mask_mov_epi32(low, _mm512_test_epi32_mask(at, bit5),
                                           _mm512_permutex2var_epi32(e[2], at, e[3]));
        if (n - i >= 16)
            _mm512_storeu_si512(list + i, to);
        else
            _mm512_mask_storeu_epi32(list + i, (__mmask16)low_bits(n - i), to);
    }
}

/* The names in a window, as bytes, and the ties there. */
static inline __m512i load_window(const struct sorter *s, const struct window *w, uint64_t *ties)
{
    const uint16_t *a = s->names + w->from;
    uint32_t n = WINDOW - (uint32_t)_lzcnt_u64(w->lanes);
    __m512i base = _mm512_set1_epi16((short)w->from);
    __m256i l = _mm512_cvtepi16_epi8(_mm512_sub_epi16(_mm512_loadu_si512(a), base));
    __m256i h = _mm512_cvtepi16_epi8(_mm512_sub_epi16(_mm512_loadu_si512(a + WORDS), base));
    *ties = ties_from(s->ties, w->from) & low_bits64(n) & ~UINT64_C(1);
    return _mm512_inserti64x4(_mm512_castsi256_si512(l), h, 1);
}

/* Sort the ranges gathered in the windows. */
static void flush_windows(struct sorter *s)
{
    struct window *w = s->window;
    uint64_t ties[WINDOWS];
    __m512i v[WINDOWS];
    uint32_t count = s->at + (w[s->at].lanes != 0);
    for (uint32_t i = 0; i < count; i++)
        v[i] = load_window(s, &w[i], &ties[i]);
    if (count > 0)
        window_sort(w, v, ties, count);
    for (uint32_t i = 0; i < count; i++) {
        reorder_range(s->list + w[i].from, v[i], WINDOW - (uint32_t)_lzcnt_u64(w[i].lanes));
        window_clear(&w[i]);
    }
    s->at = 0;
}

static void add_range(struct sorter *s, uint32_t from, uint32_t to, int depth)
{
    const struct window *w = &s->window[s->at];
    if (w->lanes && to - w->from > WINDOW && ++s->at == WINDOWS) {
        s->at--;
        flush_windows(s);
    }
    window_add(&s->window[s->at], from, to, depth);
}

/* A range that has ties. */
static void sort_range(struct sorter *s, uint32_t from, uint32_t to, int depth)
{
    for (;;) {
        uint32_t n = to - from;
        const uint16_t *a = s->names + from;
        if (n <= WINDOW) {
            add_range(s, from, to, depth);
            return;
        }
        if (depth-- <= 0) {
            heap_sort_shorts(s->ties, s->names + from, n);
            reorder_run(s->list, from, a, n, s->entries);
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

void sort_names_avx512(const struct sort_room *room, uint32_t *list, const uint64_t *ties,
                       uint32_t n, int depth)
{
    struct sorter s;
    s.names = room->names;
    s.temp = room->temp;
    s.list = list;
    s.entries = room->entries;
    s.ties = ties;
    s.at = 0;
    for (uint32_t i = 0; i < WINDOWS; i++)
        window_clear(&s.window[i]);
    if (has_tie(ties, 0, n))
        sort_range(&s, 0, n, depth);
    flush_windows(&s);
}

void sort_ties_avx512(const struct block *b, uint32_t feature, const uint32_t *from, uint32_t *list,
                      uint32_t n)
{
    (void)feature;
    struct sort_room room = { (uint16_t *)b->temp, (uint16_t *)b->temp2, b->temp3, NULL };
    name_samples(from, list, n, room.names + b->stride, room.names);
    sort_names_avx512(&room, list, b->ties, n, sort_depth(n));
}

#pragma GCC pop_options
#endif
