/* SPDX-License-Identifier: MIT */
/* shmfile.c -- a POSIX shared memory object for every object: shm_open, ftruncate, mmap, copy. */
#include "../ops.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int prefix;
static void *held;
static size_t held_size;
static int self;

static bool start(uint64_t capacity)
{
    (void)capacity;
    prefix = (int)getpid();
    return true;
}

static void stop(void)
{
}

static void *attach(void)
{
    return &self;
}

static void detach(void *h)
{
    (void)h;
}

static void name_of(const struct id *id, char name[64])
{
    snprintf(name, 64, "/bench-%d-%016llx", prefix, (unsigned long long)id->word[0]);
}

static int put(void *h, const struct id *id, const void *data, size_t size)
{
    char name[64];
    int fd;

    (void)h;
    name_of(id, name);
    fd = shm_open(name, O_CREAT | O_EXCL | O_RDWR, 0600);
    if (fd < 0)
        return -1;
    void *at =
        ftruncate(fd, (off_t)size) ? MAP_FAILED : mmap(NULL, size, PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (at == MAP_FAILED)
        return -1;
    memcpy(at, data, size);
    return munmap(at, size);
}

static int get(void *h, const struct id *id, const void **data, size_t *size)
{
    struct stat st;
    char name[64];
    int fd;

    (void)h;
    name_of(id, name);
    fd = shm_open(name, O_RDONLY, 0);
    if (fd < 0)
        return -1;
    held_size = fstat(fd, &st) ? 0 : (size_t)st.st_size;
    held = held_size ? mmap(NULL, held_size, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
    close(fd);
    if (held == MAP_FAILED)
        return -1;
    *data = held;
    *size = held_size;
    return 0;
}

static void done(void *h)
{
    (void)h;
    munmap(held, held_size);
}

static int del(void *h, const struct id *id)
{
    char name[64];

    (void)h;
    name_of(id, name);
    return shm_unlink(name);
}

const struct ops ops = { .name = "shm file each",
                         .start = start,
                         .stop = stop,
                         .attach = attach,
                         .detach = detach,
                         .put = put,
                         .get = get,
                         .done = done,
                         .del = del };
