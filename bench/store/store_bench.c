/* SPDX-License-Identifier: MIT */
/*
 * store_bench.c -- libobjstore and its peers, round by round in turn.
 *
 * Every peer is a child (driver.c, or a script that speaks as it does) that keeps its store and
 * takes cases through a pipe. How fast two processes share memory depends on where the host has
 * put the two processors just now: before and after each round of two processes the latency of a
 * cache line is measured, and only rounds of the same kind are compared.
 */
#define _GNU_SOURCE /* pipe2 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../report.h"
#include "atomics.h"

#define NEAR_NS 100.0 /* a line comes over in less: the processors are neighbours */
#define ANSWER_MS 60000

/* ---- peers ---------------------------------------------------------------------------------- */

struct peer {
    char name[64];
    pid_t pid;
    int to;
    FILE *from;
};

static struct peer peers[SERIES_MAX];
static int peer_count;

/* One line from a peer. False: it is gone, or says nothing for too long. */
static bool peer_line(struct peer *p, char *line, int size)
{
    struct pollfd poll_for = { fileno(p->from), POLLIN, 0 };

    if (poll(&poll_for, 1, ANSWER_MS) != 1 || !fgets(line, size, p->from))
        return false;
    line[strcspn(line, "\n")] = 0;
    return true;
}

static void peer_stop(struct peer *p)
{
    close(p->to);
    fclose(p->from);
    for (int tries = 0; tries < 100 && waitpid(p->pid, NULL, WNOHANG) == 0; tries++)
        usleep(50000);
    kill(p->pid, SIGKILL);
    waitpid(p->pid, NULL, 0);
    p->pid = 0;
}

static bool peer_start(struct peer *p, const char *program, bool quick)
{
    const char *capacity = quick ? "268435456" : "1342177280";
    const char *budget_ms = quick ? "60" : "250";
    int to[2], from[2];
    char line[128];

    if (pipe2(to, O_CLOEXEC) || pipe2(from, O_CLOEXEC))
        return false;
    p->pid = fork();
    if (p->pid == 0) {
        dup2(to[0], 0);
        dup2(from[1], 1);
        if (strstr(program, ".py"))
            execlp("python3", "python3", program, capacity, budget_ms, (char *)NULL);
        else
            execl(program, program, capacity, budget_ms, (char *)NULL);
        _exit(127);
    }
    close(to[0]);
    close(from[1]);
    p->to = to[1];
    p->from = fdopen(from[0], "r");
    if (peer_line(p, line, sizeof line) && !strncmp(line, "ready ", 6)) {
        snprintf(p->name, sizeof p->name, "%.60s", line + 6);
        return true;
    }
    printf("%s: skipped (it does not start here)\n", program);
    peer_stop(p);
    return false;
}

struct answer {
    double p50, p99, rate;
};

static bool ask(struct peer *p, const char *name, const char *how, long n, struct answer *a)
{
    char line[128];
    int length = snprintf(line, sizeof line, "%s %s %ld\n", name, how, n);

    *a = (struct answer){ 0.0, 0.0, 0.0 };
    if (!p->pid || write(p->to, line, (size_t)length) != length)
        return false;
    if (!peer_line(p, line, sizeof line)) {
        printf("%s: given up on in %s %s\n", p->name, name, how);
        kill(p->pid, SIGKILL);
        peer_stop(p);
        return false;
    }
    return sscanf(line, "%lf %lf %lf", &a->p50, &a->p99, &a->rate) == 3;
}

/* ---- cases ---------------------------------------------------------------------------------- */

struct test {
    const char *name, *what, *params, *how;
    long n, n_quick;   /* 0: not in this form */
    double bytes;      /* of one operation, for GB/s; 0: nothing to say about bytes */
    const char *limit; /* what the driver does besides, as a limit: memcpy, futex */
    const char *limit_name;
    bool is_contended, is_rare; /* rare: fewer rounds will do, it takes long */
};

