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
 *
 * V1, T2/L1 and the loads after them are sequentially consistent: either the sealer sees the bit
 * or the sleeper sees the object. There is no count of sleepers that a death could falsify; a
 * bit that a dead sleeper left costs the next sealer one wake for nobody.
 *
 * Crashes  Between V2 and V3 `waking` stays, and the next sealer of any id of this word wakes in
 *   the dead one's stead: sleepers for other ids are not forgotten. A sealer may also die
 *   between T2 and V2. Therefore an entry into the index wakes,
 *   too: from then on the sleeper knows that somebody writes its object, and looks again every
 *   SLICE_MS, also for whether the writer lives. Between entry and wake a death leaves an
 *   unsealed object, which is nothing to be told about. Who waits for an id that nobody has
 *   entered sleeps without ticking.
 */
#include "wait.h"

#define SLICE_MS 5
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

static void wake(struct au32 *word)
{
    uint32_t seen = au32_load_seq_cst(word), ours; /* V2 */

    do {
        if (!(seen & (SLEEPERS | WAKING)))
            return;
        ours = ((seen | WAKING) & ~SLEEPERS) + COUNT_ONE;
    } while (!au32_cas_seq_cst(word, &seen, ours)); /* V2 */
    POINT("wait: waking, nobody woken");
    futex_wake(word, INT_MAX);
    POINT("wait: woken, still says waking");
    seen = ours;
    while ((seen & ~SLEEPERS) == ours && !au32_cas_seq_cst(word, &seen, seen & ~WAKING)) /* V3 */
        ;
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

void wait_sleep(struct au32 *word, uint32_t announced, int64_t deadline_ns)
{
    (void)futex_wait(word, announced, deadline_ns); /* whatever ends it, the caller looks again */
}

int64_t wait_slice(int64_t deadline_ns)
{
    int64_t slice = monotonic_ns() + SLICE_MS * NS_PER_MS;

    return slice < deadline_ns ? slice : deadline_ns;
}
