/* SPDX-License-Identifier: MIT */
/*
 * deps.c -- "B starts when A is done": the entries at A, the bits at B.
 *
 * B has a bit for each of its dependencies that is not over. The first 32 stand in B's line, more
 * in blocks that B owns. A has a bag of entries (B, position of the bit) in blocks that A owns.
 *
 *   prepare   B's bits, and in B's name all blocks that the entries will need: if there are not so
 *             many, B was never there.                                    deps_prepare()
 *   register  entry into A's bag, then WAITED into A's word by CAS. If A is over by then, we
 *             clear the bit ourselves.                                    deps_register()
 *   tell      who ended A goes through the bag and clears the bits.      deps_tell()
 *   unblock   who clears a bit and sees none left makes B PENDING.       task_unblock()
 *
 * All of it may be done twice, by several processes, or again after a death: a bit is cleared, not
 * counted. A bit's word carries a tag (the generation of B; in a block its version, which is new
 * each time the block is allocated) and changes by CAS, so that a late clear of a bit of an older
 * task that was in the same place fails.
 *
 * Blocks   owner: 0, or the task they belong to, with the seat that allocated them. Whoever
 *   recycles the task frees them. What was prepared becomes A's with its first entry; what is left
 *   of it is given back. Only if others fill A's blocks in the meantime it may be too little, and
 *   then none free: B is cancelled, and its entries are taken out of the bags, where
 *   others find the place. (The blocks stay A's: others may be about to write to them.) After a death the supervisor frees blocks of the dead seat that
 *   their task does not lead to, and those of slots that it was making or recycling
 *   (deps_sweep()).
 * Ordering
 *   D1  entry stored, then A's word read | A's word set to over, then entries read; a seq_cst fence
 *       between the two on either side. Either deps_tell() sees the entry, or who registers sees
 *       that A is over. WAITED may have been set long before by another.
 *   D2  bits cleared by seq_cst CAS, all looked at afterwards by seq_cst loads: of two processes
 *       that clear the last two bits, at least one sees none left.
 *   D3  a block's words and next are stored before it is linked (CAS release) -> acquire of
 *       walkers.
 * Limits   65,536 dependencies a task; an entry's generation is 28 bits.
 */
#include "pool.h"

#include <string.h>

#define INLINE_BITS 32u
#define BLOCK_BITS (BLOCK_WORDS * 32u)
#define ENTRY_GENERATION 0xfffffffu /* 28 bits */

static uint64_t owner_make(uint32_t index, uint32_t generation, uint32_t seat)
{
    return (uint64_t)generation << 32 | (uint64_t)seat << 21 | (index + 1);
}
static uint32_t owner_index(uint64_t owner)
{
    return ((uint32_t)owner & 0x1fffff) - 1;
}
static bool owner_is(uint64_t owner, uint32_t index, uint32_t generation)
{
    return owner && owner_index(owner) == index && owner >> 32 == generation;
}

/* ---- blocks ------------------------------------------------------------------------------ */

static struct block *block_at(const struct wsched *p,
                              uint32_t link) /* NULL at the end of a chain */
{
    return link && link <= p->block_count ? &p->blocks[link - 1] : NULL;
}

/* A link to an empty block, or 0: there is none. */
static uint32_t block_take(struct wsched *p, uint32_t index, uint32_t generation)
{
    uint64_t owner = owner_make(index, generation, p->seat);
    uint32_t cursor = au32_load_relaxed(&p->block_cursor); /* relaxed: a hint */

    for (uint32_t n = 0; n < p->block_count; n++) {
        uint32_t at = (cursor + n) % p->block_count;
        struct block *b = &p->blocks[at];
        uint64_t none = 0;
        if (au64_load_relaxed(&b->owner)) /* relaxed: the CAS decides */
            continue;
        /* First say how far a sweep must look, then take it. */
        uint32_t used = au32_load_relaxed(&p->header->blocks_used);
        while (used < at + 1 && !au32_cas_acq_rel(&p->header->blocks_used, &used, at + 1))
            ;
        if (!au64_cas_acq_rel(&b->owner, &none, owner))
            continue;
        POINT("deps: block taken, not linked");
        au32_store_relaxed(&p->block_cursor, at + 1); /* relaxed: a hint */
        b->version++;
        au32_store_relaxed(&b->next, 0); /* relaxed: D3 */
        for (uint32_t i = 0; i < BLOCK_WORDS; i++)
            au64_store_relaxed(&b->w[i], 0); /* relaxed: D3 */
        return at + 1;
    }
    return 0;
}

