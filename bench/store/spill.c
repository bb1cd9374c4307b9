/* SPDX-License-Identifier: MIT */
/*
 * spill [--quick] [--rounds N] [--only SIZE] [--out FILE] [DIR] -- spill and restore against the raw
 * device, in turn in one run, for objects of 4 KiB to 64 MiB, or of one of these sizes ("4 KiB").
 *
 * Raw: the same bytes from and to memory in huge pages (which a disk is told of in fewest pieces), by
 * O_DIRECT requests of 1 MiB into a new file with its room reserved, as a spill file is; one after
 * the other, and four at a time through io_uring. Ours: objstore_spill() of all of a store, and a get of each object in order.
 * Appends to FILE.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <liburing.h>
#include <objstore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../report.h"
#include "futex.h"

#define TOTAL ((uint64_t)192 << 20)
#define PIECE (1u << 20)
#define AT_ONCE 4u
#define HUGE_BYTES (2u << 20)

static void need(int64_t err, const char *what)
{
    if (err < 0) {
        fprintf(stderr, "spill: %s: %s\n", what, objstore_strerror((int)err));
        exit(3);
    }
}

static double gb_per_s(int64_t start)
{
    return (double)TOTAL / (double)(monotonic_ns() - start);
}

static void one_by_one(int fd, unsigned char *memory, bool is_write)
{
    for (uint64_t at = 0; at < TOTAL; at += PIECE)
        need((is_write ? pwrite(fd, memory + at, PIECE, (off_t)at)
                       : pread(fd, memory + at, PIECE, (off_t)at)) == PIECE
                 ? 0
                 : -EIO,
             "raw");
}

static void some_at_once(struct io_uring *ring, int fd, unsigned char *memory, bool is_write)
{
    uint64_t at = 0, flying = 0;

    while (at < TOTAL || flying) {
        struct io_uring_cqe *cqe;

        for (; at < TOTAL && flying < AT_ONCE; at += PIECE, flying++) {
            struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

            if (is_write)
                io_uring_prep_write(sqe, fd, memory + at, PIECE, at);
            else
                io_uring_prep_read(sqe, fd, memory + at, PIECE, at);
        }
        need(io_uring_submit_and_wait(ring, 1), "io_uring");
        while (io_uring_peek_cqe(ring, &cqe) == 0) {
            need(cqe->res == PIECE ? 0 : -EIO, "raw");
            io_uring_cqe_seen(ring, cqe);
            flying--;
        }
    }
}

/* ring NULL: one request after the other. */
static void raw(const char *dir, struct io_uring *ring, unsigned char *memory, double *written,
                double *read_back)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/raw-%d", dir, (int)getpid());
    int64_t start = monotonic_ns();
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_DIRECT | O_CLOEXEC, 0600);
    need(fd < 0 ? -errno : 0, path);
    unlink(path);
    need(fallocate(fd, 0, 0, (off_t)TOTAL) ? -errno : 0, "fallocate");
    ring ? some_at_once(ring, fd, memory, true) : one_by_one(fd, memory, true);
    *written = gb_per_s(start);
    start = monotonic_ns();
    ring ? some_at_once(ring, fd, memory, false) : one_by_one(fd, memory, false);
    *read_back = gb_per_s(start);
    close(fd);
}

static struct objstore_id id_of(uint64_t n)
{
    struct objstore_id id = { { 1 } };
    memcpy(id.bytes + 8, &n, sizeof n);
    return id;
}

static void ours(struct objstore *s, uint64_t objects, double *spilled, double *restored)
{
    int64_t start = monotonic_ns();
    need(objstore_spill(s, UINT64_MAX), "objstore_spill");
    *spilled = gb_per_s(start);
    start = monotonic_ns();
    for (uint64_t n = 0; n < objects; n++) {
        struct objstore_id id = id_of(n);
        struct objstore_view view;
        need(objstore_get(s, &id, 0, &view), "objstore_get");
        objstore_release(s, &view);
    }
    *restored = gb_per_s(start);
    usleep(500000); /* until the file system has told the disk of what it does not need any more */
}

