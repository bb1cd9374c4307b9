/* SPDX-License-Identifier: MIT */
/* wait.h -- sleeping until something is sealed. */
#ifndef OBJSTORE_WAIT_H
#define OBJSTORE_WAIT_H

#include "futex.h"
#include "index.h"
#include "store.h"

/* Tell those who sleep for this id (and for several) that its object changed. */
void wait_wake(struct objstore *s, struct key key);
/* Tell those who sleep for several, or for events. */
void wait_wake_any(struct objstore *s);
/* Tell all. */
void wait_wake_all(struct objstore *s);

/*
 * T2 of a slot that the caller owns in WRITING, entered and complete, if anybody sleeps for its id:
 * they are told in the same step. False: do T2 yourself. Either way call wait_wake() afterwards.
 */
bool wait_seal(struct objstore *s, struct key key, struct slot *slot);

/* The word to sleep on for one id, or for several ids. */
struct au32 *wait_word(const struct objstore *s, struct key key);
struct au32 *wait_word_any(const struct objstore *s);

/*
 * Announce that we are about to sleep; what was announced is for wait_sleep(). Look at what
 * you wait for between the two.
 */
uint32_t wait_announce(struct au32 *word);
/* Sleep until woken or the deadline; look again whatever ended it. -EINTR: a signal did. */
int wait_sleep(struct au32 *word, uint32_t announced, int64_t deadline_ns);
/*
 * Sleep until the object under `key` is sealed. 0, -ETIMEDOUT, -EBADMSG. A writer's death is
 * noticed and cleaned up after; the wait goes on.
 */
int wait_sealed(struct objstore *s, struct key key, int64_t deadline_ns);
/* The same for all of n ids, one after the other: some may be gone again afterwards. */
int wait_sealed_all(struct objstore *s, const struct objstore_id *ids, size_t n,
                    int64_t deadline_ns);
/*
 * When to give up waiting for what somebody else does with a disk and `bytes`: he may have stopped,
 * and if he did not, even a slow disk will have been through.
 */
int64_t wait_patience(uint64_t bytes);
/* A moment from now at which to see if the one who writes our object has died. */
int64_t wait_slice(int64_t deadline_ns);

#endif
