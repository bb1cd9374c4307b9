/* SPDX-License-Identifier: MIT */
/*
 * forest_bench.c -- the library and the tool against scikit-learn, round by round in turn.
 *
 * scikit-learn runs as a child that has its data loaded and takes commands through a pipe, so that
 * only the work is timed, and by its own clock. All train the same forests; the errors are compared
 * first.
 */
#define _GNU_SOURCE /* pipe2 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "forest.h"
#include "futex.h"
#include "../report.h"

#define COLS_MAX 64
#define SEED 201
#define FEW_TREES 8
#define MANY_TREES 84
#define WARM_ROUNDS 3

static double seconds(void)
{
    return (double)monotonic_ns() / 1e9;
}

static void die(const char *what, int err)
{
    fprintf(stderr, "forest_bench: %s: %s\n", what, forest_strerror(err));
    exit(3);
}

/* ---- data ------------------------------------------------------------------------------ */

struct data {
    uint64_t rows, cols, test_rows;
    double *x, *y; /* first the test rows, then the train rows */
    char target[64];
};

static uint64_t parse_row(char *line, double *cell)
{
    uint64_t n = 0;
    char *end;

    for (char *at = line; n < COLS_MAX; at = end + 1) {
        cell[n] = strtod(at, &end);
        if (end == at)
            return 0;
        n++;
        if (*end != ',')
            break;
    }
    return n;
}

static struct data load(const char *path)
{
    struct data d = { .rows = 0 };
    double cell[COLS_MAX], *all = NULL;
    char line[4096];
    uint64_t width = 0;
    FILE *f = fopen(path, "r");

    if (!f || !fgets(line, sizeof line, f))
        die(path, -errno);
    line[strcspn(line, "\r\n")] = 0;
    const char *last = strrchr(line, ',');
    snprintf(d.target, sizeof d.target, "%.63s", last ? last + 1 : line);
    while (fgets(line, sizeof line, f)) {
        uint64_t n = parse_row(line, cell);
        if (n < 2 || (width && n != width))
            die("a row of numbers was expected", -EINVAL);
        width = n;
        if ((d.rows & (d.rows - 1)) == 0)
            all = realloc(all, (d.rows ? d.rows * 2 : 1) * width * sizeof *all);
        if (!all)
            die("data", -ENOMEM);
        memcpy(all + d.rows++ * width, cell, width * sizeof *cell);
    }
    fclose(f);
    uint32_t *order = malloc(d.rows * sizeof *order);
    d.cols = width ? width - 1 : 0;
    d.x = malloc(d.rows * d.cols * sizeof *d.x);
    d.y = malloc(d.rows * sizeof *d.y);
    if (!order || !d.x || !d.y)
        die("data", -ENOMEM);
    int err = forest_train_test_split(d.rows, 0.2, SEED, order, &d.test_rows);
    if (err)
        die("split", err);
    for (uint64_t i = 0; i < d.rows; i++) {
        memcpy(d.x + i * d.cols, all + order[i] * width, d.cols * sizeof *d.x);
        d.y[i] = all[order[i] * width + d.cols];
    }
    free(order);
    free(all);
    return d;
}

static struct forest_matrix test_of(const struct data *d)
{
    return forest_matrix_rows(d->x, d->test_rows, d->cols, FOREST_FLOAT64);
}

static struct forest_matrix train_of(const struct data *d)
{
    return forest_matrix_rows(d->x + d->test_rows * d->cols, d->rows - d->test_rows, d->cols,
                              FOREST_FLOAT64);
}

/* ---- the peer ---------------------------------------------------------------------------- */

struct peer {
    pid_t pid;
    FILE *to, *from;
    char name[64]; /* as it calls itself; empty: it is not there */
};

static bool peer_answer(struct peer *p, char *line, int size)
{
    if (p->from && fgets(line, size, p->from)) {
        line[strcspn(line, "\n")] = 0;
        return true;
    }
    p->name[0] = 0;
    return false;
}

