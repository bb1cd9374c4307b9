/* SPDX-License-Identifier: MIT */
/*
 * line.h -- two processes that start together, and how long a cache line takes from one to the other
 * just now.
 */
#ifndef BENCH_STORE_LINE_H
#define BENCH_STORE_LINE_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "futex.h"

/* ---- two processes -------------------------------------------------------------------------- */

struct pair {
    _Alignas(CACHE_LINE) struct au32 ready;
    _Alignas(CACHE_LINE) struct au32 go;
    _Alignas(CACHE_LINE) struct au32 word[2]; /* for whoever plays ping-pong */
    _Alignas(CACHE_LINE) double result[2];
};

/* Called in a child: prepare, pair_start(), work; what it returns is in result[me]. */
typedef double part(struct pair *pair, int me, void *ctx);

static inline void pair_start(struct pair *pair)
{
    au32_add_acq_rel(&pair->ready, 1);
    while (au32_load_acquire(&pair->ready) < 2)
        cpu_pause();
}

/* False: a child failed. */
static inline bool pair_run(part *work, void *ctx, double result[2])
{
    struct pair *pair = (struct pair *)mmap(NULL, sizeof *pair, PROT_READ | PROT_WRITE,
                                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    bool good = pair != MAP_FAILED;

    if (!good)
        return false;
    fflush(stdout);
    for (int me = 0; me < 2; me++)
        if (fork() == 0) {
            pair->result[me] = work(pair, me, ctx);
            _exit(pair->result[me] < 0.0);
        }
    for (int status, i = 0; i < 2; i++)
        if (wait(&status) < 0 || status)
            good = false;
    result[0] = pair->result[0];
    result[1] = pair->result[1];
    munmap(pair, sizeof *pair);
    return good;
}

/* ---- the line ------------------------------------------------------------------------------- */

#define LINE_TURNS 20000

static inline double line_part(struct pair *pair, int me, void *ctx)
{
    struct au32 *word = &pair->word[0];

    (void)ctx;
    pair_start(pair);
    int64_t t = monotonic_ns();
    for (uint32_t turn = 0; turn < LINE_TURNS; turn++) {
        uint32_t mine = 2 * turn + (uint32_t)me;

        while (au32_load_acquire(word) != mine)
            cpu_pause();
        au32_store_release(word, mine + 1);
    }
    return (double)(monotonic_ns() - t) / LINE_TURNS / 2.0;
}

/* ns from a store in one process to the load that sees it in another; 0: could not measure. */
static inline double line_latency(void)
{
    double result[2];

    return pair_run(line_part, NULL, result) ? result[0] : 0.0;
}

#endif
