/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "mirror.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test.h"

#define PAGE 4096

struct mirror {
    int fd;
    size_t size;
    const unsigned char *file;
    unsigned char *copy;
    bool *is_copied; /* of each page: the others are zero */
};

struct mirror *mirror_new(int fd)
{
    struct mirror *m = calloc(1, sizeof *m);
    off_t size = lseek(fd, 0, SEEK_END);

    REQUIRE(m && size > 0);
    m->fd = fd;
    m->size = (size_t)size;
    void *file = mmap(NULL, m->size, PROT_READ, MAP_SHARED, fd, 0);
    void *copy = mmap(NULL, m->size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    m->is_copied = calloc(m->size / PAGE + 1, sizeof *m->is_copied);
    REQUIRE(file != MAP_FAILED && copy != MAP_FAILED && m->is_copied);
    m->file = file;
    m->copy = copy;
    (void)mirror_update(m);
    return m;
}

void mirror_free(struct mirror *m)
{
    if (!m)
        return;
    munmap((void *)(uintptr_t)m->file, m->size);
    munmap(m->copy, m->size);
    free(m->is_copied);
    free(m);
}

static bool update_data(struct mirror *m, size_t at, size_t end)
{
    if (!memcmp(m->copy + at, m->file + at, end - at))
        return false;
    for (; at < end; at += PAGE) {
        size_t bytes = end - at < PAGE ? end - at : PAGE;

        if (memcmp(m->copy + at, m->file + at, bytes)) {
            memcpy(m->copy + at, m->file + at, bytes);
            m->is_copied[at / PAGE] = true;
        }
    }
    return true;
}

/* Pages that are in no memory, and stay so: to read them would change that. */
static bool update_hole(struct mirror *m, size_t at, size_t end)
{
    bool changed = false;

    for (; at < end; at += PAGE) {
        if (!m->is_copied[at / PAGE])
            continue;
        memset(m->copy + at, 0, end - at < PAGE ? end - at : PAGE);
        m->is_copied[at / PAGE] = false;
        changed = true;
    }
    return changed;
}

bool mirror_update(struct mirror *m)
{
    bool changed = false;

    for (size_t at = 0; at < m->size;) {
        off_t data = lseek(m->fd, (off_t)at, SEEK_DATA);
        size_t from = data < 0 ? m->size : (size_t)data;

        changed |= update_hole(m, at, from);
        if (from == m->size)
            break;
        off_t hole = lseek(m->fd, data, SEEK_HOLE);
        at = hole < 0 ? m->size : (size_t)hole;
        changed |= update_data(m, from, at);
    }
    return changed;
}