static void peer_start(struct peer *p, const char *script, const char *data)
{
    int to[2], from[2];

    if (pipe2(to, O_CLOEXEC) || pipe2(from, O_CLOEXEC))
        die("pipe", -errno);
    p->pid = fork();
    if (p->pid == 0) {
        dup2(to[0], 0);
        dup2(from[1], 1);
        if (!getenv("BENCH_VERBOSE"))
            dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), 2);
        execl("/usr/bin/python3", "python3", script, data, (char *)NULL);
        _exit(127);
    }
    close(to[0]);
    close(from[1]);
    p->to = fdopen(to[1], "w");
    p->from = fdopen(from[0], "r");
    if (!peer_answer(p, p->name, sizeof p->name))
        printf("scikit-learn: skipped (python3-sklearn is not installed)\n");
}

/* The number the peer answers; 0.0: it is not there. */
static double peer_ask(struct peer *p, const char *what, int a, int b)
{
    char line[128];

    if (!p->name[0])
        return 0.0;
    fprintf(p->to, b ? "%s %d %d\n" : "%s %d\n", what, a, b);
    fflush(p->to);
    return peer_answer(p, line, sizeof line) ? strtod(line, NULL) : 0.0;
}

static void peer_stop(struct peer *p)
{
    fclose(p->to);
    fclose(p->from);
    waitpid(p->pid, NULL, 0);
}

/* ---- ours -------------------------------------------------------------------------------- */

struct team {
    int (*body)(void *arg, uint32_t i);
    void *arg;
    uint32_t n;
    uint32_t next;
    int err;
};

static void *team_member(void *arg)
{
    struct team *t = arg;
    uint32_t i;

    while ((i = __atomic_fetch_add(&t->next, 1, __ATOMIC_RELAXED)) < t->n) {
        int err = t->body(t->arg, i);
        if (err)
            __atomic_store_n(&t->err, err, __ATOMIC_RELAXED);
    }
    return NULL;
}

/* An executor of two threads: the caller and one more. */
static int two_threads(void *ctx, uint32_t n, int (*body)(void *arg, uint32_t i), void *arg)
{
    struct team team = { body, arg, n, 0, 0 };
    pthread_t other;

    (void)ctx;
    if (pthread_create(&other, NULL, team_member, &team))
        return -EAGAIN;
    team_member(&team);
    pthread_join(other, NULL);
    return team.err;
}

struct model {
    void *block;
    size_t bytes;
    struct forest *forest;
};

static double fit(const struct data *d, uint32_t trees, int threads, uint32_t mode,
                  struct model *out)
{
    static const struct forest_executor two = { two_threads, NULL, 2 };
    struct forest_params params = FOREST_PARAMS_INIT;
    struct forest_matrix x = train_of(d);
    struct model m;

    params.n_estimators = trees;
    params.seed = SEED;
    params.mode = mode;
    double start = seconds();
    int err = forest_train(&x, d->y + d->test_rows, NULL, &params, threads == 2 ? &two : NULL,
                           &m.block, &m.bytes);
    double took = seconds() - start;
    if (err)
        die("train", err);
    if (out) {
        err = forest_open(m.block, m.bytes, &m.forest, NULL);
        if (err)
            die("open", err);
        *out = m;
    } else {
        free(m.block);
    }
    return took;
}

static double predict(const struct data *d, const struct model *m, double *out)
{
    struct forest_matrix x = test_of(d);
    double start = seconds();
    int err = forest_predict(m->forest, &x, out);
    double took = seconds() - start;

    if (err)
        die("predict", err);
    return took;
}

/* ---- cases ------------------------------------------------------------------------------- */

/*
 * Each is timed right after it has done the same, untimed: what takes some milliseconds would else be
 * over before a processor that had nothing to do runs at its full speed, and what takes a second not.
 */
static double fit_awake(const struct data *d, uint32_t trees, int threads, uint32_t mode)
{
    fit(d, trees, threads, mode, NULL);
    return fit(d, trees, threads, mode, NULL) * 1e3 / trees;
}

/* Of a second's work a part is enough: `trees_before`. */
static double peer_awake(struct peer *peer, const char *what, int trees_before, int trees, int jobs)
{
    peer_ask(peer, what, trees_before, jobs);
    return peer_ask(peer, what, trees, jobs) * 1e3;
}

