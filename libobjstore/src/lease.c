/* SPDX-License-Identifier: MIT */
/*
 * lease.c -- who is attached, and who of them is dead.
 *
 * Every handle that may write holds a lease: a number under which its slots and pins go. The
 * lease's word packs generation:32 | state:32 and changes only by compare-and-swap:
 *
 *   A1  FREE -> LIVE   lease_join()    generation + 1, by the holder of the lease's lock
 *   A2  LIVE -> FREE   lease_leave()   by its owner, when nothing names the lease any more
 *   A3  LIVE -> DEAD   leases_bury()   by anybody who found the lock free
 *   A4  DEAD -> FREE   leases_free()   by anybody who then looked at every slot
 *   A5  LIVE, DEAD -> LIVE  lease_inherit()  generation + 1, by who got the lock of a dead one's
 *                      lease when all are taken; it then takes over every slot that names it
 *
 * The lock is an open-file-description lock on the lease's own bytes of the file, taken before
 * A1 and kept until after A2, through a descriptor that nothing else shares. The kernel gives it
 * back when the process has ended, after its last thread ran its last instruction: "LIVE and not
 * locked" is a death that has no second thoughts. Pids are stored for people, not for decisions:
 * they are reused, differ between containers, and a zombie has one.
 *
 * Invariants
 *   I1  A slot names a lease as owner only while the lease is LIVE or DEAD, not FREE.
 *   I2  Nobody acts under a DEAD lease, so slots that name it only become fewer: one look at
 *       all slots after A3 that leaves none proves A4, however many sweep at once and
 *       wherever one of them stops or dies. No sweep is exclusive, so none can block another.
 *   I3  A sweep that slept may find the number alive again. It takes a slot only after it saw
 *       the lease still DEAD in the generation it buried, after it read the slot's word; and a
 *       slot word that names an owner never recurs (slot.c, T6), so its CAS then fails.
 *
 * header.deaths is raised after A4 (and A5's take-over): when it is the same as before somebody looked
 * for room, and nobody is dead, no sweep of another's has given any back since (reap_for_room()). A
 * death between A4 and that costs one -ENOSPC, at most, of those who looked at that moment.
 *
 * Crashes  Between lock and A1: the lock goes, FREE stays. After A1: A3 by whoever looks.
 *   Between A3 and A4: the next sweep finds DEAD. After A5: as after A1, or A5 again.
 *
 * Fork  A child shares the description, and with it the lock; fork.c closes the child's copy, and
 *   exec closes it by itself. Only a child made by a bare clone() that never runs the at-fork
 *   handlers keeps its parent's lease alive, as long as it lives.
 *
 * Limits  The kernel gives locks back after it has torn the address space down: with gigabytes
 *   mapped and touched a death is seen tens of milliseconds late. The last leases are kept for
 *   those who find the table full of the dead, so that they can sweep. Should all of these have
 *   died sweeping, A5: else no one could ever attach again. A sweep that buried the dead owner's
 *   generation (I3) and the heir both take over slots by T6, so each slot goes to one of them.
 */
#define _GNU_SOURCE /* F_OFD_SETLK */
#include "lease.h"
#include "futex.h"
#include "pin.h"
#include "proc.h"

#include <fcntl.h>
#include <stdio.h>

#define LEASES_KEPT 8u /* for sweeping when all others are taken */

static struct flock lock_of_lease(const struct objstore *s, uint32_t lease)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

    lock.l_start = (off_t)(s->geo.leases_at + lease * sizeof(struct lease));
    lock.l_len = 1;
    return lock;
}

/* Byte 0 is locked, shared, by every user of the file; alone by who retires the file. */
static struct flock lock_of_users(short type)
{
    struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1 };

    return lock;
}

int lease_open_locks(struct objstore *s)
{
    char path[40];

    snprintf(path, sizeof path, "/proc/self/fd/%d", s->fd);
    s->lock_fd = open(path, O_RDWR | O_CLOEXEC);
    return s->lock_fd < 0 ? -errno : 0;
}

