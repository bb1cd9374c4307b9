/* SPDX-License-Identifier: MIT */
/*
 * progress.h -- one line on stderr that tells how far we are, at most 6 times a second.
 *
 * A process has one progress line at a time; whoever prints something else calls
 * progress_hide() first, and the next update draws it again below.
 */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdint.h>

enum progress_mode {
    PROGRESS_AUTO, /* only when stderr is a terminal */
    PROGRESS_ALWAYS,
    PROGRESS_NEVER,
};
extern const char *const progress_modes[]; /* for ARG_CHOICE */

/* `what` names the things that are counted ("models"); it is borrowed. */
void progress_start(enum progress_mode mode, const char *what, double total);
void progress_update(double done);
void progress_hide(void);
void progress_end(void);

/* The text of the line, for progress_update() and its test. `seconds` since the start. */
void progress_format(char *text, int size, const char *what, double done, double total,
                     double seconds);

#endif
