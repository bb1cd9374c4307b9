/* SPDX-License-Identifier: MIT */
/* checksum.h -- tells damaged bytes; not a defence against forgery. */
#ifndef CHECKSUM_H
#define CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/*
 * The checksum of `bytes` bytes, a multiple of 8, at an 8-byte aligned address. A change within
 * any single 8-byte word always changes it; other damage goes unseen once in 2^64.
 */
uint64_t checksum(const void *data, size_t bytes);

#endif
