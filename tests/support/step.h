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
 * How many instructions there were; 0 if it failed or was ended.
 */
uint64_t step_each(void (*act)(void *ctx), int (*look)(uint64_t n, void *ctx), void *ctx,
                   uint64_t stride);

/*
 * To be at instruction n without the n - 1 steps before: record the way once, then run to a
 * breakpoint at an address that the recorded walk saw for the first time shortly before n, and step
 * from there. Where there are no breakpoints, all steps are made.
 */
#define STEP_STATIONS 4096
#define STEP_ADDRESSES 65536
#define STEP_APART 32
struct step_station {
    uint64_t n, address;
};
struct step_route {
    uint32_t count, addresses;
    struct step_station stations[STEP_STATIONS];
    uint64_t seen[STEP_ADDRESSES]; /* by hash */
};
/* As step_count(). */
uint64_t step_record(struct step_route *route, void (*act)(void *ctx), void *ctx);
enum step_result step_kill_by(const struct step_route *route, void (*act)(void *ctx), void *ctx,
                              uint64_t n);

/* The same for a process that we did not fork. Seize it, then let it go on to step_begin(). After
 * step_end() it is free; its parent hears of its death when we have returned. */
int step_seize(pid_t pid);
uint64_t step_record_other(struct step_route *route, pid_t pid);
enum step_result step_kill_other(const struct step_route *route, pid_t pid, uint64_t n);

/* For the child. */
void step_begin(void);
void step_end(void);

#endif