static void block_give(struct wsched *p, struct block *b, uint64_t owner)
{
    if (au64_cas_acq_rel(&b->owner, &owner, 0))
        au32_store_relaxed(&p->block_cursor, (uint32_t)(b - p->blocks)); /* relaxed: a hint */
}

static void chain_free(struct wsched *p, uint32_t link, uint32_t index, uint32_t generation)
{
    struct block *b;

    while ((b = block_at(p, link)) != NULL) {
        uint64_t owner = au64_load_acquire(&b->owner);
        if (!owner_is(owner, index, generation))
            return;                         /* a sweep was here, or the chain is damaged */
        link = au32_load_relaxed(&b->next); /* relaxed: D3 */
        block_give(p, b, owner);
        POINT("deps: a block of the chain is free");
    }
}

void deps_free(struct wsched *p, uint32_t index, uint32_t generation)
{
    struct task *t = task_at(p, index);
    uint64_t successors = au64_load_acquire(&t->successors);

    if ((uint32_t)successors && successors >> 32 == generation)
        chain_free(p, (uint32_t)successors, index, generation);
    if (t->kernel & KERNEL_AFTER)
        chain_free(p, task_detail(p, t)->dep_blocks, index, generation);
}

/* ---- bits -------------------------------------------------------------------------------- */

static uint64_t full_word(uint32_t tag, uint32_t bits)
{
    return (uint64_t)tag << 32 | (bits >= 32 ? 0xffffffffu : (1u << bits) - 1);
}

static int prepare_bits(struct wsched *p, uint32_t index, uint32_t generation, uint32_t count)
{
    struct detail *t = task_detail(p, task_at(p, index));

    au64_store_relaxed(&t->deps, full_word(generation, count)); /* relaxed: E1 */
    t->dep_blocks = 0;
    for (uint32_t done = INLINE_BITS; done < count; done += BLOCK_BITS) {
        uint32_t link = block_take(p, index, generation);
        if (!link) {
            chain_free(p, t->dep_blocks, index, generation);
            t->dep_blocks = 0;
            return -ENOBUFS;
        }
        /* The last block of the chain has the first positions: pushing keeps it simple. */
        struct block *b = &p->blocks[link - 1];
        for (uint32_t i = 0; i < BLOCK_WORDS; i++) {
            uint32_t before = done + i * 32;
            uint32_t here = before < count ? count - before : 0;
            au64_store_relaxed(&b->w[i], full_word(b->version, here)); /* relaxed: E1 */
        }
        au32_store_relaxed(&b->next, t->dep_blocks);
        t->dep_blocks = link;
    }
    return 0;
}

/* ---- room -------------------------------------------------------------------------------- */

#define TALLIES 512u /* power of two */
struct tally {       /* of entries for one task */
    uint32_t index;  /* + 1; 0: none */
    uint32_t room;   /* for so many more, in blocks that it has or that are counted */
};

/* Words that are free where bag_add() looks for them. */
static uint32_t room_in_bag(const struct wsched *p, uint32_t index, uint32_t generation)
{
    uint64_t head = au64_load_acquire(&task_at(p, index)->successors); /* D3 */
    const struct block *b = head >> 32 == generation ? block_at(p, (uint32_t)head) : NULL;
    uint32_t room = 0;

    for (uint32_t i = 0; b && i < BLOCK_WORDS; i++)
        room += !au64_load_relaxed(&b->w[i]); /* relaxed: bag_add() decides */
    return room;
}

