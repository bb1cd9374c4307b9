/* SPDX-License-Identifier: MIT */
/*
 * sort_avx512.c -- the order that the rules' sort gives to ties, 32 or 64 samples at a time.
 *
 * A sample is called by its place in the node's sorted list, 16 bits, or 8 within a range of 64.
 * Such names compare as the values do, but for ties: these lie between `low` and `high`, the first and
 * last place of their run, which the tie bits give.
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
 * pass between two equal ones. Ranges of up to 64 stay in one register until they are sorted.
 */
#include "avx512.h"

#ifdef HAVE_AVX512
#include <string.h>

#include "ties.h"

#define QUEUE_MAX 64u /* more equal ones than this are taken one by one */
#define WORDS 32u
#define BYTES 64u

struct sorter {
    uint16_t *names;  /* the samples in their present order */
    uint16_t *temp;   /* room for as many and 4 * WORDS more */
    uint32_t *list;    /* the sorted entries, of which only runs of ties are changed */
    uint32_t *entries; /* room for as many */
    const uint64_t *ties;
};

static inline uint64_t low_bits64(uint32_t n)
{
    return _bzhi_u64(~UINT64_C(0), n);
}

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

static inline __m512i byte_numbers(void)
{
    static const uint8_t numbers[BYTES] = {
        0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
        22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
        44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63,
    };
    return _mm512_loadu_si512(numbers);
}

/* The 32 words that end at `end`, the last one first. */
static inline __m512i load_reversed(const uint16_t *end)
{
    __m512i from = _mm512_sub_epi16(_mm512_set1_epi16(WORDS - 1), word_numbers());
    return _mm512_permutexvar_epi16(from, _mm512_loadu_si512(end - WORDS));
}

