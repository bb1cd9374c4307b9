/* SPDX-License-Identifier: MIT */
/*
 * cache [--out FILE] -- how often a store made as a cache has what is asked for: the store itself,
 * on skewed and scanning traces, beside LRU and the best offline choice (Belady) of the same number
 * of objects. Appends to FILE. There is no time in it, so one round is all of them.
 */
#include "../report.h"

#include <getopt.h>
#include <math.h>
#include <objstore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEYS 20000u
#define STEPS 100000u
#define ROOM 1000u /* objects of a page */
#define PAGE 4096u

static uint32_t trace[STEPS], next_use[STEPS];

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Zipf(0.9); with scans a pass over 2000 keys never asked for otherwise, every 10000 steps. */
static void make_trace(int with_scans)
{
    static double sum[KEYS];
    static uint32_t last[KEYS + STEPS];
    uint64_t random = 1;
    for (uint32_t i = 0; i < KEYS; i++)
        sum[i] = (i ? sum[i - 1] : 0) + pow(i + 1, -0.9);
    for (uint32_t i = 0, fresh = KEYS; i < STEPS; i++) {
        double x = (double)(next_random(&random) >> 11) / 9007199254740992.0 * sum[KEYS - 1];
        uint32_t low = 0, high = KEYS - 1;
        while (low < high) {
            uint32_t middle = (low + high) / 2;
            if (sum[middle] < x)
                low = middle + 1;
            else
                high = middle;
        }
        trace[i] = with_scans && i % 10000 < 2000 ? fresh++ : low;
    }
    memset(last, 0xff, sizeof last);
    for (uint32_t i = STEPS; i-- > 0;) {
        next_use[i] = last[trace[i]];
        last[trace[i]] = i;
    }
}

/* Keeps ROOM keys; lets go the one of the lowest last use, or of the latest next use. */
static double simulate(int is_belady)
{
    static uint32_t keys[ROOM], rank[ROOM];
    uint32_t count = 0, hits = 0;
    for (uint32_t i = 0; i < STEPS; i++) {
        uint32_t at = 0, worst = 0;
        while (at < count && keys[at] != trace[i])
            at++;
        hits += at < count;
        if (at == count && count < ROOM)
            count++;
        else if (at == count) {
            for (uint32_t j = 1; j < count; j++)
                if (is_belady ? rank[j] > rank[worst] : rank[j] < rank[worst])
                    worst = j;
            at = worst;
        }
        keys[at] = trace[i];
        rank[at] = is_belady ? next_use[i] : i;
    }
    return (double)hits / STEPS;
}

static double run_store(void)
{
    static const char page[PAGE];
    struct objstore_options options = OBJSTORE_OPTIONS_INIT;
    struct objstore *s;
    uint32_t hits = 0;
    options.flags = OBJSTORE_CREATE | OBJSTORE_CACHE;
    options.capacity_bytes = (uint64_t)ROOM * PAGE;
    if (objstore_open(NULL, &options, &s, NULL))
        exit(3);
    for (uint32_t i = 0; i < STEPS; i++) {
        struct objstore_id id = { { 1 } };
        struct objstore_view view;
        memcpy(id.bytes + 8, &trace[i], sizeof trace[i]);
        if (objstore_get(s, &id, 0, &view) == 0) {
            hits++;
            objstore_release(s, &view);
        } else if (objstore_put(s, &id, page, PAGE, NULL)) {
            exit(3);
        }
    }
    objstore_close(s);
    return (double)hits / STEPS;
}

int main(int argc, char **argv)
{
    static const struct option options[] = { { "out", required_argument, NULL, 'o' },
                                             { NULL, 0, NULL, 0 } };
    const char *out_path = "/dev/null";

    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;)
        if (c == 'o')
            out_path = optarg;
        else
            return 2;
    FILE *out = fopen(out_path, "a");
    if (!out) {
        perror(out_path);
        return 3;
    }
    for (int with_scans = 0; with_scans < 2; with_scans++) {
        struct comparison c = { .suite = "store",
                                .name = "hits of a cache",
                                .params = with_scans ? "zipf with scans" : "zipf",
                                .metric = "hits",
                                .unit = "%",
                                .better = "higher",
                                .count = 3 };

        make_trace(with_scans);
        c.series[0].impl = "ours (SIEVE)";
        c.series[1].impl = "LRU";
        c.series[2].impl = "best offline";
        series_add(&c.series[0], 100.0 * run_store());
        series_add(&c.series[1], 100.0 * simulate(0));
        series_add(&c.series[2], 100.0 * simulate(1));
        comparison_report(&c, out);
    }
    fclose(out);
    return 0;
}
