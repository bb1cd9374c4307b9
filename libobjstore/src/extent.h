/* SPDX-License-Identifier: MIT */
/*
 * extent.h -- the word that says which units of the data a slot has, or is about to take.
 *
 *   kind:4 | a:28 | b:28 | class:3..., packed below. A slot's owner writes the word *before* it
 *   takes the first unit and clears it after it gave back the last, so whoever takes over from a
 *   dead owner knows every unit that may name the slot. `held` says that all of them do.
 */
#ifndef OBJSTORE_EXTENT_H
#define OBJSTORE_EXTENT_H

#include <stdbool.h>
#include <stdint.h>

enum extent_kind {
    EXTENT_NONE = 0,  /* no bytes outside the slot */
    EXTENT_PAGES = 1, /* `count` pages from page `first` */
    EXTENT_CELL = 2,  /* cell `count` of block `first`, of class `class` */
    EXTENT_BLOCK = 3, /* block `first` is being opened for cells or closed: blocks.c */
};

struct extent {
    enum extent_kind kind;
    bool held;
    uint32_t class;
    uint32_t first, count;
};

/* held:1 | kind:2 | class:5 | first:28 | count:28. Pages: a capacity of 2^40 bytes has 2^28. */
static inline uint64_t extent_pack(struct extent e)
{
    return (uint64_t)e.held << 63 | (uint64_t)e.kind << 61 | (uint64_t)e.class << 56 |
           (uint64_t)e.first << 28 | (e.count & 0xfffffffu);
}

/* 2^28 pages would not fit 28 bits: 0 stands for it, as no run is empty. */
static inline struct extent extent_unpack(uint64_t word)
{
    struct extent e;

    e.held = word >> 63 != 0;
    e.kind = (enum extent_kind)(word >> 61 & 3);
    e.class = (uint32_t)(word >> 56 & 31);
    e.first = (uint32_t)(word >> 28 & 0xfffffff);
    e.count = (uint32_t)(word & 0xfffffff);
    if (e.kind == EXTENT_PAGES && e.count == 0)
        e.count = 1u << 28;
    return e;
}

/* An EXTENT_NONE whose class says what the slot has instead, in its inline bytes: spill_file.c */
#define EXTENT_CLASS_SPILLED 1u
#define EXTENT_CLASS_FILE 2u

static inline uint64_t extent_elsewhere(uint32_t class)
{
    return (uint64_t)EXTENT_NONE << 61 | (uint64_t) class << 56;
}
static inline bool extent_is_spilled(uint64_t word)
{
    return word == extent_elsewhere(EXTENT_CLASS_SPILLED);
}
static inline bool extent_is_file(uint64_t word)
{
    return word == extent_elsewhere(EXTENT_CLASS_FILE);
}

#endif