/* Lanes count-1..0 of v; what follows is of no meaning. */
static inline __m512i reverse_bytes(__m512i v, unsigned count)
{
    __m512i from = _mm512_sub_epi8(_mm512_set1_epi8((char)(count - 1)), byte_numbers());
    return _mm512_permutexvar_epi8(from, v);
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
static void queue_indices(const uint16_t *places, uint32_t count, uint32_t left, uint8_t index[BYTES])
{
    __m512i at = byte_numbers(); /* who is not yet in the queue will come in at its end */
    for (uint32_t size = 2; size <= count; size++) {
        uint32_t next = size < count ? places[size] : left;
        uint32_t passed = next - places[size - 1] - 1u;
        if (passed >= size)
            passed %= size;
        if (passed == 0)
            continue;
        __m512i by = _mm512_set1_epi8((char)passed), round = _mm512_set1_epi8((char)size);
        __mmask64 in = low_bits64(size), wraps = _mm512_mask_cmplt_epu8_mask(in, at, by);
        at = _mm512_mask_sub_epi8(at, in, at, by);
        at = _mm512_mask_add_epi8(at, wraps, at, round);
    }
    _mm512_storeu_si512(index, at);
}

/* P3 one by one. */
static void part_lesser_plainly(uint16_t *a, uint32_t left, uint32_t low)
{
    uint32_t l = 0;
    for (uint32_t i = 0; i < left; i++) {
        uint16_t v = a[i], first = a[l];
        bool lesser = v < low;
        a[l] = lesser ? v : first;
        a[i] = lesser ? first : v;
        l += lesser;
    }
}

/* Give a run of `list` the order of `names`, which are those of the run. */
static void reorder_run(uint32_t *list, uint32_t low, const uint16_t *names, uint32_t count, uint32_t *temp)
{
    for (uint32_t i = 0; i < count; i++)
        temp[i] = list[names[i]];
    memcpy(list + low, temp, count * sizeof *list);
}

/* ---- ranges of up to 64, in a register ----------------------------------------------------- */

/* Reorder up to 16 ties: their entries take the order of the first bytes of `names`. */
static inline void reorder_few(uint32_t *list, uint32_t low, __m128i names, uint32_t count)
{
    __m512i from = _mm512_cvtepu8_epi32(_mm_sub_epi8(names, _mm_set1_epi8((char)low)));
    __m512i entries = _mm512_permutexvar_epi32(from, _mm512_loadu_si512(list + low));
    _mm512_mask_storeu_epi32(list + low, (__mmask16)low_bits(count), entries);
}

/* As queue_indices, for 2 to 16 places given as bits: who is at each index, in bytes. */
static inline __m128i small_queue(uint64_t equal, uint32_t left)
{
    uint64_t queue = 0; /* a nibble per member */
    unsigned size = 0;
    while (equal) {
        uint32_t at = (uint32_t)_tzcnt_u64(equal);
        equal &= equal - 1;
        queue |= (uint64_t)size << 4 * size;
        size++;
        uint32_t next = equal ? (uint32_t)_tzcnt_u64(equal) : left;
        unsigned passed = next - at - 1;
        if (passed >= size)
            passed %= size;
        if (passed)
            queue = _bzhi_u64(queue >> 4 * passed | queue << 4 * (size - passed), 4 * size);
    }
    const uint64_t nibbles = UINT64_C(0x0f0f0f0f0f0f0f0f);
    return _mm_set_epi64x((long long)_pdep_u64(queue >> 32, nibbles), (long long)_pdep_u64(queue, nibbles));
}

/* Lanes of `v` that `equal` marks form the queue in a front of `left`. */
static void reorder_queue(uint32_t *list, uint32_t low, __m512i v, uint64_t equal, uint32_t left)
{
    uint32_t count = count_bits64(equal);
    v = _mm512_maskz_compress_epi8(equal, v);
    __m128i few = _mm512_castsi512_si128(v);
    if (count == 2) { /* of all queues the most frequent: swapped if an odd number passes last */
        if ((left + (unsigned)__builtin_clzll(equal)) & 1)
            few = _mm_or_si128(_mm_slli_epi16(few, 8), _mm_srli_epi16(few, 8));
        reorder_few(list, low, few, count);
        return;
    }
    if (count <= 16) {
        reorder_few(list, low, _mm_shuffle_epi8(few, small_queue(equal, left)), count);
        return;
    }
    uint32_t entries[BYTES];
    uint8_t names[BYTES], index[BYTES];
    uint16_t places[BYTES] = { 0 };
    _mm512_storeu_si512(names, v);
    for (uint32_t i = 0; i < count; i++, equal &= equal - 1)
        places[i] = (uint16_t)_tzcnt_u64(equal);
    queue_indices(places, count, left, index);
    for (uint32_t i = 0; i < count; i++)
        entries[index[i]] = list[names[i]];
    memcpy(list + low, entries, count * sizeof *list);
}

/* A range of nothing but ties stays as it is. */
static void reorder_all(uint32_t *list, uint32_t low, __m512i v, uint32_t count)
{
    uint8_t names[BYTES];
    uint32_t entries[BYTES];
    if (count <= 16) {
        reorder_few(list, low, _mm512_castsi512_si128(v), count);
        return;
    }
    _mm512_storeu_si512(names, v);
    for (uint32_t i = 0; i < count; i++)
        entries[i] = list[names[i]];
    memcpy(list + low, entries, count * sizeof *list);
}

/* P1 and P2. */
static __m512i part_register(__m512i v, uint64_t greater, uint32_t n, uint32_t left)
{
    uint64_t valid = low_bits64(n), front = low_bits64(left), not_greater = valid & ~greater;
    uint64_t from_front = greater & low_bits64(left + 1), from_back = not_greater & ~front;
    uint64_t take = valid & ~front & (not_greater >> 1 | UINT64_C(1) << (n - 1));
    __m512i next = _mm512_add_epi8(byte_numbers(), _mm512_set1_epi8(1));
    __m512i g = reverse_bytes(_mm512_maskz_compress_epi8(from_front, v), count_bits64(from_front));
    __m512i back = _mm512_mask_expand_epi8(_mm512_permutexvar_epi8(next, v), take, g);
    if (from_back) {
        __m512i l = reverse_bytes(_mm512_maskz_compress_epi8(from_back, v), count_bits64(from_back));
        v = _mm512_mask_expand_epi8(v, greater & front, l);
    }
    return _mm512_mask_mov_epi8(v, valid & ~front, back);
}

static uint32_t median3(uint32_t a, uint32_t b, uint32_t c)
{
    uint32_t min = a < b ? a : b, max = a < b ? b : a;
    return max < c ? max : c > min ? c : min;
}

/* Name of the pivot of lanes 0..n-1. */
static inline uint32_t pivot_of_register(__m512i v, uint32_t n)
{
    __m512i at = _mm512_castsi128_si512(_mm_cvtsi32_si128((int)(n / 2 << 8 | (n - 1) << 16)));
    uint32_t x = (uint32_t)_mm_cvtsi128_si32(_mm512_castsi512_si128(_mm512_permutexvar_epi8(at, v)));
    return median3(x & 0xff, x >> 8 & 0xff, x >> 16 & 0xff);
}

static void heap_sort_register(uint32_t *list, uint64_t ties, __m512i v, uint32_t off, uint32_t n);

/* Sort lanes 0..n-1, the range `off` and up of the `ties` and the list. */
static void sort_register(uint32_t *list, uint64_t ties, __m512i v, uint32_t off, uint32_t n, int depth)
{
    for (;;) {
        uint64_t all = low_bits64(n) & ~UINT64_C(1), tied = ties >> off & all;
        if (!tied)
            return;
        if (depth-- <= 0) {
            heap_sort_register(list, ties, v, off, n);
            return;
        }
        if (tied == all) {
            reorder_all(list, off, v, n);
            return;
        }
        uint32_t pivot = pivot_of_register(v, n);
        uint32_t low = 63 - (uint32_t)__builtin_clzll(~ties & ((UINT64_C(2) << pivot) - 1));
        uint32_t end = pivot + 1 + (uint32_t)_tzcnt_u64(~ties >> pivot >> 1);
        end = end < off + n ? end : off + n;
        uint32_t lesser = low - off, left = end - off;
        uint64_t greater = _mm512_cmpge_epu8_mask(v, _mm512_set1_epi8((char)end)) & low_bits64(n);
        if (left < n)
            v = part_register(v, greater, n, left);
        uint64_t less = _mm512_cmplt_epu8_mask(v, _mm512_set1_epi8((char)low)) & low_bits64(left);
        if (left - lesser > 1)
            reorder_queue(list, low, v, low_bits64(left) & ~less, left);
        if (ties >> off & low_bits64(lesser) & ~UINT64_C(1))
            sort_register(list, ties, _mm512_maskz_compress_epi8(less, v), off, lesser, depth);
        v = _mm512_permutexvar_epi8(_mm512_add_epi8(byte_numbers(), _mm512_set1_epi8((char)left)), v);
        off += left;
        n -= left;
    }
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

/* P1 and P3 for a[0..left): takes down from `lesser_end`; equal ones join the queue, if given. */
static void part_front(uint16_t *a, uint32_t left, uint32_t low, __m512i high,
                       const uint16_t *lesser_end, struct queue *q)
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
        _mm512_mask_storeu_epi16(a + l, low_bits(count), _mm512_maskz_compress_epi16(less, v));
        l += count;
        if (q && valid & ~less)
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

/* P1 and P2; returns the end of what the front has yet to take. */
static const uint16_t *part_greater(uint16_t *a, uint32_t n, uint32_t left, __m512i high, uint16_t *temp)
{
    uint16_t *greater = temp + WORDS;
    if (left == n)
        return greater;
    uint16_t *end = greater + collect_greater(a, left + 1, high, greater), *lesser = end + WORDS;
    return lesser + part_back(a, n, left, high, end, lesser);
}

/* Part names[from..from + n) around the run low..end-1. */
static void part(const struct sorter *s, uint32_t from, uint32_t n, uint32_t low, uint32_t end)
{
    uint16_t *a = s->names + from;
    uint32_t left = end - from, count = end - low, entries[QUEUE_MAX];
    __m512i high = _mm512_set1_epi16((short)(end - 1));
    const uint16_t *lesser_end = part_greater(a, n, left, high, s->temp);
    if (count == 1) {
        part_front(a, left, low, high, lesser_end, NULL);
    } else if (count <= QUEUE_MAX) {
        struct queue q;
        uint8_t index[BYTES];
        q.count = 0;
        part_front(a, left, low, high, lesser_end, &q);
        queue_indices(q.places, count, left, index);
        for (uint32_t i = 0; i < count; i++)
            entries[index[i]] = s->list[q.names[i]];
        memcpy(s->list + low, entries, count * sizeof *entries);
    } else {
        fill_front(a, left, high, lesser_end);
        part_lesser_plainly(a, left, low);
        reorder_run(s->list, low, a + (low - from), count, s->entries);
    }
}

/* ---- heap sort ----------------------------------------------------------------------------- */

static uint32_t run_start(const uint64_t *ties, uint32_t name)
{
    uint32_t i = name / 64;
    uint64_t starts = ~ties[i] & ((UINT64_C(2) << name % 64) - 1);
    while (!starts) /* ends: the first of all is no tie */
        starts = ~ties[--i];
    return i * 64 + 63 - (uint32_t)__builtin_clzll(starts);
}

static uint32_t run_end(const uint64_t *ties, uint32_t name, uint32_t limit)
{
    uint32_t i = (name + 1) / 64;
    uint64_t starts = ~ties[i] & ~UINT64_C(0) << (name + 1) % 64;
    while (!starts && i < limit / 64)
        starts = ~ties[++i];
    uint32_t end = i * 64 + (uint32_t)_tzcnt_u64(starts);
    return end < limit ? end : limit;
}

static void sift_down(const uint64_t *ties, uint16_t *a, uint32_t root, uint32_t n)
{
    for (;;) {
        uint32_t child = root * 2 + 1, largest = root;
        if (child < n && run_start(ties, a[largest]) < run_start(ties, a[child]))
            largest = child;
        if (child + 1 < n && run_start(ties, a[largest]) < run_start(ties, a[child + 1]))
            largest = child + 1;
        if (largest == root)
            return;
        uint16_t t = a[root];
        a[root] = a[largest];
        a[largest] = t;
        root = largest;
    }
}

/* The rules turn to this when parting goes badly: seldom, so it need not be fast. */
static void heap_sort(const uint64_t *ties, uint16_t *a, uint32_t n)
{
    for (uint32_t root = n / 2; root-- > 0;)
        sift_down(ties, a, root, n);
    for (uint32_t last = n - 1; last > 0; last--) {
        uint16_t t = a[0];
        a[0] = a[last];
        a[last] = t;
        sift_down(ties, a, 0, last);
    }
}

static void heap_sort_register(uint32_t *list, uint64_t ties, __m512i v, uint32_t off, uint32_t n)
{
    uint16_t names[BYTES];
    uint32_t entries[BYTES];
    _mm512_storeu_si512(names, _mm512_cvtepu8_epi16(_mm512_castsi512_si256(v)));
    _mm512_storeu_si512(names + 32, _mm512_cvtepu8_epi16(_mm512_extracti64x4_epi64(v, 1)));
    heap_sort(&ties, names, n);
    reorder_run(list, off, names, n, entries);
}

/* ---- the sort ---------------------------------------------------------------------------- */

/* 64 bits from any place; what lies beyond the last word is 0. */
static uint64_t ties_from(const uint64_t *ties, uint32_t from)
{
    uint64_t bits = ties[from / 64] >> from % 64;
    return from % 64 ? bits | ties[from / 64 + 1] << (64 - from % 64) : bits;
}

static void sort_small(const struct sorter *s, uint32_t from, uint32_t n, int depth)
{
    const uint16_t *a = s->names + from;
    __m512i base = _mm512_set1_epi16((short)from);
    __m512i l = _mm512_sub_epi16(_mm512_loadu_si512(a), base);
    __m512i h = _mm512_sub_epi16(_mm512_loadu_si512(a + WORDS), base);
    __m512i v = _mm512_inserti64x4(_mm512_castsi256_si512(_mm512_cvtepi16_epi8(l)),
                                   _mm512_cvtepi16_epi8(h), 1);
    uint64_t ties = ties_from(s->ties, from) & low_bits64(n) & ~UINT64_C(1);
    sort_register(s->list + from, ties, v, 0, n, depth);
}

static void sort_range(const struct sorter *s, uint32_t from, uint32_t to, int depth)
{
    while (has_tie(s->ties, from, to)) {
        uint32_t n = to - from;
        const uint16_t *a = s->names + from;
        if (n <= BYTES) {
            sort_small(s, from, n, depth);
            return;
        }
        if (depth-- <= 0) {
            heap_sort(s->ties, s->names + from, n);
            reorder_run(s->list, from, a, n, s->entries);
            return;
        }
        uint32_t pivot = median3(a[0], a[n / 2], a[n - 1]);
        uint32_t low = run_start(s->ties, pivot), end = run_end(s->ties, pivot, to);
        part(s, from, n, low, end);
        sort_range(s, from, low, depth);
        from = end;
    }
}

/* Names of the samples in the order `from`, by way of the place of each slot in the list. */
static void name_samples(const uint32_t *from, const uint32_t *list, uint32_t n, uint16_t *place,
                         uint16_t *names)
{
    __m512i slots = _mm512_set1_epi32(0xffff);
    for (uint32_t i = 0; i < n; i++)
        place[list[i] & 0xffff] = (uint16_t)i;
    for (uint32_t i = 0; i < n; i += 16) {
        __m512i slot = _mm512_and_si512(_mm512_loadu_si512(from + i), slots);
        __m512i name = _mm512_i32gather_epi32(slot, place, 2);
        _mm256_storeu_si256((__m256i *)(void *)(names + i), _mm512_cvtepi32_epi16(name));
    }
}

void sort_ties_avx512(const struct block *b, uint32_t feature, const void *from, void *list,
                      uint32_t n)
{
    (void)feature;
    uint16_t *names = b->temp, *place = names + b->stride;
    struct sorter s = { names, b->temp2, list, b->temp3, b->ties };
    name_samples(from, list, n, place, names);
    sort_range(&s, 0, n, sort_depth(n));
}

#pragma GCC pop_options
#endif
