/* SPDX-License-Identifier: MIT */
/*
 * index.c -- from an id to its slot.
 *
 * All slots that are in use stand in one list, through their `next` words: Harris and Michael's
 * lock-free list (Michael, SPAA 2002) on type-stable nodes. It is in the order of the hashes of the
 * ids, their bits read from the lowest to the highest. The buckets are places in the list to
 * begin at: bucket b stands before all slots whose hash ends in the bits of b. So a table of twice
 * the size has the same buckets and as many more between them, and nothing ever moves (Shalev
 * and Shavit, Split-ordered lists, JACM 2006). The table in use is as large as the number of slots
 * that were ever used; that number only grows, and who sees an old one begins further ahead
 * in the list, no more. A small store touches few bucket lines, and few page table entries.
 *
 * A link packs target:32 | flag:1 | bucket:1 | tag:30. The target is a slot + 1, 0 for the end, or,
 * with `bucket`, a bucket. The flag says marked in a slot's link, open in a bucket's. Every
 * change of a link word, by compare-and-swap, raises its tag, and a slot's own link keeps counting
 * from one life to the next, so a word that reads the same twice did not change in between.
 *
 *   L1  head -> new slot         index_insert()  new.next was set to the old head's target before
 *   L2  next -> next | mark      mark()          only while the slot's word says DOOMED/RECLAIM
 *   L3  link to a marked slot -> that slot's next   search()  by whoever passes
 *   L4  next -> new slot         index_insert_behind()  the slot before it is held by a pin
 *   B1  bucket's link: where the list goes on from its place   open_bucket()
 *   B2  link across its place -> bucket                        open_bucket()
 *   B3  bucket's link | open                                   open_bucket(), once it is in the
 * list
 *
 * The head of an id is the one link that crosses the beginning of its hash's place in the list.
 *
 * Invariants
 *   I1  A link that is marked never changes again in this life of its slot.
 *   I2  A slot is FREE only after L3 took it out: its last owner searched the whole place of its
 *       hash after L2, and L3 precedes any search's stepping over a marked slot.
 *   I3  One slot per id is present (WRITING or SEALED). Every entry changes the head (L1), so
 *       "nobody has this id" is one decision with the entry: the place was searched from a
 *       head, and L1 replaces exactly that head. What was removed meanwhile does no harm.
 *   I4  An object that changes slots (replace.c) moves backwards in the list: a new form is
 *       entered (L4) behind the old one, invisible, and takes over while the old one is still in
 *       its place. A search that passes the old form when it is no longer present meets the
 *       new one later; so "not there" stays a proof although L4 leaves the head alone.
 *   I5  A bucket that is in the list stays, and a bucket that is open is in it. Only open ones
 *       (and bucket 0, the beginning) are begun at.
 *   I6  When B2 takes effect the bucket's link leads where the link across its place led. Who did
 *       the last B1 had read the bucket's link before it searched, so all searches that its B1
 *       follows are newer than all B1 before; and B2 proves that the link across the place
 *       has not changed since its own search, hence not since that last one either.
 *
 * Stepping safely: a slot's next, word and id are believed only if, after they were read, the
 * link that led to the slot is unchanged: then the slot was in the list when they were read.
 * Else the search starts again. index_find_quickly() does without that: a slot that has the id
 * and is present is the right one however we came to it; only "not there" needs the proof.
 *
 * Crashes  L1 to L4, B2 and B3 are single steps. A death between L2 and L3 leaves a marked slot in
 *   the list, which the next search takes out. A death before L2 leaves a slot in DOOMED or
 *   RECLAIM, which searches do not count as present and mark on their way. A death after B1 leaves
 *   a bucket's link that nobody reads, after B2 a bucket that is in the list and not open: the
 *   next to want it goes on from there. Nobody ever waits for one who opens a bucket.
 *
 * Ordering  E1: L1 releases what the entry reads: id and word. Searches acquire. B2 and B3 release
 *   B1, and acquire.
 * Progress  Lock-free: a search starts again only because some other change succeeded.
 * Limits    A tag recurs after 2^30 changes of one word, within one step of a search. A list
 *   longer than there are slots and buckets is damage: -EBADMSG.
 */
#include "index.h"
#include "replace.h"