static struct objstore *full_store(const char *dir, const unsigned char *memory, size_t object)
{
    struct objstore_options options = OBJSTORE_OPTIONS_INIT;
    struct objstore *s;

    options.flags = OBJSTORE_CREATE | OBJSTORE_PREFAULT;
    options.capacity_bytes = TOTAL / 16 * 17; /* small ones lie in blocks, which take some */
    options.spill_dir = dir;
    need(objstore_open(NULL, &options, &s, NULL), "objstore_open");
    for (uint64_t n = 0; n < TOTAL / object; n++) {
        struct objstore_id id = id_of(n);
        need(objstore_put(s, &id, memory + n * object, object, NULL), "objstore_put");
    }
    return s;
}

static void measure(const char *dir, struct io_uring *ring, unsigned char *memory, size_t object,
                    const char *params, int rounds, FILE *out)
{
    static const char *const impls[] = { "ours", "raw, one by one", "raw, 4 at once" };
    struct objstore *s = full_store(dir, memory, object);
    struct objstore_stats stats;
    struct comparison c[2];

    for (int i = 0; i < 2; i++) {
        c[i] = (struct comparison){ .suite = "store",
                                    .name = i ? "restore" : "spill",
                                    .params = params,
                                    .metric = "throughput",
                                    .unit = "GB/s",
                                    .better = "higher",
                                    .count = ring ? 3 : 2 };
        for (int j = 0; j < 3; j++)
            c[i].series[j].impl = impls[j];
    }
    for (int r = 0; r < rounds; r++) {
        double written[3] = { 0.0 }, read_back[3] = { 0.0 };

        raw(dir, NULL, memory, &written[1], &read_back[1]);
        if (ring)
            raw(dir, ring, memory, &written[2], &read_back[2]);
        ours(s, TOTAL / object, &written[0], &read_back[0]);
        for (int j = 0; j < 3; j++) {
            series_add(&c[0].series[j], written[j]);
            series_add(&c[1].series[j], read_back[j]);
        }
    }
    need(objstore_stats(s, &stats), "objstore_stats");
    for (int i = 0; i < 2; i++)
        comparison_report(&c[i], out);
    if (!stats.uses_io_uring)
        printf("  (ours without io_uring)\n");
    objstore_close(s);
}

int main(int argc, char **argv)
{
    static const struct option options[] = { { "quick", no_argument, NULL, 'q' },
                                             { "rounds", required_argument, NULL, 'r' },
                                             { "only", required_argument, NULL, 's' },
                                             { "out", required_argument, NULL, 'o' },
                                             { NULL, 0, NULL, 0 } };
    static const struct {
        size_t bytes;
        const char *text;
    } sizes[] = {
        { 4096, "4 KiB" }, { 65536, "64 KiB" }, { 1 << 20, "1 MiB" }, { 64 << 20, "64 MiB" }
    };
    const char *dir = "/var/tmp", *out_path = "/dev/null", *only = NULL;
    int rounds = 7;
    struct io_uring ring;

    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'q')
            rounds = 3;
        else if (c == 'r')
            rounds = atoi(optarg);
        else if (c == 's')
            only = optarg;
        else if (c == 'o')
            out_path = optarg;
        else
            return 2;
    }
    if (optind < argc)
        dir = argv[optind];
    report_machine();
    FILE *out = fopen(out_path, "a");
    need(out ? 0 : -errno, out_path);
    unsigned char *memory = aligned_alloc(HUGE_BYTES, TOTAL);
    need(memory ? 0 : -ENOMEM, "memory");
    (void)madvise(memory, TOTAL, MADV_HUGEPAGE);
    for (uint64_t i = 0; i < TOTAL; i += 8) {
        uint64_t random = i * 0x9e3779b97f4a7c15u;
        memcpy(memory + i, &random, 8);
    }
    bool has_ring = !io_uring_queue_init(AT_ONCE, &ring, 0);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (!only || !strcmp(only, sizes[i].text))
            measure(dir, has_ring ? &ring : NULL, memory, sizes[i].bytes, sizes[i].text, rounds,
                    out);
    if (has_ring)
        io_uring_queue_exit(&ring);
    free(memory);
    fclose(out);
    return 0;
}
