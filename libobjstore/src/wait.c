/* SPDX-License-Identifier: MIT */
/*
 * wait.c -- sleeping until something is sealed.
 *
 * Ids are hashed to futex words; one more word is for those who wait for several ids. A word
 * packs count:30 | waking:1 | sleepers:1.
 *
 *   V1  sleeper: set `sleepers`, look at the object, sleep if the word is still as announced
 *   V2  sealer: change the object (T2, or L1 for an entry), then look at the word; if one of
 *       the bits is set: count + 1, `waking` set, `sleepers` clear; wake all
 *   V3  then, if the count is still its own: clear `waking`
 *   V4  a put that finds one of the bits before it seals: change the word as in V2, then let the
 *       kernel do T2 and wake all, in one system call; then V3, and V2 for who came meanwhile
 *
 * V1, T2/L1 and the loads after them are sequentially consistent: either the sealer sees the bit
 * or the sleeper sees the object. There is no count of sleepers that a death could falsify; a
 * bit that a dead sleeper left costs the next sealer one wake for nobody.
 *
 * A sealer may die between T2 and V2. So whoever sleeps for an id that somebody has entered looks
 * again every SLICE_MS, also for whether the writer lives; and nobody may sleep without that when
 * an object is sealed. objstore_create() wakes at the entry for this reason: what comes may
 * take long. For a put (of a small object) that would wake a sleeper twice, the first time
 * for nothing. Instead it does V4: who had looked before the entry and sleeps is woken in the
 * same step as T2, who had looked and was about to sleep finds the word changed, and who
 * looks after the entry sees it. Who waits for an id that nobody has entered sleeps without
 * ticking.
 *
 * V4 wakes one word. Whoever sleeps for several ids is woken before it, as at an entry, and looks
 * again from then on.
 *
 * Crashes  Between V2, V4 and V3 `waking` stays, and the next sealer of any id of this word wakes
 * in the dead one's stead: sleepers for other ids are not forgotten. Between entry and wake a death
 * leaves an unsealed object, which is nothing to be told about.
 *
 * Where the kernel has no FUTEX_WAKE_OP to offer (a sandbox), a put wakes before T2 and after it.
 */
#include "wait.h"

#define SLICE_MS 5
#define PATIENCE_MS 1000u
#define PATIENCE_RATE (64u << 10) /* bytes in a millisecond */
#define SLEEPERS 1u
#define WAKING 2u
#define COUNT_ONE 4u

struct au32 *wait_word(const struct objstore *s, struct key key)
{
    uint64_t h = key_hash(key) >> 32;
    unsigned char *words = (unsigned char *)s->header + s->geo.waits_at;

    return (struct au32 *)(void *)(words + h % WAIT_WORDS * CACHE_LINE);
}

struct au32 *wait_word_any(const struct objstore *s)
{
    return &s->header->any_wait;
}

/* V2 and V4: claim the wake. False: nobody sleeps. */
static bool claim_wake(struct au32 *word, uint32_t *ours)
{
    uint32_t seen = au32_load_seq_cst(word); /* V2 */

    do {
        if (!(seen & (SLEEPERS | WAKING)))
            return false;
        *ours = ((seen | WAKING) & ~SLEEPERS) + COUNT_ONE;
    } while (!au32_cas_seq_cst(word, &seen, *ours)); /* V2 */
    return true;
}

static void end_wake(struct au32 *word, uint32_t ours)
{
    uint32_t seen = ours;

    while ((seen & ~SLEEPERS) == ours && !au32_cas_seq_cst(word, &seen, seen & ~WAKING)) /* V3 */
        ;
}

static void wake(struct au32 *word)
{
    uint32_t ours;

    if (!claim_wake(word, &ours))
        return;
    POINT("wait: waking, nobody woken");
    futex_wake(word, INT_MAX);
    POINT("wait: woken, still says waking");
    end_wake(word, ours);
}

bool wait_seal(struct objstore *s, struct key key, struct slot *slot)
{
    const uint32_t sealed = WORD_STATE_SHIFT; /* this bit more makes WRITING SEALED */
    bool is_big_endian = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;
    struct au32 *word = wait_word(s, key), *low = (struct au32 *)(void *)&slot->word;
    uint32_t ours;

    _Static_assert(SLOT_WRITING + 1 == SLOT_SEALED && WORD_STATE_SHIFT + 4 <= 32, "for V4");
    wake(wait_word_any(s));
    if (!claim_wake(word, &ours)) /* V4 */
        return false;
    POINT("wait: waking, not sealed");
    au64_or_acq_rel(&slot->word, 0); /* E1: a release that the kernel's step goes on */
    int woken = futex_add_and_wake(word, low + is_big_endian, sealed); /* V4, T2 */
    POINT("wait: sealed and woken, still says waking");
    if (woken < 0)
        futex_wake(word, INT_MAX);
    end_wake(word, ours);
    return woken >= 0;
}

void wait_wake(struct objstore *s, struct key key)
{
    wake(wait_word(s, key));
    wake(wait_word_any(s));
}

void wait_wake_any(struct objstore *s)
{
    wake(wait_word_any(s));
}

void wait_wake_all(struct objstore *s)
{
    unsigned char *words = (unsigned char *)s->header + s->geo.waits_at;

    for (uint32_t i = 0; i < WAIT_WORDS; i++)
        wake((struct au32 *)(void *)(words + i * CACHE_LINE));
    wake(wait_word_any(s));
}

uint32_t wait_announce(struct au32 *word)
{
    return au32_or_seq_cst(word, SLEEPERS) | SLEEPERS; /* V1 */
}

int wait_sleep(struct au32 *word, uint32_t announced, int64_t deadline_ns)
{
    return futex_wait(word, announced, deadline_ns);
}

int64_t wait_patience(uint64_t bytes)
{
    return monotonic_ns() + (int64_t)(PATIENCE_MS + bytes / PATIENCE_RATE) * NS_PER_MS;
}

int64_t wait_slice(int64_t deadline_ns)
{
    int64_t slice = monotonic_ns() + SLICE_MS * NS_PER_MS;

    return slice < deadline_ns ? slice : deadline_ns;
}
