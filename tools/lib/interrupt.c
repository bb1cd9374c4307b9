/* SPDX-License-Identifier: MIT */
#include "interrupt.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>

static atomic_int pending; /* lock-free, so a handler may write it */

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

void interrupt_leave_to_parent(void)
{
    set_all(SIG_DFL, 0);
    signal(SIGINT, SIG_IGN);
}

int interrupt_pending(void)
{
    return atomic_load_explicit(&pending, memory_order_relaxed);
}

int interrupt_exit_code(void)
{
    return 128 + interrupt_pending();
}
