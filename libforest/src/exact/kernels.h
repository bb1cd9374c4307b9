/* SPDX-License-Identifier: MIT */
/* kernels.h -- the inner loops there are, and those that suit this processor. */
#ifndef KERNELS_H
#define KERNELS_H

#include "base/level.h"
#include "block.h"

extern const struct kernels kernels_plain;
#ifdef HAVE_AVX512
extern const struct kernels kernels_avx512, kernels_avx2;
#endif

/*
 * The rules' parting of a[0..n): entries up to `high` to the front, of which there are `left`. With
 * AVX2 all are below 2^31, `temp` has room for n and 3 * WORDS more, and WORDS more of a are read.
 */
void part_avx2(uint32_t *a, uint32_t n, uint32_t left, uint32_t high, uint32_t *temp);
void part_avx512(uint32_t *a, uint32_t n, uint32_t left, uint32_t high, uint32_t *temp);

void sort_ties_avx2(const struct block *b, uint32_t feature, const uint32_t *from, uint32_t *list,
                    uint32_t n);
void sort_ties_avx512(const struct block *b, uint32_t feature, const uint32_t *from, uint32_t *list,
                      uint32_t n);
void sort_large_avx2(const struct large *l);
void sort_large_avx512(const struct large *l);
void rate_large_avx2(const struct large *l, const struct search *s, struct rated_cut *best);
void rate_large_avx512(const struct large *l, const struct search *s, struct rated_cut *best);
struct found estimate_avx512(const struct block *b, const struct search *s);
struct found estimate_packed_avx2(const struct block *b, const struct search *s);
struct found estimate_packed_avx512(const struct block *b, const struct search *s);
struct found rate_avx512(const struct block *b, const struct search *s);

/* Scratch memory of small subtrees, and the subtree of a node of up to SMALL_ROWS. small_body.h */
size_t small_bytes_avx2(uint32_t features);
size_t small_bytes_avx512(uint32_t features);
int grow_small_avx2(struct grower *g, const struct block *b, const struct pending *root);
int grow_small_avx512(struct grower *g, const struct block *b, const struct pending *root);

/* Those of kernels_plain that others use, too. */
void fill_list_plain(const struct block *b, const uint32_t *slot_of, uint32_t feature);
struct found rate_plain(const struct block *b, const struct search *s);
void split_order_plain(const struct block *b, const struct cut *c, const uint32_t *from,
                       uint32_t *order);
void sum_children_plain(const struct block *b, const struct cut *c, const uint32_t *order,
                        struct sums child[2], struct sums *rest);

/* The loops of a level; NULL if this processor cannot do them. */
const struct kernels *kernels_of(enum kernels_level level);

#endif
