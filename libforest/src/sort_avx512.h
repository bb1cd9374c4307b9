/* SPDX-License-Identifier: MIT */
/* sort_avx512.h -- what the sorts with names of 16 and of 32 bits share. */
#ifndef SORT_AVX512_H
#define SORT_AVX512_H

#include "avx512.h"

#ifdef HAVE_AVX512

/* Memory for sorting up to NARROW_ROWS_MAX samples. */
struct sort_room {
    uint16_t *names;   /* the samples in their order; up to BLOCK_PAD more are read */
    uint16_t *temp;    /* as many and 2 * BLOCK_PAD more */
    uint32_t *entries; /* as many */
};

/*
 * Carry out the rules' sort on room->names, which are places of the sorted `list`; there, ties get
 * the order that results.
 */
void sort_names_avx512(const struct sort_room *room, uint32_t *list, const uint64_t *ties,
                       uint32_t n, int depth);

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
    uint32_t end = i * 64 + (uint32_t)_tzcnt_u64(starts);
    return end < limit ? end : limit;
}

/* 64 bits from any place. What lies beyond the last word that is read is 0. */
static inline uint64_t ties_from(const uint64_t *ties, uint32_t from)
{
    uint64_t bits = ties[from / 64] >> from % 64;
    return from % 64 ? bits | ties[from / 64 + 1] << (64 - from % 64) : bits;
}

#endif
#endif
