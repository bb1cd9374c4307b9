/* SPDX-License-Identifier: MIT */
/* ties.h -- a bit per position of a sorted range: set if the value there is the one before. */
#ifndef TIES_H
#define TIES_H

#include <stdbool.h>
#include <stdint.h>

/* Whether two positions of [from, to) have the same value. */
static inline bool has_tie(const uint64_t *ties, uint32_t from, uint32_t to)
{
    if (to - from < 2 || to < from)
        return false;
    uint32_t first = from + 1, last = to - 1;
    uint64_t head = ~(uint64_t)0 << first % 64, tail = ~(uint64_t)0 >> (63 - last % 64);
    if (first / 64 == last / 64)
        return ties[first / 64] & head & tail;
    if (ties[first / 64] & head)
        return true;
    for (uint32_t i = first / 64 + 1; i < last / 64; i++)
        if (ties[i])
            return true;
    return ties[last / 64] & tail;
}

/* 64 bits from any place. What lies beyond the last word that is read is 0. */
static inline uint64_t ties_from(const uint64_t *ties, uint32_t from)
{
    uint64_t bits = ties[from / 64] >> from % 64;
    return from % 64 ? bits | ties[from / 64 + 1] << (64 - from % 64) : bits;
}

/* How often the rules' sort may divide before it turns to heap sort: 2 * (int)log2(n). */
static inline int sort_depth(uint32_t n)
{
    return 2 * (31 - __builtin_clz(n));
}

/* First place of the run that a name belongs to. */
static inline uint32_t run_start(const uint64_t *ties, uint32_t name)
{
    uint32_t i = name / 64;
    uint64_t starts = ~ties[i] & ((UINT64_C(2) << name % 64) - 1);
    while (!starts) /* ends: the first of all is no tie */
        starts = ~ties[--i];
    return i * 64 + 63 - (uint32_t)__builtin_clzll(starts);
}

/* The place after the last one of the run, or `limit`. */
static inline uint32_t run_end(const uint64_t *ties, uint32_t name, uint32_t limit)
{
    uint32_t i = (name + 1) / 64;
    uint64_t starts = ~ties[i] & ~UINT64_C(0) << (name + 1) % 64;
    while (!starts && i < limit / 64)
        starts = ~ties[++i];
    uint32_t end = i * 64 + (starts ? (uint32_t)__builtin_ctzll(starts) : 64);
    return end < limit ? end : limit;
}

static inline uint32_t median_name(uint32_t a, uint32_t b, uint32_t c)
{
    uint32_t min = a < b ? a : b, max = a < b ? b : a;
    return max < c ? max : c > min ? c : min;
}

/* P3 of sort_avx512.c one by one, without a branch. */
static inline void part_lesser_shorts(uint16_t *a, uint32_t left, uint32_t low)
{
    uint32_t l = 0;
    for (uint32_t i = 0; i < left; i++) {
        uint32_t v = a[i], first = a[l], lesser = v < low, change = (v ^ first) & -lesser;
        a[i] = (uint16_t)(v ^ change);
        a[l] = (uint16_t)(first ^ change);
        l += lesser;
    }
}

/* The rules' heap sort of names; of bytes, which compare as their `rank` does. sort_heap.c */
void heap_sort_names(const uint64_t *ties, uint32_t *names, uint32_t n);
void heap_sort_shorts(const uint64_t *ties, uint16_t *names, uint32_t n);
void heap_sort_bytes(const uint8_t *rank, uint8_t *names, uint32_t n);

#endif