static void bench_fit(const struct data *d, struct peer *peer, const char *what, uint32_t trees,
                      int threads, int rounds, FILE *out)
{
    char params[96], name[96];
    struct comparison c = { "forest",
                            what,
                            params,
                            "time per tree",
                            "ms",
                            "lower",
                            { { .impl = "ours" }, { .impl = "ours, fast mode" }, { .impl = name } },
                            3 };

    snprintf(params, sizeof params, "%u trees, %llu x %llu rows, %d thread%s", trees,
             (unsigned long long)(d->rows - d->test_rows), (unsigned long long)d->cols, threads,
             threads == 1 ? "" : "s");
    snprintf(name, sizeof name, "%s n_jobs=%d", peer->name[0] ? peer->name : "scikit-learn",
             threads);
    for (int r = 0; r < WARM_ROUNDS; r++) { /* a process that has trained; peers.py: others */
        fit(d, trees, threads, FOREST_EXACT, NULL);
        fit(d, trees, threads, FOREST_FAST, NULL);
    }
    peer_ask(peer, "fit", (int)trees, threads);
    for (int r = 0; r < rounds; r++) {
        series_add(&c.series[0], fit_awake(d, trees, threads, FOREST_EXACT));
        series_add(&c.series[1], fit_awake(d, trees, threads, FOREST_FAST));
        series_add(&c.series[2], peer_awake(peer, "fit", FEW_TREES, (int)trees, threads) / trees);
    }
    comparison_report(&c, out);
}

static void bench_predict(const struct data *d, struct peer *peer, int rounds, FILE *out)
{
    char params[96], one[96], two[96];
    struct comparison c = { "forest",
                            "predict",
                            params,
                            "time",
                            "ms",
                            "lower",
                            { { .impl = "ours, 1 thread" }, { .impl = one }, { .impl = two } },
                            3 };
    double *p = malloc(d->test_rows * sizeof *p);
    struct model m;

    if (!p)
        die("predictions", -ENOMEM);
    snprintf(params, sizeof params, "%llu rows x %d trees", (unsigned long long)d->test_rows,
             MANY_TREES);
    snprintf(one, sizeof one, "%s n_jobs=1", peer->name[0] ? peer->name : "scikit-learn");
    snprintf(two, sizeof two, "%s n_jobs=2", peer->name[0] ? peer->name : "scikit-learn");
    fit(d, MANY_TREES, 2, FOREST_EXACT, &m);
    predict(d, &m, p);
    double ours = forest_mean_squared_error(d->y, p, d->test_rows);
    double theirs = peer_ask(peer, "mse", MANY_TREES, 0);
    if (peer->name[0])
        printf("\nmean squared error of %d trees: ours %.17g, %s %.17g: %s\n", MANY_TREES, ours,
               peer->name, theirs, ours == theirs ? "the same forest" : "NOT THE SAME FOREST");
    for (int r = 0; r < rounds; r++) {
        predict(d, &m, p);
        series_add(&c.series[0], predict(d, &m, p) * 1e3);
        series_add(&c.series[1], peer_awake(peer, "predict", MANY_TREES, MANY_TREES, 1));
        series_add(&c.series[2], peer_awake(peer, "predict", MANY_TREES, MANY_TREES, 2));
    }
    comparison_report(&c, out);
    forest_close(m.forest);
    free(m.block);
    free(p);
}

/* A number of the document itself, not of one of the models, which have keys of the same names. */
static double sweep_number(const char *text, const char *key)
{
    const char *at = strstr(text, "\"models\":");

    at = at ? strchr(at, ']') : NULL;
    at = at ? strstr(at, key) : NULL;
    return at && (at = strchr(at, ':')) ? strtod(at + 1, NULL) : 0.0;
}

/* Run the tool's sweep, parallel and sequential. False: it cannot. */
static bool tool_sweep(const char *tool, const char *options, const char *path,
                       const struct data *d, double *parallel, double *sequential)
{
    char command[4096], text[65536];

    snprintf(command, sizeof command,
             "'%s' sweep --data '%s' --target '%s' --seed %d --test-size 0.2 --models 20 --start 8 "
             "--step 4 --workers 2 %s --compare --json 2>/dev/null",
             tool, path, d->target, SEED, options);
    FILE *f = popen(command, "r");
    if (!f)
        return false;
    text[fread(text, 1, sizeof text - 1, f)] = 0;
    if (pclose(f))
        return false;
    *parallel = sweep_number(text, "\"parallel_seconds\"");
    *sequential = sweep_number(text, "\"sequential_seconds\"");
    return *parallel > 0.0 && *sequential > 0.0;
}