/*
 * Blocks that entries at all of these need, or some more: where the tallies of two tasks meet, one
 * is forgotten, and then has no room for all we know.
 */
static uint32_t blocks_for_entries(const struct wsched *p, const struct wsched_future *after,
                                   uint32_t count)
{
    struct tally tally[TALLIES];
    uint32_t used = 1, want = 0, index;
    uint64_t word;

    while (used < TALLIES && used < 2 * count)
        used *= 2;
    memset(tally, 0, used * sizeof *tally);
    for (uint32_t i = 0; i < count; i++) {
        if (!future_look(p, after[i].v, &index, &word) || word_is_over(word))
            continue;
        struct tally *t = &tally[index % used];
        if (t->index != index + 1)
            *t = (struct tally){ index + 1,
                                 t->index ? 0 : room_in_bag(p, index, word_generation(word)) };
        if (!t->room)
            t->room = BLOCK_WORDS, want++;
        t->room--;
    }
    return want;
}

static uint32_t blocks_for_bits(uint32_t count)
{
    return count > INLINE_BITS ? (count - INLINE_BITS + BLOCK_BITS - 1) / BLOCK_BITS : 0;
}

static void stock_give(struct wsched *p, uint32_t *stock, uint64_t owner)
{
    struct block *b;

    while ((b = block_at(p, *stock)) != NULL && owner == au64_load_relaxed(&b->owner)) {
        *stock = au32_load_relaxed(&b->next); /* relaxed: ours */
        block_give(p, b, owner);
    }
    *stock = 0;
}

/* False: there are not so many. */
static bool stock_take(struct wsched *p, uint32_t *stock, uint32_t want, uint32_t index,
                       uint32_t generation)
{
    *stock = 0;
    while (want--) {
        uint32_t link = block_take(p, index, generation);
        if (!link) {
            stock_give(p, stock, owner_make(index, generation, p->seat));
            return false;
        }
        au32_store_relaxed(&p->blocks[link - 1].next, *stock); /* relaxed: ours */
        *stock = link;
    }
    return true;
}

/* A link to an empty block for the bag of task `index`: one that was prepared under the name
 * `owner`, or any. 0: there is none. */
static uint32_t stock_block(struct wsched *p, uint32_t *stock, uint64_t owner, uint32_t index,
                            uint32_t generation)
{
    const uint32_t link = *stock;
    struct block *b = block_at(p, link);

    if (!b)
        return block_take(p, index, generation);
    *stock = au32_load_relaxed(&b->next); /* relaxed: ours */
    bool is_ours = au64_cas_acq_rel(&b->owner, &owner, owner_make(index, generation, p->seat));
    POINT("deps: block of the stock in another's name, not linked");
    return is_ours ? link : block_take(p, index, generation); /* no: damaged */
}

/*
 * For a task in MAKING: bits for `count` dependencies, and blocks for their entries, of which *stock
 * becomes a chain. -ENOBUFS: there are not so many.
 */
int deps_prepare(struct wsched *p, uint32_t index, uint32_t generation,
                 const struct wsched_future *after, uint32_t count, uint32_t *stock)
{
    int err = prepare_bits(p, index, generation, count);

    *stock = 0;
    if (!err && !stock_take(p, stock, blocks_for_entries(p, after, count), index, generation)) {
        chain_free(p, task_detail(p, task_at(p, index))->dep_blocks, index, generation);
        task_detail(p, task_at(p, index))->dep_blocks = 0;
        err = -ENOBUFS;
    }
    return err;
}

/* ---- telling ----------------------------------------------------------------------------- */

