/* SPDX-License-Identifier: MIT */
/*
 * window_avx512.c -- the rules' sort of ranges that lie within 64 places of each other.
 *
 * The names of the samples are one register; the ranges are its segments, [first, end) in each
 * of their lanes. One step parts all segments, each around a pivot of its own, after P1 to P3 of
 * sort_avx512.c. It works for all at once because compressing takes lanes in their order, and
 * every segment gives as many as it takes: k leave the front, k come from the back, and so on, so
 * that what is spread out again falls into the segments it came from. "From the end" means in a
 * copy whose segments are reversed.
 *
 * Lanes outside of the ranges, and those that are done, are segments of one, which a step leaves
 * alone.
 */
#include "ties.h"
#include "window_avx512.h"

#ifdef HAVE_AVX512

#define WAYS 2u      /* windows that are sorted side by side: a step waits for itself a lot */
#define LOOKED_UP 4u /* the length of most queues */
#define ONE _mm512_set1_epi8(1)

void window_clear(struct window *w)
{
    w->from = 0;
    w->lanes = 0;
    w->first = byte_numbers();
    w->end = _mm512_add_epi8(byte_numbers(), ONE);
    w->depth = _mm512_set1_epi8(127);
    w->depth_least = 127;
}

void window_add(struct window *w, uint32_t from, uint32_t to, int depth)
{
    if (w->lanes == 0)
        w->from = from;
    from -= w->from;
    to -= w->from;
    uint64_t lanes = low_bits64(to) & ~low_bits64(from);
    w->lanes |= lanes;
    w->first = _mm512_mask_set1_epi8(w->first, lanes, (char)from);
    w->end = _mm512_mask_set1_epi8(w->end, lanes, (char)to);
    w->depth = _mm512_mask_set1_epi8(w->depth, lanes, (char)depth);
    w->depth_least = (uint32_t)depth < w->depth_least ? (uint32_t)depth : w->depth_least;
}

/* Where the run of each lane begins and ends, by what the ties say. */
struct runs {
    __m512i low, end;
};

/* The lane that is `by` lower, or 0. */
static inline __m512i from_lower(__m512i v, uint32_t by)
{
    __m512i at = _mm512_sub_epi8(byte_numbers(), _mm512_set1_epi8((char)by));
    return _mm512_maskz_permutexvar_epi8(~low_bits64(by), at, v);
}

static struct runs find_runs(uint64_t ties)
{
    uint64_t last = ~(ties >> 1), first = ~ties;
    struct runs r;
    /* the highest start of a run so far, found by doubling; seldom is a run longer than eight */
    r.low = _mm512_maskz_mov_epi8(first, byte_numbers());
#pragma GCC unroll 3
    for (uint32_t by = 1; by < 8; by *= 2) {
        r.low = _mm512_max_epu8(r.low, from_lower(r.low, by));
        ties &= ties << by;
    }
    for (uint32_t by = 8; by < WINDOW && ties; ties &= ties << by, by *= 2)
        r.low = _mm512_max_epu8(r.low, from_lower(r.low, by));
    /* the place after the last member, which is where the next run starts; then to all members */
    __m512i ends = _mm512_maskz_compress_epi8(last, _mm512_add_epi8(byte_numbers(), ONE));
    __m512i starts = _mm512_maskz_expand_epi8(first, ends);
    r.end = _mm512_permutexvar_epi8(r.low, starts);
    return r;
}

/* Median of the first, middle and last of each segment, in all its lanes. */
static inline __m512i pivots(__m512i v, __m512i first, __m512i end)
{
    __m512i half =
        _mm512_and_si512(_mm512_srli_epi16(_mm512_sub_epi8(end, first), 1), _mm512_set1_epi8(0x7f));
    __m512i a = _mm512_permutexvar_epi8(first, v);
    __m512i b = _mm512_permutexvar_epi8(_mm512_add_epi8(first, half), v);
    __m512i c = _mm512_permutexvar_epi8(_mm512_sub_epi8(end, ONE), v);
    return _mm512_max_epu8(_mm512_min_epu8(a, b), _mm512_min_epu8(_mm512_max_epu8(a, b), c));
}