int lease_share_file(struct objstore *s)
{
    struct flock users = lock_of_users(F_RDLCK);

    if (fcntl(s->lock_fd, F_OFD_SETLK, &users) == 0)
        return 0;
    return errno == EACCES ? -EAGAIN : -errno;
}

bool lease_is_file_used(const struct objstore *s)
{
    struct flock users = lock_of_users(F_WRLCK);

    return fcntl(s->lock_fd, F_OFD_GETLK, &users) == 0 && users.l_type != F_UNLCK;
}

bool lease_is_last_user(struct objstore *s)
{
    struct flock users = lock_of_users(F_WRLCK);

    return fcntl(s->lock_fd, F_OFD_SETLK, &users) == 0;
}

static void raise_used(struct objstore *s, uint64_t to)
{
    struct au64 *used = &s->header->leases_used;
    uint64_t seen = au64_load_seq_cst(used); /* E2 */

    while (seen < to && !au64_cas_seq_cst(used, &seen, to)) /* E2: before A1 */
        ;
}

/* With the lock of this FREE lease held: fill it in and go LIVE. */
static int lease_start(struct objstore *s, uint32_t number, uint64_t word)
{
    struct lease *lease = &s->leases[number];
    uint64_t start_time = 0;
    char state;
    int err;

    s->lease = number;
    s->pin_bit = 1ull << number % PINNERS_LEASES;
    err = pins_prepare(s, number);
    if (err)
        return err;
    (void)proc_stat(getpid(), &start_time, &state); /* 0 if /proc does not say: for people only */
    au64_store_relaxed(&lease->pid, (uint64_t)getpid()); /* relaxed: A1 publishes */
    au64_store_relaxed(&lease->start_time, start_time);
    au64_store_relaxed(&lease->heir, 0);       /* relaxed: likewise */
    au64_store_relaxed(&lease->subscribed, 0); /* relaxed: A1 publishes */
    raise_used(s, (uint64_t)number + 1);
    POINT("lease: filled in, still free");
    uint64_t live = ((word >> 32) + 1) << 32 | LEASE_LIVE;
    if (!au64_cas_seq_cst(&lease->word, &word, live)) /* A1, E2 */
        return -EAGAIN;
    s->lease_generation = (uint32_t)(live >> 32);
    POINT("lease: live");
    return 0;
}

/* A1, or with `inherit` A5. */
static int join_between(struct objstore *s, uint32_t from, uint32_t to, bool inherit)
{
    for (uint32_t i = from; i < to; i++) {
        uint64_t word = au64_load_acquire(&s->leases[i].word); /* A2, A4 */
        struct flock lock = lock_of_lease(s, i);

        if (lease_word_state(word) != LEASE_FREE && !inherit)
            continue;
        if (fcntl(s->lock_fd, F_OFD_SETLK, &lock)) {
            if (errno != EAGAIN && errno != EACCES) /* no locks to be had here */
                return -errno;
            continue;
        }
        word = au64_load_acquire(&s->leases[i].word); /* A2, A4: it may have had a short life */
        bool is_ours = lease_word_state(word) == LEASE_FREE || inherit;
        int err = is_ours ? lease_start(s, i, word) : -EAGAIN;
        if (!err)
            return 0;
        lock.l_type = F_UNLCK;
        (void)fcntl(s->lock_fd, F_OFD_SETLK, &lock);
        if (err != -EAGAIN)
            return err;
    }
    return -EUSERS;
}

int lease_join(struct objstore *s)
{
    return join_between(s, 0, LEASES_MAX - LEASES_KEPT, false);
}

int lease_join_kept(struct objstore *s)
{
    return join_between(s, LEASES_MAX - LEASES_KEPT, LEASES_MAX, false);
}

int lease_inherit(struct objstore *s)
{
    return join_between(s, LEASES_MAX - LEASES_KEPT, LEASES_MAX, true);
}

void lease_leave(struct objstore *s)
{
    struct lease *lease = &s->leases[s->lease];
    uint64_t word = au64_load_relaxed(&lease->word); /* relaxed: ours */
    struct flock lock = lock_of_lease(s, s->lease);

    if (lease_word_is_live(word) && word >> 32 == s->lease_generation)
        au64_cas_seq_cst(&lease->word, &word, word >> 32 << 32 | LEASE_FREE); /* A2 */
    POINT("lease: left, still locked");
    lock.l_type = F_UNLCK;
    (void)fcntl(s->lock_fd, F_OFD_SETLK, &lock);
}

