/* SPDX-License-Identifier: MIT */
/* output.h -- what workers print, line by line: of the supervisor, and of a worker at its start. */
#ifndef WSCHED_OUTPUT_H
#define WSCHED_OUTPUT_H

#include "pool.h"

struct output;

/* In the supervisor. NULL in *out, and 0: nobody asked for it. All calls below take NULL for that.
 */
int output_begin(struct wsched *p, struct output **out);
/* Poll this for reading (-1: nothing), for so long (-1: for ever), then serve. */
int output_descriptor(const struct output *o);
int output_timeout_ms(const struct output *o);
void output_serve(struct output *o);
/* Before and after the fork of a seat's worker; the descriptor is for output_child(), or -1. */
int output_pipe(struct output *o, uint32_t seat, int *fd);
void output_forked(struct output *o, uint32_t seat, int fd, pid_t pid);
/* The seat's worker has ended: tell the rest. */
void output_ended(struct output *o, uint32_t seat, bool is_death);
/* No worker is left: tell all that is left. */
void output_finish(struct output *o);

/* In the worker: print to `fd` from now on. */
void output_child(struct output *o, int fd);
/* What was printed so far, this kernel printed. */
void output_mark(const struct wsched *p, uint32_t kernel);
/* The worker ends in order: what stdio holds. */
void output_child_end(const struct output *o);

#endif