/* P1 and P2 for all segments: what is not less than `bound` goes behind it. */
static inline __m512i part_greater(__m512i v, __m512i first, __m512i end, __m512i bound,
                                   __mmask64 front)
{
    __m512i numbers = byte_numbers();
    __m512i mirror = _mm512_sub_epi8(_mm512_add_epi8(first, _mm512_sub_epi8(end, ONE)), numbers);
    __m512i mirrored = _mm512_permutexvar_epi8(mirror, v), before = from_lower(mirrored, 1);
    __mmask64 back = _mm512_cmpge_epu8_mask(mirror, bound); /* in the mirrored copy */
    __mmask64 up_to_bound = _mm512_cmple_epu8_mask(numbers, bound);
    __mmask64 greater = _mm512_mask_cmpge_epu8_mask(up_to_bound, v, bound),
              leave = _kand_mask64(greater, front);
    __mmask64 lesser = _mm512_mask_cmplt_epu8_mask(back, mirrored, bound);
    __mmask64 take = _kor_mask64(_mm512_mask_cmplt_epu8_mask(back, before, bound),
                                 _mm512_mask_cmpeq_epi8_mask(back, numbers, first));
    __m512i l = _mm512_mask_expand_epi8(v, leave, _mm512_maskz_compress_epi8(lesser, mirrored));
    __m512i g = _mm512_mask_expand_epi8(before, take, _mm512_maskz_compress_epi8(greater, v));
    return _mm512_mask_mov_epi8(_mm512_permutexvar_epi8(mirror, g), front, l);
}

#define TIMES4(f, i) f(i), f((i) + 1), f((i) + 2), f((i) + 3)
#define TIMES16(f, i) TIMES4(f, i), TIMES4(f, (i) + 4), TIMES4(f, (i) + 8), TIMES4(f, (i) + 12)
#define TIMES64(f, i) \
    TIMES16(f, i), TIMES16(f, (i) + 16), TIMES16(f, (i) + 32), TIMES16(f, (i) + 48)

#define REST4(i, by) (i) % (by), ((i) + 1) % (by), ((i) + 2) % (by), ((i) + 3) % (by)
#define REST16(i, by) REST4(i, by), REST4((i) + 4, by), REST4((i) + 8, by), REST4((i) + 12, by)
#define REST(by)                                                      \
    {                                                                 \
        REST16(0, by), REST16(16, by), REST16(32, by), REST16(48, by) \
    }

/* Bytes below 64 modulo `by`, which is at least 2. */
static inline __m512i modulo(__m512i v, uint32_t by)
{
    static const uint8_t table[15][WINDOW] = { REST(2),  REST(3),  REST(4),  REST(5),  REST(6),
                                               REST(7),  REST(8),  REST(9),  REST(10), REST(11),
                                               REST(12), REST(13), REST(14), REST(15), REST(16) };
    if (by <= 16)
        return _mm512_permutexvar_epi8(v, _mm512_loadu_si512(table[by - 2]));
    __m512i divisor = _mm512_set1_epi8((char)by);
    for (int i = 0; i < 3; i++)
        v = _mm512_mask_sub_epi8(v, _mm512_cmpge_epu8_mask(v, divisor), v, divisor);
    return v;
}

/*
 * P3 for all runs that close in this step: `ties` are their members but the first ones, `places`
 * where each member was found in its front, which ends where the run does. Followed backwards: who
 * is at an index of the final queue, was at which index before the last rotation? If that is the
 * last, it is who joined last; else the same is asked of the queue without that one.
 */
struct queues {
    __m512i sorted, low, length, passed, index;
    __m512i who; /* the first member, if it is nobody else */
    __mmask64 members, open;
    uint64_t late; /* ties that follow LOOKED_UP - 1 others: of longer queues */
};