static void clear_bit(struct au64 *word, uint32_t tag, uint32_t bit)
{
    uint64_t w = au64_load_acquire(word);

    while (w >> 32 == tag && (w >> bit & 1))
        if (au64_cas_seq_cst(word, &w, w & ~(1ull << bit))) /* D2 */
            return;
}

/* Clear the bit at `position` of the task's further bits. */
static void clear_far_bit(struct wsched *p, uint32_t index, uint32_t generation, uint32_t position)
{
    uint32_t chain = 0, n = 0, number = (position - INLINE_BITS) / BLOCK_BITS;
    uint32_t link = task_detail(p, task_at(p, index))->dep_blocks;
    struct block *b;

    for (uint32_t l = link; (b = block_at(p, l)) != NULL && chain < p->block_count; chain++)
        l = au32_load_relaxed(&b->next); /* relaxed: D3 */
    while ((b = block_at(p, link)) != NULL && n < chain) {
        link = au32_load_relaxed(&b->next); /* relaxed: D3 */
        if (chain - 1 - n++ != number)
            continue;
        uint32_t version = b->version;
        if (!owner_is(au64_load_acquire(&b->owner), index, generation))
            return;
        position = (position - INLINE_BITS) % BLOCK_BITS;
        clear_bit(&b->w[position / 32], version, position % 32);
        return;
    }
}

bool deps_all_over(struct wsched *p, const struct task *t)
{
    const struct detail *d = task_detail(p, t);
    uint32_t link = d->dep_blocks, n = 0;
    struct block *b;

    if ((uint32_t)au64_load_seq_cst(&d->deps)) /* D2 */
        return false;
    for (; (b = block_at(p, link)) != NULL && n < p->block_count; n++) {
        for (uint32_t i = 0; i < BLOCK_WORDS; i++)
            if ((uint32_t)au64_load_seq_cst(&b->w[i])) /* D2 */
                return false;
        link = au32_load_relaxed(&b->next); /* relaxed: D3 */
    }
    return true;
}

/* ---- entries ----------------------------------------------------------------------------- */

static uint64_t entry_make(uint64_t future, uint32_t position)
{
    return (uint64_t)(future_generation(future) & ENTRY_GENERATION) << 36 |
           (uint64_t)position << 20 |
           (future_index(future) + 1); /* + 1: never 0, which is "none" */
}

/* Task `culprit` is over: the entry's task has one thing less to wait for, or fails with it. */
static void resolve(struct wsched *p, uint64_t entry, uint32_t culprit, uint64_t culprit_word)
{
    uint32_t index = ((uint32_t)entry & 0xfffff) - 1, position = (uint32_t)(entry >> 20) & 0xffff;

    if (index >= p->task_count)
        return;
    struct task *t = task_at(p, index);
    uint64_t word = au64_load_acquire(&t->word);
    uint32_t generation = word_generation(word);
    if ((generation & ENTRY_GENERATION) != entry >> 36 || word_state(word) != TASK_BLOCKED)
        return;
    if (word_state(culprit_word) != TASK_DONE) {
        task_fail_dependent(p, index, word, culprit, culprit_word);
        return;
    }
    if (position < INLINE_BITS)
        clear_bit(&task_detail(p, t)->deps, generation, position);
    else
        clear_far_bit(p, index, generation, position);
    POINT("deps: bit cleared, task not unblocked");
    if (deps_all_over(p, t))
        task_unblock(p, index, word);
}