static bool link_is_marked(uint64_t link)
{
    return link & LINK_FLAG;
}
static uint64_t link_to_slot(uint32_t slot)
{
    return ((uint64_t)slot + 1) << 32;
}
static uint64_t link_to_bucket(uint32_t bucket)
{
    return (uint64_t)bucket << 32 | LINK_BUCKET;
}
/* What the link word `now` becomes when it is to lead where `to` leads: its flag stays. */
static uint64_t link_change(uint64_t now, uint64_t to)
{
    return (to & ~(LINK_FLAG | LINK_TAG)) | (now & LINK_FLAG) | ((now + 1) & LINK_TAG);
}

/* ---- the order ----------------------------------------------------------------------------- */

bool index_is_before(uint64_t hash, uint64_t other)
{
    uint64_t different = hash ^ other;

    return other & different & -different; /* the lowest bit in which they differ */
}

/* Buckets in use, a power of two: at least one per slot that was ever used, if there are as many.
 */
static uint32_t table_size(const struct objstore *s)
{
    uint64_t slots = au64_load_relaxed(&s->header->slots_fresh); /* relaxed: any value will do */

    if (slots >= s->geo.buckets)
        return (uint32_t)s->geo.buckets;
    return slots < 2 ? 1 : 1u << (32 - __builtin_clz((uint32_t)slots - 1));
}

void index_learn(const struct objstore *s)
{
    struct objstore *own = (struct objstore *)(uintptr_t)s; /* private hints: not the store's */

    au32_store_relaxed(&own->known.slots, slots_in_use(s)); /* relaxed, both: they only grow */
    au32_store_relaxed(&own->known.buckets_mask, table_size(s) - 1);
}

void index_prefetch(const struct objstore *s, struct key key)
{
    __builtin_prefetch(&s->buckets[key_hash(key) & (table_size(s) - 1)], 1);
}

/* ---- searching ----------------------------------------------------------------------------- */

/* In its chain, and not to be taken out: it makes way, or is to take another's place. */
static bool word_is_passing(uint64_t word)
{
    return word_state(word) == SLOT_STANDBY || word_state(word) == SLOT_REPLACED;
}

struct search {
    struct key key;
    uint64_t hash;     /* the place: of this hash, or of the bucket with this number */
    bool is_bucket;    /* that is what is searched for */
    bool may_help;     /* mark and take out on the way; a read-only handle must not */
    uint32_t begin;    /* the bucket to begin at */
    uint32_t avoid;    /* stop with -ENOENT once this slot + 1 was taken out; 0: none */
    struct au64 *head; /* out: the link across the beginning of the place, and what it was */
    uint64_t head_link;
    uint32_t slot; /* out, when found */
    uint64_t word;
};

enum step { STEP_ON, STEP_AGAIN, STEP_FOUND, STEP_REMOVED, STEP_END };

static bool mark(struct slot *at, uint64_t next)
{
    return au64_cas_acq_rel(&at->next, &next, link_change(next, next) | LINK_FLAG); /* L2 */
}

/* One bucket on the way: *link in *from led to it. */
static enum step pass_bucket(const struct objstore *s, const struct search *q, struct au64 **from,
                             uint64_t *link)
{
    uint32_t bucket = link_target(*link);

    if (q->is_bucket && bucket == q->hash)
        return STEP_FOUND;
    if (index_is_before(q->hash, bucket))
        return STEP_END;
    *from = &s->buckets[bucket];
    *link = au64_load_acquire(*from); /* E1 */
    return STEP_ON;
}

/* A slot that is neither present nor passing: out with it. */
static enum step take_out(struct search *q, struct au64 *from, uint64_t *link, struct slot *at,
                          uint64_t next)
{
    if (!link_is_marked(next)) {
        mark(at, next);
        POINT("index: marked, still linked");
        return STEP_ON; /* to the same slot again */
    }
    uint32_t target = link_target(*link);
    uint64_t shorter = link_change(*link, next);
    if (!au64_cas_acq_rel(from, link, shorter)) /* L3 */
        return STEP_AGAIN;
    POINT("index: unlinked");
    if (from == q->head)
        q->head_link = shorter;
    *link = shorter;
    return target == q->avoid ? STEP_REMOVED : STEP_ON;
}

