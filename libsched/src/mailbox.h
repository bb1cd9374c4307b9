/* SPDX-License-Identifier: MIT */
/* mailbox.h -- the calls that wait for one actor, in order. */
#ifndef WSCHED_MAILBOX_H
#define WSCHED_MAILBOX_H

#include "layout.h"

struct mailbox { /* one process's view of it */
    struct mailbox_ends *ends;
    struct au64 *slots; /* MAILBOX_SLOTS */
};

/* Any thread of any process. False: `limit` (<= MAILBOX_SLOTS) or more are there. `head_seen` is
 * the caller's last look at the head, of any time: 0 will do. */
bool mailbox_push(const struct mailbox *m, uint64_t future, uint32_t limit, struct au64 *head_seen);
/* Would such a push find room? */
bool mailbox_has_room(const struct mailbox *m, uint32_t limit, struct au64 *head_seen);
/* The actor's process only: the first one, which stays there until it is popped. */
bool mailbox_first(const struct mailbox *m, uint64_t *future);
void mailbox_pop(const struct mailbox *m);
/* How many are there, about. */
uint32_t mailbox_size(const struct mailbox *m);
/* What the mailbox holds at `number` places behind its head; 0: nothing. */
uint64_t mailbox_peek(const struct mailbox *m, uint32_t number);

#endif
