/* SPDX-License-Identifier: MIT */
/* index.h -- from an id to its slot. */
#ifndef OBJSTORE_INDEX_H
#define OBJSTORE_INDEX_H

#include "store.h"

struct key {
    uint64_t id[2];
};

static inline struct key key_of(const struct objstore_id *id)
{
    struct key key;

    __builtin_memcpy(key.id, id->bytes, sizeof key.id);
    return key;
}
/* The same in every process: also for what else goes by id. */
uint64_t key_hash(struct key key);
/* The order of the list: by hash, its bits read from the lowest to the highest. */
bool index_is_before(uint64_t hash, uint64_t other);
/* A search for this key will follow: begin to fetch what it reads first. */
void index_prefetch(const struct objstore *s, struct key key);
/* The slot that is present under `key` and its word; -ENOENT, -EBADMSG. Changes nothing. */
int index_find(const struct objstore *s, struct key key, uint32_t *slot, uint64_t *word);
/*
 * Enter a slot that the caller owns in WRITING and whose id is written. -EEXIST: another is
 * present under that id, and *slot and *word say which.
 */
int index_insert(struct objstore *s, uint32_t own, struct key key, uint32_t *slot, uint64_t *word);
/*
 * Enter a slot that the caller owns in STANDBY behind `old`, of the same id, which the caller
 * holds a pin on. -EAGAIN: `old` is being taken out.
 */
int index_insert_behind(struct objstore *s, uint32_t own, uint32_t old);
/*
 * Take the slot out of its chain if its word is still of this generation and says DOOMED or
 * RECLAIM. Afterwards no chain leads to it. May be done twice, and by anybody. -EBADMSG.
 */
int index_remove(struct objstore *s, uint32_t slot, uint64_t word);
/*
 * For verify: call `visit` for every slot between this bucket, if it is open, and the next; -EBADMSG:
 * there is no end.
 */
int index_walk(const struct objstore *s, uint32_t bucket, int (*visit)(uint32_t slot, void *ctx),
               void *ctx);
/* For verify: if the bucket is open, is it in its place? -EBADMSG. */
int index_check_bucket(const struct objstore *s, uint32_t bucket);

#endif