/* Into the bag of task `index`. -ENOBUFS: no block is free; -EINVAL: the task is no more. */
static int bag_add(struct wsched *p, uint32_t index, uint32_t generation, uint64_t entry,
                   uint32_t *stock, uint64_t stock_owner)
{
    struct task *t = task_at(p, index);
    uint32_t fresh = 0;

    for (;;) {
        uint64_t head = au64_load_acquire(&t->successors); /* D3 */
        struct block *b = block_at(p, (uint32_t)head);
        int err = head >> 32 != generation ? -EINVAL : 1;
        for (uint32_t i = 0; err == 1 && b && i < BLOCK_WORDS; i++) {
            uint64_t none = 0;
            if (!au64_load_relaxed(&b->w[i]) && au64_cas_release(&b->w[i], &none, entry)) /* D1 */
                err = 0;
        }
        if (err == 1 && !fresh && !(fresh = stock_block(p, stock, stock_owner, index, generation)))
            err = -ENOBUFS;
        if (err < 1) {
            if (fresh)
                block_give(p, &p->blocks[fresh - 1], owner_make(index, generation, p->seat));
            return err;
        }
        au64_store_relaxed(&p->blocks[fresh - 1].w[0], entry); /* relaxed: D3 */
        au32_store_relaxed(&p->blocks[fresh - 1].next, (uint32_t)head);
        if (au64_cas_release(&t->successors, &head, (uint64_t)generation << 32 | fresh)) /* D3 */
            return 0;
    }
}

/* Out of the bag of the task that `after` names, if it is there; mostly near its head. */
static void bag_remove(struct wsched *p, uint64_t after, uint64_t entry)
{
    uint32_t index;
    uint64_t word;

    if (!future_look(p, after, &index, &word))
        return;
    uint64_t head = au64_load_acquire(&task_at(p, index)->successors); /* D3 */
    uint32_t link = head >> 32 == word_generation(word) ? (uint32_t)head : 0;
    struct block *b;
    for (uint32_t n = 0; n < p->block_count && (b = block_at(p, link)) != NULL; n++) {
        for (uint32_t i = 0; i < BLOCK_WORDS; i++) {
            uint64_t seen = entry; /* no other word of the pool is like it */
            if (au64_load_relaxed(&b->w[i]) == entry && au64_cas_acq_rel(&b->w[i], &seen, 0))
                return;
        }
        link = au32_load_relaxed(&b->next); /* relaxed: D3 */
    }
}

/* *done: how many may have an entry. */
static int register_all(struct wsched *p, uint64_t future, const struct wsched_future *after,
                        uint32_t count, uint32_t *stock, uint32_t *done)
{
    const uint64_t owner = owner_make(future_index(future), future_generation(future), p->seat);

    for (uint32_t i = *done = 0; i < count; *done = ++i) {
        uint64_t entry = entry_make(future, i), word;
        uint32_t index;
        if (!future_look(p, after[i].v, &index, &word))
            return -EINVAL;
        POINT("deps: blocked, not registered with one");
        if (!word_is_over(word)) {
            int err = bag_add(p, index, word_generation(word), entry, stock, owner);
            if (err)
                return err;
            POINT("deps: entry made, task not marked as waited for");
        }
        uint32_t generation = word_generation(word);
        fence_seq_cst(); /* D1: the entry before the look at the word, which may be WAITED already
                          */
        word = au64_load_acquire(&task_at(p, index)->word);
        while (word_generation(word) == generation && !word_is_over(word) && !(word & WORD_WAITED))
            if (au64_cas_acq_rel(&task_at(p, index)->word, &word, word | WORD_WAITED)) /* E3, D1 */
                break;
        if (word_generation(word) != generation)
            return -EINVAL;
        if (word_is_over(word))
            resolve(p, entry, index, word);
    }
    return 0;
}

/* `stock` as of deps_prepare(). -ENOBUFS, -EINVAL as bag_add(): then no entry is left. */
int deps_register(struct wsched *p, uint64_t future, const struct wsched_future *after,
                  uint32_t count, uint32_t stock)
{
    uint32_t done;
    int err = register_all(p, future, after, count, &stock, &done);

    stock_give(p, &stock, owner_make(future_index(future), future_generation(future), p->seat));
    while (err && done--)
        bag_remove(p, after[done].v, entry_make(future, done));
    return err;
}

