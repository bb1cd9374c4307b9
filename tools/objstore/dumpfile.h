/* SPDX-License-Identifier: MIT */
/*
 * dumpfile.h -- objects as a stream of bytes: what `dump` writes and `load` reads.
 *
 *   head | (entry | the object's bytes)* | end entry
 *
 * All numbers are little-endian. Head and entries carry a checksum of their own, an entry that of
 * the object's bytes, too (XXH3-128 all of them). Each entry has the number of its stream, drawn
 * at random, and its place in it, and the end entry how many there were, so that a stream that was
 * cut, spliced, or lost a piece in the middle is noticed, not only one with other bytes.
 */
#ifndef DUMPFILE_H
#define DUMPFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "objstore.h"

#define DUMP_VERSION 1u

struct dump_head {
    char magic[16]; /* DUMP_MAGIC */
    uint32_t version;
    uint32_t reserved;
    uint64_t stream;
    uint64_t made_ns; /* CLOCK_REALTIME */
    uint64_t reserved2;
    struct objstore_id check; /* of all of the above */
};

enum dump_kind { DUMP_OBJECT = 1, DUMP_END = 2 };

struct dump_entry {
    uint32_t kind;
    uint32_t reserved;
    uint64_t stream;
    uint64_t number; /* of objects before it */
    uint64_t size;   /* of its bytes; at the end: of all objects' */
    uint64_t created_ns;
    struct objstore_id id;
    struct objstore_meta meta;
    struct objstore_id content; /* checksum of its bytes */
    uint64_t reserved2;
    struct objstore_id check; /* of all of the above */
};

_Static_assert(sizeof(struct dump_head) == 64, "the format has 64 bytes here");
_Static_assert(sizeof(struct dump_entry) == 192, "the format has 192 bytes here");

/* Fill in magic, version and checksum; then it can be written. */
void dump_head_make(struct dump_head *head, uint64_t stream, uint64_t made_ns);
/* NULL, or what is wrong with it, in words. */
const char *dump_head_fault(const struct dump_head *head);

void dump_entry_make(struct dump_entry *entry);
/* `number`: how many objects came before; `bytes`: of all of those. */
const char *dump_entry_fault(const struct dump_entry *entry, const struct dump_head *head,
                             uint64_t number, uint64_t bytes);
bool dump_content_is(const struct dump_entry *entry, const void *data);

#endif