/* One slot on the way: *link in *from led to it. */
static enum step pass_slot(const struct objstore *s, struct search *q, struct au64 **from,
                           uint64_t *link)
{
    uint32_t index = link_target(*link) - 1;
    struct slot *at = slot_at(s, index);
    uint64_t next = au64_load_acquire(&at->next); /* E1 */
    uint64_t word = au64_load_acquire(&at->word); /* E1 */
    struct key key = { { au64_load_relaxed(&at->id[0]), au64_load_relaxed(&at->id[1]) } };

    atomic_thread_fence(memory_order_acquire); /* all of these before the link again */
    if (au64_load_relaxed(*from) != *link)     /* relaxed: the fence orders it */
        return STEP_AGAIN;
    uint64_t hash = key_hash(key);
    if (!index_is_before(hash, q->hash)) { /* the place begins here, or is behind us */
        if (!q->head) {
            q->head = *from;
            q->head_link = *link;
        }
        if (q->is_bucket || hash != q->hash)
            return STEP_END;
    }
    bool has_key = key.id[0] == q->key.id[0] && key.id[1] == q->key.id[1];
    if (!link_is_marked(next) && word_state(word) == SLOT_REPLACED && has_key && q->may_help) {
        replace_help(s, index, word); /* then it is no longer, and its heir is behind it */
        return STEP_ON;               /* to the same slot again */
    }
    if (!link_is_marked(next) && (word_is_present(word) || word_is_passing(word))) {
        if (has_key && word_state(word) != SLOT_STANDBY) {
            q->slot = index;
            q->word = word;
            return STEP_FOUND;
        }
    } else if (q->may_help) {
        return take_out(q, *from, link, at, next);
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
    q->head = NULL;
    from = &s->buckets[q->begin];
    link = au64_load_acquire(from); /* E1 */
    for (steps = 0; link_target(link) != 0; steps++) {
        bool is_bucket = link & LINK_BUCKET;

        if (!is_bucket && link_target(link) > slots)
            slots = slots_in_use(s); /* it may have grown since */
        if (link_target(link) > (is_bucket ? s->geo.buckets - 1 : slots) ||
            steps > 4 * (uint64_t)slots + s->geo.buckets)
            return -EBADMSG;
        switch (is_bucket ? pass_bucket(s, q, &from, &link) : pass_slot(s, q, &from, &link)) {
        case STEP_AGAIN:
            goto again;
        case STEP_FOUND:
            return 0;
        case STEP_REMOVED:
            return -ENOENT;
        case STEP_END:
            goto end;
        case STEP_ON:
        default:
            break;
        }
    }
end:
    if (!q->head) {
        q->head = from;
        q->head_link = link;
    }
    return -ENOENT;
}

/* ---- opening buckets ----------------------------------------------------------------------- */

/* Put a bucket into the list, unless it is; search from `begin`, which is in front of it. */
static int open_bucket(const struct objstore *s, uint32_t bucket, uint32_t begin)
{
    struct search q = { .hash = bucket, .is_bucket = true, .may_help = true, .begin = begin };
    struct au64 *at = &s->buckets[bucket];

    for (;;) {
        uint64_t link = au64_load_acquire(at); /* B3; I6: before the search */

        if (bucket_is_open(bucket, link))
            return 0;
        int err = search(s, &q);
        if (err && err != -ENOENT)
            return err;
        if (err) {
            uint64_t to = link_change(link, q.head_link);

            if (!au64_cas_acq_rel(at, &link, to)) /* B1 */
                continue;
            link = to;
            POINT("index: a bucket prepared, not in the list");
            if (!au64_cas_acq_rel(q.head, &q.head_link, /* B2 */
                                  link_change(q.head_link, link_to_bucket(bucket))))
                continue;
            POINT("index: a bucket in the list, not open");
        }
        au64_cas_acq_rel(at, &link, link_change(link, link) | LINK_FLAG); /* B3 */
    }
}

/*
 * The bucket to begin at for this hash: that of the table in use, opened if need be, with all
 * those that it was split from. Who must not, begins at the nearest that is open.
 */
static int begin_at(const struct objstore *s, uint64_t hash, bool may_open, uint32_t *begin)
{
    uint32_t bucket = (uint32_t)hash & (table_size(s) - 1), left = bucket;

    *begin = bucket;
    if (bucket_is_open(bucket, au64_load_acquire(&s->buckets[bucket]))) /* B3 */
        return 0;
    for (*begin = 0; left; left &= left - 1) {
        uint32_t next = bucket & (left ^ (left - 1)); /* with one more of its bits */

        if (!bucket_is_open(next, au64_load_acquire(&s->buckets[next]))) { /* B3 */
            int err = may_open ? open_bucket(s, next, *begin) : 0;

            if (err || !may_open)
                return err;
        }
        *begin = next;
    }
    return 0;
}

/* ---- the calls ----------------------------------------------------------------------------- */

/* Not inlined: the compiler would build its struct on the quick path, too. */
static __attribute__((noinline)) int find_with_proof(const struct objstore *s, struct key key,
                                                     uint32_t *slot, uint64_t *word)
{
    struct search q = { .key = key, .hash = key_hash(key), .may_help = s->rw != NULL };

    index_learn(s);
    int err = begin_at(s, q.hash, q.may_help, &q.begin);
    if (!err)
        err = search(s, &q);
    if (!err) {
        *slot = q.slot;
        *word = q.word;
    }
    return err;
}

int index_find(const struct objstore *s, struct key key, uint32_t *slot, uint64_t *word)
{
    return index_find_quickly(s, key, slot, word) ? 0 : find_with_proof(s, key, slot, word);
}

int index_insert(struct objstore *s, uint32_t own, struct key key, uint32_t *slot, uint64_t *word)
{
    struct search q = { .key = key, .hash = key_hash(key), .may_help = true };
    struct slot *at = slot_at(s, own);
    uint64_t next = au64_load_relaxed(&at->next) & ~LINK_FLAG; /* relaxed: ours alone until L1 */
    int err = begin_at(s, q.hash, true, &q.begin);

    while (!err) {
        err = search(s, &q);
        if (!err) {
            *slot = q.slot;
            *word = q.word;
            return q.slot == own ? -EBADMSG : -EEXIST; /* nothing leads to it yet */
        }
        if (err != -ENOENT)
            return err;
        err = 0;
        next = link_change(next, q.head_link);
        au64_store_release(&at->next, next); /* E1 */
        POINT("index: next set, not entered");
        if (au64_cas_acq_rel(q.head, &q.head_link, /* L1, E1 */
                             link_change(q.head_link, link_to_slot(own))))
            return 0;
    }
    return err;
}

int index_insert_behind(struct objstore *s, uint32_t own, uint32_t old)
{
    struct au64 *from = &slot_at(s, old)->next;
    struct slot *at = slot_at(s, own);
    uint64_t next = au64_load_relaxed(&at->next) & ~LINK_FLAG; /* relaxed: ours alone until L4 */
    uint64_t link = au64_load_acquire(from);                   /* E1 */

    do {
        if (link_is_marked(link))
            return -EAGAIN;
        next = link_change(next, link);
        au64_store_release(&at->next, next); /* E1 */
        POINT("index: next set, not entered behind");
    } while (!au64_cas_acq_rel(from, &link, link_change(link, link_to_slot(own)))); /* L4, E1 */
    return 0;
}

int index_remove(struct objstore *s, uint32_t slot, uint64_t word)
{
    struct slot *at = slot_at(s, slot);
    struct search q = { .avoid = slot + 1, .may_help = true };
    struct key key;
    uint64_t next;

    key.id[0] = au64_load_relaxed(&at->id[0]); /* relaxed: checked by the word below */
    key.id[1] = au64_load_relaxed(&at->id[1]);
    do {
        next = au64_load_acquire(&at->next);         /* E1: before the word */
        uint64_t now = au64_load_acquire(&at->word); /* E1 */
        if (word_generation(now) != word_generation(word) || word_is_present(now) ||
            word_state(now) == SLOT_FREE)
            return 0; /* somebody did it, and the slot has another life */
    } while (!link_is_marked(next) && !mark(at, next));
    POINT("index: marked by its remover");
    q.hash = key_hash(key); /* and no key, as no object has this id: search the whole place */
    int err = begin_at(s, q.hash, true, &q.begin);
    if (!err)
        err = search(s, &q);
    return err == -ENOENT ? 0 : err ? err : -EBADMSG;
}

/* ---- for verify ---------------------------------------------------------------------------- */

int index_walk(const struct objstore *s, uint32_t bucket, int (*visit)(uint32_t slot, void *ctx),
               void *ctx, uint32_t *end)
{
    uint64_t link = au64_load_acquire(&s->buckets[bucket]); /* E1 */
    uint32_t slots = slots_in_use(s);

    *end = NONE;
    for (uint64_t steps = 0; link_target(link) != 0; steps++) {
        uint32_t target = link_target(link);

        if (steps > slots + s->geo.buckets)
            return -EBADMSG;
        if (link & LINK_BUCKET) {
            if (target >= s->geo.buckets)
                return -EBADMSG;
            link = au64_load_acquire(&s->buckets[target]); /* E1 */
            if (bucket_is_open(target, link)) {
                *end = target;
                return 0;
            }
            continue;
        }
        if (target > slots)
            return -EBADMSG;
        int err = visit(target - 1, ctx);
        if (err)
            return err;
        link = au64_load_acquire(&slot_at(s, target - 1)->next); /* E1 */
    }
    return 0;
}