static inline __attribute__((always_inline)) void start_queues(struct queues *q, __m512i sorted,
                                                               uint64_t ties, __m512i places,
                                                               __m512i low, __m512i end)
{
    __m512i numbers = byte_numbers(), next_number = _mm512_add_epi8(numbers, ONE);
    __m512i next = _mm512_permutexvar_epi8(next_number, places);
    next = _mm512_mask_mov_epi8(next, _mm512_cmpeq_epi8_mask(next_number, end), end);
    q->sorted = sorted;
    q->low = low;
    q->passed = _mm512_sub_epi8(_mm512_sub_epi8(next, places), ONE);
    q->length = _mm512_sub_epi8(end, low);
    q->index = _mm512_sub_epi8(numbers, low);
    q->who = _mm512_setzero_si512();
    q->members = q->open = ties | ties >> 1;
    ties &= ties << 1;
    q->late = ties & ties << 2;
}

/* Before the rotation that was done when there were `size` members. */
static inline __attribute__((always_inline)) void turn_queues(struct queues *q, uint32_t size)
{
    __m512i size_byte = _mm512_set1_epi8((char)size), last = _mm512_set1_epi8((char)(size - 1));
    __m512i by = modulo(_mm512_permutexvar_epi8(_mm512_add_epi8(q->low, last), q->passed), size);
    by = _mm512_maskz_mov_epi8(_mm512_cmpge_epu8_mask(q->length, size_byte), by);
    q->index = _mm512_add_epi8(q->index, by); /* round and round: if there is nothing to take away,
                                                 it wraps */
    q->index = _mm512_min_epu8(q->index, _mm512_sub_epi8(q->index, size_byte));
    __mmask64 found = _kand_mask64(q->open, _mm512_cmpeq_epi8_mask(q->index, last));
    q->who = _mm512_mask_mov_epi8(q->who, found, last);
    q->open = _kandn_mask64(found, q->open);
}

/* Some are longer than LOOKED_UP. To turn a queue that is not so long changes nothing. */
static inline __attribute__((always_inline)) void turn_long_queues(struct queues *q,
                                                                   const uint32_t count)
{
    uint32_t longest = LOOKED_UP;
    for (uint64_t late = ~UINT64_C(0); late; longest += LOOKED_UP) {
        late = 0;
        for (uint32_t i = 0; i < count; i++)
            late |= q[i].late &= q[i].late << LOOKED_UP;
    }
    for (uint32_t size = longest; size >= 2; size--)
#pragma GCC unroll 8
        for (uint32_t i = 0; i < count; i++)
            turn_queues(&q[i], size);
}

/*
 * Queues of up to four. All rotations depend on no more than how many passed member 1 modulo 2,
 * member 2 modulo 3, and member 3 modulo 4. Each has a share in one number of these three
 * remainders, 4 * first + 8 * second + 24 * third, to which the index is added: there, `who` is
 * looked up. The first step, four times what passed modulo 12, is as good as all three.
 */
#define BY_12(i) (i) % 12 * 4
static const uint8_t by_12[WINDOW] = { TIMES64(BY_12, 0) };

/* By that and the member's number. */
#define SHARE(i)                     \
    (i) % 4 == 0   ? 0               \
    : (i) % 4 == 1 ? (i) / 4 % 2 * 4 \
    : (i) % 4 == 2 ? (i) / 4 % 3 * 8 \
                   : (i) / 4 % 4 * 24
static const uint8_t share[WINDOW] = { TIMES64(SHARE, 0) };

#define OF_2(at, r) ((at) + (r)) % 2
#define OF_3(at, r) (((at) + (r) / 2) % 3 == 2 ? 2 : OF_2(((at) + (r) / 2) % 3, (r) % 2))
#define OF_4(at, r) (((at) + (r) / 6) % 4 == 3 ? 3 : OF_3(((at) + (r) / 6) % 4, (r) % 6))
#define WHO(i) OF_4((i) % 4, (i) / 4)
static const uint8_t who_of_4[2 * WINDOW] = { TIMES64(WHO, 0), TIMES64(WHO, 64) };