static uint64_t dead_of(uint64_t word)
{
    return word >> 32 << 32 | LEASE_DEAD;
}

bool lease_has_died(const struct objstore *s, uint32_t lease, uint64_t word)
{
    struct flock lock = lock_of_lease(s, lease);

    if (!lease_word_is_live(word) || (s->rw && lease == s->lease))
        return lease_word_state(word) == LEASE_DEAD;
    if (fcntl(s->lock_fd >= 0 ? s->lock_fd : s->fd, F_OFD_GETLK, &lock) || lock.l_type != F_UNLCK)
        return false;
    POINT("lease: not locked, word not read again");
    uint64_t now = au64_load_acquire(&s->leases[lease].word); /* A2: it did not just leave */
    return now == word || now == dead_of(word);               /* A3 */
}

bool lease_writer_is_dead(const struct objstore *s, uint64_t slot_word)
{
    uint32_t lease = word_lease(slot_word);

    return lease < LEASES_MAX &&
           lease_has_died(s, lease, au64_load_acquire(&s->leases[lease].word)); /* A1 */
}

bool leases_glance(const struct objstore *s, uint32_t looks)
{
    uint32_t used = leases_in_use(s);
    uint64_t from = used > looks ? (uint64_t)monotonic_ns() / 64 : 0;

    for (uint32_t i = 0; i < used && looks > 0; i++) {
        uint32_t lease = (uint32_t)((from + i) % used);
        uint64_t word = au64_load_acquire(&s->leases[lease].word); /* A1 */

        if (lease_word_state(word) == LEASE_FREE)
            continue;
        looks--;
        if (lease_has_died(s, lease, word))
            return true;
    }
    return false;
}

void leases_bury(struct objstore *s, struct graves *graves)
{
    uint32_t used = leases_in_use(s);

    *graves = (struct graves){ .count = 0 };
    for (uint32_t i = 0; i < used && graves->count < GRAVES_MAX; i++) {
        struct au64 *at = &s->leases[i].word;
        uint64_t word = au64_load_acquire(at); /* A1 */

        if (lease_word_state(word) == LEASE_FREE || !lease_has_died(s, i, word))
            continue;
        if (lease_word_is_live(word)) {
            uint64_t dead = dead_of(word);

            if (au64_cas_seq_cst(at, &word, dead)) /* A3 */
                POINT("lease: buried, not swept");
            else if (word != dead)
                continue;
        }
        graves->is_dead[i / 64] |= 1ull << i % 64;
        graves->of[graves->count].lease = i;
        graves->of[graves->count++].generation = (uint32_t)(word >> 32);
    }
}

/*
 * The lease may have been freed by another sweep and be somebody's again: then it is not DEAD
 * in this generation now. If it is, it was when the slot's word was read.
 */
bool grave_owns(const struct objstore *s, const struct graves *graves, uint64_t slot_word)
{
    uint32_t lease = word_lease(slot_word);

    if (lease >= LEASES_MAX || !(graves->is_dead[lease / 64] >> lease % 64 & 1))
        return false;
    for (uint32_t i = 0; i < graves->count; i++)
        if (graves->of[i].lease == lease)
            return au64_load_seq_cst(&s->leases[lease].word) == /* A4: not yet */
                   ((uint64_t)graves->of[i].generation << 32 | LEASE_DEAD);
    return false;
}

uint32_t leases_free(struct objstore *s, const struct graves *graves)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < graves->count; i++) {
        uint64_t word = (uint64_t)graves->of[i].generation << 32 | LEASE_DEAD;

        if (au64_cas_seq_cst(&s->leases[graves->of[i].lease].word, &word, /* A4 */
                             word >> 32 << 32 | LEASE_FREE)) {
            au64_add_acq_rel(&s->header->deaths, 1); /* A4: pairs with reap_deaths() */
            count++;
        }
        POINT("lease: one of the dead is free");
    }
    return count;
}
