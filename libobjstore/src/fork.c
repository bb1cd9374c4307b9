/* SPDX-License-Identifier: MIT */
/*
 * fork.c -- handles belong to the process that opened them.
 *
 * A child must not act under its parent's lease: its death or its exit would not be the
 * parent's. Two guards: a page that the kernel empties in every child (MADV_WIPEONFORK), which
 * each call on the handle looks at, for the price of a load; and a handler that closes the
 * child's copy of the descriptor that holds our locks, so that they end with the parent. The list
 * of handles exists for the handler alone.
 */
#define _GNU_SOURCE /* MADV_WIPEONFORK */
#include "fork.h"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct objstore *list;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void before_fork(void)
{
    pthread_mutex_lock(&list_lock);
}

static void after_fork_in_parent(void)
{
    pthread_mutex_unlock(&list_lock);
}

static void after_fork_in_child(void)
{
    for (struct objstore *s = list; s; s = s->next) {
        if (s->lock_fd >= 0)
            close(s->lock_fd);
        s->lock_fd = -1;
        s->guard.may = MAY_NOTHING; /* where the kernel did not */
    }
    pthread_mutex_unlock(&list_lock);
}

static void watch_forks(void)
{
    (void)pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

void fork_guard(struct objstore *s, enum may may)
{
    /* An old kernel: the handler does it. */
    (void)madvise(&s->guard, sizeof s->guard, MADV_WIPEONFORK);
    s->guard.may = may;
    pthread_once(&once, watch_forks);
    pthread_mutex_lock(&list_lock);
    s->next = list;
    s->link = &list;
    if (list)
        list->link = &s->next;
    list = s;
    pthread_mutex_unlock(&list_lock);
}

void fork_unguard(struct objstore *s)
{
    pthread_mutex_lock(&list_lock);
    *s->link = s->next;
    if (s->next)
        s->next->link = s->link;
    pthread_mutex_unlock(&list_lock);
}