static inline __attribute__((always_inline)) void turn_short_queues(struct queues *q)
{
    __m512i at1 = _mm512_add_epi8(byte_numbers(), ONE), at2 = _mm512_add_epi8(at1, ONE),
            at3 = _mm512_add_epi8(at2, ONE);
    __mmask64 of_3 = _mm512_cmpge_epu8_mask(q->length, _mm512_set1_epi8(3)),
              of_4 = _mm512_cmpge_epu8_mask(q->length, _mm512_set1_epi8(4));
    __m512i by = _mm512_permutexvar_epi8(q->passed, _mm512_loadu_si512(by_12));
    by = _mm512_permutexvar_epi8(_mm512_add_epi8(by, q->index), _mm512_loadu_si512(share));
    __m512i sum = _mm512_permutexvar_epi8(at1, by); /* at the first member */
    sum = _mm512_add_epi8(sum, _mm512_maskz_permutexvar_epi8(of_3, at2, by));
    sum = _mm512_add_epi8(sum, _mm512_maskz_permutexvar_epi8(of_4, at3, by));
    sum = _mm512_add_epi8(_mm512_permutexvar_epi8(q->low, sum), q->index);
    q->who = _mm512_permutex2var_epi8(_mm512_loadu_si512(who_of_4), sum,
                                      _mm512_loadu_si512(who_of_4 + WINDOW));
}

/* All rotations of all queues. */
static inline __attribute__((always_inline)) void turn_all(struct queues *q, const uint32_t count)
{
    uint64_t late = 0;
    for (uint32_t i = 0; i < count; i++)
        late |= q[i].late;
    if (late) {
        turn_long_queues(q, count);
        return;
    }
#pragma GCC unroll 8
    for (uint32_t i = 0; i < count; i++)
        turn_short_queues(&q[i]);
}

/* Put the members of closed runs to their places in `result`. */
static inline __m512i end_queues(const struct queues *q, __m512i result)
{
    return _mm512_mask_permutexvar_epi8(result, q->members, _mm512_add_epi8(q->low, q->who),
                                        q->sorted);
}

struct state {
    struct window w;
    struct runs runs;
    __m512i v;        /* the names in their present order; in a closed run, in any */
    __m512i result;   /* names of closed runs in their order; elsewhere the lane */
    uint64_t open;    /* ties that have no order yet, but for the first of each run */
    uint32_t divided; /* so many times */
    uint32_t number;  /* of the window */
};

/* What has used up its depth and still has ties is sorted by heap. */
static __attribute__((noinline)) void sort_heaps(struct state *s, uint64_t ties)
{
    uint8_t first[WINDOW], end[WINDOW], names[WINDOW], low[WINDOW];
    uint64_t done = 0;
    _mm512_storeu_si512(first, s->w.first);
    _mm512_storeu_si512(end, s->w.end);
    _mm512_storeu_si512(names, s->v);
    _mm512_storeu_si512(low, s->runs.low);
    while (ties) {
        uint32_t lane = (uint32_t)_tzcnt_u64(ties);
        uint64_t lanes = low_bits64(end[lane]) & ~low_bits64(first[lane]);
        heap_sort_bytes(low, names + first[lane], (uint32_t)end[lane] - first[lane]);
        done |= lanes;
        ties &= ~lanes;
    }
    s->v = _mm512_loadu_si512(names);
    s->result = _mm512_mask_mov_epi8(s->result, done, s->v);
    s->w.first = _mm512_mask_mov_epi8(s->w.first, done, byte_numbers());
    s->w.end = _mm512_mask_add_epi8(s->w.end, done, byte_numbers(), ONE);
    s->open &= ~done;
}

