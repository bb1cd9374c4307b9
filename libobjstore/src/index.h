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
static inline uint64_t key_hash(struct key key)
{
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)(key.id[0] ^ 0x9e3779b97f4a7c15u) * (key.id[1] ^ 0xd6e8feb86659fd93u);

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}
static inline bool slot_has_key(const struct slot *slot, struct key key)
{
    return au64_load_relaxed(&slot->id[0]) == key.id[0] && /* relaxed: the word is read again, */
           au64_load_relaxed(&slot->id[1]) == key.id[1];   /* or the link that led here is */
}

/* A link: target:32 | flag:1 | bucket:1 | tag:30; see index.c. */
#define LINK_FLAG (1ull << 31)
#define LINK_BUCKET (1ull << 30)
#define LINK_TAG 0x3fffffffu

static inline uint32_t link_target(uint64_t link) /* slot + 1, 0: the end; or a bucket */
{
    return (uint32_t)(link >> 32);
}
static inline bool bucket_is_open(uint32_t bucket, uint64_t link)
{
    return link & LINK_FLAG || bucket == 0;
}

/* Steps that a search without proof takes before it leaves the matter to the other. */
#define QUICK_STEPS 64

/* The order of the list: by hash, its bits read from the lowest to the highest. */
bool index_is_before(uint64_t hash, uint64_t other);
/* A search for this key will follow: begin to fetch what it reads first. */
void index_prefetch(const struct objstore *s, struct key key);
/* The slot that is present under `key` and its word; -ENOENT, -EBADMSG. */
int index_find(const struct objstore *s, struct key key, uint32_t *slot, uint64_t *word);
/* Look again how large the table is. */
void index_learn(const struct objstore *s);

/*
 * Without proof. True: found, whatever the path. It looks up to the next bucket of a table as large
 * as it was when last looked at: a smaller one than there is costs steps, no more.
 */
static inline __attribute__((always_inline)) bool
index_find_quickly(const struct objstore *s, struct key key, uint32_t *slot, uint64_t *word)
{
    uint32_t slots = au32_load_relaxed(&s->known.slots); /* relaxed, both: private, and only grow */
    uint32_t mask = au32_load_relaxed(&s->known.buckets_mask);
    uint32_t bucket = (uint32_t)key_hash(key) & mask;
    uint64_t link = au64_load_acquire(&s->buckets[bucket]); /* E1 */

    if (!bucket_is_open(bucket, link))
        return false;
    for (int step = 0; step < QUICK_STEPS; step++) {
        uint32_t index = link_target(link) - 1;

        if (link & LINK_BUCKET) {
            uint32_t other = link_target(link);

            if (other >= s->geo.buckets || (other & mask) != bucket)
                return false;
            index_learn(s);
            link = au64_load_acquire(&s->buckets[other]); /* E1 */
            continue;
        }
        if (index >= slots) /* the end of the list, too: 0 - 1 */
            return false;
        const struct slot *at = slot_at(s, index);
        uint64_t seen = au64_load_acquire(&at->word); /* E1 */
        if (slot_has_key(at, key) && word_is_present(seen)) {
            atomic_thread_fence(memory_order_acquire); /* the id before the word's second reading */
            if (au64_load_relaxed(&at->word) == seen) { /* relaxed: the fence orders it */
                *slot = index;
                *word = seen;
                return true;
            }
        }
        link = au64_load_acquire(&at->next); /* E1 */
    }
    return false;
}

/* For who will look for several: the bucket a search begins at, and the slot it looks at first. */
static inline uint32_t index_bucket_number(const struct objstore *s, struct key key)
{
    return (uint32_t)key_hash(key) &
           au32_load_relaxed(&s->known.buckets_mask); /* relaxed: private, and only grows */
}
static inline const struct au64 *index_bucket(const struct objstore *s, struct key key)
{
    return &s->buckets[index_bucket_number(s, key)];
}
/* Any slot, if there is none. */
static inline const struct slot *index_slot_of(const struct objstore *s, uint32_t bucket)
{
    uint64_t link = au64_load_relaxed(&s->buckets[bucket]); /* relaxed: of use as an address only */
    uint32_t index = link_target(link) - 1;
    bool is_slot = !(link & LINK_BUCKET) && index < au32_load_relaxed(&s->known.slots);

    return slot_at(s, is_slot ? index : 0); /* relaxed, above: private, and only grows */
}
static inline const struct slot *index_first_slot(const struct objstore *s, struct key key)
{
    return index_slot_of(s, index_bucket_number(s, key));
}

/* Where a search led. */
struct lead {
    struct slot *at;
    uint32_t slot;
    uint64_t word; /* of it, when it was found */
};

/*
 * The shortest way there is to what is SEALED, for who pins it and then looks at its word again: if
 * that is lead->word still, the slot had this id all the time. False: look for it in another way.
 */
static inline __attribute__((always_inline)) bool
index_find_to_pin(const struct objstore *s, const struct objstore_id *id, struct lead *lead)
{
    uint32_t bucket = (uint32_t)key_hash(key_of(id)) & au32_load_relaxed(&s->known.buckets_mask);
    uint64_t link = au64_load_acquire(&s->buckets[bucket]); /* E1 */
    int steps = QUICK_STEPS;

    if (__builtin_expect(!bucket_is_open(bucket, link), 0))
        return false;
    do {
        uint64_t index = (link >> 32) - 1;

        if (__builtin_expect(link & LINK_BUCKET || index >= au32_load_relaxed(&s->known.slots), 0))
            return false; /* relaxed, above, too: private, and only grow */
        struct slot *at = &s->slots[index];
        uint64_t word = au64_load_acquire(&at->word); /* E1 */
        if (slot_has_key(at, key_of(id))) {           /* read again: registers are few */
            *lead = (struct lead){ at, (uint32_t)index, word };
            return word_is_in(word, SLOT_SEALED);
        }
        link = au64_load_acquire(&at->next); /* E1 */
    } while (--steps);
    return false;
}

/*
 * Enter a slot that the caller owns in WRITING and whose id is written. -EEXIST: another is
 * present under that id, and *slot and *word say which. -EBADMSG: or it is entered already.
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
 * For verify: call `visit` for every slot between this bucket, which is open, and the next that is:
 * *end, or NONE if there is none. -EBADMSG: the list does not end.
 */
int index_walk(const struct objstore *s, uint32_t bucket, int (*visit)(uint32_t slot, void *ctx),
               void *ctx, uint32_t *end);
/* The bucket that follows in the list if all up to `mask` are in it; after the last one, 0. */
static inline uint32_t index_next_bucket(uint32_t bucket, uint32_t mask)
{
    uint32_t bit = mask / 2 + 1; /* to count up, its bits read from the lowest to the highest */

    for (bit &= mask; bucket & bit; bit >>= 1)
        bucket ^= bit;
    return bucket | bit;
}

#endif