#define KIB 1024.0
#define MIB (1024.0 * KIB)
static const struct test tests[] = {
    { "put", "put", "64 B", "64", 20000, 20000, 64, NULL, NULL, false, false },
    { "put", "put", "1 KiB", "1024", 20000, 10000, KIB, NULL, NULL, false, false },
    { "put", "put", "64 KiB", "65536", 2000, 1000, 64 * KIB, "memcpy", "memcpy", false, false },
    { "put", "put", "1 MiB", "1048576", 200, 100, MIB, "memcpy", "memcpy", false, false },
    { "put", "put", "64 MiB", "67108864", 6, 3, 64 * MIB, "memcpy", "memcpy", false, false },
    { "put", "put", "1 GiB", "1073741824", 2, 0, 1024 * MIB, "memcpy", "memcpy", false, true },
    { "get", "get + release, 256 hot", "64 B", "64", 4000, 4000, 0, NULL, NULL, false, false },
    { "get", "get + release, 256 hot", "64 KiB", "65536", 1000, 500, 0, NULL, NULL, false, false },
    { "random", "get + release, random", "64 B of 20,000", "64", 20000, 20000, 0, NULL, NULL, false,
      false },
    { "many", "get + release, random, 16 at once", "64 B of 20,000", "64", 20000, 20000, 0, NULL,
      NULL, false, false },
    { "many", "get + release, random, 16 at once", "64 B of 200,000", "64", 200000, 200000, 0, NULL,
      NULL, false, true },
    { "read", "get + read all + release", "1 MiB", "1048576", 100, 50, MIB, NULL, NULL, false,
      false },
    { "read", "get + read all + release", "1 GiB", "1073741824", 1, 0, 1024 * MIB, NULL, NULL,
      false, true },
    { "put2", "two processes, put", "64 B", "64", 20000, 20000, 0, NULL, NULL, true, false },
    { "get2", "two processes, random get + release", "64 B of 20,000", "64", 20000, 20000, 0, NULL,
      NULL, true, false },
    { "mix2", "two processes, 1/2 get 1/4 put 1/4 delete", "64 B to 64 KiB", "64", 20000, 20000, 0,
      NULL, NULL, true, false },
    { "hand", "hand-over to a spinning get", "64 B", "spin", 5000, 2000, 0, "futex", "bare word",
      true, false },
    { "hand", "hand-over to a sleeping get", "64 B", "block", 500, 200, 0, "futex", "bare futex",
      true, false },
    { "wait", "wait for all", "10,000 ids", "all", 10000, 10000, 0, NULL, NULL, false, false },
    { "wait1", "all waits, each for one of what is left", "1,000 ids", "one", 1000, 1000, 0, NULL,
      NULL, false, false },
    { "over", "4/5 get + read all, 1/5 put anew, skewed", "64 KiB, 3 times the memory", "65536",
      20000, 20000, 64 * KIB, NULL, NULL, false, false },
};

/* What one round of one case said of everybody. */
struct round {
    struct answer of[SERIES_MAX];
    bool has[SERIES_MAX];
    double line_before, line_after;
};

static const char *kind_of(const struct test *t, const struct round *r)
{
    if (!t->is_contended)
        return "";
    if (r->line_before < NEAR_NS && r->line_after < NEAR_NS)
        return "near";
    return r->line_before >= NEAR_NS && r->line_after >= NEAR_NS ? "far" : "mixed";
}

static void run_round(const struct test *t, long n, struct round *r)
{
    struct answer line = { 0.0, 0.0, 0.0 };

    if (t->is_contended && ask(&peers[0], "line", "x", 0, &line))
        r->line_before = line.p50;
    for (int i = 0; i < peer_count; i++)
        r->has[i] = ask(&peers[i], t->name, t->how, n, &r->of[i]);
    if (t->limit)
        r->has[peer_count] = ask(&peers[0], t->limit, t->how, n, &r->of[peer_count]);
    if (t->is_contended && ask(&peers[0], "line", "x", 0, &line))
        r->line_after = line.p50;
}

/* ---- results -------------------------------------------------------------------------------- */

enum metric { P50, P99, RATE, BYTES, METRICS };
static const char *const metric_names[] = { "p50", "p99", "rate", "throughput" };
static const char *const metric_units[] = { "ns", "ns", "1/s", "GB/s" };

static double value_of(const struct test *t, const struct answer *a, enum metric m)
{
    switch (m) {
    case P50:
        return a->p50;
    case P99:
        return a->p99;
    case RATE:
        return a->rate;
    case BYTES:
    case METRICS:
    default:
        return a->rate * t->bytes / 1e9;
    }
}

static int fill(const struct test *t, const struct round *rounds, int count, const char *kind,
                struct comparison c[METRICS])
{
    int series = peer_count + (t->limit != NULL), kept = 0;

    for (int m = 0; m < METRICS; m++) {
        c[m] = (struct comparison){ .suite = "store",
                                    .name = t->what,
                                    .params = t->params,
                                    .metric = metric_names[m],
                                    .unit = metric_units[m],
                                    .better = m < RATE ? "lower" : "higher",
                                    .count = series };
        for (int i = 0; i < series; i++)
            c[m].series[i].impl = i < peer_count ? peers[i].name : t->limit_name;
    }
    for (int r = 0; r < count; r++) {
        if (strcmp(kind_of(t, &rounds[r]), kind))
            continue;
        kept++;
        for (int m = 0; m < METRICS; m++)
            for (int i = 0; i < series; i++)
                if (rounds[r].has[i])
                    series_add(&c[m].series[i], value_of(t, &rounds[r].of[i], (enum metric)m));
    }
    return kept;
}

