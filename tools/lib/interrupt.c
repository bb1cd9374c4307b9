/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* ppoll */
#include "interrupt.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

#define NUDGE_NS 10000000 /* 10 ms */

static atomic_int pending; /* lock-free, so a handler may write it */
static atomic_bool is_unread, is_seen;
static pthread_t sleeper;
static sigset_t usual; /* what the sleeper blocks else: these signals are the watcher's */

static void note(int signal_number)
{
    atomic_store_explicit(&pending, signal_number, memory_order_relaxed);
}

static void set_all(void (*handler)(int), int flags)
{
    /* No SA_RESTART: a blocked call comes back with EINTR and its loop sees the flag. */
    struct sigaction action = { .sa_handler = handler, .sa_flags = flags };
    sigemptyset(&action.sa_mask);
    static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        struct sigaction old;
        /* What nohup or a shell's & has set to be ignored stays so. */
        if (!sigaction(signals[i], NULL, &old) && old.sa_handler != SIG_IGN)
            sigaction(signals[i], &action, NULL);
    }
}

void interrupt_watch(void)
{
    set_all(note, (int)SA_RESETHAND);
}

/* Takes the signals. One that comes before ppoll() is blocked until then, so none is slept over. */
static void *watcher(void *unused)
{
    struct pollfd out = { STDOUT_FILENO, 0, 0 };
    const struct timespec nudge = { 0, NUDGE_NS };

    while (!atomic_load(&pending) && !atomic_load(&is_unread))
        if (ppoll(&out, 1, NULL, &usual) > 0) {
            atomic_store(&is_unread, (out.revents & POLLERR) != 0);
            out.fd = -1; /* whatever it was, it stays so */
        }
    while (!atomic_load(&is_seen)) { /* it may not have begun to sleep yet */
        pthread_kill(sleeper, SIGUSR1);
        ppoll(NULL, 0, &nudge, &usual);
    }
    return unused;
}

static void wake_up(int signal_number)
{
    (void)signal_number;
}

bool interrupt_break_calls(void)
{
    struct sigaction nudged = { .sa_handler = wake_up };
    sigset_t ours;
    pthread_t thread;

    sigemptyset(&nudged.sa_mask);
    sigemptyset(&ours);
    sigaddset(&ours, SIGINT);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGHUP);
    sleeper = pthread_self();
    if (sigaction(SIGUSR1, &nudged, NULL) || pthread_sigmask(SIG_BLOCK, &ours, &usual))
        return false;
    if (pthread_create(&thread, NULL, watcher, NULL)) {
        pthread_sigmask(SIG_SETMASK, &usual, NULL);
        return false;
    }
    pthread_detach(thread);
    return true;
}

bool interrupt_is_unread(void)
{
    bool it_is = atomic_load(&is_unread);

    if (it_is)
        atomic_store(&is_seen, true);
    return it_is;
}

void interrupt_leave_to_parent(void)
{
    set_all(SIG_DFL, 0);
    signal(SIGINT, SIG_IGN);
}

int interrupt_pending(void)
{
    int now = atomic_load_explicit(&pending, memory_order_relaxed);

    if (now)
        atomic_store(&is_seen, true);
    return now;
}

int interrupt_exit_code(void)
{
    return 128 + interrupt_pending();
}
