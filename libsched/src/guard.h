/* SPDX-License-Identifier: MIT */
/* guard.h -- the supervisor's eye on guests. */
#ifndef WSCHED_GUARD_H
#define WSCHED_GUARD_H

#include "pool.h"

struct guard {
    uint64_t watched[GUESTS_MAX]; /* identity, or 0 */
    int fd[GUESTS_MAX];           /* pidfd */
    int epoll;
    bool is_late; /* could not watch one */
};

int guard_begin(struct guard *g); /* all zero */
void guard_end(struct guard *g);
void guard_scan(struct wsched *p, struct guard *g);  /* were there changes? */
void guard_serve(struct wsched *p, struct guard *g); /* did some die? never waits */
int guard_timeout_ms(const struct guard *g); /* when to serve it again; -1: when poll says */
void guard_find_dead(struct wsched *p, uint64_t seats[MASK_WORDS]);

#endif
