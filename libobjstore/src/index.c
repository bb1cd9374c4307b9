/* SPDX-License-Identifier: MIT */
/*
 * index.c -- from an id to its slot.
 *
 * A hash table of buckets, each the head of a chain of slots through their `next` words: Harris
 * and Michael's lock-free list (Michael, SPAA 2002) on type-stable nodes. A link packs
 * slot + 1:32 | mark:1 | tag:31. Every change of a link word, by compare-and-swap, raises its
 * tag, and a slot's own link keeps counting from one life to the next, so a word that reads the
 * same twice did not change in between.
 *
 *   L1  head -> new slot         index_insert()  new.next was set to the old head before
 *   L2  next -> next | mark      mark()          only while the slot's word says DOOMED/RECLAIM
 *   L4  next -> new slot         index_insert_behind()  the slot before it is held by a pin
 *   L3  link to a marked slot -> that slot's next   search()  by whoever passes
 *
 * Invariants
 *   I1  A link that is marked never changes again in this life of its slot.
 *   I2  A slot is FREE only after L3 took it out: its last owner searched the whole chain
 *       after L2, and L3 precedes any search's stepping over a marked slot.
 *   I3  One slot per id is present (WRITING or SEALED). Every entry changes the head (L1), so
 *       "nobody has this id" is one decision with the entry: the chain was searched from a
 *       head, and L1 replaces exactly that head. What was removed meanwhile does no harm.
 *   I4  An object that changes slots (replace.c) moves backwards in its chain: a new form is
 *       entered (L4) behind the old one, invisible, and takes over while the old one is still in
 *       its place. A search that passes the old form when it is no longer present meets the
 *       new one later; so "not there" stays a proof although L4 leaves the head alone.
 *
 * Stepping safely: a slot's next, word and id are believed only if, after they were read, the
 * link that led to the slot is unchanged: then the slot was in this chain when they were read.
 * Else the search starts again. index_find() first tries without that: a slot that has the id
 * and is present is the right one however we came to it; only "not there" needs the proof.
 *
 * Crashes  L1, L2 and L3 are single steps. A death between L2 and L3 leaves a marked slot in the
 *   chain, which the next search takes out. A death before L2 leaves a slot in DOOMED or RECLAIM,
 *   which searches do not count as present and mark on their way.
 *
 * Ordering  E1: L1 releases what the entry reads: id and word. Searches acquire.
 * Progress  Lock-free: a search starts again only because some other change succeeded.
 * Limits    A tag recurs after 2^31 changes of one word, within one step of a search. A chain
 *   longer than there are slots is damage: -EBADMSG.
 */
#include "index.h"
#include "replace.h"

#define LINK_MARK (1ull << 31)
#define LINK_TAG 0x7fffffffu
#define QUICK_STEPS 64

static uint64_t link_make(uint64_t target, uint64_t tag)
{
    return target << 32 | (tag & LINK_TAG);
}
static uint32_t link_target(uint64_t link) /* slot + 1, 0: the end */
{
    return (uint32_t)(link >> 32);
}
static bool link_is_marked(uint64_t link)
{
    return link & LINK_MARK;
}

uint64_t key_bucket(const struct objstore *s, struct key key)
{
    uint64_t h = (key.id[0] ^ (key.id[1] << 32 | key.id[1] >> 32)) * 0x9e3779b97f4a7c15u;

    h = (h ^ h >> 32) * 0xd6e8feb86659fd93u;
    return (h ^ h >> 32) & (s->geo.buckets - 1);
}

/* In its chain, and not to be taken out: it makes way, or is to take another's place. */
static bool word_is_passing(uint64_t word)
{
    return word_state(word) == SLOT_STANDBY || word_state(word) == SLOT_REPLACED;
}

void index_prefetch(const struct objstore *s, struct key key)
{
    __builtin_prefetch(&s->buckets[key_bucket(s, key)], 1);
}

static bool slot_has_key(const struct slot *slot, struct key key)
{
    return au64_load_relaxed(&slot->id[0]) == key.id[0] && /* relaxed: the word is read again, */
           au64_load_relaxed(&slot->id[1]) == key.id[1];   /* or the link that led here is */
}

