/* SPDX-License-Identifier: MIT */
/*
 * fork_range.c -- parallel_for: a range that is split when somebody has nothing to do.
 *
 * Lazy binary splitting (Tzannes, Caragea, Barua, Vishkin, PPoPP 2010): the range is worked off in
 * chunks from its lower end; between two chunks, when nothing of ours is open to thieves, the upper
 * half of what is left is spawned. So there are about as many pieces as thefts, not as many as
 * chunks. Without a grain, chunks double until one takes a few microseconds: then looking around
 * costs nothing to speak of, and a range that takes less than SPLIT_TICKS in all is not split.
 *
 * A piece is a job like any other (fork.c): the numbers of its functions and the user's arguments,
 * by value. What body leaves in them goes on to its next chunk; an upper half begins with them as
 * they were at first, and is joined to the lower one when both are done.
 */
#include "jobs.h"
#include "events.h"

#include <string.h>

#define CHUNK_TICKS 5000u  /* 2 us or so */
#define SPLIT_TICKS 50000u /* what waking a worker is worth */
#define NO_JOIN 0xffffu

/* Position-independent, as its arguments are. */
struct range_job {
    uint16_t body, join; /* numbers of kernels */
    uint32_t size;       /* of args */
    uint32_t chunk;
    uint32_t chunk_ticks; /* what the last chunk took; 0: not measured */
    _Alignas(16) unsigned char args[JOB_ARGS - 16];
};

/* One process's view of it. */
struct walk {
    struct wsched *pool;
    wsched_job_fn body;
    wsched_join_fn join;
    const struct range_job *fresh; /* as it came */
};

_Static_assert(sizeof(struct range_job) == JOB_ARGS, "a piece is a job");
_Static_assert(sizeof(((struct range_job *)0)->args) == WSCHED_RANGE_MAX, "as the header says");

static struct wsched_range range_of(const struct range_job *r)
{
    struct wsched_range range;

    memcpy(&range, r->args, sizeof range);
    return range;
}

static void set_range(struct range_job *r, uint64_t begin, uint64_t end)
{
    struct wsched_range range = range_of(r);

    range.begin = begin;
    range.end = end;
    memcpy(r->args, &range, sizeof range);
}

static void run_chunk(const struct walk *k, struct wsched_fork *w, struct range_job *r,
                      uint64_t begin, uint64_t n)
{
    uint64_t started = range_of(r).grain ? 0 : ticks_now(k->pool);

    set_range(r, begin, begin + n);
    k->body(w, r->args);
    if (!started)
        return;
    uint64_t ticks = ticks_now(k->pool) - started;
    r->chunk_ticks = ticks < 1 ? 1 : ticks > UINT32_MAX ? UINT32_MAX : (uint32_t)ticks;
    if (r->chunk_ticks < CHUNK_TICKS && r->chunk <= UINT32_MAX / 2)
        r->chunk *= 2;
    else if (r->chunk_ticks > 4 * CHUNK_TICKS && r->chunk > 1)
        r->chunk /= 2;
}

static bool is_worth_splitting(const struct range_job *r, uint64_t n)
{
    if (range_of(r).grain)
        return true;
    /* The chunk may have doubled since it was measured: then this is half the truth. */
    return r->chunk_ticks && n / r->chunk * r->chunk_ticks >= SPLIT_TICKS;
}

static void walk(const struct walk *k, struct wsched_fork *w, struct range_job *r, uint64_t begin,
                 uint64_t end)
{
    while (end - begin > r->chunk) {
        if (!fork_is_bare(stack_of(w)) || !is_worth_splitting(r, end - begin)) {
            uint64_t n = r->chunk;
            run_chunk(k, w, r, begin, n);
            begin += n;
            continue;
        }
        struct range_job upper = *k->fresh;
        uint64_t middle = begin + (end - begin) / 2;
        upper.chunk = r->chunk;
        upper.chunk_ticks = r->chunk_ticks;
        set_range(&upper, middle, end);
        w = wsched_spawn(w, range_run, &upper, sizeof upper);
        walk(k, w, r, begin, middle);
        wsched_sync(w);
        if (k->join)
            k->join(r->args, upper.args);
        return;
    }
    if (begin < end)
        run_chunk(k, w, r, begin, end - begin);
}

void range_run(struct wsched_fork *w, void *args)
{
    struct range_job *r = args;
    const struct range_job fresh = *r;
    const struct wsched_range range = range_of(r);
    struct wsched *p = stack_of(w)->pool;
    struct walk k = { .pool = p,
                      .body = (wsched_job_fn)fork_function(p, wsched_run_job, r->body),
                      .join = r->join == NO_JOIN
                                  ? NULL
                                  : (wsched_join_fn)fork_function(p, wsched_run_join, r->join),
                      .fresh = &fresh };

    if (!k.body || !r->chunk || (!k.join && r->join != NO_JOIN) || range.begin > range.end)
        return; /* damaged */
    walk(&k, w, r, range.begin, range.end);
    set_range(r, range.begin, range.end);
}

uint32_t range_kernel(const void *args)
{
    return ((const struct range_job *)args)->body;
}

int wsched_parallel_for(struct wsched_fork *w, wsched_job_fn body, void *args, size_t size,
                        wsched_join_fn join)
{
    struct range_job r = { .join = NO_JOIN, .size = (uint32_t)size, .chunk = 1 };

    if (!w || !body || !args || size < sizeof(struct wsched_range))
        return -EINVAL;
    if (size > sizeof r.args)
        return -E2BIG;
    memcpy(r.args, args, size);
    const struct wsched_range range = range_of(&r);
    int number = fork_number(stack_of(w), wsched_run_job, (uintptr_t)body);
    int joins = join ? fork_number(stack_of(w), wsched_run_join, (uintptr_t)join) : (int)NO_JOIN;
    if (range.begin > range.end || range.grain > UINT32_MAX)
        return -EINVAL;
    if (number < 0 || joins < 0)
        return -ENOENT;
    r.body = (uint16_t)number;
    r.join = (uint16_t)joins;
    r.chunk = range.grain ? (uint32_t)range.grain : 1;
    range_run(w, &r);
    memcpy(args, r.args, size);
    return 0;
}
