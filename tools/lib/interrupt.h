/* SPDX-License-Identifier: MIT */
/*
 * interrupt.h -- Ctrl-C and SIGTERM as a flag that loops look at, so that a command ends by its
 * own cleaning up.
 */
#ifndef INTERRUPT_H
#define INTERRUPT_H

#include <stdbool.h>

/* SIGINT, SIGTERM and SIGHUP set the flag from now on; a second one ends the process at once. */
void interrupt_watch(void);
/*
 * From now on such a signal, or that nobody reads standard output any more, also ends the blocked
 * call that this thread is in, or is about to make, with EINTR: until it has asked what happened.
 * False: there is no thread to be had for that.
 */
bool interrupt_break_calls(void);
/* After that: has the reader of standard output gone? */
bool interrupt_is_unread(void);
/* The signal that came, or 0. */
int interrupt_pending(void);
/* The exit code that tells of it: 130 for SIGINT, 143 for SIGTERM. */
int interrupt_exit_code(void);
/* In a worker process: the terminal's Ctrl-C is its parent's to handle; SIGTERM ends it. */
void interrupt_leave_to_parent(void);

#endif
