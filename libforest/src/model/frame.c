/* SPDX-License-Identifier: MIT */
/*
 * frame.c -- is this block what it says it is?
 *
 * The bytes come from anywhere. Checksums tell damage, and every flipped bit is damage, also one
 * in the magic or in the version: therefore those are believed only if the prologue's checksum,
 * reckoned with the right magic, agrees. But a checksum can be forged, so the structure is
 * checked as well: after that no walk down a tree can loop or leave it.
 */
#include "frame.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"

void diag_say(struct forest_diag *diag, const char *format, ...)
{
    va_list args;

    if (!diag)
        return;
    va_start(args, format);
    vsnprintf(diag->text, sizeof diag->text, format, args);
    va_end(args);
}

/* ---- prologue ---------------------------------------------------------------------- */

static uint64_t prologue_checksum(const struct prologue *prologue)
{
    return checksum(prologue, offsetof(struct prologue, check));
}

void prologue_write(struct prologue *prologue, const char *magic, uint64_t bytes)
{
    memcpy(prologue->magic, magic, sizeof prologue->magic);
    prologue->version = LAYOUT_VERSION;
    prologue->byte_order = LAYOUT_BYTE_ORDER;
    prologue->bytes = bytes;
    prologue->check = prologue_checksum(prologue);
}

static int check_start(const void *block, size_t bytes, const char *magic, const char *what,
                       struct forest_diag *diag)
{
    size_t known = bytes < sizeof(struct prologue) ? bytes : sizeof(struct prologue);
    struct prologue p = { .version = 0 };

    if (known)
        memcpy(&p, block, known);
    bool has_magic = memcmp(p.magic, magic, known < sizeof p.magic ? known : sizeof p.magic) == 0;
    if (known == sizeof p && has_magic && p.byte_order == __builtin_bswap32(LAYOUT_BYTE_ORDER)) {
        diag_say(diag, "%s of a machine with the other byte order", what);
        return -EPROTO;
    }
    memcpy(p.magic, magic, sizeof p.magic);
    bool is_whole = known == sizeof p && p.check == prologue_checksum(&p);
    if (!has_magic && !is_whole) {
        diag_say(diag, "not %s", what);
        return -EPROTO;
    }
    if (known < sizeof p) {
        diag_say(diag, "%s cut off after %zu bytes", what, bytes);
        return -EBADMSG;
    }
    if (!has_magic || !is_whole) {
        diag_say(diag, "%s damaged in its first %zu bytes", what, sizeof p);
        return -EBADMSG;
    }
    if (p.version != LAYOUT_VERSION) {
        diag_say(diag, "%s of layout version %u; this library reads %u", what, p.version,
                 LAYOUT_VERSION);
        return -EPROTO;
    }
    return 0;
}

int prologue_check(const void *block, size_t bytes, size_t header_bytes, const char *magic,
                   const char *what, struct forest_diag *diag)
{
    if ((uintptr_t)block % sizeof(uint64_t)) {
        diag_say(diag, "%s not aligned to 8 bytes", what);
        return -EINVAL;
    }
    int err = check_start(block, bytes, magic, what, diag);
    if (err)
        return err;
    const struct prologue *p = block;
    if (p->bytes != bytes || bytes < header_bytes) {
        diag_say(diag, "%s of %llu bytes, but %zu are there", what, (unsigned long long)p->bytes,
                 bytes);
        return -EBADMSG;
    }
    if (p->byte_order != LAYOUT_BYTE_ORDER) {
        diag_say(diag, "%s of an unknown byte order", what);
        return -EBADMSG;
    }
    return 0;
}

/* ---- bodies ------------------------------------------------------------------------ */

static size_t padded(size_t bytes)
{
    return (bytes + LAYOUT_ALIGN - 1) & ~(size_t)(LAYOUT_ALIGN - 1);
}

/* Add a part of n times `each` bytes. */
static bool add_part(size_t *bytes, uint64_t n, size_t each)
{
    size_t part;

    if (__builtin_mul_overflow(n, each, &part) || part > SIZE_MAX - LAYOUT_ALIGN)
        return false;
    return !__builtin_add_overflow(*bytes, padded(part), bytes);
}