static void bench_sweep(const struct data *d, struct peer *peer, const char *tool, const char *path,
                        int rounds, FILE *out)
{
    char name[96];
    struct comparison c = { "forest",
                            "sweep",
                            "20 models of 8 to 84 trees, seed 201",
                            "time",
                            "s",
                            "lower",
                            { { .impl = "ours, 2 workers" },
                              { .impl = "ours, sequential" },
                              { .impl = "ours, fast mode, 2 workers" },
                              { .impl = "ours, shared trees, 2 workers" },
                              { .impl = "ours, fast mode, shared trees, 2 workers" },
                              { .impl = name } },
                            6 };
    struct comparison s = {
        "forest", "sweep-speedup", "20 models, 2 workers", "sequential over parallel",
        "times",  "higher",        { { .impl = "ours" } }, 1
    };

    if (access(tool, X_OK)) {
        printf("\nsweep: skipped (there is no tool %s)\n", tool);
        return;
    }
    snprintf(name, sizeof name, "%s n_jobs=2", peer->name[0] ? peer->name : "scikit-learn");
    for (int r = 0; r < rounds; r++) {
        double parallel, sequential, fast, shared, fast_shared, others;
        if (!tool_sweep(tool, "", path, d, &parallel, &sequential) ||
            !tool_sweep(tool, "--mode fast", path, d, &fast, &others) ||
            !tool_sweep(tool, "--reuse-trees", path, d, &shared, &others) ||
            !tool_sweep(tool, "--mode fast --reuse-trees", path, d, &fast_shared, &others)) {
            printf("\nsweep: skipped (the tool failed)\n");
            return;
        }
        series_add(&c.series[0], parallel);
        series_add(&c.series[1], sequential);
        series_add(&s.series[0], sequential / parallel);
        series_add(&c.series[2], fast);
        series_add(&c.series[3], shared);
        series_add(&c.series[4], fast_shared);
        series_add(&c.series[5], peer_ask(peer, "sweep", 2, 0));
    }
    comparison_report(&c, out);
    comparison_report(&s, out);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "quick", no_argument, NULL, 'q' },      { "tool", required_argument, NULL, 't' },
        { "peer", required_argument, NULL, 'p' }, { "out", required_argument, NULL, 'o' },
        { "only", required_argument, NULL, 'c' }, { NULL, 0, NULL, 0 }
    };
    const char *tool = "build/bin/forest", *script = "bench/forest/sklearn_peer.py";
    const char *out_path = "build/bench/forest.jsonl";
    const char *only = "";
    bool quick = false;
    struct peer peer;

    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'q')
            quick = true;
        else if (c == 't')
            tool = optarg;
        else if (c == 'p')
            script = optarg;
        else if (c == 'o')
            out_path = optarg;
        else if (c == 'c')
            only = optarg;
        else
            return 2;
    }
    if (optind + 1 != argc) {
        fprintf(stderr,
                "usage: forest_bench [--quick] [--only CASE] [--tool F] [--peer F] [--out F] "
                "DATA.csv\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    report_machine();
    struct data d = load(argv[optind]);
    FILE *out = fopen(out_path, "w");
    if (!out)
        die(out_path, -errno);
    peer_start(&peer, script, argv[optind]);
    if (strstr("fit-1", only))
        bench_fit(&d, &peer, "fit-1", FEW_TREES, 1, quick ? 3 : 9, out);
    if (strstr("fit-2", only))
        bench_fit(&d, &peer, "fit-2", FEW_TREES, 2, quick ? 3 : 9, out);
    if (strstr("fit-84", only))
        bench_fit(&d, &peer, "fit-84", MANY_TREES, 2, quick ? 3 : 5, out);
    if (strstr("predict", only))
        bench_predict(&d, &peer, quick ? 7 : 21, out);
    if (strstr("sweep", only))
        bench_sweep(&d, &peer, tool, argv[optind], quick ? 1 : 3, out);
    peer_stop(&peer);
    fclose(out);
    free(d.x);
    free(d.y);
    printf("\nwritten to %s\n", out_path);
    return 0;
}