/* Without proof. True: found, whatever the path. */
static bool find_quickly(const struct objstore *s, struct key key, uint32_t *slot, uint64_t *word)
{
    uint64_t link = au64_load_acquire(&s->buckets[key_bucket(s, key)]); /* E1 */
    uint32_t slots = slots_in_use(s);

    for (int step = 0; step < QUICK_STEPS; step++) {
        uint32_t index = link_target(link) - 1;

        if (index >= slots) /* the end of the chain, too: 0 - 1 */
            return false;
        const struct slot *at = slot_at(s, index);
        uint64_t seen = au64_load_acquire(&at->word); /* E1 */
        if (word_is_present(seen) && slot_has_key(at, key)) {
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

struct search {
    struct key key;
    uint64_t bucket;
    uint32_t avoid; /* stop with -ENOENT once this slot + 1 was taken out; 0: none */
    bool may_help;  /* mark and take out on the way; a read-only handle must not */
    uint64_t head;  /* out: the head that the whole search is valid for */
    uint32_t slot;  /* out, when found */
    uint64_t word;
};

enum step { STEP_ON, STEP_AGAIN, STEP_FOUND, STEP_REMOVED };

static bool mark(struct slot *at, uint64_t next)
{
    return au64_cas_acq_rel(&at->next, &next, /* L2 */
                            link_make(link_target(next), next + 1) | LINK_MARK);
}

/* One slot of the chain: *link in *from led to it. */
static enum step search_step(const struct objstore *s, struct search *q, struct au64 **from,
                             uint64_t *link)
{
    uint32_t target = link_target(*link);
    struct slot *at = slot_at(s, target - 1);
    uint64_t next = au64_load_acquire(&at->next); /* E1 */
    uint64_t word = au64_load_acquire(&at->word); /* E1 */
    bool has_key = slot_has_key(at, q->key);

    atomic_thread_fence(memory_order_acquire); /* all of these before the link again */
    if (au64_load_relaxed(*from) != *link)     /* relaxed: the fence orders it */
        return STEP_AGAIN;
    if (!link_is_marked(next) && word_state(word) == SLOT_REPLACED && has_key && q->may_help) {
        replace_help(s, target - 1, word); /* then it is no longer, and its heir is behind it */
        return STEP_ON;                    /* to the same slot again */
    }
    if (!link_is_marked(next) && (word_is_present(word) || word_is_passing(word))) {
        if (has_key && word_state(word) != SLOT_STANDBY) {
            q->slot = target - 1;
            q->word = word;
            return STEP_FOUND;
        }
    } else if (q->may_help && !link_is_marked(next)) {
        mark(at, next);
        POINT("index: marked, still linked");
        return STEP_ON; /* to the same slot again */
    } else if (q->may_help) {
        uint64_t shorter = link_make(link_target(next), *link + 1);

        if (!au64_cas_acq_rel(*from, link, shorter)) /* L3 */
            return STEP_AGAIN;
        POINT("index: unlinked");
        if (*from == &s->buckets[q->bucket])
            q->head = shorter;
        *link = shorter;
        return target == q->avoid ? STEP_REMOVED : STEP_ON;
    }
    /* A read-only search steps over marked slots, too: their links stand still (I1). */
    *from = &at->next;
    *link = next;
    return STEP_ON;
}

/* With proof: -ENOENT means that nobody was present under the id at some moment of the call. */
static int search(const struct objstore *s, struct search *q)
{
    uint32_t slots = slots_in_use(s);
    struct au64 *from;
    uint64_t link, steps;

again:
    from = &s->buckets[q->bucket];
    link = q->head = au64_load_acquire(from); /* E1 */
    for (steps = 0; link_target(link) != 0; steps++) {
        if (link_target(link) > slots) {
            slots = slots_in_use(s); /* it may have grown since */
            if (link_target(link) > slots)
                return -EBADMSG;
        }
        if (steps > 4 * (uint64_t)slots)
            return -EBADMSG;
        switch (search_step(s, q, &from, &link)) {
        case STEP_AGAIN:
            goto again;
        case STEP_FOUND:
            return 0;
        case STEP_REMOVED:
            return -ENOENT;
        case STEP_ON:
        default:
            break;
        }
    }
    return -ENOENT;
}

/* Not inlined: the compiler would build its struct on the quick path, too. */
static __attribute__((noinline)) int find_with_proof(const struct objstore *s, struct key key,
                                                     uint32_t *slot, uint64_t *word)
{
    struct search q = { .key = key, .bucket = key_bucket(s, key), .may_help = s->rw != NULL };
    int err = search(s, &q);

    if (!err) {
        *slot = q.slot;
        *word = q.word;
    }
    return err;
}

int index_find(const struct objstore *s, struct key key, uint32_t *slot, uint64_t *word)
{
    return find_quickly(s, key, slot, word) ? 0 : find_with_proof(s, key, slot, word);
}

int index_insert(struct objstore *s, uint32_t own, struct key key, uint32_t *slot, uint64_t *word)
{
    struct search q = { .key = key, .bucket = key_bucket(s, key), .may_help = true };
    struct slot *at = slot_at(s, own);
    uint64_t tag = au64_load_relaxed(&at->next); /* relaxed: ours alone until L1 */

    for (;;) {
        int err = search(s, &q);

        if (!err) {
            *slot = q.slot;
            *word = q.word;
            return -EEXIST;
        }
        if (err != -ENOENT)
            return err;
        au64_store_release(&at->next, link_make(link_target(q.head), ++tag)); /* E1 */
        POINT("index: next set, not entered");
        if (au64_cas_acq_rel(&s->buckets[q.bucket], &q.head, /* L1, E1 */
                             link_make((uint64_t)own + 1, q.head + 1)))
            return 0;
    }
}

int index_insert_behind(struct objstore *s, uint32_t own, uint32_t old)
{
    struct au64 *from = &slot_at(s, old)->next;
    struct slot *at = slot_at(s, own);
    uint64_t tag = au64_load_relaxed(&at->next); /* relaxed: ours alone until L4 */
    uint64_t link = au64_load_acquire(from);     /* E1 */

    do {
        if (link_is_marked(link))
            return -EAGAIN;
        au64_store_release(&at->next, link_make(link_target(link), ++tag)); /* E1 */
        POINT("index: next set, not entered behind");
    } while (!au64_cas_acq_rel(from, &link, link_make((uint64_t)own + 1, link + 1))); /* L4, E1 */
    return 0;
}

int index_remove(struct objstore *s, uint32_t slot, uint64_t word)
{
    struct slot *at = slot_at(s, slot);
    struct search q = { .avoid = slot + 1, .may_help = true };
    uint64_t next;

    q.key.id[0] = au64_load_relaxed(&at->id[0]); /* relaxed: checked by the word below */
    q.key.id[1] = au64_load_relaxed(&at->id[1]);
    do {
        next = au64_load_acquire(&at->next);         /* E1: before the word */
        uint64_t now = au64_load_acquire(&at->word); /* E1 */
        if (word_generation(now) != word_generation(word) || word_is_present(now) ||
            word_state(now) == SLOT_FREE)
            return 0; /* somebody did it, and the slot has another life */
    } while (!link_is_marked(next) && !mark(at, next));
    POINT("index: marked by its remover");
    q.bucket = key_bucket(s, q.key);
    q.key = (struct key){ { 0, 0 } }; /* no object has this id: search the whole chain */
    int err = search(s, &q);
    return err == -ENOENT ? 0 : err ? err : -EBADMSG;
}

int index_walk(const struct objstore *s, uint64_t bucket, int (*visit)(uint32_t slot, void *ctx),
               void *ctx)
{
    uint64_t link = au64_load_acquire(&s->buckets[bucket]); /* E1 */
    uint32_t slots = slots_in_use(s);

    for (uint64_t steps = 0; link_target(link) != 0; steps++) {
        if (link_target(link) > slots || steps > slots)
            return -EBADMSG;
        int err = visit(link_target(link) - 1, ctx);
        if (err)
            return err;
        link = au64_load_acquire(&slot_at(s, link_target(link) - 1)->next); /* E1 */
    }
    return 0;
}
