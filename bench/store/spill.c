/* SPDX-License-Identifier: MIT */
/*
 * spill [DIR] -- spill and restore against the raw device, interleaved in one run.
 *
 * Raw: the same bytes from and to the same kind of memory, by O_DIRECT requests of 1 MiB, one after
 * the other, into a new file with its room reserved, as a spill file is. Ours: objstore_spill()
 * of a full store, and a get of each object. Prints GB/s, medians of the rounds, and the ratio.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <objstore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "futex.h"

#define OBJECT (8u << 20)
#define OBJECTS 24u
#define TOTAL ((uint64_t)OBJECT * OBJECTS)
#define PIECE (1u << 20)
#define ROUNDS 5

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

static void raw(const char *dir, unsigned char *memory, double *written, double *read_back)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/raw-%d", dir, (int)getpid());
    int64_t start = monotonic_ns();
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_DIRECT | O_CLOEXEC, 0600);
    need(fd < 0 ? -errno : 0, path);
    need(fallocate(fd, 0, 0, (off_t)TOTAL) ? -errno : 0, "fallocate");
    for (uint64_t at = 0; at < TOTAL; at += PIECE)
        need(pwrite(fd, memory + at, PIECE, (off_t)at) == PIECE ? 0 : -EIO, "pwrite");
    *written = gb_per_s(start);
    start = monotonic_ns();
    for (uint64_t at = 0; at < TOTAL; at += PIECE)
        need(pread(fd, memory + at, PIECE, (off_t)at) == PIECE ? 0 : -EIO, "pread");
    *read_back = gb_per_s(start);
    close(fd);
    unlink(path);
}

static struct objstore_id id_of(uint64_t n)
{
    struct objstore_id id = { { 1 } };
    memcpy(id.bytes + 8, &n, sizeof n);
    return id;
}

static void ours(struct objstore *s, double *spilled, double *restored)
{
    int64_t start = monotonic_ns();
    need(objstore_spill(s, TOTAL), "objstore_spill");
    *spilled = gb_per_s(start);
    start = monotonic_ns();
    for (uint64_t n = 0; n < OBJECTS; n++) {
        struct objstore_id id = id_of(n);
        struct objstore_view view;
        need(objstore_get(s, &id, 0, &view), "objstore_get");
        objstore_release(s, &view);
    }
    *restored = gb_per_s(start);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print(const char *what, double raw_rounds[], double our_rounds[])
{
    qsort(raw_rounds, ROUNDS, sizeof(double), compare);
    qsort(our_rounds, ROUNDS, sizeof(double), compare);
    double r = raw_rounds[ROUNDS / 2], o = our_rounds[ROUNDS / 2];
    printf("%-8s raw %5.2f (%.2f-%.2f)  ours %5.2f (%.2f-%.2f) GB/s  ratio %.2f\n", what, r,
           raw_rounds[0], raw_rounds[ROUNDS - 1], o, our_rounds[0], our_rounds[ROUNDS - 1], o / r);
}

int main(int argc, char **argv)
{
    const char *dir = argc > 1 ? argv[1] : "/var/tmp";
    struct objstore_options options = OBJSTORE_OPTIONS_INIT;
    double raw_write[ROUNDS], raw_read[ROUNDS], spill[ROUNDS], restore[ROUNDS];
    struct objstore_stats stats;
    struct objstore *s;
    int memory_fd = memfd_create("raw", MFD_CLOEXEC);
    need(memory_fd < 0 || ftruncate(memory_fd, (off_t)TOTAL) ? -errno : 0, "memfd");
    unsigned char *memory =
        mmap(NULL, TOTAL, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, memory_fd, 0);
    need(memory == MAP_FAILED ? -errno : 0, "mmap");
    for (uint64_t i = 0; i < TOTAL; i += 8) {
        uint64_t random = i * 0x9e3779b97f4a7c15u;
        memcpy(memory + i, &random, 8);
    }
    options.flags = OBJSTORE_CREATE | OBJSTORE_PREFAULT;
    options.capacity_bytes = TOTAL;
    options.spill_dir = dir;
    need(objstore_open(NULL, &options, &s, NULL), "objstore_open");
    for (uint64_t n = 0; n < OBJECTS; n++) {
        struct objstore_id id = id_of(n);
        need(objstore_put(s, &id, memory + n * OBJECT, OBJECT, NULL), "objstore_put");
    }
    for (int i = 0; i < ROUNDS; i++) {
        raw(dir, memory, &raw_write[i], &raw_read[i]);
        ours(s, &spill[i], &restore[i]);
    }
    need(objstore_stats(s, &stats), "objstore_stats");
    print("spill", raw_write, spill);
    print("restore", raw_read, restore);
    printf("io_uring: %s\n", stats.uses_io_uring ? "used" : "not used");
    objstore_close(s);
    return 0;
}