static void print_cell(struct series *s, double scale, int digits)
{
    double median = series_median(s);

    if (s->rounds)
        printf("%11.*f", digits, median * scale);
    else
        printf("%11s", "");
}

static void report(const struct test *t, const struct round *rounds, int count, const char *kind,
                   FILE *out)
{
    static struct comparison c[METRICS];
    int kept = fill(t, rounds, count, kind, c);
    char params[96];

    if (!kept)
        return;
    snprintf(params, sizeof params, "%s%s%s", t->params, *kind ? ", line " : "", kind);
    printf("\n%s, %s (%d rounds)\n  %-20s %11s %11s %11s %11s %16s\n", t->what, params, kept, "",
           "p50 us", "p99 us", "M/s", "GB/s", "ours is, times");
    enum metric main = c[P50].series[0].rounds ? P50 : RATE; /* a neighbour's load spoils rates */
    double ours = series_median(&c[main].series[0]);
    for (int i = 0; i < c[P50].count; i++) {
        double theirs = series_median(&c[main].series[i]);

        if (!c[P50].series[i].rounds && !c[RATE].series[i].rounds)
            continue; /* has no such call */
        printf("  %-20s", c[P50].series[i].impl);
        print_cell(&c[P50].series[i], 1e-3, 3);
        print_cell(&c[P99].series[i], 1e-3, 3);
        print_cell(&c[RATE].series[i], 1e-6, 4);
        print_cell(&c[BYTES].series[i], 1.0, 2);
        if (i && ours > 0.0 && theirs > 0.0)
            printf(" %15.2fx", main == RATE ? ours / theirs : theirs / ours);
        printf("\n");
    }
    for (int m = 0; m < METRICS; m++) {
        c[m].params = params;
        comparison_write(&c[m], out);
    }
    fflush(stdout);
}

static void run_test(const struct test *t, int rounds, bool quick, FILE *out)
{
    static struct round results[ROUNDS_MAX];
    long n = quick ? t->n_quick : t->n;

    if (!n)
        return;
    if (t->is_rare && rounds > 5)
        rounds = 5;
    memset(results, 0, sizeof results);
    for (int r = 0; r < rounds; r++)
        run_round(t, n, &results[r]);
    if (!t->is_contended) {
        report(t, results, rounds, "", out);
        return;
    }
    report(t, results, rounds, "near", out);
    report(t, results, rounds, "far", out);
    report(t, results, rounds, "mixed", out);
}

int main(int argc, char **argv)
{
    static const struct option options[] = { { "quick", no_argument, NULL, 'q' },
                                             { "rounds", required_argument, NULL, 'r' },
                                             { "only", required_argument, NULL, 'c' },
                                             { "out", required_argument, NULL, 'o' },
                                             { NULL, 0, NULL, 0 } };
    const char *out_path = "build/bench/store.jsonl", *only = NULL;
    bool quick = false;
    int rounds = 0;

    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'q')
            quick = true;
        else if (c == 'r')
            rounds = atoi(optarg);
        else if (c == 'c')
            only = optarg;
        else if (c == 'o')
            out_path = optarg;
        else
            return 2;
    }
    if (optind == argc) {
        fprintf(stderr, "usage: store_bench [--quick] [--rounds N] [--only CASE] [--out FILE] "
                        "OURS [PEER ...]\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    report_machine();
    for (int i = optind; i < argc && peer_count < SERIES_MAX - 1; i++)
        if (peer_start(&peers[peer_count], argv[i], quick))
            peer_count++;
        else if (i == optind)
            return 3; /* without ours there is nothing to compare */
    FILE *out = fopen(out_path, "w");
    if (!out) {
        fprintf(stderr, "store_bench: %s: %s\n", out_path, strerror(errno));
        return 3;
    }
    rounds = rounds > 0 && rounds <= ROUNDS_MAX ? rounds : quick ? 5 : 15;
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        if (!only || strstr(tests[i].name, only))
            run_test(&tests[i], rounds, quick, out);
    for (int i = 0; i < peer_count; i++)
        if (peers[i].pid)
            peer_stop(&peers[i]);
    fclose(out);
    printf("\n%s\n", out_path);
    return 0;
}
