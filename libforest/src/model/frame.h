/* SPDX-License-Identifier: MIT */
/* frame.h -- the frame of a flat block: what it is, how long, and whether it is whole. */
#ifndef FRAME_H
#define FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "forest.h"
#include "layout.h"

/* Write what is wrong to diag, which may be NULL. */
void diag_say(struct forest_diag *diag, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

void prologue_write(struct prologue *prologue, const char *magic, uint64_t bytes);

/*
 * Check the prologue of a block that has `bytes` bytes, header_bytes of them its header. `what`
 * names it in diag. -EINVAL   not aligned to 8 bytes -EPROTO   something else, another layout
 * version or byte order -EBADMSG  damaged, or not so long
 */
int prologue_check(const void *block, size_t bytes, size_t header_bytes, const char *magic,
                   const char *what, struct forest_diag *diag);

/* What a body holds, and where: offsets of its parts from its start, for those that are there. */
struct body {
    uint32_t nodes, distributions, classes, flags;
    size_t stats, shares, weights, ids, bytes;
};

/* The layout of the body of an entry; false if there cannot be so much. */
bool body_layout(const struct tree_entry *entry, uint32_t flags, uint32_t classes,
                 struct body *out);

/*
 * Check a body that lies within its block: the checksum, and that its nodes are a tree in
 * preorder of the depth and with the leaves that its entry says, on that many features. Number
 * `index` is for diag. -EBADMSG     -ENOMEM
 */
int body_check(const void *data, const struct tree_entry *entry, const struct body *body,
               uint64_t features, uint32_t index, struct forest_diag *diag);

#endif