/* Divide all segments once, but for the order within runs. */
static inline __attribute__((always_inline)) void divide(struct state *s, struct queues *q)
{
    __m512i numbers = byte_numbers(), first = s->w.first, ends = s->w.end;
    __m512i pivot = pivots(s->v, first, ends);
    __m512i low = _mm512_permutexvar_epi8(pivot, s->runs.low),
            end = _mm512_permutexvar_epi8(pivot, s->runs.end);
    __mmask64 front = _mm512_cmplt_epu8_mask(numbers, end);
    __m512i v = part_greater(s->v, first, ends, end, front);
    __mmask64 less = _mm512_mask_cmplt_epu8_mask(front, v, low);
    __mmask64 equal = _kandn_mask64(less, front);
    __mmask64 less_to = _mm512_mask_cmplt_epu8_mask(front, numbers, low);
    __mmask64 equal_to = _kandn_mask64(less_to, front);
    __m512i sorted = _mm512_mask_expand_epi8(v, less_to, _mm512_maskz_compress_epi8(less, v));
    __m512i places = _mm512_maskz_expand_epi8(equal_to, _mm512_maskz_compress_epi8(equal, numbers));
    sorted = _mm512_mask_permutexvar_epi8(sorted, equal_to, places, v);
    uint64_t closing = s->open & equal_to;
    start_queues(q, sorted, closing, places, low, end);
    s->v = sorted;
    s->open &= ~closing;
    first = _mm512_mask_mov_epi8(first, equal_to, numbers);
    s->w.first = _mm512_mask_mov_epi8(end, front, first);
    ends = _mm512_mask_mov_epi8(ends, less_to, low);
    s->w.end = _mm512_mask_add_epi8(ends, equal_to, numbers, ONE);
    s->divided++;
}

static inline __attribute__((always_inline)) void
start_state(struct state *s, const struct window *w, __m512i v, uint64_t ties)
{
    s->w = *w;
    s->runs = find_runs(ties);
    s->open = ties & w->lanes;
    s->v = _mm512_mask_mov_epi8(byte_numbers(), w->lanes, v);
    s->result = byte_numbers();
    s->divided = 0;
}

static inline void check_depth(struct state *s)
{
    if (__builtin_expect(s->divided < s->w.depth_least, 1))
        return;
    uint64_t exhausted =
        _mm512_mask_cmple_epu8_mask(s->open, s->w.depth, _mm512_set1_epi8((char)s->divided));
    if (exhausted)
        sort_heaps(s, exhausted);
}

/* Divide all segments of `count` windows once. */
static inline __attribute__((always_inline)) void divide_windows(struct state *s,
                                                                 const uint32_t count)
{
    struct queues q[WAYS];
#pragma GCC unroll 8
    for (uint32_t i = 0; i < count; i++) {
        check_depth(&s[i]);
        divide(&s[i], &q[i]);
    }
    turn_all(q, count);
#pragma GCC unroll 8
    for (uint32_t i = 0; i < count; i++)
        s[i].result = end_queues(&q[i], s[i].result);
}

/* Windows to be sorted; those from number `next` on wait. */
struct line {
    const struct window *w;
    __m512i *v;
    const uint64_t *ties;
    uint32_t next, count;
};

/* Take windows of the line until one has something to do. */
static inline bool take_next(struct state *s, struct line *l)
{
    while (l->next < l->count) {
        uint32_t i = l->next++;
        start_state(s, &l->w[i], l->v[i], l->ties[i]);
        s->number = i;
        if (s->open)
            return true;
        l->v[i] = s->result;
    }
    return false;
}

/* Divide `count` windows until one is done and none waits to take its place. */
static inline __attribute__((always_inline)) void sort_together(struct state *s, struct line *l,
                                                                const uint32_t count)
{
    for (;;) {
        divide_windows(s, count);
#pragma GCC unroll 8
        for (uint32_t i = 0; i < count; i++) {
            if (s[i].open)
                continue;
            l->v[s[i].number] = s[i].result;
            if (!take_next(&s[i], l)) {
                s[i] = s[count - 1];
                return;
            }
        }
    }
}

void window_sort(const struct window *w, __m512i *v, const uint64_t *ties, uint32_t count)
{
    struct line l = { w, v, ties, 0, count };
    struct state s[WAYS];
    uint32_t live = 0;
    while (live < WAYS && take_next(&s[live], &l))
        live++;
    if (live == WAYS)
        sort_together(s, &l, WAYS);
    if (live > 0)
        sort_together(s, &l, 1);
}

#pragma GCC pop_options
#endif
