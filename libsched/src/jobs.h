/* SPDX-License-Identifier: MIT */
/* jobs.h -- one worker's stack of spawned jobs: fork.c. */
#ifndef WSCHED_JOBS_H
#define WSCHED_JOBS_H

#include "pool.h"

#define STACK_JOBS 4096u
#define KERNEL_RANGE 0xffffu /* not the user's: fork_range.c */

/*
 * A place on a worker's stack of jobs: what is spawned there. The arguments stay in the spawner's
 * frame, which waits for it.
 */
struct wsched_fork {
    wsched_job_fn fn;
    void *args;
    uint32_t size;
    uint32_t slot; /* below `floor`: of the board, or SLOT_* */
};
#define SLOT_NONE 0xffffffffu /* could not be shared */
#define SLOT_OVER 0xfffffffeu /* its result has been fetched */

/* Aligned to its size, so that a place tells its stack. */
#define STACK_BYTES (1u << 17)
struct stack {
    struct wsched_fork *top;   /* the next goes here */
    struct wsched_fork *floor; /* those below it were shared, those from it on are private */
    struct wsched_fork *limit; /* whoever spawns here or above shares something first */
    const struct au64 *open;   /* of the board: if it is 0, share */
    struct wsched_fork *base;  /* of the task or stolen job that runs: those below are others' */
    struct board *board;
    struct wsched *pool;
    uint64_t taken;                 /* slots of the board that our jobs have */
    struct wsched_fork *true_floor; /* while there is something `beyond` */
    uint32_t beyond;  /* spawned when the stack was full, therefore run at once, not yet synced */
    uint32_t helping; /* nested in so many jobs and tasks that were run while waiting */
    uint32_t deaths;  /* of thieves with a job of ours in hand */
    uint32_t last_kernel;
    struct wsched_fork *job_of[BOARD_JOBS];
    struct wsched_fork jobs[STACK_JOBS + 1];
};
_Static_assert(WSCHED_JOB_MAX == JOB_ARGS, "as the header says");
_Static_assert(sizeof(struct stack) <= STACK_BYTES, "stack_of()");

static inline struct stack *stack_of(struct wsched_fork *w)
{
    return (struct stack *)((uintptr_t)w & ~(uintptr_t)(STACK_BYTES - 1));
}

#define STATE_MASK 7u
#define JOB_WAITED (1u << 3)
#define SEAT_SHIFT 4

static inline enum job_state job_state(uint32_t word)
{
    return (enum job_state)(word & STATE_MASK);
}
static inline uint32_t job_thief(uint32_t word)
{
    return word >> SEAT_SHIFT;
}
static inline uint32_t job_word(enum job_state state, uint32_t thief)
{
    return (uint32_t)state | thief << SEAT_SHIFT;
}
static inline struct board *board_of(const struct wsched *p, uint32_t seat)
{
    return &p->boards[seat_is_crew(p, seat) ? seat : seat - 2]; /* driver, supervisor: none */
}

/* Could something be stolen there? */
static inline bool fork_is_open(const struct wsched *p, uint32_t seat)
{
    return au64_load_acquire(&board_of(p, seat)->open); /* P1 of park.c */
}

/* The registered number of a function with this marker as its kernel; -ENOENT. */
int fork_number(struct stack *s, wsched_fn marker, uintptr_t fn);
/* The other way round; 0: there is no such. */
uintptr_t fork_function(const struct wsched *p, wsched_fn marker, uint32_t number);
/* Is anybody to be given work: is there nothing of ours that could be stolen? */
static inline bool fork_is_bare(const struct stack *s)
{
    return !au64_load_relaxed(s->open); /* relaxed: a hint */
}
void range_run(struct wsched_fork *w, void *args);
uint32_t range_kernel(const void *args); /* of its body */

#endif
