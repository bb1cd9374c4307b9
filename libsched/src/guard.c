/* SPDX-License-Identifier: MIT */
/*
 * guard.c -- the supervisor's eye on guests: it learns of each one's death at once, and sweeps.
 *
 * A pidfd of every guest's process stands in an epoll instance, which the supervisor polls. It
 * looks through the seats when a guest tells it to (SIGURG) and when it starts: one whose identity
 * is not the one it watches is new, or was left. What a death leaves, and J1 to J5: guest.c.
 */
#define _GNU_SOURCE
#include "guard.h"

#include <string.h>
#include <sys/epoll.h>

#include "identity.h"

#define AT_ONCE 16
#define AGAIN_MS 10

int guard_begin(struct guard *g)
{
    g->epoll = epoll_create1(EPOLL_CLOEXEC);
    return g->epoll < 0 ? -errno : 0;
}

/* In a worker. */
void guard_end(struct guard *g)
{
    for (uint32_t i = 0; i < GUESTS_MAX; i++)
        if (g->watched[i])
            close(g->fd[i]);
    close(g->epoll);
}

static void unwatch(struct guard *g, uint32_t guest)
{
    if (g->watched[guest]) {
        epoll_ctl(g->epoll, EPOLL_CTL_DEL, g->fd[guest], NULL); /* a worker may have a copy */
        close(g->fd[guest]);
    }
    g->watched[guest] = 0;
}

static void guest_died(struct wsched *p, uint32_t guest, uint64_t identity)
{
    struct seat *s = &p->seats[guest_seat(p, guest)];

    if (au64_load_acquire(&s->identity) != identity)
        return; /* it had left */
    POINT("guard: a guest died, nothing swept");
    sweep_guest(p, guest_seat(p, guest), identity_pid(identity));
    POINT("guard: swept, seat not free");
    au64_cas_seq_cst(&s->identity, &identity,
                     identity_make(identity_incarnation(identity), 0, 0)); /* J4 */
}

static void watch(struct wsched *p, struct guard *g, uint32_t guest, uint64_t identity)
{
    struct epoll_event e = { .events = EPOLLIN, .data.u32 = guest };
    int fd = identity_open(identity);

    if (fd >= 0 && epoll_ctl(g->epoll, EPOLL_CTL_ADD, fd, &e)) {
        close(fd);
        fd = -ENOMEM;
    }
    if (fd >= 0) {
        g->watched[guest] = identity;
        g->fd[guest] = fd;
    } else if (fd == -ESRCH) {
        guest_died(p, guest, identity);
    } else {
        g->is_late = true; /* no descriptor, no memory: again in a moment */
    }
}

void guard_scan(struct wsched *p, struct guard *g)
{
    g->is_late = false;
    for (uint32_t i = 0, used = guests_used(p); i < used; i++) {
        uint64_t identity = au64_load_seq_cst(&p->seats[guest_seat(p, i)].identity); /* J5 */
        if (identity == g->watched[i])
            continue;
        unwatch(g, i);
        if (identity_pid(identity))
            watch(p, g, i, identity);
    }
}

void guard_serve(struct wsched *p, struct guard *g)
{
    struct epoll_event events[AT_ONCE];
    int n;

    if (g->is_late)
        guard_scan(p, g);
    while ((n = epoll_wait(g->epoll, events, AT_ONCE, 0)) > 0)
        for (int i = 0; i < n; i++) {
            uint32_t guest = events[i].data.u32;
            uint64_t identity = g->watched[guest];
            if (!identity || !pidfd_is_dead(g->fd[guest]))
                continue;
            unwatch(g, guest);
            guest_died(p, guest, identity);
            identity = au64_load_seq_cst(&p->seats[guest_seat(p, guest)].identity); /* J5 */
            if (identity_pid(identity)) /* the next one is there already */
                watch(p, g, guest, identity);
        }
}

int guard_timeout_ms(const struct guard *g)
{
    return g->is_late ? AGAIN_MS : -1;
}

/* For the sweep of everything: guests whose process is dead. */
void guard_find_dead(struct wsched *p, uint64_t seats[MASK_WORDS])
{
    for (uint32_t i = 0, used = guests_used(p); i < used; i++) {
        uint64_t identity = au64_load_acquire(&p->seats[guest_seat(p, i)].identity);
        if (identity_pid(identity) && identity_is_dead(identity))
            seats_add(seats, guest_seat(p, i));
    }
}
