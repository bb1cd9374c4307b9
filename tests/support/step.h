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

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

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
 * With a stride of 1 there is no call between two instructions that surely write nothing but
 * registers and the stack. How many instructions there were; 0 if it failed or was ended.
 */
uint64_t step_each(void (*act)(void *ctx), int (*look)(uint64_t n, void *ctx), void *ctx,
                   uint64_t stride);

/*
 * Kills where they matter. An instruction that makes no system call and changes no byte of the
 * shared memory leaves to everybody else exactly what the one before it left: a death after
 * either is the same death. So, walk once, note the instructions that have an effect, and kill
 * after each of these. Which others work at the same time is not the same from run to run: what
 * they changed is noted, too, and an instruction may not be reached the next time (STEP_ENDED).
 *
 * An effect is found again without the steps before it: by its address, how often that was come to,
 * and the repetition of a `rep`. Elsewhere than on x86-64, each instruction has an effect, and is
 * found by its number.
 */
#define STEP_EFFECTS 32768
struct step_effect {
    uint64_t n, address, arrival, repeat;
};
struct step_effects {
    uint32_t count;
    struct step_effect of[STEP_EFFECTS];
};
/* changed(ctx): is the shared memory not as it was when this was called last? As step_count(), and
 * adds to *effects what is not in there. */
uint64_t step_record(struct step_effects *effects, void (*act)(void *ctx),
                     bool (*changed)(void *ctx), void *ctx);
enum step_result step_kill_at(const struct step_effect *effect, void (*act)(void *ctx), void *ctx);

/* The same for a process that we did not fork. Seize it, then let it go on to step_begin(). After
 * step_end() it is free; its parent hears of its death when we have returned. */
int step_seize(pid_t pid);
uint64_t step_record_other(struct step_effects *effects, pid_t pid, bool (*changed)(void *ctx),
                           void *ctx);
enum step_result step_kill_other(const struct step_effect *effect, pid_t pid);

/* For the child. */
void step_begin(void);
void step_end(void);

#endif
