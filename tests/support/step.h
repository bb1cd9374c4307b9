/* SPDX-License-Identifier: MIT */
/*
 * step.h -- kill a child after exactly n user instructions of a call.
 *
 *     static void act(void *ctx) { open...; step_begin(); call(); step_end(); _exit(0); }
 *     for (n = 0; step_kill(act, ctx, n) == STEP_KILLED; n++)
 *         check what is left;
 *
 * The child is single-stepped by ptrace from step_begin() on, so "it may die at any instruction"
 * is not sampled but walked through. A system call counts as one instruction. Steps of a call are
 * nearly the same from run to run (addresses and hashes differ), so n from 0 to the first
 * STEP_ENDED covers it.
 */
#ifndef TEST_STEP_H
#define TEST_STEP_H

#include <stdint.h>

enum step_result {
    STEP_KILLED = 0, /* died after n instructions */
    STEP_ENDED = 1,  /* reached step_end() first, and then exited with 0 */
    STEP_FAILED = -1 /* exited with something else, died by itself, or ptrace does not work here */
};

/* Can a child be traced here at all? (Not under some sanitizers or sandboxes.) */
int step_is_possible(void);
/* Fork, run `act` in the child, kill it n instructions after step_begin(). */
enum step_result step_kill(void (*act)(void *ctx), void *ctx, uint64_t n);
/* How many instructions there are between step_begin() and step_end(); 0 if it failed. */
uint64_t step_count(void (*act)(void *ctx), void *ctx);
/*
 * Walk through once and call look(n, ctx) between instructions, while the child stands still:
 * what it would leave if it died now. Every `stride`-th only; a non-zero answer ends the walk.
 * How many instructions there were; 0 if it failed or was ended.
 */
uint64_t step_each(void (*act)(void *ctx), int (*look)(uint64_t n, void *ctx), void *ctx,
                   uint64_t stride);
/* For the child. */
void step_begin(void);
void step_end(void);

#endif