bool body_layout(const struct tree_entry *entry, uint32_t flags, uint32_t classes, struct body *out)
{
    uint64_t n = entry->nodes;
    size_t share = classes * sizeof(double), bytes = 0;
    struct body b = { (uint32_t)n, entry->distributions, classes, flags, 0, 0, 0, 0, 0 };

    bool fits = add_part(&bytes, n, sizeof(struct node));
    b.stats = bytes;
    fits = fits && add_part(&bytes, flags & HAS_STATS ? n : 0, sizeof(struct node_stats));
    b.shares = bytes;
    fits = fits && add_part(&bytes, entry->distributions, share);
    b.weights = bytes;
    fits = fits && add_part(&bytes, flags & HAS_STATS ? n : 0, share);
    b.ids = bytes;
    fits = fits && add_part(&bytes, flags & HAS_IDS ? n : 0, sizeof(uint32_t));
    b.bytes = bytes;
    *out = b;
    return fits && bytes <= SIZE_MAX / 2;
}

/* A right child still to come, and the depth it is at. */
struct pending {
    uint32_t node;
    uint32_t depth;
};

/*
 * Walk the nodes once, in order. In preorder the node after a leaf is the right child that was
 * announced last, and after the very last leaf nothing is pending: `stack` (room for depth + 2)
 * starts with a sentinel that stands for the end. If all that agrees, every right child was met
 * where it was announced, after its parent and inside the tree. Whether a node is a leaf nobody can
 * guess, so nothing branches on it.
 */
static bool nodes_sound(const struct node *node, const struct tree_entry *entry, uint64_t features,
                        struct pending *stack)
{
    uint32_t top = 1, depth = 0, deepest = 0, leaves = 0;

    stack[0] = (struct pending){ entry->nodes, 0 };
    for (uint32_t i = 0; i < entry->nodes; i++) {
        uint32_t is_leaf = node[i].right == 0, leaf_mask = 0 - is_leaf;
        if (top == 0)
            return false;
        struct pending next = stack[top - 1];
        uint32_t bad_leaf = (next.node != i + 1) | (node[i].feature != 0);
        uint32_t bad_inner = (node[i].feature >= features) | (depth >= entry->depth);
        if ((bad_leaf & leaf_mask) | (bad_inner & ~leaf_mask))
            return false;
        stack[top] = (struct pending){ node[i].right, depth + 1 };
        top += 1 - 2 * is_leaf;
        depth = (next.depth & leaf_mask) | ((depth + 1) & ~leaf_mask);
        deepest = depth > deepest ? depth : deepest;
        leaves += is_leaf;
    }
    return top == 0 && leaves == entry->leaves && deepest == entry->depth;
}

/* In classification: of a leaf a class, or a distribution. */
static bool answers_sound(const struct node *node, const struct tree_entry *entry, uint32_t classes)
{
    double answers = (double)classes + entry->distributions;

    for (uint32_t i = 0; classes && i < entry->nodes; i++) {
        double number = node[i].number;
        if (node_is_leaf(&node[i]) &&
            !(number >= 0.0 && number < answers && number == (double)(uint32_t)number))
            return false;
    }
    return true;
}

/* Shares are probabilities, scikit-learn's numbers those of nodes. */
static bool tables_sound(const char *data, const struct body *body)
{
    const double *share = (const double *)(const void *)(data + body->shares);
    const uint32_t *id = (const uint32_t *)(const void *)(data + body->ids);
    bool sound = true;

    for (size_t i = 0; i < (size_t)body->distributions * body->classes; i++)
        sound &= share[i] >= 0.0 && share[i] <= 1.0;
    for (size_t i = 0; body->flags & HAS_IDS && i < body->nodes; i++)
        sound &= id[i] < body->nodes;
    return sound;
}

int body_check(const void *data, const struct tree_entry *entry, const struct body *body,
               uint64_t features, uint32_t index, struct forest_diag *diag)
{
    if (checksum(data, body->bytes) != entry->check) {
        diag_say(diag, "tree %u is damaged: its checksum differs", index);
        return -EBADMSG;
    }
    if (entry->depth >= entry->nodes) {
        diag_say(diag, "tree %u claims to be deeper than its %u nodes", index, entry->nodes);
        return -EBADMSG;
    }
    struct pending *stack = malloc(((size_t)entry->depth + 2) * sizeof *stack);
    if (!stack)
        return -ENOMEM;
    bool sound = nodes_sound(data, entry, features, stack) &&
                 answers_sound(data, entry, body->classes) && tables_sound(data, body);
    free(stack);
    if (!sound) {
        diag_say(diag, "tree %u is not a tree over %llu features", index,
                 (unsigned long long)features);
        return -EBADMSG;
    }
    return 0;
}
