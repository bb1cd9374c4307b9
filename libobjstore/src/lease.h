/* SPDX-License-Identifier: MIT */
/* lease.h -- who is attached, and who of them is dead. */
#ifndef OBJSTORE_LEASE_H
#define OBJSTORE_LEASE_H

#include "store.h"

enum lease_state {
    LEASE_FREE = 0,
    LEASE_LIVE = 1, /* attached, or died attached and nobody has noticed */
    LEASE_DEAD = 2, /* died attached; a sweep is due or under way */
};

static inline enum lease_state lease_word_state(uint64_t word)
{
    return (enum lease_state)(word & 0xffffffffu);
}
static inline bool lease_word_is_live(uint64_t word)
{
    return lease_word_state(word) == LEASE_LIVE;
}

/* Numbers that may be in use; checked against the table's size. */
static inline uint32_t leases_in_use(const struct objstore *s)
{
    uint64_t used = au64_load_seq_cst(&s->header->leases_used); /* E2 (slot.c): before its words */

    return used < LEASES_MAX ? (uint32_t)used : LEASES_MAX;
}

/* Open the description that our locks belong to. */
int lease_open_locks(struct objstore *s);
/* Does anybody use the file, who is not us? */
bool lease_is_file_used(const struct objstore *s);
/* Be counted as a user of the file from now on. -EAGAIN: somebody is retiring it. */
int lease_share_file(struct objstore *s);
/* Take a lease number; -EUSERS: none is free. */
int lease_join(struct objstore *s);
/* One of the few that are kept for sweeping when all are taken. */
int lease_join_kept(struct objstore *s);
/* One of those, of which all owners died. What names it now is the caller's: reap_inherited(). */
int lease_inherit(struct objstore *s);
/* Give it back; nothing names it any more. */
void lease_leave(struct objstore *s);
/* Has the process that had this lease ended? Its word is what was seen of it. */
bool lease_has_died(const struct objstore *s, uint32_t lease, uint64_t word);
/* For a slot word in WRITING: is whoever writes it dead? */
bool lease_writer_is_dead(const struct objstore *s, uint64_t slot_word);
/* Leases that were seen DEAD, each with its generation: what one sweep is about. */
#define GRAVES_MAX 256u
struct graves {
    uint32_t count;
    uint64_t is_dead[LEASES_MAX / 64];
    struct {
        uint32_t lease, generation;
    } of[GRAVES_MAX];
};

/*
 * Is anybody dead? Looks at up to `looks` leases, all or some from anywhere, as each look costs the
 * kernel a walk along all locks of the file.
 */
bool leases_glance(const struct objstore *s, uint32_t looks);
/* Note every death that nobody has noted, and list (up to GRAVES_MAX of) the DEAD. */
void leases_bury(struct objstore *s, struct graves *graves);
/* A slot word was read after leases_bury(): did one of these dead own the slot then? */
bool grave_owns(const struct objstore *s, const struct graves *graves, uint64_t slot_word);
/* A sweep found that nothing names these any more. Returns how many this call freed. */
uint32_t leases_free(struct objstore *s, const struct graves *graves);
/* Are we the only user of the file? If so nobody can become one until lock_fd is closed. */
bool lease_is_last_user(struct objstore *s);

#endif