void deps_tell(struct wsched *p, uint32_t index, uint64_t word)
{
    uint64_t head = au64_load_acquire(&task_at(p, index)->successors); /* D3 */
    uint32_t link = (uint32_t)head;
    struct block *b;

    if (head >> 32 != word_generation(word))
        return;
    for (uint32_t n = 0; n < p->block_count && (b = block_at(p, link)) != NULL; n++) {
        for (uint32_t i = 0; i < BLOCK_WORDS; i++) {
            uint64_t entry = au64_load_acquire(&b->w[i]);
            if (entry) {
                POINT("deps: about to tell one");
                resolve(p, entry, index, word);
            }
        }
        link = au32_load_relaxed(&b->next); /* relaxed: D3 */
    }
}

/* ---- after a death ----------------------------------------------------------------------- */

static bool leads_to(struct wsched *p, uint32_t link, uint32_t wanted)
{
    struct block *b;

    for (uint32_t n = 0; n < p->block_count && (b = block_at(p, link)) != NULL; n++) {
        if (link == wanted)
            return true;
        link = au32_load_relaxed(&b->next); /* relaxed: D3 */
    }
    return false;
}

/*
 * Nobody will free this block. A slot in MAKING is being recycled or prepared by its seat: while
 * that lives, its blocks are its business; when it is dead, all of them are lost.
 */
static bool block_is_lost(struct wsched *p, uint32_t link, uint64_t owner,
                          const uint64_t dead[MASK_WORDS])
{
    uint32_t index = owner_index(owner), taker = (uint32_t)(owner >> 21) & 0x1ff;

    if (index >= p->task_count)
        return true;
    struct task *t = task_at(p, index);
    uint64_t word = au64_load_acquire(&t->word);
    if (word_state(word) == TASK_MAKING)
        return seats_have(dead, word_seat(word));
    if (word_generation(word) != owner >> 32)
        return true;
    return seats_have(dead, taker) &&
           !leads_to(p, (uint32_t)au64_load_acquire(&t->successors), link) &&
           !(t->kernel & KERNEL_AFTER && leads_to(p, task_detail(p, t)->dep_blocks, link));
}

/* Free what dead seats took and did not link, or did not get to free. Before their slots in MAKING
 * are given to others. */
void deps_sweep(struct wsched *p, const uint64_t dead[MASK_WORDS])
{
    uint32_t used = au32_load_acquire(&p->header->blocks_used);

    for (uint32_t i = 0; i < used && i < p->block_count; i++) {
        uint64_t owner = au64_load_acquire(&p->blocks[i].owner);
        if (owner && block_is_lost(p, i + 1, owner, dead))
            au64_cas_acq_rel(&p->blocks[i].owner, &owner, 0);
    }
}

uint32_t deps_blocks_free(struct wsched *p)
{
    uint32_t used = au32_load_acquire(&p->header->blocks_used), n = p->block_count;

    for (uint32_t i = 0; i < used && i < p->block_count; i++)
        n -= au64_load_relaxed(&p->blocks[i].owner) != 0; /* relaxed: a look */
    return n;
}

/* Are there enough blocks for a task after these? */
bool deps_have_room(struct wsched *p, const struct wsched_future *after, uint32_t count)
{
    return deps_blocks_free(p) >= blocks_for_bits(count) + blocks_for_entries(p, after, count);
}

int deps_verify(struct wsched *p, const char **what)
{
    uint32_t used = au32_load_acquire(&p->header->blocks_used);

    if (used > p->block_count)
        return *what = "more of them were used than there are", -EBADMSG;
    for (uint32_t i = 0; i < used; i++) {
        uint64_t owner = au64_load_acquire(&p->blocks[i].owner);
        if (owner && owner_index(owner) >= p->task_count)
            return *what = "owned by a task that does not exist", -EBADMSG;
        if (owner && au32_load_acquire(&p->blocks[i].next) > p->block_count)
            return *what = "a chain leads out of the table", -EBADMSG;
    }
    return 0;
}
