/* SPDX-License-Identifier: MIT */
/* parallel_for.c -- map and reduce: pieces of a sum in parallel, and a task that adds them up. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <wsched.h>

#define PIECES 40
#define TERMS 50000000L

struct piece {
    long begin, end;
};

/* Part of 4 * (1 - 1/3 + 1/5 - ...). */
static int sum_piece(struct wsched_task *task, void *ctx)
{
    const struct piece *p = wsched_task_payload(task, NULL);
    double sum = 0;

    (void)ctx;
    for (long i = p->begin; i < p->end; i++)
        sum += (i % 2 ? -4.0 : 4.0) / (double)(2 * i + 1);
    return wsched_task_result(task, &sum, sizeof sum);
}

int main(void)
{
    static const struct wsched_kernel kernels[] = { { "sum_piece", sum_piece, NULL } };
    struct wsched_future futures[PIECES];
    struct wsched_spec specs[PIECES];
    struct piece pieces[PIECES];
    struct wsched *pool;
    double pi = 0, part;

    int err = wsched_open(NULL, kernels, 1, &pool);
    if (err) {
        fprintf(stderr, "parallel_for: %s\n", wsched_strerror(err));
        return 1;
    }
    for (long i = 0; i < PIECES; i++) {
        pieces[i] = (struct piece){ TERMS / PIECES * i, TERMS / PIECES * (i + 1) };
        specs[i] = (struct wsched_spec){ .kernel = "sum_piece",
                                         .payload = &pieces[i],
                                         .payload_size = sizeof pieces[i] };
    }
    int n = wsched_submit_many(pool, specs, PIECES, futures); /* one wake for all */
    err = n < 0 ? n : wsched_wait(pool, futures, PIECES, PIECES, -1, NULL);
    for (int i = 0; i < PIECES && err >= 0; i++) {
        err = wsched_result(pool, futures[i], &part, sizeof part, NULL);
        pi += part;
        wsched_release(pool, futures[i]);
    }
    if (err < 0)
        fprintf(stderr, "parallel_for: %s\n", wsched_strerror(err));
    else
        printf("pi is about %.7f\n", pi);
    wsched_close(pool);
    return err < 0 || fabs(pi - 3.1415926) > 1e-5;
}
